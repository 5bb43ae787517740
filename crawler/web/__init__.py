"""Talking HTTP, for harvesters and downloaders alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from crawler.models import Value


class Fetched(Value):
    """A complete answer with a status in 200-299 and a body."""

    url: str
    final_url: str
    """Canonical, after redirects."""
    http_status: int
    headers: Mapping[str, str]
    """Names in lower case; repeated ones joined by ``, `` (``x-robots-tag`` by a line feed: each may be for
    another robot).
    """
    content: bytes
    """Decompressed."""

    @property
    def content_type(self) -> str:
        """The media type in lower case without parameters, or ``""``."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Validators(Value):
    """What a server called a representation that is known (RFC 9110, section 8.8); either may be empty."""

    etag: str = ""
    last_modified: str = ""


Check = Callable[[str], None]
"""Raises a TaskError for a canonical URL that must not be asked for."""


class Transport(Protocol):
    """One way to fetch a URL; every implementation passes tests/contract/test_transport.py.

    Safe to be used by several threads at once.
    """

    def fetch(
        self,
        url: str,
        *,
        max_bytes: int,
        accept: str,
        referer: str = "",
        check: Check | None = None,
        cut: bool = False,
        within_s: float | None = None,
    ) -> Fetched:
        """Fetch *url* once, following redirects.

        *check* is asked about each URL before anything is sent to it, *url* itself first; what it raises ends the
        fetch. Raises a leaf of :class:`crawler.errors.TaskError` in every other case than a complete 2xx answer with
        content: it never returns part of a body, unless *cut* asks for the first *max_bytes* of a longer one, and
        never takes much longer than the total timeout, or *within_s* if that is shorter.
        """
        ...

    def close(self) -> None:
        """Drop idle connections; the transport must not be used after."""
        ...
