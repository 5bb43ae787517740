"""A run that was given a limit ends there as cleanly as one that is interrupted, says which it was, and goes on."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

import crawler
from tests.e2e.running import Outcome, image_crawler, records, saved_digests
from tests.support.redisserver import RedisServer
from tests.support.sites import SiteServer, make_site, serving

ENOUGH = 20
"""Runs, after which something is wrong."""
FEW = ("--downloaders", "1", "--downloader-threads", "2", "--per-host", "2", "--no-sitemaps")


@pytest.fixture(name="queue", params=["manager", "redis"])
def a_queue(request: pytest.FixtureRequest) -> tuple[str, ...]:
    if request.param == "manager":
        return ()
    server: RedisServer = request.getfixturevalue("fresh_redis")
    return ("--queue", f"{server.url}#limits")


@pytest.fixture(name="site")
def a_site(tmp_path: Path) -> Iterator[tuple[SiteServer, dict[str, str]]]:
    digests = make_site(tmp_path / "site", pages=12, images_per_page=5)
    with serving(tmp_path / "site", delay_s=0.2) as server:
        yield server, digests


def run(server: SiteServer, tmp_path: Path, *options: str) -> Outcome:
    return image_crawler("crawl", server.url, "-o", "crawl", "-q", *FEW, *options, folder=tmp_path)


def test_a_run_ends_when_its_time_is_over_and_the_next_one_goes_on(
    tmp_path: Path, site: tuple[SiteServer, dict[str, str]], queue: tuple[str, ...]
) -> None:
    server, digests = site
    server.delay_s = 1.0  # so 72 requests, two at a time, take much longer, however slow this machine is
    outcome = run(server, tmp_path, "--max-time", "3s", *queue)
    assert outcome.code == 3, outcome.err
    assert "stopped: --max-time 3 s is reached" in outcome.out
    assert "--max-time 3 s is reached; nothing is lost. To go on: " in outcome.err
    assert "Traceback" not in outcome.err
    server.delay_s = 0.0
    outcome = run(server, tmp_path, *queue)
    assert outcome.code == 0, outcome.err
    assert "stopped" not in outcome.out
    assert saved_digests(tmp_path / "crawl", server.url) == digests
    twice = [path for path, count in server.requests.items() if count > 1]
    assert twice == [], "what was in hand was finished"


def test_each_run_saves_so_many_bytes_and_says_how_many_they_were(
    tmp_path: Path, site: tuple[SiteServer, dict[str, str]]
) -> None:
    server, digests = site
    saved = []
    server.delay_s = 0.05
    for _ in range(ENOUGH):
        outcome = run(server, tmp_path, "--max-bytes", "6kB", "--json")
        summary = json.loads(outcome.out)
        saved.append(summary["stats"]["saved_bytes"])
        if outcome.code == 3:
            assert summary["stopped"].startswith("--max-bytes 6 kB is reached: ")
            assert summary["stopped"].endswith(" saved by this run")
            assert summary["finished"] is False
        else:
            assert outcome.code == 0, outcome.err
            break
    assert len(saved) > 1
    steps = [later - earlier for earlier, later in itertools.pairwise([0, *saved])]
    assert all(step >= 6000 for step in steps[:-1]), steps
    assert saved_digests(tmp_path / "crawl", server.url) == digests


def test_from_python_the_records_end_there_and_the_same_call_goes_on(
    tmp_path: Path, site: tuple[SiteServer, dict[str, str]]
) -> None:
    server, digests = site
    settings = {"downloaders": 1, "downloader_threads": 2, "per_host": 2}
    server.delay_s = 1.0
    folder = tmp_path / "crawl"
    before = {record.url for record in crawler.crawl(server.url, output=folder, max_time_s="3s", **settings)}
    server.delay_s = 0.0
    after = {record.url for record in crawler.crawl(server.url, output=folder, **settings)}
    assert before < after, "what earlier calls have brought comes first"
    assert len(after) == len(digests)
    assert len(records(tmp_path / "crawl")) == len(digests)


def test_all_workers_together_receive_no_more_than_the_limit(tmp_path: Path, queue: tuple[str, ...]) -> None:
    """Three processes; each image is noise, so that its size is known."""
    rng = random.Random(1)
    folder = tmp_path / "site"
    folder.mkdir()
    total = 0
    for number in range(12):
        out = BytesIO()
        Image.frombytes("RGB", (100, 100), rng.randbytes(30_000)).save(out, "PNG")
        (folder / f"{number}.png").write_bytes(out.getvalue())
        total += len(out.getvalue())
    (folder / "index.html").write_text("".join(f'<img src="{number}.png">' for number in range(12)))
    rate = 60_000
    with serving(folder) as server:
        options = (
            "--limit-rate",
            f"{rate}B/s",
            "--downloaders",
            "2",
            "--no-sitemaps",
            "--total-timeout-s",
            "2",
        )
        outcome = image_crawler("crawl", server.url, "-o", "crawl", "-q", *options, *queue, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        took_s = server.arrivals_s[-1] - server.arrivals_s[0]
    assert [record.status for record in records(tmp_path / "crawl").values()] == ["saved"] * 12
    # the last request was allowed when all but the last images had been paid for
    assert took_s > 0.6 * total / rate, (took_s, total)
