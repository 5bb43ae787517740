"""Tables for a terminal of any width, and plain where the output is piped."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import IO

import click
from rich import box
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from crawler.cli.output import Screen, is_terminal
from crawler.text import display

size = display.size
_GAP = 5
_LEAST_TEXT = 16
_WIDE = 10_000


def console(file: IO[str] | None = None) -> Console:
    """A console for stdout, or *file*. In a pipe nothing is coloured, wrapped or cut off."""
    return Screen(sys.stdout if file is None else file)


def moment(text: str) -> str:
    """A record's moment to the second: ``2026-03-02 10:00:00``, UTC."""
    return text[:19].replace("T", " ")


def number(value: int) -> str:
    return f"{value:,}"


def per_s(rate: float) -> str:
    """A rate: ``47``, ``3.2``, ``0.05``."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}" if rate >= 1 else f"{rate:.2g}"  # noqa: PLR2004


def show(out: Console, part: RenderableType) -> None:
    """Print a table; in a pipe without trailing blanks."""
    if out.is_terminal:
        out.print(part)
        return
    with out.capture() as captured:
        out.print(part)
    for line in captured.get().splitlines():
        click.echo(line.rstrip(), file=out.file)


def show_all(out: Console, parts: Iterable[RenderableType]) -> None:
    """Print *parts*, each from a line of its own.

    A Text stays on one line however long it is, so that what it names can be copied; a str is wrapped between words.
    """
    for part in parts:
        if isinstance(part, Table):
            show(out, part)
        else:
            out.print(part, soft_wrap=isinstance(part, Text))


def side_by_side(out: Console, *parts: RenderableType) -> None:
    """Print *parts* next to each other as far as they fit; below each other in a pipe."""
    for position, row in enumerate(_rows(out, parts)):
        if position:
            out.print()
        show(out, row[0] if len(row) == 1 else in_a_row(row))


def in_a_row(parts: Sequence[RenderableType]) -> Table:
    """*parts* next to each other, whether they fit or not."""
    grid = Table.grid(*[""] * len(parts), padding=(0, _GAP))
    grid.add_row(*parts)
    return grid


def _rows(out: Console, parts: Sequence[RenderableType]) -> list[list[RenderableType]]:
    """*parts* in their order, as many in a row as fit."""
    rows: list[list[RenderableType]] = []
    left = 0
    for part in parts:
        width = Measurement.get(out, out.options, part).maximum + _GAP
        if rows and out.is_terminal and width - _GAP <= left:
            rows[-1].append(part)
        else:
            rows.append([part])
            left = out.width
        left -= width
    return rows


def tell_more(table: Table, more: int) -> None:
    """Say below *table* that it lacks *more* rows, if it does."""
    if more > 0:
        table.caption = f"and {number(more)} more"


def say(text: str) -> None:
    """Print a sentence on stderr; in a terminal it is wrapped between words."""
    show(console(sys.stderr), Text(text))


def facts(rows: Mapping[str, RenderableType | str]) -> Table:
    """A table of names and values; long values are folded in a terminal, never cut off."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def figures(title: str, *headers: str) -> Table:
    """An empty table; its first column is text, the others are figures."""
    table = Table(
        title=title,
        title_style="bold",
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD if is_terminal() else None,
        pad_edge=False,
        show_edge=False,
    )
    for position, header in enumerate(headers):
        table.add_column(
            header, justify="left" if position == 0 else "right", no_wrap=position > 0, header_style="dim"
        )
    return table


def compact(table: Table) -> Table:
    """*table*, which ``figures`` has made, with its title as the first header and without a rule: two rows less."""
    title, table.title, table.box = str(table.title), None, None
    table.columns[0].header, table.columns[0].header_style = title, "bold"
    return table


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table that fits its terminal."""

    header: str
    cells: Sequence[str | Text]
    rank: int = 0
    """On a narrow terminal the column of the highest rank is dropped first; 0 is never dropped."""
    is_text: bool = False
    """Whether cells may be cut off; figures never are."""


def fitted(
    out: Console, title: str, columns: Sequence[Column], *, more: int = 0, is_low: bool = False
) -> Table:
    """A table no wider than the terminal: columns are dropped before a figure is cut off.

    *more*, shown below it, is how many rows it lacks. If *is_low*, the title is the first header and says so, and each
    row is one line.
    """
    kept = list(columns)
    if is_low and more > 0:
        title, more = f"{title}, {len(columns[0].cells):,} of {len(columns[0].cells) + more:,}", 0
    if is_low:
        kept[0] = replace(kept[0], header=title)
    while True:
        natural = _fitted(title, kept, [_width(column) for column in kept], more=more, is_low=is_low)
        # at its natural width, whatever the terminal's is
        width = Measurement.get(out, out.options.update(max_width=_WIDE), natural).maximum
        widths = _cut([(_width(column), column.is_text) for column in kept], width - out.width)
        if not out.is_terminal or width <= out.width:
            return natural
        droppable = [column for column in kept if column.rank]
        if widths is not None or not droppable:
            return _fitted(title, kept, widths or [_LEAST_TEXT] * len(kept), more=more, is_low=is_low)
        kept.remove(max(droppable, key=lambda column: column.rank))


def _fitted(
    title: str, columns: Sequence[Column], widths: Sequence[int], *, more: int, is_low: bool
) -> Table:
    table = figures(title)
    if is_low:
        table.title, table.box = None, None
    for number, (column, width) in enumerate(zip(columns, widths, strict=True)):
        table.add_column(
            Text(column.header, "bold" if is_low and number == 0 else "dim"),
            justify="left" if column.is_text else "right",
            no_wrap=is_low or number > 0,
            overflow="ellipsis" if is_low or number else "fold",
            min_width=width,
            max_width=width,
        )
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*cells)
    tell_more(table, more)
    return table


def _cut(widths: Sequence[tuple[int, bool]], too_much: int) -> list[int] | None:
    """*widths* with *too_much* taken from text columns, the last one first; None if they can't give it."""
    kept = [width for width, _ in widths]
    for number in reversed(range(len(widths))):
        width, is_text = widths[number]
        if is_text and too_much > 0:
            kept[number] = max(min(width, _LEAST_TEXT), width - too_much)
            too_much -= width - kept[number]
    return kept if too_much <= 0 else None


def _width(column: Column) -> int:
    texts = [Text(cell) if isinstance(cell, str) else cell for cell in column.cells]
    return max([Text(column.header).cell_len, *(text.cell_len for text in texts)])
