"""Finds images in attributes from which scripts take the URL when the image is about to be seen."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from crawler.harvest import css, json_data, srcset
from crawler.harvest.candidates import DEFERRED, FALLBACK, FULL_SIZE, SHOWN, Candidate, group_of, in_srcset
from crawler.harvest.cuts import Cut, at_most
from crawler.harvest.extensions import leads_elsewhere, leads_to_image
from crawler.harvest.parser_base import Element
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
_TEMPLATE = re.compile(r"\{\{|\$\{|<%|\{[.\w]+\}")
_NAME = re.compile(r"[a-z_]")
_NO_URL = re.compile(r"[\n,;<>{}]")
_WIDTH = "{width}"
_WIDTHS_TOLD = re.compile(r"[0-9]{1,5}")
_BARE_WIDTH = re.compile(r"(?<=\s)([0-9]{2,5})(?=\s*+(?:,|$))")
_MAX_WIDTHS = 20

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
        if json_data.may_be_data(value):
            yield from json_data.in_attribute(element, name, value)
        else:
            yield from _lazy(element, name[5:], value)


def other_attributes(element: Element) -> Iterator[Candidate]:
    """Each other attribute with an image's extension: ``thumbnail-src``, ``file`` …, and ``src`` of custom elements."""
    is_custom = "-" in element.name and element.name not in SHOWN
    for name, value in element.attributes.items():
        if name in NOT_OF_IMAGES and not (name == "src" and is_custom):
            continue
        if name.startswith(("data-", "aria-", "on")):
            continue
        if leads_to_image(value) and _NAME.match(name) and not _NO_URL.search(value):
            yield Candidate(reference=value, found_in="lazy", element=element)


def _lazy(element: Element, name: str, value: str) -> Iterator[Candidate | Cut]:
    shown = element.name in SHOWN
    rank = _LAZY_NAMES.get(name) if shown and not is_flag(value) else None
    if value[0] == "<":
        return  # markup
    if _TEMPLATE.search(value):
        yield from _in_every_width(element, value)
    elif "url(" in value:
        for item in images_among(css.references(value), element, scope=f"{element.number}.{name}"):
            yield item if isinstance(item, Cut) else msgspec.structs.replace(item, found_in="lazy")
    elif rank is not None or leads_to_image(value):
        yield from _one_or_several(element, name, value, rank=rank)
    elif _SRCSET_NAMES.search(name) and (shown or _BACKGROUND_NAMES.search(name)):
        yield from in_srcset(element, value, "lazy")
    elif _BACKGROUND_NAMES.search(name) and _looks_like_path(value) and not _NOT_DRAWN.search(name):
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
    parts = value.split(",")
    if (
        len(parts) > 1
        and not _SRCSET_NAMES.search(name)
        and all(leads_to_image(part.strip()) for part in parts)
    ):
        for part in parts:
            yield Candidate(reference=part.strip(), found_in="lazy", element=element)
        return
    sources = srcset.parse(value)
    is_set = _SRCSET_NAMES.search(name) or any(source.width_px or source.density for source in sources)
    if len(sources) > 1 or (sources and is_set):
        yield from in_srcset(element, value, "lazy")
    else:
        group = "" if rank is None else group_of(element)
        yield Candidate(reference=value, found_in="lazy", group=group, rank=rank or 0, element=element)


def _looks_like_path(value: str) -> bool:
    return "/" in value and " " not in value and not leads_elsewhere(value)
