"""The live panel of a crawl, for a terminal of any size.

Each row has a rank: a low terminal shows the rows of the lowest ranks, and workers share rows by kind. On a narrow
terminal columns go, and counts are never cut. On a wide one workers stand beside the figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table
from rich.text import Text

from crawler.cli import crews
from crawler.cli.output import clean
from crawler.cli.panel_blocks import (
    Block,
    chosen,
    estimate_blocks,
    failure_blocks,
    grid_block,
    outcome_blocks,
    wait_blocks,
)
from crawler.cli.progress_grid import ACCENT, Figures, Gauges
from crawler.models import Stats
from crawler.monitoring import wait_reasons
from crawler.monitoring.guessed_sitemaps import without_guessed

_WAITS_SHOWN = 4
_WORKERS_SHOWN = 12
"""Rows of workers: the panel stands below what the terminal showed before, and leaves it in sight."""
_SIDE_BY_SIDE = 132
"""Columns from which workers stand beside the figures."""
_LEAST_FIGURES = 80
_ROWS_ABOVE_FIGURES = 2
_TALL = 14
"""Rows of a terminal that has one for a note."""
_BETWEEN = 4


class LivePanel:
    """The panel of a running crawl. *notes* are on its seeds. *invitation*, *go_on*: see
    ``wait_reasons.waits``.
    """

    def __init__(
        self,
        seeds: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
        *,
        notes: Sequence[str] = (),
        invitation: str = "",
        go_on: str = "",
    ) -> None:
        self._seeds, self._notes = seeds, notes
        self._clock = clock
        self._invitation, self._go_on = invitation, go_on
        self._started = clock()
        self._gauges = Gauges()

    def draw(self, stats: Stats) -> _Drawn:
        """The panel for *stats*, which are current; it fits whatever it is drawn on."""
        stats, now = without_guessed(stats), self._clock()
        figures = self._gauges.note(stats, now=now, elapsed_s=now - self._started)
        waiting = wait_reasons.waits(stats, invitation=self._invitation, go_on=self._go_on)
        return _Drawn(self._seeds, self._notes, stats, figures, waiting)


class _Drawn:
    def __init__(
        self,
        seeds: Sequence[str],
        notes: Sequence[str],
        stats: Stats,
        figures: Figures,
        waiting: Sequence[wait_reasons.Wait],
    ) -> None:
        self._seeds, self._notes = seeds, notes
        self._stats, self._figures, self._waiting = stats, figures, waiting

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, options.size.height
        yield self._head()
        if self._notes and height >= _TALL:
            yield self._note()
            height -= 1
        if self._stats.workers and width >= _SIDE_BY_SIDE:
            yield self._side_by_side(console, width, height - 2)
        else:
            yield from self._one_below_the_other(console, width, height - 2)
        yield Text()  # where a terminal echoes ^C without shifting the picture

    def _side_by_side(self, console: Console, width: int, height: int) -> Table:
        left = max(_LEAST_FIGURES, (width - _BETWEEN) * 3 // 5)
        right = width - _BETWEEN - left
        shown = chosen(list(self._figures_blocks(console, left, height)), height)
        workers = crews.crew_table(self._stats.workers, max(1, min(height - 1, _WORKERS_SHOWN)), right)
        table = Table.grid(padding=(0, _BETWEEN, 0, 0))
        table.add_column(width=left)
        table.add_column(width=right)
        parts = [block.part for block in shown if block.part is not None]
        # beside the first bar
        above = [Text()] * min(_ROWS_ABOVE_FIGURES, max(0, height - workers.row_count))
        table.add_row(Group(*parts), Group(*above, workers))
        return table

    def _one_below_the_other(
        self, console: Console, width: int, height: int
    ) -> Iterator[Group | Table | Text]:
        workers = self._stats.workers
        blocks = list(self._figures_blocks(console, width, height))
        least, most = (min(len(each), _WORKERS_SHOWN) for each in (crews.kinds(workers), crews.each(workers)))
        together = Block(rank=2, rows=least)
        if workers:
            blocks += [Block(rank=14, part=Text()), together, Block(rank=8, rows=max(0, most - least))]
        shown = chosen(blocks, height)
        yield Group(*(block.part for block in shown if block.part is not None))
        if together in shown:
            left = height - sum(block.rows for block in shown if block.part is not None)
            yield crews.crew_table(workers, min(left, _WORKERS_SHOWN), width)

    def _figures_blocks(self, console: Console, width: int, height: int) -> Iterator[Block]:
        stats, figures = self._stats, self._figures
        yield Block(rank=12, part=Text())
        yield grid_block(stats, figures, width, height)
        yield from estimate_blocks(console, stats, figures, width, ranks=(3, 11))
        yield Block(rank=13, part=Text())
        yield from outcome_blocks(stats, width, height, ranks=(0, 6))
        yield from failure_blocks(stats, width, ranks=(4, 9))
        yield from wait_blocks(console, self._waiting, width, most=_WAITS_SHOWN, ranks=(1, 5))

    def _note(self) -> Text:
        more = f"  and {len(self._notes) - 1} more" if len(self._notes) > 1 else ""
        return Text(f"  {clean(self._notes[0])}{more}", "dim", no_wrap=True, overflow="ellipsis")

    def _head(self) -> Table:
        stats = self._stats
        more = f"  and {len(self._seeds) - 1} more" if len(self._seeds) > 1 else ""
        head = Table.grid(expand=True)
        head.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        head.add_column(justify="right", no_wrap=True)
        head.add_row(
            Text.assemble(
                ("● ", "yellow" if stats.paused or self._waiting else ACCENT),
                (clean(self._seeds[0]), "bold"),
                (more, "dim"),
                ("  paused" if stats.paused else "", "yellow"),
            ),
            Text(f"  {timedelta(seconds=int(self._figures.elapsed_s))}", "dim"),
        )
        return head
