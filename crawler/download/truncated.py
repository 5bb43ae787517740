"""Completes files that only lack their end: pure, nothing is decoded.

Browsers show what a file has. Chromium, asked by the pixels of a canvas, shows a PNG, a GIF and an icon without their
last bytes as it shows them whole, and a JPEG without its end marker all but so. It shows nothing of a WebP or an AVIF
that lacks a single byte: such files have no place here.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Callable

from crawler.download.containers import JPEG_MARKER, color_table_bytes

_EOI = b"\xff\xd9"
_SOS, _DRI = 0xDA, 0xDD
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_SOF = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_PROGRESSIVE = frozenset({0xC2, 0xCA})
_COEFFICIENTS = 64
_UNSEEN = -1
_TAILS = (b"\0" * 64, b"\xff\0" * 64, hashlib.blake2b(b"whatever").digest().replace(b"\xff", b"\xfe"))
"""Bytes that may follow the last pixels of a JPEG: zeros, ones, anything. No decoder looks further ahead."""

_PNG_PIXELS = frozenset({b"IDAT", b"fdAT"})
_IEND = b"\0\0\0\0IEND\xaeB`\x82"

_GIF_IMAGE, _GIF_EXTENSION, _GIF_CONTROL = 0x2C, 0x21, b"\xf9"


def completed(name: str, data: bytes) -> tuple[bytes, ...]:
    """Versions of *data*, a file of the format *name* that ends early, with an end; none where too much is missing.

    Versions differ in the bytes that stand for missing ones. If all decode, and to the same pixels, only the end is
    missing. Never raises.
    """
    complete = _COMPLETE.get(name)
    return complete(data) if complete else ()


# --- JPEG: ISO/IEC 10918-1 --------------------------------------------------------------------------------


def _jpeg(data: bytes) -> tuple[bytes, ...]:
    """Versions with an end marker after the last scan, if the scans bring all coefficients in full."""
    begin, end, restarts = _last_scan(data)
    if begin == end:
        return ()
    scan = data[begin:end]
    pixels = scan.rstrip(b"\0")  # padding of a file that was allocated before its bytes came
    if pixels.endswith(b"\xff"):
        pixels = pixels + b"\0" if len(pixels) < len(scan) else pixels.rstrip(b"\xff")
    # with restart intervals, a further interval shows whether pixels are missing
    further = b"\xff%c" % (0xD0 + len(_RESTART.findall(pixels)) % 8) if restarts else b""
    return tuple(data[:begin] + pixels + tail + (further and further + tail) + _EOI for tail in _TAILS)


def _last_scan(data: bytes) -> tuple[int, int, bool]:
    """Begin and end of the data of the last scan, and whether it has restart intervals. Both are 0 if further scans
    should follow, or a segment is broken.
    """
    position, begin, end, restarts = 2, 0, 0, False
    progressive, missing = False, dict[int, list[int]]()
    while match := JPEG_MARKER.search(data, position):
        marker, start = data[match.end() - 1], match.end()
        end = end and min(end, match.start())
        position = start + int.from_bytes(data[start : start + 2], "big")
        segment = data[start + 2 : position]
        if len(segment) < position - start - 2 or not segment:
            break
        if marker in _SOF:
            progressive = marker in _PROGRESSIVE
            missing = {component: [_UNSEEN] * _COEFFICIENTS for component in segment[6::3]}
        elif marker == _DRI:
            restarts = any(segment)
        elif marker == _SOS:
            begin, end = position, len(data)
            _note_scan(segment, missing, progressive=progressive)
    whole = missing and not any(map(any, missing.values()))
    return (begin, end, restarts) if whole else (0, 0, False)


def _note_scan(segment: bytes, missing: dict[int, list[int]], *, progressive: bool) -> None:
    """Update the number of bits that each coefficient of each component still lacks (annex G: Ss, Se, Al)."""
    count = segment[0]
    first, last, approximation = (*segment[1 + 2 * count : 4 + 2 * count], 0, 0, 0)[:3]
    if not progressive:
        first, last, approximation = 0, _COEFFICIENTS - 1, 0
    coefficients = range(_COEFFICIENTS)[first : last + 1]
    for component in missing.keys() & set(segment[1 : 1 + 2 * count : 2]):
        for index in coefficients:
            missing[component][index] = approximation & 0x0F


# --- PNG, third edition -----------------------------------------------------------------------------------


def _png(data: bytes) -> tuple[bytes, ...]:
    """A version with its last chunk of pixels shortened to what there is, and IEND."""
    position = 8
    while True:
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        if kind == b"IEND" and position + 12 <= len(data):
            return ()
        if position + 12 + length > len(data):
            break
        position += 12 + length
    body = kind + data[position + 8 : position + 8 + length]
    last = b"".join(
        ((len(body) - 4).to_bytes(4, "big"), body, zlib.crc32(body).to_bytes(4, "big"))
        if kind in _PNG_PIXELS
        else ()
    )
    return (data[:position] + last + _IEND,)


# --- GIF89a -----------------------------------------------------------------------------------------------


def _gif(data: bytes) -> tuple[bytes, ...]:
    """A version with a trailer, unless a further frame had begun; its last block of pixels is shortened to what there
    is.
    """
    position, frames, begun = 13 + color_table_bytes(data[10:11]), 0, False
    while position < len(data):
        block, start = data[position], position
        if block == _GIF_IMAGE:
            frames, begun = frames + 1, False
            last, position = _sub_blocks(
                data, position + 11 + color_table_bytes(data[position + 9 : position + 10])
            )
            if position > len(data):
                there = data[last + 1 :]
                return (data[:last] + bytes((len(there),)) + there + b"\0;",)
        elif block == _GIF_EXTENSION:
            begun = begun or data[position + 1 : position + 2] in {b"", _GIF_CONTROL}
            _, position = _sub_blocks(data, position + 2)
            data = data if position <= len(data) else data[:start]
        elif block == 0:
            position += 1
        else:
            return ()
    return (data + b";",) if frames and not begun else ()


def _sub_blocks(data: bytes, position: int) -> tuple[int, int]:
    """Begin of the last sub-block, and the end of them all, which may be beyond the end of *data*."""
    last = position
    while position < len(data) and data[position]:
        last, position = position, position + 1 + data[position]
    return (last if position > len(data) else position), position + 1


# --- Windows icons ----------------------------------------------------------------------------------------


def _ico(data: bytes) -> tuple[bytes, ...]:
    """Versions with the last bytes of the one image that is cut: bytes of a mask, which no picture with an alpha
    channel needs.
    """
    starts = range(6 + 8, 6 + 16 * int.from_bytes(data[4:6], "little"), 16)
    entries = {struct.unpack_from("<II", data, start) for start in starts if start + 8 <= len(data)}
    cut = [(offset, offset + size) for size, offset in entries if offset + size > len(data)]
    if len(cut) != 1:
        return ()
    ((offset, end),) = cut
    image = data[offset:]
    if end - len(data) > len(image):
        return ()
    images = _png(image) if image.startswith(b"\x89PNG") else (image,)
    fills = (b"\0",) if image.startswith(b"\x89PNG") else (b"\0", b"\xff")
    return tuple((data[:offset] + image).ljust(end, fill) for image in images for fill in fills)


_COMPLETE: dict[str, Callable[[bytes], tuple[bytes, ...]]] = {
    "jpeg": _jpeg,
    "png": _png,
    "gif": _gif,
    "ico": _ico,
}
