"""image-crawler work: downloaders for a crawl, on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from crawler.cli import short_help
from crawler.cli.connect import joined, joining_options, processes_option, work_for
from crawler.cli.exit_signals import terminated_like_interrupted
from crawler.cli.options import Command, output_option
from crawler.config import Config
from crawler.models import TaskKind
from crawler.run.worker_pool import MOST_DOWNLOADERS, usual_downloaders


@click.command(
    cls=Command,
    short=short_help.WORK,
    examples=(
        ("for the crawl that another machine serves", "image-crawler work 192.0.2.7 --keys worker"),
        (
            "with eight processes, into a folder of your choice",
            "image-crawler work 192.0.2.7 --keys worker --downloaders 8 -o pics",
        ),
        (
            "for a crawl whose queue lies in Redis",
            "image-crawler work rediss://redis.example.org/0#example.org --queue-password-file password",
        ),
        (
            "for one that may have you fetch from networks of your own",
            "image-crawler work 192.0.2.7 --keys worker --trust networks",
        ),
        ("beside the crawl in that folder, on the same machine", "image-crawler work data/example.org"),
    ),
)
@joining_options
@output_option(
    "Where images are kept, unless the crawl has them on the manager's machine.  [default: data/<host>]"
)
@processes_option(
    "--downloaders",
    most=256,
    default=None,
    text=f".  [default: one per core, at most {MOST_DOWNLOADERS}]",
)
def work(address: str, *, output: Path | None, downloaders: int | None, config: Config) -> None:
    """Download images for a crawl that runs, until it has ended.

    Any number of machines may join and leave at any time, and may die: nothing is lost. Every setting of the crawl
    comes from the crawl; what it asks of this machine is said, and more than --trust allows ends with 2. SIGTERM and
    Ctrl-C finish what is in hand first; a second one leaves at once, and gives it back.
    """
    if output is None and Path(address).is_dir():
        output = Path(address)
    with (
        terminated_like_interrupted(),
        joined(address, config, kind=TaskKind.IMAGE, folder=output) as crawl,
    ):
        storage = crawl.plan.config.storage
        where = (
            f" into {crawl.folder.path}"
            if crawl.keeps_images
            else f" into {storage.url}"
            if storage.url
            else " into its own folder, through its manager"
        )
        work_for(crawl, downloaders or usual_downloaders(), doing="downloading", where=where)
