"""``inspect DIR``: is it all there, what is missing, what is to be done? On one screen."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from crawler.catalog.inspection import Inspection, Missing, Spread
from crawler.catalog.summary import TOP_HOSTS
from crawler.cli import crawl_tables, tables
from crawler.cli.image_locations import kept_where
from crawler.cli.output import clean
from crawler.cli.panel_blocks import shortened
from crawler.cli.report import rendered, revisits, wants_a_browser
from crawler.cli.sparkline import sparkline
from crawler.cli.sums import Sum
from crawler.config import StorageConfig
from crawler.models import ImageStatus, PageStatus, TaskKind
from crawler.monitoring.guessed_sitemaps import EXPECTED, without_guessed
from crawler.text.display import counted

_REASONS_SHOWN = 12
_RULES_SHOWN = 8
_INDENT = 2
_LEAST_URL = 30
"""Columns beside a reason that are worth beginning a URL there."""
_LEAST_FILE, _MOST_FILE = 12, 44
_BETWEEN_COLUMNS = 7
_WIDE_ENOUGH = 64
"""Columns from which a table of hosts has all of its own beside their names."""
_OF_KIND = {TaskKind.IMAGE: "", TaskKind.PAGE: "page ", TaskKind.RENDER: "render "}


def show_inspection(out: Console, found: Inspection, storage: StorageConfig) -> None:
    """Print all of it: what is missing first, figures below."""
    found = msgspec.structs.replace(found, stats=without_guessed(found.stats))
    tables.show(out, tables.facts(dict(_headline(found, storage))))
    out.print()
    missing = [one for one in found.missing if one.reason != EXPECTED]
    if missing:
        _show_missing(out, missing, found.folder)
        out.print()
    tables.side_by_side(out, *_parts(found, out.width))


def _headline(found: Inspection, storage: StorageConfig) -> Iterator[tuple[str, str | Text | Sum]]:
    stats = found.stats
    begins_with = (*found.seeds, *(f"the list {Path(name).name}" for name in found.lists))
    seeds = begins_with[0] if begins_with else "none yet"
    yield "seed", clean(seeds) + (f" and {len(begins_with) - 1:,} more" if len(begins_with) > 1 else "")
    yield "folder", clean(found.folder)
    yield "state", crawl_tables.state(stats)
    if not stats.drained:
        yield "to go on", "the same command again, unless it runs (image-crawler status says)"
    yield "images", _images(found)
    if stats.drained:
        yield "missing", _lacking(found)
    if found.gone:
        yield "gone", _gone(found)
    yield "pages", _pages(found)
    yield from rendered(found).items()
    if same := stats.image_status.get(ImageStatus.DUPLICATE, 0):
        more = counted(same, "more URL", "more URLs")
        spared = tables.size(found.duplicate_bytes)
        yield "same", f"{more} gave bytes that were saved already ({spared} spared)"
    yield from wants_a_browser(found).items()
    yield from revisits(found).items()
    if storage.url:
        yield "kept", f"in {clean(storage.url)}"
    else:
        yield "kept", kept_where(found) or f"on the disk {counted(found.files, 'file')}"


def _images(found: Inspection) -> Sum:
    """``1,967 URLs = 1,959 saved (46.6 MiB) + 6 duplicate + 2 failed``; zeros say nothing."""
    stats = found.stats
    size = f" ({tables.size(stats.saved_bytes)})" if stats.saved_bytes else ""
    parts = [
        f"{count:,} {status}{size if status is ImageStatus.SAVED else ''}"
        for status in ImageStatus
        if (count := stats.image_status.get(status, 0))
    ]
    if to_do := max(0, stats.images.discovered - sum(stats.image_status.values())):
        parts.append(f"{to_do:,} to do")
    return Sum(counted(stats.images.discovered, "URL"), parts)


def _lacking(found: Inspection) -> Text:
    stats = found.stats
    lacking = sum(
        count for status, count in stats.image_status.items() if status not in {"saved", "duplicate"}
    )
    if lacking:
        share = f" of {stats.images.discovered:,} image URLs" if stats.images.discovered > lacking else ""
        return Text(f"{lacking:,}{share}: below, with what to do", "yellow")
    if not stats.images.discovered:
        return Text("no image was found", "yellow")
    if found.gone:
        return Text("nothing that was found, but files are gone: below", "yellow")
    left_out = " that was taken on" if stats.dropped else " that was found"
    return Text(f"nothing: each image{left_out} is there", "green")


def _gone(found: Inspection) -> Text:
    one, them = found.gone == 1, "it" if found.gone == 1 else "them"
    files = counted(found.gone, "saved file is", "saved files are")
    path = f"{':' if one else ', such as'} {clean(found.gone_path)}"
    return Text(f"{files} not there any more{path}; the same command once more fetches {them}", "yellow")


def _pages(found: Inspection) -> str:
    stats = found.stats
    read = stats.page_status.get(PageStatus.HARVESTED, 0)
    unread = sum(stats.page_reasons.values())
    without = found.pages_without_images
    parts = [f"{read:,} read" + (f", {without:,} of them without an image" if without else "")]
    if unread:
        parts.append(f"{unread:,} not read")
    if stats.pages.unsettled:
        parts.append(f"{stats.pages.unsettled:,} to do")
    return "; ".join(parts)


def _show_missing(out: Console, missing: Sequence[Missing], folder: str) -> None:
    """A reason, how often, an example, and what to do about it."""
    shown = missing[:_REASONS_SHOWN]
    out.print(Text("Missing", "bold"))
    digits = max(len(f"{one.count:,}") for one in shown)
    columns = min(out.width // 3, max(len(_called(one)) for one in shown))
    for one in shown:
        count = f"{'':{_INDENT}}{one.count:>{digits},}  "
        style = "yellow" if one.kind is TaskKind.IMAGE else ""
        reason = Text(f"{_called(one):<{columns}}  ", style)
        url, room = clean(one.url), out.width - len(count) - reason.cell_len
        if out.is_terminal and len(url) > room and room < _LEAST_URL:  # a row of its own
            room = out.width - len(count)
            reason.append("\n" + " " * len(count))
        if out.is_terminal and len(url) > room:
            url = shortened(one.url, room)
        out.print(Text(count) + reason + Text(url, "dim"), soft_wrap=True)
        if one.advice:
            advice = Text(f"{clean(one.advice).replace('DIR', shlex.quote(clean(folder)))}.")
            if out.is_terminal:
                out.print(Padding(advice, (0, 0, 0, len(count))))
            else:
                out.print(Text(" " * len(count)) + advice, soft_wrap=True)
    if (more := len(missing) - len(shown)) > 0:
        out.print(Text(f"{'':{_INDENT}}and {counted(more, 'reason')} more: --json has all", "dim"))


def _called(one: Missing) -> str:
    """The reason, and of what it is if that is no image."""
    return f"{_OF_KIND[one.kind]}{clean(one.reason)}"


def _parts(found: Inspection, width: int) -> Iterator[RenderableType]:
    if found.formats:
        yield tables.compact(crawl_tables.formats_table(found))
    if found.sizes is not None:
        yield tables.compact(_sizes_table(found.sizes, found.pixels))
    if found.found_in:
        yield tables.compact(_rules_table(found))
    if found.hosts:
        more = found.host_count - len(found.hosts) if len(found.hosts) == TOP_HOSTS else 0
        yield tables.compact(crawl_tables.hosts_table(found.hosts, more=more, is_narrow=width < _WIDE_ENOUGH))
        if more > 0 and found.slowest:  # else the table above has them all
            yield tables.compact(crawl_tables.hosts_table(found.slowest, title="Slowest hosts"))
    if found.largest:
        yield tables.compact(_largest_table(found, width))
    if found.stats.dropped:
        yield tables.compact(crawl_tables.left_out_table(found.stats.dropped))


def _sizes_table(sizes: Spread, pixels: Spread | None) -> Table:
    table = tables.figures("Sizes", "", "Bytes", *(["Pixels"] if pixels else []))
    for name, at in (("smallest", "least"), ("median", "median"), ("largest", "most")):
        cells = [tables.size(getattr(sizes, at))]
        if pixels is not None:
            cells.append(_size_px(getattr(pixels, at)))
        table.add_row(name, *cells)
    table.add_row("spread", *(_bars(one) for one in (sizes, pixels) if one is not None))
    return table


def _bars(spread: Spread) -> Text:
    """How many of each size, from the smallest that there is to the largest."""
    counts = [count for _, count in spread.steps]
    there = [number for number, count in enumerate(counts) if count]
    shown = counts[there[0] : there[-1] + 1]
    return Text(sparkline(shown, len(shown)), "green")


def _rules_table(found: Inspection) -> Table:
    table = tables.figures("Found in", "", "URLs", "Saved")
    for one in found.found_in[:_RULES_SHOWN]:
        table.add_row(clean(one.name) or "a seed", tables.number(one.images), tables.number(one.saved))
    tables.tell_more(table, len(found.found_in) - _RULES_SHOWN)
    return table


def _largest_table(found: Inspection, width: int) -> Table:
    table = tables.figures("Largest files", "", "Size", "Pixels")
    rows = [
        (
            clean(one.path.removeprefix("images/")),
            tables.size(one.size_bytes),
            f"{one.width_px:,} x {one.height_px:,}" if one.width_px else "",
        )
        for one in found.largest
    ]
    room = width - sum(max(len(row[at]) for row in rows) for at in (1, 2)) - _BETWEEN_COLUMNS
    for path, size, size_px in rows:
        table.add_row(shortened(path, max(_LEAST_FILE, min(_MOST_FILE, room))), size, size_px)
    return table


def _size_px(pixels: int) -> str:
    return f"{pixels / 1e6:,.1f} MP" if pixels >= 1e6 else f"{pixels:,}"  # noqa: PLR2004 - a megapixel
