"""What runs in a child process: one request after the other, with limits to what each may take.

Two pipes, and the plainest form. In come the orders, with 8 bytes for their size before them; then requests: 8 bytes
for the size, 8 for the memory that may be taken, then the request itself. Out comes, one after the other, a byte that
says what it is, 4 bytes of length and so many more:

- ``READY``, once, before the first request;
- ``NEED``, with 8 bytes: the work needs so much memory in all. In come 8 bytes, how much it may take;
- ``PART``: some of the reply;
- ``END`` or ``LAST``: the reply is complete; after LAST the child takes no more;
- ``NO_MEMORY``: there was not enough, and the child takes no more.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

READY, NEED, PART, END, LAST, NO_MEMORY = (bytes((code,)) for code in range(1, 7))
SIZE_BYTES = 8
LENGTH_BYTES = 4
BUFFER_BYTES = 2**17
"""What most requests and replies are smaller than: they go over at once."""
_ORPHAN_GRACE_S = 2.0
"""The parent, if there is one, has acted by then."""
_LOOK_EVERY = 64
"""Requests after which a child looks how large it has become."""

_GC_THRESHOLDS = (100_000, 20, 50)
"""A page is thousands of objects, none of them in circles, that are all gone a moment later: to look through them every
700 ones took a tenth of the time. What is left is looked for once in _LOOK_EVERY requests.
"""

Room = Callable[[int], int]
"""To be called with the bytes of memory that the work needs in all, as soon as that is known; returns how many it may
take: fewer where the machine has no more."""
Work = Callable[[bytes], Iterable[bytes]]
"""A request in, the reply out, in parts. It may raise MemoryError: then it is called once more, with all the memory
that there is, if that is more. Whatever else it raises ends the child."""


class ChildOrders(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent says first."""

    make: str
    """``module:function``, which is called once, with *settings* and a Room, and returns a Work."""
    settings: str
    """For it alone to understand."""
    timeout_s: float
    """For one request, not counting the wait for memory."""
    allowance_bytes: int
    """What a child may take beyond what it has when it is ready, without asking."""
    most_bytes: int
    """What it may take when it asks."""
    lifeline: int = -1
    """A pipe's descriptor, see :func:`die_with`; -1 for none."""


def main() -> None:
    """Serve until the parent closes the pipe or has gone, however it went."""
    for name in ("SIGINT", "SIGTERM"):  # meant for the parent, and sent to the whole group
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    requests, replies = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):  # libraries in C write what they think of a file
        os.dup2(nowhere, standard)
    with os.fdopen(requests, "rb", BUFFER_BYTES) as incoming:
        told = msgspec.json.decode(_read(incoming, _number(incoming)), type=ChildOrders)
        if told.lifeline >= 0:
            die_with(told.lifeline)
        module, _, function = told.make.partition(":")
        child = Inside(incoming, replies, told)
        work = getattr(importlib.import_module(module), function)(told.settings, child.room)
        child.settle_down()
        child.serve(work)


class Inside:
    """The child's own view of itself."""

    def __init__(self, requests: BinaryIO, replies: int, orders: ChildOrders) -> None:
        self._requests = requests
        self._replies = replies
        self._orders = orders
        self._memory = Memory(orders.allowance_bytes, orders.most_bytes)
        self._granted_bytes = 0
        self._waiting: list[bytes] = []

    def settle_down(self) -> None:
        """All is imported: what is there now is what an idle child has."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        self._memory.limit()
        self._write(READY)

    def serve(self, work: Work) -> None:
        served = 0
        while True:
            try:
                size = _number(self._requests)
                self._grant(_number(self._requests))
                data = _read(self._requests, size)
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
        except MemoryError:
            before = self._granted_bytes
            if self.room(self._orders.most_bytes) <= before:
                raise
            parts = work(data)
        alarm(0.0)  # from here on it waits for the parent
        return parts

    def room(self, size_bytes: int) -> int:
        """A Room: the time begins anew when there is some, for the wait is nobody's fault."""
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
        """Parts that are small go with what ends them: each message wakes the parent up."""
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
    """Die after *seconds*, even in the midst of a library: nobody else would end an orphan. 0 for not any more."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)  # SIGALRM kills who has no handler for it
    elif seconds:
        faulthandler.dump_traceback_later(seconds, exit=True)  # a thread that needs no interpreter
    else:
        faulthandler.cancel_dump_traceback_later()


def die_with(lifeline: int) -> None:
    """End as soon as nobody has the other end of this pipe, even in the midst of a library (fcntl(2), "Signals").

    A parent that is killed has given its part of the budget back in that moment: an orphan of 900 MB that went on until
    its time was over, beside those of the next parent, took the machine's memory twice. The signal that the system
    sends at a parent's death comes at the death of one of its threads already, and does not serve.
    """
    with suppress(ImportError, AttributeError, OSError):
        import fcntl
        import select

        signal.signal(signal.SIGIO, signal.SIG_DFL)  # which is to die
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
        if select.select([lifeline], [], [], 0)[0]:
            os._exit(0)  # it has gone already


class Memory:
    """The limits of this process, where the system knows such: so much address space, no file and no core dump.

    And when the machine itself is short of memory, Linux shall end this process first.
    """

    def __init__(self, allowance_bytes: int, most_bytes: int) -> None:
        self._allowance_bytes = allowance_bytes
        self._most_bytes = most_bytes
        self._own_bytes = 0

    def limit(self) -> None:
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
        self._own_bytes = _address_space_bytes()
        _set_limit("RLIMIT_CORE", 0, 0)
        _set_limit("RLIMIT_FSIZE", 0, 0)
        self.allow(0)

    def allow(self, size_bytes: int) -> None:
        """So much beyond what it had at first, and at least the allowance."""
        if self._own_bytes:
            within = self._own_bytes + max(size_bytes, self._allowance_bytes)
            _set_limit("RLIMIT_AS", within, self._own_bytes + max(self._most_bytes, self._allowance_bytes))

    def has_grown(self) -> bool:
        """It keeps more than half of its allowance although it has nothing to do."""
        if not self._is_large():
            return False
        gc.collect()
        _trim()
        return self._is_large()

    def _is_large(self) -> bool:
        return self._own_bytes > 0 and _address_space_bytes() - self._own_bytes > self._allowance_bytes // 2


def _address_space_bytes() -> int:
    """0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def _trim() -> None:
    """Have the C library give back what is free: glibc keeps it for later."""
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
