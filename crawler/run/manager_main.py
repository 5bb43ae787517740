"""The manager process: it owns crawl.db, and serves both queues to the workers.

Heavy modules are imported when the process starts to work: on a small site the imports are most of its life.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from crawler.crawlfile.keepers import mark
from crawler.crawlfile.layout import CrawlFolder
from crawler.errors import CrawlerError, UsageError
from crawler.queues import Plan, QueueResults, ResultQueue, TaskQueue
from crawler.queues.rpc.server import RpcServer
from crawler.run.children import ChildMessage, ParentLink
from crawler.run.context import CrawlContext, StartMode
from crawler.run.endpoints import ManagerEndpoint
from crawler.storage import Inbox

if TYPE_CHECKING:
    from crawler.queues.ledger import Ledger
    from crawler.storage.local import LocalStorage

_SWEEP_EVERY = 300  # seconds
_DRAIN_S = 2.0  # shorter than the grace of a process whose parent has gone
_OPEN_FILES = 8192  # each connection takes one


def manage(parent: ParentLink, context: CrawlContext, start: StartMode) -> None:
    """Serve both queues from the crawl's ledger until the supervisor says stop; reports the ports when ready.

    Raises FolderError when the folder is another crawl's, UsageError when an address can't be listened at.
    """
    from crawler.queues.ledger import Ledger
    from crawler.run.run_start import add_seeds, begin_run, plan_of
    from crawler.storage.local import LocalStorage

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
            kept_by_workers=config.storage.at_workers,
        )
        storage = LocalStorage(
            context.folder, fsync=config.storage.fsync, min_free_bytes=config.storage.min_free_bytes
        )
        try:
            if new_run:
                storage.sweep()
                finished = ledger.stats().drained
                begin_run(ledger, context, start, finished=finished, report=parent.report)
                ledger.keep_cookies(context.cookies)
            else:
                add_seeds(ledger, context)
                ledger.go_on_with_run()
            mark(context.folder)
            plan = plan_of(ledger, context)
            _serve(parent, context, ledger, storage, plan)
        finally:
            with suppress(CrawlerError):  # a full disk, which has been told
                ledger.end_run()
            ledger.close()


def _serve(
    parent: ParentLink, context: CrawlContext, ledger: Ledger, storage: LocalStorage, plan: Plan
) -> None:
    from crawler.download.sniff import extension_for
    from crawler.queues.ledger_file import TICK_S
    from crawler.storage.uploads import UploadReceiver

    inbox = UploadReceiver(
        storage, max_image_bytes=plan.config.images.max_image_bytes, extension_for=extension_for
    )
    ledger.set_plan(plan)
    _allow_many_connections()
    with ExitStack() as stack:
        servers = [
            stack.enter_context(_listening(endpoint, ledger, QueueResults(ledger), inbox, plan))
            for endpoint in (context.endpoint, context.public)
            if isinstance(endpoint, ManagerEndpoint)
        ]
        ports = (str(server.listener.address[1]) for server in servers)
        parent.say(ChildMessage("ready", text=" ".join(ports)))
        seconds = itertools.count()
        while not parent.stopped.wait(TICK_S):
            ledger.tick()
            if next(seconds) % _SWEEP_EVERY == 0:
                inbox.sweep()
        _drain(servers)


def _listening(
    endpoint: ManagerEndpoint, tasks: TaskQueue, results: ResultQueue, inbox: Inbox, plan: Plan
) -> RpcServer:
    try:
        return endpoint.client(reconnect_s=0.0).server(tasks, results, inbox, crawl=plan.id)
    except OSError as exc:
        problem = os.strerror(exc.errno) if exc.errno and exc.errno > 0 else exc.strerror
        raise UsageError(
            f"can't listen at {endpoint}: {problem}; choose another address with --bind"
        ) from exc


def _drain(servers: list[RpcServer]) -> None:
    """Wait for connected workers to ask once more, and to hear that the crawl is over."""
    end = time.monotonic() + _DRAIN_S
    while any(server.visited for server in servers) and time.monotonic() < end:
        time.sleep(0.02)


def _allow_many_connections() -> None:
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
