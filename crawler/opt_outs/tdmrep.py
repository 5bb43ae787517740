"""``/.well-known/tdmrep.json``: what the owner of a host says of text and data mining, by path.

Source: TDM Reservation Protocol (TDMRep), final report of the W3C community group, 10 May 2024, section "TDM File on
the Origin Server". Its paths are matched as those of robots.txt (RFC 9309, section 2.2.2).
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from crawler.http.robots_patterns import Path, RobotsPattern, pattern
from crawler.models import OptOut
from crawler.opt_outs.purposes import TDMREP, said

MAX_BYTES = 500 * 1024
"""The limit of a robots.txt, since the report sets none. A longer file says nothing."""
MAX_RULES = 1000
_MAX_LOCATION_CHARS = 2048


class Rule(NamedTuple):
    """One rule: the paths it applies to, and what it says."""

    pattern: RobotsPattern
    word: str
    """``1`` or ``0``; empty for another value, which counts as unset."""
    text: str
    """The rule as JSON."""


class Reservations:
    """What one tdmrep.json says. Content that is no such file says nothing. Never raises."""

    def __init__(self, content: bytes) -> None:
        self.rules: tuple[Rule, ...] = tuple(_rules(content))

    def reservation(self, url: str) -> OptOut | None:
        """What the first rule that matches *url* says; None if none matches, or it says nothing."""
        path = Path(url) if self.rules else None
        rule = next((rule for rule in self.rules if path and path.fits(rule.pattern)), None)
        return said(TDMREP, "tdmrep.json", rule.text, (rule.word,)) if rule and rule.word else None


def _rules(content: bytes) -> list[Rule]:
    if len(content) > MAX_BYTES:
        return []
    try:
        read = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return []
    listed = read if isinstance(read, list) else [read]  # an array is mandatory, but what is meant is plain
    return [rule for one in listed[:MAX_RULES] if isinstance(one, dict) and (rule := _rule(one)) is not None]


def _rule(one: dict[str, object]) -> Rule | None:
    """The rule in *one*; None if it lacks what is mandatory."""
    location, value = one.get("location"), one.get("tdm-reservation")
    if not isinstance(location, str) or value is None or not location.startswith(("/", "*")):
        return None
    if len(location) > _MAX_LOCATION_CHARS:
        return None
    word = str(value) if value in (0, 1, "0", "1") and not isinstance(value, (bool, float)) else ""
    names = ("location", "tdm-reservation", "tdm-policy")
    text = msgspec.json.encode({name: one[name] for name in names if name in one}).decode()
    return Rule(pattern(location.encode("utf-8", "surrogatepass").decode("latin-1")), word, text)
