"""A parsed robots.txt: the rules for one user agent (RFC 9309), and the line behind each verdict. Pure.

No library does what is needed. Protego ends a group at a Crawl-delay or at any unknown line, where section 2.2.1
merges, and does not tell which line decided. gpyrobotstxt scans the whole file for each URL, octet by octet in Python,
and has another licence (GPL). Neither keeps other lines with their groups, where owners say how content may be used.

Where the standard leaves something open, the file is read as by Google's parser (github.com/google/robotstxt): typos,
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
"""The part of a robots.txt that is read (RFC 9309, section 2.5)."""
MAX_DELAY_S = 300.0
"""The longest Crawl-delay that is obeyed: a longer one is most often in another unit."""
MAX_STATEMENTS = 256
"""The most lines about use that are kept of a group, or of a file: honest files have a few."""
MAX_QUOTED_CHARS = 200
"""The length of a quoted line."""
_MAX_LINE_BYTES = 2083 * 8 - 1
"""Longer lines are cut, as by Google's parser: eight times what a browser once took as a URL."""

_ALLOW, _DISALLOW, _AGENT, _DELAY, _SITEMAP = "allow", "disallow", "user-agent", "crawl-delay", "sitemap"
_USAGE, _SIGNAL, _LICENSE = "content-usage", "content-signal", "license"
_NAMES = {name: name for name in (_ALLOW, _DISALLOW, _AGENT, _DELAY, _SITEMAP, _USAGE, _SIGNAL, _LICENSE)} | {
    **dict.fromkeys(("useragent", "user agent"), _AGENT),
    **dict.fromkeys(("dissallow", "dissalow", "disalow", "diasllow", "disallaw"), _DISALLOW),
    **dict.fromkeys(("site-map", "sitemaps"), _SITEMAP),
    "crawl delay": _DELAY,
}
"""Field names in lower case, with the misspelt ones that Google's parser accepts."""
_OF_AGENTS = frozenset({_DELAY, _SIGNAL})
_RULES = frozenset({_ALLOW, _DISALLOW, _USAGE})
"""Rules: a User-agent line after one of these begins another group.

Content-Usage is a rule by draft-ietf-aipref-attach, section 3. No standard makes Crawl-delay and Content-Signal rules.
"""

_SPACE = " \t\v\f"
"""Octets that are space. str.strip() would also strip 0x85 and 0xA0, which are parts of characters here."""
_TWO_WORDS = re.compile(r"([^ \t]++)[ \t]++([^ \t]++)")
_TOKEN = re.compile(r"[A-Za-z_-]*+")
_NUMBER = re.compile(r"[0-9]++(?:[.,][0-9]++)?")


class RobotsVerdict(Value):
    """Whether a URL may be requested, and the line that says so."""

    allowed: bool
    line: str = ""
    """As written, its first MAX_QUOTED_CHARS; empty when no line decided, which allows."""
    number: int = 0
    """The number of the line, from 1; 0 when no line decided."""


class UsageLine(Value):
    """A line about the use of content. Its value is judged elsewhere (opt_outs)."""

    name: str
    """``content-usage``, ``content-signal`` or ``license``."""
    value: str
    """The value without its path; octets that are no UTF-8 are replaced."""
    line: str
    """As written, its first MAX_QUOTED_CHARS."""
    number: int
    """The number of the line, from 1."""


class _Line(NamedTuple):
    """A line with a known field."""

    name: str
    value: str
    number: int
    start: int
    """Where it begins in the text."""


class _Rule(NamedTuple):
    """An Allow or Disallow. A file may have many, so that they are small."""

    pattern: RobotsPattern
    is_allow: bool
    number: int
    start: int


_ALLOWED = RobotsVerdict(allowed=True)


class RobotsFile:
    """The robots.txt *content* as it applies to *agent*, our product token. Never raises, whatever *content* is.

    *is_cut*: the file had more bytes. A last line that was cut is ignored. Several groups for the agent are merged; if
    there is none, those for ``*`` apply.

    Time: parsing is linear in the file's size. A verdict takes about n log n + (r + p) log n steps, for n octets of the
    URL, r rules and p pieces between wildcards. Memory: at most thirty times the file, if that is all short rules.
    """

    def __init__(self, content: bytes, *, agent: str, is_cut: bool = False) -> None:
        self._text = _text(content, is_cut=is_cut)
        group, of_all = _parted(_lines(self._text), agent.lower())
        licenses = [line for line in of_all if line.name == _LICENSE and line.value]
        self.sitemaps: tuple[str, ...] = tuple(
            _as_written(line.value) for line in of_all if line.name == _SITEMAP and line.value
        )
        """URLs of sitemaps as written, from anywhere in the file."""
        self._rules = sorted(
            _rules(group), key=lambda rule: (-rule.pattern.octets, not rule.is_allow, rule.number)
        )
        stated = [line for line in group if line.name in (_USAGE, _SIGNAL)]
        self._stated = [self._statement(line) for line in stated[:MAX_STATEMENTS]]
        self._licenses = [self._statement(line)[1] for line in licenses[:MAX_STATEMENTS]]
        self.left_out = max(0, len(stated) - MAX_STATEMENTS) + max(0, len(licenses) - MAX_STATEMENTS)
        """The number of lines about use beyond MAX_STATEMENTS."""
        delays = [(delay_s, -line.number, line) for line in group if (delay_s := _seconds(line))]
        longest = max(delays, default=None)
        self.delay_s = longest[0] if longest else 0.0
        """The longest Crawl-delay of our group in seconds, at most MAX_DELAY_S; 0 without one."""
        self.delay_line = self._quoted(longest[2].start) if longest else ""
        """The line of the Crawl-delay as written; empty without one."""
        self.delay_number = longest[2].number if longest else 0
        """The number of that line, from 1; 0 without one."""
        if not self._rules:
            self._text = ""

    def verdict(self, url: str) -> RobotsVerdict:
        """Whether *url* may be requested. /robots.txt itself always may.

        The rule with the longest pattern decides; of two as long, the one that allows (RFC 9309, section 2.2.2).
        """
        if not self._rules:  # at most hosts
            return _ALLOWED
        path = Path(url)
        if path.name == "/robots.txt":
            return _ALLOWED
        for rule in self._rules:
            if path.fits(rule.pattern):
                return RobotsVerdict(allowed=rule.is_allow, line=self._quoted(rule.start), number=rule.number)
        return _ALLOWED

    def statements(self, url: str) -> tuple[UsageLine, ...]:
        """The lines about the use of the content at *url*, in the order of the file.

        Of Content-Usage (draft-ietf-aipref-attach, section 3), and of Content-Signal (contentsignals.org), those lines
        of our group apply that have the longest matching path; a line without a path matches everywhere, as the
        shortest. All lines of License (RSL 1.0) apply.
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
        """The line that begins at *start*, cut to MAX_QUOTED_CHARS."""
        end = self._text.find("\n", start)
        line = self._text[start : end if end >= 0 else None][:_MAX_LINE_BYTES].strip(_SPACE)
        line = _as_written(line)
        return line if len(line) <= MAX_QUOTED_CHARS else line[: MAX_QUOTED_CHARS - 1] + "…"


# --- from octets to lines ----------------------------------------------------------------------------------


def _text(content: bytes, *, is_cut: bool) -> str:
    """The complete lines of *content*, with a character for each octet, and line feeds between them."""
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
    """Name and value of a line; None if it has no known field."""
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
    """The agents of some User-agent lines in a row."""

    def __init__(self) -> None:
        self._is_ours = self._is_everyones = False

    def add(self, *, is_ours: bool, is_everyones: bool) -> None:
        self._is_ours = self._is_ours or is_ours
        self._is_everyones = self._is_everyones or is_everyones

    def of(self, ours: list[_Line], everyones: list[_Line]) -> list[_Line]:
        """The list for their lines: *ours*, *everyones*, or one that is thrown away."""
        return ours if self._is_ours else everyones if self._is_everyones else []


def _parted(lines: Iterable[_Line], agent: str) -> tuple[list[_Line], list[_Line]]:
    """The lines of the group that applies to *agent*, and those that belong to no group.

    A group is User-agent lines and all rules up to the next User-agent line after a rule (RFC 9309, section 2.2.1).
    Crawl-delay and Content-Signal are no rules: they apply to the agents named directly before. ``User-agent: slow``,
    ``Crawl-delay: 9``, ``User-agent: *``, ``Disallow: /a`` forbids /a to both, and slows down one. Lines before the
    first agent apply to none.
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
    """The product token at the start of a User-agent line: ``foo`` of ``Foo Bar/1.0``, as in Google's matcher."""
    found = _TOKEN.match(value)
    return found[0].lower() if found else ""


# --- what the lines say -------------------------------------------------------------------------------------


def _rules(group: Iterable[_Line]) -> Iterator[_Rule]:
    for line in group:
        if line.name not in (_ALLOW, _DISALLOW) or not line.value:
            continue  # an empty pattern is no rule
        is_allow = line.name == _ALLOW
        yield _Rule(pattern(line.value), is_allow, line.number, line.start)
        folder, slash, file = line.value.rpartition("/")
        if is_allow and slash and file.startswith("index.htm"):
            yield _Rule(pattern(f"{folder}/$"), is_allow, line.number, line.start)


def _split(value: str) -> tuple[str, str]:
    """Path and value of ``[path] value``: a path begins with a slash and ends before the first space."""
    if not value.startswith("/"):
        return "", value
    end = min((at for at in (value.find(" "), value.find("\t")) if at >= 0), default=len(value))
    return value[:end], value[end:].lstrip(_SPACE)


def _seconds(line: _Line) -> float:
    """The seconds of a Crawl-delay; 0 of any other line, and of what is no number."""
    if line.name != _DELAY:
        return 0.0
    value = line.value[:64]
    try:
        asked_s = float(value)
    except ValueError:  # "10 s", "2,5", "5sec": no standard has a form, and what is meant is plain
        number = _NUMBER.match(value)
        asked_s = float(number[0].replace(",", ".")) if number else 0.0
    return min(max(asked_s, 0.0), MAX_DELAY_S) if math.isfinite(asked_s) else 0.0
