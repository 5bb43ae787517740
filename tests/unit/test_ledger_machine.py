"""The queue's state machine, driven at random: whatever happens, nothing is lost and nothing counts twice."""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from crawler.config import QueueConfig, ScopeConfig
from crawler.models import (
    ImageRecord,
    ImageStatus,
    NewTask,
    Origin,
    PageRecord,
    PageStatus,
    Result,
    Task,
    TaskKind,
    WorkerState,
)
from crawler.queues.embedded import LedgerResults, LedgerTasks
from crawler.queues.ledger import Ledger

WORKERS = {f"w{n}": TaskKind.PAGE if n == 0 else TaskKind.IMAGE for n in range(3)}
URLS = st.builds("http://{}.example/{}".format, st.sampled_from("abc"), st.integers(0, 30))
QUEUE = QueueConfig(per_host=3, lease_s=10.0, max_attempts=3)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class LedgerMachine(RuleBasedStateMachine):
    tasks = Bundle("tasks")

    @initialize()
    def open_ledger(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name, "crawl.db")
        self.clock = Clock()
        self.put_keys: set[tuple[TaskKind, str]] = set()
        self.issued: set[tuple[int, int]] = set()
        self.hands: dict[str, dict[int, Task]] = {name: {} for name in WORKERS}
        self.generation = 0
        self.refreshed = False
        self.open(new_run=True)

    def open(self, *, new_run: bool) -> None:
        self.ledger = Ledger(self.path, queue=QUEUE, scope=ScopeConfig(), new_run=new_run, clock=self.clock)
        self.queue, self.results = LedgerTasks(self.ledger), LedgerResults(self.ledger)

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            self.folder.cleanup()

    def worker(self, name: str) -> WorkerState:
        return WorkerState(id=f"{name}-{self.generation}", kind=WORKERS[name], threads=4)

    def held(self, name: str) -> list:
        return [task.token for task in self.hands[name].values()]

    @rule(kind=st.sampled_from(TaskKind), urls=st.lists(URLS, max_size=8))
    def put(self, kind: TaskKind, urls: list[str]) -> None:
        new = {(kind, url) for url in urls} - self.put_keys
        assert self.queue.put([NewTask(kind=kind, url=url) for url in urls]) == len(new)
        self.put_keys |= new

    @rule(target=tasks, name=st.sampled_from(list(WORKERS)), count=st.integers(1, 6), lost=st.booleans())
    def lease(self, name: str, count: int, *, lost: bool):
        lease = self.queue.lease(self.worker(name), count=count, slots=4, wait_s=0, held=self.held(name))
        got = [task for batch in lease.batches for task in batch.tasks]
        assert len(got) <= count
        for task in got:
            assert task.kind is WORKERS[name]
            assert (task.id, task.serial) not in self.issued, "a token was issued twice"
            assert 1 <= task.attempt <= QUEUE.max_attempts
            self.issued.add((task.id, task.serial))
        if not lost:  # else the reply never arrived, and the next call tells the queue so
            self.hands[name].update({task.id: task for task in got})
        return multiple(*[(name, task) for task in got])

    def result(self, task: Task, *, saved: bool, **more: object) -> Result:
        if task.kind is TaskKind.IMAGE:
            status = ImageStatus.SAVED if saved else ImageStatus.FAILED
            record = ImageRecord(url=task.url, status=status, reason="" if saved else "server-error")
        else:
            page = PageStatus.HARVESTED if saved else PageStatus.FAILED
            record = PageRecord(url=task.url, status=page, reason="" if saved else "server-error")
        return Result(token=task.token, record=record, **more)

    @rule(item=tasks, saved=st.booleans())
    def settle(self, item: tuple[str, Task], *, saved: bool) -> None:
        """Also late, and also again: the bundle keeps its items."""
        name, task = item
        self.results.put([self.result(task, saved=saved)])
        self.hands[name].pop(task.id, None)
        assert self.state_of(task) in {"done", "dead"}

    @rule(item=tasks, url=URLS)
    def settle_page_with_discoveries(self, item: tuple[str, Task], url: str) -> None:
        name, task = item
        if task.kind is not TaskKind.PAGE:
            return
        found = NewTask(
            kind=TaskKind.IMAGE, url=url, depth=1, origin=Origin(page_url=task.url, found_in="img")
        )
        settled_before = self.state_of(task) in {"done", "dead"}
        self.results.put([self.result(task, saved=True, discovered=(found,))])
        self.hands[name].pop(task.id, None)
        if not settled_before:
            self.put_keys.add((TaskKind.IMAGE, url))

    @rule(item=tasks, delay_s=st.floats(0, 30), pause_s=st.none() | st.floats(0, 5))
    def give_back_for_later(self, item: tuple[str, Task], delay_s: float, pause_s: float | None) -> None:
        name, task = item
        result = self.result(task, saved=False, retry_in_s=delay_s, host_pause_s=pause_s)
        self.results.put([result])
        self.hands[name].pop(task.id, None)

    @rule(item=consumes(tasks))
    def release(self, item: tuple[str, Task]) -> None:
        name, task = item
        self.queue.release(self.worker(name), [task.token])
        self.hands[name].pop(task.id, None)

    @rule(name=st.sampled_from(list(WORKERS)))
    def heartbeat(self, name: str) -> None:
        for token in self.queue.heartbeat(self.worker(name), held=self.held(name)).lost:
            del self.hands[name][token.id]

    @rule(name=st.sampled_from(list(WORKERS)), charged=st.booleans())
    def worker_dies(self, name: str, *, charged: bool) -> None:
        self.queue.leave(self.worker(name).id, charged=charged)
        self.generation += 1
        self.hands = {other: {} for other in WORKERS}

    @rule(by_s=st.floats(0.1, 15))
    def time_goes_by(self, by_s: float) -> None:
        self.clock.now += by_s
        self.ledger.tick()

    @rule(new_run=st.booleans())
    def restart(self, *, new_run: bool) -> None:
        """The manager is killed: whatever was not in the file is gone, workers go on or not."""
        self.ledger._db.close()
        self.clock.now += 1
        self.open(new_run=new_run)
        if new_run:
            self.generation += 1
            self.hands = {name: {} for name in WORKERS}

    @rule(kind=st.sampled_from(TaskKind))
    def retry(self, kind: TaskKind) -> None:
        [(expected,)] = self.rows(
            f"SELECT count(*) FROM {kind}s JOIN tasks ON tasks.id = task_id"
            " WHERE status IN ('failed', 'dead') AND state IN ('done', 'dead')"
        )
        assert self.queue.retry(kind=kind) == expected

    @rule()
    def refresh(self) -> None:
        drained = self.queue.stats().drained
        assert self.ledger.refresh() == (len(self.put_keys) if drained else 0)
        self.refreshed |= drained

    def rows(self, sql: str) -> list:
        with closing(sqlite3.connect(self.path)) as db:
            return db.execute(sql).fetchall()

    def state_of(self, task: Task) -> str:
        return self.rows(f"SELECT state FROM tasks WHERE id = {task.id}")[0][0]

    @invariant()
    def nothing_is_lost(self) -> None:
        stats = self.queue.stats()
        assert stats.pages.discovered + stats.images.discovered == len(self.put_keys)
        assert {(kind, url) for kind, url in self.rows("SELECT kind, url FROM tasks")} == self.put_keys

    @invariant()
    def memory_agrees_with_the_file(self) -> None:
        stats = self.queue.stats()
        for kind, counts in (("page", stats.pages), ("image", stats.images)):
            on_file = dict(
                self.rows(f"SELECT state, count(*) FROM tasks WHERE kind = '{kind}' GROUP BY state")
            )
            in_memory = {name: n for name, n in msgspec.structs.asdict(counts).items() if n}
            assert in_memory == on_file
            statuses = dict(self.rows(f"SELECT status, count(*) FROM {kind}s GROUP BY status"))
            assert statuses == (stats.page_status if kind == "page" else stats.image_status)

    @invariant()
    def every_worker_counts_once(self) -> None:
        stats = self.queue.stats()
        assert stats.worker_count == len(stats.workers)
        assert +self.ledger._fellows == Counter(worker.kind for worker in stats.workers)

    @invariant()
    def a_record_for_each_settled_task_and_no_other(self) -> None:
        for kind in ("page", "image"):
            settled = self.rows(
                f"SELECT url FROM tasks WHERE kind = '{kind}' AND state IN ('done', 'dead') ORDER BY url"
            )
            recorded = self.rows(f"SELECT url FROM {kind}s ORDER BY url")
            assert set(settled) <= set(recorded) if self.refreshed else recorded == settled
            assert len(set(recorded)) == len(recorded)
        stats = self.queue.stats()
        assert stats.drained == (stats.pages.unsettled + stats.images.unsettled == 0)

    @invariant()
    def hosts_are_not_overrun(self) -> None:
        for (host,) in self.rows("SELECT id FROM hosts"):
            leased = self.rows(f"SELECT count(*) FROM tasks WHERE host_id = {host} AND state = 'leased'")[0][
                0
            ]
            in_flight = self.ledger._pacing.in_flight(host)
            assert in_flight <= leased
            assert bool(in_flight) == bool(leased)
        assert (
            len(self.ledger._leases) == self.rows("SELECT count(*) FROM tasks WHERE state = 'leased'")[0][0]
        )


LedgerMachine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestLedgerMachine = LedgerMachine.TestCase
