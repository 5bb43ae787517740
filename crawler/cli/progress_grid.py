"""How far a crawl is, and how fast: one grid, aligned, for the live panel and ``status --watch``.

A row for each kind of task and one for the bytes; columns for what is done, the rate now and over all, and how it went
in the last minutes. On a narrow terminal columns go, the least important ones first; counts are never cut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from crawler.cli import crawl_tables, tables
from crawler.cli.sparkline import BARS, sparkline
from crawler.models import Counts, Stats, Status
from crawler.monitoring import wait_reasons
from crawler.monitoring.history import History
from crawler.monitoring.rate import Rate

RATE_WINDOW_S = 5.0
ESTIMATE_WINDOW_S = 30.0
ACCENT = "green"
"""The one colour of what goes well; yellow and red are for what does not."""
_MEAN_AFTER_S = 10.0
"""Seconds before a mean says more than the rate of the moment."""
_GAP = 2
_LEAST_BAR, _LEAST_SPARK = 6, 10
_GROWTH = (("bar", 10), ("spark", 20), ("bar", 16), ("spark", 40), ("bar", 28), ("spark", 60))
"""To how many columns they grow, in turn, as there is room."""
_STEADY_RATE = len("999.9 KiB/s")
_STEADY_COUNT = len("99,999 of 99,999")
"""Columns of a rate and of a count, where there is room: the grid then keeps still while figures come and go."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast one thing goes, per second."""

    now_per_s: float = 0.0
    mean_per_s: float | None = None
    """Over the whole run; None while that says nothing yet."""
    history: History | None = None


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How fast a crawl goes."""

    elapsed_s: float
    pages: Pace = Pace()
    renders: Pace = Pace()
    images: Pace = Pace()
    saved: Pace = Pace()
    """Bytes of saved images."""
    lately_per_s: float = 0.0
    """Images over ESTIMATE_WINDOW_S; estimates use it."""


class _Gauge:
    """The pace of one counter, from its values at moments."""

    def __init__(self) -> None:
        self._rate = Rate(window_s=RATE_WINDOW_S)
        self._before: int | None = None
        self._history = History()

    def note(self, now: float, value: int, *, elapsed_s: float, has_begun: bool) -> Pace:
        now_per_s = self._rate.add(now, value)
        if self._before is None and has_begun:  # an earlier run has done so much
            self._before = value
        if has_begun:
            self._history.add(now, value)
        mean = (value - (self._before or 0)) / elapsed_s if elapsed_s >= _MEAN_AFTER_S else None
        return Pace(now_per_s=now_per_s, mean_per_s=mean, history=self._history)


class Gauges:
    """The paces of a crawl, from one state after the other."""

    def __init__(self) -> None:
        self._of = {name: _Gauge() for name in ("pages", "renders", "images", "saved")}
        self._lately = Rate(window_s=ESTIMATE_WINDOW_S, spacing_s=1.0)

    def note(self, stats: Stats, *, now: float, elapsed_s: float) -> Figures:
        """The figures at *now*, in seconds on any monotonic clock, of a run that has lasted *elapsed_s*."""
        counts = _counted(stats)
        has_begun = bool(stats.pages.discovered or stats.images.discovered)
        paces = {
            name: self._of[name].note(now, count, elapsed_s=elapsed_s, has_begun=has_begun)
            for name, count in counts.items()
        }
        return Figures(elapsed_s=elapsed_s, lately_per_s=self._lately.add(now, counts["images"]), **paces)


class Histories:
    """The figures of a crawl whose queue tells its rates itself: what went before is gathered here."""

    def __init__(self) -> None:
        self._of = {name: History() for name in ("pages", "renders", "images", "saved")}

    def note(self, status: Status, *, now: float) -> Figures:
        """The figures at *now*, in seconds on any monotonic clock."""
        for name, count in _counted(status).items():
            self._of[name].add(now, count)
        rates = {
            "pages": (status.pages_per_s, status.mean_pages_per_s),
            "renders": (status.renders_per_s, status.mean_renders_per_s),
            "images": (status.images_per_s, status.mean_images_per_s),
            "saved": (status.saved_bytes_per_s, status.mean_saved_bytes_per_s),
        }
        return Figures(
            elapsed_s=status.up_s,
            lately_per_s=status.images_per_s,
            **{
                name: Pace(now_per_s=rate, mean_per_s=mean, history=self._of[name])
                for name, (rate, mean) in rates.items()
            },
        )


def _counted(stats: Stats) -> dict[str, int]:
    return {
        "pages": crawl_tables.settled(stats.pages),
        "renders": crawl_tables.settled(stats.renders),
        "images": crawl_tables.settled(stats.images),
        "saved": stats.saved_bytes,
    }


@dataclass(frozen=True, kw_only=True)
class _Row:
    name: str
    done: str
    pace: Pace
    per_s: Callable[[float], str]
    of: Counts | None = None
    """What the bar is of; None for no bar."""
    has_spark: bool = False


def grid(stats: Stats, figures: Figures, width: int, *, headers: bool = True) -> Table:
    """Two rows of tasks, or three if a page wants a browser, and one of bytes. Without *headers* a row less."""
    rows = _rows(stats, figures)
    return _drawn(rows, _room(rows, width), headers=headers)


def shows_mean(stats: Stats, figures: Figures, width: int) -> bool:
    """Whether the grid has a column for mean rates at that *width*, or there are none yet."""
    rows = _rows(stats, figures)
    return not any(map(_mean, rows)) or bool(_room(rows, width)["mean"])


def _room(rows: list[_Row], width: int) -> dict[str, int]:
    """The widths of all columns; 0 for those that are left out."""
    names = 2 + max(len(row.name) for row in rows)
    done = max(len(row.done) for row in rows)
    now = max(len(row.per_s(row.pace.now_per_s)) for row in rows)
    mean = max(len(_mean(row)) for row in rows)
    left = width - names - _GAP - done
    room = {"names": names, "done": done, "now": 0, "bar": 0, "mean": 0, "spark": 0}
    for name, least in (
        ("now", now), ("bar", _LEAST_BAR), ("mean", max(mean, len("average"))), ("spark", _LEAST_SPARK),
    ):  # fmt: skip
        if left >= _GAP + least:
            room[name] = least
            left -= _GAP + least
    for name, most in (("done", _STEADY_COUNT), ("now", _STEADY_RATE), ("mean", _STEADY_RATE), *_GROWTH):
        if room[name]:
            more = min(left, max(0, most - room[name]))
            room[name] += more
            left -= more
    return room


def _rows(stats: Stats, figures: Figures) -> list[_Row]:
    rows = [_Row(name="Pages", done=_of(stats.pages), pace=figures.pages, per_s=_per_s, of=stats.pages)]
    if stats.renders.discovered:  # most sites have none
        rows.append(
            _Row(
                name="Rendered", done=_of(stats.renders), pace=figures.renders, per_s=_per_s, of=stats.renders
            )
        )
    rows.append(
        _Row(
            name="Images",
            done=_of(stats.images),
            pace=figures.images,
            per_s=_per_s,
            of=stats.images,
            has_spark=True,
        )
    )
    rows.append(
        _Row(
            name="Saved",
            done=tables.size(stats.saved_bytes),
            pace=figures.saved,
            per_s=_bytes_per_s,
            has_spark=True,
        )
    )
    return rows


def _drawn(rows: list[_Row], room: dict[str, int], *, headers: bool) -> Table:
    columns: list[tuple[int, str, Callable[[_Row], RenderableType]]] = [
        (room["names"], "", lambda row: Text(f"  {row.name}", "bold")),
        (
            room["bar"],
            "",
            lambda row: bar_of(crawl_tables.settled(row.of), row.of.discovered) if row.of is not None else "",
        ),
        (room["done"], "", lambda row: Text(row.done, justify="right")),
        (room["now"], "now", lambda row: Text(row.per_s(row.pace.now_per_s), justify="right")),
        (
            room["mean"],
            "average" if any(map(_mean, rows)) else "",
            lambda row: Text(_mean(row), "dim", justify="right"),
        ),
        (room["spark"], _period(rows), lambda row: _spark(row, room["spark"]) if row.has_spark else ""),
    ]
    shown = [column for column in columns if column[0]]
    table = Table.grid(padding=(0, _GAP, 0, 0))
    for width, *_ in shown:
        table.add_column(no_wrap=True, width=width)
    if headers:
        table.add_row(*(Text(header, "dim", justify="right") for _, header, _ in shown))
    for row in rows:
        table.add_row(*(cell(row) for _, _, cell in shown))
    return table


def _period(rows: list[_Row]) -> str:
    """How far the small bars reach back."""
    history = rows[-1].pace.history
    return f"last {wait_reasons.span(history.period_s)}" if history is not None else ""


def _spark(row: _Row, width: int) -> Text:
    history = row.pace.history
    bars = Text(sparkline(history.rates(width) if history is not None else (), width), ACCENT)
    bars.highlight_regex(BARS[0], "dim")
    return bars


def bar_of(done: int, total: int, *, width: int | None = None) -> ProgressBar:
    """A bar of *width* columns; of all that there are without it."""
    return ProgressBar(
        total=max(1, total),
        completed=done,
        width=width,
        style="dim",  # rich's own is a dark grey: lost on a dark background, and more than what is done on a light one
        complete_style=ACCENT,
        finished_style=ACCENT,
    )


def _of(counts: Counts) -> str:
    return f"{crawl_tables.settled(counts):,} of {counts.discovered:,}"


def _mean(row: _Row) -> str:
    return row.per_s(row.pace.mean_per_s) if row.pace.mean_per_s else ""


def _per_s(rate: float) -> str:
    return f"{tables.per_s(rate) if rate >= 0.005 else 0}/s"  # noqa: PLR2004 - what rounds to nothing


def _bytes_per_s(rate: float) -> str:
    return f"{tables.size(int(rate))}/s"
