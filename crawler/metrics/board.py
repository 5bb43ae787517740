"""What the process that runs a crawl, or its workers, knows at a moment; and whether it lives and is ready.

The loop of that process notes; the server reads, in a thread of its own. Each note replaces one immutable value by
another, so that no reader waits for the loop, nor the loop for a reader.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from crawler.metrics.figures import Snapshot, WorkerFigures
from crawler.models import Stats, TaskKind

HANGS_S = 60.0
"""Seconds without a turn of the loop, which takes half a second, after which the process counts as hung."""
SILENT_S = 15.0
"""Seconds without an answer of the queue after which a process is not ready: several heartbeats, one restart."""
_FIRST_ANSWER_S = 60.0
"""Workers that have just been started are given so long for their first answer."""


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """The figures of the queue, and when they were had."""

    stats: Stats
    at: float


@dataclass(frozen=True, kw_only=True)
class _Pool:
    workers: Mapping[TaskKind, WorkerFigures]
    processes: Mapping[TaskKind, int]
    deaths: int


class Board:
    """*watches* says whether the process watches the queue itself, and not only through its workers."""

    def __init__(self, *, watches: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._watches = watches
        self._clock = clock
        self._began = clock()
        self._turned: float | None = None
        self._seen: _Seen | None = None
        self._settled = -1
        self._settled_at = self._began
        self._pool = _Pool(workers={}, processes={}, deaths=0)
        self._draining = False

    # --- for the loop ---

    def turned(self) -> None:
        """The loop has come round."""
        self._turned = self._clock()

    def note(self, stats: Stats) -> None:
        """The queue has answered."""
        now = self._clock()
        settled = sum(count.done + count.dead for count in (stats.pages, stats.images, stats.renders))
        if settled != self._settled:  # it falls when failed ones are tried again
            self._settled, self._settled_at = settled, now
        self._seen = _Seen(stats=stats, at=now)

    def note_workers(
        self, workers: Mapping[TaskKind, WorkerFigures], processes: Mapping[TaskKind, int], *, deaths: int
    ) -> None:
        self._pool = _Pool(workers=workers, processes=processes, deaths=deaths)

    def drain(self) -> None:
        """The process ends: it finishes what it has begun, and takes no more."""
        self._draining = True

    # --- for the server ---

    def snapshot(self) -> Snapshot:
        now, seen, pool = self._clock(), self._seen, self._pool
        return Snapshot(
            stats=None if seen is None else seen.stats,
            stats_age_s=0.0 if seen is None else max(0.0, now - seen.at),
            settled_age_s=max(0.0, now - self._settled_at),
            workers=pool.workers,
            processes=pool.processes,
            deaths=pool.deaths,
            ready=not self.not_ready(),
        )

    def hangs(self) -> str:
        """Why the process is to be killed; empty while its loop turns, and while it starts or ends."""
        if self._turned is None or self._draining:
            return ""
        still_s = self._clock() - self._turned
        return f"its loop has not turned for {still_s:.0f} s" if still_s > HANGS_S else ""

    def not_ready(self) -> str:
        """Why the process can't do its work now; empty if it can."""
        if self._draining:
            return "it is draining"
        if self._turned is None:
            return "it is starting"
        return self.hangs() or self._queue_trouble() or self._worker_trouble()

    def _queue_trouble(self) -> str:
        seen = self._seen
        if not self._watches:
            return "" if any(self._pool.processes.values()) else "no worker runs"
        if seen is None or self._clock() - seen.at > SILENT_S:
            return "the queue does not answer"
        return "" if seen.stats.halted is None else "the crawl is halted"

    def _worker_trouble(self) -> str:
        workers = self._pool.workers.values()
        is_new = self._clock() - self._began < _FIRST_ANSWER_S
        if any(one.silent_s > (_FIRST_ANSWER_S if is_new else SILENT_S) for one in workers):
            return "the queue does not answer its workers"
        return "the storage does not answer" if any(one.storage_away for one in workers) else ""
