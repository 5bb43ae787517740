"""The queue's state machine, driven at random: whatever happens, nothing is lost and nothing counts twice.

The same rules and the same invariants for every engine; an Engine says how to look into it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from crawler.config import QueueConfig
from crawler.models import (
    Counts,
    ImageRecord,
    ImageStatus,
    NewTask,
    Origin,
    PageRecord,
    PageStatus,
    RenderRecord,
    RenderStatus,
    Result,
    Stats,
    Task,
    TaskKind,
    WorkerState,
)
from crawler.queues import ResultQueue, TaskQueue
from crawler.queues.policy import REFUSED_ATTEMPTS_TIMES
from tests.support.clocks import Clock
from tests.support.queues import file_of

WORKERS = {"w0": TaskKind.PAGE, "w1": TaskKind.IMAGE, "w2": TaskKind.IMAGE, "w3": TaskKind.RENDER}
URLS = st.builds("http://{}.example/{}".format, st.sampled_from("abc"), st.integers(0, 30))
QUEUE = QueueConfig(per_host=3, lease_s=10.0, max_attempts=3)


class Engine(Protocol):
    """A queue, and all that can be seen of it from behind."""

    queue: TaskQueue
    results: ResultQueue
    puts_ahead: bool
    """What a result has discovered may be put before it is known whether the result counts: in another part."""

    def restart(self, *, new_run: bool) -> None:
        """As if its process had been killed; *new_run*: the crawl is started anew, rather."""
        ...

    def close(self) -> None: ...

    def tick(self) -> None: ...

    def retry(self, kind: TaskKind) -> tuple[int, int]:
        """As a user does it; returns how many went back, and how many had failed by the records."""
        ...

    def refresh(self) -> int: ...

    def state_of(self, task: Task) -> str: ...

    def tasks(self) -> set[tuple[str, str]]:
        """Kind and URL of all that it knows."""
        ...

    def states(self, kind: TaskKind) -> Counter[str]: ...

    def recorded(self, kind: TaskKind) -> list[tuple[str, str]]:
        """URL and status of each record."""
        ...

    def details(self, kind: TaskKind, reason: str) -> list[str]:
        """Of the records with that reason."""
        ...

    def settled(self, kind: TaskKind) -> list[str]:
        """The URLs of what is done, or dead."""
        ...

    def fellows(self) -> Counter[TaskKind]: ...

    def in_flight(self) -> dict[str, tuple[int, int]]:
        """By host: tasks on lease, and requests that may be under way."""
        ...


class QueueMachine(RuleBasedStateMachine):
    tasks = Bundle("tasks")
    make: Callable[[Clock, QueueConfig], Engine]
    settings_of_queue = QUEUE
    most_attempts = QUEUE.max_attempts

    @initialize()
    def open_queue(self) -> None:
        self.clock = Clock()
        self.put_keys: set[tuple[TaskKind, str]] = set()
        self.issued: set[tuple[int, int]] = set()
        self.hands: dict[str, dict[int, Task]] = {name: {} for name in WORKERS}
        self.generation = 0
        self.refreshed = False
        self.engine = type(self).make(self.clock, self.settings_of_queue)

    @property
    def queue(self) -> TaskQueue:
        return self.engine.queue

    @property
    def results(self) -> ResultQueue:
        return self.engine.results

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.engine.close()

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
            assert 1 <= task.attempt <= self.most_attempts
            self.issued.add((task.id, task.serial))
        if not lost:  # else the reply never arrived, and the next call tells the queue so
            self.hands[name].update({task.id: task for task in got})
        return multiple(*[(name, task) for task in got])

    def result(self, task: Task, *, saved: bool, **more: object) -> Result:
        if task.kind is TaskKind.IMAGE:
            status = ImageStatus.SAVED if saved else ImageStatus.FAILED
            kept = file_of(task.url) if saved else {}
            record = ImageRecord(url=task.url, status=status, reason="" if saved else "server-error", **kept)
        elif task.kind is TaskKind.RENDER:
            render = RenderStatus.RENDERED if saved else RenderStatus.FAILED
            record = RenderRecord(url=task.url, status=render, reason="" if saved else "server-error")
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
        assert self.engine.state_of(task) in {"done", "dead"}

    @rule(item=tasks, url=URLS, kind=st.sampled_from([TaskKind.IMAGE, TaskKind.RENDER]))
    def settle_page_with_discoveries(self, item: tuple[str, Task], url: str, kind: TaskKind) -> None:
        name, task = item
        if task.kind is TaskKind.IMAGE:
            return
        found = NewTask(kind=kind, url=url, depth=1, origin=Origin(page_url=task.url, found_in="img"))
        settled_before = self.engine.state_of(task) in {"done", "dead"}
        self.results.put([self.result(task, saved=True, discovered=(found,))])
        self.hands[name].pop(task.id, None)
        is_put_ahead = self.engine.puts_ahead and (kind, url) in self.engine.tasks()
        if not settled_before or is_put_ahead:
            self.put_keys.add((kind, url))

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
        self.engine.tick()

    @rule(new_run=st.booleans())
    def restart(self, *, new_run: bool) -> None:
        """The manager is killed: whatever was not in the file is gone, workers go on or not."""
        self.clock.now += 1
        self.engine.restart(new_run=new_run)
        if new_run:
            self.generation += 1
            self.hands = {name: {} for name in WORKERS}

    @rule(kind=st.sampled_from(TaskKind))
    def retry(self, kind: TaskKind) -> None:
        gone, expected = self.engine.retry(kind)
        assert gone == expected

    @rule()
    def refresh(self) -> None:
        drained = self.queue.stats().drained
        assert self.engine.refresh() == (len(self.put_keys) if drained else 0)
        self.refreshed |= drained

    @invariant()
    def nothing_is_lost(self) -> None:
        stats = self.queue.stats()
        assert sum(counts.discovered for counts in _counts(stats).values()) == len(self.put_keys)
        assert self.engine.tasks() == self.put_keys

    @invariant()
    def the_figures_agree_with_what_is_there(self) -> None:
        stats = self.queue.stats()
        for kind, counts in _counts(stats).items():
            told = {name: n for name, n in msgspec.structs.asdict(counts).items() if n}
            assert told == +self.engine.states(kind)
            statuses = Counter(status for _, status in self.engine.recorded(kind))
            assert statuses == getattr(stats, f"{kind}_status")

    @invariant()
    def every_worker_counts_once(self) -> None:
        stats = self.queue.stats()
        assert stats.worker_count == len(stats.workers)
        assert +self.engine.fellows() == Counter(worker.kind for worker in stats.workers)

    @invariant()
    def a_record_for_each_settled_task_and_no_other(self) -> None:
        for kind in TaskKind:
            settled = sorted(self.engine.settled(kind))
            recorded = sorted(url for url, _ in self.engine.recorded(kind))
            assert set(settled) <= set(recorded) if self.refreshed else recorded == settled
            assert len(set(recorded)) == len(recorded)
        stats = self.queue.stats()
        assert stats.drained == (sum(counts.unsettled for counts in _counts(stats).values()) == 0)

    @invariant()
    def hosts_are_not_overrun(self) -> None:
        for leased, in_flight in self.engine.in_flight().values():
            assert in_flight <= leased
            assert bool(in_flight) == bool(leased)


def _counts(stats: Stats) -> dict[TaskKind, Counts]:
    return {TaskKind.PAGE: stats.pages, TaskKind.IMAGE: stats.images, TaskKind.RENDER: stats.renders}


class TroubledMachine(QueueMachine):
    """Hosts that fail in all ways, and are given up soon: still nothing is lost and nothing counts twice."""

    settings_of_queue = msgspec.structs.replace(QUEUE, host_patience_s=0.0)
    most_attempts = REFUSED_ATTEMPTS_TIMES * QUEUE.max_attempts

    def result(self, task: Task, *, saved: bool, **more: object) -> Result:
        result = super().result(task, saved=saved, **more)
        reasons = ("host-not-found", "connect-failed", "server-error", "not-found", "rate-limited")
        reason = "" if saved else reasons[task.id % len(reasons)]
        record = msgspec.structs.replace(
            result.record, reason=reason, depth=1, http_status=404 if reason == "not-found" else 0
        )
        return msgspec.structs.replace(result, record=record)

    @invariant()
    def what_is_given_up_is_recorded_so(self) -> None:
        for kind in TaskKind:
            for detail in self.engine.details(kind, "host-down"):
                assert detail.startswith("http://")
                assert "image-crawler retry DIR --reason host-down" in detail


SETTINGS = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
