"""What the browser gets in place of images."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from crawler.render.stand_in_images import DEFAULT_PX, MARKER, MOST_PX, stand_in, stand_in_base64


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        ((640, 480), (640, 480)),
        ((1, 1), (1, 1)),
        ((0, 0), DEFAULT_PX),
        ((400, 0), (400, 300)),
        ((0, 300), (400, 300)),
        ((-5, -5), DEFAULT_PX),
        ((10**6, 10**6), (MOST_PX, MOST_PX)),
    ],
)
def test_it_is_a_picture_of_the_size_that_is_wanted(wanted: tuple[int, int], size: tuple[int, int]) -> None:
    content = stand_in(*wanted)
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        assert image.size == size
        assert image.convert("RGBA").getextrema()[3] == (0, 0)
    assert MARKER.encode() in content
    assert base64.b64decode(stand_in_base64(*wanted)) == content
