"""A crawl.db that is removed, or replaced, while a crawl writes to it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from crawler.crawlfile.connection import Connection, back_up
from crawler.crawlfile.sqlite_errors import SqliteError
from crawler.logs.events import FILE_NOT_RESTORED, tell
from crawler.text.plain_errors import plain

log = logging.getLogger(__name__)


class Whereabouts:
    """Watches the file at *path*, which has just been opened.

    A removed file can still be written to by the process that has it open, and all of that is lost when it is closed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = self._found()
        self._besides = self._look_beside()

    def problem(self) -> str:
        """What happened to the file, and what to do; empty while it is there."""
        identity = self._found()
        if identity == self._identity:
            self._besides = self._look_beside()
            return ""
        if identity is None:
            return (
                f"{self._path} was removed in mid-crawl, and nothing more can be kept there; it is put back with all"
                " that it had, and the same command goes on with it. To begin anew, give that command --fresh"
            )
        return (
            f"another file has taken the place of {self._path} in mid-crawl, and nothing more can be kept there; that"
            " file is left as it is. Put the right one back and run the same command again, or start over with --fresh"
        )

    def close(self, db: Connection) -> None:
        """Close *db*, and put back what was removed."""
        copy = self._copy_of(db)
        db.close()
        self._leave(copy)

    def _copy_of(self, db: Connection) -> Path | None:
        """A copy of *db* beside the place of the removed file; None if the file is there, or no copy can be made."""
        if self._found() is not None:
            return None
        copy = self._path.with_name(f".{self._path.name}-{os.getpid()}")
        try:
            self._path.parent.mkdir(exist_ok=True)
            copy.unlink(missing_ok=True)
            back_up(db, copy)
        except (OSError, SqliteError) as exc:
            tell(log, FILE_NOT_RESTORED, file=self._path, reason=exc)
            return None
        return copy

    def _leave(self, copy: Path | None) -> None:
        """Move *copy* to the place of the closed file, unless another file is there.

        The WAL files of the removed one go first: SQLite would take them for those of its successor.
        """
        if self._found() == self._identity:
            return
        try:
            for file, identity in self._besides.items():
                if _identity(file) == identity:
                    file.unlink(missing_ok=True)
            if copy is not None:
                if self._found() is None:
                    copy.rename(self._path)
                copy.unlink(missing_ok=True)
        except OSError as exc:
            tell(log, FILE_NOT_RESTORED, file=self._path, reason=f"{plain(exc)}; what was in it is in {copy}")

    def _found(self) -> tuple[int, int] | None:
        try:
            return _identity(self._path)
        except OSError:
            return self._identity  # a disk that stammers has lost nothing so far

    def _look_beside(self) -> dict[Path, tuple[int, int]]:
        files = [self._path.with_name(self._path.name + suffix) for suffix in ("-wal", "-shm")]
        try:
            return {file: found for file in files if (found := _identity(file)) is not None}
        except OSError:
            return {}


def _identity(file: Path) -> tuple[int, int] | None:
    """Device and inode of *file*; None if it is not there."""
    try:
        there = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return there.st_dev, there.st_ino
