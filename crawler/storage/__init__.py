"""The protocols of storages: where images are kept, read again, and received from other machines."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

from msgspec import Meta

from crawler.config import StorageConfig
from crawler.crawlfile.file_names import INDEX_FOLDER
from crawler.models import MAX_PATH_CHARS, Size, Value
from crawler.text.plain_errors import quoted

_ODD_PARTS = frozenset({"", ".", ".."})
ImagePath = Annotated[str, Meta(max_length=MAX_PATH_CHARS)]


class Storage(Protocol):
    """A place for images; every implementation passes tests/contract/test_storage.py.

    Safe for several threads and processes at once. The same bytes are kept once, under their first path.
    """

    def save(self, path: str, data: bytes, *, sha256: str) -> str:
        """Keep *data* and return the path of the file that holds it.

        That is *path* itself, or the path of an earlier file with the same bytes. *path* is relative, with ``/``;
        nothing is ever written outside the storage's own folder. Once this returns, the file is there and whole.
        Saving the same again changes nothing; a save that was interrupted is completed by saving again.

        Raises StorageFull when there is no room, StorageFailed for anything else; ValueError for a path that
        leaves the folder; StorageUnavailable when it was stopped before an answer came: the image may be kept or not.
        """
        ...

    def has(self, path: str, *, size_bytes: int) -> bool:
        """Whether a file of this size is at *path*; it is not read. Raises as ``save`` does."""
        ...


def plain_parts(path: str) -> tuple[str, ...]:
    """The parts of *path*. Raises ValueError unless it is plain and relative, with ``/``.

    A path is refused that could lead out of a folder on any system, or lies below INDEX_FOLDER, where the claims are.
    """
    parts = tuple(path.split("/"))
    is_plain = _ODD_PARTS.isdisjoint(parts) and "\\" not in path and "\0" not in path
    if not is_plain or parts[0] == INDEX_FOLDER or ":" in parts[0]:
        raise ValueError(f"{quoted(path)} is not a plain relative path below the storage's folder")
    return parts


class StorageReader(Protocol):
    """The images that a storage keeps, for reading: every file below ``images/``."""

    def files(self) -> Iterator[tuple[str, int]]:
        """Path and size in bytes of each file; half-written ones are left out."""
        ...

    def opened(self, path: str) -> AbstractContextManager[tuple[int, Iterator[bytes]]]:
        """Size in bytes of the file at *path*, and its content in blocks.

        Raises FileNotFoundError; OSError when it can't be read; ValueError for a path that leaves the storage.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class StorageContext:
    """What ``schemes.open_storage`` opens a storage with."""

    config: StorageConfig
    folder: Path
    """The crawl's folder; on another machine, the worker's own."""
    inbox: Callable[[], Inbox] | None
    """Gives the manager's inbox to a worker on another machine; None for the manager's own workers."""
    stop: threading.Event
    """Set when the process is to end: waits for a storage then end at once."""


class Chunk(Value):
    """A part of an image on its way to another machine."""

    upload: Annotated[str, Meta(max_length=32)]
    """The upload's name: 32 random hexadecimal digits, the same for all parts of an image."""
    path: ImagePath
    sha256: Annotated[str, Meta(max_length=64)]
    size_bytes: Size
    """Size of the whole image."""
    offset: Size
    data: bytes


class Inbox(Protocol):
    """A storage for other machines: takes images in parts that fit into a message."""

    def store(self, chunk: Chunk) -> str:
        """Keep a part; the parts of an image come in their order, from offset 0, and any may come again.

        Returns the path of the file that holds the image (see ``Storage.save``) as soon as that is known: with the
        last part, or with an earlier one if the same bytes are kept already. Empty until then.

        Raises UploadLost when the parts before this one are not there: the sender has to start from offset 0. Raises
        StorageFull and StorageFailed, and ValueError for a part that can't be right.
        """
        ...

    def has(self, path: ImagePath, size_bytes: Size) -> bool:
        """As ``Storage.has``; ValueError for a path that is none of an image."""
        ...
