"""Messages between workers and the manager: length-prefixed MessagePack, never pickle.

``multiprocessing.managers`` looks its transport up by name in ``managers.listener_client``; ``register`` adds this
one. A message is a 4-byte length and one MessagePack value of plain data. Every message has a size limit and a
deadline, both ways, before and after authentication. No object is ever built by name: exceptions cross as a name
and a text, and only those of a closed vocabulary come out as themselves.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import managers
from multiprocessing.connection import answer_challenge, deliver_challenge
from typing import Any, Protocol, cast

import msgspec

from crawler import errors

SERIALIZER = "crawler-wire"
MAX_MESSAGE_BYTES = 4 * 2**20
HANDSHAKE_S = 5.0
CALL_S = 60.0
BACKLOG = 1024
_LENGTH = struct.Struct("!I")

Address = tuple[str, int]

_VOCABULARY: dict[str, type[Exception]] = {
    cls.__name__: cls
    for cls in (
        errors.CrawlError,
        errors.FolderError,
        errors.StorageFull,
        errors.StorageFailed,
        errors.LedgerCorrupt,
        errors.ProtocolError,
        ValueError,
        TypeError,
    )
}


class Fault(msgspec.Struct, frozen=True):
    """An exception on the wire."""

    type: str
    text: str

    @classmethod
    def of(cls, error: BaseException) -> Fault:
        return cls(type=type(error).__name__, text=str(error))

    def revived(self) -> Exception:
        known = _VOCABULARY.get(self.type)
        return errors.RemoteFault(f"{self.type}: {self.text}") if known is None else known(self.text)


class Connection:
    """A stream of messages, each whole and in time; used by one thread at a time.

    Has the methods that ``multiprocessing`` expects of a connection. Raises EOFError when the peer has gone,
    TimeoutError after *deadline_s* for one message, OSError and ProtocolError for anything that is not one.
    """

    def __init__(self, sock: socket.socket, *, deadline_s: float) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self.deadline_s = deadline_s

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def closed(self) -> bool:
        return self._sock.fileno() < 0

    def close(self) -> None:
        self._sock.close()

    def __del__(self) -> None:
        self._sock.close()  # BaseManager drops its control connections without closing them

    def interrupt(self) -> None:
        """Make a call that another thread is waiting in fail at once."""
        with suppress(OSError):  # gone already
            self._sock.shutdown(socket.SHUT_RDWR)

    def poll(self, timeout_s: float = 0.0) -> bool:
        """Whether something has arrived, or the peer has closed."""
        if self._buffer:
            return True
        with selectors.DefaultSelector() as selector:  # select() fails above descriptor 1023
            selector.register(self._sock, selectors.EVENT_READ)
            return bool(selector.select(timeout_s))

    def send_bytes(self, data: bytes) -> None:
        if len(data) > MAX_MESSAGE_BYTES:
            raise errors.ProtocolError(
                f"a message of {len(data)} bytes is over the limit of {MAX_MESSAGE_BYTES}"
            )
        self._sock.settimeout(self.deadline_s)
        self._sock.sendall(_LENGTH.pack(len(data)) + data)  # one write: two would meet Nagle and delayed ACK

    def recv_bytes(self, maxlength: int | None = None) -> bytes:
        end = time.monotonic() + self.deadline_s
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, end))
        limit = MAX_MESSAGE_BYTES if maxlength is None else min(maxlength, MAX_MESSAGE_BYTES)
        if length > limit:
            raise errors.ProtocolError(
                f"the peer announced a message of {length} bytes; the limit is {limit}"
            )
        return self._read(length, end)

    def _read(self, count: int, end: float) -> bytes:
        while len(self._buffer) < count:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("the peer took too long over one message")
            self._sock.settimeout(left)
            chunk = self._sock.recv(65536)
            if not chunk:
                raise EOFError("the peer has closed the connection")
            self._buffer += chunk
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    # what multiprocessing's own control calls use: (ident, method, args, kwds) and (kind, value)

    def send(self, message: object) -> None:
        self.send_bytes(msgspec.msgpack.encode(message))

    def recv(self) -> Any:
        message = msgspec.msgpack.decode(self.recv_bytes())
        match message:
            case ["#ERROR", {"type": str(kind), "text": str(text)}]:
                return "#ERROR", Fault(kind, text).revived()
            case [_, *_]:
                return message
            case _:
                raise errors.ProtocolError("the peer sent something that is not a message")


class _Listener:
    def __init__(
        self,
        address: Address,
        family: str | None = None,
        backlog: int = BACKLOG,
        authkey: bytes | None = None,
    ) -> None:
        del (
            backlog,
            authkey,
        )  # multiprocessing asks for 16 or 128; it authenticates in the connection's own thread
        inet = socket.AF_INET6 if family == "AF_INET6" or ":" in address[0] else socket.AF_INET
        self._sock = socket.create_server(address, family=inet, backlog=BACKLOG)
        self.address: Address = self._sock.getsockname()[:2]

    def accept(self) -> Connection:
        sock, _ = self._sock.accept()
        _tune(sock)
        return Connection(sock, deadline_s=HANDSHAKE_S)

    def close(self) -> None:
        with suppress(OSError):
            # wakes a thread in accept(), which would keep the port open
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()


def dial(address: Address, family: str | None = None, authkey: bytes | None = None) -> Connection:
    """A connection to the manager at *address*; with *authkey* both sides prove that they know it."""
    del family
    sock = socket.create_connection(address, timeout=HANDSHAKE_S)
    connection = Connection(sock, deadline_s=HANDSHAKE_S)
    try:
        _tune(sock)
        if authkey is not None:
            answer(connection, authkey)
            challenge(connection, authkey)
    except BaseException:
        connection.close()
        raise
    connection.deadline_s = CALL_S
    return connection


def challenge(connection: Connection, authkey: bytes) -> None:
    """Have the peer prove that it knows *authkey*. Raises AuthenticationError."""
    deliver_challenge(cast("Any", connection), authkey)


def answer(connection: Connection, authkey: bytes) -> None:
    """Prove to the peer that we know *authkey*. Raises AuthenticationError, or ProtocolError if it does not ask."""
    try:
        answer_challenge(cast("Any", connection), authkey)
    except AssertionError as exc:  # Python 3.11's way to say so
        raise errors.ProtocolError(f"the peer did not begin with a challenge: {exc}") from exc


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", 15),
        ("TCP_KEEPINTVL", 5),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 30_000),
    ):
        option = getattr(socket, name, None)  # not everywhere
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


class _Registry(Protocol):
    listener_client: dict[str, tuple[Callable[..., Any], Callable[..., Any]]]


def register() -> str:
    """Make this transport known to ``multiprocessing.managers``; returns its name."""
    cast("_Registry", managers).listener_client[SERIALIZER] = (_Listener, dial)
    return SERIALIZER
