"""crawl --refresh: what is unchanged is not fetched again, and nothing that was saved is ever taken away."""

from __future__ import annotations

import hashlib
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import crawler
from crawler.catalog import Catalog
from crawler.models import ImageRecord, Revisit
from tests.e2e.running import image_crawler, records, running
from tests.support.sites import SiteServer, make_site, png, serving

PAGES, EACH = 7, 3
FEW = ("--quiet", "--downloaders", "1", "--max-attempts", "2", "--retry-delay-s", "0.05", "--tries", "1")


@pytest.fixture(name="server")
def a_site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SiteServer]:
    make_site(tmp_path / "site", pages=PAGES, images_per_page=EACH)
    age(tmp_path / "site")
    with serving(tmp_path / "site") as server:
        server.etags = getattr(request, "param", "etags") == "etags"
        yield server


def age(folder: Path) -> None:
    """All files are from yesterday: dates have whole seconds, and what changes within one would go unnoticed."""
    for file in folder.rglob("*"):
        if file.is_file():
            os.utime(file, (1.6e9, 1.6e9))


def crawl(folder: Path, server: SiteServer, *arguments: str) -> dict[str, ImageRecord]:
    """Run it; the records by path on the site. The books balance, and every file is what its record says."""
    outcome = image_crawler("crawl", server.url, "-o", "crawl", "--json", *FEW, *arguments, folder=folder)
    assert outcome.code == 0, outcome.err
    stats = outcome.stats()
    assert stats["images"]["done"] == sum(stats["image_status"].values())
    return {"/" + url.removeprefix(server.url): record for url, record in records(folder / "crawl").items()}


def bodies(server: SiteServer) -> Counter[str]:
    """How often the body of each path was sent."""
    return Counter({path: times for (path, status), times in server.statuses.items() if status == 200})


@pytest.mark.parametrize("server", ["etags", "dates"], indirect=True)
def test_only_what_is_new_is_fetched(tmp_path: Path, server: SiteServer) -> None:
    site = tmp_path / "site"
    before = crawl(tmp_path, server)
    server.statuses.clear()
    changed, gone, failing = (f"/images/p{n}/i1.png" for n in (1, 2, 3))
    (site / changed[1:]).write_bytes(png(random.Random(99)))
    (site / gone[1:]).unlink()
    server.overloaded[failing] = 1000
    (site / "images/new.png").write_bytes(png(random.Random(98)))
    (site / "index.html").write_text((site / "index.html").read_text() + '<img src="/images/new.png">')

    after = crawl(tmp_path, server, "--refresh")

    assert set(after) == {*before, "/images/new.png"}
    outcomes = {path: record.revisit for path, record in after.items() if record.revisit != "unchanged"}
    assert outcomes == {
        changed: Revisit.CHANGED,
        gone: Revisit.GONE,
        failing: Revisit.FAILED,
        "/images/new.png": Revisit.NEW,
    }
    sent = bodies(server)
    del sent["/robots.txt"]
    assert sent == {"/": 1, changed: 1, "/images/new.png": 1}, "all else was a 304"
    assert {record.status for record in after.values()} == {"saved"}
    for path in (gone, failing):
        assert (after[path].path, after[path].sha256) == (before[path].path, before[path].sha256)
    assert after[gone].http_status == 404
    assert after[failing].http_status == 503

    kept = tmp_path / "crawl"
    assert after[changed].path != before[changed].path
    assert hashlib.sha256((kept / before[changed].path).read_bytes()).hexdigest() == before[changed].sha256
    assert (kept / after[changed].path).read_bytes() == (site / changed[1:]).read_bytes()
    with Catalog(kept) as catalog:
        (earlier,) = catalog.history(after[changed].url)
    assert earlier == before[changed]


def test_it_changes_back_and_has_two_histories(tmp_path: Path, server: SiteServer) -> None:
    first = crawl(tmp_path, server)
    path = "/images/p1/i1.png"
    file = tmp_path / "site" / path[1:]
    old, new = file.read_bytes(), png(random.Random(5))
    paths = []
    for stamp, data in ((1.61e9, new), (1.62e9, old), (1.63e9, new)):
        file.write_bytes(data)
        os.utime(file, (stamp, stamp))
        paths.append(crawl(tmp_path, server, "--refresh")[path].path)
    assert paths == [paths[0], first[path].path, paths[0]], "the same bytes are kept once"
    with Catalog(tmp_path / "crawl") as catalog:
        assert [record.path for record in catalog.history(server.url + path[1:])] == [
            first[path].path,
            paths[0],
            first[path].path,
        ]


def test_a_file_that_somebody_removed_is_fetched_again(tmp_path: Path, server: SiteServer) -> None:
    before = crawl(tmp_path, server)
    lost = "/images/p2/i0.png"
    (tmp_path / "crawl" / before[lost].path).unlink()
    server.statuses.clear()
    after = crawl(tmp_path, server, "--refresh")
    assert after[lost].revisit is Revisit.UNCHANGED
    assert (tmp_path / "crawl" / before[lost].path).is_file()
    assert bodies(server)[lost] == 1


def test_killed_in_the_middle_the_same_command_goes_on(tmp_path: Path, server: SiteServer) -> None:
    before = crawl(tmp_path, server)
    server.statuses.clear()
    server.delay_s = 0.05
    command = ("crawl", server.url, "-o", "crawl", "--refresh", "--per-host", "1", *FEW)
    with running(*command, folder=tmp_path) as started:
        while sum(server.statuses.values()) < PAGES + 5:
            assert started.process.poll() is None
        os.killpg(started.process.pid, signal.SIGKILL)
    server.delay_s = 0.0
    after = crawl(tmp_path, server, "--refresh")
    assert {record.revisit for record in after.values()} == {Revisit.UNCHANGED}
    assert {path: record.sha256 for path, record in after.items()} == {
        path: record.sha256 for path, record in before.items()
    }
    asked = Counter({path: n for (path, _), n in server.statuses.items() if path.startswith("/images/")})
    assert set(asked.values()) <= {1, 2}, "those that were in hand, once more"
    assert sum(asked.values()) < 2 * PAGES * EACH, "it went on, rather than to begin again"


def test_without_a_crawl_it_is_the_first_visit(tmp_path: Path, server: SiteServer) -> None:
    found = crawl(tmp_path, server, "--refresh")
    assert len(found) == PAGES * EACH
    assert {record.revisit for record in found.values()} == {Revisit.NONE}


def test_to_start_over_and_to_refresh_exclude_each_other(tmp_path: Path, server: SiteServer) -> None:
    outcome = image_crawler("crawl", server.url, "-o", "crawl", "--fresh", "--refresh", folder=tmp_path)
    assert outcome.code == 2
    assert "choose one of them" in outcome.error
    assert not (tmp_path / "crawl").exists()


def test_a_site_that_is_down_is_no_success_and_takes_nothing_away(tmp_path: Path, server: SiteServer) -> None:
    before = crawl(tmp_path, server)
    for path in list(server.requests):
        server.overloaded[path] = 1000
    impatient = ("--host-patience-s", "0.5")
    outcome = image_crawler(
        "crawl", server.url, "-o", "crawl", "--refresh", *FEW, *impatient, folder=tmp_path
    )
    assert outcome.code == 1
    assert "nothing to refresh" in outcome.err
    after = {
        "/" + url.removeprefix(server.url): record for url, record in records(tmp_path / "crawl").items()
    }
    assert {record.revisit for record in after.values()} == {Revisit.FAILED}
    assert {path: record.sha256 for path, record in after.items()} == {
        path: record.sha256 for path, record in before.items()
    }
    server.overloaded.clear()
    for kind in ((), ("--pages",)):
        assert "put back" in image_crawler("retry", "crawl", *kind, folder=tmp_path).out
    again = crawl(tmp_path, server)
    assert {record.revisit for record in again.values()} == {Revisit.UNCHANGED}


@pytest.mark.measured
def test_other_settings_have_pages_read_anew(tmp_path: Path, server: SiteServer) -> None:
    few = crawl(tmp_path, server, "--max-depth", "0")
    assert len(few) == EACH
    found = crawl(tmp_path, server, "--max-depth", "5", "--refresh")
    assert len(found) == PAGES * EACH


def test_from_python_only_what_was_visited_again_comes(tmp_path: Path, server: SiteServer) -> None:
    crawl(tmp_path, server)
    found = list(crawler.crawl(server.url, output=tmp_path / "crawl", refresh=True, downloaders=1))
    assert len(found) == PAGES * EACH
    assert {record.revisit for record in found} == {Revisit.UNCHANGED}
