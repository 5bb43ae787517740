"""A worker leases tasks, handles them and settles their results. It knows only protocols, and so runs on any queue.

One thread leases and one settles, so that neither waits for the other; one sends heartbeats; the rest handle tasks.
A task is *held* from its lease until its result is settled: the worker names what it holds in every call, and gives it
back when it leaves.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from operator import itemgetter

import msgspec

from crawler.errors import CrawlError, QueueError, WorkerStuck
from crawler.logs.events import HALT_NOT_TOLD, TASKS_NOT_RETURNED, TASKS_TAKEN, tell
from crawler.message_parts import MESSAGE_BUDGET_BYTES, parts, size_bytes
from crawler.models import (
    SHOWN_TASKS,
    SHOWN_URL,
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
from crawler.run.concurrency import Concurrency
from crawler.run.held_tasks import HeldTasks

log = logging.getLogger(__name__)

Handler = Callable[[Task], Result]

LONG_POLL_S = 5.0
ASK_AGAIN_S = 0.1
RESULT_BATCH = 64
RESULT_LINGER_S = 0.05
_LOOK_S = 0.2  # between two looks at threads that end, for whether one is stuck


class Worker:
    """Works on tasks of one kind until the crawl is drained, the queue is halted, or :meth:`stop` is called.

    *state* is the worker's id, kind and number of threads. The handler may raise only a CrawlError (a full disk), which
    halts the whole crawl if *halts_crawl*, and a QueueError; the worker ends then, and the task goes back.

    Once a handler has had a task for *max_lease_s* seconds, the worker ends with WorkerStuck. A task whose
    *max_attempts*-th try has failed counts as done. *learn* gets the cookies of other workers, *settled* the results
    that the queue has taken. *short_of_memory* returns how many threads wait for memory. *concurrency* decides how many
    tasks are handled at a time; without it, as many as *state* says.
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
        concurrency: Concurrency | None = None,
    ) -> None:
        self._state = state
        self._concurrency = concurrency or Concurrency(state.threads, state.threads)
        self._handlers: list[threading.Thread] = []
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
        self._held = HeldTasks(lambda: self._concurrency.wanted)
        self._outbox: deque[Result] = deque()
        self._left_alone: list[Token] = []
        self._outbox_changed = threading.Condition()
        self._finished = threading.Event()
        self._over = threading.Event()
        self._failure: BaseException | None = None
        self._done = 0
        self._received_bytes = 0
        self._heard = time.monotonic()

    @property
    def silent_s(self) -> float:
        """Seconds since the queue has answered, or since the start."""
        return time.monotonic() - self._heard

    def stop(self) -> None:
        """Begin no more tasks; run() returns when those that have begun are settled."""
        self._finish(None)

    def run(self) -> None:
        """Work until the end. Raises the QueueError, CrawlError or fault that ended the work early."""
        settler = threading.Thread(
            target=self._guarded, args=(self._settle_results,), name="settle", daemon=True
        )
        settler.start()
        self._start_handlers()
        for target in (self._lease_tasks, self._send_heartbeats):
            threading.Thread(target=self._guarded, args=(target,), daemon=True).start()
        self._finished.wait()
        left = self._held.close()
        with self._outbox_changed:
            handlers = tuple(self._handlers)  # none is started any more
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
        """The running tasks that are past *max_lease_s*: their threads are stuck, or another worker has them."""
        return self._held.begun_before(time.monotonic() - self._max_lease_s)

    def _only_stuck_ones_run(self) -> bool:
        running = len(self._held.running())
        return running > 0 and len(self._stuck()) == running

    def _finish(self, failure: BaseException | None) -> None:
        self._failure = self._failure or failure
        self._finished.set()

    def _start_handlers(self) -> None:
        """Start the threads that are missing. Those that are too many wait."""
        with self._outbox_changed:
            while len(self._handlers) < self._concurrency.wanted and not self._finished.is_set():
                name = f"handler-{len(self._handlers)}"
                thread = threading.Thread(
                    target=self._guarded, args=(self._handle_tasks,), name=name, daemon=True
                )
                self._handlers.append(thread)
                thread.start()

    def answered(self, token: Token) -> None:
        """The handler has the answer to this task's request."""
        self._held.answered(token)

    def _guarded(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as exc:  # noqa: BLE001 - whatever it is, run() raises it
            self._finish(exc)

    def state(self) -> WorkerState:
        running = self._held.running()
        return msgspec.structs.replace(
            self._state,
            threads=self._concurrency.wanted,
            running=len(running),
            busy=tuple(task.url[:SHOWN_URL] for task in running[:SHOWN_TASKS]),
            done=self._done,
            received_bytes=self._received_bytes,
            cookies_seen=self._cookies_seen,
            short_of_memory=self._short_of_memory(),
        )

    def _lease_tasks(self) -> None:
        while not self._finished.is_set():
            threads = self._concurrency.wanted
            # ask again while the threads still have something to begin, so that they never wait for the answer
            self._held.wait_for_room(max(2, threads), threads=threads)
            if self._finished.is_set():
                return
            settlements = self._held.settlements
            lease = self._tasks.lease(
                self.state(),
                count=self._lease_batch,
                slots=threads,
                wait_s=LONG_POLL_S if self._held.idle else 0.0,
                held=self._held.held(),
            )
            self._heard = time.monotonic()
            if lease.cookies_seen != self._cookies_seen:
                if self._learn is not None:
                    self._learn(lease.cookies)  # before the tasks that may want them
                self._cookies_seen = lease.cookies_seen
            if lease.batches:
                self._held.deal(lease.batches)
            elif lease.halted is not None or lease.drained:
                self._finish(None)
            elif not self._held.idle:
                # the hosts have no more for us until we settle some, or others do
                self._held.wait_for_settlement(settlements, ASK_AGAIN_S)

    def _handle_tasks(self) -> None:
        while (item := self._held.take()) is not None:
            host, task = item
            if len(self._handlers) < self._concurrency.wanted:
                self._start_handlers()
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
            left_alone = self._held.withdraw(host) if is_enough else ()
            self._held.finished(task)  # before it can be settled, and leased to us once more
            with self._outbox_changed:
                self._outbox.append(result)
                self._left_alone += left_alone
                # a try that failed is not done: a person compares this with how many there are
                is_over = result.retry_in_s is None or task.attempt >= self._max_attempts
                self._done += is_over and not result.untouched
                if result.record.revisit is not Revisit.UNCHANGED:
                    self._received_bytes += result.record.size_bytes
                if len(self._outbox) in (1, RESULT_BATCH) or self._held.idle:  # else it waits for more
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
                    lambda: len(self._outbox) >= RESULT_BATCH or self._over.is_set() or self._held.idle,
                    timeout=RESULT_LINGER_S,
                )
                batch = [self._outbox.popleft() for _ in range(min(RESULT_BATCH, len(self._outbox)))]
                if not batch:
                    return
                left_alone = [] if self._outbox else self._left_alone
                self._left_alone = [] if left_alone else self._left_alone
            for part in _messages(batch, self._tasks.put):
                hosts = self._results.put(part)
                self._held.settled([result.token for result in part])
                self._settled(part)
                left_alone += [token for host in hosts for token in self._held.withdraw(host)]
            if left_alone:  # now that the queue knows
                self._tasks.release(self.state(), left_alone)
                self._held.settled(left_alone)

    def _send_heartbeats(self) -> None:
        while not self._over.wait(self._heartbeat_s):
            answer = self._tasks.heartbeat(self.state(), held=self._held.held())
            self._heard = time.monotonic()
            lost = self._held.drop(answer.lost)
            if lost:
                tell(log, TASKS_TAKEN, tasks=lost)
            if answer.halted is not None:
                self._finish(None)
            elif waiting := self._to_give_back(answer):
                self._tasks.release(self.state(), waiting)
                self._held.settled(waiting)
            if stuck := self._stuck():
                urls = ", ".join(task.url[:SHOWN_URL] for task in stuck)
                self._finish(
                    WorkerStuck(f"it has not come back from a task within {self._max_lease_s:g} s: {urls}")
                )

    def _to_give_back(self, answer: Heartbeat) -> list[Token]:
        """The waiting tasks that this worker is not to begin."""
        hosts = (None,) if answer.paused else answer.left_alone
        # what waits here for very long, of a slow host, has time of its own left when it is leased again
        old = self._held.withdraw_older(time.monotonic() - self._max_lease_s / 2)
        return [*old, *(token for host in hosts for token in self._held.withdraw(host))]


def _messages(
    results: Sequence[Result], put_early: Callable[[Sequence[NewTask]], int]
) -> Iterator[list[Result]]:
    """Split *results* into messages below MESSAGE_BUDGET_BYTES.

    What a huge page discovered is put ahead of its result: if that is lost, the page is harvested again.
    """
    light = [_light(result, put_early) for result in results]
    for part in parts(light, size_of=itemgetter(1)):
        yield [result for result, _ in part]


def _light(result: Result, put_early: Callable[[Sequence[NewTask]], int]) -> tuple[Result, int]:
    """The result and its size in bytes; one that is too large puts its discovered tasks early, and comes without."""
    size = size_bytes(result)
    if not result.discovered or size <= MESSAGE_BUDGET_BYTES:
        return result, size
    for part in parts(result.discovered):
        put_early(part)
    light = msgspec.structs.replace(result, discovered=())
    return light, size_bytes(light)
