"""The forms of texts in messages of workers. Their types and lengths are those of the models.

The words of a page (alt, title, detail …) and the headers of a server have no form: they are cleaned where they are
shown or sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from crawler.errors import REASONS
from crawler.models import (
    ALTERNATIVE_RULES,
    HOST_FILES,
    UNFIT_FOR_COOKIE,
    Alternative,
    Cookie,
    HostFile,
    ImageRecord,
    Origin,
    Record,
    RenderRecord,
)
from crawler.text.plain_errors import quoted
from crawler.urls import MAX_URL_CHARS

_REFERENCE = re.compile(r"(?:https?://[^/\\?#\x00-\x20\x7f-\U0010ffff]+/|data:image/)[!-~]*")
"""The characters of canonical URLs, with the route of a page behind ``#``."""
_RULES = re.compile(r"[ -~]{0,1000}")
_WORD = re.compile(r"[!-~]{0,100}")
_HOST = re.compile(r"[!-~]{1,255}")
_SHOWN_CHARS = 200


@lru_cache(maxsize=512)
def is_reference(url: str) -> bool:
    """Whether *url* may stand where nothing asks for it, as of the page that led to a task: empty or a URL. Cached, as
    a page's tasks come together.
    """
    return not url or (len(url) <= MAX_URL_CHARS and _REFERENCE.fullmatch(url) is not None)


@lru_cache(maxsize=512)
def are_rules(found_in: str) -> bool:
    """Whether these may be the rules that have found a URL."""
    return _RULES.fullmatch(found_in) is not None


def is_word(text: str) -> bool:
    return _WORD.fullmatch(text) is not None


def are_alternatives(alternatives: Iterable[Alternative]) -> bool:
    """Whether all may be other sizes of a picture, but for their URLs."""
    return all(other.rule in ALTERNATIVE_RULES and are_rules(other.found_in) for other in alternatives)


def is_origin(origin: Origin) -> bool:
    """Whether its texts may be those of an origin, but for its signs and the URLs of alternatives."""
    return (
        is_reference(origin.page_url)
        and are_rules(origin.found_in)
        and is_reference(origin.instead_of)
        and (not origin.alternatives or are_alternatives(origin.alternatives))
        and is_word(origin.template)
    )


def record_flaw(record: Record) -> str:
    """Why the texts that every record has can't be right; empty if they can."""
    for name in ("page_url", "final_url"):
        if not is_reference(url := getattr(record, name)):
            return f"{name} {quoted(url[:_SHOWN_CHARS])} is no URL"
    if not are_rules(record.found_in):
        return f"no rule is called {quoted(record.found_in[:_SHOWN_CHARS])}"
    for word in _words(record):
        if not is_word(word):
            return f"{quoted(word)} is the name of nothing"
    return ""


def _words(record: Record) -> Iterable[str]:
    if isinstance(record, ImageRecord):
        return (record.format, record.sha256, *(one.signal for one in record.opt_outs))
    return (record.template, *record.gains) if isinstance(record, RenderRecord) else ()


def fit_cookies(cookies: Iterable[Cookie]) -> list[Cookie]:
    """Those that a server can have set."""
    return [
        one
        for one in cookies
        if not UNFIT_FOR_COOKIE.search(one.name + one.value + one.path)
        and _HOST.fullmatch(one.domain) is not None
    ]


def check_host_file(file: HostFile) -> None:
    """Raises ValueError for one that no worker has fetched."""
    if file.name not in HOST_FILES:
        raise ValueError(f"hosts have no file {quoted(file.name)}")
    if file.reason and file.reason not in REASONS:
        raise ValueError(f"there is no reason {quoted(file.reason)}")
