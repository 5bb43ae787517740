"""The kept image formats, and what is known of a verified image; needs no decoding library."""

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
"""The kept formats, each with its file extension."""


_Pixels = Annotated[int, Meta(ge=0, lt=2**31)]


class ImageInfo(Value, frozen=True):
    """The facts of a verified image."""

    format: str
    """A key of EXTENSIONS; an animated PNG is a ``png``."""
    extension: str
    width_px: _Pixels
    """Width of the first frame, or of an icon's largest image; 0 for an SVG without a size."""
    height_px: _Pixels
    frames: Annotated[int, Meta(ge=1, lt=2**31)]
    """Number of frames of an animation, pages of a TIFF, images of an icon."""
    dhash: Annotated[str, Meta(pattern="^([0-9a-f]{16})?$")] = ""
    """Perceptual hash (:mod:`crawler.download.dhash`); empty for an SVG."""
    incomplete: bool = False
    """The file lacks its end, but no pixel."""
    opt_outs: tuple[OptOut, ...] = ()
    """Opt-outs in its metadata, see :mod:`crawler.download.metadata`."""
    unread_metadata: Annotated[int, Meta(ge=0, lt=2**31)] = 0
    """Number of parts of the metadata that are too large to be read."""


class DecoderSettings(Value):
    """The settings of a decoder process."""

    decode: str
    """The function that decodes, as ``module:function``."""
    max_pixels: int


class Verdict(Value):
    """An ImageInfo or a Rejection, as it goes from one process to another."""

    info: ImageInfo | None = None
    reason: str = ""
    detail: str = ""

    @classmethod
    def of(cls, refusal: Rejection) -> Verdict:
        return cls(reason=refusal.reason, detail=refusal.detail)
