"""Which path holds which bytes: one tiny claim per SHA-256, made by whoever comes first.

A claim is a file named by the digest that says the path. It appears whole, in one step that fails when it is there
already: a hard link to a temporary file that has been written (link(2)). Where the file system has no hard links it is
created and then written.

Earlier versions made symbolic links whose target was the path, as text. Most of them led nowhere, and whatever follows
links (``cp -rL``, ``shutil.copytree``) failed on each. They are still read, and ``renew`` makes files of them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

_END = "\n"
_MOST_BYTES = 32_768  # a path is shorter; a copy that followed an earlier version's link holds an image here
_NO_HARD_LINKS = frozenset(
    {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EMLINK, errno.EXDEV}
)
_WINDOWS_NO_HARD_LINKS = frozenset(
    {1, 50}
)  # ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED: FAT, exFAT, some shares
_DIGEST_CHARS = 64


class Claims:
    """The claims of one storage, in *folder*. Raises OSError."""

    def __init__(self, folder: Path, *, temporary_name: Callable[[], str]) -> None:
        self._folder = folder
        self._temporary_name = temporary_name

    def holder(self, sha256: str) -> str | None:
        """The path that is said to hold the bytes, or None; whether it does is for the caller to see."""
        claim = self._claim(sha256)
        try:
            found = claim.lstat()
            if stat.S_ISLNK(found.st_mode):
                return os.readlink(claim)  # noqa: PTH115 - a Path would tidy the text up
            if found.st_size > _MOST_BYTES:
                return None
            text = claim.read_text(encoding="utf-8")
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        return (
            text.removesuffix(_END) if text.endswith(_END) else None
        )  # else half written, by one killed at it

    def take(self, sha256: str, path: str) -> bool:
        """Claim the bytes for *path*; False when there is a claim already."""
        claim = self._claim(sha256)
        try:
            self._make(claim, path)
        except FileNotFoundError:
            claim.parent.mkdir(parents=True, exist_ok=True)
            return self.take(sha256, path)
        except FileExistsError:
            return False
        return True

    def take_over(self, sha256: str, path: str) -> None:
        """Claim the bytes for *path*, whoever had them."""
        claim = self._claim(sha256)
        temporary = self._write(claim, path)
        try:
            temporary.replace(claim)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def renew(self) -> int:
        """Make files of the symbolic links that an earlier version left, and return how many those were.

        One that somebody takes over at this very moment may be set back: the same bytes are then kept twice.
        """
        renewed = 0
        for folder, _, names in os.walk(self._folder):
            for name in names:
                if len(name) != _DIGEST_CHARS or not (link := Path(folder, name)).is_symlink():
                    continue
                with contextlib.suppress(
                    OSError
                ):  # gone meanwhile, or a disk that is full: it can be read as it is
                    self.take_over(name, os.readlink(link))  # noqa: PTH115 - as above
                    renewed += 1
        return renewed

    def _claim(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256

    def _make(self, claim: Path, path: str) -> None:
        """Raises FileExistsError when there is a claim, FileNotFoundError when there is no folder for it."""
        if os.path.lexists(claim):  # as for most duplicates: nothing has to be written
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(claim))
        temporary = self._write(claim, path)
        try:
            os.link(temporary, claim)
        except (NotImplementedError, OSError) as exc:
            if isinstance(exc, OSError) and not _has_no_links(exc):
                raise
            with claim.open("x", encoding="utf-8", newline="") as file:
                file.write(path + _END)
        finally:
            temporary.unlink(missing_ok=True)

    def _write(self, claim: Path, path: str) -> Path:
        """A temporary file beside *claim* that says *path*."""
        temporary = claim.with_name(self._temporary_name())
        try:
            with temporary.open("x", encoding="utf-8", newline="") as file:
                file.write(path + _END)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        return temporary


def _has_no_links(exc: OSError) -> bool:
    return exc.errno in _NO_HARD_LINKS or getattr(exc, "winerror", None) in _WINDOWS_NO_HARD_LINKS
