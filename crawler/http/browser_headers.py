"""Which headers of a browser's request are sent on: those that the page has a say in, and none of the browser's own.

It is us who ask, not the browser: what tells one browser from another stays behind, and so does what belongs to its own
connection. What a script may set for itself goes through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_OURS = frozenset({"host", "user-agent", "accept-encoding", "content-length"})
"""The transport says them itself."""
_OF_A_CONNECTION = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect", "http2-settings"}
)
"""And what begins with ``proxy-`` (RFC 9110, section 7.6.1)."""
_OF_A_BROWSER = frozenset(
    {
        "dnt", "upgrade-insecure-requests", "save-data", "purpose", "device-memory", "dpr", "width", "viewport-width",
        "downlink", "ect", "rtt", "x-client-data",
        "cache-control", "pragma",  # of its cache; there is none but ours
    }
)  # fmt: skip
"""And what begins with ``sec-``: client hints, fetch metadata."""
_DROPPED = _OURS | _OF_A_CONNECTION | _OF_A_BROWSER
_DROPPED_FAMILIES = ("sec-", "proxy-")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
"""A token (RFC 9110, section 5.6.2)."""
_UNFIT = re.compile(r"[^\x20-\x7e\x80-\xff]")
_MAX_HEADERS = 64
_MAX_BYTES = 32 * 1024
"""Of all names and values; few servers take more."""


def passed_on(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What is sent on of a browser's headers, by name as it is spelled; several of a name in one. Never raises.

    Left out is what can't be sent, too, and what is beyond 64 headers or 32 KiB.
    """
    values: dict[str, str] = {}
    spelling: dict[str, str] = {}
    size = 0
    for name, value in headers:
        folded = name.lower()
        if folded in _DROPPED or folded.startswith(_DROPPED_FAMILIES) or not _NAME.fullmatch(name):
            continue
        value = _UNFIT.sub("", value).strip()  # noqa: PLW2901
        size += len(name) + len(value)
        if size > _MAX_BYTES:
            break
        spelled = spelling.setdefault(folded, name)
        between = "; " if folded == "cookie" else ", "
        values[spelled] = f"{values[spelled]}{between}{value}" if spelled in values else value
        if len(values) == _MAX_HEADERS:
            break
    return values


def joined_cookies(ours: str, theirs: str) -> str:
    """One Cookie header of two: all of *ours*, then those of *theirs* that have other names."""
    known = {_name(cookie) for cookie in ours.split(";")}
    more = [cookie for text in theirs.split(";") if (cookie := text.strip()) and _name(cookie) not in known]
    return "; ".join(filter(None, (ours, *more)))


def _name(cookie: str) -> str:
    name, equals, _ = cookie.partition("=")
    return name.strip() if equals else ""
