"""image-crawler gallery: a page to look at the images of a crawl."""

from __future__ import annotations

import shlex
import sys
import time
import webbrowser
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import click
from rich.text import Text

from crawler.catalog import Catalog
from crawler.catalog.elsewhere import elsewhere
from crawler.cli import tables
from crawler.cli.exit_signals import exit_code, in_words, terminated_like_interrupted
from crawler.cli.gallery_progress import drawing_progress
from crawler.cli.image_locations import names
from crawler.cli.options import Command, folder_argument, json_option
from crawler.cli.output import clean, link_to, write_json
from crawler.errors import UsageError
from crawler.gallery.build import GallerySummary, build
from crawler.gallery.live import LiveGallery
from crawler.gallery.server import GalleryServer
from crawler.run.endpoints import is_loopback
from crawler.text.display import counted
from crawler.text.plain_errors import quoted

PORT = 9734
LOOPBACK = "127.0.0.1"
_MOST_NAMED = 3
_A_DAY_S = 86_400.0
_ANY = "any"
_PAGE = "page"
_EXPLAINED = ("svg", "interrupted", "elsewhere", "gone", "changed", "unreadable")
"""Reasons for having no thumbnail that have a row of their own, or need none; others say why a file is not decoded."""


class _Gallery(Command):
    """Takes ``--serve DIR`` as well: the address is optional, and a folder is none."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        told = [
            f"--serve={_ANY}" if (word, Path(following).is_dir()) == ("--serve", True) else word
            for word, following in pairwise([*args, "-"])
        ]
        return super().parse_args(ctx, told)


@click.command(
    cls=_Gallery,
    examples=(
        ("make the page, and look at it", "image-crawler gallery data/example.org --open"),
        ("look while the crawl runs", "image-crawler gallery data/example.org --serve"),
        (
            "on a server, seen from a desk by ssh -L 9734:127.0.0.1:9734 SERVER",
            "image-crawler gallery data/example.org --serve 9734",
        ),
    ),
)
@folder_argument
@click.option(
    "--serve",
    "address",
    metavar="[HOST:]PORT",
    is_flag=False,
    flag_value=_ANY,
    help="Make nothing; serve the page, live from crawl.db, until Ctrl-C. Without an address: on loopback, at port"
    " 9734 or any free one.",
)
@click.option("--open", "opening", is_flag=True, help="Open the page in a browser.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, only the summary.")
@json_option
def gallery(folder: Path, *, address: str | None, opening: bool, quiet: bool, as_json: bool) -> int:
    """Make a page to look at the images of the crawl in DIR: DIR/gallery/index.html.

    It opens from the disk, without a network: thumbnails, words, where each image was found, what looks alike, and what
    was not saved. Made again it takes what is new; thumbnails are made once. It works while the crawl runs, too.
    """
    if address is not None:
        return _serve(folder, address, opening=opening, as_json=as_json)
    console = tables.console(sys.stderr)
    with terminated_like_interrupted(), drawing_progress(console, quiet=quiet or as_json) as show:
        summary, interrupt = build(folder, show=show)
    if as_json:
        write_json(summary)
    else:
        _show(summary)
    if interrupt is not None:
        again = shlex.join(["image-crawler", "gallery", str(folder)])
        console.print(
            Text(f"{in_words(interrupt).capitalize()}; what there is can be looked at. To go on: ")
            + Text(clean(again), "bold"),
            soft_wrap=True,
        )
        return exit_code(interrupt)
    if opening:
        _open(Path(summary.page).absolute().as_uri())
    return 0


def _show(summary: GallerySummary) -> None:
    out = tables.console()
    out.print(_headline(summary), soft_wrap=True)
    if rows := dict(_rows(summary)):
        tables.show(out, tables.facts(rows))
    name = f"{_PAGE:<{max(map(len, [*rows, _PAGE]))}}  "
    out.print(Text(name, "dim").append_text(link_to(out, Path(summary.page))), soft_wrap=True)


def _headline(summary: GallerySummary) -> Text:
    """``1,959 images, 1,200 thumbnails made in 12.3 s``."""
    text = Text(counted(summary.images, "image") if summary.images else "no image so far", "bold")
    made = f"{counted(summary.drawn, 'thumbnail')} made in {summary.elapsed_s:.1f} s" if summary.drawn else ""
    return text.append(f", {made}" if made else "", "not bold")


def _rows(summary: GallerySummary) -> Iterator[tuple[str, str]]:
    without = summary.without
    if same := summary.duplicates:
        yield "same", f"{same:,} of them {'has' if same == 1 else 'have'} the bytes of another"
    if count := without.get("interrupted", 0):
        yield "left to do", counted(count, "thumbnail")
    if undrawn := {reason: count for reason, count in without.items() if reason not in _EXPLAINED}:
        reasons = ", ".join(f"{count:,} {clean(reason)}" for reason, count in undrawn.items())
        yield "no thumbnail", reasons
    if count := without.get("elsewhere", 0):
        yield "not here", f"{counted(count, 'file')}: {_where(Path(summary.folder))}"
    lost = {reason: without[reason] for reason in ("gone", "changed", "unreadable") if reason in without}
    if lost:
        folder = shlex.quote(clean(summary.folder))
        what = ", ".join(f"{count:,} {reason}" for reason, count in lost.items())
        yield "not as saved", f"{what}\nwhich: image-crawler inspect {folder} --verify"
    if summary.failures:
        yield "not saved", f"{summary.failures:,}: the page says why"
    if summary.removed:
        yield "removed", f"{counted(summary.removed, 'thumbnail')} of images that are no longer there"
    if summary.state == "running":
        yield "state", "the crawl goes on: make it again later, or look at it live with --serve"


def _where(folder: Path) -> str:
    """Where the files are that are not in *folder*, and what to do."""
    with Catalog(folder) as catalog:
        storage = catalog.config().storage
        if storage.url:
            return f"they are in {clean(storage.url)}, where no page on this disk can show them"
        keepers = elsewhere(catalog)
    machines = [
        f"on {name}{f', in {clean(one.folder)}' if one.folder else ''}"
        for one, name in zip(keepers[:_MOST_NAMED], names(keepers), strict=False)
    ]
    more = f" and in {len(keepers) - _MOST_NAMED:,} more places" if len(keepers) > _MOST_NAMED else ""
    return f"{'; '.join(machines)}{more}; copy the folder images from there into this one to see them"


def _serve(folder: Path, address: str, *, opening: bool, as_json: bool) -> int:
    live = LiveGallery(folder)
    try:
        server = _server(address, live)
        with terminated_like_interrupted(), server.serving():
            if as_json:
                write_json({"url": server.url, "folder": str(folder)})
            else:
                _tell(server)
            if opening:
                _open(server.url)
            try:
                while True:
                    time.sleep(_A_DAY_S)  # Windows hears no Ctrl-C while a lock is waited for
            except KeyboardInterrupt:
                return 0
    finally:
        live.close()


def _tell(server: GalleryServer) -> None:
    click.echo(server.url)
    if not is_loopback(str(server.server_address[0])):
        tables.say("anybody who reaches this port sees the images; there is no password")
    tables.say("Ctrl-C ends it")


def _server(address: str, live: LiveGallery) -> GalleryServer:
    if address != _ANY:
        return GalleryServer(_parsed(address), live)
    try:
        return GalleryServer((LOOPBACK, PORT), live)
    except UsageError:  # another gallery is there
        return GalleryServer((LOOPBACK, 0), live)


def _parsed(address: str) -> tuple[str, int]:
    """``[HOST:]PORT``; a port alone is on loopback. Raises UsageError."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or LOOPBACK
    if not (port.isascii() and port.isdigit() and int(port) < 2**16):
        raise UsageError(
            f"--serve {quoted(address)}: it takes a port, or HOST:PORT, such as {PORT} or 192.0.2.7:{PORT}; the folder"
            " comes first: image-crawler gallery DIR --serve"
        )
    return host, int(port)


def _open(url: str) -> None:
    try:
        opened = webbrowser.open(url)
    except (OSError, webbrowser.Error):
        opened = False
    if not opened:
        tables.say("no browser was found to open it")
