"""A Chromium for the tests of the page: one for each module, with a window for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.browsers import need_chromium
from tests.support.galleries import jpeg_thumbnails
from tests.support.windows import Window, Windows


@pytest.fixture(scope="module")
def windows() -> Iterator[Windows]:
    with Windows(need_chromium()) as browser:
        yield browser


@pytest.fixture
def window(windows: Windows) -> Iterator[Window]:
    with windows.window() as opened:
        yield opened
        opened.pump()
        assert opened.dialogs == []
        assert not [said for said in opened.said if said.startswith("exception")], opened.said


@pytest.fixture
def thumbnails(tmp_path: Path) -> Callable[[int], list[str]]:
    """Writes so many thumbnails of different colours into the gallery, and gives their names."""
    return lambda count: jpeg_thumbnails(tmp_path, count)
