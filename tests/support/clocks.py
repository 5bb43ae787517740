"""Clocks for tests: time goes by when a test says so."""

from __future__ import annotations

import threading


class Clock:
    """Stands still until somebody adds to ``now``, in seconds."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Stop(threading.Event):
    """Waits for nothing, but counts the seconds in ``now``."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        return self.is_set()
