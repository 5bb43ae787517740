"""The long poll of hundreds of workers: which one is woken when tasks become due, so that not all of them are.

When a host becomes due, one worker is woken. It wakes the next one if more is left than it takes, or if it can take
nothing, as its part of that host is used up. No worker is woken twice for the same news. One of the waiting workers
also watches the clock for all of them.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class _Waiter:
    kind: Hashable
    woken: threading.Condition
    asked: int = 0
    """The number of the latest news that it was woken for."""
    alarm: float = math.inf
    """When the worker that watches the clock wakes up; infinite for the others."""


@dataclass(slots=True)
class _Row:
    """The workers that wait for tasks of one kind, the one that has waited longest first."""

    waiters: dict[_Waiter, None] = field(default_factory=dict)
    news: int = 0


class LongPoll:
    """All methods are called with *mutex* held; ``wait`` releases it meanwhile.

    Invariant: while any worker waits, one of them watches the clock, or has been woken to take over.
    """

    def __init__(self, mutex: threading.RLock) -> None:
        self._mutex = mutex
        self._rows: dict[Hashable, _Row] = defaultdict(_Row)
        self._of_worker: dict[str, dict[_Waiter, None]] = defaultdict(dict)
        self._on_watch: _Waiter | None = None

    def wait(
        self, worker: str, kind: Hashable, *, now: float, until: float, alarm: float, more: bool
    ) -> None:
        """Wait until *worker* is woken, at most until *until*; or until *alarm*, if no other worker watches the clock.

        *more*: this worker could not take all that is due.
        """
        me = _Waiter(kind, threading.Condition(self._mutex), self._rows[kind].news)
        self._rows[kind].waiters[me] = None
        self._of_worker[worker][me] = None
        watching = self._on_watch is None
        if watching:
            self._on_watch, me.alarm = me, alarm
        if more:
            self.pass_on(kind)
        try:
            me.woken.wait(max(0.001, min(until, me.alarm) - now))
        finally:
            del self._rows[kind].waiters[me]
            self._of_worker[worker].pop(me)
            if not self._of_worker[worker]:
                del self._of_worker[worker]
            if watching:
                self._on_watch = None

    def expect(self, moment: float | None) -> None:
        """Something will be due at *moment*: wake the worker that watches the clock if it would sleep longer."""
        if moment is not None and self._on_watch is not None and moment < self._on_watch.alarm:
            self._wake(self._on_watch)

    def tell(self, kind: Hashable) -> None:
        """There is news for workers of *kind*: wake one."""
        self._rows[kind].news += 1
        self.pass_on(kind)

    def pass_on(self, kind: Hashable) -> None:
        """Wake the next worker that has not been woken for the latest news."""
        row = self._rows[kind]
        first = next(iter(row.waiters), None)
        if first is not None and first.asked < row.news:
            self._wake(first)

    def leave(self, kind: Hashable, *, more: bool) -> None:
        """A worker stops waiting: wake one that watches the clock in its place, and one for what is left."""
        if more:
            self.pass_on(kind)
        if self._on_watch is None:
            for row in self._rows.values():
                if row.waiters:
                    self._wake(next(iter(row.waiters)))
                    return

    def wake(self, worker: str) -> None:
        """Wake all calls of one worker."""
        for waiter in tuple(self._of_worker.get(worker, ())):
            self._wake(waiter)

    def wake_all(self) -> None:
        for row in self._rows.values():
            for waiter in tuple(row.waiters):
                self._wake(waiter)

    def _wake(self, waiter: _Waiter) -> None:
        # to the end of its row at once: whoever is woken next is another one
        row = self._rows[waiter.kind]
        waiter.asked = row.news
        row.waiters[waiter] = row.waiters.pop(waiter)
        waiter.woken.notify()
