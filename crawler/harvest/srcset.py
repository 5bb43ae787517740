"""Parses the ``srcset`` attribute (HTML Standard, "parse a srcset attribute"); URLs may contain commas.

https://html.spec.whatwg.org/multipage/images.html#parse-a-srcset-attribute
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

_SPACE = "\t\n\f\r "
_SEPARATORS = re.compile(r"[\t\n\f\r ,]*")
_URL = re.compile(r"[^\t\n\f\r ]+")
_INTEGER = re.compile(r"[0-9]{1,18}")
_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


class ImageSource(NamedTuple):
    """One candidate: its URL as written, and at most one of width and density."""

    url: str
    width_px: int | None = None
    density: float | None = None


def parse(value: str) -> list[ImageSource]:
    """The candidates of a ``srcset`` in order, without invalid descriptors. Never raises; takes linear time."""
    sources: list[ImageSource] = []
    position = 0
    while True:
        separators = _SEPARATORS.match(value, position)
        assert separators is not None
        found = _URL.match(value, separators.end())
        if found is None:
            return sources
        url, position = found.group(), found.end()
        descriptors: list[str] = []
        if url.endswith(","):
            url = url.rstrip(",")
        else:
            descriptors, position = _descriptors(value, position)
        source = _source(url, descriptors)
        if source is not None:
            sources.append(source)


def _descriptors(value: str, start: int) -> tuple[list[str], int]:
    """The words up to the next comma outside parentheses, and the position after that comma."""
    words: list[str] = []
    word_start = start
    in_parens = False
    for position in range(start, len(value)):
        char = value[position]
        if in_parens:
            in_parens = char != ")"
        elif char == "(":
            in_parens = True
        elif char == "," or char in _SPACE:
            if position > word_start:
                words.append(value[word_start:position])
            word_start = position + 1
            if char == ",":
                return words, position + 1
    if word_start < len(value):
        words.append(value[word_start:])
    return words, len(value)


def _source(url: str, descriptors: list[str]) -> ImageSource | None:
    width: int | None = None
    height: int | None = None
    density: float | None = None
    for descriptor in descriptors:
        number, unit = descriptor[:-1], descriptor[-1]
        if unit == "w" and _INTEGER.fullmatch(number) and width is density is None:
            width = int(number)
            valid = width > 0
        elif unit == "h" and _INTEGER.fullmatch(number) and height is density is None:
            height = int(number)
            valid = height > 0
        elif unit == "x" and _NUMBER.fullmatch(number) and width is height is density is None:
            density = float(number)
            valid = 0 <= density < math.inf
        else:
            valid = False
        if not valid:
            return None
    if height is not None and width is None:
        return None
    return ImageSource(url, width, density)
