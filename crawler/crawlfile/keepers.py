"""Which folder keeps the file of an image: the crawl's own, or that of a worker on another machine.

A folder has an id, drawn once and kept in it. Host names would not do: clones of a machine and containers share theirs,
and a folder that many machines have mounted has many. The id moves with the files when the folder is moved, copied or
mounted elsewhere, and is lost with them. Host name and path are recorded beside it, so that people find the folder.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
import time
from pathlib import Path
from typing import NamedTuple

from crawler.crawlfile.file_names import FOLDER_ID
from crawler.errors import FolderError
from crawler.text.plain_errors import plain

UNTOLD = "?"
"""``kept_by`` in crawls of an earlier version, where the machine is known by the worker's name only."""
_ID = re.compile(r"[0-9a-f]{16}")
_MOST_CHARS = 64
_PATIENCE_S = 1.0
_MAX_MACHINE, _MAX_FOLDER = 255, 4096  # as in models.KeptBy


class Keeper(NamedTuple):
    """A folder that keeps images; a field is empty if the record does not have it."""

    id: str = ""
    machine: str = ""
    """The host name, which other machines may share."""
    folder: str = ""
    """The absolute path on that machine."""


OWN = Keeper()
"""The crawl's own folder, or its object store."""


def keeper_of(kept_by: str, worker: str = "") -> Keeper:
    """The folder of a record's ``kept_by``; if that is UNTOLD, the machine of its ``worker``.

    An invalid ``kept_by`` stands for the crawl's own folder: else a lost file would pass for one kept elsewhere.
    """
    if kept_by == UNTOLD:
        return Keeper(machine=str(worker).partition(":")[0])
    folder_id, _, rest = str(kept_by).partition(" ")
    if not _ID.fullmatch(folder_id):
        return OWN
    machine, _, folder = rest.partition(":")
    return Keeper(folder_id, machine, folder)


def own_name(folder: Path) -> str:
    """``kept_by`` for images that this machine keeps in *folder*, which gets an id.

    Raises FolderError if the folder can't be written to.
    """
    text = os.fsencode(folder.absolute()).decode("utf-8", "replace")
    path = "".join(char if char.isprintable() else "?" for char in text)[:_MAX_FOLDER]
    machine = platform.node().replace(":", "-")[:_MAX_MACHINE]
    return f"{mark(folder)} {machine}:{path}"


def mark(folder: Path) -> str:
    """The id of *folder*, which gets one if it has none. Raises FolderError if the folder can't be written to."""
    file = folder / FOLDER_ID
    try:
        end = time.monotonic() + _PATIENCE_S
        while not (found := id_of(folder)):
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                with file.open("x", encoding="ascii") as new:
                    new.write(secrets.token_hex(8) + "\n")
            except FileExistsError:
                if time.monotonic() > end:  # its writer was killed before it wrote anything
                    file.unlink(missing_ok=True)
                time.sleep(0.01)
    except OSError as exc:
        raise FolderError(f"can't write {file}: {plain(exc)}; choose another folder with -o") from exc
    return found


def id_of(folder: Path) -> str:
    """The id of *folder*; empty if it has none. Writes nothing."""
    file = folder / FOLDER_ID
    try:
        if not file.is_file():  # in a foreign folder it may be anything, a device without an end as well
            return ""
        with file.open(encoding="ascii") as opened:
            text = opened.read(_MOST_CHARS).strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return text if _ID.fullmatch(text) else ""


class Here:
    """Which files the crawl's *folder* on this machine should have."""

    def __init__(self, folder: Path) -> None:
        self._id = id_of(folder)
        self._machine = platform.node()

    def keeps(self, keeper: Keeper) -> bool:
        """Whether files of this *keeper* belong here. Others may be here all the same."""
        if keeper.id:
            return keeper.id == self._id
        return keeper.machine in {"", self._machine}
