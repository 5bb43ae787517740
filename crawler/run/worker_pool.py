"""The worker processes of one machine: started, watched over, started again when they die, stopped."""

from __future__ import annotations

import dataclasses
import logging
import os
import platform
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import Self

import msgspec

from crawler import errors
from crawler.catalog.database import Catalog
from crawler.config import MachineConfig
from crawler.crawlfile.keepers import own_name
from crawler.crawlfile.layout import CrawlFolder
from crawler.logs.events import QUEUE_WAITED_FOR, WORKER_RESTARTED, tell
from crawler.models import WORKER_NAMES, TaskKind
from crawler.queues import TaskQueue
from crawler.run import trust as trusted
from crawler.run.children import Child
from crawler.run.context import CrawlContext
from crawler.run.default_folder import guest_home
from crawler.run.endpoints import QueueEndpoint
from crawler.run.trust import Trust
from crawler.run.worker_main import work
from crawler.seeds import some
from crawler.storage import schemes

log = logging.getLogger(__name__)

STOP_GRACE_S = 10.0
MOST_DOWNLOADERS = 4
_PARENT_RECONNECT_S = 2.0  # it has to look after its children, who have patience of their own
_LOOK_AGAIN_S = 0.5
_MOST_DEATHS = 8
_DEATHS_WITHIN_S = 3600.0


class WorkerPool:
    """Workers for the crawl at *context*, whose task queue is *tasks*."""

    def __init__(self, context: CrawlContext, tasks: TaskQueue) -> None:
        self._context = context
        self._tasks = tasks
        self._workers: dict[str, tuple[TaskKind, Child]] = {}

    def keep(self, kept_by: str) -> None:
        """Those that are started from now on say so of the images that they keep; see ``keepers``."""
        self._context = dataclasses.replace(self._context, kept_by=kept_by)

    def start(self, staff: Mapping[TaskKind, int]) -> None:
        """So many more workers of each kind."""
        processes = len(self._workers) + sum(staff.values())
        self._context = dataclasses.replace(self._context, processes=max(1, processes))
        for kind, count in staff.items():
            for _ in range(count):
                self._start(kind)

    def _start(self, kind: TaskKind) -> None:
        worker_id = f"{platform.node()}:{WORKER_NAMES[kind]}-{secrets.token_hex(4)}"
        self._workers[worker_id] = (kind, Child(WORKER_NAMES[kind], work, self._context, kind, worker_id))
        if kind is TaskKind.RENDER:
            self._context = dataclasses.replace(self._context, logs_isolation=False)

    @property
    def children(self) -> list[Child]:
        return [child for _, child in self._workers.values()]

    @property
    def at_work(self) -> list[Child]:
        """Those that have not ended; nothing is left to do for the others."""
        return [child for child in self.children if child.exitcode is None]

    @property
    def has_ended(self) -> bool:
        """One of them has heard that the crawl is over."""
        return any(child.exitcode == 0 for child in self.children)

    def dismiss(self) -> None:
        """Have the others leave as well: those that have not connected yet would look for the manager for long."""
        for child in self.children:
            child.listen()
            child.stop()

    def replace_the_dead(self) -> Iterator[Child]:
        """Listen to all; yield each that has died, and start another in its place once the caller goes on.

        Raises the CrawlError that a worker ended with. While the manager can't be reached, nobody is replaced.
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
            del self._workers[worker_id]
            yield child
            self._start(kind)

    def stop(self, *, grace_s: float = STOP_GRACE_S) -> None:
        """Let them finish what they have begun and give the rest back; who takes too long is killed."""
        for child in self.children:
            child.stop()
        end = time.monotonic() + grace_s
        for child in self.children:
            while child.exitcode is None and time.monotonic() < end:
                child.listen(0.05)
            child.listen()
        self.kill(giving_back=True)

    def kill(self, *, giving_back: bool = False) -> None:
        """End them at once; what they had in hand is done again: soon, if the queue is told with *giving_back*."""
        killed = [worker_id for worker_id, (_, child) in self._workers.items() if child.exitcode is None]
        for child in self.children:
            child.kill()
        self._workers.clear()
        if giving_back:
            with suppress(errors.QueueError):  # then its leases run out
                for worker_id in killed:
                    self._tasks.leave(worker_id, charged=False)


def usual_downloaders() -> int:
    """How many processes suit this machine: one for each core, and not more than MOST_DOWNLOADERS."""
    return min(MOST_DOWNLOADERS, os.cpu_count() or 1)


def died_of(child: Child) -> str:
    """What a child that has ended died of, for people."""
    code = child.exitcode or 0
    return str(child.failure or (f"signal {-code}" if code < 0 else f"exit code {code}"))


class RemoteCrawl:
    """More workers for a crawl whose manager runs elsewhere; a context manager that joins it and leaves it again.

    They are of one *kind*, and learn from the manager what the crawl is about; ``asked`` is what it asks of this
    machine. Images are kept in *folder*, by default as ``homes`` has it, unless the crawl wants them on the manager's.
    *machine* is what this one gives: no crawl has a say in it.

    Raises UsageError when it asks for more than *trust*, QueueUnreachable (after *join_s* seconds without an answer;
    later it is *reconnect_s*), AuthenticationFailed, VersionMismatch or FolderError on entering.
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
    ) -> None:
        self._kind = kind
        self._trust = trust
        self._endpoint = endpoint
        self._join_s = join_s
        self._reconnect_s = reconnect_s
        self._folder = folder
        self._machine = machine or MachineConfig()
        self._manager = endpoint.client(reconnect_s=join_s)

    def __enter__(self) -> Self:
        try:
            return self._joined()
        except BaseException:
            self._manager.disconnect()
            raise

    def _joined(self) -> Self:
        tasks = self._found()
        self.plan = trusted.own(tasks.plan())
        self._manager.crawl = self.plan.id
        self._manager.reconnect_s = _PARENT_RECONNECT_S
        if not self.plan.seeds and not self.plan.id:
            raise errors.ProtocolError("the manager has told of no crawl; is it image-crawler's?")
        where = self._endpoint
        self.asked = trusted.checked(self.plan, self._kind, self._trust, hosts=where.hosts, where=where)
        self.folder = CrawlFolder(self._folder or guest_home(self.plan.seeds, self.plan.id))
        self._crew = WorkerPool(
            CrawlContext(
                folder=self.folder.path,
                config=msgspec.structs.replace(self.plan.config, machine=self._machine),
                seeds=self.plan.seeds,
                endpoint=self._endpoint.found_by(self._manager),
                networks=self.plan.networks,
                reconnect_s=self._reconnect_s,
                plan_id=self.plan.id,
                remote=True,
                memory_bytes=self._machine.memory_budget_bytes,
            ),
            tasks,
        )
        return self

    def _found(self) -> TaskQueue:
        """Of the crawl that runs there. One that was stopped may still lie in Redis, and is waited for as well."""
        end, told = time.monotonic() + self._join_s, False
        while True:
            self._manager.connect()
            tasks = self._manager.get_task_queue()
            halted = tasks.stats().halted
            if halted is None:
                return tasks
            if time.monotonic() >= end:
                raise errors.QueueUnreachable(f"the crawl at {self._endpoint} does not go on: {halted}")
            if not told:
                told = True
                told_of = f"the crawl at {self._endpoint} does not go on so far ({halted})"
                tell(log, QUEUE_WAITED_FOR, told=told_of)
            self._manager.disconnect()
            time.sleep(_LOOK_AGAIN_S)
            # by another client: with other settings it is another plan
            self._manager = self._endpoint.client(reconnect_s=max(0.0, end - time.monotonic()))

    def __exit__(self, *_: object) -> None:
        try:
            self._crew.stop(grace_s=self.plan.config.fetch.total_timeout_s + STOP_GRACE_S)
        finally:  # somebody may be in a hurry
            self._crew.kill(giving_back=True)
            self._manager.disconnect()

    def work(self, processes: int) -> None:
        """Work with so many processes until the crawl has ended.

        Raises QueueUnreachable when its manager has been gone for too long, CrawlReplaced when another crawl has
        come to its place; ProcessesKeepDying; FolderError.
        """
        if self._kind is TaskKind.IMAGE:
            schemes.check(self.plan.config.storage)
            if self.keeps_images:
                self._check_folder()
                self._crew.keep(own_name(self.folder.path))
        self._crew.start({self._kind: processes})
        deaths: list[float] = []
        while self._crew.at_work:
            wait([child.pipe for child in self._crew.at_work], timeout=0.5)
            if self._crew.has_ended:
                self._crew.dismiss()
                continue
            for child in self._crew.replace_the_dead():
                now = time.monotonic()
                deaths = [then for then in deaths if now - then < _DEATHS_WITHIN_S] + [now]
                if len(deaths) > _MOST_DEATHS:
                    raise errors.ProcessesKeepDying(f"the workers keep dying, the last of: {died_of(child)}")
                tell(log, WORKER_RESTARTED, name=child.name, why=died_of(child))
                child.kill()
        failures = [child.failure for child in self._crew.children if child.failure is not None]
        if failures and not self._crew.has_ended:
            raise failures[0]

    @property
    def keeps_images(self) -> bool:
        """Whether they are kept here, in ``folder``."""
        return self.plan.keeps_at_workers

    def _check_folder(self) -> None:
        if not self.folder.holds_a_crawl:
            return
        with Catalog(self.folder.path) as catalog:
            seeds = catalog.seeds()
        if set(seeds) != set(self.plan.seeds):
            raise errors.FolderError(
                f"{self.folder.path} belongs to another crawl, of {some(seeds)}; choose another folder with -o"
            )
