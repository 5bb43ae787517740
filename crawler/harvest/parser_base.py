"""What the parsers' adapters share: which elements are kept, what is noted of each, how trees are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol

import msgspec

from crawler.harvest.extensions import IMAGE_NAME, leads_to_image

MAX_ANCESTORS = 32
MAX_TEXT_CHARS = 4096
_MAX_NODES_READ = 256
"""Nodes of an element whose text is read."""

HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
COMPONENTS = frozenset({"b-img", "el-image", "ion-img", "n-image", "nuxt-img", "q-img", "v-img", "van-image"})
"""Images of libraries of components: BootstrapVue, Element, Ionic, Naive UI, Nuxt, Quasar, Vuetify, Vant."""
SHOWING = COMPONENTS | {
    "img", "source", "image", "input", "object", "embed", "video", "amp-img", "amp-anim", "amp-video",
}  # fmt: skip
"""Elements that may show an image."""
NAMES = HEADINGS | SHOWING | {
    "a", "amp-story", "area", "astro-island", "base", "desc", "feimage", "frame", "iframe", "link", "meta", "script",
    "style", "title", "use",
}  # fmt: skip
"""Elements that are always kept."""
_MAX_INLINE = 4
"""Nested inline elements that may begin with the same text."""
_UNREAD = frozenset({"script", "style", "template"})
_BREAKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption", "figure",
        "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "section", "table", "td", "th",
        "tr", "ul",
    }
)  # fmt: skip
"""Elements around which a person sees a gap, where markup may have none."""
_COMMON = frozenset({"alt", "class", "content", "href", "id", "title", "value"})
_TELLING = frozenset({"style", "background", "itemprop", "poster", "property"})

IMAGE_IN_CODE = re.compile(IMAGE_NAME, re.IGNORECASE)
"""For handlers of events."""


class Element(msgspec.Struct, frozen=True, kw_only=True):
    """An element as the rules see it."""

    name: str
    """Name in lower case, in any namespace."""
    attributes: dict[str, str]
    """Attributes by names in lower case with prefix (``xlink:href``); the first of a name counts."""
    number: int
    """Position in the document, from 1."""
    text: str = ""
    """Text of a style or script; start of the text of titles, headings and links; empty for others."""
    picture: int = 0
    """Number shared by all elements of one ``<picture>``; 0 outside one."""
    link: str | None = None
    """Target of the nearest ``<a>`` around it."""
    label: str = ""
    """Accessible name other than ``alt``: ``aria-label`` and the like."""
    hint: str = ""
    """Title of the link or drawing around it, for elements without a ``title``."""
    caption: str = ""
    """Caption (:mod:`crawler.harvest.captions`), or a substitute: what ``aria-describedby`` names, its link's text."""
    heading: str = ""
    """Nearest heading before it in the document."""
    around: str = ""
    """Classes, ids and labels of the nearest elements around a link, a line each."""


class Mark(NamedTuple):
    """A condition on attributes: one contains *part* in any case, or has it as a word, or just exists."""

    attribute: str
    part: str = ""
    is_word: bool = False


class Tree(Protocol):
    """Access to a parser's tree. Nodes are elements, texts and comments; each has a ``parent``, or None."""

    def name(self, node: Any) -> str:
        """Name of an element in lower case; of any other node a text that starts with ``-``, or nothing."""

    def key(self, node: Any) -> int:
        """Identity of a node within this tree, also when the parser makes a new object for it."""

    def attributes(self, node: Any) -> Mapping[str, str]:
        """Attributes of an element."""

    def own_text(self, node: Any) -> str:
        """Text of a text node, or of an element's children that are text nodes; empty for a comment."""

    def text(self, node: Any) -> str:
        """Text within an element as it is; maybe only the start, if it has very many nodes."""

    def sibling(self, node: Any, *, after: bool) -> Any | None:
        """The next or the previous node in its parent."""

    def inside(self, node: Any) -> Iterator[Any]:
        """All descendants of an element, in document order."""

    def find(self, names: Sequence[str], marks: Sequence[Mark]) -> Iterable[Any]:
        """The elements with one of the *names* or *marks*, in document order; an element may come twice."""


def read(tree: Tree, node: Any, *, limit: int = MAX_TEXT_CHARS) -> str:
    """The text of an element as a person reads it, within the first *limit* characters: without scripts, a space for
    each line break, without the pilcrow that generators of manuals append to headings and captions.
    """
    parts = list(islice(tree.inside(node), _MAX_NODES_READ))
    names = [tree.name(part) for part in parts]
    if len(names) == 1 and names[0][:1] == "-":  # only a text, as in most
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
    """*text* with each run of white space as one space."""
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
    """The ancestors of a node, innermost first, at most MAX_ANCESTORS."""
    for _ in range(MAX_ANCESTORS):
        node = node.parent
        if node is None:
            return
        yield node


def inside_svg(tree: Tree, node: Any) -> bool:
    return any(tree.name(around) == "svg" for around in ancestors(node))


def link_target(attributes: Mapping[str, str]) -> str | None:
    """The target of an ``<a>``: its ``data-src`` where that alone is an image, for a lightbox; else its ``href``."""
    href = attributes.get("href")
    if "data-src" not in attributes or (href and leads_to_image(href)):
        return href
    shown = attributes["data-src"]
    return shown if leads_to_image(shown) else href


def media_type(element: Element) -> str:
    """The ``type`` of an element without parameters, in lower case; empty for none."""
    return element.attributes.get("type", "").partition(";")[0].strip().lower()


def may_tell(attributes: dict[str, str]) -> bool:
    """Whether an element beyond NAMES may refer to an image."""
    return any(
        name in _TELLING
        or name.startswith("data-")
        or (name not in _COMMON and (leads_to_image(value) or value[:1] in ("{", "[") or "url(" in value))
        or (name[:2] == "on" and IMAGE_IN_CODE.search(value) is not None)
        for name, value in attributes.items()
    )
