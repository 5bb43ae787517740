"""image-crawler explain: everything known about one URL, or about what was left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from crawler.catalog import Catalog
from crawler.catalog.explain import Explanation, FoundVia, UrlReport
from crawler.catalog.explain import explain as find
from crawler.catalog.left_out import KeptOut, LeftOut, of_slug
from crawler.catalog.owner import RobotsTxt
from crawler.cli import crawl_tables, tables
from crawler.cli.options import Command, folder_argument, json_option
from crawler.cli.output import clean, write_json
from crawler.config import Config
from crawler.errors import LEFT_OUT
from crawler.http.robots import product_token
from crawler.lists import FOUND_IN
from crawler.models import (
    ALTERNATIVE_RULES,
    RENDERINGS,
    SIGNS,
    ImageRecord,
    Record,
    RenderRecord,
    TaskKind,
    TaskState,
)
from crawler.storage import schemes

EXIT_UNKNOWN = 1
_MOST_SHOWN = 100
_STATES = {
    TaskState.READY: "waiting for its turn",
    TaskState.DELAYED: "waiting to be tried again",
    TaskState.LEASED: "in a worker's hands",
}
_KINDS = {TaskKind.PAGE: "a page", TaskKind.IMAGE: "an image", TaskKind.RENDER: "a page in a browser"}


@click.command(
    cls=Command,
    examples=(
        ("why was this image not saved?", "image-crawler explain data/example.org https://example.org/a.png"),
        (
            "where does this file come from?",
            "image-crawler explain data/example.org images/example.org/b.png",
        ),
        ("which links were too far away?", "image-crawler explain data/example.org max-depth"),
    ),
)
@folder_argument
@click.argument("url", metavar="URL|SLUG")
@json_option
def explain(folder: Path, url: str, *, as_json: bool) -> int:
    """Tell everything that the crawl in DIR knows about one URL: what became of it, and how it was found.

    URL may also be a path on the seed's host, or the path of a saved file. Ends with 1 when it was not taken on.

    With the SLUG of something that was left out: which URLs and pages that was. --json has them all.
    """
    url = url.encode(errors="surrogateescape").decode(errors="replace")  # of bytes that are no text
    with Catalog(folder) as catalog:
        if url in LEFT_OUT:
            return _explain_slug(of_slug(catalog, url), as_json=as_json)
        config = catalog.config()
        explanation = find(catalog, url, agent=product_token(config.fetch.user_agent))
    if as_json:
        write_json(explanation)
    else:
        _show(tables.console(), explanation, store=_store(config))
    return 0 if explanation.known else EXIT_UNKNOWN


def _store(config: Config) -> str:
    """The object store of the files; empty if they are in folders."""
    return config.storage.storage if schemes.is_elsewhere(config.storage) else ""


def _explain_slug(left_out: LeftOut, *, as_json: bool) -> int:
    if as_json:
        write_json(left_out)
        return 0
    out = tables.console()
    out.print(
        Text(f"left out {crawl_tables.left_out_lines({left_out.slug: left_out.count})}"), soft_wrap=True
    )
    for one in left_out.urls[:_MOST_SHOWN]:
        out.print(Text(f"    {clean(one.url)}{_where(one)}"), soft_wrap=True)
    for page in left_out.pages[:_MOST_SHOWN]:
        out.print(Text(f"    {page.times:,} of {clean(page.url)}"), soft_wrap=True)
    more = max(0, len(left_out.urls) - _MOST_SHOWN) + max(0, len(left_out.pages) - _MOST_SHOWN)
    if more:
        out.print(f"    and {more:,} more; --json has them all", style="dim")
    if left_out.unlisted:
        out.print(f"    of {left_out.unlisted:,} it is not kept which they were", style="dim")
    return 0


def _where(one: KeptOut) -> str:
    times = f"  {one.times:,} times" if one.times > 1 else ""
    return times + (f"  on {clean(one.page_url)}" if one.page_url else "")


def _show(out: Console, explanation: Explanation, *, store: str) -> None:
    _show_what_became(out, explanation, store=store)
    if explanation.robots_txt is not None:
        _show_robots_txt(out, explanation.robots_txt)


def _show_robots_txt(out: Console, robots: RobotsTxt) -> None:
    """Show what the owner's robots.txt says of the URL: whether and how often it may be fetched."""
    out.print()
    out.print(Text(f"what the robots.txt of {clean(robots.host)} says", style="dim"))
    for line in _robots_lines(robots):
        out.print(Text(f"    {line}"), soft_wrap=True)


def _robots_lines(robots: RobotsTxt) -> Iterator[str]:
    if robots.reason:
        yield f"it was not to be had, so nothing may be asked for: {clean(robots.detail or robots.reason)}"
        return
    if not robots.is_there:
        status = f" (HTTP {robots.http_status})" if robots.http_status else ""
        yield f"there is none{status}: everything may be asked for"
        return
    if not robots.line:
        yield "no line of it is about this URL: it may be asked for"
    elif robots.allowed:
        yield f"line {robots.number}, {clean(robots.line)}: it may be asked for"
    else:
        yield (
            f"line {robots.number}, {clean(robots.line)}: it must not be asked for; --no-obey-robots-txt takes it all"
            " the same"
        )
    if robots.delay_s:
        yield (
            f"line {robots.delay_number}, {clean(robots.delay_line)}: {robots.delay_s:g} s from one request to the"
            " next; --no-obey-robots-txt takes no notice"
        )


def _show_what_became(out: Console, explanation: Explanation, *, store: str) -> None:
    if explanation.kept_out and explanation.how != "session":
        _show_kept_out(out, explanation)
    if not explanation.known:
        if not explanation.kept_out:
            _show_unknown(out, explanation)
        return
    if explanation.how == "session":
        out.print(
            Text(f"{clean(explanation.url)} was not visited, but the same with another session id:"),
            soft_wrap=True,
        )
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
        _show_entry(out, entry, store=store)


def _show_kept_out(out: Console, explanation: Explanation) -> None:
    taken = " at times, and taken on all the same" if explanation.known else ""
    out.print(Text(f"{clean(explanation.url)} was left out{taken}:"), soft_wrap=True)
    for one in explanation.kept_out:
        times = "once" if one.times == 1 else f"{one.times:,} times"
        among = crawl_tables.left_out_lines({one.slug: explanation.dropped.get(one.slug, one.times)})
        out.print(Text(f"    as {_KINDS[one.kind]}, {times}, of the {among}"), soft_wrap=True)
    if explanation.chain and not explanation.known:
        out.print()
        out.print(Text("found by way of", style="dim"))
        _show_chain(out, explanation.chain)


def _show_chain(out: Console, chain: Sequence[FoundVia]) -> None:
    for depth, step in enumerate(chain):
        rule = f" ({clean(step.found_in)})" if step.found_in else ""
        out.print(Text(f"{'  ' * min(depth, 10)}  {clean(step.url)}{rule}"), soft_wrap=True)


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
    if explanation.unlisted:
        out.print("It may be one of those that were left out, and of which it is not kept which they were:")
        for line in crawl_tables.left_out_lines(explanation.unlisted).splitlines():
            out.print(Text(f"    {line}"), soft_wrap=True)
        out.print("What a page refers to, and what keeps out which: image-crawler extract PAGE --links")
    elif explanation.dropped:
        out.print(
            "No page that was read refers to this URL; it is none of those that were left out.",
            soft_wrap=True,
        )
    else:
        out.print("No page of it refers to this URL, and nothing kept any URL out.", soft_wrap=True)


def _show_entry(out: Console, entry: UrlReport, *, store: str) -> None:
    out.print(Text(clean(entry.url), style="bold"), soft_wrap=True)
    facts = {name: value for name, value in _facts(entry, store=store) if value}
    tables.show(out, tables.facts(facts))
    if not entry.chain and entry.found_in == FOUND_IN:
        out.print()
        out.print(Text("named by a list (--image-list)", style="dim"))
    if entry.chain:
        out.print()
        out.print(Text("found by way of", style="dim"))
        _show_chain(out, entry.chain)
        out.print(
            Text(f"{'  ' * min(len(entry.chain), 10)}  this {_noun(entry)} ({clean(entry.found_in)})"),
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
    if entry.image and entry.image.opt_outs:
        _show_opt_outs(out, entry.image)
    if entry.same_bytes:
        others = "another URL" if entry.same_bytes_count == 1 else f"{entry.same_bytes_count:,} other URLs"
        out.print()
        out.print(Text(f"the same bytes came from {others}", style="dim"))
        for url in entry.same_bytes:
            out.print(Text(f"    {clean(url)}"), soft_wrap=True)


def _noun(entry: UrlReport) -> str:
    return "page" if entry.kind is TaskKind.RENDER else entry.kind.value


def _show_opt_outs(out: Console, image: ImageRecord) -> None:
    out.print()
    out.print(Text("what its owner says of its use", style="dim"))
    for one in image.opt_outs:
        came = "obeyed" if image.reason == one.signal else "recorded"
        no = f", no to {', '.join(one.forbids)}" if one.forbids else ""
        switch = f"; --no-obey-{one.signal} takes it all the same" if came == "obeyed" else ""
        out.print(
            Text(f"    {clean(one.signal)}  {clean(one.place)}: {clean(one.text)}")
            + Text(f"  {came}{no}{switch}", style="dim"),
            soft_wrap=True,
        )
    if image.more_opt_outs:
        out.print(f"    and {image.more_opt_outs:,} more", style="dim")


def _facts(entry: UrlReport, *, store: str) -> Iterator[tuple[str, str | Text]]:
    record = entry.image or entry.page or entry.render
    yield "kind", _KINDS[entry.kind].partition(" ")[2]
    if record is None:
        yield "state", _STATES.get(TaskState(entry.state), entry.state)
        yield "attempts", f"{entry.attempts:,}" if entry.attempts else ""
        if entry.origin is not None:
            yield "why", _signs(entry.origin.signs)
            yield "template", clean(entry.origin.template)
        return
    yield "status", crawl_tables.label(record.status)
    yield "refreshed", clean(f"{record.revisit} {record.revisit_reason}")
    yield "reason", clean(record.reason)
    yield "detail", clean(record.detail)
    if entry.image is not None:
        yield "in its place", clean(entry.image.replaced_by)
        yield "instead of", clean(entry.image.instead_of)
        yield from _image_facts(entry, entry.image, store=store)
    elif entry.page is not None:
        yield "title", clean(entry.page.title)
        yield "found on it", f"{entry.page.images:,} images, {entry.page.links:,} links"
        yield "left out of it", crawl_tables.left_out_lines(entry.page.left_out)
        yield "in a browser", RENDERINGS.get(entry.page.render, "")
    elif entry.render is not None:
        yield from _render_facts(entry.render)
    yield from _fetch_facts(record)


def _kept_where(entry: UrlReport, store: str) -> Text:
    """Where the file is, unless it is in the crawl's folder. *store* is the crawl's object store, if any."""
    if store:
        return Text(f"  in {clean(store)}", style="dim")
    if entry.file_exists:
        return Text()
    machine, _, folder = entry.kept_in.partition(":")
    if machine:
        return Text(f"  on {clean(machine)}" + (f", in {clean(folder)}" if folder else ""), style="dim")
    return Text("  is gone", style="red")


def _image_facts(entry: UrlReport, image: ImageRecord, *, store: str) -> Iterator[tuple[str, str | Text]]:
    if image.path:
        yield "file", Text(clean(image.path)) + _kept_where(entry, store)
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


def _render_facts(render: RenderRecord) -> Iterator[tuple[str, str | Text]]:
    yield "why", _signs(render.signs)
    yield "template", clean(render.template)
    yield "title", clean(render.title)
    yield "brought", f"{render.images:,} images, {render.links:,} links that are not found without scripts"
    gains = sorted(render.gains.items(), key=lambda item: -item[1])
    yield "images by", ", ".join(f"{clean(what)} {count:,}" for what, count in gains)
    yield (
        "requests",
        f"{render.requests:,}, {tables.size(render.size_bytes)} in all" if render.requests else "",
    )
    yield "left out of it", crawl_tables.left_out_lines(render.left_out)


def _signs(signs: str) -> str:
    """The signs that a page needs a browser, in words."""
    return "; ".join(SIGNS.get(sign, clean(sign)) for sign in signs.split(",") if sign)


def _fetch_facts(record: Record) -> Iterator[tuple[str, str | Text]]:
    yield "redirected to", clean(record.final_url) if record.final_url != record.url else ""
    content_type = "" if isinstance(record, RenderRecord) else clean(record.content_type)
    answer = f"HTTP {record.http_status} {content_type}".strip()
    yield "answer", answer if record.http_status else ""
    yield "attempts", f"{record.attempts:,}"
    yield "took", f"{record.elapsed_s:,.2f} s"
    yield "finished", clean(record.finished_at)
    yield "worker", clean(record.worker)
    yield "depth", f"{record.depth:,}"
