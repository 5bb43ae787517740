"""The ground moves: crawl.db, the folder or images go away, while a crawl runs or before it is gone on with."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.running import Outcome, image_crawler, running, saved_digests, wait_until_recorded
from tests.support.cpu_time import soon
from tests.support.redisserver import queue_flags
from tests.support.sites import SiteServer, make_site, serving

PAGES, IMAGES_PER_PAGE = 15, 20


@pytest.fixture(name="queue", params=["manager", "redis"])
def where_the_queue_lies(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, ...]]:
    with queue_flags(request.param, tmp_path / "redis") as flags:
        yield flags


@pytest.fixture(name="digests")
def a_site(tmp_path: Path) -> dict[str, str]:
    return make_site(tmp_path / "site", pages=PAGES, images_per_page=IMAGES_PER_PAGE)


@pytest.fixture(name="server")
def its_server(tmp_path: Path, digests: dict[str, str]) -> Iterator[SiteServer]:
    del digests
    with serving(tmp_path / "site", delay_s=0.1) as server:
        yield server


class Place:
    def __init__(self, path: Path, server: SiteServer, queue: tuple[str, ...]) -> None:
        self.path, self.folder, self.server = path, path / "crawl", server
        self.command = ("crawl", server.url, "-o", "crawl", "--quiet", *queue)

    def broken_off(self, what: str) -> Outcome:
        """How it ends when that is done to its folder in mid-crawl."""
        with running(*self.command, folder=self.path) as started:
            wait_until_recorded(started, self.folder, 40)
            if what == "database":
                (self.folder / "crawl.db").unlink()
            elif what == "folder":
                shutil.rmtree(self.folder, ignore_errors=True)
            elif what == "moved":
                self.folder.rename(self.path / "elsewhere")
            else:
                (self.path / "other").write_text("something else", encoding="utf-8")
                (self.path / "other").rename(self.folder / "crawl.db")
            gone = time.monotonic()
            outcome = started.outcome()
        assert soon(time.monotonic() - gone, 5), "at once"
        assert outcome.code == 1, outcome.err
        return outcome

    def again(self, *options: str) -> Outcome:
        return image_crawler(*self.command, *options, folder=self.path)


@pytest.fixture(name="place")
def a_place(tmp_path: Path, server: SiteServer, queue: tuple[str, ...]) -> Place:
    return Place(tmp_path, server, queue)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("what", ["database", "folder", "moved"])
def test_a_crawl_whose_books_are_removed_halts_and_goes_on_with_the_same_command(
    place: Place, digests: dict[str, str], what: str
) -> None:
    outcome = place.broken_off(what)
    assert "crawl.db was removed in mid-crawl" in outcome.error
    assert place.server.requests.total() < PAGES + len(digests), "it did not fetch on to the end"
    assert not list(place.folder.glob(".crawl.db*")), "nothing is left lying about"
    again = place.again()
    assert again.code == 0, again.err
    assert ("missing" in again.err) is (what != "database")
    assert saved_digests(place.folder, place.server.url) == digests


def test_what_has_taken_their_place_is_left_alone(place: Place, digests: dict[str, str]) -> None:
    outcome = place.broken_off("replaced")
    assert "another file has taken the place of" in outcome.error
    assert (place.folder / "crawl.db").read_text(encoding="utf-8") == "something else"
    assert not (place.folder / "crawl.db-wal").exists(), "it would be read as a part of that"
    fresh = place.again("--fresh")
    assert fresh.code == 0, fresh.err
    assert saved_digests(place.folder, place.server.url) == digests


def test_images_that_are_gone_are_fetched_again(place: Place, digests: dict[str, str]) -> None:
    place.server.delay_s = 0.0
    assert place.again().code == 0
    files = sorted(place.folder.rglob("*.png"))
    assert len(files) == len(digests)
    kept = files[0].stat().st_mtime_ns
    for file in files[5:17]:
        file.unlink()
    asked = place.server.requests.total()
    outcome = place.again()
    assert outcome.code == 0, outcome.err
    assert "12 saved images are missing from" in outcome.err
    assert place.server.requests.total() - asked == 12
    assert files[0].stat().st_mtime_ns == kept, "what is there stays as it is"
    assert saved_digests(place.folder, place.server.url) == digests
    outcome = place.again()
    assert "missing" not in outcome.err
    assert place.server.requests.total() - asked == 12


@pytest.mark.sampled(2)
def test_also_when_an_unfinished_crawl_goes_on(place: Place, digests: dict[str, str]) -> None:
    with running(*place.command, folder=place.path) as started:
        wait_until_recorded(started, place.folder, 60)
        started.interrupt()
        assert started.outcome().code == 130
    shutil.rmtree(place.folder / "images")
    outcome = place.again()
    assert outcome.code == 0, outcome.err
    assert "saved images are missing from" in outcome.err
    assert saved_digests(place.folder, place.server.url) == digests
