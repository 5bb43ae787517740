"""image-crawler retry: failed images, or pages, back into the queue."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from crawler.catalog import Catalog
from crawler.cli.options import Command, folder_argument
from crawler.config.changes import unusual
from crawler.crawlfile.layout import CrawlFolder
from crawler.crawlfile.meta import MetaKey
from crawler.errors import REASONS, FolderError, NoBrowser
from crawler.models import TaskKind
from crawler.queues.ledger import Ledger
from crawler.text.display import counted
from crawler.text.plain_errors import quoted

_SEEDS_SAID = 3
_WORDS = {
    TaskKind.IMAGE: ("image", "fetch"),
    TaskKind.PAGE: ("page", "fetch"),
    TaskKind.RENDER: ("render", "do"),
}
"""For each kind of task its name, and what to do with it."""


@click.command(
    cls=Command,
    examples=(
        ("all that failed, once more", "image-crawler retry data/example.org"),
        (
            "only those that the server had no time for",
            "image-crawler retry data/example.org --reason rate-limited",
        ),
        (
            "the pages that wanted a browser, once there is one",
            "image-crawler retry data/example.org --renders",
        ),
    ),
)
@folder_argument
@click.option(
    "--reason",
    metavar="SLUG",
    help="Reason of what to put back, rejected images included.  [default: all that failed]",
)
@click.option("--pages", is_flag=True, help="Put back pages instead of images.")
@click.option(
    "--renders",
    is_flag=True,
    help="Put back pages to be opened in a browser instead of images; also those for which there was none.",
)
def retry(folder: Path, *, reason: str | None, pages: bool, renders: bool) -> None:
    """Put the failed images of the crawl in DIR back in the queue.

    Their records go; crawling again makes new ones.
    """
    if reason is not None and reason not in REASONS:
        raise click.BadParameter(
            f"{quoted(reason)} is no reason; known are: {', '.join(sorted(REASONS))}", param_hint="--reason"
        )
    if pages and renders:
        raise click.UsageError("--pages and --renders exclude each other; run it once for each")
    files = CrawlFolder(folder)
    if not files.holds_a_crawl:
        raise FolderError(f"{folder} holds no crawl: crawl.db is missing; name the folder of one")
    with Catalog(folder) as catalog:
        config = catalog.config()
    with files.locked():
        opened = Ledger(files.ledger, queue=config.queue, scope=config.scope, new_run=True)
        with closing(opened) as ledger:
            kind = TaskKind.RENDER if renders else TaskKind.PAGE if pages else TaskKind.IMAGE
            count = ledger.retry(kind=kind, reason=reason)
            if renders and reason is None:
                count += ledger.retry(kind=kind, reason=NoBrowser.reason)
            seeds = ledger.seeds()
    name, purpose = _WORDS[kind]
    if not count:
        click.echo(
            f"nothing to put back: no {name} of {folder} has failed{f' by {reason}' if reason else ''}"
        )
        return
    what = counted(count, name)
    with Catalog(folder) as catalog:
        queue = catalog.meta(MetaKey.QUEUE) or ""
        runs = catalog.runs()
    begin = " ".join(["", *seeds]) if len(seeds) <= _SEEDS_SAID else ""  # the folder knows them
    again = f"image-crawler crawl{begin} -o {folder}{f' --queue {queue}' if queue else ''}"
    if runs and unusual(runs[-1].settings):  # with others the crawl would be another one
        again += f" --config {files.settings}"
    click.echo(f"{what} put back in the queue. To {purpose} them: {again}")
