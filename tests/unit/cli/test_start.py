"""What a command costs before it does anything: which modules it imports, and how long that takes."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LIBRARIES = (
    "PIL ada_url bs4 cryptography filelock msgspec obstore redis requests rich selectolax tenacity tinycss2 tldextract"
    " urllib3"
)
SLOW = "asyncio concurrent.futures email.* http.* multiprocessing sqlite3 ssl subprocess xml.*"
"""Modules of Python that take milliseconds, and that nothing below imports."""
OF_HELP = (
    "crawler.cli crawler.cli.options crawler.cli.short_help crawler.cli.exit_signals"
    " crawler.errors crawler.errors.* crawler.process_end crawler.text crawler.text.display"
)
"""All of ours that the help of the program imports."""
NOT_OF_CRAWL_HELP = (
    "crawler.api.* crawler.catalog.* crawler.crawlfile.* crawler.download.* crawler.forkserver.* crawler.harvest.*"
    " crawler.http.* crawler.queues.* crawler.render.* crawler.run.* crawler.storage.* crawler.cli.crawl_run rich"
    " requests sqlite3"
)
TIMES = 12
"""How many times longer than ``python -c pass`` the help may take: six, on the machine where it was measured."""


def imported(*words: str) -> set[str]:
    code = f"import sys; from crawler.cli import main; main({list(words)}); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(run.stdout.splitlines()[-1].split())


def found(modules: set[str], patterns: str) -> list[str]:
    return sorted(name for name in modules if any(fnmatch(name, pattern) for pattern in patterns.split()))


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_the_help_of_the_program_imports_next_to_nothing(word: str) -> None:
    modules = imported(word)
    assert found(modules, f"{LIBRARIES} {SLOW}") == []
    assert found(modules, "crawler.*") == found(modules, OF_HELP) != []


def test_the_help_of_crawl_imports_its_settings_and_no_more() -> None:
    modules = imported("crawl", "--help")
    assert "crawler.config" in modules
    assert found(modules, NOT_OF_CRAWL_HELP) == []


def test_the_help_takes_little_longer_than_python_itself(tmp_path: Path) -> None:
    """In CPU time, which other work on the machine stretches less, and the least of some runs."""
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = kept | {"PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONPATH": str(ROOT)}

    def cpu_s(*words: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, *words], env=environment, check=True, stdout=subprocess.DEVNULL, cwd=tmp_path
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    bare, help_ = ("-c", "pass"), ("-m", "crawler", "--help")
    cpu_s(*help_)  # it writes bytecode
    least = {words: min(cpu_s(*words) for _ in range(5)) for words in (bare, help_)}
    assert least[help_] < TIMES * least[bare]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["crawl", "--no-such-option"], "False"),
        (["-v", "demo", "--no-such-option"], "False"),
        (["crawl", "--help"], ""),
        (["status"], ""),
    ],
)
def test_a_crawls_fork_server_is_started_first_of_all(words: list[str], said: str) -> None:
    """It imports at the same time as the command, which then has click, the settings, the terminal's tables …"""
    code = (
        "import sys; from crawler.run import preload; from crawler.__main__ import main\n"
        "preload.for_crawl = lambda: print('asked', bool({'click', 'msgspec', 'multiprocessing'} & set(sys.modules)))\n"
        f"sys.argv = ['image-crawler', *{words}]; main()"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode in {0, 2}, run.stderr
    assert [line.removeprefix("asked ") for line in run.stdout.splitlines() if line.startswith("asked")] == (
        [said] if said else []
    )


def test_ctrl_c_while_the_command_line_is_imported_is_told_in_a_word() -> None:
    code = (
        "import sys\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'click': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupts()); sys.argv = ['image-crawler', 'demo']\n"
        "from crawler.__main__ import main; main()"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "image-crawler: interrupted\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        (">/dev/full", 1, "image-crawler: error: can't write the output: the disk is full\n"),
        (">&-", 0, ""),
        (">&- 2>&- <&-", 0, ""),
    ],
)
def test_output_that_nobody_takes_is_no_traceback(how: str, code: int, said: str) -> None:
    command = f'"{sys.executable}" -m crawler --help {how}'
    run = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (run.returncode, run.stderr) == (code, said)


def test_a_file_that_is_opened_does_not_take_the_place_of_a_closed_stdout(tmp_path: Path) -> None:
    code = (
        "import os, sys; from crawler import __main__; sys.argv = ['image-crawler', '--version']\n"
        "__main__._open_standard_streams(); print(os.open('file', os.O_RDWR | os.O_CREAT), file=sys.stderr)"
    )
    command = f'"{sys.executable}" -c "{code}" >&-'
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=True, cwd=tmp_path, env=environment
    )
    assert int(run.stderr) > 2


def test_help_whose_reader_has_gone_ends_as_other_output_does() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "crawler", "--help"]
    run = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, check=False, cwd=ROOT)
    os.close(writer)
    assert (run.returncode, run.stderr) == (141, b"")
