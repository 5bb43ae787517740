"""The handler of PAGE tasks: fetches a document, reads it, returns its images and links as tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import partial
from http import HTTPStatus

from crawler.config import Config
from crawler.errors import NoSitemap, RepeatedPage, TaskError
from crawler.harvest import links, sitemap
from crawler.harvest.link_filter import A_PAGE, LinkFilter
from crawler.harvest.reader_pool import Read, Reading
from crawler.harvest.reader_protocol import Head, in_order
from crawler.harvest.render_choice import RenderChoice, TemplateQueue
from crawler.harvest.sitemap import SITEMAPS
from crawler.http import Fetched
from crawler.http.bot_challenges import challenger
from crawler.http.status import challenged
from crawler.models import NewTask, PageStatus, Task, TaskKind
from crawler.scope import Scope
from crawler.task_handler import HandlerContext, TaskHandler, Visit

ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
"""The ``Accept`` header of browsers for a page."""
ACCEPT_CSS = "text/css,*/*;q=0.1"

_ACCEPT = {
    links.STYLE_SHEET: ACCEPT_CSS,
    links.MANIFEST: "application/manifest+json,application/json;q=0.9,*/*;q=0.8",
    links.FEED: "application/atom+xml,application/rss+xml,application/feed+json,application/xml;q=0.9,*/*;q=0.8",
    **dict.fromkeys(SITEMAPS, "application/xml,text/xml,text/plain;q=0.9,*/*;q=0.8"),
}
PAGE_CUT = "page-cut"
"""Slug for a document of more than max_page_bytes, of which the rest is left out."""
_KEPT_PARTS = 1
"""Parts of a document's tasks that its result holds; further parts are put before the result."""


class PageHandler(TaskHandler):
    """Harvests pages, style sheets, feeds and sitemaps.

    *read* reads an answer, or raises a TaskError: :meth:`.reader_pool.ReaderPool.read` for documents of strangers.
    Without it documents are read in this process. *put_early* takes tasks of a huge page before its result is there: if
    the result gets lost, the page is harvested again. Without it a result has all tasks. *templates* tells which pages
    are worth rendering in a browser.
    """

    def __init__(
        self,
        context: HandlerContext,
        *,
        read: Read | None = None,
        put_early: Callable[[Sequence[NewTask]], object] | None = None,
        templates: TemplateQueue | None = None,
    ) -> None:
        super().__init__(context)
        config, scope = context.config, context.scope
        self._renders = RenderChoice(config.render.render, scope, templates)
        self._link_filter = LinkFilter(scope, config.scope, now=self._now)
        self._read = read or reading_here(scope, config, now=self._now)
        self._put_early = put_early

    def visit(self, visit: Visit) -> None:
        try:
            self._visit(visit)
        except NoSitemap:
            visit.discovered = sitemap.next_guess(visit.task)
            raise
        except TaskError as exc:
            if visit.found_in == sitemap.SITEMAP and not exc.retryable:
                # robots.txt may be out of date, and the sitemap at the usual path be there
                visit.discovered = sitemap.guess_in_place_of(visit.task)
            raise

    def _visit(self, visit: Visit) -> None:
        if visit.task.origin is not None and self._link_filter.is_repeat(visit.task.url):
            raise RepeatedPage("it differs from a page that was visited in nothing but a session id")
        fetched = self._fetched(visit)
        if fetched.http_status == HTTPStatus.NOT_MODIFIED:
            visit.unchanged()  # so are its links, which are known
            visit.discovered = self._sitemaps(visit, fetched.final_url)  # robots.txt may have changed
            return
        with self.working_on_answer(visit), self._read(visit.task, fetched) as reading:
            head = reading.head
            images, links, kept_out = self._found(reading)
        links = self._link_filter.filtered(
            head.kind,
            fetched.final_url,
            task_url=visit.task.url,
            images={image.url for image in images} - head.dots,
            links=links,
            shingles=reading.words,
        )
        rendering, renders = "", list[NewTask]()
        if head.kind == A_PAGE:
            rendering, renders = self._renders.of(visit.task, head.looks, url=fetched.final_url)
        if not renders and (  # a browser may pass the challenge
            vendor := challenger(fetched.http_status, fetched.headers, fetched.content)
        ):
            raise challenged(vendor, fetched.http_status, fetched.final_url)
        visit.record.update(
            {
                "status": PageStatus.HARVESTED,
                "render": rendering,
                "title": head.title,
                "images": head.images,
                "links": sum(not link.kept_out_by for link in links),
                "left_out": {**head.left_out, **({PAGE_CUT: 1} if fetched.is_cut else {})},
            }
        )
        visit.discovered = (*images, *links, *renders, *self._sitemaps(visit, fetched.final_url), *kept_out)

    def _found(self, reading: Reading) -> tuple[list[NewTask], Sequence[NewTask], list[NewTask]]:
        """Images, links, and tasks that are kept out. Of a huge document the first two kinds are put early; its result
        has all links and the tasks that were not put.
        """
        images: list[NewTask] = []
        links: list[NewTask] = []
        kept_out: list[NewTask] = []
        for number, part in enumerate(reading.tasks):
            if number > _KEPT_PARTS and self._put_early is not None:
                self._put_early([*images, *kept_out])
                images, kept_out = [], []
            for task in part:
                kind = images if task.kind is TaskKind.IMAGE else links
                (kept_out if task.kept_out_by else kind).append(task)
        return images, links, kept_out

    def _fetched(self, visit: Visit) -> Fetched:
        max_bytes = self._config.harvest.max_page_bytes
        if visit.found_in in SITEMAPS:
            max_bytes = max(max_bytes, sitemap.MAX_BYTES)
        try:
            return self.fetch(
                visit, max_bytes=max_bytes, accept=_ACCEPT.get(visit.found_in, ACCEPT), cut=True
            )
        except TaskError as exc:
            if visit.found_in == sitemap.GUESSED and not exc.retryable:
                raise NoSitemap(
                    f"none at {visit.task.url}: {exc.detail}", http_status=exc.http_status
                ) from exc
            raise

    def _sitemaps(self, visit: Visit, url: str) -> tuple[NewTask, ...]:
        """Those of a seed's host: what its robots.txt names, else the one that may be at the usual place."""
        is_seed = visit.task.origin is None and visit.task.depth == 0
        if not is_seed or not self._config.harvest.sitemaps or self._config.scope.max_depth == 0:
            return ()
        named = self._robots.sitemaps(url, visit.turn) if self._robots is not None else ()
        return sitemap.sitemap_tasks(named, page_url=url) or (sitemap.first_guess(url),)


def reading_here(scope: Scope, config: Config, *, now: Callable[[], datetime]) -> Read:
    """A Read in this process, without limits of time and memory: for trusted documents, or a single one."""
    from crawler.harvest.documents import DocumentReader

    reader = DocumentReader(scope, config, now=now)

    def read(task: Task, fetched: Fetched) -> nullcontext[Reading]:
        harvest = reader.read(task, fetched)
        parts = iter((in_order(harvest),))
        return nullcontext(Reading(Head.of(harvest), parts, partial(reader.words, fetched)))

    return read
