"""Draws the first frame of an image, for a small copy of it: within the limits of its verification."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from PIL import IcoImagePlugin, Image

from crawler.download import containers
from crawler.download.decoding import Limit, boundless, failures, icon_size, limit_of, opened
from crawler.download.sniff import recognised
from crawler.download.truncated import completed
from crawler.errors import CorruptImage, Rejection, TruncatedImage, UnsupportedFormat

_Drawn = TypeVar("_Drawn")


def draw_first(
    data: bytes,
    draw: Callable[[Image.Image], _Drawn],
    *,
    max_pixels: int,
    room: Callable[[int], int] = boundless,
) -> _Drawn:
    """What *draw* makes of the first frame of *data*, or of an icon's largest image: it is open, and not loaded yet.

    Limits and errors are those of :func:`crawler.download.verify.verify`, which this does not stand in for: only that
    frame is decoded. A file that ends early is drawn with what it has, where its format allows that: whether it may be
    saved is the verification's to say. An SVG has no pixels: UnsupportedFormat.
    """
    name = recognised(data)
    if name == "svg":
        raise UnsupportedFormat("an SVG has no pixels")
    try:
        return _drawn(name, data, draw, limit_of(name, data, max_pixels, room))
    except (TruncatedImage, CorruptImage) as exc:
        mended = _mended(name, data, exc)
        if not mended:
            raise
    return _drawn(name, mended, draw, limit_of(name, mended, max_pixels, room))


def _mended(name: str, data: bytes, refusal: Rejection) -> bytes:
    """*data* without what keeps Pillow from its pixels; empty if nothing helps."""
    if name == "png":  # a text or a profile may be wrong in a sound file
        with suppress(Rejection):
            return containers.check_png(data)[1]
    versions = completed(name, data) if isinstance(refusal, TruncatedImage) else ()
    return versions[0] if versions else b""


def _drawn(name: str, data: bytes, draw: Callable[[Image.Image], _Drawn], limit: Limit) -> _Drawn:
    with failures(name, data):
        if name == "webp":
            width_px, height_px, _, data = containers.check_webp(data)
            limit.check(width_px, height_px)  # Pillow allocates two canvases when it opens one
        if name == "ico":
            containers.ico_entries(data)
            icon = IcoImagePlugin.IcoFile(io.BytesIO(data))
            sizes = [icon_size(data[entry.offset : entry.offset + entry.size]) for entry in icon.entry]
            largest = max(range(len(sizes)), key=lambda index: sizes[index][0] * sizes[index][1])
            limit.check(*sizes[largest])
            return draw(icon.frame(largest))
        with opened(name, data) as image:
            limit.check(*image.size)
            return draw(image)
