"""Machines have different Pythons: a manager and its workers understand each other over TLS all the same."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from crawler.catalog import Catalog
from crawler.catalog.summary import summarise
from crawler.run.keygen import Keys, make_keys
from tests.e2e.running import PATIENCE_S, assert_nothing_left, saved_digests
from tests.support.sites import SiteServer, make_site, serving

CHECKOUT = Path(__file__).parents[2]
OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
INSTALLING_S = 300
NO_REGISTRY = re.compile(
    r"^.*(?:connection broken by|connection (?:error|refused)|timed out|name resolution|unreachable"
    r"|\(from versions: none\)).*$",
    re.IGNORECASE | re.MULTILINE,
)
"""What pip says when it can't get anything at all; any other failure of it is ours."""
INVITATION = re.compile(r"open to workers at (127\.0\.0\.1:\d+): image-crawler work ")

pytestmark = [
    pytest.mark.timeout(3 * INSTALLING_S),
    pytest.mark.skipif(os.name != "posix", reason="looks for interpreters by the names they have on POSIX"),
]


def others() -> list[str]:
    """The supported versions, but for the one that runs this."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = re.findall(r"Python :: (3\.\d+)$", "\n".join(project["classifiers"]), re.MULTILINE)
    return [version for version in found if version != OURS]


def find_python(version: str) -> str | None:
    """An interpreter that works, with what it takes to make an environment."""
    name = f"python{version}"
    places = [Path(part) for part in os.get_exec_path()]
    if "PYENV_ROOT" in os.environ:
        places += sorted(Path(os.environ["PYENV_ROOT"], "versions").glob(f"{version}.*/bin"))
    for place in places:
        if (python := shutil.which(name, path=str(place))) is None:
            continue
        # pyenv has commands that only say which version to choose, and Debian has Pythons without ensurepip
        check = f"import sys, venv, ensurepip; sys.exit('{version}' != '%d.%d' % sys.version_info[:2])"
        tried = subprocess.run([python, "-c", check], capture_output=True, timeout=60, check=False)
        if tried.returncode == 0:
            return python
    return None


def pip(python: str | Path, *arguments: str | Path) -> None:
    """Skips what needs it where there is no registry."""
    command = [str(python), "-m", "pip", *map(str, arguments)]
    command += ["--quiet", "--disable-pip-version-check", "--no-input"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALLING_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"pip {arguments[0]} was not done after {INSTALLING_S} s")
    if done.returncode != 0 and (reason := NO_REGISTRY.search(done.stderr)):
        pytest.skip(f"pip {arguments[0]} reaches no registry: {reason[0].strip()}")
    assert done.returncode == 0, done.stderr


@pytest.fixture(name="wheel", scope="session")
def a_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", folder, CHECKOUT)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(name="other", scope="session", params=others())
def another_python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """With the wheel installed, in an environment of its own."""
    base = find_python(request.param)
    if base is None:
        pytest.skip(f"there is no python{request.param} on this machine, neither on PATH nor in PYENV_ROOT")
    wheel = request.getfixturevalue("wheel")
    environment = tmp_path_factory.mktemp(f"python{request.param}") / "venv"
    subprocess.run([base, "-m", "venv", environment], check=True, timeout=INSTALLING_S)
    python = environment / "bin" / "python"
    pip(python, "install", wheel)
    where = [python, "-c", "import sys, crawler; print(*sys.version_info[:2], crawler.__file__)"]
    told = subprocess.run(where, cwd=environment, capture_output=True, text=True, timeout=60, check=True)
    major, minor, file = told.stdout.split(maxsplit=2)
    assert f"{major}.{minor}" == request.param
    assert Path(file).is_relative_to(environment), "it would run the checkout"
    return str(python)


@pytest.fixture(name="keys", scope="module")
def some_keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("keys"), tls=True)


@dataclass(frozen=True)
class Program:
    """``image-crawler`` of some Python, started; what it says goes into files, to be read while it runs."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def says(self, pattern: re.Pattern[str]) -> str:
        """Wait for *pattern* on stderr, and return its group."""
        end = time.monotonic() + PATIENCE_S
        while (found := pattern.search(self.err.read_text(encoding="utf-8"))) is None:
            assert self.process.poll() is None, self.err.read_text(encoding="utf-8")
            assert time.monotonic() < end, self.err.read_text(encoding="utf-8")
            time.sleep(0.02)
        return found[1]

    def succeeds(self) -> None:
        """It ends with 0, has nothing to complain of, and leaves no process."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=PATIENCE_S)
        err = self.err.read_text(encoding="utf-8")
        assert self.process.returncode == 0, err
        assert not re.search("Traceback|WARNING|ERROR|Warning:", err), err
        assert_nothing_left(self.process.pid)


@contextmanager
def program(python: str, *arguments: str | Path, folder: Path) -> Iterator[Program]:
    """In *folder*, which is made; killed at the end, if the test has not ended it."""
    folder.mkdir()
    out, err = folder.with_suffix(".out"), folder.with_suffix(".err")
    with out.open("wb") as out_file, err.open("wb") as err_file:
        process = subprocess.Popen(
            [python, "-m", "crawler", *map(str, arguments)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out_file,
            stderr=err_file,
            start_new_session=True,
        )
    try:
        yield Program(process, out, err)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.sampled(4)
@pytest.mark.parametrize("ours", ["serves", "works"])
def test_two_pythons_share_a_crawl(other: str, ours: str, keys: Keys, tmp_path: Path) -> None:
    manager, worker = (sys.executable, other) if ours == "serves" else (other, sys.executable)
    digests = make_site(tmp_path / "site", pages=12, images_per_page=5)
    with serving(tmp_path / "site") as server, ExitStack() as stack:
        served = stack.enter_context(
            program(manager, *serve_arguments(server, keys), folder=tmp_path / "serving")
        )
        address = served.says(INVITATION)
        # one process, without which nothing is downloaded: a second might come when all is over
        options = ["--keys", keys.worker, "--downloaders", "1"]
        worked = stack.enter_context(program(worker, "work", address, *options, folder=tmp_path / "working"))
        worked.succeeds()
        served.succeeds()
    crawl = tmp_path / "serving" / "crawl"
    assert saved_digests(crawl, server.url) == digests
    with Catalog(crawl) as catalog:
        assert summarise(catalog).balanced
    assert "the books balance" in served.out.read_text(encoding="utf-8")
    assert {count for path, count in server.requests.items() if path in digests} == {1}
    left = [file for file in (tmp_path / "working").iterdir() if not file.name.startswith(".coverage")]
    assert left == [], "its images are the manager's"


def serve_arguments(server: SiteServer, keys: Keys) -> list[str | Path]:
    options = ["--keys", keys.manager, "--storage", "manager", "-o", "crawl"]
    return ["serve", server.url, "--bind", "127.0.0.1:0", *options]
