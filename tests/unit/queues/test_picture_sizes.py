"""Sizes of pictures, at random: no picture is lost unless each of its sizes is, and nothing that waits is forgotten."""

from __future__ import annotations

import random
import tempfile
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.config import QueueConfig, ScopeConfig
from crawler.models import ImageRecord, NewTask, Origin, Result, Task, TaskKind, WorkerState
from crawler.queues import QueueResults
from crawler.queues.ledger import Ledger
from crawler.sizes import size_of
from tests.support.clocks import Clock
from tests.support.queues import HARVESTER, failed, page, saved, worker

MARKS = ["", "?w=100", "?w=200", "?h=300", "?w=400&q=9"]
HARVESTERS = WorkerState(id=HARVESTER.id, kind=TaskKind.PAGE, threads=4)


class Crawl:
    """Pages that name sizes in any order, images any of which may fail, and a ledger that may be killed."""

    def __init__(self, chance: random.Random, folder: Path) -> None:
        self.chance, self.path, self.clock = chance, folder / "crawl.db", Clock()
        self.queue = QueueConfig(per_host=9, lease_s=1000.0, image_backlog=chance.choice([3, 50_000]))
        self.named: set[str] = set()
        self.bad = {name for name in range(5) if chance.random() < 0.3}
        self.ledger = self.opened()

    def opened(self) -> Ledger:
        return Ledger(self.path, queue=self.queue, scope=ScopeConfig(), new_run=False, clock=self.clock)

    def run(self) -> None:
        self.ledger.put([page(number) for number in range(6)])
        while not self.ledger.stats().drained:
            self.clock.now += 1.0
            if self.chance.random() < 0.1:
                self.ledger._db.close()  # as a kill would: nothing is said to anybody
                self.ledger = self.opened()
                self.ledger._give_all_back(list(TaskKind))
            who = self.chance.choice([HARVESTERS, worker()])
            lease = self.ledger.lease(who, count=self.chance.randint(1, 3), slots=9, wait_s=0, held=())
            results = [self.result(task) for batch in lease.batches for task in batch.tasks]
            QueueResults(self.ledger).put(results)

    def result(self, task: Task) -> Result:
        if task.kind is TaskKind.PAGE:
            return saved(task, discovered=tuple(self.found() for _ in range(self.chance.randint(0, 8))))
        if int(task.url.split("/")[3].partition(".")[0]) in self.bad and self.chance.random() < 0.8:
            return failed(task, retry_in_s=self.chance.choice([None, 3.0]))
        return saved(task)

    def found(self) -> NewTask:
        url = f"http://a.example/{self.chance.randint(0, 4)}.png{self.chance.choice(MARKS)}"
        self.named.add(url)
        origin = Origin(page_url="http://a.example/", found_in="img")
        return NewTask(kind=TaskKind.IMAGE, url=url, depth=1, origin=origin)

    def records(self) -> dict[str, ImageRecord]:
        found = QueueResults(self.ledger).get(limit=200).records
        return {record.url: record for record in found if isinstance(record, ImageRecord)}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_picture_is_lost_only_when_every_size_of_it_is(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        crawl = Crawl(random.Random(seed), Path(folder))
        crawl.run()
        with closing(crawl.ledger):
            records = crawl.records()
            stats = crawl.ledger.stats()
    assert records.keys() <= crawl.named
    assert stats.balanced
    assert stats.images.discovered == len(records)
    assert len(crawl.named) == len(records) + stats.dropped.get("smaller-size", 0), (
        "each is taken, or counted"
    )
    pictures: defaultdict[str, set[str]] = defaultdict(set)
    for url in crawl.named:
        pictures[size_of(url).picture].add(url)
    for urls in pictures.values():
        largest = max(
            (size_of(url).px for url in urls & records.keys() if records[url].status == "saved"), default=0.0
        )
        left_out = [size_of(url).px for url in urls - records.keys()]
        assert max(left_out, default=0.0) <= largest
    for record in records.values():
        if record.replaced_by:
            assert records[record.replaced_by].url in crawl.named
            assert record.status == "failed"
