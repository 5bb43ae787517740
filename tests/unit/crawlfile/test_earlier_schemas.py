"""A crawl.db of an earlier version: it is read as it is, and becomes one of this version when its crawl goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from crawler.catalog.database import Catalog
from crawler.catalog.left_out import of_slug, unlisted
from crawler.catalog.summary import summarise
from crawler.config import QueueConfig, ScopeConfig
from crawler.crawlfile import schema
from crawler.crawlfile.schema import COLUMNS
from crawler.models import PageRecord, RenderRecord, TaskKind
from crawler.queues import QueueResults
from crawler.queues.ledger import Ledger
from tests.support.earlier import of_schema
from tests.support.queues import (
    HARVESTER,
    RENDERER,
    Queues,
    embedded,
    failed,
    image,
    page,
    render,
    saved,
    take,
    worker,
)

EARLIER = [4, 5, 6, 7, 8, 9, 10, 11, 12]


@pytest.fixture(name="crawl")
def a_crawl(tmp_path: Path) -> Path:
    """One with a page that was read, one that failed, an image that was saved, and one more that waits."""
    with embedded(tmp_path / "crawl.db", queue=QueueConfig(), scope=ScopeConfig()) as (_, queues):
        queues.tasks.put([page(1), page(2), image(1)])
        one, two = take(queues, HARVESTER)
        queues.results.put([saved(one), failed(two)])
        queues.results.put([saved(task) for task in take(queues)])
        queues.tasks.put([image(2)])
    return tmp_path


def shape(folder: Path) -> dict[str, Any]:
    """The tables, views and indexes of a file, and their columns."""
    with closing(sqlite3.connect(folder / "crawl.db")) as db:
        kinds = "('table', 'view')"
        tables = [name for (name,) in db.execute(f"SELECT name FROM sqlite_master WHERE type IN {kinds}")]
        found: dict[str, Any] = {name: db.execute(f"PRAGMA table_info({name})").fetchall() for name in tables}
        for name in tables:
            for _, index, *facts in db.execute(f"PRAGMA index_list({name})").fetchall():
                found[index] = (facts, db.execute(f"PRAGMA index_info({index})").fetchall())
    # what a column has where nothing was said, does not matter to who says everything
    return {name: _without_defaults(rows) for name, rows in found.items()}


def _without_defaults(rows: Any) -> Any:
    return [(*row[:4], *row[5:]) for row in rows] if isinstance(rows, list) else rows


@pytest.mark.parametrize("version", EARLIER)
def test_it_becomes_such_as_a_new_one_is(
    crawl: Path, tmp_path_factory: pytest.TempPathFactory, version: int
) -> None:
    fresh = tmp_path_factory.mktemp("fresh")
    with embedded(fresh / "crawl.db", queue=QueueConfig(), scope=ScopeConfig()):
        pass
    of_schema(version, crawl)
    assert shape(crawl) != shape(fresh)
    with embedded(crawl / "crawl.db", queue=QueueConfig(), scope=ScopeConfig()):
        pass
    assert shape(crawl) == shape(fresh)
    with closing(sqlite3.connect(crawl / "crawl.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == schema.SCHEMA_VERSION
        assert (
            db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()[0] == schema.SCHEMA_VERSION
        )


@pytest.mark.parametrize("version", EARLIER)
def test_its_crawl_goes_on(crawl: Path, version: int) -> None:
    of_schema(version, crawl)
    ledger = Ledger(crawl / "crawl.db", queue=QueueConfig(), scope=ScopeConfig(), new_run=True)
    queues = Queues(tasks=ledger, results=QueueResults(ledger), pass_time=lambda _: None)
    try:
        stats = ledger.stats()
        assert (stats.page_status, stats.image_status) == ({"harvested": 1, "failed": 1}, {"saved": 1})
        assert stats.renders.discovered == 0
        assert ledger.retry(kind=TaskKind.PAGE) == 1
        queues.tasks.put([render(1)])
        [reading] = take(queues, HARVESTER)
        [rendering] = take(queues, RENDERER)
        queues.results.put([saved(reading), saved(rendering)])
        records = queues.results.get().records
    finally:
        ledger.close()
    assert sum(isinstance(record, RenderRecord) for record in records) == 1
    assert {record.render for record in records if isinstance(record, PageRecord)} == {""}
    with Catalog(crawl) as catalog:
        assert [record.url for record in catalog.renders(status=("rendered",))] == [render(1).url]


def test_leases_outlive_the_step_from_a_version_that_marked_each_task(crawl: Path) -> None:
    queue = QueueConfig()
    with embedded(crawl / "crawl.db", queue=queue, scope=ScopeConfig()) as (_, queues):
        queues.tasks.put([image(3)])
        held = take(queues)
    of_schema(10, crawl)
    with Catalog(crawl) as catalog:
        assert summarise(catalog).stats.images.leased == len(held) == 2
    with embedded(crawl / "crawl.db", queue=queue, scope=ScopeConfig(), new_run=False) as (_, queues):
        assert queues.tasks.stats().images.leased == 2
        tokens = [task.token for task in held]
        assert queues.tasks.heartbeat(worker(), held=tokens).lost == ()
        queues.tasks.release(worker(), tokens)
        assert [(task.serial, task.attempt) for task in take(queues)] == [(2, 1), (2, 1)]


@pytest.mark.parametrize("version", EARLIER)
def test_it_is_read_as_it_is(crawl: Path, version: int) -> None:
    of_schema(version, crawl)
    before = (crawl / "crawl.db").read_bytes()
    with Catalog(crawl) as catalog:
        assert [record.render for record in catalog.pages()] == ["", ""]
        assert len(list(catalog.images())) == 1
        assert list(catalog.renders()) == []
        assert list(catalog.where(RenderRecord, "url = ?", render(1).url)) == []
        summary = summarise(catalog)
        assert summary.stats.page_status == {"harvested": 1, "failed": 1}
        assert summary.stats.render_status == {}
        assert not summary.finished
        assert of_slug(catalog, "render-media").pages == ()
        assert unlisted(catalog) == {}
    assert (crawl / "crawl.db").read_bytes() == before, "nothing is written by who reads"


def test_a_record_of_each_kind_has_its_columns_in_their_order(crawl: Path) -> None:
    with closing(sqlite3.connect(crawl / "crawl.db")) as db:
        for kind, table in schema.TABLES.items():
            names = [name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")]
            assert tuple(names) == ("seq", "task_id", *COLUMNS[kind])
