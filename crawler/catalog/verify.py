"""Checks that the saved files are what was saved, by size and SHA-256; decodes nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path, PurePosixPath

import msgspec

from crawler.catalog.database import Catalog
from crawler.catalog.elsewhere import Expected
from crawler.crawlfile.columns import sane_size
from crawler.crawlfile.file_names import HALF_WRITTEN, IMAGES_FOLDER
from crawler.crawlfile.image_paths import from_disk, on_disk
from crawler.crawlfile.keepers import UNTOLD, keeper_of
from crawler.models import Value
from crawler.storage import StorageReader
from crawler.text.plain_errors import plain, quoted

_BLOCK_BYTES = 2**20
_AS_TEXT = ", ".join(f"CAST({name} AS TEXT) AS {name}" for name in ("path", "sha256", "url", "worker"))


class FindingKind(StrEnum):
    INTACT = "intact"
    MISSING = "missing"
    """A record names the file, which is not there."""
    CHANGED = "changed"
    """The file has another size or SHA-256 than recorded, or can't be read."""
    ORPHAN = "orphan"
    """A file below images/ that no record names; nothing is lost."""
    ELSEWHERE = "elsewhere"
    """A worker on another machine keeps the file in a folder of its own; it was not checked."""


WRONG = frozenset({FindingKind.MISSING, FindingKind.CHANGED})


class Finding(Value):
    finding: FindingKind
    path: str
    """The path relative to the crawl's folder or object store, with ``/``."""
    url: str = ""
    """The URL from which it was saved; empty for an orphan."""
    size_bytes: int = 0
    detail: str = ""
    machine: str = ""
    """With ELSEWHERE, the host name of the machine that keeps it."""
    folder: str = ""
    """With ELSEWHERE, the folder that *path* is relative to; empty if that was not recorded."""
    keeper: str = ""
    """With ELSEWHERE, the id of that folder; empty if that was not recorded."""


class FolderReader:
    """The StorageReader of the images in a crawl's *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def files(self) -> Iterator[tuple[str, int]]:
        for folder, subfolders, names in os.walk(self._folder / IMAGES_FOLDER):
            subfolders.sort()
            for name in sorted(name for name in names if not name.startswith(HALF_WRITTEN)):
                file = Path(folder, name)
                yield from_disk(file.relative_to(self._folder).as_posix()), _size_bytes(file)

    @contextmanager
    def opened(self, path: str) -> Iterator[tuple[int, Iterator[bytes]]]:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise ValueError(f"{quoted(path)} leads out of {self._folder}")
        with (self._folder / on_disk(path)).open("rb") as file:
            yield os.fstat(file.fileno()).st_size, iter(partial(file.read, _BLOCK_BYTES), b"")


def verify(catalog: Catalog, storage: StorageReader | None = None) -> Iterator[Finding]:
    """One finding for every recorded file, intact ones included, then one for every orphan.

    *storage* reads the files, by default those in the crawl's folder; a file that another machine keeps is ELSEWHERE.
    Files are read in blocks, one after the other. One that a running crawl has not recorded yet is an orphan.
    """
    every_record = _every_record(catalog)
    expected = Expected(catalog) if storage is None else None
    storage = storage or FolderReader(catalog.folder)
    # in SQLite's own temporary database, which lives outside of crawl.db and moves to disk when it grows
    for statement in (
        "CREATE TEMP TABLE IF NOT EXISTS kept (path TEXT PRIMARY KEY) WITHOUT ROWID",
        "DELETE FROM temp.kept",
        f"INSERT OR IGNORE INTO temp.kept SELECT path FROM ({every_record}) WHERE path != ''",  # noqa: S608
    ):
        for _ in catalog.rows(statement):
            raise AssertionError
    recorded = catalog.rows(
        f"SELECT path, sha256, size_bytes, url, kept_by, worker, min(seq) FROM ({every_record}) WHERE path != ''"  # noqa: S608
        " GROUP BY path, sha256, size_bytes, kept_by, iif(kept_by = CAST('?' AS BLOB), worker, '')"
    )
    last: tuple[object, ...] = ()
    outcome = (FindingKind.MISSING, "")
    with catalog.legible():
        for path, sha256, size_bytes, url, kept_by, worker, _ in recorded:
            if (path, sha256, size_bytes) != last:
                outcome = checked(storage, path, sha256=sha256, size_bytes=size_bytes)
            elif outcome[0] is FindingKind.INTACT:
                continue  # it is here once, whoever else has it
            last, (kind, detail) = (path, sha256, size_bytes), outcome
            finding = {"finding": kind, "path": path, "url": url, "size_bytes": size_bytes, "detail": detail}
            keeper = keeper_of(kept_by.decode("utf-8", "replace"), worker)
            if expected is not None and kind in WRONG and not expected.here(keeper):
                finding |= {
                    "finding": FindingKind.ELSEWHERE,
                    "detail": "",
                    "machine": keeper.machine,
                    "folder": keeper.folder,
                    "keeper": keeper.id,
                }
            yield msgspec.convert(finding, Finding)
    for path, size_bytes in storage.files():
        if not catalog.value("SELECT EXISTS (SELECT 1 FROM temp.kept WHERE path = ?)", (path,)):
            yield Finding(finding=FindingKind.ORPHAN, path=path, size_bytes=size_bytes)


def _every_record(catalog: Catalog) -> str:
    """SQL for the files of all records, earlier ones included."""
    kept_by = "CAST(kept_by AS BLOB)" if catalog.has("kept_by") else f"CAST('{UNTOLD}' AS BLOB)"
    return " UNION ALL ".join(
        f"SELECT {_AS_TEXT}, {kept_by} AS kept_by, {sane_size('size_bytes')} AS size_bytes, seq FROM {table}"  # noqa: S608
        for table in ("images", "image_history")
    )


def checked(storage: StorageReader, path: str, *, sha256: str, size_bytes: int) -> tuple[FindingKind, str]:
    """Whether *path* holds what was recorded, and what is wrong otherwise."""
    digest = hashlib.sha256()
    try:
        with storage.opened(path) as (actual_bytes, blocks):
            if actual_bytes != size_bytes:
                return FindingKind.CHANGED, f"{actual_bytes:,} bytes instead of {size_bytes:,}"
            for block in blocks:
                digest.update(block)
    except FileNotFoundError:
        return FindingKind.MISSING, "the file is gone"
    except OSError as exc:
        return FindingKind.CHANGED, f"can't be read: {plain(exc)}"
    except ValueError:
        return FindingKind.CHANGED, "the recorded path leads out of the crawl's folder"
    if digest.hexdigest() != sha256:
        return FindingKind.CHANGED, "same size, other content: the SHA-256 differs"
    return FindingKind.INTACT, ""


def _size_bytes(file: Path) -> int:
    try:
        return file.lstat().st_size
    except OSError:
        return 0
