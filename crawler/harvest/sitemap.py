"""Sitemaps (https://www.sitemaps.org/protocol.html): pages, further sitemaps, and the images of each page.

XML, plain text, and both with gzip; images by Google's extension, whose name space is not looked at.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from crawler.harvest.candidates import Candidate
from crawler.harvest.elements import Element
from crawler.harvest.encoding import decode_html
from crawler.harvest.extensions import leads_to_image, may_lead_to_page
from crawler.harvest.xml import Node, subtrees
from crawler.models import NewTask, Origin, TaskKind
from crawler.urls import canonical, host_key

SITEMAP, FROM_INDEX, GUESSED = "sitemap", "sitemap-index", "sitemap-guess"
"""``found_in`` of a sitemap that a site names, of one that an index names, and of one that may be there."""
LISTED = "sitemap-url"
"""The same of a page that a sitemap lists."""

MAX_BYTES = 50 * 2**20
MAX_URLS = 50_000
"""The protocol's limits of one file."""
_LEAVES = frozenset({"url", "sitemap"})


class Entry(NamedTuple):
    """An entry of a sitemap; it names a page or another sitemap."""

    url: str
    is_sitemap: bool = False
    images: tuple[Candidate, ...] = ()


def sitemap_tasks(urls: Iterable[str], *, page_url: str) -> tuple[NewTask, ...]:
    """Tasks for the sitemaps at *urls*, as robots.txt names them at *page_url*; what is no URL is left out."""
    found = dict.fromkeys(url for url in map(canonical, urls) if url is not None)
    return tuple(_task(url, page_url, SITEMAP) for url in found)


def guessed(page_url: str) -> NewTask:
    """A task for the sitemap that may be at the usual place of a page's host."""
    return _task(f"{host_key(page_url)}/sitemap.xml", page_url, GUESSED)


def _task(url: str, page_url: str, found_in: str) -> NewTask:
    return NewTask(kind=TaskKind.PAGE, url=url, origin=Origin(page_url=page_url, found_in=found_in))


def read(content: bytes, content_type: str = "") -> Iterator[Entry]:
    """The entries of a sitemap in order, MAX_URLS at most; *content_type* is the whole header. Never raises."""
    text = decode_html(content, content_type)
    entries = _xml(text) if text.lstrip("\ufeff \t\r\n").startswith("<") else _plain(text)
    return islice(entries, MAX_URLS)


def gunzipped(content: bytes) -> bytes:
    """The first MAX_BYTES of what gzip made *content* of, as far as it can be undone. Never raises."""
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(content, MAX_BYTES)
    except zlib.error:
        return b""


def _xml(text: str) -> Iterator[Entry]:
    for number, node in enumerate(subtrees(text, _LEAVES), start=1):
        url = node.child_text("loc")
        yield Entry(url, node.name == "sitemap", tuple(_images(node, url, number)))


def _images(node: Node, page_url: str, number: int) -> Iterator[Candidate]:
    if leads_to_image(page_url):
        yield _candidate(page_url, "", Element(name="url", attributes={}, number=number))
    for child in node.children:
        if child.name == "image" and (reference := child.child_text("loc")):
            title = child.child_text("title")
            told = Element(
                name="image",
                attributes={"title": title} if title else {},
                number=number,
                caption=child.child_text("caption"),
            )
            yield _candidate(reference, page_url, told)


def _plain(text: str) -> Iterator[Entry]:
    for number, line in enumerate(text.splitlines(), start=1):
        url = line.strip()
        if "://" in url:
            element = Element(name="url", attributes={}, number=number)
            yield Entry(url, images=(_candidate(url, "", element),) if leads_to_image(url) else ())


def _candidate(reference: str, page_url: str, told: Element) -> Candidate:
    return Candidate(reference=reference, found_in=SITEMAP, page_url=page_url, element=told)


def names_page(entry: Entry) -> bool:
    return not entry.is_sitemap and may_lead_to_page(entry.url)
