"""From what was found on a document to new tasks, each with its origin."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

import msgspec

from crawler.harvest import candidates, links
from crawler.harvest.candidates import Candidate
from crawler.harvest.elements import Element
from crawler.harvest.inline import InlineImages, is_inline
from crawler.harvest.links import Followed
from crawler.harvest.novelty import Standing
from crawler.models import NewTask, Origin, TaskKind

log = logging.getLogger(__name__)

MAX_TEXT_CHARS = 500
MAX_INLINE_BYTES = 4 * 2**20
"""Of all images that one page holds itself."""


class Document:
    """What all that is found on one document has in common.

    *base* is what references on it are relative to; *limit* is how many images, and how many links, are taken; *tidy*
    is applied to each URL; *asked* is what the document's owner asks of robots, as far as that is obeyed.
    """

    def __init__(
        self,
        url: str,
        *,
        base: str,
        depth: int,
        title: str = "",
        asked: frozenset[str] = frozenset(),
        limit: int,
        encoding: str = "utf-8",
        tidy: Callable[[str], str] | None = None,
    ) -> None:
        self.url = url
        self.depth = depth
        self.title = title
        self.asked = asked
        self.standing: Standing | None = None
        """What it brings that is new; None where that is not asked."""
        self.resolve = links.Resolver(base, encoding=encoding, tidy=tidy)
        self._limit = limit
        self._inline = InlineImages()

    def image_tasks(
        self,
        found: Iterable[Candidate],
        *,
        told: Mapping[int, Element],
        sizes: str,
        forbidden: Callable[[str], str],
    ) -> tuple[NewTask, ...]:
        """Each image once, in order; *told* is the ``<img>`` of each ``<picture>``, *sizes* is ``best`` or ``all``.
        *forbidden* tells for a URL what forbids to take it, or nothing.
        """
        usable = [
            candidate
            for candidate in found
            if (url := self._locate(candidate.reference)) is not None and url != self.url
        ]
        best = candidates.best_of_groups(usable)
        thumbnails = candidates.thumbnails(best)
        if sizes == "best":
            usable = candidates.without_thumbnails(best, thumbnails)
        first: dict[str, Candidate] = {}
        for candidate in usable:
            first.setdefault(self._locate(candidate.reference) or "", candidate)
        self._log_cut("images", len(first))
        return tuple(
            NewTask(
                kind=TaskKind.IMAGE,
                url=url,
                depth=self.depth,
                origin=self._origin(candidate, _telling(candidate, told, thumbnails), url),
                kept_out_by=forbidden(url),
            )
            for url, candidate in islice(self._affordable(first), self._limit)
        )

    def page_tasks(
        self, followed: Iterable[Followed], *, page_depth: int, attached_depth: int
    ) -> tuple[NewTask, ...]:
        """What belongs to the page itself has *attached_depth*."""
        found = list(followed)
        self._log_cut("links", len(found))
        return tuple(
            NewTask(
                kind=TaskKind.PAGE,
                url=link.url,
                depth=self._depth_of(link, page_depth=page_depth, attached_depth=attached_depth),
                origin=Origin(page_url=self.url, found_in=link.found_in, page_title=self.title),
                kept_out_by=link.kept_out_by,
            )
            for link in found[: self._limit]
        )

    def _depth_of(self, link: Followed, *, page_depth: int, attached_depth: int) -> int:
        if link.found_in in links.ATTACHED:
            return attached_depth
        return self.depth if link.is_beside else page_depth

    def _locate(self, reference: str) -> str | None:
        return self._inline.name(reference) if is_inline(reference) else self.resolve(reference)

    def _affordable(self, found: Mapping[str, Candidate]) -> Iterator[tuple[str, Candidate]]:
        """Without those that the page holds itself beyond MAX_INLINE_BYTES."""
        left = MAX_INLINE_BYTES
        for url, candidate in found.items():
            size_bytes = len(self._inline.content(url))
            if size_bytes > left:
                log.info("%s holds more than %d bytes of images; %s is left", self.url, MAX_INLINE_BYTES, url)
                continue
            left -= size_bytes
            yield url, candidate

    def _origin(self, candidate: Candidate, telling: Element, url: str) -> Origin:
        return Origin(
            page_url=(self.resolve(candidate.page_url) if candidate.page_url else None) or self.url,
            found_in=candidate.found_in,
            alt=trimmed(telling.attributes.get("alt", "")),
            title=trimmed(telling.attributes.get("title", "")),
            caption=trimmed(telling.caption),
            heading=trimmed(telling.heading),
            page_title=self.title,
            content=self._inline.content(url),
        )

    def _log_cut(self, what: str, count: int) -> None:
        if count > self._limit:
            log.info("%s has %d %s; only the first %d are taken", self.url, count, what, self._limit)


def _telling(
    candidate: Candidate, told: Mapping[int, Element], thumbnails: Mapping[str, Candidate]
) -> Element:
    """The element that says what the image shows; of a linked one also what is said of its thumbnail."""
    element = told.get(candidate.element.picture, candidate.element)
    thumbnail = thumbnails.get(candidate.reference) if candidate.found_in == "a" else None
    if thumbnail is None:
        return element
    inside = told.get(thumbnail.element.picture, thumbnail.element)
    return msgspec.structs.replace(inside, attributes=inside.attributes | element.attributes)


def trimmed(text: str) -> str:
    """On one line, without white space around, of MAX_TEXT_CHARS at most."""
    return " ".join(text[: 8 * MAX_TEXT_CHARS].split())[:MAX_TEXT_CHARS] if text else ""
