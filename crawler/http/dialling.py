"""TCP connections: to the first address of a host that accepts one, and is permitted; directly, or by a SOCKS proxy."""

from __future__ import annotations

import socket
import time
from itertools import zip_longest

from crawler.errors import ConnectFailed, ConnectTimeout, ForbiddenAddress
from crawler.http import socks, tunnel
from crawler.http.address_guard import AddressGuard
from crawler.http.dns_cache import AddressInfo, DnsCache
from crawler.http.paced_reader import PacedResponse, ReadPace
from crawler.http.proxies import Proxy
from crawler.text.plain_errors import plain
from crawler.urls import show_address

_MAX_ADDRESSES = 8
"""The most addresses of one host that are tried."""


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

    Each address but the last gets half of the time left, so that one that is dead leaves time for the others; IPv6 and
    IPv4 take turns. *guard* refuses addresses; *called* stands for *host* in errors; *buffer_bytes* is the size of the
    receive buffer, 0 for the system's.

    Raises HostNotFound, NameLookupFailed, ForbiddenAddress, ConnectTimeout or ConnectFailed. A look-up can't be cut.
    """
    deadline = time.monotonic() + timeout_s
    failure: OSError | None = None
    left = _addresses(host, port, names, guard)
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


def open_by_socks(
    proxy: Proxy,
    host: str,
    port: int,
    timeout_s: float,
    names: DnsCache,
    guard: AddressGuard | None,
    *,
    buffer_bytes: int,
) -> socket.socket:
    """A connection to *host* that *proxy* makes. Raises as ``open_socket`` does.

    A proxy that looks names up is given the name: the guard has judged the URL before, and can judge no more. Any other
    is given addresses that *guard* permits, one after the other.
    """
    deadline = time.monotonic() + timeout_s
    targets = [host]
    if not proxy.looks_names_up:
        targets = [str(info[4][0]) for info in _addresses(host, port, names, guard)]
    while True:
        target, last = targets.pop(0), len(targets) == 0
        left_s = max(deadline - time.monotonic(), 0.001)
        called = f"the proxy {proxy.host}"
        sock = open_socket(proxy.host, proxy.port, left_s, names, called=called, buffer_bytes=buffer_bytes)
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


def open_by_http(
    proxy: Proxy,
    host: str,
    port: int,
    timeout_s: float,
    names: DnsCache,
    *,
    tunnels: bool,
    buffer_bytes: int,
) -> socket.socket:
    """A connection to an HTTP *proxy*, or with *tunnels* to *host* by way of it. Raises as ``open_socket`` does.

    The guard has judged the URL before, and can judge no more.
    """
    deadline = time.monotonic() + timeout_s
    called = f"the proxy {proxy.host}"
    sock = open_socket(proxy.host, proxy.port, timeout_s, names, called=called, buffer_bytes=buffer_bytes)
    if not tunnels:
        return sock
    try:
        sock.settimeout(max(deadline - time.monotonic(), 0.001))
        tunnel.ask(
            sock.sendall,
            lambda: PacedResponse(sock, method="CONNECT", pace=ReadPace(min_rate_bytes_s=0, grace_s=0.0)),
            proxy=proxy.name,
            headers=proxy.headers,
            target=show_address((host, port)),
        )
    except BaseException:
        sock.close()
        raise
    return sock


def _addresses(host: str, port: int, names: DnsCache, guard: AddressGuard | None) -> list[AddressInfo]:
    """The permitted addresses of *host* that are tried, in their order."""
    if guard is not None:
        guard.check_port(host, port)
    addresses = names.look_up(host, port)
    if guard is not None:
        refusals = [guard.refusal(host, port, str(info[4][0])) for info in addresses]
        permitted = [info for info, refusal in zip(addresses, refusals, strict=True) if not refusal]
        if refusals and not permitted:
            raise ForbiddenAddress(refusals[0])
        addresses = permitted
    families: dict[int, list[AddressInfo]] = {}
    for info in addresses:
        families.setdefault(info[0], []).append(info)
    # one of each family after the other (RFC 8305, section 4), best first
    turns = [info for group in zip_longest(*families.values()) for info in group if info is not None]
    return turns[:_MAX_ADDRESSES]
