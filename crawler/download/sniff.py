"""Recognises image formats by their first bytes.

Sources: WHATWG MIME Sniffing, and the specification of each format.
"""

from __future__ import annotations

import re

from crawler.download.formats import EXTENSIONS
from crawler.download.svg import may_be_svg
from crawler.errors import EmptyBody, NotAnImage, TruncatedImage, UnsupportedFormat
from crawler.text.not_an_image import what_it_is

_MAGIC = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"BM": "bmp",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"\0\0\1\0": "ico",
}
_NOT_KEPT = {
    b"8BPS": "Photoshop",
    b"%!PS": "PostScript",
    b"\xc5\xd0\xd3\xc6": "PostScript",
    b"\0\0\0\x0cjP  \r\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cJXL \r\n": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\2\0": "Windows cursor",
    b"\x8aMNG": "MNG",
    b"\x8bJNG": "JNG",
    b"icns": "Apple icon",
    b"qoif": "QOI",
    b"DDS ": "DirectDraw",
    b"gimp xcf": "GIMP",
    b"AT&TFORM": "DjVu",
    b"\xd7\xcd\xc6\x9a": "Windows metafile",
    b"\1\0\0\0\x6c\0\0\0": "Windows metafile",
    b"\x1f\x8b": "gzip file (svgz, perhaps)",
    b"wOFF": "font",
    b"wOF2": "font",
    b"OTTO": "font",
    b"ttcf": "font",
    b"\0\1\0\0": "font",
    b"FLIF": "FLIF",
    b"BPG\xfb": "BPG",
}
_NOUNS = frozenset({"font", "Windows cursor", "Apple icon", "Windows metafile", "gzip file (svgz, perhaps)"})
_PCX = re.compile(rb"\x0a[\x00\x02-\x05][\x00\x01][\x01\x02\x04\x08]", re.DOTALL)
_PNM = re.compile(rb"P[1-7]\s")
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})
_HEIF_BRANDS = frozenset({b"mif1", b"msf1", b"jxl "})
"""Brands of HEIF files that may hold anything."""
_LONGEST = 16
_WEBP_HEADER_BYTES = 12


def recognised(data: bytes) -> str:
    """The format of *data*, a kind that is kept, by its signature; nothing is decoded.

    Raises EmptyBody, UnsupportedFormat (an image of a kind that is not kept), TruncatedImage (less than a header),
    NotAnImage.
    """
    if not data:
        raise EmptyBody("there are no bytes")
    if (name := image_format(data)) is not None:
        return name
    if may_be_svg(data):
        return "svg"
    if other := unkept_format(data):
        raise UnsupportedFormat(f"it is {_with_article(other)}, which is a kind that is not kept")
    if is_start_of_magic(data):
        raise TruncatedImage(f"the image ends early: after {len(data)} bytes, within its header")
    raise NotAnImage(f"it is {what_it_is(data)}, and no image")


def _with_article(name: str) -> str:
    noun = name if name in _NOUNS else f"{name} picture"
    return f"{'an' if noun[0] in 'aeiouAEIO' else 'a'} {noun}"


def extension_for(head: bytes) -> str:
    """The file extension for an image that begins with *head*. Raises as ``recognised`` does."""
    return EXTENSIONS[recognised(head)]


def image_format(data: bytes) -> str | None:
    """The kept format whose signature *data* has, or None; an SVG has no signature."""
    for magic, name in _MAGIC.items():
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    brands = _brands(data)
    if brands & _AVIF_BRANDS:
        return "avif"
    return "heic" if brands & _HEIC_BRANDS else None


def unkept_format(data: bytes) -> str | None:
    """The name of a known picture or font format that is not kept, or None."""
    for magic, name in _NOT_KEPT.items():
        if data.startswith(magic):
            return name
    if _PCX.match(data):
        return "PCX"
    if _PNM.match(data):
        return "portable anymap"
    return "HEIF" if _brands(data) & _HEIF_BRANDS else None


def is_start_of_magic(data: bytes) -> bool:
    """Whether *data* is a part of a signature, or of a header."""
    if len(data) >= _LONGEST:
        return False
    webp = len(data) < _WEBP_HEADER_BYTES and data[:4] == b"RIFF"
    avif = data[4:8] == b"ftyp"
    return webp or avif or (len(data) > 1 and any(magic.startswith(data) for magic in _MAGIC))


def _brands(data: bytes) -> set[bytes]:
    """The brands in the ``ftyp`` box of an ISO base media file (ISO/IEC 14496-12)."""
    if data[4:8] != b"ftyp":
        return set()
    box = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
    return {box[start : start + 4] for start in range(0, len(box), 4) if start != 4}  # noqa: PLR2004 - the version
