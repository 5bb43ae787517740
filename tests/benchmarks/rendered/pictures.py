"""The pictures of the sites: each has its own colour, and its number in the middle."""

from __future__ import annotations

import colorsys
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

GOLDEN = 0.618033988749895
"""Hues that are this far apart stay apart, however many there are."""


def colour(n: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(
        n * GOLDEN % 1, (0.85, 0.6)[n // 8 % 2], (0.9, 0.6, 0.75)[n // 16 % 3]
    )
    return round(red * 255), round(green * 255), round(blue * 255)


def css_colour(n: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour(n))


def nearest(seen: tuple[int, int, int], numbers: frozenset[int]) -> int | None:
    """Whose colour that is of *numbers*, give or take what encoding changes; None if it is nobody's."""

    def distance(n: int) -> int:
        return max(abs(a - b) for a, b in zip(colour(n), seen, strict=True))

    best = min(numbers, key=distance, default=None)
    return best if best is not None and distance(best) <= 3 else None


def picture(text: str, n: int, width: int, ending: str) -> bytes:
    """A file of three by four; *text* is written small, so that two sites never have the same bytes."""
    image = Image.new("RGB", (width, width * 3 // 4), colour(n))
    draw = ImageDraw.Draw(image)
    draw.text((width // 3, width // 4), str(n), "white", ImageFont.load_default(width // 4))
    draw.text((4, width * 3 // 4 - 14), f"{text} {width}", "black", ImageFont.load_default(10))
    out = BytesIO()
    if ending == "png":
        image.save(out, "PNG")
    else:
        image.save(out, "JPEG", quality=85)
    return out.getvalue()


def corner(content: bytes) -> tuple[int, int, int]:
    """The colour of a picture near its upper left corner; raises OSError when *content* is none."""
    with Image.open(BytesIO(content)) as image:
        red, green, blue = image.convert("RGB").getpixel((min(4, image.width - 1), min(4, image.height - 1)))
    return red, green, blue
