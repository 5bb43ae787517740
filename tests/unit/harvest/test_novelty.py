"""What a page brings: images, links to what may bring some, words; and what memory that takes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.harvest import novelty
from crawler.harvest.novelty import BUDGET, BUDGET_OF_HOST, Novelty, groups_of
from crawler.harvest.shingles import pieces, without_echo
from tests.support.cpu_time import cpu_below

SITE = "https://e.org"


@pytest.fixture(autouse=True)
def _looks_at_every_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(novelty, "_UNLOOKED", 0)


def visit(
    seen: Novelty, path: str, html: str = "", *, images: tuple[str, ...] = (), links: tuple[str, ...] = ()
) -> bool:
    to = [SITE + link for link in links]
    return seen.visit(SITE + path, shingles=lambda: pieces(html), images=images, links=to).is_new


def test_after_something_new_some_pages_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(novelty, "_UNLOOKED", 3)
    seen = Novelty()

    assert [visit(seen, f"/?page={n}", images=("a.png",)) for n in range(6)] == [True] * 4 + [False] * 2


def test_an_image_a_live_group_or_words_are_new_once() -> None:
    seen = Novelty()

    assert visit(seen, "/?page=1", "Hello, good evening", images=("a.png",))
    assert visit(seen, "/?page=2", "Hello, good evening", images=("b.png",))
    assert visit(seen, "/?page=3", "<p>Hello, good evening", images=("a.png",)), (
        "nobody looked at the words before"
    )
    assert not visit(seen, "/?page=4", "Hello, good evening", images=("a.png", "b.png"))
    assert visit(seen, "/?page=5", images=("a.png",), links=("/strip/1",))
    assert not visit(seen, "/?page=6", images=("a.png",), links=("/strip/1",)), "a link is new once"
    assert not visit(seen, "/?page=7", links=("/?page=8",)), "one to more of its own group is no news"


def test_pages_with_nothing_new_lead_on_for_a_while_and_then_no_more() -> None:
    seen = Novelty()
    seen.visit(f"{SITE}/a/0", shingles=lambda: {"The same words here"}, images=(), links=())
    page = seen.visit(
        f"{SITE}/a/1",
        shingles=lambda: {"The same words here"},
        images=(),
        links=[f"{SITE}/a/7{n}" for n in range(999)],
    )
    allowed = [seen.allows(page, f"{SITE}/a/7{n}") for n in range(999)]

    assert allowed == [True] * BUDGET + [False] * (999 - BUDGET)
    assert seen.allows(page, f"{SITE}/a/70"), "it is known"
    again = seen.visit(f"{SITE}/a/2", shingles=set, images=("new.png",), links=[f"{SITE}/a/7700"])
    assert seen.allows(again, f"{SITE}/a/7700")
    later = seen.visit(f"{SITE}/a/3", shingles=set, images=(), links=[f"{SITE}/a/7800"])
    assert seen.allows(later, f"{SITE}/a/7800"), "there is a new budget"


def test_groups_that_only_name_each_other_are_dead() -> None:
    seen = Novelty()
    new = [
        visit(seen, f"/{name}/{n}", links=(f"/{other}/{n + 1}",))
        for n in range(60)
        for name, other in (("m", "d"), ("d", "m"))
    ]

    assert all(new[:10])
    assert not any(new[40:])


def test_a_host_pays_for_all_its_groups() -> None:
    seen = Novelty()
    links = [f"{SITE}/{'ab'[n % 2]}/{n % 15}x/y{n}?k={n}" for n in range(3000)]
    for n in range(novelty.PATIENCE_OF_FEW + 1):
        seen.visit(f"{SITE}/c/{n}", shingles=set, images=(), links=())
    page = seen.visit(f"{SITE}/c/z", shingles=set, images=(), links=links)

    assert not page.is_new
    assert sum(seen.allows(page, link) for link in links) <= BUDGET_OF_HOST


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_MAX_GROUPS", "_MAX_URLS", "_MAX_PIECES"):
        monkeypatch.setattr(novelty, name, 50)
    seen = Novelty()
    for n in range(500):
        visit(
            seen,
            f"/{n}",
            f"<p>{chr(97 + n % 26) * 20}{chr(97 + n // 26) * 20}",
            images=(f"{n}.png",) if n % 2 else (),
            links=(f"/x{n}y/a?b{n}=1",),
        )

    assert len(seen._groups) <= 51
    for memory in (seen._images, seen._links, seen._pieces):
        assert len(memory._young) + len(memory._old) <= 2 * 50


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/photo/12", "/photo/345"),
        ("/photo/12.html", "/photo/3.html"),
        ("/a?id=1&b=2", "/a?b=7&id=9"),
        ("/x/0a1b2c3d4e5f", "/x/99887766aabb"),
        ("/a/b/some-words", "/a/b/other-words"),
    ],
)
def test_one_group(one: str, other: str) -> None:
    assert groups_of(SITE + one) == groups_of(SITE + other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/photo/12", "/page/12"),
        ("/photo-12.html", "/index-12.html"),
        ("/a?list=1", "/a?photo=1"),
        ("/a?view=list&id=1", "/a?view=photo&id=1"),
        ("/2020/05/", "/2020/05/12/"),
        ("/a", "/b"),
    ],
)
def test_two_groups(one: str, other: str) -> None:
    assert groups_of(SITE + one) != groups_of(SITE + other)


def test_words_are_compared_without_markup_links_scripts_and_styles() -> None:
    html = """<TITLE>Some long title</TITLE><Script>var nothing = 1</Script><!-- no comment at all -->
    <style>b { color: red }</style><a href=x>text of a link</a><p class='a b c d e f g'>What it says</p>日本語の文"""

    assert {piece.strip() for piece in pieces(html) if any(map(str.isalpha, piece))} == {
        "some long title",
        "what it says",
        "日本語の文",
    }


def test_what_only_repeats_the_url_is_not_said() -> None:
    url = f"{SITE}/search?q=red+shoes&p%C3%A9=%C3%A9t%C3%A9"

    assert without_echo("17 results for “Red Shoes”, été, visit a8f3", url) == "resultsforvisit"


@given(st.text(alphabet="<!->sctyleA/ a1", max_size=200))
def test_any_text_has_pieces(text: str) -> None:
    for piece in pieces(text):
        assert without_echo(piece, SITE) == without_echo(piece.upper(), SITE)


@given(st.text(max_size=200))
def test_any_url_has_groups(text: str) -> None:
    names = groups_of(f"{SITE}/{text}")
    assert 4 <= len(names) <= 6
    assert all(later.startswith(earlier) for earlier, later in pairwise(names))


@pytest.mark.parametrize(
    "part", ["<", "<script", "<!--", "<a ", "a", "&", "<script></script>", "<style", ">", "日"]
)
def test_no_page_takes_long(part: str) -> None:
    with cpu_below(2):
        Novelty().visit(SITE, shingles=lambda: pieces(part * (2**20 // len(part))), images=(), links=())
