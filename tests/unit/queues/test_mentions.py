"""Mentions of images that are yet to be moved to their place in crawl.db."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from crawler.catalog import Catalog
from crawler.catalog.image_pages import left_out
from crawler.config import QueueConfig, ScopeConfig
from crawler.models import NewTask, Origin
from crawler.queues import mentions
from tests.support.queues import embedded, image, page, saved, take


def on(number: int) -> NewTask:
    return msgspec.structs.replace(image(0), origin=Origin(page_url=page(number).url, found_in="img"))


def other(number: int) -> NewTask:
    return msgspec.structs.replace(image(1), origin=on(number).origin)


def rows(path: Path) -> tuple[int, int]:
    """How many were moved, and how many pages wait."""
    with closing(sqlite3.connect(path)) as db:
        sql = "SELECT (SELECT count(*) FROM mentions), (SELECT count(*) FROM new_mentions)"
        moved, waiting = db.execute(sql).fetchone()
    return moved, waiting


def test_they_are_moved_after_a_while_and_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "crawl.db"
    with embedded(path, queue=QueueConfig(), scope=ScopeConfig()) as (ledger, queues):
        for number in range(1, 4):
            queues.tasks.put([on(number)])
        ledger.tick()
        assert rows(path) == (0, 2)
        queues.pass_time(mentions._WAIT_S)
        ledger.tick()
        assert rows(path) == (2, 0)
        queues.tasks.put([on(4), on(2)])
        assert rows(path) == (2, 2)
    assert rows(path) == (3, 0)


def test_thousands_are_moved_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mentions, "_AT_ONCE", 3)
    path = tmp_path / "crawl.db"
    with embedded(path, queue=QueueConfig(), scope=ScopeConfig()) as (_, queues):
        for number in range(1, 6):
            queues.tasks.put([on(number)])
        assert rows(path) == (3, 1)


def test_what_waited_when_the_manager_was_killed_is_moved_by_the_next_one(tmp_path: Path) -> None:
    before, after = tmp_path / "before.db", tmp_path / "after.db"
    with embedded(before, queue=QueueConfig(), scope=ScopeConfig()) as (_, queues):
        for number in range(1, 4):
            queues.tasks.put([on(number)])
        with closing(sqlite3.connect(before)) as source, closing(sqlite3.connect(after)) as db:
            source.backup(db)
            db.execute("INSERT INTO new_mentions (url, images) VALUES (7, 'no page')")  # of another program
            db.commit()
    with embedded(after, queue=QueueConfig(), scope=ScopeConfig()) as (ledger, _):
        assert rows(after) == (0, 3)
        ledger.tick()
        assert rows(after) == (2, 0)


@pytest.mark.parametrize("at_once", [1, 3, 4096])
def test_of_each_image_so_many_are_kept_and_the_rest_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(mentions, "MOST_PAGES", 4)
    monkeypatch.setattr(mentions, "_ADD_IF_ROOM", mentions._ADD_IF_ROOM.replace("OFFSET 999", "OFFSET 3"))
    monkeypatch.setattr(mentions, "_KEPT", mentions._KEPT.replace("LIMIT 1000", "LIMIT 4"))
    monkeypatch.setattr(mentions, "_AT_ONCE", at_once)
    with embedded(tmp_path / "crawl.db", queue=QueueConfig(), scope=ScopeConfig()) as (ledger, queues):
        queues.tasks.put([image(0), image(1)])
        for number in range(7):
            queues.tasks.put([on(number), *([other(number)] if number in {1, 5} else [])])
        queues.tasks.put([on(2)])  # it is kept
        queues.results.put([saved(task) for task in take(queues)])
        queues.pass_time(mentions._WAIT_S)
        ledger.tick()
        assert queues.tasks.stats().dropped == {mentions.IMAGE_PAGES: 3}
    with Catalog(tmp_path) as catalog:
        first, second = catalog.images()
        assert catalog.pages_of(first) == (tuple(page(n).url for n in range(4)), 3)
        assert catalog.pages_of(first, most=2).more == 5
        assert catalog.pages_of(second) == ((page(1).url, page(5).url), 0)
        assert left_out(catalog) == 3
