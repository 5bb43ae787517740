"""What a server sees of a crawl: never more at once than allowed, never faster, and never more than was asked for."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest

from crawler.config import load
from crawler.run.supervisor import Crawl
from tests.e2e.running import image_crawler, records, saved_digests
from tests.support import manners
from tests.support.limits import Free, TokenBucket, limited
from tests.support.redisserver import RedisServer
from tests.support.sites import make_site, serving


def test_all_workers_together_keep_to_the_requests_in_flight(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=6, images_per_page=10)
    with serving(tmp_path / "site", delay_s=0.02) as server:
        outcome = image_crawler(
            "crawl", server.url, "-o", "crawl", "--downloaders", "3", "--per-host", "3", folder=tmp_path
        )
        assert outcome.code == 0, outcome.err
        assert server.most_in_flight == 3, "3 downloaders with 4 threads each, and a harvester"
        assert server.looks_at_robots_txt == 1, "once for the whole crawl"
        assert set(server.requests.values()) == {1}, "nothing is asked for twice"
        assert saved_digests(tmp_path / "crawl", server.url) == digests


DELAY_S = 0.4
_WAYS = ("embedded", "redis")


@pytest.fixture(name="queue", params=_WAYS)
def a_queue(request: pytest.FixtureRequest) -> Sequence[str]:
    """The flags that say where the queue is."""
    if request.param == "embedded":
        return ()
    server: RedisServer = request.getfixturevalue("fresh_redis")
    return ("--queue", f"{server.url}#{uuid.uuid4().hex[:8]}")


def assert_paced(site: manners.Server, delay_s: float) -> None:
    """Not one gap is shorter; 80 ms are for the way that a request has on a busy machine."""
    short = [(round(gap_s, 3), path) for gap_s, path in site.gaps_s if gap_s < delay_s - 0.08]
    assert not short, (short, [path for _, path in site.arrivals])


@pytest.mark.sampled(4)
@pytest.mark.parametrize("asked_by", ["us", "robots.txt"])
def test_a_delay_holds_between_all_requests(tmp_path: Path, queue: Sequence[str], asked_by: str) -> None:
    """Errors, redirects, Retry-After, slow answers and robots.txt, from three downloaders and a harvester; a host that
    redirects lead to has a delay of its own.
    """
    other_delay_s = 0.6
    ours = asked_by == "us"
    robots = "" if ours else f"User-agent: *\nCrawl-delay: {DELAY_S}\n"
    with (
        manners.serving(robots=f"User-agent: *\nCrawl-delay: {other_delay_s}\n") as other,
        manners.serving(robots=robots, other=other.url, lent=4) as site,
    ):
        command = (
            *("crawl", site.url, "-o", "crawl", "--downloaders", "3", "--max-attempts", "3", "--no-sitemaps"),
            *("--retry-delay-s", "0.1", *(("--delay-s", str(DELAY_S)) if ours else ()), *queue, "--json"),
        )
        outcome = image_crawler(*command, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert outcome.stats()["image_status"] == {"saved": manners.IMAGES + 4 + 4, "failed": 1}
        assert_paced(site, DELAY_S)
        assert_paced(other, other_delay_s)
        assert (site.asked["/robots.txt"], other.asked["/robots.txt"]) == (1, 1), "once for the whole crawl"
        assert site.asked["/broken.png"] == 3, "each attempt is one request: the host has a delay"
        assert {path: times for path, times in other.asked.items() if times > 1} == {}
        if ours:
            before = len(site.arrivals)
            again = image_crawler(*command, "--refresh", folder=tmp_path)
            assert again.code == 0, again.err
            assert len(site.arrivals) > before + manners.IMAGES
            assert_paced(site, DELAY_S)
            assert site.asked["/robots.txt"] == 1, "what it said counts for a day"


def test_hosts_that_redirect_to_each_other_hold_nobody_up(tmp_path: Path, queue: Sequence[str]) -> None:
    """With one slot each, what waits for the other's slot would have its own in hand for ever."""
    with manners.serving(lent=8) as site, manners.serving(other=site.url, lent=8) as other:
        site.other = other.url
        outcome = image_crawler(
            *(
                "crawl",
                site.url,
                other.url,
                "-o",
                "crawl",
                "--per-host",
                "1",
                "--max-attempts",
                "1",
                "--no-sitemaps",
            ),
            *(*queue, "--json"),
            folder=tmp_path,
        )
        assert outcome.code == 0, outcome.err
        reasons = outcome.stats()["image_reasons"]
        assert reasons.pop("too-many-redirects") == 16, "each leads to the other"
        assert set(reasons) <= {"server-error", "connection-lost", "rate-limited"}
        assert outcome.stats()["image_status"]["saved"] >= 2 * manners.IMAGES


def test_a_delay_outlives_the_manager(tmp_path: Path) -> None:
    with manners.serving() as site:
        folder = tmp_path / "crawl"
        config = load(flags={"downloaders": 2, "delay_s": 0.5, "sitemaps": False, "retry_delay_s": 0.1})
        kills = 0
        with Crawl([site.url], folder=folder, config=config) as crawl:
            for _ in crawl.watch(every_s=0.02):
                if kills < 4 and len(site.arrivals) > 4 * (kills + 1):
                    os.kill(next(pid for name, pid in crawl.pids if name == "manager"), signal.SIGKILL)
                    kills += 1
        assert kills == 4
        assert_paced(site, 0.5)
        assert site.asked["/robots.txt"] == 1


def test_a_host_without_its_robots_txt_is_left_alone(tmp_path: Path) -> None:
    make_site(tmp_path / "site", pages=1, images_per_page=1)
    with serving(tmp_path / "site") as server:
        server.overloaded["/robots.txt"] = 1000
        outcome = image_crawler("crawl", server.url, "-o", "crawl", "--max-attempts", "1", folder=tmp_path)
        assert (server.looks_at_robots_txt, dict(server.requests)) == (3, {}), "three tries, and nothing else"
        assert outcome.code == 1
        assert f"nothing to start from: {server.url}robots.txt is not to be had" in outcome.err
        again = image_crawler("crawl", server.url, "-o", "crawl", "--no-obey-robots-txt", folder=tmp_path)
        assert again.code == 0, again.err
        assert len(records(tmp_path / "crawl")) == 1


@pytest.mark.sampled(4)
@pytest.mark.parametrize("engine", ["manager", "redis"])
@pytest.mark.parametrize("retry_after", [None, "1"])
def test_a_host_that_refuses_is_asked_as_fast_as_it_allows(
    tmp_path: Path, request: pytest.FixtureRequest, engine: str, retry_after: str | None
) -> None:
    """100 images at 10/s, with the settings of who has none: 10 s at best, and it used to take 50."""
    more: list[str] = []
    if engine == "redis":
        server: RedisServer = request.getfixturevalue("fresh_redis")
        more = ["--queue", f"{server.url}#politeness"]
    with limited(TokenBucket(10, 10), images=100, retry_after=retry_after) as host:
        outcome = image_crawler("crawl", host.url, "-o", "crawl", "--json", *more, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert host.statuses[200] == 100
        assert 0 < host.statuses[429] <= 20
        assert host.served_s[-1] - host.served_s[0] < 25
    found = records(tmp_path / "crawl")
    assert {record.status for record in found.values()} == {"saved"}
    assert len(found) == 100


def test_the_retry_after_of_one_url_does_not_stop_its_host(tmp_path: Path) -> None:
    with limited(Free(), images=40, retry_after="5") as host:
        host.refused = {7: 1}
        outcome = image_crawler("crawl", host.url, "-o", "crawl", "--json", folder=tmp_path)
        assert outcome.code == 0, outcome.err
        moments = host.moments_s
        assert host.statuses == {200: 40, 429: 1}
    assert moments[7][1] - moments[7][0] >= 4.9, "it is asked again when it said"
    others = [moment for number, at in moments.items() for moment in at if number != 7]
    # on a busy machine the last few may be late for reasons of their own
    assert sorted(others)[-4] < moments[7][1], "and nobody else waits for that"
    found = records(tmp_path / "crawl")
    assert found[f"{host.url}images/7.png"].attempts == 2
    assert {record.status for record in found.values()} == {"saved"}


def test_the_depth_of_a_crawl_is_limited(tmp_path: Path) -> None:
    make_site(tmp_path / "site", pages=7, images_per_page=1)
    for file in (tmp_path / "site").glob("*.html"):  # a link to page 3 would turn the page, and be no depth
        text = file.read_text(encoding="utf-8").replace("page", "plant")
        file.with_name(file.name.replace("page", "plant")).write_text(text, encoding="utf-8")
    with serving(tmp_path / "site") as server:
        outcome = image_crawler(
            "crawl", server.url, "-o", "crawl", "--downloaders", "1", "--max-depth", "1", "--json",
            folder=tmp_path,
        )  # fmt: skip
        found = records(tmp_path / "crawl")
        visited = {path for path in server.requests if path.endswith(".html")}
        asked_for = {server.url + path.lstrip("/") for path in server.requests if path.endswith(".png")}
    assert outcome.code == 0, outcome.err
    assert visited == {"/plant1.html", "/plant2.html"}, "the pages two links away are not asked for"
    assert {record.depth for record in found.values()} == {0, 1}
    assert asked_for == set(found)
    assert len(found) == 3
    assert outcome.stats()["page_status"] == {"harvested": 3, "rejected": 6}
    assert outcome.stats()["page_reasons"] == {"no-sitemap": 6}


def test_pages_and_images_are_limited_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    make_site(tmp_path / "site", pages=7, images_per_page=4)
    with serving(tmp_path / "site") as server:
        outcome = image_crawler(
            "crawl", server.url, "-o", "crawl", "--downloaders", "1",
            "--max-pages", "2", "--max-images", "5", "--json", folder=tmp_path,
        )  # fmt: skip
        asked_for = sum(server.requests[path] for path in server.requests if path.endswith(".png"))
    assert outcome.code == 0, outcome.err
    stats = outcome.stats()
    assert (stats["pages"]["done"], stats["images"]["done"]) == (2, 5)
    assert asked_for == 5
    assert stats["dropped"]["max-images"] == 3
    assert stats["dropped"]["max-pages"] >= 2
    assert stats["image_status"] == {"saved": 5}
