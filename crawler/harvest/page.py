"""A PAGE task in, its result out: fetched, read, its images and links found."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import msgspec

from crawler.config import Config
from crawler.errors import (
    ConnectFailed,
    ConnectTimeout,
    InternalError,
    NoSitemap,
    NotAStyleSheet,
    NotHtml,
    OutOfScope,
    Rejection,
    TaskError,
    UnexpectedContent,
)
from crawler.harvest import css, feeds, images, links, manifest, sitemap
from crawler.harvest.candidates import Candidate
from crawler.harvest.elements import Element, parse
from crawler.harvest.encoding import decode_css, decode_html
from crawler.harvest.extensions import may_lead_to_page
from crawler.harvest.kinds import kind_of
from crawler.harvest.links import Link
from crawler.harvest.tasks import Document, trimmed
from crawler.models import NewTask, Origin, PageRecord, PageStatus, Result, Task, TaskKind
from crawler.urls import Scope
from crawler.web import Fetched, Transport
from crawler.web.retry import host_pause_s, retry_delay_s

log = logging.getLogger(__name__)

ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
"""What browsers send for a page."""
ACCEPT_CSS = "text/css,*/*;q=0.1"

_SITEMAPS = frozenset({sitemap.SITEMAP, sitemap.FROM_INDEX, sitemap.GUESSED})
_WANTED = {
    links.STYLE_SHEET: "style sheet",
    links.MANIFEST: "manifest",
    links.FEED: "feed",
    **dict.fromkeys(_SITEMAPS, "sitemap"),
}
"""What a task is expected to bring, by where its URL was found."""
_ACCEPT = {
    links.STYLE_SHEET: ACCEPT_CSS,
    links.MANIFEST: "application/manifest+json,application/json;q=0.9,*/*;q=0.8",
    links.FEED: "application/atom+xml,application/rss+xml,application/feed+json,application/xml;q=0.9,*/*;q=0.8",
    **dict.fromkeys(_SITEMAPS, "application/xml,text/xml,text/plain;q=0.9,*/*;q=0.8"),
}

MAX_SRCDOCS = 100
"""Documents in ``<iframe srcdoc>`` that are looked into on one page."""
MAX_IMPORTS_BELOW_MAX_DEPTH = 5
"""An ``@import`` counts as one link, so that a server can't make up style sheets without end."""


class Harvest(msgspec.Struct, frozen=True, kw_only=True):
    """What one document holds."""

    title: str = ""
    images: tuple[NewTask, ...] = ()
    links: tuple[NewTask, ...] = ()


_SEED_ATTEMPTS = 2
"""To connect to a seed's host: who has mistyped it waits for the answer."""


class PageHandler:
    """Harvests pages and style sheets: a callable that takes a Task and returns its Result, safe to be used
    by several threads.

    Never raises: everything that may befall one URL ends in the record.
    """

    def __init__(
        self,
        transport: Transport,
        scope: Scope,
        *,
        config: Config,
        retry_delay_s: float,
        worker: str,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._transport = transport
        self._scope = scope
        self._config = config
        self._retry_delay_s = retry_delay_s
        self._worker = worker
        self._clock = clock
        self._now = now

    def __call__(self, task: Task) -> Result:
        started = self._clock()
        retry_in_s = pause_s = None
        harvest = Harvest()
        more: tuple[NewTask, ...] = ()
        record = PageRecord(url=task.url, status=PageStatus.FAILED)
        try:
            fetched = self._fetch(task)
            record = _with_answer(record, fetched)
            harvest = self.read(task, fetched)
            record = msgspec.structs.replace(
                record,
                status=PageStatus.HARVESTED,
                title=harvest.title,
                images=len(harvest.images),
                links=len(harvest.links),
            )
            more = (sitemap.guessed(fetched.final_url),) if self._wants_sitemap(task) else ()
        except TaskError as exc:
            record = _refused(record, exc)
            if not _seed_is_unreachable(task, exc):
                retry_in_s = retry_delay_s(exc, task.attempt, self._retry_delay_s)
            pause_s = host_pause_s(exc)
        except Exception as exc:
            log.exception("internal error at %s", task.url)
            record = _refused(record, InternalError(f"{type(exc).__name__}: {exc}"[:300]))
        return Result(
            token=task.token,
            record=msgspec.structs.replace(
                record,
                page_url=task.origin.page_url if task.origin else "",
                found_in=task.origin.found_in if task.origin else "",
                depth=task.depth,
                attempts=task.attempt,
                worker=self._worker,
                elapsed_s=round(self._clock() - started, 6),
                finished_at=self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            ),
            discovered=harvest.images + harvest.links + more,
            retry_in_s=retry_in_s,
            host_pause_s=pause_s,
        )

    def _fetch(self, task: Task) -> Fetched:
        found_in = task.origin.found_in if task.origin else ""
        max_bytes = self._config.harvest.max_page_bytes
        try:
            return self._transport.fetch(
                task.url,
                max_bytes=max(max_bytes, sitemap.MAX_BYTES) if found_in in _SITEMAPS else max_bytes,
                accept=_ACCEPT.get(found_in, ACCEPT),
                referer=task.origin.page_url if task.origin else "",
            )
        except TaskError as exc:
            if found_in == sitemap.GUESSED and not exc.retryable:
                raise NoSitemap(f"none at {task.url}: {exc.detail}", http_status=exc.http_status) from exc
            raise

    def read(self, task: Task, fetched: Fetched) -> Harvest:
        """What is found in the answer to *task*. Raises a Rejection when it is nothing to harvest."""
        header = fetched.headers.get("content-type", "")
        content, url, depth = fetched.content, fetched.final_url, task.depth
        found_in = task.origin.found_in if task.origin else ""
        kind = kind_of(fetched.content_type, content)
        if kind == "gzip":
            content = sitemap.gunzipped(content)
            kind = kind_of("", content)
        wanted = _WANTED.get(found_in, "")
        if wanted in ("feed", "sitemap") and kind == "html":
            kind = kind_of("", content)  # not a few servers declare them as HTML
        if wanted and kind == "html":
            raise _not_what_was_wanted(task, fetched)
        match wanted if kind == "other" and wanted else kind:
            case "html":
                self._check_scope(task, url)
                return self.read_html(decode_html(content, header), url=url, depth=depth)
            case "image":
                return Harvest(images=(_image_in_place_of_page(task),))
            case "css" | "style sheet":
                return self.read_css(decode_css(content, header), url=url, depth=depth)
            case "manifest":
                return self.read_manifest(content, url=url, depth=depth)
            case "feed":
                return self.read_feed(decode_html(content, header), url=url, depth=depth)
            case "sitemap":
                nested = found_in == sitemap.FROM_INDEX
                return self.read_sitemap(content, header, url=url, depth=depth, nested=nested)
            case _:
                raise NotHtml(
                    f"neither HTML, CSS nor an image: {fetched.content_type or 'of no declared type'}"
                )

    def _wants_sitemap(self, task: Task) -> bool:
        is_seed = task.origin is None and task.depth == 0
        return is_seed and self._config.harvest.sitemaps and self._config.scope.max_depth > 0

    def _check_scope(self, task: Task, final_url: str) -> None:
        if not self._scope.admits(final_url):
            advice = "" if task.origin else f"; to crawl that site, start from {final_url}"
            raise OutOfScope(f"{task.url} redirects to {final_url}, which is outside of this crawl{advice}")

    def read_html(self, html: str, *, url: str, depth: int) -> Harvest:
        """The images and links of a document at *url*, *depth* links away from a seed. Raises NotHtml."""
        elements = parse(html, parser=self._config.harvest.parser)
        titles = (element.text for element in elements if element.name == "title")
        page = self._document(
            url, base=links.base_url(elements, url), depth=depth, title=trimmed(next(titles, ""))
        )
        for frame in [element for element in elements if "srcdoc" in element.attributes][:MAX_SRCDOCS]:
            part = frame.attributes["srcdoc"]
            elements += self._elements_of_part(part, heading=frame.heading, after=len(elements))
        followed = [
            link
            for link in links.links_on(elements)
            if link.found_in != links.FEED or self._config.harvest.feeds
        ]
        return Harvest(
            title=page.title,
            images=page.image_tasks(
                images.found_on(elements), told=_told_by_img(elements), sizes=self._config.images.images
            ),
            links=self._further(followed, page, depth),
        )

    def read_css(self, text: str, *, url: str, depth: int) -> Harvest:
        """The images and imports of a style sheet at *url*, which is what both are relative to."""
        page = self._document(url, depth=depth)
        references = css.references(text)
        followed = links.worth_following(
            links.imports_among(references),
            resolve=page.resolve,
            scope=self._scope,
            page_url=url,
            follow_pages=False,
        )
        if depth >= self._config.scope.max_depth + MAX_IMPORTS_BELOW_MAX_DEPTH:
            followed = iter(())
        sheet = Element(name="style", attributes={}, number=0)
        return Harvest(
            images=page.image_tasks(
                images.found_among(references, sheet), told={}, sizes=self._config.images.images
            ),
            links=page.page_tasks(followed, page_depth=depth + 1, attached_depth=depth + 1),
        )

    def read_manifest(self, content: bytes, *, url: str, depth: int) -> Harvest:
        """The images of a web app manifest at *url*."""
        found = manifest.images(content)
        return Harvest(
            images=self._document(url, depth=depth).image_tasks(
                found, told={}, sizes=self._config.images.images
            )
        )

    def read_feed(self, text: str, *, url: str, depth: int) -> Harvest:
        """The images of a feed, those in the markup of its items included, and the pages that they are about."""
        page = self._document(url, depth=depth)
        found: list[Candidate] = []
        followed: list[Link] = []
        elements: list[Element] = []
        for item in feeds.read(text):
            found += item.images
            followed += [
                Link(reference, links.FEED_ITEM) for reference in item.links if may_lead_to_page(reference)
            ]
            for markup in item.html:
                elements += self._elements_of_part(markup, heading=item.title, after=len(elements))
        found += images.found_on(elements)
        followed += [link for link in links.links_on(elements) if link.found_in in ("a", "area")]
        return Harvest(
            images=page.image_tasks(found, told=_told_by_img(elements), sizes=self._config.images.images),
            links=self._further(followed, page, depth),
        )

    def _elements_of_part(self, markup: str, *, heading: str, after: int) -> list[Element]:
        """The elements of a piece of markup, with numbers that no other piece of the document has."""
        try:
            elements = parse(markup, parser=self._config.harvest.parser) if "<" in markup else []
        except NotHtml:
            return []
        return [
            msgspec.structs.replace(
                element,
                number=element.number + after,
                picture=element.picture and element.picture + after,
                heading=element.heading or heading,
            )
            for element in elements
        ]

    def read_sitemap(
        self, content: bytes, header: str = "", *, url: str, depth: int, nested: bool = False
    ) -> Harvest:
        """The pages, images and further sitemaps that a sitemap at *url* names; *nested* ones name no further."""
        limit = max(sitemap.MAX_URLS, self._config.scope.max_links_per_page)
        page = Document(url, base=url, depth=depth, limit=limit)
        found: list[Candidate] = []
        followed: list[Link] = []
        sitemaps: dict[str, None] = {}
        for entry in sitemap.read(content, header):
            found += entry.images
            if sitemap.names_page(entry):
                followed.append(Link(entry.url, sitemap.LISTED))
            elif entry.is_sitemap and not nested and (further := page.resolve(entry.url)) is not None:
                sitemaps[further] = None
        further_tasks = page.page_tasks(
            ((further, sitemap.FROM_INDEX) for further in sitemaps), page_depth=depth, attached_depth=depth
        )
        return Harvest(
            images=page.image_tasks(found, told={}, sizes=self._config.images.images),
            links=self._further(followed, page, depth) + further_tasks,
        )

    def _further(self, followed: Iterable[Link], page: Document, depth: int) -> tuple[NewTask, ...]:
        worth = links.worth_following(
            followed,
            resolve=page.resolve,
            scope=self._scope,
            page_url=page.url,
            follow_pages=depth < self._config.scope.max_depth,
        )
        return page.page_tasks(worth, page_depth=depth + 1, attached_depth=depth)

    def _document(self, url: str, *, depth: int, base: str = "", title: str = "") -> Document:
        limit = self._config.scope.max_links_per_page
        return Document(url, base=base or url, depth=depth, title=title, limit=limit)


def _not_what_was_wanted(task: Task, fetched: Fetched) -> Rejection:
    found_in = task.origin.found_in if task.origin else ""
    if found_in == sitemap.GUESSED:
        return NoSitemap(f"none at {task.url}: it answers {fetched.content_type}")
    error = NotAStyleSheet if found_in == links.STYLE_SHEET else UnexpectedContent
    return error(f"a {_WANTED[found_in]} was expected at {task.url}; it answers {fetched.content_type}")


def _image_in_place_of_page(task: Task) -> NewTask:
    """The same URL for a downloader; it is fetched again, as one that saves."""
    origin = task.origin or Origin(page_url="", found_in="seed")
    return NewTask(kind=TaskKind.IMAGE, url=task.url, depth=task.depth, origin=origin)


def _told_by_img(elements: Iterable[Element]) -> dict[int, Element]:
    """The ``<img>`` of each ``<picture>``, by its number: the one element of it that has an ``alt``."""
    return {element.picture: element for element in elements if element.picture and element.name == "img"}


def _with_answer(record: PageRecord, fetched: Fetched) -> PageRecord:
    return msgspec.structs.replace(
        record,
        final_url=fetched.final_url,
        http_status=fetched.http_status,
        content_type=fetched.content_type,
        size_bytes=len(fetched.content),
    )


def _refused(record: PageRecord, error: TaskError) -> PageRecord:
    return msgspec.structs.replace(
        record,
        status=PageStatus.REJECTED if isinstance(error, Rejection) else PageStatus.FAILED,
        reason=error.reason,
        detail=error.detail,
        http_status=error.http_status or record.http_status,
        final_url=error.final_url or record.final_url,
    )


def _seed_is_unreachable(task: Task, error: TaskError) -> bool:
    no_connection = isinstance(error, (ConnectFailed, ConnectTimeout))
    return task.origin is None and no_connection and task.attempt >= _SEED_ATTEMPTS
