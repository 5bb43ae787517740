"""Makes tasks of the candidates and links of a document, each task with its origin."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec

from crawler.config import ScopeConfig
from crawler.harvest import links
from crawler.harvest.candidates import Candidate
from crawler.harvest.data_urls import TOO_LARGE, InlineImages, is_inline
from crawler.harvest.links import Followed
from crawler.harvest.parser_base import Element
from crawler.harvest.pictures import Located, Other, Picture, in_all_sizes, pictures, words_of
from crawler.models import MAX_ALTERNATIVES, Alternative, NewTask, Origin, TaskKind
from crawler.models.image_words import trimmed
from crawler.urls import without_tracking

MAX_LINKS = "max-links-per-page"
LINKS_OF_A_PAGE = 10_000
"""Links taken from a page unless a setting says otherwise; images have no limit then."""
MAX_INLINE_BYTES = 16 * 2**20
"""Bytes of all inline images of one page."""
_LEAST_INLINE_BYTES = 256
"""A smaller inline image is no size of a picture: it is a placeholder."""
_POLICY = "content-security-policy"
_DIRECTIVE = re.compile(r"(?:^|[;,])\s*+upgrade-insecure-requests\s*+(?=[;,]|$)", re.IGNORECASE)
"""https://www.w3.org/TR/upgrade-insecure-requests/; what came by https: Mixed Content Level 2, section 4.1."""
_NOT_LOADED = frozenset({"a", "area", "meta", "script", "url", "item", "entry"})
"""Elements that refer to an image, but do not load it."""
_WITHOUT_CERTIFICATES = re.compile(r"(?:.*\.)?localhost|.*:.*|(?:\d+\.){3}\d+")


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where a document comes from, and what the headers of its answer say."""

    url: str
    depth: int
    """Links from a seed."""
    content_type: str = ""
    """The whole header."""
    obeyed: frozenset[str] = frozenset()
    """Directives for robots in the headers, as far as they are obeyed."""
    named: Sequence[Element] = ()
    """What the headers name, as elements of a page."""
    left_out: Counter[str] = msgspec.field(default_factory=Counter)
    """Counts what is not read or not taken, by a slug of LEFT_OUT."""


class Document:
    """One document that tasks are made of, and the counts of what is left out of it.

    *base* resolves its references; its own URL does by default. *limit* is the number of links that are taken unless a
    setting says otherwise. *obeyed* are the owner's directives for robots that are obeyed, those of the headers by
    default. *upgrades*: its content security policy asks for https.
    """

    def __init__(
        self,
        source: Source,
        *,
        config: ScopeConfig,
        base: str = "",
        title: str = "",
        encoding: str = "utf-8",
        limit: int = LINKS_OF_A_PAGE,
        obeyed: frozenset[str] | None = None,
        upgrades: bool = False,
    ) -> None:
        self.url = source.url
        self.depth = source.depth
        self.left_out = source.left_out
        self.title = title
        self.obeyed = source.obeyed if obeyed is None else obeyed
        self._upgrades = upgrades or source.url.startswith("https:")
        tidy = without_tracking if config.strip_tracking else None
        self.resolve = links.Resolver(
            base or source.url, encoding=encoding, tidy=tidy, left_out=source.left_out
        )
        self._limit = config.max_links_per_page or limit
        self._image_limit = config.max_links_per_page or None
        self._inline = InlineImages(self.left_out)

    def image_tasks(
        self,
        candidates: Iterable[Candidate],
        *,
        picture_images: Mapping[int, Element],
        sizes: str,
        formats: frozenset[str],
        forbidden: Callable[[str], str],
    ) -> tuple[NewTask, ...]:
        """The images as tasks, each once, in order.

        *picture_images* has the ``<img>`` of each ``<picture>``; *sizes* is ``best`` or ``all``; *formats* are those
        that are kept. *forbidden* returns the slug of what forbids a URL, or nothing.
        """
        found = list(self._found(candidates))
        seen = pictures(found, formats=formats, forbidden=forbidden)
        if sizes == "all":
            seen = in_all_sizes(found, seen)
        tasks = [
            task
            for picture in self._affordable(seen)
            for task in self._tasks_of(picture, picture_images, forbidden)
        ]
        return tuple(_within(self._image_limit, tasks))

    def page_tasks(
        self, followed: Iterable[Followed], *, page_depth: int, attached_depth: int
    ) -> tuple[NewTask, ...]:
        """The links as tasks; documents that belong to the page have *attached_depth*."""
        tasks = [
            NewTask(
                kind=TaskKind.PAGE,
                url=link.url,
                depth=self._depth_of(link, page_depth=page_depth, attached_depth=attached_depth),
                origin=Origin(page_url=self.url, found_in=link.found_in, page_title=self.title),
                kept_out_by=link.kept_out_by,
            )
            for link in followed
        ]
        return tuple(_within(self._limit, tasks))

    def _found(self, candidates: Iterable[Candidate]) -> Iterator[Located]:
        """The candidates with their URLs; by https and by http where browsers upgrade."""
        located = [
            (url, one) for one in candidates if (url := self._locate(one.reference)) not in (None, self.url)
        ]
        secure = {url: upgraded(url) for url, one in located if self._upgrades and _is_loaded(one)}
        for url, candidate in located:
            secure_url = secure.get(url, "")
            if secure_url:
                yield Located(secure_url, candidate)
            yield Located(url, candidate, secure_url)

    def _depth_of(self, link: Followed, *, page_depth: int, attached_depth: int) -> int:
        if link.found_in in links.ATTACHED:
            return attached_depth
        return self.depth if link.is_beside else page_depth

    def _locate(self, reference: str) -> str | None:
        return self._inline.name(reference) if is_inline(reference) else self.resolve(reference)

    def _affordable(self, found: Iterable[Picture]) -> Iterator[Picture]:
        """The pictures without inline images beyond MAX_INLINE_BYTES."""
        left = MAX_INLINE_BYTES
        for picture in found:
            size_bytes = len(self._inline.content(picture.taken.url))
            if size_bytes > left:
                self.left_out[TOO_LARGE] += 1
                continue
            left -= size_bytes
            yield picture

    def _tasks_of(
        self, picture: Picture, images: Mapping[int, Element], forbidden: Callable[[str], str]
    ) -> Iterator[NewTask]:
        """The task of the taken size, with the others as alternatives; then a kept out task for each preferred size."""
        words = words_of(picture.named_by, images)
        yield self._task(picture.taken.url, picture, words, forbidden, self._alternatives(picture.others))
        for refused in picture.refused:
            yield self._task(refused.url, picture, words, forbidden)

    def _task(
        self,
        url: str,
        picture: Picture,
        words: Element,
        forbidden: Callable[[str], str],
        alternatives: tuple[Alternative, ...] = (),
    ) -> NewTask:
        named = [item.candidate for item in picture.named_by if item.url == url]
        page_url = next((candidate.page_url for candidate in named if candidate.page_url), "")
        return NewTask(
            kind=TaskKind.IMAGE,
            url=url,
            depth=self.depth,
            origin=Origin(
                page_url=(self.resolve(page_url) if page_url else None) or self.url,
                found_in=", ".join(dict.fromkeys(candidate.found_in for candidate in named)),
                alt=trimmed(words.attributes["alt"]),
                title=trimmed(words.attributes["title"]),
                caption=trimmed(words.caption),
                heading=trimmed(words.heading),
                page_title=self.title,
                alternatives=alternatives,
                content=self._inline.content(url),
            ),
            kept_out_by=forbidden(url),
        )

    def _alternatives(self, others: Iterable[Other]) -> tuple[Alternative, ...]:
        usable = [
            Alternative(url=url, found_in=other.found.candidate.found_in, rule=other.rule, content=content)
            for other in others
            for url in [other.found.url]
            for content in [self._inline.content(url)]
            if not is_inline(url) or len(content) >= _LEAST_INLINE_BYTES
        ]
        if len(usable) > MAX_ALTERNATIVES:
            self.left_out["widths-cut"] += len(usable) - MAX_ALTERNATIVES
        return tuple(usable[:MAX_ALTERNATIVES])


def _within(limit: int | None, tasks: Iterable[NewTask]) -> Iterator[NewTask]:
    """*tasks*; those beyond the first *limit* are kept out."""
    taken = 0
    for task in tasks:
        taken += not task.kept_out_by
        is_over = limit is not None and taken > limit and not task.kept_out_by
        yield msgspec.structs.replace(task, kept_out_by=MAX_LINKS) if is_over else task


# --- images that browsers fetch by https although their page says http ------------------------------------


def wants_upgrades(elements: Iterable[Element]) -> bool:
    """Whether a document's policy, in its head or headers, upgrades all that it loads to https."""
    return any(
        _DIRECTIVE.search(element.attributes.get("content", ""))
        for element in elements
        if element.name == "meta" and element.attributes.get("http-equiv", "").strip().lower() == _POLICY
    )


def _is_loaded(candidate: Candidate) -> bool:
    """Whether a browser loads the image with its page."""
    return candidate.element.name not in _NOT_LOADED


def upgraded(url: str) -> str:
    """*url* with https; empty where browsers do not upgrade: local names, and addresses, which have no certificates."""
    if not url.startswith("http:"):
        return ""
    parts = urlsplit(url)
    return (
        ""
        if _WITHOUT_CERTIFICATES.fullmatch(parts.hostname or "") or not parts.hostname
        else f"https:{url[5:]}"
    )
