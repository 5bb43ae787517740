"""Recognises links that turn a page: to the next or previous page of a list or a chain, or to any page of the list.

The last page is no further away from the seed than the first, however many lie between. Evidence is what the link says
(``rel``; its text, in the languages of most sites; ``aria-label``, ``title``), and the classes of the link and around
it. URLs are compared in page_numbers.py.
"""

from __future__ import annotations

import re
from functools import lru_cache
from unicodedata import normalize

from crawler.harvest.paging_words import ARROWS, DIRECTIONS, PAGES, PHRASES, THINGS
from crawler.harvest.parser_base import Element

RELATIONS = frozenset({"next", "prev", "previous"})
"""Link types (HTML, "sequential link types"; ``previous`` is what many write)."""

_MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u064b-\u0652\u0900-\u0903\u093a-\u094f"
    "\u0981-\u0983\u09bc-\u09cd\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
)
"""Vowel signs and accents, which are no letters in regular expressions."""
_WORD = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{_MARKS}])*+")
_TITLED = re.compile(r"\W*+(\w++)(?:\s++(\w++))?+\s*+[:»→|\u2013\u203a]")
"""A direction before a title: ``Next post: What happened then``."""

_CLASS_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_CLASSES_OF_DIRECTION = (
    "next prev previous older newer prevnext nextprev nextpage prevpage pagenext pageprev loadmore morelink nextlink"
    " prevlink nextpostslink previouspostslink"
)
_CLASS_DIRECTIONS = frozenset(_CLASSES_OF_DIRECTION.split())
_CLASSES_OF_THINGS = (
    "a anchor arrow article block box btn button chapter col comic container div entries entry holder icon inner item"
    " left li link links nav navigation page pages post posts right strip text wrap wrapper"
)
_CLASS_THINGS = frozenset(_CLASSES_OF_THINGS.split())
_NO_CHAIN = frozenset({"also", "read", "see", "up", "watch", "what", "whats"})
"""Words as in ``read-next``, which is about other articles."""
_CONTAINER = re.compile(
    r"pagin|pager|paging|pages?[-_]?(?:num|nav|link|list|item|sel|bar)|prev[-_]?next|load[-_]?more"
    r"|(?:^|[\s_-])pages(?:$|[\s_-])",
    re.IGNORECASE,
)
_BEGINNINGS = DIRECTIONS | THINGS | {phrase[:end] for phrase in PHRASES for end in range(1, len(phrase) + 1)}
"""First words of all texts that turn a page: for nearly all links the first word decides."""
_MAX_CHARS = 200
_MAX_MARK_CHARS = 6


def turns_page(link: Element) -> bool:
    """Whether an ``<a>`` or ``<area>``, or the markup around it, says that it leads to another page of the list."""
    attributes, around, text = link.attributes, link.around, link.text
    if _says_so(attributes.get("alt", "") if link.name == "area" else text):
        return True
    if len(attributes) > 1 and _attributes_say_so(attributes):  # most links have only a reference
        return True
    if around and _is_turning_class(around.partition("\n")[0][:_MAX_CHARS]):
        return True
    return (
        len(text) <= _MAX_MARK_CHARS
        and link.name == "a"
        and _is_mark(text)
        and _is_container(f"{_own_classes(attributes)} {around[: 4 * _MAX_CHARS]}")
    )


def _attributes_say_so(attributes: dict[str, str]) -> bool:
    if len(attributes) == 2 and "href" in attributes and "class" in attributes:  # noqa: PLR2004 - as most that have more
        return _is_turning_class(attributes["class"][:_MAX_CHARS])
    rel = attributes.get("rel")
    if rel and not RELATIONS.isdisjoint(rel.lower().split()):
        return True
    if "title" in attributes and _says_so(attributes["title"][:_MAX_CHARS]):
        return True
    if "aria-label" in attributes and _says_so(attributes["aria-label"][:_MAX_CHARS]):
        return True
    return ("class" in attributes or "id" in attributes) and _is_turning_class(_own_classes(attributes))


def _own_classes(attributes: dict[str, str]) -> str:
    return f"{attributes.get('class', '')} {attributes.get('id', '')}"[:_MAX_CHARS]


@lru_cache(maxsize=8192)
def _says_so(text: str) -> bool:
    """Whether a link's text is only ``next``, ``older posts``, ``»``, ``Page 3`` or the like."""
    folded = text.casefold().strip()
    if not folded.isascii():
        folded = normalize("NFC", folded).replace("\u0307", "")  # of the Turkish capital I
    first = _WORD.search(folded)
    if first is None:
        return not ARROWS.isdisjoint(folded) and len(folded) <= _MAX_MARK_CHARS
    if first[0] not in _BEGINNINGS:
        return False
    words = _WORD.findall(folded)
    if all(word in DIRECTIONS or word in THINGS for word in words):
        is_numbered = not PAGES.isdisjoint(words) and any(char.isdecimal() for char in folded)
        return is_numbered or not DIRECTIONS.isdisjoint(words) or "".join(words) in PHRASES
    if first[0] in DIRECTIONS and (titled := _TITLED.match(folded)):
        return titled[2] is None or titled[2] in THINGS
    return "".join(words) in PHRASES


@lru_cache(maxsize=1024)
def _is_mark(label: str) -> bool:
    """Whether a short label is a number, an arrow or empty, as in a row of page numbers."""
    return not any(char.isalpha() for char in label)


@lru_cache(maxsize=4096)
def _is_turning_class(names: str) -> bool:
    return any(_is_direction(name) for name in names.split())


def _is_direction(name: str) -> bool:
    """Whether a class means a direction: ``next``, ``nav-previous``, ``pager__item--next``, ``olderPostsLink`` …"""
    words = [word.lower() for word in _CLASS_WORD.findall(name)]
    while len(words) > 1 and words[-1] in _CLASS_THINGS:
        words.pop()
    if words[-2:] == ["load", "more"]:
        return True
    return bool(words) and words[-1] in _CLASS_DIRECTIONS and _NO_CHAIN.isdisjoint(words)


@lru_cache(maxsize=4096)
def _is_container(names: str) -> bool:
    return _CONTAINER.search(names) is not None
