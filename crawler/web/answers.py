"""What an answer without content to keep stands for, and when to ask again."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from crawler.errors import (
    ClientError,
    Forbidden,
    NotFound,
    RateLimited,
    RequestTimeout,
    ServerError,
    TaskError,
    UnexpectedStatus,
)

_NO_CONTENT = frozenset({204, 205, 206})
PROXY_LOGIN = 407
_NEVER = frozenset({501, 505})
"""The server does not know the method (GET!) or the version: it will not have learned them in a minute."""
_MAX_RETRY_AFTER_S = 3600.0


def status_error(status: int, headers: Mapping[str, str], url: str) -> TaskError | None:
    """The error that a status stands for; None for one that comes with content to keep."""
    leaf: type[TaskError]
    if 200 <= status < 300 and status not in _NO_CONTENT:  # noqa: PLR2004 - the classes of RFC 9110 section 15
        return None
    if status < 400:  # noqa: PLR2004
        leaf = UnexpectedStatus
    elif status in {401, 403}:
        leaf = Forbidden
    elif status in {404, 410}:
        leaf = NotFound
    elif status in {408, 425}:
        leaf = RequestTimeout
    elif status == 429:  # noqa: PLR2004
        leaf = RateLimited
    else:
        leaf = ClientError if status < 500 or status in _NEVER else ServerError  # noqa: PLR2004
    phrase = http.client.responses.get(status, "")
    return leaf(
        f"the server answered {status} {phrase}".rstrip(),
        http_status=status,
        retry_after_s=retry_after_s(headers),
        final_url=url,
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The Retry-After header in seconds from now, in 0 … 3600, or None (RFC 9110 section 10.2.3).

    A date is measured from the answer's own Date header, if it has one: two clocks need not agree.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        seconds = float(text)
    elif (due := _http_date(text)) is None:
        return None
    else:
        now = _http_date(headers.get("date", "")) or datetime.now(UTC)
        seconds = (due - now).total_seconds()
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER_S)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def proxy_error(status: int, proxy: str, target: str) -> TaskError:
    """The error that a proxy's refusal stands for, to connect to *target* or to ask it for something."""
    if status == PROXY_LOGIN:
        text = (
            f"the proxy {proxy} wants another user name and password (407 Proxy Authentication Required); give them"
            f" with --proxy, as http://USER:PASSWORD@{proxy}"
        )
        return Forbidden(text, http_status=status)
    phrase = http.client.responses.get(status, "")
    leaf = Forbidden if status < 500 else ServerError  # noqa: PLR2004
    return leaf(
        f"the proxy {proxy} refuses to connect to {target}: {status} {phrase}".rstrip(), http_status=status
    )
