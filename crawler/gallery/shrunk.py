"""Small copies of images, drawn anew from their pixels, and so free of all else in a file."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection
from contextlib import suppress

from PIL import Image, ImageCms

from crawler.download.dhash import turned
from crawler.download.first_frame import draw_first
from crawler.download.sniff import recognised
from crawler.errors import UnsupportedFormat

LONGEST = 4
"""The longer side of a copy of a very tall or wide image, in sides of others."""
_QUALITY = 78
_METHOD = 2
"""Of WebP: the methods above it take up to three times the time, for files that are a tenth smaller."""
_MOST_PROFILE_BYTES = 2**20
_SIXTEEN_BITS = 257
"""The factor between a grey of 8 bits and one of 16."""


def shrunk(
    data: bytes,
    *,
    side_px: int,
    max_pixels: int,
    room: Callable[[int], int] = lambda size_bytes: size_bytes,
    formats: Collection[str] = (),
) -> Image.Image:
    """A copy of the image *data* with at most *side_px* a side. Of one that is taller or wider than two to one the
    shorter side has half of that, and the longer one up to LONGEST times as much: a tile shows a part of it. It is
    never enlarged. RGB, or RGBA where it is seen through.

    It is the first frame, turned as its EXIF orientation says, in the colours of sRGB. A JPEG is decoded at up to an
    eighth of its size. Limits and errors are those of :func:`crawler.download.first_frame.draw_first`. A decoder reads
    what a stranger wrote, so this is for a process of its own (:mod:`crawler.gallery.thumbnail_main`). With *formats*
    all others are an UnsupportedFormat.
    """
    if formats and (name := recognised(data)) not in formats:
        raise UnsupportedFormat(f"it is {name}, which is not drawn here")
    return draw_first(data, lambda image: _copy(image, side_px), max_pixels=max_pixels, room=room)


def webp(image: Image.Image) -> bytes:
    """*image*, which has no metadata, as a WebP."""
    out = io.BytesIO()
    image.save(out, "WEBP", quality=_QUALITY, method=_METHOD)
    return out.getvalue()


def small_px(size_px: tuple[int, int], side_px: int) -> tuple[int, int]:
    """The size of a copy of an image of *size_px*, which has no empty side."""
    shorter, longer = sorted(size_px)
    scale = min(1.0, max(side_px / longer, min(side_px / 2 / shorter, LONGEST * side_px / longer)))
    width_px, height_px = size_px
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def _copy(image: Image.Image, side_px: int) -> Image.Image:
    width_px, height_px = small_px(image.size, side_px)
    image.draft(None, (width_px, height_px))
    image.load()
    small = _eight_bits(image, (width_px, height_px))
    if small.size != (width_px, height_px):
        small = small.resize((width_px, height_px), Image.Resampling.LANCZOS, reducing_gap=2.0)
    small = _in_srgb(small, image.info.get("icc_profile"))
    if small.mode == "RGBA" and small.getchannel("A").getextrema() == (255, 255):
        small = small.convert("RGB")
    small = turned(small, image)
    small.info = {}  # with what the file says besides, which Pillow would write again
    return small


def _eight_bits(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """*image* in a mode that can be scaled well: greys, RGB, RGBA or CMYK of 8 bits."""
    if image.mode.startswith("I;16"):
        # Pillow scales these in this way alone; twice the size leaves something to smooth
        near = tuple(min(side, 2 * wanted) for side, wanted in zip(image.size, size, strict=True))
        small = image.resize((near[0], near[1]), Image.Resampling.NEAREST).convert("I")
        return small.point(lambda value: value * (1 / _SIXTEEN_BITS)).convert("L")
    if image.mode in {"I", "F"}:
        low, high = image.getextrema()
        assert isinstance(low, int | float)
        assert isinstance(high, int | float)
        factor = 255 / ((high - low) or 1)
        return image.point(lambda value: value * factor - low * factor).convert("L")
    if image.has_transparency_data:
        return image.convert("RGBA")
    return (
        image.convert("L")
        if image.mode == "1"
        else image
        if image.mode in _AS_IT_IS
        else image.convert("RGB")
    )


_AS_IT_IS = frozenset({"L", "RGB", "CMYK"})


def _in_srgb(image: Image.Image, profile: object) -> Image.Image:
    """*image* as RGB or RGBA, its colours taken from their *profile*; without a sound one as they are."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.convert("RGB") if image.mode == "RGBA" else image
    if isinstance(profile, bytes) and 0 < len(profile) <= _MOST_PROFILE_BYTES:
        with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(
                colours, own, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            colours = converted or colours
    colours = colours.convert("RGB")
    if alpha is not None:
        colours.putalpha(alpha)
    return colours
