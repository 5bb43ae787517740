"""Tells by an attribute's name whether scripts take an image's URL from it: ``data-lazy-src``, ``real_src``, ``file``.

Each lazy loader has names of its own, and all are made of a few words. A name is that of an image if one of its words
means an address or a way to load (``src``, ``lazy``), if all its words mean a size (``full``, ``2x``), or if it names
an image as a member of JSON data does (``image-url``).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from crawler.harvest.candidates import DEFERRED, FALLBACK, FULL_SIZE, PLAIN
from crawler.harvest.data_keys import Kind, meaning

_WORD = re.compile(r"[a-z]++[0-9]*+x?+|[0-9]++x?+")
_SOURCE = re.compile(r"[a-z]*src(?:[0-9]{1,2}x?)?|lazy(?!sizes)[a-z]*|(?:big|orig|zoom)?file")
_ADDRESS = frozenset({"uri", "url"})
"""Words for an address of anything: by itself it may be that of a page to be shared."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_WAYS = _set(
    "1x 2x 3x actual big breeze defer deferred delayed desktop echo full fullsize hd hi hidpi high highres hires image"
    " large layzr load loading mobile normal old orig origin original photo real res retina size source tablet zoom"
)
"""Words for sizes, and for a picture that is still to come."""
_LARGE = _set(
    "2x 3x big bigsrc desktop full fullsize hd hi hidpi high highres hires large master max retina src2x src3x xl zoom"
    " zoomfile zoomsrc"
)
_SMALL = _set(
    "default error fallback loading low lowres mobile placeholder preview small thumb thumbnail tiny"
)
_OTHER_PICTURES = _set("alternate back flip hover over rollover second secondary swap")
"""Words for a picture that takes the place of the one that is shown."""
_NO_IMAGE = _set(
    "action alt animation api audio author base caption class color colour css description dimensions doc embed"
    " endpoint flag font format frame height href html id iframe js json key lang link map mode movie name page"
    " permalink pin position rate ratio script set share sizes srcset style target template text title track type"
    " video width"
)


class Named(NamedTuple):
    """What a name says of its value."""

    rank: int
    is_size: bool
    """The value is a size of the picture that the element shows; else it is another picture."""


@lru_cache(4096)
def of_picture(name: str) -> Named | None:
    """What *name*, without ``data-``, says in an element that shows a picture; None where it names no image."""
    words = _WORD.findall(name)
    if not words or not _NO_IMAGE.isdisjoint(words):
        return None
    ways = [word for word in words if word not in _ADDRESS]
    is_one = any(map(_SOURCE.fullmatch, words)) or (ways and _WAYS.issuperset(ways))
    if not is_one and not of_anything(name):
        return None
    if not _OTHER_PICTURES.isdisjoint(words):
        return Named(PLAIN, is_size=False)
    if not _SMALL.isdisjoint(words):
        return Named(FALLBACK, is_size=True)
    return Named(DEFERRED if _LARGE.isdisjoint(words) else FULL_SIZE, is_size=True)


@lru_cache(4096)
def of_anything(name: str) -> bool:
    """Whether *name*, without ``data-``, names an image in any element: ``image-src``, ``thumb``, ``poster``."""
    said = meaning(name)
    is_one = said.kind is Kind.IMAGE and said.is_certain and not said.is_list
    return is_one and _NO_IMAGE.isdisjoint(_WORD.findall(name))
