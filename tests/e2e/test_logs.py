"""The log of whole crawls: each finished task is a line, once; who joins and leaves is told; no secret is in it."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import crawler
from crawler.catalog import Catalog
from tests.e2e.running import Running, image_crawler, in_session, running
from tests.support.redisserver import RedisServer
from tests.support.sites import HELD_S, SiteServer, make_site, serving

pytestmark = pytest.mark.timeout(240)

FEW = ("--downloaders", "1", "--render", "never", "--max-attempts", "1", "--tries", "1")
PATIENCE_S = 60.0


@pytest.fixture(name="site")
def a_site(tmp_path: Path) -> Iterator[SiteServer]:
    """With an image that is not there, one that is none, and one that fails once."""
    folder = tmp_path / "site"
    make_site(folder, pages=3, images_per_page=3)
    page = folder / "page2.html"
    lost = '<img src="/gone.png"><img src="/no.png"><img src="/images/p0/i0.png?copy">'
    page.write_text(page.read_text("utf-8") + lost, "utf-8")
    (folder / "no.png").write_text("<!DOCTYPE html>no image", "utf-8")
    with serving(folder) as server:
        server.overloaded["/images/p1/i1.png"] = 10**6
        yield server


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def told(found: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """The finished tasks that the log tells of: event and URL."""
    kinds = ("image-", "page-", "render-")
    return Counter((line["event"], line["url"]) for line in found if line["event"].startswith(kinds))


def settled(folder: Path) -> Counter[tuple[str, str]]:
    """The same by the books."""
    with Catalog(folder) as catalog:
        images = [(f"image-{record.status}", record.url) for record in catalog.images()]
        pages = [(f"page-{record.status}", record.url) for record in catalog.pages()]
    return Counter([*images, *pages])


def without_guesses(found: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """… but for sitemaps that were looked for where there is none."""
    return Counter({key: count for key, count in found.items() if "sitemap" not in key[1]})


def test_each_finished_task_is_a_line_once(site: SiteServer, tmp_path: Path) -> None:
    outcome = image_crawler(
        "crawl", site.url, "-o", "c", "--log-file", "c.jsonl", "--log-format", "json", *FEW,
        folder=tmp_path,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    found = lines(tmp_path / "c.jsonl")
    books = without_guesses(settled(tmp_path / "c"))
    assert told(found) == books
    assert {event for event, _ in books} == {
        "image-saved", "image-duplicate", "image-rejected", "image-failed", "page-harvested",
    }  # fmt: skip
    words = [line["event"] for line in found]
    assert words[0] == "crawl-started"
    assert words.count("crawl-finished") == 1
    assert "image-saved" not in outcome.err, "the terminal is as without a file"

    # all of it once more
    again = image_crawler(
        "crawl", site.url, "-o", "c", "--refresh", "-vv", "--max-attempts", "1", "--tries", "1", *FEW, folder=tmp_path
    )  # fmt: skip
    assert again.code == 0, again.err
    assert " NOTICE crawl-refreshed: " in again.err
    assert again.err.count(" INFO image-unchanged: ") == books.total() - 3 - 3
    assert " DEBUG request: GET " in again.err
    assert " DEBUG lease-granted: " in again.err
    assert " DEBUG page-rejected: " in again.err


def test_a_try_that_is_made_again_is_told_with_its_reason(site: SiteServer, tmp_path: Path) -> None:
    site.overloaded["/images/p1/i1.png"] = 1
    outcome = image_crawler(
        "crawl", site.url, "-o", "c", "-v", *FEW, "--max-attempts", "2", "--retry-delay-s", "0.1",
        folder=tmp_path,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    (retried,) = (line for line in outcome.err.splitlines() if " task-retried: " in line)
    assert "/images/p1/i1.png: server-error: " in retried
    assert "; next try in " in retried
    assert outcome.err.count("images/p1/i1.png") >= 2
    assert f"{site.url}images/p1/i1.png" in outcome.err


def test_a_file_that_cant_be_written_ends_it_before_anything_begins(site: SiteServer, tmp_path: Path) -> None:
    for command in (
        ("crawl", site.url),
        ("serve", site.url),
        ("work", "127.0.0.1:1"),
        ("harvest", "c"),
        ("render", "c"),
    ):
        outcome = image_crawler(*command, "--log-file", "no/such/x.log", folder=tmp_path)
        assert outcome.code == 2, outcome.err
        assert "can't write the log file no/such/x.log: No such file or directory" in outcome.error
    assert site.requests.total() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_json_on_stderr_is_all_that_is_there(site: SiteServer, tmp_path: Path) -> None:
    outcome = image_crawler("crawl", site.url, "-o", "c", "--log-format", "json", "-v", *FEW, folder=tmp_path)
    found = [json.loads(line) for line in outcome.err.splitlines()]
    assert {"crawl-started", "worker-joined", "image-saved", "crawl-finished", "worker-left"} <= {
        line["event"] for line in found
    }
    lost = image_crawler(
        "crawl", f"{site.url}nothing.html", "-o", "d", "--log-format", "json", *FEW, folder=tmp_path
    )
    assert lost.code == 1
    (error,) = (json.loads(line) for line in lost.err.splitlines())
    assert (error["event"], error["level"]) == ("error", "error")
    assert "nothing to start from" in error["text"]


def test_without_v_a_crawl_of_one_machine_tells_of_no_worker(site: SiteServer, tmp_path: Path) -> None:
    outcome = image_crawler("crawl", site.url, "-o", "c", *FEW, folder=tmp_path)
    assert outcome.code == 0
    assert "worker-" not in outcome.err
    assert "NOTICE" not in outcome.err


# --- who works there ---


def wait_for(of: Path, *words: str) -> str:
    end = time.monotonic() + PATIENCE_S
    while not all(word in (said := of.read_text("utf-8")) for word in words):
        assert time.monotonic() < end, said
        time.sleep(0.05)
    return said


@pytest.mark.parametrize("queue", ["manager", "redis"])
def test_serve_tells_who_joins_leaves_and_is_lost(
    tmp_path: Path, request: pytest.FixtureRequest, queue: str
) -> None:
    make_site(tmp_path / "site", pages=10, images_per_page=40)
    where: tuple[str, ...]
    if queue == "manager":
        where = ("--storage", "manager")
    else:
        redis: RedisServer = request.getfixturevalue("fresh_redis")
        where = ("--queue", redis.url)
    with (
        serving(tmp_path / "site", delay_s=0.1) as server,
        running(
            "serve", server.url, "-o", "c", "-q", "--log-file", "c.log", "--lease-s", "3", "--heartbeat-s", "0.5",
            "--per-host", "2", "--render", "never", *where, folder=tmp_path,
        ) as served,
    ):  # fmt: skip
        log = tmp_path / "c.log"
        end = time.monotonic() + PATIENCE_S
        while not log.exists() and time.monotonic() < end:
            time.sleep(0.05)
        wait_for(log, "crawl-started", "worker-joined: harvester")
        server.delay_s = HELD_S  # else all may be done before one of them leaves
        with worker(tmp_path, "a") as leaves, worker(tmp_path, "b") as dies:
            pids = {downloader(leaves), downloader(dies)}
            wait_for(log, *(f"(pid {pid}," for pid in pids))
            assert image_crawler("pause", "c", folder=tmp_path).code == 0
            wait_for(log, "crawl-paused: by ")
            assert image_crawler("resume", "c", folder=tmp_path).code == 0
            wait_for(log, "crawl-unpaused: by ")
            server.delay_s = 0.1
            leaves.process.send_signal(signal.SIGTERM)
            wait_for(log, "NOTICE worker-left: downloader ")
            for number in (
                signal.SIGSTOP,
                signal.SIGKILL,
            ):  # else those who are left tell of those who are gone
                for pid in in_session(dies.process.pid):
                    with suppress(ProcessLookupError):  # a decoder ends with its worker
                        os.kill(pid, number)
            said = wait_for(log, "WARNING worker-lost: downloader ")
        assert said.count("WARNING worker-lost: ") == 1
        assert image_crawler("stop", "c", folder=tmp_path).code == 0
        _, err = served.process.communicate(timeout=PATIENCE_S)
    for word in ("worker-joined", "worker-left", "worker-lost", "crawl-paused", "crawl-started"):
        assert word in err, "an operator sees it without asking"
    assert "image-saved" not in err
    said = log.read_text("utf-8")
    assert "crawl-interrupted: stopped by " in said
    with Catalog(tmp_path / "c") as catalog:
        saved = [record.url for record in catalog.images(status="saved")]
    assert Counter(
        line.rpartition(" ")[2] for line in said.splitlines() if " image-saved: " in line
    ) == Counter(saved)


def worker(folder: Path, output: str) -> Any:
    return running("work", "c", "-o", output, "--downloaders", "1", folder=folder)


def downloader(work: Running) -> int:
    """The process id of its one child."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        for pid, command in in_session(work.process.pid).items():
            if command.startswith("downloader "):
                return pid
        time.sleep(0.05)
    raise AssertionError("it has started none")


# --- secrets ---


def test_no_secret_is_ever_logged(tmp_path: Path) -> None:
    make_site(tmp_path / "site", pages=2, images_per_page=2)
    secrets = {name: f"{name}geheim7" for name in ("seed", "login", "header", "cookie", "proxy", "link")}
    page = tmp_path / "site" / "index.html"
    with serving(tmp_path / "site") as server, serving(tmp_path / "site") as proxy:
        authority = server.url.removeprefix("http://")
        linked = f'<img src="http://u:{secrets["link"]}@{authority}images/p1/i0.png"><a href="http://u:{secrets["link"]}@{authority}page1.html">x</a>'
        page.write_text(page.read_text("utf-8") + linked, "utf-8")
        server.headers["/"] = {"Set-Cookie": f"session={secrets['cookie']}; Path=/"}
        server.headers["/page1.html"] = {"Set-Cookie": f"other={secrets['cookie']}; Path=/"}
        common = ("--log-file", "c.log", "-vv", *FEW)
        outcome = image_crawler(
            "crawl", f"http://me:{secrets['seed']}@{authority}", "-o", "c", "--login", f"me:{secrets['login']}",
            "--header", f"X-Api-Key: {secrets['header']}", *common, folder=tmp_path,
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        through = image_crawler(
            "crawl", server.url, "-o", "p", "--proxy", f"http://me:{secrets['proxy']}@{proxy.url[7:-1]}",
            "--tries", "1",            "--max-attempts", "1", *common, folder=tmp_path,
        )  # fmt: skip
    said = (tmp_path / "c.log").read_text("utf-8") + outcome.err + through.err
    assert " DEBUG request: GET " in said
    assert " DEBUG " in through.err
    assert {name for name, secret in secrets.items() if secret in said} == set()


def test_no_password_of_a_redis_is_ever_logged(tmp_path: Path, fresh_redis: RedisServer) -> None:
    outcome = image_crawler(
        "serve", "http://127.0.0.1:9/", "-o", "c", "--queue", f"redis://me:geheim7@{fresh_redis.address}/0",
        "--log-file", "c.log", "-vv", folder=tmp_path,
    )  # fmt: skip
    assert outcome.code in {1, 2}
    log = tmp_path / "c.log"
    assert "geheim7" not in outcome.err + log.read_text("utf-8")


# --- from Python ---


def test_a_library_is_silent_and_writes_the_file_that_is_asked_for(
    site: SiteServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "c.jsonl"
    settings: dict[str, Any] = {"downloaders": 1, "render": "never", "tries": 1, "max_attempts": 1}
    found = list(
        crawler.crawl(site.url, output=tmp_path / "c", log_file=str(log), log_format="json", **settings)
    )
    assert found
    assert told(lines(log)) == without_guesses(settled(tmp_path / "c"))
    assert capfd.readouterr().err == ""
    assert not logging.getLogger("crawler").handlers
