"""Perceptual hash: 64 bits of which near-duplicates differ in few.

The difference hash of N. Krawetz ("Kind of Like That", 2013): the picture is scaled to 9 x 8 greys. Each bit says
whether one is darker than its right neighbour, row by row, the highest bit first. An animation is hashed by its first
frame.

The hash is of what people see: on white where the picture is transparent, and turned as its EXIF orientation says. So a
turned copy is close to the copy that is turned by its viewer.
"""

from __future__ import annotations

from operator import lt

from PIL import ExifTags, Image

_WIDTH, _HEIGHT = 9, 8
_SAMPLES_PX = 48
"""Samples per side of a cell; more would not change its mean."""
_LEAST_RANGE = 4
"""Greys of 256 between the darkest and the brightest cell; less is the noise of compression in a plain picture."""
_TELLING = frozenset({"exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp"})
"""What Pillow has of a file that may say how it is turned."""
_MAX_EXIF_BYTES = 256 * 1024
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that undoes each orientation (EXIF 2.3, tag 0x0112)."""
_DIGITS = bytes.maketrans(b"\0\1", b"01")
_AVERAGED = frozenset({"L", "RGB", "CMYK"})
"""Modes whose pixels may be averaged; indexes of a palette and transparent colours may not."""


def dhash(image: Image.Image) -> str:
    """The hash of the loaded frame of *image*, as 16 hexadecimal digits; empty for a plain picture, or after a failure.

    The same pixels have the same hash on every system. No copy of the whole image is made.
    """
    try:
        cells = _cells(image)
    except Exception:  # noqa: BLE001 - the image is sound; what is odd in it is not worth losing it
        return ""
    if max(cells) - min(cells) < _LEAST_RANGE:
        return ""
    rows = (cells[start : start + _WIDTH] for start in range(0, len(cells), _WIDTH))
    is_darker = bytes(bit for row in rows for bit in map(lt, row, row[1:]))
    return f"{int(is_darker.translate(_DIGITS), 2):016x}"


def _cells(image: Image.Image) -> bytes:
    small = _small(image)
    if small.mode in {"I", "F"}:
        darkest, brightest = _extrema(small)
        factor = 255 / ((brightest - darkest) or 1)
        grey = small.point(lambda value: value * factor - darkest * factor).convert("L")
    elif small.has_transparency_data:
        opaque = Image.new("RGBA", small.size, "white")
        grey = Image.alpha_composite(opaque, small.convert("RGBA")).convert("L")
    else:
        grey = small if small.mode == "L" else small.convert("L")
    return turned(grey, image).resize((_WIDTH, _HEIGHT), Image.Resampling.BOX).tobytes()


def turned(copy: Image.Image, image: Image.Image) -> Image.Image:
    """*copy*, of the pixels of *image* as they are stored, turned as the orientation of *image* says."""
    turn = _TURNS.get(_orientation(image))
    return copy if turn is None else copy.transpose(turn)


def _small(image: Image.Image) -> Image.Image:
    across, down = _WIDTH * _SAMPLES_PX, _HEIGHT * _SAMPLES_PX
    factor = max(1, min(image.width // across, image.height // down))
    if image.mode in _AVERAGED and factor > 1 and "transparency" not in image.info:
        image = image.reduce(factor)
    size = (min(image.width, across), min(image.height, down))
    if image.mode.startswith("I;16"):
        image = image.resize(size, Image.Resampling.NEAREST) if size != image.size else image
        return image.convert("I")
    return image if size == image.size else image.resize(size, Image.Resampling.NEAREST)


def _extrema(image: Image.Image) -> tuple[float, float]:
    low, high = image.getextrema()
    assert isinstance(low, (int, float))
    assert isinstance(high, (int, float))
    return low, high


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":
        return 1  # Pillow has turned the pixels
    if _TELLING.isdisjoint(image.info):
        return 1
    exif = image.info.get("exif")
    if (not exif and image.format == "HEIF") or len(exif or b"") > _MAX_EXIF_BYTES:
        return 1
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - of damaged EXIF Pillow raises whatever it meets
        return 1  # as browsers show it; with the error it had neither a hash nor a thumbnail
