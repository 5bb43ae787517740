"""Invalid rows of the queue's own tables: repaired when the file is opened, and logged.

SQLite finds nothing wrong with them. No worker can have sent them (queues/validation.py); a damaged disk, another
program or an older version wrote them. Invalid rows of records are read as crawlfile/columns.py says.
"""

from __future__ import annotations

import logging
from pathlib import Path

from crawler.crawlfile.connection import Connection
from crawler.crawlfile.meta import MetaKey
from crawler.crawlfile.schema import OF_TASK, TABLES
from crawler.logs.events import ROW_MENDED, tell
from crawler.models import MAX_COUNT, MAX_DEPTH, TaskKind, TaskState
from crawler.queues.validation import is_url, printable

log = logging.getLogger(__name__)

_MOST_SERIAL = 2**62
_MOST_ATTEMPTS = 2**31 - 1
_MOST_S = 1e8
_MOST_LIFE_S = 1e10
_KINDS = ", ".join(f"'{kind}'" for kind in TaskKind)
_STATES = ", ".join(f"'{state}'" for state in TaskState if state is not TaskState.LEASED)


def _is_no_int(column: str, most: int) -> str:
    return f"(typeof({column}) != 'integer' OR {column} NOT BETWEEN 0 AND {most})"


def _is_no_real(column: str, most: float) -> str:
    return f"(typeof({column}) NOT IN ('real', 'integer') OR {column} NOT BETWEEN 0 AND {most})"


_NUMBERS = {
    "depth": _is_no_int("depth", MAX_DEPTH),
    "serial": _is_no_int("serial", _MOST_SERIAL),
    "attempts": _is_no_int("attempts", _MOST_ATTEMPTS),
    "words": _is_no_int("words", 255),
}
_LOST = (
    f"kind NOT IN ({_KINDS}) OR state NOT IN ({_STATES}) OR typeof(url) != 'text'"
    " OR NOT (url GLOB 'http*' OR url GLOB 'data:*')"
)
_NO_DUE = f"(due_s IS NOT NULL AND {_is_no_real('due_s', _MOST_LIFE_S)})"
_NO_ORIGIN = "(origin IS NOT NULL AND typeof(origin) != 'blob')"
_NO_RECORD = "(record IS NOT NULL AND typeof(record) != 'integer')"
_ABSURD = " OR ".join((_LOST, *_NUMBERS.values(), _NO_DUE, _NO_ORIGIN, _NO_RECORD))


def repair(db: Connection, path: Path) -> None:
    """Make all rows of the queue valid, in one transaction; the log names *path*."""
    rows = db.execute(f"SELECT id, kind, url, {_LOST} FROM tasks WHERE {_ABSURD}").fetchall()  # noqa: S608 - our own words
    with db:
        db.execute("BEGIN IMMEDIATE")
        for task_id, kind, url, lost in rows:
            what = _mend(db, task_id, kind, url, lost=bool(lost))
            tell(log, ROW_MENDED, file=path, url=printable(str(url)), what=what)
        _mend_others(db)


def _mend(db: Connection, task_id: int, kind: str, url: object, *, lost: bool) -> str:
    """Repair or remove one task; returns what was done, for the log."""
    if lost or not (isinstance(url, str) and is_url(url, TaskKind(kind))):
        for table in TABLES.values():
            db.execute(f"DELETE FROM {table} WHERE {OF_TASK}", (task_id,))  # noqa: S608 - our own names
        db.execute("DELETE FROM tasks WHERE id = ?", (task_id,))
        return "is removed: it is found again when its page is read again"
    for column, is_absurd in _NUMBERS.items():
        db.execute(f"UPDATE tasks SET {column} = 0 WHERE id = ? AND {is_absurd}", (task_id,))  # noqa: S608
    db.execute(f"UPDATE tasks SET due_s = 0 WHERE id = ? AND {_NO_DUE}", (task_id,))  # noqa: S608
    db.execute(f"UPDATE tasks SET origin = NULL WHERE id = ? AND {_NO_ORIGIN}", (task_id,))  # noqa: S608
    db.execute(f"UPDATE tasks SET record = NULL WHERE id = ? AND {_NO_RECORD}", (task_id,))  # noqa: S608
    return "is mended"


def _mend_others(db: Connection) -> None:
    db.execute("DELETE FROM leases WHERE typeof(tasks) != 'text' OR NOT json_valid(tasks)")
    db.execute(f"UPDATE hosts SET delay_s = 0 WHERE {_is_no_real('delay_s', _MOST_S)}")  # noqa: S608
    db.execute(f"UPDATE dropped SET count = 0 WHERE {_is_no_int('count', MAX_COUNT)}")  # noqa: S608
    absurd = {
        MetaKey.CLOCK_S: _is_no_real("value", _MOST_LIFE_S),
        MetaKey.REFRESHES: _is_no_int("value", MAX_COUNT),
        **dict.fromkeys((MetaKey.SEEDS, MetaKey.STOPPED, MetaKey.RULES), "typeof(value) = 'blob'"),
    }
    for key, is_absurd in absurd.items():
        removed = db.execute(f"DELETE FROM meta WHERE key = ? AND {is_absurd}", (key,)).rowcount  # noqa: S608
        if removed and key is MetaKey.CLOCK_S:
            db.execute("UPDATE tasks SET due_s = 0 WHERE due_s IS NOT NULL")
