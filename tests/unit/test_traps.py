"""Traps: what legitimate sites have passes, what goes on without end comes to one."""

from __future__ import annotations

import calendar
import random
import time
from collections import deque
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.config import Config, ScopeConfig
from crawler.harvest.reading import Reader
from crawler.harvest.traps import (
    MAX_COMBINATIONS,
    MAX_SAME_PAGES,
    TRAPS,
    Repetition,
    fingerprint,
    shape,
    url_trap,
)
from crawler.models import Task, TaskKind
from crawler.scope import Scope
from crawler.urls import canonical
from tests.unit.harvesting import answer

YEAR = 2026
SITE = "https://e.org"

LEGITIMATE = """
/ /a /en/ /en/en/ /index.html /wiki/Rose /wiki/Rose_(disambiguation) /w/index.php?title=Rose&action=history
/w/index.php?title=Special:Log&type=&user=&page=&wpdate=&tagfilter=&wpfilters%5B%5D=a&wpfilters%5B%5D=b
/2024/05/ /2024/05/12/a-post/ /2026/11/23/today/ /2027/12/31/next-year/ /1890/05/12/the-front-page
/archive/1789/07/14 /?p=123 /?m=202405 /?year=1890&month=5 /?year=2027 /events/2026/ /events/2027/05/
/calendar/2027/12 /calendar?month=2027-01 /viewtopic.php?f=2&t=1234&start=150&sid=12
/viewforum.php?f=12&start=9000 /memberlist.php?mode=viewprofile&u=2055 /photos/2087/ /photos/2087 /item/2099
/product/2050-led-lamp /gallery/3021/04 /?id=2087 /?page=2035 /node/2031/edit /films/2046
/film/2001-a-space-odyssey /book/1984/ /wiki/Blade_Runner_2049 /2049/ /s/2040/11 /room/2101 /8/8/8/
/tiles/8/8/8.html /0/0/0/0/0/0/ /a/a/a/b /hash/a/a/a /1/1/1/1/1/ /md5/aa/bb/aa/cc
/src/main/java/com/acme/main/App.java.html /src/test/java/com/acme/test/test/ /acme/acme/tree/main/acme
/tensorflow/tensorflow/blob/master/tensorflow/python/tensorflow.html /docs/api/docs/api/index.html
/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r /d7/dff/tutorial_how_to.html /en-gb/en-gb/shop /shop?color=red&size=m
/shop?color=red&size=m&sort=price&page=7 /shop?filter[]=a&filter[]=b&filter[]=c&filter[]=d
/shop?f=a&f=b&f=c&f=d&f=e /search?a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1&l=1 /list?x=&x=&y=1
/go?url=https%3A%2F%2Fe.org%2Fa%3Fb%3Dc /login?return=%2Fa%3Freturn%3D%252Fb /?date=2026-11-23 /?date=20261123
/?start=2000 /?start=20400 /?from=2050&to=2060 /?week=2027-01 /?yearbook=2055 /?day=2031 /events/festival-2055
/event/2900/ /?tribe-bar-date=2027-03-01 /agenda/3000 /monthly/2044-report /x?calories=2100
/hotel?checkin=2027-02-01 /~user/ /%E2%82%AC/%E2%82%AC/ /wiki/2050 /api/v2/v2/ /a/../b
/news/news/2026/news-2026.html
"""

CAUGHT = {
    "trap-deep-path": ["/a" * 3 + "/b" + "/c1" * 17 + "/x", "".join(f"/s{n}" for n in range(25))],
    "trap-repeated-path": [
        "/en/en/en/",
        "/a/news/news/news/x.html",
        "/shop/cart/shop/cart/shop/cart/",
        "/ab/c/d/ab/c/d/ab/c/d",
        "/img/a/img/b/img/c/img/d/img/e",
    ],
    "trap-calendar": [
        "/2029/05/12/",
        "/2100/01/31/x",
        "/calendar/2031/05/",
        "/calendar/2031",
        "/events/list/2040/",
        "/2044-11-01/",
        "/cal/2050-07/",
        "/?year=2040",
        "/?month=3&year=2040",
        "/?cal_year=2199&m=1",
        "/?date=2050-01-01",
        "/?date=20500101",
        "/?calendar_month=2035-12",
        "/?tribe-bar-date=2088-03-01",
        "/?startdate=2033-01-01T00:00",
    ],
    "trap-endless-query": [
        "/?a=1&a=1&a=1",
        "/?" + "&".join(f"p=x{n}" for n in range(9)),
        "/?" + "&".join(f"p{n}=1" for n in range(41)),
        "/login?return=%2Flogin%3Freturn%3D%252Flogin%253Freturn%253D%25252Flogin",
    ],
}


@pytest.mark.parametrize("path", LEGITIMATE.split())
def test_what_a_site_may_well_have_is_no_trap(path: str) -> None:
    url = canonical(SITE + path)
    assert url is not None
    assert url_trap(url, year=YEAR) == ""


@pytest.mark.parametrize(("trap", "path"), [(trap, path) for trap, paths in CAUGHT.items() for path in paths])
def test_what_only_a_trap_has_is_one(trap: str, path: str) -> None:
    url = canonical(SITE + path)
    assert url is not None
    assert url_trap(url, year=YEAR) == trap


def test_what_is_far_away_comes_nearer() -> None:
    assert url_trap(f"{SITE}/calendar/2031/05/", year=2029) == "trap-calendar"
    assert url_trap(f"{SITE}/calendar/2031/05/", year=2030) == ""


@given(st.text(max_size=300), st.integers(1970, 9999))
def test_any_url_is_told_from_a_trap(text: str, year: int) -> None:
    assert url_trap(f"{SITE}/{text}", year=year) in ("", *TRAPS)
    assert shape(shape(text)) is not None


@pytest.mark.parametrize(
    "url",
    [
        "/" * 2048,
        "/aa" * 700,
        "/a/bb" * 400,
        "?" + "a&" * 1000,
        "?" + "date=" * 400,
        "?" + "date" * 500 + "=2050-01",
        "/calendar" * 220,
        "/" + "month" * 400 + "/2050",
        "/2050-" * 340,
        "?year" * 400,
        "f" * 2040,
    ],
)
def test_no_url_takes_long(url: str) -> None:
    started = time.perf_counter()
    url_trap(SITE + url, year=YEAR)
    shape(SITE + url)
    assert time.perf_counter() - started < 0.05


# --- contents ---


def test_a_fingerprint_is_of_words_and_images() -> None:
    page = "<title>May 2031</title><script>x=1</script><!-- 7 --><style>b{}</style><p class=a>No events</p><td>1<td>2"
    same = "<TITLE>May 1999</TITLE><Script>y</Script><style>c</style>  <p id=q>No\nevents</p><td>30<td>31<td>"
    assert fingerprint(page, []) == fingerprint(page.replace("2031", "2032").replace("class=a", "id=b"), [])
    assert fingerprint(same, []) != fingerprint(same.replace("events", "event"), [])
    assert fingerprint(page, ["a.png", "b.png"]) == fingerprint(page, ["b.png", "a.png", "a.png"])
    assert fingerprint(page, ["a.png"]) != fingerprint(page, [])
    assert fingerprint("<p>été</p>", []) != fingerprint("<p>eta</p>", [])
    assert fingerprint("<p>日本</p>", []) != fingerprint("<p>中国</p>", [])


@given(st.text(alphabet="<!->sctyle/ a1", max_size=200))
def test_any_text_has_a_fingerprint(text: str) -> None:
    assert len(fingerprint(text, [])) == 16


@pytest.mark.parametrize(
    "part", ["<", "<script", "<!--", "<a ", "a", "&", "<script></script>", "<style", ">", "日"]
)
def test_no_page_takes_long(part: str) -> None:
    started = time.perf_counter()
    fingerprint(part * (2**20 // len(part)), [])
    assert time.perf_counter() - started < 2


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
def test_the_same_shape(one: str, other: str) -> None:
    assert shape(SITE + one) == shape(SITE + other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/photo/12", "/page/12"),
        ("/photo-12.html", "/index-12.html"),
        ("/a?id=1", "/a?page=1"),
        ("/a/b/photo1", "/a/b/words"),
        ("/a", "/b"),
    ],
)
def test_another_shape(one: str, other: str) -> None:
    assert shape(SITE + one) != shape(SITE + other)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.harvest.traps._MEMORY", 50)
    seen = Repetition()
    for number in range(1000):
        assert not seen.is_repeated(f"{SITE}/a", number.to_bytes(16, "big"))
        assert not seen.is_one_more_combination(f"{SITE}/{number}?a=1")
    assert (len(seen._pages), len(seen._combinations)) == (50, 50)


def test_a_combination_that_is_known_stays_allowed() -> None:
    seen = Repetition()
    urls = [f"{SITE}/list?p{n}=1&q=2" for n in range(MAX_COMBINATIONS + 5)]
    assert [url for url in urls if seen.is_one_more_combination(url)] == urls[MAX_COMBINATIONS:]
    assert not seen.is_one_more_combination(f"{SITE}/list?q=7&p3=9")
    assert not seen.is_one_more_combination(f"{SITE}/other?p99=9")
    assert not seen.is_one_more_combination(f"{SITE}/list")


# --- walks through whole sites ---

Page = Callable[[str], str]


def walk(
    page: Page, *, limit: int, start: str = f"{SITE}/", **scope: object
) -> tuple[list[str], dict[str, int]]:
    """Visit a site that is made on the way, breadth first; the pages visited and how much each trap kept out.

    Fails when there are still pages to visit after *limit*.
    """
    config = Config(scope=ScopeConfig(max_depth=10**6, **scope))  # type: ignore[arg-type]
    reader = Reader(Scope((start,), config.scope), config)
    waiting, known, kept_out = deque([start]), {start}, dict[str, int]()
    visited: list[str] = []
    while waiting:
        url = waiting.popleft()
        visited.append(url)
        assert len(visited) <= limit, f"it goes on: {visited[-5:]}"
        task = Task(id=1, serial=1, kind=TaskKind.PAGE, url=url, depth=0, attempt=1)
        harvest = reader.read(task, answer(url, page(url)))
        for link in harvest.links:
            if link.url not in known:
                known.add(link.url)
                waiting.append(link.url)
        for link in harvest.kept_out:
            kept_out[link.kept_out_by] = kept_out.get(link.kept_out_by, 0) + 1
    return visited, kept_out


def anchors(references: Iterable[str]) -> str:
    return "".join(f"<a href='{reference}'>go</a>" for reference in references)


def test_an_endless_calendar_ends() -> None:
    names = calendar.month_name[1:]

    def page(url: str) -> str:
        _, _, query = url.partition("?month=")
        year, month = map(int, query.split("-")) if query else (YEAR, 11)
        later, earlier = divmod(year * 12 + month, 12), divmod(year * 12 + month - 2, 12)
        links = [f"/cal?month={y}-{m + 1:02}" for y, m in (later, earlier)]
        return f"<title>{names[month - 1]} {year}</title>No events.{anchors([*links, f'/event/{year}'])}"

    visited, kept_out = walk(page, limit=1000)
    assert set(kept_out) == {"trap-calendar", "trap-repeated-page"}
    assert f"{SITE}/cal?month=2027-12" in visited
    assert f"{SITE}/event/{YEAR}" in visited, "links to others than months are followed"


def test_a_path_that_gets_ever_deeper_ends() -> None:
    visited, kept_out = walk(lambda url: f"{url}{anchors(['more/'])}", limit=10)
    assert len(visited) == 3
    assert set(kept_out) == {"trap-repeated-path"}

    rng = random.Random(1)
    visited, kept_out = walk(lambda url: f"{url}{anchors([f'w{rng.random()}/'])}", limit=30)
    assert len(visited) == 20
    assert set(kept_out) == {"trap-deep-path"}


def test_filters_upon_filters_end() -> None:
    filters = [f"f{n}" for n in range(12)]

    def page(url: str) -> str:
        chosen = set(filter(None, url.partition("?")[2].split("&")))
        links = ["/list?" + "&".join(sorted(chosen ^ {f"{name}=1"})) for name in filters]
        return f"{sorted(chosen)}<img src='/{len(chosen)}.png'>{anchors(links)}"

    visited, kept_out = walk(page, limit=100)
    assert len(visited) <= MAX_COMBINATIONS + 2
    assert set(kept_out) == {"trap-endless-query"}


def test_one_page_under_endless_names_ends() -> None:
    rng = random.Random(2)

    def page(_: str) -> str:
        return f"<h1>Welcome</h1>{anchors(f'/?ref={rng.randrange(10**9)}' for _ in range(10))}"

    visited, kept_out = walk(page, limit=12 * MAX_SAME_PAGES)
    assert len(visited) > MAX_SAME_PAGES
    assert set(kept_out) == {"trap-repeated-page"}


def test_an_endless_list_of_nothing_ends() -> None:
    def page(url: str) -> str:
        number = int(url.partition("page=")[2] or 0)
        return f"No results on page {number}{anchors([f'/search?q=x&page={number + 1}'])}"

    visited, kept_out = walk(page, limit=100)
    assert len(visited) == MAX_SAME_PAGES + 2
    assert kept_out == {"trap-repeated-page": 1}


def test_who_wants_to_walk_on_walks_on() -> None:
    with pytest.raises(AssertionError, match="it goes on"):
        walk(lambda url: f"{url}{anchors(['more/'])}", limit=100, avoid_traps=False)


def test_a_large_site_is_walked_whole() -> None:
    """Thousands of pages by number, lists of them that have the same words, and pages without pictures or words."""
    products, per_list = 3000, 50

    def page(url: str) -> str:
        path, _, query = url.removeprefix(SITE).partition("?")
        match path.split("/")[1]:
            case "product":
                number = int(query.removeprefix("id="))
                return f"Product {number}<img src='/i/{number}.jpg'>{anchors(['/', f'/review?id={number}'])}"
            case "review":
                return f"No reviews yet{anchors(['/'])}"
            case "text":
                return f"<p>{path}</p>"
            case _:
                first = int(query.removeprefix("from=") or 0)
                items = [f"/product?id={n}" for n in range(first, min(first + per_list, products))]
                pictures = "".join(f"<img src='/t/{n}.jpg'>" for n in range(first, first + per_list))
                more = [f"/?from={first + per_list}"] if first + per_list < products else []
                return f"All products{pictures}{anchors([*items, *more, f'/text/{first}'])}"

    visited, kept_out = walk(page, limit=10_000)
    assert kept_out == {}
    assert len(visited) == 2 * products + 2 * products // per_list


def test_a_numbered_index_without_words_loses_nothing() -> None:
    def page(url: str) -> str:
        number = int(url.rpartition("_")[2].partition(".")[0] or 0) if "_" in url else 0
        if "photo" in url:
            return f"<img src='/p{number}.jpg'>"
        index = [f"/index_{n}.html" for n in range(200)]
        return anchors([*index, *(f"/photo_{10 * number + n}.html" for n in range(10))])

    visited, _ = walk(page, limit=3000)
    assert len([url for url in visited if "photo" in url]) == 2000
