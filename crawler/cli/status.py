"""image-crawler status: how far a crawl is."""

from __future__ import annotations

from pathlib import Path

import click

from crawler.catalog import Catalog
from crawler.catalog.summary import read_stats
from crawler.cli import tables
from crawler.cli.options import Command, folder_argument, json_option
from crawler.cli.output import write_json


@click.command(
    cls=Command,
    examples=(
        ("how far is it?", "image-crawler status data/example.org"),
        ("images still to do", "image-crawler status data/example.org --json | jq .images.ready"),
    ),
)
@folder_argument
@json_option
def status(folder: Path, *, as_json: bool) -> None:
    """Show how far the crawl in DIR is, while it runs and after."""
    with Catalog(folder) as catalog, catalog.snapshot():
        stats = read_stats(catalog)
    if as_json:
        write_json(stats)
        return
    out = tables.console()
    out.print(tables.state(stats))
    out.print()
    parts = [tables.queue_table(stats), tables.images_table(stats), tables.pages_table(stats)]
    if stats.dropped:
        parts.append(tables.dropped_table(stats.dropped))
    tables.side_by_side(out, *parts)
