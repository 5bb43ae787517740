"""Are the saved files still what was saved? Compares sizes and SHA-256; decodes nothing."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path, PurePosixPath

from crawler.catalog.database import HALF_WRITTEN, Catalog
from crawler.models import Value


class FindingKind(StrEnum):
    INTACT = "intact"
    MISSING = "missing"
    """A record names the file, and it is not there."""
    CHANGED = "changed"
    """It has another size or SHA-256 than recorded, or can't be read."""
    ORPHAN = "orphan"
    """A file below images/ that no record names: nothing is lost by it."""


WRONG = frozenset({FindingKind.MISSING, FindingKind.CHANGED})


class Finding(Value):
    finding: FindingKind
    path: str
    """Relative to the crawl's folder, with ``/``."""
    url: str = ""
    """Where it was saved from; empty for an orphan."""
    size_bytes: int = 0
    detail: str = ""


def verify(catalog: Catalog) -> Iterator[Finding]:
    """One finding for every recorded file, intact ones included, then one for every orphan.

    Files are read in blocks, one after the other. What a running crawl is about to record is an orphan.
    """
    # in SQLite's own temporary database, which lives outside of crawl.db and moves to disk when it grows
    for statement in (
        "CREATE TEMP TABLE IF NOT EXISTS kept (path TEXT PRIMARY KEY) WITHOUT ROWID",
        "DELETE FROM temp.kept",
        "INSERT OR IGNORE INTO temp.kept SELECT path FROM images WHERE path != ''",
    ):
        for _ in catalog.rows(statement):
            raise AssertionError
    recorded = catalog.rows(
        "SELECT path, sha256, size_bytes, url, worker, min(seq) FROM images WHERE path != ''"
        " GROUP BY path, sha256, size_bytes"
    )
    for path, sha256, size_bytes, url, worker, _ in recorded:
        kind, detail = check_file(catalog.folder, path, sha256=sha256, size_bytes=size_bytes)
        machine = worker.partition(":")[0]
        if kind is FindingKind.MISSING and machine not in {"", platform.node()}:
            detail = f"not here: {machine} has saved it, perhaps in a folder of its own"
        yield Finding(finding=kind, path=path, url=url, size_bytes=size_bytes, detail=detail)
    yield from _orphans(catalog)


def check_file(folder: Path, path: str, *, sha256: str, size_bytes: int) -> tuple[FindingKind, str]:
    """Whether *path* below *folder* holds what was recorded, and what is wrong with it otherwise."""
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        return FindingKind.CHANGED, "the recorded path leads out of the crawl's folder"
    file = folder / path
    try:
        with file.open("rb") as data:
            actual_bytes = os.fstat(data.fileno()).st_size
            if actual_bytes != size_bytes:
                return FindingKind.CHANGED, f"{actual_bytes:,} bytes instead of {size_bytes:,}"
            if hashlib.file_digest(data, "sha256").hexdigest() != sha256:
                return FindingKind.CHANGED, "same size, other content: the SHA-256 differs"
    except FileNotFoundError:
        return FindingKind.MISSING, "the file is gone"
    except OSError as exc:
        return FindingKind.CHANGED, f"can't be read: {exc.strerror}"
    return FindingKind.INTACT, ""


def _orphans(catalog: Catalog) -> Iterator[Finding]:
    for folder, subfolders, names in os.walk(catalog.images_folder):
        subfolders.sort()
        for name in sorted(name for name in names if not name.startswith(HALF_WRITTEN)):
            file = Path(folder, name)
            path = file.relative_to(catalog.folder).as_posix()
            if not catalog.value("SELECT EXISTS (SELECT 1 FROM temp.kept WHERE path = ?)", (path,)):
                yield Finding(finding=FindingKind.ORPHAN, path=path, size_bytes=_size_bytes(file))


def _size_bytes(file: Path) -> int:
    try:
        return file.lstat().st_size
    except OSError:
        return 0
