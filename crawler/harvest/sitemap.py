"""Reads sitemaps (https://www.sitemaps.org/protocol.html), XML and plain text: pages, their images, further sitemaps.

Images and video thumbnails are those of Google's extensions, in any name space; languages those of ``xhtml:link``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from crawler.harvest.candidates import Candidate
from crawler.harvest.cuts import Cut, at_most
from crawler.harvest.encoding import decode_xml
from crawler.harvest.extensions import leads_to_image, may_lead_to_page
from crawler.harvest.parser_base import Element
from crawler.harvest.xml import Node, subtrees
from crawler.models import NewTask, Origin, Task, TaskKind
from crawler.urls import host_key, resolve

SITEMAP, FROM_INDEX, GUESSED = "sitemap", "sitemap-index", "sitemap-guess"
"""``found_in`` of a sitemap that a site names, that an index names, and that was guessed."""
SITEMAPS = frozenset({SITEMAP, FROM_INDEX, GUESSED})
LISTED = "sitemap-url"
"""``found_in`` of a page that a sitemap lists."""

MAX_BYTES = 50 * 2**20
MAX_URLS = 50_000
"""The protocol's limits for one file."""
_USUAL_PLACES = (
    "/sitemap.xml",
    "/sitemap_index.xml",
    "/wp-sitemap.xml",
    "/sitemap.xml.gz",
    "/sitemap_index.xml.gz",
    "/sitemap.txt",
)
"""Usual paths, in the order in which they are tried: the protocol's, Yoast's, WordPress', then rarer ones."""
_ENTRIES = frozenset({"url", "sitemap", "image", "video", "loc"})
"""Elements that are read. The last three belong in an entry, unless its start tag is broken or missing."""
_IS_MARKUP = re.compile(r"<(?:[\w.-]{1,64}:)?(?:urlset|sitemapindex|url|sitemap|loc)[\s>/]", re.IGNORECASE)


class SitemapEntry(NamedTuple):
    """An entry of a sitemap: a page or a further sitemap."""

    url: str
    is_sitemap: bool = False
    images: tuple[Candidate, ...] = ()
    others: tuple[str, ...] = ()
    """URLs of the page in other languages."""


def sitemap_tasks(references: Iterable[str], *, page_url: str) -> tuple[NewTask, ...]:
    """Tasks for the sitemaps in robots.txt of the host of *page_url*; references are relative to that file."""
    robots_url = f"{host_key(page_url)}/robots.txt"
    urls = (resolve(reference, robots_url) for reference in references if reference.strip())
    return tuple(_task(url, page_url, SITEMAP) for url in dict.fromkeys(urls) if url is not None)


def first_guess(page_url: str) -> NewTask:
    """The task for the first usual path on a page's host."""
    return _task(host_key(page_url) + _USUAL_PLACES[0], page_url, GUESSED)


def next_guess(missed: Task) -> tuple[NewTask, ...]:
    """The task for the usual path after *missed*; none after the last."""
    host = host_key(missed.url)
    places = iter(_USUAL_PLACES)
    if missed.origin is None or missed.url.removeprefix(host) not in places:
        return ()
    return tuple(_task(host + place, missed.origin.page_url, GUESSED) for place in islice(places, 1))


def guess_in_place_of(named: Task) -> tuple[NewTask, ...]:
    """The task to try instead of *named*, which robots.txt names and which is missing."""
    page_url = named.origin.page_url if named.origin else named.url
    further = next_guess(named) if host_key(named.url) == host_key(page_url) else ()
    return further or (first_guess(page_url),)


def _task(url: str, page_url: str, found_in: str) -> NewTask:
    return NewTask(kind=TaskKind.PAGE, url=url, origin=Origin(page_url=page_url, found_in=found_in))


def read(content: bytes, content_type: str = "") -> Iterator[SitemapEntry | Cut]:
    """The entries of a sitemap in order, at most MAX_URLS; *content_type* is the whole header. Never raises."""
    text = decode_xml(content, content_type)
    entries = _xml(text) if _IS_MARKUP.search(text) else _plain(text)
    return at_most(MAX_URLS, entries, slug="sitemap-cut")


def _xml(text: str) -> Iterator[SitemapEntry | Cut]:
    for number, node in enumerate(subtrees(text, _ENTRIES, what="sitemap"), start=1):
        if isinstance(node, Cut):
            yield node
        elif node.name in ("url", "sitemap"):
            yield from _entries(node, number)
        elif node.name == "loc":
            yield _entry(node.text, number)
        else:
            yield SitemapEntry("", images=tuple(_shown(node, "", number)))


def _entries(node: Node, number: int) -> Iterator[SitemapEntry]:
    """The entry in *node*; several where tags between entries are broken."""
    texts = [child.text for child in node.children if child.name == "loc" and child.text]
    url, *further = texts or [node.text]
    images = [image for child in node.children for image in _shown(child, url, number)]
    images += [_candidate(other, url, _element(number)) for other in further if leads_to_image(other)]
    named = (child.attributes.get("href", "") for child in node.children if child.name == "link")
    yield _entry(
        url,
        number,
        is_sitemap=node.name == "sitemap",
        images=images,
        others=tuple(filter(may_lead_to_page, filter(None, named))),
    )
    yield from (_entry(other, number) for other in further if not leads_to_image(other))


def _entry(
    url: str,
    number: int,
    *,
    is_sitemap: bool = False,
    images: Iterable[Candidate] = (),
    others: tuple[str, ...] = (),
) -> SitemapEntry:
    own = (_candidate(url, "", _element(number)),) if leads_to_image(url) else ()
    return SitemapEntry(url, is_sitemap, (*own, *images), others)


def _shown(node: Node, page_url: str, number: int) -> Iterator[Candidate]:
    """The images of ``<image:image>`` and ``<video:video>``, with their words."""
    match node.name:
        case "image":
            reference = node.child_text("loc") or node.child_text("url") or node.text
        case "video":
            reference = node.child_text("thumbnail_loc")
        case _:
            return
    if reference:
        title = node.child_text("title")
        caption = node.child_text("caption") or node.child_text("description")
        told = Element(
            name="image", attributes={"title": title} if title else {}, number=number, caption=caption
        )
        yield _candidate(reference, page_url, told)


def _plain(text: str) -> Iterator[SitemapEntry]:
    for number, line in enumerate(text.split("\n"), start=1):
        url = line.strip("\ufeff\0 \t\r").partition(" #")[0]
        if "://" in url or (url.startswith("/") and " " not in url):
            yield _entry(url, number)


def _element(number: int) -> Element:
    return Element(name="url", attributes={}, number=number)


def _candidate(reference: str, page_url: str, told: Element) -> Candidate:
    return Candidate(reference=reference, found_in=SITEMAP, page_url=page_url, element=told)


def names_page(entry: SitemapEntry) -> bool:
    return bool(entry.url) and not entry.is_sitemap and may_lead_to_page(entry.url)
