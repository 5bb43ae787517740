"""The progress of a crawl: a live picture on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from crawler.cli import tables
from crawler.cli.output import clean, live
from crawler.models import WORKER_NAMES, Counts, ImageStatus, Stats, TaskKind, WorkerStatus
from crawler.rate import Rate

PLAIN_EVERY_S = 5.0
_RATE_WINDOW_S = 5.0
_BAR_COLUMNS = 24
_REASONS_SHOWN = 6
_WORKERS_SHOWN = 8

Show = Callable[[Stats], None]


@contextmanager
def progress(seeds: Sequence[str], console: Console, *, quiet: bool) -> Iterator[Show]:
    """A function that shows each new state; live where *console* is a terminal."""
    if quiet:
        yield lambda _: None
        return
    if console.is_terminal and not console.is_dumb_terminal:
        picture = Picture(seeds)
        with live(console) as drawn:
            yield lambda stats: drawn.update(picture.draw(stats), refresh=True)
    else:
        lines = Lines(console)
        console.print(Text(f"crawling {clean(' '.join(seeds))}"), soft_wrap=True)
        yield lines.show


class Lines:
    """A line now and then, for logs and pipes."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._started = clock()
        self._last = self._started
        self._rate = Rate(window_s=_RATE_WINDOW_S)

    def show(self, stats: Stats) -> None:
        now = self._clock()
        rate = self._rate.add(now, _settled(stats.images))
        if now - self._last < PLAIN_EVERY_S:
            return
        self._last = now
        renders = stats.renders
        words = [
            f"{now - self._started:.0f} s:",
            f"{_settled(stats.pages):,} of {stats.pages.discovered:,} pages,",
            *([f"{_settled(renders):,} of {renders.discovered:,} rendered,"] if renders.discovered else []),
            f"{_settled(stats.images):,} of {stats.images.discovered:,} images",
            f"({clean(', '.join(f'{n:,} {status}' for status, n in stats.image_status.items())) or 'none yet'}),",
            f"{rate:.0f}/s, {tables.size(stats.saved_bytes)} saved",
        ]
        self._console.print(" ".join(words), soft_wrap=True, highlight=False)


class Picture:
    """What the terminal shows while a crawl runs."""

    def __init__(self, seeds: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._seeds = seeds
        self._clock = clock
        self._started = clock()
        self._pages, self._renders, self._images, self._bytes = (
            Rate(window_s=_RATE_WINDOW_S) for _ in range(4)
        )

    def draw(self, stats: Stats) -> RenderableType:
        now = self._clock()
        elapsed = timedelta(seconds=int(now - self._started))
        more = f"  and {len(self._seeds) - 1} more" if len(self._seeds) > 1 else ""
        head = Table.grid(expand=True)
        head.add_column(no_wrap=True, overflow="ellipsis")
        head.add_column(justify="right", no_wrap=True)
        head.add_row(
            Text.assemble(
                ("● ", "yellow" if stats.paused else "green"),
                (clean(self._seeds[0]), "bold"),
                (more, "dim"),
                ("  paused" if stats.paused else "", "yellow"),
            ),
            Text(str(elapsed), "dim"),
        )
        # the empty line at the end is where a terminal echoes ^C without shifting the picture
        return Group(
            head, Text(), self._bars(stats, now), Text(), self._outcome(stats), *self._workers(stats), Text()
        )

    def _bars(self, stats: Stats, now: float) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(style="bold", no_wrap=True, min_width=len("  Rendered"))
        table.add_column(max_width=_BAR_COLUMNS)  # on a narrow terminal it is what gives way
        for least in (len("0 of 0"), len("0.0/s"), 0):
            table.add_column(justify="right", no_wrap=True, min_width=least)
        pages = self._pages.add(now, _settled(stats.pages))
        renders = self._renders.add(now, _settled(stats.renders))
        images = self._images.add(now, _settled(stats.images))
        received = self._bytes.add(now, stats.saved_bytes)
        table.add_row("  Pages", *_bar(stats.pages), f"{pages:,.0f}/s", "")
        if stats.renders.discovered:  # most sites have none
            table.add_row("  Rendered", *_bar(stats.renders), f"{renders:,.1f}/s", "")
        table.add_row(
            "  Images",
            *_bar(stats.images),
            f"{images:,.0f}/s",
            Text.assemble(
                (tables.size(stats.saved_bytes), "bold"), (f"  {tables.size(int(received))}/s", "dim")
            ),
        )
        return table

    def _outcome(self, stats: Stats) -> Group:
        statuses = Text("  ", no_wrap=True, overflow="ellipsis")
        for status in ImageStatus:
            count = stats.image_status.get(status, 0)
            if count or status is ImageStatus.SAVED:
                statuses.append(f"{count:,} ", "bold").append_text(tables.label(status)).append("   ")
        told = [
            f"{what}: {' · '.join(f'{clean(reason)} {count:,}' for reason, count in _most_frequent(reasons))}"
            for what, reasons in (
                ("not saved", stats.image_reasons),
                ("not read", stats.page_reasons),
                ("not rendered", stats.render_reasons),
            )
            if reasons
        ]
        if not told:
            return Group(statuses)
        return Group(statuses, Text("  " + "   ".join(told), "dim", no_wrap=True, overflow="ellipsis"))

    def _workers(self, stats: Stats) -> Iterator[RenderableType]:
        if not stats.workers:
            return
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for name, crew in _crews(stats.workers)[:_WORKERS_SHOWN]:
            table.add_row(f"  {name}", f"{sum(who.done for who in crew):,} done", Text(_doing(crew), "dim"))
        yield Text()
        yield table


def _crews(workers: Sequence[WorkerStatus]) -> list[tuple[str, list[WorkerStatus]]]:
    """Each worker by itself, or the workers of each machine when they are too many; with a name."""
    in_order = sorted(workers, key=lambda who: (tables.rank(who.kind), who.machine, who.pid))
    if len(in_order) > _WORKERS_SHOWN:
        machines = Counter(who.machine for who in in_order)
        return [
            (f"{clean(machine)} ({count} workers)", [who for who in in_order if who.machine == machine])
            for machine, count in machines.most_common()
        ]
    several = len({who.machine for who in in_order}) > 1
    numbers: Counter[tuple[TaskKind, str]] = Counter()
    named = []
    for who in in_order:
        machine = who.machine if several else ""
        numbers[who.kind, machine] += 1
        name = f"{WORKER_NAMES[who.kind]} {numbers[who.kind, machine]}"
        named.append((f"{clean(machine)} {name}" if several else name, [who]))
    return named


def _most_frequent(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(reasons.items(), key=lambda item: -item[1])[:_REASONS_SHOWN]


def _doing(crew: Sequence[WorkerStatus]) -> str:
    running = sum(who.running for who in crew)
    shown = next((who.busy[0] for who in crew if who.busy), "")
    if not shown:
        return "waiting"
    return _tail(clean(shown)) + (f" +{running - 1}" if running > 1 else "")


def _tail(url: str) -> str:
    """The end of a URL, which tells it from its neighbours."""
    path = url.partition("//")[2].partition("/")[2]
    parts = path.split("/")
    return path if len(parts) <= 2 else "…/" + "/".join(parts[-2:])  # noqa: PLR2004 - a folder and a name


def _bar(counts: Counts) -> tuple[RenderableType, str]:
    settled = _settled(counts)
    bar = ProgressBar(
        total=max(1, counts.discovered),
        completed=settled,
        width=None,
        complete_style="green",
        finished_style="green",
    )
    return bar, f"{settled:,} of {counts.discovered:,}"


def _settled(counts: Counts) -> int:
    return counts.done + counts.dead
