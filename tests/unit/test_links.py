from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.harvest.elements import parse
from crawler.harvest.links import (
    STYLE_SHEET,
    Link,
    Resolver,
    base_url,
    links_on,
    refresh_target,
    worth_following,
)
from crawler.urls import Scope, canonical

PAGE = "https://example.org/dir/page.html"


def followed(*links: Link, base: str = PAGE, follow_pages: bool = True) -> list[tuple[str, str]]:
    scope = Scope.of_seeds(("https://example.org/",))
    return list(
        worth_following(links, resolve=Resolver(base), scope=scope, page_url=PAGE, follow_pages=follow_pages)
    )


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


def test_at_the_last_depth_only_style_sheets_are_followed() -> None:
    links = (Link("p", "a"), Link("s.css", STYLE_SHEET), Link("s.css", "a"))

    assert followed(*links, follow_pages=False) == [("https://example.org/dir/s.css", STYLE_SHEET)]


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
    for url, found_in in followed(*links_on(parse(html))):
        assert canonical(url) == url
        assert found_in in {"a", "area", "iframe", "frame", "refresh", STYLE_SHEET}
