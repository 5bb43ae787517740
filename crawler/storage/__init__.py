"""Where images are kept."""

from __future__ import annotations

from typing import Protocol


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
