"""Checks the directories of a TIFF before a decoder sees them: TIFF 6.0, and BigTIFF (Aware Systems).

A file of a few kilobytes can have a chain of directories without end, or thousands of directories that each claim the
same megabytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from crawler.errors import CorruptImage, TooManyPixels, TruncatedImage

_WIDTH, _LENGTH, _COMPRESSION, _TILE = 256, 257, 259, (322, 323)
_BIG_TIFF = 43
_PARTS = {273: 279, 324: 325}
"""Tags of the offsets of strips and of tiles, each with the tag of their lengths."""
_TYPE_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_MAX_ENTRIES = 500_000
_MAX_TILE_PX = 2**28
_MAX_CLAIMS = 2
"""Number of times that a directory may claim each byte of the file; no two tags share bytes."""


@dataclass(slots=True)
class _Directory:
    """The directory of one page."""

    after: int = 0
    """Offset of the next directory; 0 for none."""
    entries: int = 0
    claimed_bytes: int = 0
    sides: dict[int, int] = field(
        default_factory=lambda: dict.fromkeys((_WIDTH, _LENGTH, _COMPRESSION, *_TILE), 0)
    )
    parts: dict[int, list[int]] = field(default_factory=dict)

    def reaches(self) -> int:
        """End of the last strip or tile."""
        return max(
            (
                offset + length
                for offsets, lengths in _PARTS.items()
                for offset, length in zip(
                    self.parts.get(offsets, ()), self.parts.get(lengths, ()), strict=False
                )
            ),
            default=0,
        )


class _File:
    """Reads the numbers of a TIFF in its byte order and sizes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
        self._big = self.number(2, 2) == _BIG_TIFF
        self._offset_bytes = 8 if self._big else 4
        self.first = self.number(self._offset_bytes, self._offset_bytes)

    def number(self, start: int, size: int) -> int:
        if start + size > len(self.data):
            raise TruncatedImage(f"the TIFF ends early: a list reaches beyond its {len(self.data):,} bytes")
        return int.from_bytes(self.data[start : start + size], self._order)

    def directory(self, position: int, max_entries: int) -> _Directory:
        count_bytes, entry_bytes = (8, 20) if self._big else (2, 12)
        found = _Directory(entries=self.number(position, count_bytes))
        if found.entries > max_entries:
            raise CorruptImage(f"the directories of the TIFF have more than {_MAX_ENTRIES:,} entries")
        start = position + count_bytes
        end = start + found.entries * entry_bytes
        for entry in range(start, end, entry_bytes):
            self._take(entry, found)
        if end + self._offset_bytes <= len(self.data):
            found.after = self.number(end, self._offset_bytes)
        return found

    def _take(self, entry: int, found: _Directory) -> None:
        tag, kind, count = (
            self.number(entry, 2),
            self.number(entry + 2, 2),
            self.number(entry + 4, self._offset_bytes),
        )
        at, each = entry + 4 + self._offset_bytes, _TYPE_BYTES.get(kind, 0)
        self.number(at, self._offset_bytes)
        if each * count > self._offset_bytes:
            at = self.number(at, self._offset_bytes)
            if at + each * count > len(self.data):
                return  # beyond the file: no decoder can read it
            found.claimed_bytes += each * count
            if found.claimed_bytes > _MAX_CLAIMS * len(self.data):
                return
        if tag in found.sides and count:
            found.sides[tag] = self.number(at, each)
        elif tag in _PARTS or tag in _PARTS.values():
            found.parts[tag] = [self.number(place, each) for place in range(at, at + each * count, each or 1)]


def compression_of(data: bytes) -> int:
    """The compression tag of the first page; 0 if there is none. Raises a Rejection for a broken directory."""
    file = _File(data)
    return file.directory(file.first, _MAX_ENTRIES).sides[_COMPRESSION]


def check_tiff(data: bytes, *, max_pages: int, max_pixels: int) -> tuple[int, bool]:
    """Returns the number of pages, and whether pixels are said to lie beyond the end of the file.

    That may be an empty word: some writers round up. A cyclic chain of directories ends where it closes.

    Raises TruncatedImage for a directory beyond the end, TooManyPixels, CorruptImage.
    """
    file = _File(data)
    position, seen = file.first, set[int]()
    pixels = entries = claimed_bytes = reach = 0
    while position and position not in seen:
        seen.add(position)
        if len(seen) > max_pages:
            raise TooManyPixels(f"it has more than {max_pages} frames, the limit")
        page = file.directory(position, _MAX_ENTRIES - entries)
        position = page.after
        entries += page.entries
        claimed_bytes += page.claimed_bytes
        if claimed_bytes > _MAX_CLAIMS * len(data):
            raise CorruptImage("the directories of the TIFF claim the same bytes over and over")
        reach = max(reach, page.reaches())
        pixels += page.sides[_WIDTH] * page.sides[_LENGTH]
        tile_px = page.sides[_TILE[0]] * page.sides[_TILE[1]]
        if pixels > max_pixels or tile_px > max(max_pixels, _MAX_TILE_PX):
            raise TooManyPixels(
                f"it has {max(pixels, tile_px):,} pixels in {len(seen)} frames; "
                f"the limit is {max_pixels} (max_pixels)"
            )
    return len(seen), reach > len(data)
