"""image-crawler harvest: more harvesters for a crawl that runs."""

from __future__ import annotations

import click

from crawler.cli import short_help
from crawler.cli.connect import joined, joining_options, processes_option, work_for
from crawler.cli.exit_signals import terminated_like_interrupted
from crawler.cli.options import Command
from crawler.config import Config
from crawler.models import TaskKind


@click.command(
    cls=Command,
    short=short_help.HARVEST,
    examples=(
        ("help the crawl that runs in that folder", "image-crawler harvest data/example.org"),
        ("with four processes", "image-crawler harvest data/example.org --harvesters 4"),
        ("from another machine", "image-crawler harvest 192.0.2.7 --keys worker"),
    ),
)
@joining_options
@processes_option("--harvesters", most=64)
def harvest(address: str, *, harvesters: int, config: Config) -> None:
    """Read pages for a crawl that runs, beside its own harvesters, until it has ended.

    Any number may join and leave at any time. Every setting of the crawl comes from the crawl; what it asks of this
    machine is said, and more than --trust allows ends with 2.
    """
    with terminated_like_interrupted(), joined(address, config, kind=TaskKind.PAGE) as crawl:
        work_for(crawl, harvesters, doing="harvesting")
