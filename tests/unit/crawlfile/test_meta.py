"""The table meta: what is written under a key is read again, and nobody else spells a key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import crawler
from crawler.crawlfile import meta
from crawler.crawlfile.connection import Connection
from crawler.crawlfile.meta import MetaKey
from crawler.crawlfile.schema import SCHEMA_VERSION, connect

PACKAGE = Path(crawler.__file__).parent


@pytest.fixture(name="db")
def a_file(tmp_path: Path) -> Iterator[Connection]:
    with closing(connect(tmp_path / "crawl.db")) as db:
        yield db


def test_a_new_file_has_its_version_alone(db: Connection) -> None:
    rows = db.execute("SELECT key, value FROM meta").fetchall()
    assert rows == [(MetaKey.SCHEMA, SCHEMA_VERSION)]


def test_a_value_is_read_until_it_is_removed(db: Connection) -> None:
    assert meta.read(db, MetaKey.PAUSED) is None
    meta.write(db, MetaKey.PAUSED, "alice")
    meta.write(db, MetaKey.PAUSED, "bob")
    meta.write(db, MetaKey.STOPPED, "a full disk")
    assert meta.read(db, MetaKey.PAUSED) == "bob"
    meta.remove(db, MetaKey.PAUSED, MetaKey.RENDERER)
    assert (meta.read(db, MetaKey.PAUSED), meta.read(db, MetaKey.STOPPED)) == (None, "a full disk")


def test_counts_begin_at_one(db: Connection) -> None:
    for count in (1, 2, 3):
        meta.count_up(db, MetaKey.REFRESHES)
        assert meta.read(db, MetaKey.REFRESHES) == count


def test_nobody_else_spells_a_key() -> None:
    of_sql = re.compile(r"(?:FROM|INTO|UPDATE) meta\b")
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if of_sql.search(path.read_text(encoding="utf-8"))
    }
    # a catalog reads in its own way, by a MetaKey; repairs ask for values of any type
    assert found == {"crawlfile/meta.py", "crawlfile/schema.py", "catalog/database.py", "queues/repair.py"}
