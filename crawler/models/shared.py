"""What the workers of a crawl share through the queue: cookies, files of hosts, and what rendering brought."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, field

from crawler.models.records import Gains
from crawler.models.values import Pause, Seconds, Slug, Small, Total, Value

UNFIT_FOR_COOKIE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")
"""What no server can set in a cookie, nor a request send."""


class Cookie(Value):
    """A cookie that a server set (RFC 6265); all workers of the crawl send it."""

    domain: Annotated[str, Meta(max_length=255)]
    """The domain in lower case, without a leading dot."""
    path: Annotated[str, Meta(max_length=4096)]
    name: Annotated[str, Meta(max_length=4096)]
    value: Annotated[str, Meta(max_length=4096)] = ""
    host_only: bool = False
    """It is sent to *domain* alone, not to the hosts below it."""
    secure: bool = False
    """It is sent by https only."""
    expires_in_s: Annotated[float, Meta(ge=0, le=1e10)] | None = None
    """Seconds until it expires; None if it lasts as long as the crawl."""
    deleted: bool = False
    """The server has deleted it."""

    def __repr__(self) -> str:  # its value may be as good as a password
        return f"Cookie(domain={self.domain!r}, path={self.path!r}, name={self.name!r}, value=…)"


ASK_AGAIN_S = 0.1
"""Seconds until a worker asks the queue again for a file that another worker fetches, or for a slot of a busy host."""
ROBOTS_TXT = "robots.txt"
TDMREP_JSON = ".well-known/tdmrep.json"
HOST_FILES = frozenset({ROBOTS_TXT, TDMREP_JSON})
"""The names of files in which hosts speak of themselves."""
MOST_FILE_BYTES = 512 * 1024
"""Maximum size of a HostFile; the rest is cut off."""


class HostFile(Value):
    """robots.txt, tdmrep.json and the like of a host, or why it can't be had. A crawl fetches each once."""

    name: Annotated[str, Meta(max_length=100)]
    """The path, without the leading ``/``."""
    content: Annotated[bytes, Meta(max_length=MOST_FILE_BYTES)] = b""
    is_cut: bool = False
    """The file was larger than MOST_FILE_BYTES."""
    reason: Slug = ""
    """The slug of the error, if it can't be had; empty otherwise."""
    detail: Annotated[str, Meta(max_length=2000)] = ""
    http_status: Small = 0
    kept_s: Annotated[float, Meta(ge=0, le=7 * 86400)] = 0.0
    """Seconds for which it remains valid."""
    delay_s: Pause = 0.0
    """Seconds that it asks for between two requests (Crawl-delay)."""


class FileAnswer(Value):
    """The queue's answer to a worker that needs a HostFile: the file itself; or ``is_yours``, fetch it for all; or
    ``again_s``, ask again later, as another worker fetches it.
    """

    file: HostFile | None = None
    is_yours: bool = False
    again_s: Seconds = 0.0


class RenderOutcome(Value):
    """What rendering one page brought. The queue judges the page's template by it, for all workers."""

    task: Total
    found: Annotated[tuple[Annotated[int, Meta(ge=0, le=2**32 - 1)], ...], Meta(max_length=256)] = ()
    """CRC-32 of the URL of each image and link that only rendering found; 256 of them at most."""
    gains: Gains = field(default_factory=dict)
    """Number of images by the behaviour that brought them."""
    failed: bool = False
    """The page could not be opened, so nothing is learned of its template."""


class TemplateVerdict(StrEnum):
    UNKNOWN = "unknown"
    """Too few of its pages have been rendered so far."""
    RENDER = "render"
    """Rendering its pages pays."""
    SKIP = "skip"
    """Rendering its pages brings nothing."""
    WAIT = "wait"
    """Other workers are trying it: ask again in ``again_s`` seconds."""


class TemplateAnswer(Value):
    """Whether pages of a template are to be rendered, and how."""

    verdict: TemplateVerdict
    behaviours: Annotated[tuple[Slug, ...], Meta(max_length=64)] | None = None
    """The costly behaviours that bring images on its pages; None to try all."""
    again_s: Seconds = 0.0
    renders: Small = 0
    """Number of its pages that have been rendered."""
    has_renderer: bool = True
    """A renderer has joined, or will be started when there is something to render."""
