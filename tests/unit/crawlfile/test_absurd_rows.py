"""Rows of crawl.db that are absurd, though the file is sound to SQLite: everything reads it, goes on, and says so."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from crawler.catalog import Catalog
from crawler.catalog.explain import explain
from crawler.catalog.summary import summarise
from crawler.cli import cli
from crawler.config import QueueConfig, ScopeConfig
from crawler.errors import CrawlerError
from crawler.models import ImageRecord, NewTask, PageRecord, RenderOutcome, RenderRecord, TaskKind
from crawler.queues import QueueResults
from crawler.queues.ledger import Ledger
from tests.support.crawls import SITE, garden, keep, saved
from tests.support.queues import HARVESTER, RENDERER, Queues, image, page, render, take
from tests.support.queues import saved as settled

pytestmark = [pytest.mark.slow, pytest.mark.untraced]

GARBAGE = [
    2**62,
    -(2**62),
    -1,
    9e999,
    0.5,
    "text",
    "{broken",
    "[[",
    '["x"]',
    b"\xff\0\xfe",
    "",
    "\x1b[2J",
    "é" * 9999,
]
WRITTEN = sorted(
    {
        *(("images", name) for name in ImageRecord.__struct_fields__),
        *(("pages", name) for name in PageRecord.__struct_fields__),
        *(("renders", name) for name in RenderRecord.__struct_fields__),
        *(("image_history", name) for name in ("path", "url", "size_bytes", "status")),
        *(
            ("tasks", name)
            for name in ("kind", "url", "depth", "state", "serial", "attempts", "due_s", "origin")
        ),
        *(("tasks", name) for name in ("words", "picture", "px", "record")),
        *(("templates", name) for name in ("host_id", "name", "state")),
        *(("hosts", name) for name in ("name", "delay_s")),
        *(("left_out", name) for name in ("slug", "url", "kind", "page_url", "times")),
        ("dropped", "count"),
        ("dropped", "reason"),
        ("leases", "tasks"),
        ("meta", "value"),
    }
)
COMMANDS = (
    ["inspect"], ["inspect", "--failures"], ["inspect", "--duplicates"], ["inspect", "--verify"], ["inspect", "--json"],
    ["inspect", "--changes"], ["inspect", "--similar"], ["inspect", "--opt-outs"],
    ["status"], ["export", "--format", "jsonl", "-o", "-"],
    ["export", "--format", "csv", "-o", "-"], ["explain", "max-depth"], ["explain", "json-cut"],
)  # fmt: skip


@pytest.fixture(scope="module", name="sound")
def a_sound_crawl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = garden(tmp_path_factory.mktemp("sound"))
    with closing(opened(folder)) as ledger:
        ledger.put([image(1), page(1), NewTask(kind=TaskKind.IMAGE, url=f"{SITE}/new.png")])
        far = NewTask(kind=TaskKind.PAGE, url=f"{SITE}/far", kept_out_by="max-depth")
        ledger.put([far])
        queues = Queues(tasks=ledger, results=QueueResults(ledger), pass_time=lambda _: None)
        ledger.put([render(1)])
        ledger.settle([settled(task) for task in take(queues, RENDERER)])
        ledger.put([render(2)])
        ledger.tell_template(
            host="http://a.example", name="family/fine", outcome=RenderOutcome(task=1, found=(1,))
        )
    return folder


def opened(folder: Path) -> Ledger:
    return Ledger(folder / "crawl.db", queue=QueueConfig(), scope=ScopeConfig(), new_run=True)


def overwritten(folder: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(folder / "crawl.db")) as db, db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute(sql, values)


def run(folder: Path, words: list[str]) -> str:
    result = CliRunner().invoke(cli, [words[0], str(folder), *words[1:]], catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, (SystemExit, CrawlerError)):
        raise result.exception
    assert "Traceback" not in result.output
    assert result.exit_code in {0, 1}, result.output
    assert "damaged" not in result.output
    return result.output


def drained(folder: Path) -> Iterator[str]:
    """Resume: everything that is left is leased, settled, and retried once more; the URLs that were."""
    with closing(opened(folder)) as ledger:
        queues = Queues(tasks=ledger, results=QueueResults(ledger), pass_time=lambda _: None)
        ledger.retry(kind=TaskKind.IMAGE)
        for _ in range(20):
            tasks = [*take(queues), *take(queues, HARVESTER), *take(queues, RENDERER)]
            if not tasks:
                break
            ledger.settle([settled(task) for task in tasks])
            yield from (task.url for task in tasks)
        assert ledger.stats().drained
        ledger.template(host="http://a.example", name="family/fine", task=1)
        ledger.refresh("other rules")
        list(ledger.records(after=0, limit=200, wait_s=0).records)


def test_two_records_of_absurd_sizes_leave_all_commands_and_the_crawl_itself_as_they_were(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = keep(tmp_path, *(saved(tmp_path, f"{SITE}/{n}.png", b"%d" % n) for n in range(3)))
    overwritten(folder, "UPDATE images SET size_bytes = ? WHERE url NOT LIKE '%2.png'", 2**62)
    with Catalog(folder) as catalog:
        assert summarise(catalog).stats.saved_bytes == 1
        assert [record.size_bytes for record in catalog.images()] == [0, 0, 1]
    assert (
        f"in the row of {SITE}/0.png in images can't be right, and counts as not told: size_bytes"
        in caplog.text
    )
    for command in COMMANDS:
        run(folder, command)
    with closing(opened(folder)) as ledger:
        assert ledger.stats().saved_bytes == 1
        assert ledger.refresh() > 0


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("table", "column"), WRITTEN)
def test_garbage_in_any_column_stops_nothing(
    sound: Path, tmp_path: Path, table: str, column: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    for number, garbage in enumerate(GARBAGE):
        if (column, garbage) == ("delay_s", 0.5):  # which is none
            continue
        folder = shutil.copytree(sound, tmp_path / str(number))
        some = "rowid % 2 = 0 OR rowid = 1" if table not in {"meta", "dropped", "templates"} else "TRUE"
        if table == "meta":
            some = "key NOT IN ('schema')"
        try:
            overwritten(folder, f"UPDATE OR IGNORE {table} SET {column} = ? WHERE {some}", garbage)
        except sqlite3.IntegrityError:
            continue
        with Catalog(folder) as catalog:
            summary = summarise(catalog)
            assert summary.stats.images.discovered >= 0
            for record in [*catalog.images(), *catalog.pages(), *catalog.renders()]:
                assert record.url
            for url in (f"{SITE}/i/rose.png", f"{SITE}/", f"{SITE}/nowhere.png"):
                explain(catalog, url)
        for command in COMMANDS if number % 4 == 0 else COMMANDS[:1]:
            run(folder, command)
        list(drained(folder))
