"""The adapter of lexbor (selectolax), a fast parser that builds the tree of the HTML Standard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from crawler.harvest.parser_base import NAMES, Mark, may_tell

ERRORS = (SelectolaxError, ValueError, RuntimeError)
"""What a document raises that the parser can't read."""
_MAX_TEMPLATES = 32
_KEPT = NAMES | {"feImage", "template"}


class DocumentTree:
    """The tree of one document."""

    def __init__(self, html: str) -> None:
        root = LexborHTMLParser(html).root
        self._roots = [root] if root is not None else []
        """Roots of the document and of its templates."""

    def walk(
        self, *, look_at_all: bool, left_out: Counter[str]
    ) -> Iterator[tuple[LexborNode, str, dict[str, str]]]:
        """The elements of NAMES with their names and attributes; with *look_at_all* any that may refer to an image.

        *left_out* counts templates that are nested too deep.
        """
        walks = [_looked_at(root, look_at_all=look_at_all) for root in self._roots]
        while walks:
            for node, name in walks[-1]:
                if name in NAMES:
                    yield node, name, _attributes(node)
                elif name == "template":
                    contents = _contents(node)
                    if len(walks) <= _MAX_TEMPLATES:
                        self._roots += contents
                        walks += [_looked_at(fragment, look_at_all=look_at_all) for fragment in contents]
                        break  # what comes after it, once its contents are through
                    if any(fragment.first_child is not None for fragment in contents):
                        left_out["template-cut"] += 1
                elif name in _KEPT:
                    yield node, name.lower(), _attributes(node)
                elif name[:1] not in ("-", ""):
                    attributes = _attributes(node)
                    if may_tell(attributes):
                        yield node, name, attributes
            else:
                walks.pop()

    def name(self, node: LexborNode) -> str:
        return node.tag or ""

    def key(self, node: LexborNode) -> int:
        return node.mem_id

    def attributes(self, node: LexborNode) -> Mapping[str, str]:
        return _attributes(node)

    def own_text(self, node: LexborNode) -> str:
        return node.text(deep=False)

    def text(self, node: LexborNode) -> str:
        return node.text()

    def sibling(self, node: LexborNode, *, after: bool) -> LexborNode | None:
        return node.next if after else node.prev

    def inside(self, node: LexborNode) -> Iterator[LexborNode]:
        nodes = node.traverse(include_text=True)
        next(nodes, None)
        return nodes

    def find(self, names: Sequence[str], marks: Sequence[Mark]) -> Iterable[LexborNode]:
        selectors = ",".join((*names, *map(_selector, marks)))
        return [node for root in self._roots for node in root.css(selectors)]


def _looked_at(root: LexborNode, *, look_at_all: bool) -> Iterator[tuple[LexborNode, str]]:
    """The descendants of *root* that may be kept, and templates, with their names; with *look_at_all* all of them."""
    nodes = root.traverse()
    if look_at_all:
        return ((node, node.tag or "") for node in nodes)
    # a list is twice as fast as a generator, and as a CSS selector for these names
    return iter([(node, name) for node in nodes if (name := node.tag) in _KEPT])


def _attributes(node: LexborNode) -> dict[str, str]:
    attributes: Any = node.attributes  # a new dict; None is an attribute without a value, which is rare
    return (
        {key: value or "" for key, value in attributes.items()} if None in attributes.values() else attributes
    )


def _contents(template: LexborNode) -> list[LexborNode]:
    """The contents of a template, which are not in the tree.

    A template in SVG is an ordinary element and is not asked: that searches its descendants, which took 30 s for 8,000
    nested ones.
    """
    return template.template_fragments()[:1] if template.first_child is None else []


def _selector(mark: Mark) -> str:
    operator = "~=" if mark.is_word else "*="
    return f'[{mark.attribute}{operator}"{mark.part}" i]' if mark.part else f"[{mark.attribute}]"
