"""How fast a counter grows."""

from __future__ import annotations

from collections import deque

MOST_PER_S = 1e12
"""More than anything here does, and less than a message may hold (models.Duration)."""


class Rate:
    """The growth of a counter over the last *window_s* seconds, from points that are *spacing_s* apart or more."""

    def __init__(self, *, window_s: float, spacing_s: float = 0.0) -> None:
        self._window_s = window_s
        self._spacing_s = spacing_s
        self._points: deque[tuple[float, int]] = deque()

    def add(self, now: float, value: int) -> float:
        """Note *value* at *now* (in seconds, on any monotonic clock); returns ``per_s``."""
        if len(self._points) > 1 and now - self._points[-2][0] < self._spacing_s:
            self._points.pop()
        self._points.append((now, value))
        while now - self._points[0][0] > self._window_s and len(self._points) > 2:  # noqa: PLR2004 - two make a line
            self._points.popleft()
        return self.per_s

    @property
    def per_s(self) -> float:
        """Growth per second, up to MOST_PER_S; 0.0 before there are two points, and for a counter that went back.

        Workers count by themselves and say so by several connections: after a manager's death an older message came
        behind a newer one, and a figure below zero made all that the manager told of the crawl unreadable.
        """
        if not self._points:
            return 0.0
        (then, before), (now, after) = self._points[0], self._points[-1]
        return min(max(0.0, (after - before) / (now - then)), MOST_PER_S) if now > then else 0.0
