"""Makes the gallery of a crawl: a page in its folder that a browser opens from the disk.

Made again, it keeps what it has: thumbnails by the SHA-256 of their images, and data that has not changed. Thumbnails
that an earlier version drew in another size are drawn anew. All files are written whole. The last one is
``data/meta.js``, by which the page finds the others.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from crawler.catalog import Catalog
from crawler.crawlfile.layout import CrawlFolder
from crawler.gallery.files import (
    DATA,
    META,
    PAGE,
    THUMBNAILS,
    DataFolder,
    detail_file,
    failures_file,
    index_file,
    page_files,
    write_changed,
)
from crawler.gallery.payloads import Picture, detail_of, failures_of, index_of, index_script, script
from crawler.gallery.reading import GalleryReader, Window
from crawler.gallery.thumbnails import Drawer, NoThumbnail, ThumbnailFolder, packed, thumbnail_name
from crawler.models import ImageRecord, Value

_AHEAD = 2
"""Windows whose thumbnails are drawn while an earlier one is written: one slow image does not hold up the others."""


class GallerySummary(Value):
    """What a gallery has, and what was done for it."""

    folder: str
    """The crawl's folder."""
    page: str
    """The file to open."""
    state: str
    """``finished``, ``running`` or ``stopped``: of the crawl."""
    images: int
    """Images that it shows, those that were saved already at another URL included."""
    duplicates: int
    """How many of these that are; the summary of the crawl counts them apart."""
    failures: int
    """Image URLs that were not saved, which it lists."""
    thumbnails: int
    """Images with a thumbnail."""
    drawn: int
    """Thumbnails that were made now."""
    removed: int
    """Thumbnails of earlier galleries that no image has any more."""
    without: dict[str, int]
    """Images without a thumbnail, by reason: ``svg``, which the page shows as they are; ``elsewhere``, on another
    machine or in an object store; ``gone``, ``changed`` and ``unreadable`` files; a reason of crawler/errors, of those
    that could not be decoded; ``interrupted``.
    """
    interrupted: bool
    """A signal has ended the drawing of thumbnails."""
    elapsed_s: float


class BuildProgress(NamedTuple):
    images: int
    """Images that have been dealt with."""
    of: int
    drawn: int
    """Thumbnails that were made now."""


class Built(NamedTuple):
    summary: GallerySummary
    interrupt: KeyboardInterrupt | None
    """What has ended the drawing of thumbnails, if anything has."""


_Drawing = Future[None]
Show = Callable[[BuildProgress], None]


def build(folder: Path, *, show: Show = lambda _: None) -> Built:
    """Make or renew the gallery of the crawl in *folder*. *show* is told of the progress, often.

    A KeyboardInterrupt ends the drawing of thumbnails; the gallery is finished with those that are there. A second one
    is raised.

    Raises what a Catalog raises; FolderError if the folder can't be written to, StorageFull.
    """
    with Catalog(folder) as catalog:
        return _Build(catalog, show).carried_out()


class _Build:
    def __init__(self, catalog: Catalog, show: Show) -> None:
        self._reader = GalleryReader(catalog)
        self._folder = CrawlFolder(catalog.folder).gallery
        self._thumbnails = ThumbnailFolder(self._folder / THUMBNAILS)
        self._data = DataFolder(self._folder / DATA)
        self._there: set[bytes] = set()
        self._wanted: set[bytes] = set()
        self._are_of_today = True
        self._kept: set[str] = set()
        """Thumbnails that were written now; the threads that draw add to it."""
        self._without: Counter[str] = Counter()
        self._drawings: dict[str, _Drawing] = {}
        """Thumbnails under way, by name, and those that could not be drawn."""
        self._show = show
        self._drawn = self._done = self._images = 0

    def carried_out(self) -> Built:
        begun = time.monotonic()
        for name, file in page_files():
            write_changed(self._folder / name, file.read_bytes())
        self._there = self._thumbnails.names()
        self._are_of_today = self._thumbnails.are_of_today()
        self._reader.note_copies()
        self._reader.find_groups()
        shown, interrupt = self._windows()
        failures = [self._failures(window) for window in self._reader.windows(failures=True)]
        meta = self._reader.meta(
            live=False,
            epoch=0,
            made_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            shown=shown,
            failures=failures,
        )
        self._data.write(META, script("meta", meta))
        self._data.remove_others()
        if self._wanted and interrupt is None:
            self._thumbnails.note_sizes()
        summary = GallerySummary(
            folder=str(self._reader.catalog.folder),
            page=str(self._folder / PAGE),
            state=meta["state"],
            images=meta["images"],
            duplicates=self._reader.catalog.value("SELECT count(*) FROM images WHERE status = 'duplicate'"),
            failures=meta["failures"],
            thumbnails=meta["images"] - sum(self._without.values()),
            drawn=self._drawn,
            removed=self._thumbnails.remove_stale(self._there - self._wanted),
            without=dict(self._without.most_common()),
            interrupted=interrupt is not None,
            elapsed_s=round(time.monotonic() - begun, 3),
        )
        return Built(summary, interrupt)

    def _windows(self) -> tuple[list[Window], KeyboardInterrupt | None]:
        """Write all windows; with what has interrupted that."""
        windows = self._reader.windows()
        self._images = sum(window.records for window in windows)
        if self._images and not self._there:
            self._thumbnails.note_sizes()  # at once: an interrupted one goes on with what it has
            self._are_of_today = True
        drawer = Drawer(self._reader.config)
        threads = ThreadPoolExecutor(drawer.workers, "drawers")

        def draw(record: ImageRecord, name: str) -> _Drawing:
            return threads.submit(self._draw, drawer, record, name)

        try:
            return list(self._written(windows, draw)), None
        except KeyboardInterrupt as exc:
            drawer.close()
            threads.shutdown(cancel_futures=True)
            self._there = self._thumbnails.names()
            self._drawn = len(self._kept)
            self._without.clear()
            self._done = 0
            return list(self._written(windows, None)), exc
        finally:
            drawer.close()
            threads.shutdown(cancel_futures=True)

    def _written(
        self, windows: list[Window], draw: Callable[[ImageRecord, str], _Drawing] | None
    ) -> Iterator[Window]:
        """Each of *windows* that has something to show, when it has been written."""
        begun: deque[tuple[Window, list[ImageRecord]]] = deque()
        self._drawings.clear()
        for window in windows:
            records = list(self._reader.shown(window.number))
            begun.append((window, records))
            if draw is not None:
                self._begin(records, draw)
            if len(begun) > _AHEAD:
                yield from self._write(*begun.popleft())
        while begun:
            yield from self._write(*begun.popleft())

    def _begin(self, records: list[ImageRecord], draw: Callable[[ImageRecord, str], _Drawing]) -> None:
        """Begin to draw the thumbnails that are not there, or are an earlier version's."""
        for record in records:
            name = thumbnail_name(record.sha256)
            if not name or record.format == "svg" or name in self._drawings or record.file is None:
                continue
            if packed(name) not in self._there or not self._is_of_today(name, record):
                self._drawings[name] = draw(record, name)

    def _is_of_today(self, name: str, record: ImageRecord) -> bool:
        return self._are_of_today or name in self._kept or self._thumbnails.has_size_for(name, record)

    def _draw(self, drawer: Drawer, record: ImageRecord, name: str) -> None:
        self._thumbnails.keep(name, drawer.draw(record))
        self._kept.add(name)

    def _write(self, window: Window, records: list[ImageRecord]) -> Iterator[Window]:
        pictures = []
        for record in records:
            pictures.append(self._picture(record))
            self._done += 1
            self._show(BuildProgress(self._done, self._images, self._drawn))
        if not pictures:
            return
        names = self._reader.names
        self._data.write(index_file(window.number), index_script(window.number, index_of(pictures, names)))
        self._data.write(detail_file(window.number), script("detail", window.number, detail_of(pictures)))
        yield Window(window.number, len(pictures))

    def _picture(self, record: ImageRecord) -> Picture:
        name = thumbnail_name(record.sha256)
        if why := self._lack(record, name):
            self._without[why] += 1
        else:
            self._wanted.add(packed(name))
        return self._reader.picture(
            record, thumbnail="" if why else name, small_px=(0, 0) if why else self._thumbnails.size_px(name)
        )

    def _lack(self, record: ImageRecord, name: str) -> str:
        """Why an image has no thumbnail; empty if it has one."""
        if record.format == "svg":
            return "svg"
        is_there = bool(name) and packed(name) in self._there
        drawing = self._drawings.get(name)
        if drawing is None:
            if is_there:
                return ""
            if record.file is None:
                return self._reader.absence(record)
            return "interrupted" if name else "changed"
        try:
            drawing.result()
        except NoThumbnail as exc:
            return "" if is_there else exc.reason  # an earlier version's is better than none
        del self._drawings[name]
        self._there.add(packed(name))
        self._drawn += 1
        return ""

    def _failures(self, window: Window) -> Window:
        records = list(self._reader.failures(window.number))
        columns = failures_of(records, self._reader.reason)
        self._data.write(failures_file(window.number), script("failures", window.number, columns))
        return Window(window.number, len(records))
