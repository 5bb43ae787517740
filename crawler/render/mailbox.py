"""The mailbox of a tab: a bounded queue of events for its thread, whatever the page does."""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from typing import Any

import msgspec

_OVERHEAD_BYTES = 200
"""Memory of one waiting event beside its text."""


class DevToolsEvent(msgspec.Struct, frozen=True):
    """An event of the DevTools protocol."""

    method: str
    params: dict[str, Any]
    session: str


class Raw(msgspec.Struct, frozen=True):
    """An event that is not decoded yet."""

    method: str
    params: msgspec.Raw
    session: str

    @property
    def size_bytes(self) -> int:
        return len(memoryview(self.params)) + _OVERHEAD_BYTES


_DROPPABLE = (
    "Network.",
    "Runtime.",
    "Log.",
    "Console.",
    "Debugger.",
    "CSS.",
    "DOM.",
    "Fetch.",
    "Performance",
)
"""Domains whose events a page can cause by the hundred thousand, and which may be dropped: those of Fetch are failed.
Other events are kept up to twice the bound; a lost dialog would stop its page for good.
"""


class Mailbox:
    """Events in their order. One thread takes them; any thread may put them."""

    def __init__(self, max_bytes: int = 8 * 2**20) -> None:
        self._max_bytes = max_bytes
        self._events: deque[Raw] = deque()
        self._size_bytes = 0
        self._lock = threading.Condition()
        self._closed: Exception | None = None
        self._is_woken = False
        self.dropped = 0
        """Events that did not fit."""
        self.refused = 0
        """Dropped events that were requests."""

    def put(self, event: Raw) -> bool:
        """Add an event. False if there is no room left for its kind."""
        bound = self._max_bytes * (1 if event.method.startswith(_DROPPABLE) else 2)
        with self._lock:
            if self._closed or self._size_bytes + event.size_bytes > bound:
                self.dropped += 1
                self.refused += event.method == "Fetch.requestPaused"
                return False
            self._events.append(event)
            self._size_bytes += event.size_bytes
            self._lock.notify()
            return True

    def get(self, timeout_s: float) -> DevToolsEvent | None:
        """The next event; None without one in time, or after :meth:`wake`.

        Raises BrowserGone once the mailbox is closed and empty.
        """
        with self._lock:
            while True:
                is_there = self._lock.wait_for(
                    lambda: self._events or self._closed or self._is_woken, max(timeout_s, 0.0)
                )
                self._is_woken = False
                if not self._events:
                    if is_there and self._closed:
                        raise self._closed
                    return None
                raw = self._events.popleft()
                self._size_bytes -= raw.size_bytes
                try:
                    return DevToolsEvent(raw.method, decoded(raw.params), raw.session)
                except (msgspec.MsgspecError, ValueError, RecursionError):  # more levels than anybody reads
                    self.dropped += 1

    def wake(self) -> None:
        """Make :meth:`get` return at once."""
        with self._lock:
            self._is_woken = True
            self._lock.notify()

    def drain(self) -> list[Raw]:
        """Remove and return all waiting events."""
        with self._lock:
            events = list(self._events)
            self._events.clear()
            self._size_bytes = 0
            return events

    def close(self, reason: Exception) -> None:
        """Take no more events. Once the rest is read, :meth:`get` raises BrowserGone with *reason*."""
        with self._lock:
            self._closed = self._closed or reason
            self._lock.notify_all()


def decoded(data: msgspec.Raw) -> Any:
    """The JSON that *data* is. Raises msgspec.DecodeError, ValueError or RecursionError."""
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return msgspec.json.decode(repaired(bytes(data)))


_HALVES = re.compile("[\ud800-\udfff]")


def repaired(data: bytes) -> bytes:
    """*data*, JSON, with lone surrogates replaced: pages have them in strings, and Chromium passes them on.

    Python's own parser takes them, and is fast: a document may have millions of them. Raises ValueError or
    RecursionError for what is no JSON.
    """
    try:
        said = json.loads(data.decode("utf-8", "replace"))
    except ValueError as exc:
        raise msgspec.DecodeError(str(exc)) from exc
    return msgspec.json.encode(_whole(said))


def _whole(value: Any) -> Any:
    match value:
        case str():
            return _HALVES.sub("\ufffd", value)
        case list():
            return [_whole(one) for one in value]
        case dict():
            return {_whole(name): _whole(one) for name, one in value.items()}
    return value
