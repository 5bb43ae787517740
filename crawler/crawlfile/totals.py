"""Tasks and records, counted: what a queue goes on counting from, and what is shown of a crawl's folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from crawler.crawlfile.columns import known_reason, known_status, total
from crawler.crawlfile.schema import LEASED, TABLES
from crawler.models import Counts, TaskKind, TaskState

_LEASED_COUNTS = f"SELECT tasks.kind, count(DISTINCT tasks.id) FROM {LEASED} GROUP BY tasks.kind"  # noqa: S608
UNSETTLED = (TaskState.READY, TaskState.DELAYED, TaskState.LEASED)


class Totals:
    """Tasks by state, records by status and by reason, what was kept out, and the bytes that are saved.

    *rows* runs a query; *missing* are the tables that a file of an earlier version lacks.
    """

    def __init__(
        self, rows: Callable[[str], Iterable[Sequence[Any]]], *, missing: Collection[str] = ()
    ) -> None:
        self.states: dict[TaskKind, Counter[TaskState]] = {kind: Counter() for kind in TaskKind}
        self.status: dict[TaskKind, Counter[str]] = {kind: Counter() for kind in TaskKind}
        self.reasons: dict[TaskKind, Counter[str]] = {kind: Counter() for kind in TaskKind}
        for kind, state, count in rows("SELECT kind, state, count(*) FROM tasks GROUP BY kind, state"):
            if kind in TaskKind.__members__.values() and state in TaskState.__members__.values():
                self.states[TaskKind(kind)][TaskState(state)] = count
        if "leases" not in missing:
            self._tell_leased(rows(_LEASED_COUNTS))
        for of, table in TABLES.items():
            if table in missing:
                continue
            for status, reason, count in rows(
                f"SELECT status, reason, count(*) FROM {table} GROUP BY status, reason"  # noqa: S608 - our own names
            ):
                self.status[of][known_status(of, status)] += count
                if slug := known_reason(reason):
                    self.reasons[of][slug] += count
        left_out = rows("SELECT reason, count FROM dropped")
        self.dropped = Counter({str(slug): count for slug, count in left_out if isinstance(count, int)})
        sql = f"SELECT {total('size_bytes')} FROM images WHERE status = 'saved'"  # noqa: S608
        self.saved_bytes: int = next(iter(rows(sql)))[0]

    def _tell_leased(self, counts: Iterable[Sequence[Any]]) -> None:
        """Count as leased what is ready by its row, and in a worker's hands."""
        for kind, count in counts:
            if kind in TaskKind.__members__.values():
                states = self.states[TaskKind(kind)]
                states[TaskState.LEASED] += count
                states[TaskState.READY] -= count

    @property
    def drained(self) -> bool:
        """No task is ready, delayed or leased."""
        return not any(states[state] for states in self.states.values() for state in UNSETTLED)

    def facts(self) -> dict[str, Any]:
        """Everything counted, as fields of Stats; reasons with the highest count first."""
        facts: dict[str, Any] = {}
        for kind in TaskKind:
            facts[f"{kind}s"] = Counts(**{state.value: count for state, count in self.states[kind].items()})
            facts[f"{kind}_status"] = dict(+self.status[kind])
            facts[f"{kind}_reasons"] = _by_count(self.reasons[kind])
        return {
            **facts,
            "dropped": _by_count(self.dropped),
            "saved_bytes": self.saved_bytes,
            "drained": self.drained,
        }


def _by_count(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted((+counter).items(), key=lambda item: (-item[1], item[0])))
