"""The pages on which an image stood, beside the first one, which its record names."""

from __future__ import annotations

from crawler.catalog.database import Catalog
from crawler.urls import page_mark

_OF_IMAGE = "FROM mentions JOIN mention_pages ON mention_pages.id = mentions.page WHERE mentions.image = ?"


def other_pages(catalog: Catalog, key: bytes, first: str, *, most: int) -> tuple[tuple[str, ...], int]:
    """*most* of the pages that name the image of that ``task_key``, but for the *first* one, in the order in which they
    were read; and how many there are in all. None are known of a crawl that an early version of the program has made.
    """
    if "mentions" in catalog.missing_tables:
        return (), 0
    count = catalog.value("SELECT count(*) FROM mentions WHERE image = ?", (key,))
    if not count:
        return (), 0
    is_first_among_them = f"SELECT count(*) {_OF_IMAGE} AND mention_pages.mark = ?"
    count -= catalog.value(is_first_among_them, (key, page_mark(first)))
    rows = catalog.rows(
        f"SELECT CAST(mention_pages.url AS TEXT) {_OF_IMAGE} ORDER BY mentions.page LIMIT ?",
        (key, most + 1),
    )
    return tuple([page for (page,) in rows if page != first][:most]), count
