"""image-crawler status: what is going on in a crawl."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import click
from rich.console import Group, RenderableType
from rich.text import Text

from crawler.catalog import Catalog
from crawler.catalog.summary import read_stats
from crawler.cli import operation, tables
from crawler.cli.ending import terminated_like_interrupted
from crawler.cli.joining import address_argument, tasks_of
from crawler.cli.options import Command, json_option
from crawler.cli.output import live, write_json
from crawler.config import Config
from crawler.errors import QueueError, QueueUnreachable, UsageError
from crawler.models import Stats, Status
from crawler.queues import TaskQueue

REFRESH_S = 2.0


@click.command(
    cls=Command,
    examples=(
        ("how far is it, and who is at work?", "image-crawler status data/example.org"),
        ("from anywhere, always up to date", "image-crawler status 192.0.2.7 --keys worker --watch"),
        ("images still to do", "image-crawler status data/example.org --json | jq .images.ready"),
    ),
)
@address_argument
@click.option(
    "-w", "--watch", is_flag=True, help="Show it anew every two seconds, until the crawl has ended."
)
@json_option
def status(address: str, *, watch: bool, as_json: bool, config: Config) -> None:
    """Show how far a crawl is: queue, hosts, workers and rates while it runs; and after, what it came to."""
    folder = Path(address)
    with ExitStack() as stack:
        tasks = None
        try:
            tasks = stack.enter_context(tasks_of(address, config))
        except (UsageError, QueueError):
            if not folder.is_dir():
                raise  # nobody runs there, and nothing but the queue could tell us
        if tasks is None:
            with Catalog(folder) as catalog, catalog.snapshot():
                _show(read_stats(catalog), as_json=as_json)
        elif watch:
            _watch(tasks, as_json=as_json)
        else:
            _show(tasks.status(), as_json=as_json)


def _show(stats: Stats, *, as_json: bool) -> None:
    if as_json:
        write_json(stats)
        return
    out = tables.console()
    out.print(tables.state(stats))
    if isinstance(stats, Status):
        out.print(operation.rates(stats))
    out.print()
    tables.side_by_side(out, *_parts(stats))


def _parts(stats: Stats) -> list[RenderableType]:
    parts: list[RenderableType] = [tables.queue_table(stats), *tables.outcome_tables(stats)]
    if stats.dropped:
        parts.append(tables.left_out_table(stats.dropped))
    if isinstance(stats, Status):
        parts += _operation(stats, hosts=operation.HOSTS_SHOWN, workers=operation.WORKERS_SHOWN)
    return parts


def _watch(tasks: TaskQueue, *, as_json: bool) -> None:
    out = tables.console()
    if as_json or not out.is_terminal:
        for now in _states(tasks):
            _show(now, as_json=as_json)
        return
    # either ends the watching, and leaves the terminal as it was
    with terminated_like_interrupted(), live(out) as drawn, suppress(KeyboardInterrupt):
        for now in _states(tasks):
            drawn.update(
                Group(
                    tables.state(now),
                    operation.rates(now),
                    Text(),
                    tables.beside(out, tables.queue_table(now), tables.images_table(now)),
                    *(part for table in _operation(now, hosts=5, workers=12) for part in (Text(), table)),
                ),
                refresh=True,
            )


def _operation(now: Status, *, hosts: int, workers: int) -> Iterator[RenderableType]:
    """So many rows of each at the most."""
    if now.hosts:
        yield operation.hosts_table(now, most=hosts)
    if now.workers:
        yield operation.workers_table(now, most=workers)


def _states(tasks: TaskQueue) -> Iterator[Status]:
    """Until the crawl has ended, or its manager has gone."""
    while True:
        try:
            now = tasks.status()
        except QueueUnreachable:
            return
        yield now
        if now.drained or now.halted is not None:
            return
        time.sleep(REFRESH_S)
