"""Parses literals of JavaScript (ECMAScript, section 13.2): objects, arrays and strings, as data in scripts.

Beyond JSON it reads unquoted names, other quotes, ``undefined``, ``void 0``, ``new Date(…)``. Given names are replaced
by their values. No code is run: computed values are None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_MAX_DEPTH = 64
_TOKEN = re.compile(
    r"""
    (?:\s|//[^\n]*+|/\*.{0,32768}?\*/)*+
    (?: (?P<string>"(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+'|`(?:[^`\\$]|\\.|\$(?!\{))*+`)
      | (?P<number>-?(?:[0-9]|\.[0-9])[\w.]*+(?:(?<=[eE])[-+][0-9]++)?)
      | (?P<name>[A-Za-z_$][\w$.]*+)
      | (?P<mark>[{}\[\](),:]|!0|!1)
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\r\n|.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": "", "\r\n": ""}
_CONSTANTS = {"true": True, "false": False, "!0": True, "!1": False}


class NotALiteralError(ValueError):
    """The text is code, or broken."""


def read_at(text: str, position: int, names: Mapping[str, Any] | None = None) -> tuple[Any, int]:
    """The literal at *position*, and its end; *names* have values. Raises NotALiteralError; takes linear time."""
    return _Parser(text, names or {}).value(position, 0)


def list_at(text: str, position: int) -> tuple[list[Any], int]:
    """The arguments of a call whose opening bracket is before *position*, and their end."""
    return _Parser(text, {}).items(position, 0, ")")


def unquoted(literal: str) -> str:
    """The text of a string literal; half a surrogate pair becomes U+FFFD."""
    text = literal[1:-1]
    if "\\" not in text:
        return text
    return _ESCAPE.sub(_character, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class _Parser:
    def __init__(self, text: str, names: Mapping[str, Any]) -> None:
        self._text = text
        self._names = names

    def value(self, position: int, depth: int) -> tuple[Any, int]:
        found = self._next(position)
        position = found.end()
        match found.lastgroup:
            case "string":
                return unquoted(found["string"]), position
            case "number":
                return _number(found["number"]), position
            case "name":
                return self._named(found["name"], position, depth)
            case _:
                return self._marked(found["mark"], position, depth)

    def items(self, position: int, depth: int, end: str) -> tuple[list[Any], int]:
        """The items up to *end*; one that is left out between two commas is None."""
        items: list[Any] = []
        while True:
            found = self._next(position)
            if found["mark"] == end:
                return items, found.end()
            if found["mark"] == ",":
                items.append(None)
                position = found.end()
                continue
            value, position = self.value(position, depth + 1)
            items.append(value)
            position = self._after_item(position, end)

    def _next(self, position: int) -> re.Match[str]:
        found = _TOKEN.match(self._text, position)
        if found is None:
            raise NotALiteralError
        return found

    def _after_item(self, position: int, end: str) -> int:
        """The position after a comma, or before *end*."""
        found = self._next(position)
        if found["mark"] == ",":
            return found.end()
        if found["mark"] != end:
            raise NotALiteralError
        return position

    def _marked(self, mark: str, position: int, depth: int) -> tuple[Any, int]:
        if depth > _MAX_DEPTH:
            raise NotALiteralError
        match mark:
            case "{":
                return self._object(position, depth)
            case "[":
                return self.items(position, depth, "]")
            case "(":
                items, position = self.items(position, depth, ")")
                return (items[-1] if items else None), position
            case "!0" | "!1":
                return _CONSTANTS[mark], position
            case _:
                raise NotALiteralError

    def _object(self, position: int, depth: int) -> tuple[dict[str, Any], int]:
        members: dict[str, Any] = {}
        while True:
            found = self._next(position)
            if found["mark"] == "}":
                return members, found.end()
            key = unquoted(found["string"]) if found["string"] else found["name"] or found["number"]
            if key is None:
                raise NotALiteralError
            colon = self._next(found.end())
            if colon["mark"] == ":":
                members[key], position = self.value(colon.end(), depth + 1)
            else:  # {a, b}
                members[key], position = self._names.get(key), found.end()
            position = self._after_item(position, "}")

    def _named(self, name: str, position: int, depth: int) -> tuple[Any, int]:
        if name in ("new", "void"):
            return self.value(position, depth + 1) if depth <= _MAX_DEPTH else (None, position)
        if name in ("function", "class", "async"):
            raise NotALiteralError
        if self._text.startswith("(", position):  # Date("…"), Map([…])
            if depth > _MAX_DEPTH:
                raise NotALiteralError
            arguments, position = self.items(position + 1, depth, ")")
            return (arguments[0] if arguments else None), position
        return _CONSTANTS.get(name, self._names.get(name)), position


def _number(text: str) -> float | None:
    try:
        return int(text) if text.lstrip("-").isdecimal() and len(text) < 20 else float(text)  # noqa: PLR2004
    except ValueError:
        return None  # 0x1F, 10n


def _character(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if code:
        return chr(int(code, 16)) if int(code, 16) <= 0x10FFFF else "\ufffd"  # noqa: PLR2004
    return _ESCAPED.get(found[4], found[4])
