"""A row of small bars: how a rate went."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇"
"""The lowest one is for nothing at all, so that the slowest progress is seen to be some. None fills its row: bars of
two rows, one below the other, would be one.
"""


def sparkline(values: Sequence[float], width: int) -> str:
    """The latest *width* of *values*, none below 0, as bars in proportion to the highest; the latest at the right."""
    values = values[-width:] if width > 0 else ()
    top = max(values, default=0.0)
    return "".join(_bar(value, top) for value in values).rjust(width)


def _bar(value: float, top: float) -> str:
    if value <= 0:
        return BARS[0]
    steps = len(BARS) - 1
    return BARS[min(steps, 1 + int(value / top * steps))]
