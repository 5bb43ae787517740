"""``/.well-known/tdmrep.json``: what the owner of a host says of text and data mining, by path.

Source: TDM Reservation Protocol (TDMRep), final report of the W3C community group, 10 May 2024, section "TDM File on
the Origin Server".
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import msgspec

from crawler.models import OptOut
from crawler.opt_outs.purposes import TDMREP, said

PATH = "/.well-known/tdmrep.json"
MAX_BYTES = 500 * 1024
"""As of a robots.txt: the report has no limit. A longer file says nothing."""
MAX_RULES = 1000
_MAX_LOCATION_CHARS = 2048
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class Rule(NamedTuple):
    parts: tuple[str, ...]
    """What stands between the ``*`` of its location."""
    to_the_end: bool
    """It ends with ``$``."""
    word: str
    """``1`` or ``0``; empty for another value, which is as if it were not set."""
    text: str
    """As JSON."""

    def matches(self, path: str) -> bool:
        """As robots.txt files have it (RFC 9309, section 2.2.2)."""
        first, *others = self.parts
        if not path.startswith(first):
            return False
        at = len(first)
        last = others.pop() if self.to_the_end and others else None
        for part in others:
            found = path.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        if last is not None:
            return len(path) - at >= len(last) and path.endswith(last)
        return not self.to_the_end or at == len(path)


class Reservations:
    """What one tdmrep.json says. *content* may be anything: what is no such file says nothing. Never raises."""

    def __init__(self, content: bytes) -> None:
        self.rules: tuple[Rule, ...] = tuple(_rules(content))

    def reservation(self, url: str) -> OptOut | None:
        """What the first rule says that matches *url*, a canonical one; None if there is none, or it says nothing."""
        if not self.rules:
            return None
        parts = urlsplit(url)
        path = _normal(f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}")
        path = path.replace("$", "%24").replace("*", "%2A")
        rule = next((rule for rule in self.rules if rule.matches(path)), None)
        return said(TDMREP, "tdmrep.json", rule.text, (rule.word,)) if rule and rule.word else None


def _rules(content: bytes) -> list[Rule]:
    if len(content) > MAX_BYTES:
        return []
    try:
        read = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return []
    listed = read if isinstance(read, list) else [read]  # an array is mandatory, but the wish is plain enough
    return [rule for one in listed[:MAX_RULES] if isinstance(one, dict) and (rule := _rule(one)) is not None]


def _rule(one: dict[str, object]) -> Rule | None:
    """None without what is mandatory."""
    location, value = one.get("location"), one.get("tdm-reservation")
    if not isinstance(location, str) or value is None or not location.startswith(("/", "*")):
        return None
    if len(location) > _MAX_LOCATION_CHARS:
        return None
    to_the_end = location.endswith("$")
    pattern = _normal(location.removesuffix("$")).replace("$", "%24")
    word = str(value) if value in (0, 1, "0", "1") and not isinstance(value, (bool, float)) else ""
    names = ("location", "tdm-reservation", "tdm-policy")
    text = msgspec.json.encode({name: one[name] for name in names if name in one}).decode()
    return Rule(tuple(pattern.split("*")), to_the_end, word, text)


def _normal(path: str) -> str:
    """With each byte escaped, or not, in one way only (RFC 3986, section 6.2.2)."""
    path = path if path.isascii() else quote(path, safe=_ASCII, errors="replace")
    return _ESCAPE.sub(_escape, path)


def _escape(found: re.Match[str]) -> str:
    char = chr(int(found[1], 16))
    return char if char in _UNRESERVED else found[0].upper()
