"""Makes markup harmless that takes an HTML5 tree builder quadratic time or memory.

The standard's tree construction searches all open elements at many start tags, and reopens every unclosed ``<b>`` or
``<font>`` in each paragraph. Honest pages are not affected; 500 KB of ``<div>`` take half a minute.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from crawler.harvest.attributes import (
    SAFE_INSIDE_CHARS,
    SAFE_NAMES_CHARS,
    AttributeNames,
    has_many_roots,
    without_excess,
)
from crawler.harvest.markup import (
    FOREIGN_START,
    PLAIN_TOKEN,
    RAW_TEXT,
    TOKEN,
    VOID,
    S,
    lower_name,
    name_of,
    tags,
    with_tags,
)

CUT = "markup-cut"

_SAFE_TAGS = 8192
"""With fewer tags, searching the open elements costs 0.2 s at worst."""
_MAX_DEPTH = 512
"""The limit of Chromium."""
_MAX_STEPS = 20_000_000
_MAX_REOPENED = 300_000
"""Number of reopened elements that take 100 MB."""
_NOTED_AT_ONCE = 1000
_SAME_AT_ONCE = 3
"""Equal formatting elements that are reopened at a time: the "Noah's Ark clause"."""

_FORMATTING = "b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u"
_LOOKED_AT_CHARS = 256
_FORMATTING_TAG = re.compile(
    rf"<(?=[bcefinstuBCEFINSTU])(?:{_FORMATTING})(?=[{S}/>])[^>]{{0,{_LOOKED_AT_CHARS}}}+",
    re.IGNORECASE | re.ASCII,
)
"""The first letter is tested by itself, which halves the time: most tags are of other elements."""
_FORMATTING_NAMES = frozenset(_FORMATTING.split("|"))
_CLOSED_BY_THE_NEXT = "a body caption colgroup dd dt head html li option p tbody td tfoot th thead tr"
_NEVER_DEEP = VOID | {"frame", "image", *_CLOSED_BY_THE_NEXT.split()}
_KEPT_VOID = frozenset({"area", "base", "embed", "frame", "image", "img", "input", "link", "meta", "source"})
_KEPT = _KEPT_VOID | frozenset(
    {"a", "amp-anim", "amp-img", "audio", "body", "frameset", "head", "html", "object", "template", "video"}
)
_OF_SVG = frozenset({"image", "feimage", "use"})


def made_harmless(html: str, *, left_out: Counter[str] | None = None) -> str:
    """*html*, or, where it would take too long to parse, its tags without their nesting and without very many
    attributes. *left_out* then counts CUT.

    Tags that neither hold nor refer to images become void elements with the same attributes. Only the relation of
    images to headings, figures and pictures is lost. Takes linear time.
    """
    is_large = len(html) > SAFE_NAMES_CHARS
    is_doubtful = is_large or _may_be_hostile(html)
    if is_doubtful and _is_plain(html, is_large=is_large):
        return html
    less = without_excess(html)
    if less is not html:
        is_large = len(less) > SAFE_NAMES_CHARS
        is_doubtful = is_large or _may_be_hostile(less)
    if is_doubtful:
        names = AttributeNames()
        # one walk for both: finding the tags costs most
        is_hostile = _is_hostile(names.noted(tags(less)) if is_large else tags(less))
        if is_large and (is_hostile or names.may_be_too_many):
            less = with_tags(less, names.without_more)
        if is_hostile:
            less = with_tags(less, _Flat().changed)
    if less is not html and less != html and left_out is not None:
        left_out[CUT] += 1
    return less


def _is_plain(html: str, *, is_large: bool) -> bool:  # noqa: C901 - one plain loop: a call for each tag costs as much
    """Whether a page is surely harmless as it is, by one look at each of its tags; False says nothing.

    *is_large*: its names count as well. Pages that are neither large nor doubtful have cheaper tests.
    """
    if has_many_roots(html) or FOREIGN_START.search(html):
        return False
    kinds = _Kinds()
    unclosed: dict[str, int] = {}
    depth = formatting = steps = reopened = 0
    names, insides = AttributeNames(), list[str]()
    for token in PLAIN_TOKEN.finditer(html):
        written, inside = token.group(1, 4)
        if written is None:
            continue
        if inside:
            if len(inside) > SAFE_INSIDE_CHARS:
                return False
            if is_large:
                insides.append(inside)
                if len(insides) == _NOTED_AT_ONCE:
                    names.note(kinds, insides)
                    insides.clear()
        # as in _is_hostile
        name, change, is_formatting = kinds[written]
        if change > 0:
            unclosed[name] = unclosed.get(name, 0) + 1
            depth += 1
            formatting += is_formatting
            if depth > _MAX_DEPTH:
                return False
        elif change and unclosed.get(name):
            unclosed[name] -= 1
            depth -= 1
            formatting -= is_formatting
        steps += depth
        reopened += formatting
    names.note(kinds, insides)
    return not (steps > _MAX_STEPS or reopened > _MAX_REOPENED or (is_large and names.may_be_too_many))


class _Kinds(dict[str, tuple[str, int, bool]]):
    """What tags do, by ``name`` or ``/name`` as written: their names; 1 to open an element, -1 to close one, or 0."""

    def __missing__(self, written: str) -> tuple[str, int, bool]:
        name = lower_name(written.removeprefix("/"))
        change = 0 if name in _NEVER_DEEP else -1 if written[0] == "/" else 1
        kind = self[written] = (name, change, name in _FORMATTING_NAMES)
        return kind


def _may_be_hostile(html: str) -> bool:
    """Whether a page may be hostile. False is certain: neither open nor formatting elements can become too many."""
    count = html.count("<")
    if count < _SAFE_TAGS and count * (count - html.count("</")) <= _MAX_REOPENED:
        return False  # if each start tag opened an element that each tag reopens
    return count >= _SAFE_TAGS or count * _different_formats(html) * _SAME_AT_ONCE > _MAX_REOPENED


def _different_formats(html: str) -> int:
    """Upper bound for the different formatting tags; any that may not end at its first ``>`` counts as different."""
    found = _FORMATTING_TAG.findall(html)
    known = set(found)
    unsure = {tag for tag in known if len(tag) > _LOOKED_AT_CHARS or tag.count('"') % 2 or tag.count("'") % 2}
    return len(known) + (sum(tag in unsure for tag in found) if unsure else 0)


def _is_hostile(of_document: Iterable[re.Match[str]]) -> bool:
    """Whether these tags open too many elements."""
    unclosed: dict[str, int] = {}
    depth = formatting = steps = reopened = 0
    for tag in of_document:
        name = name_of(tag)
        if name in _NEVER_DEEP if tag.re is TOKEN else tag["void"]:
            pass
        elif not tag["slash"]:
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


class _Flat:
    """Rewrites tags so that none contains many others."""

    def __init__(self) -> None:
        self._depth = 0
        self._unclosed: Counter[str] = Counter()

    def changed(self, tag: re.Match[str]) -> str:
        name, inside = name_of(tag), tag["inside"]
        if tag.re is not TOKEN and (name in _OF_SVG or name == "style"):
            return self._of_svg(name, tag)
        if name in RAW_TEXT and tag.re is TOKEN:
            return _as_it_is(tag)
        if name not in _KEPT or (name == "template" and tag.re is not TOKEN):
            return "" if tag["slash"] else f"<wbr{inside} />"
        if name in _KEPT_VOID:
            return "" if tag["slash"] else f"<{name}{inside}>"
        return self._ended(name) if tag["slash"] else self._begun(name, inside)

    def _of_svg(self, name: str, tag: re.Match[str]) -> str:
        """An image of SVG gets an ``<svg>`` of its own. A style of SVG becomes one of HTML."""
        if name == "style":
            return "<style></style>" if tag["void"] else _as_it_is(tag)
        return "" if tag["slash"] else f"<svg><{name}{tag['inside']} /></svg>"

    def _begun(self, name: str, inside: str) -> str:
        if self._depth >= _MAX_DEPTH:
            return f"<{name}{inside}></{name}>"
        self._depth += name not in _NEVER_DEEP
        self._unclosed[name] += 1
        return f"<{name}{inside}>"

    def _ended(self, name: str) -> str:
        if not self._unclosed[name]:
            return ""
        self._depth -= name not in _NEVER_DEEP
        self._unclosed[name] -= 1
        return f"</{name}>"


def _as_it_is(tag: re.Match[str]) -> str:
    return tag[0][: tag.start("text") - tag.start()]
