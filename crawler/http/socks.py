"""The handshake with a SOCKS 5 proxy (RFC 1928, RFC 1929).

PySocks and its like open sockets and look names up themselves, and bound only each single read. Here the socket is
connected already, the whole handshake has one deadline, and a name for the proxy to look up is never looked up by us.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address
from typing import TypeVar

from crawler.errors import BadResponse, ConnectFailed, ConnectionLost, ConnectTimeout, Forbidden, TaskError
from crawler.http.proxies import Proxy
from crawler.text.plain_errors import plain
from crawler.urls import show_address

_Result = TypeVar("_Result")

_VERSION, _LOGIN_VERSION = 5, 1
_NO_LOGIN, _BY_PASSWORD, _NOTHING_FITS = 0, 2, 0xFF
_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_ADDRESS_BYTES = {_IPV4: 4, _IPV6: 16}
_MAX_NAME_BYTES = 255
_REFUSED = 2
_REPLIES = {
    1: "general failure",
    _REFUSED: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}
"""The texts of replies (RFC 1928, section 6)."""


def connect(sock: socket.socket, proxy: Proxy, host: str, port: int, timeout_s: float) -> None:
    """Let *proxy*, to which *sock* is connected, connect it to *host*, a name or an address, within *timeout_s*.

    Raises ConnectFailed, ConnectTimeout, ConnectionLost, Forbidden or BadResponse; *sock* can't be used then.
    """
    talk = _Talk(sock, proxy, show_address((host, port)), time.monotonic() + timeout_s)
    talk.log_in()
    talk.connect(host, port)


class _Talk:
    def __init__(self, sock: socket.socket, proxy: Proxy, target: str, deadline: float) -> None:
        self._sock = sock
        self._proxy = proxy
        self._target = target
        self._deadline = deadline

    def log_in(self) -> None:
        """Agree on a method, and log in (section 3 of both RFCs)."""
        login = self._proxy.login
        methods = (_NO_LOGIN,) if login is None else (_NO_LOGIN, _BY_PASSWORD)
        self._send(bytes([_VERSION, len(methods), *methods]))
        version, method = self._receive(2)
        if version != _VERSION:
            raise BadResponse(f"the proxy {self._proxy.name} does not speak SOCKS 5; is it an HTTP proxy?")
        if method == _BY_PASSWORD and login is not None:
            user, password = login
            self._send(bytes([_LOGIN_VERSION, len(user), *user, len(password), *password]))
            if self._receive(2)[1]:
                raise self._locked_out("another user name and password")
        elif method == _NOTHING_FITS:
            raise self._locked_out(
                "a user name and password" if login is None else "another way to log in than by password"
            )
        elif method != _NO_LOGIN:
            raise BadResponse(f"the proxy {self._proxy.name} wants to log in by a way that was not offered")

    def _locked_out(self, wanted: str) -> TaskError:
        return Forbidden(
            f"the proxy {self._proxy.name} wants {wanted}; give them with --proxy, as"
            f" socks5h://USER:PASSWORD@{self._proxy.name}"
        )

    def connect(self, host: str, port: int) -> None:
        """Send the CONNECT request, and read its reply (RFC 1928, sections 4 to 6)."""
        self._send(bytes([_VERSION, _CONNECT, 0]) + _packed(host) + port.to_bytes(2, "big"))
        version, reply, _, kind = self._receive(4)
        if version != _VERSION:
            raise BadResponse(f"the proxy {self._proxy.name} does not speak SOCKS 5")
        if reply:
            said = _REPLIES.get(reply, f"reply {reply}")
            leaf = Forbidden if reply == _REFUSED else ConnectFailed
            raise leaf(f"the proxy {self._proxy.name} can't connect to {self._target}: {said}")
        length = _ADDRESS_BYTES.get(kind)
        if length is None:
            length = self._receive(1)[0] if kind == _NAME else 0
        self._receive(length + 2)  # the address that it is connected from

    def _send(self, data: bytes) -> None:
        self._bound(lambda: self._sock.sendall(data))

    def _receive(self, count: int) -> bytes:
        """Exactly *count* bytes: what follows is the target's."""
        data = b""
        while len(data) < count:
            missing = count - len(data)
            part = self._bound(lambda missing=missing: self._sock.recv(missing))  # type: ignore[misc]
            if not part:
                raise ConnectionLost(f"the proxy {self._proxy.name} ended the connection")
            data += part
        return data

    def _bound(self, act: Callable[[], _Result]) -> _Result:
        try:
            self._sock.settimeout(max(self._deadline - time.monotonic(), 0.001))
            return act()
        except TimeoutError as exc:
            raise ConnectTimeout(
                f"the proxy {self._proxy.name} did not connect to {self._target} in time (connect_timeout_s)"
            ) from exc
        except OSError as exc:
            raise ConnectionLost(f"the proxy {self._proxy.name} ended the connection: {plain(exc)}") from exc


def _packed(host: str) -> bytes:
    """*host* as an address of RFC 1928, section 5. A name is sent as it stands in the URL: the proxy looks it up."""
    bare = host.strip("[]")
    try:
        address = ip_address(bare)
    except ValueError:
        name = bare.encode("ascii")
        if not 0 < len(name) <= _MAX_NAME_BYTES:
            raise ConnectFailed(f"a name of {len(name)} bytes is too long for a SOCKS proxy") from None
        return bytes([_NAME, len(name)]) + name
    return bytes([_IPV4 if isinstance(address, IPv4Address) else _IPV6]) + address.packed
