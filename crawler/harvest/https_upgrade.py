"""Which images browsers ask for by https, although their page says http.

Those of a page that came by https itself (Mixed Content Level 2, section 4.1, "upgrade a mixed content request"), and
those of one whose policy says ``upgrade-insecure-requests`` (https://www.w3.org/TR/upgrade-insecure-requests/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from crawler.harvest.candidates import Candidate
from crawler.harvest.html import Element

_POLICY = "content-security-policy"
_DIRECTIVE = re.compile(r"(?:^|[;,])\s*+upgrade-insecure-requests\s*+(?=[;,]|$)", re.IGNORECASE)
_NOT_LOADED = frozenset({"a", "area", "meta", "script", "url", "item", "entry"})
"""Elements that only tell of an image, or lead to it."""
_LOCAL = re.compile(r"(?:.*\.)?localhost|.*:.*|(?:\d+\.){3}\d+")


def wants_upgrades(elements: Iterable[Element]) -> bool:
    """Whether a document's policy, in its head or its headers, has all that it loads asked for by https."""
    return any(
        _DIRECTIVE.search(element.attributes.get("content", ""))
        for element in elements
        if element.name == "meta" and element.attributes.get("http-equiv", "").strip().lower() == _POLICY
    )


def is_loaded(candidate: Candidate) -> bool:
    """Whether it is an image that a browser loads with its page."""
    return candidate.element.name not in _NOT_LOADED


def upgraded(url: str) -> str:
    """*url* by https instead of http; empty where browsers leave it: at names of this machine, and at addresses, which
    have no certificates.
    """
    if not url.startswith("http:"):
        return ""
    parts = urlsplit(url)
    return "" if _LOCAL.fullmatch(parts.hostname or "") or not parts.hostname else f"https:{url[5:]}"
