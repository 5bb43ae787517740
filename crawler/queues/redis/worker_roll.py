"""Logs which workers join and leave a crawl in Redis: the server has no log, so the collector compares."""

from __future__ import annotations

import logging
from collections.abc import Callable

from crawler.logs.events import CRAWL_PAUSED, CRAWL_UNPAUSED, NOTICE, WORKER_LEFT, WORKER_LOST, tell
from crawler.logs.outcomes import SOMEBODY, tell_joined, who
from crawler.models import Stats, WorkerStatus

log = logging.getLogger(__name__)


class WorkerRoll:
    """The workers at the latest look, which is made every *every_s* seconds. A worker that is gone is lost if it had
    been silent for nearly *lease_s* seconds; any other has left.
    """

    def __init__(self, *, lease_s: float, every_s: float) -> None:
        self._lost_after_s = max(lease_s - 2 * every_s, lease_s / 2)
        self._workers: dict[str, WorkerStatus] = {}
        self._paused = False

    def look(self, stats: Callable[[], Stats]) -> None:
        """Log what has changed; asks for *stats* only if the log is on."""
        if not log.isEnabledFor(NOTICE):
            return
        seen = stats()
        workers = {worker.id: worker for worker in seen.workers}
        for worker in workers.values():
            if worker.id not in self._workers:
                tell_joined(log, worker)
        if seen.worker_count <= len(workers):  # else these are some of them
            for worker in self._workers.values():
                if worker.id not in workers:
                    self._tell_gone(worker)
        self._workers = workers
        if seen.paused is not self._paused:
            self._paused = seen.paused
            tell(log, CRAWL_PAUSED if seen.paused else CRAWL_UNPAUSED, by=seen.paused_by or SOMEBODY)

    def _tell_gone(self, worker: WorkerStatus) -> None:
        facts = {**who(worker), "tasks": worker.held, "done": worker.done}
        if worker.seen_s < self._lost_after_s:
            tell(log, WORKER_LEFT, **facts)
        else:
            tell(log, WORKER_LOST, **facts, silent_s=worker.seen_s)
