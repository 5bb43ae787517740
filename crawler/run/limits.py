"""How far one run of a crawl goes: pure, the clock injected. Whoever watches over the crawl decides by it."""

from __future__ import annotations

import time
from collections.abc import Callable

from crawler.config import SETTINGS, RunConfig
from crawler.models import Stats
from crawler.text.display import counted


class Limits:
    """The limits of a run that begins now. *clock* is monotonic, in seconds.

    Sizes are of what this run has saved: what earlier ones have, by the first *stats* that are seen, does not count.
    """

    def __init__(self, config: RunConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._began_at = clock()
        self._saved_before: int | None = None

    def begin(self, stats: Stats) -> None:
        """The crawl is ready, and has come so far."""
        self._began_at = self._clock()
        self._saved_before = stats.saved_bytes

    def reached(self, stats: Stats | None = None) -> str:
        """Which limit is reached, in the words of who has set it; empty for none. *stats*: None if nobody says."""
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
        """*reached*, and how far beyond it the run went by what was in hand: *stats* are those of its end."""
        if not reached.startswith(_flag("max_bytes")):
            return reached
        return f"{reached}: {about(stats.saved_bytes - (self._saved_before or 0))} saved by this run"


def _flag(key: str) -> str:
    setting = SETTINGS[key]
    return next(iter(setting.also), setting.flag)


def duration_of(seconds: float) -> str:
    """As people write it: ``90 s``, ``10 min``, ``1 h 30 min``."""
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
    """As it was set, if that was in one of the units: ``2 GB``, ``1.5 GiB``; else in bytes."""
    for prefix, power in zip("TGMk", (4, 3, 2, 1), strict=True):
        for unit, base in ((f"{prefix}B", 1000), (f"{prefix.upper()}iB", 1024)):
            value = size_bytes / base**power
            if value >= 1 and value * 10 == int(value * 10):
                return f"{value:g} {unit}"
    return counted(size_bytes, "byte")


def about(size_bytes: int) -> str:
    """``1.2 GB``."""
    value, unit = float(size_bytes), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.95:  # noqa: PLR2004 - what rounds to 1000.0
            break
        value, unit = value / 1000, larger
    return f"{size_bytes} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
