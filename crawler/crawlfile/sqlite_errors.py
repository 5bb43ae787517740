"""SQLite's errors in words that say what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from crawler.crawlfile import columns
from crawler.errors import CrawlError, FolderError, LedgerCorrupt, StorageFailed, StorageFull, UsageError
from crawler.text.plain_errors import plain

SqliteError = sqlite3.Error
NOT_OPENED = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


def has_code(error: Exception, *codes: int) -> bool:
    """Whether the error has one of these primary result codes (https://sqlite.org/rescode.html)."""
    code = getattr(error, "sqlite_errorcode", None)  # which errors of the binding itself have not
    return code is not None and code & 0xFF in codes


def damage(text: str) -> SqliteError:
    """The error for a damaged file where we see that, not SQLite: it compares an index and its table nowhere."""
    return sqlite3.DatabaseError(text)


@contextmanager
def explained(path: Path, on_error: Callable[[str], None] | None = None) -> Iterator[None]:
    """SQLite's errors within the block become ours, which say what to do; *on_error* hears of them first.

    Raises StorageFull, StorageFailed or LedgerCorrupt, about the file at *path*.
    """
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError):
        raise  # a fault of this program
    except (sqlite3.DatabaseError, *columns.UNREADABLE) as exc:
        error = _explain(exc, path)
        if on_error is not None:
            on_error(str(error))
        raise error from exc


def _explain(error: Exception, path: Path) -> CrawlError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return LedgerCorrupt(
            f"{path} is damaged ({plain(error)}); start over with --fresh, or put a sound copy"
            " of it back. The saved images are not touched before that"
        )
    if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
        return StorageFull(
            f"no room for {path} ({plain(error)}); free some space and run the same command again"
        )
    return StorageFailed(f"can't use {path}: {plain(error)}")


@contextmanager
def explained_to_reader(path: Path, *, timeout_s: float) -> Iterator[None]:
    """The same for a reader of the file, who waits *timeout_s* seconds for a lock.

    Raises LedgerCorrupt; StorageFailed: it stays locked; FolderError: it can't be opened; UsageError: it is closed.
    """
    try:
        yield
    except sqlite3.ProgrammingError as exc:
        if "closed database" in str(exc):
            raise UsageError(f"the catalog of {path.parent} is closed; open it anew") from exc
        raise  # a fault of this program
    except (sqlite3.DatabaseError, UnicodeError) as exc:
        if has_code(exc, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StorageFailed(
                f"{path} has been locked for {timeout_s:.0f} s by another program; try again"
            ) from exc
        if has_code(exc, *NOT_OPENED):
            raise FolderError(f"can't open {path}: {plain(exc)}; check who may read it") from exc
        raise LedgerCorrupt(
            f"{path} is damaged ({plain(exc)}); put a copy of it back, or crawl again with --fresh"
            " (the saved images stay usable)"
        ) from exc
