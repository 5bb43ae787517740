"""Hosts in trouble, on the books: what is left alone, and what is given up with its records."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from crawler.config import QueueConfig, ScopeConfig
from crawler.models import (
    ImageRecord,
    ImageStatus,
    NewTask,
    Origin,
    PageRecord,
    PageStatus,
    Result,
    Revisit,
    Task,
    TaskKind,
)
from crawler.queues import QueueResults, policy, settling
from crawler.queues.ledger import Ledger
from crawler.urls import host_key
from tests.support.queues import HARVESTER, Queues, file_of, image, images, page, saved, take, tokens, worker

TIMEOUT_S = 10.0


def host_of(task: Task) -> str:
    return host_key(task.url).removeprefix("http://").removesuffix(".example")


class Site:
    """A crawl on a clock of its own, and hosts that behave as they are told."""

    def __init__(self, path: Path, **settings: float) -> None:
        self.path = path
        self.now = 5000.0
        self.settings = settings
        self.reasons: dict[str, str] = {}
        """Host -> why nothing comes of a visit; "" for one that is well."""
        self.asked: Counter[str] = Counter()
        self.open(new_run=True)

    def open(self, *, new_run: bool = False) -> None:
        self.ledger = Ledger(
            self.path,
            queue=QueueConfig(**{"lease_s": 1000.0, **self.settings}),
            scope=ScopeConfig(),
            new_run=new_run,
            clock=lambda: self.now,
        )
        self.queues = Queues(tasks=self.ledger, results=QueueResults(self.ledger), pass_time=self.pass_time)

    def pass_time(self, by_s: float) -> None:
        self.now += by_s
        self.ledger.tick()

    def visit(self, task: Task, *, took_s: float = 0.0) -> Result:
        host = host_of(task)
        self.asked[host] += 1
        reason = self.reasons.get(host, "")
        if not reason:
            return saved(task)
        record = ImageRecord if task.kind is TaskKind.IMAGE else PageRecord
        status = ImageStatus.FAILED if task.kind is TaskKind.IMAGE else PageStatus.FAILED
        origin = task.origin
        return Result(
            token=task.token,
            record=record(  # type: ignore[arg-type]
                url=task.url,
                status=status,
                reason=reason,
                detail=f"{reason} it is",
                http_status=503 if reason == "server-error" else 0,
                final_url=task.url,
                page_url=origin.page_url if origin else "",
                depth=task.depth,
                attempts=task.attempt,
                elapsed_s=took_s,
            ),
            retry_in_s=None if reason == "host-not-found" else 2.0 * 2 ** (task.attempt - 1),
        )

    def round(self, *, count: int = 8) -> int:
        """One downloader takes what it can run, and all of it takes as long as a connection may."""
        tasks = take(self.queues, count=count, slots=count)
        took_s = TIMEOUT_S if any(self.visit_times_out(task) for task in tasks) else 0.01
        self.now += took_s
        self.queues.results.put([self.visit(task, took_s=took_s) for task in tasks])
        return len(tasks)

    def visit_times_out(self, task: Task) -> bool:
        return self.reasons.get(host_of(task)) == "connect-timeout"

    def run(self, within_s: float) -> float:
        """Until nothing is left to do; returns how many seconds that took."""
        start = self.now
        while not self.queues.tasks.stats().drained:
            assert self.now - start < within_s, self.queues.tasks.stats()
            if not self.round():
                self.pass_time(1.0)
        return self.now - start

    def rows(self, sql: str) -> list[tuple]:
        with closing(sqlite3.connect(self.path)) as db:
            return db.execute(sql).fetchall()

    def trouble(self, host: str) -> str:
        hosts = {status.name: status for status in self.queues.tasks.status().hosts}
        return hosts[f"http://{host}.example"].trouble if f"http://{host}.example" in hosts else ""


@pytest.fixture(name="site")
def a_site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "crawl.db")
    yield site
    site.ledger._db.close()


def found(number: int, host: str) -> NewTask:
    origin = Origin(page_url="http://a.example/", found_in="img", alt=f"number {number}")
    return NewTask(kind=TaskKind.IMAGE, url=f"http://{host}.example/{number}.png", depth=1, origin=origin)


# --- dead hosts ---


@pytest.mark.slow
@pytest.mark.untraced
@pytest.mark.parametrize(
    ("reason", "at_least_s", "at_most_s", "asked"),
    [("connect-timeout", 120, 400, 30), ("connect-failed", 120, 300, 20), ("host-not-found", 0, 60, 10)],
)
def test_a_hundred_thousand_images_of_a_dead_host_cost_minutes(
    site: Site, reason: str, at_least_s: float, at_most_s: float, asked: int
) -> None:
    images_there = 100_000 if reason == "connect-timeout" else 10_000
    site.queues.tasks.put([page(1), image(1)])
    (seed,) = take(site.queues, HARVESTER)
    site.queues.results.put([saved(seed)])
    for start in range(0, images_there, 1000):
        site.queues.tasks.put([found(n, "dead") for n in range(start, start + 1000)])
    site.reasons["dead"] = reason
    took_s = site.run(within_s=at_most_s)
    assert at_least_s <= took_s
    assert site.asked["dead"] <= asked
    stats = site.queues.tasks.stats()
    assert stats.balanced
    assert stats.image_status == {"saved": 1, "failed": images_there}
    assert stats.image_reasons["host-down"] >= images_there - asked


def test_what_is_given_up_has_full_records(site: Site) -> None:
    site.reasons["dead"] = "connect-failed"
    site.queues.tasks.put([found(n, "dead") for n in range(100)])
    site.run(within_s=400)
    records = {record.url: record for record in site.queues.results.get().records}
    assert len(records) == 100
    record = records["http://dead.example/50.png"]
    assert (record.status, record.reason) == ("failed", "host-down")
    assert (record.page_url, record.found_in, record.alt) == ("http://a.example/", "img", "number 50")
    assert (record.depth, record.attempts) == (1, 0)
    assert record.finished_at
    assert record.detail.startswith("http://dead.example was not reached at ")
    assert (
        " tries over 2 min, last: connect-failed: connect-failed it is; image-crawler retry" in record.detail
    )


def test_it_is_done_in_parts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "GIVEN_UP_AT_ONCE", 10)
    site.reasons["dead"] = "host-not-found"
    site.queues.tasks.put(images(52, "dead"))
    site.round()
    left = []
    for _ in range(6):
        left.append(site.queues.tasks.stats().images.unsettled)
        site.pass_time(1.0)
    assert left[0] > 20
    assert all(before - after <= 10 for before, after in pairwise(left))
    assert site.queues.tasks.stats().drained


def test_a_fault_half_way_loses_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.reasons["dead"] = "host-not-found"
    site.queues.tasks.put(images(50, "dead"))
    site.round()
    with monkeypatch.context() as patched:
        patched.setattr(settling.Settling, "write", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            site.pass_time(1.0)
    assert take(site.queues) == [], "it is still down"
    site.run(within_s=10)
    assert site.queues.tasks.stats().image_reasons["host-down"] >= 40


def test_what_comes_later_for_a_dead_host_is_given_up_at_once_until_it_is_asked_again(site: Site) -> None:
    site.reasons["dead"] = "host-not-found"
    site.queues.tasks.put(images(50, "dead"))
    site.run(within_s=60)
    asked = site.asked["dead"]
    site.pass_time(500.0)
    site.queues.tasks.put([image(n, "dead") for n in range(50, 60)])
    site.run(within_s=5)
    assert site.asked["dead"] == asked
    site.pass_time(100.0)
    site.queues.tasks.put([image(n, "dead") for n in range(60, 70)])
    site.run(within_s=5)
    assert site.asked["dead"] == asked + 1, "one is asked for, and then all is as it was"
    site.reasons["dead"] = ""
    site.pass_time(1200.0)
    site.queues.tasks.put([image(n, "dead") for n in range(70, 100)])
    assert site.round() == 1
    site.run(within_s=5)
    assert site.queues.tasks.stats().image_status["saved"] == 30
    assert site.trouble("dead") == ""


def test_whoever_wants_what_was_given_up_gets_it_asked_for(site: Site) -> None:
    site.reasons["dead"] = "host-not-found"
    site.queues.tasks.put(images(50, "dead"))
    site.run(within_s=60)
    count = site.queues.tasks.stats().image_reasons["host-down"]
    site.reasons["dead"] = ""
    assert site.queues.tasks.retry(kind=TaskKind.IMAGE, reason="host-down") == count
    site.run(within_s=60)
    assert site.queues.tasks.stats().image_status["saved"] == count


def test_down_hosts_are_forgotten_when_the_manager_is_started_anew(site: Site) -> None:
    site.reasons["dead"] = "host-not-found"
    site.queues.tasks.put(images(50, "dead"))
    site.round()
    assert site.trouble("dead") == "down"
    site.ledger._db.close()
    site.open()
    assert take(site.queues)


def test_what_waits_for_another_try_is_given_up_as_well(site: Site) -> None:
    site.reasons["dead"] = "connect-failed"
    site.queues.tasks.put(images(3, "dead"))
    site.run(within_s=600)
    stats = site.queues.tasks.stats()
    assert stats.image_status == {"failed": 3}
    assert all(task[0] == "done" for task in site.rows("SELECT state FROM tasks"))


def test_seeds_end_as_they_did(site: Site) -> None:
    """Who has mistyped one waits for the answer, and its own reason says what is wrong."""
    site.reasons["dead"] = "connect-failed"
    site.queues.tasks.put([page(n, "dead") for n in range(6)])
    for _ in range(2):
        tasks = take(site.queues, HARVESTER)
        assert len(tasks) == 6, "they are not held up"
        results = [site.visit(task) for task in tasks]
        site.queues.results.put(
            [
                Result(
                    token=result.token,
                    record=result.record,
                    retry_in_s=result.retry_in_s if task.attempt < 2 else None,
                )
                for task, result in zip(tasks, results, strict=True)
            ]
        )
        site.pass_time(2.0)
    assert site.queues.tasks.stats().page_reasons == {"connect-failed": 6}


def test_a_seed_of_a_host_that_is_down_has_a_reason_of_its_own(site: Site) -> None:
    site.reasons["dead"] = "host-not-found"
    site.queues.tasks.put([found(n, "dead") for n in range(9)])
    site.round()
    site.queues.tasks.put([page(1, "dead")])
    site.pass_time(1.0)
    (record,) = [record for record in site.queues.results.get().records if record.url.endswith("1.html")]
    assert (record.reason, record.detail) == ("host-not-found", "host-not-found it is")


def test_an_image_that_was_saved_before_stays_so_when_its_host_is_dead(site: Site) -> None:
    site.queues.tasks.put([found(n, "x") for n in range(20)])
    site.run(within_s=10)
    assert site.ledger.refresh() == 20
    start = site.now
    while not site.queues.tasks.stats().drained:
        assert site.now - start < 400
        tasks = take(site.queues)
        site.queues.results.put(
            [
                Result(
                    token=task.token,
                    record=ImageRecord(
                        url=task.url,
                        status=ImageStatus.SAVED,
                        **file_of(task.url),
                        revisit=Revisit.FAILED,
                        revisit_reason="connect-failed",
                    ),
                    retry_in_s=2.0,
                )
                for task in tasks
            ]
        )
        site.pass_time(1.0)
    records = site.queues.results.get().records
    assert [(record.status, record.revisit) for record in records] == [("saved", "failed")] * 20
    assert "host-down" in {record.revisit_reason for record in records}
    assert site.now - start >= 120


# --- redirects ---


def test_a_redirect_to_a_dead_host_is_not_its_own_hosts_fault(site: Site) -> None:
    site.queues.tasks.put([*images(40, "good"), *images(40, "cdn")])
    for _ in range(4):
        tasks = [task for task in take(site.queues, count=30, slots=8) if "good" in task.url]
        site.queues.results.put(
            [
                Result(
                    token=task.token,
                    record=ImageRecord(
                        url=task.url,
                        status=ImageStatus.FAILED,
                        reason="connect-failed",
                        final_url="http://cdn.example/x",
                    ),
                )
                for task in tasks
            ]
        )
    assert site.trouble("good") == ""
    assert site.trouble("cdn") == "backing off"


def test_where_a_redirect_leads_may_be_unknown(site: Site) -> None:
    site.queues.tasks.put(images(9, "good"))
    for task in take(site.queues):
        record = ImageRecord(
            url=task.url,
            status=ImageStatus.FAILED,
            reason="connect-failed",
            final_url="http://nobody.example/x",
        )
        site.queues.results.put([Result(token=task.token, record=record)])
    assert site.trouble("good") == ""
    assert site.queues.tasks.stats().drained


# --- hosts that answer with trouble ---


def test_an_outage_costs_few_urls_and_little_time(site: Site) -> None:
    site.reasons["x"] = "server-error"
    site.queues.tasks.put(images(2000, "x"))
    outage_s = 0.0
    start = site.now
    while outage_s < 240:
        if not site.round():
            site.pass_time(1.0)
        outage_s = site.now - start
    assert site.trouble("x") == "backing off"
    assert site.asked["x"] < 30
    site.reasons["x"] = ""
    assert site.run(within_s=1200) < 300
    assert site.queues.tasks.stats().image_status == {"saved": 2000}, "no URL has used up its attempts"


def test_a_host_in_trouble_gets_one_request_at_a_time_and_then_more(site: Site) -> None:
    site.reasons["x"] = "server-error"
    site.queues.tasks.put(images(200, "x"))
    assert site.round() == 8
    assert site.trouble("x") == "backing off"
    assert site.round() == 0
    site.reasons["x"] = ""
    site.pass_time(1.1)
    assert [site.round() for _ in range(3)] == [1, 2, 8]
    assert site.trouble("x") == ""


def test_a_worker_is_told_what_not_to_begin(site: Site) -> None:
    site.reasons["x"] = "server-error"
    site.queues.tasks.put([*images(200, "x"), *images(3, "y")])
    tasks = take(site.queues, count=40, slots=8)
    assert len(tasks) > 20
    assert site.queues.tasks.heartbeat(worker(), held=tokens(tasks)).left_alone == ()
    mine = [task for task in tasks if "//x." in task.url]
    site.queues.results.put([site.visit(task) for task in mine[:4]])
    answer = site.queues.tasks.heartbeat(worker(), held=tokens(tasks[4:]))
    assert answer.left_alone == ("http://x.example",)
    assert answer.lost == ()
    site.queues.tasks.release(worker(), tokens(mine[12:]))
    assert site.queues.tasks.heartbeat(worker(), held=()).left_alone == ()


def test_a_broken_folder_among_good_images_costs_seconds(site: Site) -> None:
    site.queues.tasks.put([image(n, "x") for n in range(400)])

    def visit(task: Task) -> Result:
        number = int(task.url.split("/")[-1].removesuffix(".png"))
        if 100 <= number < 150:
            record = ImageRecord(
                url=task.url, status=ImageStatus.FAILED, reason="server-error", attempts=task.attempt
            )
            return Result(token=task.token, record=record, retry_in_s=2.0 * 2 ** (task.attempt - 1))
        return saved(task)

    site.visit = lambda task, took_s=0.0: visit(task)  # type: ignore[method-assign]
    assert site.run(within_s=600) < 300
    stats = site.queues.tasks.stats()
    assert stats.image_status == {"saved": 350, "failed": 50}
    assert stats.image_reasons == {"server-error": 50}


# --- our own network ---


def test_a_crawl_waits_while_its_own_network_is_out(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for host in "abc":
        site.queues.tasks.put(images(300, host))
        site.reasons[host] = "name-lookup-failed"
    start = site.now
    while site.now - start < 900:
        if not site.round():
            site.pass_time(1.0)
    assert [site.trouble(host) for host in "abc"] == ["backing off"] * 3
    assert [line for line in caplog.messages if "network" in line] == [
        "none of the hosts that are asked can be reached: is our own network out?"
    ]
    site.reasons.clear()
    site.run(within_s=1200)
    assert site.queues.tasks.stats().image_status["saved"] > 880


def test_images_that_their_pages_hold_say_nothing_of_the_network(site: Site) -> None:
    site.queues.tasks.put(
        [NewTask(kind=TaskKind.IMAGE, url=f"data:image/png;sha256,{n:064x}") for n in range(5)]
    )
    site.round()
    assert site.queues.tasks.stats().drained
    assert not site.ledger._state.health._runs
