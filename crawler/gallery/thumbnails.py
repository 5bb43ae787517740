"""Thumbnails of saved images: each made once, by the SHA-256 of its file, in processes of their own, and kept.

Files are decoded once more, and are a stranger's still: a crash, a hang or a bomb costs one thumbnail. A file that is
no longer what was saved gets none, for nothing has verified it.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path

import msgspec

from crawler.config import Config
from crawler.download.decoder_pool import decoding_failures, refusal_of
from crawler.download.formats import Verdict
from crawler.errors import (
    DecoderCrashed,
    TaskError,
)
from crawler.gallery.files import HALF_MADE, listed, write_changed, write_whole
from crawler.gallery.shrunk import LONGEST, small_px
from crawler.gallery.thumbnail_main import DRAWN, REFUSED, ThumbnailSettings
from crawler.models import ImageRecord
from crawler.sandbox.child_main import ChildOrders
from crawler.sandbox.memory_budget import Budget, machine_bytes, share, shared_file
from crawler.sandbox.pool import Pool
from crawler.text.plain_errors import plain

SIDE_PX = 400
"""Twice the height of a row in the gallery, for screens with two pixels where others have one."""
SIZES = 2
"""Raised with each change of the sizes of thumbnails. 1: at most SIDE_PX a side, which of a long banner left a line."""
_SIZES_FILE = "sizes"
_ALLOWANCE_BYTES = 64 * 2**20
_LARGE_BYTES = 2**24
_MOST_BYTES = 4 * SIDE_PX * SIDE_PX
"""An honest thumbnail has a fiftieth of that."""
_NAME_CHARS = 32
_NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEAD_BYTES = 30


class NoThumbnail(Exception):
    """There is none of this image; ``reason`` is a slug."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


def thumbnail_name(sha256: str) -> str:
    """``ab/abcdef…``, the path of a thumbnail without its extension; empty for what is no SHA-256.

    It has half of the digits. Whoever finds two files with the same 128 bits may see one thumbnail for both.
    """
    return f"{sha256[:2]}/{sha256[:_NAME_CHARS]}" if _SHA256.fullmatch(sha256) else ""


class ThumbnailFolder:
    """The thumbnails in *folder*, which need not be there yet."""

    def __init__(self, folder: Path) -> None:
        self.path = folder

    def file(self, name: str) -> Path:
        """The file of a thumbnail by its name. Raises ValueError for what is no name."""
        if not _NAME.fullmatch(name):
            raise ValueError("it is no thumbnail's name")
        return self.path / f"{name}.webp"

    def names(self) -> set[bytes]:
        """The thumbnails that are there, packed: :func:`packed`."""
        found = set()
        for folder in listed(self.path):
            for entry in listed(folder):
                stem = entry.name.removesuffix(".webp")
                if _NAME.fullmatch(f"{folder.name}/{stem}") and stem != entry.name:
                    found.add(packed(stem))
        return found

    def are_of_today(self) -> bool:
        """Whether all thumbnails have the sizes that this version gives them: SIZES."""
        try:
            return (self.path / _SIZES_FILE).read_bytes() == b"%d\n" % SIZES
        except OSError:
            return False

    def note_sizes(self) -> None:
        """Note that all are of today. Raises as :meth:`keep`."""
        write_changed(self.path / _SIZES_FILE, b"%d\n" % SIZES)

    def has_size_for(self, name: str, record: ImageRecord) -> bool:
        """Whether a thumbnail has the size that one of *record* would have, turned or not."""
        if not (record.width_px and record.height_px):
            return True
        return sorted(self.size_px(name)) == sorted(small_px((record.width_px, record.height_px), SIDE_PX))

    def size_px(self, name: str) -> tuple[int, int]:
        """Width and height of a thumbnail by its name; 0 for one that is not there, or is none."""
        try:
            descriptor = os.open(
                f"{self.path}/{name}.webp", os.O_RDONLY
            )  # once for each image: a Path takes longer
        except OSError:
            return 0, 0
        try:
            return webp_size_px(os.read(descriptor, _HEAD_BYTES))
        except OSError:
            return 0, 0
        finally:
            os.close(descriptor)

    def keep(self, name: str, data: bytes) -> None:
        """Write a thumbnail, whole or not at all. Raises StorageFull, or FolderError where nothing can be written."""
        write_whole(self.file(name), data)

    def remove_stale(self, stale: set[bytes]) -> int:
        """Remove thumbnails by their packed names, and what was left half made; returns how many were removed."""
        count = 0
        for one in stale:
            name = one.hex()
            with suppress(OSError):
                self.file(f"{name[:2]}/{name}").unlink()
                count += 1
        for folder in listed(self.path):
            for entry in listed(folder):
                if entry.name.startswith(HALF_MADE):
                    with suppress(OSError):
                        entry.unlink()
            with suppress(OSError):  # it is not empty, as a rule
                folder.rmdir()
        return count


def packed(name: str) -> bytes:
    """A thumbnail's name in 16 bytes: a set of 100,000 takes a third of the memory."""
    return bytes.fromhex(name.rpartition("/")[2])


class Drawer(AbstractContextManager["Drawer"]):
    """Draws thumbnails in child processes, one for each core, for several threads; ``close`` ends them.

    The limits are those of the crawl: ``max_pixels``, ``decode_timeout_s``, and of memory what its decoders have.
    """

    def __init__(self, config: Config, *, memory_bytes: int = 0) -> None:
        images = config.images
        self.workers = os.cpu_count() or 1
        mine = share(memory_bytes or machine_bytes() // 2, processes=1, most_children=self.workers)
        self.workers = mine.children
        budget = Budget(mine.budget_bytes, file=shared_file())
        settings = ThumbnailSettings(side_px=SIDE_PX, max_pixels=images.max_pixels)
        orders = ChildOrders(
            make="crawler.gallery.thumbnail_main:make",
            settings=msgspec.json.encode(settings).decode(),
            timeout_s=images.decode_timeout_s,
            allowance_bytes=_ALLOWANCE_BYTES,
            most_bytes=budget.total_bytes,
        )
        self._timeout_s = images.decode_timeout_s
        self._pool = Pool(
            orders, most=mine.children, budget=budget, what="drawer of thumbnails", large_bytes=_LARGE_BYTES
        )

    def draw(self, record: ImageRecord) -> bytes:
        """The thumbnail of a saved image, as a WebP of at most SIDE_PX a side. Raises NoThumbnail."""
        try:
            return self._drawn(content(record))
        except TaskError as exc:
            raise NoThumbnail(exc.reason, exc.detail) from exc

    def _drawn(self, data: bytes) -> bytes:
        with decoding_failures(self._timeout_s), closing(self._pool.call(data)) as parts:
            reply = b"".join(parts)
            if reply[:1] == REFUSED:
                raise refusal_of(msgspec.json.decode(reply[1:], type=Verdict))
        drawn = reply[1:]
        if reply[:1] != DRAWN or not _is_thumbnail(
            drawn
        ):  # only a decoder under an image's control sends such
            raise DecoderCrashed("its decoder gave no sound reply")
        return drawn

    def close(self) -> None:
        """End all processes, also busy ones; may be called twice."""
        self._pool.close()

    def __exit__(self, *error: object) -> None:
        self.close()


def content(record: ImageRecord) -> bytes:
    """The bytes of a saved image, which are those that were verified. Raises NoThumbnail where they are not there."""
    if record.format == "svg":
        raise NoThumbnail("svg")
    file = record.file
    if file is None:
        raise NoThumbnail("gone", "its file is not here")
    try:
        with file.open("rb") as opened:
            data = opened.read(record.size_bytes + 1)
    except OSError as exc:
        raise NoThumbnail("unreadable", plain(exc)) from exc
    if len(data) != record.size_bytes or hashlib.sha256(data).hexdigest() != record.sha256:
        raise NoThumbnail("changed", "its file is not what was saved")
    return data


def _is_thumbnail(data: bytes) -> bool:
    shorter, longer = sorted(webp_size_px(data[:_HEAD_BYTES]))
    return 0 < shorter <= SIDE_PX and longer <= LONGEST * SIDE_PX and len(data) <= _MOST_BYTES


def webp_size_px(head: bytes) -> tuple[int, int]:
    """Width and height by the first 30 bytes of a WebP (RFC 9649, 2.4 to 2.7); zeros for anything else."""
    if len(head) < _HEAD_BYTES or head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        return 0, 0
    match head[12:16]:
        case b"VP8 ":
            return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(
                head[28:30], "little"
            ) & 0x3FFF
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8X":
            return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    return 0, 0
