"""Where the images of a crawl are, in words: here, and on which other machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from crawler.catalog.elsewhere import KeeperSum
from crawler.catalog.summary import Summary
from crawler.cli import tables
from crawler.cli.output import clean
from crawler.models import WorkerStatus
from crawler.text.display import counted

if TYPE_CHECKING:
    from crawler.run.supervisor import Crawl

_MOST_NAMED = 3
_ID_CHARS = 6  # enough to tell folders of one crawl apart


def kept_where(summary: Summary) -> str:
    """``5.5 MiB on w1 (115 files, in /srv/pics); none here``, or, with all in the crawl's folder, empty."""
    others = summary.elsewhere
    if not others:
        return ""
    stats = summary.stats
    here_bytes = max(0, stats.saved_bytes - sum(one.size_bytes for one in others))
    here = max(0, stats.image_status.get("saved", 0) - sum(one.files for one in others))
    parts = [
        f"{tables.size(one.size_bytes)} on {machine} ({counted(one.files, 'file')}{_in(one)})"
        for one, machine in zip(others[:_MOST_NAMED], names(others), strict=False)
    ]
    if rest := others[_MOST_NAMED:]:
        size = tables.size(sum(one.size_bytes for one in rest))
        parts.append(
            f"{size} in {len(rest):,} more places ({counted(sum(one.files for one in rest), 'file')})"
        )
    parts.append(f"{tables.size(here_bytes)} here ({counted(here, 'file')})" if here else "none here")
    return "; ".join(parts)


def names(keepers: Sequence[KeeperSum]) -> list[str]:
    """A name for each folder: its machine, and its id where another machine of that name has the same path."""
    called = [(one.machine, one.folder) for one in keepers]
    return [
        (clean(one.machine) or "a machine without a name")
        + (f" #{one.id[:_ID_CHARS]}" if called.count((one.machine, one.folder)) > 1 else "")
        for one in keepers
    ]


def told_apart(workers: Sequence[WorkerStatus]) -> list[WorkerStatus]:
    """*workers*, with part of the machine's id behind its name where machines share one."""
    ids: dict[str, set[str]] = {}
    for who in workers:
        ids.setdefault(who.machine, set()).add(who.machine_id)
    return [
        msgspec.structs.replace(who, machine=f"{who.machine} #{who.machine_id[:_ID_CHARS]}")
        if len(ids[who.machine]) > 1
        else who
        for who in workers
    ]


def not_checked(one: KeeperSum, machine: str) -> str:
    """What ``--verify`` says of files on another *machine*."""
    return (
        f"{counted(one.files, 'file')}, {tables.size(one.size_bytes)}, on {machine}{_in(one)}; not checked: copy the"
        " folder images from there into this one to have that done"
    )


def will_be_kept(running: Crawl) -> str:
    """Where images go if workers may be on other machines; said when the crawl starts."""
    storage = running.config.storage
    if storage.url:
        return f"images are kept in {clean(storage.url)}"
    here = f"here, in {clean(str(running.folder.path))}"
    queue = running.config.manager.queue
    if storage.storage == "manager" or not (running.public or queue):
        return f"images are kept {here}"
    advice = "--storage s3://BUCKET" if queue else "--storage manager"
    own = f"{here}; " if running.downloads else ""
    each = "by each worker on its own machine, below its -o DIR"
    return f"images are kept {own}{each} (one place for all: {advice})"


def _in(one: KeeperSum) -> str:
    return f", in {clean(one.folder)}" if one.folder else ""
