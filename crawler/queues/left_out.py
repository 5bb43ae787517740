"""The URLs that were left out, in crawl.db: what the counts of "left out" stand for.

There is a row for each URL and slug. A site may name URLs without end: after policy.MOST_LEFT_OUT rows no new ones are
added, but for the first MOST_LEFT_OUT_OF_EACH of every slug. The counts go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from crawler.crawlfile.connection import Connection
from crawler.models import NewTask, Origin
from crawler.queues import policy
from crawler.urls import left_out_mark

_COUNTED = (
    "INSERT INTO left_out (mark, slug, url, kind, page_url, times) VALUES (?, ?, ?, ?, ?, 1)"
    " ON CONFLICT (mark) DO UPDATE SET times = times + 1"
)


class LeftOutRows:
    """Those of the file *db*; to be used within a transaction."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._rows: Counter[str] = Counter(
            dict(db.execute("SELECT slug, count(*) FROM left_out GROUP BY slug").fetchall())
        )

    def note(self, found: Iterable[tuple[str, NewTask]]) -> Counter[str]:
        """Note tasks that were left out, with their slugs; returns how many were new, by slug."""
        new: Counter[str] = Counter()
        by_slug: dict[str, list[NewTask]] = {}
        for slug, task in found:
            by_slug.setdefault(slug, []).append(task)
        for slug, tasks in by_slug.items():
            of_each = policy.MOST_LEFT_OUT_OF_EACH - self._rows[slug]
            room = max(0, policy.MOST_LEFT_OUT - self._rows.total(), of_each)
            marks = [left_out_mark(slug, task.kind, task.url) for task in tasks]
            rows = [
                (mark, slug, task.url, task.kind.value, "" if task.origin is None else task.origin.page_url)
                for mark, task in zip(marks[:room], tasks, strict=False)
            ]
            before = self._last_seq()
            self._db.executemany(_COUNTED, rows)
            new[slug] = self._last_seq() - before
            self._rows[slug] += new[slug]
            self._db.executemany(
                "UPDATE left_out SET times = times + 1 WHERE mark = ?", [(mark,) for mark in marks[room:]]
            )
        return +new

    def _last_seq(self) -> int:
        return int(self._db.execute("SELECT coalesce(max(seq), 0) FROM left_out").fetchone()[0])


def located(tasks: Sequence[NewTask], page_url: str) -> Sequence[NewTask]:
    """*tasks* of a result, with *page_url* as the origin of those that are kept out and have none."""
    origin = Origin(page_url=page_url, found_in="")
    return [
        msgspec.structs.replace(task, origin=origin) if task.kept_out_by and task.origin is None else task
        for task in tasks
    ]
