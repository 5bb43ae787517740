"""A whole crawl in figures, and whether they balance."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from heapq import nsmallest
from pathlib import Path
from typing import TypeVar

import msgspec

from crawler.catalog.database import Catalog
from crawler.catalog.elsewhere import KeeperSum, elsewhere
from crawler.crawlfile.columns import total
from crawler.crawlfile.file_names import HALF_WRITTEN, IMAGES_FOLDER
from crawler.crawlfile.meta import MetaKey
from crawler.crawlfile.totals import Totals
from crawler.models import Stats, Value

TOP_HOSTS = 10
TOP_SLOW_HOSTS = 5
_LEAST_VISITS = 3
"""Of a slow host: one late answer makes none."""


class FormatSummary(Value):
    name: str
    images: int
    size_bytes: int


class HostSummary(Value):
    name: str
    """``scheme://host[:port]``"""
    images: int
    """Number of image URLs discovered on it."""
    saved: int
    size_bytes: int
    visited: int
    """Number of image URLs that were asked for, and have a record."""
    mean_s: float
    """Seconds that a visit took on average; 0 without one."""


class Summary(Value):
    """The figures of a crawl at one moment."""

    folder: str
    seeds: tuple[str, ...]
    finished: bool
    """No task is ready, delayed or leased."""
    balanced: bool
    """Finished, and discovered = saved + duplicate + rejected + failed + dead."""
    stats: Stats
    formats: tuple[FormatSummary, ...]
    """Formats of the saved images, most frequent first."""
    hosts: tuple[HostSummary, ...]
    """The TOP_HOSTS with the most images."""
    slowest: tuple[HostSummary, ...]
    """The TOP_SLOW_HOSTS with the longest visits, of those with a few."""
    host_count: int
    files: int
    """Number of files below images/, with or without a record; 0 for a crawl with an object store."""
    files_bytes: int
    elsewhere: tuple[KeeperSum, ...]
    """Files that workers on other machines keep in folders of their own, those with the most files first."""
    renderings: dict[str, int]
    """Numbers of pages that were read, by a key of models.RENDERINGS."""
    revisits: dict[str, int]
    """Numbers of saved images by what the latest refresh found (``unchanged``, ``new`` …)."""
    started_at: str
    """Time of the first record, UTC; empty without records."""
    finished_at: str
    """Time of the last record, UTC; empty without records."""
    stopped: str = ""
    """The limit that has just ended a run (``--max-time 10 min is reached``); empty for none."""
    lists: tuple[str, ...] = ()
    """Paths of the lists of URLs that it has read."""


_Summary = TypeVar("_Summary", bound=Summary)


def summarise(catalog: Catalog) -> Summary:
    """All figures; reads each table once or twice and walks through images/."""
    with catalog.snapshot():
        summary = recorded(catalog)
    return with_files(summary)


def recorded(catalog: Catalog) -> Summary:
    """The figures that crawl.db has; within a snapshot."""
    stats = read_stats(catalog)
    started_at, finished_at = _period(catalog)
    hosts = list(_hosts(catalog))
    return Summary(
        folder=str(catalog.folder),
        seeds=catalog.seeds(),
        finished=stats.drained,
        balanced=stats.drained and stats.balanced,
        stats=stats,
        formats=_formats(catalog),
        hosts=tuple(nsmallest(TOP_HOSTS, hosts, key=lambda host: (-host.images, host.name))),
        slowest=tuple(
            nsmallest(
                TOP_SLOW_HOSTS,
                (host for host in hosts if host.visited >= _LEAST_VISITS),
                key=lambda host: (-host.mean_s, host.name),
            )
        ),
        host_count=catalog.value("SELECT count(*) FROM hosts"),
        files=0,
        files_bytes=0,
        elsewhere=elsewhere(catalog),
        renderings=_renderings(catalog),
        revisits=_counts(
            catalog,
            "SELECT revisit, count(*) FROM images WHERE revisit != '' AND status IN ('saved', 'duplicate')"
            " GROUP BY revisit ORDER BY 2 DESC",
        ),
        started_at=started_at,
        finished_at=finished_at,
        lists=catalog.lists(),
    )


def with_files(summary: _Summary) -> _Summary:
    """*summary* with what lies in images/."""
    files, files_bytes = _disk_usage(str(Path(summary.folder) / IMAGES_FOLDER))
    return msgspec.structs.replace(summary, files=files, files_bytes=files_bytes)


def read_stats(catalog: Catalog) -> Stats:
    """The figures that the queue's own ``stats()`` has, without the workers, which crawl.db does not know."""
    facts = Totals(catalog.rows, missing=catalog.missing_tables).facts()
    facts["drained"] = facts["drained"] and not queue_elsewhere(catalog)
    return Stats(**facts)


def queue_elsewhere(catalog: Catalog) -> str:
    """The address of the Redis that may know more tasks than crawl.db; empty if crawl.db knows all."""
    return "" if catalog.meta(MetaKey.COMPLETE) is not None else str(catalog.meta(MetaKey.QUEUE) or "")


def _renderings(catalog: Catalog) -> dict[str, int]:
    if "renders" in catalog.missing_tables:  # of a version before there were browsers
        return {}
    sql = "SELECT render, count(*) FROM pages WHERE status = 'harvested' AND render != '' GROUP BY render"
    return _counts(catalog, sql)


def _counts(catalog: Catalog, sql: str) -> dict[str, int]:
    return {str(name): count for name, count in catalog.rows(sql) if isinstance(count, int)}


def _formats(catalog: Catalog) -> tuple[FormatSummary, ...]:
    rows = catalog.rows(
        f"SELECT format, count(*), {total('size_bytes')} FROM images WHERE status = 'saved'"  # noqa: S608
        " GROUP BY format ORDER BY 2 DESC, 1"
    )
    return tuple(FormatSummary(name=str(name), images=images, size_bytes=size) for name, images, size in rows)


def _hosts(catalog: Catalog) -> Iterator[HostSummary]:
    """All hosts with images."""
    saved = "images.status = 'saved'"
    took = "typeof(images.elapsed_s) = 'real' AND images.elapsed_s > 0"
    rows = catalog.rows(
        f"SELECT hosts.name, count(*), total({saved}), {total(f'iif({saved}, images.size_bytes, 0)')},"  # noqa: S608
        f" total({took}), total(iif({took}, images.elapsed_s, 0))"
        " FROM tasks JOIN hosts ON hosts.id = tasks.host_id"
        f" LEFT JOIN images ON {catalog.joined('images', 'tasks')}"
        " WHERE tasks.kind = 'image' GROUP BY tasks.host_id"
    )
    for name, images, kept, size_bytes, visited, took_s in rows:
        yield HostSummary(
            name=str(name),
            images=images,
            saved=int(kept),
            size_bytes=size_bytes,
            visited=int(visited),
            mean_s=took_s / visited if visited else 0.0,
        )


def _period(catalog: Catalog) -> tuple[str, str]:
    tables = [table for table in ("images", "pages", "renders") if table not in catalog.missing_tables]
    all_of_them = " UNION ALL ".join(f"SELECT finished_at FROM {table}" for table in tables)  # noqa: S608 - our own names
    rows = catalog.rows(
        f"SELECT min(finished_at), max(finished_at) FROM ({all_of_them}) WHERE finished_at != ''"  # noqa: S608
    )
    first, last = next(rows)
    return str(first or ""), str(last or "")


def _disk_usage(folder: str) -> tuple[int, int]:
    """Files below *folder* and their bytes; no link is followed."""
    files = size_bytes = 0
    folders = [folder]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as found:  # none is there yet, or it is gone
            for entry in found:
                with suppress(OSError):  # gone meanwhile, or a link to itself
                    if entry.is_dir():
                        folders += [] if entry.is_symlink() else [entry.path]
                    elif not entry.name.startswith(HALF_WRITTEN):
                        size_bytes += entry.stat(follow_symlinks=False).st_size
                        files += 1
    return files, size_bytes
