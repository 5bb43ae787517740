"""Removes attributes and names by the thousand, for which an HTML5 parser takes very long, before the page is parsed.

The parser compares each attribute of a tag with all before it: 50,000 in one tag took 20 s. It keeps the names of tags
and attributes in tables made for some hundreds of them: 4 MB of different tags took half a minute.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from crawler.harvest.markup import (
    ATTRIBUTE,
    ATTRIBUTE_NAME,
    COMMENT,
    LEAVES_FOREIGN,
    NO_HTML,
    RAW_NAMES,
    SCRIPT_TEXT,
    VALUE_OF_IT,
    S,
    name_of,
    text_of,
    with_tags,
)

_SAFE_CHARS = 65_536
_MAX_ATTRIBUTES = 512
"""Limit for one tag."""
SAFE_INSIDE_CHARS = 2 * _MAX_ATTRIBUTES
"""In a tag with fewer characters after its name there is no room for more: each takes one, and one that separates it.
"""
SAFE_NAMES_CHARS = 2**20
"""In fewer characters, different names cost two seconds at worst."""
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
"""Names of tags and attributes that are never left out, whatever others a page has."""

_HOLDING_TEXT = ("desc", "mi", "mn", "mo", "ms", "mtext", "title")
"""Elements of SVG and MathML that hold HTML, mostly nothing but text."""

_ROOT = re.compile(rf"<(?=[bhBH])(?:body|html)(?=[{S}/>])", re.IGNORECASE | re.ASCII)
_MANY_ROOTS = 32
"""Number of tags of ``<html>`` and ``<body>``, at most: more than concatenated pages have."""
_ATTRIBUTE = re.compile(ATTRIBUTE)
_ATTRIBUTE_NAME = re.compile(ATTRIBUTE_NAME)
_ATTRIBUTE_NAMES = re.compile(rf"({ATTRIBUTE_NAME}){VALUE_OF_IT}")


def without_excess(html: str) -> str:
    """*html* with at most _MAX_ATTRIBUTES in each tag, and in all tags of ``<html>`` and ``<body>`` together."""
    if len(html) <= _SAFE_CHARS:
        return html
    if not has_few_attributes(html):
        html = with_tags(html, _with_fewer_attributes)
    if has_many_roots(html):
        html = with_tags(html, _Roots().changed)
    return html


def has_many_roots(html: str) -> bool:
    """Whether there may be so many tags of ``<html>`` and ``<body>`` that their attributes have to be counted."""
    return next(islice(_ROOT.finditer(html), _MANY_ROOTS, None), None) is not None


class _Roots:
    """Limits the attributes of all ``<html>`` and ``<body>`` tags together.

    Each further tag adds its attributes to those of the first, among which each is looked up: 340 KB of ``<body
    a1=b>``, ``<body a2=b>`` … took a second, a megabyte ten.
    """

    def __init__(self) -> None:
        self._left = _MAX_ATTRIBUTES

    def changed(self, tag: re.Match[str]) -> str:
        """The tag, without its attributes once the limit is reached."""
        if not tag["slash"] and tag["inside"] and name_of(tag) in ("body", "html"):
            self._left -= sum(1 for _ in _ATTRIBUTE.finditer(tag["inside"]))
            if self._left < 0:
                return f"<{tag['name']}>"
        return tag[0][: tag.start("text") - tag.start()]


def _with_fewer_attributes(tag: re.Match[str]) -> str:
    text = tag[0][: tag.start("text") - tag.start()]
    inside = tag.start("inside") - tag.start()
    for count, attribute in enumerate(_ATTRIBUTE.finditer(tag["inside"]), start=1):
        if count > _MAX_ATTRIBUTES:
            return f"{text[: inside + attribute.start()]}>"
    return text


def _pattern_of_few(most: int) -> re.Pattern[str]:
    """Matches a whole document of which no tag has more than *most* attributes, if its structure is plain.

    It is applied to each larger page, so it is one expression. Where it can't tell, for example by HTML within SVG, the
    tags are counted one by one.
    """
    rest = rf"[^{S}/>]*+(?:[{S}/]*+{ATTRIBUTE}){{0,{most}}}+[{S}/]*+(?:>|\Z)"
    text = rf"[^<]++|<(?![a-z/!?])|{COMMENT}"

    def begun(name: str, inside: str) -> str:
        return rf"<{name}(?=[{S}/>]){rest}{inside}"

    def ended(name: str, inside: str) -> str:
        return rf"{begun(name, inside)}</{name}(?=[{S}/>]){rest}"

    others = {"annotation-xml", "font", "foreignobject"}
    tags_apart = "|".join(sorted({*LEAVES_FOREIGN, *NO_HTML, *_HOLDING_TEXT, *others}))
    holding_text = "|".join(ended(name, "[^<]*+") for name in _HOLDING_TEXT)
    foreign = rf"(?:{text}|{holding_text}|</?(?!(?:{tags_apart}|svg|math)[{S}/>])[a-z]{rest})*+"
    raw = "|".join(RAW_NAMES)
    begins = "".join(sorted({name[0] for name in (*RAW_NAMES, "script", "svg", "math")}))
    alternatives = (
        # what is most of a page comes first, told by one letter: that takes a third less
        rf"</?(?![{begins}])[a-z]{rest}[^<]*+",
        "[^<]++|<(?![a-z/!?])",
        rf"</?(?!(?:script|svg|math|{raw})[{S}/>])[a-z]{rest}",
        rf"</(?:script|{raw})(?=[{S}/>]){rest}",
        COMMENT,
        begun("script", SCRIPT_TEXT),
        *(begun(name, text_of(name)) for name in RAW_NAMES),
        *(ended(name, foreign) for name in ("svg", "math")),
        r"<(?:[!?]|/(?![a-z]))[^>]*+>?",
    )
    return re.compile(f"(?:{'|'.join(alternatives)})*+", re.IGNORECASE | re.ASCII)


_FEW = _pattern_of_few(_MAX_ATTRIBUTES)


def has_few_attributes(html: str, pattern: re.Pattern[str] = _FEW) -> bool:
    """Whether each tag has few attributes. True is certain."""
    quiet = pattern.match(html)
    return quiet is not None and quiet.end() == len(html)


class AttributeNames:
    """The names of tags and attributes of one document, larger than SAFE_NAMES_CHARS."""

    def __init__(self) -> None:
        self._noted: set[str] = set()
        self._known = set(_NAMES_THAT_MATTER)

    def noted(self, of_document: Iterable[re.Match[str]]) -> Iterator[re.Match[str]]:
        """The tags, unchanged; their names are noted as they pass."""
        noted = self._noted
        for tag in of_document:
            if len(noted) <= _MAX_NAMES:
                noted.add(tag["name"])
                if inside := tag["inside"]:
                    noted.update(_ATTRIBUTE_NAMES.findall(inside))
            yield tag

    def note(self, names: Iterable[str], insides: Iterable[str]) -> None:
        """Note *names* of tags, and those of the attributes in *insides*, which some tags have after their names."""
        if len(self._noted) <= _MAX_NAMES:
            self._noted.update(names)
            # ">" stands outside of values in none of them, and ends an attribute
            self._noted.update(_ATTRIBUTE_NAMES.findall(">".join(insides)))

    @property
    def may_be_too_many(self) -> bool:
        """Whether there may be too many names. False is certain, once all tags have passed."""
        return len(self._noted) > _MAX_NAMES - len(_NAMES_THAT_MATTER)

    def without_more(self, tag: re.Match[str]) -> str:
        """The tag without attributes of further names, once there are very many; a tag of one becomes ``<wbr>``."""
        text = tag[0][: tag.start("text") - tag.start()]
        start = tag.end("name") - tag.start()
        pieces, end = [f"<{tag['slash']}wbr" if self._is_one_too_many(tag["name"]) else text[:start]], start
        for attribute in _ATTRIBUTE.finditer(text, start, start + len(tag["inside"])):
            name = _ATTRIBUTE_NAME.match(attribute[0])
            if name is not None and self._is_one_too_many(name[0]):
                pieces.append(text[end : attribute.start()])
                end = attribute.end()
        return "".join((*pieces, text[end:]))

    def _is_one_too_many(self, name: str) -> bool:
        name = name.lower()
        if name in self._known:
            return False
        if len(self._known) < _MAX_NAMES:
            self._known.add(name)
            return False
        return True
