"""image-crawler export: the records as a file, for people and for tools."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from crawler.catalog import Catalog
from crawler.catalog.export import FORMATS, NOTHING_FURTHER, Further, atomic_file
from crawler.catalog.image_pages import ImagePage, left_out, pages_of
from crawler.cli.options import Command, folder_argument
from crawler.models import (
    MAX_PAGES,
    ImageRecord,
    ImageStatus,
    PageRecord,
    PageStatus,
    RenderRecord,
    RenderStatus,
)
from crawler.queues.mentions import MOST_PAGES

_STATUSES = sorted({status.value for status in (*ImageStatus, *PageStatus, *RenderStatus)})


@click.command(
    cls=Command,
    examples=(
        (
            "one line for each image URL, also those not saved",
            "image-crawler export data/example.org -o images.jsonl",
        ),
        (
            "what was saved, for a spreadsheet",
            "image-crawler export data/example.org --format csv --status saved -o images.csv",
        ),
        (
            "each page of each image, however many",
            "image-crawler export data/example.org --records image-pages --format csv -o places.csv",
        ),
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
    help="Format of the output.",
)
@click.option(
    "--records",
    type=click.Choice(["images", "pages", "renders", "image-pages"]),
    default="images",
    show_default=True,
    help="Records to write; renders are those of pages that were opened in a browser, image-pages has a line for each"
    " page of each image.",
)
@click.option(
    "--status",
    type=click.Choice(_STATUSES),
    multiple=True,
    help="Status of the records to write; may be given several times.  [default: any]",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default="-",
    show_default=True,
    help="File to write to; - is stdout. The file appears when it is whole.",
)
@click.option(
    "--raw-cells",
    "raw",
    is_flag=True,
    help="With --format csv: write texts exactly as recorded, for programs. Otherwise a text that a spreadsheet would"
    " run as a formula gets an apostrophe before it.",
)
def export(folder: Path, *, form: str, records: str, status: tuple[str, ...], output: str, raw: bool) -> None:
    """Write the records of the crawl in DIR, one for each URL, with every field.

    Of an image the fields end with pages, the first 100 of those on which it stands, and more_pages, the number of
    the others.

    To a terminal goes nothing that could drive it: of CSV such characters are blanks there.
    """
    with Catalog(folder) as catalog:
        kinds: dict[str, tuple[Callable[..., Any], Any]] = {
            "images": (catalog.images, ImageRecord),
            "pages": (catalog.pages, PageRecord),
            "renders": (catalog.renders, RenderRecord),
            "image-pages": (catalog.image_pages, ImagePage),
        }
        read, kind = kinds[records]
        further = NOTHING_FURTHER
        if kind is ImageRecord:
            further = Further(("pages", "more_pages"), partial(pages_of, catalog, most=MAX_PAGES))
        write = partial(FORMATS[form], read(status=status), kind, raw=raw, further=further)
        if kind is ImagePage and (more := left_out(catalog)):
            click.echo(
                f"of an image {MOST_PAGES:,} pages are kept: {more:,} more times one was named is counted, not listed",
                err=True,
            )
        if output == "-":
            write(sys.stdout.buffer)
            return
        with atomic_file(Path(output)) as out:
            count = write(out)
    click.echo(f"{count:,} records written to {output}", err=True)
