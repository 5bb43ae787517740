"""image-crawler keygen: the keys of a crawl on several machines."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from crawler.cli.options import Command
from crawler.run.keygen import DAYS, MAX_DAYS, make_keys


@click.command(
    cls=Command,
    examples=(
        ("for a crawl on several machines", "image-crawler keygen keys"),
        (
            "for workers that check the manager's name as well",
            "image-crawler keygen keys --name crawl.example.org --name 192.0.2.7",
        ),
        ("without certificates, for a network of your own", "image-crawler keygen keys --authkey-only"),
    ),
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--authkey-only", is_flag=True, help="No certificates: nothing is encrypted.")
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    help="Host name or address for the manager's certificate; only for those who check it by name."
    " May be given several times.",
)
@click.option(
    "--days",
    type=click.IntRange(1, MAX_DAYS),
    default=DAYS,
    show_default=True,
    metavar="N",
    help="Days for which the certificates are valid.",
)
def keygen(folder: Path, *, authkey_only: bool, names: tuple[str, ...], days: int) -> None:
    """Make the keys with which the machines of a crawl trust each other.

    DIR/manager is for the machine that serves the crawl, DIR/worker for every machine that works for it. Nothing is
    overwritten.

    The key of the authority behind the certificates is written nowhere: nobody can make further ones. To replace them,
    or to shut one machine out, make new keys for all.
    """
    if authkey_only and names:
        raise click.BadParameter(
            "names stand in a certificate, and with --authkey-only there is none", param_hint="--name"
        )
    keys = make_keys(folder, names=names, days=days, tls=not authkey_only)
    click.echo(f"{keys.manager}  stays on the manager's machine. There:")
    click.echo(
        f"    image-crawler serve URL --bind 0.0.0.0 {_option(keys.manager, authkey_only=authkey_only)}"
    )
    click.echo(f"{keys.worker}  is to be copied to every machine that works for the crawl. There:")
    click.echo(f"    image-crawler work HOST {_option(keys.worker, authkey_only=authkey_only)}")
    if keys.valid_until is None:
        click.echo("Whoever has the authkey can take part, and whoever sees the network can read along.")
    else:
        click.echo(f"Whoever has these files can take part, until {keys.valid_until:%Y-%m-%d}.")


def _option(folder: Path, *, authkey_only: bool) -> str:
    if authkey_only:
        return f"--authkey-file {shlex.quote(str(folder / 'authkey'))} --insecure-plaintext"
    return f"--keys {shlex.quote(str(folder))}"
