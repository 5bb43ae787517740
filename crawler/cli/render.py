"""image-crawler render: renderers for a crawl that runs, on a machine that has a browser."""

from __future__ import annotations

import click

from crawler.cli import short_help
from crawler.cli.connect import joined, processes_option, rendering_options, work_for
from crawler.cli.exit_signals import terminated_like_interrupted
from crawler.cli.options import Command
from crawler.config import Config
from crawler.errors import UsageError
from crawler.models import TaskKind
from crawler.run.renderers import INSTALL, chromium_of
from crawler.text.display import one_line


@click.command(
    cls=Command,
    short=short_help.RENDER,
    examples=(
        ("for the crawl that another machine serves", "image-crawler render 192.0.2.7 --keys worker"),
        (
            "with two browsers, for a crawl whose queue lies in Redis",
            "image-crawler render redis://127.0.0.1/0 --renderers 2",
        ),
        (
            "with a browser that is not on PATH",
            "image-crawler render data/example.org --chromium /opt/chromium/chrome",
        ),
    ),
)
@rendering_options
@processes_option("--renderers", most=64, text=", each with a browser.")
def render(address: str, *, renderers: int, config: Config) -> None:
    """Open pages in a browser for a crawl that runs, until it has ended: those whose pictures only scripts bring.

    The browser has no network: this program answers what it asks for. Any number may join and leave at any time. Every
    setting of the crawl comes from the crawl, but not which browser is used; what it asks of this machine is said, and
    more than --trust allows ends with 2. So does a machine without Chromium.
    """
    if chromium_of(config.machine) is None:
        raise UsageError(
            f"there is no browser here that pages could be opened in: {INSTALL}, or say --chromium FILE"
        )
    with terminated_like_interrupted(), joined(address, config, kind=TaskKind.RENDER) as crawl:
        if crawl.plan.config.render.render == "never":
            raise UsageError(
                f"the crawl at {one_line(address)} opens no page in a browser (--render never); there is nothing to do"
            )
        work_for(crawl, renderers, doing="rendering")
