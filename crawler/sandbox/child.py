"""The parent's side of one child process."""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import spawn
from typing import IO, Protocol

import msgspec

from crawler.forkserver.client import ForkClient, NotForkedError, environment
from crawler.sandbox.child_main import (
    BUFFER_BYTES,
    END,
    LAST,
    LENGTH_BYTES,
    NEED,
    NO_MEMORY,
    PART,
    READY,
    SHARED_BYTES,
    SIZE_BYTES,
    ChildOrders,
    memory_of,
)

_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]);"
    "from crawler.sandbox.child_main import main; main(*map(int, sys.argv[2:]))"
)
_FORKED = "crawler.sandbox.child_main:forked"
_END_S = 1.0
_MAX_PART_BYTES = 64 * 2**20
"""Limit for one message. A task may hold an image of its page, or a picture in all sizes; a child may send anything."""
_MAX_REPLY_BYTES = 2**30
"""Limit for all parts of a reply. An honest reply has a few times the bytes of its document, and the parent holds it.
"""
_PIPE_BYTES = 2**20
_SMALL_BYTES = 64 * 1024
_HEAD_BYTES = 1 + LENGTH_BYTES


class OutOfMemoryError(Exception):
    """The work takes more memory than there is."""


class _Process(Protocol):
    """A process of the fork server, or one of subprocess."""

    @property
    def pid(self) -> int: ...
    @property
    def peak_bytes(self) -> int: ...
    @property
    def exitcode(self) -> int | None: ...
    def join(self, timeout: float | None = None) -> None: ...
    def kill(self) -> None: ...


class Child:
    """A child process that takes one request at a time. Only :meth:`kill` may be called by several threads.

    *forks* is the fork server to ask for it; without one it starts Python for itself.
    """

    def __init__(self, orders: ChildOrders, forks: ForkClient | None = None) -> None:
        self.requests = 0
        self.is_spent = False
        """The child ends by itself and takes no further request."""
        self.due: float | None = None
        self.overdue = False
        self.allowed_bytes = 0
        """What the last request might take of memory, beyond what the child had when it was ready."""
        self._allowance_bytes = orders.allowance_bytes
        self._ready_bytes = 0
        self._lifeline = Lifeline()
        self._shared = SharedMemory()
        requests, ours = os.pipe()
        theirs, replies = os.pipe()
        self._requests: IO[bytes] = os.fdopen(ours, "wb", 0)
        self._replies: IO[bytes] = os.fdopen(theirs, "rb", BUFFER_BYTES)
        try:
            self._process = self._forked(orders, requests, replies, forks) or self._spawned(requests, replies)
        except BaseException:
            self._requests.close()
            self._replies.close()
            self._lifeline.close()
            self._shared.close()
            raise
        finally:
            os.close(requests)
            os.close(replies)
        self._lifeline.hand_over()
        for pipe in (self._requests, self._replies):
            _widen(pipe)
        told = msgspec.json.encode(orders)  # not as arguments, which all users can see
        with suppress(OSError):  # is_ready() tells
            self._send(len(told).to_bytes(SIZE_BYTES, "little"), told)

    def _passed(self) -> tuple[int, ...]:
        """The descriptors that a child has besides its pipes: arguments of :func:`.child_main.serve`."""
        return (*self._lifeline.passed, *self._shared.passed)

    def _forked(
        self, orders: ChildOrders, requests: int, replies: int, forks: ForkClient | None
    ) -> _Process | None:
        if forks is None:
            return None
        needs = orders.make.partition(":")[0]
        try:
            return forks.fork(_FORKED, requests, replies, *self._passed(), needs=needs)
        except NotForkedError:
            return None

    def _spawned(self, requests: int, replies: int) -> _Process:
        command = [spawn.get_executable(), "-I", "-c", _BOOT]
        passed = self._passed()
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [*map(os.fsdecode, command), json.dumps(sys.path), *map(str, passed)],
            stdin=requests,
            stdout=replies,
            env=environment(),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            pass_fds=passed,
        )
        return _Spawned(process)

    def is_ready(self) -> bool:
        try:
            is_ready = self._replies.read(_HEAD_BYTES)[:1] == READY
        except OSError:
            return False
        self._ready_bytes = memory_of(self._process.pid).resident_bytes
        return is_ready

    def ask(
        self, request: tuple[bytes, ...], *, granted_bytes: int, need: Callable[[int], int]
    ) -> Iterator[bytes]:
        """The parts of the reply to *request*.

        *need* is called with the bytes of memory that the work takes in all, and returns how many it may take. Raises
        EOFError or OSError if the child dies, OutOfMemoryError.
        """
        self.requests += 1
        self._allow(granted_bytes)
        shared_bytes = self._shared.write(request)
        piped = () if shared_bytes else request
        numbers = (shared_bytes, sum(map(len, piped)), granted_bytes)
        self._send(*(number.to_bytes(SIZE_BYTES, "little") for number in numbers), *piped)
        size_bytes = 0
        while True:
            match self._heard():
                case (what, data) if what == PART:
                    size_bytes += len(data) + _HEAD_BYTES
                    if size_bytes > _MAX_REPLY_BYTES:
                        raise EOFError
                    yield data
                case (what, data) if what == NEED:
                    granted = need(int.from_bytes(data, "little"))
                    self._allow(granted)
                    self._send(granted.to_bytes(SIZE_BYTES, "little"))
                case (what, _) if what in (END, LAST):
                    self.is_spent = what == LAST
                    return
                case (what, _) if what == NO_MEMORY:
                    self.is_spent = True
                    raise OutOfMemoryError
                case _:
                    raise EOFError

    def _allow(self, granted_bytes: int) -> None:
        self.allowed_bytes = max(self._allowance_bytes, granted_bytes)

    def _send(self, *parts: bytes) -> None:
        small = b"".join(part for part in parts if len(part) <= _SMALL_BYTES)
        if len(small) == sum(map(len, parts)):
            parts = (small,)
        for part in parts:
            left = memoryview(part)
            while left:
                left = left[os.write(self._requests.fileno(), left) :]

    def _heard(self) -> tuple[bytes, bytes]:
        head = self._replies.read(_HEAD_BYTES)
        length = int.from_bytes(head[1:], "little")
        if len(head) < _HEAD_BYTES or length > _MAX_PART_BYTES:
            raise EOFError
        data = self._replies.read(length) if length else b""
        if len(data) < length:
            raise EOFError
        return head[:1], data

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> int:
        """End the child and return its exit code. It has _END_S seconds to end by itself."""
        with suppress(OSError):
            self._requests.close()
        self._process.join(_END_S)
        while (code := self._process.exitcode) is None:
            self._process.kill()
            self._process.join()
        self._replies.close()
        self._lifeline.close()
        self._shared.close()
        return code

    def was_full(self) -> bool:
        """Whether the ended child had taken, for its only request, half of what it might, or more.

        A library in C, and Python here and there, crashes where an allocation fails: so may a list that is to double.
        """
        taken_bytes = self._process.peak_bytes - self._ready_bytes
        return self.requests == 1 and self._ready_bytes > 0 and taken_bytes >= self.allowed_bytes // 2


class _Spawned:
    """A process of subprocess, in the terms of multiprocessing's."""

    peak_bytes = 0
    """Nobody tells."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid
        self.kill = process.kill

    @property
    def exitcode(self) -> int | None:
        return self._process.poll()

    def join(self, timeout: float | None = None) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)


class SharedMemory:
    """Memory in which a child finds its request: through a pipe 100 KB took the parent 0.05 ms, and the child as much.

    Linux only (memfd_create(2)), and for requests of up to SHARED_BYTES; all others go through the pipe. The child may
    write to it as well: the parent never reads it.
    """

    def __init__(self) -> None:
        self._memory: mmap.mmap | None = None
        self.passed: tuple[int, ...] = ()
        """The descriptor that the child inherits, if there is such memory."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("request")
            self.passed = (descriptor,)
            os.ftruncate(descriptor, SHARED_BYTES)
            self._memory = mmap.mmap(descriptor, SHARED_BYTES)

    def write(self, parts: tuple[bytes, ...]) -> int:
        """Write *parts* one behind the other; returns their length, 0 if they have to go through the pipe."""
        length = sum(map(len, parts))
        if self._memory is None or length > SHARED_BYTES:
            return 0
        at = 0
        for part in parts:
            self._memory[at : at + len(part)] = part
            at += len(part)
        return length

    def close(self) -> None:
        if self._memory is not None:
            self._memory.close()
            os.close(self.passed[0])
            self._memory = None


class Lifeline:
    """A pipe that carries no data: when the parent dies, the system closes its end, and the child dies too.

    See :func:`.child_main.die_with`. Linux only. The ends are file objects: closing one twice never closes a descriptor
    that another thread has opened meanwhile.
    """

    def __init__(self) -> None:
        self._files: tuple[IO[bytes], ...] = ()
        if sys.platform == "linux":
            theirs, ours = os.pipe()
            self._files = (os.fdopen(theirs, "rb", 0), os.fdopen(ours, "wb", 0))
        self.passed = tuple(file.fileno() for file in self._files[:1])
        """The descriptor that the child inherits, if there is a pipe."""

    def hand_over(self) -> None:
        """Close the child's end here, once the child has inherited it."""
        for file in self._files[:1]:
            file.close()

    def close(self) -> None:
        for file in self._files:
            file.close()


def _widen(pipe: IO[bytes]) -> None:
    """Enlarge a pipe's buffer on Linux, so that a large message takes fewer switches."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
