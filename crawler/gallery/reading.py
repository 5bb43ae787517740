"""What a gallery shows of a crawl, read from its records: some at a time, so that memory does not grow with it.

Records are read by windows of their numbers (``seq``). Each is a query of its own: a running crawl can go on between
them. A refresh gives the records that it makes new numbers.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from crawler.catalog import Catalog
from crawler.catalog.elsewhere import Expected
from crawler.catalog.image_pages import other_pages
from crawler.catalog.similar import group_numbers, number_of
from crawler.catalog.summary import read_stats
from crawler.config import Config
from crawler.crawlfile.columns import known_reason, known_status, total
from crawler.crawlfile.image_paths import is_image_path
from crawler.crawlfile.keepers import keeper_of
from crawler.crawlfile.layout import CrawlFolder
from crawler.crawlfile.meta import MetaKey
from crawler.errors import ADVICE, FolderError, meaning
from crawler.gallery.payloads import (
    REVISITS,
    SHOWN,
    VERSION,
    WINDOW,
    Names,
    Picture,
    Place,
    SharedNames,
    host_of,
)
from crawler.models import ImageRecord, Stats, TaskKind
from crawler.monitoring.condition import State, condition
from crawler.urls import task_key

DISTANCE = 4
"""Bits in which pictures that look alike may differ, as ``inspect --similar`` has it."""
LIVE_S = 2
_MOST_PLACES = 20
_COPIES = "CREATE TEMP TABLE IF NOT EXISTS copies (sha256 TEXT, seq INTEGER, PRIMARY KEY (sha256, seq)) WITHOUT ROWID"
_STATES = {State.FINISHED: "finished", State.UNBALANCED: "finished", State.INTERRUPTED: "stopped"}
_IS_SHOWN = "status IN ('saved', 'duplicate')"  # as SHOWN has it


class Window(NamedTuple):
    """Records with numbers from ``number * WINDOW`` on."""

    number: int
    records: int
    """How many of these are shown; damaged ones without a URL included, which are passed over."""


class GalleryReader:
    """The content of the gallery of *catalog*, for one thread."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.names = SharedNames.none()
        self.groups: dict[int, int] = {}
        """By dHash; see :meth:`find_groups`."""
        self._reasons = Names()
        self._counts: dict[str, int] = {}
        """How many URLs gave the same bytes, by SHA-256, where several did."""
        self._copies_up_to = self._names_up_to = -1

    @cached_property
    def config(self) -> Config:
        return self.catalog.config()

    @cached_property
    def expected(self) -> Expected:
        return Expected(self.catalog)

    def find_groups(self) -> None:
        """Find out which images look alike: about a second for 100,000."""
        self.groups = group_numbers(self.catalog, distance=DISTANCE)

    def windows(self, *, failures: bool = False) -> list[Window]:
        """The windows in which anything is, in their order: of images that are shown, or of *failures*."""
        which = f"NOT {_IS_SHOWN}" if failures else _IS_SHOWN
        sql = f"SELECT seq / {WINDOW}, count(*) FROM images WHERE {which} GROUP BY 1 ORDER BY 1"  # noqa: S608 - our own
        return [Window(number, records) for number, records in self.catalog.rows(sql)]

    def shown(self, number: int) -> Iterator[ImageRecord]:
        """The images of a window that are shown, in the order in which they were saved."""
        return self.catalog.numbered(number * WINDOW, number * WINDOW + WINDOW - 1, status=SHOWN)

    def failures(self, number: int) -> Iterator[ImageRecord]:
        """The image URLs of a window that were not saved."""
        first = number * WINDOW
        condition = f"seq BETWEEN ? AND ? AND NOT {_IS_SHOWN}"
        return self.catalog.where(ImageRecord, condition, first, first + WINDOW - 1)

    def picture(self, record: ImageRecord, *, thumbnail: str, small_px: tuple[int, int]) -> Picture:
        """What the page shows of *record*, whose *thumbnail* has the size *small_px*."""
        places, more_places = self.places(record)
        key = task_key(TaskKind.IMAGE, record.url)
        pages, page_count = other_pages(self.catalog, key, record.page_url, most=_MOST_PLACES)
        return Picture(
            record=record,
            path=self.path(record),
            thumbnail=thumbnail,
            size_px=_as_shown((record.width_px, record.height_px), small_px),
            group=self.group(record),
            pages=pages,
            more_pages=page_count - len(pages),
            places=places,
            more_places=more_places,
        )

    def group(self, record: ImageRecord) -> int:
        """The number of the group of pictures that look like this one; 0 if it is the only one."""
        dhash = number_of(record.dhash)
        return 0 if dhash is None else self.groups.get(dhash, 0)

    def path(self, record: ImageRecord) -> str:
        """The path of its file, relative to the crawl's folder; empty if it is not here, or may not be shown."""
        return record.path if is_image_path(record.path) and record.file is not None else ""

    def absence(self, record: ImageRecord) -> str:
        """Why the file of a saved image is not here: ``elsewhere`` or ``gone``."""
        if self.config.storage.url:
            return "elsewhere"
        return "gone" if self.expected.here(keeper_of(record.kept_by, record.worker)) else "elsewhere"

    def note_copies(self) -> None:
        """Note the SHA-256 of the records that are new: to be called before ``places`` and ``saved_with``.

        They go into SQLite's own temporary database, which moves to disk when it grows: crawl.db has no index of them.
        """
        new = f"SELECT CAST(sha256 AS TEXT), seq FROM images WHERE seq > ? AND {_IS_SHOWN} AND sha256 != ''"  # noqa: S608
        for statement, values in (
            (_COPIES, ()),
            (f"INSERT OR IGNORE INTO temp.copies {new}", (self._copies_up_to,)),
        ):
            for _ in self.catalog.rows(statement, values):
                raise AssertionError
        up_to = int(self.catalog.value("SELECT coalesce(max(seq), 0) FROM images"))
        if up_to != self._copies_up_to:
            several = "SELECT sha256, count(*) FROM temp.copies GROUP BY sha256 HAVING count(*) > 1"
            self._counts = dict(self.catalog.rows(several))
        self._copies_up_to = up_to

    def places(self, record: ImageRecord) -> tuple[list[Place], int]:
        """Other URLs that gave the same bytes, the first _MOST_PLACES of them, and how many more there are."""
        count = self._counts.get(record.sha256, 1)
        if count == 1:
            return [], 0
        rows = self.catalog.rows(
            f"SELECT url, page_url, alt, caption, found_in FROM images WHERE {_IS_SHOWN} AND url != ?"  # noqa: S608
            " AND seq IN (SELECT seq FROM temp.copies WHERE sha256 = ? ORDER BY seq LIMIT ?) ORDER BY seq",
            (record.url, record.sha256, _MOST_PLACES + 1),
        )
        places = [Place(*map(str, row)) for row in rows][:_MOST_PLACES]
        return places, max(0, count - 1 - len(places)) if len(places) == _MOST_PLACES else 0

    def saved_with(self, digits: str) -> ImageRecord | None:
        """A saved image whose SHA-256 begins with these hexadecimal *digits*, and whose file is here."""
        numbers = [
            seq
            for (seq,) in self.catalog.rows(
                "SELECT seq FROM temp.copies WHERE sha256 >= ? AND sha256 < ? ORDER BY sha256, seq LIMIT ?",
                (digits, digits + "g", WINDOW),
            )
        ]
        for number in numbers:
            for record in self.catalog.numbered(number, number, status=SHOWN):
                if record.sha256.startswith(digits) and record.file is not None:
                    return record
        return None

    def reason(self, reason: str) -> int:
        """The number of a reason in the list of ``meta``; it keeps it."""
        if not self._reasons.texts():
            self.reasons()
        return self._reasons.number(reason)

    def reasons(self) -> list[dict[str, Any]]:
        """Every reason for which image URLs were not saved, with an example and what to do about it."""
        found: dict[str, tuple[int, str, int]] = {}
        for status, reason, count, seq in self.catalog.rows(
            "SELECT status, reason, count(*) AS images, min(seq) FROM images"  # noqa: S608 - our own names
            f" WHERE NOT {_IS_SHOWN} GROUP BY status, reason ORDER BY images DESC"
        ):
            slug = known_reason(reason)
            so_far = found.get(slug, (0, known_status(TaskKind.IMAGE, status), seq))
            found[slug] = (so_far[0] + count, *so_far[1:])
        for slug in found:
            self._reasons.number(slug)
        return [self._told(slug, *found.get(slug, (0, "", 0))) for slug in self._reasons.texts()]

    def _told(self, slug: str, count: int, status: str, example: int) -> dict[str, Any]:
        urls = [str(url) for (url,) in self.catalog.rows("SELECT url FROM images WHERE seq = ?", (example,))]
        return {
            "slug": slug,
            "status": status,
            "count": count,
            "example_url": urls[0] if urls else "",
            "means": meaning(slug),
            "do": ADVICE.get(slug, "").replace("DIR", shlex.quote(str(self.catalog.folder))),
        }

    def learn_names(self) -> None:
        """Number the hosts, formats and rules of all records that are new, for a page that is given any of them."""
        rows = self.catalog.rows(
            f"SELECT url, format, found_in, seq FROM images WHERE seq > ? AND {_IS_SHOWN} ORDER BY seq",  # noqa: S608
            (self._names_up_to,),
        )
        for url, image_format, found_in, seq in rows:
            self.names.hosts.number(host_of(str(url)))
            self.names.formats.number(str(image_format))
            self.names.found_in.number(str(found_in))
            self._names_up_to = seq

    def meta(
        self, *, live: bool, epoch: int, made_at: str, shown: list[Window], failures: list[Window]
    ) -> dict[str, Any]:
        """What the page has to know first. The names are those that were numbered so far."""
        stats = read_stats(self.catalog)
        seeds = self.catalog.seeds()
        return {
            "version": VERSION,
            "live": live,
            "live_s": LIVE_S,
            "epoch": epoch,
            "title": _title(seeds, self.catalog.folder),
            "seeds": [*seeds, *(Path(name).name for name in self.catalog.lists())],
            "state": self._state(stats),
            "made_at": made_at,
            "images": sum(window.records for window in shown),
            "failures": sum(window.records for window in failures),
            "chunk": WINDOW,
            "chunks": [list(window) for window in shown],
            "failure_chunks": [list(window) for window in failures],
            "hosts": self.names.hosts.texts(),
            "formats": self.names.formats.texts(),
            "found_in": self.names.found_in.texts(),
            "statuses": list(map(str, SHOWN)),
            "revisits": list(map(str, REVISITS)),
            "reasons": self.reasons(),
            "bytes": self.catalog.value(
                f"SELECT {total('size_bytes')} FROM images WHERE status = 'saved'"  # noqa: S608 - our own names
            ),
            "folder": "..",
        }

    def refreshes(self) -> int:
        """How often the crawl has been refreshed: each time all records may get new numbers."""
        count = self.catalog.meta(MetaKey.REFRESHES)
        return count if isinstance(count, int) else 0

    def runs(self) -> bool:
        """Whether the crawl runs now, as far as its folder tells."""
        try:
            return bool(CrawlFolder(self.catalog.folder).address())
        except FolderError:
            return False

    def _state(self, stats: Stats) -> str:
        return _STATES.get(condition(stats, runs=self.runs()).state, "running")


def _title(seeds: tuple[str, ...], folder: Path) -> str:
    """The hosts that a crawl began with; the folder's name where none is known."""
    hosts = dict.fromkeys(map(host_of, seeds))
    more = f" and {len(hosts) - 2:,} more" if len(hosts) > 2 else ""  # noqa: PLR2004
    return ", ".join(list(hosts)[:2]) + more if hosts else folder.absolute().name


def _as_shown(size_px: tuple[int, int], small_px: tuple[int, int]) -> tuple[int, int]:
    """The size of an image turned as its thumbnail is: a record has that of the pixels as they are stored."""
    width_px, height_px = size_px
    is_turned = (width_px - height_px) * (small_px[0] - small_px[1]) < 0
    return (height_px, width_px) if is_turned else size_px
