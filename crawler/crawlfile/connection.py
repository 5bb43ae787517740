"""Connections to a crawl.db; beside ``sqlite_errors`` the only module that knows the sqlite3 library."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from crawler.crawlfile.sqlite_errors import NOT_OPENED, has_code

Connection = sqlite3.Connection
_BUSY_TIMEOUT_S = 30.0
_WAL_PAGES = 8192  # 32 MiB: the same pages change again and again, and are copied back once


def connect_to_write(path: Path) -> Connection:
    """Open the file, or make an empty one. Its user begins and ends transactions, from any thread."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT_S)


def set_up(db: Connection) -> None:
    """With WAL and NORMAL a killed process loses nothing, a power cut at most the last commits, which are repeated."""
    for pragma in (
        "journal_mode = WAL",
        "synchronous = NORMAL",
        f"wal_autocheckpoint = {_WAL_PAGES}",
        "cache_size = -65536",
        "temp_store = MEMORY",
    ):
        db.execute(f"PRAGMA {pragma}")


def check(db: Connection) -> None:
    """Raises sqlite3.DatabaseError if the file is damaged."""
    problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise sqlite3.DatabaseError(problem)


def connect_to_read(path: Path, *, timeout_s: float) -> Connection:
    """Open the file for reading; a lock of another program is waited for, up to *timeout_s* seconds."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=timeout_s)
    try:
        db.execute("PRAGMA application_id")
    except sqlite3.OperationalError as exc:
        db.close()
        wal = path.with_name(f"{path.name}-wal")
        if not has_code(exc, *NOT_OPENED) or (wal.exists() and wal.stat().st_size > 0):
            raise
        # a finished crawl in a folder that may not be written to: without room for SQLite's -shm file it can
        # only be read as what it is, a file that nobody changes (https://sqlite.org/wal.html#readonly)
        db = sqlite3.connect(f"{uri}&immutable=1", uri=True, isolation_level=None)
    return db


def close_from_any_thread(db: Connection) -> None:
    """SQLite refuses a thread that has not opened it; the connection is closed all the same when nobody has it."""
    with suppress(sqlite3.ProgrammingError):
        db.close()


def back_up(db: Connection, path: Path) -> None:
    """Write all that *db* has to a new file at *path*."""
    with closing(sqlite3.connect(path)) as copy, copy:
        db.backup(copy)
