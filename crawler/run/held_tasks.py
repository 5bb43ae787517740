"""The tasks that a worker holds, and which of them its threads may begin."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from crawler.models import Batch, Task, Token

ASK_ELSEWHERE_S = 0.5


@dataclass(slots=True)
class _Lane:
    """The tasks of one host. There is a lane only while a task waits, or runs unanswered."""

    waiting: deque[Task] = field(default_factory=deque)
    unanswered: int = 0
    """How many run that have no answer yet."""
    slots: int = 0
    """How many may run at once, by the latest lease."""


@dataclass(slots=True)
class _Running:
    """A task that a thread has."""

    task: Task
    host: str
    begun: float
    is_answered: bool = False


class HeldTasks:
    """The tasks that a worker holds: waiting, running, or with a result that is not settled yet. Thread-safe.

    Of each host at most as many wait for an answer at once as the latest lease granted slots; hosts take turns. A task
    is held from its lease until it is settled, or dropped because another worker has it. *most* says how many may run
    now, of all hosts.
    """

    def __init__(self, most: Callable[[], int] = lambda: sys.maxsize) -> None:
        self._most = most
        self._mutex = threading.Lock()
        self._may_begin = threading.Condition(self._mutex)
        self._may_lease = threading.Condition(self._mutex)
        self._until: Callable[[], bool] | None = None
        """What the leasing thread waits for. Whoever changes something checks it first: waking that thread in vain,
        twice for each task, took a tenth of a harvester's time."""
        self._lanes: dict[str, _Lane] = {}
        self._turn: deque[str] = deque()
        """The hosts of all lanes, the next one first."""
        self._held: dict[int, Token] = {}
        """By task id, the latest lease of each task that is held."""
        self._since: dict[Token, float] = {}
        """When each task was leased that is not settled."""
        self._running: dict[Token, _Running] = {}  # a task that was lost and leased again may run twice
        self._waiting = 0
        """Tasks that wait, in all lanes."""
        self._closed = False
        self.settlements = 0
        """How often results were settled."""

    def deal(self, batches: Sequence[Batch]) -> None:
        """Take what was leased."""
        with self._mutex:
            now = time.monotonic()
            for batch in batches:
                lane = self._lanes.get(batch.host)
                if lane is None:
                    lane = self._lanes[batch.host] = _Lane()
                    self._turn.append(batch.host)
                lane.waiting.extend(batch.tasks)
                lane.slots = batch.slots
                self._waiting += len(batch.tasks)
                self._held.update((task.id, task.token) for task in batch.tasks)
                self._since.update(dict.fromkeys((task.token for task in batch.tasks), now))
            self._may_begin.notify_all()

    def take(self) -> tuple[str, Task] | None:
        """Wait for a task that may run; return its host and the task. None once nothing may begin any more."""
        with self._mutex:
            while not self._closed:
                for _ in range(len(self._turn) if len(self._running) < self._most() else 0):
                    host = self._turn[0]
                    self._turn.rotate(-1)
                    lane = self._lanes[host]
                    if lane.waiting and lane.unanswered < lane.slots:
                        task = lane.waiting.popleft()
                        lane.unanswered += 1
                        self._waiting -= 1
                        self._running[task.token] = _Running(task, host, time.monotonic())
                        self._notify_leasing()
                        return host, task
                self._may_begin.wait()
            return None

    def answered(self, token: Token) -> None:
        """The running task has its answer: another one may have its slot while that is worked on."""
        with self._mutex:
            running = self._running.get(token)
            if running is not None:
                self._free_slot(running)
                if self._waiting and len(self._running) < self._most():
                    self._may_begin.notify()
                self._notify_leasing()

    def finished(self, task: Task) -> None:
        """The task has been handled; it stays held until it is settled. Its slot is free for the calling thread."""
        with self._mutex:
            self._free_slot(self._running.pop(task.token))
            self._notify_leasing()

    def _free_slot(self, running: _Running) -> None:
        if not running.is_answered:
            running.is_answered = True
            lane = self._lanes[running.host]
            lane.unanswered -= 1
            self._forget_if_empty(running.host, lane)

    def withdraw(self, host: str | None = None) -> tuple[Token, ...]:
        """Take back the waiting tasks of *host*, or of all hosts; they stay held until they are settled."""
        with self._mutex:
            return tuple(task.token for task in self._remove(lambda _: True, host))

    def withdraw_older(self, moment: float) -> tuple[Token, ...]:
        """Take back the waiting tasks that were leased before *moment*; they stay held until they are settled."""
        with self._mutex:
            if not any(since < moment for since in self._since.values()):
                return ()
            return tuple(task.token for task in self._remove(lambda task: self._since[task.token] < moment))

    def drop(self, tokens: Sequence[Token]) -> int:
        """Forget those of *tokens* that wait: another worker has them. Returns how many that were."""
        gone = frozenset(tokens)
        with self._mutex:
            dropped = self._remove(lambda task: task.token in gone)
            for task in dropped:
                self._forget(task.token)
            return len(dropped)

    def settled(self, tokens: Sequence[Token]) -> None:
        """The queue has taken the results of *tokens*, or has got the tasks back."""
        with self._mutex:
            self.settlements += 1
            self._notify_leasing()
            for token in tokens:
                self._forget(token)

    def close(self) -> tuple[Token, ...]:
        """Let no further task begin; returns those that waited."""
        with self._mutex:
            self._closed = True
            left = tuple(task.token for task in self._remove(lambda _: True))
            self._may_begin.notify_all()
            self._notify_leasing()
            return left

    def _remove(self, leaves: Callable[[Task], bool], host: str | None = None) -> list[Task]:
        """Remove the waiting tasks of *host*, or of all hosts, that are to leave."""
        removed: list[Task] = []
        for name, lane in list(self._lanes.items()):
            if host in (None, name):
                removed += [task for task in lane.waiting if leaves(task)]
                lane.waiting = deque(task for task in lane.waiting if not leaves(task))
                self._forget_if_empty(name, lane)
        self._waiting -= len(removed)
        self._notify_leasing()
        return removed

    def _forget(self, token: Token) -> None:
        self._since.pop(token, None)
        if self._held.get(token.id) == token:  # not a later lease of a task that was given back
            del self._held[token.id]

    def _forget_if_empty(self, host: str, lane: _Lane) -> None:
        if not lane.unanswered and not lane.waiting:
            del self._lanes[host]
            self._turn.remove(host)

    # --- for the thread that leases ---

    def wait_for_room(self, room: int, *, threads: int) -> None:
        """Wait until fewer than *room* tasks wait, or nothing may begin any more.

        While one of the *threads* is idle, because all that waits is of hosts that give no more slots, wait only for
        ASK_ELSEWHERE_S: other hosts may have something by then.
        """
        with self._mutex:
            self._wait(lambda: self._has_room(room) or self._starves(threads))
            self._wait(lambda: self._has_room(room), for_s=ASK_ELSEWHERE_S)

    def _has_room(self, room: int) -> bool:
        return self._waiting < room or self._closed

    def _starves(self, threads: int) -> bool:
        return len(self._running) < threads and not any(
            lane.waiting and lane.unanswered < lane.slots for lane in self._lanes.values()
        )

    def wait_for_settlement(self, settlements: int, for_s: float) -> None:
        """Wait until results were settled more often than so, nothing waits, or nothing may begin any more."""
        with self._mutex:
            self._wait(lambda: self.settlements > settlements or self.idle or self._closed, for_s=for_s)

    def _wait(self, until: Callable[[], bool], for_s: float | None = None) -> None:
        self._until = until
        self._may_lease.wait_for(until, for_s)
        self._until = None

    def _notify_leasing(self) -> None:
        if self._until is not None and self._until():
            self._may_lease.notify()

    # --- what there is ---

    @property
    def idle(self) -> bool:
        """No task waits."""
        return self._waiting == 0

    def held(self) -> tuple[Token, ...]:
        with self._mutex:
            return tuple(self._held.values())

    def begun_before(self, moment: float) -> tuple[Task, ...]:
        """The running tasks that were begun before *moment*."""
        with self._mutex:
            return tuple(running.task for running in self._running.values() if running.begun < moment)

    def running(self) -> tuple[Task, ...]:
        with self._mutex:
            return tuple(running.task for running in self._running.values())
