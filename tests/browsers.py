"""For tests of the browser: whether there is one, what processes are there, and ways to start it that are less than the
best.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crawler.render import chromium, isolation, launch
from crawler.render.isolation import Rung

FENCES = Rung(namespaces=False, own_pids=False)


def need_chromium() -> Path:
    """The program; the test is skipped, and says so, if there is none. In CI there has to be one."""
    program = chromium.find()
    if program is None:
        assert "CI" not in os.environ, "there is no Chromium, which CI is to have"
        pytest.skip("there is no Chromium: apt-get install chromium")
    return program


def boot(*rungs: Rung) -> str:
    """What the launcher is started by, when it is to try those only."""
    return (
        "import sys, json; sys.path[:] = json.loads(sys.argv[1]);"
        "from crawler.render import isolation, launch; from crawler.render.isolation import Rung;"
        f"isolation.rungs = lambda: {rungs!r};"
        "sys.exit(launch.main(sys.argv[2:]))"
    )


def may(rung: Rung) -> bool:
    """This system permits it, for this user."""
    if not rung.namespaces:
        return True
    child = os.fork()
    if child == 0:
        try:
            isolation.unshare(rung)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def with_mark(mark: str) -> dict[int, str]:
    """The processes that have *mark* in their command line or environment, and their state: Z is a zombie."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
            if mark.encode() in words and int(folder.name) != os.getpid():
                found[int(folder.name)] = state(int(folder.name))
        except OSError:
            continue
    return found


def state(pid: int) -> str:
    """Such as S or Z; empty if there is no such process."""
    try:
        return (
            (Path("/proc") / str(pid) / "stat")
            .read_text(encoding="utf-8", errors="replace")
            .rpartition(")")[2]
            .split()[0]
        )
    except OSError:
        return ""


def eventually(true: Callable[[], bool], within_s: float = 5.0) -> bool:
    end = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def folders(place: Path) -> list[str]:
    """Profiles on the disk."""
    return sorted(path.name for path in place.glob(f"{launch.FOLDER_PREFIX}*"))
