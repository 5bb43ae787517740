"""Which image URLs gave the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import msgspec

from crawler.catalog.database import Catalog
from crawler.crawlfile.columns import sane_size
from crawler.models import Value


class SameBytes(Value):
    """One file, and every URL that it was found under; the first is the one it was saved from."""

    path: str
    sha256: str
    size_bytes: int
    urls: tuple[str, ...]


def duplicates(catalog: Catalog) -> Iterator[SameBytes]:
    """Every file with more than one URL, by path."""
    rows = catalog.rows(
        f"SELECT path, sha256, {sane_size('size_bytes')}, url FROM images"  # noqa: S608 - our own names
        " WHERE typeof(path) = 'text' AND path != '' AND path IN (SELECT path FROM images WHERE status = 'duplicate')"
        " ORDER BY path, sha256, status = 'saved' DESC, seq"
    )
    with catalog.legible():
        for (path, sha256, size_bytes), group in groupby(rows, key=lambda row: row[:3]):
            urls = [row[3] for row in group]
            found = {"path": path, "sha256": sha256, "size_bytes": size_bytes, "urls": urls}
            yield msgspec.convert(found, SameBytes)
