"""Writing records into crawl.db: which values are bound, and which stand in the statement."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter

import msgspec

from crawler.crawlfile.columns import row_of
from crawler.crawlfile.connection import Connection
from crawler.crawlfile.schema import COLUMNS, TABLES
from crawler.models import ImageRecord, Record, TaskKind

_INSERTS = {
    kind: f"INSERT INTO {TABLES[kind]} VALUES ({', '.join('?' * (2 + len(columns)))})"  # noqa: S608 - our own names
    for kind, columns in COLUMNS.items()
}
_BARE = (
    "reason",
    "title",
    "caption",
    "instead_of",
    "alternatives",
    "replaced_by",
    "detail",
    "incomplete",
    "revisit",
    "revisit_reason",
    "opt_outs",
    "more_opt_outs",
    "kept_by",
)
"""Columns in which most images that are saved have nothing. To bind that took longer than to store it."""
_DEFAULTS = {field.name: field.default for field in msgspec.structs.fields(ImageRecord)}
_NOTHING = tuple(_DEFAULTS[name] for name in _BARE)
_POSITIONS = {name: position for position, name in enumerate(COLUMNS[TaskKind.IMAGE])}
_bare_of = itemgetter(*(_POSITIONS[name] for name in _BARE))
_rest_of = itemgetter(
    *(position for name, position in _POSITIONS.items() if name not in {*_BARE, "url", "status"})
)
_IN_STATEMENT = [
    "?" if name not in _BARE else "0" if isinstance(_DEFAULTS[name], int) else "''" for name in _POSITIONS
]
_INSERT_BARE = f"INSERT INTO images VALUES (?, ?, {', '.join(_IN_STATEMENT)})"  # noqa: S608 - our own names


def insert(db: Connection, kind: TaskKind, numbered: Iterable[tuple[int, int, Record]]) -> None:
    """Write records of one *kind*, each with its number and the id of its task."""
    bare, others = [], []
    for number, task_id, record in numbered:
        if (
            isinstance(record, ImageRecord)
            and _bare_of(values := msgspec.structs.astuple(record)) == _NOTHING
        ):
            # a plain str: SQLite's module takes three times as long over what only is like one
            bare.append((number, task_id, record.url, str(record.status), *_rest_of(values)))
        else:
            others.append((number, task_id, *row_of(record)))
    if bare:
        db.executemany(_INSERT_BARE, bare)
    if others:
        db.executemany(_INSERTS[kind], others)
