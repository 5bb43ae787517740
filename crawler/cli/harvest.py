"""image-crawler harvest: more harvesters for a crawl that runs."""

from __future__ import annotations

from pathlib import Path

import click

from crawler.cli.options import Command, terminated_like_interrupted
from crawler.crew import Joined
from crawler.errors import UsageError
from crawler.folder import CrawlFolder
from crawler.models import TaskKind
from crawler.queues.transport import Address


@click.command(
    cls=Command,
    examples=(
        ("help the crawl that runs in that folder", "image-crawler harvest data/example.org"),
        ("with four processes", "image-crawler harvest data/example.org --harvesters 4"),
        (
            "by its manager's address",
            "image-crawler harvest 127.0.0.1:40123 --authkey-file data/example.org/crawl.authkey",
        ),
    ),
)
@click.argument("address", metavar="HOST:PORT|DIR")
@click.option(
    "--authkey-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The key to the crawl.  [default: crawl.authkey in DIR]",
)
@click.option(
    "--harvesters", type=click.IntRange(1, 64), default=1, show_default=True, metavar="N", help="Processes."
)
def harvest(address: str, *, authkey_file: Path | None, harvesters: int) -> None:
    """Read pages for a crawl that runs, beside its own harvesters, until it has ended.

    Any number may join and leave at any time. Every setting comes from the crawl.
    """
    where, authkey = _way_in(address, authkey_file)
    with terminated_like_interrupted(), Joined(where, authkey) as crawl:
        click.echo(f"harvesting for the crawl of {' '.join(crawl.plan.seeds)}", err=True)
        crawl.work({TaskKind.PAGE: harvesters})


def _way_in(address: str, authkey_file: Path | None) -> tuple[Address, bytes]:
    """The manager's address and authkey. Raises UsageError."""
    folder = CrawlFolder(Path(address))
    if folder.path.is_dir():
        address, authkey_file = folder.address(), authkey_file or folder.authkey
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 2**16:
        raise UsageError(f"{address} is neither the folder of a crawl nor HOST:PORT, such as 127.0.0.1:40123")
    if authkey_file is None:
        raise UsageError(f"the crawl at {address} wants its key: --authkey-file FILE")
    try:
        return (host.strip("[]"), int(port)), bytes.fromhex(authkey_file.read_text(encoding="ascii"))
    except (OSError, ValueError) as exc:
        raise UsageError(f"can't read an authkey from {authkey_file}: {exc}") from exc
