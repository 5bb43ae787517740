"""Finds pieces of markup within a page that its browser or its scripts would show as a part of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import unquote

from crawler.harvest.js_literals import unquoted
from crawler.harvest.parser_base import Element, media_type

_TEMPLATE_TYPE = re.compile(r"text/html|.*(?:template|tmpl|handlebars|mustache|underscore)", re.DOTALL)
"""The ``type`` of a script that holds markup for other scripts."""
_WRITTEN = re.compile(
    r"(?:\A|[;}\n]|<!--)[ \t\r]{0,64}+document\.write(?:ln)?\(\s*+"
    r"(?P<string>\"(?:[^\"\\\n]|\\.)*+\"|'(?:[^'\\\n]|\\.)*+')\s*+\)"
)
"""Markup that stands whole in the code that writes it, on no condition."""
_HOLDERS = frozenset({"embed", "frame", "iframe", "object", "script"})
_MARKUP_BEGINS = ('="<', "='<", '="&lt;', "='&lt;")
"""A value that is markup. Looked for once in a page: nearly none has such, and few elements are worth to be asked."""
_PAGE = re.compile(r"\s*+data:text/html(?:;\s*+charset=[\w-]++)?,", re.IGNORECASE)
_VALUE = re.compile(r"=\s*+(?:\"[^\"]*+\"|'[^']*+')")
_UNFILLED = re.compile(r"\{[A-Za-z_$][\w.$]*+\}|#[=:][^#]*+#|\$[A-Za-z_]\w*+\$")
"""Variables of template engines that could stand in a URL as well: ``{thumb}``, ``#: id #``, ``$url$``."""
_SHOWS = re.compile(r"<(?:img|image|picture|source|video|object|amp-img)\b|url\(", re.IGNORECASE)


class Part(NamedTuple):
    markup: str
    heading: str


def parts_on(html: str, elements: Iterable[Element]) -> Iterator[Part]:
    """The pieces of markup in *elements*, those of *html*: ``srcdoc``, ``data:text/html``, templates in scripts,
    ``document.write``, ``data-content="<img …>"``.
    """
    may_be_in_data = "data-" in html and any(begin in html for begin in _MARKUP_BEGINS)
    for element in elements:
        if element.name in _HOLDERS:
            yield from _in_script(element) if element.name == "script" else _in_frame(element)
        if may_be_in_data:
            for name, value in element.attributes.items():
                if name[:5] == "data-" and value[:1] == "<" and _SHOWS.search(value):
                    yield Part(value, element.heading)


def _in_frame(element: Element) -> Iterator[Part]:
    if "srcdoc" in element.attributes:
        yield Part(element.attributes["srcdoc"], element.heading)
    reference = element.attributes.get("data" if element.name == "object" else "src", "")
    if found := _PAGE.match(reference):
        yield Part(unquote(reference[found.end() :]), element.heading)


def _in_script(element: Element) -> Iterator[Part]:
    text = element.text
    if "<" not in text and "\\" not in text:
        return  # as most: no markup, not even an escaped one
    kind = media_type(element)
    if kind and _TEMPLATE_TYPE.fullmatch(kind):
        if _SHOWS.search(text):
            yield Part(_VALUE.sub(_if_filled, text), "")
    elif "document.write" in text:
        written = (unquoted(found["string"]) for found in _WRITTEN.finditer(text))
        yield from (Part(markup, "") for markup in written if _SHOWS.search(markup))


def _if_filled(value: re.Match[str]) -> str:
    return '=""' if _UNFILLED.search(value[0]) else value[0]
