from __future__ import annotations

import sys
from pathlib import Path

import pytest

from crawler.errors import ConfigError
from crawler.render import chromium

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="makes programs of shell scripts")


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")
    path.chmod(0o755)
    return path


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(chromium, "_PLACES", {})
    return folder


def test_the_program_that_was_asked_for_is_taken(
    tmp_path: Path, on_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(on_path / "chromium")
    mine = program(tmp_path / "my" / "browser")

    assert chromium.find(str(mine)) == mine
    assert chromium.find("chromium") == on_path / "chromium"
    monkeypatch.chdir(tmp_path)
    assert chromium.find("my/browser") == mine


@pytest.mark.parametrize("kind", ["none", "file", "folder"])
def test_what_is_no_program_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "chromium"
    if kind == "file":
        path.write_text("", encoding="ascii")
    elif kind == "folder":
        path.mkdir()

    with pytest.raises(ConfigError, match=rf"chromium = '{path}' won't do"):
        chromium.find(str(path))


def test_without_a_setting_the_usual_names_are_tried_in_order(on_path: Path) -> None:
    assert chromium.find() is None
    for name in ("microsoft-edge", "google-chrome", "chromium", "chromium-headless-shell"):
        expected = program(on_path / name)
        assert chromium.find() == expected


def test_where_installers_put_it_is_looked_last(
    tmp_path: Path, on_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = program(tmp_path / "Applications" / "Google Chrome")
    monkeypatch.setattr(chromium, "_PLACES", {sys.platform: (str(tmp_path / "none"), str(installed))})

    assert chromium.find() == installed
    named = program(on_path / "chrome")
    assert chromium.find() == named


def test_the_script_of_a_package_is_left_out(
    tmp_path: Path, on_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = program(on_path / "chromium")
    behind = program(tmp_path / "lib" / "chromium", "\x7fELF")
    monkeypatch.setattr(chromium, "_BEHIND_SCRIPTS", {str(script): (str(tmp_path / "none"), str(behind))})

    assert chromium.find() == behind
    program(script, "\x7fELF")  # is the program itself
    assert chromium.find() == script


def test_a_snap_is_taken_only_if_it_is_asked_for(tmp_path: Path, on_path: Path) -> None:
    snap = program(tmp_path / "usr" / "snap", "\x7fELF")
    (on_path / "chromium").symlink_to(snap)
    shim = program(on_path / "chromium-browser", '#!/bin/sh\n# moved\nexec /snap/bin/chromium "$@"\n')
    assert chromium.find() is None
    assert chromium.find("chromium-browser") == shim

    chrome = program(on_path / "chrome")
    assert chromium.find() == chrome


def test_each_flag_has_a_reason_and_is_given_once() -> None:
    reasons = dict(chromium._FLAGS) | dict(chromium._FEATURES_OFF)
    names = [flag.partition("=")[0] for flag in chromium.flags()]

    assert all(reasons.values())
    assert len(names) == len(set(names))  # the last of two would count, alone
    assert "--no-sandbox" not in names  # for the launcher to say


def test_the_second_fence_is_up_always() -> None:
    flags = chromium.flags()

    assert "--host-resolver-rules=MAP * ~NOTFOUND" in flags
    assert "--proxy-server=socks5://127.0.0.1:9" in flags
    assert "--proxy-bypass-list=<-loopback>" in flags  # else loopback would be asked directly
