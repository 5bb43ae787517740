from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.harvest.srcset import ImageSource, parse
from tests.support.cpu_time import cpu_below
from tests.support.vectors import vectors


def test_the_standards_own_vectors() -> None:
    cases, wrong = vectors("srcset"), []
    for vector in cases:
        found = parse(vector["srcset"])
        if vector["stable"]:
            expected = [(item["url"], item.get("w"), item.get("x")) for item in vector["expect_candidates"]]
            # the vectors leave out a density of 0, which is valid
            right = [(source.url, source.width_px, source.density or None) for source in found] == expected
        else:
            first = found[0].url if found else ""
            right = first == vector["expect_first_url"] or first in vector["variants"].values()
        if not right:
            wrong.append((vector["id"], vector["srcset"], found))

    assert wrong == []
    assert len(cases) > 200


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        (" , ,, ", []),
        ("a.png", [ImageSource("a.png")]),
        ("a.png, b.png 2x", [ImageSource("a.png"), ImageSource("b.png", None, 2.0)]),
        ("a,b.png 1x,c.png 2x", [ImageSource("a,b.png", None, 1.0), ImageSource("c.png", None, 2.0)]),
        ("a.png,b.png", [ImageSource("a.png,b.png")]),
        ("a.png,, b.png", [ImageSource("a.png"), ImageSource("b.png")]),
        ("w_100,h_50/a.png 100w 50h", [ImageSource("w_100,h_50/a.png", 100)]),
        ("a.png (x, y) 1x, b.png", [ImageSource("b.png")]),
        ("a.png (never closed, b.png", []),
        ("a.png .5x", [ImageSource("a.png", None, 0.5)]),
        ("a.png 1e1x", [ImageSource("a.png", None, 10.0)]),
        ("a.png 0x", [ImageSource("a.png", None, 0.0)]),
        ("a.png 1e999x", []),
        ("a.png -1x", []),
        ("a.png 0w", []),
        ("a.png 1.5w", []),
        ("a.png 5h", []),
        ("a.png 0h 1w", []),
        ("a.png 1w 1w", []),
        ("a.png 1w 1x", []),
        ("a.png 1x 1w", []),
        ("a.png 1h 1x", []),
        ("a.png 1h 2h 3w", []),
        ("a.png 1q", []),
        ("a.png " + "9" * 5000 + "w", []),
    ],
)
def test_candidates(value: str, expected: list[ImageSource]) -> None:
    assert parse(value) == expected


@given(st.text(alphabet="a1.,() \t\nwxh-e+0", max_size=60) | st.text(max_size=60))
def test_any_value_gives_urls_without_white_space_or_commas_at_their_ends(value: str) -> None:
    for source in parse(value):
        assert source.url
        assert source.url in value
        assert not set(source.url) & set("\t\n\f\r ")
        assert not source.url.startswith(",")
        assert not source.url.endswith(",")
        assert source.width_px is None or source.density is None
        assert source.width_px is None or source.width_px > 0
        assert source.density is None or 0 <= source.density < math.inf


@given(st.lists(st.tuples(st.from_regex(r"[a-z]([a-z,]{0,8}[a-z])?", fullmatch=True), st.integers(1, 9999))))
def test_what_is_written_is_read(sources: list[tuple[str, int]]) -> None:
    value = ", ".join(f"{url} {width}w" for url, width in sources)

    assert parse(value) == [ImageSource(url, width) for url, width in sources]


@pytest.mark.parametrize("hostile", [",", "a 1x,", "a (", "a ", "(", "a 1w 2w "])
def test_much_of_anything_takes_a_moment(hostile: str) -> None:
    with cpu_below(10):
        parse(hostile * (2**18 // len(hostile)))
