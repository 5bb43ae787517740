"""Talking HTTP, for harvesters and downloaders alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, Required, TypedDict, Unpack

from crawler.models import Value

LINE_BY_LINE = frozenset({"link", "refresh", "x-robots-tag"})
"""Headers that are read one by one: each may be for another robot, or be wrong, which does not concern the next."""


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


class Transport(Protocol):
    """One way to fetch a URL; every implementation passes tests/contract/test_transport.py.

    Safe to be used by several threads at once.
    """

    def fetch(self, url: str, **asked: Unpack[Asked]) -> Fetched:
        """Fetch *url* once, following redirects.

        Raises a leaf of :class:`crawler.errors.TaskError` in every other case than a complete 2xx answer with
        content, or a 304 that was asked for: it never returns part of a body, unless told to cut it, and never takes
        much longer than the total timeout.
        """
        ...

    def close(self) -> None:
        """Drop idle connections; the transport must not be used after."""
        ...
