"""One who has the key, and speaks to a manager without any of our own checks."""

from __future__ import annotations

from typing import Any

import msgspec

from crawler.queues.rpc.calls import PROTOCOL, Call, Reply
from crawler.queues.rpc.tls import Tls
from crawler.queues.rpc.transport import Address, RpcTransport
from crawler.queues.rpc.wire import Connection


def dial(address: Address, *, authkey: bytes, tls: Tls | None = None) -> Connection:
    """A connection to a manager, and over it the handshake."""
    transport = RpcTransport(tls)
    connection = transport.open(address)
    try:
        transport.greet(connection, authkey)
    except BaseException:
        connection.close()
        raise
    return connection


def say_hello(connection: Connection, *greeting: object) -> Exception | None:
    """Send the first call with such arguments; the manager's refusal, if it refuses."""
    connection.send_bytes(msgspec.msgpack.encode([None, "accept_connection", greeting, {}]))
    return msgspec.msgpack.decode(connection.recv_bytes(), type=Reply).error()


class Peer:
    def __init__(self, address: Any, authkey: bytes, *, tls: Tls | None = None) -> None:
        self._link = dial(address, authkey=authkey, tls=tls)
        assert say_hello(self._link, PROTOCOL, "evil") is None

    def put(self, results: list[Any]) -> Any:
        return self.call("get_result_queue", "put", {"results": results})

    def call(self, ident: str, method: str, arguments: Any) -> Any:
        """What comes back: a word, and a value."""
        kwds = msgspec.Raw(msgspec.msgpack.encode(arguments))
        return self.say(msgspec.msgpack.encode(Call(ident, method, kwds=kwds)))

    def say(self, message: bytes) -> Any:
        self._link.send_bytes(message)
        return msgspec.msgpack.decode(self._link.recv_bytes())

    def close(self) -> None:
        self._link.close()
