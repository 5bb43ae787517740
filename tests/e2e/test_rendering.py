"""A site whose pictures only scripts bring, crawled as a person does it: with a real browser that has no network."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from crawler.catalog import Catalog
from crawler.models import ImageRecord, ImageStatus, RenderRecord
from tests.e2e.running import image_crawler
from tests.support import scripted
from tests.support.chromium import chromium
from tests.support.redisserver import RedisServer

pytestmark = [pytest.mark.browser, pytest.mark.untraced]

PATIENT = ("--render-timeout-s", "50")
"""A page has 15 s by the clock, and its record says so where they were not enough. With a processor that is six times
slower they never were: pictures were missing, and the test had failed on a busy machine.
"""


@pytest.fixture(autouse=True)
def a_browser() -> None:
    chromium()


@pytest.fixture(name="queue", params=("embedded", "redis"))
def a_queue(request: pytest.FixtureRequest) -> Sequence[str]:
    if request.param == "embedded":
        return ()
    server: RedisServer = request.getfixturevalue("fresh_redis")
    return ("--queue", f"{server.url}#{uuid.uuid4().hex[:8]}")


def images_of(folder: Path, site: scripted.Server) -> dict[str, ImageRecord]:
    with Catalog(folder) as catalog:
        records = {record.url: record for record in catalog.images()}
    prefix = f"{site.url}img/"
    return {url.removeprefix(prefix).removesuffix(".png"): record for url, record in records.items()}


def renders_of(folder: Path, site: scripted.Server) -> dict[str, RenderRecord]:
    with Catalog(folder) as catalog:
        return {record.url.removeprefix(site.url): record for record in catalog.renders()}


@pytest.mark.sampled(2)
def test_what_scripts_bring_is_saved_with_its_words(tmp_path: Path, queue: Sequence[str]) -> None:
    with scripted.serving() as site:
        outcome = image_crawler("crawl", site.url, "-o", "crawl", *PATIENT, *queue, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert "the books balance" in outcome.out
        images = images_of(tmp_path / "crawl", site)
        saved = {name for name, record in images.items() if record.status is ImageStatus.SAVED}
        assert saved == scripted.IMAGES
        assert {name for name, record in images.items() if record.found_in == "render"} == scripted.BY_SCRIPTS
        assert images["listed2"].alt == "Alt of listed2"
        assert images["listed2"].caption == "Caption of listed2"
        assert images["listed2"].page_url == f"{site.url}list"
        assert images["shadow"].caption == "In the shadow"
        twice = {path: times for path, times in site.asked.items() if path.startswith("/img/") and times != 1}
        assert twice == {}, "the browser downloads no image"
        assert site.asked["/private/secret.json"] == 0, "robots.txt holds for what a script asks for"
        assert site.asked["/beacon"] == site.asked["/socket"] == 0
        assert site.asked["/app.js"] == 1, "once for all pages"
        renders = renders_of(tmp_path / "crawl", site)
        assert set(renders) >= {"", "list", "lazy", "more", "shadow", "#/route"}
        listed = renders["list"]
        assert (listed.images, listed.gains) == (4, {"load": 4})
        assert {
            slug: listed.left_out.get(slug) for slug in ("render-robots", "render-beacons", "render-sockets")
        } == {
            "render-robots": 1,
            "render-beacons": 1,
            "render-sockets": 1,
        }
        assert renders["more"].gains == {"more": 6}
        plain = [
            name
            for name, record in renders.items()
            if name.startswith("plain") and record.status == "rendered"
        ]
        assert len(plain) <= 3, "that many tell of a template that brings nothing"


def test_what_is_drawn_and_lies_nowhere_is_taken_from_the_page(tmp_path: Path) -> None:
    with scripted.serving() as site:
        flags = ("--max-depth", "0", "--no-sitemaps", "--render", "always", *PATIENT)
        outcome = image_crawler("crawl", f"{site.url}drawn", "-o", "crawl", *flags, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        with Catalog(tmp_path / "crawl") as catalog:
            drawn = {record.alt: record for record in catalog.images()}
        names = {f"{kind} {place}" for kind in ("canvas", "blob") for place in ("open", "shadow")}
        assert set(drawn) == names
        assert {(record.status, record.width_px, record.height_px) for record in drawn.values()} == {
            (ImageStatus.SAVED, 120, 90)
        }


def test_one_picture_after_another_in_one_place_is_one_image_each(tmp_path: Path) -> None:
    """What had been taken away was put together with open tags: a link had the next picture for its thumbnail."""
    with scripted.serving() as site:
        flags = ("--max-depth", "0", "--no-sitemaps", "--render", "always", *PATIENT)
        outcome = image_crawler("crawl", f"{site.url}slides", "-o", "crawl", *flags, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert set(images_of(tmp_path / "crawl", site)) == {f"slide{n}" for n in range(4)}


def test_what_is_chosen_pointed_at_dragged_or_made_anew_brings_its_pictures(tmp_path: Path) -> None:
    """Of 34 sites that were new to it 22 lost pictures, most of them so. No form that is written in is touched."""
    with scripted.serving() as site:
        flags = ("--max-depth", "0", "--no-sitemaps", "--render", "always", *PATIENT)
        pages = [f"{site.url}{path}" for path in scripted.TOUCHED]
        outcome = image_crawler("crawl", *pages, "-o", "crawl", *flags, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        found = images_of(tmp_path / "crawl", site)
        assert set(found) == frozenset().union(*scripted.TOUCHED.values()), outcome.out
        renders = renders_of(tmp_path / "crawl", site)
        assert renders["chosen"].gains == {"choices": 7}
        assert {path for path in site.asked if path in ("/cart", "/account")} == set()


def test_without_a_browser_it_is_as_ever(tmp_path: Path) -> None:
    with scripted.serving() as site:
        outcome = image_crawler("crawl", site.url, "-o", "crawl", "--render", "never", folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert set(images_of(tmp_path / "crawl", site)) == scripted.IMAGES - scripted.BY_SCRIPTS - {"made"}
        assert renders_of(tmp_path / "crawl", site) == {}


def test_a_delay_holds_for_what_a_page_in_the_browser_asks_for(tmp_path: Path, queue: Sequence[str]) -> None:
    delay_s = 0.5
    with scripted.serving(f"User-agent: *\nCrawl-delay: {delay_s}\n") as site:
        flags = ("--include", f"{site.url}list", "--no-sitemaps", "--render", "always")
        outcome = image_crawler("crawl", f"{site.url}list", "-o", "crawl", *flags, *queue, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert set(images_of(tmp_path / "crawl", site)) >= set(scripted.LISTED)
        assert site.asked["/graphql"] == 1
        short = [
            (round(after - before, 3), path)
            for (before, _), (after, path) in pairwise(site.arrivals)
            if after - before < delay_s - 0.08
        ]
        assert not short, (short, [path for _, path in site.arrivals])


def test_one_page_side_by_side(tmp_path: Path) -> None:
    with scripted.serving() as site:
        outcome = image_crawler("extract", f"{site.url}more", "--render", "--json", folder=tmp_path)
        assert outcome.code == 0, outcome.err
        lines = [
            line for line in outcome.out.splitlines() if '"brought_by":"more"' in line.replace(": ", ":")
        ]
        assert len(lines) == 6, outcome.out
        assert "0 images without scripts, 6 more in the browser" in outcome.err
