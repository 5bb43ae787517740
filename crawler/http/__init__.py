"""HTTP for harvesters, downloaders and the browser: the Transport protocol, and the values it takes and gives.

EngineTransport (engine_transport.py) sends requests by an engine: RequestsTransport and CurlTransport are that with one
each, and transports.py chooses. RetryingTransport (request_retries.py) wraps it, and repeats a failed fetch within
seconds. All are a Transport as defined here. RpcTransport (queues/rpc) is none: it connects workers to the manager.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, Required, TypedDict, Unpack

import msgspec

from crawler.models import Value

LINE_BY_LINE = frozenset({"link", "refresh", "x-robots-tag"})
"""Headers whose lines are read one by one: each may be for another robot, and a wrong one does not spoil the next."""


def merged(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by name in lower case, with the values of one name joined, as :class:`Fetched` says."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        between = "\n" if key in LINE_BY_LINE else ", "
        found[key] = f"{found[key]}{between}{value}" if key in found else value
    return found


class Fetched(Value):
    """A complete answer: a status in 200-299 with a body, or with Refresh in its place; or a 304 that was asked for."""

    url: str
    final_url: str
    """Canonical, after redirects."""
    http_status: int
    headers: Mapping[str, str]
    """Names in lower case; values read as Latin-1, repeated ones joined by ``, ``, by a line feed if LINE_BY_LINE."""
    content: bytes
    """Decompressed."""
    is_cut: bool = False
    """Whether *content* is only the first bytes: there was more than was asked for."""

    @property
    def content_type(self) -> str:
        """The media type in lower case, or empty; the last of several (Fetch, "extract a MIME type")."""
        header = self.headers.get("content-type", "")
        told = [part.partition(";")[0].strip().lower() for part in header.split(",")]
        return next((media_type for media_type in reversed(told) if "/" in media_type), told[0])


def packed(fetched: Fetched) -> bytes:
    """An answer as bytes, to be kept with a task."""
    return msgspec.msgpack.encode(fetched)


def unpacked(data: bytes, *, url: str) -> Fetched | None:
    """The answer in *data*, if :func:`packed` made that of one for *url*; else None."""
    try:
        fetched = _FETCHED.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return fetched if fetched.url == fetched.final_url == url and fetched.content else None


_FETCHED = msgspec.msgpack.Decoder(Fetched)


class Validators(Value):
    """The validators of a known representation (RFC 9110, section 8.8); either may be empty."""

    url: str
    """The URL they are of, after redirects. They say nothing of any other URL."""
    etag: str = ""
    last_modified: str = ""


Check = Callable[[str], None]
"""Raises a TaskError for a canonical URL that must not be asked for."""


class Asked(TypedDict, total=False):
    """The options of a fetch."""

    max_bytes: Required[int]
    accept: Required[str]
    """The Accept header."""
    referer: str
    """The URL of the page that names the one to fetch."""
    check: Check | None
    """Called with each URL before anything is sent to it, the first one included; what it raises ends the fetch."""
    cut: bool
    """Take the first *max_bytes* of a longer answer, unless a part of its type is worthless (films, archives)."""
    sending: Check | None
    """Called with each URL right before it is sent, once its connection stands; what it raises ends the fetch."""
    sent: Callable[[str, float], None] | None
    """Called as soon as a URL is answered, with the URL and the time of its request on the monotonic clock."""
    once: bool
    """Make one attempt: the host has a delay, and the queue sees to further ones."""
    within_s: float | None
    """Seconds for the whole fetch, if that is less than the total timeout."""
    unless: Validators | None
    """Validators of a known representation: while that is current, the answer may be a 304 without content."""


METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
"""The methods that a request of a page in the browser may have."""
Pairs = tuple[tuple[str, str], ...]
"""Headers in their order and spelling; a name may occur more than once."""


class BrowserRequest(Value):
    """A request that a page in the browser makes, as the browser would send it."""

    url: str
    method: str = "GET"
    """One of METHODS."""
    headers: Pairs = ()
    """The page's headers; those of the browser itself are not sent, see :mod:`crawler.http.browser_headers`."""
    body: bytes = b""
    """Only of a POST."""

    def header(self, name: str) -> str:
        """The values of that *name* (in lower case), between commas; empty without one."""
        return ", ".join(value for known, value in self.headers if known.lower() == name)


class Exchanged(Value):
    """The answer to one request, whatever its status."""

    url: str
    """Canonical; a redirect from it is not followed."""
    http_status: int
    headers: Pairs = ()
    """Without the headers of the transfer: the content is plain now."""
    content: bytes = b""
    """Decompressed."""
    is_cut: bool = False
    """Whether *content* is only the first bytes: there was more than was asked for."""
    stopped: bool = False
    """Whether ``stop_at`` said to leave the content unread."""


class Exchanging(TypedDict, total=False):
    """The options of an exchange; ``check``, ``sending``, ``sent`` and ``within_s`` are as in :class:`Asked`."""

    max_bytes: Required[int]
    """A longer answer is cut to its first bytes."""
    check: Check | None
    sending: Check | None
    sent: Callable[[str, float], None] | None
    within_s: float | None
    stop_at: Callable[[int, Mapping[str, str]], bool] | None
    """Called with the status and the headers, as in :class:`Fetched`; True leaves the content unread."""


class Transport(Protocol):
    """One way to fetch a URL; every implementation passes the tests in tests/contract that have each_transport.

    Thread-safe.
    """

    def fetch(self, url: str, **asked: Unpack[Asked]) -> Fetched:
        """Fetch *url* once, following redirects.

        Returns a complete 2xx answer with content, or a 304 that was asked for; raises a leaf of
        :class:`crawler.errors.TaskError` in every other case. Never returns a part of a body, unless *cut* is set, and
        never takes much longer than the total timeout.
        """
        ...

    def exchange(self, request: BrowserRequest, **exchanging: Unpack[Exchanging]) -> Exchanged:
        """Send *request* once, for a page in the browser, and return its answer, whatever its status.

        No redirect is followed: the browser does that itself. Cookies that are set go to the crawl's jar, if there is
        one, and to the browser. A request on a connection that the server has closed meanwhile is sent once more,
        unless it is a POST; *check* is called again then. Raises a leaf of :class:`crawler.errors.TaskError` when no
        answer can be read to its end, or the proxy refuses.
        """
        ...

    def close(self) -> None:
        """Close idle connections; the transport must not be used afterwards."""
        ...
