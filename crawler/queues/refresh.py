"""Refreshing a crawl: every task is due once more, and its record stands until there is a newer one.

A new visit replaces the record, but never removes what was saved: an image that is gone, or that fails this time, keeps
the record of its file. The record of an image with other bytes moves to the history, as its file stays in its place.
"""

from __future__ import annotations

from typing import Any

import msgspec

from crawler.crawlfile import meta
from crawler.crawlfile.connection import Connection
from crawler.crawlfile.meta import MetaKey
from crawler.crawlfile.schema import COLUMNS, HISTORY, OF_TASK, TABLES, origin_in, origin_of, records
from crawler.models import (
    ORIGIN_FIELDS,
    RECORDS,
    STATUSES,
    ImageRecord,
    ImageStatus,
    Origin,
    PageRecord,
    Record,
    Revisit,
    TaskKind,
)
from crawler.models.image_words import filled_record
from crawler.queues import policy
from crawler.queues.counters import Counters
from crawler.urls import DATA_HOST

_SEVERAL = "several"
_IN_VAIN = {Revisit.GONE, Revisit.FAILED}
_NOTHING_NEW = {Revisit.UNCHANGED, *_IN_VAIN}


class Refresh:
    """The earlier records of the tasks in the file *db*."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._is_refreshed = self.count > 0
        self.happen = self._is_refreshed or bool(meta.read(db, MetaKey.REREADS))
        """Whether a task that is not settled may have a record: the crawl has been refreshed, or pages of it are read
        once more for what other settings let in (see rerun.py)."""
        self.reread = bool(meta.read(db, MetaKey.REREAD))
        """Whether pages are to be read anew, though they have not changed."""

    def begin(self, rules: str) -> int:
        """Make every settled task ready, within a transaction; returns how many. What pages hold themselves stays.

        With other *rules* than those that pages were read by so far, each is read anew.
        """
        self.happen = self._is_refreshed = True
        meta.count_up(self._db, MetaKey.REFRESHES)
        self.reread = (meta.read(self._db, MetaKey.RULES) or "") != rules
        meta.write(self._db, MetaKey.REREAD, self.reread)
        meta.write(self._db, MetaKey.RULES, rules)
        # neither the marks of an earlier refresh, nor what a page brought before, says anything of this one
        for table in TABLES.values():
            self._db.execute(f"UPDATE {table} SET revisit = '', revisit_reason = '' WHERE revisit != ''")  # noqa: S608
        self._db.execute("DELETE FROM templates")
        return self._db.execute(
            "UPDATE tasks SET state = 'ready', attempts = 0, due_s = NULL WHERE state IN ('done', 'dead')"
            " AND host_id NOT IN (SELECT id FROM hosts WHERE name = ?)",
            (DATA_HOST,),
        ).rowcount

    def note_rules(self, rules: str) -> None:
        """Pages are read by *rules* in this run, within a transaction."""
        before = meta.read(self._db, MetaKey.RULES)
        if before != rules:
            meta.write(self._db, MetaKey.RULES, rules if before is None else _SEVERAL)

    @property
    def count(self) -> int:
        """How often the crawl has been refreshed."""
        return int(meta.read(self._db, MetaKey.REFRESHES) or 0)

    def known(self, last: Record | None) -> Record | None:
        """The *last* record as a worker gets it; without validators (ETag …) for a page that is to be read anew."""
        if last is None or not worth_keeping(last):
            return None
        if self.reread and isinstance(last, PageRecord):
            return msgspec.structs.replace(last, etag="", last_modified="")
        return last

    def last_record(self, kind: TaskKind, task_id: int) -> Record | None:
        """The task's record of an earlier visit, if there is one."""
        return self.record_of(kind, task_id) if self.happen else None

    def record_of(self, kind: TaskKind, task_id: int) -> Record | None:
        """The task's record, of whatever visit."""
        found = list(records(self._db, kind, OF_TASK, task_id))
        return found[0][1] if found else None

    def past(self, kind: TaskKind, task_id: int, blob: bytes | None) -> tuple[Origin | None, Record | None]:
        """The origin and the last record of a task. *blob* is the origin in its row; if settled, its record has it."""
        if not self.happen:
            return origin_in(blob), None
        last = self.record_of(kind, task_id)
        if blob is not None:
            return origin_in(blob), last
        return None if last is None else origin_of(last, kind), last

    def judged(self, task_id: int, record: Record, last: Record | None) -> Record:
        """*record* as it is to be kept, once all before it are written.

        What was saved stands, and so do the words of an image. Of all records with one file, one has status "saved" and
        the others "duplicate".
        """
        record = filled_record(record, last)
        if self.happen:
            record = _compared(record, last)
            if record.revisit is Revisit.NEW and not self._is_refreshed:
                record = msgspec.structs.replace(record, revisit=Revisit.NONE)
        replaces = last is not None
        if isinstance(record, ImageRecord) and record.path and (replaces or self.may_share(record)):
            shared = self._db.execute(
                "SELECT 1 FROM images WHERE path = ? AND status = 'saved' AND task_id != ?",
                (record.path, task_id),
            ).fetchone()
            status = ImageStatus.DUPLICATE if shared else ImageStatus.SAVED
            record = msgspec.structs.replace(record, status=status)
        return record

    def judged_anew(
        self, task_id: int, record: Record, last: Record | None, *, again: bool
    ) -> tuple[Record, Revisit]:
        """As ``judged``, for Redis, which may deliver or have made a visit twice. *again*: the task is settled.

        Returns the record, and the ``revisit`` mark to keep it with. The mark of *last* stays if it is of the same
        refresh and the bytes are the same, as neither a repeat nor a second visit knew of it. The record of a saved
        image stays, whatever comes later.
        """
        again = again and last is not None and last.revisit not in _IN_VAIN
        if (again or not self.happen) and isinstance(last, ImageRecord) and worth_keeping(last):
            in_vain = not worth_keeping(record) or (again and record.revisit in _IN_VAIN)
            if in_vain:
                return last, last.revisit
        if not again or last is None:
            record = self.judged(task_id, record, last)
            return record, record.revisit
        record = msgspec.structs.replace(record, revisit=Revisit.NONE, revisit_reason="")
        record = self.judged(task_id, record, last)
        return record, record.revisit or last.revisit

    def may_share(self, record: Record) -> bool:
        """Whether another URL may have the file of *record* without the worker's knowledge: the file is named by its
        SHA-256, or the image that it was saved from may have changed.
        """
        return (
            isinstance(record, ImageRecord)
            and bool(record.path)
            and (self.happen or record.sha256 in record.path)
        )

    def make_room(self, kind: TaskKind, task_id: int, record: Record, last: Record, tally: Counters) -> None:
        """Remove *last*, or move it to the history, before *record* takes its place in the same transaction.

        Another record with the file of *last* becomes the "saved" one. *tally* counts all of this, but not *record*.
        """
        if record.revisit is Revisit.CHANGED and kind is TaskKind.IMAGE:
            columns = ", ".join(COLUMNS[kind])
            self._db.execute(
                f"INSERT INTO {HISTORY} (task_id, {columns}) SELECT task_id, {columns} FROM {TABLES[kind]}"  # noqa: S608
                f" WHERE {OF_TASK}",
                (task_id,),
            )
        self.remove(kind, task_id)
        tally.count(kind, last, -1)
        path = record.path if isinstance(record, ImageRecord) else ""
        if isinstance(last, ImageRecord) and last.status is ImageStatus.SAVED and last.path != path:
            self._inherit(last.path, tally)

    def remove(self, kind: TaskKind, task_id: int) -> None:
        """Remove the record of a task, which may have another one from now on."""
        self._db.execute(f"DELETE FROM {TABLES[kind]} WHERE {OF_TASK}", (task_id,))  # noqa: S608 - our own name
        self._db.execute("UPDATE tasks SET record = NULL WHERE id = ?", (task_id,))

    def _inherit(self, path: str, tally: Counters) -> None:
        """Make the first duplicate with the file at *path* the "saved" one."""
        found = records(
            self._db, TaskKind.IMAGE, "path = ? AND status = 'duplicate' ORDER BY seq LIMIT 1", path
        )
        for task_id, heir in list(found):
            self._db.execute(f"UPDATE images SET status = 'saved' WHERE {OF_TASK}", (task_id,))  # noqa: S608
            tally.count(TaskKind.IMAGE, heir, -1)
            tally.count(TaskKind.IMAGE, msgspec.structs.replace(heir, status=ImageStatus.SAVED), 1)


def _compared(record: Record, last: Record | None) -> Record:
    """*record* compared with the *last* one: what was saved stands, whatever a worker says."""
    if last is None or not worth_keeping(last):
        return msgspec.structs.replace(record, revisit=Revisit.NEW)
    if not worth_keeping(record):
        return not_visited(last, detail=record.detail, reason=record.reason)
    if isinstance(record, ImageRecord) and isinstance(last, ImageRecord) and record.sha256 != last.sha256:
        return msgspec.structs.replace(record, revisit=Revisit.CHANGED)
    return record


def worth_keeping(record: Record | None) -> bool:
    """Whether it stands for something that was saved, harvested or rendered, which a failure does not undo."""
    return record is not None and record.status in policy.WORTH_KEEPING


def left_out_of(record: Record, last: Record | None = None) -> dict[str, int]:
    """How much more *record* has left out than *last*, whose place it takes; nothing if *last* stands.

    Without this, pages that are read twice would count twice.
    """
    if isinstance(record, ImageRecord) or record.revisit in _NOTHING_NEW:
        return {}
    if last is None or isinstance(last, ImageRecord) or not worth_keeping(record):
        return record.left_out
    return {
        slug: more
        for slug in record.left_out | last.left_out
        if (more := record.left_out.get(slug, 0) - last.left_out.get(slug, 0))
    }


def unvisited(
    kind: TaskKind,
    url: str,
    *,
    status: str,
    reason: str,
    detail: str,
    origin: Origin | None = None,
    **facts: Any,
) -> Record:
    """The record of a task that no worker has come back with; *facts* are further fields of it."""
    words = {name: getattr(origin, name) for name in ORIGIN_FIELDS[kind] if origin is not None}
    return RECORDS[kind](
        url=url,
        status=STATUSES[kind](status),  # type: ignore[arg-type] # of the record's own kind
        reason=reason,
        detail=detail,
        **words,
        **facts,
    )


def not_visited(known: Record, *, detail: str, reason: str) -> Record:
    """*known* after a visit that came to nothing."""
    return msgspec.structs.replace(known, revisit=Revisit.FAILED, revisit_reason=reason, detail=detail)
