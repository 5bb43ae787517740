"""What lies in Redis, where others may write: tasks and records come out as they went in, or are told to be damaged."""

from __future__ import annotations

import msgspec

from crawler.models import NewTask, TaskKind
from crawler.queues.checks import FLAWS
from crawler.queues.redis.entries import told_apart
from crawler.queues.redis.packing import flat, global_id, local_id, packed, shard_of, unpacked
from crawler.urls import canonical
from tests.fuzz.drawn import Drawn

_HOSTS = ("https://example.org", "http://a.example:8080", "data:")


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    what = drawn.one_of((_there_and_back, _foreign, _entries))
    what(drawn)


def _there_and_back(drawn: Drawn) -> None:
    task = drawn.struct(NewTask)
    if task is None or (canonical(task.url) != task.url and not task.url.startswith("data:image/")):
        return
    small = packed(task)
    again = unpacked(small.host, small.text)
    assert again.url == task.url
    assert again.origin == task.origin or not any(msgspec.structs.astuple(task.origin))  # type: ignore[arg-type]
    assert again.known is None
    assert len(small.key) == 16
    assert 0 <= small.depth < 2**24
    assert small.entry.endswith(small.text)
    assert 0 <= shard_of(small.host, 7) < 7
    number = drawn.number()
    assert local_id(global_id(3, b"%d" % number)) == (3, str(number))


def _foreign(drawn: Drawn) -> None:
    host = drawn.one_of(_HOSTS)
    try:
        found = unpacked(host, drawn.rest())
    except FLAWS:
        return
    assert found.url.startswith(host)


def _entries(drawn: Drawn) -> None:
    """As XRANGE gives them. Whoever may write there has the crawl; but nothing of it stops a collector."""
    words: list[bytes] = []
    for name in (b"c", b"s", b"a", b"d", b"i", b"n", b"h", b"b", b"w", b"o", b"z", b"r"):
        if drawn.byte() & 3:
            words += [
                name,
                drawn.one_of((b"p", b"i", b"done", b"dead", b"1", b"", b"-5", drawn.bytes(drawn.byte()))),
            ]
    entry = [b"%d-0" % drawn.number(), words]
    found, foreign = told_apart([entry])
    assert len(found) + len(foreign) == 1, "it is ours, or it is named"
    assert all(one.kind in TaskKind for one in found)
    assert flat([]) == {}
