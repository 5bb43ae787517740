"""The adapter of Beautiful Soup over html.parser: slow and lenient, for pages that the fast parser refuses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import unescape
from html.entities import html5 as entities
from itertools import islice

from bs4 import BeautifulSoup
from bs4.element import PageElement, Tag
from bs4.exceptions import ParserRejectedMarkup

from crawler.harvest.markup import RAW_TEXT, TOKEN, attributes_of, name_of, tokens
from crawler.harvest.parser_base import NAMES, Mark, inside_svg, may_tell

ERRORS = (ParserRejectedMarkup, ValueError, RuntimeError)
"""What a document raises that the parser can't read."""
_REFERENCE = re.compile(r"&([a-zA-Z][a-zA-Z0-9]*+)(?!;)(=?)")
_NAMABLE = re.compile("[^\"'<>=]++")
"""Names that html.parser reads as they are; no others refer to images."""
_ALWAYS_RAW = ("script", "style")
"""Elements that html.parser takes for raw text wherever they stand."""
_MAX_NODES_OF_TEXT = 64
"""Nodes of a link that are read as its label. Links may be nested here, and each is asked for its text."""
_END = {name: re.compile(f"</(?={name})", re.IGNORECASE) for name in _ALWAYS_RAW}


class DocumentTree:
    """The tree of one document."""

    def __init__(self, html: str) -> None:
        self._elements: list[Tag] = []
        html = "".join(_plain(html))
        self._soup = BeautifulSoup(
            html if "<" in html else "<p>",  # Beautiful Soup takes a text without tags for a file name
            "html.parser",
            multi_valued_attributes=None,
            on_duplicate_attribute="ignore",
        )

    def walk(
        self,
        *,
        look_at_all: bool,
        left_out: Counter[str],  # noqa: ARG002 - lexbor's; here templates are elements like any other
    ) -> Iterator[tuple[Tag, str, dict[str, str]]]:
        """The elements of NAMES with their names and attributes; with *look_at_all* any that may refer to an image."""
        roots: dict[str, dict[str, str]] = {"html": {}, "body": {}}
        walks = [iter(self._soup.contents)]
        while walks:
            node = next(walks[-1], None)
            if node is None:
                walks.pop()
            elif isinstance(node, Tag):
                self._elements.append(node)
                name = "img" if node.name == "image" and not inside_svg(self, node) else node.name
                attributes = {key: str(value) for key, value in node.attrs.items()}
                if name in roots:  # further tags only add attributes to the first
                    attributes = {key: attributes[key] for key in attributes if key not in roots[name]}
                    roots[name] |= attributes
                if name in NAMES or (look_at_all and name != "template" and may_tell(attributes)):
                    yield node, name, attributes
                if name not in RAW_TEXT or inside_svg(self, node):
                    walks.append(iter(node.contents))

    def name(self, node: PageElement) -> str:
        return node.name if isinstance(node, Tag) else "-text"

    def key(self, node: PageElement) -> int:
        return id(node)

    def attributes(self, node: Tag) -> Mapping[str, str]:
        return {key: str(value) for key, value in node.attrs.items()}

    def own_text(self, node: PageElement) -> str:
        parts = node.contents if isinstance(node, Tag) else (node,)
        return "".join(str(part) for part in parts if not isinstance(part, Tag))

    def text(self, node: Tag) -> str:
        nodes = islice(self.inside(node), _MAX_NODES_OF_TEXT)
        return "".join(str(part) for part in nodes if not isinstance(part, Tag))

    def sibling(self, node: PageElement, *, after: bool) -> PageElement | None:
        return node.next_sibling if after else node.previous_sibling

    def inside(self, node: Tag) -> Iterator[PageElement]:
        # Not by descendants or get_text: they search the last one first, which took hours for nested links
        walks = [iter(node.contents)]
        while walks:
            for part in walks[-1]:
                yield part
                if isinstance(part, Tag):
                    walks.append(iter(part.contents))
                    break
            else:
                walks.pop()

    def find(self, names: Sequence[str], marks: Sequence[Mark]) -> Iterable[Tag]:
        for node in self._elements:
            if node.name in names or any(_has(node, mark) for mark in marks):
                yield node


def _plain(html: str) -> Iterator[str]:
    """The pieces of *html*, with only such markup as all versions of html.parser read like a browser.

    By itself it ends comments and scripts elsewhere, takes any quote for a value's, and searches the end of unclosed
    markup again and again: a megabyte of ``<!--`` or ``<a '`` takes it hours.
    """
    html = html.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    end = 0
    kept_raw = ""
    for token in tokens(html):
        yield _text(html[end : token.start()], raw=kept_raw)
        end = token.end()
        if not token["name"]:
            if token["bogus"] is None and token[0].startswith("<![CDATA["):
                yield _text(token[0][9:].removesuffix("]]>").replace("&", "&amp;"), raw=kept_raw)
            continue
        name = name_of(token)
        if kept_raw and not (token["slash"] and name == kept_raw):
            continue
        yield from _tag(name, token)
        is_raw = token.re is not TOKEN and name in _ALWAYS_RAW and not (token["slash"] or token["void"])
        kept_raw = name if is_raw else ""
    yield _text(html[end:], raw=kept_raw)


def _text(text: str, *, raw: str = "") -> str:
    """A text for html.parser. *raw* is the script or style of SVG around it, which html.parser takes for HTML's."""
    if raw:
        return _without_end(raw, unescape(text))
    return text.replace("<", "&lt;") if "<" in text else text


def _tag(name: str, tag: re.Match[str]) -> Iterator[str]:
    if tag["slash"]:
        yield f"</{name}>"
    elif tag.end("void") < tag.start("text"):  # else it ends with the document, and is no tag
        is_empty = tag["void"] and (tag.re is not TOKEN or tag["foreign"] is not None)
        yield f"<{name}{''.join(_attributes(tag))}{' /' if is_empty else ''}>"
        yield _raw(name, tag["text"])


def _attributes(tag: re.Match[str]) -> Iterator[str]:
    for name, value in attributes_of(tag):
        if _NAMABLE.fullmatch(name):
            plain = _REFERENCE.sub(_with_plain_ampersand, value.replace('"', "&quot;"))
            yield f' {name}="{plain}"'


def _with_plain_ampersand(found: re.Match[str]) -> str:
    """In HTML ``?a=1&section=2`` is no section sign; html.parser knows since 3.13 only."""
    is_text = found[2] or found[1] not in entities
    return f"&amp;{found[1]}{found[2]}" if is_text else found[0]


def _raw(name: str, text: str) -> str:
    """The text of a raw element: scripts and styles as they are, others without what looks like markup."""
    if name in _ALWAYS_RAW:
        return _without_end(name, text)
    return _text(text if name in ("textarea", "title") else text.replace("&", "&amp;"))


def _without_end(name: str, text: str) -> str:
    """*text* without what html.parser takes for the element's end; a script ignores a backslash before the slash."""
    return _END[name].sub(r"<\\/", text)


def _has(node: Tag, mark: Mark) -> bool:
    value = node.attrs.get(mark.attribute)
    if value is None:
        return False
    text = str(value).lower()
    return mark.part in (text.split() if mark.is_word else text)
