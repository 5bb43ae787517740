"""What a document says of each of its elements beyond their own attributes, as a person reads it there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import unescape
from typing import Any, NamedTuple

from crawler.harvest.caption_names import ELEMENTS, MARKS
from crawler.harvest.captions import Captions
from crawler.harvest.extensions import leads_to_image
from crawler.harvest.inline import is_inline
from crawler.harvest.tree import (
    HEADINGS,
    MAX_ANCESTORS,
    MAX_TEXT_CHARS,
    NAMES,
    SHOWING,
    Found,
    Tree,
    inside_svg,
    read,
)

_MAX_LINK_CHARS = 150
"""Of the text in a link beside its picture; more is the teaser of an article."""
_MAX_IDS = 8
"""Of one ``aria-labelledby`` or ``aria-describedby``."""
_TRANSPARENT = frozenset({"a", "noscript", "span"})
"""What scripts and editors put between a picture and its parts."""
_FRAMES = frozenset({"iframe", "frame"})
_DESCRIPTIONS = ("aria-describedby", "aria-details")
_BY_ID = ("aria-labelledby", *_DESCRIPTIONS)
_LIGHTBOXES = ("data-caption", "data-sub-html", "data-image-caption", "data-title")
"""From where lightboxes take captions: fancybox, lightgallery, Jetpack's carousel; the last of links only."""
_TAG = re.compile(r"<[^<>]*>")


class _Seen(NamedTuple):
    """An element, where it stands, and which picture it is or is a part of; 0 stands for none."""

    node: Any
    name: str
    attributes: dict[str, str]
    text: str = ""
    picture: int = 0
    link: int = 0
    number: int = 0
    in_noscript: bool = False
    around: tuple[int, ...] = ()
    """The keys of the elements around what is drawn in SVG, from the inside."""


class Words:
    """All elements of one document that may matter, in document order, then what is said of each."""

    def __init__(self, tree: Tree, *, captions: bool) -> None:
        """Without *captions* none are looked for."""
        self._tree = tree
        self._captions = Captions(tree) if captions else None
        self._seen: list[_Seen] = []
        self._numbers: dict[int, int] = {}
        self._shown: _Seen | None = None
        """The picture before."""
        self._links: dict[int, _Seen] = {}
        self._linked: dict[int, set[int]] = {}
        """The pictures in each link."""
        self._drawn: dict[tuple[int, str], str] = {}
        """``<title>`` and ``<desc>`` in SVG, by what they are of."""
        self._by_id: dict[str, str] = {}

    def add(self, node: Any, name: str, attributes: dict[str, str]) -> None:
        seen = _Seen(node, name, attributes)
        if name in SHOWING or name not in NAMES:
            seen = self._surrounded(seen)
        elif name == "a":
            self._links[self._tree.key(node)] = seen
        elif name in _FRAMES:
            self._surrounded(seen)
        elif name in HEADINGS:
            seen = seen._replace(text=read(self._tree, node))
        elif name in ("title", "desc"):
            seen = self._titled(seen)
        elif name in ("style", "script"):
            seen = seen._replace(text=self._tree.own_text(node))
        self._seen.append(seen)

    def _titled(self, seen: _Seen) -> _Seen:
        text = self._tree.own_text(seen.node)[:MAX_TEXT_CHARS]
        if not inside_svg(self._tree, seen.node):
            return seen._replace(text=text) if seen.name == "title" else seen
        self._drawn.setdefault((self._tree.key(seen.node.parent), seen.name), _on_one_line(text))
        return seen

    # --- where an element stands --------------------------------------------------------------------------

    def _surrounded(self, seen: _Seen) -> _Seen:
        """With the nearest picture, link and noscript around it.

        A picture is made of its children (HTML, "the picture element"): one that is never closed does not take in what
        follows.
        """
        tree = self._tree
        around = [tree.key(seen.node)]
        picture = link = 0
        is_part, in_noscript = True, False
        parent = seen.node.parent
        for _ in range(MAX_ANCESTORS):
            if parent is None or (name := tree.name(parent)) == "body":
                break
            key = tree.key(parent)
            around.append(key)
            if name == "a":
                link = link or key
            elif name == "picture":
                picture = key if is_part else picture
            elif name == "noscript":
                in_noscript = True
            is_part = is_part and name in _TRANSPARENT
            parent = parent.parent
        seen = seen._replace(picture=picture, link=link, in_noscript=in_noscript)
        if seen.name in ("image", "use"):
            seen = seen._replace(around=tuple(around))
        return self._numbered(seen, around) if _is_shown(seen) else seen

    def _numbered(self, seen: _Seen, around: Sequence[int]) -> _Seen:
        before, self._shown = self._shown, seen
        if before is not None and before.in_noscript != seen.in_noscript and _show_the_same(before, seen):
            number = before.number
        else:
            number = self._numbers.setdefault(seen.picture or around[0], len(self._numbers) + 1)
        self._shown = seen = seen._replace(number=number)
        if self._captions is not None:
            self._captions.add_picture(number, around)
        if seen.link:
            self._linked.setdefault(seen.link, set()).add(number)
        return seen

    # --- what is said of it -------------------------------------------------------------------------------

    def found(self) -> list[Found]:
        captions: dict[int, str] = {}
        if self._captions is not None:
            for node in self._tree.find(ELEMENTS, MARKS):
                self._captions.add(node)
            captions = self._captions.of_pictures()
        self._read_what_is_named()
        return [self._found(seen, captions.get(seen.number, "")) for seen in self._seen]

    def _read_what_is_named(self) -> None:
        """The text of each element whose id a picture gives."""
        wanted = {name for seen in self._seen if seen.number for name in _ids(seen, *_BY_ID)}
        for node in self._tree.find((), (("id", ""),)) if wanted else ():
            name = self._tree.attributes(node)["id"]
            if name in wanted:
                wanted.discard(name)
                self._by_id[name] = _on_one_line(read(self._tree, node))

    def _found(self, seen: _Seen, caption: str) -> Found:
        link = self._links.get(seen.link)
        may_be_picture = seen.number or seen.name == "a"
        return Found(
            name=seen.name,
            attributes=seen.attributes,
            text=seen.text,
            picture=seen.picture,
            link=None if link is None else link.attributes.get("href"),
            label=next(filter(None, self._labels(seen)), "") if may_be_picture else "",
            hint=next(filter(None, self._hints(seen, link)), "") if may_be_picture else "",
            caption=caption
            or (next(filter(None, self._captions_of(seen, link)), "") if may_be_picture else ""),
        )

    def _labels(self, seen: _Seen) -> Iterator[str]:
        """Its accessible names but for ``alt`` (Accessible Name and Description Computation 1.2, section 4.3)."""
        yield self._named_by(seen, "aria-labelledby")
        yield seen.attributes.get("aria-label", "")
        yield self._drawn_for(seen, "title")

    def _hints(self, seen: _Seen, link: _Seen | None) -> Iterator[str]:
        if link is not None:
            yield link.attributes.get("title", "")
        yield self._drawn_for(seen, "title")

    def _captions_of(self, seen: _Seen, link: _Seen | None) -> Iterator[str]:
        """What stands in for a caption, the likeliest first."""
        for attribute in _DESCRIPTIONS:
            yield self._named_by(seen, attribute)
        for holder in (seen, link) if link is not None else (seen,):
            yield from _for_lightboxes(holder)
        yield self._drawn_for(seen, "desc")
        if link is not None and len(self._linked.get(seen.link, ())) == 1:
            yield self._text_of(link)
        elif seen.name == "a" and self._is_named_by_its_text(seen):
            yield self._text_of(seen)

    def _named_by(self, seen: _Seen, attribute: str) -> str:
        return " ".join(filter(None, (self._by_id.get(name) for name in _ids(seen, attribute))))

    def _drawn_for(self, seen: _Seen, name: str) -> str:
        texts = (self._drawn.get((key, name), "") for key in seen.around)
        return next(filter(None, texts), "") if self._drawn else ""

    def _is_named_by_its_text(self, link: _Seen) -> bool:
        """Whether the link to a picture shows none itself."""
        return (
            leads_to_image(link.attributes.get("href", "")) and self._tree.key(link.node) not in self._linked
        )

    def _text_of(self, link: _Seen) -> str:
        """Beside its picture, or in place of it."""
        text = _on_one_line(read(self._tree, link.node, limit=4 * _MAX_LINK_CHARS))
        return text if len(text) <= _MAX_LINK_CHARS else ""


def _is_shown(seen: _Seen) -> bool:
    """Whether it is a picture, or something else of which captions are made: no caption of these is a picture's."""
    if seen.name in NAMES:
        is_source, is_input = seen.name == "source", seen.name == "input"
        return seen.picture != 0 if is_source else not is_input or seen.attributes.get("type", "") == "image"
    return any(
        "url(" in value or leads_to_image(value) or (name.startswith("data-") and "bg" in name)
        for name, value in seen.attributes.items()
    )


def _show_the_same(one: _Seen, other: _Seen) -> bool:
    """Whether one of them stands in for the other where there are no scripts."""
    references = [
        {value for name, value in seen.attributes.items() if "src" in name and not is_inline(value)}
        for seen in (one, other)
    ]
    return not references[0].isdisjoint(references[1])


def _ids(seen: _Seen, *attributes: str) -> Iterator[str]:
    for attribute in attributes:
        if value := seen.attributes.get(attribute):
            yield from value[:MAX_TEXT_CHARS].split()[:_MAX_IDS]


def _for_lightboxes(seen: _Seen) -> Iterator[str]:
    for name in _LIGHTBOXES if seen.name == "a" else _LIGHTBOXES[:-1]:
        value = seen.attributes.get(name, "")
        if value and value[0] not in "#.{[":  # no selector, no data of a script
            yield _on_one_line(unescape(_TAG.sub(" ", value[:MAX_TEXT_CHARS])))


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
