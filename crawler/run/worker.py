"""A worker: lease, handle, give the result back. Knows only protocols, so that it runs on any engine.

One thread leases and one settles, so that neither waits for the other; one sends signs of life; the rest handle
tasks. A task is *held* from its lease until its result has been taken: that is what the worker names in every call,
and what it gives back when it leaves.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter

import msgspec

from crawler.errors import CrawlError, QueueError, WorkerStuck
from crawler.logs.events import HALT_NOT_TOLD, TASKS_NOT_RETURNED, TASKS_TAKEN, tell
from crawler.message_parts import MESSAGE_BUDGET_BYTES, parts, size_bytes
from crawler.models import (
    SHOWN_TASKS,
    SHOWN_URL,
    Batch,
    Cookie,
    Heartbeat,
    NewTask,
    Result,
    Revisit,
    Task,
    Token,
    WorkerState,
)
from crawler.queues import ResultQueue, TaskQueue

log = logging.getLogger(__name__)

Handler = Callable[[Task], Result]

LONG_POLL_S = 5.0
ASK_AGAIN_S = 0.1
ASK_ELSEWHERE_S = 0.5
_LOOK_S = 0.2  # at threads that are to end, for whether one never will
RESULT_BATCH = 64
RESULT_LINGER_S = 0.05


@dataclass(slots=True)
class _Lane:
    waiting: deque[Task] = field(default_factory=deque)
    running: int = 0
    slots: int = 0


class Hand:
    """The tasks that a worker holds: waiting, running or with a result that is not settled yet. Thread-safe.

    Of each host at most as many run at once as the latest lease granted slots.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._may_begin = threading.Condition(self._mutex)
        self._may_lease = threading.Condition(self._mutex)
        self._until: Callable[[], bool] | None = None
        """What the thread that leases waits for. Who changes something asks first: to wake it in vain, twice for each
        task, took a tenth of a harvester's time."""
        self._lanes: dict[str, _Lane] = {}
        self._turn: deque[str] = deque()
        self._held: dict[int, Token] = {}
        self._since: dict[Token, float] = {}
        """When each of them was dealt."""
        self._running: dict[Token, Task] = {}  # a task that was lost and leased again may run twice
        self._begun: dict[Token, float] = {}
        self._waiting = 0
        self._closed = False
        self.settlements = 0
        """How often anything was settled."""

    def deal(self, batches: Sequence[Batch]) -> None:
        with self._mutex:
            for batch in batches:
                lane = self._lanes.get(batch.host)
                if lane is None:
                    lane = self._lanes[batch.host] = _Lane()
                    self._turn.append(batch.host)
                lane.waiting.extend(batch.tasks)
                lane.slots = batch.slots
                self._waiting += len(batch.tasks)
                self._held.update((task.id, task.token) for task in batch.tasks)
                self._since.update(dict.fromkeys((task.token for task in batch.tasks), time.monotonic()))
            self._may_begin.notify_all()

    def take(self) -> tuple[str, Task] | None:
        """The next task that may run and its host; waits for one. None once the hand is closed."""
        with self._mutex:
            while not self._closed:
                for _ in range(len(self._turn)):
                    host = self._turn[0]
                    self._turn.rotate(-1)
                    lane = self._lanes[host]
                    if lane.waiting and lane.running < lane.slots:
                        task = lane.waiting.popleft()
                        lane.running += 1
                        self._waiting -= 1
                        self._running[task.token] = task
                        self._begun[task.token] = time.monotonic()
                        self._tell_who_leases()
                        return host, task
                self._may_begin.wait()
            return None

    def finished(self, host: str, task: Task) -> None:
        """The task has been handled; it stays held until it is settled. Its slot is for the same thread to use."""
        with self._mutex:
            del self._running[task.token], self._begun[task.token]
            lane = self._lanes[host]
            lane.running -= 1
            self._forget_if_empty(host, lane)
            self._tell_who_leases()

    def _forget_if_empty(self, host: str, lane: _Lane) -> None:
        if not lane.running and not lane.waiting:
            del self._lanes[host]
            self._turn.remove(host)

    def withdraw(self, host: str | None = None) -> tuple[Token, ...]:
        """Let no waiting task of *host* begin, or of any; returns them, who stay held until they are settled."""
        with self._mutex:
            lanes = [(name, lane) for name, lane in self._lanes.items() if host in (None, name)]
            withdrawn = tuple(task.token for _, lane in lanes for task in lane.waiting)
            for name, lane in lanes:
                lane.waiting.clear()
                self._forget_if_empty(name, lane)
            self._waiting -= len(withdrawn)
            self._tell_who_leases()
            return withdrawn

    def settled(self, tokens: Sequence[Token]) -> None:
        with self._mutex:
            self.settlements += 1
            self._tell_who_leases()
            for token in tokens:
                self._since.pop(token, None)
                if self._held.get(token.id) == token:  # not a later lease of a task that was given back
                    del self._held[token.id]

    def drop(self, tokens: Sequence[Token]) -> int:
        """Forget those of *tokens* that have not been begun, for they are another worker's; returns how many."""
        gone = frozenset(tokens)
        with self._mutex:
            dropped = 0
            for host, lane in list(self._lanes.items()):
                kept = deque(task for task in lane.waiting if task.token not in gone)
                for task in lane.waiting:
                    if task.token in gone:
                        dropped += 1
                        self._since.pop(task.token, None)
                        if self._held.get(task.id) == task.token:
                            del self._held[task.id]
                lane.waiting = kept
                self._forget_if_empty(host, lane)
            self._waiting -= dropped
            self._tell_who_leases()
            return dropped

    def close(self) -> tuple[Token, ...]:
        """Let no further task begin; returns those that were not."""
        with self._mutex:
            self._closed = True
            left = tuple(task.token for lane in self._lanes.values() for task in lane.waiting)
            for lane in self._lanes.values():
                lane.waiting.clear()
            self._waiting = 0
            self._may_begin.notify_all()
            self._tell_who_leases()
            return left

    def wait_for_room(self, room: int, *, threads: int) -> None:
        """Until fewer than *room* tasks wait to begin, or the hand is closed.

        Or for ASK_ELSEWHERE_S, while one of the *threads* has nothing to do, for what waits is of hosts that give no
        more slots: other hosts may have something by now.
        """
        with self._mutex:
            self._wait(lambda: self._has_room(room) or self._starves(threads))
            self._wait(lambda: self._has_room(room), for_s=ASK_ELSEWHERE_S)

    def _has_room(self, room: int) -> bool:
        return self._waiting < room or self._closed

    def _starves(self, threads: int) -> bool:
        return len(self._running) < threads and not any(
            lane.waiting and lane.running < lane.slots for lane in self._lanes.values()
        )

    def wait_for_settlement(self, settlements: int, for_s: float) -> None:
        """Until there have been more than so many, nothing waits to begin, or the hand is closed."""
        with self._mutex:
            self._wait(lambda: self.settlements > settlements or self.idle or self._closed, for_s=for_s)

    def _wait(self, until: Callable[[], bool], for_s: float | None = None) -> None:
        self._until = until
        self._may_lease.wait_for(until, for_s)
        self._until = None

    def _tell_who_leases(self) -> None:
        if self._until is not None and self._until():
            self._may_lease.notify()

    @property
    def idle(self) -> bool:
        """Nothing waits to begin."""
        return self._waiting == 0

    @property
    def closed(self) -> bool:
        return self._closed

    def held(self) -> tuple[Token, ...]:
        with self._mutex:
            return tuple(self._held.values())

    def dealt_before(self, moment: float) -> tuple[Token, ...]:
        """Let no task that has waited since before *moment* begin; returns them, who stay held until settled."""
        with self._mutex:
            if not any(since < moment for since in self._since.values()):
                return ()
            old: list[Token] = []
            for host, lane in list(self._lanes.items()):
                old += [task.token for task in lane.waiting if self._since[task.token] < moment]
                lane.waiting = deque(task for task in lane.waiting if self._since[task.token] >= moment)
                self._forget_if_empty(host, lane)
            self._waiting -= len(old)
            self._tell_who_leases()
            return tuple(old)

    def begun_before(self, moment: float) -> tuple[Task, ...]:
        """Those that still run."""
        with self._mutex:
            return tuple(self._running[token] for token, begun in self._begun.items() if begun < moment)

    def running(self) -> tuple[Task, ...]:
        with self._mutex:
            return tuple(self._running.values())


class Worker:
    """Works on tasks of one kind until the crawl is drained, the queue is halted, or it is stopped.

    A task that its handler has had for *max_lease_s* seconds is not waited for: the worker ends, with WorkerStuck.

    *state* says who it is (its id, kind and number of threads). *learn* is told of cookies that other workers got, and
    *settled* of results that the queue has taken. What has failed at its ``max_attempts``-th try is done.
    *short_of_memory* says how many of its threads wait for some. The handler must not raise anything but CrawlError (a
    full disk), which halts the whole crawl with *halts_crawl* and else is this worker's own affair, and QueueError; the
    task goes back then.
    """

    def __init__(
        self,
        state: WorkerState,
        *,
        tasks: TaskQueue,
        results: ResultQueue,
        handler: Handler,
        lease_batch: int,
        heartbeat_s: float,
        max_lease_s: float = math.inf,
        halts_crawl: bool = True,
        settled: Callable[[Sequence[Result]], None] = lambda _: None,
        max_attempts: float = math.inf,
        short_of_memory: Callable[[], int] = lambda: 0,
        learn: Callable[[Sequence[Cookie]], None] | None = None,
    ) -> None:
        self._state = state
        self._tasks = tasks
        self._results = results
        self._handler = handler
        self._lease_batch = lease_batch
        self._heartbeat_s = heartbeat_s
        self._max_lease_s = max_lease_s
        self._halts_crawl = halts_crawl
        self._settled = settled
        self._max_attempts = max_attempts
        self._short_of_memory = short_of_memory
        self._learn = learn
        self._cookies_seen = 0
        self._hand = Hand()
        self._outbox: deque[Result] = deque()
        self._left_alone: list[Token] = []
        self._outbox_changed = threading.Condition()
        self._finished = threading.Event()
        self._over = threading.Event()
        self._failure: BaseException | None = None
        self._done = 0
        self._received_bytes = 0

    def stop(self) -> None:
        """Begin nothing more; run() returns when what is in hand has been settled."""
        self._finish(None)

    def run(self) -> None:
        """Work. Raises what ended it other than the crawl's end or stop(): QueueError, CrawlError."""
        handlers = [
            threading.Thread(
                target=self._guarded, args=(self._handle_tasks,), name=f"handler-{n}", daemon=True
            )
            for n in range(self._state.threads)
        ]
        settler = threading.Thread(
            target=self._guarded, args=(self._settle_results,), name="settle", daemon=True
        )
        for thread in (*handlers, settler):
            thread.start()
        for target in (self._lease_tasks, self._send_heartbeats):
            threading.Thread(target=self._guarded, args=(target,), daemon=True).start()
        self._finished.wait()
        left = self._hand.close()
        for thread in handlers:
            while thread.is_alive() and not self._only_stuck_ones_run():
                thread.join(_LOOK_S)
        with self._outbox_changed:
            self._over.set()  # after the last result
            self._outbox_changed.notify_all()
        settler.join()
        self._leave(left)
        if self._failure is not None:
            raise self._failure

    def _leave(self, left: Sequence[Token]) -> None:
        if isinstance(self._failure, QueueError):
            return  # nobody is there to be told; the leases run out
        charged = not isinstance(self._failure, CrawlError | None)
        try:
            with suppress(CrawlError):  # a file that can't be written to: we leave, or would be waited for
                self._tasks.release(self.state(), left)
            with suppress(CrawlError):
                self._tasks.leave(self._state.id, charged=charged)
        except QueueError as exc:
            tell(log, TASKS_NOT_RETURNED, tasks=len(left), reason=exc)

    def _stuck(self) -> tuple[Task, ...]:
        """The tasks that take longer than any may: their threads will not come back, or somebody else has them."""
        return self._hand.begun_before(time.monotonic() - self._max_lease_s)

    def _only_stuck_ones_run(self) -> bool:
        running = len(self._hand.running())
        return running > 0 and len(self._stuck()) == running

    def _finish(self, failure: BaseException | None) -> None:
        self._failure = self._failure or failure
        self._finished.set()

    def _guarded(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as exc:  # noqa: BLE001 - whatever it is, run() raises it
            self._finish(exc)

    def state(self) -> WorkerState:
        running = self._hand.running()
        return msgspec.structs.replace(
            self._state,
            running=len(running),
            busy=tuple(task.url[:SHOWN_URL] for task in running[:SHOWN_TASKS]),
            done=self._done,
            received_bytes=self._received_bytes,
            cookies_seen=self._cookies_seen,
            short_of_memory=self._short_of_memory(),
        )

    def _lease_tasks(self) -> None:
        threads = self._state.threads
        while not self._finished.is_set():
            # ask again while the threads still have something to begin, so that they never wait for the answer
            self._hand.wait_for_room(max(2, threads), threads=threads)
            if self._finished.is_set():
                return
            settlements = self._hand.settlements
            lease = self._tasks.lease(
                self.state(),
                count=self._lease_batch,
                slots=threads,
                wait_s=LONG_POLL_S if self._hand.idle else 0.0,
                held=self._hand.held(),
            )
            if lease.cookies_seen != self._cookies_seen:
                if self._learn is not None:
                    self._learn(lease.cookies)  # before the tasks that may want them
                self._cookies_seen = lease.cookies_seen
            if lease.batches:
                self._hand.deal(lease.batches)
            elif lease.halted is not None or lease.drained:
                self._finish(None)
            elif not self._hand.idle:
                # the hosts have no more for us until we settle some, or others do
                self._hand.wait_for_settlement(settlements, ASK_AGAIN_S)

    def _handle_tasks(self) -> None:
        while (item := self._hand.take()) is not None:
            host, task = item
            try:
                result = self._handler(task)
            except CrawlError as exc:
                self._halt(exc)
                return
            except BaseException as exc:  # noqa: BLE001 - the handler broke its promise; run() raises it
                self._finish(exc)
                return
            # a host that wants to be left alone: when it is due again, and for whom, is the queue's to say
            is_enough = result.host_pause_s or result.refused_for_s is not None
            left_alone = self._hand.withdraw(host) if is_enough else ()
            self._hand.finished(host, task)  # before it can be settled, and leased to us once more
            with self._outbox_changed:
                self._outbox.append(result)
                self._left_alone += left_alone
                # a try that failed is not done: a person compares this with how many there are
                is_over = result.retry_in_s is None or task.attempt >= self._max_attempts
                self._done += is_over and not result.untouched
                if result.record.revisit is not Revisit.UNCHANGED:
                    self._received_bytes += result.record.size_bytes
                if len(self._outbox) in (1, RESULT_BATCH) or self._hand.idle:  # else it waits for more
                    self._outbox_changed.notify()

    def _halt(self, error: CrawlError) -> None:
        self._finish(error)
        if not self._halts_crawl:
            return
        try:
            self._tasks.halt(str(error))
        except QueueError as exc:
            tell(log, HALT_NOT_TOLD, reason=exc)

    def _settle_results(self) -> None:
        while True:
            with self._outbox_changed:
                self._outbox_changed.wait_for(lambda: self._outbox or self._over.is_set())
                # a little patience fills the batch, unless a thread is idle and the next lease may depend on it
                self._outbox_changed.wait_for(
                    lambda: len(self._outbox) >= RESULT_BATCH or self._over.is_set() or self._hand.idle,
                    timeout=RESULT_LINGER_S,
                )
                batch = [self._outbox.popleft() for _ in range(min(RESULT_BATCH, len(self._outbox)))]
                if not batch:
                    return
                left_alone = [] if self._outbox else self._left_alone
                self._left_alone = [] if left_alone else self._left_alone
            for part in _messages(batch, self._tasks.put):
                hosts = self._results.put(part)
                self._hand.settled([result.token for result in part])
                self._settled(part)
                left_alone += [token for host in hosts for token in self._hand.withdraw(host)]
            if left_alone:  # now that the queue knows
                self._tasks.release(self.state(), left_alone)
                self._hand.settled(left_alone)

    def _send_heartbeats(self) -> None:
        while not self._over.wait(self._heartbeat_s):
            answer = self._tasks.heartbeat(self.state(), held=self._hand.held())
            lost = self._hand.drop(answer.lost)
            if lost:
                tell(log, TASKS_TAKEN, tasks=lost)
            if answer.halted is not None:
                self._finish(None)
            elif waiting := self._to_give_back(answer):
                self._tasks.release(self.state(), waiting)
                self._hand.settled(waiting)
            if stuck := self._stuck():
                urls = ", ".join(task.url[:SHOWN_URL] for task in stuck)
                self._finish(
                    WorkerStuck(f"it has not come back from a task within {self._max_lease_s:g} s: {urls}")
                )

    def _to_give_back(self, answer: Heartbeat) -> list[Token]:
        """What it has not begun, and shall not."""
        hosts = (None,) if answer.paused else answer.left_alone
        # what waits here for very long, of a slow host, has time of its own left when it is leased again
        old = self._hand.dealt_before(time.monotonic() - self._max_lease_s / 2)
        return [*old, *(token for host in hosts for token in self._hand.withdraw(host))]


def _messages(
    results: Sequence[Result], put_early: Callable[[Sequence[NewTask]], int]
) -> Iterator[list[Result]]:
    """Split *results* into messages of bearable size.

    What a huge page discovered is put ahead of its result: should the result get lost, the page is harvested again.
    """
    light = [_light(result, put_early) for result in results]
    for part in parts(light, size_of=itemgetter(1)):
        yield [result for result, _ in part]


def _light(result: Result, put_early: Callable[[Sequence[NewTask]], int]) -> tuple[Result, int]:
    """It, or without what it discovered; and its size, which is encoded once to be told."""
    size = size_bytes(result)
    if not result.discovered or size <= MESSAGE_BUDGET_BYTES:
        return result, size
    for part in parts(result.discovered):
        put_early(part)
    light = msgspec.structs.replace(result, discovered=())
    return light, size_bytes(light)
