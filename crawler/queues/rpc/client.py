"""The client's end of the RPC: calls by name over pooled connections, made again until the manager answers.

A broken call is never read by the next one: its connection is dropped. All calls may be repeated safely.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from multiprocessing import AuthenticationError
from typing import Any

import msgspec

from crawler import __version__, errors
from crawler.queues.patience import queue_patience
from crawler.queues.rpc import transport, wire
from crawler.queues.rpc.calls import ENCODER, MALFORMED, PROTOCOL, SERVED, Call, Method, Reply
from crawler.queues.rpc.connection_pool import ConnectionPool
from crawler.queues.rpc.tls import refusal
from crawler.queues.rpc.transport import Address, RpcTransport
from crawler.text.plain_errors import plain
from crawler.urls import show_address


class RpcClient:
    """Calls the objects that a manager serves. Thread-safe, and fork-safe.

    A call whose connection breaks is made again, for *reconnect_s* seconds at the most and until ``abandon``; then it
    raises QueueUnreachable. AuthenticationFailed, VersionMismatch, CrawlReplaced and the object's errors come at once.
    """

    def __init__(
        self, address: Address, authkey: bytes, transport: RpcTransport, *, reconnect_s: float
    ) -> None:
        self._address = address
        self._authkey = authkey
        self._transport = transport
        self.patience = queue_patience(
            self._where, reconnect_s=reconnect_s, may_heal=_may_heal, said=self._said
        )
        self.crawl = ""
        """The id of the only plan whose manager is accepted, another one is CrawlReplaced; empty: any. A worker sets it
        to the one that it goes by."""
        self.pool = ConnectionPool(self._dial, self._greet)
        self._has_answered = False

    @property
    def reconnect_s(self) -> float:
        """Seconds that a call is repeated without an answer; may be set at any time."""
        return self.patience.patience_s

    @reconnect_s.setter
    def reconnect_s(self, seconds: float) -> None:
        self.patience.patience_s = seconds

    def connect(self) -> None:
        """Return once the manager has let us in. Raises as calls do."""
        self._retrying(self._try_connection)

    def call(self, ident: str, method: Method, /, *args: Any, **kwds: Any) -> Any:
        """The answer of *method* of the object named *ident*. Raises TypeError for arguments that do not fit."""
        arguments = method.bind(args, kwds)
        message = ENCODER.encode(Call(ident, method.name, kwds=msgspec.Raw(ENCODER.encode(arguments))))
        deadline_s = float(arguments.get("wait_s", 0.0)) + transport.CALL_S
        return self._retrying(lambda: self._exchange(method, message, deadline_s))

    def abandon(self) -> None:
        """Wait for no answer any more: calls under way, and later ones, raise QueueUnreachable."""
        self.patience.stop.set()
        self.pool.interrupt()

    def disconnect(self) -> None:
        """Close the connections; no call may be under way."""
        self.abandon()
        self.pool.close()

    def _exchange(self, method: Method, message: bytes, deadline_s: float) -> Any:
        with self.pool.connection() as connection:
            connection.deadline_s = deadline_s
            reply = _ask(connection, message)
            error = reply.error()
            if error is None:
                return method.decode_result(reply.value)
        raise error  # outside: an answer that is an error is one all the same, and the connection is kept

    def _try_connection(self) -> None:
        with self.pool.connection():
            pass

    def _dial(self) -> wire.Connection:
        try:
            return self._transport.open(self._address)
        except TimeoutError as exc:
            raise _NotReachedError(plain(exc)) from exc

    def _greet(self, connection: wire.Connection) -> None:
        self._transport.greet(connection, self._authkey)
        greeting = msgspec.Raw(ENCODER.encode((PROTOCOL, __version__, self.crawl)))
        reply = _ask(connection, ENCODER.encode(Call(None, "accept_connection", args=greeting)))
        if (error := reply.error()) is not None:
            raise error
        self._has_answered = True

    def _retrying(self, call: Callable[[], Any]) -> Any:
        """Make *call* until it gets through to the manager."""
        where = self._where()
        try:
            return self.patience(call)
        except AuthenticationError as exc:
            raise errors.AuthenticationFailed(f"{where} has another authkey") from exc
        except MALFORMED as exc:
            raise errors.ProtocolError(f"{where} sent no proper answer: {plain(exc)}") from exc
        except (EOFError, OSError) as exc:
            if (final := refusal(exc)) is not None:
                raise type(final)(f"{where}: {final}") from exc
            raise errors.QueueUnreachable(f"no answer from {where}: {self._said(exc)}") from exc

    def _where(self) -> str:
        return f"the manager at {show_address(self._address)}"

    def _said(self, error: BaseException) -> str:
        """*error* in words, with what may be the reason."""
        return plain(error) + self._hint(error)

    def _hint(self, error: BaseException) -> str:
        """What a timeout may mean, as far as a client can tell.

        The system accepts connections for a process that is stopped. A manager that asks for TLS waits for the client
        to speak first, and a client without TLS waits for the manager.
        """
        if not isinstance(error, TimeoutError):
            return ""
        if isinstance(error, _NotReachedError):
            return "; is its machine on, and the way to it open?"
        if self._has_answered:
            return "; it has answered before: is it stopped (SIGSTOP), or has it too much to do?"
        or_tls = "" if self._transport.tls else "does it ask for TLS (--keys), or "
        return f"; it takes connections and says nothing: {or_tls}is it stopped, or has it too much to do?"


class RpcProxy:
    """An object of the manager: its methods are those of the protocol that ``SERVED`` has for *ident*.

    Outlives a restart of the manager, since objects have names there.
    """

    def __init__(self, client: RpcClient, ident: str) -> None:
        self._ident = ident
        for name, method in SERVED[ident].items():
            setattr(self, name, partial(client.call, ident, method))

    def __repr__(self) -> str:
        return f"<RpcProxy {self._ident}>"


class _NotReachedError(TimeoutError):
    """Nobody has taken the connection."""


def _ask(connection: wire.Connection, message: bytes) -> Reply:
    connection.send_bytes(message)
    return msgspec.msgpack.decode(connection.recv_bytes(), type=Reply)


def _may_heal(error: BaseException) -> bool:
    return isinstance(error, (EOFError, OSError, errors.TooManyConnections)) and refusal(error) is None
