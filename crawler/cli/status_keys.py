"""The keys of ``status --watch``: what they show, and what they do.

Keys are read there alone, where the picture has a screen of its own, as with htop or less. The panel of ``crawl`` has
none: it stands in the shell's own window, where whoever types ahead types the next command, and a q of it would end the
crawl. docs/operating.md says so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from enum import StrEnum

from rich.console import Console, RenderableType
from rich.text import Text

from crawler.cli import status_tables, tables
from crawler.cli.output import clean
from crawler.cli.panel_blocks import shortened
from crawler.cli.terminal import Terminal
from crawler.models import Failure, Status, TaskKind
from crawler.monitoring import wait_reasons

LEAVE, PAUSE, AGAIN = "q", "p", " "
_LEAST_WIDTH = 64
"""Columns that the names of all keys take."""
_LEAST_URL = 20
_BESIDE_URL = 30


class View(StrEnum):
    """What is below the figures; each by its key."""

    OVERVIEW = ""
    FAILURES = "f"
    WORKERS = "w"
    HOSTS = "h"
    HELP = "?"

    def after(self, key: str) -> View:
        """The view after *key*: the same key once more leads back."""
        if key not in View.__members__.values() or not key:
            return self
        return View.OVERVIEW if key == self else View(key)


def pressed(terminal: Terminal | None, within_s: float) -> str:
    """The key that is pressed within that time, in lower case; empty if none is, or there are none."""
    if terminal is None:
        time.sleep(within_s)
        return ""
    return terminal.key(within_s).lower()


def hint(status: Status, view: View, width: int) -> Text:
    """One row that names the keys."""
    names = [
        (LEAVE, "leave"), (PAUSE, "resume" if status.paused else "pause"), (View.FAILURES, "failures"),
        (View.WORKERS, "workers"), (View.HOSTS, "hosts"), (View.HELP, "help"),
    ]  # fmt: skip
    if width < _LEAST_WIDTH:
        names = [names[0], names[-1]]
    told = Text(no_wrap=True, overflow="ellipsis")
    for key, name in names:
        told.append("   " if told else "").append(key, "bold").append(
            f" {name}", "" if key == view else "dim"
        )
    return told


def view_rows(
    console: Console, status: Status, view: View, rows: int, *, address: str
) -> Iterator[RenderableType]:
    """The *view*, but the overview, in at most so many *rows*."""
    if rows < 1:
        return
    most = max(1, rows - 1)
    if view is View.WORKERS and status.workers:
        yield status_tables.workers_table(console, status, most=most, is_low=True)
    elif view is View.HOSTS and status.hosts:
        yield status_tables.hosts_table(console, status, most=most, is_low=True)
    elif view is View.FAILURES and (reasons := _reasons(status)):
        yield _failures(console, status, reasons, most)
    elif view is View.HELP:
        yield from (Text(line, no_wrap=True, overflow="ellipsis") for line in _help(address)[:rows])
    else:
        nothing = {View.WORKERS: "nobody is at work", View.HOSTS: "no host has anything to do"}
        yield Text(nothing.get(view, "nothing has failed so far"), "dim")


def _reasons(status: Status) -> list[tuple[TaskKind, str, int]]:
    counts = (
        (TaskKind.IMAGE, status.image_reasons),
        (TaskKind.PAGE, status.page_reasons),
        (TaskKind.RENDER, status.render_reasons),
    )
    return [
        (kind, reason, count)
        for kind, reasons in counts
        for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    ]


def _failures(
    console: Console, status: Status, reasons: list[tuple[TaskKind, str, int]], most: int
) -> RenderableType:
    latest = {(failure.kind, failure.reason): failure for failure in status.failures}
    shown = reasons[:most]
    names = [
        Text(f"{'' if kind is TaskKind.IMAGE else f'{kind} '}{clean(reason)}") for kind, reason, _ in shown
    ]
    last = [latest.get((kind, reason)) for kind, reason, _ in shown]
    room = max(_LEAST_URL, console.width - max(name.cell_len for name in names) - _BESIDE_URL)
    columns = [
        tables.Column(header="", cells=names, is_text=True),
        tables.Column(header="URLs", cells=[tables.number(count) for *_, count in shown]),
        tables.Column(header="Last", cells=[_ago(one) for one in last], rank=1),
        tables.Column(
            header="the latest one",
            cells=[Text(shortened(one.url, room) if one else "", "dim") for one in last],
            rank=2,
            is_text=True,
        ),
    ]
    return tables.fitted(console, "Failures", columns, more=len(reasons) - len(shown), is_low=True)


def _ago(failure: Failure | None) -> str:
    return f"{wait_reasons.span(failure.ago_s)} ago" if failure is not None else ""


def _help(address: str) -> list[str]:
    lines = [
        "q      leave: the crawl goes on",
        "p      pause it, or have it go on",
        "f      failures by reason",
        "w      workers",
        "h      hosts",
        "?      this; once more: back",
        "space  look again now",
    ]
    if address:
        lines.append(f"end it: image-crawler stop {address}")
    return lines
