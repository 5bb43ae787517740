"""Calls of one who holds the key, by every name and with arguments of every kind: none breaks the queue for others."""

from __future__ import annotations

from typing import Any, get_type_hints

import msgspec

from crawler.queues import ResultQueue, TaskQueue
from crawler.queues.rpc import wire
from crawler.queues.rpc.calls import SERVED, Method, Reply
from crawler.storage import Inbox
from tests.fuzz.books import GREETING, Known, crawl
from tests.fuzz.drawn import Drawn
from tests.fuzz.targets.inbox import check

KNOWN = Known()
_PROTOCOLS = {"get_task_queue": TaskQueue, "get_result_queue": ResultQueue, "get_inbox": Inbox}
_CALLS: list[tuple[str, Method, dict[str, Any]]] = [
    (ident, method, get_type_hints(getattr(_PROTOCOLS[ident], name), include_extras=True))
    for ident, served in SERVED.items()
    for name, method in served.items()
]
_MOST_CALLS = 8


class Peer(wire.Connection):
    """Says what it is given to say, listens to every answer, and then has gone."""

    def __init__(self, messages: list[bytes], methods: list[Method]) -> None:
        self._messages = messages
        self._methods = methods
        self.deadline_s = 1.0
        self.answers = 0

    @property
    def peer(self) -> str:
        return "somewhere"

    def __del__(self) -> None:
        pass

    def close(self) -> None:
        pass

    def poll(self, timeout_s: float = 0.0) -> bool:
        return False

    def recv_bytes(self, maxlength: int | None = None) -> bytes:
        if not self._messages:
            raise EOFError
        return self._messages.pop(0)

    def send_bytes(self, data: bytes) -> None:
        assert len(data) <= wire.MAX_MESSAGE_BYTES
        check_answer(data, self._methods[self.answers - 1] if self.answers else None)
        self.answers += 1


def check_answer(data: bytes, method: Method | None) -> None:
    reply = msgspec.msgpack.decode(data, type=Reply)
    if reply.kind == "#RETURN":
        if method is not None:
            method.decode_result(reply.value)
        return
    assert reply.kind == "#ERROR"
    assert str(msgspec.msgpack.decode(reply.value, type=wire.Fault).revived())


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    methods, messages = [], [GREETING]
    while drawn.left and len(methods) < _MOST_CALLS:
        ident, method, hints = drawn.one_of(_CALLS)
        arguments = {name: drawn.value(hints[name], name) for name in method.fields if drawn.byte() < 250}
        methods.append(method)
        try:
            messages.append(msgspec.msgpack.encode((ident, method.name, (), arguments)))
        except (OverflowError, UnicodeEncodeError):
            return
    with crawl() as attacked:
        peer = Peer(messages, methods)
        attacked.serve(peer, KNOWN)
        assert peer.answers == len(methods) + 1, "each call has its answer"
        check(attacked.folder)
        attacked.check()
