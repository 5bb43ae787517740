"""A crawl's folder, opened for reading; a running crawl may write to it meanwhile."""

from __future__ import annotations

import json
import logging
import os
import sys
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, cast

from crawler.config import Config, config_of, values_in
from crawler.crawlfile import schema
from crawler.crawlfile.columns import RUN_COLUMNS, UNREADABLE, legible, mended, record_of, run_of
from crawler.crawlfile.connection import close_from_any_thread, connect_to_read
from crawler.crawlfile.file_names import DATABASE, SETTINGS_FILE
from crawler.crawlfile.meta import MetaKey
from crawler.crawlfile.sqlite_errors import explained_to_reader
from crawler.errors import CrawlerError, FolderError, UsageError
from crawler.logs.events import ROW_DOUBTED, tell
from crawler.models import (
    KIND_OF,
    STATUSES,
    ImagePages,
    ImageRecord,
    ImageStatus,
    PageRecord,
    PageStatus,
    RenderRecord,
    RenderStatus,
    Run,
)
from crawler.text.plain_errors import quoted

if TYPE_CHECKING:
    from crawler.catalog.image_pages import ImagePage

log = logging.getLogger(__name__)

_BUSY_TIMEOUT_S = 30.0
_MOST_REPORTED = 1000
_MOST_ROWS = 2**62
"""A limit that SQLite takes."""
ImageStatusName = ImageStatus | Literal["saved", "duplicate", "rejected", "failed", "dead"]
PageStatusName = PageStatus | Literal["harvested", "rejected", "failed", "dead"]
RenderStatusName = RenderStatus | Literal["rendered", "rejected", "failed", "dead"]
ImageStatuses = ImageStatusName | Iterable[ImageStatusName]
PageStatuses = PageStatusName | Iterable[PageStatusName]
RenderStatuses = RenderStatusName | Iterable[RenderStatusName]

_Record = TypeVar("_Record", ImageRecord, PageRecord, RenderRecord)


class Catalog:
    """The records of the crawl in *folder*, for one thread. Iterating over it yields the records of images.

        with crawler.Catalog("pictures") as catalog:
            for record in catalog.images(status="saved"):
                print(record.file, record.alt)

    It is closed by ``close``, at the end of a ``with`` block, or when nobody refers to it any more.
    Every query sees one moment of a running crawl, and so do all queries within ``with catalog.snapshot()``.
    Iterators hold a few rows, however many there are. Invalid rows are read as far as possible, and logged.

    Raises FolderError if the folder holds no crawl of a version that this one reads, LedgerCorrupt if crawl.db can't
    be read, StorageFailed if it stays locked. Any method may raise the last two.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        folder = Path(folder)
        self.folder = folder
        self.path = folder / DATABASE
        self._absolute = folder.absolute()
        self._reported: set[tuple[str, str]] = set()
        _require_crawl(folder)
        with self._explained():
            self._db = connect_to_read(self.path, timeout_s=_BUSY_TIMEOUT_S)
            try:
                version = self._checked_version()
            except BaseException:
                self._db.close()
                raise
        self._version = version
        self._missing_columns = schema.missing_columns(version)
        self.missing_tables = schema.missing_tables(version)
        """Tables that the file lacks, being of an earlier version."""
        weakref.finalize(self, close_from_any_thread, self._db)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def __len__(self) -> int:
        """Number of image URLs that have a record so far."""
        return int(self.value("SELECT count(*) FROM images"))

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[ImageRecord]:
        return self.images()

    def __repr__(self) -> str:
        try:
            pages = self.value("SELECT count(*) FROM pages")
            content = f"{len(self):,} images, {pages:,} pages"
        except CrawlerError as exc:
            content = "closed" if isinstance(exc, UsageError) else "can't be read"
        return f"<Catalog {quoted(str(self.folder))}: {content}>"

    def _repr_html_(self) -> str:
        """HTML for a notebook; the module is imported by name, as it imports all records."""
        return cast("str", import_module("crawler.api.notebook").catalog_html(self))

    def seeds(self) -> tuple[str, ...]:
        """The canonical URLs that the crawl began with; empty when it has not begun."""
        return self._texts_in(MetaKey.SEEDS, "the seeds")

    def runs(self) -> tuple[Run, ...]:
        """The runs of the crawl, the first one first; an early version of the program has not recorded them."""
        if "runs" in self.missing_tables:
            return ()
        rows = self.rows(f"SELECT {RUN_COLUMNS} FROM runs ORDER BY number")  # noqa: S608 - our own names
        return tuple(map(run_of, rows))

    def config(self) -> Config:
        """The settings of the last run, as far as they can be read."""
        before_runs = values_in(self.folder / SETTINGS_FILE)
        runs = self.runs()
        return config_of(before_runs | (runs[-1].settings if runs else {}))

    def lists(self) -> tuple[str, ...]:
        """Absolute paths of the lists (``-i``, ``--image-list``) that the crawl has read."""
        return self._texts_in(MetaKey.LISTS, "the names of its lists")

    def meta(self, key: MetaKey) -> Any:
        """The value of *key* in the table meta; None if it has no row."""
        return next((value for (value,) in self.rows("SELECT value FROM meta WHERE key = ?", (key,))), None)

    def _texts_in(self, key: MetaKey, what: str) -> tuple[str, ...]:
        """The texts of a JSON array, or the names in a JSON object."""
        if (text := self.meta(key)) is not None:
            with suppress(ValueError, TypeError):
                return tuple(map(str, json.loads(text)))
            tell(log, ROW_DOUBTED, told=f"{self.path}: {what} can't be read")
        return ()

    def images(self, *, status: ImageStatuses = (), reason: str | None = None) -> Iterator[ImageRecord]:
        """Image records, oldest first: those with *status*, or one of several (none given: any)."""
        return self._records(ImageRecord, status, reason)

    def pages(self, *, status: PageStatuses = (), reason: str | None = None) -> Iterator[PageRecord]:
        """Page records, oldest first: those with *status*, or one of several (none given: any)."""
        return self._records(PageRecord, status, reason)

    def renders(self, *, status: RenderStatuses = (), reason: str | None = None) -> Iterator[RenderRecord]:
        """Records of rendered pages, oldest first: those with *status*, or one of several (none given: any)."""
        return self._records(RenderRecord, status, reason)

    def where(self, kind: type[_Record], condition: str, *values: object) -> Iterator[_Record]:
        """Records of one kind for which an SQL *condition* holds, saved ones first, then oldest first."""
        return self._select(kind, f"{condition} ORDER BY status = 'saved' DESC, seq", values)

    def numbered(self, first: int, last: int, *, status: ImageStatuses) -> Iterator[ImageRecord]:
        """Image records with one of these statuses whose numbers (``seq``) are *first* to *last*, oldest first."""
        statuses = [str(one) for one in ((status,) if isinstance(status, str) else status)]
        condition = f"seq BETWEEN ? AND ? AND status IN ({', '.join('?' * len(statuses))}) ORDER BY seq"
        return self._select(ImageRecord, condition, (first, last, *statuses))

    def history(self, url: str) -> Iterator[ImageRecord]:
        """Earlier records of an image whose bytes have changed, the latest first."""
        return self._select(ImageRecord, "url = ? ORDER BY seq DESC", (url,), table=schema.HISTORY)

    def pages_of(self, record: ImageRecord, *, most: int = sys.maxsize) -> ImagePages:
        """*most* of the pages on which the image stands, the one that its record names first; the others are counted.

        A crawl of an early version of the program knows first pages alone.
        """
        return cast("ImagePages", _image_pages().pages_of(self, record, most=min(most, _MOST_ROWS)))

    def image_pages(self, *, status: ImageStatuses = ()) -> Iterator[ImagePage]:
        """Each page of each image, image by image: ``url``, ``path``, ``status``, ``page_url``, ``is_first``."""
        return cast("Iterator[ImagePage]", _image_pages().all_pages(self, status=status))

    def rows(
        self, sql: str, values: Sequence[object] | Mapping[str, object] = ()
    ) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, one by one."""
        with self._explained():
            for row in self._db.execute(sql, values):  # noqa: UP028 - would close the cursor of a closed database
                yield row

    def value(self, sql: str, values: Sequence[object] = ()) -> Any:
        """The first column of a query's only row."""
        with self._explained():
            return self._db.execute(sql, values).fetchone()[0]

    def legible(self) -> AbstractContextManager[None]:
        """Errors within the block become LedgerCorrupt: it uses rows, and they are invalid."""
        return legible(self.path)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All queries within the block see one moment; the WAL file grows meanwhile. Errors as in ``legible``."""
        with self._explained(), self.legible():
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("ROLLBACK")

    def _records(
        self, record: type[_Record], status: str | Iterable[str], reason: str | None
    ) -> Iterator[_Record]:
        statuses = [str(one) for one in STATUSES[KIND_OF[record]]]
        wanted: tuple[str, ...] = (status,) if isinstance(status, str) else tuple(status)
        for one in wanted:
            if one not in statuses:
                raise UsageError(
                    f"status = {quoted(one)} won't do: a record of {schema.TABLES[KIND_OF[record]]} is one of"
                    f" {', '.join(statuses)}"
                )
        conditions, values = ["TRUE"], [*map(str, wanted)]
        if wanted:
            conditions.append(f"status IN ({', '.join('?' * len(wanted))})")
        if reason is not None:
            conditions.append("reason = ?")
            values.append(reason)
        return self._select(record, f"{' AND '.join(conditions)} ORDER BY seq", values)

    def _select(
        self, record: type[_Record], rest: str, values: Sequence[object], *, table: str = ""
    ) -> Iterator[_Record]:
        table = table or schema.TABLES[KIND_OF[record]]
        if table in self.missing_tables:
            return
        columns = ", ".join(self._missing_columns.get(name, name) for name in record.__struct_fields__)
        sql = f"SELECT {columns} FROM {table} WHERE {rest}"  # noqa: S608 - names of our own
        for row in self.rows(sql, values):
            try:
                read: _Record | None = record_of(record, row)
            except UNREADABLE:
                read = self._mended(table, record, row)
            if isinstance(read, ImageRecord):
                read = read.within(self._absolute)
            if read is not None:
                yield read

    def _mended(self, table: str, record: type[_Record], row: Sequence[Any]) -> _Record | None:
        """The valid fields of an invalid row, which is logged once; None without a URL."""
        found, wrong = mended(record, row)
        row_id = (table, found.url)
        if row_id not in self._reported and len(self._reported) < _MOST_REPORTED:
            self._reported.add(row_id)
            url = "".join(char if char.isprintable() else "?" for char in found.url[:200])
            row_of = url or "an unreadable URL"
            passed = "" if url else "; it is passed over"
            tell(
                log,
                ROW_DOUBTED,
                told=f"{self.path}: in the row of {row_of} in {table} can't be right, and counts as not told:"
                f" {', '.join(wrong)}{passed}",
            )
        return cast("_Record", found) if found.url else None

    def _checked_version(self) -> int:
        """The version of the schema. Raises FolderError for one that can't be read."""
        version = schema.version_of(self._db)
        if version is None:
            raise FolderError(
                f"{self.path} is not a crawl's database; name a folder that image-crawler crawl has made"
            )
        if not schema.is_readable(version):
            raise FolderError(
                f"{self.path} was written by another version of image-crawler (schema {version}; this one"
                f" reads {schema.SCHEMA_VERSION}); look at it with that version"
            )
        return version

    def has(self, column: str) -> bool:
        """Whether the file has that *column* of a record's table: one of an earlier version may lack it."""
        return column not in self._missing_columns

    @property
    def of_task(self) -> str:
        """An SQL condition for ``where``, true of the record of the task whose id is its value."""
        return schema.of_task(self._version)

    def joined(self, record: str, task: str) -> str:
        """An SQL condition that is true where *record*, the name of a table in a query, is that of *task*."""
        return schema.joined(self._version, record, task)

    def _explained(self) -> AbstractContextManager[None]:
        return explained_to_reader(self.path, timeout_s=_BUSY_TIMEOUT_S)


def _image_pages() -> Any:
    """Imported by name, as it imports this module."""
    return import_module("crawler.catalog.image_pages")


def _require_crawl(folder: Path) -> None:
    if (folder / DATABASE).is_file():
        return
    if not folder.exists():
        raise FolderError(f"there is no folder {folder}; name one that image-crawler crawl has made")
    if not folder.is_dir():
        raise FolderError(f"{folder} is a file; name the folder of a crawl")
    inside = sorted(path.parent.name for path in folder.glob(f"*/{DATABASE}"))
    hint = (
        f"below it are the crawls {', '.join(inside[:5])}"
        if inside
        else "name a folder that image-crawler crawl has made"
    )
    raise FolderError(f"{folder} holds no crawl: {DATABASE} is missing; {hint}")
