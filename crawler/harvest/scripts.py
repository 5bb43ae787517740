"""Guesses image URLs in scripts and JSON, by extensions.

Nothing says what a script does with such a string, nor what it is relative to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from crawler.harvest.candidates import Candidate
from crawler.harvest.cuts import Cut, at_most
from crawler.harvest.extensions import leads_to_image
from crawler.harvest.parser_base import Element

MAX_URLS = 2000
"""Limit for one element."""
_ESCAPED = re.compile(r"\\(?:u00(2[fF]|26|3[dD])|(/))")
_BETWEEN_QUOTES = re.compile(r"[\"'`]([^\"'`\s<>\\{}|^$*;,]{3,2048})(?=[\"'`])")


def image_urls(element: Element) -> Iterator[Candidate | Cut]:
    r"""The strings in a ``<script>``, and in JSON in a ``data-*`` attribute, that have the extension of an image.

    ``\/`` and ``\u002F`` stand for ``/``. JSON-LD is left to its own rule.
    """
    if element.name == "script":
        texts = [] if "ld+json" in element.attributes.get("type", "").lower() else [element.text]
    else:
        texts = [
            value
            for name, value in element.attributes.items()
            if name.startswith("data-") and value.lstrip()[:1] in ("{", "[")
        ]
    for text in texts:
        strings = (match[1] for match in _BETWEEN_QUOTES.finditer(_unescaped(text)))
        urls = filter(leads_to_image, strings)
        candidates = (Candidate(reference=url, found_in="script", element=element) for url in urls)
        yield from at_most(MAX_URLS, candidates, slug="script-cut")


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda match: match[2] or chr(int(match[1], 16)), text)
