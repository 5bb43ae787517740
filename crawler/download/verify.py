"""Verifies that bytes are a whole image of a known format, by decoding it.

Pillow's own ``verify()`` notices no truncated JPEG at all (0 of 50), and decoding alone no missing tail. So the
container is walked and the pixels are decoded; those of a JPEG at an eighth of the size, which reads the whole file for
less. A decoder is chosen by the bytes, not by their name, and only among the formats of
:mod:`crawler.download.decoding`.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator

import msgspec
from PIL import IcoImagePlugin, Image, ImageFile

from crawler.download import containers, metadata
from crawler.download.decoding import MAX_FRAMES, Limit, boundless, failures, icon_size, limit_of, opened
from crawler.download.dhash import dhash
from crawler.download.formats import EXTENSIONS, ImageInfo
from crawler.download.pillow_warnings import hushed
from crawler.download.sniff import image_format, recognised
from crawler.download.svg import svg_info
from crawler.download.tiff import check_tiff
from crawler.download.truncated import completed
from crawler.errors import TruncatedImage

_DRAFT = 8
"""A JPEG is decoded at this fraction of its size."""
_DRAFT_LEAST_PX = 36
"""Four for each cell of a dhash."""
_BYTES_PER_SVG_BYTE = 70
_STRIP_PX = 256


def verify(data: bytes, *, max_pixels: int, room: Callable[[int], int] = boundless) -> ImageInfo:
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
    limit = limit_of(name, data, max_pixels, room)
    applications: list[int] = []
    with failures(name, data):
        width_px, height_px, frames, looks = _decoded(name, data, limit, applications)
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


def verify_lenient(data: bytes, *, max_pixels: int, room: Callable[[int], int] = boundless) -> ImageInfo:
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
        yield opened(name, data)
        return
    icon = IcoImagePlugin.IcoFile(io.BytesIO(data))
    yield from (icon.frame(index).convert("RGB") for index in range(len(icon.entry)))


_Decoded = tuple[int, int, int, str]
"""Width, height, frames and dhash."""


def _decoded(name: str, data: bytes, limit: Limit, applications: list[int]) -> _Decoded:
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
        with opened(name, data) as image:
            return _all_decoded(name, data, image, frames, limit)
    except (OSError, ValueError) as exc:
        if short:
            raise TruncatedImage(
                f"the TIFF ends early: its pixels reach beyond its {len(data):,} bytes"
            ) from exc
        raise


def _all_decoded(
    name: str, data: bytes, image: ImageFile.ImageFile, announced: int, limit: Limit
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


def _decoded_jpeg(data: bytes, limit: Limit) -> _Decoded:
    """Decode the first picture of a file, however many follow it (MPO)."""
    scans = containers.check_jpeg(data)
    with opened("jpeg", data) as image:
        width_px, height_px = image.size
        limit.check(width_px, height_px)
        containers.check_scans(scans, width_px * height_px)
        least = (max(side // _DRAFT, min(side, _DRAFT_LEAST_PX)) for side in image.size)
        image.draft("L", (next(least), next(least)))  # colours are decoded and checked, but not converted
        image.decodermaxblock = len(data)  # at once: in pieces of 64 KiB a photo of 100 KB took 3 % longer
        image.load()
        return width_px, height_px, 1, dhash(image)


def _decoded_icon(data: bytes, limit: Limit) -> _Decoded:
    entries = containers.ico_entries(data)
    sizes = [icon_size(data[offset : offset + size]) for offset, size in entries]
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
