"""A parser of dictionaries in structured fields (RFC 9651, sections 3.2 and 4.2.2).

Values of all types are parsed, so that none of them hides a later key; only tokens are returned.
"""

from __future__ import annotations

import re
from typing import Final

MAX_CHARS = 64 * 1024
"""The longest field that is parsed."""
_KEY = re.compile(r"[a-z*][a-z0-9_\-.*]*+")
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*+")
_BARE = re.compile(
    r"""
      -?(?:[0-9]{1,12}+\.[0-9]{1,3}+|[0-9]{1,15}+)(?![0-9.])     # a decimal, an integer
    | "(?:[\x20\x21\x23-\x5b\x5d-\x7e]++|\\["\\])*+"               # a string
    | :[A-Za-z0-9+/=]*+:                                            # bytes
    | \?[01]                                                        # a boolean
    | @-?[0-9]{1,15}+(?![0-9.])                                     # a date
    | %"(?:[\x20\x21\x23\x24\x26-\x7e]++|%[0-9a-f]{2})*+"           # a display string
    """,
    re.VERBOSE,
)
OTHER: Final = None
"""Stands for a value that is no token."""


class _MalformedError(Exception):
    pass


def tokens(field: str) -> dict[str, str | None] | None:
    """The dictionary in *field*: for each of its keys the token that is its value, or OTHER for any other value.

    The last value of a repeated key counts. None if *field* is malformed, and so is to be ignored (RFC 9651, section
    4.2). Takes linear time, and never raises.
    """
    if len(field) > MAX_CHARS:
        return None
    try:
        return _Parser(field).dictionary()
    except _MalformedError:
        return None


class _Parser:
    def __init__(self, field: str) -> None:
        self._text = field.strip(" ")
        self._at = 0

    def dictionary(self) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        while self._at < len(self._text):
            key = self._take(_KEY)
            value = OTHER
            if self._next("=("):
                self._inner_list()
            elif self._next("="):
                value = self._item()
            self._parameters()
            found.pop(key, None)
            found[key] = value
            self._skip(" \t")
            if self._at == len(self._text):
                break
            if not self._next(","):
                raise _MalformedError
            self._skip(" \t")
            if self._at == len(self._text):
                raise _MalformedError  # a comma at the end
        return found

    def _item(self) -> str | None:
        """A bare item, without its parameters."""
        if token := _TOKEN.match(self._text, self._at):
            self._at = token.end()
            return token[0]
        self._take(_BARE)
        return OTHER

    def _inner_list(self) -> None:
        while True:
            self._skip(" ")
            if self._next(")"):
                return
            self._item()
            self._parameters()
            if self._at >= len(self._text) or self._text[self._at] not in " )":
                raise _MalformedError

    def _parameters(self) -> None:
        while self._next(";"):
            self._skip(" ")
            self._take(_KEY)
            if self._next("="):
                self._item()

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise _MalformedError
        self._at = found.end()
        return found[0]

    def _next(self, mark: str) -> bool:
        there = self._text.startswith(mark, self._at)
        self._at += len(mark) * there
        return there

    def _skip(self, marks: str) -> None:
        while self._at < len(self._text) and self._text[self._at] in marks:
            self._at += 1
