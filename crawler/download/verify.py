"""Whether bytes are a whole image, and of which kind: every image is really decoded.

Pillow's own ``verify()`` notices no truncated JPEG at all (0 of 50), decoding alone not a missing tail: so
the structure is walked and the pixels are decoded, those of a JPEG at an eighth of the size, which reads all
of the file for less. Nothing but the formats below is ever handed to a decoder, and by their bytes, not by
their name.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from crawler.download import structure
from crawler.download.sniff import image_format, is_start_of_magic, unkept_format
from crawler.download.svg import may_be_svg, svg_size
from crawler.errors import (
    CorruptImage,
    EmptyBody,
    NotAnImage,
    Rejection,
    TooManyPixels,
    TruncatedImage,
    UnsupportedFormat,
)
from crawler.models import Value

MAX_FRAMES = 10_000
EXTENSIONS = {
    "jpeg": "jpg",
    "png": "png",
    "gif": "gif",
    "webp": "webp",
    "avif": "avif",
    "bmp": "bmp",
    "tiff": "tif",
    "ico": "ico",
    "svg": "svg",
}
"""The formats that are kept, and the extension of each."""

_FILES: dict[str, type[ImageFile.ImageFile]] = {
    "jpeg": JpegImagePlugin.JpegImageFile,
    "png": PngImagePlugin.PngImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "avif": AvifImagePlugin.AvifImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "tiff": TiffImagePlugin.TiffImageFile,
}
_DRAFT = 8


class ImageInfo(Value, frozen=True):
    """What an image is."""

    format: str
    """A key of EXTENSIONS; an animated PNG is a png."""
    extension: str
    width_px: int
    """Of the first frame, of the largest image of an icon; 0 for an SVG that does not say."""
    height_px: int
    frames: int
    """Of an animation, pages of a TIFF, images of an icon."""


def verify(data: bytes, *, max_pixels: int) -> ImageInfo:
    """What *data* is, if it is a complete image that decodes.

    *max_pixels* is a limit to width x height x frames, checked before anything of that size is allocated.
    Bytes after the image's end are allowed. Damage within a JPEG that its decoder covers up goes unnoticed:
    the format has no checksums. Safe to be used by several threads.

    Raises a leaf of Rejection, and nothing else: EmptyBody, NotAnImage, UnsupportedFormat (an image, of a
    kind that is not kept), TruncatedImage (its tail is missing), TooManyPixels, CorruptImage (all else).
    """
    if not data:
        raise EmptyBody("there are no bytes")
    name = image_format(data)
    if name is None:
        return _svg(data)
    try:
        with _hushed():
            width_px, height_px, frames = _decoded(name, data, max_pixels)
    except Rejection:
        raise
    except EOFError as exc:
        raise TruncatedImage(f"the {name} ends early: {exc}") from exc
    except Exception as exc:  # decoders raise anything: struct.error, SyntaxError, KeyError, MemoryError …
        kind = TruncatedImage if "truncated" in str(exc).lower() else CorruptImage
        raise kind(f"the {name} can't be decoded: {exc!r}"[:300]) from exc
    return ImageInfo(
        format=name, extension=EXTENSIONS[name], width_px=width_px, height_px=height_px, frames=frames
    )


def _svg(data: bytes) -> ImageInfo:
    if may_be_svg(data):
        width_px, height_px = svg_size(data)
        return ImageInfo(
            format="svg", extension=EXTENSIONS["svg"], width_px=width_px, height_px=height_px, frames=1
        )
    if other := unkept_format(data):
        raise UnsupportedFormat(f"it is a file of the format {other}, which is not kept")
    if is_start_of_magic(data):
        raise TruncatedImage(f"it ends within its header, after {len(data)} bytes")
    raise NotAnImage(f"it starts with {data[:40]!r}, as no image does")


def _decoded(name: str, data: bytes, max_pixels: int) -> tuple[int, int, int]:
    """Width, height and frames, once everything is decoded."""
    if name == "ico":
        return _decode_icon(data, max_pixels)
    frames = 1
    if name == "jpeg":
        structure.check_jpeg(data)
    elif name == "png":
        frames = structure.check_png(data)
    elif name == "gif":
        frames = structure.check_gif(data)
    elif name == "webp":
        structure.check_webp(data)
    elif name == "avif":
        structure.check_boxes(data)
    with _FILES[name](io.BytesIO(data)) as image:
        width_px, height_px = image.size
        _check_pixels(width_px, height_px, frames, max_pixels)
        if name == "jpeg":
            image.draft(image.mode, (max(1, width_px // _DRAFT), max(1, height_px // _DRAFT)))
            image.load()
            return width_px, height_px, 1
        if name != "png":
            frames = int(getattr(image, "n_frames", 1))
        _check_pixels(width_px, height_px, frames, max_pixels)
        decoded = 0
        for index in range(frames):
            image.seek(index)
            decoded += image.width * image.height  # the pages of a TIFF differ in size
            _check_pixels(decoded, 1, 1, max_pixels)
            image.load()
    return width_px, height_px, frames


def _decode_icon(data: bytes, max_pixels: int) -> tuple[int, int, int]:
    entries = structure.ico_entries(data)
    sizes = [_icon_size(data[offset : offset + size]) for offset, size in entries]
    _check_pixels(sum(width * height for width, height in sizes), 1, 1, max_pixels)
    icon = IcoImagePlugin.IcoFile(io.BytesIO(data))
    for index in range(len(entries)):
        icon.frame(index).load()
    width_px, height_px = max(sizes, key=lambda size: size[0] * size[1])
    return width_px, height_px, len(entries)


def _icon_size(entry: bytes) -> tuple[int, int]:
    """Of one image of an icon: a PNG, or a bitmap whose height counts its mask too."""
    if entry.startswith(b"\x89PNG"):
        structure.check_png(entry)
        return int.from_bytes(entry[16:20], "big"), int.from_bytes(entry[20:24], "big")
    width = int.from_bytes(entry[4:8], "little", signed=True)
    height = int.from_bytes(entry[8:12], "little", signed=True)
    return abs(width), abs(height) // 2


def _check_pixels(width_px: int, height_px: int, frames: int, max_pixels: int) -> None:
    if frames > MAX_FRAMES:
        raise TooManyPixels(f"it has {frames} frames; the limit is {MAX_FRAMES}")
    if width_px * height_px * frames > max_pixels:
        raise TooManyPixels(
            f"it has {width_px} x {height_px} pixels in {frames} frames; "
            f"the limit is {max_pixels} (max_pixels)"
        )


class _Hush:
    """Keeps Pillow's warnings about odd files quiet, in whichever thread, while at least one is at work.

    ``warnings.catch_warnings`` changes what all threads share and puts back what it found: two of them that
    overlap leave it wrong. So the first one in opens it and the last one out closes it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._catcher = warnings.catch_warnings()

    def enter(self) -> None:
        with self._lock:
            if not self._inside:
                self._catcher = warnings.catch_warnings()
                self._catcher.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._catcher.__exit__(None, None, None)


_hush = _Hush()


@contextmanager
def _hushed() -> Iterator[None]:
    _hush.enter()
    try:
        yield
    finally:
        _hush.leave()
