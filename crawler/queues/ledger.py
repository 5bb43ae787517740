"""The embedded queue: the tasks' state machine on one SQLite file.

    put ─▶ ready ─lease─▶ leased ─final result─▶ done
             ▲              │ ├─ result with retry_in_s ─▶ delayed ─ due ─▶ ready
             └── released ──┘ └─ worker lost, attempts used up ─▶ dead

What must survive a crash is in the file, in one transaction per call; what is only good for a run (who holds what,
and until when) is in memory. After a restart every lease that was out gets a full new term, so that a worker which
went on meanwhile loses nothing. Delays of tasks are due on a clock that counts the ledger's own seconds of life; what a
host has asked for is kept by the wall clock (see pauses.py).
"""

from __future__ import annotations

import itertools
import json
import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from crawler.config import QueueConfig, ScopeConfig
from crawler.config.changes import Reads
from crawler.crawlfile import schema
from crawler.crawlfile.columns import legible, row_of
from crawler.crawlfile.keepers import OWN, Keeper, keeper_of
from crawler.crawlfile.repair import repair
from crawler.crawlfile.schema import COLUMNS, INSERTS, TABLES, origin_in, origin_of, to_record
from crawler.errors import CrawlError, HostDown, InternalError, LeaseExpired
from crawler.logs.events import (
    CRAWL_HALTED,
    CRAWL_PAUSED,
    CRAWL_UNPAUSED,
    DEBUG,
    INFO,
    LEASE_GRANTED,
    LEASES_EXPIRED,
    LEASES_OVERDUE,
    RESULT_REFUSED,
    WORD_REFUSED,
    WORKER_DIED,
    WORKER_LEFT,
    WORKER_LOST,
    tell,
)
from crawler.logs.outcomes import SOMEBODY, tell_joined, tell_retried, tell_settled, who
from crawler.models import (
    ORIGIN_FIELDS,
    RECORDS,
    ROBOTS_TXT,
    STATUSES,
    Batch,
    Cookie,
    FileAnswer,
    Heartbeat,
    HostFile,
    ImageRecord,
    Lease,
    NewTask,
    Record,
    RenderOutcome,
    Result,
    Run,
    RunKind,
    RunOutcome,
    Stats,
    Status,
    Task,
    TaskKind,
    TaskState,
    TemplateAnswer,
    Token,
    WorkerState,
)
from crawler.models.image_words import filled_record
from crawler.monitoring.rate import Rate
from crawler.queues import RecordPage, host_pauses, later_words, policy, rerun, run_rows
from crawler.queues.adding import TaskAdder
from crawler.queues.cookies import Cookies
from crawler.queues.counters import Counters
from crawler.queues.fallback import with_next_size
from crawler.queues.host_files import HostFiles
from crawler.queues.host_health import HOW_TO_RETRY, HostHealth, reason_of
from crawler.queues.host_pauses import HostPauses
from crawler.queues.host_watch import HostWatch
from crawler.queues.left_out import located
from crawler.queues.long_poll import LongPoll
from crawler.queues.page_template_rows import PageTemplateRows
from crawler.queues.politeness import Politeness
from crawler.queues.refresh import Refresh, left_out_of, not_visited, worth_keeping
from crawler.queues.rerun import Belongs, Kept
from crawler.queues.retry_preview import RetryPreview
from crawler.queues.status import (
    RATE_SPACING_S,
    RATE_WINDOW_S,
    Meters,
    hosts_that_wait,
    hosts_to_watch,
    some_workers,
)
from crawler.queues.throttle import Throttle
from crawler.queues.validation import ValidationLog, is_host, refusal, told_of_refused
from crawler.scope import domain_of
from crawler.text.plain_errors import quoted
from crawler.urls import DATA_HOST, host_key

log = logging.getLogger(__name__)

TICK_S = 1.0
"""Who has paused the crawl, if an older program does not say who it is."""
_NOBODY = ""  # holds the leases of an earlier run until their workers speak up
_ENCODER = msgspec.msgpack.Encoder()


@dataclass(slots=True)
class _Held:
    serial: int
    attempts: int
    kind: TaskKind
    host: int
    worker: str
    since: float
    url: str
    has_more_words: bool = False
    """Its origin may have been filled in since it was given out."""


@dataclass(frozen=True, slots=True)
class _Unvisited:
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


@dataclass(slots=True)
class _Worker:
    state: WorkerState | None
    deadline: float
    seen: float = 0.0
    held: set[int] = field(default_factory=set)
    returned: int = 0
    """Tasks that it has given back since its last lease: for the log, when it leaves."""
    done: Rate = field(default_factory=partial(Rate, window_s=RATE_WINDOW_S, spacing_s=RATE_SPACING_S))


class Ledger:
    """The books of one crawl, and both of its queues; safe to be used by several threads, of one process.

    The caller has the crawl's folder locked: what is in memory is only right while nobody else writes to the file.

    With *largest_only* one size of each picture is taken (see queues/sizes.py). *kept_by_workers*: those on other
    machines may keep images themselves.

    *clock* is monotonic, in seconds. With *new_run* the crawl is started, rather than its manager once more: whatever
    somebody wanted of an earlier run (a pause, a stop) is over. Its workers are then known to be gone, and what they
    had is ready at once, uncharged; unless with *survivors*: downloaders and renderers on other machines may have gone
    on meanwhile, and what none of them claims within a term counts as lost.

    Raises FolderError when the file is not a ledger, LedgerCorrupt when it can't be read, StorageFull when the disk
    is full.
    """

    def __init__(
        self,
        path: Path,
        *,
        queue: QueueConfig,
        scope: ScopeConfig,
        new_run: bool,
        survivors: bool = False,
        largest_only: bool = True,
        kept_by_workers: bool = True,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._queue = queue
        self._scope = scope
        self._largest_only = largest_only
        self._kept_by_workers = kept_by_workers
        self._clock = clock
        self._mutex = threading.RLock()
        self._recorded = threading.Condition(self._mutex)
        self._waiters = LongPoll(self._mutex)
        self._workers: dict[str, _Worker] = {}
        self._fellows: Counter[TaskKind] = Counter()  # of these, by kind
        self._gone: dict[str, None] = {}  # in that order
        self._complaints = ValidationLog(log)
        self._settled: list[tuple[Record, float | None]] = []
        """In this transaction, for the log, if it wants to know; and what is tried again, in how many seconds."""
        self._halted: str | None = None
        self._run: int | None = None  # its number, while it goes on
        self._stopped = self._paused = self._closed = self._has_renderer = False
        self._paused_by = ""
        self._started = clock()
        self._pacing = self._new_pacing()
        self._health = HostHealth(per_host=queue.per_host, patience_s=queue.host_patience_s)
        self._throttle = Throttle(patience_s=queue.host_patience_s)
        self._next_check = self._next_giving_up = clock()
        self._wake_all = False
        with schema.explained(path), legible(path):
            written_at = host_pauses.written_at(path)
            self._db = schema.connect(path)
            self._pauses = HostPauses(self._db, written_at=written_at, clock=wall_clock)
            self._files = HostFiles(self._db, clock=clock, wall_clock=wall_clock)
            self._templates = PageTemplateRows(self._db)
            self._retries = RetryPreview(self._db)
            self._whereabouts = schema.Whereabouts(path)
            repair(self._db, path)
            row = self._db.execute("SELECT value FROM meta WHERE key = 'clock_s'").fetchone()
            self._clock_start = clock() - (float(row[0]) if row else 0.0)
            for host, pace_s in self._pauses.paces():
                self._throttle.restore(host, pace_s, now=clock())
            self._load()
            if new_run:  # harvesters that came from elsewhere are few, and a page may be read twice
                self._give_all_back([TaskKind.PAGE] if survivors else list(TaskKind))
            self._recall(new_run=new_run)
            data_hosts = self._db.execute("SELECT id FROM hosts WHERE name = ?", (DATA_HOST,)).fetchall()
            for host, pause_s in self._pauses.left(delay_s=queue.delay_s):
                if (host,) not in data_hosts:
                    self._pacing.pause(host, pause_s, now=clock())

    def close(self) -> None:
        """Write down what is left and let go of the file; callers that wait are told that it has ended."""
        with self._mutex:
            self._halted = self._halted or "the manager has stopped"
            self._closed = True
            self._rouse()
            with schema.explained(self.path):
                try:
                    self._save_clock()
                finally:
                    schema.close(self._db, self._whereabouts)

    # --- the crawl's own facts ---

    def seeds(self) -> tuple[str, ...]:
        """The URLs that the crawl began with; empty when it has not begun."""
        with self._mutex:
            row = self._db.execute("SELECT value FROM meta WHERE key = 'seeds'").fetchone()
            return () if row is None else tuple(json.loads(row[0]))

    def set_seeds(self, seeds: Sequence[str]) -> None:
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('seeds', ?)", (json.dumps(seeds),))

    def lists(self) -> dict[str, str]:
        """The lists that have been taken in, by name, each with what it was like then."""
        with self._mutex:
            row = self._db.execute("SELECT value FROM meta WHERE key = 'lists'").fetchone()
            return {} if row is None else dict(json.loads(row[0]))

    def note_list(self, name: str, mark: str, slug: str, left_out: int, places: Sequence[str]) -> None:
        """All of a list has been taken in, but for so many lines, counted by *slug*; some are at these *places*."""
        with self._transaction():
            lists = json.dumps({**self.lists(), name: mark})
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('lists', ?)", (lists,))
            if left_out:
                self._intake.note_left_out(slug, left_out, places)

    def crawl_id(self) -> str:
        """What tells this crawl from those that were here before, or come after."""
        with self._transaction():
            # with a letter in front: digits alone, or with an e among them, the column takes for a number
            crawl = f"c{secrets.token_hex(16)}"
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('crawl', ?)", (crawl,))
            return str(self._db.execute("SELECT value FROM meta WHERE key = 'crawl'").fetchone()[0])

    def begin_run(self, *, kind: RunKind, settings: Mapping[str, Any], notes: Sequence[str] = ()) -> None:
        """Note that a run of the crawl begins now, with these *settings*; it is over when nothing is left to do."""
        with self._transaction():
            self._run = run_rows.begin(self._db, kind=kind, settings=settings, notes=notes)

    def go_on_with_run(self) -> None:
        """The run that was begun last goes on, if it has not come to its end: its manager is started once more."""
        with self._mutex:
            self._run = run_rows.going_on(self._db)

    def end_run(self) -> None:
        """It was stopped, unless it has come to its end before."""
        with self._transaction():
            self._note_end(RunOutcome.STOPPED)

    def latest_run(self) -> Run | None:
        """None of a crawl that has not begun, or was begun by a version that kept no books of its runs."""
        with self._mutex, schema.explained(self.path):
            return run_rows.latest(self._db)

    def _note_end(self, outcome: RunOutcome) -> None:
        if self._run is not None:
            run_rows.end(self._db, self._run, outcome)

    def keep_cookies(self, cookies: Sequence[Cookie]) -> None:
        """Have all workers send *cookies*, as if servers had set them."""
        if cookies:
            with self._transaction():
                self._cookies.keep(cookies)

    def note_rules(self, rules: str) -> None:
        """By which *rules* pages are read in this run: a digest of the settings that matter for it."""
        with self._transaction():
            self._revisits.note_rules(rules)

    def take_up(self, slugs: Collection[str], reads: Reads, *, unrendered: bool = False) -> int:
        """Have pages read once more for what was left out by *slugs*, those that *reads* says, and *unrendered* ones,
        for which there was no browser; returns how many.
        """
        with self._mutex:
            with self._transaction():
                count = rerun.take_up(self._db, slugs, reads, unrendered=unrendered)
            self._load()
            self._rouse()
            return count

    def leave_out(self, belongs: Belongs, *, most: Mapping[TaskKind, int]) -> Counter[str]:
        """Leave out what waits and does not belong to the crawl any more (see rereads.py); returns how many by what."""
        with self._mutex:
            with self._transaction():
                gone = rerun.leave_out(self._db, belongs, most=most)
            self._load()
            self._rouse()
            return gone

    def kept(self) -> Iterator[Kept]:
        """Every image that is saved and every page that was read; for the start of a run, when nobody else asks."""
        with self._mutex, schema.explained(self.path), legible(self.path):
            yield from rerun.kept(self._db)

    def refreshes(self) -> int:
        """How often the crawl has been refreshed."""
        with self._mutex:
            return self._revisits.count

    def refresh(self, rules: str = "") -> int:
        """Have everything visited once more, of a crawl that has ended; returns how many tasks that are.

        Pages are not asked for as known ones if they were read by other *rules*. Nothing happens to a crawl that has
        not ended: it goes on.
        """
        with self._mutex:
            if not self._tally.drained:
                return 0
            with self._transaction():
                count = self._revisits.begin(rules)
            self._load()
            self._rouse()
            return count

    # --- the task queue ---

    def put(self, tasks: Sequence[NewTask]) -> int:
        with self._transaction():
            return self._intake.add(tasks, now=self._clock())

    def lease(
        self, worker: WorkerState, *, count: int, slots: int, wait_s: float, held: Sequence[Token]
    ) -> Lease:
        end = self._clock() + wait_s
        with self._mutex:
            me = self._meet(worker)
            me.returned = 0
            self._reconcile(worker.id, me, held)
            while True:
                if self._halted is not None or worker.id in self._gone:
                    self._waiters.leave(worker.kind, more=self._pacing.is_due(worker.kind))
                    return Lease(halted=self._halted or "this worker has left", drained=self._tally.drained)
                self._tick()
                batches = self._lease_due(worker, count=count, slots=slots)
                now = self._clock()
                more = self._pacing.is_due(worker.kind) and not self._held_back(worker.kind)
                if batches or now >= end or self._tally.drained:
                    me.deadline = now + self._queue.lease_s
                    self._waiters.leave(worker.kind, more=more)
                    cookies, seen = self._cookies.news(worker.cookies_seen)
                    return Lease(
                        batches=batches, drained=self._tally.drained, cookies=cookies, cookies_seen=seen
                    )
                # a lease must not run out while its worker waits here
                me.deadline = max(me.deadline, end + self._queue.lease_s)
                alarm = end if (due := self._next_event()) is None else due
                self._waiters.wait(worker.id, worker.kind, now=now, until=end, alarm=alarm, more=more)

    def heartbeat(self, worker: WorkerState, *, held: Sequence[Token]) -> Heartbeat:
        with self._mutex:
            self._tick()
            self._meet(worker)
            return Heartbeat(
                lost=tuple(token for token in held if not self._adopt(worker.id, token)),
                left_alone=self._left_alone(worker.id),
                paused=self._paused,
                halted=self._halted,
            )

    def release(self, worker: WorkerState, tokens: Sequence[Token]) -> None:
        with self._transaction():
            me = self._meet(worker)  # its leases may be from before a restart
            held = {
                token.id: None for token in tokens if self._adopt(worker.id, token)
            }  # some may be said twice
            me.returned += len(held)
            self._give_back(list(held), charged=False)

    def leave(self, worker_id: str, *, charged: bool) -> None:
        """The worker has gone, for certain: what it holds goes back at once and it gets nothing more.

        With *charged* its leases count as attempts: it was lost while it worked on them.
        """
        with self._transaction():
            self._gone[worker_id] = None
            if len(self._gone) > policy.GONE_WORKERS:
                del self._gone[next(iter(self._gone))]
            worker = self._part_with(worker_id)
            if worker is not None:
                if worker.state is not None:
                    event = WORKER_DIED if charged else WORKER_LEFT
                    tasks = len(worker.held) + worker.returned
                    tell(log, event, **who(worker.state), tasks=tasks, done=worker.state.done)
                self._give_back(list(worker.held), charged=charged)
            self._wake_all = True  # it may wait itself; and there is more for the others

    def turn(self, *, task: int, host: str, is_guest: bool = False) -> float:
        with self._mutex, schema.explained(self.path, on_error=self.halt):
            host_id = self._host_id(host)
            guest = task if is_guest else None
            wait_s = self._pacing.turn(host_id, guest=guest, now=self._clock())
            spacing_s = self._pacing.spacing_s(host_id)
            if not wait_s and spacing_s >= host_pauses.LEAST_S:
                with self._transaction():  # else a manager that comes after us might not know of it
                    self._pauses.note(host_id, spacing_s)
            self._pacing.forget_idle()
            self._waiters.expect(self._next_event())
            return wait_s

    def turn_taken(self, *, host: str, ago_s: float) -> None:
        with self._mutex, schema.explained(self.path, on_error=self.halt):
            self._pacing.taken(self._host_id(host), ago_s, now=self._clock())
            self._pacing.forget_idle()

    def turn_over(self, *, task: int, host: str) -> None:
        with self._mutex, schema.explained(self.path, on_error=self.halt):
            host_id, lease = self._host_id(host), self._leases.get(task)
            if lease is not None and lease.host == host_id:
                self._pacing.go_away(host_id, task)
            self._pacing.turn_over(host_id, task, now=self._clock())
            self._pacing.wake(self._clock())  # others of its domain may have room now
            self._pacing.forget_idle()
            self._tell_waiting()

    def host_file(self, worker_id: str, *, host: str, name: str) -> FileAnswer:
        with self._mutex, schema.explained(self.path, on_error=self.halt):
            return self._files.look(worker_id, self._host_id(host), name, is_alive=self._workers.__contains__)

    def keep_host_file(self, worker_id: str, *, host: str, file: HostFile) -> None:
        with self._mutex, schema.explained(self.path, on_error=self.halt):
            host_id = self._host_id(
                host
            )  # before a transaction, which would make memory anew if that is no host
        with self._transaction():
            if not self._files.may_tell(worker_id, host_id, file.name, is_alive=self._workers.__contains__):
                self._complaints.tell(WORD_REFUSED, worker=worker_id, host=host)
                return
            self._files.keep(host_id, file)
            if file.name == ROBOTS_TXT and not file.reason:
                self._set_delay(host_id, file.delay_s, just_asked=True)

    def template(self, *, host: str, name: str, task: int | None = None) -> TemplateAnswer:
        with self._mutex, schema.explained(self.path, on_error=self.halt):
            host_id = self._host_id(host)
            answer, states = self._templates.asked(host_id, name, task, self._life_s)
            if states:  # seldom: each page that is read asks
                with self._transaction():
                    self._templates.keep(host_id, states)
                    self._save_clock()  # no claim is to last longer for who opens the file after us
            return msgspec.structs.replace(answer, has_renderer=self._has_renderer)

    def tell_template(self, *, host: str, name: str, outcome: RenderOutcome) -> None:
        with self._mutex, schema.explained(self.path, on_error=self.halt):
            host_id = self._host_id(host)
            if states := self._templates.told(host_id, name, outcome):
                with self._transaction():
                    self._templates.keep(host_id, states)

    def _host_id(self, name: str) -> int:
        """Of a host that may be new: redirects lead anywhere. Raises ValueError for what is none."""
        if not is_host(name):
            raise ValueError(f"{quoted(name[:200])} is no host")
        return self._intake.host_id(f"{name}/")

    def _left_alone(self, worker_id: str) -> tuple[str, ...]:
        """The hosts of which this worker shall not begin what it has."""
        return tuple(map(self._watch.name, self._pacing.too_much(worker_id, now=self._clock())))

    def retry(self, *, kind: TaskKind, reason: str | None = None) -> int:
        table = TABLES[kind]
        wanted = (
            "(status IN ('failed', 'dead') OR revisit = 'failed')"
            if reason is None
            else "(reason = :reason OR revisit_reason = :reason)"
        )
        settled = "task_id IN (SELECT id FROM tasks WHERE state IN ('done', 'dead'))"
        with self._transaction():
            rows = self._db.execute(
                f"SELECT task_id, {', '.join(COLUMNS[kind])} FROM {table} WHERE {wanted} AND {settled}",  # noqa: S608
                {"reason": reason},
            ).fetchall()
            for task_id, *values in rows:
                gone = to_record(kind, values)
                origin = origin_of(gone, kind)
                blob = None if origin is None else _ENCODER.encode(origin)
                host, state = self._db.execute(
                    "SELECT host_id, state FROM tasks WHERE id = ?", (task_id,)
                ).fetchone()
                self._db.execute(
                    "UPDATE tasks SET state = 'ready', attempts = 0, origin = ? WHERE id = ?",
                    (blob, task_id),
                )
                if not worth_keeping(gone):  # else it stands until there is a newer one
                    self._db.execute(f"DELETE FROM {table} WHERE task_id = ?", (task_id,))  # noqa: S608
                    self._tally.count(kind, gone, -1)
                self._move(kind, TaskState(state), TaskState.READY)
                self._pacing.add(host, kind, now=self._clock())
                if HostDown.reason in {
                    gone.reason,
                    gone.revisit_reason,
                }:  # somebody wants it to be asked all the same
                    self._watch.forget(host)
            return len(rows)

    def fetch_again(
        self, is_there: Callable[[str], bool], is_ours: Callable[[Keeper], bool] = OWN.__eq__
    ) -> int:
        """Put back the images whose files should be here and are gone, and return how many.

        *is_there* tells of a path whether there is a file; *is_ours* of who keeps one whether that should be here. Of
        a machine that has told nothing but its name, as in earlier versions, any file here shows that it is this one.
        """
        kind = TaskKind.IMAGE
        missing: dict[Keeper, list[int]] = {}
        named_here: set[Keeper] = set()
        with self._transaction():
            for task_id, path, worker, kept_by in self._db.execute(
                "SELECT task_id, path, worker, kept_by FROM images WHERE path != ''"
                " AND EXISTS (SELECT 1 FROM tasks WHERE id = task_id AND state IN ('done', 'dead'))"
            ):
                keeper = keeper_of(kept_by, worker)
                if not is_there(path):
                    missing.setdefault(keeper, []).append(task_id)
                elif not keeper.id:
                    named_here.add(keeper)
            gone = sorted(
                task_id
                for keeper, tasks in missing.items()
                if keeper in named_here or is_ours(keeper)
                for task_id in tasks
            )
            for task_id in gone:
                record = self._revisits.record_of(kind, task_id)
                assert record is not None
                origin = origin_of(record, kind)
                host, state = self._db.execute(
                    "SELECT host_id, state FROM tasks WHERE id = ?", (task_id,)
                ).fetchone()
                self._db.execute(
                    "UPDATE tasks SET state = 'ready', attempts = 0, origin = ? WHERE id = ?",
                    (None if origin is None else _ENCODER.encode(origin), task_id),
                )
                # no server is to say that nothing has changed
                self._db.execute("DELETE FROM images WHERE task_id = ?", (task_id,))
                self._tally.count(kind, record, -1)
                self._move(kind, TaskState(state), TaskState.READY)
                self._pacing.add(host, kind, now=self._clock())
            return len(gone)

    def halt(self, reason: str) -> None:
        with self._mutex:
            if self._halted is None:
                tell(log, CRAWL_HALTED, reason=reason)
                self._halted = reason
            self._rouse()

    def stop(self, reason: str) -> None:
        with self._transaction():
            if self._halted is not None:
                return
            self._stopped = True
            self.halt(reason)
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('stopped', ?)", (reason,))

    def pause(self, by: str = "") -> None:
        with self._transaction():
            if not self._paused:
                tell(log, CRAWL_PAUSED, by=by or SOMEBODY)
            self._paused, self._paused_by = True, by
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('paused', ?)", (by,))

    def resume(self, by: str = "") -> None:
        with self._transaction():
            if self._paused:
                tell(log, CRAWL_UNPAUSED, by=by or SOMEBODY)
            self._paused, self._paused_by = False, ""
            self._wake_all = True
            self._db.execute("DELETE FROM meta WHERE key = 'paused'")

    def stats(self) -> Stats:
        with self._mutex:
            self._tick()
            return Stats(**self._facts(self._clock()))

    def status(self) -> Status:
        with self._mutex, schema.explained(self.path):
            self._tick()
            now = self._clock()
            facts = {**self._facts(now), **self._meters.facts()}
            hosts = hosts_to_watch(self._pacing, self._watch, self._db, now=now)
            return Status(**facts, hosts=hosts, host_count=len(self._pacing))

    # --- the result queue ---

    def settle(self, results: Sequence[Result]) -> tuple[str, ...]:
        with self._transaction():
            leases = (self._leases.get(result.token.id) for result in results)
            workers = {lease.worker for lease in leases if lease is not None}
            for result in results:
                self._settle(result)
            return tuple(host for worker in workers for host in self._left_alone(worker))

    def records(self, *, after: int, limit: int, wait_s: float) -> RecordPage:
        end = self._clock() + wait_s
        limit = max(1, min(limit, policy.MAX_RECORDS))
        with self._mutex, schema.explained(self.path), legible(self.path, on_error=self.halt):
            while self._next_seq <= after + 1 and not self._tally.drained and self._halted is None:
                left = end - self._clock()
                if left <= 0:
                    break
                self._recorded.wait(left)
            if self._closed:
                return RecordPage(cursor=after)
            found: list[tuple[int, Record]] = []
            for kind, table in TABLES.items():
                rows = self._db.execute(
                    f"SELECT seq, {', '.join(COLUMNS[kind])} FROM {table}"  # noqa: S608 - names of our own
                    " WHERE seq > ? ORDER BY seq LIMIT ?",
                    (after, limit),
                )
                found += [(seq, to_record(kind, values)) for seq, *values in rows]
            found = _bearable(sorted(found, key=lambda pair: pair[0])[:limit])
            cursor = found[-1][0] if found else after
            last = cursor + 1 >= self._next_seq
            return RecordPage(
                records=tuple(record for _, record in found),
                cursor=cursor,
                complete=last and self._tally.drained,
            )

    def tick(self) -> None:
        """What has to happen as time goes by; to be called every TICK_S seconds or so."""
        with self._mutex:
            self._tick()
            if problem := self._whereabouts.problem():
                self.halt(problem)

    # --- from here on, the mutex is held ---

    def _recall(self, *, new_run: bool) -> None:
        """What somebody wanted of the crawl stands until its next run, and so does whether anybody renders."""
        if new_run:
            self._db.execute("DELETE FROM meta WHERE key IN ('paused', 'stopped', 'renderer')")
            return
        wanted = dict(
            self._db.execute(
                "SELECT key, value FROM meta WHERE key IN ('paused', 'stopped', 'renderer')"
            ).fetchall()
        )
        self._has_renderer = "renderer" in wanted
        self._paused = "paused" in wanted
        self._paused_by = str(wanted.get("paused", ""))
        self._halted = wanted.get("stopped")
        self._stopped = self._halted is not None

    def _facts(self, now: float) -> dict[str, Any]:
        """The fields of Stats."""
        return {
            **self._tally.facts(),
            "workers": some_workers(self._workers.values(), now=now),
            "worker_count": self._fellows.total(),
            "up_s": now - self._started,
            "waiting": hosts_that_wait(self._pacing, self._watch, self._db, now=now),
            "retries": self._retries.next(life_s=self._life_s, max_attempts=self._queue.max_attempts),
            "held_images": self._intake.sizes.held,
            "backlogged": self._backlogged(),
            "paused": self._paused,
            "paused_by": self._paused_by,
            "halted": self._halted,
            "stopped": self._stopped,
        }

    def _load(self) -> None:
        """Build what is in memory from what is in the file."""
        db, now = self._db, self._clock()
        # what a host has asked for stands, whoever's mistake this is
        left_alone = self._pacing.pauses(now=now)
        self._pacing = self._new_pacing()
        self._leases: dict[int, _Held] = {}
        for (host,) in db.execute("SELECT id FROM hosts WHERE name = ?", (DATA_HOST,)):
            self._pacing.never_delay(host)
        for host, delay_s in db.execute("SELECT id, delay_s FROM hosts WHERE delay_s > 0"):
            self._pacing.set_delay(host, delay_s, now=now)
        self._kept: dict[int, tuple[TaskKind, TaskState, tuple[Any, ...]]] = {}  # settled in this transaction
        for worker in self._workers.values():
            worker.held.clear()
        self._next_seq = schema.next_seq(db)
        self._tally = Counters(db)
        self._meters = Meters()
        self._revisits = Refresh(db)
        self._cookies = Cookies(db)
        self._intake = TaskAdder(
            db,
            self._tally,
            self._pacing,
            self._scope,
            largest_only=self._largest_only,
            flush=self._write_kept,
        )
        for kind, host, count in db.execute(
            "SELECT kind, host_id, count(*) FROM tasks WHERE state = 'ready' GROUP BY kind, host_id"
        ):
            self._pacing.add(host, TaskKind(kind), count, now=now)
        for host, pause_s in left_alone.items():
            self._pacing.pause(host, pause_s, now=now)
        self._watch = HostWatch(
            db,
            self._health,
            self._throttle,
            self._pacing,
            clock=self._clock,
            note_pause=self._pauses.note,
            note_pace=self._pauses.note_pace,
        )
        self._load_leases(now)
        self._next_delayed = self._first_delayed()

    def _new_pacing(self) -> Politeness:
        return Politeness(
            per_host=self._queue.per_host,
            delay_s=self._queue.delay_s,
            per_domain=self._queue.per_domain,
            domain_of=self._domain_of,
        )

    def _domain_of(self, host: int) -> str:
        row = self._db.execute("SELECT name FROM hosts WHERE id = ?", (host,)).fetchone()
        return "" if row is None or row[0] == DATA_HOST else domain_of(row[0])

    def _load_leases(self, now: float) -> None:
        nobody = _Worker(state=None, deadline=now + self._queue.lease_s)
        for task_id, serial, attempts, kind, host, url in self._db.execute(
            "SELECT id, serial, attempts, kind, host_id, url FROM tasks WHERE state = 'leased'"
        ):
            self._leases[task_id] = _Held(
                serial, attempts, TaskKind(kind), host, _NOBODY, now, url, has_more_words=True
            )
            self._pacing.hold(host, _NOBODY, now=now)
            nobody.held.add(task_id)
        if nobody.held:
            self._workers[_NOBODY] = nobody

    def _give_all_back(self, kinds: list[TaskKind]) -> None:
        """The workers that had tasks of these kinds are gone, and it was not the tasks' fault."""
        with self._transaction():
            self._give_back(
                [task for task, lease in self._leases.items() if lease.kind in kinds], charged=False
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One transaction on the file; if it fails, memory is made again from the file."""
        with self._mutex, schema.explained(self.path, on_error=self.halt):
            if self._closed:
                raise CrawlError("the manager has stopped")
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._write_kept()
                if self._tally.drained:
                    self._cookies.forget()
                    self._note_end(RunOutcome.FINISHED)
                self._db.execute("COMMIT")
                self._pacing.forget_idle()
                self._tell_waiting()
                self._tell_settled()
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._settled.clear()
                self._load()
                self._rouse()  # what they wait for may be another thing now
                raise

    def _tell_settled(self) -> None:
        """The lines of the log of what this transaction has settled, now that it is certain."""
        for record, retry_in_s in self._settled:
            if retry_in_s is None:
                tell_settled(log, record)
            else:
                tell_retried(log, record, retry_in_s)
        self._settled.clear()

    def _tell_waiting(self) -> None:
        """Wake those who wait in a call, as far as there is something new for them."""
        if self._wake_all:
            self._wake_all = False
            self._pacing.opened()
            self._waiters.wake_all()
        else:
            for kind in self._pacing.opened():
                self._waiters.tell(kind)
        self._waiters.expect(self._next_event())

    def _rouse(self) -> None:
        """Wake all who wait in any call."""
        self._waiters.wake_all()
        self._recorded.notify_all()

    @property
    def _life_s(self) -> float:
        return self._clock() - self._clock_start

    def _save_clock(self) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('clock_s', ?)", (self._life_s,))

    def _move(self, kind: TaskKind, before: TaskState, after: TaskState) -> None:
        backlogged = self._backlogged()
        self._tally.move(kind, before, after)
        if backlogged and not self._backlogged():
            self._tell_finders()

    # leasing

    def _meet(self, worker: WorkerState) -> _Worker:
        deadline = self._clock() + self._queue.lease_s
        known = self._workers.get(worker.id)
        if known is None:
            if worker.id in self._gone:
                return _Worker(worker, deadline)
            known = self._workers[worker.id] = _Worker(None, deadline)
        if worker.kind is TaskKind.RENDER and not self._has_renderer:
            with schema.explained(self.path, on_error=self.halt):
                self._db.execute("INSERT OR REPLACE INTO meta VALUES ('renderer', 1)")
            self._has_renderer = True
        if known.state is None:
            tell_joined(log, worker)
        self._count(known, -1)
        known.state, known.deadline = worker, max(known.deadline, deadline)
        self._count(known, +1)
        known.seen = self._clock()
        known.done.add(known.seen, worker.done)
        return known

    def _part_with(self, worker_id: str) -> _Worker | None:
        worker = self._workers.pop(worker_id, None)
        if worker is not None:
            self._count(worker, -1)
        return worker

    def _count(self, worker: _Worker, by: int) -> None:
        """It is one of those who share the work, or not any more."""
        if worker.state is not None:
            self._fellows[worker.state.kind] += by

    def _reconcile(self, worker_id: str, me: _Worker, held: Sequence[Token]) -> None:
        """Believe the worker: what it does not name is not in its hands (a reply was lost on the way)."""
        for token in held:
            self._adopt(worker_id, token)
        lost = me.held - {token.id for token in held}
        if lost:
            with self._transaction():
                self._give_back(list(lost), charged=False)

    def _adopt(self, worker_id: str, token: Token) -> bool:
        """Whether *token* is the worker's, taking it over from an earlier run of the ledger if need be."""
        lease = self._leases.get(token.id)
        if lease is None or lease.serial != token.serial or worker_id not in self._workers:
            return False
        if lease.worker == _NOBODY:
            now = self._clock()
            self._pacing.drop(lease.host, _NOBODY, now=now)
            self._pacing.hold(lease.host, worker_id, now=now)
            self._workers[_NOBODY].held.discard(token.id)
            self._workers[worker_id].held.add(token.id)
            lease.worker = worker_id
        return lease.worker == worker_id

    def _lease_due(self, worker: WorkerState, *, count: int, slots: int) -> tuple[Batch, ...]:
        kind = worker.kind
        if self._held_back(kind):
            return ()
        now = self._clock()
        shares = self._pacing.take(
            kind,
            worker.id,
            count=min(count, self._queue.lease_batch),
            slots=slots,
            worker_count=self._fellows[kind],
            now=now,
        )
        if not shares:
            return ()
        with self._transaction(), legible(self.path, on_error=self.halt):
            return tuple(
                Batch(host=host, slots=share.slots, tasks=tasks)
                for share in shares
                for host, tasks in [self._lease_from(worker.id, kind, share.host, share.tasks)]
            )

    def _lease_from(
        self, worker_id: str, kind: TaskKind, host: int, count: int
    ) -> tuple[str, tuple[Task, ...]]:
        rows = self._next_in_row(kind, host, count)
        if len(rows) != count:
            raise RuntimeError(f"{count} tasks should wait for host {host}, and {len(rows)} do")
        rows = self._bearable_part([self._with_past(kind, row) for row in rows], worker_id, kind, host)
        self._db.executemany(
            "UPDATE tasks SET state = 'leased', serial = serial + 1, attempts = attempts + 1 WHERE id = ?",
            [(row[0],) for row in rows],
        )
        held = self._workers[worker_id].held
        tasks = []
        for task_id, serial, url, depth, attempt, origin, last in rows:
            self._leases[task_id] = _Held(serial, attempt, kind, host, worker_id, self._clock(), url)
            held.add(task_id)
            self._move(kind, TaskState.READY, TaskState.LEASED)
            tasks.append(
                Task(
                    id=task_id,
                    serial=serial,
                    kind=kind,
                    url=url,
                    depth=depth,
                    attempt=attempt,
                    origin=origin,
                    host_delay_s=self._pacing.spacing_s(host),
                    known=self._revisits.known(last),
                )
            )
        name = host_key(tasks[0].url)
        if log.isEnabledFor(DEBUG):
            tell(log, LEASE_GRANTED, tasks=len(tasks), host=name, worker=worker_id, kind=kind)
        return name, tuple(tasks)

    def _next_in_row(self, kind: TaskKind, host: int, count: int) -> list[Any]:
        """Those that came first, and what has failed already after the rest, which it may not slow down; of a host in
        trouble from either end.
        """
        wanted = (
            "SELECT id, serial + 1, url, depth, attempts + 1, origin FROM tasks"
            " WHERE kind = ? AND host_id = ? AND state = 'ready'"
        )
        order = "DESC" if self._health.from_the_end(host) else "ASC"
        rows = self._db.execute(
            f"{wanted} AND attempts = 0 ORDER BY id {order} LIMIT ?", (kind, host, count)
        ).fetchall()
        if len(rows) < count:
            rows += self._db.execute(
                f"{wanted} AND attempts > 0 ORDER BY id LIMIT ?", (kind, host, count - len(rows))
            ).fetchall()
        return rows

    def _with_past(self, kind: TaskKind, row: Any) -> tuple[Any, ...]:
        """*row* with the task's origin and its last record, which has the origin of one that had been settled."""
        *start, blob = row
        return (*start, *self._revisits.past(kind, row[0], blob))

    def _bearable_part(self, rows: list[Any], worker_id: str, kind: TaskKind, host: int) -> list[Any]:
        """So many of the tasks as one message can carry, one at least; images that pages hold come with them."""
        size_bytes = 0
        for number, (*_, origin, last) in enumerate(rows):
            size_bytes += len(_ENCODER.encode((origin, last)))
            if number and size_bytes > policy.REPLY_BYTES:
                for _ in rows[number:]:
                    self._pacing.drop(host, worker_id, now=self._clock())
                    self._pacing.add(host, kind, now=self._clock())
                return rows[:number]
        return rows

    def _held_back(self, kind: TaskKind) -> bool:
        """Nothing of *kind* is to be given out now, though some may be due."""
        return self._paused or (kind is not TaskKind.IMAGE and self._backlogged())

    def _backlogged(self) -> bool:
        """So many images wait that nobody is to find more of them."""
        return self._tally.waiting_images >= self._queue.image_backlog

    def _tell_finders(self) -> None:
        """Those who find images may go on."""
        for kind in TaskKind:
            if kind is not TaskKind.IMAGE:
                self._waiters.tell(kind)

    def _let_go(self, task_id: int) -> _Held:
        """Forget the lease of a task."""
        lease = self._leases.pop(task_id)
        self._waiters.wake(lease.worker)  # it can run another
        worker = self._workers.get(lease.worker)
        if worker is not None:
            worker.held.discard(task_id)
        self._pacing.come_back(lease.host, task_id)
        self._pacing.drop(lease.host, lease.worker, now=self._clock())
        return lease

    def _give_back(self, task_ids: list[int], *, charged: bool) -> None:
        for task_id in task_ids:
            lease = self._let_go(task_id)
            if charged and lease.attempts >= self._queue.max_attempts:
                self._bury(task_id, lease)
                continue
            self._db.execute(
                "UPDATE tasks SET state = 'ready', attempts = attempts - ? WHERE id = ?",
                (0 if charged else 1, task_id),
            )
            self._move(lease.kind, TaskState.LEASED, TaskState.READY)
            self._pacing.add(lease.host, lease.kind, now=self._clock())

    def _unvisited(self, task_id: int, lease: _Held) -> _Unvisited:
        depth, blob = self._db.execute("SELECT depth, origin FROM tasks WHERE id = ?", (task_id,)).fetchone()
        return _Unvisited(task_id, lease.kind, lease.url, depth, lease.attempts, blob)

    def _bury(self, task_id: int, lease: _Held) -> None:
        self._settle_unvisited(
            self._unvisited(task_id, lease),
            reason=LeaseExpired.reason,
            detail=f"no worker came back with it in {lease.attempts} attempts",
            before=TaskState.LEASED,
            after=TaskState.DEAD,
        )

    def _settle_unvisited(
        self, task: _Unvisited, *, reason: str, detail: str, before: TaskState, after: TaskState
    ) -> None:
        """Settle a task with a record that no worker has made: as dead, or else as failed."""
        kind = task.kind
        last = self._revisits.last_record(kind, task.id)
        if last is not None and worth_keeping(last):
            known = not_visited(last, detail=detail, reason=reason)
            self._keep(task.id, kind, known, before=before, after=TaskState.DONE)
            return
        blob = task.origin
        origin = origin_of(last, kind) if last else origin_in(blob)
        facts: dict[str, Any] = {name: getattr(origin, name) for name in ORIGIN_FIELDS[kind] if origin}
        status = "dead" if after is TaskState.DEAD else "failed"
        self._keep(
            task.id,
            kind,
            RECORDS[kind](
                url=task.url,
                status=STATUSES[kind](status),  # type: ignore[arg-type] # of the record's own kind
                reason=reason,
                detail=detail,
                depth=task.depth,
                attempts=task.attempts,
                finished_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                **facts,
            ),
            before=before,
            after=after,
        )

    # settling

    def _settle(self, result: Result) -> None:
        self._cookies.keep(result.cookies)
        token = result.token
        lease = self._leases.get(token.id)
        unsettled = self._unsettled(token, lease)
        if unsettled is None:
            return
        kind, url, host, before, attempts = unsettled
        why = refusal(result, kind=kind, url=url, by_workers=self._kept_by_workers)
        if why or result.untouched or result.retry_in_s is not None:
            if lease is None or lease.serial != token.serial:
                return  # somebody else has it by now
            if why:
                self._refuse(token, url, why)
                return
        record = result.record
        if kind is TaskKind.IMAGE and self._intake.has_later_words:
            self._write_kept()  # a page of the same message may have said more of it
        last = None if kind is TaskKind.IMAGE else self._revisits.last_record(kind, token.id)
        # before its page is settled: the queue is never drained in between
        self._intake.add(
            located(result.discovered, record.final_url or record.url),
            now=self._clock(),
            again=last is not None,
        )
        self._heed(host, result)
        if result.untouched:
            if result.retry_in_s:
                self._put_off(token.id, result.retry_in_s)
            else:
                self._give_back([token.id], charged=False)
            return
        self._watch.look(host, record, asked_s=result.refused_for_s)
        self._no_longer_waits(token, lease, kind, host, before)
        retry_in_s = None if self._watch.is_hopeless(host, record) else result.retry_in_s
        most = self._queue.max_attempts
        is_let_off = partial(
            self._watch.is_let_off,
            host,
            record,
            asked_s=result.refused_for_s,
            attempts=attempts,
            max_attempts=most,
        )
        if retry_in_s is not None and (attempts < most or is_let_off()):
            self._retry(token.id, kind, record, retry_in_s)
        else:
            self._intake.count_left_out(left_out_of(record, last))
            if lease is None or lease.has_more_words or token.serial < lease.serial:
                record = filled_record(record, later_words.of_task(self._db, token.id))
            self._keep(token.id, kind, record, before=before, after=TaskState.DONE)

    def _heed(self, host: int, result: Result) -> None:
        """What *host* asks for."""
        if result.host_delay_s is not None:
            self._set_delay(host, result.host_delay_s)
        if result.host_pause_s is not None:
            self._pacing.pause(host, result.host_pause_s, now=self._clock())
            self._pauses.note(host, result.host_pause_s)

    def _set_delay(self, host: int, delay_s: float, *, just_asked: bool = False) -> None:
        if delay_s != self._pacing.delay_s(host):
            self._db.execute("UPDATE hosts SET delay_s = ? WHERE id = ?", (delay_s, host))
            self._pacing.set_delay(host, delay_s, now=self._clock(), just_asked=just_asked)

    def _no_longer_waits(
        self, token: Token, lease: _Held | None, kind: TaskKind, host: int, before: TaskState
    ) -> None:
        if lease is not None:
            self._let_go(token.id)
        elif before is TaskState.READY:
            self._pacing.remove(host, kind, now=self._clock())

    def _unsettled(
        self, token: Token, lease: _Held | None
    ) -> tuple[TaskKind, str, int, TaskState, int] | None:
        """Kind, URL, host, state and attempts of the task that *token* once leased; None if a result for it changes
        nothing.
        """
        if token.id in self._kept:
            return None  # told twice in one message
        if lease is not None:
            facts = (lease.kind, lease.url, lease.host, TaskState.LEASED, lease.attempts)
            return facts if token.serial <= lease.serial else None
        row = self._db.execute(
            "SELECT kind, url, host_id, state, attempts FROM tasks WHERE id = ? AND serial >= ?",
            (token.id, token.serial),
        ).fetchone()
        if row is None or row[3] in {TaskState.DONE, TaskState.DEAD}:
            return None  # a second result for a settled task is a repeat, never a second record
        return TaskKind(row[0]), row[1], row[2], TaskState(row[3]), row[4]

    def _refuse(self, token: Token, url: str, why: str) -> None:
        """What a worker says of a task on lease to it can't be right: it was an attempt, and nothing came of it."""
        self._complaints.tell(RESULT_REFUSED, url=url, reason=why, worker=self._leases[token.id].worker)
        lease = self._let_go(token.id)
        if lease.attempts < self._queue.max_attempts:
            self._retries.note(token.id, InternalError.reason, 0)
            self._delay(token.id, lease.kind, policy.REFUSED_S * 2.0 ** (lease.attempts - 1))
            return
        self._settle_unvisited(
            self._unvisited(token.id, lease),
            reason=InternalError.reason,
            detail=told_of_refused(why),
            before=TaskState.LEASED,
            after=TaskState.DONE,
        )

    def _retry(self, task_id: int, kind: TaskKind, record: Record, in_s: float) -> None:
        if log.isEnabledFor(INFO):
            self._settled.append((record, in_s))
        self._retries.note(task_id, reason_of(record), record.http_status)
        self._delay(task_id, kind, in_s)

    def _put_off(self, task_id: int, for_s: float) -> None:
        """It was not the turn of a task on lease, and will not be for so long."""
        kind = self._let_go(task_id).kind
        self._retries.note(task_id, "", 0)
        self._db.execute("UPDATE tasks SET attempts = attempts - 1 WHERE id = ?", (task_id,))
        self._delay(task_id, kind, for_s)

    def _delay(self, task_id: int, kind: TaskKind, delay_s: float) -> None:
        due_s = self._life_s + delay_s
        self._db.execute("UPDATE tasks SET state = 'delayed', due_s = ? WHERE id = ?", (due_s, task_id))
        self._move(kind, TaskState.LEASED, TaskState.DELAYED)
        if self._next_delayed is None or due_s < self._next_delayed:
            self._next_delayed = due_s
        self._save_clock()

    def _keep(
        self, task_id: int, kind: TaskKind, record: Record, *, before: TaskState, after: TaskState
    ) -> None:
        """Settle a task for good, with its record; both are written at the end of the transaction."""
        if self._revisits.happen or self._revisits.may_share(record):
            record = self._reconsidered(task_id, kind, record)
        record, next_size = with_next_size(record)
        if next_size is not None:  # before this one is settled: the queue is never drained in between
            self._intake.add([next_size], now=self._clock())
        if isinstance(record, ImageRecord) and self._intake.sizes.behind:
            record = self._with_size_behind(task_id, record, has_next=next_size is not None)
        if log.isEnabledFor(INFO):
            self._settled.append((record, None))
        self._kept[task_id] = (kind, after, (self._next_seq, task_id, *row_of(record)))
        self._next_seq += 1
        self._move(kind, before, after)
        self._tally.count(kind, record, 1)
        self._wake_all = self._wake_all or self._tally.drained
        self._recorded.notify_all()

    def _with_size_behind(self, task_id: int, record: ImageRecord, *, has_next: bool) -> ImageRecord:
        """*record*, with the size of its picture that is taken on in its place."""
        self._write_kept()  # what is behind depends on what became of the others
        url = self._intake.sizes.settled(task_id, record, has_next=has_next, now=self._clock())
        return msgspec.structs.replace(record, replaced_by=url) if url else record

    def _reconsidered(self, task_id: int, kind: TaskKind, record: Record) -> Record:
        """*record* as it is to be kept; the one in its place is gone."""
        self._write_kept()  # it may be about one of these
        last = self._revisits.last_record(kind, task_id)
        record = self._revisits.judged(task_id, record, last)
        if last is not None:
            self._revisits.make_room(kind, task_id, record, last, self._tally)
        return record

    def _write_kept(self) -> None:
        if self._kept:
            self._write_records()
        for key, words in self._intake.later_words().items():
            for task_id in later_words.give(self._db, key, words):
                if (lease := self._leases.get(task_id)) is not None:
                    lease.has_more_words = True

    def _write_records(self) -> None:
        for kind in TaskKind:
            rows = [row for of, _, row in self._kept.values() if of is kind]
            if rows:
                self._db.executemany(INSERTS[kind], rows)
        self._db.executemany(
            "UPDATE tasks SET state = ?, due_s = NULL, origin = NULL WHERE id = ?",
            [(state.value, task_id) for task_id, (_, state, _) in self._kept.items()],
        )
        self._kept.clear()

    def _give_up_waiting(self) -> None:
        """Settle some of what waits for a host that is down; the rest later, for others wait meanwhile."""
        if (given_up := self._watch.given_up()) is None:
            return
        host, told, condition = given_up
        with self._transaction():
            left = policy.GIVEN_UP_AT_ONCE
            for kind in TaskKind:
                rows = self._db.execute(
                    "SELECT id, url, depth, attempts, origin FROM tasks"
                    " WHERE kind = ? AND host_id = ? AND state = 'ready' ORDER BY id LIMIT ?",
                    (kind, host, left),
                ).fetchall()
                left -= len(rows)
                if rows:
                    self._pacing.remove(host, kind, len(rows), now=self._clock())
                for task_id, *facts in rows:
                    task = _Unvisited(task_id, kind, *facts)
                    self._settle_unvisited(
                        task,
                        reason=condition.reason if task.is_seed else HostDown.reason,
                        detail=condition.detail if task.is_seed else f"{told}; {HOW_TO_RETRY[kind]}",
                        before=TaskState.READY,
                        after=TaskState.DONE,
                    )

    # time

    def _tick(self) -> None:
        now = self._clock()
        self._pacing.wake(now)
        if self._next_delayed is not None and self._next_delayed <= self._life_s:
            self._wake_delayed()
        self._watch.wake()
        self._pacing.forget_idle()
        if now >= self._next_giving_up:
            self._next_giving_up = now + policy.GIVING_UP_EVERY_S
            self._give_up_waiting()
        for kind in self._pacing.opened():
            self._waiters.tell(kind)
        self._meters.note(now, self._tally)
        if now >= self._next_check:
            self._next_check = now + min(1.0, self._queue.lease_s / 10, self._queue.max_lease_s / 10)
            self._part_with_the_lost(now)
        if most := self._releasable():
            self._release_sizes(most)
        self._pacing.forget_idle()

    def _part_with_the_lost(self, now: float) -> None:
        late = [(worker_id, worker) for worker_id, worker in self._workers.items() if worker.deadline <= now]
        if late:
            with self._transaction():
                self._wake_all = True  # each of the others may have a larger part now
                for worker_id, worker in late:
                    self._part_with(worker_id)
                    self._tell_lost(worker, now)
                    self._give_back(list(worker.held), charged=True)
        overdue = list(itertools.takewhile(self._is_overdue, self._leases))
        if overdue:  # its worker is alive, and will never come back with it
            names = sorted({self._leases[task_id].worker for task_id in overdue})
            tell(log, LEASES_OVERDUE, worker=", ".join(names), tasks=len(overdue))
            with self._transaction():
                self._give_back(overdue, charged=True)

    @staticmethod
    def _tell_lost(worker: _Worker, now: float) -> None:
        tasks, state = len(worker.held), worker.state
        if state is not None:
            silent_s = max(0.0, now - worker.seen)
            tell(log, WORKER_LOST, **who(state), silent_s=silent_s, tasks=tasks, done=state.done)
        elif tasks:
            tell(log, LEASES_EXPIRED, worker="of an earlier run", tasks=tasks)

    def _is_overdue(self, task_id: int) -> bool:
        """Asked of the oldest leases first: those of a dictionary are in the order of their beginning."""
        return self._leases[task_id].since + self._queue.max_lease_s <= self._clock()

    def _releasable(self) -> int:
        """How many held sizes need wait no longer: all, if no page may name larger ones; else what is over half of what
        may wait.
        """
        held = self._intake.sizes.held
        kept = 0 if self._tally.pages_at_hand == 0 else self._queue.image_backlog // 2
        return min(max(0, held - kept), policy.RELEASED_AT_ONCE)

    def _release_sizes(self, most: int) -> None:
        with self._transaction():
            backlogged = self._backlogged()
            self._intake.sizes.release(most, now=self._clock())
            if backlogged and not self._backlogged():
                self._tell_finders()

    def _wake_delayed(self) -> None:
        with self._transaction():
            rows = self._db.execute(
                "SELECT id, kind, host_id FROM tasks WHERE state = 'delayed' AND due_s <= ? LIMIT 1000",
                (self._life_s,),
            ).fetchall()
            self._db.executemany(
                "UPDATE tasks SET state = 'ready', due_s = NULL WHERE id = ?", [(row[0],) for row in rows]
            )
            for _, kind, host in rows:
                self._move(TaskKind(kind), TaskState.DELAYED, TaskState.READY)
                self._pacing.add(host, TaskKind(kind), now=self._clock())
            self._next_delayed = self._first_delayed()

    def _first_delayed(self) -> float | None:
        row = self._db.execute("SELECT min(due_s) FROM tasks WHERE state = 'delayed'").fetchone()
        return None if row[0] is None else float(row[0])

    def _next_event(self) -> float | None:
        """When something may become due by itself; lost workers are the ticker's business."""
        moments = [self._pacing.next_due()]
        if self._releasable():
            moments.append(self._clock())
        if self._next_delayed is not None:
            moments.append(self._clock_start + self._next_delayed)
        return min((moment for moment in moments if moment is not None), default=None)


def _bearable(found: list[tuple[int, Record]]) -> list[tuple[int, Record]]:
    """So many of them as one message can carry; servers choose how long their headers are."""
    left = policy.REPLY_BYTES
    for number, (_, record) in enumerate(found):
        left -= len(_ENCODER.encode(record))
        if left < 0 and number:
            return found[:number]
    return found
