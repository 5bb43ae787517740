"""The browser of this machine, for tests that open pages in a real one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crawler.render.chromium import find
from tests.support import marks


def chromium() -> Path:
    """Skips the test where there is none, loudly; where CI runs its absence is an error."""
    marks.need("browser")
    program = find(os.environ.get("IMAGE_CRAWLER_CHROMIUM", ""))
    if program is None:
        told = (
            "no Chromium on PATH: nothing of pages that scripts make is tested (Debian: apt install chromium)"
        )
        if os.environ.get("CI"):
            raise RuntimeError(told)
        pytest.skip(told)
    return program
