"""The ledger's status for people: workers, hosts and rates."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice
from typing import Protocol, TypeVar

import msgspec

from crawler.crawlfile.connection import Connection
from crawler.models import HostStatus, TaskKind, WorkerState, WorkerStatus
from crawler.monitoring.rate import Rate
from crawler.queues import policy
from crawler.queues.counters import Counters
from crawler.queues.host_report import Trouble
from crawler.queues.host_watch import HostWatch
from crawler.queues.politeness import Politeness, Waiting

RATE_WINDOW_S = 30.0
RATE_SPACING_S = 1.0


class Meters:
    """The rates of the crawl as a whole."""

    def __init__(self) -> None:
        self._now = {
            name: Rate(window_s=RATE_WINDOW_S, spacing_s=RATE_SPACING_S)
            for name in ("pages", "images", "renders", "saved_bytes")
        }
        # mean rates: with an infinite spacing the first point stays, and the other one is the latest
        self._mean = {name: Rate(window_s=math.inf, spacing_s=math.inf) for name in self._now}

    def note(self, now: float, tally: Counters) -> None:
        counts = {
            "pages": tally.settled(TaskKind.PAGE),
            "images": tally.settled(TaskKind.IMAGE),
            "renders": tally.settled(TaskKind.RENDER),
            "saved_bytes": tally.saved_bytes,
        }
        for name, count in counts.items():
            self._now[name].add(now, count)
            self._mean[name].add(now, count)

    def facts(self) -> dict[str, float]:
        """The rates as fields of Status."""
        return {
            **{f"{name}_per_s": rate.per_s for name, rate in self._now.items()},
            **{f"mean_{name}_per_s": rate.per_s for name, rate in self._mean.items()},
        }


class Known(Protocol):
    """A worker that has called; see leases.py."""

    state: WorkerState | None
    seen: float
    held: set[int]
    done: Rate


def some_workers(workers: Iterable[Known], *, now: float) -> tuple[WorkerStatus, ...]:
    """The status of SHOWN_WORKERS workers at most: more might not fit into one message."""
    return tuple(
        WorkerStatus(
            **msgspec.structs.asdict(as_held(worker.state, len(worker.held))),
            held=len(worker.held),
            seen_s=max(0.0, now - worker.seen),
            done_per_s=worker.done.per_s,
        )
        for worker in islice(workers, policy.SHOWN_WORKERS)
        if worker.state is not None
    )


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
    lanes = [pacing.look_at(host, now=now) for host in some]
    found = [_host_status("", lane, watch, now) for lane in lanes]
    waiting = [
        (status, lane.host)
        for status, lane in zip(found, lanes, strict=True)
        if at_hand(status) and (status.trouble or status.delay_s > 0 or (status.due_s > 0 and lane.ready))
    ]
    waiting.sort(key=lambda pair: -at_hand(pair[0]))
    names = _names(db, [host for _, host in waiting[: policy.SHOWN_WAITING]])
    return tuple(
        msgspec.structs.replace(status, name=names.get(host, ""))
        for status, host in waiting[: policy.SHOWN_WAITING]
    )


def at_hand(host: HostStatus) -> int:
    """Tasks that wait for the host, and requests in flight."""
    return host.pages + host.images + host.renders + host.in_flight


def hosts_to_watch(
    pacing: Politeness, watch: HostWatch, db: Connection, *, now: float
) -> tuple[HostStatus, ...]:
    """The SHOWN_HOSTS hosts with the most tasks, then SHOWN_TROUBLED others in trouble, the latest first."""
    lanes = pacing.busiest(policy.SHOWN_HOSTS, now=now)
    shown = {lane.host for lane in lanes}
    troubled = (host for host in watch.health.troubled() if host not in shown)
    lanes += [pacing.look_at(host, now=now) for host in islice(troubled, policy.SHOWN_TROUBLED)]
    names = _names(db, [lane.host for lane in lanes])
    return tuple(_host_status(names.get(lane.host, ""), lane, watch, now) for lane in lanes)


def _names(db: Connection, hosts: list[int]) -> dict[int, str]:
    marks = ",".join("?" * len(hosts))
    rows = db.execute(
        f"SELECT id, name FROM hosts WHERE id IN ({marks})",  # noqa: S608 - question marks
        hosts,
    )
    return dict(rows.fetchall())


def _host_status(name: str, lane: Waiting, watch: HostWatch, now: float) -> HostStatus:
    status = HostStatus(
        name=name,
        pages=lane.ready.get(TaskKind.PAGE, 0),
        images=lane.ready.get(TaskKind.IMAGE, 0),
        renders=lane.ready.get(TaskKind.RENDER, 0),
        in_flight=lane.in_flight,
        due_s=lane.due_s,
        delay_s=lane.delay_s,
        crawl_delay_s=lane.crawl_delay_s,
    )
    condition = watch.health.condition(lane.host, now=now)
    if condition is None:
        refusals = watch.throttle.refusals(lane.host, now=now)
        if refusals is None:
            return status
        return msgspec.structs.replace(
            status,
            trouble=Trouble.SLOWED.value,
            failures=refusals.refusals,
            last_reason=refusals.reason,
            trouble_s=refusals.lasts_s,
        )
    return msgspec.structs.replace(
        status,
        due_s=max(lane.due_s, condition.due_s),
        trouble=condition.trouble.value,
        failures=condition.failures,
        last_reason=condition.reason,
        trouble_s=condition.lasts_s,
    )
