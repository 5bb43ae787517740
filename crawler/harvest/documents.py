"""Reads the document that a PAGE task brought: a page, style sheet, web app manifest, feed or sitemap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from itertools import chain

import msgspec

from crawler.config import Config
from crawler.errors import (
    EmptyBody,
    Excluded,
    NoSitemap,
    NotAStyleSheet,
    NotHtml,
    OutOfScope,
    Rejection,
    UnexpectedContent,
)
from crawler.harvest import css, feeds, headers, images, links, manifest, sitemap
from crawler.harvest.candidates import Candidate
from crawler.harvest.cuts import Cut, at_most, without_cuts
from crawler.harvest.encoding import decode_css, decode_xml, decoded, encoding_of_html, encoding_of_xml
from crawler.harvest.extensions import extension, may_lead_to_page
from crawler.harvest.harvest import Harvest
from crawler.harvest.html import parse
from crawler.harvest.link_filter import A_FEED, A_PAGE, AN_ATTACHMENT
from crawler.harvest.links import Followed, Link
from crawler.harvest.parser_base import Element
from crawler.harvest.parts import parts_on
from crawler.harvest.script_signs import looks_of
from crawler.harvest.shingles import pieces
from crawler.harvest.sniffing import is_xml, opened
from crawler.harvest.styles import images_among
from crawler.harvest.task_policy import TaskPolicy, against_images, against_links
from crawler.harvest.tasks import Document, Source, wants_upgrades
from crawler.harvest.xhtml import as_html
from crawler.http import Fetched
from crawler.http.robots import product_token
from crawler.models import NewTask, Origin, Task, TaskKind
from crawler.models.image_words import trimmed
from crawler.opt_outs import directives
from crawler.opt_outs.purposes import NOINDEX
from crawler.scope import EXCLUDED, Scope
from crawler.text.not_an_image import what_it_is

MAX_SRCDOCS = 10_000
"""Documents in ``<iframe srcdoc>``, and other pieces of markup, that are read on one page. It takes 50 us for each: a
list may show a picture in the tooltip of each of 1,000 rows.
"""
MAX_PARTS_OF_LENGTH = 4
"""All of them together are at most so many times as long as the page. A template in a template, with no end tag, holds
all that follows: 16 MB behind 100 of them would be read 100 times, and kept as often.
"""
MAX_IMPORTS_BELOW_MAX_DEPTH = 5
"""An ``@import`` counts as one link, so that a server can't make up style sheets without end."""

_OF_ITSELF = {NOINDEX, directives.NOFOLLOW}
"""Directives about a sitemap, feed or style sheet alone: many send ``noindex`` to stay out of search results."""
_UNSEEN = {"0", "1", "0px", "1px"}
_EXPECTED = {
    links.STYLE_SHEET: "style sheet",
    links.MANIFEST: "manifest",
    links.FEED: "feed",
    **dict.fromkeys(sitemap.SITEMAPS, "sitemap"),
}
"""The kind of document that a task expects, by where its URL was found; any other expects a page."""


class DocumentReader:
    """Reads documents for one crawl, by its scope and settings; safe to be used by several threads."""

    def __init__(
        self, scope: Scope, config: Config, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._scope = scope
        self._config = config
        self._agent = product_token(config.fetch.user_agent)
        self._obeyed = config.obey.obeyed
        self._policy = TaskPolicy(scope, config, now=now)
        self._document = partial(Document, config=config.scope)

    def words(self, fetched: Fetched) -> set[str]:
        """The shingles of a page's text, see :func:`crawler.harvest.shingles.pieces`."""
        return pieces(_as_html(fetched, fetched.content)[0])

    def read(self, task: Task, fetched: Fetched) -> Harvest:  # noqa: PLR0911 - one case for each kind
        """The harvest of the answer to *task*. Raises a Rejection when it is nothing to harvest."""
        named = headers.elements(fetched.headers, fetched.final_url)
        if not fetched.content and not named:
            is_guess = _found_in(task) == sitemap.GUESSED
            raise _unexpected(task, fetched) if is_guess else EmptyBody("the answer has no content")
        expected = _expected_kind(task)
        left_out: Counter[str] = Counter()
        content, kind = opened(
            fetched.content,
            fetched.content_type,
            wanted=expected,
            max_bytes=sitemap.MAX_BYTES,
            left_out=left_out,
        )
        if expected and not _is_acceptable(task, kind):
            raise _unexpected(task, fetched)
        source = Source(
            url=fetched.final_url,
            depth=task.depth,
            content_type=fetched.headers.get("content-type", ""),
            obeyed=self._obeyed_of(fetched, kind),
            named=named,
            left_out=left_out,
        )
        match expected if kind == "other" and expected else kind:
            case "html":
                self._check_scope(task, source.url)
                html, encoding = _as_html(fetched, content)
                return self.read_html(html, source, encoding=encoding)
            case "image":
                return Harvest.of(self._document(source), (self._image_in_place_of_page(task),))
            case "css" | "style sheet":
                return self._read_css(decode_css(content, source.content_type), source)
            case "manifest":
                return self._read_manifest(content, source)
            case "feed":
                return self._read_feed(decode_xml(content, source.content_type), source)
            case "sitemap":
                harvest = self._read_sitemap(content, source, is_nested=_found_in(task) == sitemap.FROM_INDEX)
                if kind == "other" and _found_in(task) == sitemap.GUESSED and harvest.is_empty:
                    raise _unexpected(task, fetched)
                return harvest
            case _:
                return self._read_headers_alone(task, source, fetched.content)

    def _read_headers_alone(self, task: Task, source: Source, content: bytes) -> Harvest:
        """The harvest of an answer that is no document: pages that have moved may say so in a Refresh header alone."""
        if source.named:
            self._check_scope(task, source.url)
            harvest = self.read_html("", source)
            if not harvest.is_empty:
                return harvest
        raise NotHtml(f"it is {what_it_is(content)}, and no page that images are found in")

    def _obeyed_of(self, fetched: Fetched, kind: str) -> frozenset[str]:
        """The directives of an answer's headers that are obeyed and concern what a document of that kind names."""
        obeyed = directives.of_headers(fetched.headers, agent=self._agent) & self._obeyed
        return obeyed if kind == "html" else obeyed - _OF_ITSELF

    def _check_scope(self, task: Task, final_url: str) -> None:
        refusal = self._scope.refusal(final_url)
        if refusal == EXCLUDED and task.origin is not None:
            raise Excluded(
                f"{task.url} redirects to {final_url}, which a pattern keeps out (include, exclude)"
            )
        if refusal and refusal != EXCLUDED:
            advice = "" if task.origin else f"; to crawl that site, start from {final_url}"
            raise OutOfScope(f"{task.url} redirects to {final_url}, which is outside of this crawl{advice}")

    def _image_in_place_of_page(self, task: Task) -> NewTask:
        """The same URL as an IMAGE task: it is fetched again, by a handler that saves."""
        return NewTask(
            kind=TaskKind.IMAGE,
            url=task.url,
            depth=task.depth,
            origin=task.origin or Origin(page_url="", found_in="seed"),
            kept_out_by=self._scope.image_refusal(task.url),
        )

    def read_html(self, html: str, source: Source, *, encoding: str = "utf-8") -> Harvest:
        """The images and links of a page; *encoding* is what it was sent in. Raises NotHtml."""
        elements = parse(html, parser=self._config.harvest.parser, left_out=source.left_out)
        elements += _numbered(source.named, after=len(elements))
        if ":image:alt" in html:
            elements = images.with_meta_words(elements)
        titles = (element.text for element in elements if element.name == "title")
        base = links.base_url(elements, source.url)
        obeyed = directives.with_meta(source.obeyed, _metas(elements), agent=self._agent)
        page = self._document(
            source,
            base=base,
            title=trimmed(next(titles, "")),
            encoding=encoding,
            obeyed=obeyed & self._obeyed,
            upgrades=wants_upgrades(elements),
        )
        self._read_parts(page, html, elements)
        followed = links.links_on(elements)
        if not self._config.harvest.feeds:
            followed = [link for link in followed if link.found_in != links.FEED]
        located = page.resolve.located(followed)
        candidates = images.found_on(elements, guess=self._config.harvest.script_urls)
        image_tasks = self._policy.images(page, candidates, elements)
        looks = None
        if self._config.render.render != "never":
            looks = looks_of(html, elements, url=page.url, base=base, images=len(image_tasks))
        if looks is not None:
            page.left_out["render-images"] += looks.more_routes
        return Harvest.of(
            page,
            image_tasks,
            self._policy.links(page, located),
            kind=A_PAGE,
            dots=_dots(page, elements),
            looks=looks,
            against_images=against_images(page),
            against_links=against_links(page),
        )

    def _read_parts(self, page: Document, html: str, elements: list[Element]) -> None:
        """Append the elements of the pieces of markup within the page, and of the pieces within these."""
        chars = 0
        for part in without_cuts(
            at_most(MAX_SRCDOCS, parts_on(html, elements), slug="srcdoc-cut"), page.left_out
        ):
            chars += len(part.markup)
            if chars > MAX_PARTS_OF_LENGTH * len(html):
                page.left_out["srcdoc-cut"] += 1
                continue
            elements += self._elements_of_part(page, part.markup, heading=part.heading, after=len(elements))

    def _read_css(self, text: str, source: Source) -> Harvest:
        """The images and imports of a style sheet; its URL is the base of both."""
        page = self._document(source)
        references = list(without_cuts(css.references(text), page.left_out))
        imports = list(links.imports_among(references))
        if source.depth >= self._config.scope.max_depth + MAX_IMPORTS_BELOW_MAX_DEPTH:
            page.left_out["import-depth"] += len(imports)
            imports = []
        sheet = Element(name="style", attributes={}, number=0)
        candidates = chain(images_among(references, sheet), images.found_on(source.named))
        return Harvest.of(
            page,
            self._policy.images(page, candidates),
            self._policy.links(page, page.resolve.located(imports), attached_depth=source.depth + 1),
            kind=AN_ATTACHMENT,
        )

    def _read_manifest(self, content: bytes, source: Source) -> Harvest:
        page = self._document(source)
        return Harvest.of(page, self._policy.images(page, manifest.images(content)), kind=AN_ATTACHMENT)

    def _read_feed(self, text: str, source: Source) -> Harvest:
        """The images of a feed, in the markup of its items too, and the pages that the items are about."""
        page = self._document(source)
        candidates: list[Candidate | Cut] = []
        followed: list[Link] = []
        elements = list(source.named)
        for item in without_cuts(feeds.read(text), page.left_out):
            candidates += item.images
            followed += [
                Link(reference, links.FEED_ITEM) for reference in item.links if may_lead_to_page(reference)
            ]
            for markup in item.html:
                elements += self._elements_of_part(page, markup, heading=item.title, after=len(elements))
        candidates += images.found_on(elements, guess=self._config.harvest.script_urls)
        followed += [link for link in links.links_on(elements) if link.found_in in ("a", "area")]
        return Harvest.of(
            page,
            self._policy.images(page, candidates, elements),
            self._policy.links(page, page.resolve.located(followed)),
            kind=A_FEED,
        )

    def _read_sitemap(self, content: bytes, source: Source, *, is_nested: bool) -> Harvest:
        """The pages, images and further sitemaps of a sitemap; one that *is_nested* names no further sitemaps."""
        page = self._document(source, limit=sitemap.MAX_URLS)
        candidates: list[Candidate] = []
        followed: list[Link] = []
        sitemaps: dict[str, None] = {}
        for entry in without_cuts(sitemap.read(content, source.content_type), page.left_out):
            candidates += entry.images
            if sitemap.names_page(entry):
                followed.append(Link(entry.url, sitemap.LISTED))
            elif entry.is_sitemap and (further := page.resolve(entry.url)) is not None:
                sitemaps[further] = None
            followed += [Link(other, sitemap.LISTED) for other in entry.others]
        if is_nested and sitemaps:
            page.left_out["sitemap-nested"] += len(sitemaps)
            sitemaps.clear()
        sitemap_tasks = page.page_tasks(
            (Followed(further, sitemap.FROM_INDEX) for further in sitemaps),
            page_depth=source.depth,
            attached_depth=source.depth,
        )
        page_tasks = self._policy.links(page, page.resolve.located(followed))
        return Harvest.of(page, self._policy.images(page, candidates), page_tasks + sitemap_tasks)

    def _elements_of_part(self, page: Document, markup: str, *, heading: str, after: int) -> list[Element]:
        """The elements of a piece of markup, with numbers that no other piece of the document has."""
        if "<" not in markup:
            return []
        try:
            elements = parse(markup, parser=self._config.harvest.parser, left_out=page.left_out)
        except NotHtml:
            page.left_out["markup-cut"] += 1
            return []
        return _numbered(elements, after=after, heading=heading)


def _found_in(task: Task) -> str:
    return task.origin.found_in if task.origin else ""


def _expected_kind(task: Task) -> str:
    """``style sheet``, ``manifest``, ``feed``, ``sitemap``, or empty for a page."""
    return _EXPECTED.get(_found_in(task), "")


def _is_acceptable(task: Task, kind: str) -> bool:
    """Whether *kind*, as sniffed, may be the document that *task* expects.

    A sitemap that robots.txt names may be an HTML page of links, unless its URL has the extension of a sitemap file. A
    sitemap whose URL was guessed may not.
    """
    if _found_in(task) == sitemap.GUESSED:
        return kind in ("sitemap", "feed", "other")
    return kind != "html" or (
        _found_in(task) == sitemap.SITEMAP and extension(task.url) not in ("xml", "gz", "txt")
    )


def _unexpected(task: Task, fetched: Fetched) -> Rejection:
    """The error for an answer that is not the document that *task* expects."""
    if _found_in(task) == sitemap.GUESSED:
        return NoSitemap(f"none at {task.url}: it answers {fetched.content_type}")
    error = NotAStyleSheet if _found_in(task) == links.STYLE_SHEET else UnexpectedContent
    return error(f"a {_expected_kind(task)} was expected at {task.url}; it answers {fetched.content_type}")


def _as_html(fetched: Fetched, content: bytes) -> tuple[str, str]:
    """A page as HTML, and the encoding that it was sent in. A page that is declared as XML is read as XML."""
    header = fetched.headers.get("content-type", "")
    if is_xml(fetched.content_type):
        return as_html(decode_xml(content, header)), encoding_of_xml(content, header)
    encoding = encoding_of_html(content, header)
    return decoded(content, encoding), encoding


def _dots(page: Document, elements: Iterable[Element]) -> frozenset[str]:
    """The URLs of tracking pixels."""
    return frozenset(
        url
        for element in elements
        if element.name == "img"
        and element.attributes.get("width") in _UNSEEN
        and element.attributes.get("height") in _UNSEEN
        and (url := page.resolve(element.attributes.get("src", ""))) is not None
    )


def _numbered(elements: Iterable[Element], *, after: int, heading: str = "") -> list[Element]:
    """*elements* with numbers that no other part of their document has."""
    return [
        msgspec.structs.replace(
            element,
            number=element.number + after,
            picture=element.picture and element.picture + after,
            heading=element.heading or heading,
        )
        for element in elements
    ]


def _metas(elements: Iterable[Element]) -> Iterable[tuple[str, str]]:
    """Name and content of each ``<meta>``."""
    return (
        (element.attributes.get("name", ""), element.attributes.get("content", ""))
        for element in elements
        if element.name == "meta"
    )
