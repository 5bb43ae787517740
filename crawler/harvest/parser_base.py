"""What the adapters of the parsers share: which elements are kept, what is noted of each, and how to look at a tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol

import msgspec

from crawler.harvest.extensions import leads_to_image

MAX_ANCESTORS = 32
MAX_TEXT_CHARS = 4096
_MAX_NODES_READ = 256
"""Of an element whose text is read."""

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
        "desc",
        "feimage",
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


_MAX_INLINE = 4
"""Elements that begin with the same text."""
_UNREAD = frozenset({"script", "style", "template"})
_BREAKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption", "figure",
        "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "section", "table", "td", "th",
        "tr", "ul",
    }
)  # fmt: skip
"""Between what is before and after them a person sees a gap, where markup may have none."""
_COMMON = frozenset({"alt", "class", "content", "href", "id", "title", "value"})
_TELLING = frozenset({"style", "background", "itemprop", "property"})


class ParserRefusedError(Exception):
    """The parser can make nothing of the page."""


class Element(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules see of an element."""

    name: str
    """In lower case, in whichever namespace."""
    attributes: dict[str, str]
    """Names in lower case with prefix (``xlink:href``); the first of a name counts."""
    number: int
    """Its place in the document, from 1."""
    text: str = ""
    """Of style and script; of title, headings and links the start; empty for all others."""
    picture: int = 0
    """A number shared by all elements of one ``<picture>``; 0 outside of one."""
    link: str | None = None
    """The ``href`` of the nearest ``<a>`` around it."""
    label: str = ""
    """What else names it, for where its ``alt`` is empty: ``aria-label`` and its like."""
    hint: str = ""
    """The title of what it stands in, for where it has no ``title``: a link, a drawing."""
    caption: str = ""
    """As :mod:`crawler.harvest.captions` finds it, or what stands in for one: what ``aria-describedby`` names, the
    text of the link that is made of it.
    """
    heading: str = ""
    """The nearest heading before it in the document."""
    around: str = ""
    """Of a link: the classes, identifiers and names of the nearest elements around it, a line each."""


class Mark(NamedTuple):
    """What an element may have: an attribute with this part in it, in any case; or as a word; or just the attribute."""

    attribute: str
    part: str = ""
    is_word: bool = False


class Tree(Protocol):
    """How to look at a parser's tree. Its nodes are elements, texts and comments; each has a ``parent``, or None."""

    def name(self, node: Any) -> str:
        """Of an element, in lower case; of any other node something that starts with ``-``, or nothing."""

    def key(self, node: Any) -> int:
        """What tells a node of this tree from all others, also when the parser makes a new object for it."""

    def attributes(self, node: Any) -> Mapping[str, str]:
        """Of an element."""

    def own_text(self, node: Any) -> str:
        """Of a text, and of an element the texts that are its children; of a comment nothing."""

    def text(self, node: Any) -> str:
        """All of it that is within an element, as it is; maybe only the start, if it holds very many nodes."""

    def sibling(self, node: Any, *, after: bool) -> Any | None:
        """The node that follows it in its parent, or the one before it."""

    def inside(self, node: Any) -> Iterator[Any]:
        """All nodes inside of an element, in document order."""

    def find(self, names: Sequence[str], marks: Sequence[Mark]) -> Iterable[Any]:
        """The elements of the document that have one of the *names* or of the *marks*, in document order; one of them
        maybe twice.
        """


def read(tree: Tree, node: Any, *, limit: int = MAX_TEXT_CHARS) -> str:
    """The text of an element as a person reads it: without scripts, with a space for each line break, and without the
    pilcrow that generators of manuals hang to headings and captions. Looks no further than at *limit* characters.
    """
    parts = list(islice(tree.inside(node), _MAX_NODES_READ))
    names = [tree.name(part) for part in parts]
    if len(names) == 1 and names[0][:1] == "-":  # nothing but a text, as most
        return _without_pilcrow(tree.own_text(parts[0])[:limit])
    is_plain = _BREAKS.isdisjoint(names) and _UNREAD.isdisjoint(names)
    pieces: list[str] = []
    left = limit
    for part, name in zip(parts, names, strict=True):
        if name[:1] != "-":
            pieces.append(" " if name in _BREAKS else "")
        elif is_plain or tree.name(part.parent) not in _UNREAD:
            pieces.append(" " if not is_plain and _follows_break(tree, part) else "")
            pieces.append(tree.own_text(part))
            left -= len(pieces[-1])
            if left <= 0:
                break
    return _without_pilcrow("".join(pieces)[:limit])


def _without_pilcrow(text: str) -> str:
    return text.rstrip().removesuffix("\u00b6")


def on_one_line(text: str) -> str:
    """Without the line breaks and the runs of white space in it."""
    return " ".join(text.split())


def _follows_break(tree: Tree, node: Any) -> bool:
    """Whether a block ends before a text, or before the inline elements that begin with it."""
    for _ in range(_MAX_INLINE):
        before = tree.sibling(node, after=False)
        if before is not None:
            return tree.name(before) in _BREAKS
        node = node.parent
        if node is None or tree.name(node) in _BREAKS:
            return False
    return False


def ancestors(node: Any) -> Iterator[Any]:
    """The elements around a node, from the inside, up to MAX_ANCESTORS of them."""
    for _ in range(MAX_ANCESTORS):
        node = node.parent
        if node is None:
            return
        yield node


def inside_svg(tree: Tree, node: Any) -> bool:
    return any(tree.name(around) == "svg" for around in ancestors(node))


def link_target(attributes: Mapping[str, str]) -> str | None:
    """Where an ``<a>`` leads: its ``href``, unless that is no image, and a lightbox shows that of its ``data-src``."""
    href = attributes.get("href")
    if "data-src" not in attributes or (href and leads_to_image(href)):
        return href
    shown = attributes["data-src"]
    return shown if leads_to_image(shown) else href


def may_tell(attributes: dict[str, str]) -> bool:
    """Whether an element that is not of NAMES may refer to an image."""
    return any(
        name in _TELLING or name.startswith("data-") or (name not in _COMMON and leads_to_image(value))
        for name, value in attributes.items()
    )
