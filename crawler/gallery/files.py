"""The files of a gallery: its folder, and how they are written."""

from __future__ import annotations

import errno
import itertools
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from crawler.crawlfile.layout import CrawlFolder
from crawler.errors import FolderError, StorageFull
from crawler.text.plain_errors import plain

PAGE = "index.html"
DATA, THUMBNAILS = "data", "thumbs"
META = "meta.js"
"""The file of data that is written last."""
HALF_MADE = ".making-"
"""Prefix of files that are being written, or whose writer was killed."""
READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)
"""Flags of os.open: on Windows a file is a text to it otherwise."""
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_OF_DATA = re.compile(r"(?:index|detail|failures)-[0-9]{5,}\.js|meta\.js")
_numbers = itertools.count()


def index_file(number: int) -> str:
    """The name of the file with what search and layout need of a window."""
    return f"index-{number:05}.js"


def detail_file(number: int) -> str:
    """The name of the file with what the view of one picture needs of a window."""
    return f"detail-{number:05}.js"


def failures_file(number: int) -> str:
    """The name of the file with the failures of a window."""
    return f"failures-{number:05}.js"


def made_at(folder: Path) -> str:
    """When the gallery of the crawl in *folder* was made last: UTC, ISO 8601, in seconds; empty for never."""
    try:
        written_s = (CrawlFolder(folder).gallery / DATA / META).stat().st_mtime
    except OSError:
        return ""
    return datetime.fromtimestamp(written_s, UTC).isoformat()[:19]


def page_folder() -> Path:
    """The folder with the page itself: HTML, style sheet and scripts, the same for each gallery."""
    return Path(str(files("crawler"))) / "gallery" / "page"


def page_files() -> Iterator[tuple[str, Path]]:
    """Each file of the page: its path in a gallery, with ``/``, and where it is."""
    root = page_folder()
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            file = Path(folder, name)
            if not name.startswith("."):
                yield file.relative_to(root).as_posix(), file


class DataFolder:
    """The data of a gallery in *folder*, written anew from time to time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self._written: set[str] = set()

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole, unless it has that content. Raises as :func:`write_whole`."""
        self._written.add(name)
        write_changed(self.path / name, data)

    def remove_others(self) -> None:
        """Remove data that this object has not written."""
        for entry in listed(self.path):
            is_stale = _OF_DATA.fullmatch(entry.name) and entry.name not in self._written
            if is_stale or entry.name.startswith(HALF_MADE):
                with suppress(OSError):
                    entry.unlink()


def write_changed(file: Path, data: bytes) -> None:
    """As :func:`write_whole`, and leave a file alone that has this content."""
    try:
        if file.stat().st_size == len(data) and file.read_bytes() == data:
            return
    except OSError:
        pass  # it is not there, or writing it tells more
    write_whole(file, data)


def write_whole(file: Path, data: bytes) -> None:
    """Write a file, whole or not at all; also its folder.

    Raises StorageFull where there is no room, FolderError where nothing can be written.
    """
    part = file.with_name(f"{HALF_MADE}{os.getpid()}-{next(_numbers)}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as out:
                out.write(data)
            part.replace(file)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
    except OSError as exc:
        raise _cant_write(file, exc) from exc


def _cant_write(file: Path, exc: OSError) -> StorageFull | FolderError:
    if exc.errno in _NO_ROOM:
        return StorageFull(
            f"no room for {file} ({plain(exc)}); free some space and run the same command again"
        )
    return FolderError(
        f"can't write {file}: {plain(exc)}; a gallery is made in the crawl's folder: let that be written to, or use"
        " --serve, which needs no files"
    )


def listed(folder: Path) -> list[Path]:
    """What is in a folder; nothing if it can't be read."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []
