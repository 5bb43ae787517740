"""One who has the key, and speaks to a manager without any of our own checks."""

from __future__ import annotations

from typing import Any

import msgspec

from crawler.queues.rpc.calls import PROTOCOL, Call
from crawler.queues.rpc.tls import Tls
from crawler.queues.rpc.transport import RpcTransport


class Peer:
    def __init__(self, address: Any, authkey: bytes, *, tls: Tls | None = None) -> None:
        self._link = RpcTransport(tls).dial(address, authkey=authkey)
        self._link.send([None, "accept_connection", [PROTOCOL, "evil"], {}])
        assert self._link.recv()[0] == "#RETURN"

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
