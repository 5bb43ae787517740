"""Crawls as earlier versions would have written them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from crawler.crawlfile.columns import affinity
from crawler.crawlfile.schema import COLUMNS, TABLES, VIEWS
from crawler.models import RECORDS

_WITHOUT = {
    12: ("DROP TABLE more_mentions",),
    11: (
        "PRAGMA legacy_alter_table = ON",
        *(
            statement
            for kind, table in TABLES.items()
            for statement in (
                f"CREATE TABLE old_{table} (seq INTEGER PRIMARY KEY, task_id INTEGER NOT NULL UNIQUE, "
                + ", ".join(f"{name} {affinity(RECORDS[kind], name)} NOT NULL" for name in COLUMNS[kind])
                + ")",
                f"INSERT INTO old_{table} SELECT * FROM {table}",
                f"DROP TABLE {table}",
                f"ALTER TABLE old_{table} RENAME TO {table}",
                f"CREATE INDEX {table}_status ON {table} (status, reason)",
            )
        ),
        "CREATE INDEX images_path ON images (path) WHERE path != ''",
        "PRAGMA legacy_alter_table = OFF",
        "ALTER TABLE tasks DROP COLUMN record",
    ),
    10: (
        """UPDATE tasks SET state = 'leased', serial = serial + 1, attempts = attempts + 1
        WHERE id IN (SELECT value FROM leases, json_each(leases.tasks))""",
        "DROP VIEW still_to_do",
        "DROP TABLE leases",
    ),
    9: (
        "DROP VIEW image_pages",
        "DROP TABLE mentions",
        "DROP TABLE mention_pages",
        "DROP TABLE new_mentions",
    ),
    8: tuple(f"DROP VIEW {name}" for name in VIEWS if name not in {"image_pages", "still_to_do"}),
    7: tuple(f"ALTER TABLE {table} DROP COLUMN kept_by" for table in ("images", "image_history")),
    6: ("DROP TABLE runs",),
    5: (
        "DROP TABLE renders",
        "DROP TABLE templates",
        "ALTER TABLE pages DROP COLUMN render",
    ),
    4: tuple(
        f"ALTER TABLE {table} DROP COLUMN {column}"
        for table in ("images", "image_history")
        for column in ("opt_outs", "more_opt_outs")
    ),
}


def of_schema(version: int, folder: Path) -> Path:
    """The crawl in *folder*, as a program of that *version* of the schema would have written it."""
    with closing(sqlite3.connect(folder / "crawl.db")) as db, db:
        for before in sorted((known for known in _WITHOUT if known >= version), reverse=True):
            for statement in _WITHOUT[before]:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {version}")
        db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (version,))
    return folder
