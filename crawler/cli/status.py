"""image-crawler status: what is going on in a crawl."""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import click
import msgspec
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from crawler.catalog import Catalog
from crawler.catalog.summary import read_stats
from crawler.cli import crawl_tables, panel_blocks, status_tables, status_watch, tables
from crawler.cli.connect import address_argument, tasks_of
from crawler.cli.control import who
from crawler.cli.exit_signals import terminated_like_interrupted
from crawler.cli.options import Command, json_option
from crawler.cli.output import clean, write_json
from crawler.config import Config
from crawler.errors import QueueError, QueueUnreachable, UsageError
from crawler.logs.events import WATCH_ENDED, tell
from crawler.models import Stats, Status
from crawler.monitoring import wait_reasons
from crawler.monitoring.condition import Condition, condition
from crawler.monitoring.guessed_sitemaps import without_guessed
from crawler.monitoring.share import share
from crawler.queues import TaskQueue
from crawler.queues.redis.address import without_password
from crawler.text.display import one_line

log = logging.getLogger(__name__)

REFRESH_S = 2.0
EXIT_TROUBLE = 1
EXIT_UNKNOWN = 3
"""Unknown, as plugins of Nagios have it. Their 2 (critical) means wrong usage here."""


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
    "-w",
    "--watch",
    is_flag=True,
    help="Show it again every two seconds, until the crawl has ended; the key ? names the other keys.",
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
    show = _tell if check and not as_json else partial(_show, as_json=as_json, address=_as_told(address))
    with ExitStack() as stack:
        tasks = None
        try:
            tasks = stack.enter_context(tasks_of(address, config))
        except (UsageError, QueueError):
            if not folder.is_dir():
                raise  # nobody runs there, and nothing but the queue could tell us
        stats: Stats
        if tasks is None:
            with Catalog(folder) as catalog, catalog.snapshot():
                stats = read_stats(catalog)
        elif watch:
            _watch(tasks, _as_told(address), as_json=as_json)
            return 0
        else:
            stats = tasks.status()
        now = condition(stats, runs=tasks is not None)
        show(stats, now)
    return 0 if now.is_well or not check else EXIT_TROUBLE


def _as_told(address: str) -> str:
    """The address as other machines can use it with ``image-crawler work``."""
    return shlex.quote(clean(without_password(address)))


def _tell(stats: Stats, now: Condition) -> None:
    """Print one line in the form of Nagios plugins."""
    done = f"{stats.images.done:,} of {stats.images.discovered:,} images are done"
    click.echo(f"{now.state}: {one_line(now.why)}; {done}" if now.why else f"{now.state}: {done}")


def _show(stats: Stats, now: Condition, *, as_json: bool, address: str = "") -> None:
    if as_json:
        write_json({"state": now.state, "why": now.why} | msgspec.structs.asdict(stats))
        return
    stats, out = without_guessed(stats), tables.console()
    out.print(crawl_tables.state(stats))
    told = [done.text.lstrip()] if (done := share(stats)) and not stats.drained else []
    if isinstance(stats, Status):
        told += filter(None, [wait_reasons.estimate(stats, stats.images_per_s)])
    if told:
        out.print(Text(" · ".join(told)))
    if isinstance(stats, Status):
        out.print(status_tables.rates(stats))
        out.print(status_tables.crew(stats))
        for wait in wait_reasons.waits(stats, invitation=address) if not stats.paused else ():
            out.print(Text(clean(wait.text), "bold yellow" if wait.is_for_you else "yellow"))
        for failure in panel_blocks.failures(stats, out.width):
            out.print(failure)
    out.print()
    tables.side_by_side(out, *_parts(out, stats))


def _parts(out: Console, stats: Stats) -> list[RenderableType]:
    parts: list[RenderableType] = [crawl_tables.queue_table(stats), *crawl_tables.outcome_tables(stats)]
    if stats.dropped:
        parts.append(crawl_tables.left_out_table(stats.dropped))
    if isinstance(stats, Status):
        if stats.hosts:
            parts.append(status_tables.hosts_table(out, stats))
        if stats.workers:
            parts.append(status_tables.workers_table(out, stats))
    if out.is_terminal:  # of 38 rows for a small crawl 12 were rules and titles
        parts = [tables.compact(part) if isinstance(part, Table) else part for part in parts]
    return parts


def _watch(tasks: TaskQueue, address: str, *, as_json: bool) -> None:
    out = tables.console()
    if as_json or not out.is_terminal or out.is_dumb_terminal:  # which has no screen of its own
        for now in _states(tasks):
            _show(now, condition(now, runs=True), as_json=as_json, address=address)
            if not (now.drained or now.halted is not None):
                time.sleep(REFRESH_S)
        return
    # either ends the watching, and leaves the terminal as it was
    with terminated_like_interrupted(), suppress(KeyboardInterrupt):
        status_watch.watch(
            out,
            _states(tasks),
            every_s=REFRESH_S,
            invitation=address,
            go_on=f"image-crawler resume {address}",
            switch=partial(_switch, tasks),
        )


def _switch(tasks: TaskQueue, now: Status) -> None:
    """Pause the crawl, or have it go on."""
    with suppress(QueueUnreachable):  # which the next look tells
        (tasks.resume if now.paused else tasks.pause)(who())


def _states(tasks: TaskQueue) -> Iterator[Status]:
    """The states of the crawl until it has ended, or its manager is gone."""
    while True:
        try:
            now = tasks.status()
        except QueueUnreachable as exc:
            tell(log, WATCH_ENDED, reason=exc)
            return
        yield now
        if now.drained or now.halted is not None:
            return
