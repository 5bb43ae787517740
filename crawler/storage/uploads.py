"""Uploads of images from other machines, in parts: an upload is one file, which a LocalStorage adopts when it is whole.

The name and size of that file are the whole state of an upload: any number of them costs no memory, and they survive a
restart of the manager. A part that does not continue its file is UploadLost, whatever went wrong: the sender starts
again, and its first part tells whether the image was kept after all.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crawler.crawlfile.file_names import IMAGES_FOLDER
from crawler.crawlfile.image_paths import extension_of, is_image_path
from crawler.errors import StorageFailed, StorageFull, TaskError, UploadLost
from crawler.storage import Chunk
from crawler.storage.local import LocalStorage
from crawler.text.plain_errors import quoted

_PREFIX = ".receiving-"
_ABANDONED_S = 3600.0
HEAD_BYTES = 64 * 1024
_UPLOAD = re.compile("[0-9a-f]{32}")
_SHA256 = re.compile("[0-9a-f]{64}")


class UploadReceiver:
    """An Inbox that puts images into *storage*; see :class:`crawler.storage.Inbox` for what it promises.

    Refuses an image of more than *max_image_bytes*, a path that is not an image's (``crawlfile.image_paths``), and
    bytes of another format than the path's extension says: *extension_for* tells the extension by the first HEAD_BYTES
    of a file, and raises TaskError for what is no image. Thread-safe: parts of an upload are taken one at a time.
    """

    def __init__(
        self,
        storage: LocalStorage,
        *,
        max_image_bytes: int,
        extension_for: Callable[[bytes], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._storage = storage
        self._extension_for = extension_for
        self._max_image_bytes = max_image_bytes
        self._clock = clock
        self._busy: set[str] = set()
        self._freed = threading.Condition()

    def store(self, chunk: Chunk) -> str:
        self._check(chunk)
        if len(chunk.data) == chunk.size_bytes:
            if hashlib.sha256(chunk.data).hexdigest() != chunk.sha256:
                raise ValueError(
                    f"the bytes of {chunk.path} do not have the SHA-256 {chunk.sha256}; send them again"
                )
            self._check_format(chunk.path, chunk.data[:HEAD_BYTES])
            return self._storage.save(chunk.path, chunk.data, sha256=chunk.sha256)
        self._storage.target(chunk.path)  # a path that would be refused in the end is refused now
        with self._turn(chunk.upload):
            return self._receive(chunk)

    def has(self, path: str, size_bytes: int) -> bool:
        _check_path(path)
        return self._storage.has(path, size_bytes=size_bytes)

    def sweep(self) -> int:
        """Remove uploads that have been idle for an hour, and return how many there were."""
        removed = 0
        for file in self._storage.incoming.glob(f"{_PREFIX}*"):
            with self._freed, suppress(OSError):  # it may be gone
                idle_s = self._clock() - file.lstat().st_mtime
                if idle_s > _ABANDONED_S and file.name.removeprefix(_PREFIX) not in self._busy:
                    file.unlink()
                    removed += 1
        return removed

    def _check(self, chunk: Chunk) -> None:
        if not _UPLOAD.fullmatch(chunk.upload):
            raise ValueError(f"upload {quoted(chunk.upload[:80])} is not 32 lower-case hexadecimal digits")
        if not _SHA256.fullmatch(chunk.sha256):
            raise ValueError(f"sha256 {quoted(chunk.sha256[:80])} is not 64 lower-case hexadecimal digits")
        _check_path(chunk.path)
        if not 0 <= chunk.size_bytes <= self._max_image_bytes:
            raise ValueError(
                f"{chunk.path} has {chunk.size_bytes} bytes; between 0 and {self._max_image_bytes} are taken"
                " (max_image_bytes of the crawl)"
            )
        end = chunk.offset + len(chunk.data)
        if chunk.offset < 0 or end > chunk.size_bytes or (not chunk.data and chunk.size_bytes > 0):
            raise ValueError(
                f"bytes {chunk.offset} to {end} are no part of {chunk.path}, which has {chunk.size_bytes}"
            )

    def _receive(self, chunk: Chunk) -> str:
        file = self._storage.incoming / f"{_PREFIX}{chunk.upload}"
        path, sha256, size_bytes = chunk.path, chunk.sha256, chunk.size_bytes
        try:
            if chunk.offset == 0:
                holder = self._storage.kept(path, sha256=sha256, size_bytes=size_bytes)
                if holder is not None:
                    _remove(file)
                    return holder
            with self._storage.explained(path):
                self._storage.check_free(len(chunk.data))
                _put(file, chunk)
            if chunk.offset + len(chunk.data) < size_bytes:
                return ""
            return self._adopted(file, chunk)
        except (StorageFull, StorageFailed, ValueError):
            _remove(file)
            raise

    def _check_format(self, path: str, head: bytes) -> None:
        """Raise ValueError unless *head* is of the format that the extension of *path* says."""
        try:
            extension = self._extension_for(head)
        except TaskError as exc:
            raise ValueError(f"{path} is no image that is kept: {exc.detail}") from exc
        if extension != extension_of(path):
            raise ValueError(f"{path} holds a {extension}; its name has to say so")

    def _adopted(self, file: Path, chunk: Chunk) -> str:
        with self._storage.explained(chunk.path), file.open("rb") as whole:
            self._check_format(chunk.path, whole.read(HEAD_BYTES))
        try:
            return self._storage.adopt(file, chunk.path, sha256=chunk.sha256, size_bytes=chunk.size_bytes)
        except ValueError as exc:  # a power failure may have taken a part from its middle
            raise UploadLost(f"{exc}") from exc

    @contextmanager
    def _turn(self, upload: str) -> Iterator[None]:
        """Exclude other threads from this upload's file: one that had it open could write to the adopted image."""
        with self._freed:
            self._freed.wait_for(lambda: upload not in self._busy)
            self._busy.add(upload)
        try:
            yield
        finally:
            with self._freed:
                self._busy.remove(upload)
                self._freed.notify_all()


def _check_path(path: str) -> None:
    if not is_image_path(path):
        raise ValueError(
            f"the path {quoted(path, 80)} is none that an image is given: below {IMAGES_FOLDER}/, with the extension"
            " of its format"
        )


def _put(file: Path, chunk: Chunk) -> None:
    """Let *file* end with this part; a longer file has had the part before."""
    if chunk.offset == 0:
        file.parent.mkdir(parents=True, exist_ok=True)
    try:
        opened = file.open("r+b" if chunk.offset else "wb")
    except FileNotFoundError as exc:
        raise _lost(chunk, 0) from exc
    with opened:
        size_bytes = opened.seek(0, os.SEEK_END)
        if chunk.offset > size_bytes:
            raise _lost(chunk, size_bytes)
        opened.truncate(chunk.offset)
        opened.seek(chunk.offset)
        opened.write(chunk.data)


def _lost(chunk: Chunk, size_bytes: int) -> UploadLost:
    return UploadLost(
        f"of {chunk.path} only {size_bytes} bytes are here, and the part after {chunk.offset} came; send it anew"
    )


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink()
