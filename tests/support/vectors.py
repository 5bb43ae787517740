"""Conformance vectors of the standards' own test suites.

They are not part of the project: they are looked for beside it, or in the folder that IMAGE_CRAWLER_VECTORS names.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest


def vectors(name: str) -> list[dict[str, Any]]:
    """The vectors in ``NAME.json``; skips the test that asks for them where there are none."""
    beside = Path(__file__).parents[3] / "shared" / "vectors"
    file = Path(os.environ.get("IMAGE_CRAWLER_VECTORS", beside)) / f"{name}.json"
    if not file.is_file():
        pytest.skip(f"no {name}.json with conformance vectors in {file.parent} (IMAGE_CRAWLER_VECTORS)")
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["vectors"]
    return found
