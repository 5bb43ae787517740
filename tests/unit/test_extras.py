"""What we advise to install is there to be installed, and nobody else can put something in its place."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from crawler import extras
from crawler.extras import EXTRAS, install, named

REPOSITORY = Path(__file__).parents[2]
ADVICE = [
    *(REPOSITORY / "crawler").rglob("*.py"),
    *(REPOSITORY / "config").iterdir(),
    *(REPOSITORY / "docs").rglob("*.md"),
    *REPOSITORY.glob("*.md"),
    *(REPOSITORY / name for name in ("Dockerfile", "compose.yaml")),
]
OUR_NAME_IN_A_REGISTRY = re.compile(
    r"image-crawler\["
    r"|(?:pip3?|pipx|uv|tool)[ ]+(?:install|run|add)[ ]+(?:-[\w-]+[ ]+)*[\"']?image-crawler\b"
    r"|--(?:from|with)[ =][\"']?image-crawler\b"
)


def test_nothing_advises_to_install_our_name_from_a_registry() -> None:
    """It is registered nowhere, so that whoever does that would be run by those who follow."""
    found = [
        f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()}"
        for path in ADVICE
        if path.is_file()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if OUR_NAME_IN_A_REGISTRY.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "advice",
    [
        "pip install 'image-crawler[tls]'",
        'pip install "image-crawler"',
        "pipx install image-crawler",
        "uv tool install image-crawler",
        "pip install --upgrade image-crawler",
        "pipx run image-crawler",
    ],
)
def test_such_advice_would_be_found(advice: str) -> None:
    assert OUR_NAME_IN_A_REGISTRY.search(advice)


@pytest.mark.parametrize(
    "advice", ["pip install '.[tls]'", "pipx install ./image-crawler", "pipx inject image-crawler redis"]
)
def test_and_other_advice_not(advice: str) -> None:
    assert not OUR_NAME_IN_A_REGISTRY.search(advice)


def test_the_extras_are_those_of_the_package() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {name: [library] for name, library in EXTRAS.items()} == project["optional-dependencies"]


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_command_is_of_this_installation(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = f"'{EXTRAS[extra]}'"
    monkeypatch.setattr(extras, "_IS_WINDOWS", False)
    monkeypatch.setattr(sys, "executable", "/home/me/my venv/bin/python")
    assert install(extra) == f"'/home/me/my venv/bin/python' -m pip install {library}"
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda _: None)  # type: ignore[attr-defined]
    assert install(extra) == f"uv pip install --python '/home/me/my venv/bin/python' {library}"
    assert named(extra) == f"pip install {library}"


def test_pipx_and_uv_have_their_own_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "_IS_WINDOWS", False)
    place = tmp_path / "image-crawler"
    place.mkdir()
    monkeypatch.setattr(sys, "prefix", str(place))
    monkeypatch.setattr(sys, "executable", "/tools/python")
    (place / "uv-receipt.toml").touch()
    assert install("redis") == "uv pip install --python /tools/python 'redis>=5.2'"
    (place / "pipx_metadata.json").touch()
    assert install("redis") == "pipx inject image-crawler 'redis>=5.2'"


def test_on_windows_it_is_quoted_for_its_shells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "_IS_WINDOWS", True)
    monkeypatch.setattr(sys, "executable", r"C:\Program Files\venv\python.exe")
    said = install("redis")
    assert said.startswith(r'"C:\Program Files\venv\python.exe" -m pip install ')
    assert said.endswith('"redis>=5.2"'), "a bare > would write to a file"


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize("extra", EXTRAS)
def test_a_shell_reads_it_as_it_is_meant(extra: str) -> None:
    """A ``>`` that nobody quotes would make a file."""
    command = install(extra).rsplit("install ", 1)[1]
    read = subprocess.run(
        ["/bin/sh", "-c", f"printf %s {command}"], capture_output=True, check=True, text=True
    )
    assert read.stdout == EXTRAS[extra]
