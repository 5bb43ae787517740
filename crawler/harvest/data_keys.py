"""Tells what a member's name says of its value, in data of scripts: ``imageUrl``, ``full_src``, ``alt``."""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

from crawler.harvest.candidates import FALLBACK, FULL_SIZE, PLAIN

_MAX_KEY_CHARS = 64
_MAX_WORDS = 8
_WORD = re.compile(r"[A-Z]++(?![a-z])|[A-Z]?[a-z]++|[0-9]++x[0-9]++|[0-9]++")
_LEAST_SIZE_PX = 16


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_CERTAIN = _set(
    "image img photo photograph picture pic thumbnail thumb avatar poster logo screenshot artwork headshot"
)
"""Words that name an image, whatever its address looks like."""
_LIKELY = _set("background backdrop banner bg cover favicon hero icon illustration portrait swatch wallpaper")
"""Words that name an image if the value is an address with an extension; ``"cover": "/books"`` is a page."""
_SEVERAL = _set(
    "avatars banners covers gallery icons images imgs logos photos pics pictures posters screenshots swatches"
)
"""Words that name a list of images; a string under such a name is the address of a page, unless it has an extension."""
_COMPOUNDS = ("image", "img", "photo", "picture", "thumbnail", "thumb", "avatar", "logo", "poster")
_ADDRESS = _set("file href link location path source src uri url")
_SMALL = _set(
    "blur lqip low lowres md medium micro mini placeholder preview sm small teaser thumb thumbnail tiny xs"
)
_LARGE = _set("big full hd high hires highres huge large lg master max maxres orig original raw xl xxl zoom")
_OF_DEVICES = _set("cdn data default desktop http https mobile regular secure standard tablet")
"""Words for versions of a picture, or without meaning."""
_BETWEEN = _set(
    "asset attributes base content download edges featured field fields items main media node nodes primary remote"
    " value"
)
_SIZES = _set("crops derivatives formats renditions resolutions sizes sources thumbnails variants versions")
_NO_ADDRESS = _set(
    "align alt author class classname color colour copyright count credit date desc description filename fit format h"
    " hash height id ids index key label license mime mode name opacity order position quality ratio role size slug"
    " status style tag tags template text time title total type version w width"
)
_SWITCHES = _set("enable enabled has hide is show use with")


class Kind(Enum):
    IMAGE = auto()
    """An image, or its address."""
    ADDRESS = auto()
    """An address of the object around it."""
    SIZES = auto()
    """The object around it, in several sizes."""
    SRCSET = auto()
    INSIDE = auto()
    """No meaning of its own: ``data``, ``attributes``, ``0``."""
    NO_ADDRESS = auto()
    OTHER = auto()


class Meaning(NamedTuple):
    kind: Kind
    picture: str = ""
    """Shared by names of one picture: ``image`` and ``imageLarge``; empty for the object itself."""
    rank: int = PLAIN
    width_px: int | None = None
    is_certain: bool = True
    is_list: bool = False


@lru_cache(4096)
def meaning(key: str) -> Meaning:
    """The meaning of a member's name."""
    words = [word.lower() for word in _WORD.findall(key.partition("(")[0][:_MAX_KEY_CHARS])][:_MAX_WORDS]
    if not words:
        return Meaning(Kind.OTHER)
    if words[-1] in _NO_ADDRESS or words[0] in _SWITCHES:
        return Meaning(Kind.NO_ADDRESS)
    if words[-1] in _SIZES:
        return Meaning(Kind.SIZES, is_certain=words[-1] == "thumbnails")
    if words[-1].endswith("srcset") or words[-2:] in (["src", "set"], ["image", "set"]):
        return Meaning(Kind.SRCSET, _core(words[:-1]))
    return _of_words(words)


def _of_words(words: list[str]) -> Meaning:
    rank = FULL_SIZE if not _LARGE.isdisjoint(words) else FALLBACK if not _SMALL.isdisjoint(words) else PLAIN
    width_px = next((size for word in words if (size := _size(word))), None)
    picture = _core(words)
    *_, last = [word for word in picture.split() if not word.isdecimal()] or [""]
    if "thumb" in words or "thumbnail" in words:
        return Meaning(Kind.IMAGE, picture.removesuffix("gallery"), FALLBACK, width_px)
    if last in _CERTAIN or last in _LIKELY or last in _SEVERAL or _is_compound(last):
        is_certain = last in _CERTAIN or _is_compound(last)
        return Meaning(Kind.IMAGE, picture, rank, width_px, is_certain=is_certain, is_list=last in _SEVERAL)
    if not _ADDRESS.isdisjoint(words) or rank != PLAIN or width_px is not None:
        return Meaning(Kind.OTHER if last and last not in _BETWEEN else Kind.ADDRESS, "", rank, width_px)
    return Meaning(Kind.INSIDE if not last or last in _BETWEEN else Kind.OTHER)


def _core(words: list[str]) -> str:
    return " ".join(word for word in words if not _is_filling(word))


def _is_filling(word: str) -> bool:
    """Whether it says which size or what sort of address, and not of what."""
    return word in _ADDRESS or word in _SMALL or word in _LARGE or word in _OF_DEVICES or bool(_size(word))


def _size(word: str) -> int:
    """The width that a word such as ``640`` or ``300x200`` tells, or 0; a small number only counts."""
    number = word.partition("x")[0]
    return int(number) if number.isdecimal() and len(number) < 6 and int(number) >= _LEAST_SIZE_PX else 0  # noqa: PLR2004


def _is_compound(word: str) -> bool:
    """``imageurl``, ``mainimage``."""
    for address in ("url", "uri", "src"):
        word = word.removesuffix(address)
    return word.endswith(_COMPOUNDS)
