"""The limits of one run of a crawl: its time, and the bytes that it saves. Pure, the clock injected."""

from __future__ import annotations

import time
from collections.abc import Callable

from crawler.config import SETTINGS, RunConfig
from crawler.models import Stats
from crawler.text.display import counted


class Limits:
    """The limits of a run that begins now. *clock* is monotonic, in seconds.

    Only the bytes that this run saves count: the first *stats* seen say what earlier runs have saved.
    """

    def __init__(self, config: RunConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._began_at = clock()
        self._saved_before: int | None = None

    def begin(self, stats: Stats) -> None:
        """Start the clock: the crawl is ready, and has come as far as *stats* say."""
        self._began_at = self._clock()
        self._saved_before = stats.saved_bytes

    def reached(self, stats: Stats | None = None) -> str:
        """The limit that is reached, as the user has set it; empty for none. *stats* is None if it is not known."""
        config = self._config
        if config.max_time_s and self._clock() - self._began_at >= config.max_time_s:
            return f"{_flag('max_time_s')} {duration_of(config.max_time_s)} is reached"
        if config.max_bytes and stats is not None:
            if self._saved_before is None:
                self._saved_before = stats.saved_bytes
            saved = stats.saved_bytes - self._saved_before
            if saved >= config.max_bytes:
                return f"{_flag('max_bytes')} {size_of(config.max_bytes)} is reached"
        return ""

    def told(self, reached: str, stats: Stats) -> str:
        """*reached*, and what the run has saved by its end, as its last *stats* say."""
        if not reached.startswith(_flag("max_bytes")):
            return reached
        return f"{reached}: {about(stats.saved_bytes - (self._saved_before or 0))} saved by this run"


def _flag(key: str) -> str:
    setting = SETTINGS[key]
    return next(iter(setting.also), setting.flag)


def duration_of(seconds: float) -> str:
    """A duration as people write it: ``90 s``, ``10 min``, ``1 h 30 min``."""
    left_s = seconds
    parts: list[str] = []
    for unit, unit_s in (("d", 86400), ("h", 3600), ("min", 60)):
        count, rest_s = divmod(left_s, unit_s)
        if count and (parts or rest_s % 1 == 0) and seconds >= 2 * 60:
            parts.append(f"{count:.0f} {unit}")
            left_s = rest_s
    if left_s or not parts:
        parts.append(f"{left_s:g} s")
    return " ".join(parts)


def size_of(size_bytes: int) -> str:
    """A size in the unit that it was set in, if it was in one: ``2 GB``, ``1.5 GiB``; else in bytes."""
    for prefix, power in zip("TGMk", (4, 3, 2, 1), strict=True):
        for unit, base in ((f"{prefix}B", 1000), (f"{prefix.upper()}iB", 1024)):
            value = size_bytes / base**power
            if value >= 1 and value * 10 == int(value * 10):
                return f"{value:g} {unit}"
    return counted(size_bytes, "byte")


def about(size_bytes: int) -> str:
    """A size in decimal units, rounded: ``1.2 GB``."""
    value, unit = float(size_bytes), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.95:  # noqa: PLR2004 - what rounds to 1000.0
            break
        value, unit = value / 1000, larger
    return f"{size_bytes} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
