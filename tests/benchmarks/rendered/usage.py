"""What a command and all its descendants take: wall time, CPU, and the memory of its browser. Linux only."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

SAMPLE_S = 0.5
"""Between two looks at the memory: a look costs a millisecond of CPU for each process."""
ORPHANS_S = 5.0
"""How long what a command has left behind may take to end by itself."""
_PR_SET_CHILD_SUBREAPER = 36


class Usage(NamedTuple):
    status: int
    wall_s: float
    cpu_s: float
    """User and system, of every process that there was: orphans too, for they are handed to this one."""
    browser_mib: float
    """Proportional set size of all Chromium processes together, at its highest."""
    left: int
    """Processes that were still there after it; they are killed."""
    output: str


def run(command: Sequence[str], folder: Path, *, timeout_s: float) -> Usage:
    """To be called by a process that has no other children. A command that takes longer is killed, all of it."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    watch = _Watch()
    watch.start()
    try:
        output, _ = child.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _kill(_descendants())
        output, _ = child.communicate()
    wall_s = time.monotonic() - began
    watch.stop()
    left = _reap()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Usage(child.returncode, wall_s, cpu_s, watch.most_kib / 1024, left, output)


class _Watch(threading.Thread):
    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most_kib = 0
        self._stop_it = threading.Event()

    def run(self) -> None:
        while not self._stop_it.wait(SAMPLE_S):
            self.most_kib = max(
                self.most_kib, sum(pss_kib(pid) for pid in _descendants() if _is_browser(pid))
            )

    def stop(self) -> None:
        self._stop_it.set()
        self.join()


def _descendants() -> list[int]:
    """Of this process, whoever their parents are by now."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found, waiting = [], [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                fields = (
                    (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                )
                if fields[0] != "Z":
                    yield int(folder.name), int(fields[1])


def _is_browser(pid: int) -> bool:
    with suppress(OSError):
        return b"chrom" in Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0]
    return False


def pss_kib(pid: int) -> int:
    """0 for one that has gone, or may not be looked into."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _reap() -> int:
    """Waits for orphans; returns how many had to be killed."""
    until, killed = time.monotonic() + ORPHANS_S, 0
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return killed
        if pid == 0:
            if time.monotonic() > until:
                left = _descendants()
                killed += len(left)
                _kill(left)
                until = time.monotonic() + ORPHANS_S
            time.sleep(0.02)


def _kill(pids: Sequence[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
