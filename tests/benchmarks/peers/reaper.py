"""Runs a command, and counts what it and everything that it starts takes: ``python reaper.py FILE TIMEOUT_S COMMAND…``

On Linux. Processes whose parents have ended become children of this one (a subreaper), so that each is waited for by
somebody and its time is in RUSAGE_CHILDREN. What still runs when the command has ended gets some seconds, then it is
killed; SIGTERM kills all at once. Children of a process that ignores SIGCHLD are counted for nobody: none is known.
Writes a JSON object to FILE: code, wall_s (until the command ends), cpu_s (of all), peak_rss_bytes (of the largest),
left (processes that had to be killed).
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
_GRACE_S = 10.0
_STEP_S = 0.01


def main() -> int:
    file, timeout_s, *command = sys.argv[1:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command gets it as well, and is waited for
    began = time.monotonic()
    signal.signal(signal.SIGTERM, _too_late)
    pid = os.posix_spawnp(command[0], command, os.environ, setsigdef=[signal.SIGINT])
    code = _wait_for(pid, float(timeout_s))
    wall_s = time.monotonic() - began
    left = _reap_rest(time.monotonic() + (0.0 if code is None else _GRACE_S))
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = {
        "code": code,
        "wall_s": wall_s,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_rss_bytes": usage.ru_maxrss * 1024,
        "left": left,
    }
    with open(file, "w", encoding="ascii") as out:  # noqa: PTH123 - nothing is imported that takes long
        json.dump(told, out)
    return 0


def _wait_for(pid: int, timeout_s: float) -> int | None:
    """The command's exit code, a signal's negative; None if it took too long."""
    signal.signal(signal.SIGALRM, _too_late)
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        while True:
            ended, status = os.waitpid(-1, 0)
            if ended == pid:
                return os.waitstatus_to_exitcode(status)
    except TimeoutError:
        return None
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is left is about to end
        signal.setitimer(signal.ITIMER_REAL, 0)


def _too_late(*_: object) -> None:
    raise TimeoutError


def _reap_rest(deadline_s: float) -> int:
    """Waits for all others, and kills them after the deadline; how many those were."""
    left: set[int] = set()
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return len(left)
        if ended:
            continue
        if time.monotonic() > deadline_s:
            for pid in _children():
                left.add(pid)
                os.kill(pid, signal.SIGKILL)
        time.sleep(_STEP_S)


def _children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:  # noqa: PTH123
        return [int(pid) for pid in file.read().split()]


if __name__ == "__main__":
    sys.exit(main())
