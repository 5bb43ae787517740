"""Records and catalogs in a notebook: HTML without scripts, links or anything that is fetched.

What pages say is escaped; of images there are small copies within the HTML (``data:`` URLs). Nothing is styled, so that
a Content-Security-Policy has nothing to forbid.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from html import escape
from itertools import islice
from typing import TYPE_CHECKING

from crawler.api.thumbnails import thumbnail
from crawler.models import ImageRecord, ImageStatus, Record, image_words
from crawler.text.display import one_line, size

if TYPE_CHECKING:
    from crawler.catalog.database import Catalog

SHOWN_IMAGES = 12
_ROW = 4
_MOST_CHARS = 300
_MOST_ROWS = 12
_FIRST = (
    *("status", "reason", "detail", "url", "path", "page_url"),
    *image_words.NAMES,
    *("found_in", "http_status", "depth"),
)
"""The fields of records that people look for."""


def record_html(record: Record) -> str:
    """A table of the *record*'s main fields, with the image if it is on this disk."""
    fields = record.to_dict()
    rows = [(name, fields[name]) for name in _FIRST if fields.get(name)][:_MOST_ROWS]
    if isinstance(record, ImageRecord) and record.path:
        shape = f"{record.width_px:,} x {record.height_px:,} {record.format}, {size(record.size_bytes)}"
        rows.append(("image", shape))
    table = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in rows)
    if isinstance(record, ImageRecord) and (picture := _picture(record)):
        table = f'<tr><td colspan="2">{picture}</td></tr>{table}'
    return f"<table>{table}</table>"


def catalog_html(catalog: Catalog) -> str:
    """The counts of a crawl, and the first SHOWN_IMAGES images of it that are on this disk."""
    counts = catalog.rows("SELECT status, count(*) FROM images GROUP BY status ORDER BY 2 DESC")
    figures = ", ".join(f"{count:,} {_text(status)}" for status, count in counts) or "no images so far"
    cells = list(islice(_cells(catalog.images(status=ImageStatus.SAVED)), SHOWN_IMAGES))
    rows = "".join(f"<tr>{''.join(cells[first : first + _ROW])}</tr>" for first in range(0, len(cells), _ROW))
    seeds = ", ".join(catalog.seeds()) or "a crawl that has not begun"
    return f"<p><b>{_text(seeds)}</b><br>{_text(catalog.folder)}: {figures}</p><table>{rows}</table>"


def _cells(records: Iterable[ImageRecord]) -> Iterator[str]:
    for record in islice(records, 10 * SHOWN_IMAGES):
        if picture := _picture(record):
            yield f"<td>{picture}<br>{_text(record.alt or record.path.rpartition('/')[2], most=30)}</td>"


def _picture(record: ImageRecord) -> str:
    """The image as HTML; empty if it is not on this disk, or is no raster image."""
    small = thumbnail(record.file) if record.format != "svg" and record.file is not None else b""
    if not small:
        return ""
    data = base64.b64encode(small).decode("ascii")
    return f'<img src="data:image/jpeg;base64,{data}" alt="{_text(record.alt)}">'


def _text(value: object, *, most: int = _MOST_CHARS) -> str:
    """*value* as text that is safe anywhere in HTML."""
    text = one_line(str(value))
    return escape(text if len(text) <= most else f"{text[:most]}…")
