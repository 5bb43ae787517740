"""Recognises crawler traps: URLs of sites that go on without end for crawlers only.

A verdict from a URL is meant to be never wrong: no site may lose a page by it. A date is a guess, as it may be a part's
number: it only keeps out links of pages that bring nothing new. Verdicts from contents are in novelty.py. Compare
Heritrix's PathologicalPathDecideRule and TooManyPathSegmentsDecideRule.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from itertools import chain

DEEP_PATH, REPEATED_PATH = "trap-deep-path", "trap-repeated-path"
CALENDAR, ENDLESS_QUERY, REPEATED_PAGE = "trap-calendar", "trap-endless-query", "trap-repeated-page"
"""Slugs of :data:`crawler.errors.LEFT_OUT`; the last one comes from novelty.py."""
SESSION_ID = "session-id"
"""Slug of a repeated page; from session_ids.py, and from the queue where it is certain."""

MAX_SEGMENTS = 20
MAX_PARAMETERS = 40
_YEARS_AHEAD = 200  # larger numbers are not years

_LETTER = re.compile(r"[^\W\d_]")
_MONTH, _DAY = "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
_DATED_PATH = re.compile(rf"/(2\d{{3}})(?:-{_MONTH}-{_DAY}|/{_MONTH}/{_DAY})(?=[/.?T]|$)")
_CALENDAR_PATH = re.compile(
    rf"(?:/|[_-])(?:cal|calendar|kalender|calendrier|calendario|agenda)(?:[_-][^/]*)?/(?:[a-z]+/)?(2\d{{3}})(?:[/-]{_MONTH})?(?=[/?]|$)"
    rf"|/(?:events?|months?)/(?:[a-z]+/)?(2\d{{3}})-{_MONTH}(?=[/?]|$)",
    re.IGNORECASE,
)
_YEAR_PARAMETER = re.compile(
    r"(?:^|[&;])(?:[\w-]{0,40}[_-])?y(?:ea)?rs?(?:%5B%5D)?=(2\d{3})(?=&|;|$)", re.IGNORECASE
)
_MONTH_PARAMETER = re.compile(
    r"(?:^|[&;])(?:[\w-]{0,40}[_-])?(?:m|mon|months?|week)(?:%5B%5D)?=\w{1,9}(?=&|;|$)", re.IGNORECASE
)
"""A month beside a year: a year alone may mean anything."""
_DATE_PARAMETER = re.compile(
    rf"(?:^|[&;])[^=&;]*=(2\d{{3}})-{_MONTH}-{_DAY}(?=[&;T]|$)"
    r"|(?:^|[&;])(?:[\w-]{0,40}[_-])?(?:\w{0,40}date|day|month|week|cal|calendar|start|end|from|until|when)(?:[_-][\w-]{0,40})?"
    rf"=(2\d{{3}})(?:-{_MONTH}|{_MONTH}{_DAY})(?=[&;T]|$)",
    re.IGNORECASE,
)
_NESTED_ESCAPES = "%25252"  # a URL within a URL within a URL


@lru_cache(maxsize=4096)
def url_trap(url: str, *, year: int) -> str:
    """The trap that a page's canonical URL is by itself; empty for none. *year* is the current one.

    Never raises; takes linear time.
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
    """Whether a run of segments occurs three times in a row, or one segment five times in all.

    Numbers and single letters may repeat: dates, map tiles, folders named by hashes.
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
    """Whether it names a day or month of a year for which no site has anything. A bare number may be anything."""
    dates = [_DATED_PATH.finditer(path), _CALENDAR_PATH.finditer(path)]
    if query:
        dates.append(_DATE_PARAMETER.finditer(query))
        if _MONTH_PARAMETER.search(query):
            dates.append(_YEAR_PARAMETER.finditer(query))
    years = (int(next(filter(None, match.groups()))) for match in chain.from_iterable(dates))
    return any(year + 1 < found <= year + _YEARS_AHEAD for found in years)


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
