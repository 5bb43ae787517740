"""Opt-outs in headers and in ``<meta>``: what the owner of a page or an image asks of robots beside robots.txt.

Sources: Google's robots meta tag and X-Robots-Tag specifications; DeviantArt's ``noai`` and ``noimageai``; the TDM
Reservation Protocol of the W3C community group (``tdm-reservation``); AI Preferences of the IETF (``Content-Usage``);
Cloudflare's ``Content-Signal``; RSL 1.0. Directives that are not about following or keeping (``nosnippet``,
``noarchive``, ``max-image-preview`` …) are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from crawler.models import OptOut
from crawler.opt_outs.preferences import content_signal, content_usage
from crawler.opt_outs.purposes import (
    CONTENT_SIGNAL,
    CONTENT_USAGE,
    NOAI,
    NOIMAGEAI,
    NOIMAGEINDEX,
    NOINDEX,
    RSL_LICENSE,
    TDM_RESERVATION,
    said,
)

NOFOLLOW, REL_NOFOLLOW = "nofollow", "rel-nofollow"
"""Directives about all links of a page, and about a single link."""
AGAINST_IMAGES = (NOINDEX, NOIMAGEINDEX, NOAI, NOIMAGEAI, TDM_RESERVATION)
"""Directives that forbid to take an image, or the images of a page; each is the reason of an error, too."""

_DIRECTIVES: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in (NOINDEX, NOFOLLOW, NOIMAGEINDEX, NOAI, NOIMAGEAI)},
    "none": (NOINDEX, NOFOLLOW),
}
_WITH_VALUE = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
"""Directives with a colon of their own; any other colon follows the name of a robot."""
_BETWEEN = re.compile("[,;]")
_EVERYONE = ("*", "robots")
"""In place of the name of a robot."""
_SPEAKS = frozenset({"x-robots-tag", TDM_RESERVATION, CONTENT_USAGE, CONTENT_SIGNAL, "link"})
_MAX_LINES = 100
_MAX_LINE_CHARS = 8192
_RSL = "application/rsl+xml"
_LINK = re.compile(r"<[^<>]*+>([^<]*+)")


def of_headers(headers: Mapping[str, str], *, agent: str) -> frozenset[str]:
    """The directives in an answer's headers for all robots, and for *agent* by its name. Never raises."""
    lines = headers.get("x-robots-tag", "").splitlines()
    asked = {directive for line in lines for directive in _of_line(line, agent)}
    return frozenset({*asked, *_reservation(headers.get(TDM_RESERVATION, ""))})


def with_meta(asked: frozenset[str], named: Iterable[tuple[str, str]], *, agent: str) -> frozenset[str]:
    """The directives of a page: *asked* by its headers, and *named* in its ``<meta>`` elements (name and content).

    Elements add to the headers; a ``tdm-reservation`` in the page replaces that of the headers. Never raises.
    """
    found = set(asked)
    for name, content in named:
        name = name.strip().lower()  # noqa: PLW2901 - the same name
        if name in ("robots", agent):
            found.update(_of_line(content, agent))
        elif name == TDM_RESERVATION and content.strip() in ("0", "1"):
            found.discard(TDM_RESERVATION)
            found.update(_reservation(content))
    return frozenset(found)


def told_by(headers: Mapping[str, str], *, agent: str) -> list[OptOut]:
    """The opt-outs in the headers of an image's own answer. Never raises.

    ``Content-Usage`` is about the content of its message: that of a page does not apply to its images.
    """
    if _SPEAKS.isdisjoint(headers):
        return []  # nearly always
    told = [
        said(directive, "header X-Robots-Tag", line, (directive,))
        for line in headers.get("x-robots-tag", "").splitlines()
        for directive in dict.fromkeys(_of_line(line, agent))
        if directive in AGAINST_IMAGES
    ]
    if (value := headers.get(TDM_RESERVATION, "").strip()) in ("0", "1"):
        policy = headers.get("tdm-policy", "").strip()
        text = f"{value}; tdm-policy: {policy}" if policy else value
        told.append(said(TDM_RESERVATION, "header tdm-reservation", text, (value,)))
    if value := headers.get(CONTENT_USAGE, ""):
        told.append(content_usage(value, place="header Content-Usage"))
    if value := headers.get(CONTENT_SIGNAL, ""):
        told.append(content_signal(value, place="header Content-Signal"))
    if _RSL in (links := headers.get("link", "")).lower():
        told += [said(RSL_LICENSE, "header Link", link, ()) for link in _licenses(links)]
    return told


def _licenses(links: str) -> Iterator[str]:
    """The links to RSL licenses (RSL 1.0, "Adding RSL to HTTP Headers"), as written."""
    for line in links.splitlines()[:_MAX_LINES]:
        for link in _LINK.finditer(line[:_MAX_LINE_CHARS]):
            told = link[1].lower()
            if _RSL in told and "license" in told:
                yield link[0].strip(" ,")


def _of_line(line: str, agent: str) -> Iterator[str]:
    """The directives of one header, or of one ``content``, that apply to *agent*.

    Commas are between them, by Google. Semicolons and spaces are understood, too: so they are written by hand.
    """
    meant = True
    for part in _BETWEEN.split(line.lower()):
        name, colon, rest = part.partition(":")
        directive = name.strip()
        if colon and " " not in directive and directive not in _WITH_VALUE:  # no part of a date
            meant, directive = directive in (agent, *_EVERYONE), rest.strip()
        words = directive.split()
        if meant and all(word in _DIRECTIVES for word in words):
            for word in words:
                yield from _DIRECTIVES[word]


def _reservation(value: str) -> tuple[str, ...]:
    return (TDM_RESERVATION,) if value.strip() == "1" else ()
