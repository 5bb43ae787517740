"""Small pictures of saved images, for notebooks: JPEGs on white, small enough to be kept in a notebook."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from crawler.gallery.shrunk import shrunk

SIDE_PX = 128
MOST_BYTES = 8 * 1024
_FORMATS = ("jpeg", "png", "gif", "webp", "avif", "bmp")
"""No SVG, which is a document, and nothing that only few decoders have seen: this is in the notebook's own process."""
_MOST_FILE_BYTES = 32 * 2**20
_MOST_PIXELS = 50_000_000
_QUALITIES = (75, 50, 25)


def thumbnail(file: Path) -> bytes:
    """A JPEG of at most SIDE_PX a side and MOST_BYTES; empty where none can be had. Never raises."""
    try:
        if file.stat().st_size > _MOST_FILE_BYTES:
            return b""
        return _jpeg(shrunk(file.read_bytes(), side_px=SIDE_PX, max_pixels=_MOST_PIXELS, formats=_FORMATS))
    except Exception:  # noqa: BLE001 - a notebook can do without a picture, whatever its file is
        return b""


def _jpeg(image: Image.Image) -> bytes:
    sheet = image
    if image.mode == "RGBA":
        sheet = Image.new("RGB", image.size, "white")
        sheet.paste(image, mask=image.getchannel("A"))
    for quality in _QUALITIES:
        out = io.BytesIO()
        sheet.save(out, "JPEG", quality=quality)
        if out.tell() <= MOST_BYTES:
            return out.getvalue()
    return b""
