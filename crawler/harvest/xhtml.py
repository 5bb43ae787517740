"""Translates XHTML, which is XML, to HTML, so that both parsers read it.

In XML each element ends where it says, ``<script/>`` and ``<a/>`` too, names may have prefixes, and a CDATA section is
text (HTML Standard, "The XML syntax"). Nothing outside the document is loaded. Its own entities are expanded where they
can't make it grow much.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from html.entities import html5
from xml.parsers import expat

from crawler.harvest.markup import VOID

_XHTML = "http://www.w3.org/1999/xhtml"
_AS_IN_HTML = frozenset({"", _XHTML, "http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"})
"""Name spaces of elements that HTML has too. For browsers a document without any is not HTML; here it is."""
_ATTRIBUTES_OF = {"": "", _XHTML: "", "http://www.w3.org/1999/xlink": "xlink:"}
"""Prefixes in HTML of attributes in these name spaces; HTML has no others."""
_BETWEEN = " "

_SCRIPTS = frozenset({"script", "style"})
_TEXT_ONLY = frozenset({"title", "textarea"})
_NEVER_SHOWN = frozenset({"iframe", "noembed", "noframes", "xmp"})
"""Elements whose contents HTML takes for text, which browsers with frames never show."""
_SWALLOWS_THE_REST = "plaintext"

_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31};)")
_OF_XML = frozenset({"amp;", "lt;", "gt;", "quot;", "apos;"})
_PSEUDO_ATTRIBUTE = re.compile(r"(?<![\w-])([\w-]++)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)')")
_PREFIX = re.compile(r"xmlns:([\w.-]{1,64})\s*+=\s*+[\"']http://www\.w3\.org/(?:1999/xhtml|2000/svg)[\"']")
_PREFIXED = re.compile(r"(</?)([\w.-]{1,64}):")
_NESTED_ENTITY = re.compile("&(?!#)|%")
_MAX_EXPANDED_CHARS = 2**24
_SELF_CLOSING = re.compile(r"<([A-Za-z][\w.-]*+)((?:[^<>=/]++|=\s*+(?:\"[^\"<]*+\"|'[^'<]*+')?+|/(?!>))*+)/>")


def as_html(text: str) -> str:
    """The XHTML document *text* as HTML. Never raises; takes linear time.

    After a place that is not well-formed, where browsers give up, only self-closing elements are still translated.
    """
    document = _ENTITY.sub(_character, text.lstrip("\ufeff \t\r\n")).encode("utf-8", "replace")
    writer = _Writer(references=document.count(b"&"))
    try:
        writer.parser.Parse(document, True)
    except (expat.ExpatError, _RefusedError):
        rest = document[_broken_at(document, writer.parser.CurrentByteIndex) :].decode("utf-8", "replace")
        prefixes = set(_PREFIX.findall(text))
        # a lookup for each name: a pattern of very many prefixes would try them one by one
        rest = _PREFIXED.sub(lambda tag: tag[tag[2] in prefixes], rest) if prefixes else rest
        writer.pieces.append(_SELF_CLOSING.sub(_ended, rest))
    return "".join(writer.pieces)


def _broken_at(document: bytes, index: int) -> int:
    """The position where expat stopped: *index*, or the start of the tag around it."""
    index = max(index, 0)
    tag = document.rfind(b"<", 0, index + 1)
    return tag if tag >= 0 and b">" not in document[tag:index] else index


def _character(found: re.Match[str]) -> str:
    """The character of an HTML entity: expat does not know them."""
    name = found[1]
    return found[0] if name in _OF_XML else html5.get(name, found[0])


def _ended(tag: re.Match[str]) -> str:
    name = tag[1].lower()
    return f"<{tag[1]}{tag[2]}>" if name in VOID else f"<{tag[1]}{tag[2]}></{tag[1]}>"


class _RefusedError(Exception):
    """The document declares entities by which it may grow."""


class _Writer:
    """Writes as HTML what expat reads."""

    def __init__(self, *, references: int) -> None:
        self._references = references
        """Upper bound for the number of character and entity references."""
        self.pieces = ["<!DOCTYPE html>"]
        self._open: list[str] = []
        self._hidden = 0
        """Number of open elements within one whose contents are not written."""
        self.parser = expat.ParserCreate("utf-8", _BETWEEN)
        self.parser.UseForeignDTD(True)  # unknown entities are no error
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.ProcessingInstructionHandler = self._instruction
        self.parser.EntityDeclHandler = self._declared

    def _start(self, qualified: str, attributes: dict[str, str]) -> None:
        if self._hidden or (self._open and self._open[-1] in _TEXT_ONLY | _SCRIPTS | _NEVER_SHOWN):
            self._hidden += 1
            return
        name = _name(qualified)
        self._open.append(name)
        self.pieces.append(f"<{name}{''.join(_written(attributes))}>")

    def _end(self, _: str) -> None:
        if self._hidden:
            self._hidden -= 1
            return
        name = self._open.pop()
        if name not in VOID:
            self.pieces.append(f"</{name}>")

    def _text(self, text: str) -> None:
        name = self._open[-1] if self._open else ""
        if name in _SCRIPTS and not self._hidden:
            self.pieces.append(text.replace("</", "<\\/").replace("<!--", "<\\!--"))
        elif name not in _NEVER_SHOWN and name not in VOID and not (self._hidden and name in _SCRIPTS):
            self.pieces.append(escape(text, quote=False))

    def _instruction(self, target: str, data: str) -> None:
        """Handle ``<?xml-stylesheet href="…"?>`` (https://www.w3.org/TR/xml-stylesheet/)."""
        if target == "xml-stylesheet" and not self._open:
            told = {name: double or single for name, double, single in _PSEUDO_ATTRIBUTE.findall(data)}
            if told.get("type", "text/css") == "text/css" and "href" in told:
                self.pieces.append(f'<link rel="stylesheet" href="{escape(told["href"])}">')

    def _declared(self, _name: str, is_parameter: int, value: str | None, *_: object) -> None:
        """Refuse entities that may grow: nested ones. ``<!ENTITY nbsp "&#160;">`` is honest."""
        size = len(value or "") * self._references
        if is_parameter or _NESTED_ENTITY.search(value or "") or size > _MAX_EXPANDED_CHARS:
            raise _RefusedError


def _name(qualified: str) -> str:
    space, _, name = qualified.rpartition(_BETWEEN)
    if space not in _AS_IN_HTML or name == _SWALLOWS_THE_REST:
        return f"x-{name.lower()}"  # of another vocabulary
    return name


def _written(attributes: Mapping[str, str]) -> list[str]:
    pieces = []
    for qualified, value in attributes.items():
        space, _, name = qualified.rpartition(_BETWEEN)
        if (prefix := _ATTRIBUTES_OF.get(space)) is not None:
            pieces.append(f' {prefix}{name}="{escape(value)}"')
    return pieces
