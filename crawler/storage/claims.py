"""Which path holds which bytes: one tiny claim per SHA-256, made by whoever comes first.

A claim is a symbolic link named by the digest whose target is the path, as text: made in one step that fails
when it is there already, on every file system that has links. Where there are none it is a small file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

_END = "\n"
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL})
_WINDOWS_NO_PRIVILEGE = 1314


class Claims:
    """The claims of one storage, in *folder*. Raises OSError."""

    def __init__(self, folder: Path, *, temporary_name: Callable[[], str]) -> None:
        self._folder = folder
        self._temporary_name = temporary_name

    def holder(self, sha256: str) -> str | None:
        """The path that is said to hold the bytes, or None; whether it does is for the caller to see."""
        claim = self._claim(sha256)
        try:
            return os.readlink(claim)  # noqa: PTH115 - a Path would tidy the text up
        except FileNotFoundError:
            return None
        except OSError as exc:
            if exc.errno != errno.EINVAL and getattr(exc, "winerror", None) is None:
                raise
        text = claim.read_text(encoding="utf-8")
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
        temporary = claim.with_name(self._temporary_name())
        self._make(temporary, path)
        try:
            temporary.replace(claim)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def _claim(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256

    @staticmethod
    def _make(claim: Path, path: str) -> None:
        try:
            os.symlink(path, claim)  # noqa: PTH211 - the same
        except NotImplementedError:
            pass
        except OSError as exc:
            if exc.errno not in _NO_LINKS and getattr(exc, "winerror", None) != _WINDOWS_NO_PRIVILEGE:
                raise
        else:
            return
        with claim.open("x", encoding="utf-8", newline="") as file:
            file.write(path + _END)
