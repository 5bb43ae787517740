"""SQLite's errors: in words that say what to do, and those of our own as they are."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from crawler import errors
from crawler.crawlfile.sqlite_errors import explained


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (sqlite3.SQLITE_FULL, errors.StorageFull),
        (sqlite3.SQLITE_IOERR | (3 << 8), errors.StorageFull),
        (sqlite3.SQLITE_CORRUPT, errors.LedgerCorrupt),
        (sqlite3.SQLITE_NOTADB, errors.LedgerCorrupt),
        (sqlite3.SQLITE_READONLY, errors.StorageFailed),
        (sqlite3.SQLITE_BUSY, errors.StorageFailed),
    ],
)
def test_sqlites_errors_say_what_to_do(code: int, error: type[errors.CrawlError], tmp_path: Path) -> None:
    broken = sqlite3.OperationalError("as SQLite says it")
    broken.sqlite_errorcode = code
    told: list[str] = []
    with pytest.raises(error, match="it can't be used") as caught, explained(tmp_path, told.append):
        raise broken
    assert told == [str(caught.value)]
    assert caught.value.__cause__ is broken


def test_a_fault_of_our_own_is_not_blamed_on_the_disk(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.IntegrityError), explained(tmp_path):
        raise sqlite3.IntegrityError("UNIQUE constraint failed")
