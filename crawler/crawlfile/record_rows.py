"""Writing records into crawl.db: which values are bound, and which stand in the statement."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from crawler.crawlfile.connection import Connection
from crawler.crawlfile.schema import COLUMNS, TABLES
from crawler.models import TaskKind

_INSERTS = {
    kind: f"INSERT INTO {TABLES[kind]} VALUES ({', '.join('?' * (2 + len(columns)))})"  # noqa: S608 - our own names
    for kind, columns in COLUMNS.items()
}
_BARE = {
    **dict.fromkeys(
        (
            *("reason", "title", "caption", "instead_of", "alternatives", "replaced_by", "detail", "revisit"),
            *("revisit_reason", "opt_outs", "kept_by"),
        ),
        "",
    ),
    **dict.fromkeys(("incomplete", "more_opt_outs"), 0),
}
"""What most images that are saved have in these columns: nothing. To bind it took longer than to store it."""
_POSITIONS = {name: position for position, name in enumerate(("seq", "task_id", *COLUMNS[TaskKind.IMAGE]))}
_BARE_OF = itemgetter(*(_POSITIONS[name] for name in _BARE))
_REST_OF = itemgetter(*(position for name, position in _POSITIONS.items() if name not in _BARE))
_NOTHING = tuple(_BARE.values())
_IN_STATEMENT = ["?" if name not in _BARE else repr(_BARE[name]) for name in _POSITIONS]
_INSERT_BARE = f"INSERT INTO images VALUES ({', '.join(_IN_STATEMENT)})"  # noqa: S608 - our own names


def insert(db: Connection, kind: TaskKind, rows: Sequence[Sequence[Any]]) -> None:
    """Write records of one *kind*: of each its number, the id of its task, and what ``columns.row_of`` makes of it."""
    if kind is TaskKind.IMAGE:
        bare = [_REST_OF(row) for row in rows if _BARE_OF(row) == _NOTHING]
        if bare:
            db.executemany(_INSERT_BARE, bare)
        if len(bare) == len(rows):
            return
        rows = [row for row in rows if _BARE_OF(row) != _NOTHING]
    db.executemany(_INSERTS[kind], rows)
