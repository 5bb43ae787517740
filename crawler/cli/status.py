"""image-crawler status: what is going on in a crawl."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import click
import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from crawler.catalog import Catalog
from crawler.catalog.summary import read_stats
from crawler.cli import operation, tables
from crawler.cli.ending import terminated_like_interrupted
from crawler.cli.joining import address_argument, tasks_of
from crawler.cli.options import Command, json_option
from crawler.cli.output import live, write_json
from crawler.condition import Condition, condition
from crawler.config import Config
from crawler.errors import QueueError, QueueUnreachable, UsageError
from crawler.models import Stats, Status
from crawler.queues import TaskQueue
from crawler.shown import one_line

REFRESH_S = 2.0
EXIT_TROUBLE = 1
EXIT_UNKNOWN = 3
"""As plugins of Nagios have it; 2, their word for what is critical, is wrong usage with us."""


@click.command(
    cls=Command,
    examples=(
        ("how far is it, and who is at work?", "image-crawler status data/example.org"),
        ("from anywhere, always up to date", "image-crawler status 192.0.2.7 --keys worker --watch"),
        ("is all well? (for monitoring)", "image-crawler status 192.0.2.7 --keys worker --check"),
        ("images still to do", "image-crawler status data/example.org --json | jq .images.ready"),
    ),
)
@address_argument
@click.option(
    "-w", "--watch", is_flag=True, help="Show it anew every two seconds, until the crawl has ended."
)
@click.option(
    "--check",
    is_flag=True,
    help="For monitoring: one line, and the exit code says whether all is well (0), somebody should look (1), or that"
    " can't be told (3).",
)
@json_option
def status(address: str, *, watch: bool, check: bool, as_json: bool, config: Config) -> int:
    """Show how far a crawl is: queue, hosts, workers and rates while it runs; and after, what it came to.

    With --check 0 is running, finished or stopping; 1 is paused, waiting (all hosts are in trouble), unattended (nobody
    downloads), stuck, halted, interrupted or unbalanced; 3 is a crawl that can't be reached. --json has the same word
    as state.
    """
    if check and watch:
        raise UsageError("--check and --watch exclude each other; leave one of them out")
    try:
        return _status(address, watch=watch, check=check, as_json=as_json, config=config)
    except QueueError as exc:
        if not check:
            raise
        click.echo(f"unknown: {one_line(str(exc))}")
        return EXIT_UNKNOWN


def _status(address: str, *, watch: bool, check: bool, as_json: bool, config: Config) -> int:
    folder = Path(address)
    show = _tell if check and not as_json else partial(_show, as_json=as_json)
    with ExitStack() as stack:
        tasks = None
        try:
            tasks = stack.enter_context(tasks_of(address, config))
        except (UsageError, QueueError):
            if not folder.is_dir():
                raise  # nobody runs there, and nothing but the queue could tell us
        if tasks is None:
            with Catalog(folder) as catalog, catalog.snapshot():
                stats = read_stats(catalog)
                now = condition(stats, runs=False)
                show(stats, now)
        elif watch:
            _watch(tasks, as_json=as_json)
            return 0
        else:
            stats = tasks.status()
            now = condition(stats, runs=True)
            show(stats, now)
    return 0 if now.is_well or not check else EXIT_TROUBLE


def _tell(stats: Stats, now: Condition) -> None:
    """One line, as plugins of Nagios and its like have it."""
    done = f"{stats.images.done:,} of {stats.images.discovered:,} images are done"
    click.echo(f"{now.state}: {one_line(now.why)}; {done}" if now.why else f"{now.state}: {done}")


def _show(stats: Stats, now: Condition, *, as_json: bool) -> None:
    if as_json:
        write_json({"state": now.state, "why": now.why} | msgspec.structs.asdict(stats))
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
            _show(now, condition(now, runs=True), as_json=as_json)
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
