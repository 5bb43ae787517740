"""The worker processes: a harvester, a downloader or a renderer, each a Worker with the handler of its kind.

Each kind imports only its own handler, when the process starts: on a small site the imports are most of its life.
"""

from __future__ import annotations

import logging
import math
import os
import platform
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from crawler import __version__
from crawler.config import Config
from crawler.logs.events import INFO
from crawler.logs.outcomes import tell_result
from crawler.machine_id import machine_id
from crawler.metrics.meter import Meter, Teller
from crawler.models import Result, TaskKind, Token, WorkerState
from crawler.queues import TaskQueue
from crawler.run.children import ChildMessage, ParentLink
from crawler.run.concurrency import Concurrency
from crawler.run.context import CrawlContext
from crawler.run.endpoints import ManagerEndpoint, QueueClient
from crawler.run.worker import Worker
from crawler.scope import Scope, is_public_suffix

if TYPE_CHECKING:
    from crawler.forkserver.client import ForkClient
    from crawler.harvest.reader_pool import ReaderPool
    from crawler.metrics.figures import Stage
    from crawler.opt_outs.tdmrep_files import TdmrepFiles
    from crawler.sandbox.memory_budget import Budget
    from crawler.storage import Storage
    from crawler.task_handler import HandlerContext, TaskHandler
    from crawler.tracing.spans import Tracer

log = logging.getLogger(__name__)

ISOLATION_LOG = "crawler.render.namespaces"
"""The logger that says how a browser is kept from the network: a warning for the weaker way."""
_LEAST_THREADS = 4
_HEARTBEAT_S = 1.0  # a call costs nothing on this machine, and the progress display lives on it
_REMOTE_HEARTBEAT_S = 5.0
_LEAVING_S = 5.0  # for the manager to take the last results, or to come back for them


@dataclass(frozen=True, kw_only=True)
class WorkerContext:
    """What a worker process has for its handler."""

    crawl: CrawlContext
    handler: HandlerContext
    client: QueueClient
    tasks: TaskQueue
    tdmrep_files: TdmrepFiles
    children: int
    """How many readers or decoders this process may have."""
    budget: Budget
    """The memory that those of all processes share."""
    stop: threading.Event
    """Set when the process is to end."""
    forks: ForkClient | None
    """The fork server, for readers and decoders."""


def work(parent: ParentLink, context: CrawlContext, kind: TaskKind, worker_id: str) -> None:
    """Work on tasks of one *kind* until the crawl has ended or the parent says stop. Raises what Worker.run() does."""
    from crawler.http.address_guard import AddressGuard, seed_ports
    from crawler.http.bandwidth import Bandwidth
    from crawler.http.cookies import CookieJar
    from crawler.http.host_files import QueueHostFileStore
    from crawler.http.request_retries import RetryingTransport
    from crawler.http.robots import Robots, product_token
    from crawler.http.transports import open_transport
    from crawler.http.turns import Turns
    from crawler.opt_outs.tdmrep_files import TdmrepFiles
    from crawler.task_handler import HandlerContext

    config = context.config
    concurrency = _concurrency(config, kind)
    client = context.endpoint.client(reconnect_s=context.reconnect_s)
    client.crawl = context.plan_id
    parent.on_stop(client.abandon)
    client.connect()
    guard = AddressGuard(config.fetch.allow_addresses, seed_ports(context.seeds), of_seeds=context.networks)
    jar = CookieJar(is_suffix=is_public_suffix) if config.keeps_cookies else None
    tasks = client.get_task_queue()
    limit = config.fetch.limit_rate_bytes_s
    bandwidth = Bandwidth(limit, lambda count: tasks.receive(count=count)) if limit else None
    transport = open_transport(config.fetch, guard, jar, seeds=context.seeds, bandwidth=bandwidth)
    retrying = RetryingTransport(transport, config.fetch.tries, stop=parent.stopped)
    host_files = QueueHostFileStore(tasks, worker_id)
    robots = None
    if config.obey.obey_robots_txt:
        robots = Robots(retrying, agent=product_token(config.fetch.user_agent), store=host_files)
    children, budget = _children(context, concurrency.least)
    meter = Meter(config.queue.max_attempts) if config.monitoring.metrics else None
    tracer = _tracer(config, worker_id)

    def answered(token: Token) -> None:
        worker.answered(token)

    handler = _HANDLERS[kind](
        WorkerContext(
            crawl=context,
            handler=HandlerContext(
                transport=retrying,
                scope=Scope(context.seeds, config.scope),
                config=config,
                worker_id=worker_id,
                robots=robots,
                turns=Turns(tasks, stop=parent.stopped, delay_s=config.queue.delay_s),
                new_cookies=jar.news if jar is not None else tuple,
                answered=answered,
                handled=concurrency.handled,
                took=_all_of(watcher.took for watcher in (meter, tracer) if watcher is not None),
                storage_away=_nothing if meter is None else meter.storage_away,
            ),
            client=client,
            tasks=tasks,
            tdmrep_files=TdmrepFiles(retrying, check=robots.check if robots else None, store=host_files),
            children=children,
            budget=budget,
            stop=parent.stopped,
            forks=parent.forks,
        )
    )
    worker = Worker(
        WorkerState(
            id=worker_id,
            kind=kind,
            machine=platform.node(),
            machine_id=machine_id(),
            pid=os.getpid(),
            version=__version__,
            threads=concurrency.wanted,
        ),
        tasks=tasks,
        results=client.get_result_queue(),
        handler=handler if tracer is None else tracer.traced(handler),
        lease_batch=_lease_batch(config, kind),
        heartbeat_s=min(config.queue.heartbeat_s, _REMOTE_HEARTBEAT_S if context.remote else _HEARTBEAT_S),
        max_lease_s=config.queue.max_lease_s,
        # a full disk, or a store that refuses its credentials, may be the trouble of this machine only
        halts_crawl=not context.remote or config.storage.storage == "manager",
        settled=partial(_settled, context, meter),
        max_attempts=config.queue.max_attempts,
        short_of_memory=budget.waiters,
        learn=jar.learn if jar is not None else None,
        concurrency=concurrency,
    )
    if parent.stopped.is_set():
        return  # before anything was leased, and the client has been abandoned

    def stop() -> None:
        worker.stop()
        client.reconnect_s = min(client.reconnect_s, _LEAVING_S)

    parent.on_stop(stop)
    teller = None if meter is None else Teller(partial(_tell_figures, parent, meter, worker))
    try:
        worker.run()
    finally:
        for watcher in (teller, tracer):
            if watcher is not None:
                watcher.close()
        client.abandon()
        handler.close()
        transport.close()


def _nothing(*_: object) -> None:
    """What a handler tells to nobody."""


def _all_of(calls: Iterable[Callable[[Stage, float], None]]) -> Callable[[Stage, float], None]:
    """One call that makes all of them."""
    match tuple(calls):
        case ():
            return _nothing
        case (only,):
            return only
        case several:

            def call(stage: Stage, seconds: float) -> None:
                for one in several:
                    one(stage, seconds)

            return call


def _tracer(config: Config, worker_id: str) -> Tracer | None:
    if not config.monitoring.traces:
        return None
    from crawler.tracing.spans import Tracer  # an extra, and 100 ms

    return Tracer(config.monitoring.traces, share=config.monitoring.traces_share, worker_id=worker_id)


def _tell_figures(parent: ParentLink, meter: Meter, worker: Worker) -> None:
    figures = meter.figures(worker.state(), silent_s=worker.silent_s)
    parent.say(ChildMessage("figures", figures=figures))


def _settled(context: CrawlContext, meter: Meter | None, results: Sequence[Result]) -> None:
    """Count the results of this worker, if anybody wants to know, and log a line for each, unless another process of
    this machine does.

    The manager and the collector log what all workers have settled. Nobody tells it to a remote machine, and the
    collector can't see that a task is to be tried again.
    """
    if meter is not None:
        meter.settled(results)
    others_do = not context.remote and isinstance(context.endpoint, ManagerEndpoint)
    for result in results if log.isEnabledFor(INFO) and not others_do else ():
        tell_result(log, result, max_attempts=context.config.queue.max_attempts, settled=context.remote)


def _concurrency(config: Config, kind: TaskKind) -> Concurrency:
    """A browser's pages are always as many as are set: what they cost is its memory."""
    match kind:
        case TaskKind.PAGE:
            return Concurrency(_LEAST_THREADS, config.harvest.harvester_threads)
        case TaskKind.IMAGE:
            return Concurrency(_LEAST_THREADS, config.images.downloader_threads)
        case TaskKind.RENDER:
            return Concurrency(config.render.renderer_threads, config.render.renderer_threads)


def _lease_batch(config: Config, kind: TaskKind) -> int:
    """A renderer leases no more than it can open at once: a page takes seconds, and another renderer may be idle."""
    most = config.queue.lease_batch
    return min(most, config.render.renderer_threads) if kind is TaskKind.RENDER else most


def _children(context: CrawlContext, threads: int) -> tuple[int, Budget]:
    """How many readers or decoders this process may have, and the memory that they take from."""
    from crawler.sandbox.memory_budget import Budget, machine_bytes, share, shared_file

    mine = share(
        context.memory_bytes or machine_bytes() // 2,
        processes=context.processes,
        most_children=min(threads, max(2, os.cpu_count() or 1)),
    )
    return mine.children, Budget(mine.budget_bytes, file=shared_file())


def _harvester(worker: WorkerContext) -> TaskHandler:
    from crawler.harvest.handler import PageHandler

    return PageHandler(
        worker.handler, read=_readers(worker).read, put_early=worker.tasks.put, templates=worker.tasks
    )


def _readers(worker: WorkerContext) -> ReaderPool:
    """Reader processes, which end with this process however it ends."""
    from crawler.harvest.reader_pool import ReaderPool

    return ReaderPool(
        worker.crawl.seeds,
        worker.crawl.config,
        most=worker.children,
        budget=worker.budget,
        forks=worker.forks,
    )


def _downloader(worker: WorkerContext) -> TaskHandler:
    from crawler.download.decoder_pool import VERIFY, VERIFY_LENIENT, DecoderPool
    from crawler.download.handler import ImageHandler

    images = worker.crawl.config.images
    decoders = DecoderPool(  # which end as readers do
        most=worker.children,
        at_once=math.ceil((os.cpu_count() or 1) / worker.crawl.processes),
        max_pixels=images.max_pixels,
        timeout_s=images.decode_timeout_s,
        budget=worker.budget,
        decode=VERIFY_LENIENT if images.incomplete == "keep" else VERIFY,
        forks=worker.forks,
    )
    return ImageHandler(
        worker.handler,
        _storage(worker),
        verify=decoders.verify,
        tdmrep_files=worker.tdmrep_files,
        kept_by=worker.crawl.kept_by,
    )


def _storage(worker: WorkerContext) -> Storage:
    from crawler.storage import StorageContext, schemes

    return schemes.open_storage(
        StorageContext(
            config=worker.crawl.config.storage,
            folder=worker.crawl.folder,
            inbox=worker.client.get_inbox if worker.crawl.remote else None,
            stop=worker.stop,
        )
    )


def _renderer(worker: WorkerContext) -> TaskHandler:
    from crawler.render import handler

    logging.getLogger(ISOLATION_LOG).addFilter(_Once() if worker.crawl.logs_isolation else lambda _: False)
    return handler.make(worker.handler, read=_readers(worker).read, queue=worker.tasks, stop=worker.stop)


class _Once(logging.Filter):
    """Lets each message pass once: a worn browser is replaced by one that is isolated in the same way."""

    def __init__(self) -> None:
        super().__init__()
        self._passed: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        before, message = len(self._passed), record.getMessage()
        self._passed.add(message)
        return len(self._passed) > before


_HANDLERS: dict[TaskKind, Callable[[WorkerContext], TaskHandler]] = {
    TaskKind.PAGE: _harvester,
    TaskKind.IMAGE: _downloader,
    TaskKind.RENDER: _renderer,
}
