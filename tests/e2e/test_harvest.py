"""Harvesters that join a crawl from outside: they share its pages, and may die or leave without harm."""

from __future__ import annotations

import os
import random
import signal
import stat
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from crawler.catalog import Catalog
from crawler.models import TaskKind
from crawler.queues.rpc.manager import QueueManager
from tests.e2e.running import (
    PATIENCE_S,
    Running,
    image_crawler,
    in_session,
    running,
    saved_digests,
    wait_until_recorded,
)
from tests.support.queues import wait_until
from tests.support.sites import HELD_S, SiteServer, make_site, serving

pytestmark = pytest.mark.timeout(200)


def harvested_by(folder: Path) -> Counter[str]:
    """Pages by the worker that read them."""
    with Catalog(folder) as catalog:
        pages = [record for record in catalog.pages() if record.status == "harvested"]
    assert len({record.url for record in pages}) == len(pages)
    return Counter(record.worker for record in pages)


def wait_until_joined(folder: Path, harvesters: int) -> None:
    """Until so many harvesters, the crawl's own one included, have spoken to the manager of the crawl in *folder*."""
    host, _, port = (folder / "crawl.address").read_text().strip().partition(":")
    manager = QueueManager((host, int(port)), (folder / "crawl.authkey").read_bytes().strip())
    manager.connect()
    try:
        tasks = manager.get_task_queue()
        wait_until(
            lambda: sum(worker.kind is TaskKind.PAGE for worker in tasks.stats().workers) >= harvesters,
            within_s=PATIENCE_S,
        )
    finally:
        manager.disconnect()


def crawling(server: SiteServer, folder: Path, stack: ExitStack) -> Running:
    crawl = stack.enter_context(
        running(
            "crawl", server.url, "-o", "crawl", "--downloaders", "1", "--harvester-threads", "1", "-q",
            folder=folder,
        )
    )  # fmt: skip
    wait_until_recorded(crawl, folder / "crawl", 1)
    server.delay_s = HELD_S
    return crawl


@pytest.mark.measured
def test_harvesters_from_outside_share_the_pages_of_a_crawl(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=120, images_per_page=2)
    with serving(tmp_path / "site", delay_s=0.2) as server, ExitStack() as stack:
        crawl = crawling(server, tmp_path, stack)
        key = tmp_path / "crawl" / "crawl.authkey"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600, "nobody else may join"
        address = (tmp_path / "crawl" / "crawl.address").read_text().strip()
        guests = [
            stack.enter_context(running("harvest", "crawl", "--harvesters", "2", folder=tmp_path)),
            stack.enter_context(running("harvest", address, "--authkey-file", key, folder=tmp_path)),
        ]
        wait_until_joined(tmp_path / "crawl", 4)
        server.delay_s = 0.05
        for guest in guests:
            outcome = guest.outcome()
            assert outcome.code == 0, outcome.err
            asked = "    connect to addresses that are not public, of the manager's network: 127.0.0.0/8, ::1"
            assert outcome.err == (
                f"harvesting for the crawl of {server.url}\nit asks this machine to\n{asked}  (manager-network)\n"
                "the crawl has ended, or was stopped\n"
            )
        outcome = crawl.outcome()
        assert outcome.code == 0, outcome.err
        counted = Counter({path: count for path, count in server.requests.items() if path.endswith(".html")})
    assert saved_digests(tmp_path / "crawl", server.url) == digests
    assert len(harvested_by(tmp_path / "crawl")) == 4, "each of them has read pages"
    assert set(counted.values()) == {1}
    assert not key.exists(), "there is nothing left to join"


def test_harvesters_from_outside_may_be_killed_at_any_time(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=100, images_per_page=2)
    rng = random.Random(3)
    with serving(tmp_path / "site", delay_s=0.2) as server, ExitStack() as stack:
        crawl = crawling(server, tmp_path, stack)
        guest = stack.enter_context(running("harvest", "crawl", "--harvesters", "3", folder=tmp_path))
        wait_until_joined(tmp_path / "crawl", 4)
        server.delay_s = 1.0
        killed = 0
        while killed < 4 and crawl.process.poll() is None:
            workers = [pid for pid in in_session(guest.process.pid) if pid != guest.process.pid]
            if len(workers) >= 3:
                os.kill(rng.choice(workers), signal.SIGKILL)
                killed += 1
            time.sleep(0.3)
        server.delay_s = 0.02
        outcome = crawl.outcome()
        assert outcome.code == 0, outcome.err
        assert guest.outcome().code == 0
    assert killed == 4
    assert saved_digests(tmp_path / "crawl", server.url) == digests
    assert sum(harvested_by(tmp_path / "crawl").values()) == 100


def test_a_crawl_that_is_stopped_lets_them_finish(tmp_path: Path) -> None:
    make_site(tmp_path / "site", pages=200, images_per_page=1)
    with serving(tmp_path / "site", delay_s=0.1) as server, ExitStack() as stack:
        crawl = crawling(server, tmp_path, stack)
        guest = stack.enter_context(running("harvest", "crawl", folder=tmp_path))
        wait_until_joined(tmp_path / "crawl", 2)
        server.delay_s = 0.5
        crawl.interrupt()
        assert crawl.outcome().code == 130
        outcome = guest.outcome()
    assert outcome.code == 0, outcome.err
    with Catalog(tmp_path / "crawl") as catalog:
        assert catalog.value("SELECT count(*) FROM tasks WHERE state = 'leased'") == 0, "all was given back"


def test_who_leaves_gives_back_what_was_not_begun(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=60, images_per_page=1)
    with serving(tmp_path / "site", delay_s=0.2) as server, ExitStack() as stack:
        crawl = crawling(server, tmp_path, stack)
        guest = stack.enter_context(running("harvest", "crawl", folder=tmp_path))
        wait_until_joined(tmp_path / "crawl", 2)
        server.delay_s = 0.5
        guest.interrupt(signal.SIGTERM)
        assert guest.outcome().code == 143
        server.delay_s = 0.02
        outcome = crawl.outcome()
    assert outcome.code == 0, outcome.err
    assert saved_digests(tmp_path / "crawl", server.url) == digests


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("no/where",), "there is no folder no/where, and it is no address of the form HOST:PORT"),
        (("127.0.0.1:99999", "--authkey-file", "key"), "it is no address of the form HOST:PORT"),
        (("127.0.0.1:1",), "to a crawl at that address a key is needed: --keys DIR, --authkey-file FILE"),
        (
            ("127.0.0.1:1", "--authkey-file", "none"),
            "can't read the authkey file none: there is no such file",
        ),
        (
            ("127.0.0.1:1", "--authkey-file", "short"),
            "the authkey file short holds 15 bytes, and a key has 32 or more",
        ),
        (("empty",), "no crawl runs in empty; start it with image-crawler crawl"),
    ],
)
def test_a_way_in_that_is_none(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    (tmp_path / "short").write_text("fifteen letters\n")
    (tmp_path / "empty").mkdir()
    outcome = image_crawler("harvest", *arguments, folder=tmp_path)
    assert outcome.code == 2
    assert said in outcome.error


def test_a_manager_that_is_gone_and_a_wrong_key(tmp_path: Path) -> None:
    make_site(tmp_path / "site", pages=20, images_per_page=1)
    with serving(tmp_path / "site", delay_s=0.2) as server, ExitStack() as stack:
        crawl = crawling(server, tmp_path, stack)
        address = (tmp_path / "crawl" / "crawl.address").read_text().strip()
        (tmp_path / "wrong").write_text("00" * 32)
        wrong = image_crawler("harvest", address, "--authkey-file", "wrong", folder=tmp_path)
        assert (wrong.code, "has another authkey" in wrong.error) == (1, True)
        crawl.interrupt(signal.SIGKILL)
        crawl.process.wait()
        gone = image_crawler("harvest", "crawl", folder=tmp_path)
    assert gone.code == 1
    assert f"no answer from the manager at {address}" in gone.error
