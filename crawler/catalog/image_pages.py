"""The pages on which an image stands: the first one, which its record names, then the others.

crawl.db keeps 1,000 of each image, and counts how often further pages name it (queues/mentions.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from crawler.catalog.database import Catalog, ImageStatuses
from crawler.models import ImagePages, ImageRecord, TaskKind
from crawler.urls import page_mark, task_key

_OF_IMAGE = "FROM mentions JOIN mention_pages ON mention_pages.id = mentions.page WHERE mentions.image = ?"
_URLS = f"SELECT CAST(mention_pages.url AS BLOB) {_OF_IMAGE} ORDER BY mentions.page LIMIT ?"
_ALL = -1


class ImagePage(NamedTuple):
    """One page on which one image stands, as a row of the view ``image_pages``."""

    url: str
    path: str
    status: str
    page_url: str
    is_first: bool
    """Whether the image's record names this page."""


def other_pages(catalog: Catalog, key: bytes, first: str, *, most: int) -> tuple[tuple[str, ...], int]:
    """*most* of the pages that name the image of that ``task_key``, but for the *first* one, in the order in which they
    were read; and how many there are in all; one that is not kept counts each time that it was read. None
    are known of a crawl that an early version of the program has made.
    """
    if "mentions" in catalog.missing_tables:
        return (), 0
    # one more than wanted, and the first one may be among them: fewer are all, and need not be counted
    found = list(_urls(catalog, key, most + 2))
    others = tuple(page for page in found if page != first)
    if len(found) < most + 2:
        return others[:most], len(others) + _left_out(catalog, key)
    count = catalog.value("SELECT count(*) FROM mentions WHERE image = ?", (key,))
    count -= catalog.value(f"SELECT count(*) {_OF_IMAGE} AND mention_pages.mark = ?", (key, page_mark(first)))
    return others[:most], count + _left_out(catalog, key)


def _left_out(catalog: Catalog, key: bytes) -> int:
    """How often the image was named by pages that are not kept."""
    return _times(catalog, "WHERE image = ?", (key,))


def left_out(catalog: Catalog) -> int:
    """The same of all images together."""
    return _times(catalog, "", ())


def _times(catalog: Catalog, where: str, values: tuple[bytes, ...]) -> int:
    if "more_mentions" in catalog.missing_tables:
        return 0
    sql = f"SELECT coalesce(sum(CAST(times AS INTEGER)), 0) FROM more_mentions {where}"  # noqa: S608 - our own words
    return max(0, int(catalog.value(sql, values)))


def pages_of(catalog: Catalog, record: ImageRecord, *, most: int) -> ImagePages:
    """*most* of the pages on which the image of *record* stands, the one that it names first."""
    first = (record.page_url,) if record.page_url else ()
    key = task_key(TaskKind.IMAGE, record.url)
    others, count = other_pages(catalog, key, record.page_url, most=max(0, most - len(first)))
    urls = (first + others)[: max(0, most)]
    return ImagePages(urls=urls, more=len(first) + count - len(urls))


def pages_now(folder: Path, record: ImageRecord, *, most: int) -> ImagePages:
    """As :func:`pages_of`, of the crawl in *folder*."""
    with Catalog(folder) as catalog:
        return pages_of(catalog, record, most=most)


def all_pages(catalog: Catalog, *, status: ImageStatuses = ()) -> Iterator[ImagePage]:
    """A row for each page of each image that is kept: image by image, as ``Catalog.images`` has them, and of each the
    first page, then the others as they were read.
    """
    for record in catalog.images(status=status):
        about = (record.url, record.path, str(record.status))
        if record.page_url:
            yield ImagePage(*about, record.page_url, is_first=True)
        if "mentions" in catalog.missing_tables:
            continue
        for page in _urls(catalog, task_key(TaskKind.IMAGE, record.url), _ALL):
            if page != record.page_url:
                yield ImagePage(*about, page, is_first=False)


def _urls(catalog: Catalog, key: bytes, most: int) -> Iterator[str]:
    """As far as they can be read: one damaged URL does not keep all records from being exported."""
    return (page.decode(errors="replace") for (page,) in catalog.rows(_URLS, (key, most)))
