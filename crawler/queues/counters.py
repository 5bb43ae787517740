"""The ledger's counters: made from the file when it is opened, kept with each change, so that nobody has to count."""

from __future__ import annotations

from collections import Counter
from typing import Any

from crawler.crawlfile.columns import known_reason, known_status, total
from crawler.crawlfile.schema import TABLES, Connection
from crawler.models import Counts, ImageStatus, Record, TaskKind, TaskState

_UNSETTLED = (TaskState.READY, TaskState.DELAYED, TaskState.LEASED)


class Counters:
    """Tasks by state, records by status and by reason, what was kept out, and the bytes that are saved."""

    def __init__(self, db: Connection) -> None:
        self._states: dict[TaskKind, Counter[TaskState]] = {kind: Counter() for kind in TaskKind}
        for kind, state, count in db.execute("SELECT kind, state, count(*) FROM tasks GROUP BY kind, state"):
            self._states[TaskKind(kind)][TaskState(state)] = count
        self._status: dict[TaskKind, Counter[str]] = {kind: Counter() for kind in TaskKind}
        self._reasons: dict[TaskKind, Counter[str]] = {kind: Counter() for kind in TaskKind}
        for kind, table in TABLES.items():
            for status, reason, count in db.execute(
                f"SELECT status, reason, count(*) FROM {table} GROUP BY status, reason"  # noqa: S608 - a name of our own
            ):
                self._status[kind][known_status(kind, status)] += count
                if reason := known_reason(reason):
                    self._reasons[kind][reason] += count
        self.dropped: Counter[str] = Counter(dict(db.execute("SELECT reason, count FROM dropped").fetchall()))
        self._saved_bytes: int = db.execute(
            f"SELECT {total('size_bytes')} FROM images WHERE status = 'saved'"  # noqa: S608
        ).fetchone()[0]

    def add(self, kind: TaskKind, state: TaskState = TaskState.READY) -> None:
        """One more task."""
        self._states[kind][state] += 1

    def move(self, kind: TaskKind, before: TaskState, after: TaskState | None) -> None:
        """One is in another state now; None: it is a task no longer."""
        self._states[kind][before] -= 1
        if after is not None:
            self._states[kind][after] += 1

    def count(self, kind: TaskKind, record: Record, by: int) -> None:
        """*by* more records such as this one; -1 for one that goes."""
        self._status[kind][record.status] += by
        if record.reason:
            self._reasons[kind][record.reason] += by
        if record.status is ImageStatus.SAVED:
            self._saved_bytes += record.size_bytes * by

    def tasks(self, kind: TaskKind) -> int:
        """In all states."""
        return sum(self._states[kind].values())

    @property
    def waiting_images(self) -> int:
        images = self._states[TaskKind.IMAGE]
        return images[TaskState.READY] + images[TaskState.DELAYED]

    @property
    def pages_at_hand(self) -> int:
        """Those that are read or rendered now, or could be: not those that wait to be tried again."""
        return sum(
            self._states[kind][state]
            for kind in (TaskKind.PAGE, TaskKind.RENDER)
            for state in (TaskState.READY, TaskState.LEASED)
        )

    @property
    def drained(self) -> bool:
        return not any(states[state] for states in self._states.values() for state in _UNSETTLED)

    @property
    def saved_bytes(self) -> int:
        return self._saved_bytes

    def settled(self, kind: TaskKind) -> int:
        """Tasks that have their record."""
        return self._states[kind][TaskState.DONE] + self._states[kind][TaskState.DEAD]

    def facts(self) -> dict[str, Any]:
        """Everything counted, as fields of Stats."""
        facts: dict[str, Any] = {}
        for kind in TaskKind:
            facts[f"{kind}s"] = Counts(**{state.value: count for state, count in self._states[kind].items()})
            facts[f"{kind}_status"] = dict(+self._status[kind])
            facts[f"{kind}_reasons"] = dict(+self._reasons[kind])
        return {
            **facts,
            "dropped": dict(+self.dropped),
            "saved_bytes": self._saved_bytes,
            "drained": self.drained,
        }
