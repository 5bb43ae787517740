"""What waits to be tried again, for people: the next tasks, and why their latest tries failed.

When a task is due again lies in the file; why it waits is only told to those who watch, and lives in memory: after a
restart it is not known until the next failure.
"""

from __future__ import annotations

from collections import OrderedDict

from crawler.crawlfile.schema import Connection
from crawler.models import Retry, TaskKind
from crawler.queues import policy

_MOST_TASKS = 10_000


class RetryPreview:
    """Of the tasks in the file *db*."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._why: OrderedDict[int, tuple[str, int]] = OrderedDict()  # by task; the latest comes last

    def note(self, task_id: int, reason: str, http_status: int) -> None:
        """A task is to be tried again, for this; empty for one whose turn it was not."""
        self._why.pop(task_id, None)
        self._why[task_id] = (reason, http_status)
        if len(self._why) > _MOST_TASKS:
            self._why.popitem(last=False)

    def next(self, *, life_s: float, max_attempts: int) -> tuple[Retry, ...]:
        """One of each host; *life_s* is the moment that ``due_s`` of the file counts from."""
        rows = self._db.execute(
            "SELECT tasks.id, kind, host_id, attempts, due_s, hosts.name FROM tasks JOIN hosts ON hosts.id = host_id"
            " WHERE state = 'delayed' AND due_s IS NOT NULL ORDER BY due_s LIMIT ?",
            (policy.LOOKED_AT,),
        ).fetchall()
        found: dict[int, Retry] = {}
        for task_id, kind, host, attempts, due_s, name in rows:
            if host not in found and len(found) < policy.SHOWN_RETRIES:
                reason, http_status = self._why.get(task_id, ("", 0))
                found[host] = Retry(
                    host=name,
                    kind=TaskKind(kind),
                    due_s=max(0.0, due_s - life_s),
                    tries_left=max(0, max_attempts - attempts),
                    reason=reason,
                    http_status=http_status,
                )
        return tuple(found.values())
