"""The request rate that each host allows, learned from its refusals (429, and 503 with a Retry-After).

Pure bookkeeping in memory, the clock injected. A Retry-After is the wish of one URL, which waits that long. For the
host a refusal is *evidence* only: the host gets a short pause, then one *probe*. Once a probe is answered, requests are
sent at a *pace*, in seconds from one to the next.

An *event* is a refusal, with all refusals of requests that were sent before it, or that come during its pause: the
limit was hit once, however many requests were in flight. The number of responses between two events, over the time
between them, is the rate that the host allows: its token bucket was empty at both, or its window full. From then on
PACE_SHARE of that rate is used, and more as time goes by without an event: little more at first, as the limit is near,
then ever more, as it seems to be gone. Each event makes this growth slower. The pace *vanishes* below LEAST_PACE_S. It
is never longer than the rest after which the latest probe was answered: that rest was enough for one request.

Pauses double while nothing but refusals comes. They are as long as Retry-After asks for, up to REFUSED_MOST_PAUSE_S. A
longer wish is believed when most of the LATEST_ANSWERS ask for it, and at least BELIEVED_REFUSALS of them do: then
pauses double further, up to the median.

A host is given up after nothing but refusals for REFUSED_TIMES ``patience_s``, and for REFUSED_ASKED_TIMES what it asks
for. Before that a refused URL does not fail for good, unless the trouble seems to be its own: see ``is_final``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from crawler.errors import RateLimited, ServerError
from crawler.models import Record
from crawler.queues import policy
from crawler.queues.host_evidence import reason_of
from crawler.queues.host_report import HostReport

_ANSWER = -1.0
_UNAVAILABLE = 503


def refused_for_s(record: Record, asked_s: float | None) -> float | None:
    """Seconds for which the host that *record* ended at refuses requests, 0 if it did not say; None if it does not.

    *asked_s* is its Retry-After.
    """
    reason = reason_of(record)
    if reason == RateLimited.reason:
        return min(asked_s or 0.0, policy.MOST_ASKED_S)
    if reason == ServerError.reason and record.http_status == _UNAVAILABLE and asked_s is not None:
        return min(asked_s, policy.MOST_ASKED_S)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How requests are sent to a host from now on."""

    host: int
    pace_s: float
    """The least number of seconds from one request to the next; 0 for no limit."""
    pause_s: float = 0.0
    """Seconds without any request."""
    is_new: bool = False
    """Whether it is to be saved for a restart: there was an event, or all is forgotten."""
    is_lost: bool = False
    """Whether the host is to be given up: it has given nothing but refusals since ``since``, at ``tries`` events."""
    tries: int = 0
    since: float = 0.0


@dataclass(slots=True)
class _Slow:
    began: float
    """When the first refusal came."""
    since: float
    """The first event of the latest ones in a row: responses are counted from here on."""
    pace_s: float
    """The pace at the latest event."""
    growth_s: float
    """Seconds in which the rate doubles, counted from ``grows_at``."""
    grows_at: float = 0.0
    """When the rate began to grow."""
    noted: float = -math.inf
    """The latest event: requests sent before are part of it."""
    until: float = -math.inf
    """The end of the pause."""
    rest_s: float = math.inf
    """Seconds of rest after which the latest probe was answered."""
    given: int = 0
    """Responses since ``since``."""
    tries: int = 0
    """Events in a row."""
    refusals: int = 0
    reason: str = ""
    latest: list[float] = field(default_factory=list)
    """Of the LATEST_ANSWERS responses and events: _ANSWER, or the seconds that the event asked for."""


class Throttle:
    """The hosts that have refused requests. *patience_s* is ``host_patience_s``.

    The caller follows each Pace that is returned; it stands until the next one for that host.
    """

    def __init__(self, *, patience_s: float) -> None:
        self._patience_s = patience_s
        self._slow: dict[int, _Slow] = {}  # the one that refused last comes last

    def answered(self, host: int, *, began: float, now: float) -> Pace | None:
        """*host* has responded to a request that was sent at *began*, without a refusal."""
        slow = self._slow.get(host)
        if slow is None or began < slow.noted or now < slow.until:
            return None
        if slow.tries:
            slow.tries, slow.grows_at, slow.rest_s = 0, now, now - slow.since
        slow.given += 1
        _push(slow.latest, _ANSWER)
        pace_s = _pace_s(slow, now)
        if pace_s < policy.LEAST_PACE_S:
            del self._slow[host]
            return Pace(host=host, pace_s=0.0, is_new=True)
        return Pace(host=host, pace_s=pace_s)

    def is_known(self, host: int) -> bool:
        """Whether *host* has refused requests, and has not made up for it."""
        return host in self._slow

    def refused(self, host: int, *, asked_s: float, reason: str, began: float, now: float) -> Pace | None:
        """*host* has refused a request that was sent at *began*, for *asked_s* seconds, 0 if it did not say."""
        slow = self._slow.pop(host, None)
        is_fresh = slow is None or (began >= slow.noted and now >= slow.until)
        slow = self._slow[host] = slow or _Slow(
            began=now, since=now, pace_s=policy.FIRST_PACE_S, growth_s=policy.FIRST_GROWTH_S
        )
        slow.refusals += 1
        slow.reason = reason
        if not is_fresh:
            return None
        if slow.given:
            before_s, pace_s = slow.pace_s, _pace_s(slow, now)
            allowed_s = (now - slow.since) / (policy.PACE_SHARE * slow.given)
            if slow.given < policy.LEAST_GIVEN:
                allowed_s = min(allowed_s, policy.SLOWER_TIMES * pace_s)
            slower_s = max(pace_s, min(allowed_s, slow.rest_s))
            slow.pace_s = min(policy.MOST_PACE_S, max(policy.LEAST_PACE_S, slower_s))
            if before_s <= policy.ABOUT_TIMES * slow.pace_s and slow.pace_s <= policy.ABOUT_TIMES * before_s:
                slow.growth_s = min(policy.MOST_GROWTH_S, 2 * slow.growth_s)
            slow.since, slow.given = now, 0
        slow.tries += 1
        slow.noted = now
        _push(slow.latest, asked_s)
        pause_s = _pause_s(slow, asked_s)
        slow.until = now + pause_s
        return Pace(
            host=host,
            pace_s=slow.pace_s,
            pause_s=pause_s,
            is_new=True,
            is_lost=self._is_lost(slow, now),
            tries=slow.tries,
            since=slow.since,
        )

    def is_final(self, host: int, *, now: float) -> bool:
        """Whether a URL that *host* has just refused fails for good, once its attempts are used up.

        It does if its refusal is the only one of the LATEST_ANSWERS: then the trouble is its own. It also does after
        ``patience_s`` of nothing but refusals.
        """
        slow = self._slow.get(host)
        if slow is None or len(_asked(slow)) <= 1:
            return True
        return slow.tries > 0 and now - slow.since >= self._patience_s

    def forget(self, host: int) -> Pace:
        """Forget all about *host*."""
        self._slow.pop(host, None)
        return Pace(host=host, pace_s=0.0, is_new=True)

    def restore(self, host: int, pace_s: float, *, now: float) -> Pace:
        """Take over the pace of an earlier run."""
        pace_s = min(pace_s, policy.MOST_PACE_S)
        self._slow[host] = _Slow(
            began=now,
            since=now,
            pace_s=pace_s,
            grows_at=now,
            growth_s=2 * policy.FIRST_GROWTH_S,
            reason=RateLimited.reason,
        )
        return Pace(host=host, pace_s=pace_s)

    def wake(self) -> Iterator[Pace]:
        """Forget hosts when they are too many to remember."""
        while len(self._slow) > policy.MOST_RUNS:
            yield self.forget(next(iter(self._slow)))

    def paces(self, *, now: float) -> Iterator[Pace]:
        """The pace of each host that has one."""
        for host, slow in self._slow.items():
            yield Pace(host=host, pace_s=_pace_s(slow, now))

    def is_probed(self, host: int) -> bool:
        """Whether *host* gets one request at a time."""
        slow = self._slow.get(host)
        return slow is not None and slow.tries > 0

    def slowed(self) -> Iterator[int]:
        """The hosts that have a pace, the one that refused last first."""
        return reversed(self._slow)

    def condition(self, host: int, *, now: float) -> HostReport | None:
        """How it is with *host*, its failures being all refusals since it was slowed down; None if it has no pace."""
        slow = self._slow.get(host)
        if slow is None:
            return None
        return HostReport(
            trouble=policy.SLOWED,
            failures=slow.refusals,
            tries=slow.tries,
            reason=slow.reason,
            detail="",
            lasts_s=now - slow.began,
            due_s=0.0,
            reached=True,
        )

    def _is_lost(self, slow: _Slow, now: float) -> bool:
        least_s = max(
            policy.REFUSED_TIMES * self._patience_s, policy.REFUSED_ASKED_TIMES * _median(_asked(slow))
        )
        return slow.tries >= policy.REFUSED_LEAST_TRIES and now - slow.since >= least_s


def _push(latest: list[float], one: float) -> None:
    latest.append(one)
    del latest[: -policy.LATEST_ANSWERS]


def _asked(slow: _Slow) -> list[float]:
    """The seconds that the refusals among the latest answers asked for, ascending."""
    return sorted(asked_s for asked_s in slow.latest if asked_s >= 0)


def _median(asked: list[float]) -> float:
    """The lower median of an even number of values."""
    return asked[(len(asked) - 1) // 2]


def _pace_s(slow: _Slow, now: float) -> float:
    if slow.tries:
        return slow.pace_s
    return slow.pace_s * math.pow(2.0, -math.pow((now - slow.grows_at) / slow.growth_s, 2.0))


def _pause_s(slow: _Slow, asked_s: float) -> float:
    doublings = min(slow.tries - 1, 32)
    if asked_s <= policy.REFUSED_MOST_PAUSE_S:
        return max(asked_s, min(policy.REFUSED_MOST_PAUSE_S, policy.REFUSED_FIRST_PAUSE_S * 2.0**doublings))
    asked = _asked(slow)
    if len(asked) < policy.BELIEVED_REFUSALS or 2 * len(asked) <= len(slow.latest):
        return min(policy.REFUSED_MOST_PAUSE_S, policy.REFUSED_FIRST_LONG_PAUSE_S * 2.0**doublings)
    most_s = max(policy.REFUSED_MOST_PAUSE_S, _median(asked))
    return min(
        most_s, policy.REFUSED_MOST_PAUSE_S * 2.0 ** max(0, min(slow.tries - policy.BELIEVED_REFUSALS, 32))
    )
