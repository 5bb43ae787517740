"""A refreshed crawl, seen from the queue: records stand until there are newer ones, and changed ones become history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
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
from crawler.queues.ledger import Ledger
from tests.queues import HARVESTER, Queues, embedded, failed, image, images, page, saved, take, worker

ORIGIN = Origin(page_url="http://a.example/", found_in="img", alt="a dog", caption="The dog")


@dataclass
class Crawl:
    ledger: Ledger
    queues: Queues

    def finish(self, *tasks: NewTask, **facts: object) -> None:
        """Have *tasks* settled as saved, with more *facts* in their records."""
        self.queues.tasks.put(tasks)
        self.settle(**facts)

    def settle(self, **facts: object) -> list[Task]:
        """Whatever is due."""
        done = []
        for who in (worker(), HARVESTER):
            while leased := take(self.queues, who):
                done += leased
                self.queues.results.put([with_facts(saved(task), **facts) for task in leased])
        return done


def with_facts(result: Result, **facts: object) -> Result:
    names = set(result.record.__struct_fields__)
    record = msgspec.structs.replace(result.record, **{k: v for k, v in facts.items() if k in names})
    return msgspec.structs.replace(result, record=record)


@pytest.fixture(name="crawl")
def a_crawl(tmp_path: Path) -> Iterator[Crawl]:
    queue = QueueConfig(per_host=100, lease_s=10.0, max_attempts=2)
    with embedded(tmp_path / "crawl.db", queue=queue, scope=ScopeConfig()) as (ledger, queues):
        yield Crawl(ledger, queues)


def records(crawl: Crawl) -> list[ImageRecord | PageRecord]:
    return sorted(crawl.queues.results.get().records, key=lambda record: record.url)


def history(crawl: Crawl) -> list[tuple[str, str]]:
    return crawl.ledger._db.execute("SELECT url, etag FROM image_history ORDER BY seq").fetchall()


def test_everything_is_due_once_more_and_known(crawl: Crawl) -> None:
    crawl.finish(
        NewTask(kind=TaskKind.IMAGE, url="http://a.example/1.png", depth=2, origin=ORIGIN),
        page(1),
        etag='"1"',
    )
    (_, before) = records(crawl)
    assert crawl.ledger.refresh() == 2
    stats = crawl.queues.tasks.stats()
    assert (stats.drained, stats.images.ready, stats.pages.ready) == (False, 1, 1)
    assert stats.image_status == {"saved": 1}, "what is known stays known"
    (task,) = take(crawl.queues)
    assert (task.known, task.attempt, task.depth) == (before, 1, 2)
    assert isinstance(task.known, ImageRecord)
    assert task.known.etag == '"1"'
    (a_page,) = take(crawl.queues, HARVESTER)
    assert a_page.known is not None
    assert a_page.known.status is PageStatus.HARVESTED


def test_the_origin_comes_back_from_the_record(crawl: Crawl) -> None:
    crawl.queues.tasks.put([NewTask(kind=TaskKind.IMAGE, url="http://a.example/1.png", origin=ORIGIN)])
    (task,) = take(crawl.queues)
    facts = {name: getattr(ORIGIN, name) for name in ("page_url", "found_in", "alt", "caption")}
    crawl.queues.results.put([with_facts(failed(task), **facts)])
    crawl.ledger.refresh()
    (task,) = take(crawl.queues)
    assert task.origin == ORIGIN
    assert task.known is None, "nothing came of it"


def test_a_crawl_that_has_not_ended_just_goes_on(crawl: Crawl) -> None:
    crawl.queues.tasks.put(images(2))
    assert crawl.ledger.refresh() == 0
    assert all(task.known is None for task in crawl.settle())


def test_new_records_take_the_place_of_old_ones(crawl: Crawl) -> None:
    crawl.finish(*images(3), size_bytes=10)
    crawl.ledger.refresh()
    crawl.settle(size_bytes=7, revisit=Revisit.UNCHANGED)
    stats = crawl.queues.tasks.stats()
    assert (stats.image_status, stats.saved_bytes, stats.balanced) == ({"saved": 3}, 21, True)
    assert [record.revisit for record in records(crawl)] == [Revisit.UNCHANGED] * 3
    assert history(crawl) == []


def test_what_has_changed_leaves_its_history(crawl: Crawl) -> None:
    crawl.finish(image(1), image(2), page(3), etag="one")
    for etag in ("two", "three"):
        crawl.ledger.refresh()
        crawl.settle(etag=etag, revisit=Revisit.CHANGED)
    url = "http://a.example/1.png"
    assert [etag for of, etag in history(crawl) if of == url] == ["one", "two"]
    assert {record.url: record.etag for record in records(crawl)}[url] == "three"
    assert {of for of, _ in history(crawl)} == {url, "http://a.example/2.png"}, "of images only"


def test_a_repeated_result_changes_nothing(crawl: Crawl) -> None:
    crawl.finish(image(1), etag="one")
    crawl.ledger.refresh()
    (task,) = take(crawl.queues)
    result = with_facts(saved(task), etag="two", revisit=Revisit.CHANGED)
    crawl.queues.results.put([result, result])
    crawl.queues.results.put([result])
    assert [etag for _, etag in history(crawl)] == ["one"]
    assert crawl.queues.tasks.stats().balanced


def test_a_worker_that_vanishes_for_good_takes_no_record_with_it(crawl: Crawl) -> None:
    crawl.finish(image(1), etag="one")
    crawl.ledger.refresh()
    for _ in range(2):
        assert len(take(crawl.queues)) == 1
        crawl.queues.pass_time(20.0)
    (record,) = records(crawl)
    assert (record.status, record.revisit) == (ImageStatus.SAVED, Revisit.FAILED)
    assert "no worker came back" in record.detail
    stats = crawl.queues.tasks.stats()
    assert (stats.drained, stats.balanced, stats.image_status) == (True, True, {"saved": 1})


def test_what_had_failed_and_fails_again_is_dead_as_before(crawl: Crawl) -> None:
    crawl.queues.tasks.put([image(1)])
    (task,) = take(crawl.queues)
    crawl.queues.results.put([failed(task)])
    crawl.ledger.refresh()
    for _ in range(2):
        take(crawl.queues)
        crawl.queues.pass_time(20.0)
    (record,) = records(crawl)
    assert (record.status, record.reason) == (ImageStatus.DEAD, "lease-expired")
    assert crawl.queues.tasks.stats().image_status == {"dead": 1}


def test_what_pages_hold_themselves_is_not_asked_for_again(crawl: Crawl) -> None:
    held = NewTask(kind=TaskKind.IMAGE, url=f"data:image/png;sha256={'0' * 64}", origin=ORIGIN)
    crawl.finish(held, image(1))
    assert crawl.ledger.refresh() == 1
    assert [task.url for task in take(crawl.queues)] == ["http://a.example/1.png"]


def test_only_settled_ones_are_put_back_by_retry(crawl: Crawl) -> None:
    crawl.queues.tasks.put([image(1)])
    (task,) = take(crawl.queues)
    crawl.queues.results.put([failed(task)])
    crawl.ledger.refresh()
    assert crawl.queues.tasks.retry(kind=TaskKind.IMAGE) == 0, "it waits already"
    assert len(take(crawl.queues)) == 1
    assert crawl.queues.tasks.retry(kind=TaskKind.IMAGE) == 0, "somebody has it"
    assert crawl.queues.tasks.stats().images.leased == 1


def test_a_refresh_is_remembered_over_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "crawl.db"
    queue = QueueConfig(per_host=100)
    with embedded(file, queue=queue, scope=ScopeConfig()) as (ledger, queues):
        Crawl(ledger, queues).finish(*images(2), etag="one")
        ledger.refresh()
    with embedded(file, queue=queue, scope=ScopeConfig(), new_run=False) as (ledger, queues):
        crawl = Crawl(ledger, queues)
        assert all(task.known for task in crawl.settle(revisit=Revisit.CHANGED, etag="two"))
        assert queues.tasks.stats().balanced
        assert len(history(crawl)) == 2
