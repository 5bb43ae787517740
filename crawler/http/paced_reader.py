"""Reading with an end: every read from a server is paced by a deadline and a minimum rate.

A socket's timeout bounds one ``recv``: a server that sends a byte now and then is never stopped by it, not even within
its headers. Here the timeout is set anew before each ``recv``, to what is left of the whole fetch.
"""

from __future__ import annotations

import io
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crawler.errors import DeadlineExceeded, TooSlow
from crawler.http.bandwidth import AHEAD_BYTES, STEP_BYTES, Bandwidth

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadPace:
    """Every *grace_s* seconds after the first byte must bring *min_rate_bytes_s* x *grace_s* bytes; 0: no limit."""

    min_rate_bytes_s: int
    grace_s: float
    bandwidth: Bandwidth | None = None
    """The bandwidth shared by all transfers; None: unlimited. Waits for it count in no time limit."""

    @property
    def quota_bytes(self) -> float:
        return self.min_rate_bytes_s * self.grace_s


class PacedReader(io.RawIOBase):
    """The bytes of one answer, with a deadline and a pace. Reads raise DeadlineExceeded or TooSlow.

    The deadline comes from the timeout that *sock* has when the reader is made: the transport sets it to what is left
    of the fetch. *paid_bytes* have been taken of the bandwidth already.
    """

    def __init__(
        self, raw: io.RawIOBase, sock: socket.socket, pace: ReadPace, *, paid_bytes: int = 0
    ) -> None:
        self._paid_bytes = paid_bytes
        self.waited_s = 0.0
        self._raw = raw
        self._sock = sock
        self._pace = pace
        timeout_s = sock.gettimeout()
        self._deadline = time.monotonic() + timeout_s if timeout_s is not None else float("inf")
        self._window_end = float("inf")  # until the first byte: a server may think before it answers
        self._window_bytes = 0.0

    def hurry(self, within_s: float) -> None:
        """Bring the deadline forward to *within_s* seconds from now, if it is later."""
        self._deadline = min(self._deadline, time.monotonic() + within_s)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if self._pace.bandwidth is not None:
            buffer = memoryview(buffer)[:STEP_BYTES]
            self._pay(self._pace.bandwidth, len(buffer))
        now = time.monotonic()
        patience_s = min(self._deadline, self._window_end) - now
        if patience_s <= 0:
            raise self._out_of_patience()
        self._sock.settimeout(patience_s)
        try:
            count = self._raw.readinto(buffer)
        except TimeoutError as exc:
            raise self._out_of_patience() from exc
        self._paid_bytes -= count or 0
        if count and self._pace.quota_bytes:
            self._window_bytes += count
            if self._window_end == float("inf") or self._window_bytes >= self._pace.quota_bytes:
                self._window_end = time.monotonic() + self._pace.grace_s
                self._window_bytes = 0
        return count

    def _pay(self, bandwidth: Bandwidth, count: int) -> None:
        """Wait until there is bandwidth for *count* bytes, and for what a server sends ahead of them."""
        missing = AHEAD_BYTES + count - self._paid_bytes
        if missing > 0:
            waited_s = bandwidth.take(missing)
            self._paid_bytes += missing
            self.waited_s += waited_s
            self._deadline += waited_s
            self._window_end += waited_s

    def _out_of_patience(self) -> DeadlineExceeded | TooSlow:
        if self._window_end < self._deadline:
            return TooSlow(
                f"the server sent less than {self._pace.min_rate_bytes_s} bytes per second "
                f"over {self._pace.grace_s:g} s (min_rate_bytes_s)"
            )
        return DeadlineExceeded("the answer was not complete within the total time (total_timeout_s)")

    def close(self) -> None:
        if not self.closed:
            if self._pace.bandwidth is not None:
                self._pace.bandwidth.give_back(max(0, self._paid_bytes))
            self._raw.close()
            super().close()
