"""The client of a crawl whose queue is in Redis: for workers and commands, and for the collector that creates it.

Its first part has the surface of ``queues.rpc.manager.QueueManager``: connect, then ask for the queues.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec

from crawler import __version__, errors
from crawler.config import Config
from crawler.logs.events import (
    QUEUE_FIELD_PASSED_OVER,
    QUEUE_LIST_REMOVED,
    QUEUE_NOT_DURABLE,
    QUEUE_WAITED_FOR,
    tell,
)
from crawler.models import Cookie
from crawler.queues import Plan, QueueResults, ResultQueue, TaskQueue
from crawler.queues.redis.address import RedisAddress
from crawler.queues.redis.connection import RedisConnection, check_version, replaced
from crawler.queues.redis.export import Export, ShardsExport
from crawler.queues.redis.queue import RedisQueue
from crawler.queues.redis.settling import keep_cookies
from crawler.queues.redis.shards import Shards
from crawler.queues.rpc.calls import PROTOCOL
from crawler.queues.validation import FLAWS
from crawler.storage import Inbox
from crawler.text.plain_errors import quoted

log = logging.getLogger(__name__)

CRAWLS = "image-crawler:crawls"
"""A hash of the crawls at a server, by name."""
_ENCODE = msgspec.msgpack.Encoder().encode
_PLAN = msgspec.msgpack.Decoder(Plan).decode
_MOST_SHARDS = 1024
_NOEVICTION = "noeviction"
_ASK_AGAIN_S = 0.25
_OF_QUEUE = (
    *("per_host", "per_domain", "delay_s", "lease_s", "max_lease_s", "lease_batch", "max_attempts"),
    *("host_patience_s", "image_backlog", "result_backlog"),
)
"""The settings of the section ``queue`` that the scripts use."""


class _Listed(msgspec.Struct, frozen=True):
    """An entry of CRAWLS."""

    protocol: int
    version: str
    shards: int


_LISTED = msgspec.msgpack.Decoder(_Listed).decode


class RedisClient:
    """The crawl at *address*, with the name there or else the only one.

    Every call is tried for ``reconnect_s`` seconds (which may be changed at any time), then raises QueueUnreachable.
    AuthenticationFailed, VersionMismatch and UsageError are raised at once, and CrawlReplaced when ``crawl`` is set and
    the crawl has another plan. *clock*, for tests and simulations, replaces the server's.
    """

    def __init__(
        self, address: RedisAddress, *, reconnect_s: float = 60.0, clock: Callable[[], float] | None = None
    ) -> None:
        self.address = address
        self._clock = clock
        self._engine = RedisConnection(address, reconnect_s=reconnect_s)
        self._shards: Shards | None = None
        self._queue: RedisQueue | None = None
        self._plan = Plan()
        self._crawl = ""

    @property
    def reconnect_s(self) -> float:
        return self._engine.patience.patience_s

    @reconnect_s.setter
    def reconnect_s(self, reconnect_s: float) -> None:
        self._engine.patience.patience_s = reconnect_s

    @property
    def crawl(self) -> str:
        """The id of the plan that the crawl must have; empty for any."""
        return self._crawl

    @crawl.setter
    def crawl(self, crawl: str) -> None:
        self._crawl = crawl
        if self._shards is not None:
            self._shards.crawl = crawl

    def connect(self) -> None:
        """Find the crawl; waits for one that has not begun."""
        patience = self._engine.patience
        end, told = time.monotonic() + self.reconnect_s, False
        while not self._find():
            name = f" {self.address.name}" if self.address.name else ""
            if time.monotonic() >= end or patience.stop.wait(_ASK_AGAIN_S):
                raise errors.QueueUnreachable(
                    f"no crawl{name} at {self.address} so far; image-crawler serve begins one"
                )
            if not told:
                told = True
                tell(log, QUEUE_WAITED_FOR, told=f"no crawl{name} at {self.address} so far")
        shards = self._known()
        try:
            self._plan = _PLAN(shards.bare(0, "plan")[1] or b"")
        except FLAWS as exc:
            raise shards.damaged(0, "m", exc) from exc
        if self._crawl and self._crawl != self._plan.id:
            raise replaced(str(self.address))

    def _find(self) -> bool:
        """Whether the crawl exists."""
        listed = self._listed()
        name = self.address.name
        if not name and len(listed) > 1:
            raise errors.UsageError(
                f"there are several crawls at {self.address}: {', '.join(sorted(listed))}; say which, as in"
                f" {replace(self.address, name=min(listed))}"
            )
        name = name or next(iter(listed), "")
        if name not in listed:
            return False
        other = listed[name]
        if other.protocol != PROTOCOL:
            raise errors.VersionMismatch(
                f"the crawl {name} at {self.address} was begun by image-crawler {other.version} (protocol"
                f" {other.protocol}, this one has {PROTOCOL}); use the same version everywhere"
            )
        self._name(name, other.shards)
        return True

    def _listed(self) -> dict[str, _Listed]:
        """The crawls at the server, without what other programs have written there."""
        listed = {}
        for field, blob in self._engine.hash(CRAWLS).items():
            name = field.decode("utf-8", "replace")
            try:
                listed[name] = _LISTED(blob)
            except FLAWS:
                tell(log, QUEUE_FIELD_PASSED_OVER, key=CRAWLS, field=quoted(name, 100))
        return {name: one for name, one in listed.items() if 1 <= one.shards <= _MOST_SHARDS}

    def _name(self, name: str, shards: int) -> Shards:
        self.address = replace(self.address, name=name)
        self._engine.address = self.address
        self._shards = Shards(self._engine, name, shards, clock=self._clock)
        self._shards.crawl = self._crawl
        return self._shards

    def get_task_queue(self) -> TaskQueue:
        return self._opened_queue()

    def get_result_queue(self) -> ResultQueue:
        return QueueResults(self._opened_queue())

    def _opened_queue(self) -> RedisQueue:
        if self._queue is None:
            self._queue = RedisQueue(self._known(), self._plan)
        return self._queue

    def get_inbox(self) -> Inbox:
        raise errors.UsageError(
            "--storage manager keeps images on the manager's machine, and a crawl with --queue has no manager; use"
            " local, or an object store such as s3://BUCKET/PREFIX"
        )

    def abandon(self) -> None:
        """Have calls that are under way, and later ones, raise QueueUnreachable."""
        self._engine.abandon()

    def disconnect(self) -> None:
        """Close the connections; no call may be under way."""
        self._engine.abandon()
        if self._queue is not None:
            self._queue.close()
        self._engine.close()

    # --- for the collector, which creates the crawl ---

    def open_server(self) -> None:
        """Call it in place of ``connect``, whether the crawl exists. Raises UsageError if the server evicts keys."""
        where = str(self.address)
        check_version(self._engine.info("server", CRAWLS), where)
        memory = self._engine.info("memory", CRAWLS)
        policy = str(memory.get("maxmemory_policy", _NOEVICTION))
        if policy != _NOEVICTION:
            raise errors.UsageError(
                f"{where} throws keys away when its memory is full (maxmemory-policy {policy}), and a crawl must not"
                " lose any; set maxmemory-policy noeviction there"
            )
        if not int(self._engine.info("persistence", CRAWLS).get("aof_enabled", 1)):
            tell(log, QUEUE_NOT_DURABLE, where=where)

    def create_or_update(self, plan: Plan) -> bool:
        """Create the crawl, or update its plan.

        Returns whether the queue is to be filled from crawl.db, as it is new or has lost everything. Workers get no
        tasks before ``opened``. Raises FolderError when the name is another crawl's.
        """
        name = self.address.name
        assert name, "a crawl is created under a name"
        listed = self._listed().get(name)
        shards = self._name(name, listed.shards if listed else plan.config.queue.queue_shards)
        if any(shards.field(shard, "ended") for shard in range(shards.count)):
            self._remove()  # the client that ended it may have been killed before it removed the rest
        self._engine.delete([prefix for prefix in shards.prefixes if self._has_only_a_rest(prefix)])
        owner = plan.id.partition("-")[0]
        anew = [
            shards.bare(
                shard, "create", plan.id, _ENCODE(_settings(plan.config, shards, shard)), _ENCODE(plan), owner
            )
            for shard in range(shards.count)
        ]
        entry = _Listed(protocol=PROTOCOL, version=__version__, shards=shards.count)
        self._engine.call("HSET", CRAWLS, name, _ENCODE(entry))
        self._plan, self._queue = plan, None
        self.crawl = plan.id
        return any(anew)

    def _has_only_a_rest(self, prefix: str) -> bool:
        """Whether a shard has lost the key with its state and counters, but has tasks or hosts.

        A new state beside them counts from zero: such a crawl was at 3,720 %, and never ended.
        """
        if self._engine.call("EXISTS", f"{prefix}m"):
            return False
        return any(self._engine.call("EXISTS", f"{prefix}{name}") for name in ("hosts", "tasks", "workers"))

    def opened(self, incarnations: str = "") -> None:
        """The queue is filled, at servers with these *incarnations*: workers may lease."""
        for shard in range(self._known().count):
            self._known().bare(shard, "opened", incarnations)

    def new_run(self) -> None:
        """Clear the pause or stop of an earlier run."""
        self._known().all("new_run")

    def keep_cookies(self, cookies: Sequence[Cookie]) -> None:
        """Have all workers send *cookies*, as if servers had set them."""
        keep_cookies(self._known(), cookies)

    def outlet(self) -> Export:
        return ShardsExport(self._known())

    def recall(self) -> int:
        """Have recently settled pages read again, as a shard has lost what they led to; returns how many."""
        return sum(self._known().all("recall")) if self._known().count > 1 else 0

    def incarnations(self) -> str:
        """The run ids of the servers: they change with each start, and after a failover."""
        return self._known().incarnations()

    def delete(self) -> None:
        """Remove the crawl; for a day its workers hear that it has ended."""
        name = self.address.name
        listed = self._listed().get(name)
        if listed is None:
            return
        shards = self._name(name, listed.shards)
        shards.crawl = ""
        for shard in range(shards.count):
            with suppress(errors.QueueUnreachable):  # the shard may have no server
                shards.bare(shard, "ended")
        self._remove()
        self._engine.call("HDEL", CRAWLS, name)

    def damage(self) -> str:
        """The key that a worker could not read, as another program has written to it; empty if there is none."""
        shards = self._known()
        return next(filter(None, (shards.field(shard, "damaged") for shard in range(shards.count))), "")

    def wipe(self, *, shards: int) -> None:
        """Remove all keys of the crawl, whatever is in them; *shards* is their number if the crawl is not listed."""
        try:
            listed = self._listed().get(self.address.name)
        except errors.QueueDamaged as exc:
            tell(log, QUEUE_LIST_REMOVED, reason=exc)
            self._engine.call("DEL", CRAWLS)
            listed = None
        self._engine.delete(self._name(self.address.name, listed.shards if listed else shards).prefixes)

    def _remove(self) -> None:
        """Remove all keys but the note that the crawl has ended."""
        prefixes = self._known().prefixes
        self._engine.delete(prefixes, but=frozenset(f"{prefix}m" for prefix in prefixes))

    def tick(self) -> None:
        """Do what has come to be due; other calls do it as well."""
        self._known().all("tick")

    def _known(self) -> Shards:
        assert self._shards is not None, "connect or create_or_update comes first"
        return self._shards


def _settings(config: Config, shards: Shards, shard: int) -> dict[str, Any]:
    """The settings that the scripts use."""
    return {
        **{name: getattr(config.queue, name) for name in _OF_QUEUE},
        "max_pages": config.scope.max_pages,
        "max_images": config.scope.max_images,
        "largest_only": config.images.images == "best",
        "bell": shards.wakeup_prefix,
        "shard": shard,
        "shards": shards.count,
    }
