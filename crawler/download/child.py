"""One decoder, from its parent's side: a child process and two pipes.

It is started as a plain subprocess and not by multiprocessing: it needs nothing of its parent but the pipes, whose
other ends nobody else has, so that a parent killed in any way is an end of file to its child. Nor is the caller's main
module any concern of it. ``-I`` keeps the environment and the current folder out; the search path is the parent's,
given in so many words, so that both have the same code, wherever it was installed or found.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from multiprocessing import spawn
from typing import IO

import msgspec

from crawler.download.info import Verdict
from crawler.download.sandbox import LENGTH_BYTES, READY, SIZE_BYTES, TAKEN, Orders

_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]);"
    "from crawler.download.sandbox import main; main(sys.argv[2])"
)
_END_S = 1.0
_MAX_VERDICT_BYTES = 64 * 1024
_PIPE_BYTES = 2**20


class Decoder:
    """A child process, from the parent's side."""

    def __init__(self, orders: Orders) -> None:
        self.images = 0
        self.has_it = False
        """It has read all of the image that it was given last."""
        self.due: float | None = None
        self.overdue = False
        command = [spawn.get_executable(), "-I", "-c", _BOOT]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [*map(os.fsdecode, command), json.dumps(sys.path), msgspec.json.encode(orders).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        assert self._process.stdin
        assert self._process.stdout
        self._requests: IO[bytes] = self._process.stdin
        self._replies: IO[bytes] = self._process.stdout
        _widen(self._requests)

    def is_ready(self) -> bool:
        try:
            return self._replies.read(1) == READY
        except OSError:
            return False

    def verdict(self, data: bytes) -> Verdict:
        """Raises EOFError or OSError if it dies, MsgspecError for what is none."""
        self.has_it = False
        self.images += 1
        for part in (len(data).to_bytes(SIZE_BYTES, "little"), data):
            left = memoryview(part)
            while left:
                left = left[os.write(self._requests.fileno(), left) :]
        if self._replies.read(1) != TAKEN:
            raise EOFError
        self.has_it = True
        header = self._replies.read(LENGTH_BYTES)
        length = int.from_bytes(header, "little")
        if len(header) < LENGTH_BYTES or length > _MAX_VERDICT_BYTES:
            raise EOFError
        return msgspec.json.decode(self._replies.read(length), type=Verdict)

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
        return self._process.returncode


def said(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _widen(pipe: IO[bytes]) -> None:
    """Fewer turns for a large image, on Linux."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
