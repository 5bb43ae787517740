"""An id of this machine. Host names would not do: clones, containers and network namespaces share theirs."""

from __future__ import annotations

import hashlib
import os
import platform
import uuid
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Drawn at each start of the kernel (random(4)): no two clones have the same."""
_SPACES = ("pid", "mnt", "uts")
"""Namespaces of Linux that make a container a machine of its own (namespaces(7))."""
_RANDOM = 1 << 40
"""The bit that marks an address which Python has drawn, as there is no network card (RFC 9562, section 6.10)."""


@cache
def machine_id() -> str:
    """Sixteen hexadecimal digits, the same for all processes of this machine or container until its next start.

    So a process id recorded beside it means the same process, or one that is gone.
    """
    facts = [platform.node(), *map(_space, _SPACES)]
    try:
        facts.append(_BOOT_ID.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError):  # not on Linux: by the address of the network card, if there is one
        card = uuid.getnode()
        facts.append("" if card & _RANDOM else str(card))
    return hashlib.sha256("\n".join(facts).encode("utf-8", "replace")).hexdigest()[:16]


def _space(name: str) -> str:
    try:
        return os.readlink(f"/proc/self/ns/{name}")  # noqa: PTH115 - it leads nowhere
    except OSError:
        return ""
