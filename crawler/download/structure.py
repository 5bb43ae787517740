"""Whether an image file is all there: the containers walked to their end marks, nothing decoded.

Decoders forgive a file that lacks its tail. These walks don't; bytes after the end mark are nobody's concern.
Each raises TruncatedImage or CorruptImage.
"""

from __future__ import annotations

import re
import zlib

from crawler.errors import CorruptImage, TruncatedImage

_PNG_CHECKED = frozenset({b"IHDR", b"PLTE", b"IDAT", b"fdAT"})
_JPEG_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]", re.DOTALL)
_JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xDA)})
_EOI, _SOS = b"\xff\xd9", 0xDA


def check_jpeg(data: bytes) -> None:
    """ISO/IEC 10918-1 annex B: segments up to the first scan, and an EOI after it.

    So a thumbnail's EOI does not count. What lies between is the decoder's to judge.
    """
    position = 2
    while match := _JPEG_MARKER.search(data, position):
        marker, position = data[match.end() - 1], match.end()
        if marker == _SOS:
            break
        if marker not in _JPEG_ALONE:
            position += int.from_bytes(data[position : position + 2], "big")
    # pixels never hold the mark: an 0xff of theirs is followed by 0x00 or a restart number
    if data.find(_EOI, position) < 0:
        raise TruncatedImage(f"the JPEG has no end marker in its {len(data)} bytes")


def check_png(data: bytes) -> int:
    """W3C PNG, third edition: chunks up to IEND, with right checksums in those that hold pixels.

    Returns how many frames it announces: 1, or more for an animated one.
    """
    position, frames, pixels = 8, 1, False
    view = memoryview(data)
    while True:
        header = data[position : position + 8]
        end = position + 12 + int.from_bytes(header[:4], "big")
        if len(header) < 8 or end > len(data):  # noqa: PLR2004
            raise TruncatedImage(f"the PNG has no IEND chunk in its {len(data)} bytes")
        kind = header[4:]
        if not kind.isalpha():
            raise CorruptImage(f"the PNG has a chunk of the impossible type {kind!r}")
        if kind in _PNG_CHECKED and zlib.crc32(view[position + 4 : end - 4]) != int.from_bytes(
            view[end - 4 : end], "big"
        ):
            raise CorruptImage(f"the checksum of the PNG's {kind.decode()} chunk at byte {position} is wrong")
        if kind == b"acTL" and not pixels:
            frames = max(int.from_bytes(data[position + 8 : position + 12], "big"), 1)
        pixels = pixels or kind == b"IDAT"
        if kind == b"IEND":
            return frames
        position = end


def check_gif(data: bytes) -> int:
    """GIF89a: blocks up to the trailer. Returns the number of frames."""
    position = 13 + _color_table_bytes(data[10] if len(data) > 10 else 0)  # noqa: PLR2004
    frames = 0
    while position < len(data):
        block = data[position]
        if block == 0x3B:  # noqa: PLR2004 - trailer
            if not frames:
                raise CorruptImage("the GIF has no frame")
            return frames
        if block == 0x2C and position + 9 < len(data):  # noqa: PLR2004 - image descriptor
            frames += 1
            position = _after_sub_blocks(data, position + 11 + _color_table_bytes(data[position + 9]))
        elif block == 0x21:  # noqa: PLR2004 - extension
            position = _after_sub_blocks(data, position + 2)
        elif block == 0x2C:  # noqa: PLR2004
            break
        elif block == 0:
            position += 1  # stray block terminators are common and harmless
        else:
            raise CorruptImage(f"the GIF has an unknown block 0x{block:02x} at byte {position}")
    raise TruncatedImage(f"the GIF has no trailer in its {len(data)} bytes")


def _color_table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_sub_blocks(data: bytes, position: int) -> int:
    while position < len(data) and data[position]:
        position += 1 + data[position]
    return position + 1


def check_webp(data: bytes) -> None:
    """RFC 9649: the RIFF header says how long the file is."""
    if len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise TruncatedImage(f"the WebP announces more than its {len(data)} bytes")


def check_boxes(data: bytes) -> None:
    """ISO/IEC 14496-12: every box of the top level fits in, up to the one with the pixels at least."""
    position, seen = 0, set[bytes]()
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        if size == 1:
            size = int.from_bytes(data[position + 8 : position + 16], "big")
        elif size == 0:
            size = len(data) - position
        if size < 8 or position + size > len(data):  # noqa: PLR2004 - the header alone
            if b"mdat" in seen and seen & {b"meta", b"moov"}:
                return  # what follows is no box
            raise TruncatedImage(f"a box of the AVIF file reaches beyond its {len(data)} bytes")
        seen.add(kind)
        position += size


def ico_entries(data: bytes) -> list[tuple[int, int]]:
    """Offset and size of each image of an icon, all within the file."""
    count = int.from_bytes(data[4:6], "little")
    if not count:
        raise CorruptImage("the icon has no image")
    if len(data) < 6 + 16 * count:
        raise TruncatedImage(f"the icon's directory of {count} images does not fit in {len(data)} bytes")
    entries = []
    for start in range(6, 6 + 16 * count, 16):
        size = int.from_bytes(data[start + 8 : start + 12], "little")
        offset = int.from_bytes(data[start + 12 : start + 16], "little")
        if offset + size > len(data):
            raise TruncatedImage(f"an image of the icon reaches beyond its {len(data)} bytes")
        entries.append((offset, size))
    return entries
