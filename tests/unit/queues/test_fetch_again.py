"""Images that were saved and whose files are gone are put back, and nothing else is."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from crawler.config import QueueConfig, ScopeConfig
from crawler.crawlfile.file_names import FOLDER_ID
from crawler.crawlfile.keepers import Here, Keeper, id_of, mark, own_name
from crawler.models import ImageRecord, ImageStatus, NewTask, Origin, Result, Task, TaskKind
from crawler.queues import QueueResults
from crawler.queues.ledger import Ledger
from tests.support.cpu_time import cpu_below
from tests.support.queues import Queues, books, failed, images, saved, take, worker

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
    return Queues(tasks=ledger, results=QueueResults(ledger), pass_time=lambda _: ledger.tick())


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


def path_of(task: Task) -> str:
    return f"images/a.example/{task.id}.png"


def test_what_another_folder_keeps_may_be_there(ledger: Ledger, tmp_path: Path) -> None:
    """Also of a worker on a machine of the same name, be it a clone or this one."""
    queues = both(ledger)
    queues.tasks.put(images(5))
    tasks = take(queues)
    mine, other = (own_name(tmp_path / name) for name in ("crawl", "pics"))
    mounted = mine.partition(" ")[0] + " elsewhere:/mnt/crawl"
    kept_by = ["", mine, mounted, other, "0123456789abcdef elsewhere:/srv/pics"]
    queues.results.put(
        [kept(task, path_of(task), kept_by=of) for task, of in zip(tasks, kept_by, strict=True)]
    )
    assert ledger.fetch_again(lambda _: False, Here(tmp_path / "crawl").keeps) == 3
    assert {task.url for task in take(queues)} == {task.url for task in tasks[:3]}


def test_the_id_goes_with_the_folder_and_is_lost_with_it(tmp_path: Path) -> None:
    name = own_name(tmp_path / "pics")
    folder_id, _, where = name.partition(" ")
    assert where == f"{HERE}:{tmp_path / 'pics'}"
    assert own_name(tmp_path / "pics") == name, "it has one id"
    (tmp_path / "pics").rename(tmp_path / "moved")
    assert Here(tmp_path / "moved").keeps(Keeper(folder_id, HERE, str(tmp_path / "pics")))
    assert own_name(tmp_path / "pics").partition(" ")[0] != folder_id, "what has come in its place is another"
    assert not Here(tmp_path / "none").keeps(Keeper(folder_id))
    assert not (tmp_path / "none").exists(), "who asks makes nothing"


def test_many_processes_that_begin_at_once_give_a_folder_one_id(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: mark(tmp_path / "pics"), range(64)))
    assert found == {id_of(tmp_path / "pics")}


def test_an_id_that_was_half_written_when_its_writer_was_killed_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / FOLDER_ID).parent.mkdir()
    (tmp_path / FOLDER_ID).touch()
    assert id_of(tmp_path) == ""
    assert mark(tmp_path) == id_of(tmp_path) != ""


def test_a_crawl_of_an_earlier_version_tells_machines_by_name(ledger: Ledger, tmp_path: Path) -> None:
    queues = both(ledger)
    queues.tasks.put(images(5))
    tasks = take(queues)
    names = ["elsewhere", "once-our-name", "once-our-name", HERE, HERE]
    queues.results.put([kept(task, path_of(task), name) for task, name in zip(tasks, names, strict=True)])
    with closing(sqlite3.connect(tmp_path / "crawl.db")) as db, db:
        db.execute("UPDATE images SET kept_by = '?'")
    there = {path_of(tasks[1]), path_of(tasks[4])}
    assert ledger.fetch_again(lambda path: path in there, Here(tmp_path).keeps) == 2
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
