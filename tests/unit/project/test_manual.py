"""The manual pages are current, and man and mandoc find nothing wrong with them."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from crawler.cli import COMMANDS
from crawler.config import SETTINGS
from tests.generators.manual import FOLDER, pages

PAGES = dict(pages())
NO_DATE = ("missing date", "lower case character in document title")
each_page = pytest.mark.parametrize("name", PAGES)


def test_the_pages_are_those_of_today() -> None:
    written = {file.name: file.read_text(encoding="ascii") for file in FOLDER.glob("*.1")}
    assert written == PAGES, "write them anew: python -m tests.generators.manual"


def test_there_is_a_page_for_each_command_and_all_of_it() -> None:
    assert PAGES.keys() == {"image-crawler.1", *(f"image-crawler-{name}.1" for name in COMMANDS)}
    crawl = PAGES["image-crawler-crawl.1"]
    for setting in SETTINGS.values():
        assert setting.flag.replace("-", "\\-") in crawl
        assert setting.environment in crawl
    for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"):
        assert all(f"\n.SH {heading}\n" in page for page in PAGES.values())


@each_page
def test_man_shows_it_without_a_warning(name: str) -> None:
    if shutil.which("man") is None or shutil.which("groff") is None:
        pytest.skip("there is no man here")
    run = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(FOLDER / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")


@each_page
def test_mandoc_finds_nothing(name: str) -> None:
    if (mandoc := shutil.which("mandoc")) is None:
        pytest.skip("there is no mandoc here")
    run = subprocess.run(
        [mandoc, "-Tlint", "-Wwarning", FOLDER / name], capture_output=True, text=True, check=False
    )
    said = [line for line in run.stdout.splitlines() if not any(word in line for word in NO_DATE)]
    assert said == []


def test_the_wheel_has_them_where_man_looks() -> None:
    project = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"] == {
        "docs/man": "share/man/man1"
    }
    assert Path("docs/man").name == FOLDER.name
