"""The frames of a page that scrolls, as Chromium's tracing tells of them."""

from __future__ import annotations

import bisect
import itertools
import statistics
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.support.windows import Window

PACES = {"reading": 1500, "fast": 9000}
"""Pixels in a second."""
SCROLL_S = 6
FPS = 60
REFRESH_MS = 1000 / FPS
SAME_MS = 2
"""The compositor's part of a frame and the page's are reported apart, and presented at once."""


class Frames(NamedTuple):
    """What was seen of a scroll."""

    fewest: int
    """Frames that were presented in the worst second."""
    shown_fps: float
    """At the 95th percentile of the intervals between two frames, in whole refreshes."""
    drawn_fps: float
    """At the 95th percentile of the intervals between the moments at which two frames were drawn."""


class Presented(NamedTuple):
    """A frame that was presented."""

    at_ms: float
    refresh: int
    """The number of the refresh in which it was drawn, from the first one of the trace."""


def seen(frames: Sequence[Presented]) -> Frames:
    """What *frames*, in their order, come to."""
    refreshes = sorted({one.refresh for one in frames})  # two in one are one to who looks
    ends = (bisect.bisect_left(refreshes, first + FPS) for first in refreshes if first + FPS <= refreshes[-1])
    return Frames(
        fewest=min(end - begin for begin, end in enumerate(ends)),
        shown_fps=FPS / _late(refreshes),
        drawn_fps=1000 / _late([one.at_ms for one in frames]),
    )


def _late(moments: Sequence[float]) -> float:
    """The 95th percentile of the steps of *moments*."""
    return statistics.quantiles((later - earlier for earlier, later in itertools.pairwise(moments)), n=100)[
        94
    ]


def presented(events: Sequence[dict[str, Any]]) -> list[Presented]:
    """The frames that scrolled, by the compositor's own reports. Their ids are used again.

    A report begins with a refresh, to the microsecond. Drawn more than once between two of them, a frame is one.
    """
    reports = sorted((one for one in events if one["name"] == "PipelineReporter"), key=lambda one: one["ts"])
    under_way: dict[tuple[int, str], bool] = {}
    begun: list[float] = []
    found: list[Presented] = []
    for one in reports:
        at_ms = one["ts"] / 1000
        key = (one["pid"], one["id2"]["local"])
        if one["ph"] == "b":
            begun.append(at_ms)
        told = one["args"].get("frame_reporter")
        if told:
            under_way[key] = (
                str(told["state"]).startswith("STATE_PRESENTED") and told["scroll_state"] != "SCROLL_NONE"
            )
        elif under_way.pop(key, False) and (not found or at_ms - found[-1].at_ms > SAME_MS):
            last = begun[-1]
            number = round((last - begun[0]) / REFRESH_MS) + int((at_ms - last) / REFRESH_MS)
            found.append(Presented(at_ms, number))
    return found


def scroll(window: Window, speed: int) -> None:
    gesture = {
        "x": 700,
        "y": 500,
        "yDistance": -speed * SCROLL_S,
        "speed": speed,
        "gestureSourceType": "mouse",
    }
    window.tab.call("Input.synthesizeScrollGesture", gesture, timeout_s=SCROLL_S * 5)


def traced(window: Window, categories: str, do: Any) -> list[dict[str, Any]]:
    """What Chromium's tracing says of all its processes while *do* is called."""
    window.events.clear()
    window.tab.call(
        "Tracing.start",
        {"traceConfig": {"includedCategories": categories.split(",")}, "transferMode": "ReportEvents"},
    )
    do()
    window.tab.call("Tracing.end")
    end = time.monotonic() + 60
    while not any(event.method == "Tracing.tracingComplete" for event in window.events):
        window.pump(0.1)
        if time.monotonic() > end:
            raise TimeoutError("Chromium does not end its trace")
    return [
        one
        for event in window.events
        if event.method == "Tracing.dataCollected"
        for one in event.params["value"]
    ]
