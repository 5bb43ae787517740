"""XML from strangers, read without a DTD: nothing outside the document is loaded, no entity of its own is expanded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.entities import html5
from typing import NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

_CHUNK_CHARS = 65_536
_MAX_DEPTH = 64
_MAX_NODES = 10_000
_MAX_NODES_IN_ALL = 1_000_000
_ILLEGAL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class Node(NamedTuple):
    """An element; prefixes of names are left out, and names are in lower case."""

    name: str
    attributes: dict[str, str]
    texts: list[str]
    children: list[Node]

    @property
    def text(self) -> str:
        """Its own, without white space around."""
        return "".join(self.texts).strip()

    def child_text(self, name: str) -> str:
        """The text of the first child of this name that has any, or ``""``."""
        return next((child.text for child in self.children if child.name == name and child.text), "")

    def markup(self) -> str:
        """What is inside of it, as markup; its own text comes first."""
        return escape("".join(self.texts)) + "".join(child.outer_markup() for child in self.children)

    def outer_markup(self) -> str:
        attributes = "".join(f" {name}={quoteattr(value)}" for name, value in self.attributes.items())
        return f"<{self.name}{attributes}>{self.markup()}</{self.name}>"


class _RefusedError(Exception):
    """The document declares entities, or is too large."""


def subtrees(text: str, names: frozenset[str]) -> Iterator[Node]:
    """The elements of these names that are not inside of another one, in document order, each as it is complete.

    Of a document that is broken, those before the break; of one that declares entities, none. Within one of them
    at most _MAX_NODES elements are kept, _MAX_DEPTH deep. Never raises.
    """
    reader = _Reader(names)
    text = _ILLEGAL.sub("", text.lstrip("\ufeff \t\r\n"))
    try:
        for start in range(0, len(text), _CHUNK_CHARS):
            reader.parser.Parse(text[start : start + _CHUNK_CHARS], False)
            yield from reader.taken()
        reader.parser.Parse("", True)
    except (expat.ExpatError, _RefusedError, ValueError):
        pass
    yield from reader.taken()


class _Reader:
    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._open: list[Node] = []
        self._ignored = 0
        self._nodes = 0
        self._nodes_in_all = 0
        self._done: list[Node] = []
        self.parser = expat.ParserCreate()
        self.parser.UseForeignDTD(True)  # so that HTML's entities, which feeds use, are no errors
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        self.parser.SkippedEntityHandler = self._entity
        self.parser.EntityDeclHandler = self._refuse

    def taken(self) -> list[Node]:
        done, self._done = self._done, []
        return done

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = _local(name)
        if not self._open and name not in self._names:
            return
        self._nodes += 1
        self._nodes_in_all += 1
        if self._nodes_in_all > _MAX_NODES_IN_ALL:
            raise _RefusedError
        if self._ignored or len(self._open) >= _MAX_DEPTH or self._nodes > _MAX_NODES:
            self._ignored += 1
            return
        node = Node(name, {_local(key): value for key, value in attributes.items()}, [], [])
        if self._open:
            self._open[-1].children.append(node)
        self._open.append(node)

    def _end(self, _name: str) -> None:
        if self._ignored:
            self._ignored -= 1
        elif self._open:
            node = self._open.pop()
            if not self._open:
                self._done.append(node)
                self._nodes = 0

    def _data(self, text: str) -> None:
        if self._open and not self._ignored:
            self._open[-1].texts.append(text)

    def _entity(self, name: str, is_parameter: bool) -> None:  # noqa: FBT001 - expat's signature
        if not is_parameter:
            self._data(html5.get(f"{name};", ""))

    def _refuse(self, *_: object) -> None:
        raise _RefusedError


def _local(name: str) -> str:
    return name.rpartition(":")[2].lower()
