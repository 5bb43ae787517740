"""Image files that are made to do harm: small ones that ask for much, and ones that lie about what they hold."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import cache

from tests.support.images import SVG, encoded, jpeg, picture, png

_PNG = b"\x89PNG\r\n\x1a\n"
_IEND = b"\0\0\0\0IEND\xaeB`\x82"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def of_its_own(text: str) -> bytes:
    """A sound PNG, other bytes for every *text*."""
    data = png()
    return (
        data[:33] + chunk(b"tEXt", b"Comment\0" + text.encode("ascii", "backslashreplace")[:500]) + data[33:]
    )


def deflated_zeros(mebibytes: int) -> bytes:
    packer = zlib.compressobj(9)
    zeros = bytes(2**20)
    return b"".join(packer.compress(zeros) for _ in range(mebibytes)) + packer.flush()


def png_of(width_px: int, height_px: int) -> bytes:
    """Grey, a bit a pixel, all of it there: a thousandth of what it unpacks to."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (width_px + 7) // 8)
    at_once = max(1, 2**20 // len(row))
    rows = row * at_once
    data = b"".join(packer.compress(rows) for _ in range(height_px // at_once))
    data += packer.compress(row * (height_px % at_once)) + packer.flush()
    header = struct.pack(">IIBBBBB", width_px, height_px, 1, 0, 0, 0, 0)
    return _PNG + chunk(b"IHDR", header) + chunk(b"IDAT", data) + _IEND


def png_with_zeros(kind: bytes, mebibytes: int) -> bytes:
    """A sound PNG with an unpacked *mebibytes* in its text or its profile: a viewer does not look at them."""
    data = png()
    return data[:33] + chunk(kind, b"name\0\0" + deflated_zeros(mebibytes)) + data[33:]


def idat_bomb(mebibytes: int) -> bytes:
    """A PNG of 40 x 30 pixels with much more behind them in its stream."""
    header = struct.pack(">IIBBBBB", 40, 30, 8, 2, 0, 0, 0)
    return _PNG + chunk(b"IHDR", header) + chunk(b"IDAT", deflated_zeros(mebibytes)) + _IEND


def gif_of(width_px: int, height_px: int, frames: int = 1) -> bytes:
    """A canvas of this size, frames of a pixel each."""
    frame = b"\x2c\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
    screen = struct.pack("<HH", width_px, height_px) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff"
    return b"GIF89a" + screen + frame * frames + b";"


def scans(count: int) -> bytes:
    """A progressive JPEG of 2,000 x 2,000 pixels which is gone over *count* times."""
    data = encoded(
        picture(width_px=16, height_px=16).resize((2000, 2000)), "JPEG", progressive=True, quality=5
    )
    start = data.rfind(b"\xff\xda")
    scan = data[start : data.rfind(b"\xff\xd9")]
    return data[:start] + scan * count + b"\xff\xd9"


def tiff_in_a_circle() -> bytes:
    """Whose first page names itself as the next one."""
    data = bytearray(encoded(picture(), "TIFF"))
    first = struct.unpack_from("<I", data, 4)[0]
    entries = struct.unpack_from("<H", data, first)[0]
    struct.pack_into("<I", data, first + 2 + 12 * entries, first)
    return bytes(data)


def svg_with(doctype: bytes, content: bytes = b"") -> bytes:
    return (
        b"<?xml version='1.0'?>" + doctype + b"<svg xmlns='http://www.w3.org/2000/svg'>" + content + b"</svg>"
    )


def _laughs() -> bytes:
    lines = [
        b"<!ENTITY a0 'ha'>",
        *(b"<!ENTITY a%d '%b'>" % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12)),
    ]
    return svg_with(b"<!DOCTYPE svg [" + b"".join(lines) + b"]>", b"<text>&a11;</text>")


MADE: dict[str, Callable[[], bytes]] = {
    "pixels.png": lambda: png_of(30_000, 30_000),
    "tall.png": lambda: png_of(1, 200_000_000),
    "most.png": lambda: png_of(13_000, 13_000),
    "idat.png": lambda: idat_bomb(64),
    "text.png": lambda: png_with_zeros(b"zTXt", 64),
    "profile.png": lambda: png_with_zeros(b"iCCP", 64),
    "canvas.gif": lambda: gif_of(65_535, 65_535),
    "frames.gif": lambda: gif_of(1, 1, 20_000),
    "thick.gif": lambda: gif_of(4_000, 4_000, 5_000),
    "scans.jpg": lambda: scans(6_000),
    "circle.tif": tiff_in_a_circle,
    "laughs.svg": _laughs,
    "external.svg": lambda: svg_with(
        b"<!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>", b"<text>&x;</text>"
    ),
    "deep.svg": lambda: svg_with(b"", b"<g>" * 30_000 + b"</g>" * 30_000),
    "script.svg": lambda: svg_with(b"", b"<script>fetch('http://127.0.0.1:9/')</script>"),
    "page.gif": lambda: encoded(picture().convert("P"), "GIF", comment=b"<script>alert(1)</script>"),
    "page.jpg": lambda: jpeg() + b"<!DOCTYPE html><script>alert(1)</script>",
    "archive.png": lambda: png() + b"PK\3\4" + bytes(100),
    "page.svg": lambda: SVG.replace(b"<rect", b"<foreignObject/><rect"),
}
"""By file name; made when they are asked for."""


@cache
def hostile(name: str) -> bytes:
    return MADE[name]()
