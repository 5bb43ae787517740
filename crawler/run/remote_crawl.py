"""A crawl that runs elsewhere, joined by workers of this machine."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from multiprocessing.connection import wait
from pathlib import Path
from typing import Self

import msgspec

from crawler import errors
from crawler.catalog.database import Catalog
from crawler.config import MachineConfig, MonitoringConfig
from crawler.crawlfile.keepers import own_name
from crawler.crawlfile.layout import CrawlFolder
from crawler.forkserver.client import ForkServer
from crawler.logs.events import QUEUE_WAITED_FOR, tell
from crawler.models import TaskKind
from crawler.queues import TaskQueue
from crawler.run import preload
from crawler.run import trust as trusted
from crawler.run.context import CrawlContext
from crawler.run.default_folder import remote_home
from crawler.run.endpoints import QueueEndpoint
from crawler.run.monitor import Monitor
from crawler.run.trust import Trust
from crawler.run.worker_pool import STOP_GRACE_S, DeathWatch, WorkerPool
from crawler.seeds import another_crawl
from crawler.storage import schemes

log = logging.getLogger(__name__)

_PARENT_RECONNECT_S = 2.0  # it has to look after its children, who have patience of their own
_LOOK_AGAIN_S = 0.5
_DEATHS_WITHIN_S = 3600.0


class RemoteCrawl:
    """Workers of one *kind* for a crawl that runs elsewhere; a context manager that joins the crawl and leaves it.

    The crawl's plan says what to do; ``asked`` is what it asks of this machine. Downloaders keep images in *folder*
    (by default the folder that ``remote_home`` names), unless the crawl wants them elsewhere. *machine* and
    *monitoring* have this machine's own settings: no crawl has a say in them.

    Entering raises UsageError when the crawl asks for more than *trust* grants, QueueUnreachable after *join_s* seconds
    without an answer (workers try for *reconnect_s* later), AuthenticationFailed, VersionMismatch and FolderError.
    """

    def __init__(
        self,
        endpoint: QueueEndpoint,
        *,
        kind: TaskKind,
        trust: frozenset[Trust],
        join_s: float,
        reconnect_s: float,
        folder: Path | None = None,
        machine: MachineConfig | None = None,
        monitoring: MonitoringConfig | None = None,
    ) -> None:
        self._kind = kind
        self._forks: ForkServer | None = None
        self._trust = trust
        self._endpoint = endpoint
        self._join_s = join_s
        self._reconnect_s = reconnect_s
        self._folder = folder
        self._machine = machine or MachineConfig()
        self._monitoring = monitoring or MonitoringConfig()
        self.monitor = Monitor(self._monitoring, watches=False)
        self._client = endpoint.client(reconnect_s=join_s)

    def __enter__(self) -> Self:
        self._forks = preload.for_workers(self._kind)
        try:
            with ExitStack() as watched:
                watched.enter_context(self.monitor)
                self._joined()
                self._watched = watched.pop_all()
        except BaseException:
            self._disconnect()
            raise
        return self

    def _disconnect(self) -> None:
        self._client.disconnect()
        if self._forks is not None:
            self._forks.close()

    def _joined(self) -> None:
        tasks = self._task_queue()
        self.plan = trusted.own(tasks.plan())
        self._client.crawl = self.plan.id
        self._client.reconnect_s = _PARENT_RECONNECT_S
        if not self.plan.seeds and not self.plan.id:
            raise errors.ProtocolError("the manager has told of no crawl; is it image-crawler's?")
        where = self._endpoint
        self.asked = trusted.checked(self.plan, self._kind, self._trust, hosts=where.hosts, where=where)
        self.folder = CrawlFolder(self._folder or remote_home(self.plan.seeds, self.plan.id))
        self._pool = WorkerPool(
            CrawlContext(
                folder=self.folder.path,
                config=msgspec.structs.replace(
                    self.plan.config, machine=self._machine, monitoring=self._monitoring
                ),
                seeds=self.plan.seeds,
                endpoint=self._endpoint.pinned_to(self._client),
                networks=self.plan.networks,
                reconnect_s=self._reconnect_s,
                plan_id=self.plan.id,
                remote=True,
                memory_bytes=self._machine.memory_budget_bytes,
            ),
            tasks,
            DeathWatch("the workers keep dying, the last of: {why}", within_s=_DEATHS_WITHIN_S),
            forks=self._forks.client if self._forks is not None else None,
        )

    def _task_queue(self) -> TaskQueue:
        """The queue of the crawl that runs there. A stopped crawl may still lie in Redis: it is waited for to go on."""
        end, told = time.monotonic() + self._join_s, False
        while True:
            self._client.connect()
            tasks = self._client.get_task_queue()
            halted = tasks.stats().halted
            if halted is None:
                return tasks
            if time.monotonic() >= end:
                raise errors.QueueUnreachable(f"the crawl at {self._endpoint} does not go on: {halted}")
            if not told:
                told = True
                told_of = f"the crawl at {self._endpoint} does not go on so far ({halted})"
                tell(log, QUEUE_WAITED_FOR, told=told_of)
            self._client.disconnect()
            time.sleep(_LOOK_AGAIN_S)
            # by another client: with other settings it is another plan
            self._client = self._endpoint.client(reconnect_s=max(0.0, end - time.monotonic()))

    def __exit__(self, *_: object) -> None:
        with self._watched:
            self.monitor.drain()
            self._leave()

    def _leave(self) -> None:
        try:
            self._pool.stop(grace_s=self.plan.config.fetch.total_timeout_s + STOP_GRACE_S)
        finally:  # somebody may be in a hurry
            self._pool.kill(giving_back=True)
            self._disconnect()

    def work(self, processes: int) -> None:
        """Work with so many processes until the crawl has ended.

        Raises QueueUnreachable when the queue has been gone for long, CrawlReplaced, ProcessesKeepDying, FolderError.
        """
        if self._kind is TaskKind.IMAGE:
            schemes.check(self.plan.config.storage)
            if self.keeps_images:
                self._check_folder()
                self._pool.keep(own_name(self.folder.path))
        self._pool.start({self._kind: processes})
        while self._pool.at_work:
            wait([child.pipe for child in self._pool.at_work], timeout=0.5)
            self.monitor.turned(self._pool)
            if self._pool.has_ended:
                self._pool.stop_all()
            else:
                self._pool.supervise()
        failures = [child.failure for child in self._pool.children if child.failure is not None]
        if failures and not self._pool.has_ended:
            raise failures[0]

    @property
    def keeps_images(self) -> bool:
        """Whether downloaders keep images here, in ``folder``."""
        return self.plan.config.storage.at_workers

    def _check_folder(self) -> None:
        if not self.folder.holds_a_crawl:
            return
        with Catalog(self.folder.path) as catalog:
            seeds = catalog.seeds()
        if set(seeds) != set(self.plan.seeds):
            raise another_crawl(self.folder.path, seeds)
