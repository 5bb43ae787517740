"""Claims: which path holds which bytes, a row for each SHA-256 in a small SQLite file; the first to claim wins.

All processes of a machine write to one file. Each machine has a file of its own: SQLite in WAL mode is for one machine
at a time (sqlite.org/wal.html), and a folder may be mounted by several.

Earlier versions made a tiny file for each digest, and before that a symbolic link: one more inode for each image, of
which a disk needed up to half a millisecond. ``renew`` turns both into rows.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

from crawler.crawlfile.connection import connect_to_write
from crawler.crawlfile.sqlite_errors import has_code
from crawler.errors import StorageFailed, StorageFull
from crawler.retrying import Retrying
from crawler.text.plain_errors import plain

_CREATE = "CREATE TABLE IF NOT EXISTS claims (sha256 BLOB PRIMARY KEY, path TEXT NOT NULL) WITHOUT ROWID"
_TAKE = "INSERT OR IGNORE INTO claims VALUES (?, ?)"
_TAKE_OVER = "INSERT OR REPLACE INTO claims VALUES (?, ?)"
_HOLDER = "SELECT path FROM claims WHERE sha256 = ?"
_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_EARLIER_FOLDER = re.compile("[0-9a-f]{2}")
_DIGEST = re.compile("[0-9a-f]{64}")
_MOST_BYTES = 32_768
"""More than any path has; a copy that followed an earlier version's link has an image in place of a claim."""


class Claims:
    """The claims of one storage, in *file*, which is made when it is needed. Thread-safe.

    Raises StorageFull and StorageFailed.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None
        self._opening = Retrying(_is_busy, first_wait_s=0.01, max_wait_s=0.2, tries=50)

    def holder(self, sha256: str) -> str | None:
        """The path that has claimed the bytes, or None. Callers check that its file has them."""
        if self._opened is None and not self._file.exists():
            return None  # it is made by the first claim
        with self._db() as db:
            row = db.execute(_HOLDER, (bytes.fromhex(sha256),)).fetchone()
        return None if row is None else str(row[0])

    def take(self, sha256: str, path: str) -> bool:
        """Claim the bytes for *path*; False when there is a claim already."""
        with self._db() as db:
            return db.execute(_TAKE, (bytes.fromhex(sha256), path)).rowcount == 1

    def take_over(self, sha256: str, path: str) -> None:
        """Claim the bytes for *path*, whoever had them."""
        with self._db() as db:
            db.execute(_TAKE_OVER, (bytes.fromhex(sha256), path))

    def renew(self) -> int:
        """Turn the claims of an earlier version into rows, and return how many there were.

        A damaged file is put aside: the same bytes may be kept twice then, and nothing is lost.
        """
        try:
            with self._db():
                pass
        except StorageFailed as exc:
            if not isinstance(exc.__cause__, sqlite3.Error) or not has_code(exc.__cause__, *_DAMAGED):
                raise
            self._file.replace(self._file.with_suffix(".damaged"))
        return sum(map(self._renewed, _earlier_folders(self._file.parent)))

    def _renewed(self, folder: Path) -> int:
        files = [file for file in folder.iterdir() if _DIGEST.fullmatch(file.name)]
        claims = [(bytes.fromhex(file.name), path) for file in files if (path := _earlier_claim(file))]
        with self._db() as db:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(_TAKE, claims)
            db.execute("COMMIT")
        for file in files:  # now that the rows are there
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it holds something else
            folder.rmdir()
        return len(claims)

    @contextlib.contextmanager
    def _db(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                if self._opened is None:
                    self._opened = self._opening(self._open)
                yield self._opened
        except sqlite3.Error as exc:
            if has_code(exc, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
                raise StorageFull(
                    f"no room for {self._file} ({plain(exc)}); make room and start the crawl again"
                ) from exc
            advice = "remove it" if has_code(exc, *_DAMAGED) else "see to it"
            raise StorageFailed(
                f"{self._file} can't be used: {plain(exc)}; {advice} and start the crawl again"
            ) from exc

    def _open(self) -> sqlite3.Connection:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        db = connect_to_write(self._file)
        try:
            # a power failure takes the last claims at most: the same bytes may be kept twice then
            for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", _CREATE):
                db.execute(statement)
        except BaseException:
            db.close()
            raise
        return db


def _is_busy(error: BaseException) -> bool:
    """While one process turns WAL on, SQLite does not let others wait for that: it refuses them."""
    return isinstance(error, sqlite3.Error) and has_code(error, sqlite3.SQLITE_BUSY)


def _earlier_folders(index: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return [folder for folder in index.iterdir() if _EARLIER_FOLDER.fullmatch(folder.name)]
    return []


def _earlier_claim(file: Path) -> str:
    """The path that an earlier version's claim names; empty if it names none."""
    try:
        found = file.lstat()
        if stat.S_ISLNK(found.st_mode):
            return os.readlink(file)  # noqa: PTH115 - a Path would tidy the text up
        text = file.read_text(encoding="utf-8") if found.st_size <= _MOST_BYTES else ""
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
    return text.removesuffix("\n") if text.endswith("\n") else ""  # without its end it is half written
