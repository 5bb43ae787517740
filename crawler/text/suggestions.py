"""What somebody may have meant who typed a word that is not known. Pure.

A guess is made only where it is hardly wrong: difflib's own measure finds ``--quiet`` close to ``--wait``.
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
"""Flags that remove something, or take a fence away: who wants them finds them in the help, and not in a guess."""
_NO = "no-"


def guesses(word: str, known: Iterable[str]) -> list[str]:
    """Up to three of *known* that *word* may stand for, the likeliest first.

    Those that are spelled nearly so, or are made of the same words and more (``--depth``: ``--max-depth``). Never one
    that would remove something, or take a fence away.
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
    """A question with all that was *found*; empty if that is nothing."""
    return f"did you mean {' or '.join(found)}?" if found else ""


def _plain(word: str) -> str:
    return _WORDS.sub("-", word.strip("-_ ").lower())
