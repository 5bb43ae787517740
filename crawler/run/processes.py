"""The processes of a crawl on this machine, watched over: the manager or the collector, and the workers.

A process that dies is replaced, and its work is done again. Processes that keep dying without any progress end the
crawl with an error; everything is kept for the next start.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait

from crawler import errors
from crawler.crawlfile.layout import CrawlFolder
from crawler.forkserver.client import ForkClient, ForkServer
from crawler.lists import Report
from crawler.logs.events import MANAGER_LATE, tell
from crawler.models import Cookie
from crawler.queues import ResultQueue, TaskQueue
from crawler.run import preload
from crawler.run.backends import QueueBackend
from crawler.run.children import Child
from crawler.run.context import CrawlContext, StartMode
from crawler.run.monitor import Monitor
from crawler.run.worker_pool import DeathWatch, WorkerPool

log = logging.getLogger(__name__)

_KEEP_DYING = (
    "the crawl's processes keep dying, the {name} last ({why}); what is done is kept. Run it with -vv to see why, then"
    " the same command goes on"
)
_REMOTE_GRACE_S = 5.0
_DRAIN_S = 30.0


class CrawlProcesses:
    """The processes of a crawl whose queues *backend* describes, forked by *forks* or a fork server of their own. The
    *monitor* is told of each turn of the loop.

    ``tasks`` and ``pool`` are None until :meth:`start`, and after it if nothing was left to do.
    """

    def __init__(self, backend: QueueBackend, monitor: Monitor, forks: ForkServer | None = None) -> None:
        self._backend = backend
        self._monitor = monitor
        self._context: CrawlContext
        self._report: Report
        self._manager: Child | None = None
        self._forks = forks
        self._published = False
        self.deaths = DeathWatch(_KEEP_DYING)
        self.pool: WorkerPool | None = None
        self.tasks: TaskQueue | None = None

    @property
    def pids(self) -> tuple[tuple[str, int], ...]:
        """Name and process id of each child, the fork server last."""
        children = self.pool.children if self.pool is not None else []
        found = [(child.name, child.pid) for child in [self._manager, *children] if child is not None]
        return (*found, ("fork-server", self._forks.pid)) if self._forks is not None else tuple(found)

    # --- start ---

    def start(
        self, context: CrawlContext, start: StartMode, cookies: tuple[Cookie, ...], report: Report
    ) -> ResultQueue:
        """Start the manager, or the collector, and connect to its queues. Raises the error that it ends with.

        *cookies* are for this start alone: given again, they would undo what servers have changed since. *report* is
        told what a starting process is busy with.
        """
        self._context, self._report = context, report
        self._forks = self._forks or preload.for_crawl(context.config)
        self._start_manager(start, cookies)
        self.tasks, results = self._backend.connect()
        if self.tasks is not None:
            self.pool = WorkerPool(self._here(), self.tasks, self.deaths, forks=self._client)
        return results

    @property
    def _client(self) -> ForkClient | None:
        return None if self._forks is None else self._forks.client

    def publish(self) -> None:
        """Let other programs of this user join by the crawl's folder."""
        self._published = True
        self._backend.publish()

    def _here(self) -> CrawlContext:
        """The context, with the addresses that the manager listens at."""
        return replace(self._context, endpoint=self._backend.endpoint, public=self._backend.public)

    def _start_manager(self, start: StartMode, cookies: tuple[Cookie, ...] = ()) -> None:
        backend = self._backend
        self._manager = child = Child(
            backend.process,
            backend.main,
            replace(self._here(), cookies=cookies),
            start,
            forks=self._client,
        )
        end = time.monotonic() + backend.start_s
        while not child.ready and child.exitcode is None and time.monotonic() < end:
            child.listen(0.1)
            if child.busy:
                self._report(child.busy)
                child.busy, end = "", time.monotonic() + backend.start_s
        if not child.ready:
            raise child.failure or errors.CrawlError(f"the {backend.process} process did not start")
        backend.started(child)

    # --- watch ---

    def supervise(self) -> None:
        """Listen to all children, and replace those that have died. Raises ProcessesKeepDying, and what ended one."""
        assert self._manager is not None
        self._monitor.turned(self.pool)
        self._manager.listen()
        if self._manager.exitcode is not None:
            if isinstance(self._manager.failure, errors.CrawlerError):
                raise self._manager.failure
            self.deaths.died(self._manager, is_manager=True)
            self._start_manager(StartMode.RESTART)
        if self.pool is not None:
            self.pool.supervise()

    def pause(self, for_s: float) -> None:
        """Wait, but no longer than until a child ends or says something; lines of its log do not count."""
        children = [self._manager] if self._manager else []
        children += self.pool.at_work if self.pool else []
        end = time.monotonic() + for_s
        while (left_s := end - time.monotonic()) > 0:
            ready = wait([child.pipe for child in children], timeout=left_s)
            if any(child.listen() for child in children if child.pipe in ready):
                return

    # --- end ---

    def stop_workers(self, reason: str) -> None:
        """Let this machine's workers finish and leave; with a *reason* the remote ones at the same time."""
        self._monitor.drain()
        if reason and self.tasks is not None:
            with suppress(errors.QueueError, errors.CrawlError):
                self.tasks.stop(reason)
        if self.pool is not None:
            self.pool.stop()

    def close(self, *, reason: str, goes_on: bool) -> None:
        """End the crawl's processes cleanly, the workers having been stopped; a crawl that *goes_on* elsewhere keeps
        its remote workers, those of any other finish what they have begun: *reason* is what they are told.
        """
        self._unpublish()
        if self.pool is not None:
            self._drain(reason, goes_on=goes_on)
        self._disconnect()
        if self._manager is not None:
            self._manager.stop()
            if not self._manager.join(self._backend.grace_s):
                tell(log, MANAGER_LATE, name=self._backend.process)
            self._manager.listen()
            self._end_manager()

    def _drain(self, reason: str, *, goes_on: bool) -> None:
        """Wait for remote workers to leave."""
        client = self._backend.client
        if client is None or self.tasks is None:
            return
        client.reconnect_s = _REMOTE_GRACE_S  # the manager closes what has been idle for minutes
        with suppress(errors.QueueUnreachable):
            stats = self.tasks.stats()
            if not stats.drained:
                if goes_on:
                    return
                with suppress(errors.CrawlError):  # a full disk
                    self.tasks.stop(reason)  # for those, too, who are about to join
            broke_off = stats.halted is not None and not stats.stopped  # what they finish may not be kept
            end = time.monotonic() + (_REMOTE_GRACE_S if stats.drained or broke_off else _DRAIN_S)
            while self.tasks.stats().workers and time.monotonic() < end:
                time.sleep(0.05)

    def kill(self) -> None:
        """End every process at once."""
        if self.pool is not None:
            self.pool.kill()
        self._unpublish()
        self._disconnect()
        self._end_manager()

    def _end_manager(self) -> None:
        if self._manager is not None:
            self._manager.kill()
            self._manager = None
        if self._forks is not None:
            self._forks.close()

    def _unpublish(self) -> None:
        """Take back what :meth:`publish` did. Without it the folder may be that of another crawl, which runs."""
        if self._published:
            self._published = False
            CrawlFolder(self._context.folder).unpublish()

    def _disconnect(self) -> None:
        if self._backend.client is not None:
            self._backend.client.disconnect()
            self._backend.client = None
