"""Images in parts from other machines, and their paths: nothing is written elsewhere, nor but what was announced."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path, PurePosixPath, PureWindowsPath

from crawler.crawlfile.file_names import CLAIMS, INDEX_FOLDER
from crawler.crawlfile.image_paths import is_image_path
from crawler.download.sniff import extension_for, image_format
from crawler.errors import StorageFailed, UploadLost
from crawler.storage import Chunk, plain_parts
from crawler.storage.claims import Claims
from crawler.storage.local import LocalStorage
from crawler.storage.uploads import UploadReceiver
from tests.fuzz.books import MAX_IMAGE_BYTES, memory
from tests.fuzz.drawn import Drawn

_MOST_CHUNKS = 12


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    what = drawn.one_of((_chunks, _path))
    what(drawn)


def _chunks(drawn: Drawn) -> None:
    outer = Path(tempfile.mkdtemp(dir=memory()))
    folder = outer / "crawl"
    folder.mkdir()
    try:
        storage = LocalStorage(folder, fsync=False, min_free_bytes=0)
        inbox = UploadReceiver(storage, max_image_bytes=MAX_IMAGE_BYTES, extension_for=extension_for)
        for _ in range(_MOST_CHUNKS):
            chunk = drawn.struct(Chunk)
            if chunk is not None:
                _store(inbox, folder, chunk)
            if not drawn.left:
                break
        assert [path.name for path in outer.iterdir()] == ["crawl"], "something is written beside the crawl"
        check(folder)
    finally:
        shutil.rmtree(outer)


def _store(inbox: UploadReceiver, folder: Path, chunk: Chunk) -> None:
    try:
        holder = inbox.store(chunk)
        found = inbox.has(chunk.path, chunk.size_bytes)
    except (ValueError, UploadLost, StorageFailed) as exc:
        assert str(exc)
        return
    if holder:
        kept = (folder / holder).read_bytes()
        assert hashlib.sha256(kept).hexdigest() == chunk.sha256
        assert len(kept) == chunk.size_bytes
        assert found or holder != chunk.path


def check(folder: Path) -> None:
    """What is in a crawl's folder is images, whole and claimed under their digests, and what is on its way."""
    claims = Claims(folder / INDEX_FOLDER / CLAIMS)
    for file in folder.rglob("*"):
        name = file.relative_to(folder)
        if file.is_symlink() or not file.is_file() or name.parts[0].startswith((INDEX_FOLDER, "crawl.db")):
            continue
        assert name.parts[0] == "images", f"{name} was written"
        content = file.read_bytes()
        assert len(content) <= MAX_IMAGE_BYTES
        assert image_format(content), f"{name} is no image"
        assert is_image_path(name.as_posix())
        sha256 = hashlib.sha256(content).hexdigest()
        assert claims.holder(sha256) is not None, f"{name} holds other bytes than somebody said"


def _path(drawn: Drawn) -> None:
    text = drawn.rest().decode("utf-8", "surrogateescape")
    try:
        parts = plain_parts(text)
    except ValueError as exc:
        assert str(exc)
        return
    assert "/".join(parts) == text
    assert not PurePosixPath(text).is_absolute()
    assert not PureWindowsPath(text).is_absolute()
    assert not PureWindowsPath(text).drive
    assert not {"..", INDEX_FOLDER} & {parts[0], *[part for part in parts if part == ".."]}
