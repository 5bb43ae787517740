"""Words are completed by the shells that click knows; bash really does it here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crawler.cli import COMMANDS

BASH = shutil.which("bash")
DRIVER = """
set -e
cd "$FOLDER"
eval "$(_IMAGE_CRAWLER_COMPLETE=bash_source image-crawler)"
complete -p image-crawler >&2
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
compopt() { :; }   # of no use outside of a real completion
_image_crawler_completion image-crawler
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PATH with the program in it."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "image-crawler"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m crawler "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return folder


def completed(program: Path, folder: Path, *words: str) -> list[str]:
    """What bash offers for the last one of *words*, which follow the program's name."""
    assert BASH is not None
    done = subprocess.run(
        [BASH, "-c", DRIVER, "bash", "image-crawler", *words],
        env={**os.environ, "PATH": f"{program}:{os.environ['PATH']}", "FOLDER": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "_image_crawler_completion" in done.stderr
    return done.stdout.split()


@pytest.mark.skipif(BASH is None or os.name != "posix", reason="there is no bash")
@pytest.mark.slow
def test_bash_completes_commands_options_words_and_folders(program: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert completed(program, tmp_path, "in") == ["inspect"]
    assert completed(program, tmp_path, "") == list(COMMANDS)
    assert completed(program, tmp_path, "crawl", "--max-d") == ["--max-depth"]
    assert completed(program, tmp_path, "crawl", "https://example.org/", "--scope", "") == [
        "host", "domain", "prefix", "any",
    ]  # fmt: skip
    assert completed(program, tmp_path, "crawl", "--formats", "jpeg,p") == ["jpeg,png"]
    assert completed(program, tmp_path, "export", "x", "--format", "c") == ["csv"]
    # click's script has bash look for the folders itself
    assert completed(program, tmp_path, "inspect", "da") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_a_script_that_it_can_read(program: Path, shell: str, tmp_path: Path) -> None:
    environment = {**os.environ, "_IMAGE_CRAWLER_COMPLETE": f"{shell}_source"}
    made = subprocess.run(
        [sys.executable, "-m", "crawler"], env=environment, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    assert "_IMAGE_CRAWLER_COMPLETE" in made.stdout
    if (found := shutil.which(shell)) is not None:
        script = tmp_path / "completion"
        script.write_text(made.stdout, encoding="utf-8")
        subprocess.run([found, "-n", script], check=True)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("image-crawler inspect ", "dir"),
        ("image-crawler status ", "dir"),
        ("image-crawler crawl -o ", "dir"),
        ("image-crawler work x --keys ", "dir"),
        ("image-crawler crawl x --config ", "file"),
        ("image-crawler crawl x --tls-ca ", "file"),
    ],
)
def test_where_a_folder_or_a_file_is_wanted_the_shell_looks_for_one(words: str, kind: str) -> None:
    environment = {
        **os.environ,
        "_IMAGE_CRAWLER_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split())),
    }
    run = subprocess.run(
        [sys.executable, "-m", "crawler"], env=environment, capture_output=True, text=True, check=False
    )
    assert run.stdout.split() == [f"{kind},"], run.stderr
