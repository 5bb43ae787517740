"""Profile folders on the disk, where Chromium can't have a mount namespace. Standard library only, as in ``launch``."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from crawler.render.namespaces import NOBODY

PREFIX = "image-browser-"

_OWNER = "owner"
"""A file in each folder, which its launcher keeps locked as long as it lives."""
_FRESH_S = 60.0
_LONGEST_PLACE = 30


class Folder:
    """A profile folder of *user*, or of the caller. A locked file in it tells that it is in use. Raises OSError."""

    def __init__(self, user: int | None) -> None:
        self.path = tempfile.mkdtemp(prefix=PREFIX, dir=_place())
        lock = _locked(Path(self.path, _OWNER), create=True)
        try:
            if lock is None or not Path(self.path, _OWNER).exists():
                raise OSError(f"{self.path} could not be locked")  # noqa: TRY301 - as the next
            if user is not None:  # whom a container may not know
                os.chown(self.path, user, user)
        except OSError:
            _remove(self.path)
            if lock is not None:
                os.close(lock)
            raise
        self._lock = lock

    def remove(self) -> None:
        _remove(self.path)
        os.close(self._lock)


def _place() -> str:
    """The place for profile folders. Chromium has a socket in them, whose path must not exceed 107 bytes, or 103."""
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) <= _LONGEST_PLACE else "/tmp"  # noqa: S108 - a folder of our own in it


def sweep() -> None:
    """Remove the folders of killed launchers."""
    for folder in Path(_place()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            status = folder.lstat()
            if folder.is_symlink() or status.st_uid not in {os.geteuid(), NOBODY}:
                continue
            lock = _locked(folder / _OWNER, create=False)
            if lock is not None:
                _remove(str(folder))
                os.close(lock)
            elif not (folder / _OWNER).exists() and time.time() - status.st_mtime > _FRESH_S:
                _remove(str(folder))


def _locked(file: Path, *, create: bool) -> int | None:
    """The file, locked for the life of this process; None if another process has it, or there is none."""
    import fcntl

    try:
        descriptor = os.open(file, os.O_RDWR | (os.O_CREAT if create else 0) | os.O_NOFOLLOW, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove(folder: str) -> None:
    for _ in range(3):  # who is about to end may still write
        shutil.rmtree(folder, ignore_errors=True)
        if not Path(folder).exists():
            return
        time.sleep(0.05)
