"""A PAGE task in, its result out: fetched, read, its images and links found."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import msgspec

from crawler.config import Config
from crawler.errors import InternalError, NotAStyleSheet, NotHtml, OutOfScope, Rejection, TaskError
from crawler.harvest import css, images, links
from crawler.harvest.elements import Element, parse
from crawler.harvest.encoding import decode_css, decode_html
from crawler.harvest.kinds import kind_of
from crawler.harvest.tasks import Document, trimmed
from crawler.models import NewTask, Origin, PageRecord, PageStatus, Result, Task, TaskKind
from crawler.urls import Scope
from crawler.web import Fetched, Transport
from crawler.web.retry import host_pause_s, retry_delay_s

log = logging.getLogger(__name__)

ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
"""What browsers send for a page."""
ACCEPT_CSS = "text/css,*/*;q=0.1"

MAX_IMPORTS_BELOW_MAX_DEPTH = 5
"""An ``@import`` counts as one link, so that a server can't make up style sheets without end."""


class Harvest(msgspec.Struct, frozen=True, kw_only=True):
    """What one document holds."""

    title: str = ""
    images: tuple[NewTask, ...] = ()
    links: tuple[NewTask, ...] = ()


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
        except TaskError as exc:
            record = _refused(record, exc)
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
                depth=task.depth,
                attempts=task.attempt,
                worker=self._worker,
                elapsed_s=round(self._clock() - started, 6),
                finished_at=self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            ),
            discovered=harvest.images + harvest.links,
            retry_in_s=retry_in_s,
            host_pause_s=pause_s,
        )

    def _fetch(self, task: Task) -> Fetched:
        return self._transport.fetch(
            task.url,
            max_bytes=self._config.harvest.max_page_bytes,
            accept=ACCEPT_CSS if _is_style_sheet(task) else ACCEPT,
            referer=task.origin.page_url if task.origin else "",
        )

    def read(self, task: Task, fetched: Fetched) -> Harvest:
        """What is found in the answer to *task*. Raises a Rejection when it is nothing to harvest."""
        kind = kind_of(fetched.content_type, fetched.content)
        header = fetched.headers.get("content-type", "")
        if kind == "image":
            return Harvest(images=(_image_in_place_of_page(task),))
        if _is_style_sheet(task):
            if kind == "html":
                raise NotAStyleSheet(
                    f"a style sheet was expected at {task.url}; it answers {fetched.content_type}"
                )
            return self.read_css(decode_css(fetched.content, header), url=fetched.final_url, depth=task.depth)
        if kind == "css":
            return self.read_css(decode_css(fetched.content, header), url=fetched.final_url, depth=task.depth)
        if kind != "html":
            raise NotHtml(f"neither HTML, CSS nor an image: {fetched.content_type or 'of no declared type'}")
        if not self._scope.admits(fetched.final_url):
            advice = "" if task.origin else f"; to crawl that site, start from {fetched.final_url}"
            raise OutOfScope(
                f"{task.url} redirects to {fetched.final_url}, which is outside of this crawl{advice}"
            )
        return self.read_html(decode_html(fetched.content, header), url=fetched.final_url, depth=task.depth)

    def read_html(self, html: str, *, url: str, depth: int) -> Harvest:
        """The images and links of a document at *url*, *depth* links away from a seed. Raises NotHtml."""
        elements = parse(html, parser=self._config.harvest.parser)
        titles = (element.text for element in elements if element.name == "title")
        page = self._document(
            url, base=links.base_url(elements, url), depth=depth, title=trimmed(next(titles, ""))
        )
        followed = links.worth_following(
            links.links_on(elements),
            resolve=page.resolve,
            scope=self._scope,
            page_url=url,
            follow_pages=depth < self._config.scope.max_depth,
        )
        return Harvest(
            title=page.title,
            images=page.image_tasks(
                images.found_on(elements), told=_told_by_img(elements), sizes=self._config.images.images
            ),
            links=page.page_tasks(followed, page_depth=depth + 1, sheet_depth=depth),
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
            links=page.page_tasks(followed, page_depth=depth + 1, sheet_depth=depth + 1),
        )

    def _document(self, url: str, *, depth: int, base: str = "", title: str = "") -> Document:
        limit = self._config.scope.max_links_per_page
        return Document(url, base=base or url, depth=depth, title=title, limit=limit)


def _is_style_sheet(task: Task) -> bool:
    return task.origin is not None and task.origin.found_in == links.STYLE_SHEET


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
