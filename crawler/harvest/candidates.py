"""A candidate: a reference that may be an image, and what the page says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from crawler.harvest import srcset
from crawler.harvest.cuts import Cut
from crawler.harvest.data_urls import is_inline
from crawler.harvest.extensions import format_of_extension, format_of_type
from crawler.harvest.parser_base import COMPONENTS, Element


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A reference that may be an image."""

    reference: str
    """The reference as written: relative, maybe not even a URL."""
    found_in: str
    group: str = ""
    """Shared by candidates that are sizes of one picture, of which a browser would load one; empty for a single one."""
    width_px: int | None = None
    density: float | None = None
    rank: int = 0
    """Preference among candidates of a group without sizes; the highest is the final image."""
    element: Element
    page_url: str = ""
    """The page that shows the image, as written, if it is not the document itself."""


Rule = Callable[[Element], Iterator[Candidate | Cut]]

FALLBACK, PLAIN, DEFERRED, FULL_SIZE = -1, 0, 1, 2
"""Ranks of a candidate."""
SHOWN = COMPONENTS | {"img", "source", "amp-img", "amp-anim"}


class Preference(NamedTuple):
    """Sort key for the sizes of one picture: the greatest is taken, the first among equals."""

    is_kept: bool
    """False for a declared format that is not kept."""
    is_fetched: bool
    """False for a ``data:`` URL: it is a placeholder."""
    width_px: int
    density: float
    rank: int


def preference(candidate: Candidate, formats: frozenset[str]) -> Preference:
    """The sort key of *candidate* in its group, where *formats* are kept."""
    return Preference(
        is_kept=declared_format(candidate) in (*formats, ""),
        is_fetched=not is_inline(candidate.reference),
        width_px=candidate.width_px or 0,
        density=candidate.density or 0.0,
        rank=candidate.rank,
    )


def declared_format(candidate: Candidate) -> str:
    """The declared format, by the ``type`` of its ``<source>`` or by its extension: ``jpeg`` …; empty for none."""
    if candidate.element.name == "source" and (media_type := candidate.element.attributes.get("type")):
        return format_of_type(media_type)
    return format_of_extension(candidate.reference)


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
