"""The benchmark of pages made by scripts: its pictures, servers and counting, without npm and without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.benchmarks.rendered.build import build_without_packages
from tests.benchmarks.rendered.kinds import SITES, templates
from tests.benchmarks.rendered.measure import more_than_once
from tests.benchmarks.rendered.pictures import colour, corner, nearest, picture
from tests.benchmarks.rendered.server import Served, serving
from tests.benchmarks.rendered.site import Pictures, Site, page
from tests.benchmarks.rendered.usage import total_cpu_s

SITE = Site(
    name="one",
    about="A site of this test",
    pictures=Pictures(count=3, url="/p/{w}/{n}.png", widths=(80, 160)),
    spa=True,
    files={"index.html": page("One", '<a href="{{elsewhere}}/x">x</a>'), "sub/index.html": page("Sub", "")},
)
ELSEWHERE = Site(
    name="two", about="Pictures at the other origin", pictures=Pictures(count=2, elsewhere=True), files={}
)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    build_without_packages([SITE, ELSEWHERE], tmp_path)
    with serving([SITE, ELSEWHERE], tmp_path) as served:
        yield served


def test_each_picture_of_a_site_is_known_by_its_colour() -> None:
    numbers = frozenset(range(1, 61))
    assert {nearest(colour(n), numbers) for n in numbers} == numbers
    for ending in ("png", "jpg"):
        assert nearest(corner(picture("it", 9, 160, ending)), numbers) == 9
    assert nearest((1, 2, 3), numbers) is None


def test_no_two_pictures_have_the_same_bytes() -> None:
    made = {picture("it", n, 96, "jpg") for n in range(1, 400)} | {
        picture("other", n, 96, "jpg") for n in range(1, 400)
    }
    assert len(made) == 798


@pytest.mark.parametrize("site", [*SITES, *templates.SITES], ids=lambda it: it.name)
def test_each_site_is_told_in_full(site: Site) -> None:
    assert site.kind
    assert site.about
    assert site.wants <= frozenset(range(1, site.pictures.count + site.drawn + 1))
    for n in site.pictures.numbers:
        for w in site.pictures.widths:
            known = site.pictures.known_by(site.pictures.path(n, w))
            assert known is not None
            assert known[0] == n
    entries = {path.rpartition(".")[0] for path in site.bundles if "/" not in path}
    pages = "".join({**site.files, **site.vite}.values())
    assert all(f"/{entry}.js" in pages for entry in entries)


def test_names_of_sites_are_their_own() -> None:
    assert len({site.name for site in SITES}) == len(SITES) >= 24


def test_a_server_has_pictures_an_api_and_files(served: Served) -> None:
    begin = served.urls["one"]
    image = requests.get(begin + "p/80/2.png", timeout=10)
    assert image.headers["Content-Type"] == "image/png"
    assert corner(image.content) == colour(2)
    told = requests.get(begin + "api/pictures?limit=2", timeout=10).json()
    assert [it["src"] for it in told["pictures"]] == ["/p/160/1.png", "/p/160/2.png"]
    rest = requests.get(begin.rstrip("/") + told["next"], timeout=10).json()
    assert [it["id"] for it in rest["pictures"]] == [3]
    assert rest["next"] is None
    assert f"{served.elsewhere}/one/x" in requests.get(begin, timeout=10).text
    assert "<title>Sub" in requests.get(begin + "sub/", timeout=10).text
    assert requests.get(begin + "a/route", headers={"Accept": "text/html"}, timeout=10).status_code == 200
    assert requests.get(begin + "none.js", timeout=10).status_code == 404
    assert requests.get(begin + "..%2f..%2fpackage.json", timeout=10).status_code == 404


def test_the_other_origin_answers_preflights(served: Served) -> None:
    asked = {"Origin": "http://127.0.0.1:1", "Access-Control-Request-Headers": "x-wants"}
    answer = requests.options(served.elsewhere + "/two/api/pictures", headers=asked, timeout=10)
    assert answer.headers["Access-Control-Allow-Origin"] == "http://127.0.0.1:1"
    assert "x-wants" in answer.headers["Access-Control-Allow-Headers"]
    told = requests.get(served.elsewhere + "/two/api/pictures", timeout=10).json()
    assert urlsplit(told["pictures"][0]["src"]).netloc == urlsplit(served.elsewhere).netloc
    assert requests.get(told["pictures"][0]["src"], timeout=10).headers["Content-Type"] == "image/jpeg"
    assert requests.get(served.urls["two"] + "img/photo-01.jpg", timeout=10).status_code == 404


def test_the_log_says_which_images_were_asked_for_twice(served: Served) -> None:
    for path in ("p/80/1.png", "p/80/2.png", "p/80/1.png", "", "", "p/80/9.png", "p/80/9.png"):
        requests.get(served.urls["one"] + path, timeout=10)
    requests.head(served.urls["one"] + "p/80/2.png", timeout=10)
    asked = served.log.drain()
    assert [one.site for one in asked] == ["one"] * 8
    assert more_than_once(asked) == {"/p/80/1.png": 2}
    assert served.log.drain() == []


def test_the_cpu_of_a_browser_that_nobody_waits_for_is_added_once() -> None:
    assert total_cpu_s(reaped_s=3.0, seen_s=4.4, browser_s=1.7) == pytest.approx(4.7)
    assert total_cpu_s(reaped_s=4.7, seen_s=4.4, browser_s=1.7) == 4.7


def test_two_of_five_templates_need_scripts_and_name_no_picture_without() -> None:
    for one_path in (False, True):
        pages = templates.pages(one_path=one_path)
        assert len({it.path for it in pages}) == templates.PAGES
        need = [it for it in pages if it.template in templates.NEED_SCRIPTS]
        assert len(need) == 400
        for it in pages[:50]:
            static = "<img" in templates.document(templates.PATHS.pictures, it)
            assert static == (it.template not in templates.NEED_SCRIPTS)
    assert len({it.path.split("/")[1] for it in templates.pages(one_path=True)}) == 1
