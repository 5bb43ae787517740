"""What a document says of each of its elements beyond their own attributes, as a person reads it there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
_OF_PICTURES = ("data-caption", "data-sub-html", "data-image-caption")
_OF_LINKS = (*_OF_PICTURES, "data-title")
"""From where lightboxes take captions: fancybox, lightgallery, Jetpack's carousel, lightbox2."""
_TAG = re.compile(r"<[^<>]*>")


class _Picture(NamedTuple):
    """A picture, or what may be one, and where it stands; 0 stands for none."""

    place: int
    """Among the elements of the document."""
    node: Any
    name: str
    attributes: dict[str, str]
    picture: int = 0
    link: int = 0
    number: int = 0
    """The same for all elements of one picture."""
    in_noscript: bool = False
    around: tuple[int, ...] = ()
    """The keys of the elements around what is drawn in SVG, from the inside."""


class _Link(NamedTuple):
    place: int
    node: Any
    attributes: dict[str, str]


class Words:
    """All elements of one document that may matter, in document order, then what is said of each."""

    def __init__(self, tree: Tree, *, captions: bool) -> None:
        """Without *captions* none are looked for."""
        self._tree = tree
        self._captions = Captions(tree) if captions else None
        self._found: list[Found] = []
        self._pictures: list[_Picture] = []
        self._numbers: dict[int, int] = {}
        self._links: dict[int, _Link] = {}
        self._linked: dict[int, set[int]] = {}
        """The pictures in each link."""
        self._drawn: dict[tuple[int, str], str] = {}
        """``<title>`` and ``<desc>`` in SVG, by what they are of."""
        self._by_id: dict[str, str] = {}

    def add(self, node: Any, name: str, attributes: dict[str, str]) -> None:
        text = ""
        if name == "a":
            self._links[self._tree.key(node)] = _Link(len(self._found), node, attributes)
        elif name in SHOWING or name in _FRAMES or name not in NAMES:
            self._pictures.append(self._surrounded(_Picture(len(self._found), node, name, attributes)))
        elif name in HEADINGS:
            text = read(self._tree, node)
        elif name in ("title", "desc"):
            text = self._titled(node, name)
        elif name in ("style", "script"):
            text = self._tree.own_text(node)
        self._found.append(Found(name, attributes, text))

    def _titled(self, node: Any, name: str) -> str:
        text = self._tree.own_text(node)[:MAX_TEXT_CHARS]
        if not inside_svg(self._tree, node):
            return text if name == "title" else ""
        self._drawn.setdefault((self._tree.key(node.parent), name), _on_one_line(text))
        return ""

    # --- where an element stands --------------------------------------------------------------------------

    def _surrounded(self, shown: _Picture) -> _Picture:
        """With the nearest picture, link and noscript around it.

        A picture is made of its children (HTML, "the picture element"): one that is never closed does not take in what
        follows.
        """
        tree = self._tree
        around = [tree.key(shown.node)]
        picture = link = 0
        is_part, in_noscript = True, False
        parent = shown.node.parent
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
        shown = shown._replace(picture=picture, link=link, in_noscript=in_noscript)
        if shown.name in ("image", "use"):
            shown = shown._replace(around=tuple(around))
        return self._numbered(shown, around) if _is_shown(shown) else shown

    def _numbered(self, shown: _Picture, around: Sequence[int]) -> _Picture:
        before = self._pictures[-1] if self._pictures else None
        if before is not None and before.in_noscript != shown.in_noscript and _show_the_same(before, shown):
            number = before.number
        else:
            number = self._numbers.setdefault(shown.picture or around[0], len(self._numbers) + 1)
        shown = shown._replace(number=number)
        if self._captions is not None:
            self._captions.add_picture(number, around)
        if shown.link:
            self._linked.setdefault(shown.link, set()).add(number)
        return shown

    # --- what is said of it -------------------------------------------------------------------------------

    def found(self) -> list[Found]:
        captions: dict[int, str] = {}
        if self._captions is not None:
            for node in self._tree.find(ELEMENTS, MARKS):
                self._captions.add(node)
            captions = self._captions.of_pictures()
        self._read_what_is_named()
        for picture in self._pictures:
            self._found[picture.place] = self._told(picture, captions.get(picture.number, ""))
        for key, link in self._links.items():
            if leads_to_image(link.attributes.get("href", "")):
                self._found[link.place] = self._told_of_link(link, holds_picture=key in self._linked)
        return self._found

    def _read_what_is_named(self) -> None:
        """The text of each element whose id a picture gives."""
        wanted = {name for picture in self._pictures for name in _ids(picture.attributes, *_BY_ID)}
        for node in self._tree.find((), (("id", ""),)) if wanted else ():
            name = self._tree.attributes(node)["id"]
            if name in wanted:
                wanted.discard(name)
                self._by_id[name] = _on_one_line(read(self._tree, node))

    def _told(self, picture: _Picture, caption: str) -> Found:
        link = self._links.get(picture.link)
        return self._found[picture.place]._replace(
            picture=picture.picture,
            link=None if link is None else link.attributes.get("href"),
            label=_first(self._labels(picture)),
            hint=_first(self._hints(picture, link)),
            caption=caption or _first(self._captions_of(picture, link)),
        )

    def _told_of_link(self, link: _Link, *, holds_picture: bool) -> Found:
        """Of one that leads to a picture; where it shows none, its text stands in place of it."""
        captions = (*_for_lightboxes(link.attributes), "" if holds_picture else self._text_of(link))
        return self._found[link.place]._replace(
            label=link.attributes.get("aria-label", ""), caption=_first(captions)
        )

    def _labels(self, picture: _Picture) -> Iterator[str]:
        """Its accessible names but for ``alt`` (Accessible Name and Description Computation 1.2, section 4.3)."""
        yield self._named_by(picture, "aria-labelledby")
        yield picture.attributes.get("aria-label", "")
        yield self._drawn_for(picture, "title")

    def _hints(self, picture: _Picture, link: _Link | None) -> Iterator[str]:
        if link is not None:
            yield link.attributes.get("title", "")
        yield self._drawn_for(picture, "title")

    def _captions_of(self, picture: _Picture, link: _Link | None) -> Iterator[str]:
        """What stands in for a caption, the likeliest first."""
        for attribute in _DESCRIPTIONS:
            yield self._named_by(picture, attribute)
        yield from _for_lightboxes(picture.attributes, *_OF_PICTURES)
        if link is not None:
            yield from _for_lightboxes(link.attributes)
        yield self._drawn_for(picture, "desc")
        if link is not None and len(self._linked.get(picture.link, ())) == 1:
            yield self._text_of(link)

    def _named_by(self, picture: _Picture, attribute: str) -> str:
        if not self._by_id:
            return ""
        return " ".join(filter(None, map(self._by_id.get, _ids(picture.attributes, attribute))))

    def _drawn_for(self, picture: _Picture, name: str) -> str:
        if not self._drawn:
            return ""
        return _first(self._drawn.get((key, name), "") for key in picture.around)

    def _text_of(self, link: _Link) -> str:
        text = _on_one_line(read(self._tree, link.node, limit=4 * _MAX_LINK_CHARS))
        return text if len(text) <= _MAX_LINK_CHARS else ""


def _is_shown(picture: _Picture) -> bool:
    """Whether it is a picture, or something else of which captions are made: no caption of these is a picture's."""
    if picture.name == "source":
        return picture.picture != 0
    if picture.name in NAMES:
        return picture.name != "input" or picture.attributes.get("type", "").lower() == "image"
    return any(
        "url(" in value or leads_to_image(value) or (name.startswith("data-") and "bg" in name)
        for name, value in picture.attributes.items()
    )


def _show_the_same(one: _Picture, other: _Picture) -> bool:
    """Whether one of them stands in for the other where there are no scripts."""
    references = [
        {value for name, value in picture.attributes.items() if "src" in name and not is_inline(value)}
        for picture in (one, other)
    ]
    return not references[0].isdisjoint(references[1])


def _ids(attributes: Mapping[str, str], *names: str) -> Iterator[str]:
    for name in names:
        if value := attributes.get(name):
            yield from value[:MAX_TEXT_CHARS].split()[:_MAX_IDS]


def _for_lightboxes(attributes: Mapping[str, str], *names: str) -> Iterator[str]:
    for name in names or _OF_LINKS:
        value = attributes.get(name)
        if value and value[0] not in "#.{[":  # a selector, or data of a script
            yield _on_one_line(unescape(_TAG.sub(" ", value[:MAX_TEXT_CHARS])))


def _first(texts: Iterable[str]) -> str:
    return next(filter(None, texts), "")


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
