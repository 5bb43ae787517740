"""Small pictures of saved images, for notebooks: drawn anew from their pixels, and so free of all else in a file."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from PIL import Image

SIDE_PX = 128
MOST_BYTES = 8 * 1024
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP")
"""No SVG, which is a document, and nothing that only few decoders have seen."""
_MOST_FILE_BYTES = 32 * 2**20
_MOST_PIXELS = 50_000_000
_QUALITIES = (75, 50, 25)


def thumbnail(file: Path) -> bytes:
    """A JPEG of at most SIDE_PX a side and MOST_BYTES; empty where none can be had. Never raises."""
    try:
        if file.stat().st_size > _MOST_FILE_BYTES:
            return b""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a file that is odd, which its record tells
            with Image.open(file, formats=_FORMATS) as image:
                if image.width * image.height > _MOST_PIXELS:
                    return b""
                image.draft("RGB", (2 * SIDE_PX, 2 * SIDE_PX))
                return _jpeg(image)
    except Exception:  # noqa: BLE001 - decoders raise what they like, and a notebook can do without a picture
        return b""


def _jpeg(image: Image.Image) -> bytes:
    image.thumbnail((SIDE_PX, SIDE_PX))
    small = image.convert("RGBA")
    sheet = Image.new("RGB", small.size, "white")
    sheet.paste(small, mask=small.getchannel("A"))
    for quality in _QUALITIES:
        out = io.BytesIO()
        sheet.save(out, "JPEG", quality=quality)
        if out.tell() <= MOST_BYTES:
            return out.getvalue()
    return b""
