"""Back-off for hosts of page resources: those that have refused, or cannot be reached.

The queue does this for hosts of tasks; the resources of a rendered page are no tasks.
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
    """Which hosts the pages of a renderer leave alone, and until when. Thread-safe; *clock* is monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._hosts: OrderedDict[str, _Left] = OrderedDict()

    def leave(self, host: str, for_s: float, error: TaskError | None = None) -> None:
        """Leave *host* alone for that many seconds; *error* says that it cannot be reached."""
        until = self._clock() + for_s
        with self._mutex:
            known = self._hosts.pop(host, None)
            self._hosts[host] = known if known is not None and known.until > until else _Left(until, error)
            if len(self._hosts) > _MOST:
                self._hosts.popitem(last=False)

    def is_alone(self, host: str) -> bool:
        """Whether *host* is left alone. Raises the error if it could not be reached."""
        with self._mutex:
            left = self._hosts.get(host)
        if left is None or left.until <= self._clock():
            return False
        if left.error is not None:
            raise type(left.error)(left.error.detail, http_status=left.error.http_status)
        return True
