"""The work of a process that draws thumbnails: the bytes of an image in, a WebP or the reason for having none out."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from crawler.download.formats import Verdict
from crawler.errors import Rejection
from crawler.gallery.shrunk import shrunk, webp
from crawler.models import Value
from crawler.sandbox.child_main import Room, Work

DRAWN, REFUSED = b"+", b"-"
"""The first byte of a reply: a WebP follows, or a Verdict."""


class ThumbnailSettings(Value):
    side_px: int
    max_pixels: int


def make(settings: str, room: Room) -> Work:
    told = msgspec.json.decode(settings, type=ThumbnailSettings)

    def work(data: bytes) -> Iterable[bytes]:
        try:
            return (DRAWN, webp(shrunk(data, side_px=told.side_px, max_pixels=told.max_pixels, room=room)))
        except Rejection as exc:
            return (REFUSED, msgspec.json.encode(Verdict.of(exc)))

    return work
