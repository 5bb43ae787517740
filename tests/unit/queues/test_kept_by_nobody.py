"""Where no worker keeps files itself, nobody can say that one does: its loss would never show."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from crawler.catalog import Catalog
from crawler.catalog.verify import FindingKind, verify
from crawler.config import Config, QueueConfig, ScopeConfig, StorageConfig
from crawler.models import Result, TaskKind, TaskState
from crawler.queues import Plan, QueueResults
from crawler.queues.ledger import Ledger
from crawler.queues.redis.codec import Settled
from crawler.queues.redis.collector import Collector
from crawler.queues.redis.writer import CrawlfileWriter
from tests.support.queues import Queues, images, saved, take

ELSEWHERE = "0123456789abcdef liar:/nowhere"


def said_to_be_elsewhere(result: Result) -> Result:
    return msgspec.structs.replace(result, record=msgspec.structs.replace(result.record, kept_by=ELSEWHERE))


@pytest.mark.parametrize("storage", ["manager", "s3://bucket/pictures"])
def test_a_plan_says_whether_workers_keep_images(storage: str) -> None:
    assert Plan().config.storage.at_workers
    assert not Plan(config=Config(storage=StorageConfig(storage=storage))).config.storage.at_workers


@pytest.mark.parametrize("by_workers", [False, True])
def test_the_manager_believes_it_only_where_it_can_be(tmp_path: Path, *, by_workers: bool) -> None:
    ledger = Ledger(
        tmp_path / "crawl.db",
        queue=QueueConfig(max_attempts=1),
        scope=ScopeConfig(),
        new_run=True,
        kept_by_workers=by_workers,
    )
    both = Queues(tasks=ledger, results=QueueResults(ledger), pass_time=lambda _: None)
    both.tasks.put(images(2))
    honest, liar = take(both, count=2)
    both.results.put([saved(honest), said_to_be_elsewhere(saved(liar))])
    stats = both.tasks.stats()
    ledger.close()

    assert stats.balanced
    assert stats.image_status == ({"saved": 2} if by_workers else {"saved": 1, "failed": 1})
    with Catalog(tmp_path) as catalog:
        found = [one.finding for one in verify(catalog)]
    assert (FindingKind.ELSEWHERE in found) is by_workers


class Once:
    """An outlet that has settled what it was given."""

    def __init__(self, settled: list[Settled]) -> None:
        self._settled = settled

    def settled(self, limit: int) -> list[Settled]:
        return self._settled[:limit]

    def put(self, tasks: object) -> None:
        assert not tasks

    def forget(self, *_: object) -> None:
        self._settled = []


@pytest.mark.parametrize("by_workers", [False, True])
def test_nor_does_the_collector_of_a_redis(tmp_path: Path, *, by_workers: bool) -> None:
    path = tmp_path / "crawl.db"
    ledger = Ledger(path, queue=QueueConfig(), scope=ScopeConfig(), new_run=True)
    both = Queues(tasks=ledger, results=QueueResults(ledger), pass_time=lambda _: None)
    both.tasks.put(images(1))
    (task,) = take(both)
    ledger.close()
    settled = Settled(
        shard=0,
        entry="1-0",
        id=1 << 40,
        serial=1,
        attempts=1,
        kind=TaskKind.IMAGE,
        url=task.url,
        depth=0,
        state=TaskState.DONE,
        record=said_to_be_elsewhere(saved(task)).record,
    )
    books = CrawlfileWriter(path)
    outlet = Once([settled])
    Collector(outlet, books, kept_by_workers=by_workers).records()  # type: ignore[arg-type] # as far as it goes
    books.close()

    with Catalog(tmp_path) as catalog:
        (record,) = catalog.images()
    assert record.status == ("saved" if by_workers else "failed")
    assert record.kept_by == (ELSEWHERE if by_workers else "")
    assert bool(record.detail) is not by_workers
