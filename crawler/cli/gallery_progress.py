"""The progress of a gallery: a line with a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from crawler.cli import tables
from crawler.cli.output import live
from crawler.cli.progress_grid import bar_of
from crawler.gallery.build import BuildProgress
from crawler.monitoring import wait_reasons
from crawler.monitoring.rate import Rate

_DRAWN_EVERY_S = 0.1
_SAID_EVERY_S = 5.0
_RATE_WINDOW_S = 10.0
_BAR_COLUMNS, _LEAST_BAR_COLUMNS = 30, 6
_GAP = 2

Show = Callable[[BuildProgress], None]


@contextmanager
def drawing_progress(console: Console, *, quiet: bool) -> Iterator[Show]:
    """A function that shows each state of a gallery that is made; the line goes when it is done."""
    if quiet:
        yield lambda _: None
    elif console.is_terminal and not console.is_dumb_terminal:
        with live(console, transient=True) as drawn:
            yield _Paced(_DRAWN_EVERY_S, lambda line: drawn.update(line, refresh=True)).show
    else:
        yield _Paced(_SAID_EVERY_S, lambda line: console.print(line.in_words(), soft_wrap=True)).show


class _Paced:
    """Shows a state every *every_s* seconds, with the rate of the last ones."""

    def __init__(
        self,
        every_s: float,
        draw: Callable[[ProgressLine], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._every_s, self._draw, self._clock = every_s, draw, clock
        self._rate = Rate(window_s=_RATE_WINDOW_S, spacing_s=_DRAWN_EVERY_S)
        self._last = clock()

    def show(self, progress: BuildProgress) -> None:
        now = self._clock()
        if now - self._last < self._every_s:
            return
        self._last = now
        self._draw(ProgressLine(progress, self._rate.add(now, progress.images)))


class ProgressLine:
    """``Thumbnails ━━━━━━━  1,234 of 100,000  230/s  about 7 min to go``, as much of it as there is room for."""

    def __init__(self, progress: BuildProgress, per_s: float) -> None:
        self._progress, self._per_s = progress, per_s

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        name, *parts = self._parts()
        width = options.max_width - len(name) - _GAP
        while sum(len(part) + _GAP for part in parts) > width and len(parts) > 1:
            parts.pop()
        columns = min(_BAR_COLUMNS, width - sum(len(part) + _GAP for part in parts) - _GAP)
        line = Table.grid(padding=(0, _GAP, 0, 0))
        cells: list[Text | ProgressBar] = [Text(name, "bold")]
        if columns >= _LEAST_BAR_COLUMNS:
            total, done = self._progress.of, self._progress.images
            cells.append(bar_of(done, total, width=columns))
        cells += [Text(part, "" if number == 0 else "dim", no_wrap=True) for number, part in enumerate(parts)]
        line.add_row(*cells)
        yield line

    def in_words(self) -> Text:
        return Text("  ".join(self._parts()))

    def _parts(self) -> Iterator[str]:
        images, of, _ = self._progress
        yield "Gallery"
        yield f"{images:,} of {of:,}"
        if self._per_s > 0:
            yield f"{tables.per_s(self._per_s)}/s"
            if (left_s := (of - images) / self._per_s) >= 1:
                yield f"about {wait_reasons.span(left_s)} to go"
