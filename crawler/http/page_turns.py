"""Turns of a page in the browser, which makes many requests at once, to several hosts.

The lease of the page's task is one slot of its own host, for one request at a time. All other requests, there and
elsewhere, are guests (see queues/politeness.py), under ids of their own: the queue knows a guest by a task's id, and
one page is several guests. The queue is asked right before each request, so that a host's delay and pauses hold.
"""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from crawler.http.turns import BACK_S, HOLD_CROWDED_S, HOLD_FIRST_S, HOLD_S, NotYet, Turn, TurnQueue
from crawler.models import ASK_AGAIN_S, Task
from crawler.urls import host_key

HOLD_PART_S = 20.0
"""Longest wait of a request for a part of a page, in all."""
HOLD_PAGE_S = 120.0
"""Longest wait of all requests of a page together; times when several wait count once. After that none waits."""
HOLD_END_S = 1.0
"""Longest delay of a task's end while a request still uses the slot of its lease.

What takes longer is mostly a server that has nothing to say yet (long polling).
"""
MOST_AT_ONCE = 6
"""Requests of one page at one host, as in browsers."""
_FIRST_GUEST = 2**62
_GUESTS_OF_A_TASK = 16
"""Ids of guests are far from those of tasks, and different for each task.

A task that comes back after its worker was lost has the same ones, so that slots left behind count as its own.
"""
_LOOK_S = 0.25
"""Seconds until a waiting request notices that its page is closed, at most."""
_LEASED = 0
"""The place at the own host that belongs to the lease; all others are guests'."""


@dataclass(slots=True)
class _Host:
    """The requests of a page at one host."""

    places: set[int] = field(default_factory=set)
    """Places that are taken, by one request each."""
    lines: dict[bool, deque[object]] = field(default_factory=lambda: {True: deque(), False: deque()})
    """Requests that wait to ask the queue for a turn, one after the other: a line of guests, and one of others."""


class PageTurns:
    """The turns of one page, whose task is *task*; *stop* ends waits. Thread-safe."""

    def __init__(
        self,
        queue: TurnQueue,
        task: Task,
        *,
        stop: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
        delay_s: float = 0.0,
    ) -> None:
        self.delay_s = delay_s
        """Seconds between two requests to any host."""
        self._queue = queue
        self._task = task
        self._stop = stop or threading.Event()
        self._clock = clock
        self.own_host = host_key(task.url)
        """The host of the page's task, wherever redirects have led."""
        self._changed = threading.Condition()
        self._hosts: defaultdict[str, _Host] = defaultdict(_Host)
        self._closed = False
        self._is_away = False
        """Whether the slot of the lease was given back, because the page had to wait for one elsewhere."""
        self.has_asked = False
        """Whether a request was sent: it would have to be repeated if the page went back now."""
        self._waiting = 0
        self._waiting_since = self._waited_s = 0.0

    def request(self, *, is_main: bool = False) -> closing[PageTurn]:
        """The turn of one request, called with its URL right before that is sent, and closed in the end.

        *is_main*: the request is for the page itself, which is worth a longer wait.
        """
        return closing(PageTurn(self, is_main=is_main))

    @property
    def waited_s(self) -> float:
        """Seconds that requests have waited for their turns so far; times when several wait count once."""
        with self._changed:
            running_s = self._clock() - self._waiting_since if self._waiting else 0.0
            return self._waited_s + running_s

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time of this block as waiting."""
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
        """End the page: requests that still wait give up; requests under way end, and then give back their slots.

        Waits for one that uses the slot of the lease, for HOLD_END_S at most.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: _LEASED not in self._hosts[self.own_host].places, HOLD_END_S)

    @property
    def is_over(self) -> bool:
        return self._closed or self._stop.is_set()

    def patience_s(self, *, is_main: bool) -> float:
        """Seconds that a request may wait in all."""
        if is_main:
            return HOLD_S if self.has_asked else HOLD_FIRST_S
        return HOLD_PART_S if self.waited_s <= HOLD_PAGE_S else 0.0

    def take_place(self, host: str, url: str) -> int:
        """Take a place at *host* as soon as one is free. That is not counted as waiting: other requests are under way.

        Raises NotYet when the page is over.
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
        """Give back the slot of the own host, once the page has to wait for one elsewhere.

        Pages of two hosts that need each other would wait for each other.
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
        """Exclude other requests of this page that want a turn at *host*. Raises NotYet after *until*."""
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
    """The Turn of one request of a page, and of the files that it needs before (robots.txt)."""

    def __init__(self, page: PageTurns, *, is_main: bool) -> None:
        super().__init__(page._queue, page._task, page._stop, page._clock, page.delay_s)  # noqa: SLF001
        self._page = page
        self._is_main = is_main
        self._place: tuple[str, int] | None = None
        self._was_asked = False

    def __call__(self, url: str, *, is_file: bool = False) -> None:
        host = host_key(url)
        if is_file:  # as in Turn
            self._wait_for_turn(url, host, None)
            return
        if self._place is None or self._place[0] != host:
            self.close()
            self._place = (host, self._page.take_place(host, url))
        self._wait_for_turn(url, host, self._place[1])
        self._page.has_asked = True

    def wait(self, for_s: float) -> None:
        """Wait *for_s* seconds, or until the page is over. Raises NotYet in place of a wait that is too long."""
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
                self._was_asked = self._was_asked or is_guest
                wait_s = self._ask(host, task, is_guest)
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
        """Give back the place, and the guest's slot, of the request."""
        if self._place is not None:
            (host, place), self._place = self._place, None
            was_asked, self._was_asked = self._was_asked, False
            self._page.leave_place(host, place, was_asked=was_asked)
