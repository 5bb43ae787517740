"""A run that was given a limit ends there as cleanly as one that is interrupted, says which it was, and goes on."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import crawler
from tests.e2e.running import Outcome, image_crawler, records, saved_digests
from tests.redisserver import RedisServer
from tests.sites import SiteServer, make_site, serving

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


def runs(server: SiteServer, tmp_path: Path, *options: str) -> Iterator[Outcome]:
    """The same command, until it has finished."""
    for _ in range(ENOUGH):
        outcome = image_crawler("crawl", server.url, "-o", "crawl", *FEW, *options, folder=tmp_path)
        yield outcome
        if outcome.code == 0:
            return
        assert outcome.code == 3, outcome.err
    raise AssertionError(f"not finished after {ENOUGH} runs")


def test_each_run_has_its_time_and_the_last_one_finishes(
    tmp_path: Path, site: tuple[SiteServer, dict[str, str]], queue: tuple[str, ...]
) -> None:
    server, digests = site
    *before, last = runs(server, tmp_path, "--max-time", "4s", "-q", *queue)
    assert before, "72 requests, two at a time and 200 ms each, take longer than that"
    for outcome in before:
        assert "stopped: --max-time 4 s is reached" in outcome.out
        assert "finished" not in outcome.out.replace("not finished", "")
        assert "--max-time 4 s is reached; nothing is lost. To go on: " in outcome.err
        assert "Traceback" not in outcome.err
    assert "finished, and the books balance" in last.out
    assert "stopped" not in last.out
    assert saved_digests(tmp_path / "crawl", server.url) == digests
    assert [path for path, count in server.requests.items() if count > 1] == [], (
        "what was in hand was finished"
    )


def test_each_run_saves_so_many_bytes_and_says_how_many_they_were(
    tmp_path: Path, site: tuple[SiteServer, dict[str, str]]
) -> None:
    server, digests = site
    saved = []
    for outcome in runs(server, tmp_path, "--max-bytes", "6kB", "-q", "--json"):
        summary = json.loads(outcome.out)
        saved.append(summary["stats"]["saved_bytes"])
        if outcome.code == 3:
            assert summary["stopped"].startswith("--max-bytes 6 kB is reached: ")
            assert summary["stopped"].endswith(" saved by this run")
            assert summary["finished"] is False
    assert len(saved) > 1
    steps = [later - earlier for earlier, later in itertools.pairwise([0, *saved])]
    assert all(step >= 6000 for step in steps[:-1]), steps
    assert saved_digests(tmp_path / "crawl", server.url) == digests


def test_from_python_the_records_end_there_and_the_same_call_goes_on(
    tmp_path: Path, site: tuple[SiteServer, dict[str, str]]
) -> None:
    server, digests = site
    settings = {"downloaders": 1, "downloader_threads": 2, "per_host": 2, "max_time_s": "4s"}
    seen = []
    for _ in range(ENOUGH):
        seen.append(
            {record.url for record in crawler.crawl(server.url, output=tmp_path / "crawl", **settings)}
        )
        if len(seen[-1]) == len(digests):
            break
    counts = [len(urls) for urls in seen]
    assert counts == sorted(counts), "what earlier calls have brought comes first"
    assert len(counts) > 1
    assert counts[-1] == len(digests)
    assert len(records(tmp_path / "crawl")) == len(digests)
