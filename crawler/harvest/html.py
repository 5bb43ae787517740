"""From HTML to elements, by either of two parsers. What is found on a page is decided elsewhere, by these.

``fast`` is lexbor, which builds the tree that the HTML Standard describes; ``beautifulsoup`` is Beautiful Soup over
Python's html.parser, 20 to 60 times slower, for pages that the first refuses and for those who ask for it. The contents
of ``<noscript>`` and ``<template>`` are elements like any other.
"""

from __future__ import annotations

import importlib
import logging
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from crawler.errors import NotHtml
from crawler.harvest import caption_names, link_words
from crawler.harvest.element_words import ElementWords
from crawler.harvest.extensions import IMAGE_NAME
from crawler.harvest.html_bombs import made_harmless
from crawler.harvest.markup import NEAR_VALUE, S, in_lower_case, values_of
from crawler.harvest.parser_base import Element, Mark
from crawler.logs.events import PARSER_FAILED, tell

log = logging.getLogger(__name__)

_ADAPTERS = {"fast": "crawler.harvest.lexbor", "beautifulsoup": "crawler.harvest.soup"}
PARSERS = tuple(_ADAPTERS)

_STYLE = re.compile(rf"style{NEAR_VALUE}")
_DATA = re.compile(rf"data-([^{S}/>=]{{0,256}}+){NEAR_VALUE}")
_PROPERTY = re.compile(
    r"prop(?:erty)?\s*=\s*[\"']?[^\"'>]{0,80}(?:image|thumbnail|logo|photo|screenshot|contenturl)"
)
"""Matches ``itemprop`` and ``property``. Begins with what both have, which is found ten times as fast as one of two."""
_BACKGROUND = re.compile(rf"background[{S}]*+=")
_DATA_NAME = re.compile(r"bg|background|image|img|srcset|thumb|photo|picture|poster|avatar|logo")
_LAZY_BOX = re.compile(r"<(?!img[\s/]|source[\s/])[a-z][^<>]*\sdata-(?:src|original|lazy)[a-z-]*=")
"""An element other than a picture, of which a lazy loader may draw the background: ``<div class=lazy data-src=…>``."""
_DATA_OF_IMAGES = re.compile(
    r"[\"']?\s*(?:[{\[]|%7b|%5b).*(?:image|img|src|photo|picture|thumb|avatar|logo|poster|cover|banner|background|gallery)",
    re.DOTALL,
)
_MARKUP_WITH_IMAGES = re.compile(
    r"[\"']?(?:<|&lt;|&#60;|&#x3c;).*(?:img|image|picture|source|video|object|url\()", re.DOTALL
)
_MAX_VALUE_CHARS = 512
_NAME_BEFORE = re.compile(r"[\s\"'/]([a-z_:][a-z0-9_:.-]*)\s*=\s*$")
_USUAL_NAMES = frozenset({"", "alt", "content", "href", "name", "srcset", "title", "value"})
_CUSTOM_TAG = re.compile(r"[a-z][a-z0-9.]*-")
_IMAGE_NAME = re.compile(IMAGE_NAME)


def parse(html: str, *, parser: str = "fast", left_out: Counter[str] | None = None) -> list[Element]:
    """The elements of a document in order: those of NAMES, and any with an attribute that may refer to an image.

    Raises NotHtml when no parser can read it. Takes time in proportion to the length, as far as is known:
    tests/quadratic/ searches for counterexamples. *left_out* counts by slug what is not read for that reason.
    ``page_timeout_s`` ends the reader of any other document.
    """
    left_out = Counter() if left_out is None else left_out
    html = made_harmless(html, left_out=left_out)
    look_at_all, marks, turns = _first_look(in_lower_case(html))
    for adapter in _adapters(parser):
        try:
            tree = adapter.DocumentTree(html)
            words = ElementWords(tree, marks=marks, turns=turns)
            for node, name, attributes in tree.walk(look_at_all=look_at_all, left_out=left_out):
                words.add(node, name, attributes)
            return words.elements()
        except adapter.ERRORS as exc:
            tell(log, PARSER_FAILED, parser=adapter.__name__.rpartition(".")[2], reason=exc)
    raise NotHtml("neither parser could make anything of the page")


def _first_look(lower: str) -> tuple[bool, tuple[Mark, ...], bool]:
    """What a page, in lower case, may have that costs time to look for: attributes beyond NAMES that refer to images,
    captions with these marks, and names around links that say that they turn a page.

    A function of its own, so that of a large page no second copy is held while it is parsed.
    """
    classes = values_of("class", lower)
    return (
        _attributes_may_tell(lower),
        caption_names.marks_in(lower, classes),
        link_words.may_turn(lower, classes),
    )


def _adapters(parser: str) -> Iterator[Any]:
    """The module of the chosen parser, then the other one; each is imported when it is needed."""
    for name in sorted(PARSERS, key=lambda name: name != parser):
        yield importlib.import_module(_ADAPTERS[name])


def _attributes_may_tell(html: str) -> bool:
    """Whether attributes of elements beyond NAMES may refer to images: ``style``, ``itemprop``, ``data-*`` …

    *html* is in lower case. Reading attributes costs most in a walk, and most pages can be walked without it.
    """
    return (
        any(
            "url" in value or "image" in value or "\\" in value or "&" in value
            for value in _STYLE.findall(html)
        )
        or any(
            _DATA_NAME.search(name)
            or _IMAGE_NAME.search(value)
            or _DATA_OF_IMAGES.match(value)
            or _MARKUP_WITH_IMAGES.match(value)
            for name, value in (_DATA.findall(html) if "data-" in html else ())
        )
        or ("data-" in html and _has_lazy_box(html))
        or ("prop" in html and _PROPERTY.search(html) is not None)
        or ("background" in html and _BACKGROUND.search(html) is not None)
        or _some_attribute_names_an_image(html)
    )


def _has_lazy_box(html: str) -> bool:
    return ("lazy" in html or "uk-img" in html or "lozad" in html) and _LAZY_BOX.search(html) is not None


def _some_attribute_names_an_image(html: str) -> bool:
    """Whether an unusual attribute has a value with an image's extension, or a custom element has it in ``src``.

    May err: a false True only costs time, a false False misses a rare attribute.
    """
    for found in _IMAGE_NAME.finditer(html):
        start = max(0, found.start() - _MAX_VALUE_CHARS)
        value = max(html.rfind('"', start, found.start()), html.rfind("'", start, found.start()))
        if value <= start or html[value - 1] != "=":
            value = html.rfind("=", start, found.start()) + 1
        name = _name_before(html[max(start, value - 64) : value])
        if name in _USUAL_NAMES or name.startswith("data-"):
            continue
        if name != "src" or _CUSTOM_TAG.match(html, html.rfind("<", start, value) + 1):
            return True
    return False


def _name_before(text: str) -> str:
    """The name of the attribute whose value begins after *text*; empty for none."""
    if text.endswith((" src=", " href=")):  # as nearly always
        return "src" if text.endswith(" src=") else "href"
    name = _NAME_BEFORE.search(text)
    return "" if name is None else name[1]
