"""image-crawler inspect: what was saved and what was not, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import click
import msgspec
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from crawler.catalog import Catalog
from crawler.catalog.changes import RecordChange, changes
from crawler.catalog.duplicates import SameBytes, duplicates
from crawler.catalog.elsewhere import KeeperSum
from crawler.catalog.inspection import Inspection, inspection
from crawler.catalog.opt_outs import SignalSum, beyond, opt_outs
from crawler.catalog.similar import MAX_DISTANCE, Alike, similar
from crawler.catalog.verify import WRONG, Finding, FindingKind, verify
from crawler.cli import tables
from crawler.cli.image_locations import names, not_checked
from crawler.cli.inspect_screen import show_inspection
from crawler.cli.options import Command, folder_argument, json_option
from crawler.cli.output import clean, is_terminal, write_json
from crawler.cli.report import NOT_SAVED
from crawler.cli.runs import show_runs
from crawler.config import StorageConfig
from crawler.crawlfile.keepers import Keeper
from crawler.models import ImageRecord, Revisit, RunKind
from crawler.storage import schemes
from crawler.text.display import counted

_Thing = TypeVar("_Thing")

_USUAL_DISTANCE = 4
_REVISIT_STYLES = {
    Revisit.NEW: "green",
    Revisit.CHANGED: "yellow",
    Revisit.GONE: "red",
    Revisit.FAILED: "red",
}
_FAILURE_COLUMNS = ("status", "reason", "http_status", "url", "page_url", "found_in", "detail")


@click.command(
    cls=Command,
    examples=(
        ("the books of a crawl", "image-crawler inspect data/example.org"),
        ("every image that was not saved, and why", "image-crawler inspect data/example.org --failures"),
        ("the same picture in several sizes", "image-crawler inspect data/example.org --similar"),
        ("what owners say of the use of their images", "image-crawler inspect data/example.org --opt-outs"),
        ("when was it run, with which settings?", "image-crawler inspect data/example.org --runs"),
        ("are all files still there, and unchanged?", "image-crawler inspect data/example.org --verify"),
    ),
)
@folder_argument
@click.option("--failures", is_flag=True, help="List every image URL that was not saved, with its reason.")
@click.option("--duplicates", "same_bytes", is_flag=True, help="List the files that several URLs gave.")
@click.option(
    "--similar",
    "alike",
    is_flag=True,
    help="List the files that look alike: the same picture in other sizes or formats.",
)
@click.option(
    "--distance",
    type=click.IntRange(0, MAX_DISTANCE),
    default=_USUAL_DISTANCE,
    show_default=True,
    help="With --similar: number of bits, of 64, in which dHashes may differ.",
)
@click.option(
    "--changes", "changed", is_flag=True, help="List what a refresh found new, changed, gone or failing."
)
@click.option(
    "--opt-outs",
    "owners",
    is_flag=True,
    help="Sum up, by signal and host, what owners say of the use of their images.",
)
@click.option(
    "--runs",
    "history",
    is_flag=True,
    help="List the runs of the crawl: when, with which settings, and what came of each.",
)
@click.option(
    "--verify", "verifying", is_flag=True, help="Compare every saved file with its recorded SHA-256."
)
@json_option
def inspect(
    folder: Path,
    *,
    failures: bool,
    same_bytes: bool,
    alike: bool,
    distance: int,
    changed: bool,
    owners: bool,
    history: bool,
    verifying: bool,
    as_json: bool,
) -> int:
    """Show what the crawl in DIR saved and what it did not, and why.

    Works while the crawl runs and after. Ends with 1 when --verify finds a file missing or changed that should be here;
    files that workers keep on other machines are named by machine, and files that no record names are listed: neither
    is a fault.
    """
    with Catalog(folder) as catalog:
        if not (failures or same_bytes or alike or changed or owners or history or verifying):
            _show_summary(inspection(catalog), catalog.config().storage, as_json=as_json)
        if failures:
            unsaved, nothing = catalog.images(status=NOT_SAVED), "no image URL was left out so far"
            _list(unsaved, _failure_lines, nothing, as_json=as_json, columns=_FAILURE_COLUMNS)
        if same_bytes:
            nothing = "no two image URLs gave the same bytes"
            _list(duplicates(catalog), _duplicate_lines, nothing, as_json=as_json)
        if alike:
            groups, nothing = similar(catalog, distance=distance), "no two files look alike"
            _list(groups, _alike_lines, nothing, as_json=as_json, apart=True)
        if changed:
            nothing = "nothing has changed, or the crawl has not been refreshed (crawl --refresh)"
            if any(run.kind is RunKind.REFRESH for run in catalog.runs()):
                nothing = "the latest refresh found nothing new, changed, gone or failing"
            _list(changes(catalog), _change_lines, nothing, as_json=as_json)
        if owners:
            nothing = "no owner was heard to say anything of the use of an image"
            _list(opt_outs(catalog), _opt_out_lines, nothing, as_json=as_json)
            if not as_json and (more := beyond(catalog)):
                console = tables.console()
                console.print(f"and {more:,} more that no record has room for", style="dim")
        if history:
            show_runs(catalog, as_json=as_json)
        return _show_verification(catalog, as_json=as_json) if verifying else 0


def _show_summary(found: Inspection, storage: StorageConfig, *, as_json: bool) -> None:
    if as_json:
        write_json(found)
    else:
        show_inspection(tables.console(), found, storage)


def _list(
    found: Iterable[_Thing],
    lines: Callable[[_Thing], Iterable[RenderableType]],
    nothing: str,
    *,
    as_json: bool,
    apart: bool = False,
    columns: Sequence[str] = (),
) -> None:
    """Print the *lines* of each of *found*, or it as JSON; says *nothing* on stderr without any.

    *apart*: with an empty line between. *columns* are printed, with tabs between, where stdout is no terminal.
    """
    out, count = tables.console(), 0
    for count, thing in enumerate(found, start=1):
        if as_json:
            write_json(thing)
        elif columns and not is_terminal():
            click.echo("\t".join(clean(str(getattr(thing, name) or "")) for name in columns))
        else:
            tables.show_all(out, ["", *lines(thing)] if apart and count > 1 else lines(thing))
    if not count:
        click.echo(nothing, err=True)


def _failure_lines(record: ImageRecord) -> Iterator[RenderableType]:
    style = "yellow" if record.status == "rejected" else "red"
    yield Text(f"{clean(record.reason) or record.status:<20}", style) + Text(clean(record.url))
    if record.detail:
        yield Padding(Text(clean(record.detail), style="dim"), (0, 0, 0, 20))
    if record.page_url:
        yield Text(f"{'':20}on {clean(record.page_url)} ({clean(record.found_in)})", style="dim")


def _duplicate_lines(group: SameBytes) -> Iterator[RenderableType]:
    yield Text(clean(group.path), style="bold") + Text(f"  {tables.size(group.size_bytes)}")
    for url in group.urls:
        yield Text(f"    {clean(url)}")


def _alike_lines(group: Alike) -> Iterator[RenderableType]:
    for picture in group.pictures:
        size_px = f"{picture.width_px:,} x {picture.height_px:,}"
        size = f"{size_px:>15}  {clean(picture.format):<5} {tables.size(picture.size_bytes):>11}  "
        yield Text(size, style="dim") + Text(clean(picture.path))


def _change_lines(change: RecordChange) -> Iterator[RenderableType]:
    yield Text(f"{change.revisit:<9}", _REVISIT_STYLES.get(change.revisit, "")) + Text(clean(change.url))
    if change.detail:
        yield Text(f"{'':9}{clean(change.detail)}", style="dim")
    for name, version in (("kept", change.now), *(("before", earlier) for earlier in change.earlier)):
        size, when = tables.size(version.size_bytes), tables.moment(version.finished_at)
        yield Text(f"{'':9}{name:<7}{clean(version.path)}  {size}  {when}", style="dim")


def _opt_out_lines(one: SignalSum) -> Iterator[RenderableType]:
    style = "yellow" if one.refused or one.left_out else ""
    came = f"{clean(one.host) or 'elsewhere'}  {_what_came_of_it(one)}"
    yield Text(f"{clean(one.signal):<19}", style) + Text(came)
    if one.url:
        where = ": ".join(filter(None, (clean(one.place), clean(one.text))))
        yield Text(f"{'':19}such as {clean(one.url)}  ({where})", style="dim")


def _what_came_of_it(one: SignalSum) -> str:
    said = []
    if one.images:
        no = ", ".join(purpose for purpose, count in one.forbids.items() if count)
        said.append(f"said of {counted(one.images, 'image')}")
        said.append(f"no to {no}" if no else "no to nobody")
        said.append(f"obeyed {one.refused:,}, recorded {one.images - one.refused:,} ({one.saved:,} saved)")
    if one.left_out:
        said.append(f"said by pages of {one.left_out:,} that were left out")
    return "; ".join(said)


def _show_verification(catalog: Catalog, *, as_json: bool) -> int:
    out = tables.console()
    tally: Counter[FindingKind] = Counter()
    others: dict[Keeper, KeeperSum] = {}
    checked_bytes = 0
    for finding in verify(catalog, schemes.open_reader(catalog.config().storage)):
        tally[finding.finding] += 1
        if finding.finding is FindingKind.INTACT:
            checked_bytes += finding.size_bytes
        elif finding.finding is FindingKind.ELSEWHERE:
            keeper = Keeper(finding.keeper, finding.machine, finding.folder)
            one = others.get(keeper) or KeeperSum(**keeper._asdict(), files=0, size_bytes=0)
            size_bytes = one.size_bytes + finding.size_bytes
            others[keeper] = msgspec.structs.replace(one, files=one.files + 1, size_bytes=size_bytes)
        elif as_json:
            write_json(finding)
        else:
            tables.show_all(out, _finding_lines(finding))
    wrong = sum(tally[kind] for kind in WRONG)
    _show_elsewhere(out, list(others.values()), as_json=as_json)
    if not as_json:
        verdict = f"every saved file {'that is here ' if others else ''}is what was saved"
        if others and not tally[FindingKind.INTACT]:
            verdict = "no saved file is here, and none was checked"
        if wrong:
            verdict = f"{counted(wrong, 'file is', 'files are')} not what was saved"
        out.print(
            Text(verdict, style="red" if wrong else "green")
            + Text(f" ({tally[FindingKind.INTACT]:,} intact, {tables.size(checked_bytes)};")
            + Text(f" {tally[FindingKind.ELSEWHERE]:,} elsewhere;" if others else "")
            + Text(f" {tally[FindingKind.ORPHAN]:,} without a record)"),
            soft_wrap=True,
        )
    return 1 if wrong else 0


def _finding_lines(finding: Finding) -> Iterator[RenderableType]:
    style = "red" if finding.finding in WRONG else "yellow"
    detail = finding.detail or f"{tables.size(finding.size_bytes)}, named by no record"
    yield Text(f"{finding.finding:<9}", style) + Text(f"{clean(finding.path)}  {clean(detail)}")
    if finding.url:
        yield Text(f"{'':9}from {clean(finding.url)}", style="dim")


def _show_elsewhere(out: Console, others: Sequence[KeeperSum], *, as_json: bool) -> None:
    """Show one line for each folder on other machines."""
    for one, machine in zip(others, names(others), strict=True):
        if as_json:
            write_json({"finding": FindingKind.ELSEWHERE, **msgspec.structs.asdict(one)})
        else:
            head = Text(f"{FindingKind.ELSEWHERE:<9}  ", style="cyan")
            out.print(head + Text(not_checked(one, machine)), soft_wrap=True)
