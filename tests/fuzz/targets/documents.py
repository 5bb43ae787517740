"""Documents of every kind, read as a crawl reads them: what they lead to is http(s), within bounds, and survives the
way from the reader's process.
"""

from __future__ import annotations

from functools import cache

import msgspec

from crawler.config import load
from crawler.errors import LEFT_OUT, REASONS, Rejection, TaskError
from crawler.harvest.data_urls import MAX_CONTENT_BYTES
from crawler.harvest.documents import DocumentReader
from crawler.harvest.harvest import Harvest
from crawler.harvest.link_filter import A_PAGE
from crawler.harvest.reader_protocol import TASKS, Head, in_order, tasks_in_parts
from crawler.harvest.tasks import MAX_INLINE_BYTES
from crawler.http import Fetched
from crawler.models import MAX_ALTERNATIVES, NewTask, Origin, Task, TaskKind
from crawler.models.image_words import MAX_TEXT_CHARS
from crawler.scope import Scope
from crawler.urls import canonical
from tests.fuzz.drawn import Drawn

URL = "https://example.org/p/a.html"
TYPES = (
    ("text/html", "a"), ("text/html; charset=utf-16", "a"), ("application/xhtml+xml", "a"), ("", ""),
    ("text/css", "stylesheet"), ("application/xml", "sitemap"), ("text/plain", "sitemap-index"),
    ("application/rss+xml", "feed"), ("application/feed+json", "feed"), ("application/manifest+json", "manifest"),
    ("application/octet-stream", "sitemap-guess"), ("text/html; charset=iso-2022-jp", "a"),
    ("text/html; charset=gb18030", "a"), ("application/x-gzip", "sitemap"),
)  # fmt: skip
SETTINGS: tuple[dict[str, object], ...] = (
    {},
    {"parser": "beautifulsoup"},
    {"script_urls": True, "images": "all", "strip_tracking": True},
    {"max_links_per_page": 3, "max_depth": 1, "images_from": "scope"},
)
_HEAD = msgspec.msgpack.Decoder(Head)
_HEADERS = ("link", "refresh", "x-robots-tag", "tdm-reservation", "content-security-policy")


@cache
def reader(number: int) -> DocumentReader:
    config = load(flags=SETTINGS[number])
    return DocumentReader(Scope((URL,), config.scope), config)


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    content_type, found_in = drawn.one_of(TYPES)
    chosen = reader(drawn.one_of(range(len(SETTINGS))))
    headers = {"content-type": content_type} if content_type else {}
    if told := drawn.one_of((0, *range(len(_HEADERS) + 1))):
        headers[_HEADERS[told - 1]] = drawn.bytes(drawn.byte()).decode("latin-1")
    content = drawn.rest()
    origin = Origin(page_url="https://example.org/", found_in=found_in) if found_in else None
    task = Task(id=1, serial=1, kind=TaskKind.PAGE, url=URL, depth=1, attempt=1, origin=origin)
    fetched = Fetched(url=URL, final_url=URL, http_status=200, headers=headers, content=content)
    try:
        harvest = chosen.read(task, fetched)
    except TaskError as exc:
        assert isinstance(exc, Rejection)
        assert REASONS[exc.reason] is type(exc)
        return
    check(harvest)
    assert chosen.read(task, fetched) == harvest, "something else is found in the same bytes"
    if harvest.kind == A_PAGE:
        assert all(isinstance(word, str) for word in chosen.words(fetched))


def check(harvest: Harvest) -> None:
    assert harvest.left_out.keys() <= LEFT_OUT.keys()
    assert all(amount > 0 for amount in harvest.left_out.values())
    for task in (*harvest.images, *harvest.links, *harvest.kept_out):
        check_task(task)
    assert all(task.kind is TaskKind.IMAGE and not task.kept_out_by for task in harvest.images)
    assert all(task.kind is TaskKind.PAGE and not task.kept_out_by for task in harvest.links)
    assert all(task.kept_out_by in LEFT_OUT for task in harvest.kept_out), harvest.kept_out
    assert sum(len(task.origin.content) for task in harvest.images if task.origin) <= MAX_INLINE_BYTES
    assert all(canonical(url) == url for url in harvest.dots)
    head = Head.of(harvest)
    assert _HEAD.decode(msgspec.msgpack.encode(head)) == head
    assert [task for part in tasks_in_parts(harvest) for task in TASKS.decode(part)] == in_order(harvest)


def check_task(task: NewTask) -> None:
    check_url(task.url, may_be_inline=task.kind is TaskKind.IMAGE)
    assert task.depth >= 0
    origin = task.origin
    assert origin is not None
    assert canonical(origin.page_url) == origin.page_url
    assert origin.found_in
    texts = (origin.alt, origin.title, origin.caption, origin.heading)
    assert all(len(text) <= MAX_TEXT_CHARS for text in texts)
    assert bool(origin.content) == task.url.startswith("data:")
    assert len(origin.content) <= MAX_CONTENT_BYTES
    assert len(origin.alternatives) <= MAX_ALTERNATIVES
    for alternative in origin.alternatives:
        check_url(alternative.url, may_be_inline=True)


def check_url(url: str, *, may_be_inline: bool) -> None:
    if may_be_inline and url.startswith("data:image/"):
        return
    assert canonical(url) == url, f"{url!r} is not canonical"
