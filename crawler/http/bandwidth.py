"""The bandwidth of this process: reserved at the queue in chunks, for only the queue sees all workers.

Before a request is sent, the bytes are reserved that a server may send before we read; and before each read, its bytes.
So all bytes on their way to us are reserved, however full the buffers between us and the server are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from crawler.queues import HORIZON_S

AHEAD_BYTES = 16 * 1024
"""Bytes that a server may send before we read: a socket's buffer holds them."""
STEP_BYTES = 16 * 1024
"""The most bytes of one read."""
_KEPT_S = 1.0
"""Seconds until reserved bytes that were not used expire: else a worker that was idle would start with a burst."""
_CHUNKS_PER_S = 20
_USUAL_BUFFER_BYTES = 128 * 1024
_LEAST_CHUNK, _MOST_CHUNK = 4 * 1024, 4 * 2**20


class Bandwidth:
    """Reserves bytes at *rate_bytes_s*. Thread-safe.

    *ask* reserves bytes at the queue; it returns in how many seconds they may come: over HORIZON_S none were reserved.
    """

    def __init__(
        self,
        rate_bytes_s: int,
        ask: Callable[[int], float],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rate_bytes_s = rate_bytes_s
        self._ask = ask
        self._clock = clock
        self._sleep = sleep
        self._chunk = max(_LEAST_CHUNK, min(rate_bytes_s // _CHUNKS_PER_S, _MOST_CHUNK))
        self._turn = threading.Lock()
        self._mutex = threading.Lock()
        self._have = 0
        self._good_until = 0.0

    @property
    def buffer_bytes(self) -> int:
        """The size of a socket's receive buffer, where the usual one is too much for the rate; else 0."""
        return AHEAD_BYTES if self.rate_bytes_s < _USUAL_BUFFER_BYTES * _CHUNKS_PER_S else 0

    def take(self, count: int) -> float:
        """Wait until *count* bytes may be received; return the seconds waited. Raises what *ask* raises."""
        started = self._clock()
        while not self._taken(count):
            with self._turn:  # one thread reserves a chunk, the others wait for it
                if self._taken(count):
                    break
                granted = max(self._chunk, count)
                while (wait_s := self._ask(granted)) > HORIZON_S:
                    self._sleep(HORIZON_S / 2)
                if wait_s:
                    self._sleep(wait_s)
                with self._mutex:
                    self._have += granted
                    self._good_until = self._clock() + _KEPT_S
        return self._clock() - started

    def give_back(self, count: int) -> None:
        """Give back *count* bytes that were not received."""
        with self._mutex:
            self._have += count

    def _taken(self, count: int) -> bool:
        with self._mutex:
            if self._clock() > self._good_until:
                self._have = 0
            if self._have < count:
                return False
            self._have -= count
            return True
