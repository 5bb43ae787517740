"""XHTML, read as the XML that it is: ``<script/>`` is empty, ``<h:img/>`` may be an image, CDATA is text.

By expat, which loads nothing from outside; HTML's entities are known whether the document names a DTD or not, as in
browsers. Of entities of its own those are expanded that can't grow it much.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from html.entities import html5
from typing import NamedTuple
from xml.parsers import expat

from crawler.harvest.markup import COMMENT, INSIDE, S
from crawler.harvest.tree import NAMES, Found, ParserRefusedError, found, may_tell

_MAX_ELEMENTS = 500_000
_MAX_EXPANDED_CHARS = 2**24
_MAX_TEXT_PIECES = 512
"""Of an element's text, between elements, that are looked at: headings within headings would take long."""
_ILLEGAL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_KNOWN_NAMESPACES = {
    "http://www.w3.org/1999/xhtml": "",
    "http://www.w3.org/2000/svg": "",
    "http://www.w3.org/1998/Math/MathML": "",
    "http://www.w3.org/1999/xlink": "xlink:",
    "http://www.w3.org/XML/1998/namespace": "xml:",
}
"""With how names in them begin in HTML; in others they begin with the prefix as it is written."""
_NAME_PARTS = 3
_PSEUDO_ATTRIBUTE = re.compile(r"([\w-]{1,64})\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)')")
_ENTITY = re.compile(r"&(?!(?:amp|apos|gt|lt|quot);|#)")
_NESTED_ENTITY = re.compile("&(?!#)|%")
_TAG_OR_COMMENT = re.compile(rf"<(/?)([a-zA-Z][^{S}/>]*+)({INSIDE})(/?)(>?)|{COMMENT}")
_PREFIX = re.compile(r"xmlns:([\w.-]{1,64})\s*+=\s*+[\"']http://www\.w3\.org/(?:1999/xhtml|2000/svg)[\"']")
_VOID = "area base br col embed frame hr img input link meta param source track wbr"
_VOID_NAMES = frozenset(_VOID.split())


class _RefusedError(Exception):
    """The document declares entities by which it may grow."""


class _FullError(Exception):
    """There are as many elements as are read."""


class Node(NamedTuple):
    """An element; where its text is lies in the document's list of texts."""

    name: str
    attributes: dict[str, str]
    parent: Node | None
    own: list[str]
    """Its own text, of scripts and the like."""
    span: list[int]
    """Of its text, from and, once it has ended, to."""


def elements_of(text: str, *, look_at_all: bool, left_out: Counter[str]) -> list[Found]:
    """The elements of NAMES, and with *look_at_all* any that may tell of an image; those before the limit, if there are
    too many, which *left_out* counts. Raises ParserRefusedError for what is not well-formed, of which browsers show the
    start at most.
    """
    document = _Document(text, look_at_all=look_at_all)
    try:
        document.read()
    except _FullError:
        left_out["elements-cut"] += 1
    except (expat.ExpatError, _RefusedError, ValueError) as exc:
        raise ParserRefusedError(str(exc)) from exc
    tree = _XmlTree(document.texts)
    return [found(tree, node, node.name, node.attributes) for node in document.kept]


def as_html(text: str) -> str:
    """XHTML that is not well-formed as HTML: what is an empty element to XML, and to HTML the start of one that takes in
    what follows, is ended; prefixes of XHTML and SVG are left out. Never raises.
    """
    prefixes = {f"{prefix}:" for prefix in _PREFIX.findall(text)}

    def ended(tag: re.Match[str]) -> str:
        slash, name, inside, void, end = tag.groups(default="")
        if not name:
            return tag[0]
        for prefix in prefixes:
            name = name.removeprefix(prefix)
        if not void or name.lower() in _VOID_NAMES:
            return f"<{slash}{name}{inside}{void}{end}"
        return f"<{name}{inside}></{name}>"

    return _TAG_OR_COMMENT.sub(ended, text)


class _Document:
    def __init__(self, text: str, *, look_at_all: bool) -> None:
        self.kept: list[Node] = []
        self.texts: list[str] = []
        self._text = _ILLEGAL.sub("", text.lstrip("\ufeff \t\r\n"))
        self._look_at_all = look_at_all
        self._references = text.count("&")
        self._node: Node | None = None
        self._count = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.namespace_prefixes = True
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self._parser.ProcessingInstructionHandler = self._instruction
        if _ENTITY.search(text):
            self._parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_ALWAYS)
            self._parser.UseForeignDTD(True)
            self._parser.EntityDeclHandler = self._declared
            self._parser.ExternalEntityRefHandler = self._external

    def read(self) -> None:
        self._parser.Parse(self._text, True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MAX_ELEMENTS:
            raise _FullError
        named = {_html_name(key): value for key, value in attributes.items()}
        self._node = Node(_html_name(name), named, self._node, [], [len(self.texts)])
        name = self._node.name
        if name in NAMES or (self._look_at_all and name != "template" and may_tell(named)):
            self.kept.append(self._node)

    def _end(self, _name: str) -> None:
        if self._node is not None:
            self._node.span.append(len(self.texts))
            self._node = self._node.parent

    def _data(self, text: str) -> None:
        self.texts.append(text)
        if self._node is not None and self._node.name in ("script", "style", "title"):
            self._node.own.append(text)

    def _instruction(self, target: str, data: str) -> None:
        """``<?xml-stylesheet href="…"?>`` before the root is a link (https://www.w3.org/TR/xml-stylesheet/)."""
        if target != "xml-stylesheet" or self._count:
            return
        told = {name: first or second for name, first, second in _PSEUDO_ATTRIBUTE.findall(data)}
        if told.get("type", "text/css").partition(";")[0].strip() == "text/css" and "href" in told:
            attributes = {"rel": "stylesheet", "href": told["href"].replace("&amp;", "&")}
            self.kept.append(Node("link", attributes, None, [], [0, 0]))

    def _declared(self, name: str, is_parameter: int, value: str | None, *_: object) -> None:
        """Entities within entities are refused, and with them all that is made to grow."""
        if is_parameter or (value is not None and _grows(value, self._references)):
            raise _RefusedError(f"the document declares the entity {name[:40]}")

    def _external(self, context: str | None, *_: object) -> int:
        if context is None:  # it is the DTD, whichever is named
            dtd = self._parser.ExternalEntityParserCreate(context)
            dtd.EntityDeclHandler = None
            dtd.Parse(_html_entities(), True)
        return 1


def _grows(value: str, references: int) -> bool:
    return _NESTED_ENTITY.search(value) is not None or len(value) * references > _MAX_EXPANDED_CHARS


@cache
def _html_entities() -> str:
    """A DTD that declares the entities of HTML (https://html.spec.whatwg.org/entities.json)."""
    own = {name[:-1]: text for name, text in html5.items() if name.endswith(";") and text not in "&<"}
    declared = "".join(
        f'<!ENTITY {name} "{"".join(f"&#{ord(char)};" for char in text)}">' for name, text in own.items()
    )
    return f'{declared}<!ENTITY AMP "&#38;#38;"><!ENTITY LT "&#38;#60;">'


def _html_name(name: str) -> str:
    """*name*, which expat gives as namespace, local name and prefix, as HTML has it."""
    parts = name.split(" ")
    if len(parts) < _NAME_PARTS:
        return parts[-1].lower()
    namespace, local, prefix = parts
    return f"{_KNOWN_NAMESPACES.get(namespace, f'{prefix}:')}{local}".lower()


class _XmlTree:
    def __init__(self, texts: list[str]) -> None:
        self._texts = texts

    def name(self, node: Node) -> str:
        return node.name

    def key(self, node: Node) -> int:
        return id(node)

    def attribute(self, node: Node, name: str) -> str | None:
        return node.attributes.get(name)

    def text(self, node: Node) -> str:
        start, end = node.span[0], node.span[-1] if len(node.span) > 1 else len(self._texts)
        return "".join(self._texts[start : min(end, start + _MAX_TEXT_PIECES)])

    def own_text(self, node: Node) -> str:
        return "".join(node.own)
