"""Tells sound files of kinds that the decoders do not read from broken ones: pure.

A decoder's error says why it failed, but not always what is wrong: of a lossless JPEG it says that its stream is
broken. So the header of the file is asked as well.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from contextlib import suppress

from crawler.download.containers import JPEG_MARKER
from crawler.download.tiff import compression_of
from crawler.errors import Rejection

_BITMAP = (
    # 16 to 60: what OS/2 2.x may leave out of its header's 64 bytes
    r"Unsupported BMP (header type \((16|20|24|28|32|36|42|44|46|48|60)\)|compression \((4|5|6|11|12|13)\)"
    r"|bitfields layout|pixel depth \((2|64)\))|codec configuration error"
)
_BOXES = r"Unsupported|Not implemented|No codec"
_WORDS = {
    "jpeg": re.compile(r"cannot handle \d+-(bit|layer)"),
    "bmp": re.compile(_BITMAP),
    "ico": re.compile(_BITMAP),
    "tiff": re.compile(
        # KeyError: a compression; from 32766 on they are anybody's own (TIFF 6.0, section 8)
        r"unknown (pixel|raw) mode|KeyError\((9|10|3276[6-9]|327[7-9]\d|32[89]\d\d|3[3-9]\d{3}|[4-6]\d{4})\)"
        r"|Invalid value for samples per pixel|string index out of range"
    ),
    "avif": re.compile(_BOXES),
    "heic": re.compile(_BOXES),
}
"""The errors of decoders for kinds that they do not read: 12 bits, odd channels, rare compressions."""

_BIG_MOTOROLA = b"MM\0+"
"""A big-endian BigTIFF, which Pillow (13) does not read."""
_WEBP_IN_TIFF = 50001
"""A compression of which libtiff, as it is built for Pillow, only says that the data is broken."""
_SOS, _DNL = 0xDA, b"\xff\xdc\0\4"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_READ_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
"""Frames of Huffman and arithmetic coding, sequential or progressive. The others are lossless, hierarchical, or
JPEG-LS.
"""
_PICTURES_IN_BITMAP = (4, 5)
"""Compressions of a JPEG or a PNG in a BMP, which then has 0 bits a pixel ([MS-WMF], 2.1.1.7)."""
_RUN_LENGTHS = (1, 2)
_END_OF_BITMAP = b"\0\1"
"""Ends run lengths. Pixels that come after it are left out, which the format allows ([MS-WMF], 3.1.6.4) and Pillow
refuses.
"""
_WINDOWS_HEADERS = frozenset({40, 52, 56, 108, 124})
_MASKS_AT = 54
_BITFIELDS = 3


def is_unread(name: str, data: bytes, told: str) -> bool:
    """Whether *data*, of the format *name*, is of a kind that its decoder does not read; *told* is the decoder's error.
    Never raises.
    """
    ask_file, words = _ASKED.get(name), _WORDS.get(name)
    said = ask_file(data) if ask_file else None
    return bool(words and words.search(told)) if said is None else said


def _jpeg(data: bytes) -> bool | None:
    """By the frame header (ISO/IEC 10918-1, B.2.2). A JPEG without a height has the number of its lines at its end
    (DNL).
    """
    position = 2
    while (match := JPEG_MARKER.search(data, position)) is not None:
        marker, start = data[match.end() - 1], match.end()
        if marker in _FRAMES:
            counted_later = data[start + 3 : start + 5] == b"\0\0" and _DNL in data
            return True if marker not in _READ_FRAMES or counted_later else None
        if marker == _SOS:
            break
        position = start + int.from_bytes(data[start : start + 2], "big")
    return None


def _bitmap(data: bytes) -> bool | None:
    """By the compression. Colour masks that share bits, or have gaps, make the file broken."""
    with suppress(struct.error):
        size, bits, compression = struct.unpack_from("<I10xHI", data, 14)
        if size not in _WINDOWS_HEADERS:
            return None
        if compression in _PICTURES_IN_BITMAP and not bits:
            return True
        if compression in _RUN_LENGTHS and data.rstrip(b"\0").endswith(_END_OF_BITMAP):
            return True
        if compression == _BITFIELDS and not _are_masks(struct.unpack_from("<III", data, _MASKS_AT)):
            return False
    return None


def _are_masks(masks: tuple[int, ...]) -> bool:
    """Whether each mask is one run of bits, and no two share any."""
    apart = sum(masks) == masks[0] | masks[1] | masks[2]
    return apart and all(mask and not (mask + (mask & -mask)) & mask for mask in masks)


def _tiff(data: bytes) -> bool | None:
    if data.startswith(_BIG_MOTOROLA):
        return True
    with suppress(Rejection):
        return True if compression_of(data) == _WEBP_IN_TIFF else None
    return None


_ASKED: dict[str, Callable[[bytes], bool | None]] = {"jpeg": _jpeg, "bmp": _bitmap, "tiff": _tiff}
"""Functions that judge by the file itself; None where the decoder's error decides."""
