"""Where images are kept."""

from __future__ import annotations

from typing import Protocol

from crawler.models import Value


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
        leaves the folder.
        """
        ...


class Chunk(Value):
    """A part of an image on its way to another machine."""

    upload: str
    """32 hexadecimal digits, chosen at random by whoever sends it; the same for all parts of an image."""
    path: str
    sha256: str
    size_bytes: int
    """Of the whole image."""
    offset: int
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
