"""Reads the opt-outs in an image file's metadata: XMP and Content Credentials, where each format keeps them.

The bytes are in memory already. The container is walked, which takes time in proportion to the number of its parts. Up
to MAX_BYTES of metadata are read; larger parts are counted as unread. Nothing is decoded, and nothing raises.

Sources: XMP Specification part 3 (Adobe); C2PA Technical Specification 2.4, appendix A ("Embedding manifests").
"""

from __future__ import annotations

import binascii
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from crawler.download import isobmff, jumbf, tiff_tags, xmp
from crawler.models import OptOut

MAX_BYTES = 2**20
"""Limit for one XMP packet, or one manifest store."""
_MAX_PARTS = 20_000
"""Limit for the chunks of one file that are walked."""
_MAX_METADATA = 64
"""Limit for the parts of metadata that are read."""
_MAX_IN_ALL_BYTES = 4 * MAX_BYTES
_MAX_TOLD = 64
XMP, C2PA = "xmp", "c2pa"


class Part(NamedTuple):
    """One piece of metadata, XMP or C2PA."""

    kind: str
    content: bytes
    is_cut: bool = False
    """The piece was larger than what is read of it."""


class FileOptOuts(NamedTuple):
    opt_outs: tuple[OptOut, ...] = ()
    unread: int = 0
    """Number of parts that were too large to be read whole."""


_NOTHING = FileOptOuts()


def opt_outs_in(name: str, data: bytes) -> FileOptOuts:
    """The opt-outs of *data*, a sound file of the format *name*; for GIF and SVG see below."""
    find = _WALKS.get(name)
    return _NOTHING if find is None else _read(find(data))


def _read(parts: Iterable[Part]) -> FileOptOuts:
    told: dict[OptOut, None] = {}
    unread = read_bytes = 0
    for part in islice(parts, _MAX_METADATA):
        read_bytes += len(part.content)
        if read_bytes > _MAX_IN_ALL_BYTES:
            unread += 1
            continue
        read = xmp.in_packet if part.kind == XMP else jumbf.in_store
        unread += part.is_cut
        told.update(dict.fromkeys(read(part.content)))
    return FileOptOuts(tuple(told)[:_MAX_TOLD], unread) if told or unread else _NOTHING


def _part(kind: str, content: bytes | bytearray | memoryview, *, is_cut: bool = False) -> Part:
    return Part(kind, bytes(content[:MAX_BYTES]), is_cut or len(content) > MAX_BYTES)


# --- JPEG -------------------------------------------------------------------------------------------------

_SOS, _APP1, _APP11 = 0xDA, 0xE1, 0xEB
_XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_MORE_XMP_HEADER_BYTES = len(_MORE_XMP) + 32 + 4 + 4
_JUMBF_HEADER_BYTES = 8
"""Header of an APP11 segment: ``JP``, the box's number, the packet's number. The box's length and type follow, in each
segment.
"""


def _in_jpeg(data: bytes) -> Iterator[Part]:
    more, size, stores = bytearray(), 0, dict[bytes, bytearray]()
    for marker, start, end in _segments(data):
        if marker == _APP1 and data.startswith(_XMP_IN_JPEG, start):
            yield _part(XMP, data[start + len(_XMP_IN_JPEG) : end])
        elif marker == _APP1 and data.startswith(_MORE_XMP, start) and len(more) <= MAX_BYTES:
            more += data[start + _MORE_XMP_HEADER_BYTES : end]
        elif marker == _APP11 and data.startswith(b"JP", start) and size <= 2 * MAX_BYTES:
            size += end - start
            number, begin = data[start + 2 : start + 4], start + _JUMBF_HEADER_BYTES
            if number in stores:
                begin += 16 if data[begin : begin + 4] == b"\0\0\0\1" else 8
            stores.setdefault(number, bytearray()).extend(data[begin:end])
    if more:
        yield _part(XMP, more)
    for store in stores.values():
        yield _part(C2PA, store)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, and begin and end of the content, of each segment up to the first scan."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:  # noqa: PLR2004 - the mark of a marker
        marker = data[position + 1]
        if marker == _SOS:
            return
        if marker == 0xFF:  # noqa: PLR2004 - a fill byte
            position += 1
            continue
        end = position + 2 + max(2, data[position + 2] << 8 | data[position + 3])
        yield marker, position + 4, end
        position = end


# --- PNG --------------------------------------------------------------------------------------------------

_PNG_KEYWORD = b"XML:com.adobe.xmp\0"


def _in_png(data: bytes) -> Iterator[Part]:
    position = 8
    for _ in range(_MAX_PARTS):
        kind = data[position + 4 : position + 8]
        if len(kind) < 4 or kind == b"IEND":  # noqa: PLR2004
            return
        end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        if kind == b"iTXt" and data.startswith(_PNG_KEYWORD, position + 8):
            yield from _text_chunk(
                data[position + 8 + len(_PNG_KEYWORD) : min(end, position + 2 * MAX_BYTES)]
            )
        elif kind == b"caBX":
            yield _part(C2PA, memoryview(data)[position + 8 : end])
        position = end + 4


def _text_chunk(rest: bytes) -> Iterator[Part]:
    """The packet in an iTXt chunk, after its compression flag and method and two texts (W3C PNG, section 11.3.3.4)."""
    texts = rest[2:].split(b"\0", 2)
    if len(texts) < 3:  # noqa: PLR2004
        return
    if not rest[0]:
        yield _part(XMP, texts[2])
        return
    inflater = zlib.decompressobj()
    try:
        packet = inflater.decompress(texts[2], MAX_BYTES)
    except zlib.error:
        return
    yield _part(XMP, packet, is_cut=bool(inflater.unconsumed_tail))


# --- WebP, GIF --------------------------------------------------------------------------------------------


def _in_webp(data: bytes) -> Iterator[Part]:
    position = 12
    for _ in range(_MAX_PARTS):
        kind = data[position : position + 4]
        if len(kind) < 4:  # noqa: PLR2004
            return
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        if kind in (b"XMP ", b"C2PA"):
            content = memoryview(data)[position + 8 : position + 8 + size]
            yield _part(XMP if kind == b"XMP " else C2PA, content)
        position += 8 + size + size % 2


_GIF_XMP, _GIF_C2PA = b"\x21\xff\x0bXMP DataXMP", b"\x21\xff\x0bC2PA_GIF\1\0\0"
_GIF_XMP_END = b"\1\xff\xfe\xfd"
"""Begin of the trailer that ends a packet, which is not in sub-blocks."""


def opt_outs_in_gif(data: bytes, applications: Iterable[int]) -> FileOptOuts:
    """The opt-outs of a GIF; *applications* are the offsets of its application extensions, see
    :func:`.containers.check_gif`.

    Its blocks are not walked a second time: that takes a good part of the decoding time.
    """
    return _read(part for start in applications for part in _of_application(data, start))


def _of_application(data: bytes, start: int) -> Iterator[Part]:
    if data.startswith(_GIF_XMP, start):
        start += len(_GIF_XMP)
        end = data.find(_GIF_XMP_END, start, start + MAX_BYTES + 1)
        content = memoryview(data)[start : end if end >= 0 else start + MAX_BYTES + 1]
        yield _part(XMP, content)
    elif data.startswith(_GIF_C2PA, start):
        position, store = start + len(_GIF_C2PA), bytearray()
        while position < len(data) and data[position] and len(store) <= MAX_BYTES:
            store += data[position + 1 : position + 1 + data[position]]
            position += 1 + data[position]
        yield _part(C2PA, store)


# --- TIFF, AVIF and HEIC, SVG -----------------------------------------------------------------------------

_TIFF_TAGS = {700: XMP, 52545: C2PA}


def _in_tiff(data: bytes) -> Iterator[Part]:
    for tag, content in tiff_tags.of_first_page(data, frozenset(_TIFF_TAGS)):
        yield _part(_TIFF_TAGS[tag], content)


def _in_boxes(data: bytes) -> Iterator[Part]:
    for content in isobmff.xmp_items(data):
        yield _part(XMP, content)
    for store in isobmff.c2pa_stores(data):
        yield _part(C2PA, store)


_MANIFEST = re.compile(rb"<c2pa:manifest(?:\s[^<>]*+)?>([A-Za-z0-9+/=\s]++)<")


def _in_svg(data: bytes) -> Iterator[Part]:
    """The C2PA manifest alone: XMP is read with the document itself, whose name spaces it may use."""
    if (start := data.find(b"<c2pa:manifest")) >= 0 and (found := _MANIFEST.match(data, start)):
        try:
            yield _part(C2PA, binascii.a2b_base64(found[1][: 2 * MAX_BYTES]))
        except binascii.Error:
            return


_WALKS: dict[str, Callable[[bytes], Iterator[Part]]] = {
    "jpeg": _in_jpeg,
    "png": _in_png,
    "webp": _in_webp,
    "tiff": _in_tiff,
    "avif": _in_boxes,
    "heic": _in_boxes,
}


def opt_outs_in_svg(data: bytes) -> FileOptOuts:
    """The opt-outs of an SVG that svg_info accepted: its entities expand to little."""
    found = _read(_in_svg(data))
    told = xmp.in_packet(data, place="svg metadata plus:DataMining", doctype=True)
    return FileOptOuts((*told, *found.opt_outs), found.unread)
