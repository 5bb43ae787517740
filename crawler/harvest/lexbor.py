"""The adapter of lexbor (selectolax), a fast parser that builds the tree of the HTML Standard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from crawler.harvest.element_words import ElementWords
from crawler.harvest.parser_base import NAMES, Element, Mark, ParserRefusedError, may_tell

_MAX_TEMPLATES = 32
_KEPT = NAMES | {"feImage", "template"}


def elements_of(
    html: str, *, look_at_all: bool, marks: Sequence[Mark], turns: bool, left_out: Counter[str]
) -> list[Element]:
    """The elements of NAMES, with *look_at_all* also any that may refer to an image. Raises ParserRefusedError.

    Captions are sought among what has one of the *marks*. *left_out* counts templates that are nested too deep.
    """
    tree = _LexborTree()
    words = ElementWords(tree, marks=marks, turns=turns)
    try:
        for node, name, attributes in _walk(html, tree.roots, look_at_all=look_at_all, left_out=left_out):
            words.add(node, name, attributes)
        return words.elements()
    except (SelectolaxError, ValueError, RuntimeError) as exc:
        raise ParserRefusedError(str(exc)) from exc


def _walk(
    html: str, roots: list[LexborNode], *, look_at_all: bool, left_out: Counter[str]
) -> Iterator[tuple[LexborNode, str, dict[str, str]]]:
    root = LexborHTMLParser(html).root
    roots += [root] if root is not None else []
    walks = [_looked_at(root, look_at_all=look_at_all) for root in roots]
    while walks:
        node = next(walks[-1], None)
        if node is None:
            walks.pop()
            continue
        name = node.tag
        if name is None or name[0] == "-":
            continue
        if name == "template":
            contents = _contents(node)
            if len(walks) <= _MAX_TEMPLATES:
                roots += contents
                walks += [_looked_at(fragment, look_at_all=look_at_all) for fragment in contents]
            elif any(fragment.first_child is not None for fragment in contents):
                left_out["template-cut"] += 1
        elif name in _KEPT:
            yield node, name.lower(), _attributes(node)
        elif look_at_all:
            attributes = _attributes(node)
            if may_tell(attributes):
                yield node, name, attributes


def _looked_at(root: LexborNode, *, look_at_all: bool) -> Iterator[LexborNode]:
    """The descendants of *root* that may be kept, and templates; with *look_at_all* all of them."""
    nodes = root.traverse()
    # a list, which is twice as fast as to ask each in turn, and as a selector for these names
    return nodes if look_at_all else iter([node for node in nodes if node.tag in _KEPT])


def _attributes(node: LexborNode) -> dict[str, str]:
    attributes: Any = node.attributes  # its own copy, in which None stands for no value: few pages have any
    return (
        {key: value or "" for key, value in attributes.items()} if None in attributes.values() else attributes
    )


def _contents(template: LexborNode) -> list[LexborNode]:
    """The contents of a template, which are not in the tree.

    A template in SVG is an ordinary element and is not asked: that searches its descendants, which took 30 s for 8,000
    nested ones.
    """
    return template.template_fragments()[:1] if template.first_child is None else []


class _LexborTree:
    def __init__(self) -> None:
        self.roots: list[LexborNode] = []
        """Roots of the document and of its templates."""

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
        return [node for root in self.roots for node in root.css(selectors)]


def _selector(mark: Mark) -> str:
    operator = "~=" if mark.is_word else "*="
    return f'[{mark.attribute}{operator}"{mark.part}" i]' if mark.part else f"[{mark.attribute}]"
