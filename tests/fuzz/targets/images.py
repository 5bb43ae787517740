"""Image files, decoded: verify() says what they are, or refuses them with a reason from the closed list.

Thumbnails are drawn of all that it accepts, and of nothing that it would not let be decoded.
"""

from __future__ import annotations

from collections.abc import Callable

from crawler.download.decoding import MAX_FRAMES
from crawler.download.formats import EXTENSIONS, ImageInfo
from crawler.download.sniff import image_format
from crawler.download.svg import may_be_svg
from crawler.download.verify import verify, verify_lenient
from crawler.errors import REASONS, Rejection, TruncatedImage
from crawler.gallery.shrunk import LONGEST, shrunk

MAX_PIXELS = 300_000
MAX_SVG_PX = 1_000_000
SIDE_PX = 32


def fuzz(data: bytes) -> None:
    asked: list[int] = []

    def room(size_bytes: int) -> int:
        asked.append(size_bytes)
        return size_bytes

    strict = _judged(data, lenient=False, room=room)
    if isinstance(strict, ImageInfo):
        _check(strict, data)
        assert asked, "memory was taken that nobody was asked for"
        assert _judged(data, lenient=False, room=room) == strict, "another verdict for the same bytes"
    lenient = _judged(data, lenient=True, room=room)
    if isinstance(lenient, ImageInfo) and lenient.incomplete:
        assert isinstance(strict, TruncatedImage), "incomplete is only what is truncated"
        _check(lenient, data)
    else:
        assert _said(lenient) == _said(strict), "only what is truncated is looked at in another way"

    _draw(data, strict, room)


def _draw(data: bytes, verdict: ImageInfo | Rejection, room: Callable[[int], int]) -> None:
    try:
        small = shrunk(data, side_px=SIDE_PX, max_pixels=MAX_PIXELS, room=room)
    except Rejection as exc:
        assert REASONS[exc.reason] is type(exc)
        assert isinstance(verdict, Rejection) or verdict.format == "svg", exc
        return
    assert small.mode in {"RGB", "RGBA"}
    shorter, longer = sorted(small.size)
    assert longer <= SIDE_PX or (longer <= LONGEST * SIDE_PX and shorter <= SIDE_PX / 2)


def _judged(data: bytes, *, lenient: bool, room: object) -> ImageInfo | Rejection:
    try:
        return (verify_lenient if lenient else verify)(data, max_pixels=MAX_PIXELS, room=room)  # type: ignore[arg-type]
    except Rejection as exc:
        assert REASONS[exc.reason] is type(exc)
        assert exc.detail
        return exc


def _said(verdict: ImageInfo | Rejection) -> object:
    return (verdict.reason, verdict.detail) if isinstance(verdict, Rejection) else verdict


def _check(info: ImageInfo, data: bytes) -> None:
    assert info.extension == EXTENSIONS[info.format]
    if info.format == "svg":
        assert may_be_svg(data)
        assert 0 <= info.width_px <= MAX_SVG_PX
        assert 0 <= info.height_px <= MAX_SVG_PX
        assert (info.frames, info.dhash, info.incomplete) == (1, "", False)
        return
    assert image_format(data) == info.format
    assert info.width_px >= 1
    assert info.height_px >= 1
    assert 1 <= info.frames <= MAX_FRAMES
    assert info.width_px * info.height_px <= MAX_PIXELS
    if info.format not in ("tiff", "ico"):  # whose pictures differ in size
        assert info.width_px * info.height_px * info.frames <= MAX_PIXELS
    assert not info.dhash or int(info.dhash, 16) < 2**64
    assert len(info.dhash) in (0, 16)
