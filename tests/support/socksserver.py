"""A real SOCKS 5 proxy (RFC 1928, RFC 1929) that connects to loopback, whatever the name; it keeps what was said to it.

with SocksServer(login=("me", "s3cret")) as proxy: …
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import pytest

from tests.support.tcpserver import TcpServer


@pytest.fixture(name="looked_up")
def look_ups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that this process asks the name service for; none of them is known there."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        if host.endswith(".example"):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


_ADDRESS_BYTES = {1: 4, 4: 16}


class SocksServer(TcpServer):
    """*reply* other than 0 refuses to connect; *trickles* sends its own answers byte by byte; *bound* is what it says
    it is connected from, as that stands on the wire.
    """

    def __init__(
        self,
        *,
        login: tuple[str, str] | None = None,
        reply: int = 0,
        refused: tuple[str, ...] = (),
        trickles: bool = False,
        bound: bytes = b"\x01\x00\x00\x00\x00\x00\x00",
    ) -> None:
        self.targets: list[tuple[int, str, int]] = []
        """Type of address, address, port; as they were asked for."""
        self.logins: list[tuple[str, str]] = []
        self._login = login
        self._reply = reply
        self._refused = refused
        self._trickles = trickles
        self._bound = bound
        super().__init__()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError, EOFError, UnicodeError):
            if not self._let_in(sock):
                sock.close()
                return
            version, command, _, kind = _exactly(sock, 4)
            assert (version, command) == (5, 1)
            if kind == 3:
                host = _exactly(sock, _exactly(sock, 1)[0]).decode()
            else:
                host = str(ip_address(_exactly(sock, _ADDRESS_BYTES[kind])))
            port = int.from_bytes(_exactly(sock, 2), "big")
            self.targets.append((kind, host, port))
            reply = self._reply or (5 if host in self._refused else 0)
            if reply:
                self._say(sock, bytes([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]))
                sock.close()
                return
            far = socket.create_connection(("127.0.0.1", port))
            self._open.append(far)
            self._say(sock, b"\x05\x00\x00" + self._bound)
            threading.Thread(target=_pass_on, args=(sock, far), daemon=True).start()
            _pass_on(far, sock)

    def _let_in(self, sock: socket.socket) -> bool:
        version, count = _exactly(sock, 2)
        if version != 5:
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return False
        offered = _exactly(sock, count)
        method = 0 if self._login is None else 2
        if method not in offered:
            self._say(sock, b"\x05\xff")
            return False
        self._say(sock, bytes([5, method]))
        if self._login is None:
            return True
        assert _exactly(sock, 1) == b"\x01"
        user = _exactly(sock, _exactly(sock, 1)[0]).decode()
        password = _exactly(sock, _exactly(sock, 1)[0]).decode()
        self.logins.append((user, password))
        self._say(sock, bytes([1, (user, password) != self._login]))
        return (user, password) == self._login

    def _say(self, sock: socket.socket, data: bytes) -> None:
        for part in [bytes([byte]) for byte in data] if self._trickles else [data]:
            sock.sendall(part)


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
