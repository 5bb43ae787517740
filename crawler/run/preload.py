"""What a crawl's fork server loads before it forks, in the order in which the crawl needs it.

A command starts the server before it imports anything else, so this module imports nothing that takes long.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from crawler.forkserver.client import ForkServer, started
from crawler.forkserver.server import Stage

if TYPE_CHECKING:
    from crawler.config import Config
    from crawler.models import TaskKind

MANAGER = Stage(
    "crawler.run.manager_main",
    (
        "filelock",
        "crawler.queues.ledger",
        "crawler.queues.ledger_file",
        "crawler.run.run_start",
        "crawler.storage.local",
        "crawler.storage.uploads",
        "crawler.download.sniff",
    ),
)
COLLECTOR = Stage(
    "crawler.run.backends", ("filelock", "crawler.run.collector_main", "crawler.queues.redis.client")
)
WORKERS = Stage(
    "crawler.run.worker_main",
    (
        "crawler.http.address_guard",
        "crawler.http.bandwidth",
        "crawler.http.cookies",
        "crawler.http.host_files",
        "crawler.http.request_retries",
        "crawler.http.robots",
        "crawler.http.transports",
        "crawler.http.turns",
        "crawler.opt_outs.tdmrep_files",
        "crawler.sandbox.memory_budget",
        "crawler.task_handler",
        "crawler.harvest.handler",
        "crawler.harvest.reader_pool",
        "crawler.download.decoder_pool",
        "crawler.download.handler",
        "crawler.storage.schemes",
        "crawler.storage.local",
    ),
)
READERS = Stage("crawler.harvest.reader_main", ("crawler.harvest.lexbor",))
DECODERS = Stage("crawler.download.decoder_main", ("crawler.download.verify",))


def for_crawl(config: Config | None = None) -> ForkServer | None:
    """A fork server for all processes of a crawl on this machine; without settings as most crawls need it."""
    if config is None:
        return started((MANAGER, _workers(), READERS, DECODERS))
    queues = COLLECTOR if config.manager.queue else MANAGER
    return started((queues, _workers(config.fetch.transport), READERS, DECODERS))


def for_workers(kind: TaskKind) -> ForkServer | None:
    """A fork server for workers of a crawl that runs elsewhere, whose settings are not known yet."""
    children = DECODERS if kind == "image" else READERS
    renderer = ("crawler.render.handler",) if kind == "render" else ()
    return started((_workers("", *renderer), children))


def _workers(transport: str = "", *more: str) -> Stage:
    """WORKERS with the transport that this setting has them take; see ``http.transports``."""
    has_curl = transport != "requests" and find_spec("pycurl") is not None
    module = "crawler.http.curl_transport" if has_curl else "crawler.http.requests_transport"
    return Stage(WORKERS.key, (*WORKERS.modules, module, *more))
