"""A ledger's memory: what it knows of its file, and rebuilds from the file after a transaction that failed."""

from __future__ import annotations

import threading
from collections.abc import Callable

from crawler.config import QueueConfig, ScopeConfig
from crawler.crawlfile import schema
from crawler.crawlfile.connection import Connection
from crawler.models import TaskKind, TaskState
from crawler.queues import policy
from crawler.queues.adding import TaskAdder
from crawler.queues.cookies import Cookies
from crawler.queues.counters import Counters
from crawler.queues.delayed import DelayedTasks
from crawler.queues.host_health import HostHealth
from crawler.queues.host_pauses import HostPauses
from crawler.queues.host_watch import HostWatch
from crawler.queues.latest_failures import LatestFailures
from crawler.queues.long_poll import LongPoll
from crawler.queues.politeness import Politeness
from crawler.queues.refresh import Refresh
from crawler.queues.status import Meters
from crawler.queues.throttle import Throttle
from crawler.scope import domain_of
from crawler.urls import DATA_HOST, other_scheme

_BY_BOTH_SCHEMES = """
    SELECT plain.id, tls.id, plain.name FROM hosts AS plain
    JOIN hosts AS tls ON tls.name = 'https' || substr(plain.name, 5) WHERE plain.name GLOB 'http:*'
"""


class LedgerState:
    """What the parts of a ledger share. Every access holds the ledger's mutex.

    Invariants whenever the mutex is free:

    - ``counters`` agree with the rows of the file: tasks by kind and state, records by status and reason;
    - ``politeness`` has as many waiting tasks of each host and kind as rows are ready, and as many in workers' hands as
      there are leases (see leases.py);
    - ``next_seq`` is greater than the number of every record.

    ``load`` restores them from the file. Host health, throttle, pauses and latest failures are not in
    the file, and stay.
    """

    def __init__(
        self,
        db: Connection,
        pauses: HostPauses,
        mutex: threading.RLock,
        *,
        queue: QueueConfig,
        scope: ScopeConfig,
        largest_only: bool,
        clock: Callable[[], float],
    ) -> None:
        self.db = db
        self.pauses = pauses
        self.waiters = LongPoll(mutex)
        self.recorded = threading.Condition(mutex)
        """Notified with each new record."""
        self.queue = queue
        self.clock = clock
        self.delayed = DelayedTasks(db, clock)
        self.health = HostHealth(per_host=queue.per_host, patience_s=queue.host_patience_s)
        self.throttle = Throttle(patience_s=queue.host_patience_s)
        self.failures = LatestFailures()
        self.wake_all = False
        """All workers that wait are to be woken when the transaction ends, whatever their kind."""
        self._scope = scope
        self._largest_only = largest_only
        self.politeness = self._new_politeness()
        for host, pace_s in pauses.paces():
            self.throttle.restore(host, pace_s, now=clock())

    def load(self, *, flush: Callable[[], None]) -> None:
        """Rebuild it; *flush* writes records that are settled and not in the file yet."""
        db, now = self.db, self.clock()
        # what a host has asked for stands, whoever's mistake this is
        pauses = self.politeness.pauses(now=now)
        self.politeness = self._new_politeness()
        for (host,) in db.execute("SELECT id FROM hosts WHERE name = ?", (DATA_HOST,)):
            self.politeness.never_delay(host)
        for host, other, name in db.execute(_BY_BOTH_SCHEMES):
            if other_scheme(name) is not None:
                self.politeness.same_server(host, other)
        for host, delay_s in db.execute("SELECT id, delay_s FROM hosts WHERE delay_s > 0"):
            self.politeness.set_delay(host, delay_s, now=now)
        self.next_seq = schema.next_seq(db)
        self.counters = Counters(db)
        self.meters = Meters()
        self.refresh = Refresh(db)
        self.cookies = Cookies(db)
        self.adder = TaskAdder(
            db, self.counters, self.politeness, self._scope, largest_only=self._largest_only, flush=flush
        )
        for kind, host, count in db.execute(
            "SELECT kind, host_id, count(*) FROM tasks WHERE state = 'ready' GROUP BY kind, host_id"
        ):
            self.politeness.add(host, TaskKind(kind), count, now=now)
        for host, pause_s in pauses.items():
            self.politeness.pause(host, pause_s, now=now)
        self.watch = HostWatch(db, self.health, self.throttle, self.politeness, self.pauses, clock=self.clock)
        self.delayed.load()

    def _new_politeness(self) -> Politeness:
        return Politeness(
            per_host=self.queue.per_host,
            delay_s=self.queue.delay_s,
            per_domain=self.queue.per_domain,
            domain_of=self._domain_of,
        )

    def _domain_of(self, host: int) -> str:
        row = self.db.execute("SELECT name FROM hosts WHERE id = ?", (host,)).fetchone()
        return "" if row is None or row[0] == DATA_HOST else domain_of(row[0])

    def move(self, kind: TaskKind, before: TaskState, after: TaskState, count: int = 1) -> None:
        """Count *count* tasks that have changed their state."""
        if (
            kind is not TaskKind.IMAGE or before is TaskState.LEASED
        ):  # not of those that wait: no backlog ends
            self.counters.move(kind, before, after, count)
            return
        was_backlogged = self.is_backlogged
        self.counters.move(kind, before, after, count)
        if was_backlogged:
            self.wake_finders()

    def ready(self, kind: TaskKind, host: int, before: TaskState) -> None:
        """A task has become ready."""
        self.move(kind, before, TaskState.READY)
        self.politeness.add(host, kind, now=self.clock())

    @property
    def is_backlogged(self) -> bool:
        """Whether so many images wait that no worker is to find more of them."""
        return self.counters.waiting_images >= self.queue.image_backlog

    def wake_finders(self) -> None:
        """Wake workers that find images, unless too many images wait."""
        if not self.is_backlogged:
            for kind in (TaskKind.PAGE, TaskKind.RENDER):
                self.waiters.tell(kind)

    def releasable(self) -> int:
        """How many held sizes need wait no longer: all, if no page may name larger ones; else what is over half of the
        backlog that is allowed.
        """
        held = self.adder.sizes.held
        if not held:  # as in most crawls, at each call
            return 0
        may_wait = 0 if self.counters.pages_at_hand == 0 else self.queue.image_backlog // 2
        return min(max(0, held - may_wait), policy.RELEASED_AT_ONCE)

    def next_event(self) -> float | None:
        """When something may become due by itself, on ``clock``. Lost workers are the ticker's business."""
        moments = [self.politeness.next_due(), self.delayed.next_due]
        if self.releasable():
            moments.append(self.clock())
        return min((moment for moment in moments if moment is not None), default=None)

    def wake_waiting(self) -> None:
        """Wake the workers that wait in a call, as far as there is something new for them."""
        if self.wake_all:
            self.wake_all = False
            self.politeness.opened()
            self.waiters.wake_all()
        else:
            for kind in self.politeness.opened():
                self.waiters.tell(kind)
        self.waiters.expect(self.next_event())

    def wake_everybody(self) -> None:
        """Wake all who wait in any call."""
        self.waiters.wake_all()
        self.recorded.notify_all()
