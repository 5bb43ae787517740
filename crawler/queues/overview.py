"""What the ledger tells those who watch: workers, hosts and rates, in figures for people."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Protocol

import msgspec

from crawler.models import HostStatus, TaskKind, WorkerState, WorkerStatus
from crawler.queues.database import Connection
from crawler.queues.health import Trouble
from crawler.queues.pacing import Pacing, Waiting
from crawler.queues.tally import Tally
from crawler.queues.watch import HostWatch
from crawler.rate import Rate

RATE_WINDOW_S = 30.0
RATE_SPACING_S = 1.0
SHOWN_WORKERS = 500  # of up to 7 KB each: a message has 4 MiB
SHOWN_HOSTS = 50
SHOWN_TROUBLED = 20


class Meters:
    """How fast the crawl as a whole goes on."""

    def __init__(self) -> None:
        self._pages, self._images, self._renders, self._bytes = (
            Rate(window_s=RATE_WINDOW_S, spacing_s=RATE_SPACING_S) for _ in range(4)
        )

    def note(self, now: float, tally: Tally) -> None:
        self._pages.add(now, tally.settled(TaskKind.PAGE))
        self._images.add(now, tally.settled(TaskKind.IMAGE))
        self._renders.add(now, tally.settled(TaskKind.RENDER))
        self._bytes.add(now, tally.saved_bytes)

    def facts(self) -> dict[str, float]:
        """As fields of Status."""
        return {
            "pages_per_s": self._pages.per_s,
            "images_per_s": self._images.per_s,
            "renders_per_s": self._renders.per_s,
            "saved_bytes_per_s": self._bytes.per_s,
        }


class Known(Protocol):
    """A worker that has spoken."""

    state: WorkerState | None
    seen: float
    held: set[int]
    done: Rate


def some_workers(workers: Iterable[Known], *, now: float) -> tuple[WorkerStatus, ...]:
    """At most SHOWN_WORKERS: more might not fit into one message."""
    return tuple(
        WorkerStatus(
            **msgspec.structs.asdict(worker.state),
            held=len(worker.held),
            seen_s=max(0.0, now - worker.seen),
            done_per_s=worker.done.per_s,
        )
        for worker in islice(workers, SHOWN_WORKERS)
        if worker.state is not None
    )


def hosts_to_watch(pacing: Pacing, watch: HostWatch, db: Connection, *, now: float) -> tuple[HostStatus, ...]:
    """The SHOWN_HOSTS with the most to do; after these SHOWN_TROUBLED others that are in trouble, the latest first."""
    lanes = pacing.busiest(SHOWN_HOSTS, now=now)
    shown = {lane.host for lane in lanes}
    troubled = (host for host in watch.health.troubled() if host not in shown)
    lanes += [pacing.look_at(host, now=now) for host in islice(troubled, SHOWN_TROUBLED)]
    marks = ",".join("?" * len(lanes))
    rows = db.execute(
        f"SELECT id, name FROM hosts WHERE id IN ({marks})",  # noqa: S608 - question marks
        [lane.host for lane in lanes],
    )
    names = dict(rows.fetchall())
    return tuple(_host_status(names.get(lane.host, ""), lane, watch, now) for lane in lanes)


def _host_status(name: str, lane: Waiting, watch: HostWatch, now: float) -> HostStatus:
    status = HostStatus(
        name=name,
        pages=lane.ready.get(TaskKind.PAGE, 0),
        images=lane.ready.get(TaskKind.IMAGE, 0),
        renders=lane.ready.get(TaskKind.RENDER, 0),
        in_flight=lane.in_flight,
        due_s=lane.due_s,
        delay_s=lane.delay_s,
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
