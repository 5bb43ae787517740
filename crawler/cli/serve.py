"""image-crawler serve: manager and harvester, waiting for workers."""

from __future__ import annotations

from typing import Unpack

import click

from crawler.cli import short_help
from crawler.cli.crawl import CrawlOptions, crawl_options
from crawler.cli.options import Command


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
def serve(seeds: tuple[str, ...], **options: Unpack[CrawlOptions]) -> int:
    """Run a crawl whose images are downloaded by workers: image-crawler work, here or on other machines.

    Pages are harvested here. The same command again goes on where an interrupted crawl stopped; workers that were
    left behind find it again.
    """
    from crawler.cli.crawl_run import run_as_asked  # help does without

    return run_as_asked(seeds, downloads=False, **options)
