"""Tokenizes raw markup as browsers do (HTML, "Tokenization"), for checks before a parser.

A quote begins a value only after ``=``; in a text, a script, a comment or an attribute's name it is an ordinary
character. No pattern looks beyond the token that it matches, so all of it takes linear time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase

S = r"\t\n\f\r "
"""White space, for a character class. ``\\s`` would include characters that belong to names."""
VALUE = rf"(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|(?![\"'])[^{S}>]++)"
ATTRIBUTE_NAME = rf"[^{S}/>][^{S}/>=]*+"
VALUE_OF_IT = rf"(?:[{S}]*+=[{S}]*+{VALUE}?+)?+"
ATTRIBUTE = ATTRIBUTE_NAME + VALUE_OF_IT
INSIDE = rf"(?:[{S}]++|/(?!>)|{ATTRIBUTE})*+"
"""Matches between the name of a tag and its end: ``>``, ``/>`` or the end of the document."""
NEAR_VALUE = rf"[{S}]*+=[{S}]*+(?=(\"[^\"]*+|'[^']*+|[^{S}>]{{0,2048}}+))"
"""Matches a value after a name, for first looks without structure: a lookahead, as it may reach into the next one."""
COMMENT = r"<!--(?:-?>|[^-]*+(?:-(?!-!?>)[^-]*+)*+(?:--!?>|\Z))"
_BOGUS = r"<(?:[!?]|/(?![a-zA-Z]))[^>]*+>?"
"""Declarations, processing instructions, and other markup that counts as a comment up to the next ``>``."""

_TAG = rf"<(?P<slash>/?)(?P<name>[a-zA-Z][^{S}/>]*+)(?P<inside>{INSIDE})(?P<void>/?)>?"
_NO_TAG = rf"{COMMENT}|(?P<bogus>{_BOGUS})"
RAW_NAMES = ("iframe", "noembed", "noframes", "plaintext", "style", "textarea", "title", "xmp")
RAW_TEXT = frozenset({*RAW_NAMES, "script"})
"""Elements whose contents are text, whatever they look like. In SVG and MathML they are ordinary elements."""
_VOID = "area base br col embed hr img input link meta param source track wbr"
VOID = frozenset(_VOID.split())
"""Elements without contents and end tag (HTML, "Void elements")."""
_ESCAPED_TWICE = rf"<script[{S}/>](?:[^<-]++|-(?!->)|<(?!/script[{S}/>]))*+(?:</script[{S}/>])?+"
_ESCAPED = rf"<!--(?:-?>|(?:[^<-]++|-(?!->)|<(?!/?script[{S}/>])|{_ESCAPED_TWICE})*+(?:-->)?+)"
SCRIPT_TEXT = rf"(?:[^<]++|<(?!/script[{S}/>]|!--)|{_ESCAPED})*+"
"""The text of a script, up to an end tag that is not in ``<!-- <script>`` ("script data double escaped state")."""


def text_of(name: str) -> str:
    """Pattern of the contents of the element *name*, one of RAW_NAMES, up to its end tag."""
    return rf"(?:[^<]++|<(?!/{name}[{S}/>]))*+"


TOKEN = re.compile(
    rf"<(?:(?P<script>(?=script[{S}/>]))|(?=(?P<raw>{'|'.join(RAW_NAMES)})[{S}/>])|(?P<foreign>(?=(?:svg|math)[{S}/>]))|)"
    rf"{_TAG[1:]}(?P<text>(?(script){SCRIPT_TEXT}|(?(raw){text_of('(?P=raw)')})))|{_NO_TAG}",
    re.IGNORECASE | re.ASCII,
)
"""A tag, a comment, or markup that counts as one; between tokens is text. A start tag of RAW_TEXT includes its text.
*foreign* is set where SVG or MathML begins, in which such elements are ordinary.
"""
FOREIGN_START = re.compile(rf"<(?:svg|math)[{S}/>]", re.IGNORECASE | re.ASCII)
PLAIN_TOKEN = re.compile(
    rf"<((script)(?=[{S}/>])|({'|'.join(RAW_NAMES)})(?=[{S}/>])|/?[a-zA-Z][^{S}/>]*+)({INSIDE})/?>?"
    rf"(?(2){SCRIPT_TEXT}|(?(3){text_of(chr(92) + '3')}))|{COMMENT}|{_BOGUS}",
    re.IGNORECASE | re.ASCII,
)
"""The same tokens for documents without SVG and MathML, half as dear: group 1 is ``name`` or ``/name``, for tags alone,
group 4 what comes after the name. Comments and the like have no groups.
"""
_FOREIGN_TOKEN = re.compile(rf"{_TAG}(?P<text>)|{_NO_TAG}")
_CDATA = re.compile(r"<!\[CDATA\[[^\]]*+(?:\](?!\]>)[^\]]*+)*+(?:\]\]>|\Z)(?P<name>(?!))?(?P<bogus>(?!))?")
"""A CDATA section in SVG or MathML, with the groups that callers read."""
_NAMED_VALUE = re.compile(rf"({ATTRIBUTE_NAME})(?:[{S}]*+=[{S}]*+({VALUE})?+)?+")
"""An attribute in two groups: its name, and its value with quotes."""

_MOST_OPEN = 64
"""Depth of nested elements in SVG and MathML that is tracked: an end tag is sought among all of them."""
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_HTML_INSIDE = {
    "svg": frozenset({"desc", "foreignobject", "title"}),
    "math": frozenset({"annotation-xml", "mi", "mn", "mo", "ms", "mtext"}),
}
"""Elements of SVG and MathML that contain HTML ("integration points"); annotation-xml with some encodings alone."""
NO_HTML = frozenset({"malignmark", "mglyph"})
"""Elements that are not HTML even there."""
_LEAVING_FONT = re.compile("color|face|size", re.IGNORECASE)
_LEAVES_FOREIGN = (
    "b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing menu meta "
    "nobr ol p pre ruby s small span strong strike sub sup table tt u ul var"
)
LEAVES_FOREIGN = frozenset(_LEAVES_FOREIGN.split())
"""HTML elements that end SVG and MathML where they begin ("the rules for parsing tokens in foreign content")."""


def tags(html: str) -> Iterator[re.Match[str]]:
    """The start and end tags of *html*, as matches of TOKEN; none in comments, scripts and other raw text."""
    return (token for token in tokens(html) if token["name"])


def name_of(tag: re.Match[str]) -> str:
    """The name in ASCII lower case: ``<lin\u212a>``, with the Kelvin sign, is not ``<link>``."""
    return lower_name(tag["name"])


def lower_name(name: str) -> str:
    """*name* in ASCII lower case."""
    return name.lower() if name.isascii() else name.translate(_LOWER)


def in_lower_case(html: str) -> str:
    """*html* in ASCII lower case, for a first look. ``str.lower`` takes three times as long for other letters."""
    if html.isascii():
        return html.lower()
    return html.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def attributes_of(tag: re.Match[str]) -> Iterator[tuple[str, str]]:
    """Names and values as written, values without quotes; the first of a name counts."""
    for name, value in _NAMED_VALUE.findall(tag["inside"]):
        yield name, value[1:].removesuffix(value[0]) if value[:1] in ("'", '"') else value


def with_tags(html: str, changed: Callable[[re.Match[str]], str]) -> str:
    """*html* with each tag replaced by *changed*; a start tag is passed without the raw text after it."""
    pieces: list[str] = []
    end = 0
    for tag in tags(html):
        pieces += (html[end : tag.start()], changed(tag))
        end = tag.start("text")
    return "".join((*pieces, html[end:]))


def values_of(name: str, lower: str) -> str:
    """The values of all attributes *name* in markup in lower case, a line each, for a first look: some may be in texts
    or scripts, or of an attribute whose name ends so.
    """
    return "\n".join(set(_values(name).findall(lower)))


@lru_cache
def _values(name: str) -> re.Pattern[str]:
    return re.compile(f"{name}{NEAR_VALUE}")


def positions_of(word: str, html: str) -> Iterator[int]:
    position = html.find(word)
    while position >= 0:
        yield position
        position = html.find(word, position + 1)


def tokens(html: str) -> Iterator[re.Match[str]]:
    """The tags, comments and declarations of *html* in order, as matches of TOKEN."""
    position = 0
    while True:
        for token in TOKEN.finditer(html, position):
            yield token
            if token["foreign"] is not None and not token["slash"]:
                break
        else:
            return
        position = token.end()
        if not token["void"]:
            position = yield from _foreign_tokens(html, token)


def _foreign_tokens(html: str, start: re.Match[str]) -> Generator[re.Match[str], None, int]:
    """The tokens after the *start* of SVG or MathML up to its end; returns the end's position."""
    place = _Place(name_of(start))
    position = start.end()
    while place.is_inside and (token := _FOREIGN_TOKEN.search(html, position)) is not None:
        if token["bogus"] and place.has_cdata:
            token = _CDATA.match(html, token.start()) or token
        elif token["name"] and place.has_raw_text:
            token = TOKEN.match(html, token.start()) or token
        yield token
        position = token.end()
        if token["name"]:
            place.passes(token)
    return position if not place.is_inside else len(html)


class _Place:
    """Tracks whether SVG or MathML is open, where HTML's raw text elements are ordinary.

    It does not know the open HTML elements. In doubt it takes more for tags than there are.
    """

    def __init__(self, name: str) -> None:
        self._open = [(name, name)]
        """Open elements: each name, and whose contents it has: "svg", "math", or "" for HTML."""
        self._started: Counter[str] = Counter()
        self._is_doubtful = False

    @property
    def is_inside(self) -> bool:
        return bool(self._open)

    @property
    def has_raw_text(self) -> bool:
        return not (self._open[-1][1] or self._is_doubtful)

    @property
    def has_cdata(self) -> bool:
        return bool(self._open[-1][1]) and not self._is_doubtful

    def passes(self, tag: re.Match[str]) -> None:
        if len(self._open) > _MOST_OPEN:
            self._is_doubtful = True  # for good: all of the rest is taken for tags
            return
        name = name_of(tag)
        if tag["slash"]:
            self._ends(name)
            return
        self._started[name] += not tag["void"]
        if name in LEAVES_FOREIGN or (name == "font" and _LEAVING_FONT.search(tag["inside"])):
            self._leaves()
        elif not tag["void"]:
            self._opens(name, self._open[-1][1], tag["inside"])

    def _opens(self, name: str, around: str, inside: str) -> None:
        if name in _HTML_INSIDE.get(around, ()):
            holds_html = name != "annotation-xml" or "html" in inside.lower()
            self._open.append((name, "" if holds_html else around))
        elif name in _HTML_INSIDE:
            self._open.append((name, around or name))
        elif name in NO_HTML:
            self._is_doubtful = True

    def _ends(self, name: str) -> None:
        self._started[name] -= 1
        if name in ("p", "br"):
            self._leaves()
        elif self._started[name] < 0:
            self._is_doubtful = True  # it may end an element around the SVG
        for depth in reversed(range(len(self._open))):
            if self._open[depth][0] == name:
                self._is_doubtful |= not self._open[depth][1]
                del self._open[depth:]
                return
            if not self._open[depth][1]:
                self._is_doubtful |= name in _HTML_INSIDE
                return

    def _leaves(self) -> None:
        while self._open and self._open[-1][1]:
            self._open.pop()
