"""Files that only lack their end: kept by verify_lenient, and no others; what verify says of them stays as it is."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crawler.download.formats import ImageInfo
from crawler.download.sniff import image_format
from crawler.download.truncated import completed
from crawler.download.verify import _pixels, verify, verify_lenient
from crawler.errors import EmptyBody, Rejection, TooManyPixels, TruncatedImage
from tests.support.cpu_time import cpu_below
from tests.support.images import chunk, encoded, picture, rarities, samples

PIXELS = 10_000_000


def judged(data: bytes, *, max_pixels: int = PIXELS) -> ImageInfo | Rejection:
    try:
        return verify_lenient(data, max_pixels=max_pixels)
    except Rejection as exc:
        return exc


@cache
def files() -> dict[str, bytes]:
    grey = picture().convert("L")
    more = {
        "rows.jpg": encoded(picture(), "JPEG", restart_marker_rows=1),
        "progressive-grey.jpg": encoded(grey, "JPEG", progressive=True),
        "progressive-444.jpg": encoded(picture(), "JPEG", progressive=True, quality=95, subsampling=0),
        "progressive-restarts.jpg": encoded(picture(), "JPEG", progressive=True, restart_marker_blocks=2),
        "noise.jpg": encoded(Image.effect_noise((40, 30), 90).convert("RGB"), "JPEG", quality=60),
        "white.jpg": encoded(Image.new("RGB", (40, 30), "white"), "JPEG"),
        "white.png": encoded(Image.new("RGB", (40, 30), "white"), "PNG"),
    }
    return samples() | rarities() | more


END_BYTES = {
    **dict.fromkeys((name for name in files() if name.endswith(".jpg")), (2, 2)),
    **dict.fromkeys((name for name in files() if name.endswith(".png")), (16, 24)),
    **dict.fromkeys((name for name in files() if name.endswith(".gif")), (2, 6)),
    "plain.ico": (16, 24),
    "bitmap.ico": (128, 128),
}
"""How many bytes, at least and at most, may be missing: a marker; IEND and two checksums; a trailer and the end of the
code; the 32 x 32 bits of a mask.
"""
AFTER_ITS_END = {"trailing.jpg": 120, "several.jpg": 1841, "trailing.png": 999}
"""Bytes that these have behind their end."""
JPEGS = sorted(name for name in END_BYTES if name.endswith(".jpg"))


@pytest.mark.parametrize("name", sorted(END_BYTES))
def test_a_file_that_lacks_its_end_is_an_image_that_is_incomplete(name: str) -> None:
    whole = files()[name]
    whole = whole[: len(whole) - AFTER_ITS_END.get(name, 0)]
    expected = verify(whole, max_pixels=PIXELS)
    for missing in (1, END_BYTES[name][0]):
        cut = whole[:-missing]
        found = verify_lenient(cut, max_pixels=PIXELS)
        assert found.incomplete
        assert (found.format, found.width_px, found.height_px, found.frames, found.dhash) == (
            expected.format, expected.width_px, expected.height_px, expected.frames, expected.dhash,
        )  # fmt: skip
        with pytest.raises(TruncatedImage):
            verify(cut, max_pixels=PIXELS)


@pytest.mark.parametrize(
    "name", sorted(name for name in END_BYTES if name.endswith((".jpg", ".png", ".ico")))
)
def test_a_file_that_lacks_more_than_its_end_is_truncated(name: str) -> None:
    whole = files()[name]
    whole = whole[: len(whole) - AFTER_ITS_END.get(name, 0)]
    for missing in {*range(END_BYTES[name][1] + 1, len(whole) - 20, 29), len(whole) // 2}:
        found = judged(whole[:-missing])
        if isinstance(found, ImageInfo):  # whatever is kept has all of its pixels, with certainty
            (version, *_) = completed(found.format, whole[:-missing])
            assert _pixels(found.format, version) == _pixels(found.format, whole), missing
        else:
            assert isinstance(found, TruncatedImage), missing


@pytest.mark.parametrize("name", sorted(name for name in END_BYTES if name.endswith(".gif")))
def test_a_gif_that_is_cut_within_a_frame_or_before_one_that_had_begun_is_truncated(name: str) -> None:
    whole = files()[name]
    frames = verify(whole, max_pixels=PIXELS).frames
    kept = {
        len(whole) - missing: judged(whole[:-missing])
        for missing in (*range(1, 9), *range(9, len(whole) - 20, 13))
    }
    counts = [found.frames for found in kept.values() if isinstance(found, ImageInfo)]
    assert {frames} <= set(counts) <= set(range(1, frames + 1))
    for count in set(counts):  # at the end of each frame there are a few bytes that it can do without
        assert counts.count(count) <= END_BYTES[name][1]


@pytest.mark.parametrize(
    "name", sorted(name for name in files() if name not in END_BYTES and not name.endswith((".svg", ".heic")))
)
def test_of_other_formats_browsers_show_nothing_or_need_no_end(name: str) -> None:
    whole = files()[name]
    for missing in (1, 2, 8, len(whole) // 2):
        try:
            expected: ImageInfo | type[Rejection] = verify(whole[:-missing], max_pixels=PIXELS)
        except Rejection as exc:
            expected = type(exc)
        found = judged(whole[:-missing])
        assert (found if isinstance(found, ImageInfo) else type(found)) == expected


@pytest.mark.parametrize("name", sorted(files()))
def test_whole_files_are_judged_as_ever(name: str) -> None:
    try:
        expected: ImageInfo | type[Rejection] = verify(files()[name], max_pixels=PIXELS)
    except Rejection as exc:
        expected = type(exc)
    found = judged(files()[name])
    assert (found if isinstance(found, ImageInfo) else type(found)) == expected


@pytest.mark.parametrize("name", JPEGS)
def test_zeros_in_place_of_the_rest_of_a_jpeg_are_no_pixels(name: str) -> None:
    """A download that was given its full size before its bytes came."""
    whole = files()[name]
    whole = whole[: len(whole) - AFTER_ITS_END.get(name, 0)]
    half = len(whole) * 2 // 3
    assert isinstance(judged(whole[:half] + b"\0" * 5000), TruncatedImage)
    assert isinstance(judged(whole[:-2] + b"\0" * 5000), ImageInfo)


def test_a_progressive_jpeg_that_was_cut_between_two_scans() -> None:
    """All scans that have begun are complete, and others are to come: those that make it sharp."""
    whole = files()["progressive-444.jpg"]
    scans = [at for at in range(len(whole)) if whole.startswith((b"\xff\xda", b"\xff\xc4"), at)]
    assert len(scans) > 6
    assert all(isinstance(judged(whole[:at]), TruncatedImage) for at in scans[3:])


def test_a_jpeg_whose_last_words_are_cut() -> None:
    """A comment behind the last scan, of which the end is missing, and that of the file."""
    whole = samples()["plain.jpg"]
    found = judged(whole[:-2] + b"\xff\xfe\x00\x50 a comm")
    assert isinstance(found, ImageInfo)
    assert found.incomplete


def test_a_png_whose_last_chunk_is_no_pixels() -> None:
    whole = samples()["plain.png"][:-12]
    for rest in (chunk(b"tEXt", b"a\0b")[:-5], chunk(b"tEXt", b"a\0b"), b"\0\0\0\x20ID", b"\0"):
        assert isinstance(judged(whole + rest), ImageInfo)


def test_an_animated_png_that_lacks_a_frame() -> None:
    whole = samples()["animated.png"]
    last = whole.rindex(b"fcTL") - 4
    found = judged(whole[:last])
    assert isinstance(found, TruncatedImage)


def test_the_pixel_limit_holds_for_what_is_completed() -> None:
    assert isinstance(judged(samples()["plain.jpg"][:-2], max_pixels=100), (TruncatedImage, TooManyPixels))
    assert isinstance(
        judged(samples()["animated.gif"][:-1], max_pixels=2000), (TruncatedImage, TooManyPixels)
    )


@settings(max_examples=300)
@given(st.sampled_from(sorted(END_BYTES)), st.data())
def test_any_damage_to_a_cut_file_raises_nothing_but_rejections(name: str, data: st.DataObject) -> None:
    damaged = bytearray(files()[name])
    del damaged[data.draw(st.integers(0, len(damaged))) :]
    for _ in range(data.draw(st.integers(0, 4))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    found = judged(bytes(damaged))
    assert isinstance(found, (ImageInfo, Rejection))
    assert damaged or isinstance(found, EmptyBody)


@given(st.sampled_from(["jpeg", "png", "gif", "ico"]), st.binary(max_size=80))
def test_any_bytes_can_be_completed_or_not(name: str, rest: bytes) -> None:
    magic = {"jpeg": b"\xff\xd8\xff", "png": b"\x89PNG\r\n\x1a\n", "gif": b"GIF89a", "ico": b"\0\0\1\0\1\0"}[
        name
    ]
    assert image_format(magic) == name
    for version in completed(name, magic + rest):
        assert len(version) <= 3 * len(magic + rest) + 200


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff\xda\0\x0c" * 250_000,
        b"\xff\xd8" + b"\xff" * 10**6,
        b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0IDAT\0\0\0\0" * 80_000,
        b"GIF89a" + b"\0" * 7 + b"\x2c" + b"\0" * 10**6,
        b"GIF89a" + b"\0" * 7 + b"\x21\xfe\0" * 300_000,
        b"\0\0\1\0\xff\xff" + b"\xff" * 10**6,
    ],
)
def test_no_file_takes_long_to_complete(data: bytes) -> None:
    with cpu_below(1):
        completed(image_format(data) or "jpeg", data)
