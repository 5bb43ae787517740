"""What one robots.txt says to one user agent (RFC 9309), and which of its lines says so. Pure.

It is written here because no library tells what is asked of it. Protego ends a group at a Crawl-delay or at any line
that it does not know, where section 2.2.1 merges, and does not say which line decided. gpyrobotstxt goes over the whole
file for each URL, octet by octet in Python, and is under a licence (GPL) that this project is not. Neither keeps lines
of other kinds with their groups, which is where owners say what content may be used for.

Where the standard leaves something open, it is read as Google's parser does (github.com/google/robotstxt): typos,
missing colons, lengths of lines, and ``Allow: /a/index.html``, which allows ``/a/`` too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from crawler.http.robots_patterns import Path, RobotsPattern, pattern
from crawler.models import Value

MAX_BYTES = 500 * 1024
"""Of a robots.txt; what comes after is not looked at (RFC 9309, section 2.5)."""
MAX_DELAY_S = 300.0
"""A Crawl-delay counts up to here: who asks for more has most often mistaken the unit."""
MAX_STATEMENTS = 256
"""Lines that are kept of a group, or of a file, to say what content may be used for: honest ones have a few."""
MAX_QUOTED_CHARS = 200
"""Of a line that is quoted to people."""
_MAX_LINE_BYTES = 2083 * 8 - 1
"""What is longer is cut, as Google's parser does: eight times what a browser once took as a URL."""

_ALLOW, _DISALLOW, _AGENT, _DELAY, _SITEMAP = "allow", "disallow", "user-agent", "crawl-delay", "sitemap"
_USAGE, _SIGNAL, _LICENSE = "content-usage", "content-signal", "license"
_NAMES = {name: name for name in (_ALLOW, _DISALLOW, _AGENT, _DELAY, _SITEMAP, _USAGE, _SIGNAL, _LICENSE)} | {
    **dict.fromkeys(("useragent", "user agent"), _AGENT),
    **dict.fromkeys(("dissallow", "dissalow", "disalow", "diasllow", "disallaw"), _DISALLOW),
    **dict.fromkeys(("site-map", "sitemaps"), _SITEMAP),
    "crawl delay": _DELAY,
}
"""Field names in lower case, among them the misspelt ones that Google's parser takes."""
_OF_AGENTS = frozenset({_DELAY, _SIGNAL})
_RULES = frozenset({_ALLOW, _DISALLOW, _USAGE})
"""After these a User-agent line begins another group. Content-Usage is one by draft-ietf-aipref-attach, section 3; no
standard makes one of Crawl-delay and Content-Signal, so that these end nothing.
"""

_SPACE = " \t\v\f"
"""Octets that are space. str.strip() would take 0x85 and 0xA0 as well, which are parts of characters here."""
_TWO_WORDS = re.compile(r"([^ \t]++)[ \t]++([^ \t]++)")
_TOKEN = re.compile(r"[A-Za-z_-]*+")


class RobotsVerdict(Value):
    """Whether a URL may be asked for, and by which line."""

    allowed: bool
    line: str = ""
    """As written, its first MAX_QUOTED_CHARS; empty when no line decided, which allows."""
    number: int = 0
    """Of the line, from 1; 0 when no line decided."""


class UsageLine(Value):
    """A line on what may be done with content. What its value means is not judged here."""

    name: str
    """``content-usage``, ``content-signal`` or ``license``."""
    value: str
    """Without the path, if there is one; octets that are no UTF-8 are replaced."""
    line: str
    """As written, its first MAX_QUOTED_CHARS."""
    number: int
    """Of the line, from 1."""


class _Line(NamedTuple):
    """A line with a field that is known."""

    name: str
    value: str
    number: int
    start: int
    """Where it begins in the text."""


class _Rule(NamedTuple):
    """An Allow or Disallow, without what else is in its line: a file has many."""

    pattern: RobotsPattern
    is_allow: bool
    number: int
    start: int


_ALLOWED = RobotsVerdict(allowed=True)


class RobotsFile:
    """What *content*, a robots.txt, says to *agent*, our product token. Never raises, whatever *content* is.

    *is_cut*: there was more of it than was taken. A last line that was cut, by whoever took it or by MAX_BYTES, does
    not count. Several groups for one agent are one; without any, those for ``*`` count.

    Time: reading is in proportion to the octets of the file. A verdict takes, for n octets of the URL, r rules and p
    pieces between their wildcards, at most some n log n + (r + p) log n steps. Memory: at the most thirty times the
    file, which then is one of nothing but short rules for us.
    """

    def __init__(self, content: bytes, *, agent: str, is_cut: bool = False) -> None:
        self._text = _text(content, is_cut=is_cut)
        group, of_all = _parted(_lines(self._text), agent.lower())
        licenses = [line for line in of_all if line.name == _LICENSE and line.value]
        self.sitemaps: tuple[str, ...] = tuple(
            _as_written(line.value) for line in of_all if line.name == _SITEMAP and line.value
        )
        """As written, from anywhere in the file."""
        self._rules = sorted(
            _rules(group), key=lambda rule: (-rule.pattern.octets, not rule.is_allow, rule.number)
        )
        stated = [line for line in group if line.name in (_USAGE, _SIGNAL)]
        self._stated = [self._statement(line) for line in stated[:MAX_STATEMENTS]]
        self._licenses = [self._statement(line)[1] for line in licenses[:MAX_STATEMENTS]]
        self.left_out = max(0, len(stated) - MAX_STATEMENTS) + max(0, len(licenses) - MAX_STATEMENTS)
        """Lines beyond MAX_STATEMENTS, which are not among the statements."""
        delays = [(delay_s, -line.number, line) for line in group if (delay_s := _seconds(line))]
        longest = max(delays, default=None)
        self.delay_s = longest[0] if longest else 0.0
        """The longest Crawl-delay of our group, between two requests, at most MAX_DELAY_S; 0 if it asks for none."""
        self.delay_line = self._quoted(longest[2].start) if longest else ""
        """The line that asks for it, as written; empty if none does."""
        self.delay_number = longest[2].number if longest else 0
        """The number of that line, from 1; 0 if none asks."""
        if not self._rules:
            self._text = ""

    def verdict(self, url: str) -> RobotsVerdict:
        """Whether *url* may be asked for: the longest pattern decides, of two as long the one that allows (RFC 9309,
        section 2.2.2). /robots.txt itself always may.
        """
        if not self._rules:  # as at most hosts
            return _ALLOWED
        path = Path(url)
        if path.name == "/robots.txt":
            return _ALLOWED
        for rule in self._rules:
            if path.fits(rule.pattern):
                return RobotsVerdict(allowed=rule.is_allow, line=self._quoted(rule.start), number=rule.number)
        return _ALLOWED

    def statements(self, url: str) -> tuple[UsageLine, ...]:
        """The lines on what may be done with what is at *url*, in the order of the file; whether it may be asked for is
        another question.

        Content-Usage (draft-ietf-aipref-attach, section 3) and Content-Signal (contentsignals.org), each: the lines of
        our group with the longest path that fits, all of them if several are as long; one without a path fits
        everywhere and is the shortest. License (RSL 1.0): all, wherever they are.
        """
        if not self._stated and not self._licenses:
            return ()
        path = Path(url)
        found = list(self._licenses)
        for name in (_USAGE, _SIGNAL):
            fitting = [
                (one.octets, stated) for one, stated in self._stated if stated.name == name and path.fits(one)
            ]
            most = max((octets for octets, _ in fitting), default=0)
            found += [stated for octets, stated in fitting if octets == most]
        return tuple(sorted(found, key=lambda stated: stated.number))

    def _statement(self, line: _Line) -> tuple[RobotsPattern, UsageLine]:
        path, value = ("", line.value) if line.name == _LICENSE else _split(line.value)
        quoted = self._quoted(line.start)
        return pattern(path), UsageLine(
            name=line.name, value=_as_written(value), line=quoted, number=line.number
        )

    def _quoted(self, start: int) -> str:
        """The line that begins at *start*, as people may read it."""
        end = self._text.find("\n", start)
        line = self._text[start : end if end >= 0 else None][:_MAX_LINE_BYTES].strip(_SPACE)
        line = _as_written(line)
        return line if len(line) <= MAX_QUOTED_CHARS else line[: MAX_QUOTED_CHARS - 1] + "…"


# --- from octets to lines ----------------------------------------------------------------------------------


def _text(content: bytes, *, is_cut: bool) -> str:
    """The whole lines of *content*, a character for each octet, with line feeds at their ends."""
    if is_cut or len(content) > MAX_BYTES:
        kept = content[: MAX_BYTES + 1]  # with one more octet, which may end the last line
        content = kept[: max(kept.rfind(b"\n"), kept.rfind(b"\r")) + 1]
    for mark in (b"\xef\xbb\xbf", b"\xef\xbb", b"\xef", b"\xff\xfe", b"\xfe\xff"):
        if content.startswith(mark):
            content = content[len(mark) :]
            break
    text = content.replace(b"\0", b"").decode("latin-1")  # UTF-16 can be read without its NULs
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _as_written(octets: str) -> str:
    return octets.encode("latin-1").decode("utf-8", "replace")


def _lines(text: str) -> Iterator[_Line]:
    start = 0
    for number, whole in enumerate(text.split("\n"), 1):
        field = _field(whole)
        if field is not None:
            yield _Line(*field, number, start)
        start += len(whole) + 1


def _field(whole: str) -> tuple[str, str] | None:
    """Name and value of a line, None where there is no field that is known."""
    line = whole[:_MAX_LINE_BYTES].partition("#")[0].strip(_SPACE)
    if not line:
        return None
    written, colon, value = line.partition(":")
    name = _NAMES.get(written.rstrip(_SPACE).lower()) if colon else None
    if name is not None:
        return name, value.lstrip(_SPACE)
    words = _TWO_WORDS.fullmatch(line)  # some forget the colon
    name = _NAMES.get(words[1].lower()) if words else None
    return (name, words[2]) if words and name is not None else None


class _Agents:
    """Whose the lines are that follow some User-agent lines."""

    def __init__(self) -> None:
        self._is_ours = self._is_everyones = False

    def add(self, *, is_ours: bool, is_everyones: bool) -> None:
        self._is_ours = self._is_ours or is_ours
        self._is_everyones = self._is_everyones or is_everyones

    def of(self, ours: list[_Line], everyones: list[_Line]) -> list[_Line]:
        """Where their lines go; what is neither ours nor everyone's goes nowhere."""
        return ours if self._is_ours else everyones if self._is_everyones else []


def _parted(lines: Iterable[_Line], agent: str) -> tuple[list[_Line], list[_Line]]:
    """The lines of the group that applies to *agent*, and those that belong to no group.

    A group is User-agent lines and all rules until the next User-agent line; what is no rule ends nothing, wherever it
    is (RFC 9309, section 2.2.1). What is no rule of the standard, but of a group (Crawl-delay, Content-Signal), is for
    the agents that are named directly before: ``User-agent: slow``, ``Crawl-delay: 9``, ``User-agent: *``,
    ``Disallow: /a`` forbids /a to both and slows down one. What comes before all agents is nobody's.
    """
    ours: list[_Line] = []
    everyones: list[_Line] = []
    of_all: list[_Line] = []
    of_rules, directly_before = _Agents(), _Agents()
    is_named = has_rules = has_lines = False
    for line in lines:
        if line.name == _AGENT:
            if has_rules:
                of_rules, has_rules = _Agents(), False
            if has_lines:
                directly_before, has_lines = _Agents(), False
            is_ours = bool(agent) and _token(line.value) == agent
            is_everyones = line.value[:1] == "*" and line.value[1:2] in ("", *_SPACE)
            of_rules.add(is_ours=is_ours, is_everyones=is_everyones)
            directly_before.add(is_ours=is_ours, is_everyones=is_everyones)
            is_named = is_named or is_ours
        elif line.name in _RULES:
            has_rules = has_lines = True
            of_rules.of(ours, everyones).append(line)
        elif line.name in _OF_AGENTS:
            has_lines = True
            directly_before.of(ours, everyones).append(line)
        else:
            of_all.append(line)
    return (ours if is_named else everyones), of_all


def _token(value: str) -> str:
    """The product token that a User-agent line begins with: Google's matcher takes ``Foo Bar/1.0`` for ``foo``."""
    found = _TOKEN.match(value)
    return found[0].lower() if found else ""


# --- what the lines say -------------------------------------------------------------------------------------


def _rules(group: Iterable[_Line]) -> Iterator[_Rule]:
    for line in group:
        if line.name not in (_ALLOW, _DISALLOW) or not line.value:
            continue  # an empty pattern says nothing
        is_allow = line.name == _ALLOW
        yield _Rule(pattern(line.value), is_allow, line.number, line.start)
        folder, slash, file = line.value.rpartition("/")
        if is_allow and slash and file.startswith("index.htm"):
            yield _Rule(pattern(f"{folder}/$"), is_allow, line.number, line.start)


def _split(value: str) -> tuple[str, str]:
    """Of the form ``[path] value``: a path begins with a slash and ends before the first space."""
    if not value.startswith("/"):
        return "", value
    end = min((at for at in (value.find(" "), value.find("\t")) if at >= 0), default=len(value))
    return value[:end], value[end:].lstrip(_SPACE)


def _seconds(line: _Line) -> float:
    """What a Crawl-delay asks for; 0 of any other line, and of what is no number of seconds."""
    if line.name != _DELAY:
        return 0.0
    try:
        asked_s = float(line.value[:64])
    except ValueError:
        return 0.0
    return min(max(asked_s, 0.0), MAX_DELAY_S) if math.isfinite(asked_s) else 0.0
