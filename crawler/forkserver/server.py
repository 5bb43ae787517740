"""What runs in the fork server: loads modules, forks on request, reports how each process has ended.

A request is one message on a Unix socket: a :class:`Request`, and file descriptors. The first descriptor is a socket
for the report, the others are for the new process. The report is the process id with a pidfd (pidfd_open(2)) and, at
the end of the process, its exit code and the most memory that it had at a time; 8 bytes each.

The server is told no settings and no secrets, and reads nothing that strangers wrote: in its memory a forked process
finds modules and nothing else. It has one thread, for what another thread holds at a fork is held for ever.

Whoever starts it imports this module first of all, so it imports little.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import NamedTuple, NoReturn

from crawler.process_end import end_process

NUMBER_BYTES = 8
"""Size of a number in a report."""
_RSS_BYTES = 1024
"""The unit of ru_maxrss (getrusage(2))."""
_REQUEST_BYTES = 4096
_MOST_DESCRIPTORS = 8
_FIRST_BEYOND_STANDARD = 3
_BEYOND_ALL = 2**31 - 1
_NAME_BYTES = 15
"""Length of a thread's name on Linux (PR_SET_NAME, prctl(2))."""


class Stage(NamedTuple):
    """Modules that are needed at the same time."""

    key: str
    """A module, by which a request names this stage."""
    modules: tuple[str, ...] = ()
    """What is loaded besides *key*."""


class Request(NamedTuple):
    """A request for a process."""

    entry: str
    """``module:function``. The function is called with the descriptors."""
    needs: str
    """Key of a stage: the server forks once it has loaded that one, and those before it. Any other text needs none."""


class _Forked(NamedTuple):
    """A process whose end has not been reported."""

    pid: int
    report: socket.socket


def main() -> None:
    """Run the server, and what it forks; never returns."""
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group, and meant for its leader
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    name_process("fork-server")
    control, *stages = json.loads(sys.argv[2])
    _end_with(Server(control, [Stage(*stage) for stage in stages]).serve())


def name_process(name: str) -> None:
    """Give this process a name for ps(1) and top(1), where the system can: forked ones share a command line."""
    with suppress(OSError), open("/proc/self/comm", "wb", 0) as file:  # noqa: PTH123 - pathlib is slow to import
        file.write(name.encode()[:_NAME_BYTES])


class Server:
    """The fork server: *control* is the descriptor of the socket for requests, *stages* are in the order of need. Its
    process ends when nobody is left who may ask.
    """

    def __init__(self, control: int, stages: list[Stage]) -> None:
        self._control = socket.socket(fileno=control)
        self._stages = stages
        self._modules = self._in_order()
        self._forked: dict[int, _Forked] = {}
        """By their pidfds."""
        self._poll = select.poll()
        self._poll.register(self._control, select.POLLIN)
        gc.disable()  # a tenth of the time of an import, and modules are no garbage

    def serve(self) -> Callable[[], object]:
        """Load modules, and serve requests. Returns only in forked processes, with what that process has to call."""
        while True:
            is_idle = not self._load_next()
            for descriptor, _ in self._poll.poll(None if is_idle else 0):
                if descriptor != self._control.fileno():
                    self._report_end(descriptor)
                elif (work := self._answer()) is not None:
                    return work

    def _in_order(self) -> Iterator[str]:
        while self._stages:
            yield self._stages[0].key
            yield from self._stages[0].modules
            del self._stages[0]

    def _load_next(self) -> bool:
        """Load a module; returns whether there was one left."""
        name = next(self._modules, None)
        if name is None:
            return False
        with suppress(Exception):  # the process that needs it will say what is wrong
            importlib.import_module(name)
        return True

    def _answer(self) -> Callable[[], object] | None:
        """Answer a request; returns what to call in the process that was forked for it, None in the server."""
        data, descriptors, *_ = socket.recv_fds(
            self._control, _REQUEST_BYTES, _MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
        if not data:
            os._exit(0)
        if (
            not descriptors
        ):  # the server has too many open to be given any, and whoever has asked is told by their end
            return None
        request = Request(*json.loads(data))
        while any(stage.key == request.needs for stage in self._stages) and self._load_next():
            pass
        report, *passed = descriptors
        gc.freeze()  # no collection in a forked process touches, and so copies, the pages that it shares
        try:
            pid = os.fork()
        except OSError:  # too many processes: without a report, whoever has asked knows
            os.close(report)
        else:
            if pid == 0:
                self._leave(passed)
                return partial(_call, request.entry, passed)
            self._note(pid, socket.socket(fileno=report))
        for descriptor in passed:
            os.close(descriptor)
        return None

    def _leave(self, passed: list[int]) -> None:
        """Leave nothing of the server in a forked process: no descriptor but those *passed* to it."""
        for mine in (self._control, *(forked.report for forked in self._forked.values())):
            mine.detach()
        start = _FIRST_BEYOND_STANDARD
        for kept in sorted(passed):
            os.closerange(start, kept)
            start = kept + 1
        os.closerange(start, _BEYOND_ALL)
        gc.enable()

    def _note(self, pid: int, report: socket.socket) -> None:
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:  # too many files are open: nobody would hear of its end
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            report.close()
            return
        self._forked[pidfd] = _Forked(pid, report)
        self._poll.register(pidfd, select.POLLIN)
        with suppress(OSError):  # whoever has asked has gone, and the process will notice
            socket.send_fds(report, [pid.to_bytes(NUMBER_BYTES, "little")], [pidfd])

    def _report_end(self, pidfd: int) -> None:
        ended = self._forked.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status, usage = os.wait4(ended.pid, 0)
        numbers = (os.waitstatus_to_exitcode(status), usage.ru_maxrss * _RSS_BYTES)
        with ended.report, suppress(OSError):
            ended.report.send(b"".join(n.to_bytes(NUMBER_BYTES, "little", signed=True) for n in numbers))


def _end_with(work: Callable[[], object]) -> NoReturn:
    """Call *work* in a forked process, and end that with the exit code that Python would give it."""
    code = 1
    try:
        work()
        code = 0
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    except BaseException:  # noqa: BLE001 - as Python's own end
        sys.excepthook(*sys.exc_info())
    end_process(code)


def _call(entry: str, descriptors: list[int]) -> None:
    module, _, function = entry.partition(":")
    getattr(importlib.import_module(module), function)(*descriptors)
