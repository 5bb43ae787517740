"""Finds tags of a TIFF's first page whose bytes are metadata (TIFF 6.0, section 2; BigTIFF)."""

from __future__ import annotations

from collections.abc import Iterator

_MAX_ENTRIES = 4096
_BIG = 43
_BYTES = {1: 1, 2: 1, 7: 1, 6: 1, 4: 4, 13: 4}
"""Types that such a tag may have, with the size of a value."""


def of_first_page(data: bytes, tags: frozenset[int]) -> Iterator[tuple[int, memoryview]]:
    """Each of *tags* that the page has, with its bytes. Never raises."""
    is_little = data[:2] == b"II"
    view = memoryview(data)

    def number(start: int, size: int) -> int:
        return int.from_bytes(view[start : start + size], "little" if is_little else "big")

    is_big = number(2, 2) == _BIG
    word, count_bytes, entry_bytes = (8, 8, 20) if is_big else (4, 2, 12)
    start = number(8 if is_big else 4, word)
    count = min(number(start, count_bytes), _MAX_ENTRIES)
    start += count_bytes
    for entry in range(start, min(start + count * entry_bytes, len(data) - entry_bytes + 1), entry_bytes):
        tag = number(entry, 2)
        if tag not in tags:
            continue
        size = _BYTES.get(number(entry + 2, 2), 0) * number(entry + 4, word)
        at = entry + 4 + word
        if size > word:
            at = number(at, word)
        yield tag, view[at : at + size]
