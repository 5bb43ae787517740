"""Markup that an HTML5 tree builder takes quadratic time or memory for, made harmless before it is parsed.

The standard's tree construction looks through all open elements at many a start tag, opens every unclosed
``<b>`` or ``<font>`` again in each paragraph, and compares each attribute of a tag with all before it.
Honest pages never notice; 500 KB of ``<div>`` take half a minute.
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
