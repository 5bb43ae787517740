"""The ledger's counters: made from the file when it is opened, kept with each change, so that nobody has to count."""

from __future__ import annotations

from crawler.crawlfile.connection import Connection
from crawler.crawlfile.totals import Totals
from crawler.models import ImageStatus, Record, TaskKind, TaskState


class Counters(Totals):
    """Totals of the file *db*, which agree with it as long as each change is counted here as well."""

    def __init__(self, db: Connection) -> None:
        super().__init__(db.execute)

    def add(self, kind: TaskKind, state: TaskState = TaskState.READY) -> None:
        """One more task."""
        self.states[kind][state] += 1

    def move(self, kind: TaskKind, before: TaskState, after: TaskState | None) -> None:
        """One is in another state now; None: it is a task no longer."""
        self.states[kind][before] -= 1
        if after is not None:
            self.states[kind][after] += 1

    def count(self, kind: TaskKind, record: Record, by: int) -> None:
        """*by* more records such as this one; -1 for one that goes."""
        self.status[kind][record.status] += by
        if record.reason:
            self.reasons[kind][record.reason] += by
        if record.status is ImageStatus.SAVED:
            self.saved_bytes += record.size_bytes * by

    def tasks(self, kind: TaskKind) -> int:
        """In all states."""
        return sum(self.states[kind].values())

    @property
    def waiting_images(self) -> int:
        images = self.states[TaskKind.IMAGE]
        return images[TaskState.READY] + images[TaskState.DELAYED]

    @property
    def pages_at_hand(self) -> int:
        """Those that are read or rendered now, or could be: not those that wait to be tried again."""
        return sum(
            self.states[kind][state]
            for kind in (TaskKind.PAGE, TaskKind.RENDER)
            for state in (TaskState.READY, TaskState.LEASED)
        )

    def settled(self, kind: TaskKind) -> int:
        """Tasks that have their record."""
        return self.states[kind][TaskState.DONE] + self.states[kind][TaskState.DEAD]
