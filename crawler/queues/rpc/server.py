"""The manager's end of the RPC: one thread a connection, calls by name.

An unauthenticated peer learns nothing, can neither stop nor starve the server, and has seconds to prove that it knows
the authkey. Nothing is ever pickled. Objects have names, so that a proxy outlives a restart. A lease whose reply could
not be delivered is released at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing import AuthenticationError
from typing import Any, Self

import msgspec

from crawler import __version__, errors
from crawler.logs.events import CALL_FAILED, CONNECTION_FAILED, CONNECTION_REFUSED, LEASE_NOT_RETURNED, tell
from crawler.models import Lease, Token
from crawler.queues.rpc import wire
from crawler.queues.rpc.calls import ENCODER, MALFORMED, PROTOCOL, SERVED, Call, Method, Reply
from crawler.queues.rpc.pending_peers import PendingPeers
from crawler.queues.rpc.transport import Address, RpcTransport
from crawler.text.plain_errors import quoted

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 2048
MAX_PENDING = 512
MAX_PENDING_OF_ONE_ADDRESS = 128
IDLE_S = 120.0
"""Seconds until a connection without calls is closed; its client dials again."""
_PAUSE_S = 0.05
LONGEST_WAIT_S = 60.0
"""The most seconds that a call may wait; one that asks for more waits for as many."""


class RpcServer:
    """Serves objects under the names of ``SERVED``. Listens from the start; answers while its context is entered.

    Invariant: a connection is in ``_open`` from its acceptance until it is closed. Meanwhile it is pending, or in
    ``_authenticated`` once its peer has proved that it knows the authkey.
    """

    def __init__(
        self,
        served: Mapping[str, object],
        address: Address,
        authkey: bytes,
        transport: RpcTransport,
        *,
        crawl: str = "",
    ) -> None:
        self.listener = transport.listen(address)
        self._served = dict(served)
        self._authkey = authkey
        self._transport = transport
        self._crawl = crawl
        self._stopped = threading.Event()
        self._pending: PendingPeers[wire.Connection] = PendingPeers(
            most=MAX_PENDING, most_of_one_address=MAX_PENDING_OF_ONE_ADDRESS
        )
        self._open: set[wire.Connection] = set()
        self._authenticated: set[wire.Connection] = set()
        self._open_lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept_until_stopped, name="accept", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.listener.close()
        with self._open_lock:
            for peer in self._open:
                peer.interrupt()

    @property
    def visited(self) -> bool:
        """Whether a client is connected that knows the authkey."""
        return bool(self._authenticated)

    def _accept_until_stopped(self) -> None:
        while not self._stopped.is_set():
            try:
                peer = self.listener.accept()
            except ConnectionError:
                continue  # it went away in the queue
            except OSError as exc:
                if not self._stopped.is_set():
                    self._out_of_resources(exc)
                continue
            with self._open_lock:
                self._open.add(peer)
            for other in self._pending.enter(peer, peer.peer):
                other.interrupt()
            try:
                threading.Thread(target=self._serve_peer, args=(peer,), daemon=True).start()
            except RuntimeError as exc:
                self._forget(peer)
                self._out_of_resources(exc)

    def _out_of_resources(self, error: Exception) -> None:
        """Descriptors or threads are used up: close half of the pending connections, the oldest first."""
        tell(log, CONNECTION_FAILED, reason=error)
        for _ in range((len(self._pending) + 1) // 2):
            if (oldest := self._pending.crowd_out()) is not None:
                oldest.interrupt()
        # or accept() would fail again at once, in a loop that holds the interpreter's lock
        time.sleep(_PAUSE_S)

    def _forget(self, peer: wire.Connection) -> None:
        self._pending.leave(peer)
        with self._open_lock:
            self._open.discard(peer)
            self._authenticated.discard(peer)
        peer.close()

    def _serve_peer(self, peer: wire.Connection) -> None:
        address = peer.peer
        try:
            self._transport.welcome(peer, self._authkey)
            self._pending.leave(peer)
            with self._open_lock:
                self._authenticated.add(peer)
            peer.deadline_s = IDLE_S
            if self._admit(peer):
                while not self._stopped.is_set():
                    self._answer(peer)
        except (EOFError, ConnectionError):
            pass  # it has gone
        except (AuthenticationError, errors.ProtocolError, *MALFORMED, OSError) as exc:
            tell(log, CONNECTION_REFUSED, address=address, reason=exc)  # and tell it nothing
        finally:
            self._forget(peer)

    def _admit(self, peer: wire.Connection) -> bool:
        """Answer the greeting, which is the first call; return whether others may follow.

        It is BaseManager's ``accept_connection``. BaseManager's other calls to the server itself (shutdown, debug_info,
        create …) are refused: any worker could stop the manager by them.
        """
        call = msgspec.msgpack.decode(peer.recv_bytes(), type=Call)
        try:
            self._check(call)
        except (errors.QueueError, ValueError, *MALFORMED) as exc:
            peer.send_bytes(ENCODER.encode(Reply.of_error(exc)))
            return False
        peer.send_bytes(ENCODER.encode(Reply.of(None)))
        return True

    def _check(self, call: Call) -> None:
        """Raise why the client that greets by *call* is refused."""
        if call.ident is not None or call.method != "accept_connection":
            raise ValueError(f"there is no call {quoted(call.method)} before a connection is accepted")
        match msgspec.msgpack.decode(call.args):
            case [int(protocol), str(version), str(crawl)]:
                pass
            case [int(protocol), str(version), *_]:
                crawl = ""
            case _:
                protocol, version, crawl = 0, "a version that greets in another way", ""
        if protocol != PROTOCOL:
            shown = "".join(char if char.isprintable() else "?" for char in version[:40])
            raise errors.VersionMismatch(
                f"this crawl's manager is image-crawler {__version__} (protocol {PROTOCOL}), here is {shown}"
                f" (protocol {protocol}), and they do not understand each other; install the same version on both"
            )
        if crawl and crawl != self._crawl:
            raise errors.CrawlReplaced(
                "this manager serves another crawl by now, or the same with other settings; join it anew"
            )
        if len(self._authenticated) > MAX_CONNECTIONS:
            raise errors.TooManyConnections(
                f"the manager has {MAX_CONNECTIONS:,} connections, which is as many as it takes"
            )

    def _answer(self, peer: wire.Connection) -> None:
        """Answer one call."""
        call = msgspec.msgpack.decode(peer.recv_bytes(), type=Call)
        undo: Callable[[], None] | None = None
        try:
            value, undo = self._invoke(call)
            message = _encoded(Reply.of(value), call)
        except Exception as exc:  # noqa: BLE001 - the client is told, and the log
            if not isinstance(exc, (errors.CrawlerError, ValueError, OverflowError, *MALFORMED)):
                tell(log, CALL_FAILED, exc_info=True, method=call.method)
            _give_back(undo)
            undo = None
            message = ENCODER.encode(Reply.of_error(exc))
        self._deliver(peer, message, undo)

    @staticmethod
    def _deliver(peer: wire.Connection, message: bytes, undo: Callable[[], None] | None) -> None:
        delivered = False
        try:
            # a client that waits for its answer sends nothing: if there is something to read, it has closed
            if undo is None or not peer.poll():
                peer.send_bytes(message)
                delivered = True
        finally:
            if not delivered:
                _give_back(undo)
        if not delivered:
            raise EOFError

    def _invoke(self, call: Call) -> tuple[object, Callable[[], None] | None]:
        """The value of the call, and what undoes it if the reply can't be delivered."""
        method = SERVED.get(call.ident or "", {}).get(call.method)
        if method is None or call.ident not in self._served:
            raise ValueError(f"there is no method {quoted(call.method)} of {quoted(call.ident)}")
        arguments: Any = method.decode_arguments(call.kwds)
        target: Any = self._served[call.ident]
        value = _called(getattr(target, call.method), method, arguments)
        if isinstance(value, Lease) and value.batches:
            return value, lambda: target.release(arguments.worker, _tokens(value))
        return value, None


def _encoded(reply: Reply, call: Call) -> bytes:
    message = ENCODER.encode(reply)
    if len(message) > wire.MAX_MESSAGE_BYTES:
        raise errors.ProtocolError(
            f"the answer to {call.method} has {len(message)} bytes; ask for less at a time"
        )
    return message


def _tokens(lease: Lease) -> list[Token]:
    return [task.token for batch in lease.batches for task in batch.tasks]


def _give_back(undo: Callable[[], None] | None) -> None:
    """Release the leases of a reply that could not be delivered; if that fails, too, they expire."""
    if undo is not None:
        try:
            undo()
        except Exception as exc:  # noqa: BLE001 - the client has been told of its own error
            tell(log, LEASE_NOT_RETURNED, reason=exc)


def _called(function: Callable[..., Any], method: Method, arguments: Any) -> Any:
    named = {name: getattr(arguments, name) for name in method.fields}
    if "wait_s" in named:
        named["wait_s"] = min(named["wait_s"], LONGEST_WAIT_S)
    positional = [named.pop(name) for name in method.positional]
    return function(*positional, **named)
