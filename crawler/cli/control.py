"""image-crawler pause, resume and stop: three positions of one switch."""

from __future__ import annotations

import getpass
import platform

import click

from crawler.cli.connect import address_argument, tasks_of
from crawler.cli.options import Command
from crawler.config import Config
from crawler.queues.redis.address import without_password


@click.command(
    cls=Command, examples=(("leave the site alone for a while", "image-crawler pause data/example.org"),)
)
@address_argument
def pause(address: str, *, config: Config) -> None:
    """Give out no more work for the time being: what has been begun is finished, and workers wait.

    Until image-crawler resume, or until the crawl is started anew.
    """
    with tasks_of(address, config) as tasks:
        tasks.pause(who())
    click.echo(f"paused; to go on: image-crawler resume {without_password(address)}")


@click.command(cls=Command, examples=(("go on", "image-crawler resume data/example.org"),))
@address_argument
def resume(address: str, *, config: Config) -> None:
    """Go on with a crawl that was paused."""
    with tasks_of(address, config) as tasks:
        paused = tasks.stats().paused
        tasks.resume(who())
    click.echo("it goes on" if paused else "it was not paused")


@click.command(
    cls=Command,
    examples=(("end the crawl for today", "image-crawler stop data/example.org"),),
)
@address_argument
def stop(address: str, *, config: Config) -> None:
    """End a crawl, its state kept: all workers finish what they have in hand, then they leave, and it ends.

    The command that it was started with goes on where it stopped.
    """
    with tasks_of(address, config) as tasks:
        tasks.stop(f"stopped by {who()}")
    click.echo("it stops, as soon as the workers have finished what they have in hand")


def who() -> str:
    """Who gives the command, for those who read of it."""
    try:
        return f"{getpass.getuser()} on {platform.node()}"
    except (OSError, KeyError):  # a user without a name, as in a container
        return platform.node()
