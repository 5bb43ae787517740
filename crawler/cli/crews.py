"""Who works: each worker by itself, or together by machine or kind where rows are few; those in trouble first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.table import Table
from rich.text import Text

from crawler.cli import crawl_tables
from crawler.cli.image_locations import told_apart
from crawler.cli.output import clean
from crawler.cli.panel_blocks import shortened
from crawler.models import WORKER_NAMES, TaskKind, WorkerStatus
from crawler.monitoring import wait_reasons
from crawler.text.display import counted

_GAP = 2
_LEAST_URL = 12
_STEADY_DONE, _STEADY_LEFT = len("99,999 done"), 40
"""Columns of a count, where so many are left: the rows then keep still while it grows."""


@dataclass(frozen=True, kw_only=True)
class Crew:
    """Workers in one row."""

    name: str
    workers: Sequence[WorkerStatus]

    @property
    def is_silent(self) -> bool:
        """Whether one of them has said nothing for too long."""
        return any(who.seen_s >= wait_reasons.SILENT_S for who in self.workers)

    @property
    def trouble(self) -> tuple[bool, bool]:
        """Sorts those in trouble to the head."""
        return not self.is_silent, not any(who.short_of_memory for who in self.workers)


def kinds(workers: Sequence[WorkerStatus]) -> list[Crew]:
    """The workers of each kind together: ``2 harvesters``."""
    in_order = sorted(workers, key=lambda who: crawl_tables.rank(who.kind))
    return [
        Crew(name=crawl_tables.worker_counts(crew), workers=crew)
        for _, group in groupby(in_order, key=lambda who: who.kind)
        for crew in [list(group)]
    ]


def each(workers: Sequence[WorkerStatus]) -> list[Crew]:
    """Each worker by itself: ``downloader 2``, with its machine if there are several."""
    in_order = sorted(
        told_apart(workers), key=lambda who: (crawl_tables.rank(who.kind), who.machine, who.pid)
    )
    several = len({who.machine for who in in_order}) > 1
    numbers: Counter[tuple[TaskKind, str]] = Counter()
    named = []
    for who in in_order:
        machine = who.machine if several else ""
        numbers[who.kind, machine] += 1
        name = f"{WORKER_NAMES[who.kind]} {numbers[who.kind, machine]}"
        named.append(Crew(name=f"{clean(machine)} {name}" if several else name, workers=[who]))
    return named


def machines(workers: Sequence[WorkerStatus]) -> list[Crew]:
    """The workers of each machine together, those with the most first."""
    by_name: dict[str, list[WorkerStatus]] = {}
    for who in told_apart(workers):
        by_name.setdefault(who.machine, []).append(who)
    return [
        Crew(name=f"{clean(machine)} ({counted(len(crew), 'worker')})", workers=crew)
        for machine, crew in sorted(by_name.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def for_rows(workers: Sequence[WorkerStatus], rows: int) -> tuple[list[Crew], int]:
    """Crews for at most that many rows, and how many workers are in none of them, for which one row is left free."""
    several = len({(who.machine, who.machine_id) for who in workers}) > 1
    for grouped in (each, machines, kinds) if several else (each, kinds):
        crews = grouped(workers)
        if len(crews) <= rows:
            return sorted(crews, key=lambda crew: crew.trouble), 0
    crews = sorted(machines(workers), key=lambda crew: crew.trouble)
    if rows > 1 and len(crews) > 1:
        crews = crews[: rows - 1]
        return crews, len(workers) - sum(len(crew.workers) for crew in crews)
    return [Crew(name=counted(len(workers), "worker"), workers=workers)], 0


def crew_table(workers: Sequence[WorkerStatus], rows: int, width: int) -> Table:
    """Who they are, what they have done, and what they do, in at most that many *rows* and columns."""
    crews, more = for_rows(workers, rows)
    cells = [(f"  {crew.name}", f"{sum(who.done for who in crew.workers):,} done", crew) for crew in crews]
    counts = max(len(done) for _, done, _ in cells)
    left = width - max(len(name) for name, *_ in cells) - counts - 2 * _GAP
    if counts < _STEADY_DONE and left >= _STEADY_LEFT:
        counts, left = _STEADY_DONE, left - (_STEADY_DONE - counts)
    table = Table.grid(padding=(0, _GAP, 0, 0))
    table.add_column(style="bold", no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True, min_width=counts)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for name, done, crew in cells:
        table.add_row(name, done, _doing(crew, left) if left >= _LEAST_URL else "")
    if more:
        table.add_row(Text(f"  and {counted(more, 'worker')} more", "not bold dim"), "", "")
    return table


def _doing(crew: Crew, columns: int) -> Text:
    if crew.is_silent:
        silent_s = max(who.seen_s for who in crew.workers)
        return Text(f"silent for {wait_reasons.span(silent_s)}", "yellow")
    running = sum(who.running for who in crew.workers)
    shown = next((who.busy[0] for who in crew.workers if who.busy), "")
    if not shown:
        return Text("waiting", "dim")
    more = f" +{running - 1}" if running > 1 else ""
    return Text(_tail(clean(shown), columns - len(more)) + more, "dim")


def _tail(url: str, columns: int) -> str:
    """The end of a URL, by which it differs from its neighbours."""
    path = url.partition("//")[2].partition("/")[2]
    parts = path.split("/")
    tail = path if len(parts) <= 2 else "…/" + "/".join(parts[-2:])  # noqa: PLR2004 - a folder and a name
    return shortened(tail, columns)
