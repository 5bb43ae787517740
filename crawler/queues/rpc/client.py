"""The queues on the network, through ``multiprocessing.managers.BaseManager``: an address, an authkey, a registry.

What is replaced of the standard library: the transport (transport.py, wire.py: no pickle, TLS, deadlines, limits), the
server (server.py) and the proxies (below: a broken call is never read by the next one; they reconnect).
"""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import AuthenticationError, managers
from typing import Any, cast

import msgspec

from crawler import __version__, errors
from crawler.queues import ResultQueue, TaskQueue
from crawler.queues.patience import Patience
from crawler.queues.rpc import transport, wire
from crawler.queues.rpc.calls import ENCODER, MALFORMED, PROTOCOL, SERVED, Call, Method, Reply
from crawler.queues.rpc.connection_pool import ConnectionPool
from crawler.queues.rpc.server import QueueServer
from crawler.queues.rpc.tls import Tls, refusal
from crawler.queues.rpc.transport import Address, RpcTransport
from crawler.storage import Inbox
from crawler.text.plain_errors import plain
from crawler.urls import show_address


class QueueProxy(managers.BaseProxy):
    """A queue on another process: reconnects after a restart, and no call ever gets another one's answer.

    A call whose connection breaks is made again, for *reconnect_s* seconds at the most and until *abandon* is set: all
    calls may be repeated safely. Then it raises QueueUnreachable. AuthenticationFailed and the queue's own errors are
    raised at once.
    """

    # BaseProxy's own, which its type stubs leave out
    _token: Any

    def __init__(
        self,
        token: Any,
        serializer: Any,
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
        self._manager: QueueManager = manager
        self._methods = SERVED[str(token.id)]

    def _callmethod(self, methodname: str, args: Any = (), kwds: Any = None) -> Any:
        method = self._methods[methodname]
        arguments = method.bind(args, kwds or {})
        call = Call(str(self._token.id), methodname, kwds=msgspec.Raw(ENCODER.encode(arguments)))
        message = ENCODER.encode(call)
        patience_s = float(arguments.get("wait_s", 0.0)) + transport.CALL_S
        return self._manager.retrying(lambda: self._exchange(method, message, patience_s))

    def _exchange(self, method: Method, message: bytes, patience_s: float) -> Any:
        with self._manager.links.link() as link:
            link.deadline_s = patience_s
            link.send_bytes(message)
            reply = msgspec.msgpack.decode(link.recv_bytes(), type=Reply)
            if reply.kind == "#RETURN":
                return method.decode_result(reply.value)
            fault = msgspec.msgpack.decode(reply.value, type=wire.Fault)
        raise fault.revived()


def _proxy(name: str, typeid: str) -> type[QueueProxy]:
    def forward(method: str) -> Callable[..., Any]:
        def call(self: QueueProxy, /, *args: Any, **kwds: Any) -> Any:
            return self._callmethod(method, args, kwds)

        return call

    names = tuple(SERVED[typeid])
    return type(name, (QueueProxy,), {**{method: forward(method) for method in names}, "_exposed_": names})


_PROXIES = {
    "get_task_queue": _proxy("TaskQueueProxy", "get_task_queue"),
    "get_result_queue": _proxy("ResultQueueProxy", "get_result_queue"),
    "get_inbox": _proxy("InboxProxy", "get_inbox"),
}


class _Registered(managers.BaseManager):
    """The registry: what a manager gives, and by which proxy."""


for _typeid, _type in _PROXIES.items():
    _Registered.register(_typeid, proxytype=_type)


class QueueManager(_Registered):
    """Both ends: ``QueueManager(address, authkey)`` and then ``server(…)`` or ``connect()``.

    With *tls* connections are encrypted and both sides show certificates. All that talks to the manager tries for
    ``reconnect_s`` seconds (which may be changed at any time), then raises QueueUnreachable; AuthenticationFailed and
    VersionMismatch at once. ``crawl`` may be set to the id of the plan that a worker goes by: a manager with another
    is CrawlReplaced, so that nobody mixes up two crawls that come to the same address.
    """

    def __init__(
        self, address: Address, authkey: bytes, *, tls: Tls | None = None, reconnect_s: float = 60.0
    ) -> None:
        self._transport = RpcTransport(tls).register()
        super().__init__(address, authkey, serializer=self._transport)  # type: ignore[arg-type] # any key of listener_client
        self._patience = Patience(self._where, reconnect_s=reconnect_s, may_heal=_may_heal, said=self._said)
        self.crawl = ""
        self._has_answered = False
        self.links = ConnectionPool(self._dial, self._greet)

    def server(
        self, tasks: TaskQueue, results: ResultQueue, inbox: Inbox | None = None, *, crawl: str = ""
    ) -> QueueServer:
        """A server for the queues of *crawl* (its plan's id); its address is known (and taken) when this returns."""
        registry: dict[str, Any] = {
            "get_task_queue": (lambda: tasks,),
            "get_result_queue": (lambda: results,),
        }
        if inbox is not None:
            registry["get_inbox"] = (lambda: inbox,)
        return QueueServer(registry, self._address, self._authkey, self._transport, crawl=crawl)  # type: ignore[attr-defined]

    @property
    def reconnect_s(self) -> float:
        return self._patience.reconnect_s

    @reconnect_s.setter
    def reconnect_s(self, reconnect_s: float) -> None:
        self._patience.reconnect_s = reconnect_s

    def connect(self) -> None:
        """Find out whether the manager is there and lets us in."""
        self.retrying(self._try_link)
        self._state.value = managers.State.STARTED  # type: ignore[attr-defined] # as BaseManager's own does

    def get_task_queue(self) -> TaskQueue:
        return cast("TaskQueue", self._proxy_of("get_task_queue"))

    def get_result_queue(self) -> ResultQueue:
        return cast("ResultQueue", self._proxy_of("get_result_queue"))

    def get_inbox(self) -> Inbox:
        return cast("Inbox", self._proxy_of("get_inbox"))

    def abandon(self) -> None:
        """Wait for no answer any more: calls that are under way, and later ones, raise QueueUnreachable."""
        self._patience.abandoned.set()
        self.links.interrupt()

    def disconnect(self) -> None:
        """Close the connections; no call may be under way."""
        self.abandon()
        self.links.close()

    def _proxy_of(self, typeid: str) -> QueueProxy:
        """What BaseManager would dial the manager for, twice: but names for objects are known beforehand."""
        token = managers.Token(typeid, self._address, typeid)  # type: ignore[attr-defined]
        return _PROXIES[typeid](token, self._transport, manager=self, authkey=self._authkey)  # type: ignore[attr-defined]

    def _try_link(self) -> None:
        with self.links.link():
            pass

    def _dial(self) -> wire.Connection:
        try:
            return self._transport.open(self._address)  # type: ignore[attr-defined]
        except TimeoutError as exc:
            raise _NotReachedError(plain(exc)) from exc

    def _greet(self, link: wire.Connection) -> None:
        self._transport.greet(link, self._authkey)  # type: ignore[attr-defined]
        managers.dispatch(link, None, "accept_connection", (PROTOCOL, __version__, self.crawl))  # type: ignore[attr-defined]
        self._has_answered = True

    def retrying(self, call: Callable[[], Any]) -> Any:
        """Make *call* until it gets through to the manager."""
        where = self._where()
        try:
            return self._patience.trying(call)
        except AuthenticationError as exc:
            raise errors.AuthenticationFailed(f"{where} has another authkey") from exc
        except MALFORMED as exc:
            raise errors.ProtocolError(f"{where} sent no proper answer: {plain(exc)}") from exc
        except (EOFError, OSError) as exc:
            if (final := refusal(exc)) is not None:
                raise type(final)(f"{where}: {final}") from exc
            raise errors.QueueUnreachable(f"no answer from {where}: {self._said(exc)}") from exc

    def _where(self) -> str:
        return f"the manager at {show_address(self._address)}"  # type: ignore[attr-defined]

    def _said(self, error: BaseException | None) -> str:
        """In words, with what may be the reason."""
        return (plain(error) if error is not None else "nothing was heard") + self._hint(error)

    def _hint(self, error: BaseException | None) -> str:
        """What a silence may mean, as far as it can be told from here: the system takes connections for a process that
        is stopped; and a manager that asks for TLS waits for us to speak first, and so do we without.
        """
        if not isinstance(error, TimeoutError):
            return ""
        if isinstance(error, _NotReachedError):
            return "; is its machine on, and the way to it open?"
        if self._has_answered:
            return "; it has answered before: is it stopped (SIGSTOP), or has it too much to do?"
        or_tls = "" if self._transport.tls else "does it ask for TLS (--keys), or "
        return f"; it takes connections and says nothing: {or_tls}is it stopped, or has it too much to do?"


class _NotReachedError(TimeoutError):
    """Nobody has taken the connection."""


def _may_heal(error: BaseException) -> bool:
    return isinstance(error, (EOFError, OSError, errors.TooManyConnections)) and refusal(error) is None
