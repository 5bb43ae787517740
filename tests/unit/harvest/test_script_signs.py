"""What a page looks like: its template, what speaks for a browser, and the routes of its scripts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.harvest.html import parse
from crawler.harvest.script_signs import MOST_ROUTES, ScriptSigns, is_strong, looks_of, route_template

URL = "https://e.example/"


def looks(html: str, url: str = URL, *, images: int = 0) -> ScriptSigns | None:
    return looks_of(html, parse(html), url=url, base=url, images=images)


def template(html: str, url: str = URL) -> str:
    found = looks(html, url)
    assert found is not None
    return found.template


ARTICLE = (
    "<script src=/app.js></script><body class='post post-{n}'><header id=top>x</header><main><h1>Title {n}</h1>"
    "<div class=text><p>{n} words and so on, more than a line of them, so that nobody takes the page for empty: "
    "a hundred and twenty characters are soon written down.</p>{more}</div></main></body>"
)


def test_a_page_without_scripts_looks_like_nothing() -> None:
    assert looks("<p>text</p><img src=a.png>") is None
    assert looks('<script type="application/ld+json">{}</script>') is None
    assert looks("<script> </script>") is None


@pytest.mark.parametrize("kind", ["", "module", "text/javascript", "text/babel"])
def test_a_program_is_a_script(kind: str) -> None:
    found = looks(f'<script type="{kind}">run()</script>' if kind else "<script src=a.js></script>")
    assert found is not None
    assert "scripts" in found.signs


def test_pages_made_alike_have_one_template() -> None:
    one = template(ARTICLE.format(n=1, more=""), "https://e.example/news/first-things")
    other = template(
        ARTICLE.format(n=23, more="<table class=wide><tr><td>1</table><p>more</p>"),
        "https://e.example/news/second",
    )
    assert one == other


@pytest.mark.parametrize(
    "other",
    [
        (ARTICLE.format(n=1, more=""), "https://e.example/gallery/first"),
        (ARTICLE.format(n=1, more="").replace("/app.js", "/other.js"), "https://e.example/news/first"),
        (ARTICLE.format(n=1, more="").replace("class=text", "class=grid"), "https://e.example/news/first"),
        (ARTICLE.format(n=1, more=""), "https://e.example/news/first?page=2"),
        (ARTICLE.format(n=1, more=""), "https://www.e.example/news/first"),
    ],
)
def test_pages_made_otherwise_have_another(other: tuple[str, str]) -> None:
    assert template(*other) != template(ARTICLE.format(n=1, more=""), "https://e.example/news/first")


def test_a_family_has_the_same_scripts() -> None:
    one = template(ARTICLE.format(n=1, more=""), "https://e.example/news/first")
    other = template(ARTICLE.format(n=1, more=""), "https://e.example/gallery/first")
    assert one.partition("/")[0] == other.partition("/")[0]


def test_scripts_are_known_without_what_changes_with_their_content() -> None:
    page = "<script src=/assets/index-{hash}.js></script><div id=root></div>"
    assert template(page.format(hash="B3f9aK2d")) == template(page.format(hash="xX81mPq0"))
    assert template(page.format(hash="B3f9aK2d")) != template(
        page.replace("index", "admin").format(hash="B3f9aK2d")
    )


@pytest.mark.parametrize(
    ("html", "sign"),
    [
        ("<script src=a.js></script><div id=root></div>", "mount"),
        ("<script src=a.js></script><my-app></my-app>", "mount"),
        ("<script src=a.js></script><div id='app'><!----></div>", "mount"),
        ("<script src=a.js></script>Loading…", "empty"),
        (
            "<script src=a.js></script><noscript>You need to enable JavaScript to run this app.</noscript>",
            "noscript",
        ),
        ("<script src=a.js></script><img src='data:image/gif;base64,R0lGOD'>", "placeholders"),
        ("<script src=a.js></script><img data-u=1 src=/img/placeholder.svg>", "placeholders"),
    ],
)
def test_what_speaks_for_a_browser(html: str, sign: str) -> None:
    found = looks(html)
    assert found is not None
    assert sign in found.signs
    assert is_strong(found.signs)


def test_a_page_full_of_words_says_little_for_a_browser() -> None:
    found = looks(
        ARTICLE.format(n=1, more="<img src=/a.jpg><noscript><img src=/pixel.gif></noscript>"), images=2
    )
    assert found is not None
    assert found.signs == ("scripts",)
    assert not is_strong(found.signs)


def test_routes_of_scripts_are_addresses() -> None:
    found = looks(
        "<script src=a.js></script><a href='#/über uns'>a</a><a href=/b#!x>b</a><a href=#top>c</a><a href='#/'>d</a>"
    )
    assert found is not None
    assert found.routes == ("https://e.example/#/%C3%BCber%20uns", "https://e.example/b#!x")
    assert route_template(found.template, found.routes[0]) != found.template
    assert route_template(found.template, "https://e.example/#/a/1") == route_template(
        found.template, "https://e.example/#/a/2"
    )


def test_routes_beyond_so_many_are_counted() -> None:
    found = looks(
        "<script src=a.js></script>" + "".join(f"<a href='#/{n}'>x</a>" for n in range(MOST_ROUTES + 5))
    )
    assert found is not None
    assert (len(found.routes), found.more_routes) == (MOST_ROUTES, 5)


@given(st.text(alphabet="<>/!-aiud=\"' \nscript.js#0", max_size=300))
def test_never_raises(text: str) -> None:
    looks("<script src=a.js></script>" + text)
