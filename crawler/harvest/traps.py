"""Where a site goes on without end, and no visitor does: URLs that only a trap has, and pages that only repeat.

What is told from a URL is meant to never be wrong: a site may lose no page by it. What is told from contents is
learned on the way, in bounded memory, by each harvester for itself; so is the variety of queries. Compare Heritrix's
PathologicalPathDecideRule and TooManyPathSegmentsDecideRule.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable
from functools import lru_cache

from crawler.harvest.markup import without_markup

DEEP_PATH, REPEATED_PATH = "trap-deep-path", "trap-repeated-path"
CALENDAR, ENDLESS_QUERY, REPEATED_PAGE = "trap-calendar", "trap-endless-query", "trap-repeated-page"
TRAPS = {
    DEEP_PATH: "a path of very many segments",
    REPEATED_PATH: "a path in which the same segments come again and again",
    CALENDAR: "a date that is more than a year away",
    ENDLESS_QUERY: "a query that repeats itself, or one more combination of parameters after very many",
    REPEATED_PAGE: "one more page with the text and the images of many others before it",
}
"""What a link is kept out by, and what that means."""

MAX_SEGMENTS = 20
MAX_PARAMETERS = 40
MAX_SAME_PAGES = 20
"""Pages of one shape with the same contents whose links to more of that shape are followed."""
MAX_COMBINATIONS = 64
"""Sets of parameter names of one path that are followed."""
_MEMORY = 20_000
_YEARS_AHEAD = 200  # beyond that it is a number, and no calendar's year

_LETTER = re.compile(r"[^\W\d_]")
_DATED_PATH = re.compile(r"/(2\d{3})(?:-(\d\d)(?:-\d\d)?|/(\d\d)/\d\d)(?=[/.?T]|$)")
_DATED_BY_WORD = re.compile(
    r"(?:calend|kalend|agenda|event|month)[^/]*/(?:[^/]+/)?(2\d{3})(?:/\d\d?)?(?=[/?]|$)", re.IGNORECASE
)
_YEAR_PARAMETER = re.compile(r"(?:^|[&;])[\w-]*ye?a?rs?(?:%5B%5D)?=(2\d{3})(?=&|;|$)", re.IGNORECASE)
_DATE_PARAMETER = re.compile(
    r"(?:^|[&;])[\w-]*(?:date|day|month|week|cal|start|end|from|until|when)[\w-]*=(2\d{3})-?(?:0[1-9]|1[0-2])(?:-?\d\d)?(?=[&;T]|$)",
    re.IGNORECASE,
)
_NESTED_ESCAPES = "%25252"  # an URL within an URL within an URL
_NO_LETTERS = bytes(range(0x41)) + b"[\\]^_`{|}~\x7f"
_TOKEN = re.compile(r"[0-9a-f-]{8,}|\d+", re.IGNORECASE)
_DIGIT = re.compile(r"\d")


@lru_cache(maxsize=4096)
def url_trap(url: str, *, year: int) -> str:
    """Which of TRAPS a page's canonical URL is, if it is one by itself; empty if not. *year* is the current one.

    Never raises; takes time in proportion to the URL's length.
    """
    start, _, query = url.partition("?")
    path = start[start.find("/", 8) :]
    slashes = path.count("/")
    if slashes > MAX_SEGMENTS:
        return DEEP_PATH
    if slashes > 2 and _repeats(path.strip("/").split("/")):  # noqa: PLR2004 - three times is too often
        return REPEATED_PATH
    if "2" in url and _is_far_away(path, query, year):
        return CALENDAR
    return ENDLESS_QUERY if query and _is_endless(query) else ""


def _repeats(segments: list[str]) -> bool:
    """Whether a run of segments comes three times in a row, or one of them five times in all.

    Numbers and single letters do so without harm: dates, map tiles, folders named by hashes.
    """
    count = len(segments)
    if len(set(segments)) == count:
        return False
    words = [segment for segment in segments if len(segment) > 1 and _LETTER.search(segment)]
    if max(Counter(words).values(), default=0) > 4:  # noqa: PLR2004
        return True
    for size in range(1, count // 3 + 1):
        for first in range(count - 3 * size + 1):
            run = segments[first : first + size]
            if run == segments[first + size : first + 2 * size] == segments[
                first + 2 * size : first + 3 * size
            ] and not set(run).isdisjoint(words):
                return True
    return False


def _is_far_away(path: str, query: str, year: int) -> bool:
    years = [match[1] for match in _DATED_PATH.finditer(path)]
    years += [match[1] for match in _DATED_BY_WORD.finditer(path)]
    if query:
        years += [match[1] for match in _YEAR_PARAMETER.finditer(query)]
        years += [match[1] for match in _DATE_PARAMETER.finditer(query)]
    return any(year + 1 < int(found) <= year + _YEARS_AHEAD for found in years)


def _is_endless(query: str) -> bool:
    if _NESTED_ESCAPES in query:
        return True
    parameters = query.split("&")
    if len(parameters) < 3:  # noqa: PLR2004 - three times is too often
        return False
    if len(parameters) > MAX_PARAMETERS or max(Counter(parameters).values()) > 2:  # noqa: PLR2004
        return True
    names = Counter(parameter.partition("=")[0] for parameter in parameters)
    return any(count > 8 and not name.endswith(("[]", "%5B%5D")) for name, count in names.items())  # noqa: PLR2004


def fingerprint(html: str, images: Iterable[str]) -> bytes:
    """16 bytes that pages with the same words and the same images share, whatever their numbers, markup and scripts.

    Takes time in proportion to the page's length.
    """
    digest = hashlib.blake2b(
        without_markup(html).encode("utf-8", errors="replace").translate(None, _NO_LETTERS), digest_size=16
    )
    for image in sorted(set(images)):
        digest.update(b"\n" + image.encode())
    return digest.digest()


def shape(url: str) -> str:
    """What a URL has in common with others that are likely made by the same program: its host, its path without numbers
    and tokens, and without words below the second folder, and the names of its parameters.
    """
    start, _, query = url.partition("?")
    segments = [_TOKEN.sub(_without_number, segment) for segment in start.split("/")]
    for number in range(5, len(segments)):  # scheme, nothing, host, two folders
        segments[number] = "#" if "#" in segments[number] else "*"
    names = sorted({parameter.partition("=")[0] for parameter in query.split("&")})
    return f"{'/'.join(segments)}?{'&'.join(names)}"


def _without_number(token: re.Match[str]) -> str:
    return "#" if _DIGIT.search(token[0]) else token[0]


class Repetition:
    """What has been seen of a site, so that what only repeats is noticed; safe to be used by several threads.

    The latest _MEMORY contents and paths are known; a site that repeats itself does so soon.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        # by hashes: a server chooses how long its URLs are
        self._pages: OrderedDict[int, int] = OrderedDict()
        self._combinations: OrderedDict[int, set[int]] = OrderedDict()

    def is_repeated(self, url: str, contents: bytes) -> bool:
        """Take note of a page, by its fingerprint. Tell whether so many of its shape have had the same that its links
        to more of that shape lead nowhere.
        """
        with self._mutex:
            key = hash((shape(url), contents))
            count = self._pages.pop(key, 0) + 1
            self._pages[key] = count
            if len(self._pages) > _MEMORY:
                self._pages.popitem(last=False)
            return count > MAX_SAME_PAGES

    def is_one_more_combination(self, url: str) -> bool:
        """Whether *url* combines its path's parameters in one more way after MAX_COMBINATIONS: filters upon filters."""
        start, _, query = url.partition("?")
        if not query:
            return False
        names = hash(frozenset(parameter.partition("=")[0] for parameter in query.split("&")))
        with self._mutex:
            known = self._combinations.pop(hash(start), None) or set()
            self._combinations[hash(start)] = known
            if len(self._combinations) > _MEMORY:
                self._combinations.popitem(last=False)
            if names in known:
                return False
            if len(known) >= MAX_COMBINATIONS:
                return True
            known.add(names)
            return False
