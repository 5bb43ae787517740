"""lexbor, by selectolax: a fast parser that builds the tree which the HTML Standard describes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from crawler.harvest.tree import NAMES, Found, ParserRefusedError, found, may_tell

_MAX_TEMPLATES = 32


def elements_of(html: str, *, look_at_all: bool) -> list[Found]:
    """The elements of NAMES, and with *look_at_all* any that may tell of an image; raises ParserRefusedError."""
    try:
        return list(_walk(html, look_at_all=look_at_all))
    except (SelectolaxError, ValueError, RuntimeError) as exc:
        raise ParserRefusedError(str(exc)) from exc


def _walk(html: str, *, look_at_all: bool) -> Iterator[Found]:
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
        if name == "template" and len(walks) <= _MAX_TEMPLATES:
            # What a template holds hangs beside the tree
            walks += [fragment.traverse() for fragment in node.template_fragments()[:1]]
        elif name in NAMES or name == "feImage":
            yield found(
                _TREE, node, name.lower(), {key: value or "" for key, value in node.attributes.items()}
            )
        elif look_at_all:
            attributes = {key: value or "" for key, value in node.attributes.items()}
            if may_tell(attributes):
                yield found(_TREE, node, name, attributes)


class _LexborTree:
    def name(self, node: LexborNode) -> str:
        return node.tag or ""

    def key(self, node: LexborNode) -> int:
        return node.mem_id

    def attribute(self, node: LexborNode, name: str) -> str | None:
        attributes = node.attributes
        return (attributes[name] or "") if name in attributes else None

    def attributes(self, node: LexborNode) -> Mapping[str, str | None]:
        return node.attributes

    def text(self, node: LexborNode) -> str:
        return node.text()

    def own_text(self, node: LexborNode) -> str:
        return node.text(deep=False)

    def only_text(self, node: LexborNode) -> str | None:
        first = node.first_child
        if first is None:
            return ""
        return first.text_content if first.next is None and first.tag == "-text" else None

    def within(self, node: LexborNode) -> Iterator[LexborNode]:
        nodes = node.traverse(include_text=True)
        next(nodes)  # itself
        return nodes

    def string(self, node: LexborNode) -> str | None:
        return node.text_content if node.tag == "-text" else None


_TREE = _LexborTree()
