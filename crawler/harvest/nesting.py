"""Markup that an HTML5 tree builder takes quadratic time or memory for, made harmless before it is parsed.

The standard's tree construction looks through all open elements at many a start tag, opens every unclosed
``<b>`` or ``<font>`` again in each paragraph, and compares each attribute of a tag with all before it. And a parser
keeps the names of tags and attributes in tables that are made for some hundreds of them. Honest pages never notice;
500 KB of ``<div>`` take half a minute, and so do 4 MB of attributes of which no two have the same name.
"""

from __future__ import annotations

import re

_SAFE_TAGS = 8192
"""With fewer tags than this, looking through open elements costs 0.2 s at worst."""
_MAX_DEPTH = 512
"""As in Chromium."""
_MAX_STEPS = 20_000_000
_MAX_REOPENED = 300_000
"""Elements that make 100 MB."""
_SAME_AT_ONCE = 3
"""Formatting elements of the same name and attributes that are opened again: the "Noah's Ark clause"."""
_SAFE_CHARS = 65_536
_LONG_TAG_CHARS = 16_384
_MAX_ATTRIBUTES = 512
_SAFE_NAMES_CHARS = 2**20
"""In fewer characters than these, different names cost two seconds at worst."""
_MAX_NAMES = 5_000
_NAMES_THAT_MATTER = frozenset(
    {
        "a", "alt", "area", "audio", "background", "base", "class", "content", "data", "data-bg",
        "data-original", "data-src", "data-srcset", "embed", "feimage", "href", "html", "head", "body", "id",
        "iframe", "image", "imagesrcset", "img", "itemprop", "itemtype", "link", "media", "meta", "name",
        "noscript", "object", "picture", "poster", "property", "rel", "script", "sizes", "source", "src",
        "srcset", "style", "svg", "template", "title", "type", "video", "xlink:href",
    }
)  # fmt: skip
"""Of tags and attributes; on a page with very many others these are never left out."""

_INSIDE = r"(?:\"[^\"]*\"|'[^']*'|[^\"'<>]+)*+"
_TAG = re.compile(rf"<(/?)([a-z][^\s/<>]*){_INSIDE}")
_FORMATTING = "b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u"
_FORMATTING_TAG = re.compile(rf"<(?:{_FORMATTING})\b{_INSIDE}")
_FORMATTING_NAMES = frozenset(_FORMATTING.split("|"))
_COMMENT_OR_RAW_TEXT = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|textarea|title|iframe|noframes|noembed|xmp)[\s/>].*?(?:</\1|\Z)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"[^\s\"'>/=]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s>\"']+))?")
_END_TAG = re.compile(r"</[a-zA-Z][^\s/>]*")
_TAG_NAME = re.compile(r"<[^\s/>]+")
_LONG_TAG = re.compile(rf"<[a-zA-Z]{_INSIDE}>?")
_VOID = "area base br col embed frame hr image img input link meta param source track wbr"
_CLOSED_BY_THE_NEXT = (
    "a body caption colgroup dd dt head html li optgroup option p rp rt tbody td tfoot th thead tr"
)
_NEVER_DEEP = frozenset(f"{_VOID} {_CLOSED_BY_THE_NEXT}".split())
_KEPT = (
    "a|amp-anim|amp-img|area|audio|base|body|embed|feimage|frame|frameset|head|html|iframe|image|img|input|link|meta|"
    "noembed|noframes|object|script|source|style|svg|template|textarea|title|video|xmp"
)
_OTHER_TAG = re.compile(rf"<(/?)(?!(?:{_KEPT})[\s/>])[a-z][^\s/>]*", re.IGNORECASE)


def made_harmless(html: str) -> str:
    """*html* itself, or, where it would take too long to parse, the same tags without their nesting.

    Tags that neither hold nor refer to images become void ones with the same attributes, so that nothing is
    lost but which heading, figure or picture an image belongs to. Takes time in proportion to the length.
    """
    if len(html) > _SAFE_CHARS:
        html = _LONG_TAG.sub(_with_fewer_attributes, html)
    if len(html) > _SAFE_NAMES_CHARS:
        names = _Names()
        html = _END_TAG.sub(names.end_without_more, _LONG_TAG.sub(names.without_more, html))
    if _may_be_hostile(html) and _is_hostile(html):
        return _OTHER_TAG.sub(lambda tag: "</wbr" if tag[1] else "<wbr", html)
    return html


def _may_be_hostile(html: str) -> bool:
    """False is certain: neither open elements nor formatting ones can become too many."""
    tags = html.count("<")
    if tags >= _SAFE_TAGS:
        return True
    formatting = len(set(_FORMATTING_TAG.findall(html.lower())))
    return tags * formatting * _SAME_AT_ONCE > _MAX_REOPENED


def _is_hostile(html: str) -> bool:
    unclosed: dict[str, int] = {}
    depth = formatting = steps = reopened = 0
    for slash, name in _TAG.findall(_COMMENT_OR_RAW_TEXT.sub("", html.lower())):
        if name in _NEVER_DEEP:
            pass
        elif not slash:
            unclosed[name] = unclosed.get(name, 0) + 1
            depth += 1
            formatting += name in _FORMATTING_NAMES
        elif unclosed.get(name):
            unclosed[name] -= 1
            depth -= 1
            formatting -= name in _FORMATTING_NAMES
        steps += depth
        reopened += formatting
        if depth > _MAX_DEPTH or steps > _MAX_STEPS or reopened > _MAX_REOPENED:
            return True
    return False


def _with_fewer_attributes(tag: re.Match[str]) -> str:
    text = tag[0]
    if len(text) > _LONG_TAG_CHARS:
        for count, attribute in enumerate(_ATTRIBUTE.finditer(text), start=1):
            if count > _MAX_ATTRIBUTES:
                return text[: attribute.start()] + ">"
    return text


class _Names:
    """The names of tags and attributes so far, on one page."""

    def __init__(self) -> None:
        self._known = set(_NAMES_THAT_MATTER)

    def without_more(self, tag: re.Match[str]) -> str:
        """The tag without attributes of further names once there are very many; one of a further name is nameless."""
        text = tag[0]
        name = _TAG_NAME.match(text)
        start = name.end() if name else 0
        pieces, end = ["<wbr" if name and self._is_one_too_many(name[0]) else text[:start]], start
        for attribute in _ATTRIBUTE.finditer(text, start):
            if self._is_one_too_many(attribute[0].partition("=")[0].strip()):
                pieces.append(text[end : attribute.start()])
                end = attribute.end()
        return "".join((*pieces, text[end:]))

    def end_without_more(self, tag: re.Match[str]) -> str:
        return "</wbr" if self._is_one_too_many(tag[0]) else tag[0]

    def _is_one_too_many(self, name: str) -> bool:
        name = name.lstrip("</").lower()
        if name in self._known:
            return False
        if len(self._known) < _MAX_NAMES:
            self._known.add(name)
            return False
        return True
