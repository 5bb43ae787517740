"""The side of those who ask: the fork server's owner, its clients, and the processes that it has forked for them."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from crawler.forkserver.server import NUMBER_BYTES, Request, Stage

UNKNOWN = -int(getattr(signal, "SIGKILL", 9))
"""The exit code of a process that has ended after its server: whoever kills servers may have killed it as well."""
OWN_VARIABLES = "IMAGE_CRAWLER_"
"""With this the names of settings begin (``config.ENVIRONMENT_PREFIX``, which takes longer to import than to say)."""
_BOOT = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from crawler.forkserver.server import main; main()"
_ANSWER_S = 30.0
"""Seconds until a server passes for gone. It may have a second of imports before it, on a machine that is busy."""
_REPORT_S = 2.0
_END_S = 2.0
_INTERRUPTS = {signal.SIGINT, signal.SIGTERM}


class NotForkedError(Exception):
    """The fork server has forked no process: it has been killed, or there are too many processes."""


class ForkServer:
    """A fork server that loads *stages* in their order; ends with ``close``, or with all who hold its client."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        arguments = [json.dumps(sys.path), json.dumps([theirs.fileno(), *stages])]
        with theirs, interrupts_held():
            try:
                process = subprocess.Popen(  # noqa: S603 - our own interpreter
                    [*_python(), "-c", _BOOT, *arguments],
                    stdin=subprocess.DEVNULL,
                    env=environment(),
                    pass_fds=(theirs.fileno(),),
                )
            except BaseException:
                ours.close()
                raise
        self.client = ForkClient(ours)
        self.pid = process.pid
        self._end = weakref.finalize(self, _end, ours, process)

    def close(self) -> None:
        """End the server; what it has forked goes on. May be called twice."""
        self._end()


def started(stages: Sequence[Stage]) -> ForkServer | None:
    """A fork server; None where the system has no pidfds, or has no room for one more process."""
    if not (hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal")):
        return None
    try:
        os.close(os.pidfd_open(os.getpid()))  # not in every container
        return ForkServer(stages)
    except OSError:
        return None


def _python() -> list[str]:
    """The command of this interpreter, with its own flags, as multiprocessing has it; which takes 5 ms to import."""
    spawn = sys.modules.get("multiprocessing.spawn")
    program = sys.executable if spawn is None else spawn.get_executable()  # a program may have set it
    flags: list[str] = getattr(subprocess, "_args_from_interpreter_flags")()  # noqa: B009
    return [os.fsdecode(program), *flags]


def environment() -> dict[str, str]:
    """The environment for children: without the variables of this program, which the command has read. Some are
    secrets, and a decoder might be taken over.
    """
    return {name: text for name, text in os.environ.items() if not name.startswith(OWN_VARIABLES)}


def _end(control: socket.socket, process: subprocess.Popen[bytes]) -> None:
    control.close()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class ForkClient:
    """Asks a fork server for processes; for several threads. A process passes it on by its ``fileno``."""

    def __init__(self, control: socket.socket) -> None:
        control.settimeout(_ANSWER_S)
        self._control = control

    def fileno(self) -> int:
        return self._control.fileno()

    def fork(self, entry: str, *descriptors: int, needs: str) -> ForkedProcess:
        """A process that calls *entry*, ``module:function``, with copies of *descriptors*, and has no others open.

        *needs* is the key of the stage whose modules it needs. Raises NotForkedError.
        """
        request = json.dumps(Request(entry, needs)).encode()
        report, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                socket.send_fds(self._control, [request], [theirs.fileno(), *descriptors])
            report.settimeout(_ANSWER_S)
            pid, pidfds, *_ = socket.recv_fds(report, NUMBER_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
        except OSError as exc:
            report.close()
            if isinstance(exc, TimeoutError):
                self._control.close()  # nobody else waits for so long
            raise NotForkedError("the fork server does not answer") from exc
        if not pidfds:
            report.close()
            raise NotForkedError("the fork server has not forked")
        return ForkedProcess(int.from_bytes(pid, "little"), pidfds[0], report.detach())


class ForkedProcess:
    """A process that a fork server has forked; no child of this one.

    A pidfd stands for it: it tells of the end even when the server has been killed, and a signal never hits another
    process that has got its number.
    """

    def __init__(self, pid: int, pidfd: int, report: int) -> None:
        self.pid = pid
        self._pidfd = pidfd
        self._report = report
        self.peak_bytes = 0
        """The most memory that it had at a time, once *exitcode* is known; 0 if nobody can tell."""
        self._exitcode: int | None = None
        self._mutex = threading.Lock()
        # not at the interpreter's exit, where others who hold this may still kill it
        weakref.finalize(self, _close, pidfd, report).atexit = False

    @property
    def exitcode(self) -> int | None:
        """None while it runs; negative for the signal that killed it; UNKNOWN if nobody can tell."""
        with self._mutex:
            if self._exitcode is None and _is_readable(self._pidfd, 0.0):
                self._exitcode = self._reported()
            return self._exitcode

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, for *timeout* seconds at most."""
        _is_readable(self._pidfd, timeout)

    def kill(self) -> None:
        with self._mutex:
            if self._exitcode is None:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _reported(self) -> int:
        """The exit code, which the server knows a moment later, as it does the peak."""
        report = os.read(self._report, 2 * NUMBER_BYTES) if _is_readable(self._report, _REPORT_S) else b""
        if not report:
            return UNKNOWN
        self.peak_bytes = int.from_bytes(report[NUMBER_BYTES:], "little")
        return int.from_bytes(report[:NUMBER_BYTES], "little", signed=True)


def _is_readable(descriptor: int, timeout_s: float | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if timeout_s is None else 1000 * timeout_s))


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Block SIGINT and SIGTERM while a child starts: it inherits that, so that none can hit it half-way."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
