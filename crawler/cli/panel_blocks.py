"""What the live panel and ``status --watch`` show in rows: each with a rank, as a low screen has room for some only.

No row is cut where that would hide how much there is: what does not fit is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.text import Text

from crawler.cli import crawl_tables, tables
from crawler.cli.output import clean
from crawler.cli.progress_grid import Figures, grid, shows_mean
from crawler.models import Failure, ImageStatus, Stats
from crawler.monitoring import wait_reasons
from crawler.monitoring.share import share

_REASONS_SHOWN = 6
_FAILURES_SHOWN = 3
_MOST_ROWS_OF_A_WAIT = 3
_MOST_ROWS_OF_AN_ESTIMATE = 2
_TALL = 16
"""Rows of a screen that has some for headers."""
_WITH_WORDS = 60
"""Columns from which a failure is introduced."""
_IN_ONE_ROW = 76
"""Columns from which the share that is done stands beside the time left."""
_INDENT = 2
_APART = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Rows that are shown together or not at all."""

    rank: int = 0
    """Blocks of lower rank are shown first; 0 is always shown."""
    part: RenderableType | None = None
    rows: int = 1


def chosen(blocks: Sequence[Block], height: int) -> list[Block]:
    """The blocks that fit, in their order."""
    taken = set()
    for block in sorted(blocks, key=lambda one: one.rank):
        if not block.rank or block.rows <= height:
            taken.add(block)
            height -= block.rows
    return [block for block in blocks if block in taken]


def grid_block(stats: Stats, figures: Figures, width: int, height: int, *, rank: int = 0) -> Block:
    """How far and how fast; *height* is that of the screen."""
    table = grid(stats, figures, width, headers=height >= _TALL)
    return Block(rank=rank, part=table, rows=table.row_count)


def estimate_blocks(
    console: Console, stats: Stats, figures: Figures, width: int, *, ranks: tuple[int, int]
) -> Iterator[Block]:
    """What share is done, and the time left, or why it is not known; and the mean rate, if the grid has no room for it.
    *ranks*: of these.
    """
    parts = []
    if (done := share(stats)) is not None:
        percent, of, known = done.text.partition(" of ")
        parts.append(Text.assemble((percent, "bold"), of, known))
    if told := wait_reasons.estimate(stats, figures.lately_per_s):
        is_known = wait_reasons.time_to_go(stats, figures.lately_per_s)[0] is not None
        parts.append(Text(told, "bold" if is_known else ""))
    if width >= _IN_ONE_ROW:  # not as it fits: it would be one row and two rows in turn
        parts = [Text(" · ").join(parts)] if parts else []
    for part in parts:
        yield _wrapped(console, part, width, rank=ranks[0], most=_MOST_ROWS_OF_AN_ESTIMATE)
    mean = figures.images.mean_per_s
    if mean and not shows_mean(stats, figures, width):
        text = f"{tables.per_s(mean)} images/s on average"
        yield _wrapped(console, Text(text, "dim"), width, rank=ranks[1], most=1)


def outcome_blocks(stats: Stats, width: int, height: int, *, ranks: tuple[int, int]) -> Iterator[Block]:
    """What became of images, and why some were not saved and pages not read. *ranks*: of these, of the reasons."""
    statuses = _in_rows(list(_statuses(stats)), width, most=2 if height >= _TALL else 1)
    yield Block(rank=ranks[0], part=Group(*statuses), rows=len(statuses))
    if reasons := _reasons(stats, width):
        yield Block(rank=ranks[1], part=Group(*reasons), rows=len(reasons))


def failure_blocks(stats: Stats, width: int, *, ranks: tuple[int, int]) -> Iterator[Block]:
    """What failed last, each for another reason. *ranks*: of the latest, of the others."""
    for number, text in enumerate(failures(stats, width - _INDENT)):
        part = Text(" " * _INDENT, no_wrap=True, overflow="ellipsis").append_text(text)
        yield Block(rank=ranks[min(number, 1)], part=part)


def failures(stats: Stats, width: int) -> Iterator[Text]:
    """What failed last, each for another reason, in a row of *width* columns."""
    for number, failure in enumerate(stats.failures[:_FAILURES_SHOWN]):
        yield _failed(failure, width, is_first=not number)


def wait_blocks(
    console: Console, waits: Sequence[wait_reasons.Wait], width: int, *, most: int, ranks: tuple[int, int]
) -> Iterator[Block]:
    """*most* waits, each on as many rows as needed, as its command has to be copied whole; then how many more.

    *ranks*: of the first, of the others.
    """
    for number, wait in enumerate(waits[:most]):
        text = Text(clean(wait.text), "bold yellow" if wait.is_for_you else "yellow")
        yield _wrapped(console, text, width, rank=ranks[min(number, 1)], most=_MOST_ROWS_OF_A_WAIT)
    if len(waits) > most:
        yield Block(
            rank=ranks[1], part=Text(f"{'':{_INDENT}}and {len(waits) - most} more that it waits for", "dim")
        )


def shortened(url: str, columns: int) -> str:
    """*url* without its scheme, in so many *columns*: of a longer one its end, by which it differs from others."""
    text = clean(wait_reasons.shown_host(url))
    if len(text) <= columns:
        return text
    end = text[len(text) - max(1, columns - 1) :]
    from_folder = end.find("/")
    whole = end[from_folder:] if 0 < from_folder <= len(end) // 3 else end  # no name is begun in its middle
    return f"…{whole}"


def _failed(failure: Failure, width: int, *, is_first: bool) -> Text:
    lead = ""
    if width >= _WITH_WORDS:
        lead = "last failed: " if is_first else "  before it: "
    why = f"{clean(failure.reason)} {wait_reasons.span(failure.ago_s)} ago  "
    url = shortened(failure.url, width - len(lead) - len(why))
    return Text.assemble(
        (lead, "dim"), (why, "red" if failure.ago_s < wait_reasons.SHORT_S else ""), (url, "dim")
    )


def _statuses(stats: Stats) -> Iterator[Text]:
    for status in ImageStatus:
        count = stats.image_status.get(status, 0)
        if count or status is ImageStatus.SAVED:
            yield Text.assemble((f"{count:,} ", "bold"), crawl_tables.label(status))


def _in_rows(items: Sequence[Text], width: int, *, most: int) -> list[Text]:
    """*items* in at most so many rows; none is cut, and how many do not fit is said."""
    rows: list[Text] = [Text(" " * _INDENT)]
    for number, item in enumerate(items):
        row = rows[-1]
        is_first = row.cell_len == _INDENT
        later = len(items) - number - 1
        reserved = _APART + len(f"+{later} more") if later and len(rows) == most else 0
        if not is_first and row.cell_len + _APART + item.cell_len + reserved > width:
            if len(rows) == most:
                row.append(f"{'':{_APART}}+{later + 1} more", "dim")
                break
            row = Text(" " * _INDENT)
            rows.append(row)
            is_first = True
        row.append("" if is_first else " " * _APART)
        row.append_text(item)
    for row in rows:
        row.no_wrap, row.overflow = True, "ellipsis"
    return rows


def _reasons(stats: Stats, width: int) -> list[Text]:
    """The most frequent reasons: in a row if they fit, else in one for images, pages and renders each."""
    groups = [
        Text(_fitting(f"{what}: ", Counter(reasons).most_common(), width - _INDENT), "dim")
        for what, reasons in (
            ("not saved", stats.image_reasons),
            ("not read", stats.page_reasons),
            ("not rendered", stats.render_reasons),
        )
        if reasons
    ]
    return _in_rows(groups, width, most=len(groups)) if groups else []


def _fitting(lead: str, reasons: Iterable[tuple[str, int]], width: int) -> str:
    """As many *reasons* as fit, and how many do not: ``not saved: not-found 12 · too-small 5 · +2 more``."""
    told = [f"{clean(reason)} {count:,}" for reason, count in reasons]
    for shown in range(min(len(told), _REASONS_SHOWN), 0, -1):
        more = [f"+{len(told) - shown} more"] if shown < len(told) else []
        text = lead + " · ".join(told[:shown] + more)
        if len(text) <= width:
            return text
    return f"{lead}{told[0]}"


def _wrapped(console: Console, text: Text, width: int, *, rank: int, most: int) -> Block:
    lines = text.wrap(console, max(10, width - _INDENT))[:most]
    rows = [Text(" " * _INDENT, no_wrap=True, overflow="ellipsis").append_text(line) for line in lines]
    return Block(rank=rank, part=Group(*rows), rows=len(rows))
