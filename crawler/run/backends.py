"""The two backends of a crawl's queues: a manager process, or Redis with a collector process."""

from __future__ import annotations

import abc
import platform
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

from crawler import errors
from crawler.catalog.database import Catalog
from crawler.catalog.summary import queue_elsewhere, read_stats
from crawler.config import Config
from crawler.crawlfile.layout import CrawlFolder
from crawler.crawlfile.schema import records_after
from crawler.models import Result, Stats
from crawler.queues import RecordPage, ResultQueue, TaskQueue
from crawler.queues.redis.address import RedisAddress, name_for
from crawler.queues.rpc.transport import Address
from crawler.run.children import Child, ParentLink
from crawler.run.context import ALL_COLLECTED, CrawlContext, StartMode
from crawler.run.endpoints import (
    Access,
    ManagerEndpoint,
    QueueClient,
    QueueEndpoint,
    demand,
    is_loopback,
    parse_address,
    read_access,
)
from crawler.run.manager_main import manage
from crawler.run.redis_endpoint import RedisEndpoint, read_redis

_LOOPBACK: Address = ("127.0.0.1", 0)
_ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
_POLL_S = 0.1
_PAGE_OF_RECORDS = 200


class QueueBackend(abc.ABC):
    """The queues of a crawl as its supervisor sees them: which process has them, where, and how others join.

    Constructing one touches neither the network nor the folder.
    """

    process: ClassVar[str]
    """Name of the process."""
    main: Callable[[ParentLink, CrawlContext, StartMode], None]
    """Main function of the process."""
    start_s: ClassVar[float]
    """Seconds allowed until the process is ready."""
    grace_s: ClassVar[float]
    """Seconds allowed for a clean shutdown."""
    reconnect_s: float
    """Seconds for which the workers of this machine try to reach the queues again."""
    endpoint: QueueEndpoint
    """Where the workers of this machine find the queues."""
    public: ManagerEndpoint | None = None
    """Where the manager lets workers of other machines in; None if none may join, or if there is no manager."""
    client: QueueClient | None = None
    """The supervisor's own client, while it is connected."""

    def check(self, start: StartMode) -> None:  # noqa: B027 - the collector checks for itself
        """Raise FolderError when this backend can't go on with the crawl in the folder."""

    @abc.abstractmethod
    def started(self, child: Child) -> None:
        """Take note that *child* is the process from now on, and ready."""

    @abc.abstractmethod
    def connect(self) -> tuple[TaskQueue | None, ResultQueue]:
        """Connect to the queues; the first is None if nothing was left to do."""

    def is_complete(self) -> bool:
        """Whether crawl.db has everything, once the tasks are drained."""
        return True

    @abc.abstractmethod
    def publish(self) -> None:
        """Write into the folder what other programs of this user need to join."""

    @abc.abstractmethod
    def invitation(self) -> str:
        """The address and the flags by which other machines join, secrets left out; empty if none may."""

    def _connected(self) -> QueueClient:
        self.client = self.endpoint.client(reconnect_s=0.0)
        self.client.connect()
        return self.client


class ManagerBackend(QueueBackend):
    """Both queues in a manager process. Raises UsageError when address and keys don't go together."""

    process = "manager"
    main = staticmethod(manage)
    start_s = 60.0
    grace_s = 20.0
    reconnect_s = 60.0
    endpoint: ManagerEndpoint

    def __init__(self, config: Config, folder: CrawlFolder) -> None:
        self._folder = folder
        self.endpoint, self.public = _endpoints(config)

    def check(self, start: StartMode) -> None:
        if start is StartMode.FRESH or not self._folder.holds_a_crawl:
            return
        where = ""
        with suppress(errors.CrawlerError), Catalog(self._folder.path) as catalog:
            where = queue_elsewhere(catalog)  # of a file that can't be read the manager says what is wrong
        if where:
            raise errors.FolderError(
                f"the queue of the crawl in {self._folder.path} is at {where}, and has more to do: go on with"
                f" --queue {where}, or start over with --fresh"
            )

    def started(self, child: Child) -> None:
        # another manager after this one has to be found at the same place
        own, *public = (
            replace(endpoint, address=(endpoint.address[0], int(port)))
            for endpoint, port in zip(
                filter(None, (self.endpoint, self.public)), child.said.split(), strict=True
            )
        )
        self.endpoint, self.public = own, public[0] if public else None

    def connect(self) -> tuple[TaskQueue, ResultQueue]:
        client = self._connected()
        return client.get_task_queue(), client.get_result_queue()

    def publish(self) -> None:
        self._folder.publish(self.endpoint.address, self.endpoint.access.authkey)

    def invitation(self) -> str:
        if self.public is None:
            return ""
        host, port = self.public.address
        where = f"{platform.node() if host in _ALL_ADDRESSES else host}:{port}"
        access = "--keys …" if self.public.access.tls else "--authkey-file … --insecure-plaintext"
        return f"{where} {access}"


def _collect_results(parent: ParentLink, context: CrawlContext, start: StartMode) -> None:
    from crawler.run.collector_main import collect_results  # a crawl with a manager has no use for it

    collect_results(parent, context, start)


class RedisBackend(QueueBackend):
    """Both queues in Redis or Valkey; a collector process brings what is settled there into crawl.db.

    Raises UsageError for an address, or settings, that can't be used, and when the extra for it is not installed.
    """

    process = "collector"
    main = staticmethod(_collect_results)
    start_s = 600.0  # what was settled in its absence is collected first
    grace_s = 120.0
    endpoint: RedisEndpoint

    def __init__(self, config: Config, folder: CrawlFolder) -> None:
        if config.manager.bind:
            raise errors.UsageError(
                f"--bind {config.manager.bind} is for a manager, and with --queue there is none: workers go to the"
                " Redis itself; leave one of them out"
            )
        if config.storage.storage == "manager":
            raise errors.UsageError(
                "--storage manager keeps images on the machine of the manager, and with --queue there is none; use"
                " local, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX"
            )
        address = read_redis(config.manager.queue, config.access).address
        self.endpoint = RedisEndpoint(address=replace(address, name=address.name or name_for(folder.path)))
        self.endpoint.client(reconnect_s=0.0)  # is the extra for it there?
        self.reconnect_s = config.access.reconnect_s
        self._folder = folder
        self._child: Child | None = None

    def started(self, child: Child) -> None:
        self._child = child

    def connect(self) -> tuple[TaskQueue | None, ResultQueue]:
        results = CollectedRecords(self._folder, self.is_complete)
        return None if self.is_complete() else self._connected().get_task_queue(), results

    def is_complete(self) -> bool:
        return self._child is not None and self._child.said == ALL_COLLECTED

    def publish(self) -> None:
        self._folder.publish_url(self.endpoint.address.url)

    def invitation(self) -> str:
        return f"{self.endpoint.address}{_credentials(self.endpoint.address)}"


class CollectedRecords:
    """The records that have been collected in the crawl's folder, as a ResultQueue to read from."""

    def __init__(self, folder: CrawlFolder, is_complete: Callable[[], bool]) -> None:
        self._folder = folder
        self._is_complete = is_complete

    def put(self, results: Sequence[Result]) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        raise errors.UsageError(f"results go to the queue, and from there to {self._folder.path}")

    def get(self, *, after: int = 0, limit: int = _PAGE_OF_RECORDS, wait_s: float = 0.0) -> RecordPage:
        end = time.monotonic() + wait_s
        limit = max(1, min(limit, _PAGE_OF_RECORDS))
        while True:
            complete = self._is_complete()  # before the look: nothing comes after it
            with Catalog(self._folder.path) as catalog, catalog.snapshot():
                found = records_after(catalog.rows, after, limit)
            if found or complete or time.monotonic() >= end:
                break
            time.sleep(_POLL_S)
        return RecordPage(
            records=tuple(record for _, record in found),
            cursor=found[-1][0] if found else after,
            complete=complete and len(found) < limit,
        )


def _credentials(queue: RedisAddress) -> str:
    """The flags by which others are let in, without what is secret."""
    flags = {
        " --queue-password-file …": bool(queue.password),
        " --tls-ca …": queue.ca is not None,
        " --tls-cert … --tls-key …": queue.cert is not None,
        " --insecure-plaintext": not (queue.tls or all(is_loopback(host) for host, _ in queue.hosts)),
    }
    return "".join(flag for flag, needed in flags.items() if needed)


def _endpoints(config: Config) -> tuple[ManagerEndpoint, ManagerEndpoint | None]:
    """Where the manager listens for this machine, and where for others, if any may join. Raises UsageError."""
    own = Access(authkey=secrets.token_hex(32).encode("ascii"))
    if not config.manager.bind:
        return ManagerEndpoint(address=_LOOPBACK, access=own), None
    address = parse_address(config.manager.bind)
    access = read_access(config.access, manager=True)
    demand(access, address[0], insecure_plaintext=config.access.insecure_plaintext)
    if access is None:  # for this machine only, and the key lies in the crawl's folder
        return ManagerEndpoint(address=address, access=own), None
    return ManagerEndpoint(address=_LOOPBACK, access=own), ManagerEndpoint(address=address, access=access)


def backend_for(config: Config, folder: CrawlFolder) -> QueueBackend:
    """The backend that the settings name. Raises UsageError."""
    return RedisBackend(config, folder) if config.manager.queue else ManagerBackend(config, folder)


def stats_of(folder: CrawlFolder) -> Stats:
    """The figures of a crawl that no queue has any more, from its folder."""
    with Catalog(folder.path) as catalog:
        return read_stats(catalog)
