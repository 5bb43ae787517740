"""What an answer's headers say of its document: ``Link`` (RFC 8288), ``Refresh`` and its policy, as the elements that
say the same.

A page may say in its headers what it could say in its head. So each becomes a ``<link>`` or a ``<meta>``, and the rules
for these hold: preloaded images, icons, style sheets, the next page. The one difference is the base, which is the
answer's own URL, whatever the document says (RFC 8288, section 3.2; HTML, "process link headers").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote

from crawler.harvest import srcset
from crawler.harvest.encoding import python_codec
from crawler.harvest.html import Element
from crawler.harvest.links import refresh_target
from crawler.urls import resolve, with_bytes_escaped

_KEPT = frozenset({"as", "hreflang", "imagesizes", "imagesrcset", "media", "rel", "sizes", "title", "type"})
"""What a Link may say; any other attribute is no concern of a header."""
_LOOKED_AT = frozenset({"link", "refresh", "content-security-policy"})
_TARGET = re.compile(r"<([^<>]*+)>")
_PARAMETER = re.compile(
    r"""\s*+;[\s;]*+ ([^\s=;,"<>]++)
        (?: \s*+=\s*+ (?: "((?:[^"\\]++|\\.)*+)"? | ([^;,]*+) ) )?+""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_SPACE = " \t"
"""Not all that Unicode takes for a space: the bytes 85 and A0 are parts of letters in UTF-8."""
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class HeaderLink(NamedTuple):
    """One link of a Link header."""

    reference: str
    parameters: dict[str, str]
    """Names in lower case; the first of a name counts."""


def elements(headers: Mapping[str, str], url: str) -> list[Element]:
    """What the headers of the answer at *url* name, as elements numbered from 1. Never raises.

    Values are read as Latin-1; of several headers of a name each has a line of its own. A link whose ``anchor`` is
    another document is about that one, and not about the one at *url*.
    """
    if headers.keys().isdisjoint(_LOOKED_AT):
        return []  # as nearly always
    found = [("link", attributes) for attributes in _links_of(headers.get("link", ""), url)]
    if (target := _refreshed(headers.get("refresh", ""), url)) is not None:
        found.append(("meta", {"http-equiv": "refresh", "content": f"0; url={target}"}))
    if policy := headers.get("content-security-policy"):
        found.append(("meta", {"http-equiv": "content-security-policy", "content": policy}))
    return [
        Element(name=name, attributes=attributes, number=number)
        for number, (name, attributes) in enumerate(found, start=1)
    ]


def parsed(header: str) -> Iterator[HeaderLink]:
    """The links of one Link header; what is between them and is none is passed over (RFC 8288, appendix B.2)."""
    position = 0
    while (target := _TARGET.search(header, position)) is not None:
        position = target.end()
        parameters: dict[str, str] = {}
        while (found := _PARAMETER.match(header, position)) is not None:
            position = found.end()
            name, quoted, token = found.groups()
            value = _ESCAPED.sub(r"\1", quoted) if quoted is not None else (token or "").strip(_SPACE)
            parameters.setdefault(name.lower(), value)
        yield HeaderLink(target[1].strip(_SPACE), parameters)


def _links_of(header: str, url: str) -> Iterator[dict[str, str]]:
    for line in header.split("\n"):
        for reference, parameters in parsed(line):
            if "anchor" not in parameters or _resolved(parameters["anchor"], url) == url:
                yield _attributes(reference, parameters, url)


def _attributes(reference: str, parameters: dict[str, str], url: str) -> dict[str, str]:
    attributes = {name: _text(value) for name, value in parameters.items() if name in _KEPT}
    attributes["href"] = _resolved(reference, url) if reference else ""
    if "imagesrcset" in attributes:
        attributes["imagesrcset"] = ", ".join(_sources(parameters["imagesrcset"], url))
    if title := _extended(parameters.get("title*", "")):
        attributes["title"] = title
    return attributes


def _sources(value: str, url: str) -> Iterator[str]:
    """The candidates of a srcset, each with its URL in full."""
    for source in srcset.parse(with_bytes_escaped(value)):
        width = "" if source.width_px is None else f"{source.width_px}w"
        density = "" if source.density is None else f"{source.density:g}x"
        yield f"{_resolved(source.url, url)} {width or density}"


def _resolved(reference: str, url: str) -> str:
    """*reference* in full; as it is where it is nothing to fetch, which others find out and count."""
    reference = with_bytes_escaped(reference)
    return resolve(reference, url) or reference


def _refreshed(header: str, url: str) -> str | None:
    """Where the first Refresh header leads (HTML, "shared declarative refresh steps")."""
    target = refresh_target(with_bytes_escaped(header.partition("\n")[0]))
    return _resolved(target, url) if target else None


def _text(value: str) -> str:
    """UTF-8 that was read as Latin-1, as what it is; Latin-1 as it is."""
    try:
        return value if value.isascii() else value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _extended(value: str) -> str:
    """``UTF-8'en'a%20title`` (RFC 8187); nothing for what is none."""
    charset, _, rest = value.partition("'")
    codec = python_codec(charset)
    return unquote(rest.partition("'")[2], encoding=codec, errors="replace") if codec else ""
