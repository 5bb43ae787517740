"""How many tasks a worker handles at a time: as many as keep it busy while it waits for servers.

While one task waits, others use the processor: by Little's law that takes ``1 + waiting / CPU`` threads. More would
only take Python's lock from each other: four threads on a fast network took 0.6 ms more for an image than one.
"""

from __future__ import annotations

import math
import threading
from collections import deque

_SAMPLES = 64
_LOOK_EVERY = 16
"""Tasks between two looks at the samples."""
_BESIDE = 2
"""Threads beside those that wait: one that computes, and one whose image or page is with a child process."""


class Concurrency:
    """Between *least* and *most* tasks at a time, *least* at first. Thread-safe."""

    def __init__(self, least: int, most: int) -> None:
        self.least = min(least, most)
        self._most = most
        self._lock = threading.Lock()
        self._samples: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)
        self._count = 0
        self.wanted = self.least
        """How many tasks are to be handled at a time now."""

    def handled(self, waiting_s: float, cpu_s: float) -> None:
        """A task was handled: it waited *waiting_s* for servers and storages, and took *cpu_s* of its thread's CPU."""
        if self.least == self._most:
            return
        with self._lock:
            self._samples.append((waiting_s, cpu_s))
            self._count += 1
            if self._count % _LOOK_EVERY:
                return
            # the lower quartile: on a machine with too much to do most tasks take longer than their servers do
            waiting = sorted(sample for sample, _ in self._samples)[len(self._samples) // 4]
            cpu = sum(sample for _, sample in self._samples) / len(self._samples)
            threads = _BESIDE + math.ceil(waiting / max(cpu, 1e-6))
            self.wanted = max(self.least, min(self._most, threads))
