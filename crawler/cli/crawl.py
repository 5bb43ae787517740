"""image-crawler crawl: the whole crawl on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

import click

from crawler.cli import short_help
from crawler.cli.lists import list_options
from crawler.cli.options import Command, json_option, output_option
from crawler.cli.setting_options import config_options
from crawler.config import Config

if TYPE_CHECKING:
    from crawler.lists.reading import ListRequest

_Function = TypeVar("_Function", bound=Callable[..., Any])


class CrawlOptions(TypedDict):
    """The values of :func:`crawl_options`, but for the seeds."""

    output: Path | None
    lists: ListRequest
    fresh: bool
    refresh: bool
    quiet: bool
    as_json: bool
    config: Config


def crawl_options(function: _Function) -> _Function:
    """The options of the commands that start a crawl."""
    for option in reversed(
        (
            click.argument("seeds", metavar="URL...", nargs=-1),
            list_options,
            output_option(
                "The crawl's folder.  [default: data/<host>, data/<host>_<path> for a part of a site]"
            ),
            click.option(
                "--fresh",
                is_flag=True,
                help="Start over: remove what an earlier crawl left in the folder.",
            ),
            click.option(
                "--refresh",
                is_flag=True,
                help="Visit everything once more, of a crawl that has finished: what is unchanged is not fetched"
                " again, and what has changed or gone is kept as it was.",
            ),
            click.option("-q", "--quiet", is_flag=True, help="No progress, only the summary."),
            json_option,
            config_options,
        )
    ):
        function = option(function)
    return function


@click.command(
    cls=Command,
    short=short_help.CRAWL,
    examples=(
        ("every image of a site, below data/example.org", "image-crawler crawl example.org"),
        (
            "into a folder of your choice, two links deep",
            "image-crawler crawl https://example.org/ -o pics --max-depth 2",
        ),
        (
            "what is new, what has changed, what is gone?",
            "image-crawler crawl https://example.org/ --refresh",
        ),
        (
            "gently: one request at a time, a second apart",
            "image-crawler crawl https://example.org/ --per-host 1 --delay-s 1",
        ),
    ),
)
@crawl_options
def crawl(seeds: tuple[str, ...], **options: Unpack[CrawlOptions]) -> int:
    """Find every image of the site at each URL and save it.

    The same command again goes on where an interrupted crawl stopped.
    """
    from crawler.cli.crawl_run import run_as_asked  # help does without

    return run_as_asked(seeds, downloads=True, **options)
