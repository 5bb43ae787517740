"""Writes to a pipe in a thread of its own, so that the thread that reads never waits for a write."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable

from crawler.text.plain_errors import plain

_MAX_UNSENT_BYTES = 64 * 2**20
"""Senders wait beyond this: an answer of 20 MB is 27 MB in base64."""
_STUCK_S = 15.0
"""Seconds without progress after which Chromium is stuck: it reads its pipe in a thread of its own."""
_WRITE_BYTES = 2**20


class Outbox:
    """The writer of *descriptor*, which it owns from now on. *on_stuck* is told why nothing more can be written."""

    def __init__(
        self, descriptor: int, on_stuck: Callable[[str], None], *, stuck_s: float = _STUCK_S
    ) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._on_stuck = on_stuck
        self._stuck_s = stuck_s
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._is_closed = False
        threading.Thread(target=self._write, name="devtools-writer", daemon=True).start()

    def put(self, data: bytes, *, is_patient: bool) -> None:
        """Queue *data* for writing. A *patient* caller waits while too much is queued. Raises BrokenPipeError."""
        with self._changed:
            if is_patient:
                self._changed.wait_for(lambda: self._is_closed or self._unsent_bytes < _MAX_UNSENT_BYTES)
            if self._is_closed:
                raise BrokenPipeError
            self._waiting.append(data)
            self._unsent_bytes += len(data)
            self._changed.notify_all()
            is_too_much = self._unsent_bytes > 4 * _MAX_UNSENT_BYTES
        if is_too_much:
            self._on_stuck("it does not read what it is told")

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _write(self) -> None:
        why = ""
        try:
            while data := self._next():
                if not self._written(data):
                    why = "it does not read what it is told"
                    break
        except OSError as exc:
            why = f"its pipe broke: {plain(exc)}"
        finally:
            os.close(self._descriptor)
        if why:
            self._on_stuck(why)

    def _next(self) -> bytes:
        """The next data to write: all small pieces together, or one large one; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._waiting)
            parts: list[bytes] = []
            size_bytes = 0
            while self._waiting and size_bytes < _WRITE_BYTES:
                parts.append(self._waiting.popleft())
                size_bytes += len(parts[-1])
            return b"".join(parts)

    def _written(self, data: bytes) -> bool:
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLOUT)
        left = memoryview(data)
        while left and not self._is_closed:
            if not waiting.poll(self._stuck_s * 1000):
                return False
            count = os.write(self._descriptor, left[:_WRITE_BYTES])
            left = left[count:]
            with self._changed:
                self._unsent_bytes -= count
                self._changed.notify_all()
        return True
