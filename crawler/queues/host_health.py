"""Which hosts are in trouble: a circuit breaker for each host, which backs off and gives up. Pure, the clock injected.

A host in trouble has a *run* of failures, without a useful response in between: one broken URL among good ones slows
nothing down. After IN_A_ROW failures the host gets one request at a time, for a URL that has not failed if there is
one, after pauses that double with each failed *try*. Requests that began before the latest try failed, or that end
during a pause, are part of that try: all requests in flight together count as one. Each response doubles the number of
requests that may be in flight, until it is ``per_host`` again.

Some failures are the URL's own, and no part of a run: one during which the host has answered other requests; and one of
a URL that had failed before, while nothing else is wrong with the host.

A host that says that something within it is *broken* (500: a script has crashed) is up, and is never given up for that.
After IN_A_ROW such responses one in BROKEN_SHARE of the requests may be in flight, without pauses; after ``patience_s``
of nothing else, each URL is asked for once, and not again.

A host is given up, and called *down*, after LEAST_TRIES and a time that depends on what is known:

=================================  ===================================================
there is no such name              at once (3 tries); ``patience_s`` while in doubt
it can't be reached                ``patience_s``; DOUBT_TIMES that while in doubt
it answers, with nothing of use    BUSY_TIMES ``patience_s``
=================================  ===================================================

In doubt means that our own network may be out: since this host's failures began, another host could not be reached
either, and none was. A host that is down is asked again after COOL_OFF_S, which doubles each time up to
MOST_COOL_OFF_S. A restart of the manager forgets all of this.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass

from crawler.queues import policy
from crawler.queues.host_evidence import Evidence
from crawler.queues.host_report import HostReport


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDirective:
    """What politeness is to do with a host from now on."""

    host: int
    in_flight: int | None
    """The most requests in flight; 0 while the host is down, None for no limit but ``per_host``."""
    pause_s: float = 0.0
    """Seconds without any request."""


@dataclass(slots=True)
class _Run:
    """The failures of a host since its latest useful response.

    Invariants: ``in_flight`` is 0 exactly while the host is down, and then ``(until, host)`` is in the heap of
    cool-offs; ``pauses`` and ``cool_offs`` are 0 unless there are ``failures``.
    """

    since: float
    failures: int = 0
    tries: int = 0
    noted: float = -math.inf
    """When the latest try failed: requests that began before are part of it."""
    pauses: int = 0
    until: float = -math.inf
    """The end of the latest pause or cool-off."""
    in_flight: int | None = None
    lost_since: float | None = None
    """Since when the host could not be reached."""
    lost_tries: int = 0
    nameless: int = 0
    """Failures in a row by which there is no such name."""
    cool_offs: int = 0
    """How often in a row the host was given up."""
    broken: int = 0
    """BROKEN responses in a row."""
    broken_since: float = 0.0
    """When the first of these came."""
    reason: str = ""
    detail: str = ""

    def begin(self, now: float) -> None:
        """Forget the failures, after a response."""
        self.since, self.failures, self.tries, self.pauses = now, 0, 0, 0
        self.until, self.lost_since, self.lost_tries = -math.inf, None, 0
        self.nameless = self.cool_offs = self.broken = 0


class _Latest:
    """The latest moment at which something happened at any host but a given one."""

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
    """The hosts in trouble. *per_host* requests may be in flight to any other. *patience_s* is ``host_patience_s``.

    The caller follows each HostDirective that is returned; it stands until the next one for that host.
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
        """No host that was asked lately could be reached: our own network may be out."""

    def answered(self, host: int, *, now: float) -> HostDirective | None:
        """*host* has responded: twice as many requests may be in flight as before."""
        self.note_answer(host, now)
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

    def note_answer(self, host: int, now: float) -> None:
        """*host* has responded, which is all that there is to say of one that has not failed lately."""
        self._note_contact(host, now)
        self._answered.pop(host, None)
        self._answered[host] = now
        if len(self._answered) > policy.MOST_RUNS:
            del self._answered[next(iter(self._answered))]

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
        """A request to *host* that was sent at *began* has failed: *what* is neither NOTHING nor ANSWER.

        *again*: an earlier attempt at the URL had failed, too. It may be its own TROUBLE, which makes no pause longer.
        """
        run = self._runs.pop(host, None)
        if self._is_its_own(host, run, what, began=began, again=again):
            self._note_contact(host, now)
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
        return self._back_off(host, run, now)

    def _back_off(self, host: int, run: _Run, now: float) -> HostDirective:
        """Leave *host* alone for a while, and then ask for one URL at a time."""
        pause_s = min(policy.MOST_PAUSE_S, policy.FIRST_PAUSE_S * 2.0 ** min(run.pauses - 1, 32))
        run.noted, run.until, run.in_flight = now, now + pause_s, 1
        return HostDirective(host=host, in_flight=1, pause_s=pause_s)

    def _is_its_own(self, host: int, run: _Run | None, what: Evidence, *, began: float, again: bool) -> bool:
        """Whether a failure is the URL's own, and tells nothing of *host*."""
        if what is not Evidence.TROUBLE or (run is not None and run.in_flight == 0):
            return False
        return self._answered.get(host, -math.inf) > began or (again and (run is None or not run.pauses))

    def _is_broken(
        self, host: int, run: _Run, *, reason: str, detail: str, now: float
    ) -> HostDirective | None:
        self._note_contact(host, now)
        share = max(1, self._per_host // policy.BROKEN_SHARE)
        run.reason, run.detail = reason, detail[: policy.SHOWN_DETAIL_CHARS]
        if run.in_flight == 0 or run.cool_offs:  # it was given up, and responds
            run.begin(now)
            run.in_flight = 0
        run.broken_since = run.broken_since if run.broken else now
        run.broken += 1
        run.lost_since, run.lost_tries, run.nameless = None, 0, 0
        if run.pauses > 1:  # it has been in worse trouble, and gets out of it step by step
            if now < run.until:
                return None
            run.pauses -= 1
            return self._back_off(host, run, now)
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
        """Whether *host* has said that it is broken for so long that no URL is worth another attempt."""
        run = self._runs.get(host)
        if run is None or run.broken < policy.LEAST_TRIES:
            return False
        return now - run.broken_since >= self._patience_s

    def wake(self, now: float) -> Iterator[HostDirective]:
        """Hosts whose cool-off is over, which may be asked once more; and those that are too many to remember."""
        while self._cooling and self._cooling[0][0] <= now:
            until, host = heapq.heappop(self._cooling)
            run = self._runs.get(host)
            if run is not None and run.in_flight == 0 and run.until == until:
                run.in_flight, run.noted = 1, now
                yield HostDirective(host=host, in_flight=1)
        while len(self._runs) > policy.MOST_RUNS:
            yield self.forget(next(iter(self._runs)))

    def forget(self, host: int) -> HostDirective:
        """Forget all about *host*."""
        self._runs.pop(host, None)
        return HostDirective(host=host, in_flight=None)

    def give_up(
        self, host: int, *, reason: str, detail: str, tries: int, since: float, least_s: float, now: float
    ) -> HostDirective:
        """*host* has refused all since *since*, at so many *tries*: it is down, for *least_s* seconds at least."""
        run = self._runs.pop(host, None) or _Run(since=since)
        self._runs[host] = run
        run.begin(since)
        run.failures = run.tries = tries
        run.reason, run.detail, run.noted = reason, detail[: policy.SHOWN_DETAIL_CHARS], now
        return self._give_up(host, run, now, least_s)

    def in_flight(self, host: int) -> int | None:
        """The most requests in flight to *host*; None for no limit."""
        run = self._runs.get(host)
        return None if run is None else run.in_flight

    def is_known(self, host: int) -> bool:
        """Whether *host* has failed since its latest full recovery."""
        return host in self._runs

    def from_the_end(self, host: int) -> bool | None:
        """Whether the next URL to try at *host* is the newest one (LIFO) rather than the oldest (FIFO).

        Both take turns while the host is in trouble, so that one broken folder does not look like a dead host. None for
        a host that is not limited to one request at a time.
        """
        run = self._runs.get(host)
        return run.tries % 2 == 1 if run is not None and run.in_flight == 1 else None

    def condition(self, host: int, *, now: float) -> HostReport | None:
        """How it is with *host*; None if there is no limit."""
        run = self._runs.get(host)
        if run is None or run.in_flight is None:
            return None
        trouble = policy.RECOVERING
        if run.cool_offs:
            trouble = policy.DOWN
        elif run.pauses:
            trouble = policy.BACKING_OFF
        elif run.broken:
            trouble = policy.ONLY_ERRORS
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
        """The hosts with a limit, the one that failed last first."""
        return (host for host, run in reversed(self._runs.items()) if run.in_flight is not None)

    def _note_contact(self, host: int, now: float) -> None:
        """*host* responds, whatever it says."""
        self._reached.note(host, now)
        self.cut_off = False

    def _look_at_contact(self, host: int, run: _Run, what: Evidence, now: float) -> None:
        if what is Evidence.TROUBLE:
            self._note_contact(host, now)
            if run.cool_offs and run.lost_since is not None:  # it was given up as unreachable, and responds
                run.begin(now)
                run.failures = 1
            run.lost_since, run.lost_tries, run.nameless = None, 0, 0
            return
        self._unreached.note(host, now)
        if run.lost_since is None:
            run.lost_since = now
        run.nameless = run.nameless + 1 if what is Evidence.NO_SUCH_HOST else 0

    def _is_lost(self, host: int, run: _Run, now: float) -> bool:
        """Whether the host is to be given up."""
        if run.lost_since is None:
            return run.tries >= policy.LEAST_TRIES and now - run.since >= policy.BUSY_TIMES * self._patience_s
        if run.cool_offs:
            return True  # it was given up before, and has not responded since
        nameless = run.nameless >= policy.IN_A_ROW
        doubt = self._reached.but(host) < run.lost_since <= self._unreached.but(host)
        if doubt and run.lost_tries >= policy.LEAST_TRIES:
            self.cut_off = True
        if nameless and not doubt:
            return True
        patience_s = self._patience_s * (policy.DOUBT_TIMES if doubt and not nameless else 1)
        return run.lost_tries >= policy.LEAST_TRIES and now - run.lost_since >= patience_s

    def _give_up(self, host: int, run: _Run, now: float, least_s: float = 0.0) -> HostDirective:
        cool_off_s = min(policy.MOST_COOL_OFF_S, policy.COOL_OFF_S * 2.0 ** min(run.cool_offs, 32))
        run.until = now + max(least_s, cool_off_s)
        run.cool_offs += 1
        run.in_flight = 0
        heapq.heappush(self._cooling, (run.until, host))
        return HostDirective(host=host, in_flight=0)
