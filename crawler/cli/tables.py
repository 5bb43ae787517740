"""Figures as tables: for a terminal of any width, and plain where the output is piped."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

import click
import msgspec
from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from crawler.catalog.summary import Summary
from crawler.cli.output import Screen, clean, is_terminal
from crawler.errors import LEFT_OUT, NoSitemap
from crawler.models import (
    WORKER_NAMES,
    Counts,
    ImageStatus,
    PageStatus,
    RenderStatus,
    Stats,
    Status,
    TaskKind,
    WorkerStatus,
)
from crawler.text import display

size = display.size
EXPECTED = frozenset({NoSitemap.reason})
"""Reasons for not reading a page that are no failure: most sites have no sitemap.xml, and nobody misses it."""
_GAP = 5
_MOST_SAID = 40
_COLUMN_GAP = 2
_LEAST_TEXT = 16
_WIDE = 10_000
_STYLES = {
    "saved": "green",
    "harvested": "green",
    "rendered": "green",
    "duplicate": "cyan",
    "rejected": "yellow",
    "failed": "red",
    "dead": "red",
}


def console(file: IO[str] | None = None) -> Console:
    """For stdout, or *file*. In a pipe nothing is coloured, wrapped or cut off."""
    return Screen(sys.stdout if file is None else file)


def moment(text: str) -> str:
    """A record's moment to the second: ``2026-03-02 10:00:00``, UTC."""
    return text[:19].replace("T", " ")


def number(value: int) -> str:
    return f"{value:,}"


def per_s(rate: float) -> str:
    """``47``, ``3.2``, ``0.05``: as exact as one can see it change."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}" if rate >= 1 else f"{rate:.2g}"  # noqa: PLR2004


def settled(counts: Counts) -> int:
    return counts.done + counts.dead


def pages_of(stats: Stats) -> Counts:
    """Those that a person calls pages: not the sitemap that was looked for where there is none."""
    guessed = sum(stats.page_reasons.get(reason, 0) for reason in EXPECTED)
    return msgspec.structs.replace(stats.pages, done=max(0, stats.pages.done - guessed))


def crew(workers: Sequence[WorkerStatus]) -> str:
    """``1 harvester, 4 downloaders``."""
    counts = {kind: sum(who.kind is kind for who in workers) for kind in sorted(TaskKind, key=rank)}
    return ", ".join(
        f"{count} {WORKER_NAMES[kind]}{'' if count == 1 else 's'}" for kind, count in counts.items() if count
    )


def rank(kind: TaskKind) -> int:
    """Where workers of this *kind* stand among others: in the order in which an image passes them."""
    return (TaskKind.PAGE, TaskKind.RENDER, TaskKind.IMAGE).index(kind)


def label(status: str) -> Text:
    """A status in its colour."""
    return Text(status, style=_STYLES.get(status, ""))


def show(out: Console, part: RenderableType) -> None:
    """Print a table; in a pipe without the blanks that fill its lines."""
    if out.is_terminal:
        out.print(part)
        return
    with out.capture() as captured:
        out.print(part)
    for line in captured.get().splitlines():
        click.echo(line.rstrip(), file=out.file)


def side_by_side(out: Console, *parts: RenderableType) -> None:
    """Next to each other as far as the terminal is wide enough; below each other in a pipe."""
    for position, row in enumerate(_rows(out, parts)):
        if position:
            out.print()
        show(out, row[0] if len(row) == 1 else in_a_row(row))


def beside(out: Console, *parts: RenderableType) -> RenderableType:
    """The same, to be drawn again and again."""
    return Group(*(in_a_row(row) for row in _rows(out, parts)))


def in_a_row(parts: Sequence[RenderableType]) -> Table:
    """Next to each other, whether they fit or not."""
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


def state(stats: Stats, *, stopped: str = "") -> Text:
    """Whether the crawl has ended, and whether every image URL is accounted for; *stopped* is why its run was."""
    if stats.halted is not None:
        return Text(f"{'stopping' if stats.stopped else 'halted'}: {clean(stats.halted)}", style="yellow")
    if stats.paused:
        by = f" by {clean(stats.paused_by)}" if stats.paused_by else ""
        return Text(f"paused{by}; image-crawler resume has it go on", style="yellow")
    if not stats.drained:
        return _to_go(stats, stopped)
    if stats.balanced:
        why_none = _why_none(stats)
        told = f"finished, {why_none or 'and '}the books balance"
        return Text(told, style="yellow" if why_none else "green")
    recorded = sum(stats.image_status.values())
    return Text(
        f"finished, but the books do not balance: {stats.images.discovered:,} image URLs discovered,"
        f" {recorded:,} recorded",
        style="bold red",
    )


def _why_none(stats: Stats) -> str:
    """That a crawl without an image is no success, though it has come to its end; empty of one that has some."""
    if stats.image_status.get(ImageStatus.SAVED) or stats.image_status.get(ImageStatus.DUPLICATE):
        return ""
    if stats.images.discovered:
        return "but no image was saved; "
    if stats.pages.discovered and not stats.page_status.get(PageStatus.HARVESTED):
        return "but no page could be read; "
    return "but no image was found; "


def counted(count: int, what: str) -> str:
    """``1 image``, ``2 images``."""
    return f"{count:,} {what if count == 1 else what + 's'}"


def _to_go(stats: Stats, stopped: str) -> Text:
    why = f"stopped: {clean(stopped)}" if stopped else "not finished"
    left, pages, renders = (counts.unsettled for counts in (stats.images, stats.pages, stats.renders))
    if not (left or pages or renders):
        return Text(f"{why}: what is left to do is in its queue, in Redis", style="yellow")
    parts = [counted(count, what) for count, what in ((left, "image"), (pages, "page")) if count]
    to_go = f"{' and '.join(parts)} to go" if parts else ""
    if renders:
        to_go = f"{to_go}, and {renders:,} to render" if parts else f"{counted(renders, 'page')} to render"
    if isinstance(stats, Status):  # its manager has just answered
        return Text(f"running: {to_go}", "bold")
    return Text(f"{why}: {to_go}", style="yellow")


def images_table(stats: Stats) -> Table:
    """What became of every image URL; its sum is what the books are about."""
    table = figures("Images", "", "URLs")
    _outcomes(table, stats.image_status, list(ImageStatus), stats.image_reasons, stats.images)
    return table


def pages_table(stats: Stats) -> Table:
    table = figures("Pages", "", "URLs")
    _outcomes(table, stats.page_status, list(PageStatus), stats.page_reasons, stats.pages)
    return table


def renders_table(stats: Stats) -> Table:
    """What became of every page that was to be opened in a browser."""
    table = figures("Rendered", "", "Pages")
    _outcomes(table, stats.render_status, list(RenderStatus), stats.render_reasons, stats.renders)
    return table


def outcome_tables(stats: Stats) -> list[RenderableType]:
    """What became of all URLs; nothing of a browser where no page wanted one."""
    found = [images_table(stats), pages_table(stats)]
    return [*found, renders_table(stats)] if stats.renders.discovered else list(found)


def queue_table(stats: Stats) -> Table:
    """Tasks by state."""
    columns = {"Pages": stats.pages, "Images": stats.images}
    if stats.renders.discovered:
        columns = {"Pages": stats.pages, "Renders": stats.renders, "Images": stats.images}
    table = figures("Queue", "", *columns)
    for state in Counts.__struct_fields__:
        table.add_row(state, *(number(getattr(counts, state)) for counts in columns.values()))
    table.add_section()
    table.add_row("discovered", *(number(counts.discovered) for counts in columns.values()), style="bold")
    return table


def formats_table(summary: Summary) -> Table:
    table = figures("Formats", "", "Files", "Size")
    for entry in summary.formats:
        table.add_row(clean(entry.name), number(entry.images), size(entry.size_bytes))
    return table


def hosts_table(summary: Summary) -> Table:
    table = figures("Hosts", "", "URLs", "Saved", "Size")
    for host in summary.hosts:
        table.add_row(
            Text(clean(host.name), overflow="fold"),
            number(host.images),
            number(host.saved),
            size(host.size_bytes),
        )
    tell_more(table, summary.host_count - len(summary.hosts))
    return table


def tell_more(table: Table, more: int) -> None:
    """Say below *table* how many rows it lacks, if it does."""
    if more > 0:
        table.caption = f"and {number(more)} more"


class FoundTable:
    """What was found on one page, a row each: what *names* say of it, its URL, and what the page says of it.

    In a terminal that has no room for all of the longest URL, what is said stands below the URL, and that is wrapped by
    the terminal: it can be copied, as no line break of ours is in it.
    """

    def __init__(self, out: Console, *names: str) -> None:
        self._out = out
        self._names = names
        self._rows: list[tuple[tuple[str, ...], str, str, str]] = []

    def add(self, *values: str, url: str, said: str, dim: bool = False) -> None:
        self._rows.append((tuple(map(clean, values)), clean(url), clean(said), "dim" if dim else ""))

    def show(self) -> None:
        if not self._rows:
            return
        widths = [
            max(cell_len(name), *(cell_len(values[n]) for values, _, _, _ in self._rows))
            for n, name in enumerate(self._names)
        ]
        said = min(_MOST_SAID, max(cell_len(said) for _, _, said, _ in self._rows))
        room = (
            self._out.width
            - sum(width + _COLUMN_GAP for width in widths)
            - said
            - (_COLUMN_GAP if said else 0)
        )
        if self._out.is_terminal and max(cell_len(url) for _, url, _, _ in self._rows) > room:
            self._show_stacked(widths)
        else:
            self._show_table()

    def _show_table(self) -> None:
        table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for name in (*self._names, "URL"):
            table.add_column(name, no_wrap=True)
        most = _MOST_SAID if self._out.is_terminal else None
        table.add_column("what is said of it", overflow="fold", max_width=most)
        for values, url, said, style in self._rows:
            table.add_row(*values, Text(url), Text(said), style=style)
        show(self._out, table)

    def _show_stacked(self, widths: Sequence[int]) -> None:
        def beside(values: Sequence[str]) -> str:
            cells = zip(values, widths, strict=True)
            return "".join(f"{set_cell_size(value, width)}{' ' * _COLUMN_GAP}" for value, width in cells)

        self._out.print(Text(f"{beside(self._names)}URL", "dim"), soft_wrap=True)
        for values, url, said, style in self._rows:
            self._out.print(Text(f"{beside(values)}{url}", style), soft_wrap=True)
            if said:
                indent = min(cell_len(beside(values)), self._out.width // 3)
                self._out.print(Padding(Text(said, "dim"), (0, 0, 0, indent)))


def say(text: str) -> None:
    """A sentence beside what a command prints, on stderr: in a terminal no word is cut in two."""
    show(console(sys.stderr), Text(text))


def left_out_table(left_out: Mapping[str, int]) -> Table:
    """What pages offer and what was not taken on: no task, and so no part of the books."""
    table = figures("Left out", "", "Times", "what that is")
    table.columns[-1].justify = "left"
    table.columns[-1].no_wrap = False
    table.columns[-1].overflow = "fold"
    for slug, count in left_out.items():
        table.add_row(clean(slug), number(count), Text(_meaning(slug), style="dim"))
    return table


def left_out_lines(left_out: Mapping[str, int]) -> str:
    """The same in sentences, one a line: ``3 by max-depth: links to …; --max-depth lets them in``."""
    return "\n".join(
        f"{count:,} by {clean(slug)}" + (f": {told}" if (told := _meaning(slug)) else "")
        for slug, count in left_out.items()
    )


def _meaning(slug: str) -> str:
    known = LEFT_OUT.get(slug)
    if known is None:  # of another version of this program
        return ""
    return known.meaning + (f"; {known.option} lets them in" if known.option else "")


def facts(rows: Mapping[str, RenderableType | str]) -> Table:
    """Names and values; long values are folded in a terminal, never cut off."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def figures(title: str, *headers: str) -> Table:
    """An empty one; its first column is text, the others are figures."""
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


@dataclass(frozen=True, kw_only=True)
class Column:
    """One of a table that fits its terminal."""

    header: str
    cells: Sequence[str | Text]
    rank: int = 0
    """The one with the highest goes first where the terminal is narrow; 0 stays."""
    is_text: bool = False
    """It may be cut off; figures never are."""


def fitted(
    out: Console, title: str, columns: Sequence[Column], *, more: int = 0, is_low: bool = False
) -> Table:
    """A table no wider than the terminal: columns go before a figure is cut off. Below it stands how many rows it
    lacks, if *more*. One that *is_low* has its title for a header, and each row is one line.
    """
    kept = list(columns)
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
        header = title if is_low and number == 0 else column.header
        table.add_column(
            Text(header, "bold" if is_low and number == 0 else "dim"),
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
    """*widths* with so much less in all, of what is text, the last column first; None if that is not to be had."""
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


def _outcomes(
    table: Table,
    by_status: Mapping[str, int],
    statuses: list[ImageStatus] | list[PageStatus] | list[RenderStatus],
    reasons: Mapping[str, int],
    counts: Counts,
) -> None:
    for status in statuses:
        count = by_status.get(status, 0)
        table.add_row(label(status), number(count), style="" if count else "dim")
    if reasons:
        table.add_section()
        for reason, count in reasons.items():
            table.add_row(Text(f"  {clean(reason)}"), number(count), style="dim")
    without_record = counts.discovered - sum(by_status.values())
    if without_record > 0:
        table.add_row("to do", number(without_record))
    if counts.unsettled > max(0, without_record):
        table.add_row("  of these once more", number(counts.unsettled - max(0, without_record)), style="dim")
    table.add_section()
    table.add_row("discovered", number(counts.discovered), style="bold")
