"""Which links of a page are followed, by what the pages before it have brought; one for all that a worker reads."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

import msgspec

from crawler.harvest.links import BY_CHANCE
from crawler.harvest.novelty import Novelty
from crawler.harvest.traps import REPEATED_PAGE, url_trap
from crawler.models import NewTask
from crawler.scope import Scope


class Judge:
    """Keeps out what a site only repeats; safe to be used by several threads."""

    def __init__(self, scope: Scope, *, now: Callable[[], datetime]) -> None:
        self._scope = scope
        self._now = now
        self._novelty = Novelty()

    def judged(
        self,
        url: str,
        *,
        images: Collection[str],
        links: Sequence[NewTask],
        said: Callable[[], AbstractSet[str]],
    ) -> list[NewTask]:
        """*links* of a page at *url*, those with ``kept_out_by`` that are not to be followed. *images* are the URLs of
        its images, *said* gives its words when they are asked for.
        """
        standing = self._novelty.visit(
            url, said=said, images=images, links={link.url for link in links}, counts=self._counts
        )
        return [
            msgspec.structs.replace(link, kept_out_by=REPEATED_PAGE)
            if _is_by_chance(link) and not self._novelty.allows(standing, link.url)
            else link
            for link in links
        ]

    def _counts(self, url: str) -> bool:
        """Whether a link would be followed if it were new."""
        return self._scope.admits(url) and not url_trap(url, year=self._now().year)


def _is_by_chance(link: NewTask) -> bool:
    return not link.kept_out_by and link.origin is not None and link.origin.found_in in BY_CHANCE
