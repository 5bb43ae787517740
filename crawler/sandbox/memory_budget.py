"""The memory budget that the child processes of a machine share.

A child takes what it needs beyond its allowance from one budget before the work begins, and gives it back afterwards.
All processes of a user share the budget, across crawls: it is a file of which each byte stands for one unit, and a lock
on the byte holds the unit. The system releases the locks of a process that is killed, so no unit is ever lost.

A large request does not starve: while it waits, nobody else takes any unit.
"""

from __future__ import annotations

import os
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

UNIT_BYTES = 16 * 2**20
_POLL_S = 0.02
_QUEUE = 0
"""Byte whose lock the one process holds that waits or takes. The units come after it."""


CHILD_BYTES = 112 * 2**20
"""Bytes that a child takes at most without asking: 48 MiB for the interpreter with its libraries, and its allowance."""


class BudgetShare(NamedTuple):
    """The share of one process in the memory of a machine."""

    children: int
    """Number of child processes that it may start."""
    budget_bytes: int
    """Bytes that the children of all processes may take together beyond their allowances."""


def share(total_bytes: int, *, processes: int, most_children: int) -> BudgetShare:
    """Split *total_bytes* among *processes*: up to half for idle children, the rest for the budget.

    Each process gets *most_children*, or fewer where memory is short, at least one.
    """
    children = max(1, min(most_children, total_bytes // 2 // (processes * CHILD_BYTES)))
    left_bytes = total_bytes - processes * children * CHILD_BYTES
    return BudgetShare(children, max(left_bytes, CHILD_BYTES))


class Grant:
    """Memory that was taken from a Budget, until ``release``."""

    def __init__(self, size_bytes: int, give_back: Callable[[], None] = lambda: None) -> None:
        self.size_bytes = size_bytes
        self._give_back = give_back
        self._is_over = False

    def release(self) -> None:
        """Give the memory back; may be called twice."""
        if not self._is_over:
            self._is_over = True
            self._give_back()


class _Locks(Protocol):
    """Locks on the bytes of a file that all processes see; a byte that this process holds is not granted again."""

    def take(self, index: int) -> bool: ...

    def give_back(self, index: int) -> None: ...


class Budget:
    """A budget of *total_bytes*, taken in units; safe to be used by several threads.

    The size is local to this process. Processes with budgets of different sizes share the units that both know of.
    """

    def __init__(self, total_bytes: int, *, file: Path | None = None) -> None:
        self._units = max(1, total_bytes // UNIT_BYTES)
        self._mutex = threading.Lock()
        self._queue = threading.Lock()
        self._mine: set[int] = set()
        self._waiters = 0
        self._locks = _locks(file)

    @property
    def total_bytes(self) -> int:
        return self._units * UNIT_BYTES

    def waiters(self) -> int:
        """Number of threads of this process that wait for memory now."""
        return self._waiters

    def take(self, size_bytes: int, *, given_up: Callable[[], bool] = lambda: False) -> Grant | None:
        """Take *size_bytes*, or the whole budget if that is less; waits until so much is free. None once *given_up*."""
        with self._mutex:
            self._waiters += 1
        try:
            return self._take(size_bytes, given_up)
        finally:
            with self._mutex:
                self._waiters -= 1

    def _take(self, size_bytes: int, given_up: Callable[[], bool]) -> Grant | None:
        wanted = min(-(-size_bytes // UNIT_BYTES), self._units)
        units: list[int] = []
        if not _until(lambda: self._queue.acquire(timeout=_POLL_S), given_up):
            return None
        try:
            if not _until(lambda: self._locks.take(_QUEUE), given_up):
                return None
            try:
                enough = _until(lambda: self._take_some(units, wanted), given_up)
            finally:
                self._locks.give_back(_QUEUE)
        except BaseException:
            self._give_back(units)
            raise
        finally:
            self._queue.release()
        if not enough:
            self._give_back(units)
            return None
        return Grant(wanted * UNIT_BYTES, lambda: self._give_back(units))

    def _take_some(self, units: list[int], wanted: int) -> bool:
        """Add free units to *units*; returns whether there are *wanted* of them."""
        with self._mutex:
            for index in range(1, self._units + 1):
                if len(units) == wanted:
                    break
                if index not in self._mine and self._locks.take(index):
                    units.append(index)
                    self._mine.add(index)
        return len(units) == wanted

    def _give_back(self, units: list[int]) -> None:
        with self._mutex:
            for index in units:
                self._locks.give_back(index)
            self._mine.difference_update(units)
        units.clear()


def _until(attempt: Callable[[], bool], given_up: Callable[[], bool]) -> bool:
    """Repeat *attempt*; returns whether it succeeded before it was given up."""
    while not attempt():
        if given_up():
            return False
        time.sleep(_POLL_S)
    return True


class _FileLocks:
    """Locks of open file descriptions (fcntl(2), "Open file description locks").

    Unlike POSIX locks they survive a thread or a library that opens and closes the same file, and a child that closes
    its descriptor when it starts does not hold them.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def take(self, index: int) -> bool:
        import fcntl

        try:
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _flock(fcntl.F_WRLCK, index))
        except (BlockingIOError, PermissionError):
            return False
        return True

    def give_back(self, index: int) -> None:
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _flock(fcntl.F_UNLCK, index))


def _flock(kind: int, index: int) -> bytes:
    """The ``struct flock`` of 64-bit Linux: type, whence, start, length, and a process id that has to be 0."""
    import struct

    return struct.pack("hhqqi4x", kind, os.SEEK_SET, index, 1, 0)


class _NoLocks:
    """For systems without such locks: the budget is this process's alone."""

    def take(self, index: int) -> bool:  # noqa: ARG002 - the protocol's
        return True

    def give_back(self, index: int) -> None:
        pass


def _locks(file: Path | None) -> _Locks:
    descriptor = _opened(file) if file is not None else None
    return _NoLocks() if descriptor is None else _FileLocks(descriptor)


def _opened(file: Path) -> int | None:
    """The descriptor of the lock file; None where there are no such locks, or no folder for the file."""
    try:
        from fcntl import F_OFD_SETLK  # noqa: F401 - whether there is one
    except ImportError:
        return None
    try:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        # in a shared folder, another user may have created it first
        about = file.parent.lstat()
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
            return None
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        locks = _FileLocks(descriptor)
        probe = locks.take(2**40)
    except OSError:
        return None
    if probe:
        locks.give_back(2**40)
    return descriptor


def shared_file() -> Path | None:
    """Path of the lock file that the processes of this user share; None where there are no users."""
    if not hasattr(os, "getuid"):
        return None
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_dir():
        return Path(runtime) / "image-crawler" / "memory"
    return Path(tempfile.gettempdir()) / f"image-crawler-{os.getuid()}" / "memory"


def machine_bytes() -> int:
    """Bytes of memory that this process may use: those of the machine, its cgroup or an outer cgroup, whichever is
    least.
    """
    found = [_physical_bytes()]
    with suppress(OSError):
        for line in _text(Path("/proc/self/cgroup")).splitlines():
            number, _, rest = line.partition(":")
            controllers, _, group = rest.partition(":")
            if number == "0" and not controllers:
                found += _limits(Path("/sys/fs/cgroup"), group, "memory.max")
            elif "memory" in controllers.split(","):
                found += _limits(Path("/sys/fs/cgroup/memory"), group, "memory.limit_in_bytes")
    return min(found)


def _limits(root: Path, group: str, name: str) -> list[int]:
    """The limits of a cgroup and its ancestors. In a container the outermost visible one may be its own."""
    limits = []
    place = root / group.lstrip("/")
    for folder in (place, *place.parents):
        if folder.is_relative_to(root):
            with suppress(OSError, ValueError):  # "max" is no limit
                limits.append(int(_text(folder / name)))
    return [limit for limit in limits if limit > 0]


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii", errors="replace")


_UNKNOWN_BYTES = 4 * 2**30


def _physical_bytes() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN_BYTES
