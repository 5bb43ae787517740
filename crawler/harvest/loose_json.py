"""Reads JSON as it is found in pages (RFC 8259), with its usual mistakes."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_CHARS = 8 * 2**20
"""Characters of one text; the data of a large shop's page has some 2 MiB."""
BROKEN = object()
"""Stands for a text that can't be read. JSON's ``null`` is None."""

_WRAPPERS = ("<!--", "-->", "<![CDATA[", "]]>", "//", "/*", "*/")
"""Wrappers that hide a script from old parsers."""
_STRING = r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)'
_COMMENT = re.compile(rf"({_STRING})|//[^\n]*+|/\*.*?(?:\*/|\Z)", re.DOTALL)
_BRACKET = re.compile(rf"{_STRING}|[{{}}\[\]]", re.DOTALL)
_CLOSED_BY = {"{": "}", "[": "]"}
_MOST_OPEN = 64
"""Nested brackets that are closed where their ends are missing."""
_LOOSE_COMMA = re.compile(rf"({_STRING})|,(?=\s*+[}}\]])", re.DOTALL)
_SURROGATES = re.compile(
    r"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_DECODER = json.JSONDecoder(strict=False)


def read(text: str) -> Any:
    """The value of *text*, or BROKEN. Never raises; for at most MAX_CHARS.

    Usual mistakes are mended: trailing commas, comments, line breaks in strings, a semicolon at the end. Half a
    surrogate pair becomes U+FFFD.
    """
    text = unwrapped(text)
    value, end = read_at(text, 0)
    if value is BROKEN or text[end:].strip():
        text = _LOOSE_COMMA.sub(_kept, _COMMENT.sub(_kept, text)).strip()
        value, end = read_at(text, 0)
    return BROKEN if text[end:].strip() else value


def read_object(text: str) -> tuple[dict[str, Any], bool]:
    """The object of *text* and True; else the complete part of an object that does not end, and False."""
    value = read(text)
    if isinstance(value, dict):
        return value, True
    begun = _begun(unwrapped(text))
    return begun if isinstance(begun, dict) else {}, False


def _begun(text: str) -> Any:
    open_: list[str] = []
    end, closers = 0, ""
    for token in _BRACKET.finditer(text):
        bracket = token[0]
        if bracket in _CLOSED_BY:
            open_.append(_CLOSED_BY[bracket])
        elif bracket in "]}":
            if not open_ or open_.pop() != bracket:
                return BROKEN
            if len(open_) <= _MOST_OPEN:
                end, closers = token.end(), "".join(reversed(open_))
    return read_at(text[:end] + closers, 0)[0] if end else BROKEN


def read_at(text: str, position: int) -> tuple[Any, int]:
    """The value at *position*, without white space before it, and its end; BROKEN and *position* for none.

    Strict, but for line breaks in strings.
    """
    try:
        value, end = _DECODER.raw_decode(text, position)
        # only in this value: searching the whole script for each of many values is quadratic
        if text.find("\\u", position, end) >= 0 and _SURROGATES.search(text, position, end):
            value = json.loads(_SURROGATES.sub(_whole, text[position:end]), strict=False)
    except (ValueError, RecursionError):
        return BROKEN, position
    return value, end


def _kept(found: re.Match[str]) -> str:
    return found[1] or ""


def _whole(found: re.Match[str]) -> str:
    return found[1] or "\\ufffd"


def unwrapped(text: str) -> str:
    """*text* without wrappers, byte order mark and semicolon."""
    text = text.strip("\ufeff\0 \t\r\n").rstrip(";")
    for wrapper in (*_WRAPPERS, *_WRAPPERS):
        text = text.removeprefix(wrapper).removesuffix(wrapper).strip()
    return text
