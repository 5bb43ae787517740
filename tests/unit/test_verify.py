from __future__ import annotations

import gzip
import struct
import threading
import warnings
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from crawler.download import verify as module
from crawler.download.verify import EXTENSIONS, ImageInfo, verify
from crawler.errors import (
    CorruptImage,
    EmptyBody,
    NotAnImage,
    Rejection,
    TooManyPixels,
    TruncatedImage,
    UnsupportedFormat,
)
from tests.images import SVG, encoded, jpeg, picture, png, samples

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
    assert verify(samples()[name], max_pixels=PIXELS) == ImageInfo(
        format=FORMATS[extension],
        extension=extension,
        width_px=width_px,
        height_px=height_px,
        frames=FRAMES.get(name, 1),
    )


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
@given(st.sampled_from(sorted(samples())), st.data())
def test_damage_raises_nothing_but_rejections(name: str, data: st.DataObject) -> None:
    broken = bytearray(samples()[name])
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
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIF"),
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


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _huge_png() -> bytes:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(b""))
        + _chunk(b"IEND", b"")
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
    monkeypatch.setattr(module, "MAX_FRAMES", 2)
    for name in ("animated.gif", "animated.png", "animated.webp", "pages.tif"):
        assert isinstance(refusal(samples()[name]), TooManyPixels)


# --- the odd ones


def test_an_apng_that_is_wrong_is_judged_without_a_warning() -> None:
    data = png()
    at = data.index(b"IDAT") - 4
    broken = data[:at] + _chunk(b"acTL", struct.pack(">II", 0, 0)) + data[at:]
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
        MemoryError(),
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
    assert module._hush._inside == 0


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


def test_a_deep_svg_is_read_without_recursion() -> None:
    assert verify(svg(body="<g>" * 50_000 + "</g>" * 50_000), max_pixels=PIXELS).format == "svg"
