"""What is read of an image file before any decoder sees it, part by part, and the end that is put to cut ones."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from crawler.download import cbor, containers, jumbf, metadata, xmp
from crawler.download.formats import EXTENSIONS
from crawler.download.sniff import image_format, is_start_of_magic, recognised, unkept_format
from crawler.download.svg import svg_info
from crawler.download.tiff import check_tiff, compression_of
from crawler.download.truncated import completed
from crawler.download.undecodable import is_unread
from crawler.errors import REASONS, Rejection
from crawler.models import MAX_OPT_OUT_CHARS, OptOut
from crawler.opt_outs.purposes import SIGNALS

_MAX_PIXELS = 100_000
_CHECKS = {
    "jpeg": containers.check_jpeg,
    "png": containers.check_png,
    "gif": containers.check_gif,
    "webp": containers.check_webp,
    "avif": containers.check_boxes,
    "heic": containers.check_boxes,
    "ico": containers.ico_entries,
    "tiff": lambda data: check_tiff(data, max_pages=100, max_pixels=_MAX_PIXELS),
    "svg": svg_info,
}


def fuzz(data: bytes) -> None:
    name = _recognised(data)
    image_format(data)
    unkept_format(data)
    is_start_of_magic(data)
    for kind, check in _CHECKS.items():
        if kind == name or name in ("", "bmp"):
            found = _asked(check, data)
            if kind == "ico" and isinstance(found, list):
                assert all(0 <= offset <= offset + size <= len(data) for offset, size in found)
    if name == "png" and _asked(containers.check_png, data) is not None:
        _asked(containers.check_png_rows, data)
    _asked(compression_of, data)
    _say_what_they_may(data)
    for kind in EXTENSIONS:
        versions = completed(kind, data)
        assert len(versions) <= 4
        for version in versions:
            assert len(version) <= 2 * len(data) + 1024, "an end is short"
    if name:
        assert is_unread(name, data, "broken") in (True, False)


def _say_what_they_may(data: bytes) -> None:
    """Metadata: whatever they are, what is told of them is bounded and known."""
    told = [metadata.opt_outs_in(kind, data) for kind in EXTENSIONS]
    told += [metadata.opt_outs_in_gif(data, range(0, min(len(data), 500), 7)), metadata.opt_outs_in_svg(data)]
    alone = (xmp.in_packet(data), jumbf.in_store(data), jumbf.in_store(data + b".training-mining"))
    for one in (
        *(one for found in told for one in found.opt_outs),
        *(one for found in alone for one in found),
    ):
        assert one.signal in SIGNALS
        assert len(one.text) <= MAX_OPT_OUT_CHARS
        assert msgspec.json.decode(msgspec.json.encode(one), type=OptOut) == one
    with suppress(ValueError):
        cbor.decoded(data)


def _recognised(data: bytes) -> str:
    name = _asked(recognised, data)
    assert name is None or name in EXTENSIONS
    return str(name or "")


def _asked(check: object, data: bytes) -> object:
    """What it says; None for what it refuses, with a reason from the closed list."""
    try:
        return check(data)  # type: ignore[operator]
    except Rejection as exc:
        assert REASONS[exc.reason] is type(exc)
        return None
