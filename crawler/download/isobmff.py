"""Finds metadata in ISO base media files, AVIF and HEIC: XMP (ISO/IEC 23008-12) and C2PA stores (C2PA 2.4, A.5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_MAX_BOXES = 1000
_MAX_ITEMS = 2000
_MAX_EXTENTS = 64
_XMP_TYPE = b"application/rdf+xml"
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_LARGEST = 2**20
"""Bytes of one item; one more is read, to show that the item is larger."""


class Box(NamedTuple):
    kind: bytes
    start: int
    """Offset of the content."""
    end: int


def xmp_items(data: bytes) -> Iterator[bytes]:
    """The XMP items. Never raises."""
    meta = next((box for box in boxes(data, 0, len(data)) if box.kind == b"meta"), None)
    if meta is None or data.find(_XMP_TYPE, meta.start, meta.end) < 0:
        return
    inside = {box.kind: box for box in boxes(data, meta.start + 4, meta.end)}
    if b"iinf" not in inside or b"iloc" not in inside:
        return
    wanted = set(_items_of_xmp(data, inside[b"iinf"]))
    idat = inside.get(b"idat")
    for item, method, extents in _locations(data, inside[b"iloc"]):
        if item not in wanted or method > 1:
            continue
        base = idat.start if method and idat else 0
        content = bytearray()
        for offset, length in extents:
            start = base + offset
            content += data[start : start + min(length or len(data), _LARGEST + 1 - len(content))]
        yield bytes(content)


def c2pa_stores(data: bytes) -> Iterator[memoryview]:
    """The C2PA manifest stores. Never raises."""
    for box in boxes(data, 0, len(data)):
        if box.kind != b"uuid" or not data.startswith(_C2PA_UUID, box.start):
            continue
        purpose = box.start + len(_C2PA_UUID) + 4
        end = data.find(b"\0", purpose, min(box.end, purpose + 64))
        if end >= 0:
            yield memoryview(data)[end + 1 + 8 : box.end]


def boxes(data: bytes | memoryview, position: int, end: int, *, limit: int = _MAX_BOXES) -> Iterator[Box]:
    """The first *limit* boxes of *data* between *position* and *end*. Never raises."""
    for _ in range(limit):
        if position + 8 > end:
            return
        size, header = int.from_bytes(data[position : position + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(data[position + 8 : position + 16], "big"), 16
        elif size == 0:
            size = end - position
        if size < header:
            return
        yield Box(bytes(data[position + 4 : position + 8]), position + header, min(position + size, end))
        position += size


def _items_of_xmp(data: bytes, iinf: Box) -> Iterator[int]:
    """Ids of the XMP items, from ``infe`` boxes of version 2 and 3."""
    version = data[iinf.start] if iinf.start < len(data) else 0
    for box in boxes(data, iinf.start + (8 if version else 6), iinf.end):
        if box.kind != b"infe" or box.start >= box.end:
            continue
        id_bytes = 4 if data[box.start] == 3 else 2  # noqa: PLR2004 - the version
        item = int.from_bytes(data[box.start + 4 : box.start + 4 + id_bytes], "big")
        kind = box.start + 4 + id_bytes + 2
        if data[kind : kind + 4] == b"mime":
            _, _, told = data[kind + 4 : min(box.end, kind + 512)].partition(b"\0")
            if told.partition(b"\0")[0] == _XMP_TYPE:
                yield item


def _locations(data: bytes, iloc: Box) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Id, construction method and extents of each item (ISO/IEC 14496-12, section 8.11.3)."""
    at = iloc.start

    def number(size: int) -> int:
        nonlocal at
        at += size
        return int.from_bytes(data[at - size : min(at, iloc.end)], "big")

    version = number(1)
    number(3)
    sizes = number(2)
    offset_bytes, length_bytes, base_bytes = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_bytes = sizes & 15 if version else 0
    id_bytes = 4 if version == 2 else 2  # noqa: PLR2004
    for _ in range(min(number(id_bytes), _MAX_ITEMS)):
        if at >= iloc.end:
            return
        item = number(id_bytes)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(base_bytes)
        count = number(2)
        extents = []
        for _ in range(count):
            if at >= iloc.end:
                return
            number(index_bytes)
            offset = number(offset_bytes)
            extents.append((base + offset, number(length_bytes)))
        yield item, method, extents[:_MAX_EXTENTS]
