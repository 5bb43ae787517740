"""How fast a counter has grown over the last minutes, for a line of small bars. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from itertools import pairwise

PERIODS_S = (20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 240.0, 300.0)
"""What a whole line stands for: with these, most of it is in use from the first seconds on, and it seldom shrinks."""
_SPACING_S = 0.4
"""Points that are closer are one: a panel is drawn twice a second, and again at once when its window changes."""


class History:
    """The growth of a counter over the last of PERIODS_S."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def add(self, now: float, value: int) -> None:
        """Note *value* at *now*, in seconds on any monotonic clock."""
        points = self._points
        if len(points) > 1 and now - points[-2][0] < _SPACING_S:
            points.pop()
        points.append((now, value))
        while len(points) > 2 and points[1][0] < now - PERIODS_S[-1]:  # noqa: PLR2004 - one point before the window
            points.popleft()

    @property
    def period_s(self) -> float:
        """The least of PERIODS_S that reaches back to the first point; the last one if none does."""
        age_s = self._points[-1][0] - self._points[0][0] if self._points else 0.0
        return next((period_s for period_s in PERIODS_S if period_s >= age_s), PERIODS_S[-1])

    def rates(self, pieces: int) -> list[float]:
        """Growth per second in so many *pieces* of ``period_s``, the oldest first; fewer while it is younger.

        Pieces begin at multiples of their length, so that a bar keeps its height while newer ones come. The one that
        has just begun is left out until half of it is over.
        """
        if len(self._points) < 2 or pieces < 1:  # noqa: PLR2004 - two make a line
            return []
        step_s, (first, _), (last, _) = self.period_s / pieces, self._points[0], self._points[-1]
        numbers = range(math.ceil(first / step_s), math.floor(last / step_s) + 1)
        edges = [step_s * number for number in numbers][-pieces - 1 :]
        if not edges or last - edges[-1] >= step_s / 2:
            edges.append(last)
        if edges[0] - first >= step_s / 2:
            edges.insert(0, first)
        times = [point[0] for point in self._points]
        values = [self._value(times, edge) for edge in edges]
        grown = zip(pairwise(edges), pairwise(values), strict=True)
        return [
            max(0.0, (after - before) / (end - start))
            for (start, end), (before, after) in grown
            if end > start
        ][-pieces:]

    def _value(self, times: list[float], moment: float) -> float:
        """The counter at *moment*, on the straight line between two points."""
        at = min(max(1, bisect_right(times, moment)), len(times) - 1)
        (start, before), (end, after) = self._points[at - 1], self._points[at]
        return before + (after - before) * (moment - start) / (end - start) if end > start else float(after)
