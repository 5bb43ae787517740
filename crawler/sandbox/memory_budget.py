"""The memory that the child processes of a machine may take together.

What a child needs beyond its allowance is taken from one budget before the work begins, and given back after it. All
processes of a user share it, those of several crawls too: each unit is one byte of a file, and who has a lock on it has
the unit. The system takes locks back from a process that is killed, so nothing is ever lost.

One that wants much does not starve: while it waits, nobody else takes any.
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
"""The byte that one has who waits, or takes. Units come after it."""


CHILD_BYTES = 112 * 2**20
"""What a child takes at most without asking: 48 MiB for the interpreter with its libraries, and its allowance."""


class BudgetShare(NamedTuple):
    """What one process may have of the memory of a machine."""

    children: int
    """How many it may start."""
    budget_bytes: int
    """What those of all processes may take together beyond their allowances."""


def share(total_bytes: int, *, processes: int, most_children: int) -> BudgetShare:
    """Half of *total_bytes* is for children as they are when they are idle, if *processes* have fewer than
    *most_children* each where that is little; the rest is what they may ask for. One child each is the least.
    """
    children = max(1, min(most_children, total_bytes // 2 // (processes * CHILD_BYTES)))
    left_bytes = total_bytes - processes * children * CHILD_BYTES
    return BudgetShare(children, max(left_bytes, CHILD_BYTES))


class Grant:
    """Memory that has been taken; give it back when it is free."""

    def __init__(self, size_bytes: int, give_back: Callable[[], None] = lambda: None) -> None:
        self.size_bytes = size_bytes
        self._give_back = give_back
        self._is_over = False

    def release(self) -> None:
        """May be called twice."""
        if not self._is_over:
            self._is_over = True
            self._give_back()


class _Locks(Protocol):
    """Of the bytes of a file that all processes see; a byte that this process has is not given to it again."""

    def take(self, index: int) -> bool: ...

    def give_back(self, index: int) -> None: ...


class Budget:
    """*total_bytes* to be taken from, in units; safe to be used by several threads.

    The size is this process's own notion: where another has a larger one, they share what both know of.
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
        """How many threads of this process wait for memory right now."""
        return self._waiters

    def take(self, size_bytes: int, *, given_up: Callable[[], bool] = lambda: False) -> Grant | None:
        """*size_bytes*, or all there is if that is less; waits until so much is free. None once *given_up*."""
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
        """Add what is free to *units*; whether these are as many as *wanted*."""
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
    """Whether an attempt has succeeded before it was given up."""
    while not attempt():
        if given_up():
            return False
        time.sleep(_POLL_S)
    return True


class _FileLocks:
    """By open file descriptions (fcntl(2), "Open file description locks"): a thread or a library that opens and closes
    the same file takes nothing away, and a child does not inherit what is closed when it begins.
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
    """Struct flock of Linux, of 64 bits: type, whence, start, length, and a process id that has to be 0."""
    import struct

    return struct.pack("hhqqi4x", kind, os.SEEK_SET, index, 1, 0)


class _NoLocks:
    """Where the system has none: the budget is this process's alone."""

    def take(self, index: int) -> bool:  # noqa: ARG002 - the protocol's
        return True

    def give_back(self, index: int) -> None:
        pass


def _locks(file: Path | None) -> _Locks:
    descriptor = _opened(file) if file is not None else None
    return _NoLocks() if descriptor is None else _FileLocks(descriptor)


def _opened(file: Path) -> int | None:
    """None where there are no such locks, or nowhere to have the file."""
    try:
        from fcntl import F_OFD_SETLK  # noqa: F401 - whether there is one
    except ImportError:
        return None
    try:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        # in a folder for all, somebody else may have put one there first
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
    """Where the processes of this user find each other's locks; None where they can't."""
    if not hasattr(os, "getuid"):
        return None
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_dir():
        return Path(runtime) / "image-crawler" / "memory"
    return Path(tempfile.gettempdir()) / f"image-crawler-{os.getuid()}" / "memory"


def machine_bytes() -> int:
    """The memory that this process may use: of the machine, or of its cgroup or an outer one if that has less."""
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
    """Of a cgroup and of those around it; within a container the outermost that is seen may be its own."""
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
