"""Counters of tasks and records: read from the file once, and kept with each change."""

from __future__ import annotations

from crawler.crawlfile.connection import Connection
from crawler.crawlfile.totals import Totals
from crawler.models import ImageStatus, Record, TaskKind, TaskState


class Counters(Totals):
    """Totals of the file *db*, which agree with it as long as each change is counted here as well."""

    def __init__(self, db: Connection) -> None:
        super().__init__(db.execute)

    def add(self, kind: TaskKind, state: TaskState = TaskState.READY) -> None:
        """Count a new task."""
        self.states[kind][state] += 1

    def move(self, kind: TaskKind, before: TaskState, after: TaskState | None) -> None:
        """Count a task that has changed its state; *after* None: the task is removed."""
        self.states[kind][before] -= 1
        if after is not None:
            self.states[kind][after] += 1

    def count(self, kind: TaskKind, record: Record, by: int) -> None:
        """Count *by* records like this one; -1 for one that is removed."""
        self.status[kind][record.status] += by
        if record.reason:
            self.reasons[kind][record.reason] += by
        if record.status is ImageStatus.SAVED:
            self.saved_bytes += record.size_bytes * by

    def tasks(self, kind: TaskKind) -> int:
        """The number of tasks, in all states."""
        return sum(self.states[kind].values())

    @property
    def waiting_images(self) -> int:
        images = self.states[TaskKind.IMAGE]
        return images[TaskState.READY] + images[TaskState.DELAYED]

    @property
    def pages_at_hand(self) -> int:
        """Pages that are ready or leased, to be read or rendered; not those that wait for another attempt."""
        return sum(
            self.states[kind][state]
            for kind in (TaskKind.PAGE, TaskKind.RENDER)
            for state in (TaskState.READY, TaskState.LEASED)
        )

    def settled(self, kind: TaskKind) -> int:
        """The number of tasks that are done or dead."""
        return self.states[kind][TaskState.DONE] + self.states[kind][TaskState.DEAD]
