"""Verifies that bytes are a whole image of a known format, by decoding it.

Pillow's own ``verify()`` notices no truncated JPEG at all (0 of 50), and decoding alone no missing tail. So the
container is walked and the pixels are decoded; those of a JPEG at an eighth of the size, which reads the whole file for
less. A decoder is chosen by the bytes, not by their name, and only among the formats below.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from crawler.download import containers, metadata
from crawler.download.dhash import dhash
from crawler.download.formats import EXTENSIONS, ImageInfo
from crawler.download.pillow_warnings import hushed
from crawler.download.sniff import image_format, recognised
from crawler.download.svg import svg_info
from crawler.download.tiff import check_tiff
from crawler.download.truncated import completed
from crawler.download.undecodable import is_unread
from crawler.errors import CorruptImage, Rejection, TooManyPixels, TruncatedImage, UnsupportedFormat
from crawler.extras import named

MAX_FRAMES = 10_000


class _Format(NamedTuple):
    """How one format is called and decoded, and what that takes."""

    title: str
    bytes_per_px: int
    """Of memory, at most, while it is decoded: measured by tests/benchmarks/corpus.py --memory."""
    opener: type[ImageFile.ImageFile] | None = None
    """Pillow's plugin; None where there are several images in a file, or the plugin is an extra."""

    @property
    def with_article(self) -> str:
        return f"{'an' if self.title[0] in 'Ai' else 'a'} {self.title}"


_FORMATS = {
    "jpeg": _Format("JPEG", 8, JpegImagePlugin.JpegImageFile),
    "png": _Format("PNG", 10, PngImagePlugin.PngImageFile),
    "gif": _Format("GIF", 10, GifImagePlugin.GifImageFile),
    "webp": _Format("WebP", 17, WebPImagePlugin.WebPImageFile),
    "avif": _Format("AVIF", 12, AvifImagePlugin.AvifImageFile),
    "bmp": _Format("BMP", 10, BmpImagePlugin.BmpImageFile),
    "tiff": _Format("TIFF", 20, TiffImagePlugin.TiffImageFile),
    "ico": _Format("icon", 20),
    "heic": _Format("HEIC", 12),
}
_DRAFT = 8
"""A JPEG is decoded at this fraction of its size."""
_DRAFT_LEAST_PX = 36
"""Four for each cell of a dhash."""
_BYTES_PER_SVG_BYTE = 70
_BESIDE_BYTES = 16 * 2**20
_STRIP_PX = 256
_ENDS_EARLY = re.compile("truncated|not enough image data", re.IGNORECASE)
"""How Pillow's decoders say that bytes are missing."""


def _boundless(size_bytes: int) -> int:
    return size_bytes


def verify(data: bytes, *, max_pixels: int, room: Callable[[int], int] = _boundless) -> ImageInfo:
    """The format, size and looks of the complete image *data*.

    *max_pixels* limits width x height x frames; it is checked before anything of that size is allocated. *room* is
    called with the memory that the decoding is known to take, and returns how much may be taken.

    Bytes after the image's end are allowed. Damage within a JPEG that its decoder covers up goes unnoticed: the format
    has no checksums. Safe to be used by several threads. A decoder that crashes takes the process with it, so images of
    strangers are for :mod:`crawler.download.decoder_pool`.

    Raises a leaf of Rejection: EmptyBody, NotAnImage, UnsupportedFormat (an image of a kind that is not kept or not
    read), TruncatedImage (its tail is missing), TooManyPixels, CorruptImage (all else); MemoryError where it takes more
    memory than there is. Raises nothing else.
    """
    name = recognised(data)
    if name == "svg":
        room(len(data) * _BYTES_PER_SVG_BYTE)
        return _with_opt_outs(svg_info(data), metadata.opt_outs_in_svg(data))
    limit = _Limit(max_pixels, room=room, bytes_per_px=_FORMATS[name].bytes_per_px, own_bytes=3 * len(data))
    applications: list[int] = []
    try:
        with hushed():
            width_px, height_px, frames, looks = _decoded(name, data, limit, applications)
    except (Rejection, MemoryError):
        raise
    except EOFError as exc:
        raise TruncatedImage(f"the {_FORMATS[name].title} ends early") from exc
    except Exception as exc:  # decoders raise anything: struct.error, SyntaxError, KeyError …
        raise _what_failed(name, data, exc) from exc
    info = ImageInfo(
        format=name,
        extension=EXTENSIONS[name],
        width_px=width_px,
        height_px=height_px,
        frames=frames,
        dhash=looks,
    )
    is_gif = name == "gif"
    found = metadata.opt_outs_in_gif(data, applications) if is_gif else metadata.opt_outs_in(name, data)
    return _with_opt_outs(info, found)


def _with_opt_outs(info: ImageInfo, found: metadata.FileOptOuts) -> ImageInfo:
    if not found.opt_outs and not found.unread:
        return info  # as nearly always
    return msgspec.structs.replace(info, opt_outs=found.opt_outs, unread_metadata=found.unread)


def verify_lenient(data: bytes, *, max_pixels: int, room: Callable[[int], int] = _boundless) -> ImageInfo:
    """As :func:`verify`, but a file that only lacks its end is accepted too, as ``incomplete``.

    All of its pixels are there: they do not depend on what stands in place of the missing bytes. A file that lacks more
    than its end is refused as ever.
    """
    try:
        return verify(data, max_pixels=max_pixels, room=room)
    except TruncatedImage as refusal:
        try:
            return _as_completed(data, max_pixels, room)
        except MemoryError:
            raise
        except Exception as exc:  # as above: decoders raise anything
            raise refusal from exc


def _as_completed(data: bytes, max_pixels: int, room: Callable[[int], int]) -> ImageInfo:
    name = image_format(data) or ""
    versions = completed(name, data)
    if not versions:
        raise TruncatedImage("more is missing than an end")
    info = verify(versions[0], max_pixels=max_pixels, room=room)
    if len(versions) > 1 and len({_pixels(name, version) for version in versions}) > 1:
        raise TruncatedImage("its pixels depend on what is missing")
    return msgspec.structs.replace(info, incomplete=True)


def _pixels(name: str, data: bytes) -> bytes:
    """A digest of all pixels of an image of one frame, or of the colours of all images of an icon: an icon without its
    mask is shown all the same.
    """
    digest = hashlib.blake2b()
    with hushed():
        for image in _images(name, data):
            image.load()
            for top in range(0, image.height, _STRIP_PX):
                strip = image.crop((0, top, image.width, min(top + _STRIP_PX, image.height)))
                digest.update(strip.tobytes())
    return digest.digest()


def _images(name: str, data: bytes) -> Iterator[Image.Image]:
    if name != "ico":
        yield _opened(name, data)
        return
    icon = IcoImagePlugin.IcoFile(io.BytesIO(data))
    yield from (icon.frame(index).convert("RGB") for index in range(len(icon.entry)))


def _what_failed(name: str, data: bytes, exc: Exception) -> Rejection:
    """The Rejection that an exception of a decoder stands for; the decoder's own words are for its developers."""
    text = repr(exc)
    if isinstance(exc, Image.DecompressionBombError):
        return TooManyPixels("it has more pixels than are decoded (max_pixels)")
    if is_unread(name, data, text):
        return UnsupportedFormat(
            f"it is {_FORMATS[name].with_article} of a rare kind, which no decoder here reads"
        )
    if _ENDS_EARLY.search(text):
        return TruncatedImage(f"the {_FORMATS[name].title} ends early")
    return CorruptImage(f"the {_FORMATS[name].title} is damaged: its pixels can't be decoded")


class _Limit:
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


_Decoded = tuple[int, int, int, str]
"""Width, height, frames and dhash."""


def _decoded(name: str, data: bytes, limit: _Limit, applications: list[int]) -> _Decoded:
    """Walk the container, then decode. The offsets of a GIF's application extensions are appended to *applications*."""
    frames, short = 1, False
    match name:
        case "ico":
            return _decoded_icon(data, limit)
        case "jpeg":
            return _decoded_jpeg(data, limit)
        case "png":
            frames, data = containers.check_png(data)
        case "gif":
            frames = containers.check_gif(data, applications)
        case "webp":
            width_px, height_px, frames, data = containers.check_webp(data)
            limit.check(width_px, height_px, frames)  # Pillow allocates two canvases when it opens one
        case "tiff":
            frames, short = check_tiff(data, max_pages=MAX_FRAMES, max_pixels=limit.max_pixels)
        case "bmp":
            pass  # it has no end mark
        case _:
            containers.check_boxes(data)
    limit.check(1, 1, frames)  # counting frames makes a decoder walk over them
    try:
        with _opened(name, data) as image:
            return _all_decoded(name, data, image, frames, limit)
    except (OSError, ValueError) as exc:
        if short:
            raise TruncatedImage(
                f"the TIFF ends early: its pixels reach beyond its {len(data):,} bytes"
            ) from exc
        raise


def _all_decoded(
    name: str, data: bytes, image: ImageFile.ImageFile, announced: int, limit: _Limit
) -> _Decoded:
    width_px, height_px = image.size
    limit.check(width_px, height_px)
    frames = found = int(getattr(image, "n_frames", 1))
    if name == "png":
        frames = announced  # without the default image for viewers that lack animation
    if name != "tiff":  # its pages differ in size
        limit.check(width_px, height_px, frames)
    if name == "png" and found == 1:
        _load_png(data, image)
    elif name == "png":
        containers.check_png_rows(data)
    first, decoded_px, looks = image.tell(), 0, ""
    for index in (first, *(index for index in range(found) if index != first)):
        image.seek(index)
        decoded_px += image.width * image.height
        limit.check(image.width, image.height)
        if name != "png":
            limit.check_sum(decoded_px)  # a GIF may grow
        image.load()
        if index == first:
            width_px, height_px = image.size
            looks = dhash(image)
    return width_px, height_px, frames, looks


def _load_png(data: bytes, image: ImageFile.ImageFile) -> None:
    """Decode a PNG of one frame, which is to have all of its rows.

    Pillow leaves missing rows black, and says nothing. It writes one row after the other, so that a last row which is
    not all black tells that none is missing. Only the other PNGs are inflated once more to count: that takes a third
    of the time of a decoder.
    """
    try:
        image.load()
    except Exception:
        containers.check_png_rows(data)  # what it says comes first
        raise
    last = image.crop((0, image.height - 1, *image.size))
    if containers.is_interlaced(data) or last.getbbox(alpha_only=False) is None:
        containers.check_png_rows(data)


def _opened(name: str, data: bytes) -> ImageFile.ImageFile:
    if (opener := _FORMATS[name].opener) is not None:
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


def _decoded_jpeg(data: bytes, limit: _Limit) -> _Decoded:
    """Decode the first picture of a file, however many follow it (MPO)."""
    scans = containers.check_jpeg(data)
    with _opened("jpeg", data) as image:
        width_px, height_px = image.size
        limit.check(width_px, height_px)
        containers.check_scans(scans, width_px * height_px)
        least = (max(side // _DRAFT, min(side, _DRAFT_LEAST_PX)) for side in image.size)
        image.draft("L", (next(least), next(least)))  # colours are decoded and checked, but not converted
        image.load()
        return width_px, height_px, 1, dhash(image)


def _decoded_icon(data: bytes, limit: _Limit) -> _Decoded:
    entries = containers.ico_entries(data)
    sizes = [_icon_size(data[offset : offset + size]) for offset, size in entries]
    for width_px, height_px in sizes:
        limit.check(width_px, height_px)
    limit.check_sum(sum(width_px * height_px for width_px, height_px in sizes))
    icon = IcoImagePlugin.IcoFile(io.BytesIO(data))
    largest: Image.Image | None = None
    for index in range(len(entries)):
        image = icon.frame(index)
        image.load()
        if largest is None or image.width * image.height > largest.width * largest.height:
            largest = image
    width_px, height_px = max(sizes, key=lambda size: size[0] * size[1])
    return width_px, height_px, len(entries), dhash(largest) if largest else ""


def _icon_size(entry: bytes) -> tuple[int, int]:
    """The size of one image of an icon: a PNG, or a bitmap whose height includes its mask."""
    if entry.startswith(b"\x89PNG"):
        containers.check_png(entry)
        return int.from_bytes(entry[16:20], "big"), int.from_bytes(entry[20:24], "big")
    width = int.from_bytes(entry[4:8], "little", signed=True)
    height = int.from_bytes(entry[8:12], "little", signed=True)
    return abs(width), abs(height) // 2
