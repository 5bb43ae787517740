from __future__ import annotations

import gzip
import struct
import sys
import threading
import warnings
import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from crawler.download import decoding, pillow_warnings
from crawler.download import verify as verifying
from crawler.download.containers import check_png_rows
from crawler.download.formats import EXTENSIONS, ImageInfo
from crawler.download.verify import verify
from crawler.errors import (
    CorruptImage,
    EmptyBody,
    NotAnImage,
    Rejection,
    TooManyPixels,
    TruncatedImage,
    UnsupportedFormat,
)
from tests.support.cpu_time import cpu_below
from tests.support.images import (
    RARE_FRAMES,
    SVG,
    bitmap,
    chunk,
    encoded,
    heic,
    jpeg,
    picture,
    png,
    rarities,
    samples,
    tiff,
    with_chunk,
)

PIXELS = 10_000_000
FORMATS = {extension: name for name, extension in EXTENSIONS.items()}
SIZES = {"plain.ico": (32, 32), "bitmap.ico": (32, 32)}
FRAMES = {
    "animated.png": 3,
    "animated.gif": 3,
    "animated.webp": 3,
    "pages.tif": 3,
    "plain.ico": 2,
    "bitmap.ico": 2,
}
MARKED = sorted(
    name for name in samples() if name.endswith((".jpg", ".png", ".gif", ".webp", ".avif", ".ico", ".svg"))
)
"""Those that say themselves where they end."""


def refusal(data: bytes, *, max_pixels: int = PIXELS) -> Rejection:
    with pytest.raises(Rejection) as caught:
        verify(data, max_pixels=max_pixels)
    return caught.value


def judged(data: bytes) -> ImageInfo | Rejection:
    try:
        return verify(data, max_pixels=PIXELS)
    except Rejection as exc:
        return exc


@pytest.mark.parametrize("name", sorted(samples()))
def test_good_images_are_known_for_what_they_are(name: str) -> None:
    extension = name.rpartition(".")[2]
    width_px, height_px = SIZES.get(name, (40, 30))
    info = verify(samples()[name], max_pixels=PIXELS)
    assert len(info.dhash) == (0 if extension == "svg" else 16)
    assert msgspec.structs.replace(info, dhash="") == ImageInfo(
        format=FORMATS[extension],
        extension=extension,
        width_px=width_px,
        height_px=height_px,
        frames=FRAMES.get(name, 1),
    )


@pytest.mark.parametrize("name", sorted(rarities()))
def test_rarer_images_are_known_too(name: str) -> None:
    if name == "big-motorola.tif":
        assert isinstance(refusal(rarities()[name]), UnsupportedFormat)
        return
    info = verify(rarities()[name], max_pixels=PIXELS)
    assert (info.extension, info.width_px, info.height_px, info.frames) == (
        name.rpartition(".")[2],
        40,
        30,
        RARE_FRAMES.get(name, 1),
    )


@pytest.mark.parametrize("name", [name for name in sorted(rarities()) if name.endswith((".heic", ".avif"))])
def test_boxes_that_are_cut_are_refused(name: str) -> None:
    whole = rarities()[name]
    for length in range(0, len(whole), 5):
        assert isinstance(refusal(whole[:length]), (TruncatedImage, CorruptImage, NotAnImage, EmptyBody))
    assert isinstance(refusal(whole[:-1]), TruncatedImage)


@pytest.mark.parametrize("name", sorted(samples()))
def test_bytes_after_the_end_are_fine(name: str) -> None:
    assert verify(samples()[name] + b"\n<!-- served by cache 7 -->", max_pixels=PIXELS).frames >= 1


@pytest.mark.parametrize("name", MARKED)
def test_every_strict_prefix_is_refused(name: str) -> None:
    whole = samples()[name].rstrip() if name.endswith(".svg") else samples()[name]
    for length in range(len(whole)):
        refused = refusal(whole[:length])
        if length > 20 and not name.endswith(".svg"):
            assert isinstance(refused, (TruncatedImage, CorruptImage)), length


@pytest.mark.parametrize("name", [name for name in MARKED if not name.endswith(".svg")])
def test_a_missing_tail_is_called_truncated(name: str) -> None:
    whole = samples()[name]
    for length in (len(whole) // 3, len(whole) // 2, len(whole) - 1):
        assert isinstance(refusal(whole[:length]), TruncatedImage)


@pytest.mark.parametrize("name", ["plain.bmp", "plain.tif", "deflated.tif"])
def test_formats_without_an_end_mark_are_refused_when_pixels_are_missing(name: str) -> None:
    whole = samples()[name]
    for length in range(0, len(whole) // 2, 7):
        refusal(whole[:length])


def test_a_jpeg_is_not_whole_by_its_thumbnail() -> None:
    exif = Image.Exif()
    thumbnail = jpeg(width_px=16, height_px=16)
    exif[0x010E] = "x"
    whole = encoded(picture(), "JPEG", exif=exif, comment=thumbnail)
    assert whole.count(b"\xff\xd9") == 2
    assert verify(whole, max_pixels=PIXELS).width_px == 40
    assert isinstance(refusal(whole[:-2]), TruncatedImage)


def test_a_png_with_a_flipped_pixel_bit_is_corrupt() -> None:
    data = bytearray(png())
    data[data.index(b"IDAT") + 20] ^= 1
    assert isinstance(refusal(bytes(data)), CorruptImage)


def test_a_png_of_impossible_chunks_is_corrupt() -> None:
    data = png()
    at = data.index(b"IDAT") - 4
    assert isinstance(refusal(data[:at] + b"\0\0\0\0\1\2\3\4" + bytes(4) + data[at:]), CorruptImage)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(samples() | rarities())), st.data())
def test_damage_raises_nothing_but_rejections(name: str, data: st.DataObject) -> None:
    broken = bytearray((samples() | rarities())[name])
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, min(len(broken), 600) - 1) | st.integers(0, len(broken) - 1))
        broken[at] ^= data.draw(st.integers(1, 255))
    del broken[data.draw(st.integers(len(broken) // 2, len(broken))) :]
    verdict = judged(bytes(broken))
    assert (
        verdict.detail if isinstance(verdict, Rejection) else verdict.extension == EXTENSIONS[verdict.format]
    )


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(
        [
            b"",
            b"\xff\xd8\xff",
            b"\x89PNG\r\n\x1a\n",
            b"GIF89a",
            b"BM",
            b"II*\0",
            b"MM\0+",
            b"\0\0\1\0",
            b"<svg ",
            b"<?xml ",
            b"RIFF\x20\0\0\0WEBPVP8 ",
            b"\0\0\0\x18ftypavif",
            b"\0\0\0\x18ftypheic",
            b"MM\0*\0\0\0\x08",
            b"RIFF\x20\0\0\0WEBPVP8X",
            b"RIFF\x20\0\0\0WEBPVP8L",
        ]
    ),
    st.binary(max_size=300),
)
def test_any_bytes_raise_nothing_but_rejections(magic: bytes, rest: bytes) -> None:
    verdict = judged(magic + rest)
    assert verdict.reason if isinstance(verdict, Rejection) else verdict.format in EXTENSIONS


# --- not images, not kept


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE html><html><body>404</body></html>",
        b"  \n<html><svg></svg></html>",
        b'{"error": "not found"}',
        b"Not found",
        b"%PDF-1.7\n",
        b"PK\3\4zip",
        b"\0\0\0\x18ftypmp42\0\0\0\0isom",
        b'<?xml version="1.0"?><rss><svg/></rss>',
        b"\0" * 100,
    ],
)
def test_what_is_no_image(data: bytes) -> None:
    assert isinstance(refusal(data), NotAnImage)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"8BPS\0\1", "Photoshop"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "PostScript"),
        (b"\x0a\x05\x01\x08" + bytes(124), "PCX"),
        (b"P6\n1 1\n255\nabc", "portable anymap"),
        (b"wOF2\0\1", "font"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1miaf", "HEIF"),
        (b"\xff\x0a\0", "JPEG XL"),
        (gzip.compress(SVG), "svgz"),
    ],
)
def test_what_is_an_image_and_not_kept(data: bytes, name: str) -> None:
    refused = refusal(data)
    assert isinstance(refused, UnsupportedFormat)
    assert name in str(refused)


def test_nothing_at_all() -> None:
    assert isinstance(refusal(b""), EmptyBody)


def test_ghostscript_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.Popen.__init__", lambda *a, **k: pytest.fail("a process was started"))
    for head in (b"", b"\xc5\xd0\xd3\xc6" + bytes(28)):
        refusal(head + b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n%%EOF\n")


# --- limits


@pytest.mark.parametrize("name", [name for name in sorted(samples()) if not name.endswith(".svg")])
def test_the_pixel_limit_counts_all_frames(name: str) -> None:
    pixels = 32 * 32 + 16 * 16 if name.endswith(".ico") else 40 * 30 * FRAMES.get(name, 1)
    assert verify(samples()[name], max_pixels=pixels).frames >= 1
    refused = refusal(samples()[name], max_pixels=pixels - 1)
    assert isinstance(refused, TooManyPixels)
    assert str(pixels - 1) in str(refused)


def _huge_png() -> bytes:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def test_a_bomb_is_refused_by_its_header() -> None:
    assert isinstance(refusal(_huge_png(), max_pixels=178_956_970), TooManyPixels)


def test_a_bomb_within_an_icon_too() -> None:
    bomb = _huge_png()
    icon = struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(bomb), 22) + bomb
    assert isinstance(refusal(icon, max_pixels=178_956_970), TooManyPixels)


def test_a_legal_giant_is_not_stopped_by_pillows_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 600)
    for name in ("plain.png", "plain.gif", "plain.tif", "plain.jpg"):
        assert verify(samples()[name], max_pixels=PIXELS).width_px == 40


def test_an_animation_of_too_many_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (decoding, verifying):
        monkeypatch.setattr(module, "MAX_FRAMES", 2)
    for name in ("animated.gif", "animated.png", "animated.webp", "pages.tif"):
        assert isinstance(refusal(samples()[name]), TooManyPixels)


def test_a_jpeg_of_very_many_small_parts_is_refused_before_a_decoder_copies_them() -> None:
    """Pillow puts the parts of EXIF together one by one: 5 MB of them took half a minute."""
    whole, part = jpeg(), b"\xff\xe1\0\nExif\0\0ab"
    assert verify(whole[:2] + part * 400 + whole[2:], max_pixels=PIXELS).format == "jpeg"
    with cpu_below(2):
        refused = refusal(whole[:2] + part * 400_000 + whole[2:])
    assert isinstance(refused, CorruptImage)
    assert "parts before its pixels" in str(refused)


def test_scans_of_a_jpeg_are_counted_against_its_pixels() -> None:
    whole = encoded(picture().resize((4000, 3000)), "JPEG", progressive=True)
    at = whole.rindex(b"\xff\xda")
    scan = whole[at:-2]
    bomb = whole[:at] + scan[:12] * 10_000 + whole[-2:]
    with cpu_below(5):
        refused = refusal(bomb, max_pixels=178_956_970)
        assert isinstance(refused, TooManyPixels)
        assert "scans" in str(refused)


def test_a_sequential_jpeg_has_one_scan_of_all_components_or_one_of_each() -> None:
    """What stands behind the one scan is never decoded, so it costs nothing; further scans of one component each do."""
    one_component = b"\xff\xda\0\x08\1\1\0\0\x3f\0" + b"\1\2"
    for mode in ("L", "RGB"):
        whole = encoded(picture().resize((4000, 3000)).convert(mode), "JPEG")
        at = whole.index(b"\xff\xda")
        with cpu_below(5):
            if mode == "L":
                refused = refusal(whole[:-2] + one_component * 10_000 + whole[-2:], max_pixels=178_956_970)
                assert isinstance(refused, CorruptImage)
            else:
                for then in (whole[-2:], whole[at:]):  # one of all components behind them hides none
                    refused = refusal(whole[:at] + one_component * 10_000 + then, max_pixels=178_956_970)
                    assert "scans" in str(refused)


def test_a_run_of_marker_bytes_is_passed_over_in_one_go() -> None:
    with cpu_below(2):
        refusal(b"\xff\xd8" + b"\xff" * 2_000_000 + b"\0")


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_what_a_png_has_beside_its_pixels_is_not_inflated(kind: bytes) -> None:
    bomb = zlib.compress(bytes(200_000_000), 9)
    body = {b"zTXt": b"a\0\0", b"iTXt": b"a\0\1\0\0\0", b"iCCP": b"a\0\0"}[kind] + bomb
    assert verify(with_chunk(png(), kind, body), max_pixels=PIXELS).width_px == 40
    wrong = bytearray(with_chunk(png(), kind, b"a\0\0nonsense"))
    wrong[wrong.index(b"nonsense") + 9] ^= 1  # in the checksum
    assert verify(bytes(wrong), max_pixels=PIXELS).width_px == 40


def test_pixels_beyond_the_last_are_not_inflated() -> None:
    data = png()
    start = data.index(b"IDAT") - 4
    rows = b"\0" + bytes(120)
    body = zlib.compress(rows * 30 + bytes(300_000_000), 9)
    bomb = data[:start] + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    with cpu_below(2):
        judged(bomb)


@pytest.mark.parametrize(("announced", "leaf"), [(3, CorruptImage), (2**31 - 1, CorruptImage)])
def test_an_animation_that_announces_more_frames_than_it_has(announced: int, leaf: type[Rejection]) -> None:
    assert type(refusal(with_chunk(png(), b"acTL", struct.pack(">II", announced, 0)))) is leaf


def test_a_canvas_is_judged_before_the_decoder_makes_it() -> None:
    canvas = struct.pack("<I", 0x02)[:4] + b"\xff\xff\0" * 2
    body = b"WEBPVP8X" + struct.pack("<I", 10) + canvas + b"ANIM" + struct.pack("<I", 6) + bytes(6)
    refused = refusal(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert isinstance(refused, TooManyPixels)
    assert "65536 x 65536" in str(refused)


def test_a_webp_may_lack_the_byte_that_nobody_needs() -> None:
    even = samples()["lossy.webp"]
    size = int.from_bytes(even[16:20], "little")
    assert (size % 2, even[-1]) == (0, 0)
    whole = even[:16] + struct.pack("<I", size - 1) + even[20:]
    assert verify(whole, max_pixels=PIXELS).width_px == 40
    assert verify(whole[:-1], max_pixels=PIXELS).width_px == 40
    assert isinstance(refusal(whole[:-2]), TruncatedImage)


def test_a_gif_that_grows() -> None:
    frame = b"," + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x02\x02\x44\x01\0"
    tiny = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
    assert isinstance(refusal(head + frame + b";"), TooManyPixels)
    assert isinstance(refusal(head + tiny + frame + b";"), TooManyPixels)


def test_a_chain_of_tiff_directories_that_comes_back() -> None:
    pixels = bytes(range(240)) * 5
    once = tiff(pixels)
    assert verify(tiff(pixels, following=16 + len(pixels)), max_pixels=PIXELS).frames == 1
    tail = once.rindex(struct.pack("<I", 0))
    for first in (b"II*\0\x04\0\0\0", once[:tail] + struct.pack("<I", 3)):
        assert isinstance(judged(first + bytes(20)), (Rejection, ImageInfo))


def test_tiff_directories_by_the_thousand() -> None:
    with cpu_below(5):
        count = 12_000
        chain = b"".join(struct.pack("<HI", 0, 8 + 6 * (n + 1)) for n in range(count))
        assert isinstance(refusal(b"II*\0" + struct.pack("<I", 8) + chain), TooManyPixels)
        entries = struct.pack("<HHII", 700, 1, 60_000, 8) * 60_000
        assert isinstance(
            refusal(b"II*\0" + struct.pack("<IH", 8, 60_000) + entries + bytes(8)),
            (CorruptImage, TruncatedImage),
        )


@pytest.mark.parametrize(
    "tags",
    [
        {256: (4, 0x7FFFFFFF)},
        {257: (4, 0xFFFFFFF0)},
        {322: (4, 0x7FFFFFFF), 323: (4, 0x7FFFFFFF), 324: (4, 16), 325: (4, 1200)},
    ],
)
def test_a_tiff_that_lies_about_its_size(tags: dict[int, tuple[int, int]]) -> None:
    assert isinstance(refusal(tiff(bytes(1200), extra=tags)), TooManyPixels)


@pytest.mark.parametrize(
    "tags", [{279: (4, 0x7FFFFFFF)}, {273: (4, 0x7FFFFFFF)}, {278: (4, 0)}, {277: (3, 65535)}]
)
def test_a_tiff_that_lies_about_its_strips(tags: dict[int, tuple[int, int]]) -> None:
    judged(tiff(bytes(1200), extra=tags))


def test_a_compressed_tiff_that_lacks_its_tail() -> None:
    whole = rarities()["lzw.tif"]
    offset = int.from_bytes(whole[4:8], "little")
    if offset < len(whole) // 2:  # the directory first, as most write it
        assert isinstance(refusal(whole[: len(whole) * 2 // 3]), TruncatedImage)


def test_an_icon_whose_entries_overlap() -> None:
    entry = bytes(60_000)
    count = 200
    head = struct.pack("<HHH", 0, 1, count)
    table = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(entry), 6 + 16 * count) * count
    refused = refusal(head + table + entry)
    assert isinstance(refused, CorruptImage)
    assert "overlap" in str(refused)


@pytest.mark.parametrize(
    "data",
    [
        bitmap(24, b"", width_px=0, height_px=0),
        bitmap(24, b"", width_px=0),
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 0, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b""),
        tiff(b"", width_px=0, height_px=0),
    ],
)
def test_images_of_no_pixels(data: bytes) -> None:
    assert isinstance(refusal(data), CorruptImage)


def test_run_lengths_that_lead_astray() -> None:
    for moves in (b"\0\2\xff\xff" * 3000, b"\xff\1" * 3000, b"\0\0" * 3000, b"\0\xff", b"\0\2\1"):
        with cpu_below(3):
            judged(bitmap(8, moves, compression=1, colours=256, width_px=3000, height_px=3000))
    cut = bitmap(8, b"\x28\1\0\0" * 10, compression=1, colours=256)
    assert isinstance(refusal(cut), TruncatedImage)


# --- HEIC


def test_a_heic_without_its_decoder_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    refused = refusal(heic(picture()))
    assert isinstance(refused, UnsupportedFormat)
    assert "pip install 'pillow-heif>=1'" in str(refused)


# --- the odd ones


def test_a_jpeg_of_twelve_bits_is_one_that_is_not_read() -> None:
    data = bytearray(jpeg())
    data[data.index(b"\xff\xc0") + 4] = 12
    assert isinstance(refusal(bytes(data)), UnsupportedFormat)


def test_a_progressive_jpeg_cut_in_a_later_scan() -> None:
    whole = samples()["progressive.jpg"]
    assert isinstance(refusal(whole[: whole.rindex(b"\xff\xda") + 20]), TruncatedImage)


def test_an_apng_that_is_wrong_is_judged_without_a_warning() -> None:
    data = png()
    at = data.index(b"IDAT") - 4
    broken = data[:at] + chunk(b"acTL", struct.pack(">II", 0, 0)) + data[at:]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert verify(broken, max_pixels=PIXELS).format == "png"
    assert caught == []


def test_a_tiff_with_odd_tags_is_judged_without_a_warning() -> None:
    data = encoded(picture(), "TIFF", dpi=(72, 72))
    at = data.index(struct.pack("<HH", 282, 5))
    broken = data[: at + 8] + struct.pack("<I", 0x7FFFFFF0) + data[at + 12 :]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        verdict = judged(broken)
    assert caught == []
    assert isinstance(verdict, (ImageInfo, CorruptImage, TruncatedImage))


def test_warnings_of_others_still_work_afterwards() -> None:
    verify(png(), max_pixels=PIXELS)
    with pytest.raises(UserWarning, match="still here"):
        warnings.warn("still here", UserWarning, stacklevel=1)


def test_a_decoder_that_fails_oddly_is_a_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    for failure in (
        RecursionError(),
        struct.error("x"),
        KeyError(1),
        OverflowError(),
        EOFError(),
    ):

        def fail(*args: object, failure: Exception = failure) -> None:
            raise failure

        monkeypatch.setattr(PngImagePlugin.PngImageFile, "load_prepare", fail)
        assert isinstance(refusal(png()), (CorruptImage, TruncatedImage))


def test_room_is_asked_for_before_it_is_taken() -> None:
    asked: list[int] = []

    def room(size_bytes: int) -> int:
        asked.append(size_bytes)
        return size_bytes

    for name, data in samples().items():
        asked.clear()
        info = verify(data, max_pixels=PIXELS, room=room)
        assert name.endswith(".svg") or max(asked) > info.width_px * info.height_px, name
        assert asked, name


def test_what_takes_more_memory_than_there_is_is_not_begun() -> None:
    with pytest.raises(MemoryError):
        verify(encoded(Image.new("L", (4000, 4000)), "PNG"), max_pixels=16_000_000, room=lambda _: 2**20)


def test_threads_do_not_disturb_each_other() -> None:
    wrong: list[str] = []

    def work() -> None:
        for name, data in samples().items():
            if verify(data, max_pixels=PIXELS).extension != name.rpartition(".")[2]:
                wrong.append(name)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert pillow_warnings._hush._inside == 0


def test_a_gif_without_a_frame() -> None:
    assert isinstance(refusal(b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0, 0, 0) + b";"), CorruptImage)


def test_an_icon_of_nothing() -> None:
    assert isinstance(refusal(b"\0\0\1\0\0\0" + bytes(20)), CorruptImage)


# --- SVG


def svg(attributes: str = "", *, head: str = "", body: str = "") -> bytes:
    return f'{head}<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{body}</svg>'.encode()


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ('width="40" height="30"', (40, 30)),
        ('width="40px" height="1in"', (40, 96)),
        ('width="10.6" height="1e2"', (11, 100)),
        ('width="100%" height="50%" viewBox="0 0 24 12"', (24, 12)),
        ('viewBox="0,0,24,12"', (24, 12)),
        ('viewBox="nonsense"', (0, 0)),
        ('width="-4" height="9e99"', (0, 0)),
        ("", (0, 0)),
    ],
)
def test_the_size_of_an_svg(attributes: str, size: tuple[int, int]) -> None:
    info = verify(svg(attributes), max_pixels=PIXELS)
    assert (info.width_px, info.height_px) == size
    assert (info.format, info.extension) == ("svg", "svg")


@pytest.mark.parametrize(
    "data",
    [
        svg(head="\ufeff"),
        svg(head='<?xml version="1.0" encoding="UTF-8"?><!-- made by hand -->\n'),
        svg('width="1"').decode().encode("utf-16"),
        b'<?xml version="1.0" encoding="iso-8859-1"?><svg><title>\xe4</title></svg>',
        b'<s:svg xmlns:s="http://www.w3.org/2000/svg"/>',
        svg(head='<!DOCTYPE svg [<!ENTITY ns_svg "http://www.w3.org/2000/svg">]>', body="&ns_svg;"),
        svg(
            head='<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
        ),
    ],
)
def test_svgs_as_they_are_found(data: bytes) -> None:
    assert verify(data, max_pixels=PIXELS).format == "svg"


@pytest.mark.parametrize(
    "declaration",
    [
        '<!ENTITY x SYSTEM "file:///etc/passwd">',
        '<!ENTITY % x SYSTEM "http://example.org/x.dtd"> %x;',
        '<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">',
        f'<!ENTITY long "{"x" * 200}">',
    ],
)
def test_entities_that_could_do_harm(declaration: str) -> None:
    refused = refusal(svg(head=f"<!DOCTYPE svg [{declaration}]>"))
    assert isinstance(refused, UnsupportedFormat)
    assert "entity" in str(refused)


@pytest.mark.parametrize(
    ("data", "leaf"),
    [
        (svg()[:-3], TruncatedImage),
        (svg(body="<g>")[:-6], TruncatedImage),
        (svg(body="</g>"), CorruptImage),
        (svg(body="&undefined;"), CorruptImage),
        (b'<?xml version="1.0" encoding="no-such-thing"?><svg/>', CorruptImage),
        (b"<root><svg/></root>", NotAnImage),
    ],
)
def test_svgs_that_are_refused(data: bytes, leaf: type[Rejection]) -> None:
    assert type(refusal(data)) is leaf


@pytest.mark.parametrize(
    "data",
    [
        svg(body="<g>" * 1_000_000 + "</g>" * 1_000_000),
        svg(" ".join(f'a{n}=""' for n in range(100_000))),
        svg(f'd="{"M0 0 " * 3_000_000}"'),
        svg(body="".join(f"<a{n}/>" for n in range(200_000))),
        svg(head="<!--" + "-x" * 3_000_000 + "-->"),
        b"<svg " * 100_000,
    ],
    ids=["deep", "attributes", "long", "names", "comment", "open"],
)
def test_svgs_that_take_long_take_seconds(data: bytes) -> None:
    with cpu_below(8):
        judged(data)


@pytest.mark.parametrize(
    "data",
    [
        svg(head=f'<!DOCTYPE svg [<!ENTITY a "{"x" * 100}">]>', body="&a;" * 100_000),
        svg(f'd="{"&a;" * 100_000}"', head=f'<!DOCTYPE svg [<!ENTITY a "{"x" * 100}">]>'),
        svg(
            head="<!-- <svg> --><!DOCTYPE svg [<!ATTLIST svg "
            + "".join(f'a{n} CDATA "" ' for n in range(100_000))
            + ">]>"
        ),
        svg(head=f'<!-- <svg> --><!DOCTYPE svg [<!ATTLIST g a CDATA "{"x" * 9000}">]>', body="<g/>" * 9000),
    ],
    ids=["text", "attribute", "defaults", "long default"],
)
def test_svgs_that_grow_out_of_proportion(data: bytes) -> None:
    with cpu_below(2):
        assert isinstance(refusal(data), UnsupportedFormat)


def test_a_deep_svg_is_read_without_recursion() -> None:
    assert verify(svg(body="<g>" * 50_000 + "</g>" * 50_000), max_pixels=PIXELS).format == "svg"


_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bits of a sample by color type (W3C PNG, table 11.1)."""


@pytest.mark.parametrize("fill", [b"\0", b"\x01", b"\x04"])
@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize(
    ("color", "bits"), [(color, bits) for color, all_ in _DEPTHS.items() for bits in all_]
)
def test_missing_rows_are_noticed_as_by_inflating_once_more(
    color: int, bits: int, interlaced: int, fill: bytes
) -> None:
    """Whatever the pixels are, and wherever the rows end. *fill* is a filter as well, for rows in passes."""
    width, height = 9, 7
    head = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlaced)
    row_bytes = 1 + (width * bits * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color] + 7) // 8
    row = b"\0" + fill * (row_bytes - 1)
    black = b"\0" * row_bytes
    for there in range(height + 2):
        for last in (row, black):
            rows = (row * there)[: -row_bytes or None] + last if there else b""
            for cut in (0, 1):
                palette = chunk(b"PLTE", bytes(range(6))) if color == 3 else b""
                pixels = chunk(b"IDAT", zlib.compress(rows[: len(rows) - cut]))
                data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + palette + pixels + chunk(b"IEND", b"")
                try:
                    check_png_rows(data)
                except Rejection as expected:
                    with pytest.raises(type(expected)):
                        verify(data, max_pixels=1000)
                else:
                    assert verify(data, max_pixels=1000).format == "png"


@pytest.mark.parametrize(("rows", "whole"), [(0, False), (5, False), (9, False), (10, True), (12, True)])
def test_a_png_with_right_sums_and_too_few_rows(rows: int, *, whole: bool) -> None:
    """Its decoder leaves the rest black, and says nothing."""
    header = struct.pack(">IIBBBBB", 7, 10, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in (
            (b"IHDR", header),
            (b"IDAT", zlib.compress(b"".join(b"\0" + bytes(range(21)) for _ in range(rows)))),
            (b"IEND", b""),
        )
    )
    if whole:
        assert verify(data, max_pixels=PIXELS).height_px == 10
    else:
        assert isinstance(refusal(data), TruncatedImage)


@pytest.mark.parametrize(
    "page",
    [
        b"<!doctype html><html lang=en><title>Not here</title><body><svg width=1><path d=''></svg><p>Sorry",
        b"<html><!-- it -- is gone --><head><meta charset=utf-8></head><svg></svg>",
    ],
)
def test_a_page_with_a_drawing_in_it_is_no_drawing(page: bytes) -> None:
    assert isinstance(refusal(page), NotAnImage)
