"""Headers of a browser's request that are sent on: those that a page or its scripts can set.

We send the request, not the browser: headers that identify the browser, or belong to its own connection, are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_OURS = frozenset({"host", "user-agent", "accept-encoding", "content-length"})
"""Headers that the transport sets itself."""
_OF_A_CONNECTION = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect", "http2-settings"}
)
"""Headers of a connection (RFC 9110, section 7.6.1); those that begin with ``proxy-`` are dropped, too."""
_OF_A_BROWSER = frozenset(
    {
        "dnt", "upgrade-insecure-requests", "save-data", "purpose", "device-memory", "dpr", "width", "viewport-width",
        "downlink", "ect", "rtt", "x-client-data",
        "cache-control", "pragma",  # of its cache; there is none but ours
    }
)  # fmt: skip
"""Headers of the browser itself; those that begin with ``sec-`` (client hints, fetch metadata) are dropped, too."""
_DROPPED = _OURS | _OF_A_CONNECTION | _OF_A_BROWSER
_DROPPED_FAMILIES = ("sec-", "proxy-")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
"""The name of a header: a token (RFC 9110, section 5.6.2)."""
_UNFIT = re.compile(r"[^\x20-\x7e\x80-\xff]")
_MAX_HEADERS = 64
_MAX_BYTES = 32 * 1024
"""The most bytes of all names and values; few servers take more."""


def passed_on(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers of a browser's request that are sent on, by name as spelled; values of one name joined. Never raises.

    Headers that can't be sent, and those beyond 64 or beyond 32 KiB, are dropped, too.
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
    """The Cookie header with all of *ours*, then those of *theirs* that have other names."""
    known = {_name(cookie) for cookie in ours.split(";")}
    more = [cookie for text in theirs.split(";") if (cookie := text.strip()) and _name(cookie) not in known]
    return "; ".join(filter(None, (ours, *more)))


def _name(cookie: str) -> str:
    name, equals, _ = cookie.partition("=")
    return name.strip() if equals else ""
