"""Which requests of a page in the browser are sent at all, by their type. Pure."""

from __future__ import annotations

from crawler.http import METHODS, BrowserRequest
from crawler.scope import domain_of
from crawler.urls import canonical, host_key

MAX_BODY_BYTES = 2**20
"""Most bytes of a request body: a query, not an upload."""
_READING = METHODS - {"POST"}


def refusal(request: BrowserRequest, *, kind: str, page_url: str, posts: str) -> str | None:
    """The slug that refuses a request for its type, empty for requests that nobody misses; None if it is sent.

    *kind* is DevTools' type of it, *posts* the setting ``render_posts``. A method that is not for reading is refused
    when the browser asks whether it may be used (CORS preflight), not only once it may.
    """
    url = canonical(request.url)
    if url is None or is_icon(request, kind):
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


def is_icon(request: BrowserRequest, kind: str) -> bool:
    """Whether the request is for the tab's icon, which nobody sees: it comes with each page."""
    return kind == "Other" and request.header("accept").startswith("image/")


def is_same_site(url: str, other: str) -> bool:
    """Whether two canonical URLs have one registrable domain or address, at any port, by http or https."""
    page = canonical(other)
    return page is not None and domain_of(host_key(url)) == domain_of(host_key(page))
