"""Workers that wait for work, hundreds of them: who is woken when there is some, so that not all are.

When a host comes to have something to give, one worker is woken. If there is more than that one takes, or it can take
none (its part of that host is used up), it wakes the next on its way; nobody is asked twice about the same news. And
one of all who wait keeps an eye on the clock for the others.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class _Waiter:
    worker: str
    kind: Hashable
    woken: threading.Condition
    asked: int = 0
    """The latest news that it has looked at."""
    alarm: float = math.inf
    """When it looks at the clock, if it is on the watch."""


@dataclass(slots=True)
class _Row:
    """Who waits for tasks of one kind, the one who has waited longest first."""

    waiters: dict[_Waiter, None] = field(default_factory=dict)
    news: int = 0


class LongPoll:
    """All methods are to be called with *mutex* held; ``wait`` lets go of it meanwhile."""

    def __init__(self, mutex: threading.RLock) -> None:
        self._mutex = mutex
        self._rows: dict[Hashable, _Row] = defaultdict(_Row)
        self._of_worker: dict[str, dict[_Waiter, None]] = defaultdict(dict)
        self._on_watch: _Waiter | None = None

    def wait(
        self, worker: str, kind: Hashable, *, now: float, until: float, alarm: float, more: bool
    ) -> None:
        """Until *worker* is woken, or the moment *until* has come; or *alarm*, if nobody else is on the watch.

        With *more* there is something for another worker that this one could not take.
        """
        me = _Waiter(worker, kind, threading.Condition(self._mutex), self._rows[kind].news)
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
        """Something will be due then, which the one on the watch may not know of yet."""
        if moment is not None and self._on_watch is not None and moment < self._on_watch.alarm:
            self._wake(self._on_watch)

    def tell(self, kind: Hashable) -> None:
        """There is something new for workers of *kind*."""
        self._rows[kind].news += 1
        self.pass_on(kind)

    def pass_on(self, kind: Hashable) -> None:
        """There is more of what is new: wake the next who has not been asked about it."""
        row = self._rows[kind]
        first = next(iter(row.waiters), None)
        if first is not None and first.asked < row.news:
            self._wake(first)

    def leave(self, kind: Hashable, *, more: bool) -> None:
        """One who waited has got something; the others may have to go on with the watch, or with what is left."""
        if more:
            self.pass_on(kind)
        if self._on_watch is None:
            for row in self._rows.values():
                if row.waiters:
                    self._wake(next(iter(row.waiters)))
                    return

    def wake(self, worker: str) -> None:
        """Something is new for this worker."""
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
