"""The shards of a queue in Redis: each has some hosts, and takes commands of its own.

Limits of the whole crawl go by what each shard said last, a second ago at most. Whether the crawl has ended is asked of
all shards twice, as a task may be on its way from one to another.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

from crawler.errors import QueueDamaged
from crawler.logs.events import (
    HOST_GIVEN_UP,
    LEASES_EXPIRED,
    LEASES_OVERDUE,
    NETWORK_DOWN,
    QUEUE_DAMAGED,
    tell,
)
from crawler.queues.redis.codec import grouped, host_report, shard_of, utf8
from crawler.queues.redis.connection import Argument, RedisConnection
from crawler.scope import domain_of
from crawler.text.plain_errors import plain
from crawler.urls import DATA_HOST

log = logging.getLogger(__name__)

_STALE_S = 1.0
_FEW_HOSTS, _MOST_HOSTS = 3, 20_000


class Glance(NamedTuple):
    """Figures that a shard adds to every reply."""

    pages: int
    """Pages that the shard was ever given, in all states."""
    images: int
    renders: int
    waiting: int
    """Images that are ready or delayed."""
    unsettled: int
    pages_at_hand: int
    """Pages that are ready or leased, to be read or rendered."""
    at: float
    """When the reply came, on the monotonic clock."""

    @property
    def given_and_left(self) -> tuple[int, int, int, int]:
        """What changes with whatever the shard is given, or settles."""
        return (self.pages, self.images, self.renders, self.unsettled)


class Shards:
    """*count* shards of the crawl *name* at *engine*. *clock*, for tests, is the queue's instead of the server's."""

    def __init__(
        self, engine: RedisConnection, name: str, count: int, *, clock: Callable[[], float] | None = None
    ) -> None:
        self.engine = engine
        self.count = count
        self.crawl = ""
        """The id of the plan that the crawl must have; empty for any."""
        self._clock = clock
        of_crawl = f"image-crawler:{name}:"  # all its keys and channels begin with that
        self.prefixes = [f"{of_crawl}{{{name}.{shard}}}:" for shard in range(count)]
        self.wakeup_prefix = f"{of_crawl}bell:"
        self._glances: list[Glance | None] = [None] * count
        self._mutex = threading.Lock()
        self._hosts: dict[str, bool] = {}
        """Hosts that were met, and whether the shards know their domains."""

    def run(self, shard: int, command: str, *arguments: Argument) -> Any:
        """Run the script lua/COMMAND.lua at a shard; see RedisConnection for errors."""
        return self._ask(shard, command, *arguments)[0]

    def _ask(self, shard: int, command: str, *arguments: Argument) -> tuple[Any, Glance]:
        moment = "" if self._clock is None else f"{self._clock():.6f}"
        answer = self.engine.run(self.prefixes[shard], [self.crawl, moment, command, *arguments])
        reply, notices, *figures = answer
        for notice in notices:
            _tell(notice)
        self._glances[shard] = glance = Glance._make((*figures, time.monotonic()))
        return reply, glance

    def bare(self, shard: int, command: str, *arguments: Argument) -> Any:
        """Run a script that replies with its value alone, without figures."""
        return self.engine.run(self.prefixes[shard], ["", "", command, *arguments])

    def field(self, shard: int, name: str) -> str:
        """A field of what a shard has of the crawl as a whole, the hash m of base.lua; empty if it has none."""
        return utf8(self.engine.call("HGET", f"{self.prefixes[shard]}m", name) or "")

    def damaged(self, shard: int, key: str, why: Exception) -> QueueDamaged:
        """Note for the collector that *key* can't be read; returns the error to raise."""
        name = f"{self.prefixes[shard]}{key}"
        self.bare(shard, "damaged", key)
        tell(log, QUEUE_DAMAGED, key=name, reason=why)
        return QueueDamaged(f"{name} can't be read ({plain(why)}): something else has written to it")

    def all(self, command: str, *arguments: Argument) -> list[Any]:
        return [self.run(shard, command, *arguments) for shard in range(self.count)]

    def tell_domains(self, hosts: Iterable[str]) -> None:
        """Tell the shards the registrable domains of *hosts*, once for each host.

        A few hosts can't have too many requests in flight together: then nothing is told, which saves loading the list
        of public suffixes (0.1 s).
        """
        with self._mutex:
            untold = self._untold(hosts)
        for shard, group in grouped(untold, lambda host: shard_of(host, self.count)).items():
            words = chain.from_iterable((host, domain_of(host)) for host in group)
            self.run(shard, "domains", len(group), *words)

    def _untold(self, hosts: Iterable[str]) -> list[str]:
        """The hosts whose domains the shards do not know; they count as told from now on."""
        self._hosts.update((host, False) for host in hosts if host not in self._hosts and host != DATA_HOST)
        if len(self._hosts) <= _FEW_HOSTS:
            return []
        untold = [host for host, is_told in self._hosts.items() if not is_told]
        self._hosts.update(dict.fromkeys(untold, True))
        while len(self._hosts) > _MOST_HOSTS:
            del self._hosts[next(iter(self._hosts))]
        return untold

    def elsewhere(self, shard: int, *, as_known: bool = False) -> tuple[int, ...]:
        """Pages, images, renders, waiting images and pages at hand of the other shards.

        With *as_known* none of these is asked. Then a page counts as at hand: one may be by now, and whoever asks
        without need shall not be the one who finds that it is quiet.
        """
        which = (other for other in range(self.count) if other != shard)
        others = [self._glances[other] if as_known else self._fresh(other) for other in which]
        names = ("pages", "images", "renders", "waiting", "pages_at_hand")
        *figures, at_hand = (sum(getattr(other, name) for other in others if other) for name in names)
        return (*figures, max(1, at_hand) if as_known and others else at_hand)

    def drained(self) -> bool:
        """Whether no shard has anything left to do, and none has lost tasks."""
        before = [self._look(shard).given_and_left for shard in range(self.count)]
        if any(unsettled for *_, unsettled in before):
            return False
        if self.count == 1:
            return True
        after = [self._look(shard).given_and_left for shard in range(self.count)]
        return self._are_whole() and before == after

    def incarnations(self) -> str:
        """Of the servers that have the shards: other ones after each start, and after a failover."""
        return " ".join(str(self.engine.info("server", prefix).get("run_id", "")) for prefix in self.prefixes)

    def _are_whole(self) -> bool:
        """False while a restarted server may lack what other shards told it, and it was not given that again."""
        servers = self.field(0, "servers")
        return not servers or servers == self.incarnations()

    def seems_drained(self) -> bool:
        """Whether nothing is left to do by what each shard said a second ago at most."""
        if any(self._is_fresh(glance) and glance.unsettled for glance in self._glances if glance is not None):
            return False
        return all(self._fresh(shard).unsettled == 0 for shard in range(self.count))

    def seems_without_images(self, shard: int) -> bool:
        """Whether no image was waiting at a shard when it spoke last."""
        glance = self._glances[shard]
        return glance is not None and glance.waiting == 0

    @staticmethod
    def _is_fresh(glance: Glance) -> bool:
        return time.monotonic() - glance.at <= _STALE_S

    def _fresh(self, shard: int) -> Glance:
        glance = self._glances[shard]
        if glance is None or not self._is_fresh(glance):
            glance = self._look(shard)
        return glance

    def _look(self, shard: int) -> Glance:
        # from the reply itself: _glances may have an older one of another thread
        return self._ask(shard, "glance")[1]


def _tell(notice: Sequence[Any]) -> None:
    """Log an event that a script reports."""
    match notice[0]:
        case b"down":
            name, report = host_report(notice[1:])
            tell(log, HOST_GIVEN_UP, **report.event_fields(name))
        case b"cut-off":
            tell(log, NETWORK_DOWN)
        case b"overdue":
            tell(log, LEASES_OVERDUE, worker=utf8(notice[1]), tasks=notice[2])
        case _:
            tell(log, LEASES_EXPIRED, worker=utf8(notice[1]), tasks=notice[2])
