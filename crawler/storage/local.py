"""Images in a folder: whole files only, the same bytes once, whoever is killed when.

How a file comes to be, and what a ``kill -9`` after each step leaves behind:

1. the bytes go to a temporary file beside the final one  -> a leftover, for ``sweep``
2. the digest is claimed for the path                     -> a claim on a file that is not there
3. the temporary file is renamed to the path              -> the file, saved; only the caller does not know

The caller reports an image only after ``save`` has returned, so the task of a killed worker is delivered
again and saved again: it finds no claim, or its own, and ends at 3 under the same path. Another URL with
the same bytes that meets a claim without its file gives the claimer a moment to get from 2 to 3, and then
takes the claim over.

When two URLs race with the same bytes, the claim has one winner; the loser waits for the winner's file and
throws its temporary file away. A file that has its name is never removed again: somebody may have reported
it. The worst that a stalled winner can cause is that the same bytes are kept twice.

``adopt`` differs at 1 only: the bytes are in a file already, which is renamed to be the temporary one.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from crawler.crawlfile.file_names import CLAIMS, HALF_WRITTEN, INDEX_FOLDER
from crawler.crawlfile.image_paths import on_disk
from crawler.errors import StorageFailed, StorageFull
from crawler.machine_id import machine_id
from crawler.storage import plain_parts
from crawler.storage.claims import Claims
from crawler.text.plain_errors import plain, quoted

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_ADVICE = {
    errno.EROFS: "make the disk writable",
    errno.EACCES: "make the folder writable",
    errno.EPERM: "make the folder writable",
    errno.ENAMETOOLONG: "choose --layout hash",
    errno.ENOTDIR: "move away what is in its place",
    errno.EISDIR: "move away what is in its place",
}
"""Advice by errno. Faults of the disk (EIO, ESTALE, ETIMEDOUT) are not retried: the crawl stops, and can go on."""
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_PAUSE_S = 0.005
_FOREIGN_LEFTOVER_S = 3600.0
"""Age of a temporary file of another machine that counts as a leftover: its process can't be looked up here."""
_TEMPORARY = re.compile(re.escape(HALF_WRITTEN) + r"(?P<machine>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{16}")


class LocalStorage:
    """A Storage in the folder *root*; see :class:`crawler.storage.Storage` for what it promises.

    With *fsync* a saved image survives a power failure, too, at three times the cost. Nothing is written when less than
    *min_free_bytes* would be left. A claim may stand for *claim_patience_s* without its file. *claims* is the name of
    the file of claims, see :mod:`crawler.storage.claims`.
    """

    def __init__(
        self,
        root: Path,
        *,
        fsync: bool,
        min_free_bytes: int,
        claim_patience_s: float = 1.0,
        claims: str = CLAIMS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._folder = str(root)
        self._fsync = fsync
        self._min_free_bytes = min_free_bytes
        self._claim_patience_s = claim_patience_s
        self._clock = clock
        self._machine = machine_id()[:8]
        self._claims = Claims(root / INDEX_FOLDER / claims)
        self._free_bytes = 0
        self._free_checked = float("-inf")

    @property
    def incoming(self) -> Path:
        """The folder for files to be adopted: on the images' file system, and apart from the images."""
        return self._root / INDEX_FOLDER / "incoming"

    def save(self, path: str, data: bytes, *, sha256: str) -> str:
        with self.explained(path):
            target = self.target(path)
            if (holder := self._kept(path, target, sha256, len(data))) is not None:
                return holder
            self.check_free(len(data))
            return self._keep(path, target, sha256, len(data), lambda file: self._write(file, data))

    def has(self, path: str, *, size_bytes: int) -> bool:
        with self.explained(path):
            return _is_file(self.target(path), size_bytes)

    def adopt(self, file: Path, path: str, *, sha256: str, size_bytes: int) -> str:
        """Save the bytes of *file*, which is moved, or removed if they are kept already. Returns as ``save`` does.

        The bytes are checked after the move, when no other process can write to them, and are never held in memory.
        Raises ValueError when they are not *size_bytes* with this *sha256*. *file* may be gone when this raises.
        """
        with self.explained(path):
            target = self.target(path)
            if (holder := self._kept(path, target, sha256, size_bytes)) is not None:
                file.unlink(missing_ok=True)
                return holder
            return self._keep(
                path,
                target,
                sha256,
                size_bytes,
                lambda taken: self._take(file, Path(taken), sha256, size_bytes),
            )

    def kept(self, path: str, *, sha256: str, size_bytes: int) -> str | None:
        """The path of bytes that are kept already, or None. Raises as ``save`` does."""
        with self.explained(path):
            return self._kept(path, self.target(path), sha256, size_bytes)

    def target(self, path: str) -> str:
        """The file of *path*. Raises ValueError when it would not be below the storage's folder."""
        *folders, name = plain_parts(on_disk(path))
        folder = self._folder
        by_link = os.name != "posix"  # junctions of Windows are no links
        for part in folders:
            folder = f"{folder}{os.sep}{part}"
            by_link = by_link or os.path.islink(folder)
        if by_link:
            root = os.path.realpath(self._root)
            if os.path.commonpath([root, os.path.realpath(folder)]) != root:
                raise ValueError(
                    f"{quoted(path)} leaves the storage's folder {self._root} by a symbolic link"
                )
        return f"{folder}{os.sep}{name}"

    def check_free(self, size_bytes: int) -> None:
        """Raise StorageFull when there is no room for *size_bytes* more."""
        now = self._clock()
        if now - self._free_checked >= 1.0:
            self._free_bytes = shutil.disk_usage(_existing(self._root)).free
            self._free_checked = now
        self._free_bytes -= size_bytes
        if self._free_bytes < self._min_free_bytes:
            raise StorageFull(
                f"the disk of {self._root} has less than {self._min_free_bytes} bytes free (min_free_bytes); "
                "make room and start the crawl again"
            )

    @contextlib.contextmanager
    def explained(self, path: str) -> Iterator[None]:
        """Turn an OSError of this block into StorageFull or StorageFailed, which names *path*."""
        try:
            yield
        except OSError as exc:
            if exc.errno in _FULL:
                raise StorageFull(
                    f"no room for {path} in {self._root}: {plain(exc)}; make room and start the crawl again"
                ) from exc
            advice = _ADVICE.get(exc.errno or 0, "see to it")
            raise StorageFailed(
                f"{path} can't be written below {self._root}: {plain(exc)}; {advice} and start the crawl again"
            ) from exc

    def renew_claims(self) -> None:
        """Take over the index of an earlier version, see :mod:`crawler.storage.claims`."""
        self._claims.renew()

    def sweep(self) -> int:
        """Remove the temporary files that killed processes left, and return how many there were.

        Those are files of processes of this machine that have ended, and files of other machines over an hour old; a
        machine that was booted anew counts as another one. Claims are renewed as well.
        """
        self.renew_claims()
        removed = 0
        for folder, _, names in os.walk(self._root):
            for name in names:
                if (match := _TEMPORARY.fullmatch(name)) and self._is_leftover(Path(folder, name), match):
                    with contextlib.suppress(OSError):
                        Path(folder, name).unlink()
                        removed += 1
        return removed

    def _keep(self, path: str, target: str, sha256: str, size_bytes: int, fill: Callable[[str], None]) -> str:
        """Take the three steps; *fill* writes the temporary file."""
        folder = os.path.dirname(target)
        temporary = os.path.join(folder, self._temporary_name())
        is_moved = False
        try:
            try:
                fill(temporary)
            except FileNotFoundError:
                os.makedirs(folder, exist_ok=True)
                fill(temporary)
            holder = self._claim(path, sha256, size_bytes)
            if holder != path:
                return holder
            os.replace(temporary, target)
            is_moved = True
        finally:
            if not is_moved:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
        if self._fsync:
            _sync_folder(folder)
        return path

    def _write(self, file: str, data: bytes) -> None:
        descriptor = os.open(file, _NEW_FILE, 0o666)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            if self._fsync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _take(self, file: Path, temporary: Path, sha256: str, size_bytes: int) -> None:
        file.replace(temporary)
        if not _holds(temporary, sha256, size_bytes):
            raise ValueError(
                f"{file.name} does not hold the {size_bytes} bytes with SHA-256 {sha256} that it should; make it anew"
            )
        if self._fsync:
            with temporary.open("r+b") as taken:  # Windows syncs only what may be written to
                os.fsync(taken.fileno())

    def _claim(self, path: str, sha256: str, size_bytes: int) -> str:
        """Claim the bytes for *path*; the path they belong to now: *path*, or that of another file that is there."""
        patience_ends = self._clock() + self._claim_patience_s
        while not self._claims.take(sha256, path):
            claimer = self._claims.holder(sha256)
            if claimer == path:
                break
            # looked up before it is read: a file that appears between the two has the right bytes
            is_there = claimer is not None and os.path.lexists(self._root / on_disk(claimer))
            if claimer is not None and self._has(claimer, sha256, size_bytes):
                return claimer
            if is_there or self._clock() >= patience_ends:  # it has other bytes by now, or never came
                self._claims.take_over(sha256, path)
                break
            time.sleep(_PAUSE_S)
        return path

    def _kept(self, path: str, target: str, sha256: str, size_bytes: int) -> str | None:
        if not _holds(target, sha256, size_bytes):
            return self._claimed(sha256, size_bytes)
        self._claims.take(sha256, path)
        return path

    def _claimed(self, sha256: str, size_bytes: int) -> str | None:
        """The path that the bytes are claimed for, if they are there. Hits are rare, so that the file is read."""
        claimer = self._claims.holder(sha256)
        return claimer if claimer is not None and self._has(claimer, sha256, size_bytes) else None

    def _has(self, claimer: str, sha256: str, size_bytes: int) -> bool:
        try:
            target = self.target(claimer)
        except ValueError:
            return False  # the index holds nonsense
        return _holds(target, sha256, size_bytes)

    def _temporary_name(self) -> str:
        return f"{HALF_WRITTEN}{self._machine}-{os.getpid()}-{secrets.token_hex(8)}"

    def _is_leftover(self, file: Path, match: re.Match[str]) -> bool:
        if match["machine"] == self._machine and os.name == "posix":
            return not _is_alive(int(match["pid"]))
        try:
            return time.time() - file.lstat().st_mtime > _FOREIGN_LEFTOVER_S
        except OSError:
            return False


def _is_file(target: str | Path, size_bytes: int) -> bool:
    """Whether *target* is a regular file of this size."""
    try:
        found = os.lstat(target)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size_bytes


def _holds(target: str | Path, sha256: str, size_bytes: int) -> bool:
    """Whether *target* is a regular file with these bytes."""
    try:
        if not _is_file(target, size_bytes):
            return False
        with open(target, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError as exc:
        # gone meanwhile; or a claim was left for what could not be made
        if exc.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}:
            return False
        raise


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.absolute().parent)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _sync_folder(folder: str) -> None:
    """Write the names in *folder* to the disk: fsync of a file does not (fsync(2), notes)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
