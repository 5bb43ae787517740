"""Tasks that wait for another attempt, and the clock by which they are due.

When a task is due is in the file. Why it waits is for people, and in memory only: a restart forgets it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from crawler.crawlfile import meta
from crawler.crawlfile.connection import Connection
from crawler.crawlfile.meta import MetaKey
from crawler.models import Retry, TaskKind
from crawler.queues import policy

_MOST_REASONS = 10_000


class DelayedTasks:
    """The delayed tasks in the file *db*. Writing methods are called within a transaction.

    ``due_s`` of a row counts from the ledger's birth, in seconds during which it was open: what stands still while the
    ledger is closed loses no delay. *clock* is monotonic, in seconds.

    Invariant: ``_next_due_s`` is the smallest ``due_s`` of the delayed rows; None if there is none. Sizes that are
    held (see picture_sizes.py) are delayed without a ``due_s``.
    """

    def __init__(self, db: Connection, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock
        self._born = clock() - float(meta.read(db, MetaKey.CLOCK_S) or 0.0)
        self._reasons: OrderedDict[int, tuple[str, int]] = OrderedDict()
        """Reason and HTTP status of the latest failure by task, the latest last."""
        self._next_due_s: float | None = None

    def load(self) -> None:
        """Read the earliest moment from the file."""
        row = self._db.execute("SELECT min(due_s) FROM tasks WHERE state = 'delayed'").fetchone()
        self._next_due_s = None if row[0] is None else float(row[0])

    @property
    def life_s(self) -> float:
        """The ledger's age, in seconds during which it was open."""
        return self._clock() - self._born

    @property
    def next_due(self) -> float | None:
        """When the next task is due, on *clock*."""
        return None if self._next_due_s is None else self._born + self._next_due_s

    def save_clock(self) -> None:
        meta.write(self._db, MetaKey.CLOCK_S, self.life_s)

    def delay(self, task_id: int, delay_s: float, reason: str = "", http_status: int = 0) -> None:
        """Have a task wait *delay_s* seconds; *reason* is empty if its request was only postponed."""
        self._reasons.pop(task_id, None)
        self._reasons[task_id] = (reason, http_status)
        if len(self._reasons) > _MOST_REASONS:
            self._reasons.popitem(last=False)
        due_s = self.life_s + delay_s
        self._db.execute("UPDATE tasks SET state = 'delayed', due_s = ? WHERE id = ?", (due_s, task_id))
        if self._next_due_s is None or due_s < self._next_due_s:
            self._next_due_s = due_s
        self.save_clock()

    def is_due(self) -> bool:
        return self._next_due_s is not None and self._next_due_s <= self.life_s

    def wake(self) -> list[tuple[TaskKind, int]]:
        """Make tasks ready that are due, WOKEN_AT_ONCE at most; returns kind and host of each."""
        rows: list[Any] = self._db.execute(
            "SELECT id, kind, host_id FROM tasks WHERE state = 'delayed' AND due_s <= ? LIMIT ?",
            (self.life_s, policy.WOKEN_AT_ONCE),
        ).fetchall()
        self._db.executemany(
            "UPDATE tasks SET state = 'ready', due_s = NULL WHERE id = ?", [(row[0],) for row in rows]
        )
        self.load()
        return [(TaskKind(kind), host) for _, kind, host in rows]

    def next_retries(self, *, max_attempts: int) -> tuple[Retry, ...]:
        """The next tasks to be tried again, one of each host, SHOWN_RETRIES at most."""
        rows = self._db.execute(
            "SELECT tasks.id, kind, host_id, attempts, due_s, hosts.name FROM tasks JOIN hosts ON hosts.id = host_id"
            " WHERE state = 'delayed' AND due_s IS NOT NULL ORDER BY due_s LIMIT ?",
            (policy.LOOKED_AT,),
        ).fetchall()
        retries: dict[int, Retry] = {}
        for task_id, kind, host, attempts, due_s, name in rows:
            if host not in retries and len(retries) < policy.SHOWN_RETRIES:
                reason, http_status = self._reasons.get(task_id, ("", 0))
                retries[host] = Retry(
                    host=name,
                    kind=TaskKind(kind),
                    due_s=max(0.0, due_s - self.life_s),
                    tries_left=max(0, max_attempts - attempts),
                    reason=reason,
                    http_status=http_status,
                )
        return tuple(retries.values())
