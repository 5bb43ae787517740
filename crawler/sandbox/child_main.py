"""The child's side: serves one request after the other, with a limit to the memory and the time of each.

Two pipes carry the protocol. The parent sends the orders, after 8 bytes of length, then requests: three numbers of 8
bytes and what is in the pipe. The numbers are the length of the request if it lies in the shared memory, its length if
it comes through the pipe (the other one is 0), and the memory that may be taken. The child sends messages: one byte for
the kind, 4 bytes of length, the data. The kinds are:

- ``READY``, once, before the first request;
- ``NEED``, with 8 bytes: the memory that the work needs in all. The parent answers with 8 bytes, the memory granted;
- ``PART``: a part of the reply;
- ``END`` or ``LAST``: the reply is complete; after LAST the child takes no more;
- ``NO_MEMORY``: there was not enough, and the child takes no more.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import mmap
import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from crawler.forkserver.server import name_process

READY, NEED, PART, END, LAST, NO_MEMORY = (bytes((code,)) for code in range(1, 7))
SIZE_BYTES = 8
LENGTH_BYTES = 4
SHARED_BYTES = 2**21
"""Size of the memory that a child shares with its parent for requests; larger ones come through the pipe."""
BUFFER_BYTES = 2**17
"""Size of the buffers: most requests and replies are smaller, and take one system call."""
_ORPHAN_GRACE_S = 2.0
"""Seconds beyond the time limit after which a child kills itself. A living parent has killed it by then."""
_LOOK_EVERY = 64
"""Number of requests between two looks at how large the process has become."""

_GC_THRESHOLDS = (100_000, 20, 50)
"""Thresholds of the garbage collector. A page makes thousands of objects, none of them in cycles, all dead a moment
later. With the default threshold of 700 the collector took a tenth of the time. A full collection runs every
_LOOK_EVERY requests.
"""

Room = Callable[[int], int]
"""Called by the work with the bytes of memory that it needs in all, as soon as that is known. Returns the bytes that it
may take: fewer where the machine has no more.
"""
Work = Callable[[bytes], Iterable[bytes]]
"""Takes a request, returns the parts of the reply. If it raises one of SHORT_OF_MEMORY, it is called once more with all
the memory that there is, if that is more. Any other exception ends the child.
"""
SHORT_OF_MEMORY = (MemoryError, SystemError)
"""CPython 3.11 raises SystemError ("error return without exception set") where it gets no memory for a frame."""


class ChildOrders(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a child, sent by its parent before the first request."""

    make: str
    """``module:function``. Called once with *settings* and a Room; returns a Work."""
    settings: str
    """Passed to *make* as it is."""
    timeout_s: float
    """Seconds for one request, not counting the wait for memory."""
    allowance_bytes: int
    """Bytes that a child may take without asking, beyond what it has when it is ready."""
    most_bytes: int
    """Bytes that a child may take at most when it asks."""


def main(lifeline: int = -1, shared_memory: int = -1) -> None:
    """Serve requests, as a process that was started for it; see :func:`serve`."""
    serve(os.dup(0), os.dup(1), lifeline, shared_memory)


def forked(requests: int, replies: int, lifeline: int = -1, shared_memory: int = -1) -> None:
    """Serve requests, as a process of the fork server; see :func:`serve`."""
    serve(requests, replies, lifeline, shared_memory)


def serve(requests: int, replies: int, lifeline: int, shared_memory: int) -> None:
    """Serve requests until the parent closes the pipe or dies.

    The descriptors are those of both pipes, of the pipe for :func:`die_with`, and of the memory of SHARED_BYTES for
    requests; -1 for none.
    """
    for name in ("SIGINT", "SIGTERM"):  # sent to the whole process group, meant for the parent
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):  # C libraries print warnings about files
        os.dup2(nowhere, standard)
    with os.fdopen(requests, "rb", BUFFER_BYTES) as incoming:
        if lifeline >= 0:
            die_with(lifeline)
        told = msgspec.json.decode(_read(incoming, _number(incoming)), type=ChildOrders)
        module, _, function = told.make.partition(":")
        name_process(module.rpartition(".")[2].removesuffix("_main"))
        child = Inside(incoming, replies, told, shared_memory)
        work = getattr(importlib.import_module(module), function)(told.settings, child.room)
        child.settle_down()
        child.serve(work)


class Inside:
    """Serves requests within the orders of its parent."""

    def __init__(
        self, requests: BinaryIO, replies: int, orders: ChildOrders, shared_memory: int = -1
    ) -> None:
        self._requests = requests
        self._replies = replies
        self._orders = orders
        self._memory = Memory(orders.allowance_bytes, orders.most_bytes)
        self._granted_bytes = 0
        self._waiting: list[bytes] = []
        self._shared = None
        if shared_memory >= 0:
            self._shared = mmap.mmap(shared_memory, SHARED_BYTES, access=mmap.ACCESS_READ)
            os.close(shared_memory)  # the map has a descriptor of its own

    def settle_down(self) -> None:
        """Freeze the objects that exist after the imports, set the memory limit, report READY."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        self._memory.limit()
        self._write(READY)

    def serve(self, work: Work) -> None:
        served = 0
        while True:
            try:
                shared_bytes, piped_bytes = _number(self._requests), _number(self._requests)
                self._grant(_number(self._requests))
                if shared_bytes and self._shared is not None:
                    data = self._shared[:shared_bytes]
                else:
                    data = _read(self._requests, piped_bytes)
            except EOFError:
                return
            served += 1
            alarm(self._orders.timeout_s + _ORPHAN_GRACE_S)
            try:
                for part in self._done(work, data):
                    self._write(PART, part)
            except BrokenPipeError:
                return
            except MemoryError:
                alarm(0.0)
                self._waiting.clear()
                self._write(NO_MEMORY)
                return
            del data
            is_last = bool(self._granted_bytes or served % _LOOK_EVERY == 0) and self._memory.has_grown()
            self._grant(0)
            try:
                self._write(LAST if is_last else END)
            except BrokenPipeError:
                return
            if is_last:
                return

    def _done(self, work: Work, data: bytes) -> Iterable[bytes]:
        try:
            parts = work(data)
        except SHORT_OF_MEMORY:
            before = self._granted_bytes
            if self.room(self._orders.most_bytes) <= before:
                raise
            parts = work(data)
        alarm(0.0)  # from here on it may wait for the parent
        return parts

    def room(self, size_bytes: int) -> int:
        """A Room. The time limit starts anew when memory is granted: the wait is not the request's fault."""
        there = max(self._orders.allowance_bytes, self._granted_bytes)
        if size_bytes <= there or there >= self._orders.most_bytes:
            return there
        alarm(0.0)
        self._write(NEED, size_bytes.to_bytes(SIZE_BYTES, "little"))
        try:
            self._grant(_number(self._requests))
        except EOFError:
            os._exit(0)  # the parent has gone
        alarm(self._orders.timeout_s + _ORPHAN_GRACE_S)
        return self._granted_bytes

    def _grant(self, size_bytes: int) -> None:
        if size_bytes != self._granted_bytes:
            self._granted_bytes = size_bytes
            self._memory.allow(size_bytes)

    def _write(self, what: bytes, data: bytes = b"") -> None:
        """Send a message. Small parts wait for the message that completes the reply: each write wakes the parent up."""
        self._waiting += (what, len(data).to_bytes(LENGTH_BYTES, "little"), data)
        if what == PART and sum(map(len, self._waiting)) < BUFFER_BYTES:
            return
        left = memoryview(b"".join(self._waiting))
        self._waiting.clear()
        while left:
            left = left[os.write(self._replies, left) :]


def _number(pipe: BinaryIO) -> int:
    return int.from_bytes(_read(pipe, SIZE_BYTES), "little")


def _read(pipe: BinaryIO, size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data


def alarm(seconds: float) -> None:
    """Kill this process after *seconds*, even inside a library: nobody else ends an orphan. 0 cancels."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)  # SIGALRM kills a process without a handler
    elif seconds:
        faulthandler.dump_traceback_later(seconds, exit=True)  # by a thread that needs no GIL
    else:
        faulthandler.cancel_dump_traceback_later()


def die_with(lifeline: int) -> None:
    """Kill this process as soon as the other end of the pipe is closed, even inside a library (fcntl(2), "Signals").

    A killed parent gives its share of the memory budget back at once. An orphan of 900 MB that went on until its time
    was over, beside the children of the next parent, took the machine's memory twice. PR_SET_PDEATHSIG does not serve:
    it fires when the thread that started the child ends, not the process.
    """
    with suppress(ImportError, AttributeError, OSError):
        import fcntl
        import select

        signal.signal(signal.SIGIO, signal.SIG_DFL)  # the default is to die
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
        if select.select([lifeline], [], [], 0)[0]:
            os._exit(0)  # the parent is gone already


class Memory:
    """Resource limits of this process, where the system has them: address space, no files, no core dumps.

    Linux is asked to kill this process first when the machine is short of memory.
    """

    def __init__(self, allowance_bytes: int, most_bytes: int) -> None:
        self._allowance_bytes = allowance_bytes
        self._most_bytes = most_bytes
        self._own_bytes = 0

    def limit(self) -> None:
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
        self._own_bytes = memory_of().address_space_bytes
        _set_limit("RLIMIT_CORE", 0, 0)
        _set_limit("RLIMIT_FSIZE", 0, 0)
        self.allow(0)

    def allow(self, size_bytes: int) -> None:
        """Allow *size_bytes* of address space beyond the initial size, at least the allowance."""
        if self._own_bytes:
            within = self._own_bytes + max(size_bytes, self._allowance_bytes)
            _set_limit("RLIMIT_AS", within, self._own_bytes + max(self._most_bytes, self._allowance_bytes))

    def has_grown(self) -> bool:
        """Whether the idle process holds more than half of its allowance after a collection."""
        if not self._is_large():
            return False
        gc.collect()
        _trim()
        return self._is_large()

    def _is_large(self) -> bool:
        return (
            self._own_bytes > 0
            and memory_of().address_space_bytes - self._own_bytes > self._allowance_bytes // 2
        )


class MemoryUse(NamedTuple):
    """Memory of a process; 0 where the system does not tell."""

    address_space_bytes: int
    resident_bytes: int


def memory_of(process: int | str = "self") -> MemoryUse:
    """The memory of the process with that id."""
    try:
        pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()
        page_bytes = os.sysconf("SC_PAGE_SIZE")
        return MemoryUse(int(pages[0]) * page_bytes, int(pages[1]) * page_bytes)
    except (OSError, ValueError, IndexError):
        return MemoryUse(0, 0)


def _trim() -> None:
    """Return free memory to the system: glibc keeps it for later."""
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def _set_limit(name: str, soft: int, hard: int) -> None:
    try:
        import resource
    except ImportError:
        return
    with suppress(AttributeError, OSError, ValueError):
        kind = getattr(resource, name)
        highest = resource.getrlimit(kind)[1]
        if highest != resource.RLIM_INFINITY:
            soft, hard = min(soft, highest), min(hard, highest)
        resource.setrlimit(kind, (soft, hard))
