"""How much this process may receive: asked of the queue in chunks, for only the queue sees all workers.

A request is paid for before it is sent, with what a server may send before we read; and each read before it is made. So
what is on its way to us is paid for, however full the buffers between us and the server are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from crawler.queues import HORIZON_S

AHEAD_BYTES = 16 * 1024
"""A server may send so much before we read: what a socket holds then."""
STEP_BYTES = 16 * 1024
"""Of one read."""
_KEPT_S = 1.0
"""What has been granted and not used is good for so long: else a worker that was idle would come with a burst."""
_CHUNKS_PER_S = 20
_USUAL_BUFFER_BYTES = 128 * 1024
_LEAST_CHUNK, _MOST_CHUNK = 4 * 1024, 4 * 2**20


class Bandwidth:
    """What may be received at *rate_bytes_s*. *ask* reserves bytes, and says in how many seconds they may be received;
    with more than HORIZON_S they were not. Safe to be used by several threads.
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
        """What a socket may hold, where its usual size is too much for the rate; else 0, which leaves it as it is."""
        return AHEAD_BYTES if self.rate_bytes_s < _USUAL_BUFFER_BYTES * _CHUNKS_PER_S else 0

    def take(self, count: int) -> float:
        """Wait until *count* bytes may be received; returns for how long. Raises what *ask* raises."""
        started = self._clock()
        while not self._taken(count):
            with self._turn:  # one of the threads asks, the others wait for what it gets
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
        """That many were not received after all."""
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
