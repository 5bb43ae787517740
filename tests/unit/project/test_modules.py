"""docs/modules.md has every module, by its own words; CONTRIBUTING's map has every package."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.generators import modules

CONTRIBUTING = Path(__file__).parents[3] / "CONTRIBUTING.md"
PACKAGES = sorted(path.parent for path in modules.ROOT.rglob("__init__.py") if path.parent != modules.ROOT)
LONGEST = 400
"""Lines of a module: at more there is a second thing in it (CONTRIBUTING, habits)."""


def test_the_page_is_current() -> None:
    written = modules.PAGE.read_text(encoding="utf-8")
    assert written == modules.page(), "write it anew: python -m tests.generators.modules"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_the_map_has_every_package(package: Path) -> None:
    where = CONTRIBUTING.read_text(encoding="utf-8").split("## The map")[1].split("\n## ")[0]
    assert f"{package.name}/" in where


@pytest.mark.slow
def test_every_file_says_what_it_is() -> None:
    files = [*modules.ROOT.rglob("*.py"), *modules.foreign(modules.ROOT)]
    assert [path for path in files if len(modules.about(path)) < 8] == []


def test_no_module_is_too_long() -> None:
    files = [path for suffix in ("py", "lua") for path in modules.ROOT.rglob(f"*.{suffix}")]
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST} == {}
