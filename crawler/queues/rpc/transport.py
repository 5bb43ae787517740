"""How a connection to the manager comes to be: TCP or TLS 1.3, and then both sides prove that they know the key.

``multiprocessing.managers`` looks its transport up in ``managers.listener_client``; ``RpcTransport.register`` adds one.

**What the proof is worth.** It is that of ``multiprocessing.connection`` (an HMAC over a random challenge), with a key
of its own for each direction, both made from the authkey: what one worker answers is of no use to somebody who plays
the manager for another one. Whoever sits on the path between worker and manager can still pass everything on, read
it and change it. TLS is what closes that.
"""

from __future__ import annotations

import hmac
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import managers
from multiprocessing.connection import answer_challenge, deliver_challenge
from typing import Any, Protocol, cast

from crawler import errors
from crawler.queues.rpc.tls import Tls
from crawler.queues.rpc.wire import Connection

HANDSHAKE_S = 5.0
"""From the connection to the end of the proof, both sides'."""
CALL_S = 60.0
BACKLOG = 1024

Address = tuple[str, int]
_OPTIONS = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}


def worker_key(authkey: bytes) -> bytes:
    """What a worker proves to know."""
    return hmac.digest(authkey, b"image-crawler worker", "sha256")


def manager_key(authkey: bytes) -> bytes:
    """What a manager proves to know."""
    return hmac.digest(authkey, b"image-crawler manager", "sha256")


def challenge(connection: Connection, key: bytes) -> None:
    """Have the peer prove that it knows *key*. Raises AuthenticationError."""
    deliver_challenge(cast("Any", connection), key)


def answer(connection: Connection, key: bytes) -> None:
    """Prove to the peer that we know *key*. Raises AuthenticationError, or ProtocolError if it does not ask."""
    try:
        answer_challenge(cast("Any", connection), key)
    except AssertionError as exc:  # Python 3.11's way to say so
        raise errors.ProtocolError("the peer did not begin with a challenge") from exc


class Listener:
    """Accepts connections; nothing is read from them yet, nor is TLS begun: that may fail, and may take long."""

    def __init__(self, address: Address) -> None:
        inet = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        both = address[0] == "::" and socket.has_dualstack_ipv6()  # as 0.0.0.0, for IPv6 and IPv4 alike
        self._sock = socket.create_server(address, family=inet, backlog=BACKLOG, dualstack_ipv6=both)
        self.address: Address = self._sock.getsockname()[:2]

    def accept(self) -> Connection:
        sock, _ = self._sock.accept()
        return Connection(sock, deadline_s=HANDSHAKE_S)

    def close(self) -> None:
        with suppress(OSError):
            # wakes a thread in accept(), which would keep the port open
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()


@dataclass(frozen=True)
class RpcTransport:
    """Plain TCP, or TLS; both sides have to agree on which."""

    tls: Tls | None = None

    def listen(
        self,
        address: Address,
        family: str | None = None,
        backlog: int = BACKLOG,
        authkey: bytes | None = None,
    ) -> Listener:
        # multiprocessing asks for a backlog of 16 or 128, and authenticates in the connection's own thread
        del family, backlog, authkey
        if self.tls is not None:
            self.tls.load(server_side=True)  # rather than in the first peer's thread
        return Listener(address)

    def dial(self, address: Address, family: str | None = None, authkey: bytes | None = None) -> Connection:
        """A connection to the manager at *address*, and over it ``greet``."""
        del family
        connection = self.open(address)
        try:
            self.greet(connection, authkey)
        except BaseException:
            connection.close()
            raise
        return connection

    def open(self, address: Address) -> Connection:
        """A connection on which nothing has been said yet. Raises OSError."""
        return Connection(socket.create_connection(address, timeout=HANDSHAKE_S), deadline_s=HANDSHAKE_S)

    def greet(self, connection: Connection, authkey: bytes | None) -> None:
        """Begin TLS, if it is to be; with *authkey* both sides prove that they know it.

        Raises AuthenticationError, ProtocolError, EOFError and OSError, such as the ssl module's.
        """
        with connection.within(HANDSHAKE_S):
            connection.tune(_OPTIONS)
            if self.tls is not None:
                connection.secure(self.tls.on_client)
            if authkey is not None:
                answer(connection, worker_key(authkey))
                challenge(connection, manager_key(authkey))
        connection.deadline_s = CALL_S

    def welcome(self, peer: Connection, authkey: bytes) -> None:
        """The manager's side of ``greet``. Raises the same."""
        with peer.within(HANDSHAKE_S):
            peer.tune(_OPTIONS)
            if self.tls is not None:
                peer.secure(self.tls.on_server)
            challenge(peer, worker_key(authkey))
            answer(peer, manager_key(authkey))

    def register(self) -> RpcTransport:
        """Make this transport known to ``multiprocessing.managers``; returns the key that it is found by: itself."""
        cast("_Registry", managers).listener_client[self] = (self.listen, self.dial)
        return self


class _Registry(Protocol):
    listener_client: dict[Any, tuple[Callable[..., Any], Callable[..., Any]]]
