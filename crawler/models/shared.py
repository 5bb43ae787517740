"""What the workers of a crawl share by way of the queue: cookies, files of hosts, and what rendering pages brought."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, field

from crawler.models.records import Gains
from crawler.models.values import Pause, Seconds, Slug, Small, Total, Value


class Cookie(Value):
    """One that a server set (RFC 6265), as all workers of a crawl share it."""

    domain: Annotated[str, Meta(max_length=255)]
    """In lower case, without a leading dot."""
    path: Annotated[str, Meta(max_length=4096)]
    name: Annotated[str, Meta(max_length=4096)]
    value: Annotated[str, Meta(max_length=4096)] = ""
    host_only: bool = False
    """For *domain* alone, not for the hosts below it."""
    secure: bool = False
    """For https only."""
    expires_in_s: Annotated[float, Meta(ge=0, le=1e10)] | None = None
    """None: it is good for as long as the crawl."""
    deleted: bool = False
    """The server took it back."""

    def __repr__(self) -> str:  # its value may be as good as a password
        return f"Cookie(domain={self.domain!r}, path={self.path!r}, name={self.name!r}, value=…)"


ASK_AGAIN_S = 0.1
"""After so long one asks the queue again for a file that somebody else fetches, or for a slot of a host that has none
free."""
ROBOTS_TXT = "robots.txt"
MOST_FILE_BYTES = 512 * 1024
"""Of a HostFile."""


class HostFile(Value):
    """What a host says of all that it has (robots.txt and the like), or why it does not: asked for once for a crawl."""

    name: Annotated[str, Meta(max_length=100)]
    """Its path, without the ``/`` it begins with."""
    content: Annotated[bytes, Meta(max_length=MOST_FILE_BYTES)] = b""
    is_cut: bool = False
    """There was more of it."""
    reason: Slug = ""
    """Why it is not to be had: the slug of an error; empty if it is there."""
    detail: Annotated[str, Meta(max_length=2000)] = ""
    http_status: Small = 0
    kept_s: Annotated[float, Meta(ge=0, le=7 * 86400)] = 0.0
    """How long this may go on to count."""
    delay_s: Pause = 0.0
    """What it asks for between two requests."""


class FileAnswer(Value):
    """What the queue says to who needs a HostFile: here it is; or fetch it, for everybody; or ask again, for somebody
    else is fetching it.
    """

    file: HostFile | None = None
    is_yours: bool = False
    again_s: Seconds = 0.0


class RenderOutcome(Value):
    """What rendering one page brought, told to the queue, for all renderers and harvesters to learn from."""

    task: Total
    found: Annotated[tuple[Annotated[int, Meta(ge=0, le=2**32 - 1)], ...], Meta(max_length=256)] = ()
    """Of each image and link that only rendering found, a hash of its URL (CRC-32); not all, if they are very many."""
    gains: Gains = field(default_factory=dict)
    """Images by the behaviour that brought them."""
    failed: bool = False
    """It says nothing of its template: the page could not be opened."""


class TemplateVerdict(StrEnum):
    UNKNOWN = "unknown"
    """Too few pages of the template have been rendered so far."""
    RENDER = "render"
    SKIP = "skip"
    """Rendering its pages brings nothing."""
    WAIT = "wait"
    """Others are about to find out: ask again in ``again_s`` seconds."""


class TemplateAnswer(Value):
    """What the queue says of a template."""

    verdict: TemplateVerdict
    behaviours: Annotated[tuple[Slug, ...], Meta(max_length=64)] | None = None
    """The dear ones that pay for its pages; None: try all."""
    again_s: Seconds = 0.0
    renders: Small = 0
    """How many of its pages have been rendered."""
    has_renderer: bool = True
    """Somebody renders, or will when there is something to render."""
