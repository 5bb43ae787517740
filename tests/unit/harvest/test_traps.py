"""Traps that a URL tells: what legitimate sites have passes. Whole sites are in test_endless_sites.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import LEFT_OUT
from crawler.harvest.traps import url_trap
from crawler.urls import canonical
from tests.support.cpu_time import cpu_below

YEAR = 2026
SITE = "https://e.org"

LEGITIMATE = """
/event/2101 /event/2050 /events/2048/ /events/list/2040/ /events/view/2100 /event-photos/2033/
/eventos/fotos/2077/ /seventh/2101 /preventive/2101 /monthly-deals/shop/2100 /shop/2100-55/
/parts/2205-20.html /object/2104-12/ /img/2048/77/33/ /photo/2034/56/78.html /m/2034-56-78 /?year=2040
/shop?year=2100 /?player=2100 /?layer=2045 /?buyer=2101 /?lawyer=2033 /?vendor=210511 /?vendor_id=210511
/?gender=210001 /?recommend=210512 /?legend_id=210512 /?local=203711 /?scale=210012 /?calories=210012
/gallery?start=205012 /?from=210101 /?start=203005 /?offset=203005 /month/2100
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
        "/events/month/2040-07/",
        "/2044-11-01/",
        "/cal/2050-07/",
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
    assert url_trap(f"{SITE}/{text}", year=year) in ("", *LEFT_OUT)


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
        "?" + "f" * 2040,
        "?" + "a-" * 1000 + "=2050-01",
        "/calendar_" * 200 + "/2050",
    ],
)
def test_no_url_takes_long(url: str) -> None:
    with cpu_below(0.05):
        url_trap(SITE + url, year=YEAR)
