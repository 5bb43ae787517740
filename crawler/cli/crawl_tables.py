"""The figures of a crawl as tables and sentences: outcomes, queue, formats, hosts, what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from crawler.catalog.summary import HostSummary, Summary
from crawler.cli.output import clean
from crawler.cli.tables import figures, number, size, tell_more
from crawler.errors import LEFT_OUT
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
from crawler.monitoring.wait_reasons import shown_host
from crawler.text.display import counted

_FIRST = 2
"""Figures of a host on a narrow terminal, which are counts."""
_STYLES = {
    "saved": "green",
    "harvested": "green",
    "rendered": "green",
    "duplicate": "",
    "rejected": "yellow",
    "failed": "red",
    "dead": "red",
}


def settled(counts: Counts) -> int:
    return counts.done + counts.dead


def worker_counts(workers: Sequence[WorkerStatus]) -> str:
    """``1 harvester, 4 downloaders``."""
    counts = {kind: sum(who.kind is kind for who in workers) for kind in sorted(TaskKind, key=rank)}
    return ", ".join(counted(count, WORKER_NAMES[kind]) for kind, count in counts.items() if count)


def rank(kind: TaskKind) -> int:
    """The position of workers of this *kind* in lists: in the order in which an image passes them."""
    return (TaskKind.PAGE, TaskKind.RENDER, TaskKind.IMAGE).index(kind)


def label(status: str) -> Text:
    """*status* in its colour."""
    return Text(status, style=_STYLES.get(status, ""))


def state(stats: Stats, *, stopped: str = "") -> Text:
    """The state of the crawl: whether it has ended, and the books balance. *stopped* is why its run was stopped."""
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
    """Why a finished crawl is no success: it has no image. Empty if it has some."""
    if stats.image_status.get(ImageStatus.SAVED) or stats.image_status.get(ImageStatus.DUPLICATE):
        return ""
    if stats.images.discovered:
        return "but no image was saved; "
    if stats.pages.discovered and not stats.page_status.get(PageStatus.HARVESTED):
        return "but no page could be read; "
    return "but no image was found; "


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


def outcome_tables(stats: Stats) -> list[RenderableType]:
    """The outcomes of all URLs; without renders if no page wanted a browser.

    The books balance if the outcomes of images sum up to the number discovered.
    """
    images = _outcomes("Images", "URLs", stats.image_status, ImageStatus, stats.image_reasons, stats.images)
    pages = _outcomes("Pages", "URLs", stats.page_status, PageStatus, stats.page_reasons, stats.pages)
    if not stats.renders.discovered:
        return [images, pages]
    status, reasons = stats.render_status, stats.render_reasons
    return [images, pages, _outcomes("Rendered", "Pages", status, RenderStatus, reasons, stats.renders)]


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


def hosts_table(
    hosts: Sequence[HostSummary], *, title: str = "Hosts", more: int = 0, is_narrow: bool = False
) -> Table:
    """*hosts*, and how many there are besides; if it *is narrow*, without bytes and times."""
    headers = ("URLs", "Saved", "Size", "Mean time")
    table = figures(title, "", *(headers[:_FIRST] if is_narrow else headers))
    named = {host.name: shown_host(host.name) for host in hosts}
    several = Counter(named.values())
    for host in hosts:
        short = named[host.name]
        cells = [
            number(host.images),
            number(host.saved),
            size(host.size_bytes),
            f"{host.mean_s:,.2f} s" if host.visited else "",
        ]
        name = Text(clean(short if several[short] == 1 else host.name), overflow="fold")
        table.add_row(name, *(cells[:_FIRST] if is_narrow else cells))
    tell_more(table, more)
    return table


def left_out_table(left_out: Mapping[str, int]) -> Table:
    """URLs that were left out: they became no task, and so are no part of the books."""
    table = figures("Left out", "", "Times", "what that is")
    table.columns[-1].justify = "left"
    table.columns[-1].no_wrap = False
    table.columns[-1].overflow = "fold"
    for slug, count in left_out.items():
        table.add_row(clean(slug), number(count), Text(_meaning(slug), style="dim"))
    return table


def left_out_lines(left_out: Mapping[str, int]) -> str:
    """What was left out, in sentences, one a line: ``3 by max-depth: links to …; --max-depth lets them in``."""
    return "\n".join(
        f"{count:,} by {clean(slug)}" + (f": {told}" if (told := _meaning(slug)) else "")
        for slug, count in left_out.items()
    )


def _meaning(slug: str) -> str:
    known = LEFT_OUT.get(slug)
    if known is None:  # of another version of this program
        return ""
    return known.meaning + (f"; {known.option} lets them in" if known.option else "")


def _outcomes(
    title: str,
    what: str,
    by_status: Mapping[str, int],
    statuses: Iterable[str],
    reasons: Mapping[str, int],
    counts: Counts,
) -> Table:
    table = figures(title, "", what)
    for status in statuses:
        count = by_status.get(status, 0)
        table.add_row(label(status) if count else status, number(count), style="" if count else "dim")
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
    return table
