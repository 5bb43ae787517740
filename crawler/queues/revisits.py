"""A crawl that is refreshed: every task is due once more, and its record stands until there is a newer one.

What another visit finds replaces the record, except that it never takes away what was saved: an image that is gone, or
not to be had this time, keeps the record of its file. The record of an image that has other bytes by now moves to the
history, for its file stays where it is.
"""

from __future__ import annotations

from typing import Any

import msgspec

from crawler.models import ImageStatus, PageStatus, Revisit, TaskKind
from crawler.queues.database import COLUMNS, HISTORY, TABLES, Connection, Record, to_record
from crawler.urls import DATA_HOST

_WORTH_KEEPING = {ImageStatus.SAVED, ImageStatus.DUPLICATE, PageStatus.HARVESTED}


class Revisits:
    """The earlier records of the tasks in the file *db*."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self.happen = bool(db.execute("SELECT 1 FROM meta WHERE key = 'refreshes'").fetchone())
        """Whether a task that is not settled may have a record: the crawl has been refreshed."""

    def begin(self) -> int:
        """Make every settled task ready, within a transaction; returns how many. What pages hold themselves stays."""
        self.happen = True
        self._db.execute(
            "INSERT INTO meta VALUES ('refreshes', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1"
        )
        return self._db.execute(
            "UPDATE tasks SET state = 'ready', attempts = 0, due_s = NULL WHERE state IN ('done', 'dead')"
            " AND host_id NOT IN (SELECT id FROM hosts WHERE name = ?)",
            (DATA_HOST,),
        ).rowcount

    def last_record(self, kind: TaskKind, task_id: int) -> Record | None:
        """The task's record of an earlier visit, if there is one."""
        if not self.happen:
            return None
        row = self._db.execute(
            f"SELECT {', '.join(COLUMNS[kind])} FROM {TABLES[kind]} WHERE task_id = ?",  # noqa: S608 - our own names
            (task_id,),
        ).fetchone()
        return None if row is None else to_record(kind, row)

    def make_room(self, kind: TaskKind, task_id: int, record: Record) -> None:
        """Before *record* is written, within the same transaction: the one in its place goes, or becomes history."""
        if not self.happen:
            return
        if record.revisit is Revisit.CHANGED and kind is TaskKind.IMAGE:
            columns = ", ".join(COLUMNS[kind])
            self._db.execute(
                f"INSERT INTO {HISTORY} (task_id, {columns}) SELECT task_id, {columns} FROM {TABLES[kind]}"  # noqa: S608
                " WHERE task_id = ?",
                (task_id,),
            )
        self._db.execute(f"DELETE FROM {TABLES[kind]} WHERE task_id = ?", (task_id,))  # noqa: S608


def worth_keeping(record: Record | None) -> bool:
    """Whether it stands for something that was saved or harvested, which a failure does not undo."""
    return record is not None and record.status in _WORTH_KEEPING


def not_visited(known: Record, *, detail: str, **facts: Any) -> Record:
    """*known* after a visit that came to nothing."""
    return msgspec.structs.replace(known, revisit=Revisit.FAILED, detail=detail, **facts)
