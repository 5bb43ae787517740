"""Real crawls that are run again with other settings, with either engine: what is asked for is done, or is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.catalog import Catalog
from tests.e2e.running import Outcome, image_crawler, running, saved_digests, wait_until_recorded
from tests.support.redisserver import RedisServer
from tests.support.sites import SiteServer, make_site, serving

USUAL = ("--downloaders", "1", "--render", "never")


class Place:
    """A site, and the folder of a crawl of it."""

    def __init__(
        self, path: Path, server: SiteServer, digests: dict[str, str], queue: tuple[str, ...]
    ) -> None:
        self.path = path
        self.server = server
        self.digests = digests
        self.command = ("crawl", server.url, "-o", "crawl", *USUAL, *queue)
        self.folder = path / "crawl"

    def crawl(self, *options: str) -> Outcome:
        return image_crawler(*self.command, *options, folder=self.path)

    def saved(self) -> dict[str, str]:
        return saved_digests(self.folder, self.server.url)

    def settings(self) -> str:
        return (self.folder / "crawl.toml").read_text(encoding="utf-8")


@pytest.fixture(name="place", params=["manager", "redis"])
def a_place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    queue: tuple[str, ...] = ()
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("fresh_redis")
        queue = ("--queue", f"{server.url}#rerun")
    digests = make_site(tmp_path / "site", pages=7, images_per_page=3)
    with serving(tmp_path / "site") as site:
        yield Place(tmp_path, site, digests, queue)


def test_a_limit_that_is_raised_lets_the_rest_in_and_one_that_is_lowered_is_refused(place: Place) -> None:
    assert place.crawl("--max-images", "5").code == 0
    assert len(place.saved()) == 5
    more = place.crawl("--max-images", "0")
    assert more.code == 0, more.err
    assert "other settings than last time: no --max-images (5 before)" in more.err
    assert "to be read once more, for what was left out by max-images" in more.err
    assert place.saved() == place.digests
    settings, asked = place.settings(), place.server.requests.copy()
    assert "max_images = 0\n" in settings

    fewer = place.crawl("--max-images", "9")
    assert fewer.code == 2
    assert f"--max-images 9 (none before) would keep out {len(place.digests) - 9} images" in fewer.error
    again = place.crawl("--max-depth", "30")
    assert again.code == 0, again.err
    assert "this crawl finished on" in again.err
    assert "--max-depth 30 (20 before) lets nothing more in" in again.err
    assert "With --refresh" in again.err
    assert (place.settings(), place.server.requests) == (settings, asked), "nothing was done"
    with Catalog(place.folder) as catalog:
        runs = catalog.runs()
    assert [(run.settings["max_images"], run.outcome) for run in runs] == [(5, "finished"), (0, "finished")]


def test_what_waits_is_left_out_by_a_pattern_that_is_given_later(place: Place) -> None:
    place.server.delay_s = 0.1
    with running(*place.command, "--per-host", "1", folder=place.path) as started:
        wait_until_recorded(started, place.folder, 2)
        started.interrupt()
        assert started.outcome().code == 130
    place.server.delay_s = 0.0
    before = place.saved()
    outcome = place.crawl("--exclude-images", "*/p6/*", "--exclude-images", "*/p5/*")
    assert outcome.code == 0, outcome.err
    assert "--exclude-images */p6/*, */p5/* (none before)" in outcome.err
    wanted = {path for path in place.digests if not ("/p6/" in path or "/p5/" in path)}
    assert set(place.saved()) == wanted | set(before)

    everything = place.crawl()
    assert everything.code == 0, everything.err
    assert place.saved() == place.digests
    with Catalog(place.folder) as catalog:
        assert [run.outcome for run in catalog.runs()] == ["stopped", "finished", "finished"]


@pytest.mark.measured
def test_images_that_a_filter_refused_are_fetched_once_it_is_gone(place: Place) -> None:
    assert place.crawl("--min-width-px", "100").code == 1, "none is that wide"
    outcome = place.crawl()
    assert outcome.code == 0, outcome.err
    assert f"{len(place.digests)} images to be tried once more, not had before by too-small" in outcome.err
    assert place.saved() == place.digests
