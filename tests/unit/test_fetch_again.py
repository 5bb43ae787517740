"""Images that were saved and whose files are gone are put back, and nothing else is."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from crawler.config import QueueConfig, ScopeConfig
from crawler.models import ImageRecord, ImageStatus, NewTask, Origin, Result, Task, TaskKind
from crawler.queues.embedded import LedgerResults, LedgerTasks
from crawler.queues.ledger import Ledger
from tests.pace import cpu_below
from tests.queues import Queues, books, failed, images, saved, take, worker

HERE = platform.node()


@pytest.fixture(name="ledger")
def a_ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "crawl.db", queue=QueueConfig(per_host=500), scope=ScopeConfig(), new_run=True)
    yield ledger
    ledger.close()


def kept(task: Task, path: str, machine: str = HERE, **more: object) -> Result:
    result = saved(task)
    return msgspec.structs.replace(
        result,
        record=msgspec.structs.replace(
            result.record, path=path, worker=f"{machine}:downloader-1", etag='"1"', **more
        ),
    )


def both(ledger: Ledger) -> Queues:
    return Queues(tasks=LedgerTasks(ledger), results=LedgerResults(ledger), pass_time=lambda _: ledger.tick())


def test_they_go_back_with_their_origin_and_are_asked_for_without_conditions(ledger: Ledger) -> None:
    queues = both(ledger)
    origin = Origin(page_url="http://a.example/", found_in="img", alt="a rose")
    queues.tasks.put(
        [NewTask(kind=TaskKind.IMAGE, url=f"http://a.example/{n}.png", origin=origin) for n in range(4)]
    )
    one, two, three, four = take(queues)
    said = {"page_url": origin.page_url, "found_in": "img", "alt": "a rose"}
    copy = {"status": ImageStatus.DUPLICATE, **said}
    queues.results.put(
        [
            kept(one, "images/a.example/1.png"),
            kept(two, "images/a.example/2.png", **said),
            kept(three, "images/a.example/2.png", **copy),
            failed(four),
        ]
    )
    assert queues.tasks.stats().drained
    assert ledger.fetch_again(lambda path: path != "images/a.example/2.png") == 2
    stats = books(queues)
    assert stats.image_status == {"saved": 1, "failed": 1}
    assert (stats.images.ready, stats.images.done) == (2, 2)
    again = take(queues)
    assert {task.url for task in again} == {two.url, three.url}, "the copy as well"
    assert [task.known for task in again] == [None, None]
    assert [task.attempt for task in again] == [1, 1]
    assert {task.origin.alt for task in again if task.origin} == {"a rose"}
    queues.results.put([kept(again[0], "images/a.example/2.png"), failed(again[1], "not-found")])
    stats = books(queues)
    assert stats.drained
    assert stats.image_status == {"saved": 2, "failed": 2}
    assert stats.saved_bytes == 20
    assert ledger.fetch_again(lambda _: True) == 0


def test_what_another_machine_has_saved_may_be_there(ledger: Ledger) -> None:
    queues = both(ledger)
    queues.tasks.put(images(5))
    tasks = take(queues)
    queues.results.put(
        [
            kept(tasks[0], "images/a.example/0.png", "elsewhere"),
            kept(tasks[1], "images/a.example/1.png", "once-our-name"),
            kept(tasks[2], "images/a.example/2.png", "once-our-name"),
            kept(tasks[3], "images/a.example/3.png"),
            kept(tasks[4], "images/a.example/4.png"),
        ]
    )
    assert ledger.fetch_again(lambda path: path in {"images/a.example/1.png", "images/a.example/4.png"}) == 2
    assert {task.url for task in take(queues)} == {tasks[2].url, tasks[3].url}


def test_what_is_under_way_is_left_as_it_is(ledger: Ledger) -> None:
    queues = both(ledger)
    queues.tasks.put(images(3))
    tasks = take(queues)
    queues.results.put([kept(task, f"images/a.example/{task.id}.png") for task in tasks])
    assert ledger.refresh() == 3
    assert ledger.fetch_again(lambda _: False) == 0, "each is asked for anyway"
    assert [task.known is None for task in take(queues, worker())] == [False] * 3


def test_it_costs_little(tmp_path: Path) -> None:
    """Files that are there: a look at each record."""
    ledger = Ledger(tmp_path / "many.db", queue=QueueConfig(per_host=500), scope=ScopeConfig(), new_run=True)
    queues = both(ledger)
    queues.tasks.put(images(3000))
    while tasks := take(queues, count=200):
        queues.results.put([kept(task, f"images/a.example/{task.id}.png") for task in tasks])
    (tmp_path / "images").mkdir()
    with cpu_below(0.5):
        assert ledger.fetch_again(lambda path: isinstance(path, str)) == 0
    (record, *_) = queues.results.get(limit=1).records
    assert isinstance(record, ImageRecord)
    ledger.close()
