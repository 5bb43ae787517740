"""Reads broken XML: an error costs its own place, not all that follows.

Well-formed means what https://www.w3.org/TR/xml/ says. Many generators of sitemaps and feeds write a bare ``&`` or
``<``, entities of HTML, missing or misspelt end tags, PHP warnings before the declaration, two documents in one. An XML
processor has to stop at the first of these. This reader goes from tag to tag, and an end tag closes what it can.
Nothing outside the document is loaded, and a document that declares entities is refused.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Generator, Iterator
from html import escape
from html.entities import html5
from typing import NamedTuple

from crawler.harvest.cuts import Cut

_MAX_DEPTH = 64
_MAX_NODES = 10_000
_MAX_NODES_IN_ALL = 1_000_000
_ILLEGAL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufeff\ufffe\uffff]")

_QUOTED = r"""(?:"(?:[^"<]|<(?![A-Za-z_:/!?]))*+"|'(?:[^'<]|<(?![A-Za-z_:/!?]))*+')"""
_MARKUP = re.compile(
    rf"""
    <(?P<slash>/?)(?P<name>[A-Za-z_:][\w.:-]*+)
        (?:(?P<attributes>(?:[^<>"']++|{_QUOTED})*+)>|(?P<broken>[^<>]*+)(?:>|(?=<)))  # a stray quote ends with its tag
    | <!--(?P<comment>) | <!\[CDATA\[(?P<cdata>)
    | <\?(?P<instruction>)
    | <!(?P<declaration>[A-Za-z]*+)[^<>\[]*+[>\[]?
    """,
    re.VERBOSE,
)
_ATTRIBUTE = re.compile(
    r"""(?<![\w.:-])([A-Za-z_:][\w.:-]*+)\s*+=\s*+(?:"([^"]*+)"?|'([^']*+)'?|([^\s"'>]++))"""
)
_REFERENCE = re.compile(
    r"&(?:#(?P<number>[0-9]{1,7}|[xX][0-9A-Fa-f]{1,6})|(?P<name>[A-Za-z][A-Za-z0-9]{1,31}));"
)


class Node(NamedTuple):
    """An element; names are in lower case, without prefixes."""

    name: str
    attributes: dict[str, str]
    texts: list[str]
    children: list[Node]

    @property
    def text(self) -> str:
        """Its own text, without white space around."""
        return "".join(self.texts).strip()

    def child_text(self, name: str) -> str:
        """The text of the first child *name* that has any, or ``""``."""
        return next((child.text for child in self.children if child.name == name and child.text), "")

    def markup(self) -> str:
        """Its contents as markup; its own text comes first."""
        return escape("".join(self.texts), quote=False) + "".join(
            child.outer_markup() for child in self.children
        )

    def outer_markup(self) -> str:
        attributes = "".join(f' {name}="{escape(value)}"' for name, value in self.attributes.items())
        return f"<{self.name}{attributes}>{self.markup()}</{self.name}>"


def subtrees(text: str, names: frozenset[str], *, what: str) -> Iterator[Node | Cut]:
    """The elements of these *names* that are in no other such element, in document order, each once it is complete.

    Of one element at most _MAX_NODES descendants are kept, _MAX_DEPTH deep. A document of the kind *what* that does not
    end yields ``Cut("WHAT-broken")`` last, as does one that declares entities, which is not read further; a document
    over the limits yields ``Cut("WHAT-cut")``. Takes linear time, and never raises.
    """
    reader = _Reader(_ILLEGAL.sub("", text), names)
    try:
        yield from reader.nodes()
    except _RefusedError:
        reader.is_broken = True
    except _TooLargeError:
        reader.is_cut = True
    yield from [Cut(f"{what}-cut")] * reader.is_cut + [Cut(f"{what}-broken")] * reader.is_broken


class _RefusedError(Exception):
    """The document declares entities."""


class _TooLargeError(Exception):
    pass


class _Next:
    """Finds the next *mark*; each part of the text is searched once, however often it is asked."""

    def __init__(self, text: str, mark: str) -> None:
        self._text = text
        self.mark = mark
        self._at = -1

    def __call__(self, position: int) -> int:
        """The position of the next mark from *position* on, which never decreases; beyond the end for none."""
        if self._at < position:
            found = self._text.find(self.mark, position)
            self._at = found if found >= 0 else len(self._text) + 1
        return self._at


class _Reader:
    """Builds the wanted elements. An element that ends early closes the elements open in it."""

    def __init__(self, text: str, names: frozenset[str]) -> None:
        self.is_broken = False
        self.is_cut = False
        self._text = text
        self._names = names
        self._cdata_end, self._cdata_start = _Next(text, "]]>"), _Next(text, "<![CDATA[")
        self._ends = {"comment": _Next(text, "-->"), "instruction": _Next(text, "?>")}
        self._starts = {"comment": _Next(text, "<!--"), "instruction": _Next(text, "<?")}
        self._open: list[Node] = []
        """The element that is being read, and its open descendants."""
        self._own_name = ""
        """Its name as written."""
        self._ignored = 0
        """Number of open elements beyond the limits."""
        self._nodes = 0
        self._nodes_in_all = 0
        self._around: list[str] = []
        """Names of its ancestors."""
        self._stands_in = 0
        """Number of ancestors when the last element began."""
        self._is_ended = False
        """The parent of the last element has ended."""
        self._done: list[Node] = []

    def nodes(self) -> Iterator[Node]:
        position: int | None = 0
        while position is not None:
            position = yield from self._up_to_a_jump(position)
        if self._open:
            self.is_broken = True
            for outer in self._open[:-1]:
                outer.children.pop()  # it is incomplete
            yield self._open[0]
        elif self._around and not self._is_ended:
            self.is_broken = True

    def _up_to_a_jump(self, position: int) -> Generator[Node, None, int | None]:
        """Yield the elements before the next section without markup; returns the position after that section."""
        text = self._text
        name = ""
        for found in _MARKUP.finditer(text, position):
            if self._open and position < found.start():
                self._data(_without_references(text[position : found.start()]))
            position = found.end()
            match found.lastgroup:
                case "attributes" | "broken" as inside:
                    slash, name = found.group("slash", "name")
                    if slash:
                        self._end(_local(name))
                    else:
                        self._start(name, found[inside])
                    if self._done:
                        yield self._done.pop()
                case "comment" | "instruction" as kind:
                    end = self._ends[kind](position)
                    if end < self._starts[kind](position):  # else it has no end
                        return end + len(self._ends[kind].mark)
                case "cdata":
                    end, after = self._cdata(position, name)
                    self._data(text[position:end])
                    return after
                case "declaration" if found["declaration"].upper() == "ENTITY":
                    raise _RefusedError
        return None

    def _cdata(self, position: int, name: str) -> tuple[int, int]:
        """The end of the CDATA section at *position*, and the position after it. A section without an end of its own
        ends with the element *name* around it.
        """
        end, further = self._cdata_end(position), self._cdata_start(position)
        if end < further:
            return end, end + len("]]>")
        length = len(self._text)
        close = self._text.find(f"</{name}", position, min(further, length))
        if close >= 0:
            return close, close
        return min(end, length), min(end + len("]]>"), length)

    def _data(self, text: str) -> None:
        if self._open and not self._ignored:
            self._open[-1].texts.append(text)

    def _start(self, prefixed: str, attributes: str) -> None:
        name = _local(prefixed)
        is_empty = attributes.endswith("/")
        if self._open and prefixed == self._own_name:
            self._close(0)  # these elements are never nested in themselves: the end tag is missing
        if not self._open:
            if name not in self._names:
                self._around += [name] * (not is_empty and len(self._around) < _MAX_DEPTH)
                return
            self._own_name = prefixed
            self._nodes = 0
            self._is_ended = False
            self._stands_in = len(self._around)
        self._nodes += 1
        self._nodes_in_all += 1
        if self._nodes_in_all > _MAX_NODES_IN_ALL:
            raise _TooLargeError
        if self._ignored or len(self._open) >= _MAX_DEPTH or self._nodes > _MAX_NODES:
            self.is_cut = True
            self._ignored += not is_empty
            return
        node = Node(name, _attributes(attributes) if "=" in attributes else {}, [], [])
        if self._open:
            self._open[-1].children.append(node)
        self._open.append(node)
        if is_empty:
            self._close(len(self._open) - 1)

    def _end(self, name: str) -> None:
        for depth in reversed(range(len(self._open))):
            if self._open[depth].name == name and not (depth and self._ignored):
                self._close(depth)
                return
        if self._ignored:
            self._ignored -= 1
            return
        is_known = name in self._around
        if self._open and not is_known:
            return  # misspelt: the end tag of an ancestor closes it
        if self._open:
            self._close(0)
        while is_known and self._around.pop() != name:
            pass
        self._is_ended = not is_known or len(self._around) < self._stands_in

    def _close(self, depth: int) -> None:
        """Close the element at *depth*, and all that are open in it."""
        ended = self._open[depth]
        del self._open[depth:]
        self._ignored = 0
        if not self._open:
            self._done.append(ended)


def _local(name: str) -> str:
    return name.rpartition(":")[2].lower()


def _attributes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, *values in _ATTRIBUTE.findall(text):
        found.setdefault(_local(name), _without_references("".join(values)))
    return found


def _without_references(text: str) -> str:
    """*text* with references replaced by characters; unknown entities stay."""
    return _REFERENCE.sub(_character, text) if "&" in text else text


def _character(found: re.Match[str]) -> str:
    if found["name"]:
        return html5.get(f"{found['name']};", found[0])
    digits = found["number"]
    code = int(digits[1:], 16) if digits[0] in "xX" else int(digits)
    return _ILLEGAL.sub("", chr(code)) if code <= sys.maxunicode else ""
