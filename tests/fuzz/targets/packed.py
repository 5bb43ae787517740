"""What lies in Redis, where others may write: tasks and records come out as they went in, or are told to be damaged."""

from __future__ import annotations

from functools import partial

import msgspec

from crawler.crawlfile.columns import row_of
from crawler.models import NewTask, TaskKind
from crawler.queues.redis.codec import entries, flat, global_id, local_id, packed, settled, shard_of, unpacked
from crawler.queues.validation import FLAWS, is_url
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
    if task.origin is not None and canonical(task.origin.page_url) not in (None, task.origin.page_url):
        return
    if task.origin is not None and task.origin.page_url.startswith("/"):
        return  # which no URL does
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
    """As XRANGE gives them. Whoever may write there has the crawl; but it is to say so in one kind of error."""
    words: list[bytes] = []
    for name in (b"c", b"s", b"a", b"d", b"i", b"n", b"h", b"b", b"w", b"o", b"z", b"r"):
        if drawn.byte() & 3:
            words += [
                name,
                drawn.one_of(
                    (b"p", b"i", b"b", b"done", b"dead", b"1", b"", b"-5", drawn.bytes(drawn.byte()))
                ),
            ]
    entry = [b"%d-0" % drawn.number(), words]
    found, _ = entries([entry], partial(settled, 0))  # what others have put there is left out
    assert len(found) <= 1
    for one in found:
        assert one.kind in TaskKind
        assert is_url(one.record.url, one.kind)
        assert row_of(one.record)
        assert one.attempts >= 0
        assert one.depth >= 0
    assert flat([]) == {}
