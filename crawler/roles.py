"""What runs in the child processes of a crawl: the manager, and the two kinds of worker.

Each imports only what it needs, when it starts: on a small site the imports are most of a child's life.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from crawler import __version__
from crawler.config import Config
from crawler.errors import FolderError
from crawler.folder import CrawlFolder
from crawler.models import NewTask, PageStatus, TaskKind, WorkerState
from crawler.processes import Lifeline, Word
from crawler.queues import Plan
from crawler.queues.manager import QueueManager
from crawler.queues.transport import Address
from crawler.scope import Scope
from crawler.web import Transport
from crawler.worker import Handler, Worker

if TYPE_CHECKING:
    from crawler.queues.ledger import Ledger
    from crawler.web.robots import Robots

_HEARTBEAT_S = 1.0  # a call costs nothing on this machine, and the display lives on it


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where a crawl takes place: what every one of its processes has to know."""

    folder: Path
    config: Config
    seeds: tuple[str, ...]
    address: Address
    """Of the manager; port 0 before it has one."""
    authkey: bytes = field(repr=False)


def manage(lifeline: Lifeline, site: Site, new_run: bool, fresh: bool) -> None:  # noqa: FBT001 - sent by position
    """The manager process: both queues, on the ledger."""
    from crawler.queues.ledger import TICK_S, Ledger, LedgerResults, LedgerTasks
    from crawler.storage.local import LocalStorage

    folder = CrawlFolder(site.folder)
    with folder.locked():
        if fresh:
            folder.wipe()
        config = site.config
        ledger = Ledger(folder.ledger, queue=config.queue, scope=config.scope, new_run=new_run)
        try:
            _begin(ledger, site)
            if new_run:
                LocalStorage(site.folder, fsync=False, min_free_bytes=0).sweep()
            manager = QueueManager(site.address, site.authkey)
            server = manager.server(
                LedgerTasks(ledger, Plan(seeds=site.seeds, config=config)), LedgerResults(ledger)
            )
            lifeline.say(Word("ready", number=server.listener.address[1]))
            with server:
                while not lifeline.stopped.wait(TICK_S):
                    ledger.tick()
        finally:
            ledger.close()


def _begin(ledger: Ledger, site: Site) -> None:
    before = ledger.seeds()
    if before and set(before) != set(site.seeds):
        raise FolderError(
            f"{site.folder} belongs to another crawl, of {' '.join(before)}; choose another folder with -o,"
            " or start over with --fresh"
        )
    ledger.set_seeds(site.seeds)
    ledger.put([NewTask(kind=TaskKind.PAGE, url=seed) for seed in site.seeds])
    stats = ledger.stats()
    if not stats.page_status.get(PageStatus.HARVESTED):
        for reason in stats.page_reasons:  # nothing came of an earlier start: the seeds get another chance
            ledger.retry(kind=TaskKind.PAGE, reason=reason)


def work(lifeline: Lifeline, site: Site, kind: TaskKind, worker_id: str) -> None:
    """A harvester or downloader process."""
    from crawler.web.retry import RetryingTransport
    from crawler.web.robots import Robots, product_token
    from crawler.web.session import RequestsTransport

    config = site.config
    manager = QueueManager(site.address, site.authkey)
    lifeline.on_stop(manager.abandon)
    manager.connect()
    transport = RequestsTransport(config.fetch)
    patient = RetryingTransport(transport, config.fetch.tries, stop=lifeline.stopped)
    make_handler = _harvester if kind is TaskKind.PAGE else _downloader
    robots = Robots(patient, agent=product_token(config.fetch.user_agent))
    worker = Worker(
        WorkerState(
            id=worker_id,
            kind=kind,
            machine=platform.node(),
            pid=os.getpid(),
            version=__version__,
            threads=_threads(config, kind),
        ),
        tasks=manager.get_task_queue(),
        results=manager.get_result_queue(),
        handler=make_handler(patient, site, worker_id, robots if config.obey.obey_robots_txt else None),
        lease_batch=config.queue.lease_batch,
        heartbeat_s=min(config.queue.heartbeat_s, _HEARTBEAT_S),
    )
    if lifeline.stopped.is_set():
        return  # told so before it had anything in hand, and no longer connected
    lifeline.on_stop(worker.stop)
    try:
        worker.run()
    finally:
        manager.abandon()
        transport.close()


def _threads(config: Config, kind: TaskKind) -> int:
    return config.harvest.harvester_threads if kind is TaskKind.PAGE else config.images.downloader_threads


def _harvester(transport: Transport, site: Site, worker_id: str, robots: Robots | None) -> Handler:
    from crawler.harvest.page import PageHandler

    config = site.config
    return PageHandler(
        transport,
        Scope(site.seeds, config.scope),
        config=config,
        robots=robots,
        worker=worker_id,
    )


def _downloader(transport: Transport, site: Site, worker_id: str, robots: Robots | None) -> Handler:
    from crawler.download.image import ImageHandler
    from crawler.storage.local import LocalStorage

    config = site.config
    return ImageHandler(
        transport,
        LocalStorage(site.folder, fsync=config.storage.fsync, min_free_bytes=config.storage.min_free_bytes),
        Scope(site.seeds, config.scope),
        config=config,
        robots=robots,
        worker=worker_id,
    )
