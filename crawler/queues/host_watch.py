"""The ledger's glue: passes what visits tell of hosts to health and throttle, and what these decide to politeness."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from itertools import islice

from crawler.crawlfile.connection import Connection
from crawler.logs.events import HOST_GIVEN_UP, HOST_PAUSED, HOST_SLOWED, INFO, NETWORK_DOWN, tell
from crawler.models import Record, Revisit
from crawler.queues import policy
from crawler.queues.host_evidence import Evidence, ended_elsewhere, evidence, is_seed, reason_of
from crawler.queues.host_health import HostDirective, HostHealth
from crawler.queues.host_pauses import HostPauses
from crawler.queues.host_report import HostReport
from crawler.queues.politeness import Politeness
from crawler.queues.throttle import Pace, Throttle, refused_for_s

log = logging.getLogger(__name__)


class HostWatch:
    """The hosts in the file *db*. A new one is made when the ledger's memory is rebuilt, with a new *pacing*; *health*
    and *throttle* stay. *pauses* are told of each pause and each new pace.
    """

    def __init__(
        self,
        db: Connection,
        health: HostHealth,
        throttle: Throttle,
        pacing: Politeness,
        pauses: HostPauses,
        *,
        clock: Callable[[], float],
    ) -> None:
        self.health = health
        self.throttle = throttle
        self._pauses = pauses
        self._db = db
        self._pacing = pacing
        self._clock = clock
        self._cut_off = health.cut_off
        for host in health.troubled():
            self._limit(host)
        for pace in throttle.paces(now=clock()):
            self._go_at(pace)

    def look(self, host: int, record: Record, *, asked_s: float | None) -> None:
        """Take in a result of a task of *host*. It tells of the host that a redirect led to, if there was one;
        *asked_s* is that one's Retry-After.
        """
        if (
            record.http_status
            and not record.reason
            and record.revisit is Revisit.NONE
            and (not record.final_url or record.final_url == record.url)
        ):  # nearly all of them
            if not (self.health.is_known(host) or self.throttle.is_known(host) or self.health.cut_off):
                self.health.note_answer(host, self._clock())
            else:
                self._note(host, Evidence.ANSWER, record, None)
            return
        what, refused_s = evidence(record), refused_for_s(record, asked_s)
        if (name := ended_elsewhere(record)) is not None:
            if record.revisit is Revisit.FAILED:
                return  # where it led at an earlier visit says nothing of this one
            self._note(host, Evidence.ANSWER, record, None)
            row = self._db.execute("SELECT id FROM hosts WHERE name = ?", (name,)).fetchone()
            if row is None or not (self._pacing.is_known(row[0]) or self.health.is_known(row[0])):
                return  # nothing waits for it
            host = row[0]
        if what is not Evidence.NOTHING:
            self._note(host, what, record, refused_s)

    def is_let_off(
        self, host: int, record: Record, *, asked_s: float | None, attempts: int, max_attempts: int
    ) -> bool:
        """Whether a refused URL gets more than its attempts, as *host* refuses others, too. With ``max_attempts`` 1 it
        gets one, and a seed no more than its attempts: a user waits for the answer.
        """
        return (
            refused_for_s(record, asked_s) is not None
            and ended_elsewhere(record) is None
            and 1 < max_attempts <= attempts < policy.REFUSED_ATTEMPTS_TIMES * max_attempts
            and not is_seed(record)
            and not self.throttle.is_final(host, now=self._clock())
        )

    def is_hopeless(self, host: int, record: Record) -> bool:
        """Whether *host* has failed like *record* for so long that another attempt is not worth it."""
        return evidence(record) is Evidence.BROKEN and self.health.is_hopeless(host, now=self._clock())

    def wake(self) -> None:
        """Follow what has come to be due."""
        for order in self.health.wake(self._clock()):
            self._follow(order)
        for pace in self.throttle.wake():
            self._go_at(pace)

    def forget(self, host: int) -> None:
        """Forget all about *host*: a user wants it to be asked."""
        self._follow(self.health.forget(host))
        self._go_at(self.throttle.forget(host))

    def given_up(self) -> tuple[int, HostReport] | None:
        """A host that is down and has waiting tasks, and how it is with it."""
        host = self._pacing.shut()
        report = None if host is None else self.health.condition(host, now=self._clock())
        return None if host is None or report is None else (host, report)

    def troubled(self) -> dict[str, int]:
        """How many hosts are in each kind of trouble, of the latest TROUBLED_LOOKED_AT."""
        now, found = self._clock(), Counter[str]()
        for host in islice(self.health.troubled(), policy.TROUBLED_LOOKED_AT):
            if (report := self.health.condition(host, now=now)) is not None:
                found[report.trouble.value] += 1
        slowed = islice(self.throttle.slowed(), policy.TROUBLED_LOOKED_AT)
        found[policy.SLOWED.value] += sum(self.health.condition(host, now=now) is None for host in slowed)
        return dict(+found)

    def name(self, host: int) -> str:
        return str(self._db.execute("SELECT name FROM hosts WHERE id = ?", (host,)).fetchone()[0])

    def _note(self, host: int, what: Evidence, record: Record, refused_s: float | None) -> None:
        now = self._clock()
        if refused_s is not None:
            what = Evidence.ANSWER  # a refusal shows that the host is up
        elif what is Evidence.ANSWER or what is Evidence.BROKEN:
            self._go_at(self.throttle.answered(host, began=now - record.elapsed_s, now=now))
        if what is Evidence.ANSWER:
            order = self.health.answered(host, now=now)
        else:
            if is_seed(record):
                return  # a mistyped seed: the user waits for the answer, and there are few
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
        if refused_s is not None:
            self._refused(host, record, refused_s)
        if self._cut_off is not self.health.cut_off:
            self._cut_off = self.health.cut_off
            if self._cut_off:
                tell(log, NETWORK_DOWN)

    def _refused(self, host: int, record: Record, asked_s: float) -> None:
        now, reason = self._clock(), reason_of(record)
        pace = self.throttle.refused(
            host, asked_s=asked_s, reason=reason, began=now - record.elapsed_s, now=now
        )
        self._go_at(pace)
        if pace is not None and pace.is_lost:
            order = self.health.give_up(
                host,
                reason=reason,
                detail=record.detail,
                tries=pace.tries,
                since=pace.since,
                least_s=policy.REFUSED_ASKED_TIMES * pace.pause_s,
                now=now,
            )
            self._follow(order)

    def _follow(self, order: HostDirective) -> None:
        self._limit(order.host)
        self._pause(order.host, order.pause_s)
        if order.in_flight == 0 and (report := self.health.condition(order.host, now=self._clock())):
            tell(log, HOST_GIVEN_UP, **report.event_fields(self.name(order.host)))

    def _go_at(self, pace: Pace | None) -> None:
        if pace is None:
            return
        self._pacing.set_pace(pace.host, pace.pace_s)
        self._limit(pace.host)
        self._pause(pace.host, pace.pause_s)
        if pace.is_new:
            if log.isEnabledFor(INFO):
                tell(log, HOST_SLOWED, host=self.name(pace.host), pace_s=pace.pace_s, pause_s=pace.pause_s)
            self._pauses.note_pace(pace.host, pace.pace_s)

    def _limit(self, host: int) -> None:
        in_flight = self.health.in_flight(host)
        if self.throttle.is_probed(host):
            in_flight = 1 if in_flight is None else min(in_flight, 1)
        self._pacing.limit(host, in_flight, now=self._clock())

    def _pause(self, host: int, pause_s: float) -> None:
        if pause_s:
            if log.isEnabledFor(INFO):
                tell(log, HOST_PAUSED, host=self.name(host), pause_s=pause_s)
            self._pacing.pause(host, pause_s, now=self._clock())
            self._pauses.note(host, pause_s)
