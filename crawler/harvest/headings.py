"""Finds the heading above an element of a page.

A heading applies to what follows, up to the next heading. A heading within an article, a section or a list item applies
to nothing outside it: of two cards, each with its picture above its title, the second is not under the first title.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from crawler.harvest.parser_base import Tree, ancestors

_SECTIONS = frozenset({"article", "aside", "dialog", "li", "nav", "section"})
_MAX_HELD = 64


class Headings:
    """The headings of one document so far; to be added in document order."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._of_page = ""
        """The latest heading outside any section."""
        self._of_sections: list[tuple[int, str]] = []
        """Headings since then, each with its section."""
        self._parent: int | None = None
        self._section: int | None = None
        """Cache: the section of the children of _parent, the last that was asked for."""
        self.latest = ""

    def add(self, node: Any, text: str) -> str:
        """Add a heading; returns the heading that applies to *node*, itself if it has a text."""
        if not text:
            return self.latest
        self.latest = text
        section = self._section_of(node)
        if section is None:
            self._of_page = text
            self._of_sections.clear()
        else:
            self._of_sections.append((section, text))
            del self._of_sections[:-_MAX_HELD]
        return text

    def above(self, around: Iterable[Any]) -> str:
        """The nearest heading of an element with the ancestors *around*."""
        if not self._of_sections:
            return self._of_page
        keys = set(map(self._tree.key, around))
        return next((text for section, text in reversed(self._of_sections) if section in keys), self._of_page)

    def of(self, node: Any) -> str:
        """The nearest one of *node*."""
        return self.above(ancestors(node)) if self._of_sections else self._of_page

    def _section_of(self, node: Any) -> int | None:
        parent = None if node.parent is None else self._tree.key(node.parent)
        if parent != self._parent:  # siblings often come in a row
            self._parent, self._section = parent, self._nearest_section(node)
        return self._section

    def _nearest_section(self, node: Any) -> int | None:
        for around in ancestors(node):
            if self._tree.name(around) in _SECTIONS:
                return self._tree.key(around)
        return None
