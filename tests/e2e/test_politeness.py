"""What a server sees of a crawl: never more at once than allowed, never faster, and never more than was asked for."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.running import image_crawler, records, saved_digests
from tests.limits import Free, TokenBucket, limited
from tests.redisserver import RedisServer
from tests.sites import make_site, serving


def test_all_workers_together_keep_to_the_requests_in_flight(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=6, images_per_page=10)
    with serving(tmp_path / "site", delay_s=0.02) as server:
        outcome = image_crawler(
            "crawl", server.url, "-o", "crawl", "--downloaders", "3", "--per-host", "3", folder=tmp_path
        )
        assert outcome.code == 0, outcome.err
        assert server.most_in_flight == 3, "3 downloaders with 4 threads each, and a harvester"
        assert 1 <= server.looks_at_robots_txt <= 4, "once by each process"
        assert set(server.requests.values()) == {1}, "nothing is asked for twice"
        assert saved_digests(tmp_path / "crawl", server.url) == digests


def test_a_delay_holds_between_the_requests_of_all_workers(tmp_path: Path) -> None:
    make_site(tmp_path / "site", pages=4, images_per_page=5)
    with serving(tmp_path / "site") as server:
        outcome = image_crawler(
            "crawl", server.url, "-o", "crawl", "--downloaders", "2", "--delay-s", "0.1", folder=tmp_path
        )
        assert outcome.code == 0, outcome.err
        gaps = [after - before for before, after in pairwise(server.arrivals_s)]
    assert len(gaps) == 29  # 4 pages, 20 images, and six looks for a sitemap
    # one that was held up on its way shortens the gap to the next, so a single gap proves little
    assert sum(gaps) / len(gaps) >= 0.095
    assert sum(gap < 0.05 for gap in gaps) <= 2, gaps


def test_the_delay_that_robots_txt_asks_for_holds_from_the_first_request_on(tmp_path: Path) -> None:
    make_site(tmp_path / "site", pages=3, images_per_page=4)
    (tmp_path / "site" / "robots.txt").write_text("User-agent: *\nCrawl-delay: 0.2\nDisallow: /page2")
    with serving(tmp_path / "site") as server:
        outcome = image_crawler(
            "crawl", server.url, "-o", "crawl", "--downloaders", "2", "--json", folder=tmp_path
        )
        gaps = [after - before for before, after in pairwise(server.arrivals_s)]
        asked_for = set(server.requests)
    assert outcome.code == 0, outcome.err
    assert len(gaps) == 15  # 2 pages, 8 images, and six looks for a sitemap
    assert sum(gaps) / len(gaps) >= 0.19
    assert sum(gap < 0.15 for gap in gaps) <= 2, gaps
    assert "/page2.html" not in asked_for
    assert outcome.stats()["page_reasons"] == {"no-sitemap": 6, "robots-disallowed": 1}
    assert outcome.stats()["image_status"] == {"saved": 8}
    assert {record.attempts for record in records(tmp_path / "crawl").values()} == {1}


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
    assert max(others) < moments[7][1], "and nobody else waits for that"
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
