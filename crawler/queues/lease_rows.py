"""The leases under way, in crawl.db: which tasks workers hold, a row for each batch of them.

The row of a task says nothing of a lease until it has ended. When each task was marked as leased, each mark cost a page
of the file: the tasks of a host lie far apart. A batch of a hundred ids takes a part of one page, and batches share it.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable
from typing import Any

import msgspec

from crawler.crawlfile.connection import Connection
from crawler.crawlfile.schema import LEASED

_ENCODE = msgspec.json.Encoder().encode


class LeaseRows:
    """The table leases of the file *db*. All but ``load`` is called within a transaction.

    Invariant: ``_held`` has the ids in each row of the file, but for the rows in ``_changed``, until ``write``.
    """

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._held: dict[int, set[int]] = {}
        self._changed: set[int] = set()
        self._free: list[int] = []
        """Numbers of rows that are there no more, below ``_next``: a table that does not wander stays within a page."""
        self._next = itertools.count(1)

    def load(self) -> list[tuple[Any, ...]]:
        """Row, id, serial, attempts, kind, host and URL of each leased task."""
        self._changed.clear()
        self._free.clear()
        rows = [number for (number,) in self._db.execute("SELECT id FROM leases")]
        self._held = {number: set() for number in rows}
        self._next = itertools.count(max(rows, default=0) + 1)
        found = self._db.execute(
            "SELECT max(leases.id), tasks.id, serial + 1, attempts + 1, kind, host_id, url"  # noqa: S608 - our own words
            f" FROM {LEASED} GROUP BY tasks.id ORDER BY leases.id"
        ).fetchall()
        for number, task_id, *_ in found:
            self._held[number].add(task_id)
        self._changed.update(rows)  # some may name tasks that are not there
        return found

    def add(self, task_ids: Iterable[int]) -> int:
        """Note a batch that was leased; returns the number of its row."""
        number = heapq.heappop(self._free) if self._free else next(self._next)
        self._held[number] = set(task_ids)
        self._changed.add(number)
        return number

    def remove(self, number: int, task_id: int) -> None:
        """The lease of a task has ended, which the row of that number has."""
        self._held[number].discard(task_id)
        self._changed.add(number)

    def write(self) -> None:
        """Bring the rows up to date."""
        if not self._changed:
            return
        rows, gone = [], []
        for number in self._changed:
            if held := self._held[number]:
                rows.append((number, _ENCODE(sorted(held)).decode()))
            else:
                gone.append((number,))
                del self._held[number]
                heapq.heappush(self._free, number)
        self._changed.clear()
        if rows:
            self._db.executemany("INSERT OR REPLACE INTO leases VALUES (?, ?)", rows)
        if gone:
            self._db.executemany("DELETE FROM leases WHERE id = ?", gone)
