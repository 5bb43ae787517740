"""A run with other settings: what it takes up of what earlier runs left out, and which waiting tasks it leaves out.

All of this changes the file within a transaction of the caller, which rebuilds its memory afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping

from crawler.config.changes import Reads
from crawler.crawlfile import meta
from crawler.crawlfile.columns import left_out_items
from crawler.crawlfile.connection import Connection
from crawler.crawlfile.meta import MetaKey
from crawler.crawlfile.schema import LEASED, TABLES, origin_in, records
from crawler.models import ImageRecord, NewTask, PageRecord, RenderRecord, TaskKind
from crawler.queues.left_out import LeftOutRows

Belongs = Callable[[NewTask], str]
"""The slug by which the settings of this run leave a task out; empty if they do not."""
NO_BROWSER = "no-browser"
"""``PageRecord.render`` of a page that a browser might have helped, when there was none."""
_READ = {TaskKind.PAGE: "harvested", TaskKind.RENDER: "rendered"}
_AT_ONCE = 1000
_LAST_ID = 2**63 - 1


def take_up(db: Connection, slugs: Collection[str], reads: Reads, *, unrendered: bool = False) -> int:
    """Put pages back in the queue that name something left out by *slugs*; returns how many.

    *reads* says which of these pages to read. With *unrendered*, pages that had no browser are put back as well. Their
    records stand until there are newer ones. If a left-out URL is not listed with its page, all pages are put back.
    """
    db.execute("CREATE TEMP TABLE slugs (slug TEXT PRIMARY KEY) WITHOUT ROWID")
    db.execute("CREATE TEMP TABLE namers (url TEXT PRIMARY KEY) WITHOUT ROWID")
    try:
        db.executemany(
            "INSERT INTO temp.slugs SELECT ? WHERE EXISTS (SELECT 1 FROM dropped WHERE reason = ? AND count > 0)",
            [(slug, slug) for slug in slugs],
        )
        db.execute(
            "INSERT INTO temp.namers SELECT DISTINCT page_url FROM left_out"
            " WHERE slug IN (SELECT slug FROM temp.slugs)"
        )
        cuts = _cuts(db)
        everything = reads is Reads.ALL or not _all_is_known(db, cuts)
        count = sum(
            _make_ready(db, kind, reads=reads, everything=everything, unrendered=unrendered) for kind in _READ
        )
        if count:
            _begin_to_count_anew(db, cuts)
            meta.count_up(db, MetaKey.REREADS)
            meta.write(db, MetaKey.REREAD, 1)  # no server is to reply that they have not changed
        return count
    finally:
        db.execute("DROP TABLE temp.slugs")
        db.execute("DROP TABLE temp.namers")


def leave_out(db: Connection, belongs: Belongs, *, most: Mapping[TaskKind, int]) -> Counter[str]:
    """Remove waiting tasks that *belongs* leaves out, and the newest beyond *most* of a kind; counts them by slug."""
    listed = LeftOutRows(db)
    gone: Counter[str] = Counter()
    for batch in _waiting(db):
        found = [(task_id, slug, task) for task_id, task in batch if (slug := belongs(task))]
        gone += _remove(db, found, listed)
    for kind, limit in most.items():
        known = db.execute("SELECT count(*) FROM tasks WHERE kind = ?", (kind.value,)).fetchone()[0]
        for batch in _last_waiting(db, kind, known - limit):
            gone += _remove(db, [(task_id, f"max-{kind}s", task) for task_id, task in batch], listed)
    return gone


def kept(db: Connection) -> Iterator[ImageRecord | PageRecord]:
    """The records of all saved images, and of all pages that were read, but for seeds."""
    for kind, which in (
        (TaskKind.IMAGE, "status IN ('saved', 'duplicate')"),
        (TaskKind.PAGE, "status = 'harvested' AND page_url != ''"),
    ):
        for _, record in records(db, kind, which):
            assert not isinstance(record, RenderRecord)
            yield record


def _cuts(db: Connection) -> dict[str, int]:
    """How much of each slug was left out of pages, by their records."""
    found: Counter[str] = Counter()
    for table in (TABLES[kind] for kind in _READ):
        sql = f"SELECT cut.key, total(cut.value) FROM {table}, {_wanted_cuts(table)} GROUP BY cut.key"  # noqa: S608
        found.update({slug: int(times) for slug, times in db.execute(sql)})
    return found


def _wanted_cuts(table: str) -> str:
    return f"{left_out_items(table)} cut WHERE cut.key IN (SELECT slug FROM temp.slugs)"  # noqa: S608 - our own names


def _all_is_known(db: Connection, cuts: Mapping[str, int]) -> bool:
    """Whether each count is explained by listed URLs with their pages, and by the records of pages."""
    pages = " UNION ".join(
        f"SELECT {column} FROM {TABLES[kind]} WHERE status = '{status}'"  # noqa: S608 - our own names
        for kind, status in _READ.items()
        for column in ("url", "final_url")
    )
    if db.execute(f"SELECT 1 FROM temp.namers WHERE url NOT IN ({pages}) LIMIT 1").fetchone():  # noqa: S608
        return False
    counts = db.execute(
        "SELECT reason, count, (SELECT total(times) FROM left_out WHERE slug = reason) FROM dropped"
        " WHERE reason IN (SELECT slug FROM temp.slugs)"
    )
    return all(count <= listed + cuts.get(slug, 0) for slug, count, listed in counts)


def _make_ready(db: Connection, kind: TaskKind, *, reads: Reads, everything: bool, unrendered: bool) -> int:
    table = TABLES[kind]
    lacks_browser = f"render = '{NO_BROWSER}'" if unrendered and kind is TaskKind.PAGE else "FALSE"
    chosen = f"""
        SELECT task_id FROM {table} WHERE status = '{_READ[kind]}' AND (
            {int(everything)}
            OR url IN (SELECT url FROM temp.namers) OR final_url IN (SELECT url FROM temp.namers)
            OR {lacks_browser}
            OR ({int(reads is not Reads.NONE)} AND depth = 0 AND page_url = '')
            OR EXISTS (SELECT 1 FROM {_wanted_cuts(table)})
        )"""  # noqa: S608 - our own names and numbers
    sql = f"UPDATE tasks SET state = 'ready', attempts = 0, due_s = NULL WHERE state IN ('done', 'dead') AND id IN ({chosen})"  # noqa: S608, E501
    return db.execute(sql).rowcount


def _begin_to_count_anew(db: Connection, cuts: Mapping[str, int]) -> None:
    """Remove the counts and URLs that will be noted again; the records of pages are replaced anyway."""
    for (slug,) in db.execute("SELECT slug FROM temp.slugs").fetchall():
        db.execute("UPDATE dropped SET count = ? WHERE reason = ?", (cuts.get(slug, 0), slug))
    db.execute("DELETE FROM dropped WHERE count <= 0")
    db.execute("DELETE FROM left_out WHERE slug IN (SELECT slug FROM temp.slugs)")
    db.execute("DELETE FROM sizes WHERE left_out AND 'smaller-size' IN (SELECT slug FROM temp.slugs)")


def _waiting(db: Connection) -> Iterator[list[tuple[int, NewTask]]]:
    """Batches of tasks never settled and not leased, oldest first; one may be removed before the next is read."""
    after = 0
    while batch := _tasks(db, "id > ? ORDER BY id LIMIT ?", (after, _AT_ONCE)):
        yield batch
        after = batch[-1][0]


def _last_waiting(db: Connection, kind: TaskKind, most: int) -> Iterator[list[tuple[int, NewTask]]]:
    """Batches of the newest waiting tasks of *kind*, but for seeds: *most* tasks, newest first."""
    before = _LAST_ID
    where = "kind = ? AND id < ? AND origin IS NOT NULL ORDER BY id DESC LIMIT ?"
    while most > 0 and (batch := _tasks(db, where, (kind.value, before, min(most, _AT_ONCE)))):
        last = [(task_id, task) for task_id, task in batch if task.origin is not None]
        yield last[::-1]
        most -= len(last)
        before = batch[-1][0]


def _tasks(db: Connection, where: str, values: tuple[object, ...]) -> list[tuple[int, NewTask]]:
    sql = f"""
        SELECT id, kind, url, depth, origin FROM tasks WHERE state IN ('ready', 'delayed')
        AND id NOT IN (SELECT tasks.id FROM {LEASED})
        AND record IS NULL AND {where}"""  # noqa: S608 - our own words
    return [
        (task_id, NewTask(kind=TaskKind(kind), url=url, depth=depth, origin=origin_in(blob)))
        for task_id, kind, url, depth, blob in db.execute(sql, values)
    ]


def _remove(db: Connection, found: list[tuple[int, str, NewTask]], listed: LeftOutRows) -> Counter[str]:
    """Remove tasks, and the sizes that wait behind them; returns how many tasks by slug."""
    for task_id, slug, _ in found:
        db.execute(
            "DELETE FROM sizes WHERE NOT left_out AND picture IN (SELECT picture FROM tasks WHERE id = :id"
            " UNION SELECT key FROM tasks WHERE id = :id) AND NOT EXISTS (SELECT 1 FROM tasks t"
            " WHERE t.id != :id AND (t.picture = sizes.picture OR t.key = sizes.picture))",
            {"id": task_id},
        )
        db.execute("DELETE FROM tasks WHERE id = ?", (task_id,))
        db.execute(
            "INSERT INTO dropped VALUES (?, 1) ON CONFLICT (reason) DO UPDATE SET count = count + 1", (slug,)
        )
    listed.note((slug, task) for _, slug, task in found)
    return Counter(slug for _, slug, _ in found)
