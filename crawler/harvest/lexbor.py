"""lexbor, by selectolax: a fast parser that builds the tree which the HTML Standard describes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from crawler.harvest.tree import NAMES, Found, ParserRefusedError, found, may_tell

_MAX_TEMPLATES = 32


def elements_of(html: str, *, look_at_all: bool, left_out: Counter[str]) -> list[Found]:
    """The elements of NAMES, and with *look_at_all* any that may tell of an image; raises ParserRefusedError.

    *left_out* counts templates that are too deep in others.
    """
    try:
        return list(_walk(html, look_at_all=look_at_all, left_out=left_out))
    except (SelectolaxError, ValueError, RuntimeError) as exc:
        raise ParserRefusedError(str(exc)) from exc


def _walk(html: str, *, look_at_all: bool, left_out: Counter[str]) -> Iterator[Found]:
    root = LexborHTMLParser(html).root
    walks = [root.traverse()] if root is not None else []
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
                walks += [contents.traverse()] if contents is not None else []
            elif contents is not None and contents.first_child is not None:
                left_out["template-cut"] += 1
        elif name in NAMES or name == "feImage":
            yield found(
                _TREE, node, name.lower(), {key: value or "" for key, value in node.attributes.items()}
            )
        elif look_at_all:
            attributes = {key: value or "" for key, value in node.attributes.items()}
            if may_tell(attributes):
                yield found(_TREE, node, name, attributes)


def _contents(template: LexborNode) -> LexborNode | None:
    """What a template holds, which hangs beside the tree. One of SVG is an element like any other, and is not asked:
    that looks through all that is below, which took 30 s for 8,000 of them within each other.
    """
    return next(iter(template.template_fragments()), None) if template.first_child is None else None


class _LexborTree:
    def name(self, node: LexborNode) -> str:
        return node.tag or ""

    def key(self, node: LexborNode) -> int:
        return node.mem_id

    def attribute(self, node: LexborNode, name: str) -> str | None:
        attributes = node.attributes
        return (attributes[name] or "") if name in attributes else None

    def text(self, node: LexborNode) -> str:
        return node.text()

    def own_text(self, node: LexborNode) -> str:
        return node.text(deep=False)


_TREE = _LexborTree()
