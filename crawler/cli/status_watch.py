"""``status --watch``: the whole operation of a crawl on one screen, whatever its size.

Each part has a rank, as in the live panel of a crawl. Workers come before hosts, hosts in trouble before others; on a
wide screen they stand side by side, with the queue beside them.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from crawler.cli import crawl_tables, status_tables, tables
from crawler.cli.output import Picture, clean, live
from crawler.cli.panel_blocks import (
    Block,
    chosen,
    estimate_blocks,
    failure_blocks,
    grid_block,
    outcome_blocks,
    wait_blocks,
)
from crawler.cli.progress_grid import Figures, Histories
from crawler.cli.status_keys import AGAIN, LEAVE, PAUSE, View, hint, pressed, view_rows
from crawler.models import Status
from crawler.monitoring import wait_reasons
from crawler.monitoring.guessed_sitemaps import without_guessed

LOOK_EVERY_S = 0.1
"""Seconds until the screen follows a new window size; Windows has no signal for it."""
_WAITS_SHOWN = 6
_GAP = 4
_LEAST_HEIGHT_FOR_KEYS = 12
_BELOW = 3
"""Rows for what the shell, and we, say after it: the head of the last picture stays in sight."""
_ROWS_OF_A_COMMAND = 2
_LEAST_ROWS = 2
"""Least rows of a table: its header and one more."""
_LEAST_ROWS_OF_HOSTS = 4


class StatusScreen:
    """The screen for *status* and its *figures*; *note* is the last message. *invitation*, *go_on*: see
    ``wait_reasons.waits``. *view* is what is below; with *has_keys* the last row names the keys. So many rows
    are *spared*.
    """

    def __init__(
        self,
        status: Status,
        figures: Figures,
        *,
        note: str = "",
        invitation: str = "",
        go_on: str = "",
        view: View = View.OVERVIEW,
        has_keys: bool = False,
        spared: int = 0,
    ) -> None:
        self._status, self._figures, self._note = status, figures, note
        self._address, self._view, self._has_keys, self._spared = invitation, view, has_keys, spared
        self._waiting = wait_reasons.waits(status, invitation=invitation, go_on=go_on)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.size.height - self._spared
        note = [_row(Text(clean(self._note), "yellow"))] if self._note else []
        if self._has_keys and height >= _LEAST_HEIGHT_FOR_KEYS:
            note.append(hint(self._status, self._view, options.max_width))
        body = Group(*self._body(console, options.max_width, height - len(note)))
        if not self._has_keys:
            yield body
        else:  # they stand at the foot of the screen, whatever is above
            lines = console.render_lines(body, options, pad=False)
            for number in range(height - len(note)):
                yield from lines[number] if number < len(lines) else ()
                yield Segment.line()
        yield Group(*note)

    def _body(self, console: Console, width: int, height: int) -> Iterator[RenderableType]:
        status, figures = self._status, self._figures
        waiting, state = list(self._waiting), crawl_tables.state(status)
        if status.paused and waiting:  # the same, with the command that has it go on
            state = Text(clean(waiting.pop(0).text), "bold yellow")
        head = state.wrap(console, width)[:_ROWS_OF_A_COMMAND] if status.paused else [_row(state)]
        blocks = [
            Block(part=Group(*head), rows=len(head)),
            Block(rank=4, part=_row(status_tables.crew(status))),
            Block(rank=12, part=Text()),
            grid_block(status, figures, width, height, rank=1),
            *estimate_blocks(console, status, figures, width, ranks=(5, 11)),
        ]
        details = [
            Block(rank=13, part=Text()),
            *outcome_blocks(status, width, height, ranks=(3, 8)),
            *failure_blocks(status, width, ranks=(7, 10)),
            *wait_blocks(console, waiting, width, most=_WAITS_SHOWN, ranks=(2, 6)),
        ]
        is_overview = self._view is View.OVERVIEW
        least = self._least(height) if is_overview else height // 2
        shown = chosen([*blocks, *(details if is_overview else ())], height - least)
        for block in shown:
            assert block.part is not None
            yield block.part
        left = height - sum(block.rows for block in shown)
        if is_overview:
            yield from self._tables(console, left)
        else:
            yield Text()
            yield from view_rows(console, status, self._view, left - 1, address=self._address)

    def _least(self, height: int) -> int:
        """Rows kept for tables: workers are visible on the lowest screen."""
        status = self._status
        workers, hosts = len(status.workers), len(status.hosts)
        if not (workers or hosts):
            return 0
        wanted = (1 + workers if workers else 0) + (1 + hosts if hosts else 0)
        return min(wanted, max(_LEAST_ROWS, (height - 6) // 2))

    def _tables(self, console: Console, height: int) -> Iterator[RenderableType]:
        """Workers and hosts in *rows*: side by side if they fit, else one below the other."""
        status = self._status
        if height < _LEAST_ROWS:
            return
        if height > 2 * _LEAST_ROWS + len(status.workers):
            yield Text()
            height -= 1

        workers = _Grown(
            lambda most: status_tables.workers_table(console, status, most=most, is_low=True),
            len(status.workers),
        )
        hosts = _Grown(
            lambda most: status_tables.hosts_table(console, status, most=most, is_low=True),
            len(status.hosts),
        )
        there = [part for part in (workers, hosts) if part.things]
        row: list[Table] = [part.within(height) for part in there]
        queue = tables.compact(crawl_tables.queue_table(status))
        if _rows_of(queue) <= height and _width(console, *row, queue) <= console.width:
            row.append(queue)
        if len(row) > 1 and _width(console, *row) <= console.width:
            yield tables.in_a_row(row)
        elif len(there) > 1:
            yield from _below(workers, hosts, height)
        else:
            yield from row


class _Grown:
    """A table of *things* for a given number of rows."""

    def __init__(self, table: Callable[[int], Table], things: int) -> None:
        self._table, self.things = table, things

    def within(self, rows: int) -> Table:
        """The table in at most that many rows, with its header, which says how many there are in all."""
        return self._table(max(1, rows - 1))


def _below(workers: _Grown, hosts: _Grown, height: int) -> Iterator[RenderableType]:
    """Workers above hosts. Workers get rows first; hosts get a few in any case."""
    for_hosts = min(1 + hosts.things, _LEAST_ROWS_OF_HOSTS)
    if 1 + workers.things + 1 + _LEAST_ROWS + 1 <= height:
        for_hosts = min(1 + hosts.things, height - workers.things - 2)
    first = workers.within(max(_LEAST_ROWS, height - 1 - for_hosts))
    yield first
    left = height - _rows_of(first) - 1
    if left >= _LEAST_ROWS:
        yield Text()
        yield hosts.within(left)


def watch(
    out: Console,
    states: Iterator[Status],
    *,
    every_s: float,
    invitation: str = "",
    go_on: str = "",
    switch: Callable[[Status], None] = lambda _: None,
) -> None:
    """Show *states* as they come, on a screen of their own, until they end or somebody leaves; the last one stays
    visible. *switch* pauses the crawl, or has it go on.
    """
    notes: list[str] = []
    board: Callable[..., StatusScreen] | None = None
    was_stopped = False
    histories = Histories()
    try:
        with live(out, screen=True, say=notes.append, keys=True) as drawn:
            keyboard = _Keyboard(drawn, switch)
            for status in map(without_guessed, states):
                board = partial(
                    StatusScreen,
                    status,
                    histories.note(status, now=time.monotonic()),
                    note=notes[-1] if notes else "",
                    invitation=invitation,
                    go_on=go_on,
                )
                notes.clear()
                was_stopped = status.stopped
                keyboard.show(board)
                if not (status.drained or status.halted is not None) and keyboard.wait(every_s, status):
                    break
    finally:
        if board is not None:
            out.print(board(spared=_BELOW))
        if was_stopped:
            out.print(Text("What is in hand is finished, nothing is lost: the same command goes on.", "dim"))
        for note in notes:
            out.print(Text(clean(note)), soft_wrap=True)


class _Keyboard:
    """Draws what the keys of whoever watches have chosen; *switch* pauses the crawl, or has it go on."""

    def __init__(self, drawn: Picture, switch: Callable[[Status], None]) -> None:
        self._drawn, self._switch = drawn, switch
        self._view = View.OVERVIEW

    def show(self, board: Callable[..., StatusScreen]) -> None:
        self._board = board
        terminal = self._drawn.terminal
        has_keys = terminal is not None and terminal.has_keys
        self._drawn.update(board(view=self._view, has_keys=has_keys), refresh=True)

    def wait(self, for_s: float, status: Status) -> bool:
        """Wait for the next state, and redraw when the window changes its size; whether somebody leaves."""
        end, size = time.monotonic() + for_s, shutil.get_terminal_size()
        while (left_s := end - time.monotonic()) > 0:
            key = pressed(self._drawn.terminal, min(left_s, LOOK_EVERY_S))
            view = self._view.after(key)
            if key == LEAVE:
                return True
            if key == PAUSE:
                self._switch(status)
            if key in {PAUSE, AGAIN}:
                return False
            if view is not self._view or shutil.get_terminal_size() != size:
                self._view, size = view, shutil.get_terminal_size()
                self.show(self._board)
        return False


def _row(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _rows_of(table: Table) -> int:
    return table.row_count + 1


def _width(console: Console, *parts: Table) -> int:
    wide = console.options.update(max_width=10_000)
    return sum(Measurement.get(console, wide, part).maximum for part in parts) + _GAP * (len(parts) - 1)
