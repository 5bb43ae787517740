"""What visits tell of hosts, and what is done about it: the ledger's health, whose orders its pacing follows."""

from __future__ import annotations

import logging
from collections.abc import Callable

from crawler.models import ImageRecord, Revisit
from crawler.queues.database import Connection, Record
from crawler.queues.health import Condition, Evidence, Health, Order, ended_elsewhere, evidence, reason_of
from crawler.queues.pacing import Pacing

log = logging.getLogger(__name__)


class HostWatch:
    """Of the hosts in the file *db*. *pacing* is made anew when the ledger's memory is; *health* stays.

    *note_pause* is told of each host that is to be left alone, and for how many seconds.
    """

    def __init__(
        self,
        db: Connection,
        health: Health,
        pacing: Pacing,
        *,
        clock: Callable[[], float],
        note_pause: Callable[[int, float], None],
    ) -> None:
        self.health = health
        self._note_pause = note_pause
        self._db = db
        self._pacing = pacing
        self._clock = clock
        self._cut_off = health.cut_off
        for host, in_flight in health.limits().items():
            pacing.limit(host, in_flight, now=clock())

    def look(self, host: int, record: Record) -> None:
        """What a result tells of *host*, which its task is of, or of the one that a redirect led to."""
        what = evidence(record)
        if (name := ended_elsewhere(record)) is not None:
            if record.revisit is Revisit.FAILED:
                return  # where it led at an earlier visit says nothing of this one
            self._note(host, Evidence.ANSWER, record)
            row = self._db.execute("SELECT id FROM hosts WHERE name = ?", (name,)).fetchone()
            if row is None:
                return  # nothing waits for it
            host = row[0]
        if what is not Evidence.NOTHING:
            self._note(host, what, record)

    def is_hopeless(self, host: int, record: Record) -> bool:
        """Whether what *record* says is what *host* has been saying for so long that no further attempt is worth it."""
        return evidence(record) is Evidence.BROKEN and self.health.is_hopeless(host, now=self._clock())

    def wake(self) -> None:
        """What has come to be due."""
        for order in self.health.wake(self._clock()):
            self._follow(order)

    def forget(self, host: int) -> None:
        """Somebody wants it to be asked, whatever is known of it."""
        self._follow(self.health.forget(host))

    def given_up(self) -> tuple[int, str, Condition] | None:
        """A host that is down and something waits for: what is told of it, and how it is."""
        host = self._pacing.shut()
        condition = None if host is None else self.health.condition(host, now=self._clock())
        if host is None or condition is None:
            return None
        return host, condition.told_of(self.name(host)), condition

    def name(self, host: int) -> str:
        return str(self._db.execute("SELECT name FROM hosts WHERE id = ?", (host,)).fetchone()[0])

    def _note(self, host: int, what: Evidence, record: Record) -> None:
        now = self._clock()
        if what is Evidence.ANSWER:
            order = self.health.answered(host, now=now)
        else:
            if not isinstance(record, ImageRecord) and not (record.depth or record.page_url):
                return  # who has mistyped a seed waits for the answer, and there are few
            order = self.health.failed(
                host,
                what,
                reason=reason_of(record),
                detail=record.detail,
                began=now - record.elapsed_s,
                now=now,
                again=record.attempts > 1,
            )
        if order is not None:
            self._follow(order)
            condition = self.health.condition(host, now=now)
            if order.in_flight == 0 and condition is not None:
                log.warning("%s", condition.told_of(self.name(host)))
        if self._cut_off is not self.health.cut_off:
            self._cut_off = self.health.cut_off
            if self._cut_off:
                log.warning("none of the hosts that are asked can be reached: is our own network out?")

    def _follow(self, order: Order) -> None:
        now = self._clock()
        self._pacing.limit(order.host, order.in_flight, now=now)
        if order.pause_s:
            self._pacing.pause(order.host, order.pause_s, now=now)
            self._note_pause(order.host, order.pause_s)
