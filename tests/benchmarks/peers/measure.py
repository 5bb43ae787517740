"""What a command takes: time, CPU and memory of all its processes, and what others took meanwhile."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.peers import reaper
from tests.benchmarks.rendered.usage import pss_kib

TIMEOUT_S = 1200.0
DISTURBED = 0.16
"""A run during which others took more of the machine than that is told apart: its figures are too high."""
_TICKS = os.sysconf("SC_CLK_TCK")
_SAMPLES_S = (0.05, 0.1, 0.2)
_SAMPLE_S = 0.5
"""Reading smaps_rollup costs a process a walk through its page tables: runs that are sampled are not timed."""
_IDLE = (3, 4)
"""Fields of /proc/stat: idle, iowait."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a command took."""

    code: int | None
    """Its exit code; None if it took too long."""
    wall_s: float
    cpu_s: float
    """Of all processes that it started, user and system."""
    foreign: float
    """Share of all cores that others took while it ran, the server not counted."""
    peak_rss_bytes: int
    """Of its largest process."""
    peak_pss_bytes: int = 0
    """The most of all its processes together; 0 where memory is not sampled."""
    peak_process_pss_bytes: int = 0
    """The most of one process."""
    left: int = 0
    """Processes that it left behind."""
    output: str = ""

    @property
    def is_disturbed(self) -> bool:
        return self.foreign > DISTURBED

    def followed_by(self, other: Usage) -> Usage:
        """Both, one after the other."""
        wall_s = self.wall_s + other.wall_s
        return Usage(
            code=self.code or other.code,
            wall_s=wall_s,
            cpu_s=self.cpu_s + other.cpu_s,
            foreign=(self.foreign * self.wall_s + other.foreign * other.wall_s) / wall_s,
            peak_rss_bytes=max(self.peak_rss_bytes, other.peak_rss_bytes),
            peak_pss_bytes=max(self.peak_pss_bytes, other.peak_pss_bytes),
            peak_process_pss_bytes=max(self.peak_process_pss_bytes, other.peak_process_pss_bytes),
            left=self.left + other.left,
            output=self.output + other.output,
        )


def run(
    command: Sequence[str | Path],
    *,
    folder: Path,
    environment: Mapping[str, str],
    servers: Collection[int] = (),
    memory: bool = False,
    timeout_s: float = TIMEOUT_S,
) -> Usage:
    """Runs *command* in *folder* to its end; *servers* are processes whose work is no foreign load.

    With *memory* it is sampled, which makes it slower.
    """
    with tempfile.TemporaryDirectory() as scratch:
        told, output = Path(scratch, "usage.json"), Path(scratch, "output")
        words = [sys.executable, "-I", "-S", reaper.__file__, str(told), str(timeout_s), *map(str, command)]
        before, began = _Accounts.now(servers), time.monotonic()
        with (
            output.open("wb") as out,
            subprocess.Popen(
                words, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=out
            ) as process,
        ):
            sampler = _Sampler(process.pid)
            if memory:
                sampler.start()
            try:
                process.wait()
            except BaseException:
                process.terminate()
                raise
            took_s = time.monotonic() - began
            foreign = _Accounts.now(servers).foreign_since(before, took_s)
            sampler.stop()
        return Usage(
            **json.loads(told.read_text(encoding="ascii")),
            foreign=foreign,
            peak_pss_bytes=sampler.all_bytes,
            peak_process_pss_bytes=sampler.largest_bytes,
            output=output.read_text(encoding="utf-8", errors="replace"),
        )


@dataclass(frozen=True)
class _Accounts:
    """Seconds of the CPU up to a moment."""

    machine_s: float
    own_s: float
    """Of this process and of those that it has waited for."""
    servers_s: float

    @classmethod
    def now(cls, servers: Iterable[int]) -> _Accounts:
        own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return cls(
            machine_s=busy_s(Path("/proc/stat").read_text(encoding="ascii")),
            own_s=sum(usage.ru_utime + usage.ru_stime for usage in own),
            servers_s=sum(map(_process_s, servers)),
        )

    def foreign_since(self, before: _Accounts, took_s: float) -> float:
        """The share of all cores that is nobody's here. Ticks of 10 ms may make it less than 0, which is 0."""
        foreign_s = (
            (self.machine_s - before.machine_s)
            - (self.own_s - before.own_s)
            - (self.servers_s - before.servers_s)
        )
        return max(0.0, foreign_s / (took_s * (os.cpu_count() or 1)))


def busy_s(stat: str) -> float:
    """What all cores have done by /proc/stat, in seconds; what the hypervisor took (steal) is work of others."""
    ticks = [int(field) for field in stat.splitlines()[0].split()[1:9]]  # guests are in user already
    return sum(count for at, count in enumerate(ticks) if at not in _IDLE) / _TICKS


def _process_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


class _Sampler:
    """The peak of what the processes below one take, by their proportional set size."""

    def __init__(self, root: int) -> None:
        self.all_bytes = self.largest_bytes = 0
        self._root = root
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        waits_s = iter(_SAMPLES_S)  # some programs are done within half a second
        while not self._stop.wait(next(waits_s, _SAMPLE_S)):
            sizes = [1024 * pss_kib(pid) for pid in descendants(self._root)]
            self.all_bytes = max(self.all_bytes, sum(sizes))
            self.largest_bytes = max(self.largest_bytes, *sizes, 0)


def descendants(root: int) -> list[int]:
    """All processes below *root*, which is not one of them."""
    found: list[int] = []
    waiting = [root]
    while waiting:
        with suppress(OSError):
            for task in Path(f"/proc/{waiting.pop()}/task").iterdir():
                pids = [int(pid) for pid in (task / "children").read_text(encoding="ascii").split()]
                found += pids
                waiting += pids
    return found
