"""``kill -9`` anything at any time: nothing is lost, nothing is recorded twice, the books balance."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from crawler.catalog.database import Catalog
from crawler.catalog.verify import FindingKind, verify
from crawler.config import load
from crawler.run.supervisor import Crawl
from tests.support.sites import make_site, serving

pytestmark = pytest.mark.timeout(300)
KILLS = 10
PAGES = 60
ON_ALL_PAGES = "/images/p0/i0.png"


@pytest.fixture(name="site")
def a_site(tmp_path: Path):
    folder = tmp_path / "site"
    digests = make_site(folder, pages=PAGES, images_per_page=15)
    for page in folder.glob("*.html"):
        with page.open("a", encoding="utf-8") as file:
            file.write(f"<img src={ON_ALL_PAGES}>")
    with serving(folder, delay_s=0.01) as server:
        yield server, digests


def check_everything_saved_once(folder: Path, digests: dict[str, str], url: str) -> None:
    with closing(sqlite3.connect(folder / "crawl.db")) as db:
        rows = db.execute("SELECT url, status, sha256, path FROM images").fetchall()
        tasks = dict(db.execute("SELECT state, count(*) FROM tasks GROUP BY state").fetchall())
        pages_with_it = "SELECT page_url FROM image_pages WHERE url = ? ORDER BY 1"
        named_by = db.execute(pages_with_it, (url.rstrip("/") + ON_ALL_PAGES,)).fetchall()
        read = db.execute("SELECT url FROM pages WHERE status = 'harvested' ORDER BY 1").fetchall()
    assert set(tasks) == {"done"}
    assert named_by == read, "a page that names an image is forgotten, or is there twice"
    assert len(read) == PAGES
    by_url = {row[0]: row for row in rows}
    assert len(by_url) == len(rows), "an image is recorded twice"
    assert by_url.keys() == {url.rstrip("/") + path for path in digests}, "an image is missing"
    for path, digest in digests.items():
        _, status, sha256, saved_as = by_url[url.rstrip("/") + path]
        assert (status, sha256) == ("saved", digest)
        assert hashlib.sha256((folder / saved_as).read_bytes()).hexdigest() == digest
    assert len({row[3] for row in rows}) == len(rows), "two images share a file"
    with Catalog(folder) as catalog:
        assert {finding.finding for finding in verify(catalog)} == {FindingKind.INTACT}


@pytest.mark.parametrize("victim", ["manager", "harvester", "downloader"])
def test_each_process_may_be_killed_in_mid_crawl(site, tmp_path: Path, victim: str) -> None:
    server, digests = site
    rng = random.Random(victim)
    folder = tmp_path / "crawl"
    # on a slow machine the same page was in hand at five of the kills: it was given up, on purpose, and CI failed
    config = load(flags={"downloaders": 2, "max_attempts": KILLS + 1})
    killed = 0
    while killed < KILLS:
        fresh = killed > 0  # a crawl that came to its end between two kills is begun anew
        with Crawl([server.url], folder=folder, config=config, fresh=fresh) as crawl:
            due, before = time.monotonic() + rng.uniform(0.1, 1.0), 0
            for stats in crawl.watch(every_s=0.02):
                settled = stats.pages.done + stats.images.done
                # after some progress each time: one that never gets anything done ends the crawl, on purpose
                if killed < KILLS and time.monotonic() >= due and settled > before:
                    os.kill(rng.choice([pid for name, pid in crawl.pids if name == victim]), signal.SIGKILL)
                    killed += 1
                    due, before = time.monotonic() + rng.uniform(0.1, 1.0), settled
        summary = crawl.summary()
        assert summary.balanced
        check_everything_saved_once(folder, digests, server.url)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="there is no fork server")
def test_the_fork_server_may_be_killed_and_what_it_has_forked_goes_on(site, tmp_path: Path) -> None:
    """Also when what it has forked is killed after it, and has to be replaced without it."""
    server, digests = site
    rng = random.Random(5)
    folder = tmp_path / "crawl"
    victims = ["fork-server", "downloader", "harvester", "manager", "downloader"]
    with Crawl([server.url], folder=folder, config=load(flags={"max_attempts": KILLS})) as crawl:
        first, before = dict(crawl.pids), 0
        for stats in crawl.watch(every_s=0.02):
            settled = stats.pages.done + stats.images.done
            if victims and settled >= before + 20:
                victim = victims.pop(0)
                os.kill(rng.choice([pid for name, pid in crawl.pids if name == victim]), signal.SIGKILL)
                before = settled
            if len(victims) > 2:
                assert dict(crawl.pids)["manager"] == first["manager"], "it was not taken for dead"
    assert not victims
    assert crawl.summary().balanced
    check_everything_saved_once(folder, digests, server.url)


def test_the_whole_crawl_may_be_killed_and_run_again(site, tmp_path: Path) -> None:
    """The command itself dies by -9; the same command goes on."""
    server, digests = site
    rng = random.Random(7)
    folder = tmp_path / "crawl"
    command = [sys.executable, "-m", "crawler", "crawl", server.url, "-o", str(folder), "--quiet"]
    killed = 0
    for _ in range(KILLS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            _, errors = process.communicate(timeout=rng.uniform(0.8, 2.2))
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
            killed += 1
        else:
            assert process.returncode == 0, errors
    assert killed, "the crawl was over before anything could be killed"
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "the books balance" in done.stdout
    check_everything_saved_once(folder, digests, server.url)
    assert server.requests["/index.html"] + server.requests["/"] < KILLS
