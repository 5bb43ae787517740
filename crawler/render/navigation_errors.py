"""Why Chromium has not opened a page: its network errors as reasons of ours."""

from __future__ import annotations

from crawler.errors import BadRedirect, BrowserFailed, TaskError, TooManyRedirects
from crawler.render.devtools import PendingCall
from crawler.render.devtools_messages import DevToolsError
from crawler.text.display import one_line

_BAD_REDIRECTS = frozenset(
    f"net::ERR_{name}"
    for name in (
        "UNSAFE_REDIRECT",
        "INVALID_REDIRECT",
        "DISALLOWED_URL_SCHEME",
        "UNKNOWN_URL_SCHEME",
        "INVALID_URL",
    )
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
    if error == "net::ERR_TOO_MANY_REDIRECTS":
        return TooManyRedirects("redirected more often than browsers follow")
    if error in _BAD_REDIRECTS:
        return BadRedirect(f"it redirects to what is no page to be opened ({_told(error)})")
    return BrowserFailed(f"the browser does not open the page: {_told(error)}")


def _told(error: str) -> str:
    """``net::ERR_BLOCKED_BY_CLIENT`` as words."""
    return one_line(error.removeprefix("net::").removeprefix("ERR_")).replace("_", " ").lower()
