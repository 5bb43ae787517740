"""The worker processes of one machine: started, restarted when they die, stopped."""

from __future__ import annotations

import logging
import math
import os
import platform
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from crawler import errors
from crawler.forkserver.client import ForkClient
from crawler.logs.events import MANAGER_RESTARTED, WORKER_RESTARTED, tell
from crawler.metrics.figures import WorkerFigures, ended, together
from crawler.models import WORKER_NAMES, TaskKind
from crawler.queues import TaskQueue
from crawler.run.children import Child
from crawler.run.context import CrawlContext
from crawler.run.worker_main import work

log = logging.getLogger(__name__)

STOP_GRACE_S = 10.0
MOST_DOWNLOADERS = 4
_MOST_DEATHS = 8


class DeathWatch:
    """Notes the deaths of child processes, and gives up when they keep dying.

    *told* says so, with ``{name}`` and ``{why}`` of the last. Deaths count for *within_s* seconds, until ``progress``.
    """

    def __init__(
        self, told: str, *, within_s: float = math.inf, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._told = told
        self._within_s = within_s
        self._clock = clock
        self._deaths: list[float] = []
        self._settled = -1
        self.total = 0
        """How many have died, those from before any progress included."""

    def progress(self) -> None:
        """Work was done: no earlier death counts any more."""
        self._deaths.clear()

    def progress_to(self, settled: int) -> None:
        """So many tasks are settled by now: it is progress if they have never been more."""
        if settled > self._settled:
            self._settled = settled
            self.progress()

    def died(self, child: Child, *, is_manager: bool = False, counts: bool = True) -> None:
        """Log that *child* has ended and is to be replaced, and reap it. Raises ProcessesKeepDying."""
        now = self._clock()
        self.total += 1
        self._deaths = [then for then in self._deaths if now - then < self._within_s] + [now] * counts
        if len(self._deaths) > _MOST_DEATHS:
            raise errors.ProcessesKeepDying(self._told.format(name=child.name, why=child.why_ended))
        tell(log, MANAGER_RESTARTED if is_manager else WORKER_RESTARTED, name=child.name, why=child.why_ended)
        child.kill()


class WorkerPool:
    """Workers for the crawl at *context*, whose task queue is *tasks*; *watch* notes their deaths. *forks* is the fork
    server to ask for them.

    A worker that ends with exit code 0 has heard that the crawl is over: it is not replaced.
    """

    def __init__(
        self, context: CrawlContext, tasks: TaskQueue, watch: DeathWatch, *, forks: ForkClient | None = None
    ) -> None:
        self._context = context
        self._tasks = tasks
        self._watch = watch
        self._forks = forks
        self._workers: dict[str, tuple[TaskKind, Child]] = {}
        self._ended: dict[TaskKind, WorkerFigures] = {}
        """What workers had done that were replaced."""

    def keep(self, kept_by: str) -> None:
        """Let the records of workers started from now on say who keeps their images; see ``keepers``."""
        self._context = replace(self._context, kept_by=kept_by)

    def start(self, counts: Mapping[TaskKind, int]) -> None:
        """Start so many more workers of each kind."""
        processes = len(self._workers) + sum(counts.values())
        self._context = replace(self._context, processes=max(1, processes))
        for kind, count in counts.items():
            for _ in range(count):
                self._start(kind)

    def _start(self, kind: TaskKind) -> None:
        worker_id = f"{platform.node()}:{WORKER_NAMES[kind]}-{secrets.token_hex(4)}"
        child = Child(WORKER_NAMES[kind], work, self._context, kind, worker_id, forks=self._forks)
        self._workers[worker_id] = (kind, child)
        if kind is TaskKind.RENDER:
            self._context = replace(self._context, logs_isolation=False)

    @property
    def children(self) -> list[Child]:
        return [child for _, child in self._workers.values()]

    @property
    def at_work(self) -> list[Child]:
        """The workers that run."""
        return [child for child in self.children if child.exitcode is None]

    @property
    def deaths(self) -> int:
        """How many of the crawl's processes on this machine have died."""
        return self._watch.total

    def processes(self) -> dict[TaskKind, int]:
        """How many workers run, by kind."""
        counts = dict.fromkeys((kind for kind, _ in self._workers.values()), 0)
        for kind, child in self._workers.values():
            counts[kind] += child.exitcode is None
        return counts

    def figures(self) -> dict[TaskKind, WorkerFigures]:
        """What all workers of each kind have told, those that have ended included."""
        told: dict[TaskKind, list[WorkerFigures]] = {kind: [before] for kind, before in self._ended.items()}
        for kind, child in self._workers.values():
            told.setdefault(kind, []).append(
                child.figures if child.exitcode is None else ended(child.figures)
            )
        return {kind: together(figures) for kind, figures in told.items()}

    def _forget(self, worker_id: str) -> None:
        """Let a worker go that has ended; what it has done is kept."""
        kind, child = self._workers.pop(worker_id)
        before = self._ended.get(kind, WorkerFigures())
        self._ended[kind] = together((before, ended(child.figures)))

    @property
    def has_ended(self) -> bool:
        """A worker has heard that the crawl is over."""
        return any(child.exitcode == 0 for child in self.children)

    def stop_all(self) -> None:
        """Ask all workers to end. One that has not connected yet would look for the manager for long."""
        for child in self.children:
            child.listen()
            child.stop()

    def supervise(self) -> None:
        """Listen to all workers, and replace those that have died.

        Nobody is replaced while the queue can't be reached. Raises a worker's CrawlError, and ProcessesKeepDying.
        """
        for worker_id, (kind, child) in list(self._workers.items()):
            child.listen()
            if child.exitcode in (None, 0):
                continue
            if isinstance(child.failure, errors.CrawlError):
                raise child.failure
            try:
                self._tasks.leave(worker_id, charged=True)
            except (errors.QueueUnreachable, errors.TooManyConnections):
                return
            self._forget(worker_id)
            self._watch.died(
                child, counts=self._context.remote or not isinstance(child.failure, errors.QueueUnreachable)
            )
            self._start(kind)

    def stop(self, *, grace_s: float = STOP_GRACE_S) -> None:
        """Let workers finish what they have begun and give the rest back; kill who takes longer than *grace_s*."""
        for child in self.children:
            child.stop()
        end = time.monotonic() + grace_s
        for child in self.children:
            while child.exitcode is None and time.monotonic() < end:
                child.listen(0.05)
            child.listen()
        self.kill(giving_back=True)

    def kill(self, *, giving_back: bool = False) -> None:
        """End all workers at once. With *giving_back* the queue is told, so that their tasks are done again soon."""
        killed = [worker_id for worker_id, (_, child) in self._workers.items() if child.exitcode is None]
        for child in self.children:
            child.kill()
        for worker_id in list(self._workers):
            self._forget(worker_id)
        if giving_back:
            with suppress(errors.QueueError):  # then their leases run out
                for worker_id in killed:
                    self._tasks.leave(worker_id, charged=False)


def usual_downloaders() -> int:
    """How many downloaders suit this machine: one for each core, and not more than MOST_DOWNLOADERS."""
    return min(MOST_DOWNLOADERS, os.cpu_count() or 1)
