"""What may be an image, and which of several sizes of one picture is the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from crawler.harvest import srcset
from crawler.harvest.cuts import Cut
from crawler.harvest.elements import Element
from crawler.harvest.extensions import leads_to_image
from crawler.harvest.inline import is_inline


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """What may be an image."""

    reference: str
    """As written: relative, maybe not even a URL."""
    found_in: str
    group: str = ""
    """Shared by candidates that are sizes of one picture, of which a browser would load one; empty when
    alone.
    """
    width_px: int | None = None
    density: float | None = None
    rank: int = 0
    """Among candidates of a group that tell no size: the highest is meant to be seen in the end."""
    element: Element
    page_url: str = ""
    """As written: the page that shows it, where that is another than the document which tells of it."""


Rule = Callable[[Element], Iterator[Candidate | Cut]]

FALLBACK, PLAIN, DEFERRED, FULL_SIZE = -1, 0, 1, 2
"""Ranks."""
SHOWN = frozenset({"img", "source", "amp-img", "amp-anim"})


def best_of_groups(candidates: Iterable[Candidate]) -> list[Candidate]:
    """One candidate of each group: the widest, else the densest, else the one meant to be seen in the end.

    The first wins among equals. Candidates without a group all stay; the order stays.
    """
    best: dict[str, Candidate] = {}
    for candidate in (chosen := list(candidates)):
        if candidate.group:
            held = best.setdefault(candidate.group, candidate)
            if _size(candidate) > _size(held):
                best[candidate.group] = candidate
    return [candidate for candidate in chosen if not candidate.group or best[candidate.group] is candidate]


def thumbnails(candidates: Sequence[Candidate]) -> dict[str, Candidate]:
    """The images that stand in a link to an image, as its only one, by that link's reference.

    *candidates* are the best of their groups, those of the links themselves among them. With several images in
    links of the same target nothing says which of them it is the larger one of.
    """
    linked = {candidate.reference for candidate in candidates if candidate.found_in == "a"}
    inside: dict[str, dict[str, Candidate]] = {}
    for candidate in candidates:
        link = candidate.element.link
        if candidate.element.name in SHOWN and link in linked and leads_to_image(link):
            inside.setdefault(link, {}).setdefault(candidate.reference, candidate)
    return {
        link: only
        for link, (only, *others) in ((link, found.values()) for link, found in inside.items())
        if not others and only.rank < FULL_SIZE
    }


def without_thumbnails(
    candidates: Iterable[Candidate], thumbnails_of: Mapping[str, Candidate]
) -> list[Candidate]:
    """*candidates* without the images in links that lead to them in full."""
    return [
        candidate
        for candidate in candidates
        if candidate.element.name not in SHOWN or candidate.element.link not in thumbnails_of
    ]


def _size(candidate: Candidate) -> tuple[bool, int, float, int]:
    fetched = not is_inline(
        candidate.reference
    )  # what the page holds itself keeps the place of what is to come
    return fetched, candidate.width_px or 0, candidate.density or 0.0, candidate.rank


def alone(element: Element, attribute: str, found_in: str) -> Iterator[Candidate]:
    if reference := element.attributes.get(attribute):
        yield Candidate(reference=reference, found_in=found_in, element=element)


def in_srcset(element: Element, value: str, found_in: str) -> Iterator[Candidate]:
    for source in srcset.parse(value):
        yield Candidate(
            reference=source.url,
            found_in=found_in,
            group=group_of(element),
            width_px=source.width_px,
            density=source.density,
            rank=FALLBACK if found_in in ("picture", "srcset") else DEFERRED,
            element=element,
        )


def group_of(element: Element) -> str:
    return f"picture{element.picture}" if element.picture else f"element{element.number}"
