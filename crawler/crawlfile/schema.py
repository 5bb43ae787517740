"""The ledger's file: its tables, how records lie in them, and SQLite's errors in words that help."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from crawler.crawlfile import columns
from crawler.crawlfile.keepers import UNTOLD
from crawler.errors import CrawlError, FolderError, LedgerCorrupt, StorageFailed, StorageFull
from crawler.logs.events import FILE_NOT_RESTORED, FILE_UPGRADED, tell
from crawler.models import ORIGIN_FIELDS, RECORDS, ImageRecord, Origin, Record, RenderRecord, TaskKind
from crawler.models.image_words import bits_of
from crawler.queues.validation import FLAWS
from crawler.text.plain_errors import plain

log = logging.getLogger(__name__)

APPLICATION_ID = 0x696D6372  # "imcr"
SCHEMA_VERSION = 8
_WAL_PAGES = 8192  # 32 MiB: the same pages change again and again, and are copied back once
QUEUE_IDS = 2**40
"""From here on the ids of tasks are given by a queue elsewhere, below by whoever writes to the file."""

_DECODE_ORIGIN = msgspec.msgpack.Decoder(Origin).decode
Connection = sqlite3.Connection
TABLES = {TaskKind.IMAGE: "images", TaskKind.PAGE: "pages", TaskKind.RENDER: "renders"}
HISTORY = "image_history"
"""Records of images that have other bytes by now."""
_OPT_OUTS = tuple(
    f"ALTER TABLE {table} ADD COLUMN {column}"
    for table in (TABLES[TaskKind.IMAGE], HISTORY)
    for column in ("opt_outs TEXT NOT NULL DEFAULT ''", "more_opt_outs INTEGER NOT NULL DEFAULT 0")
)
_RENDERS = (
    "ALTER TABLE pages ADD COLUMN render TEXT NOT NULL DEFAULT ''",
    """CREATE TABLE renders (seq INTEGER PRIMARY KEY, task_id INTEGER NOT NULL UNIQUE, url TEXT NOT NULL,
    status TEXT NOT NULL, reason TEXT NOT NULL, final_url TEXT NOT NULL, title TEXT NOT NULL, images INTEGER NOT NULL,
    links INTEGER NOT NULL, gains TEXT NOT NULL, requests INTEGER NOT NULL, left_out TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, http_status INTEGER NOT NULL, page_url TEXT NOT NULL, found_in TEXT NOT NULL,
    template TEXT NOT NULL, signs TEXT NOT NULL, depth INTEGER NOT NULL, attempts INTEGER NOT NULL,
    worker TEXT NOT NULL, elapsed_s REAL NOT NULL, finished_at TEXT NOT NULL, detail TEXT NOT NULL,
    revisit TEXT NOT NULL, revisit_reason TEXT NOT NULL)""",
    "CREATE INDEX renders_status ON renders (status, reason)",
    """CREATE TABLE templates (host_id INTEGER NOT NULL, name TEXT NOT NULL, state BLOB NOT NULL,
    PRIMARY KEY (host_id, name)) WITHOUT ROWID""",
)
_RUNS = (
    """CREATE TABLE runs (number INTEGER PRIMARY KEY, begun_at TEXT NOT NULL, ended_at TEXT NOT NULL,
    kind TEXT NOT NULL, outcome TEXT NOT NULL, version TEXT NOT NULL, settings TEXT NOT NULL, notes TEXT NOT NULL)""",
)
_KEEPERS = tuple(
    f"ALTER TABLE {table} ADD COLUMN kept_by TEXT NOT NULL DEFAULT '{UNTOLD}'"
    for table in (TABLES[TaskKind.IMAGE], HISTORY)
)
STEPS: dict[int, tuple[str, ...]] = {4: _OPT_OUTS, 5: _RENDERS, 6: _RUNS, 7: _KEEPERS}
"""What makes a file of the next version of one of this version. Columns are added at the end, as in the records."""
COLUMNS = {kind: record.__struct_fields__ for kind, record in RECORDS.items()}
INSERTS = {
    kind: f"INSERT INTO {TABLES[kind]} VALUES ({', '.join('?' * (2 + len(columns)))})"  # noqa: S608 - our own names
    for kind, columns in COLUMNS.items()
}


def to_record(kind: TaskKind, values: Sequence[Any]) -> Record:
    """A row of COLUMNS[kind] as a record; what can't be right in it is as if it had not been told."""
    try:
        return columns.record_of(RECORDS[kind], values)
    except FLAWS:
        return columns.mended(RECORDS[kind], values).record


def origin_in(blob: bytes | None) -> Origin | None:
    """The origin that a task's row has; None, as for a seed, if it has none that can be read."""
    try:
        return None if blob is None else _DECODE_ORIGIN(blob)
    except (*FLAWS, TypeError):
        return None


def origin_of(record: Record, kind: TaskKind) -> Origin | None:
    """The origin that the record's task had; None for a seed."""
    has_more = (isinstance(record, ImageRecord) and bits_of(record)) or (
        isinstance(record, RenderRecord) and (record.template or record.signs)
    )
    if not (record.page_url or record.found_in or has_more):
        return None
    return Origin(**{name: getattr(record, name) for name in ORIGIN_FIELDS[kind]})


def host_id(db: Connection, name: str) -> int:
    """Of the host of that name, which is one of those in the file from then on."""
    row = db.execute("SELECT id FROM hosts WHERE name = ?", (name,)).fetchone()
    if row is None:
        row = db.execute("INSERT INTO hosts (name) VALUES (?) RETURNING id", (name,)).fetchone()
    return int(row[0])


def next_id(db: Connection) -> int:
    """The first that no task has, nor any that comes after it, of those below QUEUE_IDS."""
    sql = "SELECT coalesce(max(id), 0) FROM tasks WHERE id < ?"
    return 1 + int(db.execute(sql, (QUEUE_IDS,)).fetchone()[0])


def next_seq(db: Connection) -> int:
    """Of the next record, of any kind."""
    return 1 + max(
        int(db.execute(f"SELECT coalesce(max(seq), 0) FROM {table}").fetchone()[0])  # noqa: S608 - our own names
        for table in TABLES.values()
    )


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, and make its tables if it is new. Raises FolderError when it is something else."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    try:
        # a kill between the file's first byte and its tables leaves an empty database
        new = not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        steps = [] if new else _check(db, path)
        # WAL with NORMAL: a killed process loses nothing; a power cut at most the last commits, which are repeated
        for pragma in (
            "journal_mode = WAL",
            "synchronous = NORMAL",
            f"wal_autocheckpoint = {_WAL_PAGES}",
            "cache_size = -65536",
            "temp_store = MEMORY",
        ):
            db.execute(f"PRAGMA {pragma}")
        if new:
            _create(db)
        elif steps:
            _bring_up_to_date(db, path, steps)
    except BaseException:
        db.close()
        raise
    return db


def _check(db: sqlite3.Connection, path: Path) -> list[str]:
    """What brings it up to date. Raises FolderError for what it can't be brought from."""
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise FolderError(f"{path} is not a crawl's ledger; choose another folder")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    steps = [step for before in range(version, SCHEMA_VERSION) for step in STEPS.get(before, ())]
    if not (version == SCHEMA_VERSION or (version in STEPS and version < SCHEMA_VERSION)):
        raise FolderError(
            f"{path} was written by another version (schema {version}, this one has {SCHEMA_VERSION});"
            " go on with that version, or start over with --fresh"
        )
    problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise sqlite3.DatabaseError(problem)
    return steps


def _bring_up_to_date(db: sqlite3.Connection, path: Path, steps: list[str]) -> None:
    """All at once or not at all: a kill leaves a file of before, or one of now."""
    db.execute("BEGIN IMMEDIATE")
    for step in steps:
        db.execute(step)
    db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (SCHEMA_VERSION,))
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")
    tell(log, FILE_UPGRADED, file=path, schema=SCHEMA_VERSION)


def _create(db: sqlite3.Connection) -> None:
    tables = [
        f"CREATE TABLE {TABLES[kind]} (seq INTEGER PRIMARY KEY, task_id INTEGER NOT NULL UNIQUE,"
        f" {', '.join(f'{name} {columns.affinity(record, name)} NOT NULL' for name in COLUMNS[kind])});"
        f" CREATE INDEX {TABLES[kind]}_status ON {TABLES[kind]} (status, reason);"
        for kind, record in RECORDS.items()
    ]
    tables.append("CREATE INDEX images_path ON images (path) WHERE path != '';")
    tables.append(
        f"CREATE TABLE {HISTORY} (seq INTEGER PRIMARY KEY, task_id INTEGER NOT NULL,"
        f" {', '.join(f'{name} {columns.affinity(ImageRecord, name)} NOT NULL' for name in COLUMNS[TaskKind.IMAGE])});"
        f" CREATE INDEX {HISTORY}_url ON {HISTORY} (url);"
    )
    schema = files("crawler.crawlfile").joinpath("schema.sql").read_text(encoding="utf-8")
    script = [
        "BEGIN;",
        f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};",
        schema,
        *tables,
        f"INSERT INTO meta VALUES ('schema', {SCHEMA_VERSION});",  # noqa: S608 - our own number
        "COMMIT;",
    ]
    db.executescript("\n".join(script))


class Whereabouts:
    """Whether the file at *path*, which has just been opened, is still there.

    One that is removed can be written to as before by whoever has it open, and all of that is gone in the end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = self._found()
        self._besides = self._look_beside()

    def problem(self) -> str:
        """What has become of it, and what to do; empty as long as it is there."""
        found = self._found()
        if found == self._identity:
            self._besides = self._look_beside()
            return ""
        if found is None:
            return (
                f"{self._path} was removed in mid-crawl, and nothing more can be kept there; it is put back with all"
                " that it had, and the same command goes on with it. To begin anew, give that command --fresh"
            )
        return (
            f"another file has taken the place of {self._path} in mid-crawl, and nothing more can be kept there; that"
            " file is left as it is. Put the right one back and run the same command again, or start over with --fresh"
        )

    def copy_of(self, db: Connection) -> Path | None:
        """What *db* has, beside the place that the file was removed from; None if there is no need, or no way."""
        if self._found() is not None:
            return None
        copy = self._path.with_name(f".{self._path.name}-{os.getpid()}")
        try:
            self._path.parent.mkdir(exist_ok=True)
            copy.unlink(missing_ok=True)
            with sqlite3.connect(copy) as there:
                db.backup(there)
            there.close()
        except (OSError, sqlite3.Error) as exc:
            tell(log, FILE_NOT_RESTORED, file=self._path, reason=exc)
            return None
        return copy

    def leave(self, copy: Path | None) -> None:
        """Once the file is closed: what is in *copy* takes its place, unless somebody else's has.

        What SQLite had beside ours would be read as a part of either.
        """
        if self._found() == self._identity:
            return
        try:
            for file, identity in self._besides.items():
                if _identity(file) == identity:
                    file.unlink(missing_ok=True)
            if copy is not None:
                if self._found() is None:
                    copy.rename(self._path)
                copy.unlink(missing_ok=True)
        except OSError as exc:
            tell(log, FILE_NOT_RESTORED, file=self._path, reason=f"{plain(exc)}; what was in it is in {copy}")

    def _found(self) -> tuple[int, int] | None:
        try:
            return _identity(self._path)
        except OSError:
            return self._identity  # a disk that stammers has lost nothing so far

    def _look_beside(self) -> dict[Path, tuple[int, int]]:
        files = [self._path.with_name(self._path.name + suffix) for suffix in ("-wal", "-shm")]
        try:
            return {file: found for file in files if (found := _identity(file)) is not None}
        except OSError:
            return {}


def _identity(file: Path) -> tuple[int, int] | None:
    """What tells it from all others of this machine; None if it is not there."""
    try:
        there = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return there.st_dev, there.st_ino


def close(db: Connection, whereabouts: Whereabouts) -> None:
    """Let go of the file, and put back what was removed."""
    copy = whereabouts.copy_of(db)
    db.close()
    whereabouts.leave(copy)


@contextmanager
def explained(path: Path, on_error: Callable[[str], None] | None = None) -> Iterator[None]:
    """Turn SQLite's errors about the file at *path* into ours, which say what to do; *on_error* is told first.

    Raises StorageFull, StorageFailed or LedgerCorrupt.
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
