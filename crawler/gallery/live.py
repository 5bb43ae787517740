"""The content of a gallery that is served: read from crawl.db for each request, while the crawl runs as well.

Nothing is written but thumbnails, and these only where the folder allows it.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from crawler.catalog import Catalog
from crawler.crawlfile.file_names import IMAGES_FOLDER
from crawler.crawlfile.image_paths import MEDIA_TYPES, extension_of, is_image_path, on_disk
from crawler.crawlfile.layout import CrawlFolder
from crawler.errors import FolderError, StorageFull
from crawler.gallery.files import META, READ, THUMBNAILS, page_files
from crawler.gallery.payloads import Picture, detail_of, failures_of, index_of, index_script, script
from crawler.gallery.reading import GalleryReader
from crawler.gallery.thumbnails import Drawer, NoThumbnail, ThumbnailFolder, thumbnail_name
from crawler.models import ImageRecord

_CHUNK = re.compile(r"(index|detail|failures)-([0-9]{5,12})\.js")
_MOST_HELD_BYTES = 32 * 2**20
"""Of thumbnails in memory, where the folder can't be written to."""
_MOST_REFUSED = 10_000
_REFRESH, _OTHER_CRAWL = 10**3, 10**6
"""What a refresh, and another crawl in the same folder, add to the number by which a page knows what it has."""
_PAGE_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
_SCRIPT = _PAGE_TYPES[".js"]
_Value = TypeVar("_Value")


class Content(NamedTuple):
    data: bytes
    media_type: str

    @property
    def etag(self) -> str:
        return f'"{hashlib.blake2b(self.data, digest_size=12).hexdigest()}"'


class ImageFile(NamedTuple):
    """An opened image."""

    file: BinaryIO
    size_bytes: int
    media_type: str
    etag: str


class LiveGallery:
    """The gallery of the crawl in *folder*, for several threads. Raises what a Catalog raises, as do all methods."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reading = ThreadPoolExecutor(1, "gallery-reader")  # a Catalog is for one thread
        self._thumbnails = ThumbnailFolder(CrawlFolder(folder).gallery / THUMBNAILS)
        self._held = _Held()
        self._page = dict(page_files())
        self._version: object = None
        self._meta = Content(b"", _SCRIPT)
        self._epoch = 0
        try:
            self._in_reader(self._open)
            self._drawer = Drawer(self._in_reader(lambda: self._reader.config))
        except BaseException:
            self._reading.shutdown()
            raise

    def _open(self) -> None:
        """Open crawl.db; once more when another one has taken its place (``crawl --fresh``)."""
        identity = self._identity_now()
        self._reader, self._identity = GalleryReader(Catalog(self._folder)), identity
        self._version = None
        self._grouped = self._find_groups()

    def _identity_now(self) -> tuple[int, int]:
        try:
            status = CrawlFolder(self._folder).ledger.stat()
        except OSError:
            return 0, 0  # Catalog says what is wrong with it
        return status.st_dev, status.st_ino

    def close(self) -> None:
        """End the processes that draw, and close crawl.db."""
        self._drawer.close()
        self._in_reader(self._reader.catalog.close)
        self._reading.shutdown(cancel_futures=True)

    def _in_reader(self, work: Callable[[], _Value]) -> _Value:
        return self._reading.submit(work).result()

    def page(self, name: str) -> Content | None:
        """A file of the page itself."""
        file = self._page.get(name)
        media_type = _PAGE_TYPES.get(file.suffix, "application/octet-stream") if file is not None else ""
        return Content(file.read_bytes(), media_type) if file is not None else None

    def data(self, name: str) -> Content | None:
        """A file of data, made now."""
        if name == META:
            return self._in_reader(self._made_meta)
        if (match := _CHUNK.fullmatch(name)) is None:
            return None
        kind, number = match[1], int(match[2])
        make = {"index": self._index, "detail": self._detail, "failures": self._failures}[kind]
        return Content(self._in_reader(lambda: make(number)), _SCRIPT)

    def thumbnail(self, name: str) -> Content | None:
        """A thumbnail by its name; it is drawn if it was not."""
        try:
            file = self._thumbnails.file(name)
        except ValueError:
            return None
        try:
            data = file.read_bytes()
        except OSError:
            data = self._held.get(name, lambda: self._drawn(name))
        return Content(data, "image/webp") if data else None

    def image(self, path: str) -> ImageFile | None:
        """A saved image by its path in the crawl's folder. No link leads out of the folder of images."""
        if not is_image_path(path):
            return None
        root = os.path.realpath(self._folder / IMAGES_FOLDER)
        file = os.path.realpath(self._folder / on_disk(path))
        if os.path.commonpath([root, file]) != root:
            return None
        flags = READ | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            opened = os.fdopen(os.open(file, flags), "rb")
        except OSError:
            return None
        status = os.fstat(opened.fileno())
        if not stat.S_ISREG(status.st_mode):
            opened.close()
            return None
        etag = f'"{status.st_size:x}-{status.st_mtime_ns:x}"'
        return ImageFile(opened, status.st_size, MEDIA_TYPES[extension_of(path)], etag)

    def _drawn(self, name: str) -> bytes:
        """A new thumbnail, which is kept if possible; empty if there can be none."""
        record = self._in_reader(lambda: self._saved_with(name.rpartition("/")[2]))
        if record is None:
            return b""
        try:
            data = self._drawer.draw(record)
        except NoThumbnail:
            return b""
        try:
            self._thumbnails.keep(name, data)
        except (FolderError, StorageFull):
            return data
        return data

    def _saved_with(self, digits: str) -> ImageRecord | None:
        self._reader.note_copies()
        return self._reader.saved_with(digits)

    def _made_meta(self) -> Content:
        if self._identity_now() != self._identity:
            before = self._reader.catalog
            self._open()
            before.close()
            self._epoch += _OTHER_CRAWL
        reader = self._reader
        version = (reader.catalog.value("PRAGMA data_version"), reader.runs())
        if version == self._version:
            return self._meta
        reader.learn_names()
        shown, failures = reader.windows(), reader.windows(failures=True)
        meta = reader.meta(
            live=True,
            epoch=0,
            made_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            shown=shown,
            failures=failures,
        )
        if meta["state"] == "finished" and self._grouped != meta["images"]:
            groups = reader.groups
            self._grouped = self._find_groups()
            self._epoch += reader.groups != groups
        meta["epoch"] = _REFRESH * reader.refreshes() + self._epoch
        self._meta, self._version = Content(script("meta", meta), _SCRIPT), version
        return self._meta

    def _find_groups(self) -> int:
        """Find out what looks alike, which takes too long for each new image; returns the number of images."""
        self._reader.find_groups()
        return sum(window.records for window in self._reader.windows())

    def _pictures(self, number: int) -> list[Picture]:
        self._reader.note_copies()
        return [self._picture(record) for record in self._reader.shown(number)]

    def _picture(self, record: ImageRecord) -> Picture:
        name = thumbnail_name(record.sha256) if record.format != "svg" and record.file is not None else ""
        small_px = self._thumbnails.size_px(name) if name else (0, 0)
        return self._reader.picture(record, thumbnail=name, small_px=small_px)

    def _index(self, number: int) -> bytes:
        return index_script(number, index_of(self._pictures(number), self._reader.names))

    def _detail(self, number: int) -> bytes:
        return script("detail", number, detail_of(self._pictures(number)))

    def _failures(self, number: int) -> bytes:
        return script("failures", number, failures_of(self._reader.failures(number), self._reader.reason))


class _Held:
    """Thumbnails that have just been drawn, and the names of those that could not be."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._data: OrderedDict[str, bytes] = OrderedDict()
        self._size_bytes = 0

    def get(self, name: str, make: Callable[[], bytes]) -> bytes:
        with self._mutex:
            if name in self._data:
                self._data.move_to_end(name)
                return self._data[name]
        data = make()
        with self._mutex:
            if name not in self._data:
                self._data[name] = data
                self._size_bytes += len(data)
            while self._size_bytes > _MOST_HELD_BYTES or len(self._data) > _MOST_REFUSED:
                _, oldest = self._data.popitem(last=False)
                self._size_bytes -= len(oldest)
        return data
