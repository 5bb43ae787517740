"""Stopped at any time, the same command goes on; finished, it changes nothing; ``--fresh`` starts over."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from crawler.catalog import Catalog
from crawler.catalog.summary import read_stats
from tests.e2e.running import image_crawler, recorded, records, running, saved_digests, wait_until_recorded
from tests.support.cpu_time import soon
from tests.support.sites import make_site, serving

FEW = ("--quiet", "--downloaders", "1")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_says_how_to_go_on_and_goes_on(tmp_path: Path, number: int, code: int) -> None:
    digests = make_site(tmp_path / "site", pages=25, images_per_page=4)
    folder = tmp_path / "crawl"
    with serving(tmp_path / "site", delay_s=0.02) as server:
        command = ("crawl", server.url, "-o", "crawl", *FEW, "--per-host", "2")
        server.held_after = 30
        with running(*command, folder=tmp_path) as crawl:
            wait_until_recorded(crawl, folder, 5)
            assert "stopping: finishing what is in hand" in crawl.interrupted(number)
            server.held_after = None
            outcome = crawl.outcome()
        assert outcome.code == code
        assert "Traceback" not in outcome.err
        _, _, again = outcome.err.partition("nothing is lost. To go on: ")
        assert again.split()[1:] == ["-m", "crawler", *command]
        assert "not finished: " in outcome.out
        with Catalog(folder) as catalog:
            stats = read_stats(catalog)
        before = len(records(folder))
        assert 5 <= before < len(digests)
        assert stats.images.done == before
        assert stats.images.unsettled + stats.pages.unsettled > 0, "pages may wait while no image does"
        assert stats.images.leased == stats.pages.leased == 0, "what was not begun was given back"
        asked = server.requests.copy()

        outcome = image_crawler(*command, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert "finished, and the books balance" in outcome.out
        assert saved_digests(folder, server.url) == digests
        twice = [path for path in asked if server.requests[path] > 1]
        assert twice == [], "what was in hand was finished before it stopped"


def test_a_second_interrupt_leaves_at_once(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=3, images_per_page=5)
    folder = tmp_path / "crawl"
    with serving(tmp_path / "site", delay_s=0.1) as server:
        command = ("crawl", server.url, "-o", "crawl", *FEW, "--per-host", "1")
        with running(*command, folder=tmp_path) as crawl:
            wait_until_recorded(crawl, folder, 1)
            server.delay_s = 60.0
            time.sleep(0.3)
            assert "stopping" in crawl.interrupted()
            time.sleep(0.3)
            started = time.monotonic()
            crawl.interrupt()
            outcome = crawl.outcome()
        assert outcome.code == 130
        assert soon(time.monotonic() - started, 3.0), "without it, 10 s are given to what is in hand"
        assert "Traceback" not in outcome.err
        assert "nothing is lost" in outcome.err
        server.delay_s = 0.0
        outcome = image_crawler(*command, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert saved_digests(folder, server.url) == digests


def test_a_finished_crawl_is_left_as_it_is_until_it_is_to_be_fresh(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=3, images_per_page=3)
    folder = tmp_path / "crawl"
    with serving(tmp_path / "site") as server:
        command = ("crawl", server.url, "-o", "crawl", *FEW)
        assert image_crawler(*command, folder=tmp_path).code == 0
        before, asked = snapshot(folder), server.requests.copy()
        again = image_crawler(*command, folder=tmp_path)
        assert (again.code, again.err) == (0, "")
        assert "finished, and the books balance" in again.out
        assert server.requests == asked, "nothing is fetched again"
        assert snapshot(folder) == before

        (tmp_path / "site" / "images" / "p0" / "i0.png").unlink()
        for path in (tmp_path / "site").rglob("*.html"):
            path.write_text(
                path.read_text(encoding="utf-8").replace('"/images/p0/i0.png"', '""'), encoding="utf-8"
            )
        fresh = image_crawler(*command, "--fresh", folder=tmp_path)
        assert fresh.code == 0, fresh.err
        assert saved_digests(folder, server.url).keys() == digests.keys() - {"/images/p0/i0.png"}
        assert len(list((folder / "images").rglob("*.png"))) == len(digests) - 1, "what was there is removed"


def test_failed_images_are_tried_again_on_demand(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=2, images_per_page=3)
    broken = tmp_path / "site" / "images" / "p1"
    broken.rename(tmp_path / "away")
    with serving(tmp_path / "site") as server:
        command = ("crawl", server.url, "-o", "crawl", *FEW)
        outcome = image_crawler(*command, folder=tmp_path)
        assert outcome.code == 0, "failed images are no failure of the crawl"
        assert "3 not-found" in outcome.out
        (tmp_path / "away").rename(broken)

        bogus = image_crawler("retry", "crawl", "--reason", "bogus", folder=tmp_path)
        assert bogus.code == 2
        assert "'bogus' is no reason; known are:" in bogus.error
        other = image_crawler("retry", "crawl", "--reason", "rate-limited", folder=tmp_path)
        assert (other.code, other.err) == (0, "")
        assert "nothing to put back" in other.out
        retried = image_crawler("retry", "crawl", "--reason", "not-found", folder=tmp_path)
        assert retried.code == 0, retried.err
        assert "3 images put back in the queue" in retried.out
        assert f"image-crawler crawl {server.url} -o crawl" in retried.out
        assert recorded(tmp_path / "crawl") == len(digests) - 3

        asked = server.requests.copy()
        assert image_crawler(*command, folder=tmp_path).code == 0
        assert saved_digests(tmp_path / "crawl", server.url) == digests
        assert {path for path in asked if server.requests[path] > asked[path]} == set(failed(digests))


def test_an_overloaded_server_is_asked_again_until_it_has_recovered(tmp_path: Path) -> None:
    """503 is a reason to wait, not to give up: within one crawl, and for as long as there are attempts."""
    digests = make_site(tmp_path / "site", pages=1, images_per_page=3)
    with serving(tmp_path / "site") as server:
        server.overloaded = dict.fromkeys(digests, 2)
        command = ("crawl", server.url, "-o", "crawl", *FEW, "--tries", "1", "--retry-delay-s", "0.1")
        assert image_crawler(*command, folder=tmp_path).code == 0
        found = records(tmp_path / "crawl")
        assert saved_digests(tmp_path / "crawl", server.url) == digests
        assert {record.attempts for record in found.values()} == {3}

        server.overloaded = dict.fromkeys(digests, 10**6)
        outcome = image_crawler(*command, "--fresh", "--max-attempts", "2", folder=tmp_path)
        assert outcome.code == 1, "not one image could be saved"
        assert "none of 3 images could be saved" in outcome.error
        assert "3 server-error" in outcome.out
        server.overloaded = {}
        assert image_crawler("retry", "crawl", folder=tmp_path).code == 0
        assert image_crawler(*command, folder=tmp_path).code == 0
        assert saved_digests(tmp_path / "crawl", server.url) == digests


def failed(digests: dict[str, str]) -> list[str]:
    return [path for path in digests if path.startswith("/images/p1/")]


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """The images and the records, and when the files were written."""
    files = {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in (folder / "images").rglob("*")
        if path.is_file()
    }
    return files | {url: (repr(record).encode(), 0) for url, record in records(folder).items()}
