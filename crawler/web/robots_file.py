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
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

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
_PATH = re.compile(r"(?:[^/?#;:]*+://|//)?[^/?;#]*+([^#]*+)")
_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_AS_THEY_ARE = frozenset(_UNRESERVED + ":@!$&'()*+,;=[]")
"""Characters that are the same, percent-encoded or not. With ``/``, ``?`` and ``#`` it is another path."""
_TO_NORMALISE = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]")
_FIND_OCTETS = 2**22
"""So many octets of a path are searched for pieces one by one; then it is worth an index."""
_KEY_CHARS = 128
"""Longer pieces are not looked up in the index: there can be few of them."""
_LAST = "\x7f"
"""After all characters of a normalised path."""


class Verdict(Value):
    """Whether a URL may be asked for, and by which line."""

    allowed: bool
    line: str = ""
    """As written, its first MAX_QUOTED_CHARS; empty when no line decided, which allows."""
    number: int = 0
    """Of the line, from 1; 0 when no line decided."""


class Statement(Value):
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
    """A pattern, and the line that has it. Without the value of the line: a file has many rules."""

    octets: int
    """Of the pattern, normalised: the most octets win."""
    head: str
    """What a path must begin with."""
    rest: tuple[str, ...]
    """What must come after it, in this order: after each a ``*``, if it is not the last or nothing but ``*`` follows.
    """
    is_anchored: bool
    """The last piece must be the end of the path (``$``)."""
    in_query: tuple[str, ...]
    """Head and rest to be looked for where slashes in the query are encoded; empty if that finds no more."""
    is_allow: bool
    number: int
    start: int


class RobotsFile:
    """What *content*, a robots.txt, says to *agent*, our product token. Never raises, whatever *content* is.

    *is_cut*: there was more of it than was taken. A last line that was cut, by whoever took it or by MAX_BYTES, does
    not count. Several groups for one agent are one; without any, those for ``*`` count.

    Time: reading is in proportion to the octets of the file. A verdict takes no more than the look-up of each rule and
    of each piece between wildcards in a sorted index of the path, so that neither many rules nor many wildcards nor a
    long URL multiply each other. Memory: some twenty times the file at the most, of a file of nothing but rules for us.
    """

    def __init__(self, content: bytes, *, agent: str, is_cut: bool = False) -> None:
        self._text = _text(content, is_cut=is_cut)
        group: list[_Line] = []
        licenses: list[_Line] = []
        sitemaps: list[str] = []
        for line in _of_the_file_or(_lines(self._text), agent.lower(), group):
            if line.name == _SITEMAP and line.value:
                sitemaps.append(_as_written(line.value))
            elif line.name == _LICENSE and line.value:
                licenses.append(line)
        self.sitemaps: tuple[str, ...] = tuple(sitemaps)
        """As written, from anywhere in the file."""
        self._rules = sorted(_rules(group), key=lambda rule: (-rule.octets, not rule.is_allow, rule.number))
        stated = [line for line in group if line.name in (_USAGE, _SIGNAL)]
        self._licenses = licenses[:MAX_STATEMENTS]
        self._stated = [(line.name, *_split(line)) for line in stated[:MAX_STATEMENTS]]
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
        if not (self._rules or self._stated or self._licenses):
            self._text = ""

    def verdict(self, url: str) -> Verdict:
        """Whether *url* may be asked for: the longest pattern decides, of two as long the one that allows (RFC 9309,
        section 2.2.2). /robots.txt itself always may.
        """
        path = _Path(url)
        if path.is_robots_txt:
            return Verdict(allowed=True)
        for rule in self._rules:
            if path.fits(rule):
                return Verdict(allowed=rule.is_allow, line=self._quoted(rule.start), number=rule.number)
        return Verdict(allowed=True)

    def statements(self, url: str) -> tuple[Statement, ...]:
        """The lines on what may be done with what is at *url*, in the order of the file; whether it may be asked for is
        another question.

        Content-Usage (draft-ietf-aipref-attach, section 3) and Content-Signal (contentsignals.org), each: the lines of
        our group with the longest path that fits, all of them if several are as long; one without a path fits
        everywhere and is the shortest. License (RSL 1.0): all, wherever they are.
        """
        path = _Path(url)
        found = [self._statement(line, line.value) for line in self._licenses]
        for name in (_USAGE, _SIGNAL):
            fitting = [
                (rule.octets, line, value)
                for kind, rule, line, value in self._stated
                if kind == name and path.fits(rule)
            ]
            most = max((octets for octets, _, _ in fitting), default=0)
            found += [self._statement(line, value) for octets, line, value in fitting if octets == most]
        return tuple(sorted(found, key=lambda statement: statement.number))

    def _statement(self, line: _Line, value: str) -> Statement:
        return Statement(
            name=line.name, value=_as_written(value), line=self._quoted(line.start), number=line.number
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


def _of_the_file_or(lines: Iterable[_Line], agent: str, group: list[_Line]) -> Iterator[_Line]:
    """The lines that belong to no group; the lines of the one that applies to *agent* go to *group*.

    A group is User-agent lines and all rules until the next User-agent line; what is no rule ends nothing, wherever it
    is (RFC 9309, section 2.2.1). What is no rule of the standard, but of a group (Crawl-delay, Content-Signal), is for
    the agents that are named directly before: ``User-agent: slow``, ``Crawl-delay: 9``, ``User-agent: *``,
    ``Disallow: /a`` forbids /a to both and slows down one. What comes before all agents is nobody's.
    """
    ours: list[_Line] = []
    everyones: list[_Line] = []
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
            yield line
    group += ours if is_named else everyones


def _token(value: str) -> str:
    """The product token that a User-agent line begins with: Google's matcher takes ``Foo Bar/1.0`` for ``foo``."""
    found = _TOKEN.match(value)
    return found[0].lower() if found else ""


def _seconds(line: _Line) -> float:
    """What a Crawl-delay asks for; 0 of any other line, and of what is no number of seconds."""
    if line.name != _DELAY:
        return 0.0
    try:
        asked_s = float(line.value[:64])
    except ValueError:
        return 0.0
    return min(max(asked_s, 0.0), MAX_DELAY_S) if math.isfinite(asked_s) else 0.0


# --- patterns ----------------------------------------------------------------------------------------------


def _rules(group: Iterable[_Line]) -> Iterator[_Rule]:
    for line in group:
        if line.name not in (_ALLOW, _DISALLOW) or not line.value:
            continue  # an empty pattern says nothing
        is_allow = line.name == _ALLOW
        yield _rule(line.value, line, is_allow=is_allow)
        folder, slash, file = line.value.rpartition("/")
        if is_allow and slash and file.startswith("index.htm"):
            yield _rule(f"{folder}/$", line, is_allow=True)


def _rule(pattern: str, line: _Line, *, is_allow: bool = False) -> _Rule:
    is_anchored = pattern.endswith("$")
    written = (pattern[:-1] if is_anchored else pattern).split("*")
    pieces = [_normalised(piece) for piece in written]
    octets = sum(map(len, pieces)) + len(pieces) - 1 + is_anchored
    asked, in_query = False, []
    for piece in pieces:
        in_query.append(_with_query(piece, is_query=asked))
        asked = asked or "?" in piece
    has_data = any("%2F" in piece or "%3F" in piece for piece in in_query)
    head, *rest = _without_empty(pieces, is_anchored=is_anchored)
    return _Rule(
        octets, head, tuple(rest), is_anchored,
        _without_empty(in_query, is_anchored=is_anchored) if has_data else (),
        is_allow, line.number, line.start,
    )  # fmt: skip


def _split(line: _Line) -> tuple[_Rule, _Line, str]:
    """A line of the form ``[path] value``: a path begins with a slash and ends before the first space."""
    path, value = "", line.value
    if value.startswith("/"):
        end = min((at for at in (value.find(" "), value.find("\t")) if at >= 0), default=len(value))
        path, value = value[:end], value[end:].lstrip(_SPACE)
    return _rule(path, line), line, value


def _without_empty(pieces: list[str], *, is_anchored: bool) -> tuple[str, ...]:
    """Without pieces between two ``*``, and at the end of a pattern, which fit anywhere."""
    last = pieces[-1:] if len(pieces) > 1 and (is_anchored or pieces[-1]) else []
    return (pieces[0], *filter(None, pieces[1:-1]), *last)


def _normalised(octets: str) -> str:
    """*octets* with one spelling for each, of visible ASCII alone: RFC 9309, section 2.2.2, has what is not ASCII
    percent-encoded, and what need not be encoded, plain.
    """
    return _TO_NORMALISE.sub(_one, octets)


def _one(found: re.Match[str]) -> str:
    octet = found[0]
    if len(octet) == 1:
        return f"%{ord(octet):02X}"
    char = chr(int(octet[1:], 16))
    return char if char in _AS_THEY_ARE else octet.upper()


def _with_query(normalised: str, *, is_query: bool) -> str:
    """*normalised* with the slashes and question marks of its query encoded, where they mean no more than others do
    (the second example in section 2.2.2). *is_query*: all of it is within one.
    """
    before, mark, query = ("", "", normalised) if is_query else normalised.partition("?")
    return before + mark + query.replace("/", "%2F").replace("?", "%3F")


class _Path:
    """Path and query of a URL, with what has been found in them."""

    def __init__(self, url: str) -> None:
        found = _PATH.match(url.encode("utf-8", "surrogatepass").decode("latin-1"))
        path = _normalised(found[1] if found else "")
        path = path if path.startswith("/") else f"/{path}"
        self.is_robots_txt = path.partition("?")[0] == "/robots.txt"
        self._plain = _Searched(path)
        self._in_query = _Searched(_with_query(path, is_query=False))

    def fits(self, rule: _Rule) -> bool:
        if self._plain.fits(rule.head, rule.rest, is_anchored=rule.is_anchored):
            return True
        if not rule.in_query:
            return False
        head, *rest = rule.in_query
        return self._in_query.fits(head, rest, is_anchored=rule.is_anchored)


class _Searched:
    """A text that is searched for many pieces.

    One search may look at all of it. When that was done often, the ends of the text are sorted, once: the places of a
    piece are then neighbours.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._left_octets = _FIND_OCTETS
        self._ends: list[str] = []
        self._begins: list[int] = []
        self._places: dict[str, list[int]] = {}

    def fits(self, head: str, rest: Iterable[str], *, is_anchored: bool) -> bool:
        text = self._text
        if not text.startswith(head):
            return False
        if not rest:
            return not is_anchored or len(text) == len(head)
        *between, last = rest
        place = len(head)
        for piece in between if is_anchored else rest:
            found = self._find(piece, place)
            if found < 0:
                return False
            place = found + len(piece)
        return not is_anchored or (text.endswith(last) and len(text) - len(last) >= place)

    def _find(self, piece: str, place: int) -> int:
        """``str.find``"""
        if self._left_octets > 0 or len(piece) > _KEY_CHARS:
            self._left_octets -= len(self._text)
            return self._text.find(piece, place)
        places = self._places.get(piece)
        if places is None:
            places = self._places[piece] = self._all(piece)
        at = bisect_left(places, place)
        return places[at] if at < len(places) else -1

    def _all(self, piece: str) -> list[int]:
        if not self._ends:
            text = self._text
            ends = sorted((text[at : at + _KEY_CHARS], at) for at in range(len(text)))
            self._ends, self._begins = [end for end, _ in ends], [at for _, at in ends]
        first = bisect_left(self._ends, piece)
        return sorted(self._begins[first : bisect_left(self._ends, piece + _LAST, first)])
