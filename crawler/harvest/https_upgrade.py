"""Tells which images browsers fetch by https although their page says http.

These are the images of a page that came by https (Mixed Content Level 2, section 4.1, "upgrade a mixed content
request"), and of a page with the policy ``upgrade-insecure-requests``
(https://www.w3.org/TR/upgrade-insecure-requests/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from crawler.harvest.candidates import Candidate
from crawler.harvest.parser_base import Element

_POLICY = "content-security-policy"
_DIRECTIVE = re.compile(r"(?:^|[;,])\s*+upgrade-insecure-requests\s*+(?=[;,]|$)", re.IGNORECASE)
_NOT_LOADED = frozenset({"a", "area", "meta", "script", "url", "item", "entry"})
"""Elements that refer to an image, but do not load it."""
_LOCAL = re.compile(r"(?:.*\.)?localhost|.*:.*|(?:\d+\.){3}\d+")


def wants_upgrades(elements: Iterable[Element]) -> bool:
    """Whether a document's policy, in its head or headers, upgrades all that it loads to https."""
    return any(
        _DIRECTIVE.search(element.attributes.get("content", ""))
        for element in elements
        if element.name == "meta" and element.attributes.get("http-equiv", "").strip().lower() == _POLICY
    )


def is_loaded(candidate: Candidate) -> bool:
    """Whether a browser loads the image with its page."""
    return candidate.element.name not in _NOT_LOADED


def upgraded(url: str) -> str:
    """*url* with https instead of http; empty where browsers do not upgrade: local names, and IP addresses, which have
    no certificates.
    """
    if not url.startswith("http:"):
        return ""
    parts = urlsplit(url)
    return "" if _LOCAL.fullmatch(parts.hostname or "") or not parts.hostname else f"https:{url[5:]}"
