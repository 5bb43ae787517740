"""A crawl.db that somebody else has written to: rows of absurd values, and a file with wrong bytes."""

from __future__ import annotations

import io
import shutil
import sqlite3
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import msgspec

from crawler.catalog.changes import changes
from crawler.catalog.database import Catalog
from crawler.catalog.duplicates import duplicates
from crawler.catalog.explain import explain
from crawler.catalog.export import FORMATS
from crawler.catalog.similar import similar
from crawler.catalog.summary import summarise
from crawler.catalog.verify import FindingKind, verify
from crawler.config import QueueConfig, ScopeConfig
from crawler.crawlfile.columns import record_of, row_of
from crawler.errors import CrawlerError
from crawler.models import (
    Alternative,
    ImageRecord,
    PageRecord,
    RenderOutcome,
    RenderRecord,
    Result,
    Task,
    TaskKind,
)
from crawler.queues.ledger import Ledger
from tests.fuzz.books import Crawl, memory
from tests.fuzz.drawn import Drawn
from tests.support.queues import lease, saved, worker

_TABLES = (
    "images",
    "pages",
    "renders",
    "tasks",
    "hosts",
    "meta",
    "dropped",
    "cookies",
    "sizes",
    "image_history",
    "words",
    "templates",
)
_MOST_CHANGES = 6
TEMPLATE = {"host": "http://victim.example", "name": "family/fine"}


@cache
def original() -> bytes:
    """The file of a small crawl that has come to its end but for some."""
    folder = Path(tempfile.mkdtemp(dir=memory()))
    try:
        made = Crawl(folder)
        made.queues.tasks.leave("victim", charged=False)
        for who in (worker("w1"), worker("h1", TaskKind.PAGE), worker("r1", TaskKind.RENDER)):
            given = lease(made.queues, who, count=2)
            made.queues.results.put([_kept(task) for batch in given.batches for task in batch.tasks])
        for task in range(3):
            made.ledger.template(**TEMPLATE, task=task)
        made.ledger.tell_template(
            **TEMPLATE, outcome=RenderOutcome(task=0, found=(1, 2), gains={"scroll": 2})
        )
        made.ledger.set_seeds(["http://victim.example/"])
        made.ledger.close()
        return (folder / "crawl.db").read_bytes()
    finally:
        shutil.rmtree(folder)


def _kept(task: Task) -> Result:
    result = saved(task)
    if not isinstance(result.record, ImageRecord):
        return result
    facts = {
        "path": f"images/{task.id}.png",
        "sha256": "0" * 64,
        "dhash": "0123456789abcdef",
        "format": "png",
    }
    other = Alternative(url="http://victim.example/s.png", found_in="srcset", rule="smaller")
    record = msgspec.structs.replace(result.record, **facts, alternatives=(other,))
    return msgspec.structs.replace(result, record=record)


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    folder = Path(tempfile.mkdtemp(dir=memory()))
    try:
        file = folder / "crawl.db"
        file.write_bytes(original())
        change = drawn.one_of((_rows, _bytes))
        change(file, drawn)
        _look(folder)
        _go_on(file)
    finally:
        shutil.rmtree(folder)


def _rows(file: Path, drawn: Drawn) -> None:
    with sqlite3.connect(file, isolation_level=None) as db:
        for _ in range(_MOST_CHANGES):
            table = drawn.one_of(_TABLES)
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            column = drawn.one_of(columns)
            value = drawn.one_of(
                (drawn.text, drawn.integer, drawn.real, lambda: drawn.bytes(drawn.byte()), lambda: None)
            )()
            with suppress(sqlite3.Error, OverflowError):  # what the file itself does not let in
                db.execute(f"UPDATE {table} SET {column} = ?", (value,))
            if not drawn.left:
                break
    db.close()


def _bytes(file: Path, drawn: Drawn) -> None:
    content = bytearray(file.read_bytes())
    for _ in range(_MOST_CHANGES):
        at = (drawn.byte() << 16 | drawn.number()) % len(content)
        new = drawn.bytes(1 + drawn.byte() % 16)
        content[at : at + len(new)] = new
        if not drawn.left:
            break
    file.write_bytes(content)


def _look(folder: Path) -> None:
    """As the commands do that read a crawl."""
    try:
        with Catalog(folder) as catalog:
            for kind, records in (
                (ImageRecord, catalog.images),
                (PageRecord, catalog.pages),
                (RenderRecord, catalog.renders),
            ):
                for record in records():
                    assert record_of(kind, row_of(record)) == record  # type: ignore[type-var]
                for write in FORMATS.values():
                    write(records(), kind, io.BytesIO())
            catalog.seeds()
            summarise(catalog)
            explain(catalog, "http://victim.example/0.png")
            list(similar(catalog, distance=4))
            list(duplicates(catalog))
            list(changes(catalog))
            assert all(finding.finding in FindingKind for finding in verify(catalog))
    except CrawlerError as exc:
        assert str(exc)


def _go_on(file: Path) -> None:
    """As a crawl does that is to be gone on with."""
    try:
        ledger = Ledger(
            file, queue=QueueConfig(delay_s=0.0), scope=ScopeConfig(), new_run=True, clock=lambda: 2000.0
        )
    except CrawlerError as exc:
        assert str(exc)
        return
    try:
        ledger.stats()
        ledger.status()
        for who in (worker("w2"), worker("r2", TaskKind.RENDER)):
            ledger.lease(who, count=5, slots=5, wait_s=0.0, held=())
        ledger.template(**TEMPLATE, task=9)
        ledger.tell_template(**TEMPLATE, outcome=RenderOutcome(task=9))
        ledger.records(after=0, limit=100, wait_s=0.0)
        ledger.tick()
    except CrawlerError as exc:
        assert str(exc)
    finally:
        try:
            ledger.close()
        except CrawlerError as exc:
            assert str(exc)
