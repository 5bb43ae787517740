"""What a command and all its descendants take: wall time, CPU, and the memory of its browser. Linux only."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

SAMPLE_S = 0.25
"""Between two looks at the CPU of each process."""
MEMORY_SAMPLE_S = 1.0
"""Between two looks at the memory, each of which costs a millisecond of CPU for each process."""
ORPHANS_S = 5.0
"""How long what a command has left behind may take to end by itself."""
_PR_SET_CHILD_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    status: int
    wall_s: float
    cpu_s: float
    """User and system, of every process that there was; see :func:`total_cpu_s`."""
    browser_cpu_s: float
    """Of Chromium's processes alone, each as it was seen last."""
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
    reaped_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    browser_s, seen_s = watch.browser_s, watch.seen_s
    total_s = total_cpu_s(reaped_s=reaped_s, seen_s=seen_s, browser_s=browser_s)
    return Usage(child.returncode, wall_s, total_s, browser_s, watch.most_kib / 1024, left, output)


def total_cpu_s(*, reaped_s: float, seen_s: float, browser_s: float) -> float:
    """Of what the kernel told when processes were waited for, and of what each had used when it was seen last.

    The first has all processes that somebody waits for; but those of a namespace that ends with its first process,
    as Chromium's, are waited for by nobody. What is seen misses the end of each process. When the first
    is the smaller one, it lacks the browser.
    """
    return reaped_s if reaped_s >= seen_s else reaped_s + browser_s


class _Watch(threading.Thread):
    """Looks at all descendants of this process again and again."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most_kib = 0
        self._cpu_s: dict[int, float] = {}
        self._browsers: set[int] = set()
        self._stop_it = threading.Event()

    @property
    def seen_s(self) -> float:
        return sum(self._cpu_s.values())

    @property
    def browser_s(self) -> float:
        return sum(self._cpu_s[pid] for pid in self._browsers)

    def run(self) -> None:
        next_memory_s = 0.0
        while not self._stop_it.wait(SAMPLE_S):
            pids = _descendants()
            self._cpu_s |= pids
            self._browsers.update(pid for pid in pids if pid not in self._browsers and _is_browser(pid))
            if time.monotonic() >= next_memory_s:
                next_memory_s = time.monotonic() + MEMORY_SAMPLE_S
                self.most_kib = max(self.most_kib, sum(pss_kib(pid) for pid in self._browsers & pids.keys()))

    def stop(self) -> None:
        self._stop_it.set()
        self.join()


def _descendants() -> dict[int, float]:
    """Of this process, whoever their parents are by now, and the CPU that each has used, in seconds."""
    used: dict[int, float] = {}
    children: dict[int, list[int]] = {}
    for pid, parent, used[pid] in _processes():
        children.setdefault(parent, []).append(pid)
    found, waiting = [], [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return {pid: used[pid] for pid in found}


def _processes() -> Iterator[tuple[int, int, float]]:
    """Each with its parent and its CPU, but for those that have ended."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
                state, parent, *fields = stat.rpartition(")")[2].split()
                if state != "Z":
                    yield int(folder.name), int(parent), (int(fields[9]) + int(fields[10])) / _TICKS


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


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
