"""The progress of a crawl: a live panel on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from crawler.cli import crawl_tables, tables
from crawler.cli.live_panel import LivePanel
from crawler.cli.output import clean, is_terminal, live
from crawler.cli.progress_grid import ESTIMATE_WINDOW_S, RATE_WINDOW_S
from crawler.models import ImageStatus, Stats
from crawler.monitoring import wait_reasons
from crawler.monitoring.guessed_sitemaps import without_guessed
from crawler.monitoring.rate import Rate
from crawler.monitoring.share import share
from crawler.seeds import some

PLAIN_EVERY_S = 5.0
PLAIN_AT_REST_S = 60.0
"""Most seconds between two lines while nothing changes: a host may ask for an hour."""
_WAITS_SAID = 3

Show = Callable[[Stats], None]


@contextmanager
def progress(
    seeds: Sequence[str],
    console: Console,
    *,
    quiet: bool,
    notes: Sequence[str] = (),
    invitation: str = "",
    go_on: str = "",
) -> Iterator[Show]:
    """A function that shows each new state; live on a terminal. *notes* are on the seeds, a few words each.
    *invitation*, *go_on*: see ``wait_reasons.waits``.
    """
    if quiet:
        yield lambda _: None
        return
    if console.is_terminal and not console.is_dumb_terminal:
        picture = LivePanel(seeds, notes=notes, invitation=invitation, go_on=go_on)
        # the summary has it all once more; where that goes to a file, the picture is what is left to be seen
        with live(console, transient=is_terminal()) as drawn:
            yield lambda stats: drawn.update(picture.draw(stats), refresh=True)
    else:
        lines = ProgressLines(console, invitation=invitation, go_on=go_on)
        console.print(Text(f"crawling {clean(some(seeds))}"), soft_wrap=True)
        for note in notes:
            console.print(Text(f"    {clean(note)}"), soft_wrap=True)
        yield lines.show


class ProgressLines:
    """Prints a line now and then, for logs and pipes, with the reasons for waiting below it."""

    def __init__(
        self,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        *,
        invitation: str = "",
        go_on: str = "",
    ) -> None:
        self._console = console
        self._clock = clock
        self._invitation, self._go_on = invitation, go_on
        self._started = clock()
        self._last = self._started
        self._every_s = PLAIN_EVERY_S
        self._rate = Rate(window_s=RATE_WINDOW_S)
        self._lately = Rate(window_s=ESTIMATE_WINDOW_S, spacing_s=1.0)
        self._said: object = None
        self._failed: object = None

    def show(self, stats: Stats) -> None:
        stats = without_guessed(stats)
        now = self._clock()
        rate = self._rate.add(now, crawl_tables.settled(stats.images))
        lately = self._lately.add(now, crawl_tables.settled(stats.images))
        if now - self._last < PLAIN_EVERY_S:
            return
        waiting = wait_reasons.waits(stats, invitation=self._invitation, go_on=self._go_on)[:_WAITS_SAID]
        state = (
            stats.pages, stats.renders, stats.images, stats.saved_bytes, tuple(wait.key for wait in waiting),
        )  # fmt: skip
        if state != self._said:
            self._every_s = PLAIN_EVERY_S
        elif now - self._last < self._every_s:
            return
        self._said, self._last = state, now
        self._every_s = min(PLAIN_AT_REST_S, 2 * self._every_s)
        self._console.print(" ".join(self._words(stats, now, rate, lately)), soft_wrap=True, highlight=False)
        failed = next(iter(stats.failures), None)
        if failed is not None and (failed.reason, failed.url) != self._failed:
            self._failed = (failed.reason, failed.url)
            told = f"    last failed: {clean(failed.reason)} {clean(failed.url)}"
            self._console.print(Text(told), soft_wrap=True, highlight=False)
        for wait in waiting:
            self._console.print(Text(f"    {clean(wait.text)}"), soft_wrap=True, highlight=False)

    def _words(self, stats: Stats, now: float, rate: float, lately: float) -> Iterator[str]:
        renders = stats.renders
        yield f"{now - self._started:.0f} s:"
        if (done := share(stats)) is not None:
            yield f"{done.percent} %{' so far' if done.may_fall else ''},"
        yield f"{crawl_tables.settled(stats.pages):,} of {stats.pages.discovered:,} pages,"
        if renders.discovered:
            yield f"{crawl_tables.settled(renders):,} of {renders.discovered:,} rendered,"
        yield f"{crawl_tables.settled(stats.images):,} of {stats.images.discovered:,} images"
        order = [*ImageStatus, *stats.image_status]  # those that this version knows, saved ones at the head
        counts = {status: stats.image_status[status] for status in order if status in stats.image_status}
        came = ", ".join(f"{count:,} {status}" for status, count in counts.items())
        yield f"({clean(came) or 'none yet'}),"
        is_known = wait_reasons.time_to_go(stats, lately)[0] is not None
        to_go = f", {wait_reasons.estimate(stats, lately)}" if is_known else ""
        yield f"{rate:.0f}/s, {tables.size(stats.saved_bytes)} saved{to_go}"
