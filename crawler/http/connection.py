"""Connections with an end: every read from a server is paced by a deadline and a minimum rate.

A socket's timeout bounds one ``recv``, so a server that sends a byte now and then is never stopped by it, not
even within its headers. Here the timeout is set anew before each ``recv``, to what is left of the whole
fetch. Plugs into urllib3, which requests is built on; nothing else of the crawler knows sockets.
"""

from __future__ import annotations

import functools
import io
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, ClassVar

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_match_hostname import CertificateError

from crawler.errors import (
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    ForbiddenAddress,
    TooSlow,
)
from crawler.http import socks
from crawler.http.address_guard import AddressGuard
from crawler.http.bandwidth import AHEAD_BYTES, STEP_BYTES, Bandwidth
from crawler.http.certificates import misnamed, tls_failed
from crawler.http.dns_cache import AddressInfo, DnsCache
from crawler.http.http1 import Response
from crawler.http.proxies import Proxy
from crawler.http.status import proxy_error
from crawler.text.plain_errors import plain
from crawler.urls import host_key, show_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

_MAX_ADDRESSES = 8
"""Of one host, that are tried."""
_FIRST_ERROR = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadPace:
    """Every *grace_s* seconds after the first byte must bring *min_rate_bytes_s* x *grace_s* bytes; 0 is no
    limit.
    """

    min_rate_bytes_s: int
    grace_s: float
    bandwidth: Bandwidth | None = None
    """What may be received at all; to wait for it is no fault of a server, so no limit of ours counts it."""

    @property
    def quota_bytes(self) -> float:
        return self.min_rate_bytes_s * self.grace_s


class PacedReader(io.RawIOBase):
    """The bytes of one answer, with a deadline and a pace.

    The deadline is the time that *sock* has as its timeout when the reader is made: the session sets it to
    what is left of the fetch. Raises DeadlineExceeded or TooSlow.
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
        """Let the deadline be in *within_s* seconds, if it is not earlier."""
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
        """Wait until what is read now, and what a server sends meanwhile, may be received."""
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


class PacedResponse(Response):
    """An answer read through a PacedReader, from its status line on."""

    def __init__(self, sock: socket.socket, *args: Any, pace: ReadPace, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.sent_at = time.monotonic()
        """The request has just been sent, on the monotonic clock."""
        # a proxy's own answer to CONNECT comes before the one that has been paid for
        paid_bytes = 0 if kwargs.get("method") == "CONNECT" or pace.bandwidth is None else AHEAD_BYTES
        self._paced = PacedReader(self.fp.detach(), sock, pace, paid_bytes=paid_bytes)
        self.fp = io.BufferedReader(self._paced)

    @property
    def waited_s(self) -> float:
        return self._paced.waited_s

    def hurry(self, within_s: float) -> None:
        """See PacedReader."""
        self._paced.hurry(within_s)


def open_socket(
    host: str,
    port: int,
    timeout_s: float,
    names: DnsCache,
    guard: AddressGuard | None = None,
    *,
    called: str = "",
    buffer_bytes: int = 0,
) -> socket.socket:
    """A TCP connection to the first address of *host* that accepts one, within *timeout_s* over all of them.

    Each address but the last gets half of what is left, IPv6 and IPv4 in turn: one way that leads nowhere leaves time
    for the others. *guard* is asked about each address; *called* is what errors say in place of *host*.

    Raises HostNotFound, NameLookupFailed, ForbiddenAddress, ConnectTimeout or ConnectFailed. The name lookup can't be
    cut short.
    """
    deadline = time.monotonic() + timeout_s
    if guard is not None:
        guard.check_port(host, port)
    addresses = names.look_up(host, port)
    if guard is not None:
        addresses = _permitted(addresses, host, port, guard)
    failure: OSError | None = None
    left = _in_turn(addresses)[:_MAX_ADDRESSES]
    while left:
        family, kind, protocol, _, address = left.pop(0)
        patience_s = max(deadline - time.monotonic(), 0.001)
        sock: socket.socket | None = None
        try:
            sock = socket.socket(family, kind, protocol)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if buffer_bytes:  # before it is connected: the other side is told how much it may send
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
            sock.settimeout(patience_s / 2 if left else patience_s)
            sock.connect(address)
        except OSError as exc:
            if sock is not None:
                sock.close()
            failure = exc
        else:
            return sock
    names.forget(host)
    where = f"{called or host} port {port}"
    if isinstance(failure, TimeoutError):
        raise ConnectTimeout(f"{where} did not accept a connection in time (connect_timeout_s)") from failure
    why = plain(failure) if failure is not None else "it has no address"
    raise ConnectFailed(f"{where} does not accept connections: {why}") from failure


def _permitted(addresses: list[AddressInfo], host: str, port: int, guard: AddressGuard) -> list[AddressInfo]:
    refusals = [guard.refusal(host, port, str(info[4][0])) for info in addresses]
    permitted = [info for info, refusal in zip(addresses, refusals, strict=True) if not refusal]
    if refusals and not permitted:
        raise ForbiddenAddress(refusals[0])
    return permitted


def _in_turn(addresses: Iterable[AddressInfo]) -> list[AddressInfo]:
    """One of each family after the other (RFC 8305, section 4), best first."""
    families: dict[int, list[AddressInfo]] = {}
    for info in addresses:
        families.setdefault(info[0], []).append(info)
    return [info for group in zip_longest(*families.values()) for info in group if info is not None]


class IdleConnectionLost(ConnectionError):
    """A connection that was kept from an earlier request has ended before there was an answer: most likely the server
    had given it up before it saw the request.
    """


class _Plain(HTTPConnection):
    names: ClassVar[DnsCache]
    guard: ClassVar[AddressGuard | None]
    socks: ClassVar[Proxy | None]
    buffer_bytes: ClassVar[int]

    def _new_conn(self) -> socket.socket:
        return _connected(self)


class _Encrypted(HTTPSConnection):
    names: ClassVar[DnsCache]
    guard: ClassVar[AddressGuard | None]
    socks: ClassVar[Proxy | None]
    buffer_bytes: ClassVar[int]

    def _new_conn(self) -> socket.socket:
        return _connected(self)

    def connect(self) -> None:
        target = str(self._tunnel_host or self.host), int(self._tunnel_port or self.port or 0)
        try:
            super().connect()
        except CertificateError as exc:
            raise misnamed(getattr(exc, "_peer_cert", None), *target) from exc
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            raise
        except ssl.SSLError as exc:
            raise tls_failed(exc, *target) from exc

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> ssl.SSLSocket:
        proxy = f"the proxy {hostname}", int(self.port)
        try:
            return super()._connect_tls_proxy(hostname, sock)
        except CertificateError as exc:
            raise misnamed(getattr(exc, "_peer_cert", None), *proxy) from exc
        except ssl.SSLError as exc:
            raise tls_failed(exc, *proxy) from exc

    def _tunnel(self) -> None:
        """Have the proxy connect to the target (RFC 9110, section 9.3.6)."""
        target = show_address((str(self._tunnel_host).strip("[]"), int(self._tunnel_port or 0)))
        proxy = show_address((self.host.strip("[]"), int(self.port)))
        headers = {"Host": target, **self._tunnel_headers}  # type: ignore[attr-defined]
        lines = [f"CONNECT {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))
        answer = self.response_class(self.sock, method="CONNECT")
        try:
            answer.begin()
        except DeadlineExceeded as exc:
            raise ConnectTimeout(
                f"the proxy {proxy} did not connect to {target} in time (connect_timeout_s)"
            ) from exc
        except ConnectionError as exc:
            raise ConnectionLost(f"the proxy {proxy} ended the connection: {plain(exc)}") from exc
        finally:
            answer.close()
        if answer.status >= _FIRST_ERROR:
            raise proxy_error(answer.status, proxy, target)


def _connected(conn: _Plain | _Encrypted) -> socket.socket:
    host, port, timeout_s = conn._dns_host, int(conn.port or 0), _seconds(conn.timeout)  # noqa: SLF001 - urllib3's
    if conn.proxy is not None:
        # who names a proxy trusts it, wherever it is
        return open_socket(
            host, port, timeout_s, conn.names, called=f"the proxy {host}", buffer_bytes=conn.buffer_bytes
        )
    if conn.socks is not None:
        return _open_by_socks(conn.socks, host, port, timeout_s, conn)
    return open_socket(host, port, timeout_s, conn.names, conn.guard, buffer_bytes=conn.buffer_bytes)


def _open_by_socks(
    proxy: Proxy, host: str, port: int, timeout_s: float, conn: _Plain | _Encrypted
) -> socket.socket:
    """A connection to *host* that *proxy* makes. Where names are ours to look up, *guard* is asked about each address,
    and the proxy gets to know no other; else it has been asked about the URL before, which is all that there is.
    """
    names, guard = conn.names, conn.guard
    deadline = time.monotonic() + timeout_s
    targets = [host]
    if not proxy.looks_names_up:
        if guard is not None:
            guard.check_port(host, port)
        addresses = names.look_up(host, port)
        if guard is not None:
            addresses = _permitted(addresses, host, port, guard)
        targets = [str(info[4][0]) for info in _in_turn(addresses)[:_MAX_ADDRESSES]]
    while True:
        target, last = targets.pop(0), len(targets) == 0
        left_s = max(deadline - time.monotonic(), 0.001)
        called = f"the proxy {proxy.host}"
        sock = open_socket(
            proxy.host, proxy.port, left_s, names, called=called, buffer_bytes=conn.buffer_bytes
        )
        try:
            left_s = max(deadline - time.monotonic(), 0.001)
            socks.connect(sock, proxy, target, port, left_s if last else left_s / 2)
        except (ConnectFailed, ConnectTimeout):
            sock.close()
            if last:
                raise
        except BaseException:
            sock.close()
            raise
        else:
            return sock


class _Verbatim(HTTPConnectionPool):
    """A pool that sends the request target as it is given.

    urllib3 encodes it anew, by RFC 3986: ``%2f`` becomes ``%2F``, a lone ``%`` becomes ``%25``, ``[`` becomes ``%5B``.
    To a server that has signed its URLs, or compares them, that is another URL; and the record tells of the one that
    was not asked for. What http.client refuses, white space, controls and what is not ASCII, is refused still.
    """

    def urlopen(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        # of a target in absolute form urllib3 wants to know the scheme: it decides how a proxy is used
        seen = "/" if url.startswith("/") else f"{host_key(url)}/"
        return super().urlopen(method, seen, *args, target=url, **kwargs)

    def _make_request(self, conn: Any, method: str, url: str, *, target: str = "", **kwargs: Any) -> Any:  # type: ignore[override]
        was_idle = not conn.is_closed
        try:
            return super()._make_request(conn, method, target or url, **kwargs)
        except ConnectionError as exc:
            if was_idle:
                raise IdleConnectionLost(f"an idle connection was lost: {plain(exc)}") from exc
            raise


def pool_classes(
    pace: ReadPace, guard: AddressGuard | None = None, socks_proxy: Proxy | None = None
) -> dict[str, Callable[..., HTTPConnectionPool]]:
    """Connection pools by scheme, for urllib3's PoolManager, whose connections keep *pace* and heed *guard*; made by
    *socks_proxy* if there is one.

    The TLS context that they are given must not check host names itself: that is done after the handshake, when the
    names that the certificate is for can be told.
    """
    shared = {
        # static, for a partial is a method from 3.14 on
        "response_class": staticmethod(functools.partial(PacedResponse, pace=pace)),
        "names": DnsCache(),
        "guard": guard,
        "socks": socks_proxy,
        "buffer_bytes": 0 if pace.bandwidth is None else pace.bandwidth.buffer_bytes,
    }
    plain = type("Plain", (_Plain,), shared)
    encrypted = type("Encrypted", (_Encrypted,), shared)

    class PlainPool(_Verbatim, HTTPConnectionPool):
        ConnectionCls: ClassVar[Any] = plain  # type: ignore[misc]

    class EncryptedPool(_Verbatim, HTTPSConnectionPool):
        ConnectionCls: ClassVar[Any] = encrypted  # type: ignore[misc]

        def _validate_conn(self, conn: Any) -> None:
            # urllib3's own warns at each connection with verify_tls off, which the user has chosen in so many
            # words
            if conn.is_closed:
                conn.connect()

    return {"http": PlainPool, "https": EncryptedPool}


def _seconds(timeout: object) -> float:
    return float(timeout) if isinstance(timeout, (int, float)) else 60.0
