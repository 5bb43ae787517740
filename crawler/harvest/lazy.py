"""Finds images in attributes from which scripts take the URL when the image is about to be seen."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote

import msgspec

from crawler.harvest import css, json_data, lazy_names, srcset
from crawler.harvest.candidates import DEFERRED, FALLBACK, FULL_SIZE, SHOWN, Candidate, group_of, in_srcset
from crawler.harvest.cuts import Cut, at_most
from crawler.harvest.extensions import leads_elsewhere, leads_to_image, names_page
from crawler.harvest.parser_base import COMPONENTS, Element
from crawler.harvest.placeholders import is_flag
from crawler.harvest.styles import images_among

_LAZY_NAMES = {
    **dict.fromkeys(
        ("src", "original", "lazy", "lazy-src", "lazyload", "echo", "actualsrc", "cfsrc"), DEFERRED
    ),
    **dict.fromkeys(
        ("src-large", "large-src", "image-src", "img-src", "defer-src", "lazy-original"), DEFERRED
    ),
    **dict.fromkeys(
        ("full-src", "src-full", "full", "orig-file", "large-file", "zoom-image", "hi-res-src"), FULL_SIZE
    ),
    **dict.fromkeys(("src-retina", "hires", "high-res-src", "zoom-src", "large_image", "highres"), FULL_SIZE),
    **dict.fromkeys(("src-small", "src-medium", "lowsrc", "medium-file", "thumb"), FALLBACK),
}
"""Names, after ``data-``, of the URL of the image that the element finally shows, each with its rank."""
_BACKGROUND_NAMES = re.compile(r"(?:^|-)(?:bg|background|bgset)(?:-|$)|^(?:background-?image|bg-?image)")
_NOT_DRAWN = re.compile(
    r"(?:^|-)(?:iframe|video|audio|youtube|vimeo|colou?r|gradient|position|size|repeat|opacity|interactive|transition|"
    r"animation|speed|ratio|mode|type|blend|attachment|overlay|fit|align|class|id|link|href|page)(?:-|$)"
)
"""Parts of a background's name that say that its value is not a picture."""
_SRCSET_NAMES = re.compile(r"(?:srcset|set)$")
_ADDRESS = re.compile(r"(?:(?:https?:)?//[^/?#\s]++[/?]|\.{0,2}/(?!/))[^\s\"'<>\\^`{|}]++", re.IGNORECASE)
"""Where only the name says that it is an image, the value has to be an address beyond doubt."""
_ENCODED = re.compile(r"https?%3a%2f%2f", re.IGNORECASE)
_IN_BASE64 = ("aHR0cDov", "aHR0cHM6")
"""``http:/`` and ``https:``, as some loaders hide them."""
_BETWEEN = re.compile(r"[,|;]")
_CONDITION = re.compile(r"\s\[[^\[\]]*+\]")
"""``/narrow [(max-width: 480px)] | /wide``: each part of ``data-bgset`` may have a media condition (lazysizes)."""
_NEXT_PART = re.compile(r"\s\||\|\s")
_INTERCHANGE = re.compile(r"\[\s*+([^\s,\[\]]++)\s*+,[^\[\]]*+\]")
"""``[small.jpg, small], [large.jpg, large]`` (Foundation)."""
_LAZY_CLASS = re.compile(r"(?:^|[\s_-])(?:lazy|lozad|b-lazy)", re.IGNORECASE)
_TEMPLATE = re.compile(r"\{\{|\$\{|<%|\{[.\w]+\}")
_NAME = re.compile(r"[a-z_]")
_NO_URL = re.compile(r"[\n,;<>{}]")
_WIDTH = "{width}"
_WIDTHS_TOLD = re.compile(r"[0-9]{1,5}")
_BARE_WIDTH = re.compile(r"(?<=\s)([0-9]{2,5})(?=\s*+(?:,|$))")
_MAX_WIDTHS = 20
_OF_OTHER_KINDS = frozenset(
    {"audio", "embed", "form", "frame", "iframe", "object", "script", "track", "video"}
)
"""Elements whose attributes name what is no image, but for a film's poster."""

_TOLD_ELSEWHERE = "background cite data href imagesrcset lowsrc poster src srcset srcdoc style xlink:href"
_NAMES_OF_THINGS = (
    "alt class content download id label name placeholder summary target title type usemap value"
)
_NO_PICTURES = "action for formaction longdesc manifest profile"
NOT_OF_IMAGES = frozenset(f"{_TOLD_ELSEWHERE} {_NAMES_OF_THINGS} {_NO_PICTURES}".split())
"""Attributes of other rules, and attributes that may name an image that is not shown."""


def lazy_attributes(element: Element) -> Iterator[Candidate | Cut]:
    """Each ``data-*`` attribute with an image's URL, by its name or extension, or with a ``srcset``."""
    for name, value in element.attributes.items():
        if not name.startswith("data-") or not (value := value.strip()):
            continue
        if name == "data-interchange":
            for found in _INTERCHANGE.finditer(value):
                if leads_to_image(found[1]):
                    yield Candidate(
                        reference=found[1], found_in="lazy", group=_group_in(element), element=element
                    )
        elif json_data.may_be_data(value):
            yield from json_data.in_attribute(element, name, value)
        else:
            yield from _lazy(element, name[5:], _plain(value))


def other_attributes(element: Element) -> Iterator[Candidate | Cut]:
    """Each other attribute with an image's extension (``thumbnail-src``, ``file`` …), or with the name of one in a
    picture, or with data; and ``src`` of custom elements.
    """
    is_custom = "-" in element.name and element.name not in SHOWN
    is_named = is_custom or element.name in SHOWN - COMPONENTS  # lazy-src of Vuetify is a placeholder
    for name, value in element.attributes.items():
        if name in NOT_OF_IMAGES and not (name == "src" and is_custom):
            continue
        if name.startswith(("data-", "aria-", "on")):
            continue
        if "url(" in value:  # presentation attributes of SVG: mask, fill
            yield from images_among(css.references(value), element, scope=f"{element.number}.{name}")
        elif json_data.may_be_data(value):
            if element.name != "astro-island":  # its data have a rule of their own
                yield from json_data.in_attribute(element, name, value)
        elif leads_to_image(value) and _NAME.match(name) and not _NO_URL.search(value):
            yield Candidate(reference=value, found_in="lazy", element=element)
        elif is_named and (named := _named(element, name, value.strip())) is not None:
            yield named


def _lazy(element: Element, name: str, value: str) -> Iterator[Candidate | Cut]:
    if value[0] == "<":
        return  # markup
    if _TEMPLATE.search(value):
        yield from _in_every_width(element, value)
    elif "url(" in value:
        for item in images_among(css.references(value), element, scope=f"{element.number}.{name}"):
            yield item if isinstance(item, Cut) else msgspec.structs.replace(item, found_in="lazy")
    else:
        yield from _told_by_name(element, name, value)


def _told_by_name(element: Element, name: str, value: str) -> Iterator[Candidate]:
    shown = element.name in SHOWN
    rank = _LAZY_NAMES.get(name) if shown and not is_flag(value) else None
    is_background = _BACKGROUND_NAMES.search(name) is not None
    parts = _NEXT_PART.split(_CONDITION.sub("", value)) if is_background else [value]
    if parts != [value]:
        for part in parts:
            yield from in_srcset(element, part, "lazy")
    elif rank is not None or leads_to_image(value):
        yield from _one_or_several(element, name, value, rank=rank)
    elif _SRCSET_NAMES.search(name) and (shown or is_background or _is_srcset(name, value)):
        yield from in_srcset(element, value, "lazy")
    elif (named := _named(element, name, value)) is not None:
        yield named
    elif is_background and _looks_like_path(value) and not _NOT_DRAWN.search(name):
        yield Candidate(reference=value, found_in="lazy", element=element)
    elif " " in value:
        value = _BARE_WIDTH.sub(r"\1w", value)
        if all(leads_to_image(source.url) for source in srcset.parse(value)):
            yield from in_srcset(element, value, "lazy")


def _in_every_width(element: Element, template: str) -> Iterator[Candidate | Cut]:
    """The URLs of a template with ``{width}``, for all ``data-widths`` (lazysizes, rias); others need scripts."""
    if len(_TEMPLATE.findall(template)) != template.count(_WIDTH):
        return
    widths = _WIDTHS_TOLD.findall(element.attributes.get("data-widths", ""))
    for width in at_most(_MAX_WIDTHS, widths, slug="widths-cut"):
        yield (
            width
            if isinstance(width, Cut)
            else Candidate(
                reference=template.replace(_WIDTH, width),
                found_in="lazy",
                group=group_of(element),
                width_px=int(width),
                rank=DEFERRED,
                element=element,
            )
        )


def _one_or_several(element: Element, name: str, value: str, *, rank: int | None) -> Iterator[Candidate]:
    group = "" if rank is None else group_of(element)
    parts = value.split("|")
    if rank is not None and len(parts) > 1 and all(map(_is_one_address, parts)):  # for 1x and 2x (bLazy)
        for density, part in enumerate(parts, start=1):
            yield Candidate(
                reference=part.strip(),
                found_in="lazy",
                group=group,
                density=density,
                rank=rank,
                element=element,
            )
        return
    parts = _BETWEEN.split(value)
    if len(parts) > 1 and not _SRCSET_NAMES.search(name) and all(map(leads_to_image, parts)):
        for part in parts:
            yield Candidate(reference=part.strip(), found_in="lazy", element=element)
        return
    sources = srcset.parse(value)
    is_set = _SRCSET_NAMES.search(name) or any(source.width_px or source.density for source in sources)
    if len(sources) > 1 or (sources and is_set):
        yield from in_srcset(element, value, "lazy")
    else:
        yield Candidate(reference=value, found_in="lazy", group=group, rank=rank or 0, element=element)


def _plain(value: str) -> str:
    """*value* as an address, where it is one that is encoded once more."""
    if _ENCODED.match(value):
        return unquote(value)
    if value.startswith(_IN_BASE64):
        with suppress(binascii.Error, UnicodeDecodeError):
            return base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode()
    return value


def _named(element: Element, name: str, value: str) -> Candidate | None:
    """The image whose address is *value*, if the name says that it is one."""
    if not _ADDRESS.fullmatch(value) or value[-1] == "/" or names_page(value) or leads_elsewhere(value):
        return None
    if element.name in SHOWN:
        if (said := lazy_names.of_picture(name)) is not None:
            group = group_of(element) if said.is_size else ""
            return Candidate(reference=value, found_in="lazy", group=group, rank=said.rank, element=element)
    elif element.name not in _OF_OTHER_KINDS or name == "poster":
        is_lazy = name in _LAZY_NAMES and _is_lazy_box(element)
        if is_lazy or lazy_names.of_anything(name):
            return Candidate(reference=value, found_in="lazy", element=element)
    return None


def _is_one_address(text: str) -> bool:
    return leads_to_image(text) or _ADDRESS.fullmatch(text.strip()) is not None


def _is_lazy_box(element: Element) -> bool:
    """Whether an element other than a picture is drawn by a lazy loader: ``<div class="owl-lazy" data-src=…>``."""
    return "uk-img" in element.attributes or bool(_LAZY_CLASS.search(element.attributes.get("class", "")))


def _is_srcset(name: str, value: str) -> bool:
    """Whether an element other than a picture has a ``srcset`` by its name and its form."""
    sources = srcset.parse(value) if name.endswith("srcset") else []
    return bool(sources) and all(
        (source.width_px or source.density) and _ADDRESS.fullmatch(source.url) for source in sources
    )


def _group_in(element: Element) -> str:
    return group_of(element) if element.name in SHOWN else f"interchange{element.number}"


def _looks_like_path(value: str) -> bool:
    return "/" in value and " " not in value and not leads_elsewhere(value)
