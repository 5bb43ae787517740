"""Rows of crawl.db under the ids that Redis gives: an id may be new for a task, or have been another task's.

All functions are called within a transaction.
"""

from __future__ import annotations

from crawler.crawlfile.connection import Connection
from crawler.crawlfile.schema import HISTORY, QUEUE_IDS, TABLES, host_id, next_id
from crawler.models import NewTask, TaskKind
from crawler.queues.picture_sizes import marked, picture_key
from crawler.queues.redis.codec import Settled
from crawler.urls import host_key, task_key


def add(db: Connection, each: Settled) -> None:
    """Add a row, in state "ready", for a task that *db* does not know."""
    _clear(db, each.id)
    size = marked(NewTask(kind=each.kind, url=each.url))
    picture, px = (None, None) if size is None else (picture_key(size), size.px)
    key, host = task_key(each.kind, each.url), host_id(db, host_key(each.url))
    db.execute(
        "INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?, 'ready', 0, 0, NULL, NULL, 0, ?, ?, NULL)",
        (each.id, each.kind.value, each.url, key, host, each.depth, picture, px),
    )


def take_up_sizes(db: Connection) -> None:
    """Make tasks of sizes that a ledger had behind others: Redis knows none, and a size too many is no loss."""
    db.execute(
        "INSERT INTO tasks SELECT ? + row_number() OVER (ORDER BY s.id), 'image', s.url, s.key, t.host_id, s.depth,"
        " 'ready', 0, 0, NULL, s.origin, s.words, s.picture, s.px, NULL FROM sizes s JOIN tasks t ON t.id ="
        " (SELECT min(id) FROM tasks WHERE picture = s.picture OR key = s.picture) WHERE NOT s.left_out",
        (next_id(db) - 1,),
    )
    db.execute("DELETE FROM sizes WHERE NOT left_out")


def rename(db: Connection, kind: TaskKind, old: int, new: int) -> None:
    """Give the task *old*, and its records, the id *new*; the serial numbers of its leases begin anew."""
    if old == new:
        return
    _clear(db, new)
    if kind is TaskKind.IMAGE:  # found by its URL, for which there is an index
        db.execute(
            f"UPDATE {HISTORY} SET task_id = ?"  # noqa: S608 - our own name
            " WHERE url = (SELECT url FROM tasks WHERE id = ?) AND task_id = ?",
            (new, old, old),
        )
    db.execute(
        f"UPDATE {TABLES[kind]} SET task_id = ?"  # noqa: S608 - our own name
        " WHERE seq = (SELECT record FROM tasks WHERE id = ?) AND task_id = ?",
        (new, old, old),
    )
    db.execute("UPDATE tasks SET id = ?, serial = 0 WHERE id = ?", (new, old))


def renumber(db: Connection) -> None:
    """Give all tasks ids of crawl.db's own."""
    db.execute("CREATE TEMP TABLE ids (old INTEGER PRIMARY KEY, new INTEGER NOT NULL)")
    db.execute(
        "INSERT INTO temp.ids SELECT id, ? + row_number() OVER (ORDER BY id) FROM tasks WHERE id >= ?",
        (next_id(db) - 1, QUEUE_IDS),
    )
    for table, column in (("tasks", "id"), *((name, "task_id") for name in (*TABLES.values(), HISTORY))):
        db.execute(
            f"UPDATE {table} SET {column} = (SELECT new FROM temp.ids WHERE old = {column})"  # noqa: S608 - our own
            f" WHERE {column} IN (SELECT old FROM temp.ids)"
        )
    db.execute("DROP TABLE temp.ids")


def _clear(db: Connection, task_id: int) -> None:
    """Give another task that has this id one of crawl.db's own: Redis has forgotten whose it was."""
    for (kind,) in db.execute("SELECT kind FROM tasks WHERE id = ?", (task_id,)).fetchall():
        rename(db, TaskKind(kind), task_id, next_id(db))
