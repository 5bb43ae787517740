"""Suggests known words for an unknown one. Pure.

It suggests only what is hardly wrong: difflib's own measure finds ``--quiet`` close to ``--wait``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

_LIKE = 0.8
"""SequenceMatcher's ratio: one wrong letter in five. ``--wait`` and ``--quiet`` have 0.62, ``max_depht`` 0.89."""
_MOST = 3
_WORDS = re.compile(r"[-_\s]+")
_NEVER = re.compile(r"-*(fresh|insecure|no-(obey|verify|avoid))")
"""Flags that remove something, or a safety fence: they are never suggested."""
_NO = "no-"


def guesses(word: str, known: Iterable[str]) -> list[str]:
    """Up to three of *known* that *word* may stand for, the likeliest first; none that ``_NEVER`` names.

    They are spelled alike, or contain the same words and more (``--depth``: ``--max-depth``).
    """
    plain = _plain(word)
    words = set(plain.split("-"))
    scored = []
    for candidate in known:
        if _NEVER.match(candidate):
            continue
        other = _plain(candidate)
        if plain.startswith(_NO) != other.startswith(_NO):  # nearly the same letters, and the opposite
            continue
        ratio = SequenceMatcher(None, plain, other).ratio()
        if words <= set(other.split("-")) and len(plain) > 1:  # one letter says nothing
            ratio = max(ratio, _LIKE)
        if ratio >= _LIKE:
            scored.append((-ratio, len(candidate), candidate))
    return [candidate for _, _, candidate in sorted(scored)][:_MOST]


def did_you_mean(found: list[str]) -> str:
    """The question ``did you mean …?`` with all *found* words; empty without any."""
    return f"did you mean {' or '.join(found)}?" if found else ""


def _plain(word: str) -> str:
    return _WORDS.sub("-", word.strip("-_ ").lower())
