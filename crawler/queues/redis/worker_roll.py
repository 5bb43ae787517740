"""Who works for a crawl whose queue lies in Redis: nobody there has a log, so its collector looks, and tells."""

from __future__ import annotations

import logging
from collections.abc import Callable

from crawler.logs.events import CRAWL_PAUSED, CRAWL_UNPAUSED, NOTICE, WORKER_LEFT, WORKER_LOST, tell
from crawler.logs.outcomes import SOMEBODY, tell_joined, who
from crawler.models import Stats, WorkerStatus

log = logging.getLogger(__name__)


class WorkerRoll:
    """What was seen at the latest look. Of those that are gone, a worker that had been silent for nearly a lease
    (*lease_s*) by then is lost; any other has said goodbye.
    """

    def __init__(self, *, lease_s: float, every_s: float) -> None:
        self._lost_after_s = max(lease_s - 2 * every_s, lease_s / 2)
        self._workers: dict[str, WorkerStatus] = {}
        self._paused = False

    def look(self, stats: Callable[[], Stats]) -> None:
        """Tell what has changed; asks only if somebody wants to know."""
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
