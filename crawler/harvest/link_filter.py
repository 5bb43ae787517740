"""Filters the links of a document by what earlier documents have brought; one filter for each worker."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

import msgspec

from crawler.config import ScopeConfig
from crawler.harvest.links import ATTACHED, BY_CHANCE, FEED_ITEM
from crawler.harvest.novelty import Novelty, Standing
from crawler.harvest.traps import CALENDAR, REPEATED_PAGE, SESSION_ID, url_trap
from crawler.models import NewTask
from crawler.scope import Scope, domain_of

A_PAGE, A_FEED, AN_ATTACHMENT = "page", "feed", "attachment"
"""Kinds of documents of which a server can invent ever new ones; an attachment is a style sheet or a manifest."""


class LinkFilter:
    """Keeps out links to pages that only repeat others, where the setting ``avoid_traps`` wants that. Thread-safe."""

    def __init__(self, scope: Scope, config: ScopeConfig, *, now: Callable[[], datetime]) -> None:
        self._scope = scope
        self._now = now
        self._is_on = config.avoid_traps
        self._novelty = Novelty(domain_of) if config.scope in ("domain", "any") else Novelty()

    def is_repeat(self, url: str) -> bool:
        """Whether *url* is a known page with another session id."""
        return self._is_on and self._novelty.is_repeat(url)

    def filtered(
        self,
        kind: str,
        url: str,
        *,
        task_url: str,
        images: Collection[str],
        links: Sequence[NewTask],
        shingles: Callable[[], AbstractSet[str]],
    ) -> Sequence[NewTask]:
        """The *links* of a document of *kind* at *url*, with ``kept_out_by`` set on those that are not to be followed.

        *task_url* is the URL of its task, *images* are the URLs of its images. *shingles* returns those of its text; it
        is only called when they are needed.
        """
        if not self._is_on:
            return links
        found = {link.url for link in links}
        if kind == A_PAGE:
            standing = self._novelty.visit(
                url,
                shingles=shingles,
                images=images,
                links=found,
                counts=self._counts,
                task_url=task_url,
            )
        elif kind == A_FEED:
            standing = self._novelty.visit(
                url, shingles=frozenset, images=images, links=found, counts=self._scope.admits, is_feed=True
            )
        elif kind == AN_ATTACHMENT:
            standing = self._novelty.visit_attached(images)
        else:
            return links
        return [
            msgspec.structs.replace(link, kept_out_by=reason)
            if (reason := self._refusal(standing, link))
            else link
            for link in links
        ]

    def _counts(self, url: str) -> bool:
        """Whether a new link would be followed."""
        return self._scope.admits(url) and self._spelled(url) in ("", CALENDAR)

    def _spelled(self, url: str) -> str:
        return url_trap(url, year=self._now().year)

    def _refusal(self, standing: Standing, link: NewTask) -> str:
        found_in = link.origin.found_in if link.origin is not None else ""
        if found_in in ATTACHED:
            return "" if self._novelty.allows_attached(standing, link.url) else REPEATED_PAGE
        if found_in not in BY_CHANCE and found_in != FEED_ITEM:
            return ""
        if self._novelty.is_repeat(link.url):
            return SESSION_ID
        if self._novelty.allows(standing, link.url):
            return ""
        # a date far away may be a part's number: the slug says what it would be if it were a date
        is_day = found_in in BY_CHANCE and self._spelled(link.url) == CALENDAR
        return CALENDAR if is_day else REPEATED_PAGE
