from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.config import ScopeConfig
from crawler.harvest.html import parse
from crawler.harvest.links import (
    STYLE_SHEET,
    Link,
    Resolver,
    base_url,
    links_on,
    refresh_target,
    worth_following,
)
from crawler.scope import Scope
from crawler.urls import canonical

PAGE = "https://example.org/dir/page.html"


def followed(*links: Link, base: str = PAGE, forbidden: str = "") -> list[tuple[str, ...]]:
    worth = worth_following(
        Resolver(base).located(links),
        scope=Scope(("https://example.org/",), ScopeConfig(exclude=("*/private/*",))),
        page_url=PAGE,
        forbidden=lambda link, _: forbidden if link.found_in == "a" else "",
    )
    return [tuple(filter(None, link)) for link in worth]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("", PAGE),
        ("<base href='/x/'>", "https://example.org/x/"),
        ("<base target=a><base href='x/y'><base href='/z'>", "https://example.org/dir/x/y"),
        ("<base href='//cdn.example.net/a/'>", "https://cdn.example.net/a/"),
        ("<base href=''>", PAGE),
        ("<base href='data:,x'><base href='/z'>", PAGE),
        ("<base href='http://[bad'>", PAGE),
    ],
)
def test_base(head: str, expected: str) -> None:
    assert base_url(parse(head), PAGE) == expected


def test_each_url_once_never_the_page_itself_and_in_order() -> None:
    assert followed(
        Link("b", "a"),
        Link("#x", "a"),
        Link("page.html", "a"),
        Link("a", "a"),
        Link("b#y", "area"),
        Link("", "a"),
    ) == [("https://example.org/dir/b", "a"), ("https://example.org/dir/a", "a")]


def test_pages_stay_within_the_scope_style_sheets_do_not() -> None:
    out = "https://cdn.example.net/"

    assert followed(Link(out + "p", "a"), Link(out + "s.css", STYLE_SHEET)) == [(out + "s.css", STYLE_SHEET)]


def test_what_is_forbidden_comes_last_with_its_reason_unless_another_link_allows_it() -> None:
    links = (
        Link("p", "a"),
        Link("q", "a"),
        Link("s.css", "a"),
        Link("s.css", STYLE_SHEET),
        Link("q", "frame"),
    )

    assert followed(*links, forbidden="nofollow") == [
        ("https://example.org/dir/s.css", STYLE_SHEET),
        ("https://example.org/dir/q", "frame"),
        ("https://example.org/dir/p", "a", "nofollow"),
    ]


def test_what_a_pattern_keeps_out_is_told_and_what_is_elsewhere_is_not() -> None:
    links = (Link("/private/x", "a"), Link("https://other.example/private/x", "a"), Link("/open/x", "a"))

    assert followed(*links) == [
        ("https://example.org/open/x", "a"),
        ("https://example.org/private/x", "a", "excluded"),
    ]


@pytest.mark.parametrize(
    ("rel", "told"), [("nofollow", True), ("NoFollow noopener", True), ("nofollower", False), ("", False)]
)
def test_rel_nofollow(rel: str, *, told: bool) -> None:
    (link,) = links_on(parse(f"<a rel='{rel}' href=a.html>a</a>"))

    assert link == Link("a.html", "a", told)


def test_links_are_relative_to_the_base() -> None:
    assert followed(Link("p", "a"), base="https://example.org/other/") == [
        ("https://example.org/other/p", "a")
    ]


@pytest.mark.parametrize(
    ("content", "target"),
    [
        ("0; url=a.html", "a.html"),
        ("5;URL = 'b c' ", "b c"),
        ('1,url="x"y', "x"),
        ("0 a.html", "a.html"),
        ("0.5;a.html", "a.html"),
        ("; url=a", "a"),
        ("30", None),
        ("", None),
        ("0;", None),
        ("0; url=''", None),
        ("0; url='open", "open"),
        ("0;url=url.html", "url.html"),
    ],
)
def test_refresh(content: str, target: str | None) -> None:
    assert (refresh_target(content) or None) == target


def test_a_resolver_answers_like_resolve_and_refuses_blanks() -> None:
    resolver = Resolver(PAGE)

    assert [resolver(text) for text in ("a b", "a b", " \n", "", "mailto:x", "//h:1/")] == [
        "https://example.org/dir/a%20b",
        "https://example.org/dir/a%20b",
        None,
        None,
        None,
        "https://h:1/",
    ]


@given(
    st.lists(
        st.sampled_from(
            [
                "<a href=",
                "x",
                "'",
                '"',
                ">",
                "<iframe src=//h/",
                "<meta http-equiv=refresh content=",
                "0;url=",
                "<link rel=stylesheet href=",
                "<style>@import '",
                "';</style>",
                "http:",
                "//",
                "\\",
                "#",
                "%",
                "é",
                " ",
            ]
        )
    ).map("".join)
    | st.text(max_size=100)
)
def test_any_page_gives_canonical_urls(html: str) -> None:
    for url, found_in, *_ in followed(*links_on(parse(html))):
        assert canonical(url) == url
        assert found_in in {"a", "area", "iframe", "frame", "refresh", STYLE_SHEET}
