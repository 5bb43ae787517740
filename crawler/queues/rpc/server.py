"""The manager's end: ``multiprocessing.managers.Server``, made fit for a network.

What is kept: the registry, and one thread a connection. What is replaced, and why: a stranger learns nothing, can
neither stop nor starve it, and each of its connections has seconds to prove that it knows the key; nothing is ever
pickled; objects have names, not memory addresses, so that a proxy outlives a restart; a lease whose reply could not
be delivered goes back at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from multiprocessing import AuthenticationError, managers
from typing import Any, Self

import msgspec

from crawler import __version__, errors
from crawler.logs.events import CALL_FAILED, CONNECTION_FAILED, CONNECTION_REFUSED, LEASE_NOT_RETURNED, tell
from crawler.models import Lease
from crawler.queues.rpc import wire
from crawler.queues.rpc.calls import ENCODER, MALFORMED, PROTOCOL, SERVED, Call, Method, Reply
from crawler.queues.rpc.pending_peers import PendingPeers
from crawler.queues.rpc.transport import RpcTransport
from crawler.text.plain_errors import quoted

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 2048
MAX_STRANGERS = 512
MAX_STRANGERS_OF_ONE_ADDRESS = 128
IDLE_S = 120.0
_PAUSE_S = 0.05
LONGEST_WAIT_S = 60.0
"""A call that wants to wait for longer waits for so long."""


class QueueServer(managers.Server):
    """Serves what is registered; a context manager that listens from the start, and answers while it is entered."""

    # BaseManager's own, which its type stubs leave out
    listener: Any
    authkey: bytes

    def __init__(
        self,
        registry: dict[str, Any],
        address: Any,
        authkey: bytes,
        serializer: RpcTransport,
        *,
        crawl: str = "",
    ) -> None:
        super().__init__(registry, address, authkey, serializer)  # type: ignore[arg-type] # any key of listener_client
        self.stop_event = threading.Event()
        self._transport = serializer
        self._crawl = crawl
        self._lobby: PendingPeers[wire.Connection] = PendingPeers(
            most=MAX_STRANGERS, most_of_one_address=MAX_STRANGERS_OF_ONE_ADDRESS
        )
        self._open: set[wire.Connection] = set()
        self._inside: set[wire.Connection] = set()
        self._open_lock = threading.Lock()
        self._served = {name: make() for name, (make, *_) in registry.items()}

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept_until_stopped, name="accept", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_event.set()
        self.listener.close()
        with self._open_lock:
            for peer in self._open:
                peer.interrupt()

    @property
    def visited(self) -> bool:
        """Somebody who knows the key is connected."""
        return bool(self._inside)

    # connections

    def _accept_until_stopped(self) -> None:
        while not self.stop_event.is_set():
            try:
                peer = self.listener.accept()
            except ConnectionError:
                continue  # it went away in the queue
            except OSError as exc:
                if not self.stop_event.is_set():
                    self._out_of_resources(exc)
                continue
            with self._open_lock:
                self._open.add(peer)
            for other in self._lobby.enter(peer, peer.peer):
                other.interrupt()
            try:
                threading.Thread(target=self._serve_peer, args=(peer,), daemon=True).start()
            except RuntimeError as exc:
                self._forget(peer)
                self._out_of_resources(exc)

    def _out_of_resources(self, error: Exception) -> None:
        """Descriptors or threads are used up: whoever sits at the door has to go, the oldest first."""
        tell(log, CONNECTION_FAILED, reason=error)
        for _ in range((len(self._lobby) + 1) // 2):
            if (stranger := self._lobby.crowd_out()) is not None:
                stranger.interrupt()
        time.sleep(_PAUSE_S)  # or it would spin on it with the interpreter's lock

    def _forget(self, peer: wire.Connection) -> None:
        self._lobby.leave(peer)
        with self._open_lock:
            self._open.discard(peer)
            self._inside.discard(peer)
        peer.close()

    def _serve_peer(self, peer: wire.Connection) -> None:
        address = peer.peer
        try:
            self._transport.welcome(peer, self.authkey)
            self._lobby.leave(peer)
            with self._open_lock:
                self._inside.add(peer)
            peer.deadline_s = IDLE_S
            if self._admit(peer):
                while not self.stop_event.is_set():
                    self._answer(peer)
        except (EOFError, ConnectionError):
            pass  # it has gone
        except (AuthenticationError, errors.ProtocolError, *MALFORMED, OSError) as exc:
            tell(log, CONNECTION_REFUSED, address=address, reason=exc)  # and tell it nothing
        finally:
            self._forget(peer)

    def _admit(self, peer: wire.Connection) -> bool:
        """Answer the first call, which is BaseManager's ``accept_connection``; whether others may follow.

        Its other calls of that kind (shutdown, debug_info, create …) are of no use here, or too much of it.
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
        """Raise what forbids to go on with a client that begins like that."""
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
        if len(self._inside) > MAX_CONNECTIONS:
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
        except Exception as exc:  # noqa: BLE001 - who asked is told, and the log
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
            # one who waits has nothing to say: if there is something to be read from it, it has gone
            if undo is None or not peer.poll():
                peer.send_bytes(message)
                delivered = True
        finally:
            if not delivered:
                _give_back(undo)
        if not delivered:
            raise EOFError

    def _invoke(self, call: Call) -> tuple[object, Callable[[], None] | None]:
        """What the call gives, and what has to be done if that can't be delivered."""
        method = SERVED.get(call.ident or "", {}).get(call.method)
        if method is None or call.ident not in self._served:
            raise ValueError(f"there is no method {quoted(call.method)} of {quoted(call.ident)}")
        arguments: Any = method.decode_arguments(call.kwds)
        target = self._served[call.ident]
        value = _called(getattr(target, call.method), method, arguments)
        if isinstance(value, Lease) and value.batches:
            tokens = [task.token for batch in value.batches for task in batch.tasks]
            return value, lambda: target.release(arguments.worker, tokens)
        return value, None


def _encoded(reply: Reply, call: Call) -> bytes:
    message = ENCODER.encode(reply)
    if len(message) > wire.MAX_MESSAGE_BYTES:
        raise errors.ProtocolError(
            f"the answer to {call.method} has {len(message)} bytes; ask for less at a time"
        )
    return message


def _give_back(undo: Callable[[], None] | None) -> None:
    """Do what has to be done if an answer can't be delivered; its leases run out if that fails, too."""
    if undo is not None:
        try:
            undo()
        except Exception as exc:  # noqa: BLE001 - what it is was told to the one who caused it
            tell(log, LEASE_NOT_RETURNED, reason=exc)


def _called(function: Callable[..., Any], method: Method, arguments: Any) -> Any:
    named = {name: getattr(arguments, name) for name in method.fields}
    if "wait_s" in named:
        named["wait_s"] = min(named["wait_s"], LONGEST_WAIT_S)
    positional = [named.pop(name) for name in method.positional]
    return function(*positional, **named)
