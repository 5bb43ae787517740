"""Cuts text into shingles to compare pages by: no markup, links, scripts, numbers, nor words of the page's own URL."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote_plus

MIN_BYTES = 12
"""Bytes of letters, in UTF-8, of the shortest shingle: two words, or four Chinese characters. Names of days and months
are shorter, and every calendar has those.
"""
_MAX_PIECE_CHARS = 1000
_LEFT_OUT = (("<!--", "-->"), ("<script", "</script"), ("<style", "</style"), ("<a ", "</a"))
_NUMBERED = re.compile(r"\b[^\W\d]*+\d\w*+")
"""Begins at a word's start: sought from each letter, a long word took quadratic time."""
_NO_LETTERS = re.compile(r"[\W_]+")


def pieces(html: str) -> set[str]:
    """The runs of text between two tags, without those in links. Takes linear time.

    May err in broken markup: a piece is missing, or is markup.
    """
    text = html.lower()
    for start, end in _LEFT_OUT:
        if start in text:
            head, *parts = text.split(start)
            text = head + "".join([part.partition(end)[2] for part in parts])
    head, *parts = text.split("<")
    said = {head, *[part.partition(">")[2] for part in parts]}
    return {piece[:_MAX_PIECE_CHARS] for piece in said if len(piece) >= MIN_BYTES // 3}


def without_echo(piece: str, url: str) -> str:
    """The letters of *piece* in lower case, without numbers, tokens with numbers, and words of *url*."""
    echoed = _words_of(url)
    words = _NO_LETTERS.sub(" ", _NUMBERED.sub(" ", piece.lower())).split()
    return "".join(word for word in words if word not in echoed)


@lru_cache(maxsize=64)
def _words_of(url: str) -> frozenset[str]:
    return frozenset(_NO_LETTERS.sub(" ", unquote_plus(url).lower()).split())
