"""Finds images in JSON data of a page, by the names of members or by extensions.

Data have no common vocabulary. A string has to look like an address, and its name or its extension has to say that it
is an image. Addresses count as sizes of one picture only where the data say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import unescape
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from crawler.harvest import loose_json, srcset
from crawler.harvest.candidates import DEFERRED, FALLBACK, FULL_SIZE, PLAIN, Candidate
from crawler.harvest.cuts import Cut
from crawler.harvest.data_keys import Kind, Meaning, meaning
from crawler.harvest.extensions import leads_elsewhere, leads_to_image, names_page
from crawler.harvest.markup import attributes_of, name_of, tags
from crawler.harvest.parser_base import Element
from crawler.harvest.placeholders import is_template

MAX_VALUES = 100_000
"""Values of one document; the page of a large shop has some 50,000."""
_MAX_DEPTH = 64
_MAX_NESTED_JSON = 2
"""Levels of JSON in a string of JSON: a server's answer, kept as it came."""
_MAX_ADDRESS_CHARS = 8192
_MAX_TEXT_CHARS = 4096

_ABSOLUTE = re.compile(r"(?:https?:)?//[^/?#\s]+[/?].", re.IGNORECASE)
_ROOTED = re.compile(r"(?:https?:)?//[^/?#\s]+[/?].|/[^/\s]", re.IGNORECASE)
_OF_WIX = re.compile(r"[0-9a-f]{5,8}_[0-9a-f]{32}~mv2(?:_[a-z0-9_]{1,40})?\.[a-z]{3,4}")
_WIX_MEDIA = "https://static.wixstatic.com/media/"
"""Wix names its images by id; as a reference of the page each was a 404."""
_INLINE = re.compile(r"data:image/[\w.+-]{1,64}[;,]", re.IGNORECASE)
_ADDRESS_START = re.compile(r"(?!//?+\Z)[^#?\s].")
_NO_ADDRESS = re.compile(r"[\s<>\"`\\^|{}]")
_PATH_WITH_SPACES = re.compile(r"(?:https?:/)?/[^\n\t<>\"`\\^|{}]*+")
_OF_MODULES = ("./", "../", "~", "@")
"""Prefixes of the names of source files, which bundlers leave in their data."""
_TAG = re.compile(r"<[^<>]*+>")
_MARKDOWN = re.compile(r"!\[([^\[\]]*+)\]\(\s*+([^\s()]++)")
"""An image of Markdown: ``![the castle](/castle.jpg "By night")``."""
_TEMPLATE = re.compile(r"\{[.\w]+\}")

_TYPES = (
    "type", "@type", "_type", "__typename", "mimeType", "mime_type", "contentType", "mediaType", "kind", "as",
)  # fmt: skip
_IS_IMAGE = re.compile(r"image/.*|.*Image|(?i:image|img|photo|picture)", re.DOTALL)
_ONLY_OF_IMAGES = frozenset({"alt", "altText", "alt_text", "srcset", "srcSet", "blurDataURL", "imageSrcSet"})
_IN_ADDRESS = re.compile(r"image|img|photo|picture|thumb", re.IGNORECASE)
_ALTS = ("alt", "altText", "alt_text", "alternativeText", "imageAlt", "image_alt")
_TITLES, _CAPTIONS = ("title",), ("caption", "imageCaption", "image_caption", "captionText")
_PLAIN_NAMES = frozenset({"image", "img", "photo", "pic", "picture"})
_SMALL_NAMES = frozenset({"thumb", "thumbnail"})
_ADDRESSES = frozenset({"url", "src", "href", "uri"})
_LINKS, _OWN_ADDRESSES = frozenset({"href", "link"}), frozenset({"src", "url", "source_url", "sourceUrl"})
_OF_UPLOADS = frozenset({"source_url", "sourceUrl", "sizes", "image_meta"})
"""Members beside ``file`` in WordPress' API, where ``file`` is a path in the folder of uploads, not an address."""
_FACTS_OF_A_SIZE = _ADDRESSES | {
    "width", "height", "w", "h", "type", "format", "size", "mimeType", "ext", "name",
}  # fmt: skip
_RATIO_TOLERANCE = 0.03


def images_in(value: Any, element: Element, *, scope: str) -> Iterator[Candidate | Cut]:
    """The images in a value of JSON, in order; *scope* keeps its groups apart from those of another document.

    A value may be referred to more than once. Ends with Cut("json-cut") if there is more than is read.
    """
    walk = _Walk(element, scope)
    walk.over(value, _Around())
    yield from _with_comparable_sizes(walk.found)
    if walk.is_cut:
        yield Cut("json-cut")


class _Around(msgspec.Struct, frozen=True, kw_only=True):
    """What the members around a value say of it."""

    is_image: bool = False
    """The value is an image, or a list of images."""
    are_images: bool = False
    """Its members are images, whatever their names: ``{"images": {"front": …, "back": …}}``."""
    group: str = ""
    """The picture that it is a size of; empty if it is a picture of its own."""
    depth: int = 0
    nested_json: int = 0


class _Member(NamedTuple):
    key: str = ""
    members: Mapping[str, Any] = MappingProxyType({})
    """The object around it."""


class _Walk:
    """Walks over the values of one document."""

    def __init__(self, element: Element, scope: str) -> None:
        self.found: list[Candidate] = []
        self.is_cut = False
        self._element = element
        self._scope = scope
        self._left = MAX_VALUES
        self._groups = 0
        self._seen: set[int] = set()

    def over(self, value: Any, around: _Around) -> None:
        self._left -= 1
        if self._left < 0 or around.depth > _MAX_DEPTH:
            self.is_cut = True
        elif isinstance(value, (dict, list)) and id(value) not in self._seen:
            self._seen.add(id(value))
            if isinstance(value, dict):
                self._object(value, around)
            else:
                self._list(value, around)

    def _list(self, items: list[Any], around: _Around) -> None:
        is_image = around.is_image or _is_told_by_react(items)
        group = around.group or (self._new_group() if is_image and _is_one_picture(items) else "")
        below = msgspec.structs.replace(
            around, is_image=is_image, are_images=False, group=group, depth=around.depth + 1
        )
        for item in items:
            if isinstance(item, str):
                self._string(item, Meaning(Kind.INSIDE), below, _Member())
            else:
                self.over(item, below)

    def _object(self, members: dict[str, Any], around: _Around) -> None:
        is_one_picture = _is_one_picture_by_its_names(members)
        is_image = around.is_image or is_one_picture or _says_image(members)
        own_group = around.group or self._new_group()
        is_file_an_address = _OF_UPLOADS.isdisjoint(members)
        for key, value in members.items():
            if key[:4] == "http" and leads_to_image(key) and _is_address(key):  # sizes by address (Amazon)
                width = _number(value[0]) if isinstance(value, list) and value else None
                self._add(key, _Member(key, members), group=own_group, rank=DEFERRED, width_px=width)
            if not isinstance(value, (str, dict, list)) or (key == "file" and not is_file_an_address):
                continue
            said = meaning(key)
            if is_one_picture and said.picture in _PLAIN_NAMES:
                said = said._replace(picture="")
            if around.are_images and said.kind in (Kind.OTHER, Kind.INSIDE, Kind.NO_ADDRESS):
                said = Meaning(Kind.IMAGE, key)
            if key in _LINKS and not _OWN_ADDRESSES.isdisjoint(members):
                said = Meaning(Kind.OTHER)  # the target of the image's link
            below = msgspec.structs.replace(around, are_images=said.is_list, depth=around.depth + 1)
            if isinstance(value, str):
                own = msgspec.structs.replace(below, is_image=is_image, group=f"{own_group}.{said.picture}")
                self._string(value, said, own, _Member(key, members))
            else:
                is_one = is_image or (said.kind is Kind.SIZES and (said.is_certain or _are_sizes(value)))
                self.over(value, _of_member(below, said, is_image=is_one, own_group=own_group))

    def _string(self, value: str, said: Meaning, around: _Around, of: _Member) -> None:
        if _OF_WIX.fullmatch(value):
            value = f"{_WIX_MEDIA}{value}"
        is_bracketed = value[:1] in ("{", "[")
        if is_bracketed and self._is_read_as_json(value, around):
            return  # markup in its strings is escaped once more: read as it stands, it would give no image
        if "<img" in value or "![" in value:
            self._markup(value)
        elif is_bracketed:
            return
        elif said.kind is Kind.SRCSET:
            for source in srcset.parse(value):
                if _is_address(source.url):
                    size = {"width_px": source.width_px, "density": source.density}
                    self._add(source.url, of, group=around.group, rank=DEFERRED, **size)
        elif _names_image(value, said, is_image=around.is_image):
            group = around.group if said.kind in (Kind.IMAGE, Kind.ADDRESS, Kind.INSIDE) else ""
            self._add(value, of, group=group, rank=said.rank, width_px=_width(of, said))

    def _is_read_as_json(self, text: str, around: _Around) -> bool:
        """Read a string as JSON; whether it is that. Markup may begin with a bracket, too: ``[caption]<img …>``."""
        if around.nested_json >= _MAX_NESTED_JSON or len(text) > loose_json.MAX_CHARS:
            return False
        value, end = loose_json.read_at(text, 0)
        if value is loose_json.BROKEN or text[end:].strip():
            return False
        self.over(value, msgspec.structs.replace(around, group="", nested_json=around.nested_json + 1))
        return True

    def _markup(self, text: str) -> None:
        """The images of a text in HTML or Markdown; without those whose address depends on the page that shows it."""
        for alt, reference in _MARKDOWN.findall(text) if "![" in text else ():
            if _ROOTED.match(reference):
                self._add(reference, _Member("", {"alt": alt}))
        for tag in tags(text):
            if name_of(tag) == "img" and not tag["slash"]:
                said = {name.lower(): unescape(value) for name, value in attributes_of(tag)}
                group = self._new_group()
                of = _Member("", {name: said[name] for name in ("alt", "title") if name in said})
                for name in ("src", "data-src"):
                    if _ROOTED.match(reference := said.get(name, "").strip()):
                        self._add(reference, of, group=group, rank=DEFERRED if name == "data-src" else PLAIN)
                for source in filter(_is_rooted, srcset.parse(said.get("srcset", ""))):
                    size = {"width_px": source.width_px, "density": source.density}
                    self._add(source.url, of, group=group, rank=FALLBACK, **size)

    def _add(self, reference: str, of: _Member, **known: Any) -> None:
        told = _telling(self._element, of.members)
        self.found.append(Candidate(reference=reference, found_in="json", element=told, **known))

    def _new_group(self) -> str:
        self._groups += 1
        return f"json{self._scope}.{self._groups}"


def _of_member(around: _Around, said: Meaning, *, is_image: bool, own_group: str) -> _Around:
    """The context of a list or an object that is a member with the meaning *said*."""
    group = around.group
    match said.kind:
        case Kind.IMAGE:
            is_size = is_image and not said.picture and not said.is_list
            is_image, group = True, group or (own_group if is_size else "")
        case Kind.SIZES:
            group = own_group if is_image else ""
        case Kind.ADDRESS:
            group = group or (own_group if is_image else "")
        case Kind.OTHER | Kind.SRCSET | Kind.NO_ADDRESS:
            is_image, group = False, ""
    return msgspec.structs.replace(around, is_image=is_image, group=group)


# --- what is an image -------------------------------------------------------------------------------------


def _names_image(value: str, said: Meaning, *, is_image: bool) -> bool:
    if said.kind is Kind.IMAGE or (is_image and said.kind in (Kind.ADDRESS, Kind.INSIDE)):
        if _INLINE.match(value):
            return True
        if not _is_address(value):
            return False
        is_certain = said.is_certain and not said.is_list
        is_absolute = _ABSOLUTE.match(value) is not None and not said.is_list
        return leads_to_image(value) or is_absolute or (value[0] == "/" and is_certain)
    if not leads_to_image(value) or not _is_address(value) or value.startswith(_OF_MODULES):
        return False
    return _ABSOLUTE.match(value) is not None or (
        said.kind is not Kind.NO_ADDRESS and ("/" in value or said.kind is Kind.ADDRESS)
    )


def _is_rooted(source: srcset.ImageSource) -> bool:
    return _ROOTED.match(source.url) is not None


def _is_address(value: str) -> bool:
    """Whether *value* looks like an address, and not like one of something else."""
    if len(value) > _MAX_ADDRESS_CHARS or not _ADDRESS_START.match(value):
        return False
    if _NO_ADDRESS.search(value) and not (leads_to_image(value) and _PATH_WITH_SPACES.fullmatch(value)):
        return False
    is_other = names_page(value) or leads_elsewhere(value)
    return not (is_other or is_template(value) or _TEMPLATE.search(value))


def _says_image(members: Mapping[str, Any]) -> bool:
    """Whether an object declares itself an image."""
    for name in _TYPES:
        if isinstance(said := members.get(name), str) and _IS_IMAGE.fullmatch(said[:64]):
            return True
    address = members.get("src") or members.get("url")
    if isinstance(address, str):
        has_size = "width" in members and "height" in members
        return not _ONLY_OF_IMAGES.isdisjoint(members) or (
            has_size and bool(_IN_ADDRESS.search(address[:2048]))
        )
    named = members.get("property") or members.get("name")
    return isinstance(named, str) and "content" in members and ":image" in named  # an og:image as data


def _is_one_picture_by_its_names(members: dict[str, Any]) -> bool:
    """``{"thumb": …, "img": …, "full": …}``, ``{"thumb": …, "regular": …, "full": …}``"""
    if _PLAIN_NAMES.isdisjoint(members) and _SMALL_NAMES.isdisjoint(members):
        return False
    return any(
        said.rank == FULL_SIZE and said.kind is Kind.ADDRESS and isinstance(members[name], str)
        for name in members
        for said in [meaning(name)]
    )


def _is_told_by_react(items: list[Any]) -> bool:
    """``["$", "img", key, {"src": …}]``, an element as React sends it; ``["/a", "image"]``, what is to be loaded."""
    return (items[:1] == ["$"] and items[1:2] in (["img"], ["image"])) or items[1:2] == ["image"]


def _are_sizes(value: Any) -> bool:
    """Whether each part of *value* is an object with a width and a string with an image's extension."""
    parts = list(value.values() if isinstance(value, dict) else value)
    return bool(parts) and all(
        isinstance(part, dict)
        and "width" in part
        and any(isinstance(text, str) and leads_to_image(text) for text in part.values())
        for part in parts
    )


def _is_one_picture(items: list[Any]) -> bool:
    """Whether a list has one picture in several widths: objects with only ``{url, width, height}``."""
    if not all(isinstance(item, dict) and _FACTS_OF_A_SIZE.issuperset(item) for item in items):
        return False
    widths = [_number(item.get("width")) for item in items]
    heights = [_number(item.get("height")) for item in items]
    if None in widths or len(set(widths)) < len(widths):
        return False
    ratios = [width / height for width, height in zip(widths, heights, strict=True) if width and height]
    return len(ratios) == len(items) > 1 and max(ratios) <= min(ratios) * (1 + _RATIO_TOLERANCE)


# --- what is said of it -----------------------------------------------------------------------------------


def _width(of: _Member, said: Meaning) -> int | None:
    for suffix in ("_w", "_width", "Width"):
        if (width := _number(of.members.get(of.key + suffix))) is not None:
            return width
    is_own = said.width_px is None and said.rank == PLAIN and not said.picture
    return _number(of.members.get("width")) if is_own else said.width_px


def _number(value: Any) -> int | None:
    """A number of pixels, also as a string."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 6:  # noqa: PLR2004
        value = int(value)
    is_one = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 100_000  # noqa: PLR2004
    return int(value) or None if is_one else None


def _telling(element: Element, members: Mapping[str, Any]) -> Element:
    """*element* with the words of the object that describe its image."""
    alt, title, caption = (_text(members, names) for names in (_ALTS, _TITLES, _CAPTIONS))
    if not (alt or title or caption):
        return element
    words = {name: text for name, text in (("alt", alt), ("title", title)) if text}
    return msgspec.structs.replace(
        element, attributes=element.attributes | words, caption=caption or element.caption
    )


def _text(members: Mapping[str, Any], names: tuple[str, ...]) -> str:
    texts = (value for name in names if isinstance(value := members.get(name), str) and value)
    text = next(texts, "")[:_MAX_TEXT_CHARS]
    return unescape(_TAG.sub("", text)) if "<" in text or "&" in text else text


def _with_comparable_sizes(found: list[Candidate]) -> Iterator[Candidate]:
    """The candidates; a group whose full-size image has no width loses its widths, and is ranked by names."""
    without = {item.group for item in found if item.group and item.rank == FULL_SIZE and not item.width_px}
    for item in found:
        is_comparable = item.group not in without
        yield item if is_comparable else msgspec.structs.replace(item, width_px=None, density=None)
