from __future__ import annotations

import io

import pytest
from PIL import Image, ImageDraw

from crawler.download.dhash import dhash
from crawler.download.verify import verify
from tests.support.images import encoded, rarities, samples

PIXELS = 10_000_000


def scene(width_px: int = 640, height_px: int = 480) -> Image.Image:
    """A picture with large and small things in it, the same at any size."""
    image = Image.linear_gradient("L").resize((width_px, height_px)).convert("RGB")
    draw = ImageDraw.Draw(image)
    for n in range(40):
        x, y = n * 167 % 97 / 97 * width_px, n * 271 % 89 / 89 * height_px
        side = (n % 7 + 3) / 40 * width_px
        draw.ellipse((x - side, y - side, x, y), fill=(n * 53 % 256, n * 97 % 256, n * 31 % 256))
    return image


def looks(data: bytes) -> str:
    return verify(data, max_pixels=PIXELS).dhash


def distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_the_bits_are_those_of_the_paper() -> None:
    rising = Image.new("L", (9, 8))
    rising.putdata([x * 20 + y for y in range(8) for x in range(9)])
    assert dhash(rising) == "f" * 16
    assert dhash(rising.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) == "0" * 16
    steps = Image.new("L", (9, 8))
    steps.putdata([200 if x > y else 10 for y in range(8) for x in range(9)])
    assert dhash(steps) == "8040201008040201"


@pytest.mark.parametrize(
    "again",
    [
        lambda image: encoded(image, "JPEG", quality=60),
        lambda image: encoded(image, "JPEG", quality=90, progressive=True),
        lambda image: encoded(image.resize((200, 150)), "JPEG"),
        lambda image: encoded(image.resize((1500, 1125)), "WEBP"),
        lambda image: encoded(image.resize((90, 70)), "PNG"),
        lambda image: encoded(image.convert("P"), "GIF"),
        lambda image: encoded(image.convert("L"), "PNG"),
        lambda image: encoded(image.convert("L").convert("I;16").point(lambda v: v * 256), "PNG"),
        lambda image: encoded(image.convert("RGBA"), "PNG"),
        lambda image: encoded(image, "AVIF"),
        lambda image: encoded(image, "TIFF", compression="tiff_lzw"),
        lambda image: encoded(image.convert("F"), "TIFF"),
        lambda image: encoded(image, "BMP"),
    ],
)
def test_the_same_picture_looks_alike_however_it_is_kept(again: object) -> None:
    first = looks(encoded(scene(), "PNG"))
    assert distance(first, looks(again(scene()))) <= 4  # type: ignore[operator]


def test_other_pictures_do_not() -> None:
    first = looks(encoded(scene(), "JPEG"))
    for turn in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_90):
        assert distance(first, looks(encoded(scene().transpose(turn), "JPEG"))) > 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_that_is_turned_by_its_viewer(orientation: int) -> None:
    undone = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    stored = scene() if undone is None else scene().transpose(Image.Transpose(undone))
    exif = Image.Exif()
    exif[0x0112] = orientation
    first = looks(encoded(scene(), "PNG"))
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        assert distance(first, looks(encoded(stored, kind, exif=exif))) <= 4


def test_it_is_on_white_where_it_is_transparent() -> None:
    image = scene().convert("RGBA")
    hole = Image.new("L", image.size, 255)
    ImageDraw.Draw(hole).rectangle((0, 0, 300, 480), fill=0)
    image.putalpha(hole)
    flat = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    black = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image).convert("RGB")
    first = looks(encoded(image, "PNG"))
    assert distance(first, looks(encoded(flat, "PNG"))) <= 2
    assert distance(first, looks(encoded(black, "PNG"))) > 2


@pytest.mark.parametrize("colour", ["white", "black", "#808182"])
def test_a_picture_of_one_colour_looks_like_nothing(colour: str) -> None:
    plain = Image.new("RGB", (300, 200), colour)
    for kind in ("JPEG", "PNG", "GIF", "WEBP"):
        assert looks(encoded(plain, kind)) == ""
    assert looks(samples()["plain.svg"]) == ""


def test_all_that_can_be_kept_has_one() -> None:
    flat = {"1.bmp", "run-lengths-4.bmp", "big-motorola.tif"}
    for name, data in rarities().items():
        if name not in flat:
            assert len(looks(data)) == 16, name


def test_a_tiny_picture_has_one_and_an_odd_one_does_no_harm() -> None:
    assert len(looks(encoded(scene(2, 2).resize((2, 1)), "PNG"))) in {0, 16}
    assert looks(encoded(Image.new("RGB", (1, 1)), "PNG")) == ""
    assert len(looks(encoded(scene(3000, 2), "JPEG"))) == 16
    broken = Image.open(io.BytesIO(encoded(scene(), "PNG")))
    broken.load()
    del broken.info  # of which it is to be told
    assert dhash(broken) == ""


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_turns_nothing_and_costs_no_hash(kind: str) -> None:
    whole = looks(encoded(scene(), kind))
    for exif in (b"Exif\0\0nonsense", b"Exif\0\0MM\0*\0\0\0\x08\xff", b"Exif\0\0II*\0\xff\xff\xff\xff"):
        assert looks(encoded(scene(), kind, exif=exif)) == whole
