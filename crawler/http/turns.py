"""Turns: a worker asks the queue right before each request, for only the queue sees all workers.

A lease is the right to send the task's own host one request at a time. That is enough where no time has to pass between
two requests. Everything else needs a turn: each request to a host with a delay (the first one, a retry, a redirect,
robots.txt), and each to a host that a redirect leads to, where it takes one of the host's slots.

A worker waits for a turn that comes soon, and keeps its lease; for a later one the task goes back to the queue.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from crawler.logs.events import WAITING, tell
from crawler.models import ASK_AGAIN_S, Task
from crawler.urls import host_key

log = logging.getLogger(__name__)

HOLD_FIRST_S = 5.0
"""Longest wait of a task before its first request: it loses nothing by going back."""
HOLD_S = 60.0
"""Longest wait of a task after its first request, which would have to be repeated."""
HOLD_CROWDED_S = 20.0
"""Longest wait of a guest for a slot of a host that has none free."""
BACK_S = (1.0, 5.0)
"""Such a guest then goes back for a random time between these: not all at once."""
_LATE_S = 0.01
"""After so long a request the queue is told when it was sent: else the next one might be sent too soon."""
_TURNS_MISSED = 3
"""So many turns in a row that came too late: the queue takes longer to answer than the delay."""


class NotYet(Exception):
    """The turn of *url* comes in *wait_s* seconds at the earliest; nothing was sent to it."""

    def __init__(self, url: str, wait_s: float) -> None:
        super().__init__(f"{url} has to wait for {wait_s:.1f} s")
        self.url = url
        self.wait_s = wait_s


class TurnQueue(Protocol):
    """The part of a TaskQueue that gives turns."""

    def turn(self, *, task: int, host: str, is_guest: bool = False) -> float: ...

    def turn_taken(self, *, host: str, ago_s: float) -> None: ...

    def turn_over(self, *, task: int, host: str) -> None: ...


@dataclass(frozen=True)
class Turns:
    """The turns of a worker, given by *queue*; *stop* ends waits."""

    queue: TurnQueue
    stop: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.monotonic
    delay_s: float = 0.0
    """Seconds between two requests to any host."""

    def of(self, task: Task) -> Turn:
        return Turn(self.queue, task, self.stop, self.clock, self.delay_s)


class Turn:
    """The turns of one task: called with each URL right before it is requested, and closed in the end.

    A call returns when it is the URL's turn. Raises NotYet, and what the queue raises.
    """

    def __init__(
        self,
        queue: TurnQueue,
        task: Task,
        stop: threading.Event,
        clock: Callable[[], float],
        delay_s: float = 0.0,
    ) -> None:
        self._queue = queue
        self._task = task
        self._stop = stop
        self._clock = clock
        self._delay_s = delay_s
        self._own = host_key(task.url)
        self._heard_s = {self._own: task.host_delay_s}
        """What is known of hosts: seconds between two requests."""
        self._asked = False
        self._guest_at = ""
        self._is_away = False
        """Whether a redirect led to another host: the slot at the own host was given back."""
        self._allowed_at: dict[str, float] = {}
        self._asked_as: dict[str, tuple[int, bool]] = {}
        """The task and whether it was a guest, with which a host's turn was asked for."""
        self.waited_s = 0.0
        self._crowded_s = 0.0

    def __call__(self, url: str, *, is_file: bool = False) -> None:
        """*is_file*: *url* is a file in which its host speaks of itself, see host_files.py.

        All other workers wait for the one that requests it: it needs no slot, which they may hold. That is for the
        caller to say, not for the URL: ``/a?u=/robots.txt`` can be a picture, and a redirect to another host's
        robots.txt is one of many.
        """
        host = host_key(url)
        is_free = not self._task.host_delay_s and not self._is_away
        if host == self._own and is_free and not is_file:
            self._asked = True
            self._allowed_at.pop(host, None)
            return
        is_guest = (host != self._own or self._is_away) and not is_file
        if is_guest:
            self._leave(host)
        while True:
            if not (wait_s := self._ask(host, self._task.id, is_guest=is_guest)):
                break
            if self.waited_s + wait_s > (HOLD_S if self._asked else HOLD_FIRST_S) or self._stop.is_set():
                raise NotYet(url, wait_s)
            if is_guest and wait_s <= ASK_AGAIN_S:
                self._crowded_s += wait_s
                if self._crowded_s > HOLD_CROWDED_S:
                    raise NotYet(url, random.uniform(*BACK_S))  # noqa: S311 - no secret
            tell(log, WAITING, url=url, wait_s=wait_s)
            self.wait(wait_s)
        self._asked = True
        if is_guest:
            self._guest_at = host

    def heed(self, host: str, delay_s: float) -> None:
        """*host* asks for *delay_s* seconds between two requests."""
        self._heard_s[host] = max(delay_s, self._heard_s.get(host, 0.0))

    def sending(self, url: str) -> None:
        """Return when *url*, whose connection stands, may be sent at last.

        A new connection, with TLS, takes three ways to the server and back, and a busy machine takes its time. The
        queue is told of a request that is late: told with the answer alone, the next one would arrive too soon. One
        that is later than the delay has lost its turn, for the next one may have been allowed. It waits for another:
        gaps of 1 ms of 300 were seen under load. Raises NotYet, and what the queue raises.
        """
        host = host_key(url)
        if host not in self._allowed_at or self._clock() - self._allowed_at[host] <= _LATE_S:
            return
        delay_s = max(self._delay_s, self._heard_s.get(host, 0.0))
        for _ in range(_TURNS_MISSED):
            if self._is_told(host, delay_s):
                return
            while wait_s := self._ask(host, *self._asked_as[host]):
                if wait_s > HOLD_FIRST_S or self.waited_s + wait_s > HOLD_S or self._stop.is_set():
                    raise NotYet(url, wait_s)
                tell(log, WAITING, url=url, wait_s=wait_s)
                self.wait(wait_s)
            if self._clock() - self._allowed_at[host] <= _LATE_S:
                return
        if not self._is_told(host, delay_s):
            raise NotYet(url, max(delay_s, HOLD_FIRST_S))

    def _ask(self, host: str, task: int, is_guest: bool) -> float:  # noqa: FBT001 - kept as a pair
        """Seconds until it is the turn of *host*; 0 if it is."""
        self._asked_as[host] = task, is_guest
        self._allowed_at[host] = self._clock()
        return self._queue.turn(task=task, host=host, is_guest=is_guest)

    def _is_told(self, host: str, delay_s: float) -> bool:
        """Whether the queue was told of a late sending before it could allow the next one, *delay_s* after this."""
        allowed_at, now = self._allowed_at[host], self._clock()
        if delay_s and now - allowed_at >= delay_s:
            return False
        self._queue.turn_taken(host=host, ago_s=0.0)
        if delay_s and self._clock() - allowed_at >= delay_s:
            return False
        self._allowed_at[host] = now
        return True

    def sent(self, url: str, at: float) -> None:
        """Tell the queue that *url* was requested at time *at* of the clock, and is answered."""
        host, now = host_key(url), self._clock()
        allowed_at = self._allowed_at.pop(host, None)
        if allowed_at is not None and now - allowed_at > _LATE_S:
            self._queue.turn_taken(host=host, ago_s=max(0.0, now - at))

    def wait(self, for_s: float) -> None:
        """Wait *for_s* seconds, or until the worker is to stop."""
        started = self._clock()
        self._stop.wait(for_s)
        self.waited_s += self._clock() - started

    def _leave(self, host: str) -> None:
        """Give back the slot elsewhere, before waiting for one of *host*.

        Guests of two hosts that redirect to each other would wait for each other for ever.
        """
        if not self._is_away:
            self._is_away = True
            self._queue.turn_over(task=self._task.id, host=self._own)
        if self._guest_at not in ("", host):
            self.close()

    def close(self) -> None:
        """Give back the slot at another host."""
        if self._guest_at:
            self._queue.turn_over(task=self._task.id, host=self._guest_at)
            self._guest_at = ""
