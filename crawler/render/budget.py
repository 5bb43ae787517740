"""How much one page may ask for in the browser; what is over is counted, by what cut it."""

from __future__ import annotations

import threading
from collections import Counter

_TRIES_PER_REQUEST = 4
"""A page may try so many times what it may ask for: what is refused costs work as well, a robots.txt to begin with."""


class PageBudget:
    """Of one page: so many *requests*, and so many *received_bytes*. Safe to be used by several threads."""

    def __init__(self, *, requests: int, received_bytes: int) -> None:
        self._most = requests
        self._most_bytes = received_bytes
        self._mutex = threading.Lock()
        self._tries = 0
        self._under_way = 0
        self._left_out: Counter[str] = Counter()
        self.requests = 0
        """That were answered."""
        self.received_bytes = 0

    @property
    def left_out(self) -> dict[str, int]:
        """What the page did not get, by a slug of LEFT_OUT."""
        with self._mutex:
            return dict(self._left_out)

    def leave_out(self, slug: str) -> None:
        with self._mutex:
            self._left_out[slug] += 1

    def begin(self, *, anyway: bool = False) -> str:
        """A request begins, if it may, or *anyway*: else the slug of what forbids it. Each that begins has to end."""
        with self._mutex:
            if anyway:
                self._under_way += 1
                return ""
            if (
                self._under_way + self.requests >= self._most
                or self._tries >= self._most * _TRIES_PER_REQUEST
            ):
                return "render-requests"
            if self.received_bytes >= self._most_bytes:
                return "render-bytes"
            self._tries += 1
            self._under_way += 1
            return ""

    @property
    def room_bytes(self) -> int:
        """What one more answer may have."""
        return max(0, self._most_bytes - self.received_bytes)

    def end(self, *, size_bytes: int | None) -> bool:
        """A request has ended, with an answer of that size; None: without one, or it was an image. Returns whether the
        answer may be used: others may have taken what was left.
        """
        with self._mutex:
            self._under_way -= 1
            if size_bytes is None:
                return True
            if self.received_bytes + size_bytes > self._most_bytes:
                return False
            self.requests += 1
            self.received_bytes += size_bytes
            return True
