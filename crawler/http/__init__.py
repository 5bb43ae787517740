"""Talking HTTP, for harvesters and downloaders alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, Required, TypedDict, Unpack

import msgspec

from crawler.models import Value

LINE_BY_LINE = frozenset({"link", "refresh", "x-robots-tag"})
"""Headers that are read one by one: each may be for another robot, or be wrong, which does not concern the next."""


def merged(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by name in lower case; values of one name together, as :class:`Fetched` says."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        between = "\n" if key in LINE_BY_LINE else ", "
        found[key] = f"{found[key]}{between}{value}" if key in found else value
    return found


class Fetched(Value):
    """A complete answer with a status in 200-299 and a body, or with Refresh in its place; or 304 without one, for who
    has it already.
    """

    url: str
    final_url: str
    """Canonical, after redirects."""
    http_status: int
    headers: Mapping[str, str]
    """Names in lower case; values read as Latin-1, repeated ones joined by ``, `` or, if they are LINE_BY_LINE, by a
    line feed.
    """
    content: bytes
    """Decompressed."""
    is_cut: bool = False
    """There was more of it than was asked for."""

    @property
    def content_type(self) -> str:
        """The media type in lower case without parameters, or ``""``; of several the last (Fetch, "extract a MIME
        type").
        """
        header = self.headers.get("content-type", "")
        told = [part.partition(";")[0].strip().lower() for part in header.split(",")]
        return next((media_type for media_type in reversed(told) if "/" in media_type), told[0])


def packed(fetched: Fetched) -> bytes:
    """An answer as one piece, to be kept with a task."""
    return msgspec.msgpack.encode(fetched)


def unpacked(data: bytes, *, url: str) -> Fetched | None:
    """The answer in *data*, if that is what :func:`packed` has made of one for *url*; else None."""
    try:
        fetched = _FETCHED.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return fetched if fetched.url == fetched.final_url == url and fetched.content else None


_FETCHED = msgspec.msgpack.Decoder(Fetched)


class Validators(Value):
    """What a server called a representation that is known (RFC 9110, section 8.8); either may be empty."""

    url: str
    """Whose they are: where redirects had led to. They say nothing of what another URL gives."""
    etag: str = ""
    last_modified: str = ""


Check = Callable[[str], None]
"""Raises a TaskError for a canonical URL that must not be asked for."""


class Asked(TypedDict, total=False):
    """What a fetch is told beside its URL."""

    max_bytes: Required[int]
    accept: Required[str]
    """The Accept header."""
    referer: str
    """The URL of the page that names the one to fetch."""
    check: Check | None
    """Is asked about each URL before anything is sent to it, the first one included; what it raises ends the fetch."""
    cut: bool
    """The first *max_bytes* of a longer answer will do, unless it is of a type of which a part is worth nothing: films,
    sounds, archives.
    """
    sent: Callable[[str, float], None] | None
    """Is told of each URL when it had been asked for, on the monotonic clock, as soon as there is an answer."""
    once: bool
    """No second try here: the host has a delay, and the queue sees to further ones."""
    within_s: float | None
    """A limit for all of it, if that is shorter than the total timeout."""
    unless: Validators | None
    """What is known already: if that is still what there is, the answer may be 304, without content."""


METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
"""That a request of a page in the browser may have."""
Pairs = tuple[tuple[str, str], ...]
"""Headers in their order, and as they are spelled; one of a name may follow another."""


class BrowserRequest(Value):
    """A request that a page in the browser makes, as the browser would send it."""

    url: str
    method: str = "GET"
    """One of METHODS."""
    headers: Pairs = ()
    """Those of the browser's own kind are left out when it is sent, see :mod:`crawler.http.request_headers`."""
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
    """Without those that say how the content was sent: it is plain now."""
    content: bytes = b""
    """Decompressed."""
    is_cut: bool = False
    """There was more of it than was asked for."""
    stopped: bool = False
    """Its header was enough, so that its content was not asked for."""


class Exchanging(TypedDict, total=False):
    """What an exchange is told beside its request; ``check``, ``sent`` and ``within_s`` as in :class:`Asked`."""

    max_bytes: Required[int]
    """The first so many bytes of a longer answer will do."""
    check: Check | None
    sent: Callable[[str, float], None] | None
    within_s: float | None
    stop_at: Callable[[int, Mapping[str, str]], bool] | None
    """Is asked about the status and the headers, as in :class:`Fetched`, before the content is read; with True it is
    not.
    """


class Transport(Protocol):
    """One way to fetch a URL; every implementation passes tests/contract/test_transport.py and test_exchange.py.

    Safe to be used by several threads at once.
    """

    def fetch(self, url: str, **asked: Unpack[Asked]) -> Fetched:
        """Fetch *url* once, following redirects.

        Raises a leaf of :class:`crawler.errors.TaskError` in every other case than a complete 2xx answer with
        content, or a 304 that was asked for: it never returns part of a body, unless told to cut it, and never takes
        much longer than the total timeout.
        """
        ...

    def exchange(self, request: BrowserRequest, **exchanging: Unpack[Exchanging]) -> Exchanged:
        """Send *request* once, for a page in the browser, and give its answer, whatever that says.

        No redirect is followed: the browser does that itself. Cookies that are set go to the crawl's jar, if there is
        one, and to the browser. A request that meets a connection which the server has given up meanwhile is sent
        once more, unless it is a POST; *check* is asked again then. Raises a leaf of
        :class:`crawler.errors.TaskError` when there is no answer that can be read to its end, or the proxy refuses to
        get one.
        """
        ...

    def close(self) -> None:
        """Drop idle connections; the transport must not be used after."""
        ...
