"""Reading with an end: every read from a server is paced by a deadline and a minimum rate.

A socket's timeout bounds one ``recv``: a server that sends a byte now and then is never stopped by it, not even within
its headers. Here the timeout is set anew before each ``recv``, to what is left of the whole fetch.
"""

from __future__ import annotations

import io
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crawler.errors import DeadlineExceeded, TooSlow
from crawler.http.bandwidth import AHEAD_BYTES, STEP_BYTES, Bandwidth
from crawler.http.http1 import Response

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


RATE_GRACE_S = 10.0
"""How long a server may be too slow."""


class Patience:
    """Until when bytes have to come: by *deadline*, on the monotonic clock, and at the minimum rate of *pace*."""

    def __init__(self, pace: ReadPace, deadline: float) -> None:
        self._pace = pace
        self._deadline = deadline
        self._window_end = float("inf")  # until the first byte: a server may think before it answers
        self._window_bytes = 0.0

    def hurry(self, within_s: float) -> None:
        """Bring the deadline forward to *within_s* seconds from now, if it is later."""
        self._deadline = min(self._deadline, time.monotonic() + within_s)

    def extend(self, by_s: float) -> None:
        """Move all limits: for *by_s* seconds it was us that did not read."""
        self._deadline += by_s
        self._window_end += by_s

    def left_s(self) -> float:
        """The seconds in which the next byte has to come. Raises DeadlineExceeded or TooSlow when there are none."""
        left_s = min(self._deadline, self._window_end) - time.monotonic()
        if left_s <= 0:
            raise self.out()
        return left_s

    def count(self, received: int) -> None:
        """Count *received* bytes, which have just come."""
        quota_bytes = self._pace.quota_bytes
        if received and quota_bytes:
            self._window_bytes += received
            if self._window_end == float("inf") or self._window_bytes >= quota_bytes:
                self._window_end = time.monotonic() + self._pace.grace_s
                self._window_bytes = 0

    def out(self) -> DeadlineExceeded | TooSlow:
        """The error of the limit that comes first."""
        if self._window_end < self._deadline:
            return TooSlow(
                f"the server sent less than {self._pace.min_rate_bytes_s} bytes per second "
                f"over {self._pace.grace_s:g} s (min_rate_bytes_s)"
            )
        return DeadlineExceeded("the answer was not complete within the total time (total_timeout_s)")


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
        self._bandwidth = pace.bandwidth
        timeout_s = sock.gettimeout()
        self._patience = Patience(
            pace, time.monotonic() + timeout_s if timeout_s is not None else float("inf")
        )

    def hurry(self, within_s: float) -> None:
        """Bring the deadline forward to *within_s* seconds from now, if it is later."""
        self._patience.hurry(within_s)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if self._bandwidth is not None:
            buffer = memoryview(buffer)[:STEP_BYTES]
            self._pay(self._bandwidth, len(buffer))
        self._sock.settimeout(self._patience.left_s())
        try:
            count = self._raw.readinto(buffer)
        except TimeoutError as exc:
            raise self._patience.out() from exc
        self._paid_bytes -= count or 0
        self._patience.count(count or 0)
        return count

    def _pay(self, bandwidth: Bandwidth, count: int) -> None:
        """Wait until there is bandwidth for *count* bytes, and for what a server sends ahead of them."""
        missing = AHEAD_BYTES + count - self._paid_bytes
        if missing > 0:
            waited_s = bandwidth.take(missing)
            self._paid_bytes += missing
            self.waited_s += waited_s
            self._patience.extend(waited_s)

    def close(self) -> None:
        if not self.closed:
            if self._bandwidth is not None:
                self._bandwidth.give_back(max(0, self._paid_bytes))
            self._raw.close()
            super().close()


class PacedResponse(Response):
    """An answer read through a PacedReader, from its status line on."""

    def __init__(self, sock: socket.socket, *args: Any, pace: ReadPace, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.sent_at = time.monotonic()
        """When the request was sent, on the monotonic clock."""
        # a proxy's own answer to CONNECT comes before the one that has been paid for
        paid_bytes = 0 if kwargs.get("method") == "CONNECT" or pace.bandwidth is None else AHEAD_BYTES
        self.reader = PacedReader(self.fp.detach(), sock, pace, paid_bytes=paid_bytes)
        self.fp = io.BufferedReader(self.reader)
