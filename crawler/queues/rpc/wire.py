"""Messages between workers and the manager: length-prefixed MessagePack, never pickle.

A message is a 4-byte length and one MessagePack value of plain data. Every message has a size limit and a deadline, in
both directions, before and after authentication. No object is ever built by name: an exception crosses as a name and a
text, and only the names of a closed vocabulary are raised as themselves.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import msgspec

from crawler import errors
from crawler.queues.rpc.tls import SSLSocket

MAX_MESSAGE_BYTES = 4 * 2**20
_LENGTH = struct.Struct("!I")
_OPTIONS = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
# select() fails above descriptor 1023, and epoll needs a descriptor more
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)

_VOCABULARY: dict[str, type[Exception]] = {
    cls.__name__: cls
    for cls in (
        errors.CrawlError,
        errors.FolderError,
        errors.StorageFull,
        errors.StorageFailed,
        errors.LedgerCorrupt,
        errors.ProtocolError,
        errors.VersionMismatch,
        errors.TooManyConnections,
        errors.CrawlReplaced,
        errors.UploadLost,
        ValueError,
        TypeError,
    )
}


FAULT_THERE = "the manager failed at what it was asked for; its log tells where"
"""The text of RemoteFault, for an exception outside of the vocabulary: its own would mean nothing here."""


class Fault(msgspec.Struct, frozen=True):
    """An exception on the wire."""

    type: str
    text: str

    @classmethod
    def of(cls, error: BaseException) -> Fault:
        return cls(type=type(error).__name__, text=str(error))

    def revived(self) -> Exception:
        known = _VOCABULARY.get(self.type)
        return errors.RemoteFault(FAULT_THERE) if known is None else known(self.text)


class Connection:
    """A stream of messages over a socket; used by one thread at a time.

    Has the methods that the handshake of ``multiprocessing.connection`` needs. Raises EOFError when the peer has
    closed, TimeoutError after *deadline_s* seconds for one message, OSError, and ProtocolError for what is no message.
    """

    def __init__(self, sock: socket.socket, *, deadline_s: float) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self._end = float("inf")
        self._interrupted = False
        self.deadline_s = deadline_s

    def fileno(self) -> int:
        """The socket's descriptor; negative once it is closed."""
        return self._sock.fileno()

    @property
    def peer(self) -> str:
        """The other side's address, without its port."""
        try:
            return str(self._sock.getpeername()[0])
        except (OSError, IndexError):
            return ""

    def close(self) -> None:
        self._sock.close()

    def __del__(self) -> None:
        self._sock.close()  # after a fork the pool drops its parent's connections as they are

    def interrupt(self) -> None:
        """Let a send or receive of another thread fail at once."""
        self._interrupted = True
        with suppress(OSError):  # it is closed already
            # not SSLSocket's own, which would have the other thread go on without encryption
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def tune(self) -> None:
        """Switch on TCP_NODELAY and keepalive, and set the options of TCP that the system has."""
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _OPTIONS.items():
            option = getattr(socket, name, None)  # not everywhere
            if option is not None:
                self._sock.setsockopt(socket.IPPROTO_TCP, option, value)

    @contextmanager
    def within(self, for_s: float) -> Iterator[None]:
        """Give all messages of this block *for_s* seconds together."""
        before, self._end = self._end, min(self._end, time.monotonic() + for_s)
        try:
            yield
        finally:
            self._end = before

    def secure(self, wrap: Callable[[socket.socket], SSLSocket]) -> None:
        """Go on over TLS: *wrap* makes a TLS socket of the plain one; then the handshake. Raises OSError."""
        end = self._deadline()
        self._sock = secured = wrap(self._sock)
        if self._interrupted:  # interrupt() came between the two sockets
            raise ConnectionAbortedError("interrupted")
        self._wait_at_most(end)
        secured.do_handshake()

    def poll(self, timeout_s: float = 0.0) -> bool:
        """Whether something has arrived, or the peer has closed."""
        if self._buffer or (isinstance(self._sock, SSLSocket) and self._sock.pending()):
            return True
        with _Selector() as selector:
            selector.register(self._sock, selectors.EVENT_READ)
            return bool(selector.select(timeout_s))

    def send_bytes(self, data: bytes) -> None:
        if len(data) > MAX_MESSAGE_BYTES:
            raise errors.ProtocolError(
                f"a message of {len(data)} bytes is over the limit of {MAX_MESSAGE_BYTES}"
            )
        end = self._deadline()
        left = memoryview(_LENGTH.pack(len(data)) + data)  # one write: two would meet Nagle and delayed ACK
        while left:
            self._wait_at_most(end)
            left = left[self._sock.send(left) :]

    def recv_bytes(self, maxlength: int | None = None) -> bytes:
        end = self._deadline()
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, end))
        limit = MAX_MESSAGE_BYTES if maxlength is None else min(maxlength, MAX_MESSAGE_BYTES)
        if length > limit:
            raise errors.ProtocolError(
                f"the peer announced a message of {length} bytes; the limit is {limit}"
            )
        return self._read(length, end)

    def _deadline(self) -> float:
        return min(self._end, time.monotonic() + self.deadline_s)

    def _wait_at_most(self, end: float) -> None:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the peer took too long over one message")
        self._sock.settimeout(left)

    def _read(self, count: int, end: float) -> bytes:
        while len(self._buffer) < count:
            self._wait_at_most(end)
            chunk = self._sock.recv(65536)
            if not chunk:
                raise EOFError("the peer has closed the connection")
            self._buffer += chunk
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data
