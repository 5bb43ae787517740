"""Whatever a console, pipe or file is encoded in: each command says what it has to say, and none breaks down.

On Windows a pipe has cp1252, an old console cp437 or cp850, and on POSIX whoever sets no locale has ASCII.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.cli import COMMANDS
from tests.support.images import samples
from tests.support.sites import serving

pytestmark = pytest.mark.timeout(240)

ENVIRONMENTS = {
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "cp437": {"PYTHONIOENCODING": "cp437"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "no-locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
EXPECTED: dict[str, int] = {}
"""The exit code of each command where everything can be said."""
PAGE = (
    "<title>Пример ● 日本語</title>"
    '<img src="/a.png" alt="日本語 \N{ROSE} \u2013 \u201cquoted\u201d …">'
    '<img src="/gone-é.png" alt="é"><img src="/%ff.png">'
)


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A crawl with words that no such encoding has, in a folder whose name is one as well, and its URL."""
    folder, site = tmp_path_factory.mktemp("encodings"), tmp_path_factory.mktemp("site")
    (site / "index.html").write_text(f'<meta charset="utf-8">{PAGE}', encoding="utf-8")
    (site / "a.png").write_bytes(samples()["plain.png"])
    with serving(site) as server:
        url = server.url
        code, _, err = run(["crawl", f"{url}/", "-o", "日本 é"], folder, {"PYTHONUTF8": "1"})
        assert code == 0, err
        (folder / "page é.html").write_text(PAGE, encoding="utf-8")
        yield url, folder


def commands(url: str) -> dict[str, list[str]]:
    crawl = "日本 é"
    return {
        "crawl": ["crawl", f"{url}/", "-o", "neu é"],
        "crawl-missing": ["crawl", "ftp://日本.invalid/é", "-o", "neu é 2"],
        "serve": ["serve", f"{url}/é●", "--bind", "日本:é"],
        "work": ["work", "日本é"],
        "harvest": ["harvest", "日本é"],
        "render": ["render", "日本é"],
        "collect": ["collect", "日本é"],
        "demo": ["demo", "-o", "demo é"],
        "status": ["status", crawl],
        "pause": ["pause", crawl],
        "resume": ["resume", crawl],
        "stop": ["stop", crawl],
        "inspect": ["inspect", crawl],
        "inspect-failures": ["inspect", crawl, "--failures"],
        "inspect-json": ["inspect", crawl, "--json"],
        "explain": ["explain", crawl, f"{url}/a.png"],
        "explain-unknown": ["explain", crawl, "é日"],
        "extract": ["extract", f"{url}/"],
        "extract-file": ["extract", "page é.html", "--links"],
        "extract-none": ["extract", "keine é.html"],
        "retry": ["retry", crawl, "--reason", "é"],
        "export": ["export", crawl],
        "export-csv": ["export", crawl, "--format", "csv"],
        "gallery": ["gallery", crawl],
        "keygen": ["keygen", "keys é", "--authkey-only"],
        "usage": ["é日●"],
        "option": ["crawl", "--é日"],
    }


def test_every_command_is_among_them() -> None:
    tried = {words[0] for words in commands("").values()}
    assert set(COMMANDS) <= tried


SHOWING = ("status", "inspect", "explain", "extract")
"""What is tried in every encoding; all of them write by the same streams, so the others are in the worst of these."""


ALWAYS = {("no-locale", "demo"), ("no-locale", "extract-file"), ("cp1252", "crawl"), ("cp1252", "explain")}
"""What has broken down before."""


@pytest.mark.parametrize(
    ("environment", "case"),
    [
        pytest.param(environment, case, marks=() if (environment, case) in ALWAYS else pytest.mark.sampled(5))
        for environment in ENVIRONMENTS
        for case in commands("")
        if case in SHOWING or environment == "no-locale" or (case, environment) == ("crawl", "cp1252")
    ],
)
def test_nothing_that_is_said_ends_in_a_traceback(
    crawled: tuple[str, Path], case: str, environment: str, tmp_path: Path
) -> None:
    url, folder = crawled
    words = commands(url)[case]
    for name in ("日本 é", "page é.html"):
        (tmp_path / name).symlink_to(folder / name)
    if case not in EXPECTED:
        EXPECTED[case] = run(words, tmp_path, {"PYTHONUTF8": "1"})[0]
    expected = EXPECTED[case]
    if words[0] in {"crawl", "demo", "keygen"}:  # which have made a folder
        words = [*words[:-1], f"{words[-1]} 2"]
    if words[0] == "keygen":
        words = ["keygen", "keys é 2", "--authkey-only"]
    code, out, err = run(words, tmp_path, ENVIRONMENTS[environment])
    assert b"Traceback" not in err + out
    assert b"Error: " not in err.replace(b"\nError: ", b"").removeprefix(b"Error: "), err
    assert code == expected, err
    if case == "export":
        assert [json.loads(line)["alt"] for line in out.splitlines()]


def run(words: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        [sys.executable, "-m", "crawler", *words],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr
