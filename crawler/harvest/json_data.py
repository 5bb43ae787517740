"""Finds images in data of a page: JSON in a script, JSON in attributes, state that frameworks leave in scripts.

Declared data are no guess: what they name as an image is one. Strings in code are left to scripts.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import unescape
from typing import Any
from urllib.parse import unquote

import msgspec

from crawler.harvest import js_literals, loose_json, script_data
from crawler.harvest.candidates import Candidate
from crawler.harvest.cuts import Cut
from crawler.harvest.data_images import images_in
from crawler.harvest.js_literals import NotALiteralError
from crawler.harvest.parser_base import Element, media_type

_OF_CODE = frozenset(
    {"", "module", "text/javascript", "application/javascript", "text/ecmascript", "application/x-javascript"}
)
_NO_DATA = frozenset({"application/ld+json", "importmap", "speculationrules"})
"""Types with rules of their own, or without images."""
_DEVALUE = ("data-nuxt-data", "data-ssr")
_MAX_ASTRO_DEPTH = 64
_ENCODED = ("%7b", "%5b")


def in_script(element: Element) -> Iterator[Candidate | Cut]:
    """``<script type="application/json">``, and data assigned in a script; streams are left to :func:`in_streams`."""
    text = element.text
    if "{" not in text and "[" not in text and "JSON.parse" not in text and "Array" not in text:
        return
    kind = media_type(element)
    if kind in _NO_DATA:
        return
    told = msgspec.structs.replace(element, heading="", caption="")  # the position of a script means nothing
    if kind in _OF_CODE:
        for number, value in enumerate(script_data.assigned(text)):
            if isinstance(value, Cut):
                yield value
            else:
                yield from images_in(value, told, scope=f"{element.number}.{number}")
    else:
        yield from _island(told, is_declared=kind.endswith("json"))


def in_streams(elements: Iterable[Element]) -> Iterator[Candidate | Cut]:
    """Data that the scripts of a page push in pieces: Next's flight data, streams of Remix and React Router."""
    scripts = [element for element in elements if element.name == "script" and element.text]
    for stream in script_data.STREAMS:
        pushing = [element for element in scripts if stream in element.text]
        if not pushing:
            continue
        told = msgspec.structs.replace(pushing[0], heading="", caption="")
        is_broken = False
        for number, value in enumerate(script_data.streamed((element.text for element in pushing), stream)):
            is_broken = is_broken or value is loose_json.BROKEN
            yield from images_in([value], told, scope=f"{told.number}.{stream}.{number}")
        yield from [Cut("json-broken")] * is_broken


def may_be_data(value: str) -> bool:
    """Whether the value of an attribute begins like an object or a list."""
    return value[:1] in ("{", "[") or value[:3].lower() in _ENCODED


def in_attribute(element: Element, name: str, value: str) -> Iterator[Candidate | Cut]:
    """JSON, or a literal of JavaScript, in an attribute."""
    if value[:3].lower() in _ENCODED:
        value = unquote(value)
    if len(value) > loose_json.MAX_CHARS:
        yield Cut("json-cut")
        return
    document = loose_json.read(value)
    if document is loose_json.BROKEN:
        try:
            document, end = js_literals.read_at(value, 0)
        except NotALiteralError:
            return
        if value[end:].strip():
            return
    yield from images_in(document, element, scope=f"{element.number}.{name}")


def astro_props(element: Element) -> Iterator[Candidate | Cut]:
    """``<astro-island props>``, in which each value stands beside a number for its type."""
    value = element.attributes.get("props", "")
    if len(value) > loose_json.MAX_CHARS:
        yield Cut("json-cut")
    elif value:
        document = _without_types([0, loose_json.read(value)], 0)
        yield from images_in(document, element, scope=f"{element.number}.props")


def _island(element: Element, *, is_declared: bool) -> Iterator[Candidate | Cut]:
    if len(element.text) > loose_json.MAX_CHARS:
        yield Cut("json-cut")
        return
    text = element.text
    document = loose_json.read(text) if is_declared or text.lstrip()[:1] in ("{", "[") else loose_json.BROKEN
    if document is loose_json.BROKEN and "&quot;" in text:
        document = loose_json.read(unescape(text))
    if document is not loose_json.BROKEN:
        if element.attributes.get("id") == "__NUXT_DATA__" or not element.attributes.keys().isdisjoint(
            _DEVALUE
        ):
            document = script_data.unflattened(document)
        yield from images_in(document, element, scope=str(element.number))
    elif is_declared:
        yield Cut("json-broken")


def _without_types(value: Any, depth: int) -> Any:
    """The value of Astro's pairs of type and value; type 1 is a list."""
    if depth > _MAX_ASTRO_DEPTH or not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004
        return None
    kind, inner = value
    if isinstance(inner, dict):
        return {name: _without_types(item, depth + 1) for name, item in inner.items()}
    if isinstance(inner, list):
        return [_without_types(item, depth + 1) for item in inner] if kind == 1 else None
    return inner
