"""What is known of an image once it is verified, and which formats there are: without the library that decodes."""

from __future__ import annotations

from crawler.errors import Rejection
from crawler.models import Value

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
    "heic": "heic",
}
"""The formats that are kept, and the extension of each."""


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
    dhash: str = ""
    """See :mod:`crawler.download.dhash`; empty for an SVG."""
    incomplete: bool = False
    """It lacks its end, and no pixel."""


class DecoderSettings(Value):
    """What a decoder is told when it starts."""

    decode: str
    """``module:function``"""
    max_pixels: int


class Verdict(Value):
    """ImageInfo or Rejection, as it goes from one process to another."""

    info: ImageInfo | None = None
    reason: str = ""
    detail: str = ""

    @classmethod
    def of(cls, refusal: Rejection) -> Verdict:
        return cls(reason=refusal.reason, detail=refusal.detail)
