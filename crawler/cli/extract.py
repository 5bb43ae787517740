"""image-crawler extract: what is found on one page, and by which rule."""

from __future__ import annotations

import mimetypes
import shlex
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import click
import msgspec

from crawler.cli import crawl_tables, found_table, tables
from crawler.cli.in_browser import show_in_browser, transport_for
from crawler.cli.options import Command, json_option
from crawler.cli.output import clean, write_json
from crawler.cli.setting_options import config_options_of
from crawler.config import Config
from crawler.errors import UsageError
from crawler.harvest.documents import DocumentReader
from crawler.harvest.handler import ACCEPT
from crawler.harvest.harvest import Harvest
from crawler.harvest.script_signs import is_strong
from crawler.harvest.sniffing import kind_of
from crawler.http import Fetched
from crawler.models import NewTask, Origin, Task, TaskKind, image_words
from crawler.scope import Scope
from crawler.text.display import counted
from crawler.text.not_an_image import is_markup, what_it_is
from crawler.text.plain_errors import plain, quoted
from crawler.urls import canonical_seed

_LOCAL = "http://localhost/"
_TOLD = (*image_words.NAMES, "page_url")
_OF_CRAWLS = frozenset(
    {"render", "renderers", "renderer_threads", "memory_budget_bytes", "max_time_s", "max_bytes"}
)
"""Settings without a meaning for one page; ``--render`` is a flag here."""


@click.command(
    cls=Command,
    examples=(
        ("the images of a page, and where on it they are", "image-crawler extract https://example.org/"),
        (
            "of a file, as if it came from there; every size of each image",
            "image-crawler extract page.html --base https://example.org/a/ --images all",
        ),
        ("what its scripts bring, and what it takes", "image-crawler extract https://example.org/ --render"),
        ("for other programs", "image-crawler extract https://example.org/ --json | jq -r .url"),
    ),
)
@click.argument("source", metavar="URL|FILE")
@click.option(
    "--base",
    metavar="URL",
    help="URL of the page.  [default: its own; of a file, its name below http://localhost/]",
)
@click.option(
    "--links", is_flag=True, help="Show the pages, style sheets and the like that would be visited, too."
)
@click.option(
    "--render",
    "in_browser",
    is_flag=True,
    help="Open the page in a browser, too: show what its scripts bring, and by which behaviour.",
)
@json_option
@config_options_of("scope", "harvest", "render", "obey", "fetch", "run", "images", "machine", but=_OF_CRAWLS)
def extract(
    source: str, *, base: str | None, links: bool, in_browser: bool, as_json: bool, config: Config
) -> None:
    """Show which images are found on one page, and by which rule, without saving them.

    FILE may be - for standard input. Style sheets, feeds and whatever else a crawl looks into can be given, too. With
    --render a page on the web is opened in a browser as well, and what is found both ways is shown side by side.
    """
    if in_browser:
        if "://" not in source or base is not None:
            raise UsageError("only a page on the web can be opened in a browser: give its URL, and no --base")
        show_in_browser(source, as_json=as_json, config=config)
        return
    page = _fetched(canonical_seed(source), config) if "://" in source else _read(source, config)
    url = canonical_seed(base) if base is not None else page.final_url
    task = Task(id=0, serial=0, kind=TaskKind.PAGE, url=url, depth=0, attempt=1)
    harvest = DocumentReader(Scope((url,), config.scope), config).read(
        task, msgspec.structs.replace(page, url=url, final_url=url)
    )
    if (
        harvest.is_empty
        and not is_markup(page.content)
        and kind_of(page.content_type, page.content) == "html"
    ):
        raise UsageError(
            f"{source} is {what_it_is(page.content)}, and no page that images are found in; give one that is"
        )
    kept_out = [task for task in harvest.kept_out if links or task.kind is TaskKind.IMAGE]
    found = [*harvest.images, *(harvest.links if links else ()), *kept_out]
    if as_json:
        for task_found in found:
            write_json(_as_json(task_found))
    else:
        _show(found, harvest)
        looks = harvest.looks
        if "://" in source and looks is not None and (is_strong(looks.signs) or not harvest.images):
            tables.say(
                "the page has scripts, which may bring more:"
                f" image-crawler extract {shlex.quote(clean(source))} --render shows what"
            )


def _fetched(url: str, config: Config) -> Fetched:
    with closing(transport_for(url, config)) as transport:
        return transport.fetch(url, max_bytes=config.harvest.max_page_bytes, accept=ACCEPT)


def _read(source: str, config: Config) -> Fetched:
    """A file, or standard input, as a fetched document."""
    limit = config.harvest.max_page_bytes
    try:
        if source == "-":
            content = sys.stdin.buffer.read(limit + 1)
        else:
            with Path(source).open("rb") as file:
                content = file.read(limit + 1)
    except OSError as exc:
        raise UsageError(
            f"can't read the file {source}: {plain(exc)}; a page on the web is given with https://"
        ) from exc
    if len(content) > limit:
        raise UsageError(f"{source} has more than {limit:,} bytes; allow more with --max-page-bytes")
    name = "" if source == "-" else Path(source).name
    url = _LOCAL + quote(name, errors="surrogateescape")
    content_type = mimetypes.guess_type(name)[0] if name else None
    return Fetched(
        url=url,
        final_url=url,
        http_status=200,
        headers={"content-type": content_type or "text/html"},
        content=content,
    )


def _as_json(task: NewTask) -> dict[str, object]:
    origin = task.origin or Origin(page_url="", found_in="")
    return {
        "url": task.url,
        "kind": task.kind,
        "found_in": origin.found_in,
        "kept_out_by": task.kept_out_by,
        "alternatives": [other.url for other in origin.alternatives],
        **{name: getattr(origin, name) for name in _TOLD},
    }


def _show(found: Sequence[NewTask], harvest: Harvest) -> None:
    table = found_table.FoundTable(tables.console(), "found in")
    for task in found:
        origin = task.origin or Origin(page_url="", found_in="")
        is_image = task.kind is TaskKind.IMAGE and not task.kept_out_by
        table.add(origin.found_in, url=task.url, said=found_table.words_of(task), dim=not is_image)
    table.show()
    title = f" on {quoted(harvest.title)}" if harvest.title else ""
    kept_out = f"; {len(harvest.kept_out):,} of both are kept out" if harvest.kept_out else ""
    images, links = counted(len(harvest.images), "image"), counted(len(harvest.links), "link")
    tables.say(f"{images} and {links}{title}{kept_out}")
    if harvest.left_out:
        tables.say(f"left out: {crawl_tables.left_out_lines(harvest.left_out)}")
