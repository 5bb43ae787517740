from __future__ import annotations

from typing import Any

import msgspec
import pytest

from crawler.config import ImagesConfig
from crawler.download.filters import unwanted
from crawler.download.formats import ImageInfo
from crawler.errors import Rejection, TooLarge, TooSmall, UnwantedAspect, UnwantedFormat

PHOTO = ImageInfo(format="jpeg", extension="jpg", width_px=400, height_px=300, frames=1)
DRAWING = ImageInfo(format="svg", extension="svg", width_px=0, height_px=0, frames=1)


def verdict(info: ImageInfo = PHOTO, size_bytes: int = 5000, **settings: Any) -> Rejection | None:
    return unwanted(info, size_bytes, ImagesConfig(**settings))


def test_everything_is_wanted_unless_somebody_says_so() -> None:
    assert verdict() is None
    assert verdict(DRAWING, 0) is None


@pytest.mark.parametrize(
    ("settings", "leaf", "words"),
    [
        ({"formats": ("png", "gif")}, UnwantedFormat, ["jpeg", "png, gif", "(formats)"]),
        ({"min_image_bytes": 5001}, TooSmall, ["5,000", "5,001", "(min_image_bytes)"]),
        ({"min_width_px": 401}, TooSmall, ["400", "401", "(min_width_px)"]),
        ({"max_width_px": 399}, TooLarge, ["400", "399", "(max_width_px)"]),
        ({"min_height_px": 301}, TooSmall, ["300", "301", "(min_height_px)"]),
        ({"max_height_px": 299}, TooLarge, ["300", "299", "(max_height_px)"]),
        ({"max_aspect": 1.33}, UnwantedAspect, ["1.3 times", "400 to 300", "1.33", "(max_aspect)"]),
    ],
)
def test_what_is_not_wanted_says_value_limit_and_setting(
    settings: dict[str, Any], leaf: type[Rejection], words: list[str]
) -> None:
    refusal = verdict(**settings)
    assert type(refusal) is leaf
    assert [word for word in words if word not in str(refusal)] == []


@pytest.mark.parametrize(
    "settings",
    [
        {"formats": ("png", "jpeg")},
        {"min_image_bytes": 5000},
        {"min_width_px": 400, "max_width_px": 400},
        {"min_height_px": 300, "max_height_px": 300},
        {"max_aspect": 4 / 3},
    ],
)
def test_a_limit_itself_is_within_it(settings: dict[str, Any]) -> None:
    assert verdict(**settings) is None


def test_the_order_is_format_bytes_pixels_aspect() -> None:
    wrong: dict[str, Any] = {
        "formats": ("png",),
        "min_image_bytes": 10**6,
        "min_width_px": 1000,
        "max_aspect": 1.0,
    }
    seen = []
    while (refusal := verdict(**wrong)) is not None:
        seen.append(type(refusal))
        del wrong[next(iter(wrong))]
    assert seen == [UnwantedFormat, TooSmall, TooSmall, UnwantedAspect]


def test_a_drawing_is_judged_by_what_it_says() -> None:
    strict: dict[str, Any] = {"min_width_px": 100, "min_height_px": 100, "max_aspect": 2.0}
    assert verdict(DRAWING, **strict) is None
    assert verdict(msgspec.structs.replace(DRAWING, width_px=150), **strict) is None
    assert isinstance(verdict(msgspec.structs.replace(DRAWING, width_px=50), **strict), TooSmall)


def test_either_side_may_be_the_longer_one() -> None:
    for width_px, height_px in ((100, 901), (901, 100)):
        strip = msgspec.structs.replace(PHOTO, width_px=width_px, height_px=height_px)
        assert isinstance(verdict(strip, max_aspect=9.0), UnwantedAspect)
        assert verdict(strip, max_aspect=9.01) is None
