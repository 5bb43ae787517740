"""image-crawler export: the records as a file, for people and for tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

import click

from crawler.catalog import Catalog
from crawler.catalog.export import FORMATS, atomic_file
from crawler.cli.options import Command, folder_argument
from crawler.models import ImageRecord, ImageStatus, PageRecord, PageStatus

_STATUSES = sorted({status.value for status in (*ImageStatus, *PageStatus)})


@click.command(
    cls=Command,
    examples=(
        (
            "one line for each image URL, also those not saved",
            "image-crawler export data/example.org -o images.jsonl",
        ),
        ("only what was saved, as CSV", "image-crawler export data/example.org --format csv --status saved"),
        ("which pages were visited", "image-crawler export data/example.org --records pages | jq .url"),
    ),
)
@folder_argument
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default="jsonl",
    show_default=True,
    help="What is written.",
)
@click.option(
    "--records",
    type=click.Choice(["images", "pages"]),
    default="images",
    show_default=True,
    help="Which records.",
)
@click.option(
    "--status",
    type=click.Choice(_STATUSES),
    multiple=True,
    help="Only records of this status; may be repeated.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default="-",
    show_default=True,
    help="Where to; - is stdout. A file appears when it is whole.",
)
def export(folder: Path, *, form: str, records: str, status: tuple[str, ...], output: str) -> None:
    """Write the records of the crawl in DIR, one for each URL, with every field."""
    with Catalog(folder) as catalog:
        if output == "-":
            _write(catalog, form, records, status, sys.stdout.buffer)
            return
        with atomic_file(Path(output)) as out:
            count = _write(catalog, form, records, status, out)
    click.echo(f"{count:,} records written to {output}", err=True)


def _write(catalog: Catalog, form: str, records: str, status: tuple[str, ...], out: BinaryIO) -> int:
    if records == "images":
        return FORMATS[form](catalog.images(status=status), ImageRecord, out)
    return FORMATS[form](catalog.pages(status=status), PageRecord, out)
