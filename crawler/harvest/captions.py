"""Assigns captions to pictures.

A caption belongs to the pictures of the nearest container that holds both. In a figure it describes all pictures of the
figure; in any other container only the picture beside it, with next to no text between the two. A picture takes the
caption after it rather than the one before it. A caption that can't be assigned belongs to no picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from crawler.harvest.caption_names import NONE, STRONG, is_banner, is_figure, strength_of
from crawler.harvest.parser_base import Tree, on_one_line, read

_MAX_LEVELS = 5
"""Levels from a caption up to the container that it shares with its picture."""
_MAX_SIBLINGS = 12
"""Siblings that are searched on each side of a caption."""
_MAX_BETWEEN_CHARS = 80
"""Characters between a picture and its caption: the photographer's name, or "Click to enlarge"."""
_MANY = 2048
"""Characters that count as unlimited."""
_MAX_HELD = 64
"""Pictures that are noted of one container. In a larger one, only captions beside a picture are assigned."""
_MAX_AROUND_PICTURE_CHARS = 500
"""Length of a caption that contains its picture; a longer one is the text of a page."""
_UPPERMOST = frozenset(
    {
        "article", "aside", "blockquote", "body", "dd", "details", "dialog", "dt", "figure", "footer",
        "form", "header", "html", "li", "main", "menu", "nav", "section", "table", "template",
    }
)  # fmt: skip
"""Elements whose captions describe nothing outside them."""
_MENUS = frozenset({"nav", "menu"})


class _Caption(NamedTuple):
    node: Any
    above: list[Any]
    """Its ancestors, innermost first, as far up as it may look for its picture."""
    text: str
    strength: int
    kind: str
    """Its class: two captions of one class describe different pictures."""


class _Best(NamedTuple):
    """The best caption of a picture so far."""

    rank: tuple[int, int]
    """The smallest is the best: levels from the picture up to the shared container, then weakness of the caption."""
    text: str


class Captions:
    """Collects the pictures of one document, then its captions, each in document order.

    A picture is a number that all elements of one ``<picture>`` share. Takes linear time.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._held: dict[int, dict[int, int]] = {}
        """The pictures within each element, each with its level below the element."""
        self._captions: dict[int, _Caption] = {}
        self._within: dict[int, list[int]] = {}
        """The captions within each element."""
        self._containers: set[int] = set()
        """Elements that look like captions, but contain other captions and a picture: ``<div class="wp-caption">``."""
        self._headings: set[int] = set()
        """Headings by their role: in a table of contents they look like captions."""
        self._best: dict[int, _Best] = {}
        self._lengths: dict[int, int] = {}

    def add_picture(self, number: int, around: Sequence[int]) -> None:
        """Note a picture; *around* has the keys of its element and its ancestors, innermost first."""
        for level, key in enumerate(around):
            held = self._held.setdefault(key, {})
            if len(held) < _MAX_HELD:
                held.setdefault(number, level)

    def add(self, node: Any, attributes: Mapping[str, str]) -> None:
        """Note an element if its name and attributes make it a caption."""
        name = self._tree.name(node)
        key, strength = self._tree.key(node), strength_of(name, attributes)
        if attributes.get("role") == "heading":
            self._headings.add(key)
        if strength == NONE or key in self._captions:
            return
        above = list(self._above(node))
        if not self._is_part_of_caption(above) and (text := on_one_line(read(self._tree, node))):
            self._captions[key] = _Caption(node, above, text, strength, attributes.get("class", name))
            for element in (node, *(above if strength == STRONG else above[:1])):
                self._within.setdefault(self._tree.key(element), []).append(key)

    def of_pictures(self) -> dict[int, str]:
        """The caption of each picture that has one."""
        for key, caption in self._captions.items():
            if key not in self._containers:
                self._find_pictures(caption)
        return {number: told.text for number, told in self._best.items()}

    def _is_part_of_caption(self, above: Sequence[Any]) -> bool:
        """Whether it stands in another caption. A caption that contains a picture is the container of both instead."""
        for key in map(self._tree.key, above):
            if key in self._headings:
                return True
            if key in self._captions:
                if key not in self._held:
                    return True
                self._containers.add(key)
        return False

    def _find_pictures(self, caption: _Caption) -> None:
        inside = self._held_by(caption.node)
        between = {False: 0, True: 0}
        node = caption.node
        if caption.above and self._tree.name(caption.above[-1]) in _MENUS:
            return None
        for parent in caption.above:
            others = [number for number in self._held_by(parent) if number not in inside]
            figure = self._is_figure(parent)
            if others and (
                (figure and (len(others) == 1 or self._is_only_one(caption, parent)))
                or self._is_all_about(parent, others, caption)
            ):
                return self._tell(parent, others, caption.text, caption.strength)
            if (
                caption.strength == STRONG
                and not inside
                and self._tell_beside(node, parent, between, caption)
            ):
                return None
            if figure or caption.strength != STRONG:
                break
            node = parent
        if len(inside) == 1 and caption.strength == STRONG and len(caption.text) <= _MAX_AROUND_PICTURE_CHARS:
            self._tell(caption.node, inside, caption.text, caption.strength)
        return None

    def _above(self, node: Any) -> Iterator[Any]:
        for _ in range(_MAX_LEVELS):
            node = node.parent
            if node is None or not self._tree.name(node):
                return
            yield node
            if self._tree.name(node) in _UPPERMOST:
                return

    def _held_by(self, node: Any) -> Mapping[int, int]:
        return {} if node is None else self._held.get(self._tree.key(node), {})

    def _is_figure(self, node: Any) -> bool:
        name, attributes = self._tree.name(node), self._tree.attributes(node)
        return self._tree.key(node) in self._containers or is_figure(name, attributes)

    def _is_only_one(self, caption: _Caption, parent: Any) -> bool:
        """Whether *parent* has no other caption of its kind."""
        keys = self._within.get(self._tree.key(parent), [])
        others = [other for key in keys[:_MAX_HELD] if (other := self._captions[key]) is not caption]
        return len(keys) <= _MAX_HELD and all(other.kind != caption.kind for other in others)

    def _is_all_about(self, parent: Any, others: Sequence[int], caption: _Caption) -> bool:
        """Whether *parent* holds next to nothing but the caption and a picture, or a table of pictures."""
        if len(others) > 1 and self._tree.name(caption.node) != "caption":
            return False
        limit = len(caption.text) + _MAX_BETWEEN_CHARS
        return self._length(parent) <= limit and not self._is_in_banner(parent)

    def _is_in_banner(self, node: Any) -> bool:
        around = (node, *self._above(node))
        return any(is_banner(self._tree.name(node), self._tree.attributes(node)) for node in around)

    def _tell(self, holder: Any, numbers: Iterable[int], text: str, strength: int) -> None:
        held = self._held_by(holder)
        for number in numbers:
            told = _Best((held.get(number, _MAX_LEVELS), -strength), text)
            self._best[number] = min(self._best.get(number, told), told, key=lambda told: told.rank)

    def _tell_beside(self, node: Any, parent: Any, between: dict[bool, int], caption: _Caption) -> bool:
        """Whether a picture stands beside *node*, which is the caption or its ancestor within *parent*.

        *between* counts the text that has been seen on either side of the caption.
        """
        if (number := self._in_row(node, caption)) is not None:
            self._tell(parent, [number], caption.text, caption.strength)
            return True
        found = [self._beside(node, between, caption, after=after) for after in (False, True)]
        beside = [number for number in found if number is not None]
        free = [number for number in beside if not self._has_caption(number)]
        # A caption with text between it and the picture before, and none after it, may be of either
        if free and not (len(free) > 1 and between[False] and not between[True]):
            self._tell(parent, free[:1], caption.text, caption.strength)
        return bool(beside)

    def _has_caption(self, number: int) -> bool:
        return number in self._best and self._best[number].rank[1] == -STRONG

    def _beside(self, node: Any, between: dict[bool, int], caption: _Caption, *, after: bool) -> int | None:
        """The picture next to *node* on one side."""
        sibling = node
        for _ in range(_MAX_SIBLINGS):
            sibling = self._tree.sibling(sibling, after=after)
            if sibling is None or between[after] > _MAX_BETWEEN_CHARS:
                return None
            key = self._tree.key(sibling)
            captions = [self._captions[other] for other in self._within.get(key, ())[:_MAX_HELD]]
            if not captions:
                between[after] += self._length(sibling)
            if key in self._held and not captions and between[after] <= _MAX_BETWEEN_CHARS:
                numbers = list(self._held_by(sibling))
                if len(numbers) == 1 and not self._are_items(sibling, node, caption):
                    return numbers[0]
            if key in self._held or any(other.kind == caption.kind for other in captions):
                break
        between[after] = _MANY
        return None

    def _in_row(self, node: Any, caption: _Caption) -> int | None:
        """The picture at the same position in the row before or after as the caption has in its own row."""
        keys = self._within.get(self._tree.key(node), [])
        if not 1 < len(keys) < _MAX_HELD or self._held_by(node):
            return None
        for after in (False, True):
            numbers = list(self._held_by(self._neighbour(node, after=after)))
            if len(numbers) == len(keys):
                return numbers[keys.index(self._tree.key(caption.node))]
        return None

    def _neighbour(self, node: Any, *, after: bool) -> Any:
        """The next sibling that is an element, or a text that is not blank."""
        sibling = self._tree.sibling(node, after=after)
        if sibling is not None and self._tree.name(sibling)[:1] == "-" and not self._length(sibling):
            sibling = self._tree.sibling(sibling, after=after)
        return sibling

    def _are_items(self, holder: Any, node: Any, caption: _Caption) -> bool:
        """Whether two elements are of one kind, such as slides of a carousel, each with its own contents."""
        kinds = {self._tree.attributes(item).get("class", "") for item in (holder, node)}
        return node is not caption.node and len(kinds) == 1 and kinds != {""}

    def _length(self, node: Any) -> int:
        """Length of the text in a node; _MANY for all that is too long to be read."""
        key = self._tree.key(node)
        if key not in self._lengths:
            is_element = self._tree.name(node)[:1] != "-"
            text = read(self._tree, node, limit=_MANY) if is_element else self._tree.own_text(node)
            self._lengths[key] = len(on_one_line(text)) if len(text) < _MANY else _MANY
        return self._lengths[key]
