"""image-crawler explain: everything known about one URL, or about what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click
from rich.console import RenderableType
from rich.text import Text

from crawler.catalog import Catalog
from crawler.catalog.by_name import Likeness
from crawler.catalog.explain import Explanation, FoundVia, UrlReport
from crawler.catalog.explain import explain as find
from crawler.catalog.left_out import KeptOut, LeftOut, of_slug
from crawler.catalog.owner import RobotsTxt
from crawler.cli import crawl_tables, tables
from crawler.cli.options import Command, folder_argument, json_option
from crawler.cli.output import clean, write_json
from crawler.errors import ADVICE, LEFT_OUT, REASONS
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
from crawler.text.display import counted

EXIT_UNKNOWN = 1
_MOST_SHOWN = 100
_MOST_PAGES = 5
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
        ("by its name alone", "image-crawler explain data/example.org b.png"),
        ("which links were too far away?", "image-crawler explain data/example.org max-depth"),
    ),
)
@folder_argument
@click.argument("url", metavar="URL|FILE|SLUG")
@json_option
def explain(folder: Path, url: str, *, as_json: bool) -> int:
    """Tell everything that the crawl in DIR knows about one URL: what became of it, and how it was found.

    URL may also be a path on the seed's host, the path or the name of a saved file, or the last part of a URL; where
    several are called so, they are listed. Ends with 1 when it was not taken on.

    With the SLUG of something that was left out: which URLs and pages that was. --json has them all.
    """
    url = url.encode(errors="surrogateescape").decode(errors="replace")  # of bytes that are no text
    with Catalog(folder) as catalog:
        config = catalog.config()
        found: LeftOut | Explanation
        if url in LEFT_OUT:
            found = of_slug(catalog, url)
            lines = _slug_lines(found)
        else:
            found = find(catalog, url, agent=product_token(config.fetch.user_agent))
            lines = _lines(found, store=config.storage.url)
    if as_json:
        write_json(found)
    else:
        tables.show_all(tables.console(), lines)
    return 0 if isinstance(found, LeftOut) or found.known else EXIT_UNKNOWN


def _slug_lines(left_out: LeftOut) -> Iterator[RenderableType]:
    yield Text(f"left out {crawl_tables.left_out_lines({left_out.slug: left_out.count})}")
    for one in left_out.urls[:_MOST_SHOWN]:
        yield Text(f"    {clean(one.url)}{_where(one)}")
    for page in left_out.pages[:_MOST_SHOWN]:
        yield Text(f"    {page.times:,} of {clean(page.url)}")
    more = max(0, len(left_out.urls) - _MOST_SHOWN) + max(0, len(left_out.pages) - _MOST_SHOWN)
    if more:
        yield Text(f"    and {more:,} more; --json has them all", style="dim")
    if left_out.unlisted:
        yield Text(f"    of {left_out.unlisted:,} it is not kept which they were", style="dim")


def _where(one: KeptOut) -> str:
    times = f"  {one.times:,} times" if one.times > 1 else ""
    return times + (f"  on {clean(one.page_url)}" if one.page_url else "")


def _lines(explanation: Explanation, *, store: str) -> Iterator[RenderableType]:
    """What became of the URL, and what the robots.txt of its host says of it. *store* is the object store, if any."""
    if explanation.asked in REASONS and not explanation.known:
        yield Text(
            f"{explanation.asked} is no URL, but a reason why something was not saved.", style="yellow"
        )
        if advice := ADVICE.get(explanation.asked):
            yield Text(f"{advice}.")
        yield "What was not saved by it: image-crawler inspect DIR --failures"
        return
    if explanation.kept_out and explanation.how != "session":
        yield from _kept_out_lines(explanation)
    if explanation.known:
        yield from _known_lines(explanation, store=store)
    elif not explanation.kept_out:
        yield from _unknown_lines(explanation)
    if explanation.robots_txt is not None:
        yield from _headed(
            f"what the robots.txt of {clean(explanation.robots_txt.host)} says",
            _robots_lines(explanation.robots_txt),
        )


def _headed(heading: str, lines: Iterable[str]) -> Iterator[RenderableType]:
    """Indented *lines* below a dim *heading*, with an empty line before it."""
    yield ""
    yield Text(heading, style="dim")
    for line in lines:
        yield Text(f"    {line}")


def _robots_lines(robots: RobotsTxt) -> Iterator[str]:
    """Whether and how often the URL may be fetched."""
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


def _named_lines(explanation: Explanation) -> Iterator[RenderableType]:
    """Those that have the same name, each with what tells it from the others."""
    asked, count = clean(explanation.asked), explanation.named_count
    if explanation.rule == Likeness.EXACT:
        yield Text(f"{count:,} are called {asked}:")
    else:
        yield Text(f"nothing is called {asked}; alike are {count:,}:", style="yellow")
    for one in explanation.named:
        yield ""
        yield Text("  ") + Text(clean(one.path or one.url), "bold")
        size_px = f"{one.width_px:,} x {one.height_px:,} px, " if one.width_px else ""
        size = f"  {size_px}{tables.size(one.size_bytes)}" if one.size_bytes else ""
        status = crawl_tables.label(one.status) if one.status else Text("to do")
        kind = "" if one.kind is TaskKind.IMAGE else f"{_KINDS[one.kind]}, "
        yield Text(f"    {kind}") + status + Text(f"{size}  {clean(one.reason)}".rstrip(), "dim")
        if one.path:
            yield Text(f"    from {clean(one.url)}", "dim")
        if one.page_url:
            yield Text(f"    on {clean(one.page_url)}", "dim")
    yield ""
    if more := count - len(explanation.named):
        yield Text(f"  and {more:,} more", "dim")
    yield Text("for all of one, give its path or URL: image-crawler explain DIR PATH", "dim")


def _known_lines(explanation: Explanation, *, store: str) -> Iterator[RenderableType]:
    url = clean(explanation.url)
    if explanation.named:
        yield from _named_lines(explanation)
    elif explanation.how == "name" and explanation.rule != Likeness.EXACT:
        yield Text(f"nothing is called {clean(explanation.asked)}; this is alike:", style="yellow")
    if explanation.how == "session":
        yield Text(f"{url} was not visited, but the same with another session id:")
    if explanation.how == "size":
        yield Text(f"{url} was not taken, but another size of the same picture:")
        yield Text(f"    {explanation.rule}: {ALTERNATIVE_RULES[explanation.rule]}", style="dim")
    if explanation.how == "redirect":
        yield Text(f"{url} is where another URL led to:")
    for position, entry in enumerate(explanation.entries):
        if position:
            yield ""
        yield from _entry_lines(entry, store=store)


def _kept_out_lines(explanation: Explanation) -> Iterator[RenderableType]:
    taken = " at times, and taken on all the same" if explanation.known else ""
    yield Text(f"{clean(explanation.url)} was left out{taken}:")
    for one in explanation.kept_out:
        times = "once" if one.times == 1 else f"{one.times:,} times"
        among = crawl_tables.left_out_lines({one.slug: explanation.dropped.get(one.slug, one.times)})
        yield Text(f"    as {_KINDS[one.kind]}, {times}, of the {among}")
    if explanation.chain and not explanation.known:
        yield from _chain_lines(explanation.chain)


def _chain_lines(chain: Sequence[FoundVia]) -> Iterator[RenderableType]:
    yield from _headed("found by way of", ())
    for depth, step in enumerate(chain):
        rule = f" ({clean(step.found_in)})" if step.found_in else ""
        yield Text(f"{'  ' * min(depth, 10)}  {clean(step.url)}{rule}")


def _unknown_lines(explanation: Explanation) -> Iterator[RenderableType]:
    yield Text(f"{clean(explanation.url)} is not known to this crawl.", style="yellow")
    if explanation.similar:
        yield "Known, and alike:"
        for url in explanation.similar:
            yield Text(f"    {clean(url)}")
    if explanation.queue:
        yield Text(f"It may wait in the queue, at {clean(explanation.queue)}: here is what has been settled.")
    elif explanation.unlisted:
        yield "It may be one of those that were left out, and of which it is not kept which they were:"
        for line in crawl_tables.left_out_lines(explanation.unlisted).splitlines():
            yield Text(f"    {line}")
        yield "What a page refers to, and what keeps out which: image-crawler extract PAGE --links"
    elif explanation.dropped:
        yield Text("No page that was read refers to this URL; it is none of those that were left out.")
    else:
        yield Text("No page of it refers to this URL, and nothing kept any URL out.")


def _entry_lines(entry: UrlReport, *, store: str) -> Iterator[RenderableType]:
    yield Text(clean(entry.url), style="bold")
    yield tables.facts({name: value for name, value in _facts(entry, store=store) if value})
    if not entry.chain and entry.found_in == FOUND_IN:
        yield from _headed("named by a list (--image-list)", ())
    if entry.chain:
        yield from _chain_lines(entry.chain)
        noun = "page" if entry.kind is TaskKind.RENDER else entry.kind.value
        yield Text(f"{'  ' * min(len(entry.chain), 10)}  this {noun} ({clean(entry.found_in)})")
    if entry.other_pages:
        yield from _other_pages_lines(entry)
    if entry.earlier:
        versions = (
            f"{tables.moment(version.finished_at)}  {tables.size(version.size_bytes)}  {clean(version.path)}"
            for version in entry.earlier
        )
        yield from _headed("what it gave before", versions)
    sizes = entry.origin.alternatives if entry.origin else ()
    if sizes and not (entry.image and entry.image.replaced_by):
        others = (f"{clean(other.url)}  {clean(other.rule)}" for other in sizes)
        yield from _headed("other sizes that its page offers", others)
    if entry.image and entry.image.opt_outs:
        yield from _opt_out_lines(entry.image)
    if entry.same_bytes:
        count = "another URL" if entry.same_bytes_count == 1 else f"{entry.same_bytes_count:,} other URLs"
        yield from _headed(f"the same bytes came from {count}", map(clean, entry.same_bytes))


def _other_pages_lines(entry: UrlReport) -> Iterator[RenderableType]:
    pages = counted(entry.other_pages_count, "other page")
    yield from _headed(f"it stands on {pages} too", map(clean, entry.other_pages[:_MOST_PAGES]))
    if more := entry.other_pages_count - min(_MOST_PAGES, len(entry.other_pages)):
        yield Text(f"    and {more:,} more", style="dim")


def _opt_out_lines(image: ImageRecord) -> Iterator[RenderableType]:
    yield from _headed("what its owner says of its use", ())
    for one in image.opt_outs:
        came = "obeyed" if image.reason == one.signal else "recorded"
        no = f", no to {', '.join(one.forbids)}" if one.forbids else ""
        switch = f"; --no-obey-{one.signal} takes it all the same" if came == "obeyed" else ""
        yield (
            Text(f"    {clean(one.signal)}  {clean(one.place)}: {clean(one.text)}")
            + Text(f"  {came}{no}{switch}", style="dim")
        )
    if image.more_opt_outs:
        yield Text(f"    and {image.more_opt_outs:,} more", style="dim")


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
    gains = Counter(render.gains).most_common()
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
    yield "trace", record.trace_id
    yield "depth", f"{record.depth:,}"
