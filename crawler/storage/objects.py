"""Images in an object store: whole objects only, the same bytes once, whoever is killed when.

How an image comes to be, and what a ``kill -9`` after each step leaves behind:

1. ``.index/ab/<sha256>``, which contains the path, is put unless it exists  -> a claim without its object
2. the bytes are put at the path  -> the object, saved; only the caller does not know

A new image takes two requests. One that is kept already takes three: the claim is refused and read, and a HEAD says
whether its object exists, with the right size and SHA-256. An object without a SHA-256 in its metadata, which something
else has put there, is read. A claim without its object is taken over after a while, as in ``local``; the worst that a
stalled winner can cause is that the same bytes are kept twice.

A path named by the SHA-256 (``layout = "hash"``) needs no claim: one request for a new image, two for a known one.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

from crawler.config import StorageConfig
from crawler.crawlfile.file_names import IMAGES_FOLDER, INDEX_FOLDER
from crawler.crawlfile.image_paths import MEDIA_TYPES
from crawler.errors import StorageFailed, UsageError
from crawler.storage import plain_parts
from crawler.storage.bucket import WHY_CONDITIONS, Bucket, NoConditionalPuts
from crawler.storage.patience import StoragePatience

_ABOUT = f"{INDEX_FOLDER}/README"
_ABOUT_TEXT = b"image-crawler notes here which object holds which bytes.\n"
_TEXT = "text/plain; charset=utf-8"
_MAX_CLAIM_BYTES = 4096
_CHECK_PATIENCE_S = 10.0
_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.05, 1.0


class ObjectStorage:
    """A Storage in *bucket*; see :class:`crawler.storage.Storage` for what it promises.

    A silent store is waited for with the bucket's patience. A claim may stand *claim_patience_s* without its object.
    """

    def __init__(
        self,
        bucket: Bucket,
        *,
        claim_patience_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bucket = bucket
        self._claim_patience_s = claim_patience_s
        self._clock = clock

    def save(self, path: str, data: bytes, *, sha256: str) -> str:
        name = plain_parts(path)[-1]
        self._bucket.check_key(path)
        content_type = MEDIA_TYPES.get(path.rpartition(".")[2].lower(), "application/octet-stream")
        if PurePosixPath(name).stem == sha256:
            return self._save_by_digest(path, data, sha256=sha256, content_type=content_type)
        if not self._bucket.create(_claim(sha256), path.encode(), content_type=_TEXT):
            holder = self._holder(path, sha256=sha256, size_bytes=len(data))
            if holder is not None:
                return holder
        self._bucket.put(path, data, content_type=content_type, sha256=sha256)
        return path

    def has(self, path: str, *, size_bytes: int) -> bool:
        plain_parts(path)
        stored = self._bucket.head(path)
        return stored is not None and stored.size_bytes == size_bytes

    def _save_by_digest(self, path: str, data: bytes, *, sha256: str, content_type: str) -> str:
        with suppress(NoConditionalPuts):  # overwriting it with the same bytes does no harm
            made = self._bucket.create(path, data, content_type=content_type, sha256=sha256)
            if made or self._holds(path, sha256=sha256, size_bytes=len(data)):
                return path
        self._bucket.put(path, data, content_type=content_type, sha256=sha256)
        return path

    def _holder(self, path: str, *, sha256: str, size_bytes: int) -> str | None:
        """The path of the object that has the bytes; None once they are claimed for *path*."""
        patience_ends = self._clock() + self._claim_patience_s
        pause_s = _FIRST_PAUSE_S
        while True:
            claimer = self._claimer(sha256)
            held = claimer is not None and self._holds(claimer, sha256=sha256, size_bytes=size_bytes)
            if held:
                return claimer
            if claimer == path:
                return None
            if held is False or self._clock() >= patience_ends:  # it has other bytes by now, or never came
                self._bucket.put(_claim(sha256), path.encode(), content_type=_TEXT)
                return None
            self._bucket.pause(pause_s)
            pause_s = min(2 * pause_s, _MAX_PAUSE_S)

    def _claimer(self, sha256: str) -> str | None:
        """The path in the claim; None when the claim is gone, or nonsense."""
        try:
            size_bytes, blocks = self._bucket.read(_claim(sha256))
            path = b"".join(blocks).decode() if size_bytes <= _MAX_CLAIM_BYTES else ""
            plain_parts(path)
        except (FileNotFoundError, ValueError):
            return None
        return path

    def _holds(self, path: str, *, sha256: str, size_bytes: int) -> bool | None:
        """Whether the object has these bytes; None when there is none."""
        stored = self._bucket.head(path)
        if stored is None:
            return None
        if stored.size_bytes != size_bytes:
            return False
        return (stored.sha256 or self._digest(path)) == sha256

    def _digest(self, path: str) -> str:
        digest = hashlib.sha256()
        with suppress(FileNotFoundError):
            for block in self._bucket.read(path)[1]:
                digest.update(block)
        return digest.hexdigest()


class ObjectReader:
    """The StorageReader of an ObjectStorage's *bucket*."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def files(self) -> Iterator[tuple[str, int]]:
        return self._bucket.files(IMAGES_FOLDER)

    @contextmanager
    def opened(self, path: str) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Size and content of the object at *path*; raises StorageFailed, too."""
        plain_parts(path)
        yield self._bucket.read(path)


def open_storage(config: StorageConfig, stop: threading.Event) -> ObjectStorage:
    """The storage that the settings name; *stop* ends its waits."""
    return ObjectStorage(_bucket(config, stop))


def open_reader(config: StorageConfig) -> ObjectReader:
    """The images that are kept there."""
    return ObjectReader(_bucket(config, threading.Event()))


def check(config: StorageConfig) -> None:
    """See ``schemes.check``. Makes two requests; the first time three, which leave a small object in the index."""
    patience_s = min(_CHECK_PATIENCE_S, config.storage_patience_s)
    patience = StoragePatience(config.storage, patience_s=patience_s, stop=threading.Event())
    _probe(Bucket(config.storage, patience=patience, has_worked=False), conditions=config.layout != "hash")


def _probe(bucket: Bucket, *, conditions: bool) -> None:
    try:
        made = bucket.create(_ABOUT, _ABOUT_TEXT, content_type=_TEXT)
        ignored = made and conditions and bucket.create(_ABOUT, _ABOUT_TEXT, content_type=_TEXT)
    except NoConditionalPuts as exc:
        if conditions:
            raise UsageError(str(exc)) from exc
        bucket.put(_ABOUT, _ABOUT_TEXT, content_type=_TEXT)
        ignored = False
    if ignored:
        raise UsageError(f"{bucket.url} ignores the conditions of puts{WHY_CONDITIONS}")
    try:
        bucket.read(_ABOUT)
    except FileNotFoundError as exc:
        raise StorageFailed(f"{bucket.url} does not give back what was put there; choose another") from exc


def _bucket(config: StorageConfig, stop: threading.Event) -> Bucket:
    patience = StoragePatience(config.storage, patience_s=config.storage_patience_s, stop=stop)
    return Bucket(config.storage, patience=patience)


def _claim(sha256: str) -> str:
    return f"{INDEX_FOLDER}/{sha256[:2]}/{sha256}"
