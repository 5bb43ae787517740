"""Counters of tasks and records: read from the file once, and kept with each change."""

from __future__ import annotations

from crawler.crawlfile.connection import Connection
from crawler.crawlfile.totals import Totals
from crawler.models import ImageStatus, Record, TaskKind, TaskState

_SETTLED = (TaskState.DONE, TaskState.DEAD)


class Counters(Totals):
    """Totals of the file *db*, which agree with it as long as each change is counted here as well.

    Invariant: ``_unsettled`` is the number of tasks that are not settled: whether there are any is asked all the time.
    """

    def __init__(self, db: Connection) -> None:
        super().__init__(db.execute)
        self._unsettled = sum(
            count
            for states in self.states.values()
            for state, count in states.items()
            if state not in _SETTLED
        )

    @property
    def drained(self) -> bool:
        """No task is ready, delayed or leased."""
        return not self._unsettled

    def add(self, kind: TaskKind, state: TaskState = TaskState.READY) -> None:
        """Count a new task."""
        self.states[kind][state] += 1
        self._unsettled += state not in _SETTLED

    def move(self, kind: TaskKind, before: TaskState, after: TaskState | None, count: int = 1) -> None:
        """Count *count* tasks that have changed their state; *after* None: they are removed."""
        states = self.states[kind]
        states[before] -= count
        if before not in _SETTLED:
            self._unsettled -= count
        if after is not None:
            states[after] += count
            if after not in _SETTLED:
                self._unsettled += count

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
