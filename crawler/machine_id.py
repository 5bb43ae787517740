"""Which machine this is, told from others of its name: clones, containers and network namespaces share theirs."""

from __future__ import annotations

import hashlib
import os
import platform
import uuid
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Drawn at each start of a kernel (random(4)): no two clones have the same."""
_SPACES = ("pid", "mnt", "uts")
"""Linux's namespaces that make a machine of its own, to those in it (namespaces(7))."""
_RANDOM = 1 << 40
"""A bit that no network card's address has, and that Python sets in one that it draws (RFC 9562, section 6.10)."""


@cache
def machine_id() -> str:
    """Sixteen hexadecimal digits, the same for all processes of this machine, or of this container of it.

    Until it is started again: a process id that was seen beside it means the same process, or one that is gone.
    """
    facts = [platform.node(), *map(_space, _SPACES)]
    try:
        facts.append(_BOOT_ID.read_text(encoding="ascii"))
    except (
        OSError,
        UnicodeDecodeError,
    ):  # another system than Linux: by its network card, if that can be had
        card = uuid.getnode()
        facts.append("" if card & _RANDOM else str(card))
    return hashlib.sha256("\n".join(facts).encode("utf-8", "replace")).hexdigest()[:16]


def _space(name: str) -> str:
    try:
        return os.readlink(f"/proc/self/ns/{name}")  # noqa: PTH115 - it leads nowhere
    except OSError:
        return ""
