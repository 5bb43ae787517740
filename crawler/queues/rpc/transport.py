"""Connections to the manager: TCP or TLS 1.3, on which both sides then prove that they know the authkey.

The proof is the challenge and response of ``multiprocessing.connection`` (an HMAC over a random challenge). Each
direction has a key of its own, derived from the authkey: one worker's response is of no use to a rogue manager that
relays challenges between two workers. A man in the middle can still relay, read and change all that follows; only TLS
prevents that.
"""

from __future__ import annotations

import hmac
import socket
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import answer_challenge, deliver_challenge
from typing import Any, cast

from crawler import errors
from crawler.queues.rpc.tls import Tls
from crawler.queues.rpc.wire import Connection

HANDSHAKE_S = 5.0
"""Seconds from accepting a connection to the end of the handshake, on both sides."""
CALL_S = 60.0
"""Seconds allowed for one message of a call; a call that waits on purpose has these on top."""
_BACKLOG = 1024

Address = tuple[str, int]


def worker_key(authkey: bytes) -> bytes:
    """The key of a worker's proof."""
    return hmac.digest(authkey, b"image-crawler worker", "sha256")


def manager_key(authkey: bytes) -> bytes:
    """The key of the manager's proof."""
    return hmac.digest(authkey, b"image-crawler manager", "sha256")


def _prove(connection: Connection, key: bytes) -> None:
    """Prove to the peer that we know *key*. Raises AuthenticationError, or ProtocolError if it sends no challenge."""
    try:
        answer_challenge(cast("Any", connection), key)
    except AssertionError as exc:  # Python 3.11's way to say so
        raise errors.ProtocolError("the peer did not begin with a challenge") from exc


class Listener:
    """A TCP socket that accepts connections. TLS and the proofs, which may take long, are left to their threads."""

    def __init__(self, address: Address) -> None:
        inet = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        both = address[0] == "::" and socket.has_dualstack_ipv6()  # as 0.0.0.0, for IPv6 and IPv4 alike
        self._sock = socket.create_server(address, family=inet, backlog=_BACKLOG, dualstack_ipv6=both)
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

    def listen(self, address: Address) -> Listener:
        """Raises OSError, and UsageError when the files of TLS can't be used."""
        if self.tls is not None:
            self.tls.load(server_side=True)  # rather than in the first peer's thread
        return Listener(address)

    def open(self, address: Address) -> Connection:
        """A connection on which nothing was sent yet. Raises OSError."""
        return Connection(socket.create_connection(address, timeout=HANDSHAKE_S), deadline_s=HANDSHAKE_S)

    def greet(self, connection: Connection, authkey: bytes) -> None:
        """The client's side of the handshake: TLS, if there is to be, and both proofs.

        Raises AuthenticationError, ProtocolError, EOFError and OSError, such as the ssl module's.
        """
        with connection.within(HANDSHAKE_S):
            connection.tune()
            if self.tls is not None:
                connection.secure(self.tls.on_client)
            _prove(connection, worker_key(authkey))
            deliver_challenge(cast("Any", connection), manager_key(authkey))
        connection.deadline_s = CALL_S

    def welcome(self, peer: Connection, authkey: bytes) -> None:
        """The manager's side of the handshake. Raises as ``greet`` does."""
        with peer.within(HANDSHAKE_S):
            peer.tune()
            if self.tls is not None:
                peer.secure(self.tls.on_server)
            deliver_challenge(cast("Any", peer), worker_key(authkey))
            _prove(peer, manager_key(authkey))
