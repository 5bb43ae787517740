"""The mailbox of a tab: a bounded queue of events for its thread, whatever the page does."""

from __future__ import annotations

import threading
from collections import deque

import msgspec

from crawler.render.devtools_messages import DevToolsEvent, DevToolsMessage, decoded

_DROPPABLE = (
    "Network.", "Runtime.", "Log.", "Console.", "Debugger.", "CSS.", "DOM.", "Fetch.", "Performance",
)  # fmt: skip
"""Domains whose events a page can cause by the hundred thousand, and which may be dropped: those of Fetch are failed.
Other events are kept up to twice the bound; a lost dialog would stop its page for good.
"""


class Mailbox:
    """Events in their order. One thread takes them; any thread may put them."""

    def __init__(self, max_bytes: int = 8 * 2**20) -> None:
        self._max_bytes = max_bytes
        self._events: deque[DevToolsMessage] = deque()
        self._size_bytes = 0
        self._lock = threading.Condition()
        self._closed: Exception | None = None
        self._is_woken = False
        self.dropped = 0
        """Events that did not fit."""
        self.refused = 0
        """Dropped events that were requests."""

    def put(self, event: DevToolsMessage) -> bool:
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
                event = self._events.popleft()
                self._size_bytes -= event.size_bytes
                try:
                    return DevToolsEvent(event.method, decoded(event.params), event.session)
                except (msgspec.MsgspecError, ValueError, RecursionError):  # more levels than anybody reads
                    self.dropped += 1

    @property
    def is_empty(self) -> bool:
        return not self._events

    def wake(self) -> None:
        """Make :meth:`get` return at once."""
        with self._lock:
            self._is_woken = True
            self._lock.notify()

    def drain(self) -> list[DevToolsMessage]:
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
