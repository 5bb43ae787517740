"""Counts and times of one worker process. All calls are safe from several threads, and take about a microsecond."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence

from crawler.metrics.figures import BOUNDS_S, Histogram, Stage, WorkerFigures
from crawler.models import ImageRecord, ImageStatus, Result, Revisit, WorkerState

TELL_EVERY_S = 1.0


class Meter:
    """What a worker has done. *max_attempts* of a task may fail; then it counts as failed."""

    def __init__(self, max_attempts: float) -> None:
        self._max_attempts = max_attempts
        self._lock = threading.Lock()
        self._counts: dict[Stage, list[int]] = {}
        self._sums: Counter[Stage] = Counter()
        self._results: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._received_bytes = self._saved_bytes = 0
        self._storage_away = False

    def took(self, stage: Stage, seconds: float) -> None:
        """*stage* of a task took so long."""
        bounds = BOUNDS_S[stage]
        bucket = bisect_left(bounds, seconds)
        with self._lock:
            if (counts := self._counts.get(stage)) is None:
                counts = self._counts[stage] = [0] * (len(bounds) + 1)
            counts[bucket] += 1
            self._sums[stage] += seconds  # type: ignore[assignment] # a Counter adds floats as well
            if stage is Stage.STORE:
                self._storage_away = False

    def storage_away(self) -> None:
        """The storage could not be reached."""
        self._storage_away = True

    def settled(self, results: Sequence[Result]) -> None:
        """The queue has taken these."""
        with self._lock:
            for result in results:
                record = result.record
                if result.untouched:
                    continue
                is_over = result.retry_in_s is None or record.attempts >= self._max_attempts
                self._results[record.status if is_over else "retried"] += 1
                if record.reason:
                    self._reasons[record.reason] += 1
                if record.revisit is not Revisit.UNCHANGED:
                    self._received_bytes += record.size_bytes
                    if isinstance(record, ImageRecord) and record.status is ImageStatus.SAVED:
                        self._saved_bytes += record.size_bytes

    def figures(self, state: WorkerState, *, silent_s: float) -> WorkerFigures:
        """What is known by now; *silent_s* seconds ago the queue answered last."""
        with self._lock:
            return WorkerFigures(
                stages={
                    stage: Histogram(counts=tuple(counts), sum_s=self._sums[stage])
                    for stage, counts in self._counts.items()
                },
                results=dict(self._results),
                reasons=dict(self._reasons),
                received_bytes=self._received_bytes,
                saved_bytes=self._saved_bytes,
                running=state.running,
                threads=state.threads,
                memory_waits=state.short_of_memory,
                silent_s=silent_s,
                storage_away=int(self._storage_away),
            )


class Teller:
    """Tells a worker's figures once a second, from a thread of its own, and once more when it is closed."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="figures", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(TELL_EVERY_S):
            self._tell()

    def close(self) -> None:
        self._over.set()
        self._thread.join(TELL_EVERY_S)
        self._tell()
