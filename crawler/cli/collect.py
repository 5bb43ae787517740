"""image-crawler collect: brings settled results from Redis into the folder of their crawl."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from crawler.cli.connect import tasks_of
from crawler.cli.crawl_run import run
from crawler.cli.options import Command, json_option, output_option
from crawler.cli.setting_options import config_options_of
from crawler.config import Config
from crawler.crawlfile.layout import CrawlFolder
from crawler.errors import FolderError, UsageError
from crawler.queues.redis.address import is_redis, without_password
from crawler.run.default_folder import remote_home
from crawler.run.supervisor import Crawl
from crawler.text.plain_errors import quoted


@click.command(
    cls=Command,
    examples=(
        (
            "for a crawl whose harvesters are elsewhere",
            "image-crawler collect redis://127.0.0.1/0#example.org -o data/example.org",
        ),
        (
            "over TLS, with the password in a file",
            "image-crawler collect rediss://redis.example.org/0 -o pics --queue-password-file password",
        ),
    ),
)
@click.argument("address", metavar="redis://…")
@output_option("The folder that the crawl was begun in, or a copy of it.  [default: as it was begun]")
@click.option("-q", "--quiet", is_flag=True, help="No progress, only the summary.")
@json_option
@config_options_of("access", "log", "monitoring")
def collect(address: str, *, output: Path | None, quiet: bool, as_json: bool, config: Config) -> int:
    """Bring the results of a crawl whose queue lies in Redis into its folder, until it has ended.

    What image-crawler serve does there, without its harvesters, and only one of the two at a time. Ctrl-C ends the
    collecting, and not the crawl.
    """
    if not is_redis(address):
        raise UsageError(
            f"{quoted(address)} is no address of a Redis or Valkey, such as redis://127.0.0.1/0; with a manager nothing"
            " has to be collected"
        )
    with tasks_of(address, config) as tasks:
        plan = tasks.plan()
    if not plan.seeds and not plan.id:
        raise UsageError(f"there is no crawl at {without_password(address)}; image-crawler serve begins one")
    folder = remote_home(plan.seeds, plan.id) if output is None else output
    if not CrawlFolder(folder).holds_a_crawl:
        raise FolderError(
            f"{folder} holds no crawl: name the folder that this one was begun in, or a copy of it, with -o"
        )
    manager = msgspec.structs.replace(config.manager, queue=address)
    config = msgspec.structs.replace(
        plan.config, manager=manager, access=config.access, log=config.log, monitoring=config.monitoring
    )
    running = Crawl(plan.seeds, folder=folder, config=config, collects=True)
    return run(running, as_json=as_json, quiet=quiet)
