"""A ledger's file and its one lock: transactions, what time brings, and whether work is given out at all."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from crawler.config import QueueConfig, ScopeConfig
from crawler.crawlfile import meta, schema
from crawler.crawlfile.columns import legible
from crawler.crawlfile.meta import MetaKey
from crawler.crawlfile.sqlite_errors import explained
from crawler.crawlfile.whereabouts import Whereabouts
from crawler.errors import CrawlError
from crawler.logs.events import CRAWL_HALTED, CRAWL_PAUSED, CRAWL_UNPAUSED, LEASES_OVERDUE, tell
from crawler.logs.outcomes import SOMEBODY
from crawler.models import RunOutcome, TaskKind, TaskState
from crawler.queues import Plan, host_pauses, policy, run_rows
from crawler.queues.bandwidth import BandwidthSchedule
from crawler.queues.host_files import HostFileRows
from crawler.queues.host_pauses import HostPauses
from crawler.queues.leases import Leases
from crawler.queues.ledger_state import LedgerState
from crawler.queues.page_template_rows import PageTemplateRows
from crawler.queues.repair import repair
from crawler.queues.settling import Settling
from crawler.urls import DATA_HOST

log = logging.getLogger(__name__)

TICK_S = 1.0


class LedgerFile:
    """The ledger at *path*, safe to be used by several threads of one process.

    The caller has the crawl's folder locked: memory is only right while nobody else writes to the file.

    *new_run*: a user starts the crawl, which clears a pause or stop of the earlier run. False: its manager is started
    once more. The workers of an earlier run are known to be gone, and their tasks ready at once, uncharged; unless with
    *survivors*: downloaders and renderers on other machines may have gone on meanwhile, and the tasks that none of them
    claims within a lease term count as lost.

    With *largest_only* one size of each picture is taken (see picture_sizes.py). *kept_by_workers*: those on other
    machines may keep images themselves. *clock* is monotonic, *wall_clock* the time of day, in seconds.

    Invariant: what must survive a crash is in the file, written in one transaction for each call; the rest is in
    ``_state``, ``_leases`` and ``_settling``, which agree with the file whenever ``_mutex`` is free.

    Raises FolderError when the file is no ledger, LedgerCorrupt when it can't be read, StorageFull for a full disk.
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
        self._clock = clock
        self._mutex = threading.RLock()
        self._plan = Plan()
        self._bandwidth, self._bandwidth_mutex = BandwidthSchedule(0), threading.Lock()
        self._halted: str | None = None
        self._run: int | None = None
        """The number of the run that goes on."""
        self._stopped = self._paused = self._closed = self._has_renderer = False
        self._paused_by = ""
        self._started = self._next_check = self._next_giving_up = clock()
        with explained(path), legible(path):
            written_at = host_pauses.written_at(path)
            self._db = schema.connect(path)
            self._pauses = HostPauses(self._db, written_at=written_at, clock=wall_clock)
            self._templates = PageTemplateRows(self._db)
            self._whereabouts = Whereabouts(path)
            repair(self._db, path)
            self._state = LedgerState(
                self._db,
                self._pauses,
                self._mutex,
                queue=queue,
                scope=scope,
                largest_only=largest_only,
                clock=clock,
            )
            self._leases = Leases(self._state)
            is_alive = self._leases.workers.__contains__
            self._files = HostFileRows(self._db, clock=clock, wall_clock=wall_clock, is_alive=is_alive)
            self._settling = Settling(self._state, self._leases, kept_by_workers=kept_by_workers)
            self._load()
            if new_run:  # harvesters that came from elsewhere are few, and a page may be read twice
                self._give_all_back([TaskKind.PAGE] if survivors else list(TaskKind))
            self._recall(new_run=new_run)
            data_hosts = self._db.execute("SELECT id FROM hosts WHERE name = ?", (DATA_HOST,)).fetchall()
            for host, pause_s in self._pauses.left(delay_s=queue.delay_s):
                if (host,) not in data_hosts:
                    self._state.politeness.pause(host, pause_s, now=clock())

    def close(self) -> None:
        """Save the clock and close the file; callers that wait hear that the queue is halted."""
        with self._mutex:
            self._halted = self._halted or "the manager has stopped"
            self._closed = True
            self._state.wake_everybody()
            with explained(self.path):
                try:
                    self._state.delayed.save_clock()
                    with self._db:
                        self._db.execute("BEGIN IMMEDIATE")
                        self._state.adder.mentions.move()
                finally:
                    self._whereabouts.close(self._db)

    def _load(self) -> None:
        """Build what is in memory from what is in the file."""
        self._state.load(flush=self._settling.write)
        self._leases.load()
        self._settling.discard()

    def _give_all_back(self, kinds: list[TaskKind]) -> None:
        """The workers that had tasks of these kinds are gone, and it was not the tasks' fault."""
        with self._transaction():
            held = [task_id for task_id, lease in self._leases.by_task.items() if lease.kind in kinds]
            self._settling.give_back(held, charged=False)

    def _recall(self, *, new_run: bool) -> None:
        """A pause or a stop lasts until the next run, and so does what is known of renderers."""
        if new_run:
            meta.remove(self._db, MetaKey.PAUSED, MetaKey.STOPPED, MetaKey.RENDERER)
            return
        self._has_renderer = meta.read(self._db, MetaKey.RENDERER) is not None
        paused_by = meta.read(self._db, MetaKey.PAUSED)
        self._paused, self._paused_by = paused_by is not None, str(paused_by or "")
        self._halted = meta.read(self._db, MetaKey.STOPPED)
        self._stopped = self._halted is not None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One transaction on the file; if it fails, memory is rebuilt from the file."""
        with self._mutex, explained(self.path, on_error=self.halt):
            if self._closed:
                raise CrawlError("the manager has stopped")
            state = self._state
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._settling.write()
                self._leases.write()
                self._leases.free_slots()
                if state.counters.drained:
                    state.cookies.forget()
                    state.adder.mentions.move()
                    self._note_end(RunOutcome.FINISHED)
                self._db.execute("COMMIT")
                state.politeness.forget_idle()
                state.wake_waiting()
                self._settling.log_settled()
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._load()
                state.wake_everybody()  # what they wait for may be another thing now
                raise

    @contextmanager
    def _reloading(self) -> Iterator[None]:
        """A transaction that changes tasks past the memory, which is rebuilt after it."""
        with self._mutex:
            with self._transaction():
                yield
            self._load()
            self._state.wake_everybody()

    def _note_end(self, outcome: RunOutcome) -> None:
        if self._run is not None:
            run_rows.end(self._db, self._run, outcome)

    # --- whether work is given out ---

    def halt(self, reason: str) -> None:
        with self._mutex:
            if self._halted is None:
                tell(log, CRAWL_HALTED, reason=reason)
                self._halted = reason
            self._state.wake_everybody()

    def stop(self, reason: str) -> None:
        with self._transaction():
            if self._halted is not None:
                return
            self._stopped = True
            self.halt(reason)
            meta.write(self._db, MetaKey.STOPPED, reason)

    def pause(self, by: str = "") -> None:
        with self._transaction():
            if not self._paused:
                tell(log, CRAWL_PAUSED, by=by or SOMEBODY)
            self._paused, self._paused_by = True, by
            meta.write(self._db, MetaKey.PAUSED, by)

    def resume(self, by: str = "") -> None:
        with self._transaction():
            if self._paused:
                tell(log, CRAWL_UNPAUSED, by=by or SOMEBODY)
            self._paused, self._paused_by = False, ""
            self._state.wake_all = True
            meta.remove(self._db, MetaKey.PAUSED)

    # --- what time brings ---

    def tick(self) -> None:
        """Do what has come to be due; to be called every TICK_S seconds or so."""
        with self._mutex:
            self._tick()
            if problem := self._whereabouts.problem():
                self.halt(problem)

    def _tick(self) -> None:
        state, now = self._state, self._clock()
        state.politeness.wake(now)
        if state.delayed.is_due():
            with self._transaction():
                for of, host in state.delayed.wake():
                    state.ready(of, host, TaskState.DELAYED)
        state.watch.wake()
        state.politeness.forget_idle()
        if now >= self._next_giving_up:
            self._next_giving_up = now + policy.GIVING_UP_EVERY_S
            if (down := state.watch.given_up()) is not None:
                with self._transaction():  # some of its tasks; others wait meanwhile
                    self._settling.give_up(*down)
        for kind in state.politeness.opened():
            state.waiters.tell(kind)
        state.meters.note(now, state.counters)
        if now >= self._next_check:
            self._next_check = now + min(1.0, self._queue.lease_s / 10, self._queue.max_lease_s / 10)
            self._end_lost_leases()
        if state.adder.mentions.is_due(now):
            with self._transaction():
                state.adder.mentions.move()
        if count := state.releasable():
            with self._transaction():
                was_backlogged = state.is_backlogged
                state.adder.sizes.release(count, now=self._clock())
                if was_backlogged:
                    state.wake_finders()
        state.politeness.forget_idle()

    def _end_lost_leases(self) -> None:
        """Leases of silent workers, and those that have lasted too long."""
        if silent := self._leases.silent():
            with self._transaction():
                self._state.wake_all = True  # each of the others may have a larger part now
                for worker_id in silent:
                    self._settling.give_back(self._leases.remove_silent(worker_id), charged=True)
        if overdue := self._leases.overdue():
            names = sorted({self._leases.by_task[task_id].worker for task_id in overdue})
            tell(log, LEASES_OVERDUE, worker=", ".join(names), tasks=len(overdue))
            with self._transaction():
                self._settling.give_back(overdue, charged=True)
