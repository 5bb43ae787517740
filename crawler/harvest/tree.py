"""What the adapters of both parsers share: which elements are kept, and what is noted of each."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from crawler.harvest.extensions import leads_to_image

_MAX_ANCESTORS = 32
_MAX_TEXT_CHARS = 4096

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
        "astro-island",
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


class Tree(Protocol):
    """How to look at an element of a parser's tree."""

    def name(self, node: Any) -> str: ...
    def key(self, node: Any) -> int: ...
    def attribute(self, node: Any, name: str) -> str | None: ...
    def text(self, node: Any) -> str: ...
    def own_text(self, node: Any) -> str: ...


def found(tree: Tree, node: Any, name: str, attributes: dict[str, str]) -> Found:
    """An element of a parser's tree as all that follows sees it."""
    text = ""
    picture = figure = 0
    link: str | None = None
    if name in HEADINGS or name == "figcaption":
        text = tree.text(node)[:_MAX_TEXT_CHARS]
    elif name == "title":
        text = "" if inside_svg(tree, node) else tree.own_text(node)[:_MAX_TEXT_CHARS]
    elif name in ("style", "script"):
        text = tree.own_text(node)
    if name in SHOWING or name == "figcaption" or name not in NAMES:
        picture, figure, link = _around(tree, node)
    return Found(name, attributes, text, picture, figure, link)


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
