"""Small images of every kept format, made by Pillow: good ones, to be served as they are or damaged."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

import pillow_heif
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


# --- the rarer kinds


def adam7(image: Image.Image) -> bytes:
    """*image*, RGB, as an interlaced PNG, which Pillow does not write."""
    rows = b""
    for x0, y0, dx, dy in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        for y in range(y0, image.height, dy):
            row = b"".join(bytes(image.getpixel((x, y))) for x in range(x0, image.width, dx))
            rows += b"\0" + row if row else b""
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 1)
    return PNG_MAGIC + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, body: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(data: bytes, kind: bytes, body: bytes, *, before: bytes = b"IDAT") -> bytes:
    at = data.index(before) - 4
    return data[:at] + chunk(kind, body) + data[at:]


def bitmap(
    bits: int,
    pixels: bytes,
    *,
    width_px: int = 40,
    height_px: int = 30,
    compression: int = 0,
    colours: int = 0,
    core: bool = False,
) -> bytes:
    """A BMP, with the pixels as given."""
    palette = b"".join(
        bytes((n * 7 % 256, n * 3 % 256, n)) + (b"" if core else b"\0") for n in range(colours)
    )
    header = (
        struct.pack("<IHHHH", 12, width_px, height_px, 1, bits)
        if core
        else struct.pack(
            "<IiiHHIIiiII", 40, width_px, height_px, 1, bits, compression, len(pixels), 0, 0, colours, 0
        )
    )
    offset = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + header + palette + pixels


def tiff(
    pixels: bytes,
    *,
    width_px: int = 40,
    height_px: int = 30,
    order: str = "<",
    big: bool = False,
    tile_px: int = 0,
    extra: dict[int, tuple[int, int]] | None = None,
    following: int = 0,
) -> bytes:
    """A TIFF of one grey page: in either order, BigTIFF, in tiles. *extra* are tags, each with type and value."""
    size = len(pixels)
    tags = {256: (3, width_px), 257: (3, height_px), 258: (3, 8), 259: (3, 1), 262: (3, 1), 277: (3, 1)}
    if tile_px:
        tags |= {322: (3, tile_px), 323: (3, tile_px), 324: (4, 16), 325: (4, size)}
    else:
        tags |= {273: (4, 16), 278: (3, height_px), 279: (4, size)}
    tags |= extra or {}
    at = 16 + size + size % 2
    head = (b"II" if order == "<" else b"MM") + (
        struct.pack(order + "HHHQ", 43, 8, 0, at) if big else struct.pack(order + "HI8x", 42, at)[:14]
    )
    entries = b""
    for tag, (kind, value) in sorted(tags.items()):
        packed = struct.pack(order + ("H" if kind == 3 else "I"), value).ljust(8 if big else 4, b"\0")
        entries += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, 1) + packed
    count = struct.pack(order + ("Q" if big else "H"), len(tags))
    after = struct.pack(order + ("Q" if big else "I"), following)
    return head + pixels + b"\0" * (size % 2) + count + entries + after


def heic(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, **options)
    return buffer.getvalue()


def rle8(*, is_partial: bool = False) -> bytes:
    """Runs, pixels one by one, and a leap over three lines; one that is partial ends there, as the format allows."""
    lines = b"".join(bytes((20, y, 0, 4)) + bytes((1, 2, 3, 4)) + bytes((16, y + 1, 0, 0)) for y in range(20))
    rest = bytes((10, 9)) if is_partial else bytes((35, 9, 0, 0)) + bytes((40, 7, 0, 0)) * 6
    return bitmap(8, lines + bytes((0, 2, 5, 3)) + rest + bytes((0, 1)), compression=1, colours=256)


@cache
def rarities() -> dict[str, bytes]:
    """Good images, 40 x 30, of what else is on the web."""
    plain = picture()
    grey = plain.convert("L")
    seen_through = plain.convert("RGBA")
    seen_through.putalpha(grey)
    others = [picture(1), picture(2)]
    turned = Image.Exif()
    turned[0x0112] = 6
    indexed = encoded(plain.quantize(16), "GIF")
    return {
        "turned.jpg": encoded(plain, "JPEG", exif=turned),
        "restarts.jpg": encoded(plain, "JPEG", restart_marker_blocks=1),
        "several.jpg": encoded(plain, "MPO", save_all=True, append_images=others),
        "trailing.jpg": jpeg() + b"<html>" * 20,
        "444.jpg": encoded(plain, "JPEG", subsampling=0, optimize=True),
        "1.png": encoded(plain.convert("1"), "PNG"),
        "la.png": encoded(seen_through.convert("LA"), "PNG"),
        "rgba.png": encoded(seen_through, "PNG"),
        "16.png": encoded(grey.convert("I;16"), "PNG"),
        "four-bits.png": encoded(plain.quantize(16), "PNG", bits=4),
        "key.png": encoded(plain, "PNG", transparency=(0, 0, 0)),
        "index-key.png": encoded(plain.quantize(200), "PNG", transparency=3),
        "interlaced.png": adam7(plain),
        "trailing.png": png() + b"\0" * 999,
        "picture-for-others.png": encoded(
            plain, "PNG", save_all=True, append_images=others, default_image=True
        ),
        "87a.gif": b"GIF87a" + indexed[6:],
        "key.gif": encoded(plain.quantize(16), "GIF", transparency=3, interlace=True),
        "disposed.gif": encoded(
            plain, "GIF", save_all=True, append_images=others, disposal=2, transparency=0, loop=0
        ),
        "alpha.webp": encoded(seen_through, "WEBP"),
        "alpha-lossless.webp": encoded(seen_through, "WEBP", lossless=True, exif=turned),
        "moving-alpha.webp": encoded(seen_through, "WEBP", save_all=True, append_images=others),
        "alpha.avif": encoded(seen_through, "AVIF"),
        "moving.avif": encoded(plain, "AVIF", save_all=True, append_images=others),
        "1.bmp": bitmap(1, bytes(range(240)), colours=2),
        "4.bmp": bitmap(4, bytes(range(200)) * 3, colours=16),
        "8.bmp": bitmap(8, bytes(range(240)) * 5, colours=256),
        "16.bmp": bitmap(16, bytes(range(240)) * 10),
        "32.bmp": bitmap(32, bytes(range(240)) * 20),
        "down.bmp": bitmap(24, bytes(range(240)) * 15, height_px=-30),
        "os2.bmp": bitmap(8, bytes(range(240)) * 5, colours=256, core=True),
        "no-size.bmp": b"BM\0\0\0\0" + bitmap(24, bytes(range(240)) * 15)[6:],
        "run-lengths.bmp": rle8(),
        "run-lengths-4.bmp": bitmap(4, bytes((40, 0x12, 0, 0)) * 30 + b"\0\1", compression=2, colours=16),
        "lzw.tif": encoded(plain, "TIFF", compression="tiff_lzw"),
        "packbits.tif": encoded(plain, "TIFF", compression="packbits"),
        "fax.tif": encoded(plain.convert("1"), "TIFF", compression="group4"),
        "jpeg.tif": encoded(plain, "TIFF", compression="jpeg"),
        "cmyk.tif": encoded(plain.convert("CMYK"), "TIFF"),
        "float.tif": encoded(grey.convert("F"), "TIFF"),
        "motorola.tif": tiff(bytes(range(240)) * 5, order=">"),
        "big.tif": tiff(bytes(range(240)) * 5, big=True),
        "big-motorola.tif": tiff(bytes(range(240)) * 5, big=True, order=">"),
        "tiles.tif": tiff(bytes(range(256)) * 16, tile_px=64),
        "plain.heic": heic(plain),
        "alpha.heic": heic(seen_through),
    }


RARE_FRAMES = {
    "picture-for-others.png": 2,
    "disposed.gif": 3,
    "moving-alpha.webp": 3,
    "moving.avif": 3,
}
