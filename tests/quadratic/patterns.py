"""Every compiled regular expression of the crawler, and texts that are made of what it says itself.

So a new one is searched without anybody's thinking of it.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from re import _constants as const  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

import crawler
from crawler.harvest import markup
from tests.quadratic import Shape, modules

PACKAGE = Path(str(crawler.__file__)).parent
METHODS = ("match", "fullmatch", "search", "finditer")
_AS_FINDITER = {"findall", "sub", "subn", "split"}
USED = {
    "crawler.harvest.attributes._FEW": ("match",),
    "crawler.urls._SESSION_PARAMETER": ("fullmatch",),
    "crawler.urls._TRACKING_PARAMETER": ("fullmatch",),
    "crawler.harvest.markup.TOKEN": ("match", "finditer"),
}
"""What is called on those that are handed over; of all others that is seen where they are."""
SHORT = {
    "crawler.harvest.data_keys._WORD": 64,
    "crawler.harvest.paging._CLASS_WORD": 200,
    "crawler.harvest.html._NAME_BEFORE": 64,
    "crawler.harvest.script_data._TARGET": 120,
    "crawler.catalog.export._FORMULA": 500,
    "crawler.queues.redis.connection._IN_A_SCRIPT": 1024,
}
"""Expressions that would be slow on long texts, and the characters that they are given at most: by whoever calls them,
by words of a page that have been shortened when they were found, by the server that tells of an error.
"""
ELSEWHERE = {
    "crawler.harvest.attributes._pattern_of_few": "it is in the global _FEW",
    "crawler.sizes.query._words_of": "these are in the global _HOW",
    "crawler.harvest.markup._values": "one a name: made() has those that are asked for",
}
"""Where expressions are compiled in functions, and why these are searched all the same."""
_STRANGERS = ("!", "\0", "é", "\u2028")
"""What comes after a repetition, so that it does not match: most expressions know none of these."""


class Found(NamedTuple):
    """A compiled expression, and where it is."""

    name: str
    pattern: re.Pattern[Any]
    methods: tuple[str, ...]
    most_chars: int | None = None
    """It is never given more."""

    def work(self, method: str) -> Callable[[str], Any]:
        run = getattr(self.pattern, method)
        if isinstance(self.pattern.pattern, bytes):
            return lambda text: run(text.encode("utf-8", "replace"))
        return run


@cache
def expressions() -> tuple[Found, ...]:
    """Those in globals of modules and of classes, and in the tuples, lists and dicts among these."""
    found: dict[int, Found] = {}
    for module_name, module in modules().items():
        for name, value in vars(module).items():
            for place, pattern in _patterns_in(value, f"{module_name}.{name}"):
                found.setdefault(
                    id(pattern),
                    Found(
                        place,
                        pattern,
                        USED.get(place) or _methods_of(name, Path(str(module.__file__))),
                        SHORT.get(place),
                    ),
                )
    return (*found.values(), *made())


def made() -> Iterator[Found]:
    """What is compiled when it is asked for."""
    for name in ("class", "id"):
        yield Found(f"crawler.harvest.markup._values({name})", markup._values(name), ("finditer",))


def _patterns_in(value: Any, place: str, depth: int = 0) -> Iterator[tuple[str, re.Pattern[Any]]]:
    if isinstance(value, re.Pattern):
        yield place, value
    elif depth > 2:
        return
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _patterns_in(item, f"{place}[{key!r}]", depth + 1)
    elif isinstance(value, (tuple, list, set, frozenset)):
        for number, item in enumerate(value):
            yield from _patterns_in(item, f"{place}[{number}]", depth + 1)
    elif isinstance(value, type) and value.__module__.startswith("crawler"):
        for key, item in vars(value).items():
            yield from _patterns_in(item, f"{place}.{key}", depth + 1)


@cache
def _used(path: Path) -> dict[str, frozenset[str]]:
    """The methods that are called on each name in a module."""
    used: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            holder = node.value.value if isinstance(node.value, ast.Subscript) else node.value
            if isinstance(holder, ast.Name):
                used.setdefault(holder.id, set()).add(node.attr)
    return {name: frozenset(methods) for name, methods in used.items()}


def _methods_of(name: str, path: Path) -> tuple[str, ...]:
    called = {"finditer" if method in _AS_FINDITER else method for method in _used(path).get(name, ())}
    known = tuple(method for method in METHODS if method in called)
    return known if name.startswith("_") and known else METHODS


# --- texts ------------------------------------------------------------------------------------------------


def shapes(found: Found, *, pairs: int | None = 0) -> Iterator[Shape]:
    """Its units alone and behind what leads to them, with and without an end that does not match; and so many pairs of
    them, all of them for None.
    """
    tree = parser.parse(found.pattern.pattern, found.pattern.flags & ~re.DEBUG)
    starts, units = _parts(tree)
    for unit in units:
        yield Shape(unit)
        for stranger in _STRANGERS[:2]:
            yield Shape(unit, end=stranger)
    for start, unit in itertools.product(starts, units):
        if start and start != unit:
            yield Shape(unit, start=start, end=_STRANGERS[0])
    for one, other in itertools.islice(_spread(itertools.permutations(units, 2), found.name), pairs):
        yield Shape(one, other, end=_STRANGERS[0])
        yield Shape(one, other, in_halves=True, end=_STRANGERS[0])


def _spread(pairs: Iterable[tuple[str, str]], name: str) -> Iterator[tuple[str, str]]:
    """In an order that is the same each time, and not that of the alphabet."""
    return iter(sorted(pairs, key=lambda pair: hash_of(f"{name} {pair}")))


def hash_of(text: str) -> int:
    """The same in each process."""
    number = 0
    for byte in text.encode("utf-8", "surrogatepass"):
        number = (number * 0x01000193 ^ byte) & 0xFFFFFFFF
    return number * 2654435761 & 0xFFFFFFFF


def _parts(tree: Any) -> tuple[list[str], list[str]]:
    """What leads to each repetition, and what may be repeated."""
    starts: dict[str, None] = {"": None}
    units: dict[str, None] = {}
    _walk(tree, "", starts, units)
    example = _example(tree)
    units[example] = None
    for char in example:
        units[char] = None
    return list(starts), [unit for unit in units if unit]


def _walk(tree: Any, before: str, starts: dict[str, None], units: dict[str, None]) -> str:
    """Returns what leads to whatever follows *tree*."""
    run = ""
    for operation, value in tree:
        step = _example([(operation, value)])
        if operation is const.LITERAL:
            run += chr(value)
        else:
            if run:
                units[run] = None
            run = ""
        if operation is const.IN:
            for char in _members(value):
                units[char] = None
        elif operation in (const.ANY, const.NOT_LITERAL):
            units[step] = None
        for inner in _inside(operation, value):
            if operation in _REPEATS:
                starts[before] = None
                units[_example(inner)] = None
            _walk(inner, before, starts, units)
        before += step
    if run:
        units[run] = None
    return before


_REPEATS = {const.MAX_REPEAT, const.MIN_REPEAT, const.POSSESSIVE_REPEAT}


def _inside(operation: Any, value: Any) -> list[Any]:  # noqa: PLR0911 - one case for each kind
    if operation in _REPEATS:
        return [value[2]]
    if operation is const.SUBPATTERN:
        return [value[3]]
    if operation is const.BRANCH:
        return list(value[1])
    if operation is const.ATOMIC_GROUP:
        return [value]
    if operation in (const.ASSERT, const.ASSERT_NOT):
        return [value[1]]
    if operation is const.GROUPREF_EXISTS:
        return [part for part in value[1:] if part is not None]
    return []


def _example(tree: Any) -> str:
    """A text that it matches, or nearly: what is repeated comes once at least."""
    pieces = []
    for operation, value in tree:
        if operation is const.LITERAL:
            pieces.append(chr(value))
        elif operation is const.NOT_LITERAL:
            pieces.append("x" if value != ord("x") else "y")
        elif operation is const.ANY:
            pieces.append("x")
        elif operation is const.IN:
            pieces.append(next(iter(_members(value)), "x"))
        elif operation in _REPEATS:
            least, _, inner = value
            pieces.append(_example(inner) * max(1, min(least, 64)))
        elif operation is const.BRANCH:
            pieces.append(_example(value[1][0]))
        elif operation is const.ASSERT and value[0] > 0:
            pieces.append("")
        elif operation not in (const.ASSERT, const.ASSERT_NOT):
            pieces += [_example(inner) for inner in _inside(operation, value)[:1]]
    return "".join(pieces)


_OF_CATEGORY = {
    const.CATEGORY_DIGIT: "0", const.CATEGORY_NOT_DIGIT: "x", const.CATEGORY_SPACE: " ",
    const.CATEGORY_NOT_SPACE: "x", const.CATEGORY_WORD: "a", const.CATEGORY_NOT_WORD: "-",
}  # fmt: skip


def _members(items: Any) -> list[str]:
    """A character of each part of a class; of one that is negated some that it has."""
    is_negated = bool(items) and items[0][0] is const.NEGATE
    members = []
    taken = [range(0)]
    for operation, value in items:
        if operation is const.LITERAL:
            members.append(chr(value))
            taken.append(range(value, value + 1))
        elif operation is const.RANGE:
            members.append(chr(value[0]))
            taken.append(range(value[0], value[1] + 1))
        elif operation is const.CATEGORY:
            members.append(_OF_CATEGORY[value])
    if not is_negated:
        return members[:8]
    has = [char for char in "ax1 -/<" if char not in members and not any(ord(char) in part for part in taken)]
    spaces = any(o is const.CATEGORY and v is const.CATEGORY_SPACE for o, v in items)
    words = any(o is const.CATEGORY and v is const.CATEGORY_WORD for o, v in items)
    has = [c for c in has if not (spaces and c == " ") and not (words and c.isalnum())]
    return has[:2]


# --- where they are compiled ------------------------------------------------------------------------------

_FUNCTIONS = frozenset(
    {"compile", "match", "fullmatch", "search", "finditer", "findall", "sub", "subn", "split"}
)


def compiled_elsewhere() -> Iterator[str]:
    """Calls of ``re`` within functions, by module and function: in no global, so that nobody would search them."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        yield from (f"{module}.{place}" for place in _calls(ast.parse(path.read_text(encoding="utf-8")), ""))


def _calls(node: ast.AST, function: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        inside = function
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            inside = getattr(child, "name", function or "lambda")
        if (
            function
            and isinstance(child, ast.Call)
            and isinstance(child.func, ast.Attribute)
            and isinstance(child.func.value, ast.Name)
            and child.func.value.id == "re"
            and child.func.attr in _FUNCTIONS
        ):
            yield function
        yield from _calls(child, inside)
