"""What the owner of a page or an image asks of robots beside robots.txt: in the answer's headers, and in ``<meta>``.

Sources: Google's robots meta tag and X-Robots-Tag specifications; DeviantArt's ``noai`` and ``noimageai``; the TDM
Reservation Protocol of the W3C community group (``tdm-reservation``). Directives that say nothing about following
and keeping (``nosnippet``, ``noarchive``, ``max-image-preview`` …) are left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from crawler.errors import REASONS, TaskError

NOFOLLOW, REL_NOFOLLOW = "nofollow", "rel-nofollow"
"""Asked for all links of a page, and for a single one."""
NOINDEX, NOIMAGEINDEX, NOAI, NOIMAGEAI = "noindex", "noimageindex", "noai", "noimageai"
TDM_RESERVATION = "tdm-reservation"
AGAINST_IMAGES = (NOINDEX, NOIMAGEINDEX, NOAI, NOIMAGEAI, TDM_RESERVATION)
"""What forbids to take an image, or the images of a page; each is the slug of an error, too."""

_DIRECTIVES: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in (NOINDEX, NOFOLLOW, NOIMAGEINDEX, NOAI, NOIMAGEAI)},
    "none": (NOINDEX, NOFOLLOW),
}
_WITH_VALUE = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
"""Directives that have a colon themselves; before any other colon stands the name of a robot."""


def of_headers(headers: Mapping[str, str], *, agent: str) -> frozenset[str]:
    """What an answer's headers ask of all robots, and of *agent* by its name. Never raises."""
    lines = headers.get("x-robots-tag", "").splitlines()
    asked = {directive for line in lines for directive in _of_line(line, agent)}
    return frozenset({*asked, *_reservation(headers.get(TDM_RESERVATION, ""))})


def with_meta(asked: frozenset[str], named: Iterable[tuple[str, str]], *, agent: str) -> frozenset[str]:
    """What a page asks whose headers ask for *asked*, by its ``<meta>`` elements, each as name and content.

    They add to the headers, but for ``tdm-reservation``, where the page has the last word. Never raises.
    """
    found = set(asked)
    for name, content in named:
        name = name.strip().lower()  # noqa: PLW2901 - as it was meant
        if name in ("robots", agent):
            found.update(_of_line(content, agent))
        elif name == TDM_RESERVATION and content.strip() in ("0", "1"):
            found.discard(TDM_RESERVATION)
            found.update(_reservation(content))
    return frozenset(found)


def refusal(asked: Collection[str]) -> TaskError | None:
    """The error of an image whose owner asks for that; None where it concerns no images."""
    for directive in AGAINST_IMAGES:
        if directive in asked:
            return REASONS[directive](
                f"its owner asks for {directive}; to take it all the same, say --no-obey-{directive}"
            )
    return None


def _of_line(line: str, agent: str) -> Iterator[str]:
    """The directives of one header, or of one ``content``, that are meant for *agent*."""
    meant = True
    for part in line.lower().split(","):
        name, colon, rest = part.partition(":")
        directive = name.strip()
        if colon and " " not in directive and directive not in _WITH_VALUE:  # no part of a date
            meant, directive = directive == agent, rest.strip()
        if meant:
            yield from _DIRECTIVES.get(directive, ())


def _reservation(value: str) -> tuple[str, ...]:
    return (TDM_RESERVATION,) if value.strip() == "1" else ()
