"""Where images are kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

from msgspec import Meta

from crawler.config import StorageConfig
from crawler.models import MAX_PATH_CHARS, Size, Value

ImagePath = Annotated[str, Meta(max_length=MAX_PATH_CHARS)]


class Storage(Protocol):
    """A place for images; every implementation passes tests/contract/test_storage.py.

    Safe to be used by several threads and processes at once. The same bytes are kept once: the first path that
    holds them is theirs.
    """

    def save(self, path: str, data: bytes, *, sha256: str) -> str:
        """Keep *data* and return the path of the file that holds it.

        That is *path* itself, or the path of an earlier file with the same bytes. *path* is relative, with ``/``;
        nothing is ever written outside the storage's own folder. Once this returns, the file is there and whole;
        saving the same again changes nothing; whenever it is interrupted, saving again completes it.

        Raises StorageFull when there is no room, StorageFailed for anything else; ValueError for a path that
        leaves the folder; StorageUnavailable when it was told to stop before an answer came, and nothing is known.
        """
        ...

    def has(self, path: str, *, size_bytes: int) -> bool:
        """Whether a file of this size is at *path*; it is not read. Raises as ``save`` does."""
        ...


class StorageReader(Protocol):
    """What a storage keeps, for reading: every file below ``images/``."""

    def files(self) -> Iterator[tuple[str, int]]:
        """Path and size in bytes of each; what is only half written is none."""
        ...

    def opened(self, path: str) -> AbstractContextManager[tuple[int, Iterator[bytes]]]:
        """Size in bytes of the file at *path*, and what is in it, in blocks.

        Raises FileNotFoundError when it is not there, OSError when it can't be read, and ValueError for a path that
        leaves the storage.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class StorageContext:
    """What is known to whoever opens a storage: see ``schemes``."""

    config: StorageConfig
    folder: Path
    """Of the crawl; for workers on another machine, their own."""
    inbox: Callable[[], Inbox] | None
    """Of the manager, for workers on another machine; None for its own."""
    stop: threading.Event
    """Set when the process is to end: whoever waits for a storage is to give up at once."""


class Chunk(Value):
    """A part of an image on its way to another machine."""

    upload: Annotated[str, Meta(max_length=32)]
    """32 hexadecimal digits, chosen at random by whoever sends it; the same for all parts of an image."""
    path: ImagePath
    sha256: Annotated[str, Meta(max_length=64)]
    size_bytes: Size
    """Of the whole image."""
    offset: Size
    data: bytes


class Inbox(Protocol):
    """A storage for other machines: takes images in parts that fit into a message."""

    def store(self, chunk: Chunk) -> str:
        """Keep a part; the parts of an image come in their order, from offset 0, and any may come again.

        Returns the path of the file that holds the image (see ``Storage.save``) as soon as that is known: with its
        last part, or with an earlier one if the same bytes are kept already. Empty until then.

        Raises UploadLost when the parts before this one are not there (any more): then it has to begin again. Raises
        StorageFull and StorageFailed, and ValueError for a part that can't be right.
        """
        ...

    def has(self, path: ImagePath, size_bytes: Size) -> bool:
        """As ``Storage.has``; ValueError for a path that is none of an image."""
        ...
