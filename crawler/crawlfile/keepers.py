"""Which folder keeps the file of an image: the crawl's own, or that of a worker on another machine.

A folder is known by an id, drawn once and kept in it. No host name would do: clones of a machine and containers share
theirs, and a folder that all machines have mounted has many. The id goes with the files when their folder is moved,
copied or mounted elsewhere, and is lost with them, as in a container that keeps nothing. Host name and path are told
beside it, for people to find the folder by.
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
"""In the records of a crawl of an earlier version, where only the worker's name tells anything."""
_ID = re.compile(r"[0-9a-f]{16}")
_MOST_CHARS = 64
_PATIENCE_S = 1.0
_MAX_MACHINE, _MAX_FOLDER = 255, 4096  # as in models.KeptBy


class Keeper(NamedTuple):
    """A folder that keeps images, as a record tells of it; empty fields are what it does not tell."""

    id: str = ""
    machine: str = ""
    """Its host name, which others may share."""
    folder: str = ""
    """Absolute, on that machine."""


OWN = Keeper()
"""The crawl's own folder, or its object store."""


def keeper_of(kept_by: str, worker: str = "") -> Keeper:
    """What a record's ``kept_by`` stands for; where that tells nothing, its ``worker`` tells the machine at least.

    What can't be right in it, as a damaged file has it, counts as not told: else a loss would pass for another's file.
    """
    if kept_by == UNTOLD:
        return Keeper(machine=str(worker).partition(":")[0])
    folder_id, _, rest = str(kept_by).partition(" ")
    if not _ID.fullmatch(folder_id):
        return OWN
    machine, _, folder = rest.partition(":")
    return Keeper(folder_id, machine, folder)


def own_name(folder: Path) -> str:
    """``kept_by`` for what this machine keeps in *folder*, which has an id from then on.

    Raises FolderError when nothing can be written there.
    """
    text = os.fsencode(folder.absolute()).decode("utf-8", "replace")
    path = "".join(char if char.isprintable() else "?" for char in text)[:_MAX_FOLDER]
    machine = platform.node().replace(":", "-")[:_MAX_MACHINE]
    return f"{mark(folder)} {machine}:{path}"


def mark(folder: Path) -> str:
    """The id of *folder*, which gets one if it has none. Raises FolderError when nothing can be written there."""
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
        if (
            not file.is_file()
        ):  # a folder of somebody else's may have anything there, a device without an end too
            return ""
        with file.open(encoding="ascii") as opened:
            text = opened.read(_MOST_CHARS).strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return text if _ID.fullmatch(text) else ""


class Here:
    """Tells of records whether the crawl's *folder*, as it lies on this machine, should have their files."""

    def __init__(self, folder: Path) -> None:
        self._id = id_of(folder)
        self._machine = platform.node()

    def keeps(self, keeper: Keeper) -> bool:
        """Whether the file of an image with this *keeper* belongs here; if not, it may be here all the same."""
        if keeper.id:
            return keeper.id == self._id
        return keeper.machine in {"", self._machine}
