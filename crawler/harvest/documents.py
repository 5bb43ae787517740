"""What is found in what a PAGE task brought: in pages, style sheets, manifests, feeds and sitemaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any

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
    TaskError,
    UnexpectedContent,
)
from crawler.harvest import css, feeds, headers, images, links, manifest, sitemap
from crawler.harvest.candidates import Candidate
from crawler.harvest.cuts import Cut, at_most, without_cuts
from crawler.harvest.encoding import decode_css, decoded, encoding_of_html, encoding_of_xml
from crawler.harvest.extensions import KEPT_FORMATS, extension, may_lead_to_page
from crawler.harvest.html import Element, parse
from crawler.harvest.https_upgrade import wants_upgrades
from crawler.harvest.link_filter import A_FEED, A_PAGE, AN_ATTACHMENT
from crawler.harvest.links import Followed, Link
from crawler.harvest.script_signs import ScriptSigns, looks_of
from crawler.harvest.shingles import pieces
from crawler.harvest.sniffing import is_xml, opened
from crawler.harvest.tasks import LINKS_OF_A_PAGE, Document
from crawler.harvest.traps import CALENDAR, url_trap
from crawler.harvest.xhtml import as_html
from crawler.harvest.xml_encoding import decoded as decoded_xml
from crawler.http import Fetched
from crawler.http.robots import product_token
from crawler.models import NewTask, Origin, Task, TaskKind
from crawler.models.image_words import trimmed
from crawler.opt_outs import directives
from crawler.opt_outs.purposes import NOINDEX
from crawler.scope import EXCLUDED, Scope
from crawler.text.not_an_image import what_it_is
from crawler.urls import without_tracking

_WANTED = {
    links.STYLE_SHEET: "style sheet",
    links.MANIFEST: "manifest",
    links.FEED: "feed",
    **dict.fromkeys(sitemap.SITEMAPS, "sitemap"),
}
"""What a task is expected to bring, by where its URL was found."""

MAX_SRCDOCS = 100
"""Documents in ``<iframe srcdoc>`` that are looked into on one page."""
MAX_IMPORTS_BELOW_MAX_DEPTH = 5
"""An ``@import`` counts as one link, so that a server can't make up style sheets without end."""

_OF_ITSELF = {NOINDEX, directives.NOFOLLOW}
"""What a sitemap, a feed or a style sheet asks for itself alone: many are sent with ``noindex``, to stay out of search
results, and what they name is meant to be found all the same.
"""
_UNSEEN = {"0", "1", "0px", "1px"}
NOTHING: frozenset[str] = frozenset()


class Harvest(msgspec.Struct, frozen=True, kw_only=True):
    """What one document holds."""

    title: str = ""
    images: tuple[NewTask, ...] = ()
    links: tuple[NewTask, ...] = ()
    kept_out: tuple[NewTask, ...] = ()
    """Images and links that are not to be visited, each with what forbids it."""
    left_out: dict[str, int] = {}
    """How much of it was not read or not taken, by a slug of LEFT_OUT; what is kept out is not among it."""
    kind: str = ""
    """A_PAGE, A_FEED, AN_ATTACHMENT, or empty; see judging.py."""
    dots: frozenset[str] = frozenset()
    """The images that nobody is to see, which count visitors: each page has a new one."""
    looks: ScriptSigns | None = None
    """Of a page with scripts, if any page is to be opened in a browser."""
    against_images: str = ""
    """What its owner says against taking any of its images, as far as that is obeyed: a slug of LEFT_OUT."""
    against_links: str = ""
    """The same, against following any of its links."""

    @property
    def is_empty(self) -> bool:
        return not (self.images or self.links or self.kept_out)

    @classmethod
    def of(
        cls, page: Document, images: tuple[NewTask, ...], links: tuple[NewTask, ...] = (), **more: Any
    ) -> Harvest:
        """Sorted by whether something forbids them."""
        return cls(
            **more,
            title=page.title,
            left_out=dict(+page.left_out),
            images=tuple(task for task in images if not task.kept_out_by),
            links=tuple(task for task in links if not task.kept_out_by),
            kept_out=tuple(task for task in (*images, *links) if task.kept_out_by),
        )


class DocumentReader:
    """Reads documents for one crawl, by its scope and settings; safe to be used by several threads."""

    def __init__(
        self,
        scope: Scope,
        config: Config,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._scope = scope
        self._now = now
        self._config = config
        self._obeyed = config.obey.obeyed
        self._agent = product_token(config.fetch.user_agent)
        self._formats = frozenset(config.images.formats) or KEPT_FORMATS

    def words(self, fetched: Fetched) -> set[str]:
        """What a page says, see :func:`crawler.harvest.shingles.pieces`."""
        return pieces(_as_html(fetched, fetched.content)[0])

    def read(self, task: Task, fetched: Fetched) -> Harvest:  # noqa: PLR0911 - one case for each kind
        """What is found in the answer to *task*. Raises a Rejection when it is nothing to harvest."""
        header = fetched.headers.get("content-type", "")
        content, url, depth = fetched.content, fetched.final_url, task.depth
        found_in = task.origin.found_in if task.origin else ""
        told = headers.elements(fetched.headers, url)
        if not content and not told:
            raise _nothing(task, fetched)
        wanted = _WANTED.get(found_in, "")
        left_out: Counter[str] = Counter()
        content, kind = opened(
            content, fetched.content_type, wanted=wanted, max_bytes=sitemap.MAX_BYTES, left_out=left_out
        )
        if wanted and not _may_be(task, kind):
            raise _not_what_was_wanted(task, fetched)
        asked = self._asked(fetched, kind)
        match wanted if kind == "other" and wanted else kind:
            case "html":
                self._check_scope(task, url)
                html, encoding = _as_html(fetched, content)
                return self.read_html(html, url=url, depth=depth, asked=asked, encoding=encoding, told=told)
            case "image":
                page = self._document(url, depth=depth)
                return Harvest.of(page, (self._image_in_place_of_page(task),))
            case "css" | "style sheet":
                return self.read_css(
                    decode_css(content, header), url=url, depth=depth, asked=asked, told=told
                )
            case "manifest":
                return self.read_manifest(content, url=url, depth=depth, asked=asked)
            case "feed":
                return self.read_feed(
                    decoded_xml(content, header),
                    url=url,
                    depth=depth,
                    asked=asked,
                    told=told,
                    left_out=left_out,
                )
            case "sitemap":
                nested = found_in == sitemap.FROM_INDEX
                harvest = self.read_sitemap(
                    content, header, url=url, depth=depth, nested=nested, asked=asked, left_out=left_out
                )
                if kind == "other" and found_in == sitemap.GUESSED and harvest.is_empty:
                    raise _not_what_was_wanted(task, fetched)
                return harvest
            case _:
                return self._read_headers_alone(task, fetched, told, asked=asked)

    def _read_headers_alone(
        self, task: Task, fetched: Fetched, told: Sequence[Element], *, asked: frozenset[str]
    ) -> Harvest:
        """Of what is no document: not a few pages that have moved say so in a Refresh header and in nothing else."""
        if told:
            self._check_scope(task, fetched.final_url)
            harvest = self.read_html("", url=fetched.final_url, depth=task.depth, asked=asked, told=told)
            if not harvest.is_empty:
                return harvest
        raise NotHtml(f"it is {what_it_is(fetched.content)}, and no page that images are found in")

    def _asked(self, fetched: Fetched, kind: str) -> frozenset[str]:
        """What an answer's headers ask, as far as it is obeyed and concerns what a document of that kind names."""
        asked = directives.of_headers(fetched.headers, agent=self._agent) & self._obeyed
        return asked if kind == "html" else asked - _OF_ITSELF

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
        """The same URL for a downloader; it is fetched again, as one that saves."""
        return NewTask(
            kind=TaskKind.IMAGE,
            url=task.url,
            depth=task.depth,
            origin=task.origin or Origin(page_url="", found_in="seed"),
            kept_out_by=self._scope.image_refusal(task.url),
        )

    def read_html(
        self,
        html: str,
        *,
        url: str,
        depth: int,
        asked: frozenset[str] = NOTHING,
        encoding: str = "utf-8",
        told: Sequence[Element] = (),
    ) -> Harvest:
        """The images and links of a document at *url*, *depth* links away from a seed. *asked* is what its headers
        ask of robots, *told* what they name besides, *encoding* what it was sent in. Raises NotHtml.
        """
        left_out: Counter[str] = Counter()
        elements = parse(html, parser=self._config.harvest.parser, left_out=left_out)
        elements += _numbered(told, after=len(elements))
        titles = (element.text for element in elements if element.name == "title")
        page = self._document(
            url,
            base=links.base_url(elements, url),
            depth=depth,
            title=trimmed(next(titles, "")),
            encoding=encoding,
            asked=directives.with_meta(asked, _named(elements), agent=self._agent) & self._obeyed,
            upgrades=wants_upgrades(elements),
            left_out=left_out,
        )
        self._look_into_srcdocs(page, elements)
        followed = page.resolve.located(
            link
            for link in without_cuts(links.links_on(elements), left_out)
            if link.found_in != links.FEED or self._config.harvest.feeds
        )
        found = self._images(
            page, images.found_on(elements, guess=self._config.harvest.script_urls), elements
        )
        return Harvest.of(
            page,
            found,
            self._further(page, followed),
            kind=A_PAGE,
            dots=_dots(page, elements),
            looks=self._looks(html, elements, page, images=len(found)),
            against_images=_against_images(page),
            against_links=directives.NOFOLLOW if directives.NOFOLLOW in page.asked else "",
        )

    def _looks(
        self, html: str, elements: Sequence[Element], page: Document, *, images: int
    ) -> ScriptSigns | None:
        if self._config.render.render == "never":
            return None
        base = links.base_url(elements, page.url)
        looks = looks_of(html, elements, url=page.url, base=base, images=images)
        if looks is not None and looks.more_routes:
            page.left_out["render-images"] += looks.more_routes
        return looks

    def _look_into_srcdocs(self, page: Document, elements: list[Element]) -> None:
        """Add the elements of the documents in ``srcdoc``, and of those in such documents."""
        frames = (element for element in elements if "srcdoc" in element.attributes)
        for frame in without_cuts(at_most(MAX_SRCDOCS, frames, slug="srcdoc-cut"), page.left_out):
            part = frame.attributes["srcdoc"]
            elements += self._elements_of_part(page, part, heading=frame.heading, after=len(elements))

    def read_css(
        self,
        text: str,
        *,
        url: str,
        depth: int,
        asked: frozenset[str] = NOTHING,
        told: Sequence[Element] = (),
    ) -> Harvest:
        """The images and imports of a style sheet at *url*, which is what both are relative to."""
        page = self._document(url, depth=depth, asked=asked)
        references = list(without_cuts(css.references(text), page.left_out))
        imports = list(links.imports_among(references))
        if depth >= self._config.scope.max_depth + MAX_IMPORTS_BELOW_MAX_DEPTH:
            page.left_out["import-depth"] += len(imports)
            imports = []
        sheet = Element(name="style", attributes={}, number=0)
        found = self._images(page, chain(images.found_among(references, sheet), images.found_on(told)))
        further = self._further(page, page.resolve.located(imports), attached_depth=depth + 1)
        return Harvest.of(page, found, further, kind=AN_ATTACHMENT)

    def read_manifest(
        self, content: bytes, *, url: str, depth: int, asked: frozenset[str] = NOTHING
    ) -> Harvest:
        """The images of a web app manifest at *url*."""
        page = self._document(url, depth=depth, asked=asked)
        found = self._images(page, manifest.images(content))
        return Harvest.of(page, found, kind=AN_ATTACHMENT)

    def read_feed(
        self,
        text: str,
        *,
        url: str,
        depth: int,
        asked: frozenset[str] = NOTHING,
        told: Sequence[Element] = (),
        left_out: Counter[str] | None = None,
    ) -> Harvest:
        """The images of a feed, those in the markup of its items included, and the pages that they are about."""
        page = self._document(url, depth=depth, asked=asked, left_out=left_out)
        found: list[Candidate | Cut] = []
        followed: list[Link] = []
        elements = list(told)
        for item in without_cuts(feeds.read(text), page.left_out):
            found += item.images
            followed += [
                Link(reference, links.FEED_ITEM) for reference in item.links if may_lead_to_page(reference)
            ]
            for markup in item.html:
                elements += self._elements_of_part(page, markup, heading=item.title, after=len(elements))
        found += images.found_on(elements, guess=self._config.harvest.script_urls)
        listed = without_cuts(links.links_on(elements), page.left_out)
        followed += [link for link in listed if link.found_in in ("a", "area")]
        taken = self._images(page, found, elements)
        return Harvest.of(page, taken, self._further(page, page.resolve.located(followed)), kind=A_FEED)

    def read_sitemap(
        self,
        content: bytes,
        header: str = "",
        *,
        url: str,
        depth: int,
        nested: bool = False,
        asked: frozenset[str] = NOTHING,
        left_out: Counter[str] | None = None,
    ) -> Harvest:
        """The pages, images and further sitemaps that a sitemap at *url* names; *nested* ones name no further."""
        page = self._document(url, depth=depth, asked=asked, limit=sitemap.MAX_URLS, left_out=left_out)
        found: list[Candidate] = []
        followed: list[Link] = []
        sitemaps: dict[str, None] = {}
        for entry in without_cuts(sitemap.read(content, header), page.left_out):
            found += entry.images
            if sitemap.names_page(entry):
                followed.append(Link(entry.url, sitemap.LISTED))
            elif entry.is_sitemap and (further := page.resolve(entry.url)) is not None:
                sitemaps[further] = None
            followed += [Link(other, sitemap.LISTED) for other in entry.others]
        if nested and sitemaps:
            page.left_out["sitemap-nested"] += len(sitemaps)
            sitemaps.clear()
        further_tasks = page.page_tasks(
            (Followed(further, sitemap.FROM_INDEX) for further in sitemaps),
            page_depth=depth,
            attached_depth=depth,
        )
        further_pages = self._further(page, page.resolve.located(followed))
        return Harvest.of(page, self._images(page, found), further_pages + further_tasks)

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

    def _document(
        self,
        url: str,
        *,
        depth: int,
        asked: frozenset[str] = NOTHING,
        base: str = "",
        title: str = "",
        encoding: str = "utf-8",
        limit: int = LINKS_OF_A_PAGE,
        upgrades: bool = False,
        left_out: Counter[str] | None = None,
    ) -> Document:
        scope = self._config.scope
        return Document(
            url,
            base=base or url,
            depth=depth,
            title=title,
            asked=asked,
            encoding=encoding,
            limit=scope.max_links_per_page or limit,
            image_limit=scope.max_links_per_page or None,
            tidy=without_tracking if scope.strip_tracking else None,
            upgrades=upgrades,
            left_out=left_out,
        )

    def _images(
        self, page: Document, found: Iterable[Candidate | Cut], elements: Iterable[Element] = ()
    ) -> tuple[NewTask, ...]:
        taken: list[Candidate] = []
        behind: dict[str, list[Candidate]] = {}
        for candidate in without_cuts(found, page.left_out):
            reason = self._link_forbidden(page, candidate)
            (behind.setdefault(reason, []) if reason else taken).append(candidate)
        whole_page = _against_images(page)
        tasks = page.image_tasks(
            taken,
            told={
                element.picture: element for element in elements if element.picture and element.name == "img"
            },
            sizes=self._config.images.images,
            formats=self._formats,
            forbidden=_always(whole_page) if whole_page else self._scope.image_refusal,
        )
        known = {task.url for task in tasks}
        for reason, candidates in behind.items():
            left = page.image_tasks(
                candidates, told={}, sizes="all", formats=self._formats, forbidden=_always(reason)
            )
            tasks += tuple(task for task in left if task.url not in known)
        return tasks

    def _link_forbidden(self, page: Document, candidate: Candidate) -> str:
        """What forbids to follow the link to an image; nothing for what a page shows itself."""
        if candidate.found_in not in ("a", "area"):
            return ""
        if directives.NOFOLLOW in page.asked:
            return directives.NOFOLLOW
        nofollow = directives.REL_NOFOLLOW in self._obeyed and links.says_nofollow(candidate.element)
        return directives.REL_NOFOLLOW if nofollow else ""

    def _further(
        self, page: Document, located: Sequence[tuple[Link, str]], *, attached_depth: int | None = None
    ) -> tuple[NewTask, ...]:
        worth = links.worth_following(
            located,
            scope=self._scope,
            page_url=page.url,
            forbidden=partial(self._forbidden, page),
        )
        return page.page_tasks(
            worth,
            page_depth=page.depth + 1,
            attached_depth=page.depth if attached_depth is None else attached_depth,
        )

    def _forbidden(self, page: Document, link: Link, url: str) -> str:
        """What forbids to follow a link within the scope, or nothing."""
        if link.found_in in links.FROM_ANYWHERE:
            return ""
        if directives.NOFOLLOW in page.asked:
            return directives.NOFOLLOW
        if link.nofollow and directives.REL_NOFOLLOW in self._obeyed:
            return directives.REL_NOFOLLOW
        if self._is_too_deep(page, link):
            return "max-depth"
        return self._trap(link, url)

    def _is_too_deep(self, page: Document, link: Link) -> bool:
        """0 is for the seeds alone: then nothing is followed, next pages neither."""
        max_depth = self._config.scope.max_depth
        if page.depth < max_depth or link.found_in in links.ATTACHED:
            return False
        return not link.is_beside or max_depth == 0

    def _trap(self, link: Link, url: str) -> str:
        """What forbids to follow a link by its spelling. A day far away may be the number of a part: that is for
        judging.py.
        """
        if not self._config.scope.avoid_traps or link.found_in not in links.BY_CHANCE:
            return ""
        trap = url_trap(url, year=self._now().year)
        return "" if trap == CALENDAR else trap


def _as_html(fetched: Fetched, content: bytes) -> tuple[str, str]:
    """A page in HTML, and what it was encoded in; one that is declared as XML is read as XML."""
    header = fetched.headers.get("content-type", "")
    if is_xml(fetched.content_type):
        return as_html(decoded_xml(content, header)), encoding_of_xml(content, header)
    encoding = encoding_of_html(content, header)
    return decoded(content, encoding), encoding


def _against_images(page: Document) -> str:
    return next((asked for asked in directives.AGAINST_IMAGES if asked in page.asked), "")


def _dots(page: Document, elements: Iterable[Element]) -> frozenset[str]:
    return frozenset(
        url
        for element in elements
        if element.name == "img"
        and element.attributes.get("width") in _UNSEEN
        and element.attributes.get("height") in _UNSEEN
        and (url := page.resolve(element.attributes.get("src", ""))) is not None
    )


def _nothing(task: Task, fetched: Fetched) -> TaskError:
    if task.origin and task.origin.found_in == sitemap.GUESSED:
        return _not_what_was_wanted(task, fetched)
    return EmptyBody("the answer has no content")


def _may_be(task: Task, kind: str) -> bool:
    """Whether an answer of that kind may be what is wanted. What robots.txt names as a sitemap may be a page for
    people, a list of links, unless its address is that of a file; one that was guessed may not.
    """
    found_in = task.origin.found_in if task.origin else ""
    if found_in == sitemap.GUESSED:
        return kind in ("sitemap", "feed", "other")
    return kind != "html" or (found_in == sitemap.SITEMAP and extension(task.url) not in ("xml", "gz", "txt"))


def _not_what_was_wanted(task: Task, fetched: Fetched) -> Rejection:
    found_in = task.origin.found_in if task.origin else ""
    if found_in == sitemap.GUESSED:
        return NoSitemap(f"none at {task.url}: it answers {fetched.content_type}")
    error = NotAStyleSheet if found_in == links.STYLE_SHEET else UnexpectedContent
    return error(f"a {_WANTED[found_in]} was expected at {task.url}; it answers {fetched.content_type}")


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


def _always(reason: str) -> Callable[[str], str]:
    return lambda _: reason


def _named(elements: Iterable[Element]) -> Iterable[tuple[str, str]]:
    """Name and content of each ``<meta>``."""
    return (
        (element.attributes.get("name", ""), element.attributes.get("content", ""))
        for element in elements
        if element.name == "meta"
    )
