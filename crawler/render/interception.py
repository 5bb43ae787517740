"""What becomes of each request of a page in the browser, all of which a person's browser would send. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, NamedTuple

from crawler.harvest.extensions import leads_to_image
from crawler.http import BrowserRequest


class Action(Enum):
    ANSWER = auto()
    """Our transport answers it."""
    STAND_IN = auto()
    """It is an image, which a downloader fetches: the page gets a stand-in."""
    REFUSE = auto()
    LEAVE = auto()
    """The page would navigate elsewhere: that is a link."""


class Decision(NamedTuple):
    action: Action
    slug: str = ""
    """The slug of LEFT_OUT that counts a refusal; empty for requests that nobody misses."""


_REFUSED = {
    "Media": "render-media",
    "Font": "",
    "TextTrack": "",
    "Manifest": "",
    "EventSource": "render-sockets",
    "WebSocket": "render-sockets",
    "DirectSocket": "render-sockets",
    "Ping": "render-beacons",
    "CSPViolationReport": "render-beacons",
    "Prefetch": "render-prefetch",
    "SignedExchange": "render-prefetch",
    "FedCM": "",
}
"""Refused requests, by DevTools' resource type. Text is read without fonts; harvesters read manifests."""
ANSWERED = frozenset({"Document", "Stylesheet", "Script", "XHR", "Fetch", "Preflight", "Other"})
_DATA = frozenset({"XHR", "Fetch"})
"""Some pages fetch pictures as data. Where the address does not say so, the type of the answer does: see network.py."""
_PREFETCHED = ("prefetch", "prerender")


def decide(paused: Mapping[str, Any], *, main_frame: str, is_open: bool) -> Decision:
    """What to do with a request, as ``Fetch.requestPaused`` has it. *is_open*: the page itself has been answered."""
    request = paused.get("request", {})
    kind = paused.get("resourceType", "Other")
    headers = {name.lower(): value for name, value in request.get("headers", {}).items()}
    if not str(request.get("url", "")).startswith(("http://", "https://")):
        return Decision(Action.REFUSE)
    if kind == "Image" or (kind in _DATA and leads_to_image(str(request["url"]))):
        return Decision(Action.STAND_IN)
    if (slug := _unwanted(kind, headers)) is not None:
        return Decision(Action.REFUSE, slug)
    if kind == "Document" and is_open and paused.get("frameId") == main_frame:
        is_form = request.get("method", "GET") != "GET"
        return Decision(Action.REFUSE, "render-forms") if is_form else Decision(Action.LEAVE, "render-away")
    return Decision(Action.ANSWER)


def _unwanted(kind: str, headers: Mapping[str, Any]) -> str | None:
    """The slug of a request that is refused for its type; None if it is not."""
    purpose = f"{headers.get('sec-purpose', '')} {headers.get('purpose', '')}".lower()
    if any(word in purpose for word in _PREFETCHED):
        return "render-prefetch"
    accept = str(headers.get("accept", ""))
    if accept == "text/event-stream":  # DevTools calls it XHR
        return "render-sockets"
    if kind == "Other" and accept.startswith("image/"):  # the icon of the page, which harvesters know of
        return ""
    return None if kind in ANSWERED else _REFUSED.get(kind, "")


def request_of(paused: Mapping[str, Any]) -> BrowserRequest:
    """The request in the parameters of ``Fetch.requestPaused``."""
    request = paused["request"]
    return BrowserRequest(
        url=request["url"],
        method=request.get("method", "GET"),
        headers=tuple((str(name), str(value)) for name, value in request.get("headers", {}).items()),
        body=_body_of(request),
    )


def _body_of(request: Mapping[str, Any]) -> bytes:
    if entries := request.get("postDataEntries"):
        return b"".join(base64.b64decode(entry.get("bytes", "")) for entry in entries)
    return str(request.get("postData", "")).encode()


_NOT_PASSED = frozenset(
    {
        "content-encoding", "content-length", "transfer-encoding", "connection", "keep-alive", "alt-svc", "nel",
        "report-to", "reporting-endpoints", "clear-site-data", "strict-transport-security", "link", "refresh",
        "speculation-rules", "accept-ch", "critical-ch",
    }
)  # fmt: skip
"""Headers of the connection, and headers that ask the browser for something it must not do."""


def headers_for_browser(headers: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers if name.lower() not in _NOT_PASSED]
