"""A PAGE task in, its result out: fetched, read, its images and links found."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from crawler.config import Config
from crawler.errors import NoSitemap, TaskError
from crawler.harvest import links, sitemap
from crawler.harvest.reading import SITEMAPS, Reader
from crawler.models import NewTask, PageStatus
from crawler.scope import Scope
from crawler.visit import TaskHandler, Visit
from crawler.web import Fetched, Transport

ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
"""What browsers send for a page."""
ACCEPT_CSS = "text/css,*/*;q=0.1"

_ACCEPT = {
    links.STYLE_SHEET: ACCEPT_CSS,
    links.MANIFEST: "application/manifest+json,application/json;q=0.9,*/*;q=0.8",
    links.FEED: "application/atom+xml,application/rss+xml,application/feed+json,application/xml;q=0.9,*/*;q=0.8",
    **dict.fromkeys(SITEMAPS, "application/xml,text/xml,text/plain;q=0.9,*/*;q=0.8"),
}


PAGE_CUT = "page-cut"
"""What is left out of a document that is larger than max_page_bytes: all that comes after these."""


class PageHandler(TaskHandler):
    """Harvests pages, style sheets, feeds and sitemaps; *handler* is what every TaskHandler wants to know."""

    def __init__(self, transport: Transport, scope: Scope, *, config: Config, **handler: Any) -> None:
        super().__init__(transport, config=config, **handler)
        self._config = config
        self._reader = Reader(scope, config, now=self._now)

    def visit(self, visit: Visit) -> None:
        try:
            self._visit(visit)
        except NoSitemap:
            visit.discovered = sitemap.next_guess(visit.task)
            raise
        except TaskError as exc:
            if visit.found_in == sitemap.SITEMAP and not exc.retryable:
                # robots.txt names what is no more, while the one at the usual place is up to date
                visit.discovered = sitemap.guess_in_place_of(visit.task)
            raise

    def _visit(self, visit: Visit) -> None:
        fetched = self._fetched(visit)
        if fetched.http_status == HTTPStatus.NOT_MODIFIED:
            visit.unchanged()  # so are the links on it, which are known
            visit.discovered = self._sitemaps(visit, fetched.final_url)  # robots.txt may name others by now
            return
        harvest = self._reader.read(visit.task, fetched)
        visit.facts.update(
            status=PageStatus.HARVESTED,
            title=harvest.title,
            images=len(harvest.images),
            links=len(harvest.links),
            left_out=harvest.left_out | ({PAGE_CUT: 1} if fetched.is_cut else {}),
        )
        kept_out = tuple(msgspec.structs.replace(task, origin=None) for task in harvest.kept_out)
        visit.discovered = (
            harvest.images + harvest.links + self._sitemaps(visit, fetched.final_url) + kept_out
        )

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
        named = self._robots.sitemaps(url) if self._robots is not None else ()
        return sitemap.sitemap_tasks(named, page_url=url) or (sitemap.first_guess(url),)
