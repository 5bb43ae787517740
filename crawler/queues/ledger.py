"""The embedded queue: the tasks' state machine on one SQLite file.

    put ─▶ ready ─lease─▶ leased ─final result─▶ done
             ▲              │ ├─ result with retry_in_s ─▶ delayed ─ due ─▶ ready
             └── released ──┘ └─ worker lost, attempts used up ─▶ dead

Here are the calls of workers, and of those who watch. Its parts: ledger_file.py (transactions, time), ledger_runs.py
(the calls of who starts runs), ledger_state.py (memory), leases.py (workers), settling.py (results), delayed.py (tasks
that wait).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from crawler.crawlfile import meta
from crawler.crawlfile.columns import legible
from crawler.crawlfile.meta import MetaKey
from crawler.crawlfile.schema import records_after
from crawler.crawlfile.sqlite_errors import explained
from crawler.logs.events import WORD_REFUSED
from crawler.models import (
    ROBOTS_TXT,
    Batch,
    FileAnswer,
    Heartbeat,
    HostFile,
    Lease,
    NewTask,
    RenderOutcome,
    Result,
    Stats,
    Status,
    TaskKind,
    TemplateAnswer,
    Token,
    WorkerState,
)
from crawler.queues import Plan, Queue, RecordPage, host_pauses, policy
from crawler.queues.bandwidth import BandwidthSchedule
from crawler.queues.forms import check_host_file
from crawler.queues.leases import LeasingWorker, fitting
from crawler.queues.ledger_runs import LedgerRuns
from crawler.queues.status import hosts_that_wait, hosts_to_watch
from crawler.queues.validation import is_host
from crawler.text.plain_errors import quoted


class Ledger(LedgerRuns, Queue):
    """The Queue of one crawl, with an empty plan until ``set_plan``; see LedgerFile for the arguments.

    Example::

        ledger = Ledger(folder / "crawl.db", queue=QueueConfig(), scope=ScopeConfig(), new_run=True)
        ledger.put([NewTask(kind=TaskKind.PAGE, url="https://example.org/")])
    """

    def set_plan(self, plan: Plan) -> None:
        """Tell workers what the crawl is about, before the first one calls."""
        self._plan = plan
        self._bandwidth = BandwidthSchedule(plan.config.fetch.limit_rate_bytes_s)

    def plan(self) -> Plan:
        return self._plan

    # --- tasks ---

    def put(self, tasks: Sequence[NewTask]) -> int:
        with self._transaction():
            return self._state.adder.add(tasks, now=self._clock())

    def lease(
        self, worker: WorkerState, *, count: int, slots: int, wait_s: float, held: Sequence[Token]
    ) -> Lease:
        end = self._clock() + wait_s
        state, kind = self._state, worker.kind
        with self._mutex:
            member = self._meet(worker)
            member.returned = 0
            if lost := self._leases.not_named(worker.id, member, held):
                with self._transaction():
                    self._settling.give_back(lost, charged=False)
            while True:
                if self._halted is not None or self._leases.is_gone(worker.id):
                    state.waiters.leave(kind, more=state.politeness.is_due(kind))
                    return Lease(
                        halted=self._halted or "this worker has left", drained=state.counters.drained
                    )
                self._tick()
                # who waits here was taken for lost by a manager that had stood still (SIGSTOP, a laptop that slept)
                if worker.id not in self._leases.workers:
                    member = self._meet(worker)
                batches = self._lease_due(worker, count=count, slots=slots)
                now = self._clock()
                more = state.politeness.is_due(kind) and not self._is_held_back(kind)
                if batches or now >= end or state.counters.drained:
                    member.deadline = now + self._queue.lease_s
                    state.waiters.leave(kind, more=more)
                    cookies, seen = state.cookies.news(worker.cookies_seen)
                    return Lease(
                        batches=batches, drained=state.counters.drained, cookies=cookies, cookies_seen=seen
                    )
                # a lease must not run out while its worker waits here
                member.deadline = max(member.deadline, end + self._queue.lease_s)
                alarm = end if (due := state.next_event()) is None else due
                state.waiters.wait(worker.id, kind, now=now, until=end, alarm=alarm, more=more)

    def _lease_due(self, worker: WorkerState, *, count: int, slots: int) -> tuple[Batch, ...]:
        if self._is_held_back(worker.kind):
            return ()
        shares = self._state.politeness.take(
            worker.kind,
            worker.id,
            count=min(count, self._queue.lease_batch),
            slots=slots,
            worker_count=self._leases.worker_counts[worker.kind],
            now=self._clock(),
        )
        if not shares:
            return ()
        with self._transaction(), legible(self.path, on_error=self.halt):
            return tuple(self._leases.grant(worker.id, worker.kind, share) for share in shares)

    def _is_held_back(self, kind: TaskKind) -> bool:
        """Whether nothing of *kind* is given out now, though some may be due."""
        return self._paused or (kind is not TaskKind.IMAGE and self._state.is_backlogged)

    def _meet(self, worker: WorkerState) -> LeasingWorker:
        is_first_renderer = worker.kind is TaskKind.RENDER and not self._has_renderer
        if is_first_renderer and not self._leases.is_gone(worker.id):
            with explained(self.path, on_error=self.halt):
                meta.write(self._db, MetaKey.RENDERER, 1)
            self._has_renderer = True
        return self._leases.meet(worker)

    def heartbeat(self, worker: WorkerState, *, held: Sequence[Token]) -> Heartbeat:
        with self._mutex:
            self._tick()
            self._meet(worker)
            return Heartbeat(
                lost=tuple(token for token in held if not self._leases.adopt(worker.id, token)),
                left_alone=self._left_alone(worker.id),
                paused=self._paused,
                halted=self._halted,
            )

    def _left_alone(self, worker_id: str) -> tuple[str, ...]:
        """The hosts whose tasks in hand this worker shall not begin."""
        hosts = self._state.politeness.too_much(worker_id, now=self._clock())
        return tuple(map(self._state.watch.name, hosts))

    def release(self, worker: WorkerState, tokens: Sequence[Token]) -> None:
        with self._transaction():
            member = self._meet(worker)  # its leases may be from before a restart
            # some may be named twice
            held = {token.id: None for token in tokens if self._leases.adopt(worker.id, token)}
            member.returned += len(held)
            self._settling.give_back(held, charged=False)

    def leave(self, worker_id: str, *, charged: bool) -> None:
        with self._transaction():
            self._settling.give_back(self._leases.leave(worker_id, died=charged), charged=charged)
            self._state.wake_all = True  # it may wait itself; and there is more for the others

    # --- hosts ---

    def turn(self, *, task: int, host: str, is_guest: bool = False) -> float:
        with self._of_host(host) as host_id:
            politeness = self._state.politeness
            wait_s = politeness.turn(host_id, guest=task if is_guest else None, now=self._clock())
            spacing_s = politeness.spacing_s(host_id)
            if not wait_s and spacing_s >= host_pauses.LEAST_S:
                with self._transaction():  # else a manager that comes after us might not know of it
                    self._pauses.note(host_id, spacing_s)
            self._state.waiters.expect(self._state.next_event())
            return wait_s

    def turn_taken(self, *, host: str, ago_s: float) -> None:
        with self._of_host(host) as host_id:
            self._state.politeness.taken(host_id, ago_s, now=self._clock())

    def turn_over(self, *, task: int, host: str) -> None:
        with self._of_host(host) as host_id:
            politeness = self._state.politeness
            lease = self._leases.by_task.get(task)
            if lease is not None and lease.host == host_id:
                politeness.go_away(host_id, task)
            politeness.turn_over(host_id, task, now=self._clock())
            politeness.wake(self._clock())  # others of its domain may have room now
            self._state.wake_waiting()

    def receive(self, *, count: int) -> float:
        with self._bandwidth_mutex:
            return self._bandwidth.reserve(count, now=time.monotonic())

    def host_file(self, worker_id: str, *, host: str, name: str) -> FileAnswer:
        with self._of_host(host) as host_id:
            return self._files.look(worker_id, host_id, name)

    def keep_host_file(self, worker_id: str, *, host: str, file: HostFile) -> None:
        check_host_file(file)
        with self._of_host(host) as host_id, self._transaction():
            if not self._files.may_tell(worker_id, host_id, file.name):
                self._settling.complaints.tell(WORD_REFUSED, worker=worker_id, host=host)
                return
            self._files.keep(host_id, file)
            if file.name == ROBOTS_TXT and not file.reason:
                self._settling.set_delay(host_id, file.delay_s, just_asked=True)

    def template(self, *, host: str, name: str, task: int | None = None) -> TemplateAnswer:
        with self._of_host(host) as host_id:
            answer, states = self._templates.asked(host_id, name, task, self._state.delayed.life_s)
            if states:  # seldom: each page that is read asks
                with self._transaction():
                    self._templates.keep(host_id, states)
                    self._state.delayed.save_clock()  # no claim is to last longer after a restart
            return msgspec.structs.replace(answer, has_renderer=self._plan.browser or self._has_renderer)

    def tell_template(self, *, host: str, name: str, outcome: RenderOutcome) -> None:
        with self._of_host(host) as host_id:
            if states := self._templates.told(host_id, name, outcome):
                with self._transaction():
                    self._templates.keep(host_id, states)

    @contextmanager
    def _of_host(self, name: str) -> Iterator[int]:
        """A call about a host, which may be new, as redirects lead anywhere: yields its id. Raises ValueError for what
        is no host, outside of a transaction, which would have memory rebuilt.
        """
        with self._mutex, explained(self.path, on_error=self.halt):
            if not is_host(name):
                raise ValueError(f"{quoted(name[:200])} is no host")
            yield self._state.adder.host_id(f"{name}/")
            self._state.politeness.forget_idle()

    # --- results ---

    def settle(self, results: Sequence[Result]) -> tuple[str, ...]:
        with self._transaction():
            leases = (self._leases.by_task.get(result.token.id) for result in results)
            workers = {lease.worker for lease in leases if lease is not None}
            for result in results:
                self._settling.settle(result)
            self._leases.free_slots()
            return tuple(host for worker in workers for host in self._left_alone(worker))

    def records(self, *, after: int = 0, limit: int = policy.MAX_RECORDS, wait_s: float = 0.0) -> RecordPage:
        end = self._clock() + wait_s
        limit = max(1, min(limit, policy.MAX_RECORDS))
        state = self._state
        with self._mutex, explained(self.path), legible(self.path, on_error=self.halt):
            while state.next_seq <= after + 1 and not state.counters.drained and self._halted is None:
                left = end - self._clock()
                if left <= 0:
                    break
                state.recorded.wait(left)
            if self._closed:
                return RecordPage(cursor=after)
            numbered = records_after(self._db.execute, after, limit)
            numbered = numbered[: fitting(record for _, record in numbered)]
            cursor = numbered[-1][0] if numbered else after
            return RecordPage(
                records=tuple(record for _, record in numbered),
                cursor=cursor,
                complete=cursor + 1 >= state.next_seq and state.counters.drained,
            )

    # --- figures ---

    def stats(self) -> Stats:
        with self._mutex:
            self._tick()
            return Stats(**self._figures(self._clock()))

    def status(self) -> Status:
        with self._mutex, explained(self.path):
            self._tick()
            now, state = self._clock(), self._state
            state.meters.look(now, state.counters)
            figures = {**self._figures(now), **state.meters.facts()}
            hosts = hosts_to_watch(state.politeness, state.watch, self._db, now=now)
            return Status(**figures, hosts=hosts, host_count=len(state.politeness))

    def _figures(self, now: float) -> dict[str, Any]:
        """The fields of Stats."""
        state = self._state
        return {
            **state.counters.facts(),
            "workers": self._leases.shown(),
            "worker_count": self._leases.worker_counts.total(),
            "up_s": now - self._started,
            "waiting": hosts_that_wait(state.politeness, state.watch, self._db, now=now),
            "retries": state.delayed.next_retries(max_attempts=self._queue.max_attempts),
            "failures": state.failures.shown(now=now),
            "held_images": state.adder.sizes.held,
            "backlogged": state.is_backlogged,
            "due": {
                kind.value: 0 if self._is_held_back(kind) else state.politeness.startable(kind)
                for kind in TaskKind
            },
            "troubled": state.watch.troubled(),
            "leases_lost": self._settling.lost,
            "paused": self._paused,
            "paused_by": self._paused_by,
            "halted": self._halted,
            "stopped": self._stopped,
        }
