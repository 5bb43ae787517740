"""image-crawler explain: everything known about one URL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from crawler.catalog import Catalog
from crawler.catalog.explain import Entry, Explanation
from crawler.catalog.explain import explain as find
from crawler.cli import tables
from crawler.cli.options import Command, folder_argument, json_option
from crawler.cli.output import clean, write_json
from crawler.models import ALTERNATIVE_RULES, ImageRecord, PageRecord, TaskState

EXIT_UNKNOWN = 1
_STATES = {
    TaskState.READY: "waiting for its turn",
    TaskState.DELAYED: "waiting to be tried again",
    TaskState.LEASED: "in a worker's hands",
}


@click.command(
    cls=Command,
    examples=(
        ("why was this image not saved?", "image-crawler explain data/example.org https://example.org/a.png"),
        (
            "where does this file come from?",
            "image-crawler explain data/example.org images/example.org/b.png",
        ),
    ),
)
@folder_argument
@click.argument("url")
@json_option
def explain(folder: Path, url: str, *, as_json: bool) -> int:
    """Tell everything that the crawl in DIR knows about one URL: what became of it, and how it was found.

    URL may also be a path on the seed's host, or the path of a saved file. Ends with 1 when it is not known.
    """
    url = url.encode(errors="surrogateescape").decode(errors="replace")  # of bytes that are no text
    with Catalog(folder) as catalog:
        explanation = find(catalog, url)
    if as_json:
        write_json(explanation)
    else:
        _show(tables.console(), explanation)
    return 0 if explanation.known else EXIT_UNKNOWN


def _show(out: Console, explanation: Explanation) -> None:
    if not explanation.known:
        _show_unknown(out, explanation)
        return
    if explanation.how == "size":
        out.print(
            Text(f"{clean(explanation.url)} was not taken, but another size of the same picture:"),
            soft_wrap=True,
        )
        out.print(
            Text(f"    {explanation.rule}: {ALTERNATIVE_RULES[explanation.rule]}", style="dim"),
            soft_wrap=True,
        )
    if explanation.how == "redirect":
        out.print(Text(f"{clean(explanation.url)} is where another URL led to:"), soft_wrap=True)
    for position, entry in enumerate(explanation.entries):
        if position:
            out.print()
        _show_entry(out, entry)


def _show_unknown(out: Console, explanation: Explanation) -> None:
    out.print(Text(f"{clean(explanation.url)} is not known to this crawl.", style="yellow"), soft_wrap=True)
    if explanation.similar:
        out.print("Known, and alike:")
        for url in explanation.similar:
            out.print(Text(f"    {clean(url)}"), soft_wrap=True)
    if explanation.queue:
        out.print(
            f"It may wait in the queue, at {clean(explanation.queue)}: here is what has been settled.",
            soft_wrap=True,
        )
        return
    if explanation.dropped:
        out.print("It may be one of those that were left out:")
        for line in tables.left_out_lines(explanation.dropped).splitlines():
            out.print(Text(f"    {line}"), soft_wrap=True)
        out.print("What a page refers to, and what keeps out which: image-crawler extract PAGE --links")
    else:
        out.print("No page of it refers to this URL, and nothing kept any URL out.", soft_wrap=True)


def _show_entry(out: Console, entry: Entry) -> None:
    out.print(Text(clean(entry.url), style="bold"), soft_wrap=True)
    facts = {name: value for name, value in _facts(entry) if value}
    tables.show(out, tables.facts(facts))
    if entry.chain:
        out.print()
        out.print(Text("found by way of", style="dim"))
        for depth, step in enumerate(entry.chain):
            rule = f" ({clean(step.found_in)})" if step.found_in else ""
            out.print(Text(f"{'  ' * min(depth, 10)}  {clean(step.url)}{rule}"), soft_wrap=True)
        out.print(
            Text(f"{'  ' * min(len(entry.chain), 10)}  this {entry.kind} ({clean(entry.found_in)})"),
            soft_wrap=True,
        )
    if entry.earlier:
        out.print()
        out.print(Text("what it gave before", style="dim"))
        for version in entry.earlier:
            when = tables.moment(version.finished_at)
            out.print(
                Text(f"    {when}  {tables.size(version.size_bytes)}  {clean(version.path)}"), soft_wrap=True
            )
    sizes = entry.origin.alternatives if entry.origin else ()
    if sizes and not (entry.image and entry.image.replaced_by):
        out.print()
        out.print(Text("other sizes that its page offers", style="dim"))
        for other in sizes:
            out.print(Text(f"    {clean(other.url)}  {clean(other.rule)}"), soft_wrap=True)
    if entry.same_bytes:
        others = "another URL" if entry.same_bytes_count == 1 else f"{entry.same_bytes_count:,} other URLs"
        out.print()
        out.print(Text(f"the same bytes came from {others}", style="dim"))
        for url in entry.same_bytes:
            out.print(Text(f"    {clean(url)}"), soft_wrap=True)


def _facts(entry: Entry) -> Iterator[tuple[str, str | Text]]:
    record = entry.image or entry.page
    yield "kind", entry.kind.value
    if record is None:
        yield "state", _STATES.get(TaskState(entry.state), entry.state)
        yield "attempts", f"{entry.attempts:,}" if entry.attempts else ""
        return
    yield "status", tables.label(record.status)
    yield "refreshed", clean(f"{record.revisit} {record.revisit_reason}")
    yield "reason", clean(record.reason)
    yield "detail", clean(record.detail)
    if entry.image is not None:
        yield "in its place", clean(entry.image.replaced_by)
        yield "instead of", clean(entry.image.instead_of)
        yield from _image_facts(entry.image, file_exists=entry.file_exists)
    elif entry.page is not None:
        yield "title", clean(entry.page.title)
        yield "found on it", f"{entry.page.images:,} images, {entry.page.links:,} links"
        yield "left out of it", tables.left_out_lines(entry.page.left_out)
    yield from _fetch_facts(record)


def _image_facts(image: ImageRecord, *, file_exists: bool) -> Iterator[tuple[str, str | Text]]:
    if image.path:
        yield "file", Text(clean(image.path)) + Text("" if file_exists else "  is gone", style="red")
    dimensions = f", {image.width_px:,} x {image.height_px:,} px" if image.width_px else ""
    lack = ", without its end (incomplete)" if image.incomplete else ""
    yield (
        "image",
        f"{clean(image.format)}{dimensions}, {tables.size(image.size_bytes)}{lack}" if image.format else "",
    )
    yield "sha256", clean(image.sha256)
    yield "dhash", image.dhash
    yield "alt", clean(image.alt)
    yield "title", clean(image.title)
    yield "caption", clean(image.caption)
    yield "heading", clean(image.heading)
    yield "page title", clean(image.page_title)


def _fetch_facts(record: ImageRecord | PageRecord) -> Iterator[tuple[str, str | Text]]:
    yield "redirected to", clean(record.final_url) if record.final_url != record.url else ""
    answer = f"HTTP {record.http_status} {clean(record.content_type)}".strip()
    yield "answer", answer if record.http_status else ""
    yield "attempts", f"{record.attempts:,}"
    yield "took", f"{record.elapsed_s:,.2f} s"
    yield "finished", clean(record.finished_at)
    yield "worker", clean(record.worker)
    yield "depth", f"{record.depth:,}"
