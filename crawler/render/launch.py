"""The launcher between a renderer and its Chromium: starts it without a network, and ends it with the renderer.

    python -m crawler.render.launch READ WRITE LIFELINE PROGRAM [FLAG ...]

READ and WRITE are the descriptors of the DevTools pipe. LIFELINE is the read end of a pipe that closes when the
renderer ends. Standard library only: the launcher starts in 30 ms and has a single thread, so that it may fork.

    renderer - launcher - keeper - Chromium and its processes

The launcher ends the keeper when the renderer is gone, and the keeper ends Chromium when the launcher is. Where the
system permits, they have namespaces (``namespaces``). The keeper is then process 1: the system ends all others with it.
The profile is in memory, which goes with them, whoever is killed. Elsewhere Chromium has a dead proxy and no name
service. Its profile is a folder, which the launcher removes, or the next launcher.

One line on stdout tells the isolation: NAMESPACES or FENCES.
Chromium's messages are on stderr. The exit code is Chromium's, or 1 if it could not be started.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, NoReturn

from crawler.render import namespaces
from crawler.render.memory import stat_fields
from crawler.render.namespaces import NOBODY, Rung
from crawler.render.profiles import Folder, sweep
from crawler.text.plain_errors import plain

NAMESPACES = "network namespace"
FENCES = "dead proxy, no resolver"

_TO_CHROMIUM, _FROM_CHROMIUM = 3, 4
"""The descriptors that --remote-debugging-pipe means."""
_OUT_OF_THE_WAY = 10
_END_S = 2.0
_SHARED_MEMORY_BYTES = 512 * 2**20
_OOM_SCORE = "500"
"""Without memory Linux ends Chromium's processes before the crawler's (oom_score_adj)."""
_PASSED_ON = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "LD_LIBRARY_PATH",
    "FONTCONFIG_FILE",
    "FONTCONFIG_PATH",
)
_HOMES = ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")


class LaunchOrders(NamedTuple):
    read: int
    write: int
    lifeline: int
    is_root: bool
    command: tuple[str, ...]


class Started(NamedTuple):
    keeper: int
    leash: int
    """The write end of a pipe that the keeper watches: it closes with this process."""
    said: str


def main(arguments: list[str]) -> int:
    read, write, lifeline = (_out_of_the_way(int(number)) for number in arguments[:3])
    orders = LaunchOrders(read, write, lifeline, os.geteuid() == 0, tuple(arguments[3:]))
    awake = _signals()
    namespaces.adopt_orphans()
    sweep()
    problems = []
    for rung in namespaces.rungs():
        folder = None
        try:
            folder = None if rung.namespaces else Folder(NOBODY if rung.as_nobody else None)
            started = _start(orders, rung, folder.path if folder else "")
            os.close(read)  # when Chromium ends its renderer is to see it
            os.close(write)
            sys.stdout.write(f"{started.said}\n")
            sys.stdout.flush()
            return _keep(started.keeper, lifeline, awake)
        except OSError as exc:
            problems.append(f"{rung}: {plain(exc)}")
        finally:
            _end_children()
            if folder:
                folder.remove()
    sys.stderr.write("\n".join([*problems, ""]))
    return 1


def _start(orders: LaunchOrders, rung: Rung, folder: str) -> Started:
    """Start the keeper, with Chromium below it. Raises OSError if the system refuses."""
    heard, report = os.pipe()
    leash, ours = os.pipe()

    def keeper() -> int:
        for descriptor in (heard, ours):
            with suppress(OSError):  # the stage has closed it
                os.close(descriptor)
        return _be_keeper(orders, rung, folder, leash, report)

    def stage() -> int:
        """Enter the namespaces, fork, and end: the keeper has to be process 1 in them, and our child."""
        os.close(ours)
        namespaces.unshare(rung)
        os.write(report, f"keeper {_forked(keeper, report)}\n".encode())
        return 0

    try:
        child = _forked(stage if rung.namespaces else keeper, report)
        if rung.namespaces:
            os.waitpid(child, 0)
    finally:
        os.close(report)
        os.close(leash)
    with os.fdopen(heard, encoding="utf-8") as lines:  # until Chromium runs, or who was to start it has ended
        said = dict(line.rstrip("\n").partition(" ")[::2] for line in lines)
    if "started" not in said:
        os.close(ours)
        raise OSError(said.get("failed", "its keeper has died"))
    return Started(int(said.get("keeper", child)), ours, said["started"])


def _be_keeper(orders: LaunchOrders, rung: Rung, folder: str, leash: int, report: int) -> int:
    awake = _signals()
    program = orders.command[0]
    namespaces.adopt_orphans()
    home = namespaces.furnish(rung, program) if rung.namespaces else folder
    stays_root = orders.is_root and not (rung.as_nobody or rung.own_users)
    command = [*orders.command, f"--user-data-dir={home}/profile"]
    # as root Chromium refuses to start with a sandbox
    if stays_root or (orders.is_root and not namespaces.has_user_namespaces(as_nobody=rung.as_nobody)):
        command.append("--no-sandbox")
    if rung.namespaces or not _has_shared_memory():
        command.append("--disable-dev-shm-usage")  # but that of the profile's folder
    failed, failure = os.pipe()
    chromium = _forked(lambda: _be_chromium(orders, rung, command, home), failure)
    for descriptor in (orders.read, orders.write, orders.lifeline, failure):
        os.close(descriptor)
    with os.fdopen(failed, encoding="utf-8") as lines:
        problem = lines.read()
    if problem:
        raise OSError(problem.removeprefix("failed "))
    os.write(report, f"started {NAMESPACES if rung.namespaces else FENCES}\n".encode())
    os.close(report)
    try:
        return _keep(chromium, leash, awake)
    finally:
        if not rung.own_pids:
            with suppress(OSError):
                os.killpg(chromium, signal.SIGKILL)  # where orphans are not adopted
            _end_children()


def _be_chromium(orders: LaunchOrders, rung: Rung, command: list[str], home: str) -> NoReturn:
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.setsid()
    if rung.as_nobody:
        namespaces.become_nobody()
    namespaces.die_with_parent(signal.SIGKILL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    os.dup2(orders.read, _TO_CHROMIUM)
    os.dup2(orders.write, _FROM_CHROMIUM)  # all others are closed by exec
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it
    os.execve(command[0], command, _environment(home))  # noqa: S606 - the program that was asked for


def _environment(home: str) -> dict[str, str]:
    """Chromium's environment: without keys, proxy and services of the desktop."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    folders = dict.fromkeys(_HOMES, home)
    buses = {"DBUS_SESSION_BUS_ADDRESS": "disabled:", "DBUS_SYSTEM_BUS_ADDRESS": "disabled:"}
    return passed_on | folders | buses


def _signals() -> int:
    """A pipe that gets the numbers of this process's signals from now on."""
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return awake


def _keep(child: int, line: int, awake: int) -> int:
    """Wait for *child* and return its exit code. It is killed once *line* closes, or this process is told to end."""
    enders = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    waiting = select.poll()
    waiting.register(awake, select.POLLIN)
    waiting.register(line, select.POLLIN)
    while (code := _reap(child)) is None:
        ready = {descriptor for descriptor, _ in waiting.poll()}
        told = set(os.read(awake, 1024)) if awake in ready else set()
        if line in ready or told & enders:
            with suppress(OSError):
                waiting.unregister(line)
            os.kill(child, signal.SIGKILL)
    return code


def _reap(child: int) -> int | None:
    """Reap all ended children. Returns the exit code of *child* if it is one of them."""
    code = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                code = os.waitstatus_to_exitcode(ended[1])
    return code


def _end_children() -> None:
    """Kill all descendants: each becomes a child of this process when its own parent ends."""
    end = time.monotonic() + _END_S
    while time.monotonic() < end:
        for child in _children():
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.005)
        except ChildProcessError:
            return


def _children() -> list[int]:
    ours = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            pid = int(folder.name)
            if int(stat_fields(pid)[1]) == os.getpid():
                ours.append(pid)
    return ours


def _has_shared_memory() -> bool:
    try:
        status = os.statvfs("/dev/shm")  # noqa: S108 - it is where Chromium has shared memory
    except OSError:
        return sys.platform != "linux"
    return status.f_bavail * status.f_frsize >= _SHARED_MEMORY_BYTES


def _out_of_the_way(descriptor: int) -> int:
    """A duplicate of the descriptor, above those that Chromium expects, and closed by exec."""
    import fcntl

    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY)
    os.close(descriptor)
    return moved


def _forked(call: Callable[[], int], report: int) -> int:
    """Fork a process that does *call*, and return its id. *report* is told why it could not."""
    child = os.fork()
    if child:
        return child
    try:
        os._exit(call())
    except BaseException as exc:  # noqa: BLE001 - nothing of the parent's may go on here
        os.write(report, f"failed {plain(exc)}\n".encode())
    finally:
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
