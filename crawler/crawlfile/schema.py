"""crawl.db: its versions, its tables, and how tasks and records lie in them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from crawler.crawlfile import columns, meta
from crawler.crawlfile.connection import Connection, check, connect_to_write, set_up
from crawler.crawlfile.keepers import UNTOLD
from crawler.crawlfile.meta import MetaKey
from crawler.errors import FolderError
from crawler.logs.events import FILE_UPGRADED, tell
from crawler.models import ORIGIN_FIELDS, RECORDS, ImageRecord, Origin, Record, RenderRecord, TaskKind
from crawler.models.image_words import bits_of

log = logging.getLogger(__name__)
APPLICATION_ID = 0x696D6372  # "imcr"
QUEUE_IDS = 2**40
"""Task ids from here on are given by a queue in Redis, those below by the writer of the file."""

_DECODE_ORIGIN = msgspec.msgpack.Decoder(Origin).decode
TABLES = {TaskKind.IMAGE: "images", TaskKind.PAGE: "pages", TaskKind.RENDER: "renders"}
LEASED = """leases JOIN json_each(CASE WHEN typeof(leases.tasks) = 'text' AND json_valid(leases.tasks)
    THEN leases.tasks ELSE '[]' END) AS held JOIN tasks ON tasks.id = held.value AND tasks.state = 'ready'"""
"""SQL for what workers hold: rows of ``leases``, each with one of its ``tasks``."""
OF_TASK = "seq = (SELECT record FROM tasks WHERE id = ?1) AND task_id = ?1"
"""SQL that is true of the record of a task, whose id is the query's only value. The row of a task names its record: an
index of the tasks that records name cost a page of the file for each of them."""
HISTORY = "image_history"
"""Earlier records of images whose bytes have changed."""
COLUMNS = {kind: record.__struct_fields__ for kind, record in RECORDS.items()}


class Step(NamedTuple):
    """From one version of the schema to the next."""

    statements: tuple[str, ...]
    """SQL that migrates a file to the next version. New columns come last, as in the records."""
    columns: Mapping[str, str] = {}
    """The new columns of records, and SQL for the value that stands for each in a file without it."""
    tables: tuple[str, ...] = ()
    """The new tables that are read where nothing is written."""


def _in_images(*columns: str) -> tuple[str, ...]:
    tables = (TABLES[TaskKind.IMAGE], HISTORY)
    return tuple(f"ALTER TABLE {table} ADD COLUMN {column}" for table in tables for column in columns)


def _typed(columns: str) -> str:
    """What stands in CREATE TABLE for *columns* as in _RECORDS_OF_12."""
    return ", ".join(f"{name} {kind or 'TEXT'} NOT NULL" for name, _, kind in _parted(columns))


def _named(columns: str) -> str:
    return ", ".join(name for name, *_ in _parted(columns))


def _parted(columns: str) -> Iterable[tuple[str, str, str]]:
    return (one.partition(":") for one in columns.split())


_RECORDS_OF_12 = {
    "images": (
        "url status reason final_url path sha256 format width_px:INTEGER height_px:INTEGER size_bytes:INTEGER"
        " http_status:INTEGER content_type etag last_modified page_url found_in alt title caption heading"
        " page_title instead_of alternatives replaced_by depth:INTEGER attempts:INTEGER worker elapsed_s:REAL"
        " finished_at detail dhash incomplete:INTEGER revisit revisit_reason opt_outs more_opt_outs:INTEGER kept_by"
    ),
    "pages": (
        "url status reason final_url title images:INTEGER links:INTEGER left_out size_bytes:INTEGER"
        " http_status:INTEGER content_type page_url found_in depth:INTEGER attempts:INTEGER worker elapsed_s:REAL"
        " finished_at detail etag last_modified revisit revisit_reason render"
    ),
    "renders": (
        "url status reason final_url title images:INTEGER links:INTEGER gains requests:INTEGER left_out"
        " size_bytes:INTEGER http_status:INTEGER page_url found_in template signs depth:INTEGER attempts:INTEGER"
        " worker elapsed_s:REAL finished_at detail revisit revisit_reason"
    ),
}
"""The columns of records in version 12, of the type behind the colon, or TEXT."""

STEPS: dict[int, Step] = {
    4: Step(
        _in_images("opt_outs TEXT NOT NULL DEFAULT ''", "more_opt_outs INTEGER NOT NULL DEFAULT 0"),
        columns={"opt_outs": "''", "more_opt_outs": "0"},
    ),
    5: Step(
        (
            "ALTER TABLE pages ADD COLUMN render TEXT NOT NULL DEFAULT ''",
            """CREATE TABLE renders (seq INTEGER PRIMARY KEY, task_id INTEGER NOT NULL UNIQUE, url TEXT NOT NULL,
            status TEXT NOT NULL, reason TEXT NOT NULL, final_url TEXT NOT NULL, title TEXT NOT NULL,
            images INTEGER NOT NULL, links INTEGER NOT NULL, gains TEXT NOT NULL, requests INTEGER NOT NULL,
            left_out TEXT NOT NULL, size_bytes INTEGER NOT NULL, http_status INTEGER NOT NULL, page_url TEXT NOT NULL,
            found_in TEXT NOT NULL, template TEXT NOT NULL, signs TEXT NOT NULL, depth INTEGER NOT NULL,
            attempts INTEGER NOT NULL, worker TEXT NOT NULL, elapsed_s REAL NOT NULL, finished_at TEXT NOT NULL,
            detail TEXT NOT NULL, revisit TEXT NOT NULL, revisit_reason TEXT NOT NULL)""",
            "CREATE INDEX renders_status ON renders (status, reason)",
            """CREATE TABLE templates (host_id INTEGER NOT NULL, name TEXT NOT NULL, state BLOB NOT NULL,
            PRIMARY KEY (host_id, name)) WITHOUT ROWID""",
        ),
        columns={"render": "''"},
        tables=("renders",),
    ),
    6: Step(
        (
            """CREATE TABLE runs (number INTEGER PRIMARY KEY, begun_at TEXT NOT NULL, ended_at TEXT NOT NULL,
            kind TEXT NOT NULL, outcome TEXT NOT NULL, version TEXT NOT NULL, settings TEXT NOT NULL,
            notes TEXT NOT NULL)""",
        ),
        tables=("runs",),
    ),
    7: Step(
        _in_images(f"kept_by TEXT NOT NULL DEFAULT '{UNTOLD}'"),
        columns={"kept_by": f"'{UNTOLD}'"},
    ),
    8: Step(()),  # the views, which every upgrade makes anew
    9: Step(
        (
            """CREATE TABLE mention_pages (id INTEGER PRIMARY KEY, mark INTEGER NOT NULL UNIQUE,
            url TEXT NOT NULL)""",
            """CREATE TABLE mentions (image BLOB NOT NULL, page INTEGER NOT NULL,
            PRIMARY KEY (image, page)) WITHOUT ROWID""",
            """CREATE TABLE new_mentions (seq INTEGER PRIMARY KEY, url TEXT NOT NULL, images BLOB NOT NULL)""",
        ),
        tables=("mention_pages", "mentions", "new_mentions"),
    ),
    10: Step(
        (
            "CREATE TABLE leases (id INTEGER PRIMARY KEY, tasks TEXT NOT NULL)",
            "INSERT INTO leases (tasks) SELECT json_group_array(id) FROM tasks WHERE state = 'leased'",
            """UPDATE tasks SET state = 'ready', serial = max(0, serial - 1), attempts = max(0, attempts - 1)
            WHERE state = 'leased'""",
        ),
        tables=("leases",),
    ),
    11: Step(
        (
            "ALTER TABLE tasks ADD COLUMN record INTEGER",
            "PRAGMA legacy_alter_table = ON",  # views of others that name a table do not matter
            *(
                statement
                for table, its in _RECORDS_OF_12.items()
                for statement in (
                    f"UPDATE tasks SET record = seq FROM {table} WHERE task_id = tasks.id",  # noqa: S608
                    f"CREATE TABLE new_{table} (seq INTEGER PRIMARY KEY, task_id INTEGER NOT NULL, {_typed(its)})",
                    # by name: somebody may have added a column of his own
                    f"INSERT INTO new_{table} SELECT seq, task_id, {_named(its)} FROM {table}",  # noqa: S608
                    f"DROP TABLE {table}",
                    f"ALTER TABLE new_{table} RENAME TO {table}",
                    f"CREATE INDEX {table}_status ON {table} (status, reason)",
                )
            ),
            "CREATE INDEX images_path ON images (path) WHERE path != ''",
            "PRAGMA legacy_alter_table = OFF",
        ),
    ),
    12: Step(
        ("CREATE TABLE more_mentions (image BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID",),
        tables=("more_mentions",),
    ),
}
"""By the version that each begins with. Files of these are read as they are, and brought up to date to be written."""
SCHEMA_VERSION = max(STEPS) + 1
VIEWS = (
    "saved_images",
    "places",
    "failures",
    "failure_reasons",
    "pages_without_images",
    "page_images",
    "image_pages",
    "image_hosts",
    "image_formats",
    "image_minutes",
    "changed_images",
    "image_opt_outs",
    "still_to_do",
)
"""The views of views.sql, for people; those of other names are their own and stay."""
_NAMED_SINCE = 12
"""The version since which the row of a task names its record."""


def is_readable(version: int) -> bool:
    return version in STEPS or version == SCHEMA_VERSION


def missing_columns(version: int) -> dict[str, str]:
    """The columns that a file of *version* lacks, and the SQL that stands for each there."""
    return {
        name: sql for before, step in STEPS.items() if before >= version for name, sql in step.columns.items()
    }


def missing_tables(version: int) -> set[str]:
    """The tables that a file of *version* lacks."""
    return {name for before, step in STEPS.items() if before >= version for name in step.tables}


def of_task(version: int) -> str:
    """OF_TASK, for a file of *version*."""
    return OF_TASK if version >= _NAMED_SINCE else "task_id = ?1"


def joined(version: int, record: str, task: str) -> str:
    """SQL that is true where *record* is that of *task*: names in a join, in a file of *version*."""
    of_task = f"{record}.task_id = {task}.id"
    return f"{record}.seq = {task}.record AND {of_task}" if version >= _NAMED_SINCE else of_task


def version_of(db: Connection) -> int | None:
    """The version of an opened file; None if it is no crawl.db."""
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        return None
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def to_record(kind: TaskKind, values: Sequence[Any]) -> Record:
    """A row of COLUMNS[kind] as a record; invalid fields take their defaults."""
    try:
        return columns.record_of(RECORDS[kind], values)
    except columns.UNREADABLE:
        return columns.mended(RECORDS[kind], values).record


def records(db: Connection, kind: TaskKind, where: str, *values: Any) -> Iterator[tuple[int, Record]]:
    """The records of *kind* that the condition *where* is true of, each with the id of its task."""
    sql = f"SELECT task_id, {', '.join(COLUMNS[kind])} FROM {TABLES[kind]} WHERE {where}"  # noqa: S608 - our own names
    return ((task_id, to_record(kind, row)) for task_id, *row in db.execute(sql, values))


def origin_in(blob: bytes | None) -> Origin | None:
    """The origin in a task's row; None for a seed, and if it can't be read."""
    try:
        return None if blob is None else _DECODE_ORIGIN(blob)
    except (*columns.UNREADABLE, TypeError):
        return None


def origin_of(record: Record, kind: TaskKind) -> Origin | None:
    """The origin of a settled task, as its record keeps it; None for a seed."""
    has_more = (isinstance(record, ImageRecord) and bits_of(record)) or (
        isinstance(record, RenderRecord) and (record.template or record.signs)
    )
    if not (record.page_url or record.found_in or has_more):
        return None
    return Origin(**{name: getattr(record, name) for name in ORIGIN_FIELDS[kind]})


def host_id(db: Connection, name: str) -> int:
    """The id of the host of that name, which is added if it is new."""
    row = db.execute("SELECT id FROM hosts WHERE name = ?", (name,)).fetchone()
    if row is None:
        row = db.execute("INSERT INTO hosts (name) VALUES (?) RETURNING id", (name,)).fetchone()
    return int(row[0])


def next_id(db: Connection) -> int:
    """The next task id below QUEUE_IDS."""
    sql = "SELECT coalesce(max(id), 0) FROM tasks WHERE id < ?"
    return 1 + int(db.execute(sql, (QUEUE_IDS,)).fetchone()[0])


def next_seq(db: Connection) -> int:
    """The number of the next record, of any kind."""
    return 1 + max(
        int(db.execute(f"SELECT coalesce(max(seq), 0) FROM {table}").fetchone()[0])  # noqa: S608 - our own names
        for table in TABLES.values()
    )


def records_after(
    rows: Callable[[str, tuple[int, int]], Iterable[Sequence[Any]]], after: int, limit: int
) -> list[tuple[int, Record]]:
    """Up to *limit* records whose number is above *after*, of all kinds, each with its number, in their order.

    *rows* runs a query.
    """
    found: list[tuple[int, Record]] = []
    for kind, table in TABLES.items():
        sql = f"SELECT seq, {', '.join(COLUMNS[kind])} FROM {table} WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
        found += [(int(seq), to_record(kind, values)) for seq, *values in rows(sql, (after, limit))]
    return sorted(found, key=itemgetter(0))[:limit]


def connect(path: Path) -> Connection:
    """Open the file for writing, make its tables if it is new, bring it up to date if it is of an earlier version.

    Raises FolderError when it is something else.
    """
    db = connect_to_write(path)
    try:
        # a kill between the file's first byte and its tables leaves an empty database
        is_new = not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        version = SCHEMA_VERSION if is_new else _checked_version(db, path)
        set_up(db)
        if is_new:
            _create(db)
        elif version < SCHEMA_VERSION:
            _bring_up_to_date(db, path, version)
    except BaseException:
        db.close()
        raise
    return db


def _checked_version(db: Connection, path: Path) -> int:
    """Raises FolderError for a file that can't be brought up to date, SqliteError for a damaged one."""
    version = version_of(db)
    if version is None:
        raise FolderError(f"{path} is not a crawl's ledger; choose another folder")
    if not is_readable(version):
        raise FolderError(
            f"{path} was written by another version (schema {version}, this one has {SCHEMA_VERSION});"
            " go on with that version, or start over with --fresh"
        )
    check(db)
    return version


def _bring_up_to_date(db: Connection, path: Path, version: int) -> None:
    """In one transaction: a killed process leaves a file of the old or of the new version.

    The views go first: SQLite drops and renames nothing that one of them names.
    """
    db.execute("BEGIN IMMEDIATE")
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall():
        if name in VIEWS:
            db.execute(f"DROP VIEW {name}")
    for before in range(version, SCHEMA_VERSION):
        for statement in STEPS[before].statements:
            db.execute(statement)
    for statement in _statements("views.sql"):
        db.execute(statement)
    meta.write(db, MetaKey.SCHEMA, SCHEMA_VERSION)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")
    tell(log, FILE_UPGRADED, file=path, schema=SCHEMA_VERSION)


def _text(name: str) -> str:
    from importlib.resources import files  # readers of crawl.db need none

    return files("crawler.crawlfile").joinpath(name).read_text(encoding="utf-8")


def _statements(name: str) -> list[str]:
    """The statements of a file in which a line ends each; one by one they leave a transaction open."""
    return [part for part in _text(name).split(";\n") if part.strip()]


def _create(db: Connection) -> None:
    tables = [
        f"CREATE TABLE {TABLES[kind]} (seq INTEGER PRIMARY KEY, task_id INTEGER NOT NULL,"
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
    script = [
        "BEGIN;",
        f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};",
        _text("schema.sql"),
        *tables,
        _text("views.sql"),
        f"INSERT INTO meta VALUES ('{MetaKey.SCHEMA}', {SCHEMA_VERSION});",  # noqa: S608 - our own number
        "COMMIT;",
    ]
    db.executescript("\n".join(script))
