"""Markup that an HTML5 tree builder takes quadratic time or memory for, made harmless before it is parsed.

The standard's tree construction looks through all open elements at many a start tag, opens every unclosed
``<b>`` or ``<font>`` again in each paragraph, and compares each attribute of a tag with all before it.
Honest pages never notice; 500 KB of ``<div>`` take half a minute.
"""

from __future__ import annotations

import re

_SAFE_TAGS = 1024
"""With fewer tags than this the worst page is parsed in some 20 ms."""
_MAX_DEPTH = 512
"""As in Chromium."""
_MAX_STEPS = 20_000_000
_MAX_REOPENED = 1_000_000
_LONG_TAG_CHARS = 16_384
_MAX_ATTRIBUTES = 512

_COMMENT_OR_RAW_TEXT = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|textarea|title|iframe|noframes|noembed|xmp)[\s/>].*?(?:</\1|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(r"<(/?)([a-z][a-z0-9:-]*)(?:\"[^\"]*\"|'[^']*'|[^\"'<>])*+", re.IGNORECASE)
_LONG_TAG = re.compile(rf"<[a-z](?:\"[^\"]*\"|'[^']*'|[^\"'<>]){{{_LONG_TAG_CHARS},}}+>?", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"[^\s\"'>/=]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s>\"']+))?")
_FORMATTING = frozenset(
    ["b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"]
)
_NEVER_DEEP = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
        "frame",
        "image",
        "a",
        "body",
        "caption",
        "colgroup",
        "dd",
        "dt",
        "head",
        "html",
        "li",
        "optgroup",
        "option",
        "p",
        "rp",
        "rt",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
    ]
)
"""Void ones, and those that the next of their kind closes."""
_HOLDERS = (
    "a|amp-anim|amp-img|area|audio|base|body|embed|frame|frameset|head|html|iframe|image|feimage|img|input|link|meta|"
    "noscript|object|script|source|style|svg|template|textarea|title|video|xmp|noframes|noembed"
)
_OTHER_TAG = re.compile(rf"<(/?)(?!(?:{_HOLDERS})[\s/>])[a-z][^\s/>]*", re.IGNORECASE)


def made_harmless(html: str) -> str:
    """*html* itself, or, where it would take too long to parse, the same tags without their nesting.

    Tags that neither hold nor refer to images become void ones with the same attributes, so that nothing is
    lost but which heading, figure or picture an image belongs to. Takes time in proportion to the length.
    """
    if len(html) > _LONG_TAG_CHARS:
        html = _LONG_TAG.sub(_with_fewer_attributes, html)
    if html.count("<") < _SAFE_TAGS or not _is_hostile(html):
        return html
    return _OTHER_TAG.sub(lambda tag: "</wbr" if tag[1] else "<wbr", html)


def _is_hostile(html: str) -> bool:
    unclosed: dict[str, int] = {}
    depth = formatting = steps = reopened = 0
    for slash, name in _TAG.findall(_COMMENT_OR_RAW_TEXT.sub("", html).lower()):
        if name in _NEVER_DEEP:
            pass
        elif not slash:
            unclosed[name] = unclosed.get(name, 0) + 1
            depth += 1
            formatting += name in _FORMATTING
        elif unclosed.get(name):
            unclosed[name] -= 1
            depth -= 1
            formatting -= name in _FORMATTING
        steps += depth
        reopened += formatting
        if depth > _MAX_DEPTH or steps > _MAX_STEPS or reopened > _MAX_REOPENED:
            return True
    return False


def _with_fewer_attributes(tag: re.Match[str]) -> str:
    text = tag[0]
    for count, attribute in enumerate(_ATTRIBUTE.finditer(text), start=1):
        if count > _MAX_ATTRIBUTES:
            return text[: attribute.start()] + ">"
    return text
