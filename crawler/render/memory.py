"""Memory of processes, from Linux' /proc; unknown on other systems."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_OURS = ("RssAnon:", "RssShmem:")


class KnownProcess(NamedTuple):
    """A process that was seen before. Its parent may change, its start time does not."""

    is_ours: bool
    started: str


class Descendants:
    """The descendants of a process, looked at repeatedly: known ones are not read again. Not thread-safe."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._known: dict[int, KnownProcess] = {}

    def look(self) -> list[int]:
        """The descendants that run now."""
        try:
            there = {int(name) for name in os.listdir(_PROC) if name.isdigit()}  # noqa: PTH208 - ten times a second
        except OSError:
            return []
        self._known = {pid: known for pid, known in self._known.items() if pid in there}
        parents: dict[int, int] = {}
        started: dict[int, str] = {}
        for pid in there - self._known.keys():
            with suppress(OSError, ValueError, IndexError):
                fields = stat_fields(pid)
                parents[pid], started[pid] = int(fields[1]), fields[19]
        for pid in parents:
            self._known[pid] = KnownProcess(self._is_ours(pid, parents), started[pid])
        return [pid for pid, known in self._known.items() if known.is_ours]

    def kill(self, pid: int) -> bool:
        """Kill the process, if its id was not given to another one since."""
        known = self._known.get(pid)
        with suppress(OSError, IndexError):
            if known and known.is_ours and stat_fields(pid)[19] == known.started:
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def _is_ours(self, pid: int, parents: dict[int, int]) -> bool:
        seen = set()
        while pid in parents and pid not in seen:
            seen.add(pid)
            pid = parents[pid]
            if pid == self._pid:
                return True
        return pid in self._known and self._known[pid].is_ours


def stat_fields(pid: int) -> list[str]:
    """The fields of proc_pid_stat(5) from the third on: the second may contain anything."""
    text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()


def is_renderer(pid: int) -> bool:
    """Whether it is a renderer process, in which Chromium has pages."""
    try:
        return b"--type=renderer" in (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False


def own_bytes(pid: int) -> int:
    """Anonymous memory of a process, in bytes; 0 if there is none. Takes 20 µs."""
    total = 0
    with suppress(OSError, ValueError):
        for line in (_PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(_OURS):
                total += int(line.split()[1]) * 1024
    return total
