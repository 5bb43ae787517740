"""The budget of one rendered page: requests and bytes. What is over it is counted, by what cut it."""

from __future__ import annotations

import threading
from collections import Counter

_TRIES_PER_REQUEST = 4
"""A page may try this many times its number of requests: refused ones cost work as well, a robots.txt to begin with."""


class PageBudget:
    """The budget of one page: *requests* and *received_bytes*. Thread-safe."""

    def __init__(self, *, requests: int, received_bytes: int) -> None:
        self._most = requests
        self._most_bytes = received_bytes
        self._mutex = threading.Lock()
        self._tries = 0
        self._under_way = 0
        self._left_out: Counter[str] = Counter()
        self.requests = 0
        """Requests that were answered, from the network or the cache, without images."""
        self.received_bytes = 0
        """Bytes of all their answers."""

    @property
    def left_out(self) -> dict[str, int]:
        """What the page did not get, by a slug of LEFT_OUT."""
        with self._mutex:
            return dict(self._left_out)

    def leave_out(self, slug: str) -> None:
        with self._mutex:
            self._left_out[slug] += 1

    def begin(self, *, anyway: bool = False) -> str:
        """Begin a request if the budget allows it, or *anyway*; else return the slug of what forbids it.

        Each request that begins has to end.
        """
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
        """Bytes that one more answer may have."""
        return max(0, self._most_bytes - self.received_bytes)

    def end(self, *, size_bytes: int | None) -> bool:
        """End a request, with the size of its answer; None for no answer, or an image.

        Returns whether the answer may be used: other requests may have taken the rest of the budget.
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
