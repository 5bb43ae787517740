"""Where the queues of a crawl lie, and which process beside the workers it takes: the two that there are."""

from __future__ import annotations

import platform
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

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
from crawler.run.children import Child, Lifeline
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


class QueueBackend(Protocol):
    """The queues of a crawl, for the process that watches over it; made without touching anything."""

    process: str
    """What its process is called, and"""
    main: Callable[[Lifeline, CrawlContext, StartMode], None]
    """what runs there."""
    start_s: float
    """So long it may take to be ready, and"""
    grace_s: float
    """to end."""
    reconnect_s: float
    """So long the workers of this machine wait for an answer."""
    public: ManagerEndpoint | None
    """Where a manager lets others in; None if it does not, or there is none."""
    queue: RedisAddress | None
    """Where the queues lie if no manager has them."""
    client: QueueClient | None
    """While connected."""

    @property
    def endpoint(self) -> QueueEndpoint:
        """Where the workers of this machine find the queues."""
        ...

    def check(self, start: StartMode) -> None:
        """Raise FolderError when what the folder holds can't be gone on with by this engine."""
        ...

    def started(self, child: Child) -> None:
        """Its process is *child* from now on, and ready."""
        ...

    def connect(self) -> tuple[TaskQueue | None, ResultQueue]:
        """The queues; no tasks if all has been done before."""
        ...

    def is_complete(self) -> bool:
        """Whether all is in crawl.db, once the tasks are drained."""
        ...

    def publish(self) -> None:
        """Let others of the same user join by the crawl's folder."""
        ...

    def invitation(self) -> str:
        """With what others join: the address, and the flags that they need, without what is secret; empty if nobody is
        let in who is not of this machine.
        """
        ...


class ManagerBackend:
    """Both queues in a manager process. Raises UsageError when address and keys don't go together."""

    process: str = "manager"
    main: Callable[[Lifeline, CrawlContext, StartMode], None] = staticmethod(manage)
    start_s = 60.0
    grace_s = 20.0
    reconnect_s = 60.0
    queue: RedisAddress | None = None

    def __init__(self, config: Config, folder: CrawlFolder) -> None:
        self._folder = folder
        self._endpoint, self.public = _endpoints(config)
        self.client: QueueClient | None = None

    @property
    def endpoint(self) -> ManagerEndpoint:
        return self._endpoint

    def check(self, start: StartMode) -> None:
        if start is StartMode.FRESH or not self._folder.holds_a_crawl:
            return
        where = ""
        with (
            suppress(errors.CrawlerError),
            Catalog(self._folder.path) as catalog,
        ):  # the manager says what is wrong
            where = queue_elsewhere(catalog)
        if where:
            raise errors.FolderError(
                f"the queue of the crawl in {self._folder.path} is at {where}, and has more to do: go on with"
                f" --queue {where}, or start over with --fresh"
            )

    def started(self, child: Child) -> None:
        # another manager after this one has to be found at the same place
        self._endpoint, *public = (
            replace(endpoint, address=(endpoint.address[0], int(port)))
            for endpoint, port in zip(
                filter(None, (self._endpoint, self.public)), child.said.split(), strict=True
            )
        )
        self.public = public[0] if public else None

    def connect(self) -> tuple[TaskQueue, ResultQueue]:
        self.client = self._endpoint.client(reconnect_s=0.0)
        self.client.connect()
        return self.client.get_task_queue(), self.client.get_result_queue()

    def is_complete(self) -> bool:
        return True

    def publish(self) -> None:
        self._folder.publish(self._endpoint.address, self._endpoint.access.authkey)

    def invitation(self) -> str:
        if self.public is None:
            return ""
        host, port = self.public.address
        where = f"{platform.node() if host in _ALL_ADDRESSES else host}:{port}"
        access = "--keys …" if self.public.access.tls else "--authkey-file … --insecure-plaintext"
        return f"{where} {access}"


def _coordinate(lifeline: Lifeline, context: CrawlContext, start: StartMode) -> None:
    from crawler.run.collector_main import coordinate  # a crawl with a manager has no use for it

    coordinate(lifeline, context, start)


class RedisBackend:
    """Both queues in Redis or Valkey, and a collector process that brings what is settled there into crawl.db.

    Raises UsageError for an address, or settings, that can't be used, and when the extra for it is not installed.
    """

    process: str = "collector"
    main: Callable[[Lifeline, CrawlContext, StartMode], None] = staticmethod(_coordinate)
    start_s = 600.0  # what was settled in its absence is collected first
    grace_s = 120.0
    public: ManagerEndpoint | None = None

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
        address = replace(address, name=address.name or name_for(folder.path))
        self.queue: RedisAddress | None = address
        self._endpoint = RedisEndpoint(address=address)
        self._endpoint.client(reconnect_s=0.0)  # is the extra for it there?
        self.reconnect_s = config.access.reconnect_s
        self._folder = folder
        self._child: Child | None = None
        self.client: QueueClient | None = None

    @property
    def endpoint(self) -> RedisEndpoint:
        return self._endpoint

    def check(self, start: StartMode) -> None:
        """The collector sees to it."""

    def started(self, child: Child) -> None:
        self._child = child

    def connect(self) -> tuple[TaskQueue | None, ResultQueue]:
        results = CollectedRecords(self._folder, self.is_complete)
        if self.is_complete():
            return None, results
        self.client = self._endpoint.client(reconnect_s=0.0)
        self.client.connect()
        return self.client.get_task_queue(), results

    def is_complete(self) -> bool:
        return self._child is not None and self._child.said == ALL_COLLECTED

    def publish(self) -> None:
        self._folder.publish_url(self._endpoint.address.url)

    def invitation(self) -> str:
        return f"{self._endpoint.address}{_credentials(self._endpoint.address)}"


class CollectedRecords:
    """What has been collected in the crawl's folder, as a ResultQueue to read from."""

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
    """Where the manager listens for this machine, and where for others, if it does. Raises UsageError."""
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
    """Raises UsageError."""
    return RedisBackend(config, folder) if config.manager.queue else ManagerBackend(config, folder)


def stats_of(folder: CrawlFolder) -> Stats:
    """Of a crawl that no queue knows any more."""
    with Catalog(folder.path) as catalog:
        return read_stats(catalog)
