"""One child process, as its parent sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import spawn
from typing import IO

import msgspec

from crawler.sandbox.inside import (
    BUFFER_BYTES,
    END,
    LAST,
    LENGTH_BYTES,
    NEED,
    NO_MEMORY,
    PART,
    READY,
    SIZE_BYTES,
    Orders,
)

_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]);from crawler.sandbox.inside import main; main()"
)
_END_S = 1.0
_MAX_PART_BYTES = 64 * 2**20
"""One task may hold an image of its page, or a picture in all sizes; and a child may be out of its mind."""
_PIPE_BYTES = 2**20
_SMALL_BYTES = 64 * 1024
_HEAD_BYTES = 1 + LENGTH_BYTES


class OutOfMemoryError(Exception):
    """There was not as much as the work takes."""


class Child:
    """Takes one request at a time. Its methods are for one thread at a time, but for :meth:`kill`."""

    def __init__(self, orders: Orders) -> None:
        self.requests = 0
        self.is_spent = False
        """It takes no more."""
        self.due: float | None = None
        self.overdue = False
        command = [spawn.get_executable(), "-I", "-c", _BOOT]
        theirs, self._lifeline = _lifeline()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [*map(os.fsdecode, command), json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=BUFFER_BYTES,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                pass_fds=theirs,
            )
        except BaseException:
            _close(self._lifeline)
            raise
        finally:
            _close(theirs)
        orders = msgspec.structs.replace(orders, lifeline=theirs[0] if theirs else -1)
        assert self._process.stdin
        assert self._process.stdout
        self._requests: IO[bytes] = self._process.stdin
        self._replies: IO[bytes] = self._process.stdout
        for pipe in (self._requests, self._replies):
            _widen(pipe)
        told = msgspec.json.encode(orders)  # not for everybody to see in the list of processes
        with suppress(OSError):  # is_ready() tells
            self._send(len(told).to_bytes(SIZE_BYTES, "little"), told)

    def is_ready(self) -> bool:
        try:
            return self._replies.read(_HEAD_BYTES)[:1] == READY
        except OSError:
            return False

    def ask(
        self, request: tuple[bytes, ...], *, granted_bytes: int, need: Callable[[int], int]
    ) -> Iterator[bytes]:
        """The parts of its reply. *need* is called with the memory that the work takes in all, and says how much it
        may take. Raises EOFError or OSError if the child dies, OutOfMemoryError.
        """
        self.requests += 1
        numbers = (sum(map(len, request)), granted_bytes)
        self._send(*(number.to_bytes(SIZE_BYTES, "little") for number in numbers), *request)
        while True:
            match self._heard():
                case (what, data) if what == PART:
                    yield data
                case (what, data) if what == NEED:
                    granted = need(int.from_bytes(data, "little"))
                    self._send(granted.to_bytes(SIZE_BYTES, "little"))
                case (what, _) if what in (END, LAST):
                    self.is_spent = what == LAST
                    return
                case (what, _) if what == NO_MEMORY:
                    self.is_spent = True
                    raise OutOfMemoryError
                case _:
                    raise EOFError

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
        """Its exit code, once it has ended; it is given a moment to do so by itself."""
        with suppress(OSError):
            self._requests.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._replies.close()
        _close(self._lifeline)
        self._lifeline = ()
        return self._process.returncode


def said(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _lifeline() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ends of a pipe that nothing is sent by: theirs, and ours, which the system closes when we die. On Linux."""
    if sys.platform != "linux":
        return (), ()
    theirs, ours = os.pipe()
    return (theirs,), (ours,)


def _close(descriptors: tuple[int, ...]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _widen(pipe: IO[bytes]) -> None:
    """Fewer turns for what is large, on Linux."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
