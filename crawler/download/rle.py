"""Run-length encoded bitmaps (BMP RLE4, RLE8), as [MS-WMF] 3.1.6.4 has them: bytes to pixels, pure.

Pillow refuses those that leave pixels out by ending early, which the format allows, and where a line is too long.
"""

from __future__ import annotations

from crawler.errors import TruncatedImage

_END_OF_LINE, _END_OF_BITMAP, _DELTA = 0, 1, 2


def expanded(data: memoryview, width: int, height: int, *, nibbles: bool) -> bytes:
    """A byte for each pixel, in the order of the file's lines; 0 for what is left out.

    Raises TruncatedImage if the data ends before it says so, and before all lines are there.
    """
    pixels = bytearray(width * height)
    x = y = position = 0
    while y < height and position + 2 <= len(data):
        count, value = data[position], data[position + 1]
        position += 2
        if not count and value == _END_OF_BITMAP:
            return bytes(pixels)
        if not count and value == _END_OF_LINE:
            x, y = 0, y + 1
        elif not count and value == _DELTA:
            x, y = x + _at(data, position), y + _at(data, position + 1)
            position += 2
        else:
            run, used = _run(data, position, count, value, nibbles=nibbles)
            position += used
            fits = min(len(run), max(width - x, 0))
            pixels[y * width + x : y * width + x + fits] = run[:fits]
            x += len(run)
    if y < height - 1 or (y < height and x < width):
        raise TruncatedImage(f"the bitmap's data ends in line {y} of {height}")
    return bytes(pixels)


def _run(data: memoryview, position: int, count: int, value: int, *, nibbles: bool) -> tuple[bytes, int]:
    """Pixels, and how many bytes they take: *count* alike, or else *value* of them one by one."""
    if count:
        return (bytes((value >> 4, value & 15) * 128)[:count] if nibbles else bytes((value,)) * count), 0
    stored = (value + 1) // 2 if nibbles else value
    raw = bytes(data[position : position + stored])
    if nibbles:
        raw = bytes(half for byte in raw for half in (byte >> 4, byte & 15))
    if len(raw) < value:
        raise TruncatedImage(f"the BMP ends early: at byte {len(data):,}, in the midst of {value} pixels")
    return raw[:value], stored + stored % 2


def _at(data: memoryview, position: int) -> int:
    return data[position] if position < len(data) else 0
