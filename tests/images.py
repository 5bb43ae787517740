"""Small images of every kept format, made by Pillow: good ones, to be served as they are or damaged."""

from __future__ import annotations

import io
from functools import cache

from PIL import Image

SVG = (
    b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30">'
    b'<rect width="40" height="30" fill="teal"/></svg>\n'
)


def picture(seed: int = 0, *, width_px: int = 40, height_px: int = 30) -> Image.Image:
    """A picture that is different for every *seed*, with enough in it to need some bytes."""
    image = Image.new("RGB", (width_px, height_px))
    image.putdata(
        [
            ((x * 5 + seed * 37) % 256, (y * 7 + seed * 11) % 256, (x * y + seed) % 256)
            for y in range(height_px)
            for x in range(width_px)
        ]
    )
    return image


def encoded(image: Image.Image, pillow_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, pillow_format, **options)
    return buffer.getvalue()


def jpeg(seed: int = 0, *, width_px: int = 40, height_px: int = 30) -> bytes:
    return encoded(picture(seed, width_px=width_px, height_px=height_px), "JPEG", quality=90)


def png(seed: int = 0) -> bytes:
    return encoded(picture(seed), "PNG")


def _animated(pillow_format: str, frames: int = 3) -> bytes:
    first, *rest = (picture(seed) for seed in range(frames))
    return encoded(first, pillow_format, save_all=True, append_images=rest, duration=50)


@cache
def samples() -> dict[str, bytes]:
    """Good images by file name; the extension is the one that they are kept with."""
    plain = picture()
    return {
        "plain.jpg": jpeg(),
        "progressive.jpg": encoded(plain, "JPEG", progressive=True),
        "grey.jpg": encoded(plain.convert("L"), "JPEG"),
        "cmyk.jpg": encoded(plain.convert("CMYK"), "JPEG"),
        "plain.png": png(),
        "palette.png": encoded(plain.convert("P"), "PNG"),
        "animated.png": _animated("PNG"),
        "plain.gif": encoded(plain.convert("P"), "GIF"),
        "animated.gif": _animated("GIF"),
        "lossy.webp": encoded(plain, "WEBP"),
        "lossless.webp": encoded(plain, "WEBP", lossless=True),
        "animated.webp": _animated("WEBP"),
        "plain.avif": encoded(plain, "AVIF"),
        "plain.bmp": encoded(plain, "BMP"),
        "plain.tif": encoded(plain, "TIFF"),
        "deflated.tif": encoded(plain, "TIFF", compression="tiff_adobe_deflate"),
        "pages.tif": _animated("TIFF"),
        "plain.ico": encoded(picture(width_px=32, height_px=32), "ICO", sizes=[(16, 16), (32, 32)]),
        "bitmap.ico": encoded(
            picture(width_px=32, height_px=32), "ICO", sizes=[(16, 16), (32, 32)], bitmap_format="bmp"
        ),
        "plain.svg": SVG,
    }
