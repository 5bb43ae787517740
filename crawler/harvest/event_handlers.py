"""Finds images that the handlers of events show, where their code is an address and next to nothing else.

Rollovers and pop-ups were written like that for twenty years: ``onmouseover="this.src='over.gif'"``. Other strings of
code are a guess, which is left to scripts.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from crawler.harvest.candidates import FALLBACK, PLAIN, SHOWN, Candidate, group_of
from crawler.harvest.extensions import leads_to_image
from crawler.harvest.parser_base import IMAGE_IN_CODE, Element

_STRING = r"(?:'([^'\\\n]*+)'|\"([^\"\\\n]*+)\")"
_SHOWN = re.compile(rf"\.src\s*+=(?!=)\s*+{_STRING}|\b(?:window\.open|MM_openBrWindow)\s*+\(\s*+{_STRING}")
"""What is assigned to ``src``, or opened in a window."""
_LOADED = re.compile(r"\bMM_(?:preloadImages|swapImage)\s*+\(([^()]*+)\)")
"""Dreamweaver's rollovers."""
_SCRIPT = re.compile(r"\s*+javascript:", re.IGNORECASE)
_ANY_STRING = re.compile(_STRING)
_DRAWN = re.compile(
    r"\.(?:background(?:Image)?|cssText)\s*+[+]?=(?!=)[^;]{0,200}?url\(\s*+[\\\"']*+([^\\\"')\s]++)"
)
"""What a style is set to."""


def handlers(element: Element) -> Iterator[Candidate]:
    """``on…`` attributes; what ``onerror`` shows stands in for the picture."""
    for name, code in element.attributes.items():
        if name[:2] != "on" or not IMAGE_IN_CODE.search(code):
            continue
        is_fallback = name == "onerror" and element.name in SHOWN
        for reference in _in_code(code):
            yield Candidate(
                reference=reference,
                found_in="lazy",
                group=group_of(element) if is_fallback else "",
                rank=FALLBACK if is_fallback else PLAIN,
                element=element,
            )


def code_link(element: Element) -> Iterator[Candidate]:
    """A link to ``javascript:``."""
    if _SCRIPT.match(code := element.attributes.get("href", "")):
        for reference in _in_code(code):
            yield Candidate(reference=reference, found_in="lazy", element=element)


def _in_code(code: str) -> list[str]:
    texts = [text for groups in _SHOWN.findall(code) for text in groups]
    for arguments in _LOADED.findall(code):
        texts += [one or other for one, other in _ANY_STRING.findall(arguments)]
    texts += _DRAWN.findall(code)
    return [text for text in texts if leads_to_image(text)]
