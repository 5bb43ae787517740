"""Linux namespaces for a browser without a network that leaves nothing behind: unshare(2), mount(2), prctl(2).

The functions are for processes with a single thread that have just been forked. They raise OSError for whatever the
system refuses. Only the standard library is used, so that the module can be imported everywhere.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import NamedTuple

NOBODY = 65534

# of <sched.h>, <sys/mount.h>, <linux/mount.h> and <sys/prctl.h>
_NEW_MOUNTS, _NEW_IPC = 0x20000, 0x8000000
_NEW_USERS, _NEW_PIDS, _NEW_NET = 0x10000000, 0x20000000, 0x40000000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_PROGRAMS, _RECURSIVE, _PRIVATE = 1, 2, 4, 8, 0x4000, 1 << 18
_MOUNT_SETATTR, _HERE, _ALL_BELOW = 442, -100, 0x8000
_DEATH_SIGNAL, _SUBREAPER = 1, 36

_SCRATCH_BYTES = 512 * 2**20
"""Size of the memory file system for profile and shared memory. Once it is full, only Chromium's allocations fail."""
_SCRATCH_PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/mnt")  # noqa: S108 - something else is mounted there
_HIDDEN = ("/run", "/var/run")
"""Folders with sockets of name services and machine control, which a network namespace does not hide."""


class Rung(NamedTuple):
    """One level of isolation. Levels are tried in turn, from the most to the least that a system may permit."""

    namespaces: bool = True
    """Own network (without interfaces), mounts and shared memory."""
    own_pids: bool = True
    """Own process ids: all processes end with the first one. Unavailable in containers with a masked /proc."""
    own_users: bool = False
    """In a user namespace, which lets an ordinary user have the others."""
    as_nobody: bool = False
    """As nobody, for root: Chromium's own sandbox does not work for root."""


def rungs() -> tuple[Rung, ...]:
    fences = Rung(namespaces=False, own_pids=False)
    if sys.platform != "linux":
        return (fences,)
    users = (Rung(own_users=True), Rung(own_users=True, own_pids=False))
    if os.geteuid() != 0:
        return (*users, fences)
    return (
        Rung(as_nobody=True),
        Rung(),
        Rung(as_nobody=True, own_pids=False),
        Rung(own_pids=False),
        *users,
        fences._replace(as_nobody=True),
        fences,
    )


def unshare(rung: Rung) -> None:
    """Give the process its own namespaces, all of them; that of processes is for its children. Raises OSError."""
    uid, gid = os.geteuid(), os.getegid()
    flags = _NEW_NET | _NEW_MOUNTS | _NEW_IPC
    flags |= _NEW_PIDS if rung.own_pids else 0
    flags |= _NEW_USERS if rung.own_users else 0
    _checked(_libc().unshare(flags), "unshare")
    if rung.own_users:  # as oneself, unless that is root: Chromium's own sandbox is for everybody else
        inside = (uid or NOBODY, gid or NOBODY)
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{inside[0]} {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{inside[1]} {gid} 1", encoding="ascii")


def furnish(rung: Rung, program: str) -> str:
    """Make the disk read-only, hide the sockets of services, and return the only writable folder, which is in memory.

    *program* stays where it is. For the first process of the new namespaces.
    """
    used = {program, os.path.realpath(program), sys.prefix, sys.base_prefix}
    _mount(None, "/", None, _RECURSIVE | _PRIVATE)
    _change_mounts("/", _ALL_BELOW, add=_READ_ONLY)
    _change_mounts("/proc", 0, remove=_READ_ONLY)  # processes write to their own, to make namespaces
    scratch = next(place for place in _SCRATCH_PLACES if _is_free(place, used))
    owner = f",uid={NOBODY},gid={NOBODY}" if rung.as_nobody else ""
    _mount("scratch", scratch, "tmpfs", _NO_SUID | _NO_DEVICES, f"size={_SCRATCH_BYTES},mode=0700{owner}")
    for place in _HIDDEN:
        if _is_free(place, used) and os.path.realpath(place) == place:
            _mount("hidden", place, "tmpfs", _NO_SUID | _NO_DEVICES | _READ_ONLY, "size=4k")
    if rung.own_pids:
        _mount("proc", "/proc", "proc", _NO_SUID | _NO_DEVICES | _NO_PROGRAMS)
    os.chdir(scratch)
    return scratch


def _is_free(place: str, used: set[str]) -> bool:
    return Path(place).is_dir() and not any(Path(path).is_relative_to(place) for path in used)


def _change_mounts(place: str, flags: int, *, add: int = 0, remove: int = 0) -> None:
    """mount_setattr(2), of Linux 5.12; before it the disk stays as it is."""

    class Attributes(ctypes.Structure):
        _fields_ = tuple((name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "users"))

    wanted = Attributes(add, remove, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(wanted))
    _libc().syscall(_MOUNT_SETATTR, _HERE, place.encode(), flags, ctypes.byref(wanted), size)


def become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def has_user_namespaces(*, as_nobody: bool) -> bool:
    """Whether Chromium's own sandbox works: it needs a user namespace."""
    child = os.fork()
    if child == 0:
        try:
            if as_nobody:
                become_nobody()
            os._exit(_libc().unshare(_NEW_USERS | _NEW_PIDS | _NEW_NET) != 0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def die_with_parent(signal_number: int) -> None:
    """Have the system send this signal when the parent ends. Call it after the last change of users."""
    if sys.platform == "linux":
        _checked(_libc().prctl(_DEATH_SIGNAL, signal_number, 0, 0, 0), "prctl")


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends (PR_SET_CHILD_SUBREAPER)."""
    if sys.platform == "linux":
        _checked(_libc().prctl(_SUBREAPER, 1, 0, 0, 0), "prctl")


def _mount(what: str | None, where: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [None if text is None else text.encode() for text in (what, where, kind, data)]
    _checked(_libc().mount(*texts[:3], ctypes.c_ulong(flags), texts[3]), f"mount {where}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
