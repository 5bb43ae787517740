"""image-crawler serve: manager and harvester, waiting for workers."""

from __future__ import annotations

from pathlib import Path

import click

from crawler.cli import short_help
from crawler.cli.crawl import crawl_options, run
from crawler.cli.lists import gathered_with
from crawler.cli.options import Command
from crawler.config import Config
from crawler.lists.reading import ListRequest
from crawler.run.supervisor import Crawl


@click.command(
    cls=Command,
    short=short_help.SERVE,
    examples=(
        ("make the keys, once", "image-crawler keygen keys"),
        (
            "harvest here, and let workers in from other machines",
            "image-crawler serve https://example.org/ --bind 0.0.0.0 --keys keys/manager",
        ),
        (
            "all images in the folder here",
            "image-crawler serve https://example.org/ --bind 0.0.0.0 --keys keys/manager --storage manager",
        ),
        ("on each other machine", "image-crawler work 192.0.2.7 --keys keys/worker"),
        (
            "with the queue in Redis, beyond one manager",
            "image-crawler serve https://example.org/ --queue redis://127.0.0.1/0",
        ),
    ),
)
@crawl_options
def serve(
    seeds: tuple[str, ...],
    *,
    output: Path | None,
    lists: ListRequest,
    fresh: bool,
    refresh: bool,
    quiet: bool,
    as_json: bool,
    config: Config,
) -> int:
    """Run a crawl whose images are downloaded by workers: image-crawler work, here or on other machines.

    Pages are harvested here. The same command again goes on where an interrupted crawl stopped; workers that were
    left behind find it again.
    """
    with gathered_with(seeds, lists) as (typed, files):
        running = Crawl(
            typed, lists=files, folder=output, config=config, fresh=fresh, refresh=refresh, downloads=False
        )
        return run(running, as_json=as_json, quiet=quiet)
