"""Which answers may be used again, and for how long: RFC 9111 for a private cache. Pure.

Nothing is revalidated, so stale answers are not kept.
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

from crawler.http import BrowserRequest, Exchanged, Pairs

SHARED = frozenset({"Script", "Stylesheet"})
"""DevTools' types of resources that the pages of a site share."""
FLOOR_S = 300.0
"""Lifetime, in seconds, of scripts and style sheets whose server states none: a thousand pages of a site share them,
and are rendered within minutes. It also holds for images that were stopped: they stay images.
"""
_HEURISTIC_PART = 0.1
_MAX_HEURISTIC_S = 24 * 3600.0
_MAX_S = 365 * 24 * 3600.0
_ALWAYS_THE_SAME = frozenset({"accept-encoding", "user-agent", "host"})
"""Request headers that the transport sets itself; they never differ."""
_OK = 200
_DIRECTIVE = re.compile(r'\s*+([^\s=,"]++)\s*+(?:=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s,"]*+))\s*+)?+(?:,|$)')
_SECONDS = re.compile(r"[0-9]{1,18}")


def value_of(headers: Pairs, name: str) -> str | None:
    """The comma-separated values of the header *name* (in lower case); None without one."""
    found = [value for known, value in headers if known.lower() == name]
    return ", ".join(found) if found else None


def directives(headers: Pairs) -> dict[str, str]:
    """The directives of Cache-Control, the first of each name (RFC 9111, 4.2.1); malformed ones are skipped."""
    text, position = value_of(headers, "cache-control") or "", 0
    found: dict[str, str] = {}
    while position < len(text):
        match = _DIRECTIVE.match(text, position)
        if match is None:
            comma = text.find(",", position)
            position = comma + 1 if comma >= 0 else len(text)
            continue
        found.setdefault(match[1].lower(), match[2] if match[2] is not None else match[3] or "")
        position = max(match.end(), position + 1)
    return found


def is_askable(request: BrowserRequest) -> bool:
    """Whether a request may be answered from the cache, or share another request's answer."""
    return request.method == "GET" and value_of(request.headers, "range") is None


def varies(request: BrowserRequest, answer: Exchanged) -> tuple[tuple[str, str | None], ...] | None:
    """The request headers that the answer depends on, with their values; None if no other request may match.

    These are the headers of Vary (section 4.1), and Origin: servers forget to name it, and an answer for scripts of one
    origin would be used for another.
    """
    named = {name.strip().lower() for name in (value_of(answer.headers, "vary") or "").split(",")} - {""}
    if "*" in named:
        return None
    if value_of(answer.headers, "access-control-allow-origin") != "*":
        named.add("origin")
    return tuple((name, value_of(request.headers, name)) for name in sorted(named - _ALWAYS_THE_SAME))


def is_like(request: BrowserRequest, varied: tuple[tuple[str, str | None], ...]) -> bool:
    """Whether a request has the header values that an answer depends on."""
    return all(value_of(request.headers, name) == value for name, value in varied)


def kept_s(request: BrowserRequest, answer: Exchanged, *, kind: str, now: float) -> float:
    """Seconds from *now* (Unix time of arrival) for which *answer* may be used again; 0 for not at all.

    *kind* is DevTools' type of the request. Answers to requests with a password are kept only if they are public. So
    are answers that set cookies, except scripts and style sheets that state a lifetime or a date: these are files, and
    most sites set cookies with everything.
    """
    if not is_askable(request) or answer.http_status != _OK or answer.is_cut:
        return 0.0
    said = directives(answer.headers)
    pragma = (value_of(answer.headers, "pragma") or "").lower()
    if said.keys() & {"no-store", "no-cache"} or (not said and "no-cache" in pragma):
        return 0.0
    explicit_s = _explicit_s(answer.headers, said, now)
    modified = _date(_first(answer.headers, "last-modified"))
    if "public" not in said and not _is_anybodys(
        request, said, kind, is_file=bool(modified) or explicit_s > 0
    ):
        return 0.0
    if varies(request, answer) is None:
        return 0.0
    age_s = initial_age_s(answer.headers, now)
    if explicit_s >= 0:
        return max(0.0, explicit_s - age_s)
    date = _date(_first(answer.headers, "date")) or now
    heuristic_s = min((date - modified) * _HEURISTIC_PART, _MAX_HEURISTIC_S) if modified else 0.0
    return max(heuristic_s - age_s, FLOOR_S if kind in SHARED or answer.stopped else 0.0)


def initial_age_s(headers: Pairs, now: float) -> float:
    """Age of an answer on arrival, in seconds (section 4.2.3)."""
    date = _date(_first(headers, "date"))
    apparent_s = max(0.0, now - date) if date is not None else 0.0
    return max(apparent_s, _seconds((value_of(headers, "age") or "").partition(",")[0]) or 0.0)


def _is_anybodys(request: BrowserRequest, said: dict[str, str], kind: str, *, is_file: bool) -> bool:
    if value_of(request.headers, "authorization") is not None:
        return False
    if value_of(request.headers, "cookie") is None:
        return True
    return kind in SHARED and is_file and "private" not in said


def _explicit_s(headers: Pairs, said: dict[str, str], now: float) -> float:
    """The lifetime that the server states, in seconds; negative if none (section 4.2.1)."""
    if "max-age" in said:
        return _seconds(said["max-age"]) or 0.0  # one that is wrong makes it stale
    expires = _first(headers, "expires")
    if expires is None:
        return -1.0
    date = _date(_first(headers, "date"))
    end = _date(expires)
    return 0.0 if end is None else min(max(0.0, end - (now if date is None else date)), _MAX_S)


def _first(headers: Pairs, name: str) -> str | None:
    """The first value of a header whose values contain commas."""
    return next((value for known, value in headers if known.lower() == name), None)


def _seconds(text: str) -> float | None:
    found = _SECONDS.fullmatch(text.strip())
    return min(float(found[0]), _MAX_S) if found else None


def _date(text: str | None) -> float | None:
    if not text:
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
