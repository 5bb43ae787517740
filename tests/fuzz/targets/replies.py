"""Answers of a manager that is hostile, or none: its client gives a value of the right type or one of our errors."""

from __future__ import annotations

import socket
import struct
from typing import Any

import msgspec

from crawler import errors
from crawler.models import HostFile, RenderOutcome, TaskKind
from crawler.queues import Plan
from crawler.queues.rpc import wire
from crawler.queues.rpc.calls import Method
from crawler.queues.rpc.client import RpcProxy
from crawler.queues.rpc.manager import QueueManager
from crawler.run.trust import USUAL, asks, checked, own
from tests.fuzz.drawn import Drawn
from tests.fuzz.targets.calls import _CALLS
from tests.support.queues import AUTHKEY, worker

_GIVEN: dict[str, Any] = {
    "tasks": [], "tokens": [], "held": [], "results": [], "worker": worker(), "count": 1, "slots": 1, "wait_s": 0.0,
    "worker_id": "w1", "charged": False, "kind": "image", "reason": "x", "path": "images/a", "size_bytes": 1,
    "after": 0, "limit": 1, "task": 1, "host": "http://a.example", "name": "robots.txt", "is_guest": True, "ago_s": 0.5,
    "file": HostFile(name="robots.txt"), "outcome": RenderOutcome(task=1),
}  # fmt: skip
_OURS = (errors.CrawlerError, ValueError, TypeError)


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    ident, method, _ = drawn.one_of(_CALLS)
    form = drawn.one_of((_typed, _raw, _error))
    answer = form(drawn, method)
    if answer is None:
        return
    ours, theirs = socket.socketpair()
    manager = QueueManager(("127.0.0.1", 1), AUTHKEY, reconnect_s=0.0)
    with theirs:
        theirs.sendall(answer[:60_000])
        theirs.shutdown(socket.SHUT_WR)
        manager.pool._dial = lambda: wire.Connection(ours, deadline_s=1.0)
        manager.pool._greet = lambda connection: None
        proxy = RpcProxy(manager, ident)
        given = {name: _GIVEN[name] for name in method.fields if name in _GIVEN}
        if "chunk" in method.fields:
            given["chunk"] = {}
        try:
            value = getattr(proxy, method.name)(**given)
        except _OURS as exc:
            assert not isinstance(exc, UnicodeError), "what came over the wire is judged in our own words"
            return
        finally:
            manager.disconnect()
    _check(value, method)


def _check(value: object, method: Method) -> None:
    again = msgspec.msgpack.encode(value)
    assert msgspec.msgpack.encode(method.decode_result(again)) == again
    if isinstance(value, Plan):
        for kind in TaskKind:
            found = tuple(asks(value, kind, ["127.0.0.1"]))
            try:
                assert checked(value, kind, USUAL, hosts=["127.0.0.1"], where="x") == found
            except errors.UsageError as exc:
                assert any(ask.trust not in USUAL for ask in found), exc
        assert own(own(value)) == own(value)


def _typed(drawn: Drawn, method: Method) -> bytes | None:
    """Of the method's own type, with any values."""
    value = drawn.value(method.returns) if method.returns is not type(None) else None
    try:
        return _framed(msgspec.msgpack.encode(("#RETURN", value)))
    except (OverflowError, UnicodeEncodeError):
        return None


def _raw(drawn: Drawn, _: Method) -> bytes:
    return drawn.rest() if drawn.byte() & 1 else _framed(drawn.rest())


def _error(drawn: Drawn, _: Method) -> bytes:
    kind = drawn.one_of((*wire._VOCABULARY, "KeyError", "SystemExit", "os.system", ""))
    return _framed(msgspec.msgpack.encode(("#ERROR", {"type": kind, "text": drawn.text()})))


def _framed(data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + data
