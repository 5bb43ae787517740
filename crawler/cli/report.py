"""The summary of a crawl at its end, and the folder to open.

It leaves out zeros, and missing sitemaps. ``inspect`` has the books in full.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from crawler.catalog.summary import Summary
from crawler.cli import crawl_tables, tables
from crawler.cli.image_locations import kept_where
from crawler.cli.output import clean, link_to, write_json
from crawler.cli.sums import Sum
from crawler.crawlfile.layout import CrawlFolder
from crawler.errors import NoBrowser
from crawler.gallery.files import PAGE, made_at
from crawler.models import ImageStatus, PageStatus, RenderStatus, Stats
from crawler.monitoring import wait_reasons
from crawler.monitoring.guessed_sitemaps import without_guessed
from crawler.run.renderers import INSTALL, SAY_AGAIN, pages
from crawler.text.display import counted

NOT_SAVED = (ImageStatus.REJECTED, ImageStatus.FAILED, ImageStatus.DEAD)
_SHORT_S = 10.0
_FILES, _SEE = "files", "see them"


@dataclass(kw_only=True)
class CrawlCourse:
    """The course of a run: what was there before, and its duration."""

    elapsed_s: float = 0.0
    """Seconds from its start to its last news: stopping the processes does not count."""
    saved_before: int | None = None
    """Images that an earlier run had saved; None before there is any news."""

    def note(self, stats: Stats, *, elapsed_s: float) -> None:
        """Take the news of a run that has lasted that long."""
        self.elapsed_s = elapsed_s
        if self.saved_before is None:
            self.saved_before = stats.image_status.get(ImageStatus.SAVED, 0)


def print_summary(
    summary: Summary, *, as_json: bool, course: CrawlCourse | None = None, failed: bool = False
) -> None:
    """Print the summary of a crawl on stdout. The caller says why a *failed* crawl has failed."""
    if as_json:
        write_json(summary)
        return
    summary = msgspec.structs.replace(summary, stats=without_guessed(summary.stats))
    out = tables.console()
    out.print()
    out.print(headline(summary, course, failed=failed), soft_wrap=True)
    rows: dict[str, str | Text | Sum] = dict(_rows(summary))
    if not failed and (summary.stats.images.discovered or not summary.stats.drained):
        rows["state"] = _state(summary)
    if rows:
        tables.show(out, tables.facts(rows))
    if summary.files:
        columns = max(map(len, [*rows, _SEE]))
        for name, value in (
            (_FILES, link_to(out, Path(summary.folder, "images"))),
            (_SEE, _see_them(out, summary)),
        ):  # below the table, whole: a path that is folded can't be copied
            out.print(Text(f"{name:<{columns}}  ", "dim").append_text(value), soft_wrap=True)


def _see_them(out: Console, summary: Summary) -> Text:
    """The page with the images, if there is one that has them all; else the command that makes it."""
    folder = Path(summary.folder)
    page = CrawlFolder(folder).gallery / PAGE
    if summary.finished and page.is_file() and made_at(folder) >= summary.finished_at[:19]:
        return link_to(out, page)
    return Text(f"image-crawler gallery {shlex.quote(clean(summary.folder))} --open")


def headline(summary: Summary, course: CrawlCourse | None, *, failed: bool = False) -> Text:
    """``1,959 images, 46.6 MiB in 41 s (47/s)``."""
    stats = summary.stats
    saved = stats.image_status.get(ImageStatus.SAVED, 0)
    if not saved:
        if stats.image_status.get(ImageStatus.DUPLICATE):
            return Text("no new image", "bold")
        if not (failed or stats.drained):
            return Text("no image so far", "bold yellow")
        if failed or stats.images.discovered:
            return Text("no image was saved", "bold red" if failed else "bold yellow")
        return Text("no image was found", "bold yellow")
    style = "bold" if failed or not stats.drained else "bold green"
    text = Text(f"{counted(saved, 'image')}, {tables.size(stats.saved_bytes)}", style)
    new = saved - (course.saved_before or 0) if course is not None else 0
    if course is None or new <= 0:
        return text
    elapsed_s = course.elapsed_s
    took = f"{elapsed_s:.1f} s" if elapsed_s < _SHORT_S else wait_reasons.span(elapsed_s)
    came = f" in {took} ({tables.per_s(new / max(elapsed_s, 0.1))}/s)"
    return text.append(f"; {new:,} of them{came}" if course.saved_before else came)


def _rows(summary: Summary) -> Iterator[tuple[str, str | Text]]:
    stats = summary.stats
    yield from _pages(stats)
    yield from rendered(summary).items()
    if same := stats.image_status.get(ImageStatus.DUPLICATE, 0):
        yield "same", f"{same:,} more {'URL' if same == 1 else 'URLs'} gave bytes that were saved already"
    folder = shlex.quote(clean(summary.folder))
    if not_saved := sum(stats.image_status.get(status, 0) for status in NOT_SAVED):
        yield (
            "not saved",
            f"{not_saved:,}: {_reasons(stats.image_reasons)}\nwhy: image-crawler inspect {folder} --failures",
        )
    yield from wants_a_browser(summary).items()
    if stats.drained and not stats.images.discovered and (why := why_nothing(summary)):
        yield "why", why
    if stats.dropped:
        which = f"which: image-crawler explain {folder} {clean(next(iter(stats.dropped)))}"
        yield "left out", f"{crawl_tables.left_out_lines(stats.dropped)}\n{which}"
    yield from revisits(summary).items()
    if where := kept_where(summary):
        yield "kept", where


def why_nothing(summary: Summary) -> str:
    """Why a crawl that has read pages has found no image, as far as known, and what to do."""
    stats = summary.stats
    read = stats.page_status.get(PageStatus.HARVESTED, 0)
    if not read or stats.render_reasons.get(NoBrowser.reason):  # that is said already
        return ""
    some = "the page" if read == 1 else f"the {read:,} pages"
    scripts = "; scripts may name images as well: the same command with --script-urls"
    if rendered_pages := stats.render_status.get(RenderStatus.RENDERED, 0):
        opened = "it was" if read == 1 else f"{rendered_pages:,} of them were"
        return f"{some} shows none, though {opened} opened in a browser{scripts}"
    without = summary.renderings.get("no-browser", 0)
    never = summary.renderings.get("never", 0)
    if count := without or never:
        who = "the page has scripts" if read == 1 else f"{count:,} of {some} have scripts"
        whose = "its" if read == 1 else "their"
        todo = f"{INSTALL}, then {SAY_AGAIN}" if without else "the same command with --render auto"
        return f"{who}, which may make {whose} pictures, and no browser ran them: {todo}"
    return f"{some} {'names' if read == 1 else 'name'} none"


def _pages(stats: Stats) -> Iterator[tuple[str, str]]:
    read = stats.page_status.get(PageStatus.HARVESTED, 0)
    reasons = stats.page_reasons
    parts = [f"{read:,} read"] if read else []
    if reasons:
        parts.append(f"{sum(reasons.values()):,} not read ({_reasons(reasons)})")
    if parts:
        yield "pages", ", ".join(parts)


def _state(summary: Summary) -> Text | Sum:
    stats = summary.stats
    text = crawl_tables.state(stats, stopped=summary.stopped)
    parts = [f"{count:,} {status}" for status in ImageStatus if (count := stats.image_status.get(status, 0))]
    once_more = stats.images.unsettled - max(0, stats.images.discovered - sum(stats.image_status.values()))
    rest = f", {once_more:,} of these once more" if once_more > 0 else ""
    if stats.drained and len(parts) > 1:
        total = f"{stats.images.discovered:,} image URLs"
        return Sum(total, parts, lead=text.append(":"), rest=rest)
    return text.append(rest)


def rendered(summary: Summary) -> dict[str, str]:
    """The outcomes of pages that wanted a browser, as a row of facts; none without such pages."""
    stats = summary.stats
    if not stats.renders.discovered:
        return {}
    counts = ", ".join(
        f"{stats.render_status[status]:,} {status}"
        for status in RenderStatus
        if stats.render_status.get(status)
    )
    reasons = f" ({_reasons(stats.render_reasons)})" if stats.render_reasons else ""
    return {"renders": f"{stats.renders.discovered:,}: {counts or 'none yet'}{reasons}"}


def wants_a_browser(summary: Summary) -> dict[str, str]:
    """How to render the pages for which there was no browser, as a row of facts; none without such pages."""
    count = summary.stats.render_reasons.get(NoBrowser.reason, 0)
    if not count:
        return {}
    return {"no browser": f"{pages(count)} to show their pictures: {INSTALL}, then {SAY_AGAIN}"}


def revisits(summary: Summary) -> dict[str, str]:
    """The outcome of a refresh, as a row of facts; none without a refresh."""
    if not summary.revisits:
        return {}
    found = ", ".join(f"{count:,} {clean(outcome)}" for outcome, count in summary.revisits.items())
    return {"refreshed": found}


def _reasons(counts: Mapping[str, int]) -> str:
    """Reasons, the most frequent first."""
    return ", ".join(f"{count:,} {clean(reason)}" for reason, count in Counter(counts).most_common())
