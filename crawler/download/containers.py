"""Checks that an image file is complete, by walking its container to the end mark; nothing is decoded.

Decoders accept files without their tail. These walks do not; bytes after the end mark are ignored. Each function raises
TruncatedImage or CorruptImage.
"""

from __future__ import annotations

import re
import zlib

from crawler.errors import CorruptImage, TooManyPixels, TruncatedImage

_PNG_CHECKED = frozenset({b"IHDR", b"PLTE", b"IDAT", b"fdAT"})
_PNG_ANCILLARY = 0x20
"""Bit in the first byte of a chunk's type: a decoder can do without the chunk (section 5.4)."""
_PNG_OF_USE = frozenset({b"tRNS", b"acTL", b"fcTL", b"fdAT", b"eXIf"})
"""Ancillary chunks that concern the pixels. The others may be damaged, and may inflate to anything."""
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples per pixel, by color type."""
_PNG_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
"""The passes of Adam7: first column, first row, and their steps (section 8.1)."""
_STEP_BYTES = 2**20
_PNG_HEADER_BYTES = 8
# only the last 0xff of a run is matched: matching runs is quadratic where no marker follows
JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_JPEG_SEGMENTS = frozenset(range(256)) - {0x01, *range(0xD0, 0xDA)}
_JPEG_BETWEEN_SCANS = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD, *range(0xE0, 0xF0), 0xFE})
_JPEG_SEQUENTIAL = frozenset({0xC0, 0xC1, 0xC9})
"""Frames whose components may all lie in one scan, which is the only one then (section A.2); the others are refined."""
_EOI, _SOS = b"\xff\xd9", 0xDA
_MAX_SEGMENTS = 4096
"""Segments before the first scan: a profile has 255 at most, extended XMP of 16 MiB as many. Pillow copies all EXIF
anew for each further part of it: 400,000 of them, in 5 MB, took half a minute.
"""
_MAX_SCANS = 100
"""Scans that a picture of any size may have: encoders write some 10, never more than about 60."""
_MAX_SCANNED_PX = 2**31
"""Limit for pixels times scans beyond _MAX_SCANS: a second or so of a decoder."""
_WEBP_HEADER_BYTES = 30
_MAX_APPLICATIONS = 100
_MAX_OVERLAP = 4
"""Number of entries of an icon that may use the same byte: some icons list one image several times."""


def check_jpeg(data: bytes) -> int:
    """ISO/IEC 10918-1 annex B: checks segments up to the first scan, and an EOI after it. Returns the number of scans.

    The EOI of a thumbnail does not count. The data between is the decoder's to judge.
    """
    position, scans, first_scan, in_frame, segments = 2, 0, 0, 0, 0
    while match := JPEG_MARKER.search(data, position):
        marker, position = data[match.end() - 1], match.end()
        if marker == _SOS:
            scans += 1
            first_scan = first_scan or position
            if scans == 1 and in_frame and data[position + 2 : position + 3] == bytes((in_frame,)):
                break  # the first scan has all components, and a decoder reads no other
        elif marker == _EOI[1] and scans:
            return scans
        elif not scans and (segments := segments + 1) > _MAX_SEGMENTS:
            raise CorruptImage(f"the JPEG has more than {_MAX_SEGMENTS:,} parts before its pixels")
        elif marker in _JPEG_SEQUENTIAL:
            in_frame = int.from_bytes(data[position + 7 : position + 8], "big")
        if marker == _SOS or marker in (_JPEG_BETWEEN_SCANS if scans else _JPEG_SEGMENTS):
            position += int.from_bytes(data[position : position + 2], "big")
    # a stray byte may have misled the walk; within pixels, 0xff is always followed by 0x00
    if not first_scan or data.rfind(_EOI, first_scan) < 0:
        raise TruncatedImage(f"the JPEG ends early: {len(data):,} bytes came, and no end mark")
    return scans


def check_scans(scans: int, pixels: int) -> None:
    """Refuse a JPEG of very many scans: one of a few bytes makes the decoder go over all pixels, and thousands take
    hours.
    """
    if scans > _MAX_SCANS and scans * pixels > _MAX_SCANNED_PX:
        raise TooManyPixels(f"the JPEG goes over its {pixels:,} pixels in {scans:,} scans")


def check_png(data: bytes) -> tuple[int, bytes]:
    """W3C PNG, third edition: checks chunks up to IEND, and the checksums of those that hold pixels.

    Returns the number of frames, more than 1 for an animated PNG, and the file without texts and profiles: it does not
    matter that they are wrong, or that they inflate to gigabytes.
    """
    position, frames, announced = _PNG_HEADER_BYTES, 0, 1
    view, pixels = memoryview(data), False
    kept, kept_from = list[memoryview](), 0
    while True:
        header = data[position : position + 8]
        end = position + 12 + int.from_bytes(header[:4], "big")
        if len(header) < 8 or end > len(data):  # noqa: PLR2004
            raise TruncatedImage(f"the PNG ends early: {len(data):,} bytes came, and no end mark")
        kind = header[4:]
        if not kind.isalpha():
            raise CorruptImage("the PNG is damaged: a part of it is of a kind that there can't be")
        if kind in _PNG_CHECKED and not _sound(view, position, end):
            raise CorruptImage(
                f"the PNG is damaged: the checksum of a part ({kind.decode()}, at byte {position:,}) is wrong"
            )
        if kind == b"acTL" and not pixels:
            announced = max(int.from_bytes(data[position + 8 : position + 12], "big"), 1)
        frames += kind == b"fcTL"
        pixels = pixels or kind == b"IDAT"
        if kind[0] & _PNG_ANCILLARY and (
            kind not in _PNG_OF_USE or (kind == b"eXIf" and not _sound(view, position, end))
        ):
            kept.append(view[kept_from:position])
            kept_from = end
        if kind == b"IEND":
            break
        position = end
    if announced > max(frames, 1):
        raise CorruptImage(f"the PNG announces {announced} frames and has {frames}")
    return announced, b"".join([*kept, view[kept_from:]]) if kept else data


def _sound(view: memoryview, position: int, end: int) -> bool:
    """Whether the checksum of a chunk is right."""
    return zlib.crc32(view[position + 4 : end - 4]) == int.from_bytes(view[end - 4 : end], "big")


def is_interlaced(data: bytes) -> bool:
    """W3C PNG, section 8: whether a PNG that passed check_png has its rows in passes."""
    return data[28] != 0


def check_png_rows(data: bytes) -> None:
    """W3C PNG, section 10: checks that the IDAT chunks of a PNG that passed check_png have all of its rows.

    Decoders leave missing rows black. Inflates no more than there should be, in steps; to be called once the size is
    known to be bearable.
    """
    width_px, height_px = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    bits_per_px = data[24] * _PNG_SAMPLES.get(data[25], 0)
    passes = _PNG_PASSES if is_interlaced(data) else ((0, 0, 1, 1),)
    missing = 0
    for column, row, across, down in passes:
        columns, rows = -(-(width_px - column) // across), -(-(height_px - row) // down)
        if columns > 0 and rows > 0:
            missing += rows * (1 + (columns * bits_per_px + 7) // 8)
    inflater = zlib.decompressobj()
    view, position = memoryview(data), 8
    while missing > 0 and position + 12 <= len(data) and not inflater.eof:
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        piece: bytes | memoryview = (
            view[position + 8 : end - 4] if data[position + 4 : position + 8] == b"IDAT" else b""
        )
        while missing > 0 and not inflater.eof:
            try:
                inflated = len(inflater.decompress(piece, _STEP_BYTES))
            except zlib.error as exc:
                if "data check" in str(exc):
                    return  # the checksum of the whole stream: each chunk has its own
                raise CorruptImage("what the PNG has compressed is broken") from exc
            missing -= inflated
            piece = inflater.unconsumed_tail
            if not piece and inflated < _STEP_BYTES:
                break
        position = end
    if missing > 0:
        raise TruncatedImage(f"{missing:,} bytes of the PNG's rows are missing from what it has compressed")


def check_gif(data: bytes, applications: list[int] | None = None) -> int:
    """GIF89a: checks blocks up to the trailer. Returns the number of frames.

    The offsets of the first _MAX_APPLICATIONS application extensions are appended to *applications*.
    """
    position = 13 + color_table_bytes(data[10:11])
    frames = 0
    while position < len(data):
        block = data[position]
        if block == 0x3B:  # noqa: PLR2004 - trailer
            if not frames:
                raise CorruptImage("the GIF has no frame")
            return frames
        if block == 0x2C and position + 9 < len(data):  # noqa: PLR2004 - image descriptor
            frames += 1
            position = _after_sub_blocks(
                data, position + 11 + color_table_bytes(data[position + 9 : position + 10])
            )
        elif block == 0x21:  # noqa: PLR2004 - extension
            if applications is not None and data[position + 1 : position + 2] == b"\xff":
                applications += [position] * (len(applications) < _MAX_APPLICATIONS)
            position = _after_sub_blocks(data, position + 2)
        elif block == 0x2C:  # noqa: PLR2004
            break
        elif block == 0:
            position += 1  # stray block terminators are common and harmless
        else:
            raise CorruptImage(f"the GIF has an unknown block 0x{block:02x} at byte {position}")
    raise TruncatedImage(f"the GIF ends early: {len(data):,} bytes came, and no end mark")


def color_table_bytes(flags: bytes) -> int:
    """Length of the color table that a byte of flags announces; 0 if there is no such byte."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _after_sub_blocks(data: bytes, position: int) -> int:
    while position < len(data) and data[position]:
        position += 1 + data[position]
    return position + 1


def check_webp(data: bytes) -> tuple[int, int, int, bytes]:
    """RFC 9649: checks the length in the RIFF header. Files that only lack their last padding byte are complete.

    Returns width, height, the number of frames, and the file with that byte. An odd header is the decoder's to judge.
    """
    missing = 8 + int.from_bytes(data[4:8], "little") - len(data)
    frames, last_end, odd = _riff_chunks(data)
    if missing == 1 and odd and last_end == len(data):
        data += b"\0"
    elif missing > 0:
        raise TruncatedImage(f"the WebP ends early: it announces more than its {len(data):,} bytes")
    if len(data) < _WEBP_HEADER_BYTES:
        raise TruncatedImage(f"the WebP ends early: after {len(data)} bytes, within its header")
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[start : start + 3], "little") + 1 for start in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (int.from_bytes(data[start : start + 2], "little") & 0x3FFF for start in (26, 28))
    return width, height, max(frames, 1), data


def _riff_chunks(data: bytes) -> tuple[int, int, bool]:
    """Number of frames, end of the last chunk, and whether that chunk needs a padding byte."""
    frames, last_end, odd = 0, 0, False
    position, end = 12, min(8 + int.from_bytes(data[4:8], "little"), len(data))
    while position + 8 <= end:
        frames += data[position : position + 4] == b"ANMF"
        last_end = position + 8 + int.from_bytes(data[position + 4 : position + 8], "little")
        odd = last_end % 2 == 1  # chunks begin at even places
        position = last_end + odd
    return frames, last_end, odd


def check_boxes(data: bytes) -> None:
    """ISO/IEC 14496-12: checks that every box of the top level fits in, at least up to the one with the pixels."""
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
                return  # trailing bytes are no box
            raise TruncatedImage(f"the image ends early: a part reaches beyond its {len(data):,} bytes")
        seen.add(kind)
        position += size


def ico_entries(data: bytes) -> list[tuple[int, int]]:
    """Offset and size of each image of an icon, all within the file."""
    count = int.from_bytes(data[4:6], "little")
    if not count:
        raise CorruptImage("the icon has no image")
    if len(data) < 6 + 16 * count:
        raise TruncatedImage(
            f"the icon ends early: its list of {count} images does not fit in {len(data):,} bytes"
        )
    entries, total = [], 0
    for start in range(6, 6 + 16 * count, 16):
        size = int.from_bytes(data[start + 8 : start + 12], "little")
        offset = int.from_bytes(data[start + 12 : start + 16], "little")
        if offset + size > len(data):
            raise TruncatedImage(f"the icon ends early: an image reaches beyond its {len(data):,} bytes")
        total += size
        if total > _MAX_OVERLAP * len(data):
            raise CorruptImage(f"the {count} images of the icon overlap")
        entries.append((offset, size))
    return entries
