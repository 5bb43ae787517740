"""From HTML to elements, by either of two parsers. What is found on a page is decided elsewhere, by looking
at these.

``fast`` is lexbor, which builds the tree that the HTML Standard describes; ``beautifulsoup`` is Beautiful
Soup over Python's html.parser, 20 to 60 times slower, for pages that the first refuses and for those who ask
for it. The contents of ``<noscript>`` and ``<template>`` are elements like any other.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from html.entities import html5 as entities
from typing import Any, NamedTuple, Protocol

import msgspec
from bs4 import BeautifulSoup
from bs4.element import Tag
from bs4.exceptions import ParserRejectedMarkup
from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from crawler.errors import NotHtml
from crawler.harvest.extensions import IMAGE_EXTENSIONS
from crawler.harvest.nesting import made_harmless

log = logging.getLogger(__name__)

PARSERS = ("fast", "beautifulsoup")

_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_SHOWING = frozenset(
    {
        "img",
        "source",
        "image",
        "input",
        "object",
        "embed",
        "video",
        "amp-img",
        "amp-anim",
    }  # inside something that tells
)
NAMES = (
    _HEADINGS
    | _SHOWING
    | {
        "a",
        "area",
        "base",
        "feimage",
        "figcaption",
        "frame",
        "iframe",
        "link",
        "meta",
        "script",
        "style",
        "title",
    }
)
"""Elements that are always kept."""

_STYLE = re.compile(r"style\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s>]*)")
_DATA = re.compile(r"data-([^\s=>\"']{0,64})\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s>]*)")
_DATA_NAME = re.compile(r"bg|background|image|img|srcset")
_IMAGE_NAME = re.compile(rf"\.(?:{'|'.join(sorted(IMAGE_EXTENSIONS))})\b")
_MAX_ANCESTORS = 32
_MAX_TEXT_CHARS = 4096
_MAX_TEMPLATES = 32


class Element(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules see of an element."""

    name: str
    """In lower case, in whichever namespace."""
    attributes: dict[str, str]
    """Names in lower case with prefix (``xlink:href``); the first of a name counts."""
    number: int
    """Its place in the document, from 1."""
    text: str = ""
    """Of style and script with data; of title, figcaption and headings the start; empty for all others."""
    picture: int = 0
    """A number shared by all elements of one ``<picture>``; 0 outside of one."""
    link: str | None = None
    """The ``href`` of the nearest ``<a>`` around it."""
    caption: str = ""
    """The ``<figcaption>`` of the nearest ``<figure>`` around it."""
    heading: str = ""
    """The nearest heading before it in the document."""


class _Found(NamedTuple):
    """An element as a parser's adapter yields it; relations as keys that only have to be distinct."""

    name: str
    attributes: dict[str, str]
    text: str
    picture: int
    figure: int
    link: str | None


def parse(html: str, *, parser: str = "fast") -> list[Element]:
    """The elements of a document in document order: those of NAMES, and any with an attribute that may tell
    of an image.

    Raises NotHtml when no parser can make anything of it. No input takes more than time in proportion to its
    length.
    """
    html = made_harmless(html)
    look_at_all = _attributes_may_tell(html)
    adapters = (_by_lexbor, _by_beautifulsoup) if parser == "fast" else (_by_beautifulsoup, _by_lexbor)
    for adapter in adapters:
        try:
            return _elements(list(adapter(html, look_at_all=look_at_all)))
        except (SelectolaxError, ParserRejectedMarkup, ValueError, RuntimeError) as exc:
            log.info("the page can't be parsed %s: %s", adapter.__name__.strip("_").replace("_", " "), exc)
    raise NotHtml("neither parser could make anything of the page")


def _elements(found: list[_Found]) -> list[Element]:
    """With what follows from their order: headings apply to what comes after, captions also to what comes
    before.
    """
    captions: dict[int, str] = {}
    for item in found:
        if item.name == "figcaption" and item.figure:
            captions.setdefault(item.figure, item.text)
    pictures: dict[int, int] = {}
    heading = ""
    elements = []
    for number, item in enumerate(found, start=1):
        if item.name in _HEADINGS:
            heading = item.text or heading
        elements.append(
            Element(
                name=item.name,
                attributes=item.attributes,
                number=number,
                text=item.text,
                picture=pictures.setdefault(item.picture, len(pictures) + 1) if item.picture else 0,
                link=item.link,
                caption=captions.get(item.figure, "") if item.figure else "",
                heading=heading,
            )
        )
    return elements


def _attributes_may_tell(html: str) -> bool:
    """Whether other elements than those of NAMES may refer to images by ``style``, ``background`` or
    ``data-*``.

    Reading attributes is what costs most in a walk; most pages can be walked without.
    """
    html = html.lower()
    return (
        any(
            "url" in value or "image" in value or "\\" in value or "&" in value
            for value in _STYLE.findall(html)
        )
        or any(_DATA_NAME.search(name) or _IMAGE_NAME.search(value) for name, value in _DATA.findall(html))
        or "background=" in html
        or "background =" in html
    )


def _may_tell(attributes: dict[str, str]) -> bool:
    return any(name in ("style", "background") or name.startswith("data-") for name in attributes)


# --- lexbor -----------------------------------------------------------------------------------------------


def _by_lexbor(html: str, *, look_at_all: bool) -> Iterator[_Found]:
    root = LexborHTMLParser(html).root
    walks = [root.traverse()] if root is not None else []
    while walks:
        node = next(walks[-1], None)
        if node is None:
            walks.pop()
            continue
        name = node.tag
        if name is None or name[0] == "-":
            continue
        if name == "template" and len(walks) <= _MAX_TEMPLATES:
            # What a template holds hangs beside the tree
            walks += [fragment.traverse() for fragment in node.template_fragments()[:1]]
        elif name in NAMES or name == "feImage":
            yield _found(
                _LEXBOR, node, name.lower(), {key: value or "" for key, value in node.attributes.items()}
            )
        elif look_at_all:
            attributes = {key: value or "" for key, value in node.attributes.items()}
            if _may_tell(attributes):
                yield _found(_LEXBOR, node, name, attributes)


# --- Beautiful Soup ---------------------------------------------------------------------------------------

_RAW_TEXT = frozenset(
    {"iframe", "noembed", "noframes", "plaintext", "script", "style", "textarea", "title", "xmp"}
)
_START_TAG = re.compile(r"<[a-zA-Z][^<>]*>")
_REFERENCE = re.compile(r"&([a-zA-Z][a-zA-Z0-9]*+)(?!;)(=?)")


def _by_beautifulsoup(html: str, *, look_at_all: bool) -> Iterator[_Found]:
    html = _START_TAG.sub(_with_plain_ampersands, _without_loose_ends(html))
    if "<" not in html:
        return  # Beautiful Soup would take it for a file's name
    soup = BeautifulSoup(
        html,
        "html.parser",
        multi_valued_attributes=None,
        on_duplicate_attribute="ignore",
    )
    walks = [iter(soup.contents)]
    while walks:
        node = next(walks[-1], None)
        if node is None:
            walks.pop()
        elif isinstance(node, Tag):
            name = "img" if node.name == "image" and not _inside_svg(_SOUP, node) else node.name
            attributes = {key: str(value) for key, value in node.attrs.items()}
            if name in NAMES or (look_at_all and name != "template" and _may_tell(attributes)):
                yield _found(_SOUP, node, name, attributes)
            if name not in _RAW_TEXT or _inside_svg(_SOUP, node):
                walks.append(iter(node.contents))


def _without_loose_ends(html: str) -> str:
    """What HTML makes of line ends, and of what is never closed, whose end html.parser seeks again and again.

    Without this a megabyte of ``<!--`` or ``<a '`` takes it hours.
    """
    html = html.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    # Bogus comments end at the next ">", and not at "]]>"; "<?xml" would have Beautiful Soup warn of XML
    html = html.replace("<![", "<!x[").replace("<?", "<!?")
    unclosed = html.find("<!--", html.rfind("-->") + 1)
    if unclosed >= 0:
        html = html[:unclosed]
    end = html.rfind(">") + 1
    return html[:end] + html[end:].replace("<", "&lt;")


def _with_plain_ampersands(tag: re.Match[str]) -> str:
    """``?a=1&section=2`` says section in HTML, not a paragraph sign; html.parser knows since 3.13 only."""
    return _REFERENCE.sub(
        lambda name: f"&amp;{name[1]}{name[2]}" if name[2] or name[1] not in entities else name[0], tag[0]
    )


# --- what both have in common -----------------------------------------------------------------------------


class _Tree(Protocol):
    """How to look at an element of a parser's tree."""

    def name(self, node: Any) -> str: ...
    def key(self, node: Any) -> int: ...
    def attribute(self, node: Any, name: str) -> str | None: ...
    def text(self, node: Any) -> str: ...
    def own_text(self, node: Any) -> str: ...


class _LexborTree:
    def name(self, node: LexborNode) -> str:
        return node.tag or ""

    def key(self, node: LexborNode) -> int:
        return node.mem_id

    def attribute(self, node: LexborNode, name: str) -> str | None:
        attributes = node.attributes
        return (attributes[name] or "") if name in attributes else None

    def text(self, node: LexborNode) -> str:
        return node.text()

    def own_text(self, node: LexborNode) -> str:
        return node.text(deep=False)


class _SoupTree:
    def name(self, node: Tag) -> str:
        return node.name

    def key(self, node: Tag) -> int:
        return id(node)

    def attribute(self, node: Tag, name: str) -> str | None:
        value = node.attrs.get(name)
        return None if value is None else str(value)

    def text(self, node: Tag) -> str:
        return node.get_text()

    def own_text(self, node: Tag) -> str:
        return "".join(str(child) for child in node.contents if not isinstance(child, Tag))


_LEXBOR = _LexborTree()
_SOUP = _SoupTree()


def _found(tree: _Tree, node: Any, name: str, attributes: dict[str, str]) -> _Found:
    text = ""
    picture = figure = 0
    link: str | None = None
    if name in _HEADINGS or name == "figcaption":
        text = tree.text(node)[:_MAX_TEXT_CHARS]
    elif name == "title":
        text = "" if _inside_svg(tree, node) else tree.own_text(node)[:_MAX_TEXT_CHARS]
    elif name == "style" or (name == "script" and "json" in attributes.get("type", "")):
        text = tree.own_text(node)
    if name in _SHOWING or name == "figcaption" or name not in NAMES:
        picture, figure, link = _around(tree, node)
    return _Found(name, attributes, text, picture, figure, link)


def _inside_svg(tree: _Tree, node: Any) -> bool:
    for _ in range(_MAX_ANCESTORS):
        node = node.parent
        if node is None:
            return False
        if tree.name(node) == "svg":
            return True
    return False


def _around(tree: _Tree, node: Any) -> tuple[int, int, str | None]:
    """The picture, the figure and the link that an element stands in, each the nearest."""
    picture = figure = 0
    link: str | None = None
    parent = node.parent
    for _ in range(_MAX_ANCESTORS):
        if parent is None:
            break
        name = tree.name(parent)
        if name == "a" and link is None:
            link = tree.attribute(parent, "href")
        elif name == "figure":
            figure = figure or tree.key(parent)
        elif name == "picture":
            picture = picture or tree.key(parent)
        elif name == "body":
            break
        parent = parent.parent
    return picture, figure, link
