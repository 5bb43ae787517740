"""Why Chromium has not opened a page: its network errors as reasons of ours."""

from __future__ import annotations

from crawler.errors import BadRedirect, BrowserFailed, TaskError, TooManyRedirects
from crawler.render.devtools import PendingCall
from crawler.render.devtools_messages import DevToolsError
from crawler.text.display import one_line

_BAD_REDIRECTS = frozenset(
    {"UNSAFE_REDIRECT", "INVALID_REDIRECT", "DISALLOWED_URL_SCHEME", "UNKNOWN_URL_SCHEME", "INVALID_URL"}
)


def is_refused(opened: PendingCall) -> bool:
    """Whether the browser has answered ``Page.navigate`` with an error."""
    if not opened.answered.is_set():
        return False
    try:
        return bool(opened.value().get("errorText"))
    except DevToolsError:
        return False


def why_not_opened(error: str) -> TaskError:
    """The reason that *error* stands for, a network error of Chromium such as ``net::ERR_INVALID_REDIRECT``."""
    name = error.removeprefix("net::").removeprefix("ERR_")
    words = one_line(name).replace("_", " ").lower()
    if name == "TOO_MANY_REDIRECTS":
        return TooManyRedirects("redirected more often than browsers follow")
    if name in _BAD_REDIRECTS:
        return BadRedirect(f"it redirects to what is no page to be opened ({words})")
    return BrowserFailed(f"the browser does not open the page: {words}")
