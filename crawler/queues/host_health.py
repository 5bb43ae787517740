"""Which hosts are in trouble: how long each is left alone, and which one is given up.

Pure bookkeeping in memory, without a clock of its own, as in pacing. What counts is a *run* of failures, with no
answer of use in between: one URL that is always broken among good ones slows nothing down. After IN_A_ROW of them the
host is asked for one thing at a time, for what has not failed already if there is such, after pauses that double with
each *try* that fails. What had begun before the latest try failed, or comes back during a pause, tells nothing new:
however many requests were in flight, they are one try. Each answer doubles what may be in flight, until that is what it
was.

Some failures are the URL's own, and are no part of a run: one during which the host has answered others; and one of a
URL that had failed before, while nothing else is wrong with the host.

A host that says that something within it is *broken* (500: a script has crashed) is alive, and is never given up for
that. After IN_A_ROW of those one in BROKEN_SHARE of the requests may be in flight, without pauses; and if it has said
nothing else for ``patience_s``, each URL is asked for once, and not again.

A host is given up, and called *down*, after LEAST_TRIES and a time that depends on what is known:

=================================  ===================================================
there is no such name              at once (3 tries); ``patience_s`` while in doubt
it can't be reached                ``patience_s``; DOUBT_TIMES that while in doubt
it answers, with nothing of use    BUSY_TIMES ``patience_s``
=================================  ===================================================

In doubt means that it may be our own network that is out: since this host's failures began another one could not be
reached either, and none was. A host that is down is asked again after COOL_OFF_S, which doubles with each time up to
MOST_COOL_OFF_S.

All this is forgotten when the manager is started anew: a host that is down then takes the same time once more.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Any

from crawler.errors import (
    BadResponse,
    BotChallenge,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    HostDown,
    HostNotFound,
    NameLookupFailed,
    RateLimited,
    RequestTimeout,
    RobotsUnavailable,
    ServerError,
    TlsFailed,
    TooSlow,
    TruncatedTransfer,
)
from crawler.models import Record, Revisit, TaskKind
from crawler.queues import policy
from crawler.urls import DATA_HOST, host_key

HOW_TO_RETRY = {
    TaskKind.IMAGE: f"image-crawler retry DIR --reason {HostDown.reason} puts it back",
    TaskKind.PAGE: f"image-crawler retry DIR --reason {HostDown.reason} --pages puts it back",
    TaskKind.RENDER: f"image-crawler retry DIR --reason {HostDown.reason} --renders puts it back",
}
"""What waited for a host that was given up."""


class Evidence(Enum):
    """What one visit tells of a host."""

    NOTHING = auto()
    """It was not asked (robots.txt forbids it, an address that is not allowed …)."""
    ANSWER = auto()
    """Of any kind, 404 included: it is there, and at work."""
    BROKEN = auto()
    """It is there, and says that what was asked for makes it fail."""
    TROUBLE = auto()
    """It is there, and overloaded, or its gateway finds nobody behind it; or it breaks off."""
    UNREACHED = auto()
    NO_SUCH_HOST = auto()
    """The name service says that there is no such name."""


class Trouble(StrEnum):
    BACKING_OFF = policy.BACKING_OFF
    ONLY_ERRORS = policy.ONLY_ERRORS
    DOWN = policy.DOWN
    RECOVERING = policy.RECOVERING
    SLOWED = policy.SLOWED
    """It has refused to be asked as fast as it was: see throttle.py."""


_UNREACHED = (NameLookupFailed, ConnectFailed, ConnectTimeout)
_TROUBLE = (
    BotChallenge,  # one among answers is its URL's own; where nothing else comes, nothing is to be had by asking on
    ServerError,
    RequestTimeout,
    DeadlineExceeded,
    TooSlow,
    ConnectionLost,
    TruncatedTransfer,
    BadResponse,
    RobotsUnavailable,
)
_BY_REASON = {
    HostNotFound.reason: Evidence.NO_SUCH_HOST,
    TlsFailed.reason: Evidence.ANSWER,
    RateLimited.reason: Evidence.ANSWER,  # how fast it may be asked, is a matter of its own: see throttle.py
    **{cls.reason: Evidence.UNREACHED for cls in _UNREACHED},
    **{cls.reason: Evidence.TROUBLE for cls in _TROUBLE},
}


_BROKEN = frozenset({500, 506, 508, 510})
"""Internal error, and mistakes in how one URL is set up. 502 to 504 are a gateway's word for a server that is away or
too slow, 507 is a full disk; of the statuses that nobody has registered, 520 to 530 are gateways', and 509 and 529 say
that it is too much.
"""


def evidence(record: Record) -> Evidence:
    """What *record* tells of the host that it ended at."""
    reason = reason_of(record)
    if reason == ServerError.reason and record.http_status in _BROKEN:
        return Evidence.BROKEN
    if reason in _BY_REASON:
        return _BY_REASON[reason]
    answered = record.http_status or not (reason or record.url.startswith(DATA_HOST))
    return Evidence.ANSWER if answered else Evidence.NOTHING


def reason_of(record: Record) -> str:
    """Why nothing came of the latest visit; empty if something did."""
    return record.revisit_reason if record.revisit is Revisit.FAILED else record.reason


def ended_elsewhere(record: Record) -> str | None:
    """The host that a redirect led the visit to, ``scheme://host[:port]``, or ``?`` if that can't be told.

    None if it ended at the URL's own.
    """
    if not record.final_url or record.final_url == record.url:
        return None
    name = _host_named(record.final_url)
    return None if name == _host_named(record.url) else name


def _host_named(url: str) -> str:
    try:
        return host_key(url)
    except ValueError:  # no URL, as workers may send it
        return "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDirective:
    """What is to be done about a host now."""

    host: int
    in_flight: int | None
    """At most so many requests; 0 while it is down, None for as many as always."""
    pause_s: float = 0.0
    """Nothing at all for so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """How it is with a host in trouble, for people."""

    trouble: Trouble
    failures: int
    """In a row."""
    tries: int
    """The same, with those that came in together counted as one."""
    reason: str
    detail: str
    """Of the latest."""
    lasts_s: float
    """Since the first of them."""
    due_s: float
    """Until it is asked again."""
    reached: bool
    """It answers."""

    def told_of(self, name: str) -> str:
        """In a sentence, of the host *name*."""
        came = "gave nothing of use" if self.reached else "was not reached"
        return f"{name} {came} at {self.tries} tries over {_span(self.lasts_s)}, last: {self.reason}: {self.detail}"

    def facts_of(self, name: str) -> dict[str, Any]:
        """As facts of the event that it is given up."""
        return {
            "told": self.told_of(name),
            "host": name,
            "reason": self.reason,
            "tries": self.tries,
            "lasts_s": self.lasts_s,
        }


@dataclass(slots=True)
class _Run:
    since: float
    failures: int = 0
    tries: int = 0
    noted: float = -math.inf
    """When the latest try failed: what began before that is part of it."""
    pauses: int = 0
    until: float = -math.inf
    """The end of the latest pause, or cool-off."""
    in_flight: int | None = None
    lost_since: float | None = None
    """Since when it could not be reached."""
    lost_tries: int = 0
    nameless: int = 0
    """Failures in a row that say that there is no such name."""
    cool_offs: int = 0
    """How often in a row it has been given up."""
    broken: int = 0
    """How often in a row it has said that it is broken, and"""
    broken_since: float = 0.0
    """since when."""
    reason: str = ""
    detail: str = ""

    def begin(self, now: float) -> None:
        """Forget the failures, after an answer."""
        self.since, self.failures, self.tries, self.pauses = now, 0, 0, 0
        self.until, self.lost_since, self.lost_tries = -math.inf, None, 0
        self.nameless = self.cool_offs = self.broken = 0


class _Latest:
    """The latest moment at which something was so of any host but one."""

    def __init__(self) -> None:
        self._host: int | None = None
        self._at = self._others_at = -math.inf

    def note(self, host: int, now: float) -> None:
        if host != self._host:
            self._others_at, self._host = self._at, host
        self._at = now

    def but(self, host: int) -> float:
        return self._others_at if host == self._host else self._at


class HostHealth:
    """The hosts in trouble. *per_host* requests may be in flight to one that is not.

    The orders that its methods return are to be followed; those that were given stand until there are others.
    """

    def __init__(self, *, per_host: int, patience_s: float) -> None:
        self._per_host = per_host
        self._patience_s = patience_s
        self._runs: dict[int, _Run] = {}  # the one that failed last comes last
        self._cooling: list[tuple[float, int]] = []
        self._answered: dict[int, float] = {}  # when each did last; the latest comes last
        self._reached = _Latest()
        self._unreached = _Latest()
        self.cut_off = False
        """No host that was asked lately could be reached: it may be our own network that is out."""

    def answered(self, host: int, *, now: float) -> HostDirective | None:
        """*host* has answered: it may be asked for twice as much at a time as before."""
        self._reached.note(host, now)
        self.cut_off = False
        self._answered.pop(host, None)
        self._answered[host] = now
        if len(self._answered) > policy.MOST_RUNS:
            del self._answered[next(iter(self._answered))]
        run = self._runs.get(host)
        if run is None:
            return None
        limit = None if run.in_flight is None else max(1, 2 * run.in_flight)
        if limit is not None and limit < self._per_host:
            run.begin(now)
            run.in_flight = limit
            return HostDirective(host=host, in_flight=limit)
        del self._runs[host]
        return None if run.in_flight is None else HostDirective(host=host, in_flight=None)

    def failed(
        self,
        host: int,
        what: Evidence,
        *,
        reason: str,
        detail: str,
        began: float,
        now: float,
        again: bool = False,
    ) -> HostDirective | None:
        """A visit to *host* that began at the moment *began* has failed, with anything but NOTHING and ANSWER.

        With *again* an earlier attempt at the same URL had failed as well: that may be its own TROUBLE, and pauses grow
        no longer by it.
        """
        run = self._runs.pop(host, None)
        if self._is_its_own(host, run, what, began=began, again=again):
            self._reached.note(host, now)
            self.cut_off = False
            if run is not None:
                self._runs[host] = run
            return None
        run = self._runs[host] = run or _Run(since=now)
        if what is Evidence.BROKEN:
            return self._is_broken(host, run, reason=reason, detail=detail, now=now)
        run.broken = 0
        if not run.failures:
            run.since = now
        run.failures += 1
        if run.in_flight == 0:
            return None  # it is known to be down
        run.reason, run.detail = reason, detail[: policy.SHOWN_DETAIL_CHARS]
        self._look_at_contact(host, run, what, now)
        fresh = began >= run.noted and now >= run.until
        if fresh:
            run.tries += 1
            run.lost_tries += run.lost_since is not None
            run.noted = now
        if (fresh or run.nameless >= policy.IN_A_ROW) and self._is_lost(host, run, now):
            return self._give_up(host, run, now)
        if run.failures < policy.IN_A_ROW or not (fresh or run.pauses == 0):
            return None
        if not (again and run.pauses and what is Evidence.TROUBLE):
            run.pauses += 1
        pause_s = min(policy.MOST_PAUSE_S, policy.FIRST_PAUSE_S * 2.0 ** min(run.pauses - 1, 32))
        run.noted, run.until, run.in_flight = now, now + pause_s, 1
        return HostDirective(host=host, in_flight=1, pause_s=pause_s)

    def _is_its_own(self, host: int, run: _Run | None, what: Evidence, *, began: float, again: bool) -> bool:
        """Whether a failure is its URL's trouble, and tells nothing of *host*."""
        if what is not Evidence.TROUBLE or (run is not None and run.in_flight == 0):
            return False
        return self._answered.get(host, -math.inf) > began or (again and (run is None or not run.pauses))

    def _is_broken(
        self, host: int, run: _Run, *, reason: str, detail: str, now: float
    ) -> HostDirective | None:
        self._reached.note(host, now)
        self.cut_off = False
        share = max(1, self._per_host // policy.BROKEN_SHARE)
        run.reason, run.detail = reason, detail[: policy.SHOWN_DETAIL_CHARS]
        if run.in_flight == 0 or run.cool_offs:  # given up, and there it is
            run.begin(now)
            run.in_flight = 0
        run.broken_since = run.broken_since if run.broken else now
        run.broken += 1
        run.lost_since, run.lost_tries, run.nameless = None, 0, 0
        if run.pauses > 1:  # it has been in worse trouble, and gets out of it step by step
            if now < run.until:
                return None
            run.pauses -= 1
            pause_s = policy.FIRST_PAUSE_S * 2.0 ** min(run.pauses - 1, 32)
            run.noted, run.until = now, now + pause_s
            return HostDirective(host=host, in_flight=1, pause_s=pause_s)
        run.failures = run.tries = run.pauses = 0
        before = run.in_flight
        if before is None and run.broken >= policy.IN_A_ROW:
            run.in_flight = share
        elif before is not None:
            run.in_flight = min(share, max(1, 2 * before))
        if run.in_flight == before or run.in_flight is None:
            return None
        return HostDirective(host=host, in_flight=run.in_flight)

    def is_hopeless(self, host: int, *, now: float) -> bool:
        """It has had nothing to say but that it is broken for so long that no URL is worth another attempt."""
        run = self._runs.get(host)
        return (
            run is not None
            and run.broken >= policy.LEAST_TRIES
            and now - run.broken_since >= self._patience_s
        )

    def wake(self, now: float) -> Iterator[HostDirective]:
        """What has come to be due: hosts that were down and may be asked once more."""
        while self._cooling and self._cooling[0][0] <= now:
            until, host = heapq.heappop(self._cooling)
            run = self._runs.get(host)
            if run is not None and run.in_flight == 0 and run.until == until:
                run.in_flight, run.noted = 1, now
                yield HostDirective(host=host, in_flight=1)
        while len(self._runs) > policy.MOST_RUNS:
            host = next(iter(self._runs))
            yield self.forget(host)

    def forget(self, host: int) -> HostDirective:
        """Take *host* for one that nothing is known of."""
        self._runs.pop(host, None)
        return HostDirective(host=host, in_flight=None)

    def give_up(
        self, host: int, *, reason: str, detail: str, tries: int, since: float, least_s: float, now: float
    ) -> HostDirective:
        """*host* has refused all that was asked of it since that moment, at so many tries: it is down, for *least_s*
        seconds at least.
        """
        run = self._runs.pop(host, None) or _Run(since=since)
        self._runs[host] = run
        run.begin(since)
        run.failures = run.tries = tries
        run.reason, run.detail, run.noted = reason, detail[: policy.SHOWN_DETAIL_CHARS], now
        return self._give_up(host, run, now, least_s)

    def in_flight(self, host: int) -> int | None:
        """How many requests may be in flight to *host*; None if it is well."""
        run = self._runs.get(host)
        return None if run is None else run.in_flight

    def is_known(self, host: int) -> bool:
        """Whether it has failed since it was well."""
        return host in self._runs

    def limits(self) -> dict[int, int]:
        """How many requests may be in flight to the hosts in trouble."""
        return {host: run.in_flight for host, run in self._runs.items() if run.in_flight is not None}

    def from_the_end(self, host: int) -> bool | None:
        """Whether *host* is to be asked for what came last rather than first of all that waits for it.

        While it is in trouble these take turns, for what was found together is broken together: a folder that is gone
        shall not make the host look so. None for a host that is not asked for one thing at a time.
        """
        run = self._runs.get(host)
        return run.tries % 2 == 1 if run is not None and run.in_flight == 1 else None

    def condition(self, host: int, *, now: float) -> HostReport | None:
        """None for a host that is well."""
        run = self._runs.get(host)
        if run is None or run.in_flight is None:
            return None
        trouble = Trouble.RECOVERING
        if run.cool_offs:
            trouble = Trouble.DOWN
        elif run.pauses:
            trouble = Trouble.BACKING_OFF
        elif run.broken:
            trouble = Trouble.ONLY_ERRORS
        return HostReport(
            trouble=trouble,
            failures=run.failures or run.broken,
            tries=run.tries,
            reason=run.reason,
            detail=run.detail,
            lasts_s=now - (run.broken_since if run.broken and not run.failures else run.since),
            due_s=max(0.0, run.until - now),
            reached=run.lost_since is None,
        )

    def troubled(self) -> Iterator[int]:
        """The hosts that are not well, the one that failed last first."""
        return (host for host, run in reversed(self._runs.items()) if run.in_flight is not None)

    def _look_at_contact(self, host: int, run: _Run, what: Evidence, now: float) -> None:
        if what is Evidence.TROUBLE:
            self._reached.note(host, now)
            self.cut_off = False
            if run.cool_offs and run.lost_since is not None:  # given up as out of reach, and there it is
                run.begin(now)
                run.failures = 1
            run.lost_since, run.lost_tries, run.nameless = None, 0, 0
            return
        self._unreached.note(host, now)
        if run.lost_since is None:
            run.lost_since = now
        run.nameless = run.nameless + 1 if what is Evidence.NO_SUCH_HOST else 0

    def _is_lost(self, host: int, run: _Run, now: float) -> bool:
        """Whether it is to be given up."""
        if run.lost_since is None:
            return run.tries >= policy.LEAST_TRIES and now - run.since >= policy.BUSY_TIMES * self._patience_s
        if run.cool_offs:
            return True  # it was, and nothing has come since
        nameless = run.nameless >= policy.IN_A_ROW
        doubt = self._reached.but(host) < run.lost_since <= self._unreached.but(host)
        if doubt and run.lost_tries >= policy.LEAST_TRIES:
            self.cut_off = True
        if nameless and not doubt:
            return True
        patience_s = self._patience_s * (policy.DOUBT_TIMES if doubt and not nameless else 1)
        return run.lost_tries >= policy.LEAST_TRIES and now - run.lost_since >= patience_s

    def _give_up(self, host: int, run: _Run, now: float, least_s: float = 0.0) -> HostDirective:
        run.until = now + max(
            least_s, min(policy.MOST_COOL_OFF_S, policy.COOL_OFF_S * 2.0 ** min(run.cool_offs, 32))
        )
        run.cool_offs += 1
        run.in_flight = 0
        heapq.heappush(self._cooling, (run.until, host))
        return HostDirective(host=host, in_flight=0)


def _span(seconds: float) -> str:
    if seconds < 100:  # noqa: PLR2004 - what is longer is easier to read in minutes
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"
