"""Opens images within limits: which library reads which format, what that takes, and what its failures mean."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from crawler.download import containers
from crawler.download.pillow_warnings import hushed
from crawler.download.undecodable import is_unread
from crawler.errors import CorruptImage, Rejection, TooManyPixels, TruncatedImage, UnsupportedFormat
from crawler.extras import named

MAX_FRAMES = 10_000


class Format(NamedTuple):
    """How one format is called and decoded, and what that takes."""

    title: str
    bytes_per_px: int
    """Of memory, at most, while it is decoded: measured by tests/benchmarks/corpus.py --memory."""
    opener: type[ImageFile.ImageFile] | None = None
    """Pillow's plugin; None where there are several images in a file, or the plugin is an extra."""

    @property
    def with_article(self) -> str:
        return f"{'an' if self.title[0] in 'Ai' else 'a'} {self.title}"


FORMATS = {
    "jpeg": Format("JPEG", 8, JpegImagePlugin.JpegImageFile),
    "png": Format("PNG", 10, PngImagePlugin.PngImageFile),
    "gif": Format("GIF", 10, GifImagePlugin.GifImageFile),
    "webp": Format("WebP", 17, WebPImagePlugin.WebPImageFile),
    "avif": Format("AVIF", 12, AvifImagePlugin.AvifImageFile),
    "bmp": Format("BMP", 10, BmpImagePlugin.BmpImageFile),
    "tiff": Format("TIFF", 20, TiffImagePlugin.TiffImageFile),
    "ico": Format("icon", 20),
    "heic": Format("HEIC", 12),
}
_BESIDE_BYTES = 16 * 2**20
_ENDS_EARLY = re.compile("truncated|not enough image data", re.IGNORECASE)
"""How Pillow's decoders say that bytes are missing."""


def boundless(size_bytes: int) -> int:
    return size_bytes


class Limit:
    """The limits of one image: its pixels, and the memory of its decoder."""

    def __init__(
        self, max_pixels: int, *, room: Callable[[int], int], bytes_per_px: int, own_bytes: int
    ) -> None:
        self.max_pixels = max_pixels
        self._room = room
        self._bytes_per_px = bytes_per_px
        self._own_bytes = own_bytes

    def check(self, width_px: int, height_px: int, frames: int = 1) -> None:
        if width_px < 1 or height_px < 1:
            raise CorruptImage(f"the image is damaged: it is said to have {width_px} x {height_px} pixels")
        if frames > MAX_FRAMES:
            raise TooManyPixels(f"it has {frames} frames; the limit is {MAX_FRAMES}")
        if width_px * height_px * frames > self.max_pixels:
            raise TooManyPixels(
                f"it has {width_px} x {height_px} pixels in {frames} frames; "
                f"the limit is {self.max_pixels} (max_pixels)"
            )
        takes_bytes = self._own_bytes + width_px * height_px * self._bytes_per_px
        if self._room(takes_bytes + _BESIDE_BYTES) < takes_bytes:
            raise MemoryError

    def check_sum(self, pixels: int) -> None:
        """Check the total of several frames or pages."""
        if pixels > self.max_pixels:
            raise TooManyPixels(f"it has {pixels} pixels in all; the limit is {self.max_pixels} (max_pixels)")


def limit_of(name: str, data: bytes, max_pixels: int, room: Callable[[int], int]) -> Limit:
    return Limit(max_pixels, room=room, bytes_per_px=FORMATS[name].bytes_per_px, own_bytes=3 * len(data))


@contextmanager
def failures(name: str, data: bytes) -> Iterator[None]:
    """Whatever a decoder raises within the block becomes a Rejection; a MemoryError stays one."""
    try:
        with hushed():
            yield
    except (Rejection, MemoryError):
        raise
    except EOFError as exc:
        raise TruncatedImage(f"the {FORMATS[name].title} ends early") from exc
    except Exception as exc:  # decoders raise anything: struct.error, SyntaxError, KeyError …
        raise _what_failed(name, data, exc) from exc


def _what_failed(name: str, data: bytes, exc: Exception) -> Rejection:
    """The Rejection that an exception of a decoder stands for; the decoder's own words are for its developers."""
    text = repr(exc)
    if isinstance(exc, Image.DecompressionBombError):
        return TooManyPixels("it has more pixels than are decoded (max_pixels)")
    if is_unread(name, data, text):
        return UnsupportedFormat(
            f"it is {FORMATS[name].with_article} of a rare kind, which no decoder here reads"
        )
    if _ENDS_EARLY.search(text):
        return TruncatedImage(f"the {FORMATS[name].title} ends early")
    return CorruptImage(f"the {FORMATS[name].title} is damaged: its pixels can't be decoded")


def opened(name: str, data: bytes) -> ImageFile.ImageFile:
    if (opener := FORMATS[name].opener) is not None:
        return opener(io.BytesIO(data))
    try:
        import pillow_heif
    except ImportError as exc:
        raise UnsupportedFormat(
            f"it is a HEIC, and the library that reads those is not installed: {named('heic')}"
        ) from exc
    pillow_heif.options.DECODE_THREADS = 1  # each thread takes memory, and other decoders work as well
    pillow_heif.options.THUMBNAILS = pillow_heif.options.DEPTH_IMAGES = False
    return pillow_heif.HeifImageFile(io.BytesIO(data))  # type: ignore[no-untyped-call]


def icon_size(entry: bytes) -> tuple[int, int]:
    """The size of one image of an icon: a PNG, or a bitmap whose height includes its mask."""
    if entry.startswith(b"\x89PNG"):
        containers.check_png(entry)
        return int.from_bytes(entry[16:20], "big"), int.from_bytes(entry[20:24], "big")
    width = int.from_bytes(entry[4:8], "little", signed=True)
    height = int.from_bytes(entry[8:12], "little", signed=True)
    return abs(width), abs(height) // 2
