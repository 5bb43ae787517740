"""What becomes of each request of a page in the browser, all of which a person's browser would send. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, NamedTuple

from crawler.harvest.extensions import leads_to_image
from crawler.http import METHODS, BrowserRequest
from crawler.scope import domain_of
from crawler.urls import canonical, host_key


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
    **dict.fromkeys(("EventSource", "WebSocket", "DirectSocket"), "render-sockets"),
    **dict.fromkeys(("Ping", "CSPViolationReport"), "render-beacons"),
    **dict.fromkeys(("Prefetch", "SignedExchange"), "render-prefetch"),
}
"""By DevTools' resource type. Nobody misses others: text is read without fonts, harvesters read manifests."""
ANSWERED = frozenset({"Document", "Stylesheet", "Script", "XHR", "Fetch", "Preflight", "Other"})
_DATA = frozenset({"XHR", "Fetch"})
"""Some pages fetch pictures as data. Where the address does not say so, the type of the answer does: see network.py."""
_PREFETCHED = ("prefetch", "prerender")
MAX_BODY_BYTES = 2**20
"""Most bytes of a request body: a query, not an upload."""
_READING = METHODS - {"POST"}


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
    if kind == "Other" and accept.startswith(
        "image/"
    ):  # the icon of the page: it comes with each, for the tab
        return ""
    return None if kind in ANSWERED else _REFUSED.get(kind, "")


def refusal(request: BrowserRequest, *, kind: str, page_url: str, posts: str) -> str | None:
    """The slug that refuses a request for its type, empty for requests that nobody misses; None if it is sent.

    *kind* is DevTools' type of it, *posts* the setting ``render_posts``. A method that is not for reading is refused
    when the browser asks whether it may be used (CORS preflight), not only once it may.
    """
    url = canonical(request.url)
    if url is None:
        return ""
    if kind == "Document" and request.method != "GET":
        return "render-forms"
    method = request.method
    if method == "OPTIONS":  # of a preflight DevTools gives the type of the request that it is for
        method = request.header("access-control-request-method").strip() or "GET"
    if method in _READING:
        return None
    may_post = method == "POST" and len(request.body) <= MAX_BODY_BYTES
    if may_post and (posts == "any" or (posts == "site" and is_same_site(url, page_url))):
        return None
    return "render-posts"


def is_same_site(url: str, other: str) -> bool:
    """Whether two canonical URLs have one registrable domain or address, at any port, by http or https."""
    page = canonical(other)
    return page is not None and domain_of(host_key(url)) == domain_of(host_key(page))


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
