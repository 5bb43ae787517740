"""Errors by the status of an answer, and when to try again."""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from crawler.errors import (
    BotChallenge,
    ClientError,
    Forbidden,
    LoginRequired,
    NotFound,
    RateLimited,
    RequestTimeout,
    ServerError,
    TaskError,
    UnexpectedStatus,
)
from crawler.http.bot_challenges import challenger
from crawler.urls import host_key

REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""Statuses that a client follows, if there is a Location (RFC 9110, section 15.4)."""
_BAD_REQUEST, _UNAUTHORIZED = 400, 401
_WANTS_TLS = re.compile(
    rb"plain HTTP request was sent to HTTPS port|speaking plain HTTP to an SSL-enabled|HTTP request to an HTTPS server",
    re.IGNORECASE,
)
"""Answers of nginx, Apache and Go to plain http at a port of https."""
_NO_CONTENT = frozenset({204, 205, 206})
PROXY_LOGIN = 407
_LEAVES: dict[int, type[TaskError]] = {
    403: Forbidden,
    404: NotFound,
    408: RequestTimeout,
    410: NotFound,
    425: RequestTimeout,
    429: RateLimited,
    # the server does not know the method (GET!) or the version: a retry does not help
    501: ClientError,
    505: ClientError,
}
"""Errors of other statuses than their class has."""
_MAX_RETRY_AFTER_S = 3600.0


def status_error(status: int, headers: Mapping[str, str], url: str, content: bytes = b"") -> TaskError | None:
    """The error of a status; None if the answer has content to keep. *content*, as far as it is known, may say more."""
    if vendor := challenger(status, headers, b"" if _is_success(status) else content):
        return challenged(vendor, status, url)
    if _is_success(status) and status not in _NO_CONTENT:
        return None
    if status == _UNAUTHORIZED:
        return LoginRequired(_login(headers), http_status=status, final_url=url)
    if status == _BAD_REQUEST and _WANTS_TLS.search(content):
        text = f"the server speaks https only at this port (400 Bad Request){wants_https(url)}"
        return ClientError(text, http_status=status, final_url=url)
    of_class = UnexpectedStatus if status < 400 else ClientError if status < 500 else ServerError  # noqa: PLR2004
    leaf = _LEAVES.get(status, of_class)
    phrase = http.client.responses.get(status, "")
    return leaf(
        f"the server answered {status} {phrase}".rstrip(),
        http_status=status,
        retry_after_s=retry_after_s(headers),
        final_url=url,
    )


def _is_success(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 - the class of RFC 9110 section 15.3


def challenged(vendor: str, status: int, url: str) -> BotChallenge:
    """The error of an answer that is a bot challenge of *vendor*."""
    return BotChallenge(
        f"{vendor} wants a proof that no program asks, before it lets anybody through ({status}); if a browser of yours"
        " is let through, give its cookies with --cookies, or ask the site's owner to let you in",
        http_status=status,
        final_url=url,
    )


def _login(headers: Mapping[str, str]) -> str:
    """The text of a 401, with what to give (RFC 9110 section 11.6.1)."""
    schemes = headers.get("www-authenticate", "").strip().lower()
    text = "the server wants to know who asks (401 Unauthorized): "
    if not schemes or "basic" in schemes:
        return f"{text}give a user name and a password with --login, or a browser's cookies with --cookies"
    return f"{text}give what it takes with --header, or the cookies of a browser that is logged in with --cookies"


def wants_https(url: str) -> str:
    """A hint that *url* may be meant for https: of http at a port of its own; else empty."""
    host = host_key(url)
    is_odd = host.startswith("http:") and host.rpartition(":")[2].isdigit()
    return f"; perhaps https{host.removeprefix('http')}/ is meant" if is_odd else ""


def lost_when(url: str, http_status: int) -> str:
    """When the connection for *url* was lost, by the status that had come before; 0: none."""
    if http_status:
        return "before the answer had ended"
    return f"without an answer{wants_https(url)}"


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
    """The error of a proxy that refuses to connect to *target*, or to send it a request."""
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
