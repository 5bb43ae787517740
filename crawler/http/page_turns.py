"""When the requests of a page in the browser may be sent: it makes many at once, to several hosts, each in its turn.

The page's task has one slot of its own host by its lease, which one request at a time may use. All others, there and
elsewhere, are guests (see queues/pacing.py), under ids of their own: a guest is known by its task's id, and one page
is several. Whoever it is, the queue is asked right before each request, so that the time between two requests to a
host holds, and a pause.
"""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from crawler.http.turns import BACK_S, FILES, HOLD_CROWDED_S, HOLD_FIRST_S, HOLD_S, NotYet, Turn, TurnQueue
from crawler.models import ASK_AGAIN_S, Task
from crawler.urls import host_key

HOLD_PART_S = 20.0
"""So long a request for a part of a page waits, in all."""
HOLD_PAGE_S = 120.0
"""… and so long all of a page's requests together, whether one waits or many: after that none waits any more."""
HOLD_END_S = 1.0
"""So long a task is not settled whose page is over while a request still uses the slot that goes with its lease. What
takes longer is mostly a server that has nothing to say yet (long polling).
"""
MOST_AT_ONCE = 6
"""Requests of one page at one host, as browsers have it."""
_FIRST_GUEST = 2**62
_GUESTS_OF_A_TASK = 16
"""Ids of guests: far from those of tasks, and others for each task. A task that comes back after its worker was lost
has the same ones, so that what was left behind counts for it.
"""
_LOOK_S = 0.25
"""How long it takes at most to notice that a page is closed while something waits."""
_LEASED = 0
"""The place at the own host that the task has by its lease; all others are guests."""


@dataclass(slots=True)
class _Host:
    """What a page does at one host."""

    places: set[int] = field(default_factory=set)
    """Taken ones."""
    lines: dict[bool, deque[object]] = field(default_factory=lambda: {True: deque(), False: deque()})
    """Who wants to ask the queue for a turn, one after the other; guests and others each in a line of theirs."""


class PageTurns:
    """Those of one page, whose task is *task*; *stop* cuts waits short. Safe to be used by several threads."""

    def __init__(
        self,
        queue: TurnQueue,
        task: Task,
        *,
        stop: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._task = task
        self._stop = stop or threading.Event()
        self._clock = clock
        self.own_host = host_key(task.url)
        """Of the page's task, wherever redirects have led."""
        self._changed = threading.Condition()
        self._hosts: defaultdict[str, _Host] = defaultdict(_Host)
        self._closed = False
        self._is_away = False
        """The slot that it has by its lease is for others: it had to wait for one elsewhere."""
        self._has_asked = False
        self._waiting = 0
        self._waiting_since = self._waited_s = 0.0

    @contextmanager
    def request(self, *, is_main: bool = False) -> Iterator[PageTurn]:
        """The turn of one request, to be called with its URL right before that is sent; over in the end, whatever
        happens. *is_main*: it is for the page itself, which is worth a longer wait.
        """
        turn = PageTurn(self, is_main=is_main)
        try:
            yield turn
        finally:
            turn.close()

    @property
    def waited_s(self) -> float:
        """For how long something has waited for its turn so far; what waits at the same time counts once."""
        with self._changed:
            running_s = self._clock() - self._waiting_since if self._waiting else 0.0
            return self._waited_s + running_s

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """What goes on within is waiting, and counts as such."""
        with self._changed:
            if not self._waiting:
                self._waiting_since = self._clock()
            self._waiting += 1
        try:
            yield
        finally:
            with self._changed:
                self._waiting -= 1
                if not self._waiting:
                    self._waited_s += self._clock() - self._waiting_since

    def close(self) -> None:
        """The page is over: what still waits gives up. What is under way ends by itself, and then gives back its slot;
        what uses that of the lease is waited for, for HOLD_END_S at most.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: _LEASED not in self._hosts[self.own_host].places, HOLD_END_S)

    @property
    def is_over(self) -> bool:
        return self._closed or self._stop.is_set()

    def patience_s(self, *, is_main: bool) -> float:
        """How long a request may wait in all."""
        if is_main:
            return HOLD_S if self._has_asked else HOLD_FIRST_S
        return HOLD_PART_S if self.waited_s <= HOLD_PAGE_S else 0.0

    def has_asked(self) -> None:
        """Something was asked for: if the page goes back now, that will have to be asked for again."""
        self._has_asked = True

    def take_place(self, host: str, url: str) -> int:
        """One of those that the page has at *host*, as soon as one is free. That is no waiting: others of the page are
        under way meanwhile. Raises NotYet when the page is over.
        """
        with self._changed:
            while not self.is_over:
                taken = self._hosts[host].places
                has_lease = host == self.own_host and not self._is_away
                for place in range(_LEASED if has_lease else 1, MOST_AT_ONCE + (not has_lease)):
                    if place not in taken:
                        taken.add(place)
                        return place
                self._changed.wait(_LOOK_S)
        raise NotYet(url, 1.0)

    def leave_place(self, host: str, place: int, *, was_asked: bool) -> None:
        with self._changed:
            self._hosts[host].places.discard(place)
            self._changed.notify_all()
            left_by_now = place == _LEASED and self._is_away
        if place != _LEASED and was_asked:
            self._queue.turn_over(task=self.guest(place), host=host)
        elif left_by_now:
            self._queue.turn_over(task=self._task.id, host=host)

    def go_away(self) -> None:
        """Leave the slot of the own host to others, once the page has to wait for one elsewhere: pages of two hosts
        that need each other would hold up each other.
        """
        with self._changed:
            if self._is_away:
                return
            self._is_away = True
            in_use = _LEASED in self._hosts[self.own_host].places
        if not in_use:
            self._queue.turn_over(task=self._task.id, host=self.own_host)

    def guest(self, place: int) -> int:
        return _FIRST_GUEST + self._task.id * _GUESTS_OF_A_TASK % _FIRST_GUEST + place

    @contextmanager
    def in_line(self, host: str, url: str, *, is_guest: bool, until: float) -> Iterator[None]:
        """Alone among those of this page that want a turn at *host*. Raises NotYet after *until*."""
        me = object()
        with self._changed:
            line = self._hosts[host].lines[is_guest]
            line.append(me)
        try:
            with self._changed:
                while line[0] is not me:
                    if self.is_over or self._clock() > until:
                        raise NotYet(url, 1.0)
                    self._changed.wait(_LOOK_S)
            yield
        finally:
            with self._changed:
                line.remove(me)
                self._changed.notify_all()


class PageTurn(Turn):
    """Of one request of a page, with what it needs before (robots.txt): the same promises as those of a Turn."""

    def __init__(self, page: PageTurns, *, is_main: bool) -> None:
        super().__init__(page._queue, page._task, page._stop, page._clock)  # noqa: SLF001 - of the same page
        self._page = page
        self._is_main = is_main
        self._place: tuple[str, int] | None = None
        self._was_asked = False

    def __call__(self, url: str) -> None:
        host = host_key(url)
        if url.endswith(FILES):
            # as in Turn: for all who want something of the host, so it waits for no slot that they have
            self._wait_for_turn(url, host, None)
            return
        if self._place is None or self._place[0] != host:
            self.close()
            self._place = (host, self._page.take_place(host, url))
        self._wait_for_turn(url, host, self._place[1])
        self._page.has_asked()

    def wait(self, for_s: float) -> None:
        """For so many seconds, or until the page is over. Raises NotYet in place of a wait that is too long."""
        page, started = self._page, self._clock()
        if self.waited_s + for_s > (HOLD_S if self._is_main else HOLD_PART_S) or page.is_over:
            raise NotYet(self._task.url, for_s)
        with page.waiting():
            while (left_s := started + for_s - self._clock()) > 0 and not page.is_over:
                self._stop.wait(min(left_s, _LOOK_S))
        self.waited_s += self._clock() - started

    def _wait_for_turn(self, url: str, host: str, place: int | None) -> None:
        page, is_guest = self._page, place not in (None, _LEASED)
        task = page.guest(place) if place else self._task.id
        patience_s = page.patience_s(is_main=self._is_main)
        started = self._clock()
        with (
            page.waiting(),
            page.in_line(host, url, is_guest=is_guest, until=started + patience_s - self.waited_s),
        ):
            self.waited_s += self._clock() - started
            while True:
                self._allowed_at[host] = self._clock()
                self._was_asked = self._was_asked or is_guest
                wait_s = self._queue.turn(task=task, host=host, is_guest=is_guest)
                if not wait_s:
                    return
                if is_guest and wait_s <= ASK_AGAIN_S:
                    self._crowded_s += wait_s
                    if host != page.own_host:
                        page.go_away()
                    if self._crowded_s > HOLD_CROWDED_S:
                        raise NotYet(url, random.uniform(*BACK_S))  # noqa: S311 - no secret
                if self.waited_s + wait_s > patience_s or page.is_over:
                    raise NotYet(url, wait_s)
                self.wait(wait_s)

    def close(self) -> None:
        """The request is over: what it held is for others."""
        if self._place is not None:
            (host, place), self._place = self._place, None
            was_asked, self._was_asked = self._was_asked, False
            self._page.leave_place(host, place, was_asked=was_asked)
