"""Whatever a server sends: reading it never raises but to refuse it, leads nowhere but to http(s), and ends in time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.config import load
from crawler.errors import Rejection
from crawler.harvest.documents import DocumentReader
from crawler.harvest.harvest import Harvest
from crawler.harvest.html import PARSERS
from crawler.models import Origin, Task, TaskKind
from crawler.scope import Scope
from tests.support.cpu_time import HOSTILE_BYTES, cpu_below
from tests.support.harvesting import answer

pytestmark = [pytest.mark.slow, pytest.mark.untraced]

URL = "https://example.org/p"
ENOUGH_S = 10.0
"""Of the processor, for a mebibyte; an ordinary page of that size takes a tenth of a second."""

FOUND_IN = {
    "text/html": "a",
    "text/css": "stylesheet",
    "application/xml": "sitemap",
    "text/plain": "sitemap-index",
    "application/rss+xml": "feed",
    "application/feed+json": "feed",
    "application/manifest+json": "manifest",
}


def read(content: bytes, content_type: str, **settings: object) -> Harvest:
    config = load(flags={"script_urls": True, **settings})
    origin = Origin(page_url="https://example.org/", found_in=FOUND_IN[content_type])
    task = Task(id=1, serial=1, kind=TaskKind.PAGE, url=URL, depth=0, attempt=1, origin=origin)
    return DocumentReader(Scope((URL,), config.scope), config).read(task, answer(URL, content, content_type))


def repeated(part: str, start: str = "", end: str = "") -> bytes:
    return (start + part * ((HOSTILE_BYTES - len(start) - len(end)) // len(part)) + end).encode()


HTML = {
    "tags that never end": repeated("<"),
    "comments that never end": repeated("<!--"),
    "declarations": repeated("<!DOCTYPE "),
    "references": repeated("&#x"),
    "nothing": repeated("\0"),
    "deep": repeated("<div>"),
    "deep tables": repeated("<table><tr><td>"),
    "open formats": repeated("<a><b><i><u><s><code>"),
    "misnested": repeated("<b><p></b>"),
    "deep objects": repeated("<object>"),
    "deep templates": repeated("<template>"),
    "deep figures": repeated("<figure><figcaption>x"),
    "pictures": repeated("<picture><source srcset=a.jpg>"),
    "many images": "".join(f"<img src=i{n}.png alt='x {n}'>" for n in range(HOSTILE_BYTES // 32)).encode(),
    "many links": "".join(f"<a href=p{n}.html>x</a>" for n in range(HOSTILE_BYTES // 26)).encode(),
    "many thumbnails": "".join(
        f"<a href=b{n}.jpg><img src=a{n}.jpg></a>" for n in range(HOSTILE_BYTES // 44)
    ).encode(),
    "many attributes": (
        "<img " + " ".join(f"data-a{n}=x{n}.png" for n in range(HOSTILE_BYTES // 21)) + ">"
    ).encode(),
    "long attribute": repeated("a", '<img src="', '">'),
    "unclosed quotes": repeated('<a "'),
    "srcset of commas": repeated(",", '<img srcset="', '">'),
    "srcset of words": repeated("a ", '<img srcset="', '">'),
    "srcset of brackets": repeated("(", '<img srcset="a ', '">'),
    "style of functions": repeated("url(", '<p style="', '">'),
    "style of strings": repeated('"', "<style>"),
    "style of sets": repeated("image-set(", "<style>", "</style>"),
    "properties": repeated("itemprop=", "<p "),
    "JSON-LD that is deep": repeated('{"image":', "<script type=application/ld+json>"),
    "JSON-LD that is broken": repeated('"image":"', "<script type=application/ld+json>"),
    "script of quotes": repeated('"', "<script>"),
    "script of escapes": repeated("\\/", '<script>"'),
    "data: URL": repeated("A", '<img src="data:image/png;base64,', '">'),
    "data: URLs": repeated("<img src=data:image/png;base64,AAAA>"),
    "refresh": repeated(" ", '<meta http-equiv=refresh content="0', 'x">'),
    "robots": repeated("a:,", '<meta name=robots content="', '">'),
    "documents in documents": repeated("<iframe srcdoc='<img src=a.png>'>"),
    "paths up": repeated("<a href='" + "../" * 600 + "x'>"),
}
OTHERS = {
    "text/css": (
        "url(",
        "a{b:url(c.png)}",
        "@import url(a.css);",
        "image-set(",
        "{",
        "\\",
        "/*",
        '"',
        "([",
        "--a:{",
    ),
    "application/xml": (
        "<urlset>",
        "<urlset><url><loc>",
        "<urlset a='",
        "<!DOCTYPE a [",
        "<urlset>&",
        "<urlset><!--",
    ),
    "application/rss+xml": ("<rss><item>", "<rss><item><description>&lt;div>", "<rss><item><media:group>"),
    "application/feed+json": ('{"items":[', "[", '{"items":[{"image":"a.png"},'),
    "application/manifest+json": ('{"icons":[', "[", '{"icons":[{"src":"a.png"},'),
    "text/plain": ("http://", "http://e.org/a\n", "\n"),
}


@pytest.mark.parametrize("content", HTML.values(), ids=HTML)
def test_no_page_takes_long(content: bytes) -> None:
    ends_in_time(content, "text/html")


@pytest.mark.parametrize(
    ("content_type", "part"), [(kind, part) for kind, parts in OTHERS.items() for part in parts]
)
def test_no_other_document_takes_long(content_type: str, part: str) -> None:
    ends_in_time(repeated(part), content_type)


def ends_in_time(content: bytes, content_type: str) -> None:
    with cpu_below(ENOUGH_S):
        harvest = read_or_refuse(content, content_type)
    assert len(harvest.links) <= 100_000


def read_or_refuse(content: bytes, content_type: str, **settings: object) -> Harvest:
    try:
        return read(content, content_type, **settings)
    except Rejection:
        return Harvest()


SNIPPETS = st.sampled_from(
    [
        "<img src=a.png srcset='b.png 2x, c.png'>", "<a href='//e.org/x.jpg'>", "<picture>", "<source srcset=",
        "<base href=", "<meta name=robots content=noindex>", "<style>", "a{background:url(", "@import '",
        "image-set(", "</style>", "<script type=application/ld+json>", '{"image":["a.png"', "</script>",
        "<template>", "<svg><image href=x>", "<iframe srcdoc='", "data:image/png;base64,iVBORw0KGgo=",
        "javascript:", "http://", "\\", "'", '"', ">", "<", "&", "<urlset><url><loc>", "</loc>",
        "<image:image>", "<item>", "<enclosure url=", "<![CDATA[", "\ud7ff", "\u0000", "\u00e9", " ",
    ]
)  # fmt: skip


@pytest.mark.parametrize("parser", PARSERS)
@given(
    parts=st.lists(SNIPPETS | st.text(max_size=8), max_size=25),
    content_type=st.sampled_from(list(FOUND_IN)),
    encoding=st.sampled_from(["utf-8", "utf-16", "shift_jis"]),
)
def test_any_mixture_is_read_and_leads_to_http_or_data_only(
    parser: str, parts: list[str], content_type: str, encoding: str
) -> None:
    content = "".join(parts).encode(encoding, errors="replace")
    harvest = read_or_refuse(content, content_type, parser=parser)
    assert harvest == read_or_refuse(content, content_type, parser=parser)
    for task in (*harvest.images, *harvest.links, *harvest.kept_out):
        assert task.url.startswith(("https://", "http://", "data:"))
        assert task.kind is TaskKind.IMAGE or not task.url.startswith("data:")


@given(st.binary(max_size=300), st.sampled_from(list(FOUND_IN)))
def test_any_bytes_are_read(content: bytes, content_type: str) -> None:
    assert read_or_refuse(content, content_type) == read_or_refuse(content, content_type)
