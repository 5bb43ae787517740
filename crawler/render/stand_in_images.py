"""Stand-in images: transparent GIFs of the right size, which the browser gets in place of real ones."""

from __future__ import annotations

import base64
import struct
from functools import lru_cache

MARKER = "image-crawler stand-in"
"""Text within each, so that what scripts make of one is not taken for a picture."""
DEFAULT_PX = (200, 150)
"""For elements without a size. A dot would do for most pages; some take one as a sign of a missing image."""
MOST_PX = 2048
"""Most pixels of a side: Chromium decodes what it shows, at four bytes a pixel."""


@lru_cache(maxsize=512)
def stand_in(width: int, height: int) -> bytes:
    """A transparent GIF of that size, in 4 to 3 if one side is 0; DEFAULT_PX if both are."""
    if width < 1 or height < 1:
        ratio = 4 / 3
        width, height = (width, round(width / ratio)) if width > 0 else (round(height * ratio), height)
        if width < 1 or height < 1:
            width, height = DEFAULT_PX
    width, height = min(width, MOST_PX), min(height, MOST_PX)
    comment = MARKER.encode()
    return b"".join(
        (
            # GIF89a, sections 17 to 24: a screen of the full size, on which one frame of one dot is drawn
            b"GIF89a",
            struct.pack("<HHBBB", width, height, 0x80, 0, 0),
            b"\xff\xff\xff\x00\x00\x00",
            b"\x21\xfe",
            bytes((len(comment),)),
            comment,
            b"\x00",
            b"\x21\xf9\x04\x01\x00\x00\x00\x00",
            b"\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00",
            b"\x02\x02\x44\x01\x00",
            b"\x3b",
        )
    )


@lru_cache(maxsize=512)
def stand_in_base64(width: int, height: int) -> str:
    return base64.b64encode(stand_in(width, height)).decode()
