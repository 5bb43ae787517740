"""No input takes more time than in proportion to its length: the bounded part of a search, of which the long one is
``python -m tests.benchmarks.quadratic``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from typing import Any

import pytest

from crawler.harvest import lexbor
from tests.quadratic import NUMBER, Growth, Shape, growth
from tests.quadratic.entries import ENTRIES, alone, closed, in_places, pairs, sampled, units_of
from tests.quadratic.patterns import ELSEWHERE, SHORT, Found, compiled_elsewhere, expressions, shapes

pytestmark = [pytest.mark.slow, pytest.mark.untraced]

CHARS = 2**14
"""Enough for what does harm: the page that hung a crawl took 30 ms at this size."""
ENOUGH_S = 0.004
ALONE_IN_PLACES = 48
"""One of so many units in places, the same ones each time; of pairs fewer."""
OF_PAIRS = 20
_COSTLY = ("read", "parse")
_COVERED = {"read html in all sizes", "read html by soup"}
"""Whose parts are searched with all units: of these, one unit in four."""


def found_in(
    name: str,
    work: Callable[[str], Any],
    tried: Iterable[Shape],
    most_chars: int | None = None,
    *,
    most: int = 3,
) -> list[Growth]:
    chars = min(CHARS, most_chars or CHARS)
    grown = (
        growth(name, work, shape, most_chars=chars, enough_s=ENOUGH_S, far_chars=most_chars)
        for shape in tried
    )
    return list(islice(filter(None, grown), most))


# --- that it finds ----------------------------------------------------------------------------------------


def _popped(text: str) -> None:
    items = list(text)
    while items:
        items.pop(0)


def _found_again(text: str) -> None:
    position = 0
    while (position := text.find("a", position)) >= 0:
        text.find("nowhere", position)
        position += 1


def _joined(text: str) -> str:
    whole: list[str] = []
    for char in text:
        whole = [*whole, char]
    return "".join(whole)


def _cut_off(text: str) -> None:
    while text:
        text = text[1:]


QUADRATIC: dict[str, tuple[Callable[[str], Any], Shape]] = {
    "list.pop(0)": (_popped, Shape("a")),
    "str.find": (_found_again, Shape("a")),
    "lists that are copied": (_joined, Shape("a")),
    "the rest of a text": (_cut_off, Shape("a")),
    "names that are compared": (
        lambda text: [one for one in text.split() if sum(one == other for other in text.split()) > 1],
        Shape(f"{NUMBER} "),
    ),
    "an end that never comes": (lambda text: re.findall("<!--.*?-->", text, re.DOTALL), Shape("<!--")),
}
LINEAR: dict[str, tuple[Callable[[str], Any], Shape]] = {
    "split": (str.split, Shape("a ")),
    "sorted": (lambda text: sorted(text.split(",")), Shape(f"{NUMBER},")),
    "a loop": (lambda text: [ord(char) for char in text], Shape("a")),
    "a set": (lambda text: len(set(text.split())), Shape(f"{NUMBER} ")),
    "quadratic, up to a limit": (lambda text: [_joined(text[:500]), text.split("a")], Shape("a")),
    "a constant": (lambda text: _joined("a" * 1000), Shape("a")),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", QUADRATIC)
def test_what_is_quadratic_is_found(name: str) -> None:
    work, shape = QUADRATIC[name]
    grown = growth(name, work, shape, most_chars=2**16, enough_s=0.05)
    assert grown is not None
    assert grown.seconds[-1] > 16**0.75 * grown.seconds[0]


@pytest.mark.parametrize("name", LINEAR)
def test_what_is_in_proportion_gives_no_alarm(name: str) -> None:
    work, shape = LINEAR[name]
    assert growth(name, work, shape, most_chars=2**17, enough_s=0.02) is None


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "pattern",
    [
        r"(a*)*b",
        r"(a|a)*b",
        r"(?:\w+\s?)+$",
        r"\s+$",
        r"a*b",
        r"\w*\d\w*",
        r"<!--.*?-->",
        r"x*y*x*z",
        rb"\s*=",
    ],
)
def test_an_expression_that_is_slow_is_found_by_what_it_says(pattern: str | bytes) -> None:
    found = Found(str(pattern), re.compile(pattern, re.DOTALL), ("search",))
    assert found_in(found.name, found.work("search"), shapes(found, pairs=50), most=1)


@pytest.mark.parametrize(
    "pattern", [r"\S\s++", r"(?<!a)a++b", r"(?<!\w)\w*+\d", r"<!--[^-]*+", r"[a-z]{1,40}\d", r"\A.*x"]
)
def test_one_that_is_not_is_left_alone(pattern: str) -> None:
    found = Found(pattern, re.compile(pattern), ("search", "finditer"))
    for method in found.methods:
        assert found_in(pattern, found.work(method), shapes(found, pairs=50)) == []


def _walked(html: str) -> None:
    """As it was: what makes nesting harmless kept templates in drawings."""
    list(lexbor.DocumentTree(html).walk(look_at_all=False, left_out=Counter()))


def _searches(work: Callable[[str], Any], unit: str, *, most: int) -> Iterator[bool]:
    """Whether each of so many searches finds it: beside other tests some have measured them, and not the page."""
    search = partial(growth, "the page", work, Shape(unit), most_chars=CHARS, enough_s=0.05)
    return (search() is not None for _ in range(most))


def test_the_page_that_hung_a_crawl_would_have_been_found(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = "<svg><template>"
    assert unit in units_of(ENTRIES["parse"])
    assert sum(_searches(_walked, unit, most=3)) <= 1
    monkeypatch.setattr(lexbor, "_contents", lambda node: node.template_fragments()[:1])
    assert any(_searches(_walked, unit, most=10))


FOUND: dict[str, tuple[str, Shape]] = {
    "attributes of body, each time others": ("parse", Shape(f"<body a{NUMBER}=b>")),
    "attributes of html, each time others": ("parse", Shape(f"<html a{NUMBER}=b>")),
    "Next's data in pieces": ("flight", Shape('self.__next_f.push([1,"1:{}\\n"])')),
    "a stream in pieces": ("stream", Shape('streamController.enqueue("[1]\\n")')),
    "the name of a parameter": ("url: numbered", Shape("a", start="?")),
    "an instruction of XML": ("xhtml", Shape("a", start="<?xml-stylesheet ", end="?><a/>")),
    "prefixes of XHTML": (
        "xhtml",
        Shape(f"<n{NUMBER}:p xmlns:n{NUMBER}='http://www.w3.org/1999/xhtml'>", start="<a></b>"),
    ),
    "functions that do not end": ("read html", Shape("data=(function(a){", start="<script>")),
    "comments in data that do not end": ("read html", Shape("data={/*", start="<script>")),
    "comments without an end, as it looks for text": ("read xhtml", Shape("<!--<script>")),
}
"""What the search has found so far, by what it was."""


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_is_mended(name: str) -> None:
    entry, shape = FOUND[name]
    assert (
        growth(name, ENTRIES[entry].work, shape, most_chars=2**16, far_chars=ENTRIES[entry].most_chars)
        is None
    )


# --- and finds nothing ------------------------------------------------------------------------------------


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ENTRIES)
def test_no_way_in_takes_more_than_in_proportion(name: str) -> None:
    entry = ENTRIES[name]
    costly = name.startswith(_COSTLY)
    units = sampled(alone(entry), of_all=4 if name in _COVERED else 1, part=0)
    of_places = sampled(in_places(entry), of_all=ALONE_IN_PLACES * (20 if costly else 1), part=0)
    of_pairs = islice(sampled(chain(closed(entry), pairs(entry)), of_all=997, part=0), OF_PAIRS)
    assert found_in(name, entry.work, chain(units, of_places, of_pairs), entry.most_chars) == []


@pytest.mark.sampled(3)
@pytest.mark.parametrize("found", expressions(), ids=lambda found: found.name)
def test_no_expression_takes_more_than_in_proportion(found: Found) -> None:
    for method in found.methods:
        assert found_in(found.name, found.work(method), shapes(found, pairs=4), found.most_chars) == []


def test_every_expression_is_known() -> None:
    """One that is compiled in a function is in no global, and nobody would search it."""
    assert set(compiled_elsewhere()) == set(ELSEWHERE)
    assert set(SHORT) <= {found.name for found in expressions()}
    assert len(expressions()) > 150
