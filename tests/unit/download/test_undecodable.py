"""Sound files of kinds that no decoder here reads are ``unsupported-format``; broken ones are ``corrupt-image``."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.download.undecodable import is_unread
from crawler.download.verify import verify
from crawler.errors import CorruptImage, Rejection, UnsupportedFormat
from tests.support.cpu_time import cpu_below
from tests.support.images import bitmap, rle8, samples, tiff

PIXELS = 10_000_000
MAGIC = {
    "jpeg": b"\xff\xd8\xff",
    "bmp": b"BM",
    "ico": b"\0\0\1\0",
    "tiff": b"II*\0",
    "png": b"\x89PNG",
    "avif": b"",
}


def refusal(data: bytes) -> type[Rejection]:
    with pytest.raises(Rejection) as caught:
        verify(data, max_pixels=PIXELS)
    return type(caught.value)


def bitfields(bits: int, *masks: int, header_bytes: int = 40, compression: int = 3) -> bytes:
    """A BMP of 4 x 4 pixels with these masks, by a header of any version."""
    header = struct.pack("<IiiHHIIiiII", header_bytes, 4, 4, 1, bits, compression, 64, 0, 0, 0, 0)
    fields = struct.pack(f"<{len(masks)}I", *masks)
    header = (
        header + fields if header_bytes == 40 else (header + fields)[:header_bytes].ljust(header_bytes, b"\0")
    )
    return (
        b"BM"
        + struct.pack("<IHHI", 14 + len(header) + 64, 0, 0, 14 + len(header))
        + header
        + bytes(range(64))
    )


def icon(image: bytes) -> bytes:
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 4, 4, 0, 0, 1, 32, len(image), 22) + image


def jpeg_with(*, marker: int = 0xC0, height_px: int = 30, tail: bytes = b"") -> bytes:
    whole = samples()["plain.jpg"]
    frame = whole.index(b"\xff\xc0")
    frame_header = bytes((0xFF, marker)) + whole[frame + 2 : frame + 5] + struct.pack(">H", height_px)
    return whole[:frame] + frame_header + whole[frame + 7 : -2] + tail + b"\xff\xd9"


GREY = bytes(range(240)) * 5


@pytest.mark.parametrize(
    "data",
    [
        bitfields(32, 0xFF, 0xFF00, 0xFF0000),
        bitfields(32, 0x3FF00000, 0xFFC00, 0x3FF),
        bitfields(32, 0xFF, 0xFF00, 0xFF0000, header_bytes=52),
        bitfields(32, 0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000, header_bytes=56),
        bitfields(32, 0x3FF00000, 0xFFC00, 0x3FF, 0, header_bytes=124),
        bitfields(16, 0xF00, 0xF0, 0xF),
        bitfields(16, 0x1F, 0x7E0, 0xF800, header_bytes=108),
        bitfields(32, 0xFF0000, 0xFF00, 0xFF, 0xFF000000, compression=6),
        bitfields(24, header_bytes=16),
        bitfields(8, header_bytes=48),
        bitfields(0, compression=4),
        bitfields(0, compression=5),
        bitmap(2, bytes(300), colours=4),
        rle8(is_partial=True),
        bitmap(4, bytes((40, 0x12, 0, 0)) * 29 + b"\0\1\0\0", compression=2, colours=16),
        icon(bitfields(32, 0x3FF00000, 0xFFC00, 0x3FF)[14:]),
        *(jpeg_with(marker=marker) for marker in (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF)),
        b"\xff\xd8\xff\xf7" + samples()["plain.jpg"][4:],
        jpeg_with(height_px=0, tail=b"\xff\xdc\0\4\0\x1e"),
        *(tiff(GREY, extra={259: (3, number)}) for number in (9, 10, 32766, 32897, 32909, 34661, 34887, 50001, 65000)),
        tiff(GREY, extra={258: (3, 10)}),
        tiff(GREY, extra={277: (3, 9)}),
        tiff(GREY, extra={262: (3, 32845)}),
    ],
)  # fmt: skip
def test_what_is_sound_and_not_read(data: bytes) -> None:
    assert refusal(data) is UnsupportedFormat


@pytest.mark.parametrize(
    "data",
    [
        bitfields(32, 0xFF, 0xFF, 0xFF00),
        bitfields(32, 0, 0xFF00, 0xFF0000),
        bitfields(32, 0xF0F, 0xF0, 0xFF0000),
        bitfields(24, header_bytes=200),
        bitfields(0, compression=0),
        bitfields(32, compression=99),
        jpeg_with(marker=0xC2),
        jpeg_with(height_px=0),
        tiff(GREY, extra={259: (3, 5)}),
        tiff(GREY, extra={259: (3, 1234)}),
        tiff(GREY, extra={259: (3, 0)}),
    ],
)
def test_what_is_broken(data: bytes) -> None:
    assert refusal(data) is CorruptImage


@given(st.sampled_from(sorted(MAGIC)), st.binary(max_size=200), st.text())
def test_any_bytes_are_of_some_kind_or_not(name: str, rest: bytes, told: str) -> None:
    assert is_unread(name, MAGIC[name] + rest, told) in {True, False}


@pytest.mark.parametrize("piece", [b"\xff", b"\xff\xe0\0\2", b"\0", b"\xff\xd0"])
def test_no_file_is_looked_at_for_long(piece: bytes) -> None:
    with cpu_below(1):
        for name, magic in MAGIC.items():
            is_unread(name, magic + piece * (2**20 // len(piece)), "broken")
