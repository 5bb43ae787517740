"""Finds the links of a page: further pages within the scope, style sheets and manifests anywhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from string import ascii_letters, digits
from typing import NamedTuple

import msgspec

from crawler.harvest import css, paging
from crawler.harvest.css import CssReference
from crawler.harvest.cuts import Cut
from crawler.harvest.encoding import with_query_in
from crawler.harvest.extensions import may_lead_to_page, names_page
from crawler.harvest.lightboxes import PROMISING, promises_image
from crawler.harvest.page_numbers import Numbered
from crawler.harvest.parser_base import Element, media_type
from crawler.harvest.placeholders import is_template
from crawler.harvest.sniffing import FEED_TYPES
from crawler.scope import OUT_OF_SCOPE, Scope
from crawler.urls import MAX_URL_CHARS, Base, is_too_long, resolve

STYLE_SHEET = "stylesheet"
"""``found_in`` of style sheets, linked or imported."""
MANIFEST, FEED = "manifest", "feed"
"""``found_in`` of web app manifests, and of feeds."""
FEED_ITEM = "feed-item"
"""``found_in`` of a page that a feed's item is about."""
NEXT, PREVIOUS, CANONICAL, ALTERNATE = "next", "prev", "canonical", "alternate"
"""``found_in`` of pages that a ``<link>`` names: neighbours in a chain, or other forms of the page."""
NAMED = frozenset({NEXT, PREVIOUS, CANONICAL, ALTERNATE})
ATTACHED = frozenset({STYLE_SHEET, MANIFEST, FEED})
"""Documents that belong to a page, and are not one link further away."""
BY_CHANCE = frozenset({"a", "area", "iframe", "frame", "refresh"}) | NAMED
"""Places of links that a trap may have made. What a sitemap or a feed lists is meant to be visited."""

FROM_ANYWHERE = frozenset({STYLE_SHEET, MANIFEST})
"""Parts of a page that are fetched from anywhere; directives about links do not concern them."""
_PAGE_TYPES = frozenset({"", "text/html", "application/xhtml+xml"})

_MOST_OF_A_CHARACTER = 12
"""Four bytes, percent-encoded."""
_ENDS_PLAINLY = frozenset(ascii_letters + digits + "/")
"""With one of these before a fragment of letters and digits, a reference means the same URL without its fragment."""
_NAMED_BY = {**{name: name for name in NAMED}, "previous": PREVIOUS, "amphtml": ALTERNATE}
"""``found_in`` by the link type (HTML, "link types"; AMP)."""
_REFRESH = re.compile(
    r"[\d.]*+\s*+[;,]?+\s*+(?:url\s*+=\s*+)?+(?:\"([^\"]*)|'([^']*)|(.+))", re.IGNORECASE | re.DOTALL
)


class Link(msgspec.Struct, frozen=True, gc=False):  # made three times as fast as a NamedTuple
    reference: str
    """The reference as written."""
    found_in: str
    nofollow: bool = False
    """The link has ``rel=nofollow``."""
    is_beside: bool = False
    """The link leads to another page of the same list or chain, or to the same page at another URL: no further away."""


class Followed(NamedTuple):
    url: str
    found_in: str
    kept_out_by: str = ""
    """The slug of what forbids to follow the link; empty for nothing."""
    is_beside: bool = False


class Resolver:
    """Resolves references of one page to canonical URLs; each distinct reference once.

    *encoding* is the page's, for queries. *tidy* is applied to each URL. *left_out* counts URLs that are too long.
    """

    def __init__(
        self,
        base: str,
        *,
        encoding: str = "utf-8",
        tidy: Callable[[str], str] | None = None,
        left_out: Counter[str] | None = None,
    ) -> None:
        self._left_out = Counter() if left_out is None else left_out
        self._base = Base(base)
        self._encoding = encoding
        self._tidy = tidy
        self._known: dict[str, str | None] = {}
        """URLs by reference, and by what stands before the fragment of a plain one."""

    def __call__(self, reference: str) -> str | None:
        """The URL of *reference*; None for one that is not to be fetched: blank, or a placeholder of a template."""
        known = self._known
        document, _, fragment = reference.partition("#")
        if not (fragment.isalnum() and document[-1:] in _ENDS_PLAINLY):
            document = reference
        url = known.get(document)  # four of five references, mostly of a part of the document before
        if url is None and (url := known.get(reference, "")) == "":  # no URL is empty
            url = self._resolved(reference)
            known[reference if url is None else document] = url
        return url

    def _resolved(self, reference: str) -> str | None:
        if not reference.strip() or is_template(reference):
            return None
        url = self._base.resolve(with_query_in(self._encoding, reference))
        if url is not None:
            return url if self._tidy is None else self._tidy(url)
        base = self._base.url
        is_long = _MOST_OF_A_CHARACTER * len(reference) + len(base) > MAX_URL_CHARS
        if is_long and is_too_long(reference, base):
            self._left_out["url-too-long"] += 1
        return None

    def located(self, links: Iterable[Link]) -> list[tuple[Link, str]]:
        """The links that have a URL, each with it."""
        url_of = self.__call__  # called as a method it takes less
        return [(link, url) for link in links if (url := url_of(link.reference)) is not None]


def base_url(elements: Iterable[Element], document_url: str) -> str:
    """The base URL of a document: the first ``<base href>`` with an http(s) URL (HTML, "document base URL")."""
    for element in elements:
        if element.name == "base" and "href" in element.attributes:
            return resolve(element.attributes["href"], document_url) or document_url
    return document_url


def links_on(elements: Iterable[Element]) -> list[Link]:
    """All links to pages and style sheets in document order; images and downloads are left out."""
    found: list[Link] = []
    for element in elements:
        name = element.name
        if name in ("a", "area"):  # first: most elements are links
            attributes = element.attributes
            reference = attributes.get("href")
            if (
                reference is not None
                and may_lead_to_page(reference)
                and (PROMISING.isdisjoint(attributes) or not promises_image(attributes))
            ):
                found.append(Link(reference, name, says_nofollow(element), paging.turns_page(element)))
        elif name in _LINKING:
            found += _LINKING[name](element)
    return found


def says_nofollow(element: Element) -> bool:
    """Whether a link has ``rel=nofollow``."""
    rel = element.attributes.get("rel")
    return rel is not None and "nofollow" in rel.lower().split()


def imports_among(references: Iterable[CssReference | Cut]) -> Iterator[Link]:
    """The ``@import`` rules of a style sheet; Cuts are left out, as its images count them."""
    return (
        Link(item.url, STYLE_SHEET)
        for item in references
        if isinstance(item, CssReference) and item.is_import
    )


def refresh_target(content: str) -> str | None:
    """The target of ``<meta http-equiv=refresh content="0; url=…">`` (HTML, "shared declarative refresh steps")."""
    found = _REFRESH.match(content.strip())
    return (found[1] or found[2] or found[3]) if found else None


def worth_following(
    located: Sequence[tuple[Link, str]], *, scope: Scope, page_url: str, forbidden: Callable[[Link, str], str]
) -> Iterator[Followed]:
    """The links to follow, in order, each URL once and never *page_url*; then the links that are kept out.

    *located* has each link with its URL. Style sheets and manifests are followed to any host, other links within
    *scope*; links out of scope are dropped. *forbidden* returns the slug of what forbids a link, or nothing. A URL is
    beside the page if any of its links is.
    """
    beside = {url for link, url in located if link.is_beside}
    numbered = Numbered(page_url)
    seen = {page_url}
    kept_out: dict[str, Followed] = {}
    for link, url in located:
        if url in seen:
            continue
        is_beside = False
        refusal = ""
        if link.found_in not in FROM_ANYWHERE:
            refusal = scope.refusal(url)
            if refusal == OUT_OF_SCOPE:
                continue
            is_beside = url in beside or numbered.has(url)
            if is_beside and not link.is_beside:
                link = msgspec.structs.replace(link, is_beside=True)  # noqa: PLW2901
        if reason := refusal or forbidden(link, url):
            kept_out.setdefault(url, Followed(url, link.found_in, reason))
            continue
        seen.add(url)
        yield Followed(url, link.found_in, is_beside=is_beside)
    yield from (link for url, link in kept_out.items() if url not in seen)


def _framed(element: Element) -> Iterator[Link]:
    return _page_link(element.attributes.get("src"), element.name)


def _embedded(element: Element) -> Iterator[Link]:
    """A page in an ``<object>`` or ``<embed>``, which is a frame by another name."""
    reference = element.attributes.get("data" if element.name == "object" else "src", "")
    if media_type(element) in _PAGE_TYPES - {""} or (not media_type(element) and names_page(reference)):
        yield from _page_link(reference, "iframe")


def _refreshed(element: Element) -> Iterator[Link]:
    if element.attributes.get("http-equiv", "").strip().lower() == "refresh":
        yield from _page_link(refresh_target(element.attributes.get("content", "")), "refresh")


def _imported(element: Element) -> Iterator[Link]:
    if "import" in element.text.lower() or "\\" in element.text:
        yield from imports_among(css.references(element.text))


def _page_link(reference: str | None, found_in: str) -> Iterator[Link]:
    if reference is not None and may_lead_to_page(reference):
        yield Link(reference, found_in)


def _attached(element: Element) -> Iterator[Link]:
    """The link of a ``<link>`` to a document that may have images."""
    reference = element.attributes.get("href")
    rels = element.attributes.get("rel", "").lower().split()
    if not reference:
        return
    found_in = next((_NAMED_BY[rel] for rel in rels if rel in _NAMED_BY), "")
    is_style = element.attributes.get("as", "").strip().lower() == "style"
    if STYLE_SHEET in rels or ("preload" in rels and is_style):
        yield Link(reference, STYLE_SHEET)
    elif MANIFEST in rels:
        yield Link(reference, MANIFEST)
    elif "alternate" in rels and media_type(element) in FEED_TYPES:
        yield Link(reference, FEED)
    elif found_in and media_type(element) in _PAGE_TYPES and may_lead_to_page(reference):
        yield Link(reference, found_in, says_nofollow(element), found_in != ALTERNATE)


_LINKING: dict[str, Callable[[Element], Iterator[Link]]] = {
    "iframe": _framed,
    "frame": _framed,
    "object": _embedded,
    "embed": _embedded,
    "meta": _refreshed,
    "link": _attached,
    "style": _imported,
}
"""What other elements than ``<a>`` and ``<area>`` link to, by name."""
