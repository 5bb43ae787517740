"""What is known of an image once it is verified, and which formats there are: without the library that decodes."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from crawler.errors import Rejection
from crawler.models import OptOut, Value

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


_Pixels = Annotated[int, Meta(ge=0, lt=2**31)]


class ImageInfo(Value, frozen=True):
    """What an image is."""

    format: str
    """A key of EXTENSIONS; an animated PNG is a png."""
    extension: str
    width_px: _Pixels
    """Of the first frame, of the largest image of an icon; 0 for an SVG that does not say."""
    height_px: _Pixels
    frames: Annotated[int, Meta(ge=1, lt=2**31)]
    """Of an animation, pages of a TIFF, images of an icon."""
    dhash: Annotated[str, Meta(pattern="^([0-9a-f]{16})?$")] = ""
    """See :mod:`crawler.download.dhash`; empty for an SVG."""
    incomplete: bool = False
    """It lacks its end, and no pixel."""
    opt_outs: tuple[OptOut, ...] = ()
    """What its metadata say of its use, see :mod:`crawler.download.metadata`."""
    unread_metadata: Annotated[int, Meta(ge=0, lt=2**31)] = 0
    """How many parts of these are too large to be read."""


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
