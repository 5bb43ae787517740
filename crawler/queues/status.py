"""The ledger's status for people: workers, hosts and rates."""

from __future__ import annotations

import math
from itertools import islice
from typing import TypeVar

import msgspec

from crawler.crawlfile.connection import Connection
from crawler.models import HostStatus, TaskKind, WorkerState
from crawler.monitoring.rate import Rate
from crawler.queues import policy
from crawler.queues.counters import Counters
from crawler.queues.host_report import HostReport
from crawler.queues.host_watch import HostWatch
from crawler.queues.politeness import Politeness

_LOOK_EVERY_S = 0.1


def recent_rate() -> Rate:
    """A Rate over the last half a minute."""
    return Rate(window_s=30.0, spacing_s=1.0)


class Meters:
    """The rates of the crawl as a whole."""

    def __init__(self) -> None:
        self._now = {name: recent_rate() for name in (*(f"{kind}s" for kind in TaskKind), "saved_bytes")}
        # mean rates: with an infinite spacing the first point stays, and the other one is the latest
        self._mean = {name: Rate(window_s=math.inf, spacing_s=math.inf) for name in self._now}
        self._next = -math.inf

    def note(self, now: float, tally: Counters) -> None:
        """Look at the counters, unless that was a moment ago: each lease comes by here."""
        if now >= self._next:
            self.look(now, tally)

    def look(self, now: float, tally: Counters) -> None:
        self._next = now + _LOOK_EVERY_S
        counts = {f"{kind}s": tally.settled(kind) for kind in TaskKind}
        counts["saved_bytes"] = tally.saved_bytes
        for name, count in counts.items():
            self._now[name].add(now, count)
            self._mean[name].add(now, count)

    def facts(self) -> dict[str, float]:
        """The rates as fields of Status."""
        return {
            **{f"{name}_per_s": rate.per_s for name, rate in self._now.items()},
            **{f"mean_{name}_per_s": rate.per_s for name, rate in self._mean.items()},
        }


_State = TypeVar("_State", bound=WorkerState)


def as_held(state: _State, held: int) -> _State:
    """The state of a worker, cut to the tasks that it *held* since: it reported a while ago.

    Without this, status showed ``Running 1/4, Held 0, in flight 0``.
    """
    if state.running <= held:
        return state
    return msgspec.structs.replace(state, running=held, busy=state.busy[:held])


def hosts_that_wait(
    pacing: Politeness, watch: HostWatch, db: Connection, *, now: float
) -> tuple[HostStatus, ...]:
    """``Stats.waiting``: hosts with tasks that are in trouble, or left alone between two requests; SHOWN_WAITING at
    most, out of a few candidates.
    """
    some = dict.fromkeys(
        [
            *islice(watch.health.troubled(), policy.SHOWN_TROUBLED),
            *islice(watch.throttle.slowed(), policy.SHOWN_TROUBLED),
            *pacing.some_that_wait(policy.LOOKED_AT),
        ]
    )
    found = {host: _host_status(host, pacing, watch, now) for host in some}
    waiting = [host for host, status in found.items() if _waits(status)]
    waiting.sort(key=lambda host: -found[host].at_hand)
    return _named(db, {host: found[host] for host in waiting[: policy.SHOWN_WAITING]})


def _waits(host: HostStatus) -> bool:
    is_left_alone = host.delay_s > 0 or (host.due_s > 0 and host.at_hand > host.in_flight)
    return bool(host.at_hand and (host.trouble or is_left_alone))


def hosts_to_watch(
    pacing: Politeness, watch: HostWatch, db: Connection, *, now: float
) -> tuple[HostStatus, ...]:
    """The SHOWN_HOSTS hosts with the most tasks, then SHOWN_TROUBLED others in trouble, the latest first."""
    busiest = pacing.busiest(policy.SHOWN_HOSTS)
    troubled = (host for host in watch.health.troubled() if host not in busiest)
    hosts = [*busiest, *islice(troubled, policy.SHOWN_TROUBLED)]
    return _named(db, {host: _host_status(host, pacing, watch, now) for host in hosts})


def _named(db: Connection, hosts: dict[int, HostStatus]) -> tuple[HostStatus, ...]:
    marks = ",".join("?" * len(hosts))
    sql = f"SELECT id, name FROM hosts WHERE id IN ({marks})"  # noqa: S608 - question marks
    names = dict(db.execute(sql, list(hosts)).fetchall())
    return tuple(msgspec.structs.replace(status, name=names.get(host, "")) for host, status in hosts.items())


def _host_status(host: int, pacing: Politeness, watch: HostWatch, now: float) -> HostStatus:
    """Without its name."""
    status = pacing.look_at(host, now=now)
    report = watch.health.condition(host, now=now) or watch.throttle.condition(host, now=now)
    return status if report is None else in_trouble(status, report)


def in_trouble(status: HostStatus, report: HostReport) -> HostStatus:
    """*status* with what *report* says of that host."""
    return msgspec.structs.replace(
        status,
        due_s=max(status.due_s, report.due_s),
        trouble=report.trouble.value,
        failures=report.failures,
        last_reason=report.reason,
        trouble_s=report.lasts_s,
    )
