"""Collects the label of a link and the names around it, by which a person sees whether it turns a page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from crawler.harvest.markup import values_of
from crawler.harvest.paging_words import DIRECTIONS
from crawler.harvest.parser_base import Tree, ancestors, on_one_line

_MAX_LABEL_NODES = 12
_MAX_LABEL_CHARS = 200
_MARK_CHARS = 6
"""Length of a label that says nothing by itself: ``»``, ``12``."""
_BUTTON = frozenset(
    {"arrow", "b", "btn", "button", "comic", "icon", "img", "link", "nav", "navigation", "page"}
)
"""Other words in names of button images: ``nav_next.gif``, but not ``last-supper.jpg``."""
_PARTS_OF_NAME = re.compile(r"[^a-z]+")
_LETTER = re.compile(r"[^\W\d_]")
_HOLDING_LINKS = frozenset({"div", "li", "nav", "span"})
"""Elements whose class may say where the link in them leads."""
_NEAR_MARK = 4  # as in <nav><div class=pagination><ul><li><a>3</a>
_NAMING = ("class", "id", "aria-label")
_PASSED_OVER = frozenset({"a", "tbody"})  # not in every parser's tree
_OUTERMOST = frozenset({"body", "html"})

_TURNING = ("next", "prev", "older", "newer", "more", "pag")
"""Parts of all names that paging.py recognises."""


def may_turn(lower: str, classes: str) -> bool:
    """Whether any class or label of a document, all in lower case, may say that a link turns a page."""
    if any(word in classes for word in _TURNING):
        return True
    others = (values_of(name, lower) for name in _NAMING if name != "class" and name in lower)
    return any(word in values for values in others for word in _TURNING)


def of_link(tree: Tree, link: Any, *, around: bool) -> tuple[str, str]:
    """The text of *link* and its images, or the start of it; and, with *around*, the classes, ids and labels of the
    nearest ancestors, a line each; of more ancestors for a mark without letters.
    """
    text = tree.text(link)
    label = " ".join(text.split()) if len(text) <= _MAX_LABEL_CHARS else ""
    if not label:  # as of few
        label = _label_of_parts(tree, link)
    if not around:
        return label, ""
    is_mark = len(label) <= _MARK_CHARS and not _LETTER.search(label)
    near = _around(tree, link, is_mark=is_mark)
    return label, near if label else f"{_classes_inside(tree, link)} {near}"


def _label_of_parts(tree: Tree, link: Any) -> str:
    parts: list[str] = []
    for node in _inside(tree, link):
        name = tree.name(node)
        if name[:1] == "-":
            parts.append(tree.own_text(node)[:_MAX_LABEL_CHARS])
        else:
            parts.append(_said_by(name, tree.attributes(node))[:_MAX_LABEL_CHARS])
    return on_one_line(" ".join(parts))[:_MAX_LABEL_CHARS]


def _said_by(name: str, attributes: Mapping[str, str]) -> str:
    """The label of an element in a link without text; the stem of an image's file, if that is ``next`` or the like."""
    if name != "img":
        return attributes.get("aria-label", "")
    stem = attributes.get("src", "")[:_MAX_LABEL_CHARS].rpartition("/")[2].partition(".")[0].lower()
    words = [word for word in _PARTS_OF_NAME.split(stem) if word and word not in _BUTTON]
    called = words[0] if len(words) == 1 and words[0] in DIRECTIONS else ""
    return attributes.get("alt") or attributes.get("aria-label") or attributes.get("title") or called


def _classes_inside(tree: Tree, link: Any) -> str:
    """The classes inside a link without text, such as an icon's."""
    parts = (node for node in _inside(tree, link) if tree.name(node)[:1] != "-")
    return " ".join(filter(None, (tree.attributes(part).get("class") for part in parts)))[:_MAX_LABEL_CHARS]


def _inside(tree: Tree, link: Any) -> Iterator[Any]:
    """The first nodes in a link, up to a nested link, which html.parser permits."""
    for node in islice(tree.inside(link), _MAX_LABEL_NODES):
        if tree.name(node) == "a":
            return
        yield node


def _around(tree: Tree, node: Any, *, is_mark: bool) -> str:
    if node.parent is None or (not is_mark and tree.name(node.parent) not in _HOLDING_LINKS):
        return ""
    levels = _NEAR_MARK if is_mark else 1
    lines: list[str] = []
    for parent in ancestors(node):
        if len(lines) == levels or (name := tree.name(parent)) in _OUTERMOST:
            break
        if name not in _PASSED_OVER:
            attributes = tree.attributes(parent)
            lines.append(
                " ".join([attributes.get(name, "") for name in _NAMING]).strip() if attributes else ""
            )
    return "\n".join(lines).rstrip("\n")
