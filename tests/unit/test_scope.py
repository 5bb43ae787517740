from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.config import ScopeConfig
from crawler.scope import EXCLUDED, IMAGE_EXCLUDED, IMAGE_OUT_OF_SCOPE, OUT_OF_SCOPE, Pattern, Scope
from tests.support.cpu_time import cpu_below

SEED = "https://www.shop.example.co.uk/docs/index.html"


def scope(*seeds: str, **settings: object) -> Scope:
    return Scope(seeds or (SEED,), ScopeConfig(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "inside", "outside"),
    [
        (
            "host",
            [
                "https://www.shop.example.co.uk/",
                "http://shop.example.co.uk/x",
                "https://shop.example.co.uk/docs/",
            ],
            ["https://example.co.uk/", "https://a.shop.example.co.uk/", "https://shop.example.co.uk:8443/"],
        ),
        (
            "domain",
            ["https://example.co.uk/", "http://a.b.example.co.uk:8080/x"],
            ["https://other.co.uk/", "https://example.org/", "https://myexample.co.uk/"],
        ),
        (
            "prefix",
            ["https://shop.example.co.uk/docs/", "http://www.shop.example.co.uk/docs/a/b?c", SEED],
            [
                "https://www.shop.example.co.uk/",
                "https://www.shop.example.co.uk/docs2/",
                "https://example.co.uk/docs/",
            ],
        ),
        ("any", ["https://elsewhere.example/", "http://[::1]:8000/"], []),
    ],
)
def test_which_pages_belong(kind: str, inside: list[str], outside: list[str]) -> None:
    whole = scope(scope=kind)
    assert [url for url in inside if not whole.admits(url)] == []
    assert [url for url in outside if whole.refusal(url) != OUT_OF_SCOPE] == []


@pytest.mark.parametrize(
    ("seed", "same", "other"),
    [
        ("http://127.0.0.1:8000/", "http://127.0.0.1:9000/", "http://127.0.0.2:8000/"),
        ("http://localhost/", "http://localhost:81/", "http://localhost.example/"),
        ("http://[::1]:8000/", "http://[::1]/", "http://[::2]:8000/"),
        ("https://alice.github.io/", "https://alice.github.io/x", "https://bob.github.io/"),
        ("https://co.uk/", "https://co.uk/x", "https://gov.uk/"),
    ],
)
def test_domains_of_hosts_that_have_none_and_of_hosting_services(seed: str, same: str, other: str) -> None:
    whole = scope(seed, scope="domain")
    assert whole.admits(same)
    assert not whole.admits(other)


@pytest.mark.parametrize(
    ("seed", "inside", "outside"),
    [
        ("https://e.org/a/b", ["/a/b", "/a/b/", "/a/b/c", "/a/b?q=1"], ["/a/", "/a/bc", "/a/c"]),
        ("https://e.org/a/b/", ["/a/b", "/a/b/", "/a/b/c"], ["/a/", "/a/bc"]),
        ("https://e.org/a/b.html", ["/a/", "/a/b.html", "/a/c/d"], ["/", "/b/a/"]),
        ("https://e.org/", ["/", "/x"], []),
    ],
)
def test_below_a_path(seed: str, inside: list[str], outside: list[str]) -> None:
    whole = scope(seed, scope="prefix")
    assert [path for path in inside if not whole.admits(f"https://e.org{path}")] == []
    assert [path for path in outside if whole.admits(f"https://e.org{path}")] == []


def test_several_seeds_are_one_scope() -> None:
    whole = scope("https://a.example/x/", "https://b.example/y/", scope="prefix")
    assert whole.admits("https://a.example/x/1")
    assert whole.admits("https://b.example/y/1")
    assert not whole.admits("https://b.example/x/1")


def test_patterns_for_pages_and_for_images_are_their_own() -> None:
    whole = scope(
        "https://e.org/",
        include=("*/blog/*", "*/news/*"),
        exclude=("*?print=*",),
        include_images=("*.jpg*",),
        exclude_images=("*/thumbs/*", "https://ads.example/*"),
    )
    pages = {"/blog/a": "", "/news/": "", "/blog/a?print=1": EXCLUDED, "/about": EXCLUDED}
    images = {"/x.jpg": "", "/x.jpg?w=1": "", "/x.png": IMAGE_EXCLUDED, "/thumbs/x.jpg": IMAGE_EXCLUDED}
    assert {path: whole.refusal(f"https://e.org{path}") for path in pages} == pages
    assert {path: whole.image_refusal(f"https://e.org{path}") for path in images} == images
    assert whole.image_refusal("https://ads.example/x.jpg") == IMAGE_EXCLUDED
    assert whole.refusal("https://other.example/blog/") == OUT_OF_SCOPE


def test_images_come_from_anywhere_unless_they_shall_not() -> None:
    cdn, own, inline = (
        "https://cdn.example.net/a.png",
        "https://shop.example.co.uk/a.png",
        "data:image/png;abc",
    )
    assert [scope().image_refusal(url) for url in (cdn, own, inline)] == ["", "", ""]
    for kind in ("host", "prefix", "domain"):
        strict = scope(scope=kind, images_from="scope")
        assert [strict.image_refusal(url) for url in (cdn, own, inline)] == [IMAGE_OUT_OF_SCOPE, "", ""]
    assert scope(scope="domain", images_from="scope").holds_image("https://img.example.co.uk/a.png")


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("a*c", ["ac", "abc", "abcc"], ["a", "abcd", "xac"]),
        ("*", ["", "x"], []),
        ("abc", ["abc"], ["ab", "abcd"]),
        ("*b*", ["b", "abc"], ["ac"]),
        ("a*a", ["aa", "aba"], ["a"]),
        ("*ab*ab*", ["abab", "xabyabz"], ["ab", "aab"]),
        ("a**b", ["ab", "axb"], ["ba"]),
        ("", [""], ["x"]),
        ("a?[b", ["a?[b"], ["axb"]),
    ],
)
def test_patterns(pattern: str, matching: list[str], other: list[str]) -> None:
    assert [text for text in matching if not Pattern(pattern).matches(text)] == []
    assert [text for text in other if Pattern(pattern).matches(text)] == []


@given(
    st.lists(st.text(alphabet="ab", max_size=4), min_size=1, max_size=5), st.text(alphabet="ab", max_size=12)
)
def test_a_pattern_matches_what_is_made_from_it(parts: list[str], filling: str) -> None:
    assert Pattern("*".join(parts)).matches(filling.join(parts))


def test_no_pattern_takes_long() -> None:
    with cpu_below(0.1):
        assert not Pattern("*a" * 1000 + "b*c").matches("a" * 2048)
