"""What the adapters of both parsers share: which elements are kept, and what is noted of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple, Protocol

from crawler.harvest.extensions import leads_to_image

_MAX_ANCESTORS = 32
_MAX_TEXT_CHARS = 4096
_MAX_LABEL_NODES = 12
_MAX_LABEL_CHARS = 200
_MARK_CHARS = 6
_LETTER = re.compile(r"[^\W\d_]")
_HOLDING_LINKS = frozenset({"div", "li", "nav", "span"})
"""What sites give a class that says where the link in it leads."""
_NEAR_MARK = 4  # as in <nav><div class=pagination><ul><li><a>3</a>
_NAMING = ("class", "id", "aria-label")
_PASSED_OVER = frozenset({"a", "tbody"})  # not every parser has them there
_OUTERMOST = frozenset({"body", "html"})

HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
SHOWING = frozenset(
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
        "amp-video",
    }  # inside something that tells
)
NAMES = (
    HEADINGS
    | SHOWING
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
        "use",
    }
)
"""Elements that are always kept."""


_TRANSPARENT = frozenset({"a", "noscript", "span"})
"""What scripts and editors put between a picture and its parts."""
_COMMON = frozenset({"alt", "class", "content", "href", "id", "title", "value"})
_TELLING = frozenset({"style", "background", "itemprop", "property"})


class ParserRefusedError(Exception):
    """The parser can make nothing of the page."""


class Found(NamedTuple):
    """An element as a parser's adapter yields it; relations as keys that only have to be distinct."""

    name: str
    attributes: dict[str, str]
    text: str
    picture: int
    figure: int
    link: str | None
    around: str = ""


class Tree(Protocol):
    """How to look at an element of a parser's tree."""

    def name(self, node: Any) -> str: ...
    def key(self, node: Any) -> int: ...
    def attribute(self, node: Any, name: str) -> str | None: ...
    def attributes(self, node: Any) -> Mapping[str, Any]: ...
    def text(self, node: Any) -> str: ...
    def own_text(self, node: Any) -> str: ...
    def only_text(self, node: Any) -> str | None:
        """All that is within an element, if that is a text or nothing; else None. It saves time: most links are so."""
        ...

    def within(self, node: Any) -> Iterable[Any]:
        """Its descendants in document order: elements, texts and perhaps comments."""
        ...

    def string(self, node: Any) -> str | None:
        """What a text says; None of anything else."""
        ...


def found(tree: Tree, node: Any, name: str, attributes: dict[str, str]) -> Found:
    """An element of a parser's tree as all that follows sees it."""
    text = around = ""
    picture = figure = 0
    link: str | None = None
    if name == "a":
        text = _label(tree, node)
        around = _classes_around(tree, node, is_mark=len(text) <= _MARK_CHARS and not _LETTER.search(text))
    elif name in HEADINGS or name == "figcaption":
        text = tree.text(node)[:_MAX_TEXT_CHARS]
    elif name == "title":
        text = "" if inside_svg(tree, node) else tree.own_text(node)[:_MAX_TEXT_CHARS]
    elif name in ("style", "script"):
        text = tree.own_text(node)
    if name in SHOWING or name == "figcaption" or name not in NAMES:
        picture, figure, link = _around(tree, node)
    return Found(name, attributes, text, picture, figure, link, around)


def _label(tree: Tree, link: Any) -> str:
    """What a link says: its text, and that of images in it; the start, if it holds much."""
    only = tree.only_text(link)
    if only is not None:
        return " ".join(only[: 2 * _MAX_LABEL_CHARS].split())[:_MAX_LABEL_CHARS]
    parts: list[str] = []
    for node in islice(tree.within(link), _MAX_LABEL_NODES):
        text = tree.string(node)
        if text is None:
            name = tree.name(node)
            if name == "a":
                break  # html.parser has links in links
            text = tree.attribute(node, "alt") or "" if name == "img" else ""
        parts.append(text[:_MAX_LABEL_CHARS])
    return " ".join(" ".join(parts).split())[:_MAX_LABEL_CHARS]


def _classes_around(tree: Tree, node: Any, *, is_mark: bool) -> str:
    """The classes, identifiers and names of the nearest elements around a link, a line each; of more of them around a
    mark, which says little itself.
    """
    if node.parent is None or (not is_mark and tree.name(node.parent) not in _HOLDING_LINKS):
        return ""
    levels = _NEAR_MARK if is_mark else 1
    lines: list[str] = []
    for _ in range(_MAX_ANCESTORS):
        node = node.parent
        if node is None or len(lines) == levels or (name := tree.name(node)) in _OUTERMOST:
            break
        if name not in _PASSED_OVER:
            attributes = tree.attributes(node)
            lines.append(
                " ".join([attributes.get(name) or "" for name in _NAMING]).strip() if attributes else ""
            )
    return "\n".join(lines).rstrip("\n")


def inside_svg(tree: Tree, node: Any) -> bool:
    for _ in range(_MAX_ANCESTORS):
        node = node.parent
        if node is None:
            return False
        if tree.name(node) == "svg":
            return True
    return False


def _around(tree: Tree, node: Any) -> tuple[int, int, str | None]:
    """The picture, the figure and the link that an element stands in, each the nearest.

    A picture is made of its children (HTML, "the picture element"): one that is never closed does not take in what
    follows.
    """
    picture = figure = 0
    is_part = True
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
            picture = tree.key(parent) if is_part else picture
        elif name == "body":
            break
        is_part = is_part and name in _TRANSPARENT
        parent = parent.parent
    return picture, figure, link


def may_tell(attributes: dict[str, str]) -> bool:
    """Whether an element that is not of NAMES may refer to an image."""
    return any(
        name in _TELLING or name.startswith("data-") or (name not in _COMMON and leads_to_image(value))
        for name, value in attributes.items()
    )
