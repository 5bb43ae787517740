"""Small copies of images of every kind."""

from __future__ import annotations

import io
import struct
from contextlib import suppress

import pytest
from PIL import Image, ImageCms, ImageOps

from crawler.download.first_frame import draw_first
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
from crawler.gallery.shrunk import shrunk, webp
from crawler.gallery.thumbnails import webp_size_px
from tests.support.images import SVG, chunk, encoded, heic, picture, rarities, samples, with_chunk

PIXELS = 10_000_000


def small(data: bytes, side_px: int = 20) -> Image.Image:
    return shrunk(data, side_px=side_px, max_pixels=PIXELS)


def near(one: Image.Image, other: Image.Image, *, most: float = 12.0) -> bool:
    """Whether two pictures of one size differ little, in the mean of their colours."""
    assert one.size == other.size
    pairs = zip(one.convert("RGB").tobytes(), other.convert("RGB").tobytes(), strict=True)
    differences = [abs(left - right) for left, right in pairs]
    return sum(differences) / len(differences) <= most


@pytest.mark.parametrize("name", [name for name in samples() if not name.endswith(".svg")])
def test_each_format_is_drawn_small_and_looks_as_it_did(name: str) -> None:
    copy = small(samples()[name])
    assert max(copy.size) == 20
    expected = picture(width_px=32, height_px=32) if name.endswith(".ico") else picture()
    if "grey" in name:
        expected = expected.convert("L").convert("RGB")
    assert near(
        copy, expected.resize(copy.size, Image.Resampling.LANCZOS), most=40 if "palette" in name else 25
    )


@pytest.mark.parametrize("name", list(rarities()))
def test_rare_kinds_are_drawn_or_refused(name: str) -> None:
    try:
        copy = small(rarities()[name])
    except Rejection:
        return
    assert max(copy.size) <= 20
    assert copy.mode in {"RGB", "RGBA"}


def test_a_heic_is_drawn() -> None:
    assert max(small(heic(picture())).size) == 20


def test_a_small_picture_is_not_enlarged() -> None:
    assert shrunk(samples()["plain.png"], side_px=400, max_pixels=PIXELS).size == (40, 30)


@pytest.mark.parametrize(
    ("size", "copy"),
    [
        ((3000, 2), (80, 1)),
        ((100, 200), (10, 20)),
        ((100, 400), (10, 40)),
        ((400, 100), (40, 10)),
        ((60, 6000), (1, 80)),
    ],
)
def test_what_is_very_tall_or_wide_is_sharp_where_a_part_of_it_is_shown(
    size: tuple[int, int], copy: tuple[int, int]
) -> None:
    assert small(encoded(Image.new("RGB", size, "red"), "PNG")).size == copy


def test_it_is_turned_as_its_orientation_says() -> None:
    whole = picture(width_px=60, height_px=30)
    exif = Image.Exif()
    exif[0x0112] = 6
    for pillow_format in ("JPEG", "PNG", "WEBP"):
        data = encoded(
            whole, pillow_format, exif=exif.tobytes(), **({"quality": 95} if pillow_format != "PNG" else {})
        )
        copy = small(data)
        assert copy.size == (10, 20)
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        assert near(copy, upright.resize((10, 20), Image.Resampling.LANCZOS))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_costs_no_thumbnail(kind: str) -> None:
    """A fuzzer found it: the picture was saved, and the gallery called it damaged."""
    plain, broken = (small(encoded(picture(), kind, exif=exif)) for exif in (b"", b"Exif\0\0nonsense"))
    assert (broken.size, broken.tobytes()) == (plain.size, plain.tobytes())


def test_what_is_seen_through_stays_so_and_nothing_else_is_rgba() -> None:
    through = picture().convert("RGBA")
    through.putalpha(Image.linear_gradient("L").resize((40, 30)))
    assert small(encoded(through, "PNG")).mode == "RGBA"
    opaque = picture().convert("RGBA")
    assert small(encoded(opaque, "PNG")).mode == "RGB"
    indexed = picture().quantize(8)
    indexed.info["transparency"] = 0
    assert small(encoded(indexed, "PNG", transparency=0)).mode == "RGBA"


def test_sixteen_bits_are_scaled_and_not_cut_off() -> None:
    ramp = Image.new("I;16", (256, 128))
    ramp.putdata([x * 257 for _ in range(128) for x in range(256)])
    copy = shrunk(encoded(ramp, "PNG"), side_px=64, max_pixels=PIXELS)
    greys = [copy.getpixel((x, 0))[0] for x in (0, 32, 63)]  # type: ignore[index]
    assert greys[0] < 10
    assert 110 < greys[1] < 145
    assert greys[2] > 245


def test_colours_are_those_of_srgb_whatever_the_profile() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    lab = ImageCms.profileToProfile(
        Image.new("RGB", (40, 30), (200, 40, 40)), ImageCms.createProfile("sRGB"), profile, outputMode="LAB"
    )
    assert lab is not None
    data = encoded(lab, "TIFF", icc_profile=profile.tobytes())
    red, green, blue = small(data).convert("RGB").getpixel((5, 5))  # type: ignore[misc]
    assert red > 150
    assert max(green, blue) < 90
    broken = encoded(picture(), "PNG", icc_profile=b"no profile at all")
    assert near(small(broken), picture().resize((20, 15), Image.Resampling.LANCZOS))


def test_a_thumbnail_has_nothing_but_pixels() -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken in my garden"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for pillow_format in ("JPEG", "PNG", "WEBP"):
        data = encoded(picture(), pillow_format, exif=exif.tobytes(), icc_profile=profile)
        assert b"garden" in data
        drawn = webp(small(data))
        assert b"garden" not in drawn
        assert {b"EXIF", b"ICCP", b"XMP "} & {drawn[at : at + 4] for at in range(len(drawn))} == set()


def test_an_animation_shows_its_first_frame() -> None:
    for name in ("animated.gif", "animated.webp", "animated.png"):
        assert near(small(samples()[name]), picture().resize((20, 15), Image.Resampling.LANCZOS), most=40)


def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size() -> None:
    data = encoded(picture(width_px=800, height_px=600), "JPEG")
    sizes = []

    def draw(image: Image.Image) -> None:
        image.draft(None, (20, 15))
        image.load()
        sizes.append(image.size)

    draw_first(data, draw, max_pixels=PIXELS)
    assert sizes == [(100, 75)]
    assert small(data).size == (20, 15)


# --- what is refused


def test_a_file_that_lacks_its_end_is_drawn_as_far_as_it_is_there() -> None:
    """Only such files are saved (--incomplete keep) as lack no pixel; a browser shows the others as well."""
    whole = encoded(picture(width_px=200, height_px=150), "JPEG")
    assert near(small(whole[:-2]), small(whole), most=0)
    assert small(whole[: len(whole) // 2]).size == (20, 15)
    with pytest.raises(TruncatedImage):
        small(whole[:300])


def test_a_sound_png_with_a_broken_text_is_drawn() -> None:
    data = with_chunk(samples()["plain.png"], b"zTXt", b"x\0\0" + b"no deflate at all")
    broken = data.replace(b"zTXt", b"acTN")  # so that its checksum is wrong as well
    for one in (data, broken):
        assert verify(one, max_pixels=PIXELS)
        assert near(small(one), small(samples()["plain.png"]), most=0)


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (b"", EmptyBody),
        (b"<html>", NotAnImage),
        (SVG, UnsupportedFormat),
        (samples()["plain.png"][:60], TruncatedImage),
        (samples()["plain.png"].replace(b"IDAT", b"IDAX"), Rejection),
    ],
)
def test_what_is_no_image_has_a_reason(data: bytes, refusal: type[Rejection]) -> None:
    with pytest.raises(refusal):
        small(data)


@pytest.mark.parametrize("pillow_format", ["PNG", "GIF", "WEBP", "BMP", "TIFF", "JPEG"])
def test_a_bomb_is_refused_before_anything_of_its_size_is_there(pillow_format: str) -> None:
    asked: list[int] = []

    def room(size_bytes: int) -> int:
        asked.append(size_bytes)
        return size_bytes

    with pytest.raises(TooManyPixels):
        shrunk(encoded(picture(), pillow_format), side_px=20, max_pixels=1000, room=room)
    assert asked == []


def test_a_png_that_claims_to_be_huge() -> None:
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    data = samples()["plain.png"]
    bomb = data[:8] + chunk(b"IHDR", header) + data[33:]
    with pytest.raises(TooManyPixels):
        shrunk(bomb, side_px=20, max_pixels=178_956_970)


def test_memory_that_is_not_granted_is_not_taken() -> None:
    with pytest.raises(MemoryError):
        shrunk(samples()["plain.png"], side_px=20, max_pixels=PIXELS, room=lambda _: 1000)


def test_only_wanted_formats_are_drawn() -> None:
    with pytest.raises(UnsupportedFormat):
        shrunk(samples()["plain.tif"], side_px=20, max_pixels=PIXELS, formats=("png",))
    assert shrunk(samples()["plain.png"], side_px=20, max_pixels=PIXELS, formats=("png",)).size == (20, 15)


def test_damage_is_no_crash() -> None:
    data = with_chunk(samples()["plain.png"], b"tRNS", b"\0" * 999)
    with suppress(CorruptImage):
        assert small(data).size == (20, 15)


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 50}])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_size_of_a_webp_is_read_from_its_head(mode: str, options: dict[str, object]) -> None:
    image = picture(width_px=123, height_px=45).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    assert webp_size_px(encoded(image, "WEBP", **options)[:30]) == (123, 45)
    assert webp_size_px(b"RIFF") == (0, 0)
    assert webp_size_px(samples()["plain.png"][:30]) == (0, 0)
