"""Adds to each element what the document says of it beyond its own attributes, as a person reads it there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import unescape
from typing import Any, NamedTuple

import msgspec

from crawler.harvest.caption_names import ELEMENTS
from crawler.harvest.captions import Captions
from crawler.harvest.data_urls import is_inline
from crawler.harvest.extensions import leads_to_image
from crawler.harvest.headings import Headings
from crawler.harvest.link_words import of_link
from crawler.harvest.parser_base import (
    HEADINGS,
    MAX_TEXT_CHARS,
    NAMES,
    SHOWING,
    Element,
    Mark,
    Tree,
    ancestors,
    inside_svg,
    link_target,
    on_one_line,
    read,
)

_MAX_LINK_CHARS = 150
"""Length of the text in a link beside its picture; a longer one is the teaser of an article."""
_MAX_LEVELS = 10
"""Levels from a picture up to its figure."""
_MAX_IDS = 8
"""Ids of one ``aria-labelledby`` or ``aria-describedby``."""
_TRANSPARENT = frozenset({"a", "noscript", "span"})
"""Elements that scripts and editors put between a picture and its parts."""
_FRAMES = frozenset({"iframe", "frame"})
_DESCRIPTIONS = ("aria-describedby", "aria-details")
_BY_ID = ("aria-labelledby", *_DESCRIPTIONS)
_OF_PICTURES = (
    "data-caption", "data-sub-html", "data-image-caption", "data-description", "data-image-description", "data-desc",
    "data-elementor-lightbox-description", "data-pswp-caption", "data-lcl-txt", "data-footer", "aria-description",
)  # fmt: skip
_TITLES = ("data-title", "data-image-title", "data-elementor-lightbox-title", "data-lcl-title")
_OF_LINKS = (*_OF_PICTURES, *_TITLES)
"""Attributes from which lightboxes take captions: fancybox, lightgallery, Jetpack's carousel, lightbox2 …"""
_DRAWN = frozenset({"image", "use", "feimage"})
_SAYING = frozenset({"aria-label", "data-alt", *_BY_ID, *_OF_LINKS})
_TAG = re.compile(r"<[^<>]*>")
_OF_GLIGHTBOX = re.compile(r"(?:^|;)\s*+(title|description)\s*+:\s*+([^;]*+)")
"""``data-glightbox="title: The castle; description: By night"``"""


class _Picture(NamedTuple):
    """An element that may show a picture, and its place in the document."""

    node: Any
    place: int
    """Index among the elements of the document."""
    attributes: dict[str, str]
    number: int
    """Number of the picture; all elements that show it share the number."""
    above: list[Any]
    """The elements around it, from the inside."""
    link: Any | None
    """The nearest link around it."""
    link_attributes: Mapping[str, str]
    in_noscript: bool


class ElementWords:
    """Collects the elements of one document in document order, then returns them with what is said of each."""

    def __init__(self, tree: Tree, *, marks: Sequence[Mark], turns: bool = True) -> None:
        """*marks* are what captions may have; *turns*: attributes around a link may say that it turns a page."""
        self._turns = turns
        self._tree = tree
        self._marks = marks
        self._captions = Captions(tree) if marks else None
        self._elements: list[Element] = []
        self._headings = Headings(tree)
        self._pictures: list[_Picture] = []
        self._numbers: dict[int, int] = {}
        """Numbers of pictures, by the key of the ``<picture>``, or else of the element."""
        self._links_to_pictures: list[tuple[int, Any]] = []
        """Links to images, each with its index among the elements."""
        self._linked: dict[int, set[int]] = {}
        """The pictures in each link."""
        self._drawn: dict[tuple[int, str], str] = {}
        """The text of ``<title>`` and ``<desc>`` in SVG, by their parent."""
        self._figures: dict[int, dict[str, str]] = {}
        """The attributes of figures around pictures."""
        self._by_id: dict[str, str] = {}

    def add(self, node: Any, name: str, attributes: dict[str, str]) -> None:
        if name == "a":  # most elements are links
            self._add_link(node, attributes)
            return
        text = ""
        picture, link, heading = 0, None, self._headings.latest
        if name in SHOWING or name in _FRAMES or name not in NAMES:
            # Without attributes it refers to nothing; very many such elements may be nested. Videos have captions
            if attributes or name == "video":
                picture, link, heading = self._add_picture(node, name, attributes)
        elif name in HEADINGS:
            text = read(self._tree, node)
            heading = self._headings.add(node, text)
        elif name in ("title", "desc"):
            text = self._titled(node, name)
        elif name in ("style", "script"):
            text = self._tree.own_text(node)
        self._elements.append(
            Element(
                name=name,
                attributes=attributes,
                number=len(self._elements) + 1,
                text=text,
                picture=picture,
                link=link,
                heading=heading,
            )
        )

    def _add_link(self, node: Any, attributes: dict[str, str]) -> None:
        elements, heading = self._elements, self._headings.latest
        href = link_target(attributes) if "data-src" in attributes else attributes.get("href")
        if href and leads_to_image(href):
            self._links_to_pictures.append((len(elements), node))
            heading = self._headings.of(node)
        # manuals have an anchor without a reference for each heading
        text, around = of_link(self._tree, node, around=self._turns) if "href" in attributes else ("", "")
        number = len(elements) + 1
        elements.append(
            Element(name="a", attributes=attributes, number=number, text=text, heading=heading, around=around)
        )

    def _titled(self, node: Any, name: str) -> str:
        text = self._tree.own_text(node)[:MAX_TEXT_CHARS]
        if not inside_svg(self._tree, node):
            return text if name == "title" else ""
        self._drawn.setdefault((self._tree.key(node.parent), name), on_one_line(text))
        return ""

    def _add_picture(self, node: Any, name: str, attributes: dict[str, str]) -> tuple[int, str | None, str]:
        """The number of the ``<picture>`` around it, the target of the link around it, and its heading; the nearest.

        A picture consists of its children (HTML, "the picture element"): an unclosed one does not contain what follows.
        """
        above: list[Any] = []
        picture = link = None
        is_part, in_noscript = True, False
        for parent in ancestors(node):
            if (around := self._tree.name(parent)) == "body":
                break
            above.append(parent)
            if around == "a":
                link = link or parent
            elif around == "picture":
                picture = parent if is_part else picture
            elif around == "noscript":
                in_noscript = True
            elif around == "figure":
                self._add_figure(parent)
            is_part = is_part and around in _TRANSPARENT
        number = self._numbers.setdefault(
            self._tree.key(node if picture is None else picture), len(self._numbers) + 1
        )
        link_attributes = {} if link is None else self._tree.attributes(link)
        if _is_shown(name, attributes, in_picture=picture is not None):
            place = len(self._elements)
            shown = _Picture(node, place, attributes, number, above, link, link_attributes, in_noscript)
            self._show(shown)
        heading = self._headings.above(above)
        return (0 if picture is None else number), link_target(link_attributes), heading

    def _add_figure(self, node: Any) -> None:
        key = self._tree.key(node)
        if key not in self._figures:
            self._figures[key] = dict(self._tree.attributes(node))

    def _show(self, picture: _Picture) -> None:
        before = self._pictures[-1] if self._pictures else None
        if before and before.in_noscript != picture.in_noscript and _show_the_same(before, picture):
            picture = picture._replace(number=before.number)
        self._pictures.append(picture)
        if picture.link is not None:
            self._linked.setdefault(self._tree.key(picture.link), set()).add(picture.number)
        if self._captions is not None:
            self._captions.add_picture(
                picture.number, list(map(self._tree.key, (picture.node, *picture.above[:_MAX_LEVELS])))
            )

    # --- what is said of it -------------------------------------------------------------------------------

    def elements(self) -> list[Element]:
        captions: dict[int, str] = {}
        if self._captions is not None:
            for node in self._tree.find(ELEMENTS, self._marks):
                attributes = self._tree.attributes(node)
                self._captions.add(node, attributes)
                if attributes.get("role") == "figure":
                    self._add_figure(node)
            captions = self._captions.of_pictures()
        self._read_what_is_named()
        for picture in self._pictures:
            caption = captions.get(picture.number, "")
            if caption or not self._stands_alone(picture):
                caption = caption or self._instead_of_caption(picture)
                hint = self._hint(picture)
                self._tell(
                    picture.place,
                    label=self._label(picture),
                    hint="" if hint == caption else hint,
                    caption=caption,
                )
        for place, link in self._links_to_pictures:
            attributes = self._elements[place].attributes
            # The text of a link without a picture is the caption of its image
            text = "" if self._tree.key(link) in self._linked else self._text_of(link)
            caption = self._for_lightboxes(attributes, _OF_LINKS) or text
            hint = self._for_lightboxes(attributes, _TITLES)
            label = attributes.get("aria-label", "")
            self._tell(place, label=label, hint="" if hint == caption else hint, caption=caption)
        return self._elements

    def _tell(self, place: int, *, label: str, hint: str, caption: str) -> None:
        if label or hint or caption:
            self._elements[place] = msgspec.structs.replace(
                self._elements[place], label=label, hint=hint, caption=caption
            )

    def _read_what_is_named(self) -> None:
        """Read the text of each element that a picture refers to by id."""
        holders = (*(picture.attributes for picture in self._pictures), *self._figures.values())
        wanted = {name for attributes in holders for name in _ids(attributes, *_BY_ID)}
        links = (self._elements[place].attributes for place, _ in self._links_to_pictures)
        around = (picture.link_attributes for picture in self._pictures)
        for attributes in (*holders, *links, *around):
            wanted |= {text[1:] for name, text in attributes.items() if text[:1] == "#" and name in _SAYING}
        for node in self._tree.find((), (Mark("id"),)) if wanted else ():
            name = self._tree.attributes(node)["id"]
            if name in wanted:
                wanted.discard(name)
                self._by_id[name] = on_one_line(read(self._tree, node))

    def _stands_alone(self, picture: _Picture) -> bool:
        """Whether only its ``alt`` and ``title`` can say anything of it, as for most pictures."""
        around = picture.link or self._figures or self._drawn
        return not around and _SAYING.isdisjoint(picture.attributes)

    def _label(self, picture: _Picture) -> str:
        """Its accessible name but for ``alt`` (Accessible Name and Description Computation 1.2, section 4.3)."""
        return (
            self._named_by(picture.attributes, "aria-labelledby")
            or picture.attributes.get("aria-label", "")
            or picture.attributes.get("data-alt", "")
            or self._drawn_for(picture, "title")
        )

    def _hint(self, picture: _Picture) -> str:
        return (
            picture.link_attributes.get("title", "")
            or self._drawn_for(picture, "title")
            or self._for_lightboxes(picture.attributes, _TITLES)
            or self._for_lightboxes(picture.link_attributes, _TITLES)
            or picture.link_attributes.get("aria-label", "")
        )

    def _instead_of_caption(self, picture: _Picture) -> str:
        """The substitute for a caption, the likeliest first."""
        link = picture.link
        return (
            self._named_by(picture.attributes, *_DESCRIPTIONS)
            or self._label_of_figure(picture)
            or self._for_lightboxes(picture.attributes, _OF_PICTURES)
            or self._for_lightboxes(picture.link_attributes, _OF_LINKS)
            or self._drawn_for(picture, "desc")
            or ("" if link is None or self._is_all_of(link, picture) else self._text_of(link))
        )

    def _is_all_of(self, link: Any, picture: _Picture) -> bool:
        """Whether a link's text is not about this picture alone: the link has no other child, or further pictures."""
        siblings = (self._tree.sibling(picture.node, after=after) for after in (False, True))
        is_alone = picture.above[0] is link and not any(sibling is not None for sibling in siblings)
        return is_alone or len(self._linked[self._tree.key(link)]) > 1

    def _label_of_figure(self, picture: _Picture) -> str:
        keys = map(self._tree.key, picture.above if self._figures else ())
        attributes = next((self._figures[key] for key in keys if key in self._figures), {})
        return self._named_by(attributes, "aria-labelledby") or attributes.get("aria-label", "")

    def _named_by(self, attributes: Mapping[str, str], *names: str) -> str:
        if not self._by_id:
            return ""
        texts = (self._by_id.get(name, "") for name in _ids(attributes, *names))
        return " ".join(filter(None, texts))

    def _drawn_for(self, picture: _Picture, name: str) -> str:
        if not self._drawn or self._elements[picture.place].name not in _DRAWN:
            return ""
        texts = (self._drawn.get((self._tree.key(node), name)) for node in (picture.node, *picture.above))
        return next(filter(None, texts), "")

    def _for_lightboxes(self, attributes: Mapping[str, str], names: Iterable[str]) -> str:
        if said := attributes.get("data-glightbox"):
            told = {f"data-{name}": text for name, text in _OF_GLIGHTBOX.findall(said[:MAX_TEXT_CHARS])}
            attributes = told | dict(attributes)
        for name in names:
            value = attributes.get(name)
            if value and value[0] == "#":
                if text := self._by_id.get(value[1:], ""):
                    return text
            elif value and value[0] not in ".{[":  # a selector, or data of a script
                return on_one_line(unescape(_TAG.sub(" ", value[:MAX_TEXT_CHARS])))
        return ""

    def _text_of(self, link: Any) -> str:
        """The text of a link, if it is short enough to be about a picture in it."""
        text = on_one_line(read(self._tree, link, limit=4 * _MAX_LINK_CHARS))
        return text if len(text) <= _MAX_LINK_CHARS else ""


def _is_shown(name: str, attributes: Mapping[str, str], *, in_picture: bool) -> bool:
    """Whether an element shows a picture, or something else that captions describe, which are no picture's then."""
    if name == "source":
        return in_picture
    if name in NAMES:
        return name != "input" or attributes.get("type", "").strip().lower() == "image"
    return any(
        "url(" in value or leads_to_image(value) or (attribute.startswith("data-") and "bg" in attribute)
        for attribute, value in attributes.items()
    )


def _show_the_same(one: _Picture, other: _Picture) -> bool:
    """Whether one element stands in for the other where scripts do not run."""
    references = [
        {value for name, value in picture.attributes.items() if "src" in name and not is_inline(value)}
        for picture in (one, other)
    ]
    return not references[0].isdisjoint(references[1])


def _ids(attributes: Mapping[str, str], *names: str) -> Iterator[str]:
    for name in names:
        if value := attributes.get(name):
            yield from value[:MAX_TEXT_CHARS].split()[:_MAX_IDS]
