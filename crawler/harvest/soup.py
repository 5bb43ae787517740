"""Beautiful Soup over Python's html.parser: slow and patient; for pages that the fast parser refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html.entities import html5 as entities
from typing import Any

from bs4 import BeautifulSoup
from bs4.element import NavigableString, PageElement, PreformattedString, Tag
from bs4.exceptions import ParserRejectedMarkup

from crawler.harvest.tree import NAMES, Found, ParserRefusedError, found, inside_svg, may_tell

_RAW_TEXT = frozenset(
    {"iframe", "noembed", "noframes", "plaintext", "script", "style", "textarea", "title", "xmp"}
)
_INSIDE = r"(?:\"[^\"]*\"|'[^']*'|[^\"'<>]+)*+"
_COMMENT = re.compile(
    r"<!--(?:-?>|.*?(?:--!?>|\Z))"
    # and what is none, though it may hold one
    rf"|<({'|'.join(sorted(_RAW_TEXT))})[\s/>].*?(?:</\1|\Z)|<[a-z]{_INSIDE}",
    re.IGNORECASE | re.DOTALL,
)
_START_TAG = re.compile(r"<[a-zA-Z][^<>]*>")
_REFERENCE = re.compile(r"&([a-zA-Z][a-zA-Z0-9]*+)(?!;)(=?)")


def elements_of(html: str, *, look_at_all: bool) -> list[Found]:
    """The elements of NAMES, and with *look_at_all* any that may tell of an image; raises ParserRefusedError."""
    try:
        return list(_walk(html, look_at_all=look_at_all))
    except (ParserRejectedMarkup, ValueError, RuntimeError) as exc:
        raise ParserRefusedError(str(exc)) from exc


def _walk(html: str, *, look_at_all: bool) -> Iterator[Found]:
    html = _START_TAG.sub(_with_plain_ampersands, _without_loose_ends(html))
    if "<" not in html:
        return  # Beautiful Soup would take it for a file's name
    soup = BeautifulSoup(
        html,
        "html.parser",
        multi_valued_attributes=None,
        on_duplicate_attribute="ignore",
    )
    roots: dict[str, dict[str, str]] = {"html": {}, "body": {}}
    walks = [iter(soup.contents)]
    while walks:
        node = next(walks[-1], None)
        if node is None:
            walks.pop()
        elif isinstance(node, Tag):
            name = "img" if node.name == "image" and not inside_svg(_TREE, node) else node.name
            attributes = {key: str(value) for key, value in node.attrs.items()}
            if name in roots:  # further tags of these only add to the first
                attributes = {key: attributes[key] for key in attributes if key not in roots[name]}
                roots[name] |= attributes
            if name in NAMES or (look_at_all and name != "template" and may_tell(attributes)):
                yield found(_TREE, node, name, attributes)
            if name not in _RAW_TEXT or inside_svg(_TREE, node):
                walks.append(iter(node.contents))


def _without_loose_ends(html: str) -> str:
    """What HTML makes of line ends, of comments, and of what is never closed, whose end html.parser seeks again and
    again.

    Without this a megabyte of ``<!--`` or ``<a '`` takes it hours.
    """
    html = html.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    # Bogus comments end at the next ">", and not at "]]>"; "<?xml" would have Beautiful Soup warn of XML
    html = html.replace("<![", "<!x[").replace("<?", "<!?")
    html = _COMMENT.sub(lambda found: "" if found[0].startswith("<!--") else found[0], html)
    end = html.rfind(">") + 1
    return html[:end] + html[end:].replace("<", "&lt;")


def _with_plain_ampersands(tag: re.Match[str]) -> str:
    """``?a=1&section=2`` says section in HTML, not a paragraph sign; html.parser knows since 3.13 only."""
    return _REFERENCE.sub(
        lambda name: f"&amp;{name[1]}{name[2]}" if name[2] or name[1] not in entities else name[0], tag[0]
    )


class _SoupTree:
    def name(self, node: PageElement) -> str:
        return node.name if isinstance(node, Tag) else ""

    def key(self, node: Tag) -> int:
        return id(node)

    def attribute(self, node: Tag, name: str) -> str | None:
        value = node.attrs.get(name)
        return None if value is None else str(value)

    def attributes(self, node: Tag) -> Mapping[str, Any]:
        return node.attrs

    def text(self, node: Tag) -> str:
        return node.get_text()

    def own_text(self, node: Tag) -> str:
        text = "".join(str(child) for child in node.contents if not isinstance(child, Tag))
        return text.replace("<!x[", "<![").replace("<!?", "<?")  # what _without_loose_ends did

    def only_text(self, node: Tag) -> str | None:
        return self.string(node.contents[0]) if len(node.contents) == 1 else None if node.contents else ""

    def within(self, node: Tag) -> Iterator[PageElement]:
        return node.descendants

    def string(self, node: PageElement) -> str | None:
        return (
            str(node)
            if isinstance(node, NavigableString) and not isinstance(node, PreformattedString)
            else None
        )


_TREE = _SoupTree()
