"""Which images and links of a document become tasks, and what keeps the others out.

The directives of the page's owner, ``rel=nofollow``, the crawl's scope and depth, and traps keep tasks out. A task that
is kept out is made all the same, with the slug of what forbids it, so that it is counted and explained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial

from crawler.config import Config
from crawler.harvest import links
from crawler.harvest.candidates import Candidate
from crawler.harvest.cuts import Cut, without_cuts
from crawler.harvest.extensions import KEPT_FORMATS
from crawler.harvest.links import Link
from crawler.harvest.parser_base import Element
from crawler.harvest.tasks import Document
from crawler.harvest.traps import CALENDAR, url_trap
from crawler.models import NewTask
from crawler.opt_outs import directives
from crawler.scope import Scope


class TaskPolicy:
    """Makes the tasks of documents for one crawl, by its scope and settings; safe to be used by several threads."""

    def __init__(self, scope: Scope, config: Config, *, now: Callable[[], datetime]) -> None:
        self._scope = scope
        self._config = config
        self._now = now
        self._obeys_rel = directives.REL_NOFOLLOW in config.obey.obeyed
        self._formats = frozenset(config.images.formats) or KEPT_FORMATS

    def images(
        self, page: Document, found: Iterable[Candidate | Cut], elements: Iterable[Element] = ()
    ) -> tuple[NewTask, ...]:
        """The images of *page*, each URL once; *elements* are its own, for what they say of each ``<picture>``.

        An image behind a link that is not to be followed is kept out, unless the page shows it as well.
        """
        allowed: list[Candidate] = []
        behind_nofollow: list[Candidate] = []
        for candidate in without_cuts(found, page.left_out):
            (behind_nofollow if self._is_behind_nofollow(page, candidate) else allowed).append(candidate)
        directive = against_images(page)
        tasks = page.image_tasks(
            allowed,
            picture_images={
                element.picture: element for element in elements if element.picture and element.name == "img"
            },
            sizes=self._config.images.images,
            formats=self._formats,
            forbidden=_always(directive) if directive else self._scope.image_refusal,
        )
        if not behind_nofollow:
            return tasks
        known = {task.url for task in tasks}
        kept_out = page.image_tasks(
            behind_nofollow,
            picture_images={},
            sizes="all",
            formats=self._formats,
            forbidden=_always(against_links(page) or directives.REL_NOFOLLOW),
        )
        return tasks + tuple(task for task in kept_out if task.url not in known)

    def links(
        self, page: Document, located: Sequence[tuple[Link, str]], *, attached_depth: int | None = None
    ) -> tuple[NewTask, ...]:
        """The links of *page*, each with its URL; style sheets and their like have *attached_depth*, or the page's."""
        worth = links.worth_following(
            located, scope=self._scope, page_url=page.url, forbidden=partial(self._forbidden, page)
        )
        return page.page_tasks(
            worth,
            page_depth=page.depth + 1,
            attached_depth=page.depth if attached_depth is None else attached_depth,
        )

    def _is_behind_nofollow(self, page: Document, candidate: Candidate) -> bool:
        """Whether the image is linked, not shown, and the link is not to be followed."""
        if candidate.found_in not in ("a", "area"):
            return False
        return bool(against_links(page)) or (self._obeys_rel and links.says_nofollow(candidate.element))

    def _forbidden(self, page: Document, link: Link, url: str) -> str:
        """What forbids to follow a link within the scope, or nothing."""
        if link.found_in in links.FROM_ANYWHERE:
            return ""
        if directive := against_links(page):
            return directive
        if link.nofollow and self._obeys_rel:
            return directives.REL_NOFOLLOW
        if self._is_too_deep(page, link):
            return "max-depth"
        return self._trap(link, url)

    def _is_too_deep(self, page: Document, link: Link) -> bool:
        """A max_depth of 0 is for the seeds alone: next pages of a list are not followed either."""
        max_depth = self._config.scope.max_depth
        if page.depth < max_depth or link.found_in in links.ATTACHED:
            return False
        return not link.is_beside or max_depth == 0

    def _trap(self, link: Link, url: str) -> str:
        """The slug of a trap that the URL's spelling shows, or nothing.

        A date far away is left to link_filter.py: it may be the number of a part.
        """
        if not self._config.scope.avoid_traps or link.found_in not in links.BY_CHANCE:
            return ""
        trap = url_trap(url, year=self._now().year)
        return "" if trap == CALENDAR else trap


def against_images(page: Document) -> str:
    """The first directive of the page's owner against taking its images, or nothing."""
    return next((directive for directive in directives.AGAINST_IMAGES if directive in page.obeyed), "")


def against_links(page: Document) -> str:
    """The directive of the page's owner against following its links, or nothing."""
    return directives.NOFOLLOW if directives.NOFOLLOW in page.obeyed else ""


def _always(slug: str) -> Callable[[str], str]:
    return lambda _: slug
