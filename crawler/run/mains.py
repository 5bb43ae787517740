"""What runs in the child processes of a crawl: the manager, and the three kinds of worker.

Each imports only what it needs, when it starts: on a small site the imports are most of a child's life.
"""

from __future__ import annotations

import itertools
import logging
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from crawler import __version__
from crawler.config import Config
from crawler.crawlfile.keepers import mark
from crawler.crawlfile.layout import CrawlFolder
from crawler.errors import CrawlerError, UsageError
from crawler.http import Transport
from crawler.lists import NOTHING, Given
from crawler.logs.events import INFO
from crawler.logs.outcomes import tell_result
from crawler.machine_id import machine_id
from crawler.models import Cookie, Result, TaskKind, WorkerState
from crawler.queues import Plan
from crawler.queues.rpc.server import RpcServer
from crawler.run.children import ChildMessage, Lifeline
from crawler.run.endpoints import ManagerEndpoint, QueueClient, QueueEndpoint
from crawler.run.start_mode import StartMode
from crawler.run.worker import Handler, Worker
from crawler.scope import Scope, is_public_suffix
from crawler.storage import Storage, StorageContext

if TYPE_CHECKING:
    from crawler.harvest.reader_pool import ReaderPool
    from crawler.sandbox.memory_budget import Budget

log = logging.getLogger(__name__)

ALL_COLLECTED = "all collected"
"""What a collector says (see ``coordinate``) when nothing is left to do, and crawl.db has it all."""
ISOLATION_LOG = "crawler.render.namespaces"
"""Where a renderer says how its browser is kept from the network: a warning if it is the weaker way."""
_HEARTBEAT_S = 1.0  # a call costs nothing on this machine, and the display lives on it
_GUEST_HEARTBEAT_S = 5.0
_LEAVING_S = 5.0  # for the manager to take the last results, or to come back for them
_SWEEP_EVERY = 300  # seconds
_FAREWELL_S = 2.0  # less than a process without a parent has
_OPEN_FILES = 8192  # a connection is one


@dataclass(frozen=True, kw_only=True)
class CrawlContext:
    """Where a crawl takes place: what every one of its processes has to know."""

    folder: Path
    """Of the crawl; for workers on another machine, where they keep images."""
    config: Config
    seeds: tuple[str, ...]
    endpoint: QueueEndpoint
    """Of the manager, for its own machine (port 0 before it has one); for guests that which they came by; or else
    the Redis that has the queues.
    """
    networks: tuple[str, ...] = ()
    """The private ones that the seeds live in, as found when the crawl was started."""
    public: ManagerEndpoint | None = None
    """Where the manager lets others in; None if it does not."""
    reconnect_s: float = 60.0
    cookies: tuple[Cookie, ...] = field(default=(), repr=False)
    """Of the file that was given; for the manager, or the collector, at the start of a run, and nobody else."""
    crawl: str = ""
    """The id of the plan that guests go by."""
    kept_by: str = ""
    """What the records of its downloaders say of the folder, if that is not the crawl's own: see ``keepers``."""
    guest: bool = False
    """Not on the manager's machine, or at least not started with it."""
    memory_bytes: int = 0
    """What readers and decoders of this machine may take together; 0 for half of what it has."""
    processes: int = 1
    """How many of them have such children."""
    browser: bool = False
    """Whoever runs the crawl has a Chromium, and may open pages in it."""
    given: Given = NOTHING
    """Beside the seeds, for who begins the run."""
    announces: bool = True
    """Whether a renderer says how its browser is kept from the network: of one crew, one does."""


def manage(lifeline: Lifeline, context: CrawlContext, start: StartMode) -> None:
    """The manager process: both queues, on the ledger; says its ports when it is ready."""
    from crawler.download.sniff import extension_for
    from crawler.queues.embedded import LedgerResults, LedgerTasks
    from crawler.queues.ledger import TICK_S, Ledger
    from crawler.run.run_start import add_seeds, begin_run, plan_id
    from crawler.storage.local import LocalStorage
    from crawler.storage.uploads import UploadReceiver

    folder = CrawlFolder(context.folder)
    new_run = start is not StartMode.RESTART
    with folder.locked():
        if start is StartMode.FRESH:
            folder.wipe()
        config = context.config.for_workers()
        ledger = Ledger(
            folder.ledger,
            queue=config.queue,
            scope=config.scope,
            new_run=new_run,
            survivors=context.public is not None,
            largest_only=config.images.images == "best",
            kept_by_workers=config.storage.storage == "local",
        )
        storage = LocalStorage(
            context.folder, fsync=config.storage.fsync, min_free_bytes=config.storage.min_free_bytes
        )
        try:
            if new_run:
                storage.sweep()
                begin_run(
                    ledger,
                    folder=context.folder,
                    seeds=context.seeds,
                    config=context.config.of_the_crawl(),
                    start=start,
                    finished=ledger.stats().drained,
                    browser=context.browser,
                    given=context.given,
                    report=lifeline.report,
                )
                ledger.keep_cookies(context.cookies)
            else:
                add_seeds(ledger, folder=context.folder, seeds=context.seeds, given=context.given)
                ledger.go_on_with_run()
            mark(context.folder)
            plan = Plan(
                id=plan_id(ledger, config),
                seeds=context.seeds,
                config=config,
                browser=context.browser,
                networks=context.networks,
            )
            tasks = LedgerTasks(ledger, plan)
            inbox = UploadReceiver(
                storage, max_image_bytes=config.images.max_image_bytes, extension_for=extension_for
            )
            _allow_many_connections()
            with ExitStack() as stack:
                servers = []
                for endpoint in (context.endpoint, context.public):
                    if isinstance(endpoint, ManagerEndpoint):
                        make = partial(endpoint.client(reconnect_s=0.0).server, crawl=plan.id)
                        server = _listening(make, endpoint, tasks, LedgerResults(ledger), inbox)
                        servers.append(stack.enter_context(server))
                ports = (str(server.listener.address[1]) for server in servers)
                lifeline.say(ChildMessage("ready", text=" ".join(ports)))
                seconds = itertools.count()
                while not lifeline.stopped.wait(TICK_S):
                    ledger.tick()
                    if next(seconds) % _SWEEP_EVERY == 0:
                        inbox.sweep()
                _say_farewell(servers)
        finally:
            with suppress(CrawlerError):  # a full disk, which has been told
                ledger.end_run()
            ledger.close()


def _say_farewell(servers: list[RpcServer]) -> None:
    """Let guests who have connected, and have not asked yet, hear that it is over."""
    end = time.monotonic() + _FAREWELL_S
    while any(server.visited for server in servers) and time.monotonic() < end:
        time.sleep(0.02)


def _listening(make: Callable[..., RpcServer], endpoint: ManagerEndpoint, *served: object) -> RpcServer:
    try:
        return make(*served)
    except OSError as exc:
        problem = os.strerror(exc.errno) if exc.errno and exc.errno > 0 else exc.strerror
        raise UsageError(
            f"can't listen at {endpoint}: {problem}; choose another address with --bind"
        ) from exc


def _allow_many_connections() -> None:
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def work(lifeline: Lifeline, context: CrawlContext, kind: TaskKind, worker_id: str) -> None:
    """A harvester, downloader or renderer process."""
    from crawler.http.address_guard import AddressGuard, seed_ports
    from crawler.http.bandwidth import Bandwidth
    from crawler.http.cookies import CookieJar
    from crawler.http.host_files import QueueHostFileStore
    from crawler.http.requests_transport import RequestsTransport
    from crawler.http.retrying import RetryingTransport
    from crawler.http.robots import Robots, product_token
    from crawler.http.turns import Turns
    from crawler.opt_outs.tdmrep_files import TdmrepFiles
    from crawler.task_handler import TaskHandler

    config = context.config
    manager = context.endpoint.client(reconnect_s=context.reconnect_s)
    manager.crawl = context.crawl
    lifeline.on_stop(manager.abandon)
    manager.connect()
    guard = AddressGuard(config.fetch.allow_addresses, seed_ports(context.seeds), of_seeds=context.networks)
    jar = CookieJar(is_suffix=is_public_suffix) if config.keeps_cookies else None
    tasks = manager.get_task_queue()
    limit = config.fetch.limit_rate_bytes_s
    bandwidth = Bandwidth(limit, lambda count: tasks.receive(count=count)) if limit else None
    transport = RequestsTransport(config.fetch, guard, jar, seeds=context.seeds, bandwidth=bandwidth)
    patient = RetryingTransport(transport, config.fetch.tries, stop=lifeline.stopped)
    shelf = QueueHostFileStore(tasks, worker_id)
    robots = Robots(patient, agent=product_token(config.fetch.user_agent), shelf=shelf)
    children = _children(context, _threads(config, kind))
    handler = _HANDLERS[kind](
        patient,
        context,
        manager,
        stop=lifeline.stopped,
        children=children,
        worker=worker_id,
        robots=robots if config.obey.obey_robots_txt else None,
        turns=Turns(tasks, stop=lifeline.stopped),
        reservations=TdmrepFiles(
            patient, check=robots.check if config.obey.obey_robots_txt else None, shelf=shelf
        ),
        **({"cookies": jar.news} if jar else {}),
    )
    worker = Worker(
        WorkerState(
            id=worker_id,
            kind=kind,
            machine=platform.node(),
            machine_id=machine_id(),
            pid=os.getpid(),
            version=__version__,
            threads=_threads(config, kind),
        ),
        tasks=tasks,
        results=manager.get_result_queue(),
        handler=handler,
        lease_batch=_lease_batch(config, kind),
        heartbeat_s=min(config.queue.heartbeat_s, _GUEST_HEARTBEAT_S if context.guest else _HEARTBEAT_S),
        max_lease_s=config.queue.max_lease_s,
        halts_crawl=not _own_storage(context),
        settled=partial(_tell_settled, context),
        max_attempts=config.queue.max_attempts,
        short_of_memory=children.budget.waiters,
        **({"learn": jar.learn} if jar else {}),
    )
    if lifeline.stopped.is_set():
        return  # told so before it had anything in hand, and no longer connected

    def stop() -> None:
        worker.stop()
        manager.reconnect_s = min(manager.reconnect_s, _LEAVING_S)

    lifeline.on_stop(stop)
    try:
        worker.run()
    finally:
        manager.abandon()
        if isinstance(handler, TaskHandler):
            handler.close()
        transport.close()


def _tell_settled(context: CrawlContext, results: Sequence[Result]) -> None:
    """The lines of the log of what this worker has done.

    What is settled is told by who keeps the books, of all workers; to who works elsewhere nobody tells it. That
    something is tried again, no Redis can tell.
    """
    if not log.isEnabledFor(INFO) or not (context.guest or not isinstance(context.endpoint, ManagerEndpoint)):
        return
    for result in results:
        tell_result(log, result, max_attempts=context.config.queue.max_attempts, settled=context.guest)


def _threads(config: Config, kind: TaskKind) -> int:
    return {
        TaskKind.PAGE: config.harvest.harvester_threads,
        TaskKind.IMAGE: config.images.downloader_threads,
        TaskKind.RENDER: config.render.renderer_threads,
    }[kind]


def _lease_batch(config: Config, kind: TaskKind) -> int:
    """A page takes a browser seconds: what one renderer has in hand beyond its threads another one might open."""
    most = config.queue.lease_batch
    return min(most, config.render.renderer_threads) if kind is TaskKind.RENDER else most


def _own_storage(context: CrawlContext) -> bool:
    """Whether a full disk, or a store that refuses its credentials, is the trouble of one machine only."""
    return context.guest and context.config.storage.storage != "manager"


def _harvester(
    transport: Transport,
    context: CrawlContext,
    manager: QueueClient,
    *,
    stop: threading.Event,
    children: _Children,
    **who: Any,
) -> Handler:
    from crawler.harvest.handler import PageHandler

    del stop
    del who["reservations"]  # what hosts say of all that they have decides over images
    config = context.config
    return PageHandler(
        transport,
        Scope(context.seeds, config.scope),
        config=config,
        read=_readers(context, children).read,
        put_early=manager.get_task_queue().put,
        templates=manager.get_task_queue(),
        **who,
    )


def _readers(context: CrawlContext, children: _Children) -> ReaderPool:
    """Its children end with this process, however it does."""
    from crawler.harvest.reader_pool import ReaderPool

    return ReaderPool(context.seeds, context.config, most=children.most, budget=children.budget)


def _downloader(
    transport: Transport,
    context: CrawlContext,
    manager: QueueClient,
    *,
    stop: threading.Event,
    children: _Children,
    **who: Any,
) -> Handler:
    from crawler.download.decoder_pool import VERIFY, VERIFY_LENIENT, DecoderPool
    from crawler.download.handler import ImageHandler

    config = context.config
    images = config.images
    decoders = DecoderPool(  # which end as readers do
        most=children.most,
        max_pixels=images.max_pixels,
        timeout_s=images.decode_timeout_s,
        budget=children.budget,
        decode=VERIFY_LENIENT if images.incomplete == "keep" else VERIFY,
    )
    return ImageHandler(
        transport,
        _storage(context, manager, stop),
        Scope(context.seeds, config.scope),
        config=config,
        verify=decoders.verify,
        kept_by=context.kept_by,
        **who,
    )


def _renderer(
    transport: Transport,
    context: CrawlContext,
    manager: QueueClient,
    *,
    stop: threading.Event,
    children: _Children,
    **who: Any,
) -> Handler:
    from crawler.render import handler

    config = context.config
    logging.getLogger(ISOLATION_LOG).addFilter(_Once() if context.announces else _never)
    return handler.make(
        transport,
        config=config,
        scope=Scope(context.seeds, config.scope),
        read=_readers(context, children).read,
        tasks=manager.get_task_queue(),
        stop=stop,
        **who,
    )


class _Once(logging.Filter):
    """Lets each message pass once: browsers are replaced when they are worn, and kept from the network alike."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        told, message = len(self._said), record.getMessage()
        self._said.add(message)
        return len(self._said) > told


def _never(record: logging.LogRecord) -> bool:  # noqa: ARG001 - a filter's
    return False


_HANDLERS: dict[TaskKind, Callable[..., Handler]] = {
    TaskKind.PAGE: _harvester,
    TaskKind.IMAGE: _downloader,
    TaskKind.RENDER: _renderer,
}


class _Children(NamedTuple):
    """How many readers or decoders this process may have, and what they may take."""

    most: int
    budget: Budget


def _children(context: CrawlContext, threads: int) -> _Children:
    from crawler.sandbox.memory_budget import Budget, machine_bytes, share, shared_file

    mine = share(
        context.memory_bytes or machine_bytes() // 2,
        processes=context.processes,
        most_children=min(threads, max(2, os.cpu_count() or 1)),
    )
    return _Children(mine.children, Budget(mine.budget_bytes, file=shared_file()))


def _storage(context: CrawlContext, manager: QueueClient, stop: threading.Event) -> Storage:
    from crawler.storage import schemes

    return schemes.open_storage(
        StorageContext(
            config=context.config.storage,
            folder=context.folder,
            inbox=manager.get_inbox if context.guest else None,
            stop=stop,
        )
    )
