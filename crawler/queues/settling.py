"""What becomes of a task whose lease ends: done with its record, delayed, ready again, or dead.

Everything is within a transaction of the ledger. Records are written together at its end, or before what needs them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from crawler.crawlfile import record_rows
from crawler.crawlfile.schema import TABLES, origin_in, origin_of
from crawler.errors import InternalError, LeaseExpired
from crawler.logs.events import INFO, RESULT_REFUSED
from crawler.logs.outcomes import tell_retried, tell_settled
from crawler.models import ImageRecord, Record, Result, TaskKind, TaskState, Token
from crawler.models.image_words import filled_record
from crawler.queues import later_words, policy
from crawler.queues.fallback import with_next_size
from crawler.queues.forms import fit_cookies
from crawler.queues.host_evidence import reason_of
from crawler.queues.host_report import HostReport
from crawler.queues.leases import LeasedTask, Leases
from crawler.queues.ledger_state import LedgerState
from crawler.queues.left_out import located
from crawler.queues.refresh import left_out_of, not_visited, unvisited, worth_keeping
from crawler.queues.validation import ValidationLog, refusal, told_of_refused

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _UnvisitedTask:
    """A task that no worker has come back with."""

    id: int
    kind: TaskKind
    url: str
    depth: int
    attempts: int
    origin: bytes | None

    @property
    def is_seed(self) -> bool:
        return self.kind is TaskKind.PAGE and self.depth == 0 and self.origin is None


_Settled = tuple[TaskKind, TaskState, int, tuple[int, int, Record]]
"""Kind, state, how many leases have ended with it, and its record with its number and the task's id."""
_ENDS = {
    kind: f"""UPDATE tasks SET state = ?, due_s = NULL, origin = NULL, serial = serial + ?, attempts = attempts + ?,
    record = ? WHERE id = ? AND (record IS NULL
    OR NOT EXISTS (SELECT 1 FROM {table} WHERE seq = tasks.record AND task_id = tasks.id))"""  # noqa: S608
    for kind, table in TABLES.items()
}


class _OpenTask(NamedTuple):
    """A task that a result may still settle."""

    kind: TaskKind
    url: str
    host: int
    state: TaskState
    attempts: int


class Settling:
    """Settles the tasks of a ledger, of which *state* is the memory; *leases* end with it.

    *kept_by_workers*: workers on other machines may keep images themselves.

    Invariant: between two transactions no record waits to be written, and nothing to be logged. A task whose record
    waits is settled in ``counters`` already, and not yet in the file.
    """

    def __init__(self, state: LedgerState, leases: Leases, *, kept_by_workers: bool) -> None:
        self._state = state
        self._leases = leases
        self._kept_by_workers = kept_by_workers
        self.complaints = ValidationLog(log)
        self.lost = 0
        """Number of leases that no worker came back with, since the manager was started."""
        self._unwritten: dict[int, _Settled] = {}
        """What waits to be written, by task."""
        self._unlogged: list[tuple[Record, float | None]] = []
        """Records of this transaction, and in how many seconds a failed one is tried again."""

    def discard(self) -> None:
        """The transaction has failed."""
        self._unwritten.clear()
        self._unlogged.clear()

    def log_settled(self) -> None:
        """Log what the transaction has settled, now that it is certain."""
        for record, retry_in_s in self._unlogged:
            if retry_in_s is None:
                tell_settled(log, record)
            else:
                tell_retried(log, record, retry_in_s)
        self._unlogged.clear()

    def write(self) -> None:
        """Write the records that wait, and later words of images."""
        if self._unwritten:
            self._state.wake_all = self._state.wake_all or self._state.counters.drained
            self._state.recorded.notify_all()
            for kind in TaskKind:
                settled = [one for one in self._unwritten.values() if one[0] is kind]
                if settled:
                    self._write_settled(kind, settled)
            self._unwritten.clear()
        for key, words in self._state.adder.later_words().items():
            for task_id in later_words.give(self._state.db, key, words):
                if (lease := self._leases.by_task.get(task_id)) is not None:
                    lease.has_more_words = True

    def _write_settled(self, kind: TaskKind, settled: Sequence[_Settled]) -> None:
        """Write records of one *kind*, and name them in the rows of their tasks, none of which may have another one."""
        db = self._state.db
        record_rows.insert(db, kind, (numbered for *_, numbered in settled))
        named = db.executemany(
            _ENDS[kind],
            [(str(state), was, was, number, task_id) for _, state, was, (number, task_id, _) in settled],
        ).rowcount
        if named != len(settled):
            raise RuntimeError(f"{len(settled) - named} tasks have a record already, or are no more")

    # --- results ---

    def settle(self, result: Result) -> None:
        """Take in what a worker says; a repeat, or the result of an earlier lease, changes nothing."""
        state, token, record = self._state, result.token, result.record
        if result.cookies:
            state.cookies.keep(fit_cookies(result.cookies))
        lease = self._leases.by_task.get(token.id)
        task = self._open_task(token, lease)
        if task is None:
            return
        kind, host = task.kind, task.host
        flaw = refusal(result, kind=kind, url=task.url, by_workers=self._kept_by_workers)
        if flaw or result.untouched or result.retry_in_s is not None:
            if lease is None or lease.serial != token.serial:
                return  # another worker has it by now
            if flaw:
                self._refuse(token, task.url, flaw)
                return
        if kind is TaskKind.IMAGE and state.adder.has_later_words:
            self.write()  # a page of the same message may have said more of it
        last = None if kind is TaskKind.IMAGE else state.refresh.last_record(kind, token.id)
        if result.discovered:  # before its page is settled: the queue is never drained in between
            state.adder.add(
                located(result.discovered, record.final_url or record.url),
                now=state.clock(),
                again=last is not None,
            )
        self._follow_wishes(host, result)
        if result.untouched:
            self._postpone(token.id, result.retry_in_s)
            return
        self._settle_visit(result, task, lease, last)

    def _settle_visit(
        self, result: Result, task: LeasedTask | _OpenTask, lease: LeasedTask | None, last: Record | None
    ) -> None:
        """Delay the task for another attempt, or keep its record; *last* is that of an earlier visit."""
        state, token, record = self._state, result.token, result.record
        kind, host, before, attempts = task.kind, task.host, task.state, task.attempts
        state.watch.look(host, record, asked_s=result.refused_for_s)
        if lease is not None:
            self._leases.end(token.id)
        elif before is TaskState.READY:
            state.politeness.remove(host, kind, now=state.clock())
        retry_in_s = result.retry_in_s
        if retry_in_s is not None and state.watch.is_hopeless(host, record):
            retry_in_s = None
        most = state.queue.max_attempts
        if retry_in_s is not None and (
            attempts < most
            or state.watch.is_let_off(
                host, record, asked_s=result.refused_for_s, attempts=attempts, max_attempts=most
            )
        ):
            if log.isEnabledFor(INFO):
                self._unlogged.append((record, retry_in_s))
            assert lease is not None  # of a late result that asks for another attempt nothing comes
            self._delay(token.id, lease, retry_in_s, reason_of(record), record.http_status)
            return
        if left_out := left_out_of(record, last):
            state.adder.count_left_out(left_out)
        if lease is None or lease.has_more_words or token.serial < lease.serial:
            record = filled_record(record, later_words.of_task(state.db, token.id))
        self._keep(token.id, kind, record, before=before, after=TaskState.DONE)

    def _open_task(self, token: Token, lease: LeasedTask | None) -> LeasedTask | _OpenTask | None:
        """The task that *token* once leased; None if a result for it changes nothing."""
        if token.id in self._unwritten:
            return None  # twice in one message
        if lease is not None:
            return None if token.serial > lease.serial else lease
        row = self._state.db.execute(
            "SELECT kind, url, host_id, state, attempts FROM tasks WHERE id = ? AND serial >= ?",
            (token.id, token.serial),
        ).fetchone()
        if row is None or row[3] in {TaskState.DONE, TaskState.DEAD}:
            return None  # a second result for a settled task is a repeat, never a second record
        return _OpenTask(TaskKind(row[0]), row[1], row[2], TaskState(row[3]), row[4])

    def _follow_wishes(self, host: int, result: Result) -> None:
        """Keep the delay and the pause that *host* asks for."""
        if result.host_delay_s is not None:
            self.set_delay(host, result.host_delay_s)
        if result.host_pause_s is not None:
            self._state.politeness.pause(host, result.host_pause_s, now=self._state.clock())
            self._state.pauses.note(host, result.host_pause_s)

    def set_delay(self, host: int, delay_s: float, *, just_asked: bool = False) -> None:
        """*host* asks for *delay_s* seconds between requests; see ``Politeness.set_delay``."""
        politeness = self._state.politeness
        if delay_s != politeness.delay_s(host):
            self._state.db.execute("UPDATE hosts SET delay_s = ? WHERE id = ?", (delay_s, host))
            politeness.set_delay(host, delay_s, now=self._state.clock(), just_asked=just_asked)

    def _refuse(self, token: Token, url: str, flaw: str) -> None:
        """A result that can't be right was an attempt, and nothing came of it."""
        worker = self._leases.by_task[token.id].worker
        self.complaints.tell(RESULT_REFUSED, url=url, reason=flaw, worker=worker)
        lease = self._leases.end(token.id)
        if lease.attempts < self._state.queue.max_attempts:
            delay_s = policy.REFUSED_RESULT_S * 2.0 ** (lease.attempts - 1)
            self._delay(token.id, lease, delay_s, InternalError.reason)
            return
        self._settle_unvisited(
            self._unvisited(token.id, lease),
            reason=InternalError.reason,
            detail=told_of_refused(flaw),
            before=TaskState.LEASED,
            after=TaskState.DONE,
        )

    def _postpone(self, task_id: int, for_s: float | None) -> None:
        """A task comes back untouched, uncharged: ready at once, or after *for_s* seconds."""
        if not for_s:
            self.give_back([task_id], charged=False)
            return
        lease = self._leases.end(task_id)
        lease.attempts -= 1
        self._delay(task_id, lease, for_s)

    def _delay(
        self, task_id: int, lease: LeasedTask, delay_s: float, reason: str = "", http_status: int = 0
    ) -> None:
        """Have a task wait whose *lease* has ended."""
        self._note_end(task_id, lease)
        self._state.delayed.delay(task_id, delay_s, reason, http_status)
        self._state.move(lease.kind, TaskState.LEASED, TaskState.DELAYED)

    def _note_end(self, task_id: int, lease: LeasedTask) -> None:
        """Write the serial number and the attempts of a *lease* that has ended without a record."""
        self._state.db.execute(
            "UPDATE tasks SET serial = ?, attempts = ? WHERE id = ?", (lease.serial, lease.attempts, task_id)
        )

    # --- tasks that no worker comes back with ---

    def give_back(self, task_ids: Iterable[int], *, charged: bool) -> None:
        """Make leased tasks ready again; those that have used up their attempts, when *charged* with one, are dead."""
        for task_id in task_ids:
            lease = self._leases.end(task_id)
            self.lost += charged
            if charged and lease.attempts >= self._state.queue.max_attempts:
                self._settle_unvisited(
                    self._unvisited(task_id, lease),
                    reason=LeaseExpired.reason,
                    detail=f"no worker came back with it in {lease.attempts} attempts",
                    before=TaskState.LEASED,
                    after=TaskState.DEAD,
                )
                continue
            lease.attempts -= not charged
            self._note_end(task_id, lease)
            self._state.ready(lease.kind, lease.host, TaskState.LEASED)

    def give_up(self, host: int, report: HostReport) -> None:
        """Settle some of what waits for a host that is down."""
        name = self._state.watch.name(host)
        left = policy.GIVEN_UP_AT_ONCE
        for kind in TaskKind:
            rows = self._leases.next_ready("id, url, depth, attempts, origin", "", kind, host, left)
            left -= len(rows)
            if rows:
                self._state.politeness.remove(host, kind, len(rows), now=self._state.clock())
            for task_id, *columns in rows:
                task = _UnvisitedTask(task_id, kind, *columns)
                reason, detail = report.reason_and_detail(name, kind, is_seed=task.is_seed)
                self._settle_unvisited(
                    task, reason=reason, detail=detail, before=TaskState.READY, after=TaskState.DONE
                )

    def _unvisited(self, task_id: int, lease: LeasedTask) -> _UnvisitedTask:
        depth, origin = self._state.db.execute(
            "SELECT depth, origin FROM tasks WHERE id = ?", (task_id,)
        ).fetchone()
        return _UnvisitedTask(task_id, lease.kind, lease.url, depth, lease.attempts, origin)

    def _settle_unvisited(
        self, task: _UnvisitedTask, *, reason: str, detail: str, before: TaskState, after: TaskState
    ) -> None:
        """Settle a task with a record that no worker has made: as dead, or else as failed."""
        kind = task.kind
        last = self._state.refresh.last_record(kind, task.id)
        if last is not None and worth_keeping(last):
            record = not_visited(last, detail=detail, reason=reason)
            self._keep(task.id, kind, record, before=before, after=TaskState.DONE)
            return
        record = unvisited(
            kind,
            task.url,
            status="dead" if after is TaskState.DEAD else "failed",
            reason=reason,
            detail=detail,
            origin=origin_of(last, kind) if last else origin_in(task.origin),
            depth=task.depth,
            attempts=task.attempts,
            finished_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        self._keep(task.id, kind, record, before=before, after=after)

    # --- records ---

    def _keep(
        self, task_id: int, kind: TaskKind, record: Record, *, before: TaskState, after: TaskState
    ) -> None:
        """Settle a task for good, with its record."""
        state = self._state
        if record.reason:
            state.failures.note(kind, record.reason, record.url, now=state.clock())
        if state.refresh.happen or state.refresh.may_share(record):
            record = self._compared(task_id, kind, record)
        record, next_size = with_next_size(record)
        if next_size is not None:  # before this one is settled: the queue is never drained in between
            state.adder.add([next_size], now=state.clock())
        if isinstance(record, ImageRecord) and state.adder.sizes.behind:
            self.write()  # what is behind depends on what became of the others
            has_next = next_size is not None
            url = state.adder.sizes.settled(task_id, record, has_next=has_next, now=state.clock())
            record = msgspec.structs.replace(record, replaced_by=url) if url else record
        if log.isEnabledFor(INFO):
            self._unlogged.append((record, None))
        ended = 1 if before is TaskState.LEASED else 0
        self._unwritten[task_id] = (kind, after, ended, (state.next_seq, task_id, record))
        state.next_seq += 1
        state.move(kind, before, after)
        state.counters.count(kind, record, 1)

    def _compared(self, task_id: int, kind: TaskKind, record: Record) -> Record:
        """*record* as it is to be kept beside what is there; an earlier one in its place is gone."""
        self.write()  # one of the records that wait may have the same file
        refresh = self._state.refresh
        last = refresh.last_record(kind, task_id)
        record = refresh.judged(task_id, record, last)
        if last is not None:
            refresh.make_room(kind, task_id, record, last, self._state.counters)
        return record
