"""Which URLs are sizes of one picture, by the marks that image servers write into URLs. Pure.

A URL that results from taking marks away is only compared, never fetched. Two pictures that pass for one are a picture
lost; two sizes that pass for two pictures are a file too many. So a mark counts only in a form that a widely used
server writes, with numbers that can be sizes. In doubt it is none.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import inf
from typing import NamedTuple

from crawler.sizes.folder import by_folder
from crawler.sizes.name import by_host, by_name, size_without_marks
from crawler.sizes.place import put_together, taken_apart
from crawler.sizes.query import by_query
from crawler.urls import canonical

_REMEMBERED_CHARS = 256
_MAX_ROUNDS = 6  # of marks in one URL: a size of a size
# every URL that has marks contains one of these texts, or matches one of the expressions. A single expression of all of
# them is tried at each character and took 9 us a URL, a third of what adding a task costs; most URLs have no marks
_TEXTS_OF_MARKS = (
    "?", "=", "._", "-scaled.", "shop", "google", "ggpht", "blogspot", "gravatar", "githubuser", "flickr", "ytimg",
    "youtube",
)  # fmt: skip
_FORMS_OF_MARKS = (
    re.compile(r"\d(?:x\d|px-)"),
    re.compile(r"/(?:[sw]\d|[wh]_\d|s-l\d|resize|width|scale-to|styles|cdn-cgi|is/image)|,[wh]_\d"),
)
_PAIR = re.compile(r"[a-z]:[a-z\d]")
_SCHEME_CHARS = len("https://")


class Sized(NamedTuple):
    """A URL as one size of a picture."""

    picture: str
    """The URL without marks, equal for all sizes of one picture; the URL itself if it has none."""
    px: float
    """The width, or the height if only that is given; ``math.inf`` for the original, which has no marks."""


_RULES = (by_query, by_host, by_name, by_folder)


def size_of(url: str) -> Sized:
    """The picture of a canonical URL, and its size; never raises, and takes linear time.

    ``picture`` is canonical, on the same host, and its own picture. A signature is taken away with the marks that it
    signs. Compare ``px`` only within one picture: some servers give heights, others widths.

        size_of("https://h.example/cat-300x200.jpg")  # Sized("https://h.example/cat.jpg", 300.0)
    """
    return _known(url) if len(url) <= _REMEMBERED_CHARS else _size_of(url)


def _may_have_marks(url: str) -> bool:
    for text in _TEXTS_OF_MARKS:
        if text in url:
            return True
    return any(form.search(url, _SCHEME_CHARS) for form in _FORMS_OF_MARKS) or (
        url.find(":", _SCHEME_CHARS) > 0 and _PAIR.search(url, _SCHEME_CHARS) is not None
    )


def _size_of(url: str) -> Sized:
    place = taken_apart(url) if _may_have_marks(url) else None
    if place is None:
        return Sized(url, inf)
    marked, px = place, inf
    for _ in range(_MAX_ROUNDS):
        match = next((match for rule in _RULES if (match := rule(marked)) is not None), None)
        if match is None:
            break
        marked, px = match[0], min(px, match[1])
    else:
        return Sized(url, inf)  # more marks than a server makes
    if px == inf:
        return Sized(url, size_without_marks(place))
    picture = put_together(marked)
    px = round(px, 2)
    return Sized(picture, px) if canonical(picture) == picture else Sized(url, inf)


_known = lru_cache(maxsize=4096)(_size_of)  # several look at each image, and pages have icons in common
