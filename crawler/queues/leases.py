"""Workers and their leases: who shares the work, who holds which task, and until when.

Each call of a worker renews its deadline, which all of its leases share. A lease also ends ``max_lease_s`` after it
began, whatever its worker says. After a restart of the ledger every lease has a full new term; it belongs to NOBODY
until its worker names it, so that a worker which went on meanwhile loses nothing.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import accumulate, islice, takewhile
from typing import Any, ClassVar

import msgspec

from crawler.crawlfile.schema import origin_in
from crawler.crawlfile.sqlite_errors import damage
from crawler.logs.events import (
    DEBUG,
    LEASE_GRANTED,
    LEASES_EXPIRED,
    WORKER_DIED,
    WORKER_LEFT,
    WORKER_LOST,
    tell,
)
from crawler.logs.outcomes import tell_joined, who
from crawler.models import Batch, Task, TaskKind, TaskState, Token, WorkerState, WorkerStatus
from crawler.monitoring.rate import Rate
from crawler.queues import policy
from crawler.queues.lease_rows import LeaseRows
from crawler.queues.ledger_state import LedgerState
from crawler.queues.politeness import Share
from crawler.queues.status import as_held, recent_rate
from crawler.urls import host_key

log = logging.getLogger(__name__)

NOBODY = ""
"""Holds the leases of an earlier run until their workers name them."""
_ENCODER = msgspec.msgpack.Encoder()


@dataclass(slots=True)
class LeasedTask:
    state: ClassVar[TaskState] = TaskState.LEASED
    serial: int
    attempts: int
    kind: TaskKind
    host: int
    worker: str
    since: float
    url: str
    row: int
    """Its batch in the file (see lease_rows.py)."""
    has_more_words: bool = False
    """Its origin may have been filled in since it was leased."""


@dataclass(slots=True)
class LeasingWorker:
    state: WorkerState | None
    """What it said last; None for NOBODY."""
    deadline: float
    seen: float = 0.0
    held: set[int] = field(default_factory=set)
    """Ids of the tasks that it holds."""
    returned: int = 0
    """Tasks that it has given back since its last lease: for the log, when it leaves."""
    done: Rate = field(default_factory=recent_rate)


class Leases:
    """The leases of a ledger, of which *state* is the memory.

    Invariants whenever the ledger's mutex is free:

    - ``by_task`` has the tasks that the table leases names, the oldest lease first;
    - each is in ``held`` of its worker, if that is among ``workers``;
    - politeness counts one task in the worker's hand for each; within a transaction also for those in ``_ended``;
    - ``worker_counts`` counts the workers that have spoken, by kind.

    A lease is the task's id and the serial number that it was leased under, which is smaller in a late result.
    """

    def __init__(self, state: LedgerState) -> None:
        self._state = state
        self._rows = LeaseRows(state.db)
        self.by_task: dict[int, LeasedTask] = {}
        self.workers: dict[str, LeasingWorker] = {}
        self.worker_counts: Counter[TaskKind] = Counter()
        self._ended: Counter[tuple[int, str]] = Counter()
        """How many leases of each host and worker have ended, whose slots are still to be freed."""
        self._held: Counter[int] = Counter()
        """How many tasks of each host are leased, but for those of ``_ended``, which count still; no zeros."""
        self._gone: dict[str, None] = {}
        """Workers that have left, the first first: they get no more tasks."""

    def load(self) -> None:
        """Read the leases from the file; nobody has claimed them so far."""
        state, now = self._state, self._state.clock()
        self.by_task.clear()
        self._ended.clear()
        self._held.clear()
        for worker in self.workers.values():
            worker.held.clear()
        nobody = LeasingWorker(state=None, deadline=now + state.queue.lease_s)
        for row, task_id, serial, attempts, kind_name, host, url in self._rows.load():
            kind = TaskKind(kind_name)
            self.by_task[task_id] = LeasedTask(
                serial, attempts, kind, host, NOBODY, now, url, row, has_more_words=True
            )
            state.politeness.remove(host, kind, now=now)  # its row is ready
            state.politeness.hold(host, NOBODY, now=now)
            self._held[host] += 1
            nobody.held.add(task_id)
        if nobody.held:
            self.workers[NOBODY] = nobody

    # --- workers ---

    def meet(self, worker: WorkerState) -> LeasingWorker:
        """Renew the deadline of a worker that has called. One that has left stays out of ``workers``."""
        now = self._state.clock()
        deadline = now + self._state.queue.lease_s
        member = self.workers.get(worker.id)
        if member is None:
            if worker.id in self._gone:
                return LeasingWorker(worker, deadline)
            member = self.workers[worker.id] = LeasingWorker(None, deadline)
        if member.state is None:
            tell_joined(log, worker)
        self._count(member, -1)
        member.state, member.deadline = worker, max(member.deadline, deadline)
        self._count(member, +1)
        member.seen = now
        member.done.add(now, worker.done)
        return member

    def is_gone(self, worker_id: str) -> bool:
        return worker_id in self._gone

    def leave(self, worker_id: str, *, died: bool) -> list[int]:
        """The worker is gone for good; returns the tasks that it held."""
        self._gone[worker_id] = None
        if len(self._gone) > policy.GONE_WORKERS:
            del self._gone[next(iter(self._gone))]
        worker = self._remove(worker_id)
        if worker is None:
            return []
        if worker.state is not None:
            event = WORKER_DIED if died else WORKER_LEFT
            tasks = len(worker.held) + worker.returned
            tell(log, event, **who(worker.state), tasks=tasks, done=worker.state.done)
        return list(worker.held)

    def shown(self) -> tuple[WorkerStatus, ...]:
        """The status of SHOWN_WORKERS workers at most: more might not fit into one message."""
        now = self._state.clock()
        return tuple(
            WorkerStatus(
                **msgspec.structs.asdict(as_held(worker.state, len(worker.held))),
                held=len(worker.held),
                seen_s=max(0.0, now - worker.seen),
                done_per_s=worker.done.per_s,
            )
            for worker in islice(self.workers.values(), policy.SHOWN_WORKERS)
            if worker.state is not None
        )

    def silent(self) -> list[str]:
        """The workers whose deadline is over."""
        now = self._state.clock()
        return [worker_id for worker_id, worker in self.workers.items() if worker.deadline <= now]

    def remove_silent(self, worker_id: str) -> list[int]:
        """Give up a silent worker; returns the tasks that it held."""
        worker = self._remove(worker_id)
        assert worker is not None
        tasks, state = len(worker.held), worker.state
        if state is not None:
            silent_s = max(0.0, self._state.clock() - worker.seen)
            tell(log, WORKER_LOST, **who(state), silent_s=silent_s, tasks=tasks, done=state.done)
        elif tasks:
            tell(log, LEASES_EXPIRED, worker="of an earlier run", tasks=tasks)
        return list(worker.held)

    def _remove(self, worker_id: str) -> LeasingWorker | None:
        worker = self.workers.pop(worker_id, None)
        if worker is not None:
            self._count(worker, -1)
        return worker

    def _count(self, worker: LeasingWorker, by: int) -> None:
        if worker.state is not None:
            self.worker_counts[worker.state.kind] += by

    # --- leases ---

    def adopt(self, worker_id: str, token: Token) -> bool:
        """Whether the lease *token* is the worker's; one of NOBODY becomes the worker's that names it."""
        lease = self.by_task.get(token.id)
        if lease is None or lease.serial != token.serial or worker_id not in self.workers:
            return False
        if lease.worker == NOBODY:
            politeness, now = self._state.politeness, self._state.clock()
            politeness.drop(lease.host, NOBODY, now=now)
            politeness.hold(lease.host, worker_id, now=now)
            self.workers[NOBODY].held.discard(token.id)
            self.workers[worker_id].held.add(token.id)
            lease.worker = worker_id
        return lease.worker == worker_id

    def not_named(self, worker_id: str, member: LeasingWorker, named: Sequence[Token]) -> list[int]:
        """The tasks that the worker holds by our account, and does not name: the reply with them was lost."""
        for token in named:
            self.adopt(worker_id, token)
        return list(member.held - {token.id for token in named})

    def overdue(self) -> list[int]:
        """Tasks leased for longer than ``max_lease_s``: their workers live, and will not come back with them."""
        now, most_s = self._state.clock(), self._state.queue.max_lease_s
        old = takewhile(lambda item: item[1].since + most_s <= now, self.by_task.items())
        return [task_id for task_id, _ in old]

    def end(self, task_id: int) -> LeasedTask:
        """Forget the lease of a task, within a transaction; the caller gives the task its next state, and the serial
        number and the attempts of the lease.
        """
        lease = self.by_task.pop(task_id)
        self._rows.remove(lease.row, task_id)
        worker = self.workers.get(lease.worker)
        if worker is not None:
            worker.held.discard(task_id)
        self._state.politeness.come_back(lease.host, task_id)
        self._ended[lease.host, lease.worker] += 1
        return lease

    def write(self) -> None:
        """Write which leases have begun and ended, at the end of a transaction."""
        self._rows.write()

    def free_slots(self) -> None:
        """Free the slots of the leases that have ended: the tasks of one message have few hosts between them."""
        if self._ended:
            now = self._state.clock()
            for (host, worker), count in self._ended.items():
                self._state.politeness.drop(host, worker, count, now=now)
                self._held[host] -= count
                if not self._held[host]:
                    del self._held[host]
                self._state.waiters.wake(worker)  # it can run others
            self._ended.clear()

    def grant(self, worker_id: str, kind: TaskKind, share: Share) -> Batch:
        """Lease the tasks of *share*, within a transaction."""
        state, host = self._state, share.host
        rows = self._next_tasks(kind, host, share.tasks)
        if len(rows) != share.tasks:  # its index and its table differ
            raise damage(f"{share.tasks} tasks should wait for host {host}, and {len(rows)} do")
        now = state.clock()
        if state.refresh.happen:
            rows = [(*start, blob, *state.refresh.past(kind, start[0], blob)) for *start, blob in rows]
        else:
            rows = [(*row, origin_in(row[-1]), None) for row in rows]
        count = len(rows)
        if state.refresh.happen or sum(16 + len(row[-3] or b"") for row in rows) > policy.REPLY_BYTES // 2:
            count = fitting((blob or origin, last) for *_, blob, origin, last in rows)
        if excess := len(rows) - count:
            state.politeness.drop(host, worker_id, excess, now=now)
            state.politeness.add(host, kind, excess, now=now)
            rows = rows[:count]
        batch = self._rows.add(row[0] for row in rows)
        state.move(kind, TaskState.READY, TaskState.LEASED, count)
        self._held[host] += count
        held = self.workers[worker_id].held
        host_delay_s = state.politeness.spacing_s(host)
        tasks = []
        for task_id, serial, url, depth, attempt, _, origin, last in rows:
            self.by_task[task_id] = LeasedTask(serial, attempt, kind, host, worker_id, now, url, batch)
            held.add(task_id)
            tasks.append(
                Task(
                    id=task_id,
                    serial=serial,
                    kind=kind,
                    url=url,
                    depth=depth,
                    attempt=attempt,
                    origin=origin,
                    host_delay_s=host_delay_s,
                    known=state.refresh.known(last),
                )
            )
        name = host_key(tasks[0].url)
        if log.isEnabledFor(DEBUG):
            tell(log, LEASE_GRANTED, tasks=len(tasks), host=name, worker=worker_id, kind=kind)
        return Batch(host=name, slots=share.slots, tasks=tuple(tasks))

    def _next_tasks(self, kind: TaskKind, host: int, count: int) -> list[Any]:
        """The oldest ready tasks, those that have failed before after the rest, which they may not slow down.

        The oldest and the newest take turns at a host in trouble (see ``HostHealth.from_the_end``).
        """
        columns = "id, serial + 1, url, depth, attempts + 1, origin"
        last_first = bool(self._state.health.from_the_end(host))
        rows = self.next_ready(columns, "AND attempts = 0", kind, host, count, last_first=last_first)
        if len(rows) < count:
            rows += self.next_ready(columns, "AND attempts > 0", kind, host, count - len(rows))
        return rows

    def next_ready(
        self, columns: str, which: str, kind: TaskKind, host: int, count: int, *, last_first: bool = False
    ) -> list[Any]:
        """Rows of ready tasks that nobody holds, the oldest first.

        What is held is passed over in the index alone: a hundred workers may hold thousands of one host.
        """
        order = "DESC" if last_first else "ASC"
        if not self._held[host]:
            return self._state.db.execute(
                f"SELECT {columns} FROM tasks WHERE kind = ? AND host_id = ? AND state = 'ready' {which}"  # noqa: S608
                f" ORDER BY id {order} LIMIT ?",
                (kind, host, count),
            ).fetchall()
        ids = self._state.db.execute(
            f"SELECT id FROM tasks WHERE kind = ? AND host_id = ? AND state = 'ready' ORDER BY id {order}",  # noqa: S608
            (kind, host),
        )
        rows: list[Any] = []
        look_at = count
        with closing(ids):
            free = (task_id for (task_id,) in ids if task_id not in self.by_task)
            while len(rows) < count and (some := list(islice(free, look_at))):
                look_at *= 2  # *which* may fit none of ten thousand
                rows += self._state.db.execute(
                    f"SELECT {columns} FROM tasks WHERE id IN (SELECT value FROM json_each(?)) {which}"  # noqa: S608
                    f" ORDER BY id {order} LIMIT ?",
                    (json.dumps(some), count - len(rows)),
                )
        return rows


def fitting(values: Iterable[object]) -> int:
    """How many of *values* fit into one message, one at least: pages hold images, and headers may be long."""
    sizes = accumulate(len(_ENCODER.encode(value)) for value in values)
    return max(1, sum(1 for _ in takewhile(lambda size_bytes: size_bytes <= policy.REPLY_BYTES, sizes)))
