"""Where to go from a page: further pages within the scope, and style sheets from anywhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from crawler.harvest import css
from crawler.harvest.css import CssReference
from crawler.harvest.elements import Element
from crawler.harvest.extensions import may_lead_to_page
from crawler.urls import Scope, resolve

STYLE_SHEET = "stylesheet"
"""What a link to a style sheet, or an ``@import``, is called in ``found_in``."""
MANIFEST, FEED = "manifest", "feed"
"""The same of web app manifests and of feeds."""
FEED_ITEM = "feed-item"
"""The same of a page that an item of a feed is about."""
ATTACHED = frozenset({STYLE_SHEET, MANIFEST, FEED})
"""What belongs to a page, so that it is not one link further away."""

_FROM_ANYWHERE = frozenset({STYLE_SHEET, MANIFEST})
_FEED_TYPES = frozenset(
    {"application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml"}
)

Resolve = Callable[[str], str | None]

_REFRESH = re.compile(
    r"[\d.]*+\s*+[;,]?+\s*+(?:url\s*+=\s*+)?+(?:\"([^\"]*)|'([^']*)|(.+))", re.IGNORECASE | re.DOTALL
)


class Link(NamedTuple):
    reference: str
    """As written."""
    found_in: str


class Resolver:
    """Canonical URLs of references on one page; each distinct reference is resolved once."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._known: dict[str, str | None] = {}

    def __call__(self, reference: str) -> str | None:
        """None for what is not to be fetched, a blank reference included."""
        try:
            return self._known[reference]
        except KeyError:
            url = resolve(reference, self.base) if reference.strip() else None
            self._known[reference] = url
            return url


def base_url(elements: Iterable[Element], document_url: str) -> str:
    """The document's base: the first ``<base>`` with ``href``, if that is an http(s) URL (HTML, "document
    base URL").
    """
    for element in elements:
        if element.name == "base" and "href" in element.attributes:
            return resolve(element.attributes["href"], document_url) or document_url
    return document_url


def links_on(elements: Iterable[Element]) -> Iterator[Link]:
    """Every link to a page or a style sheet in document order; those to images and downloads left out."""
    for element in elements:
        match element.name:
            case "a" | "area":
                yield from _page_link(element.attributes.get("href"), element.name)
            case "iframe" | "frame":
                yield from _page_link(element.attributes.get("src"), element.name)
            case "meta" if element.attributes.get("http-equiv", "").strip().lower() == "refresh":
                yield from _page_link(refresh_target(element.attributes.get("content", "")), "refresh")
            case "link":
                yield from _attached(element)
            case "style":
                if "import" in element.text.lower() or "\\" in element.text:
                    yield from imports_among(css.references(element.text))
            case _:
                pass


def imports_among(references: Iterable[CssReference]) -> Iterator[Link]:
    """The ``@import`` rules of a style sheet."""
    return (Link(item.url, STYLE_SHEET) for item in references if item.is_import)


def refresh_target(content: str) -> str | None:
    """The URL in ``<meta http-equiv=refresh content="0; url=…">`` (HTML, "shared declarative refresh
    steps").
    """
    found = _REFRESH.match(content.strip())
    return (found[1] or found[2] or found[3]) if found else None


def worth_following(
    links: Iterable[Link], *, resolve: Resolve, scope: Scope, page_url: str, follow_pages: bool
) -> Iterator[tuple[str, str]]:
    """(URL, found_in) of each link to follow, in order, each URL once and never *page_url* itself.

    Style sheets and manifests are followed to any host; feeds only within *scope*, and so are pages, these only if
    *follow_pages*.
    """
    seen = {page_url}
    for link in links:
        if not follow_pages and link.found_in not in ATTACHED:
            continue
        url = resolve(link.reference)
        if url is None or url in seen:
            continue
        seen.add(url)
        if link.found_in in _FROM_ANYWHERE or scope.admits(url):
            yield url, link.found_in


def _page_link(reference: str | None, found_in: str) -> Iterator[Link]:
    if reference is not None and may_lead_to_page(reference):
        yield Link(reference, found_in)


def _attached(element: Element) -> Iterator[Link]:
    """What a ``<link>`` names that images may be found in."""
    reference = element.attributes.get("href")
    rels = element.attributes.get("rel", "").lower().split()
    if not reference:
        return
    if STYLE_SHEET in rels:
        yield Link(reference, STYLE_SHEET)
    elif MANIFEST in rels:
        yield Link(reference, MANIFEST)
    elif "alternate" in rels:
        media_type = element.attributes.get("type", "").partition(";")[0].strip().lower()
        if media_type in _FEED_TYPES:
            yield Link(reference, FEED)
