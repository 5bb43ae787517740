"""The live panel of a crawl, for a terminal of any size.

Each row has a rank: a low terminal shows the rows of the lowest ranks, and workers share rows by kind. On a narrow
terminal the bars go first, then the rates; counts are never cut.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from crawler.cli import crawl_tables, tables
from crawler.cli.image_locations import told_apart
from crawler.cli.output import clean
from crawler.models import WORKER_NAMES, Counts, ImageStatus, Stats, TaskKind, WorkerStatus
from crawler.monitoring import wait_reasons
from crawler.monitoring.rate import Rate

RATE_WINDOW_S = 5.0
ESTIMATE_WINDOW_S = 30.0
_MEAN_AFTER_S = 10.0
_BAR_COLUMNS, _LEAST_BAR_COLUMNS = 24, 6
_GAP = 2
_REASONS_SHOWN = 6
_WORKERS_SHOWN = 8
_WAITS_SHOWN = 4
_MOST_ROWS_OF_A_WAIT = 3


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The rates of a crawl, per second."""

    elapsed_s: float
    pages_per_s: float
    renders_per_s: float
    images_per_s: float
    bytes_per_s: float
    lately_per_s: float
    """Images over a longer time; estimates use it."""
    mean_per_s: float
    """Images since the start."""


class LivePanel:
    """The panel of a running crawl. *invitation*, *go_on*: see ``wait_reasons.waits``."""

    def __init__(
        self,
        seeds: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
        *,
        invitation: str = "",
        go_on: str = "",
    ) -> None:
        self._seeds = seeds
        self._clock = clock
        self._invitation, self._go_on = invitation, go_on
        self._started = clock()
        self._pages = Rate(window_s=RATE_WINDOW_S)
        self._renders = Rate(window_s=RATE_WINDOW_S)
        self._images = Rate(window_s=RATE_WINDOW_S)
        self._bytes = Rate(window_s=RATE_WINDOW_S)
        self._lately = Rate(window_s=ESTIMATE_WINDOW_S, spacing_s=1.0)
        self._images_before: int | None = None

    def draw(self, stats: Stats) -> RenderableType:
        """The panel for *stats*, which are current; it fits whatever it is drawn on."""
        now = self._clock()
        settled = crawl_tables.settled(stats.images)
        if self._images_before is None and stats.pages.discovered:
            self._images_before = settled
        elapsed_s = now - self._started
        figures = Figures(
            elapsed_s=elapsed_s,
            pages_per_s=self._pages.add(now, crawl_tables.settled(crawl_tables.pages_of(stats))),
            renders_per_s=self._renders.add(now, crawl_tables.settled(stats.renders)),
            images_per_s=self._images.add(now, settled),
            bytes_per_s=self._bytes.add(now, stats.saved_bytes),
            lately_per_s=self._lately.add(now, settled),
            mean_per_s=(settled - (self._images_before or 0)) / elapsed_s if elapsed_s > 0 else 0.0,
        )
        waiting = wait_reasons.waits(stats, invitation=self._invitation, go_on=self._go_on)
        return _Drawn(self._seeds, stats, figures, waiting)


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Rows that are shown together or not at all."""

    rank: int = 0
    """Blocks of lower rank are shown first; 0 is always shown."""
    part: RenderableType | None = None
    rows: int = 1


def chosen(blocks: Sequence[Block], height: int) -> list[Block]:
    """The blocks that fit, in their order."""
    taken = set()
    for block in sorted(blocks, key=lambda one: one.rank):
        if not block.rank or block.rows <= height:
            taken.add(block)
            height -= block.rows
    return [block for block in blocks if block in taken]


class _Drawn:
    def __init__(
        self, seeds: Sequence[str], stats: Stats, figures: Figures, waiting: Sequence[wait_reasons.Wait]
    ) -> None:
        self._seeds, self._stats, self._figures, self._waiting = seeds, stats, figures, waiting

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, options.size.height
        stats, figures = self._stats, self._figures
        bars = bars_of(stats, figures, width)
        estimate = estimate_of(stats, figures)
        reasons = reasons_of(stats)
        kinds, crews = _by_kind(stats.workers), _crews(stats.workers)
        apart = Block(rank=7, rows=len(crews) - len(kinds)) if kinds else None  # each worker by itself
        blocks = [
            Block(part=self._head()),
            Block(rank=8, part=Text()),
            Block(part=bars, rows=bars.row_count),
            *([Block(rank=3, part=estimate)] if estimate else []),
            Block(rank=9, part=Text()),
            Block(part=statuses_of(stats)),
            *([Block(rank=6, part=reasons)] if reasons else []),
            *wait_blocks(console, self._waiting[:_WAITS_SHOWN], width, ranks=(1, 5)),
            *([Block(rank=10, part=Text())] if kinds else []),
            *([apart, Block(rank=2, rows=len(kinds))] if apart else []),
            Block(part=Text()),  # where a terminal echoes ^C without shifting the picture
        ]
        shown = chosen(blocks, height)
        for block in shown:
            if block.part is not None:
                yield block.part
            elif block is not apart:
                yield _workers(crews if apart in shown else kinds)

    def _head(self) -> Table:
        stats = self._stats
        more = f"  and {len(self._seeds) - 1} more" if len(self._seeds) > 1 else ""
        head = Table.grid(expand=True)
        head.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        head.add_column(justify="right", no_wrap=True)
        head.add_row(
            Text.assemble(
                ("● ", "yellow" if stats.paused or self._waiting else "green"),
                (clean(self._seeds[0]), "bold"),
                (more, "dim"),
                ("  paused" if stats.paused else "", "yellow"),
            ),
            Text(f"  {timedelta(seconds=int(self._figures.elapsed_s))}", "dim"),
        )
        return head


def bars_of(stats: Stats, figures: Figures, width: int) -> Table:
    """The progress of each kind of task: two rows, or three if a page wants a browser."""
    rows: list[tuple[str, Counts, str]] = [
        ("  Pages", crawl_tables.pages_of(stats), f"{figures.pages_per_s:,.0f}/s")
    ]
    if stats.renders.discovered:  # most sites have none
        rows.append(("  Rendered", stats.renders, f"{figures.renders_per_s:,.1f}/s"))
    rows.append(("  Images", stats.images, f"{figures.images_per_s:,.0f}/s"))
    saved = tables.size(stats.saved_bytes)
    speed = f"  {tables.size(int(figures.bytes_per_s))}/s"
    names = max(len(rows[-1][0]), *(len(name) for name, *_ in rows))
    counts = max(len(_count(of)) for _, of, _ in rows)
    rates = max(len(rate) for *_, rate in rows)

    def free(*columns: int) -> int:
        """The width that columns of such widths leave for a bar."""
        return width - sum(column + _GAP for column in columns)

    size = Text(saved, "bold")
    if free(names, counts, rates, len(saved + speed)) - _GAP >= _LEAST_BAR_COLUMNS:
        size.append(speed, "not bold dim")
    elif free(names, counts, rates, len(saved)) < 0:
        size = Text()
    bar = min(_BAR_COLUMNS, free(names, counts, rates, *([len(size)] if size else [])) - _GAP)
    table = Table.grid(padding=(0, _GAP, 0, 0))
    table.add_column(style="bold", no_wrap=True, min_width=names)
    if bar >= _LEAST_BAR_COLUMNS:
        table.add_column(width=bar)
    table.add_column(justify="right", no_wrap=True, min_width=counts)
    table.add_column(justify="right", no_wrap=True, min_width=rates)
    table.add_column(justify="right", no_wrap=True)
    for name, of, rate in rows:
        cells: list[RenderableType] = [name]
        if bar >= _LEAST_BAR_COLUMNS:
            cells.append(_bar(of))
        table.add_row(*cells, _count(of), rate, size if of is stats.images else "")
    return table


def estimate_of(stats: Stats, figures: Figures) -> Text | None:
    """The estimate of the time left, or why there is none, and the mean rate; one row."""
    seconds, why_none = wait_reasons.time_to_go(stats, figures.lately_per_s)
    told = [f"about {wait_reasons.span(seconds)} to go" if seconds is not None else why_none]
    if figures.elapsed_s >= _MEAN_AFTER_S and figures.mean_per_s > 0:
        told.append(f"{tables.per_s(figures.mean_per_s)} images/s since the start")
    text = ", ".join(filter(None, told))
    return Text(f"  {text}", "dim", no_wrap=True, overflow="ellipsis") if text else None


def statuses_of(stats: Stats) -> Text:
    """The outcomes of images; one row."""
    statuses = Text("  ", no_wrap=True, overflow="ellipsis")
    for status in ImageStatus:
        count = stats.image_status.get(status, 0)
        if count or status is ImageStatus.SAVED:
            statuses.append(f"{count:,} ", "bold").append_text(crawl_tables.label(status)).append("   ")
    statuses.rstrip()
    return statuses


def reasons_of(stats: Stats) -> Text | None:
    """Why images were not saved, and pages not read; one row."""
    pages = {
        reason: count for reason, count in stats.page_reasons.items() if reason not in crawl_tables.EXPECTED
    }
    told = [
        f"{what}: {' · '.join(f'{clean(reason)} {count:,}' for reason, count in most_frequent)}"
        for what, reasons in (
            ("not saved", stats.image_reasons),
            ("not read", pages),
            ("not rendered", stats.render_reasons),
        )
        if (most_frequent := Counter(reasons).most_common(_REASONS_SHOWN))
    ]
    return Text("  " + "   ".join(told), "dim", no_wrap=True, overflow="ellipsis") if told else None


def wait_blocks(
    console: Console, waits: Sequence[wait_reasons.Wait], width: int, *, ranks: tuple[int, int]
) -> Iterator[Block]:
    """Each wait on as many rows as needed: its command has to be copied whole. *ranks*: of the first, of the others."""
    for number, wait in enumerate(waits):
        style = "bold yellow" if wait.is_for_you else "yellow"
        lines = Text(clean(wait.text), style).wrap(console, max(10, width - 2))[:_MOST_ROWS_OF_A_WAIT]
        rows = [Text("  ", no_wrap=True, overflow="ellipsis").append_text(line) for line in lines]
        yield Block(rank=ranks[min(number, 1)], part=Group(*rows), rows=len(rows))


_Crew = tuple[str, Sequence[WorkerStatus]]


def _workers(crews: Sequence[_Crew]) -> Table:
    table = Table.grid(padding=(0, _GAP, 0, 0), expand=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for name, crew in crews:
        table.add_row(f"  {name}", f"{sum(who.done for who in crew):,} done", Text(_doing(crew), "dim"))
    return table


def _by_kind(workers: Sequence[WorkerStatus]) -> list[_Crew]:
    """The workers of each kind together: ``2 harvesters``."""
    in_order = sorted(workers, key=lambda who: crawl_tables.rank(who.kind))
    return [
        (crawl_tables.worker_counts(crew), crew)
        for _, group in groupby(in_order, key=lambda who: who.kind)
        for crew in [list(group)]
    ]


def _crews(workers: Sequence[WorkerStatus]) -> list[_Crew]:
    """Named groups: each worker by itself, or the workers of each machine if they are too many."""
    in_order = sorted(
        told_apart(workers), key=lambda who: (crawl_tables.rank(who.kind), who.machine, who.pid)
    )
    if len(in_order) > _WORKERS_SHOWN:
        machines = Counter(who.machine for who in in_order)
        return [
            (f"{clean(machine)} ({count} workers)", [who for who in in_order if who.machine == machine])
            for machine, count in machines.most_common(_WORKERS_SHOWN)
        ]
    several = len({who.machine for who in in_order}) > 1
    numbers: Counter[tuple[TaskKind, str]] = Counter()
    named: list[_Crew] = []
    for who in in_order:
        machine = who.machine if several else ""
        numbers[who.kind, machine] += 1
        name = f"{WORKER_NAMES[who.kind]} {numbers[who.kind, machine]}"
        named.append((f"{clean(machine)} {name}" if several else name, [who]))
    return named


def _doing(crew: Sequence[WorkerStatus]) -> str:
    running = sum(who.running for who in crew)
    shown = next((who.busy[0] for who in crew if who.busy), "")
    if not shown:
        return "waiting"
    return _tail(clean(shown)) + (f" +{running - 1}" if running > 1 else "")


def _tail(url: str) -> str:
    """The end of a URL, by which it differs from its neighbours."""
    path = url.partition("//")[2].partition("/")[2]
    parts = path.split("/")
    return path if len(parts) <= 2 else "…/" + "/".join(parts[-2:])  # noqa: PLR2004 - a folder and a name


def _bar(counts: Counts) -> RenderableType:
    return ProgressBar(
        total=max(1, counts.discovered),
        completed=crawl_tables.settled(counts),
        width=None,
        complete_style="green",
        finished_style="green",
    )


def _count(counts: Counts) -> str:
    return f"{crawl_tables.settled(counts):,} of {counts.discovered:,}"
