"""The manager: the queues on the network, through ``multiprocessing.managers.BaseManager``.

What is kept of the standard library: the manager's interface, its registry, authentication by authkey, one thread a
connection. What is replaced, and why: the transport (wire.py: no pickle, deadlines, limits), the server (a stranger
learns nothing and can neither stop nor starve it; objects have names, not memory addresses, so that a proxy outlives
a restart) and the proxies (a broken call is never read by the next one; they reconnect).
"""

from __future__ import annotations

import inspect
import logging
import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing import AuthenticationError, managers, process, util
from typing import Any, cast, get_type_hints

import msgspec
import tenacity

from crawler import errors
from crawler.queues import ResultQueue, TaskQueue, wire

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 2048
IDLE_S = 120.0
_CONTROL = frozenset(
    {"accept_connection", "create", "incref", "decref", "dummy"}
)  # not shutdown, not debug_info
_MALFORMED = (msgspec.MsgspecError, RecursionError)  # the latter for values nested too deep
_ENCODER = msgspec.msgpack.Encoder()


class _Call(msgspec.Struct, frozen=True, array_like=True):
    """What a client sends: the layout of BaseManager's own ``(ident, methodname, args, kwds)``."""

    ident: str | None
    method: str
    args: msgspec.Raw = msgspec.Raw(b"\x90")
    kwds: msgspec.Raw = msgspec.Raw(b"\x80")


class _Reply(msgspec.Struct, frozen=True, array_like=True):
    kind: str
    value: msgspec.Raw


def _fault(error: Exception) -> _Reply:
    return _Reply("#ERROR", msgspec.Raw(_ENCODER.encode(wire.Fault.of(error))))


class Method:
    """One method of a queue on the wire: its arguments travel by name, typed by the protocol's annotations."""

    def __init__(self, protocol: type, name: str) -> None:
        function = getattr(protocol, name)
        self.name = name
        self.signature = inspect.signature(function)
        hints = get_type_hints(function)
        returns = hints.pop("return")
        fields = [
            (parameter.name, hints[parameter.name])
            if parameter.default is inspect.Parameter.empty
            else (parameter.name, hints[parameter.name], parameter.default)
            for parameter in list(self.signature.parameters.values())[1:]
        ]
        arguments = msgspec.defstruct(f"{name}_arguments", fields, kw_only=True, forbid_unknown_fields=True)
        self.fields = arguments.__struct_fields__
        self.positional = [
            parameter.name
            for parameter in list(self.signature.parameters.values())[1:]
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        ]
        self.decode_arguments = msgspec.msgpack.Decoder(arguments).decode
        self.decode_result = msgspec.msgpack.Decoder(returns).decode

    def bind(self, args: tuple[Any, ...], kwds: Mapping[str, Any]) -> dict[str, Any]:
        return dict(list(self.signature.bind(None, *args, **kwds).arguments.items())[1:])


def _methods(protocol: type) -> dict[str, Method]:
    return {name: Method(protocol, name) for name in vars(protocol) if not name.startswith("_")}


_QUEUES: dict[str, dict[str, Method]] = {
    "get_task_queue": _methods(TaskQueue),
    "get_result_queue": _methods(ResultQueue),
}


class QueueServer(managers.Server):
    """Serves the registered queues until it is stopped."""

    public = sorted(_CONTROL)
    # BaseManager's own, which its type stubs leave out
    listener: Any
    authkey: bytes

    def __init__(self, registry: dict[str, Any], address: Any, authkey: bytes, serializer: str) -> None:
        super().__init__(registry, address, authkey, serializer)
        self.stop_event = threading.Event()
        self._open: set[wire.Connection] = set()
        self._open_lock = threading.Lock()
        self._served = {name: make() for name, (make, *_) in registry.items()}

    # BaseManager's control calls; well-known names stand for the objects

    def create(self, c: Any, typeid: str, /, *args: Any, **kwds: Any) -> tuple[str, tuple[str, ...]]:
        del c
        if args or kwds or typeid not in self._served:
            raise ValueError(f"there is no queue {typeid!r}")
        return typeid, tuple(_QUEUES[typeid])

    def incref(self, c: Any, ident: str) -> None:
        """Nothing: the queues live as long as the server."""

    decref = incref

    # connections

    def accept_until_stopped(self) -> None:
        while not self.stop_event.is_set():
            try:
                peer = self.listener.accept()
            except OSError as exc:
                if not self.stop_event.is_set():
                    log.warning("can't accept a connection: %s", exc)  # out of descriptors, most likely
                    time.sleep(0.05)  # or it would spin on it with the interpreter's lock
                continue
            if len(self._open) >= MAX_CONNECTIONS:
                peer.close()
                continue
            with self._open_lock:
                self._open.add(peer)
            try:
                threading.Thread(target=self._serve_peer, args=(peer,), daemon=True).start()
            except RuntimeError as exc:
                log.warning("can't start a thread: %s", exc)
                self._forget(peer)
                time.sleep(0.05)

    def _forget(self, peer: wire.Connection) -> None:
        with self._open_lock:
            self._open.discard(peer)
        peer.close()

    def _serve_peer(self, peer: wire.Connection) -> None:
        try:
            wire.challenge(peer, self.authkey)
            wire.answer(peer, self.authkey)
            peer.deadline_s = IDLE_S
            while not self.stop_event.is_set():
                if not self._answer(peer):
                    return
        except (AuthenticationError, errors.ProtocolError, *_MALFORMED, TimeoutError) as exc:
            log.info("dropped a peer: %s", exc)  # and tell it nothing
        except (EOFError, OSError):
            pass  # it has gone
        finally:
            self._forget(peer)

    def _answer(self, peer: wire.Connection) -> bool:
        """Answer one call; False once the peer wants no more."""
        call = msgspec.msgpack.decode(peer.recv_bytes(), type=_Call)
        try:
            value = self._control(peer, call) if call.ident is None else self._invoke(call)
            reply = _Reply("#RETURN", msgspec.Raw(_ENCODER.encode(value)))
        except Exception as exc:
            if not isinstance(exc, (errors.CrawlerError, ValueError, *_MALFORMED)):
                log.exception("a call of %s failed", call.method)
            reply = _fault(exc)
        message = _ENCODER.encode(reply)
        if len(message) > wire.MAX_MESSAGE_BYTES:
            too_long = f"the answer to {call.method} has {len(message)} bytes; ask for less at a time"
            message = _ENCODER.encode(_fault(errors.ProtocolError(too_long)))
        peer.send_bytes(message)
        return call.ident is not None or call.method == "accept_connection"

    def _control(self, peer: wire.Connection, call: _Call) -> object:
        if call.method not in _CONTROL:
            raise ValueError(f"there is no call {call.method!r}")
        if call.method == "accept_connection":
            return None  # the calls on the queues follow on this connection
        args = msgspec.msgpack.decode(call.args, type=list[str])
        return getattr(self, call.method)(peer, *args)

    def _invoke(self, call: _Call) -> object:
        method = _QUEUES.get(call.ident or "", {}).get(call.method)
        if method is None:
            raise ValueError(f"there is no method {call.method!r} of {call.ident!r}")
        arguments = method.decode_arguments(call.kwds)
        target = getattr(self._served[str(call.ident)], call.method)
        named = {name: getattr(arguments, name) for name in method.fields}
        positional = [named.pop(name) for name in method.positional]
        return target(*positional, **named)

    def serve_until(self, stopped: Callable[[float], bool], every_s: float, tick: Callable[[], None]) -> None:
        """Serve until ``stopped(every_s)``, which waits that long, says so; *tick* is called in between."""
        process.current_process()._manager_server = self  # type: ignore[attr-defined] # noqa: SLF001 - as BaseManager does
        threading.Thread(target=self.accept_until_stopped, name="accept", daemon=True).start()
        while not stopped(every_s):
            tick()
        self.stop_event.set()
        self.listener.close()
        with self._open_lock:
            for peer in self._open:
                peer.interrupt()


class QueueProxy(managers.BaseProxy):
    """A queue on another process: reconnects after a restart, and no call ever gets another one's answer.

    Each thread has a connection of its own. A call whose connection breaks is made again, for *reconnect_s* seconds
    at the most and until *abandon* is set: all calls of the queues may be repeated safely. Then it raises
    QueueUnreachable. AuthenticationFailed and the queue's own errors are raised at once.
    """

    # BaseProxy's own, which its type stubs leave out
    _token: Any
    _authkey: bytes

    def __init__(
        self,
        token: Any,
        serializer: str,
        manager: QueueManager | None = None,
        authkey: bytes | None = None,
        exposed: Any = None,
        incref: bool = True,  # noqa: FBT001, FBT002 - BaseManager's own signature
        manager_owned: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        del incref  # its finalizer would dial the manager at exit, without a deadline
        super().__init__(
            token, serializer, manager, authkey, exposed, incref=False, manager_owned=manager_owned
        )
        assert manager is not None
        # not the class-wide cache, which is keyed by address and keeps dead sockets (gh-78947)
        self._tls = util.ForkAwareLocal()
        self._manager: QueueManager = manager
        self._methods = _QUEUES[str(token.id)]

    def _callmethod(self, methodname: str, args: Any = (), kwds: Any = None) -> Any:
        method = self._methods[methodname]
        arguments = method.bind(args, kwds or {})
        call = _Call(str(self._token.id), methodname, kwds=msgspec.Raw(_ENCODER.encode(arguments)))
        message = _ENCODER.encode(call)
        patience_s = float(arguments.get("wait_s", 0.0)) + wire.CALL_S
        return self._manager.retrying(lambda: self._exchange(method, message, patience_s))

    def _exchange(self, method: Method, message: bytes, patience_s: float) -> Any:
        link = self._link()
        try:
            link.deadline_s = patience_s
            link.send_bytes(message)
            reply = msgspec.msgpack.decode(link.recv_bytes(), type=_Reply)
            if reply.kind == "#RETURN":
                return method.decode_result(reply.value)
            fault = msgspec.msgpack.decode(reply.value, type=wire.Fault)
        except BaseException:
            # an answer may still be on its way: this stream is never used again (KeyboardInterrupt included)
            self._unlink(link)
            raise
        raise fault.revived()

    def _link(self) -> wire.Connection:
        link: wire.Connection | None = getattr(self._tls, "connection", None)
        if link is not None and self._tls.pid == os.getpid():  # not a copy made by os.fork()
            return link
        link = wire.dial(self._token.address, authkey=self._authkey)
        try:
            managers.dispatch(link, None, "accept_connection", (threading.current_thread().name,))  # type: ignore[attr-defined]
        except BaseException:
            link.close()
            raise
        self._tls.connection, self._tls.pid = link, os.getpid()
        self._manager.links.add(link)
        if self._manager.abandoned.is_set():
            link.interrupt()  # abandon() came too early to see it
        return link

    def _unlink(self, link: wire.Connection) -> None:
        link.close()
        self._manager.links.discard(link)
        self._tls.__dict__.pop("connection", None)


def _proxy(name: str, protocol: type) -> type[QueueProxy]:
    def forward(method: str) -> Callable[..., Any]:
        def call(self: QueueProxy, /, *args: Any, **kwds: Any) -> Any:
            return self._callmethod(method, args, kwds)

        return call

    names = tuple(_methods(protocol))
    return type(name, (QueueProxy,), {**{method: forward(method) for method in names}, "_exposed_": names})


class _Registered(managers.BaseManager):
    """The registry: what a manager gives, and by which proxy."""


_Registered.register("get_task_queue", proxytype=_proxy("TaskQueueProxy", TaskQueue))
_Registered.register("get_result_queue", proxytype=_proxy("ResultQueueProxy", ResultQueue))


class QueueManager(_Registered):
    """Both ends: ``QueueManager(address, authkey)`` and then ``server(…)`` or ``connect()``.

    All that talks to the manager tries for ``reconnect_s`` seconds, then raises QueueUnreachable; AuthenticationFailed
    at once.
    """

    def __init__(self, address: wire.Address, authkey: bytes, *, reconnect_s: float = 60.0) -> None:
        super().__init__(address, authkey, serializer=wire.register())
        self._reconnect_s = reconnect_s
        self.abandoned = threading.Event()
        self.links: set[wire.Connection] = set()

    def server(self, tasks: TaskQueue, results: ResultQueue) -> QueueServer:
        """A server for these two queues; its address is known (and taken) when this returns."""
        registry = {"get_task_queue": (lambda: tasks,), "get_result_queue": (lambda: results,)}
        return QueueServer(registry, self._address, self._authkey, self._serializer)  # type: ignore[attr-defined]

    def connect(self) -> None:
        self.retrying(super().connect)

    def get_task_queue(self) -> TaskQueue:
        return cast("TaskQueue", self.retrying(super().get_task_queue))  # type: ignore[misc] # by register()

    def get_result_queue(self) -> ResultQueue:
        return cast("ResultQueue", self.retrying(super().get_result_queue))  # type: ignore[misc]

    def abandon(self) -> None:
        """Wait for no answer any more: calls that are under way, and later ones, raise QueueUnreachable."""
        self.abandoned.set()
        for link in tuple(self.links):
            link.interrupt()

    def disconnect(self) -> None:
        """Close the connections; no call may be under way."""
        self.abandon()
        for link in tuple(self.links):
            link.close()
        self.links.clear()

    def retrying(self, call: Callable[[], Any]) -> Any:
        """Make *call* until it gets through to the manager."""
        host, port = self._address  # type: ignore[attr-defined]
        try:
            return tenacity.Retrying(
                retry=tenacity.retry_if_exception(_may_heal),
                wait=tenacity.wait_random_exponential(multiplier=0.05, max=0.5),
                stop=tenacity.stop_any(
                    tenacity.stop_after_delay(self._reconnect_s),
                    tenacity.stop_when_event_set(self.abandoned),
                ),
                sleep=tenacity.sleep_using_event(self.abandoned),
                reraise=True,
            )(call)
        except AuthenticationError as exc:
            raise errors.AuthenticationFailed(
                f"the manager at {host}:{port} does not accept this authkey"
            ) from exc
        except _MALFORMED as exc:
            raise errors.ProtocolError(f"the manager at {host}:{port} sent no proper answer: {exc}") from exc
        except (EOFError, OSError) as exc:
            raise errors.QueueUnreachable(f"no answer from the manager at {host}:{port}: {exc}") from exc


def _may_heal(error: BaseException) -> bool:
    return isinstance(error, (EOFError, OSError)) and not isinstance(error, ssl.SSLCertVerificationError)
