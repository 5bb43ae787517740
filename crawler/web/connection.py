"""Connections with an end: every read from a server is paced by a deadline and a minimum rate.

A socket's timeout bounds one ``recv``, so a server that sends a byte now and then is never stopped by it, not
even within its headers. Here the timeout is set anew before each ``recv``, to what is left of the whole
fetch. Plugs into urllib3, which requests is built on; nothing else of the crawler knows sockets.
"""

from __future__ import annotations

import functools
import http.client
import io
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from crawler.errors import ConnectFailed, ConnectTimeout, DeadlineExceeded, TooSlow
from crawler.web.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Every *grace_s* seconds after the first byte must bring *min_rate_bytes_s* x *grace_s* bytes; 0 is no
    limit.
    """

    min_rate_bytes_s: int
    grace_s: float

    @property
    def quota_bytes(self) -> float:
        return self.min_rate_bytes_s * self.grace_s


class PacedReader(io.RawIOBase):
    """The bytes of one answer, with a deadline and a pace.

    The deadline is the time that *sock* has as its timeout when the reader is made: the session sets it to
    what is left of the fetch. Raises DeadlineExceeded or TooSlow.
    """

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, pace: Pace) -> None:
        self._raw = raw
        self._sock = sock
        self._pace = pace
        timeout_s = sock.gettimeout()
        self._deadline = time.monotonic() + timeout_s if timeout_s is not None else float("inf")
        self._window_end = float("inf")  # until the first byte: a server may think before it answers
        self._window_bytes = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        now = time.monotonic()
        patience_s = min(self._deadline, self._window_end) - now
        if patience_s <= 0:
            raise self._out_of_patience()
        self._sock.settimeout(patience_s)
        try:
            count = self._raw.readinto(buffer)
        except TimeoutError as exc:
            raise self._out_of_patience() from exc
        if count and self._pace.quota_bytes:
            self._window_bytes += count
            if self._window_end == float("inf") or self._window_bytes >= self._pace.quota_bytes:
                self._window_end = time.monotonic() + self._pace.grace_s
                self._window_bytes = 0
        return count

    def _out_of_patience(self) -> DeadlineExceeded | TooSlow:
        if self._window_end < self._deadline:
            return TooSlow(
                f"the server sent less than {self._pace.min_rate_bytes_s} bytes per second "
                f"over {self._pace.grace_s:g} s (min_rate_bytes_s)"
            )
        return DeadlineExceeded("the answer was not complete within the total time (total_timeout_s)")

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
            super().close()


class PacedResponse(http.client.HTTPResponse):
    """An answer read through a PacedReader, from its status line on."""

    def __init__(self, sock: socket.socket, *args: Any, pace: Pace, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(PacedReader(self.fp.detach(), sock, pace))


def open_socket(host: str, port: int, timeout_s: float, names: Names) -> socket.socket:
    """A TCP connection to the first address of *host* that accepts one, within *timeout_s* over all of them.

    Raises HostNotFound, NameLookupFailed, ConnectTimeout or ConnectFailed. The name lookup can't be cut short.
    """
    deadline = time.monotonic() + timeout_s
    failure: OSError | None = None
    for family, kind, protocol, _, address in names.look_up(host, port):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(max(deadline - time.monotonic(), 0.001))
            sock.connect(address)
        except OSError as exc:
            sock.close()
            failure = exc
        else:
            return sock
    if isinstance(failure, TimeoutError):
        raise ConnectTimeout(
            f"{host} port {port} did not accept a connection in time (connect_timeout_s)"
        ) from failure
    raise ConnectFailed(f"{host} port {port} does not accept connections: {failure}") from failure


def pool_classes(pace: Pace) -> dict[str, Callable[..., HTTPConnectionPool]]:
    """Connection pools by scheme, for urllib3's PoolManager, whose connections keep *pace*."""
    paced: Any = staticmethod(
        functools.partial(PacedResponse, pace=pace)
    )  # a partial is a method from 3.14 on
    names = Names()

    class Plain(HTTPConnection):
        response_class = paced

        def _new_conn(self) -> socket.socket:
            return open_socket(self._dns_host, int(self.port), _seconds(self.timeout), names)

    class Encrypted(HTTPSConnection):
        response_class = paced

        def _new_conn(self) -> socket.socket:
            return open_socket(self._dns_host, int(self.port), _seconds(self.timeout), names)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls: ClassVar[Any] = Plain  # type: ignore[misc]

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls: ClassVar[Any] = Encrypted  # type: ignore[misc]

        def _validate_conn(self, conn: Any) -> None:
            # urllib3's own warns at each connection with verify_tls off, which the user has chosen in so many
            # words
            if conn.is_closed:
                conn.connect()

    return {"http": PlainPool, "https": EncryptedPool}


def _seconds(timeout: object) -> float:
    return float(timeout) if isinstance(timeout, (int, float)) else 60.0
