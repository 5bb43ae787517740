"""Patterns of robots.txt, and the paths that match them (RFC 9309, sections 2.2.2 and 2.2.3). Pure.

A text has a character for each octet here. The number of patterns and wildcards does not multiply with the length of a
path: once much of a path was searched, pieces are looked up in an index of it. Only pieces longer than _KEY_CHARS are
always searched for, and a robots.txt has 4,000 of these at most.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

_PATH = re.compile(r"(?:[^/?#;:]*+://|//)?[^/?;#]*+([^#]*+)")
_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_AS_THEY_ARE = frozenset(_UNRESERVED + ":@!$&'()*+,;=[]")
"""Characters that mean the same when percent-encoded; ``/``, ``?`` and ``#`` do not."""
_TO_NORMALISE = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]")
_FIND_OCTETS = 2**22
"""Octets that are searched one by one before an index is made."""
_KEY_CHARS = 128
"""The longest piece in the index: a limit, for the index of all would take the square of the path's length."""
_LAST = "\x7f"
"""Greater than all characters of a normalised path."""


class RobotsPattern(NamedTuple):
    """A pattern, split at its wildcards. A file has many, so that they are small."""

    octets: int
    """Length of the normalised pattern: the longest pattern wins."""
    head: str
    """The beginning of a matching path."""
    rest: tuple[str, ...]
    """Pieces that must follow, in this order, with anything between (``*``)."""
    is_anchored: bool
    """Whether the last piece must be the end of the path (``$``)."""
    in_query: tuple[str, ...]
    """Head and rest for a path whose query has its slashes encoded; empty if that matches no more paths."""


def pattern(written: str) -> RobotsPattern:
    """The pattern of a rule, with a character for each octet; an empty one matches every path, and has no octets."""
    is_anchored = written.endswith("$")
    pieces = [_normalised(piece) for piece in written[: len(written) - is_anchored].split("*")]
    octets = sum(map(len, pieces)) + len(pieces) - 1 + is_anchored
    asked, in_query = False, []
    for piece in pieces:
        in_query.append(_with_query(piece, is_query=asked))
        asked = asked or "?" in piece
    has_data = any("%2F" in piece or "%3F" in piece for piece in in_query)
    head, *rest = _without_empty(pieces, is_anchored=is_anchored)
    of_query = _without_empty(in_query, is_anchored=is_anchored) if has_data else ()
    return RobotsPattern(octets, head, tuple(rest), is_anchored, of_query)


class Path:
    """Path and query of *url*, with an index of them; of any text, as in Google's matcher."""

    def __init__(self, url: str) -> None:
        found = _PATH.match(url.encode("utf-8", "surrogatepass").decode("latin-1"))
        path = _normalised(found[1] if found else "")
        path = path if path.startswith("/") else f"/{path}"
        self.name = path.partition("?")[0]
        """The path without its query, normalised."""
        self._plain = _Searched(path)
        self._in_query = _Searched(_with_query(path, is_query=False))

    def fits(self, one: RobotsPattern) -> bool:
        if self._plain.fits(one.head, one.rest, is_anchored=one.is_anchored):
            return True
        if not one.in_query:
            return False
        head, *rest = one.in_query
        return self._in_query.fits(head, rest, is_anchored=one.is_anchored)


class _Searched:
    """A text that is searched for many pieces.

    A search may scan the whole text. After many the suffixes are sorted, once: a piece's places are then neighbours.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._left_octets = _FIND_OCTETS
        self._ends: list[str] = []
        self._begins: list[int] = []
        self._places: dict[str, list[int]] = {}

    def fits(self, head: str, rest: Sequence[str], *, is_anchored: bool) -> bool:
        text = self._text
        if not text.startswith(head):
            return False
        if not rest:
            return not is_anchored or len(text) == len(head)
        place = len(head)
        for piece in rest[:-1] if is_anchored else rest:
            found = self._find(piece, place)
            if found < 0:
                return False
            place = found + len(piece)
        return not is_anchored or (text.endswith(rest[-1]) and len(text) - len(rest[-1]) >= place)

    def _find(self, piece: str, place: int) -> int:
        """The first place of *piece* from *place* on, -1 without one: ``str.find``, or by the index."""
        if self._left_octets > 0 or len(piece) > _KEY_CHARS:
            self._left_octets -= len(self._text)
            return self._text.find(piece, place)
        places = self._places.get(piece)
        if places is None:
            places = self._places[piece] = self._all(piece)
        at = bisect_left(places, place)
        return places[at] if at < len(places) else -1

    def _all(self, piece: str) -> list[int]:
        if not self._ends:
            text = self._text
            ends = sorted((text[at : at + _KEY_CHARS], at) for at in range(len(text)))
            self._ends, self._begins = [end for end, _ in ends], [at for _, at in ends]
        first = bisect_left(self._ends, piece)
        return sorted(self._begins[first : bisect_left(self._ends, piece + _LAST, first)])


def _without_empty(pieces: list[str], *, is_anchored: bool) -> tuple[str, ...]:
    """*pieces* without the empty ones between two ``*``, and at the end of a pattern, which match anywhere."""
    last = pieces[-1:] if len(pieces) > 1 and (is_anchored or pieces[-1]) else []
    return (pieces[0], *filter(None, pieces[1:-1]), *last)


def _normalised(octets: str) -> str:
    """*octets* in one spelling, of visible ASCII alone (RFC 9309, section 2.2.2).

    What is not ASCII is percent-encoded, and what need not be encoded is plain.
    """
    return _TO_NORMALISE.sub(_one, octets)


def _one(found: re.Match[str]) -> str:
    octet = found[0]
    if len(octet) == 1:
        return f"%{ord(octet):02X}"
    char = chr(int(octet[1:], 16))
    return char if char in _AS_THEY_ARE else octet.upper()


def _with_query(normalised: str, *, is_query: bool) -> str:
    """*normalised* with the slashes and question marks of its query encoded: they are plain characters there.

    Source: the second example in section 2.2.2. *is_query*: the whole text is within a query.
    """
    before, mark, query = ("", "", normalised) if is_query else normalised.partition("?")
    return before + mark + query.replace("/", "%2F").replace("?", "%3F")
