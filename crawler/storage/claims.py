"""Claims: which path holds which bytes, in one tiny file per SHA-256; the first to claim wins.

A claim is a file that is named by the digest and contains the path. It appears whole, in one step that fails when it
exists: a hard link to a temporary file (link(2)). On a file system without hard links it is created and then written.

Earlier versions made symbolic links whose target was the path, as text. Most of them led nowhere, so that programs that
follow links (``cp -rL``, ``shutil.copytree``) failed. They are still read, and ``renew`` turns them into files.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

_END = "\n"
_MOST_BYTES = 32_768
"""More than any path has; a copy that followed an earlier version's link has an image in place of a claim."""
_NO_HARD_LINKS = frozenset(
    {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EMLINK, errno.EXDEV}
)
_WINDOWS_NO_HARD_LINKS = frozenset({1, 50})
"""ERROR_INVALID_FUNCTION and ERROR_NOT_SUPPORTED: of FAT, exFAT and some shares."""
_DIGEST_CHARS = 64


class Claims:
    """The claims of one storage, in *folder*. Raises OSError."""

    def __init__(self, folder: Path, *, temporary_name: Callable[[], str]) -> None:
        self._folder = folder
        self._temporary_name = temporary_name

    def holder(self, sha256: str) -> str | None:
        """The path that has claimed the bytes, or None. Callers check that its file has them."""
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
        return text.removesuffix(_END) if text.endswith(_END) else None  # without its end it is half written

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
        """Turn the symbolic links of an earlier version into files, and return how many there were.

        A claim that another process takes over at this very moment may be set back: the same bytes are then kept twice.
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
