"""Turns headers into elements of a document: ``Link`` (RFC 8288), ``Refresh``, the content security policy.

A page may say in its headers what it could say in its head. Each header becomes a ``<link>`` or a ``<meta>``, so that
the same rules apply: preloaded images, icons, style sheets, the next page. One thing differs: references in headers are
relative to the answer's own URL, whatever base the document declares (RFC 8288, section 3.2; HTML, "process link
headers").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from crawler.harvest import srcset
from crawler.harvest.encoding import python_codec
from crawler.harvest.links import refresh_target
from crawler.harvest.parser_base import Element
from crawler.urls import resolve, with_bytes_escaped

_KEPT = frozenset({"as", "hreflang", "imagesizes", "imagesrcset", "media", "rel", "sizes", "title", "type"})
"""Attributes of a ``<link>`` that a header may set."""
_LOOKED_AT = frozenset({"link", "refresh", "content-security-policy"})
_TARGET = re.compile(r"<([^<>]*+)>")
_PARAMETER = re.compile(
    r"""\s*+;[\s;]*+ ([^\s=;,"<>]++)
        (?: \s*+=\s*+ (?: "((?:[^"\\]++|\\.)*+)"? | ([^;,]*+) ) )?+""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_SPACE = " \t"
"""Not all white space of Unicode: the bytes 85 and A0 are parts of letters in UTF-8."""
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def elements(headers: Mapping[str, str], url: str) -> list[Element]:
    """The elements that the headers of the answer at *url* stand for, numbered from 1. Never raises.

    Values are read as Latin-1; headers of one name are joined, a line each. A link with an ``anchor`` other than *url*
    is about another document, and is left out.
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


def parsed(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The links of one Link header, each a reference and its parameters; anything else is skipped.

    Names are in lower case, and the first of a name counts (RFC 8288, appendix B.2).
    """
    position = 0
    while (target := _TARGET.search(header, position)) is not None:
        position = target.end()
        parameters: dict[str, str] = {}
        while (found := _PARAMETER.match(header, position)) is not None:
            position = found.end()
            name, quoted, token = found.groups()
            value = _ESCAPED.sub(r"\1", quoted) if quoted is not None else (token or "").strip(_SPACE)
            parameters.setdefault(name.lower(), value)
        yield target[1].strip(_SPACE), parameters


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
    """The candidates of a srcset, with absolute URLs."""
    for source in srcset.parse(with_bytes_escaped(value)):
        width = "" if source.width_px is None else f"{source.width_px}w"
        density = "" if source.density is None else f"{source.density:g}x"
        yield f"{_resolved(source.url, url)} {width or density}"


def _resolved(reference: str, url: str) -> str:
    """*reference* as an absolute URL, or as it is where it can't be fetched: callers count that."""
    reference = with_bytes_escaped(reference)
    return resolve(reference, url) or reference


def _refreshed(header: str, url: str) -> str | None:
    """The target of the first Refresh header (HTML, "shared declarative refresh steps")."""
    target = refresh_target(with_bytes_escaped(header.partition("\n")[0]))
    return _resolved(target, url) if target else None


def _text(value: str) -> str:
    """*value* with its UTF-8, which was read as Latin-1, decoded."""
    try:
        return value if value.isascii() else value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _extended(value: str) -> str:
    """The text of ``UTF-8'en'a%20title`` (RFC 8187); empty for any other value."""
    charset, _, rest = value.partition("'")
    codec = python_codec(charset)
    return unquote(rest.partition("'")[2], encoding=codec, errors="replace") if codec else ""
