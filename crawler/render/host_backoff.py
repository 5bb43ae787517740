"""Hosts that pages are not to ask for parts for the time being: they have refused, or there is no way to them.

For their own tasks the queue sees to that; but what a page asks of another host no task stands for.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from crawler.errors import TaskError

_MOST = 1000


@dataclass(frozen=True, slots=True)
class _Left:
    until: float
    error: TaskError | None


class HostBackoff:
    """What all pages of a renderer know of hosts. Safe to be used by several threads; *clock* is monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._hosts: OrderedDict[str, _Left] = OrderedDict()

    def leave(self, host: str, for_s: float, error: TaskError | None = None) -> None:
        """Ask *host* for nothing for so many seconds; with *error* because there is no way to it."""
        until = self._clock() + for_s
        with self._mutex:
            known = self._hosts.pop(host, None)
            self._hosts[host] = known if known is not None and known.until > until else _Left(until, error)
            if len(self._hosts) > _MOST:
                self._hosts.popitem(last=False)

    def is_alone(self, host: str) -> bool:
        """Whether it is to be left alone. Raises the error that there is no way to it, if that is why."""
        with self._mutex:
            left = self._hosts.get(host)
        if left is None or left.until <= self._clock():
            return False
        if left.error is not None:
            raise type(left.error)(left.error.detail, http_status=left.error.http_status)
        return True
