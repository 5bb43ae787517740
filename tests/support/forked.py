"""What runs in processes of a fork server, in tests."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from crawler.sandbox.child_main import Work

HERE = __name__
MARK = 0x5A
"""What a text is XORed with that is to be sought: it stands nowhere as it is, but where it was kept."""


def tells(out: int) -> None:
    """Writes what this process is made of."""
    os.write(
        out,
        json.dumps(
            {
                "pid": os.getpid(),
                "parent": os.getppid(),
                "open": sorted(int(name) for name in os.listdir("/proc/self/fd") if _is_open(int(name))),  # noqa: PTH208
                "stdin": str(Path("/proc/self/fd/0").readlink()),
                "modules": [name for name in sys.modules if name.startswith(("crawler", "tests", "no"))],
                "threads": threading.active_count(),
                "ignored": [number for number in (2, 15) if signal.getsignal(number) is signal.SIG_IGN],
                "random": __import__("random").random(),
            }
        ).encode(),
    )


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:  # that of the listing itself
        return False
    return True


def ends(out: int, word: int) -> None:
    """Ends as it reads."""
    os.close(out)
    match os.read(word, 10).decode():
        case "":
            return
        case "error":
            raise ValueError
        case text if int(text) < 0:
            os.kill(os.getpid(), -int(text))
            time.sleep(60)
        case text:
            sys.exit(int(text))


def waits(out: int) -> None:
    os.write(out, b"here")
    time.sleep(600)


def make(settings: str, room: Callable[[int], int]) -> Work:
    """A work that keeps a text, or counts how often it stands in the memory of its process."""
    kept = []

    def work(data: bytes) -> Iterable[bytes]:
        word, _, text = data.partition(b" ")
        plain = bytes(letter ^ MARK for letter in text)
        if word == b"keep":
            kept.append(plain)
            return (b"kept",)
        own = id(plain)
        return (str(sum(_count(start, end, plain, own) for start, end in _regions())).encode(),)

    return work


def _regions() -> Iterable[tuple[int, int]]:
    for line in Path("/proc/self/maps").read_text(encoding="ascii").splitlines():
        place, rights, *_ = line.split()
        if rights.startswith("rw"):
            start, _, end = place.partition("-")
            yield int(start, 16), int(end, 16)


def _count(start: int, end: int, sought: bytes, own: int) -> int:
    """How often *sought* stands there, but for the object at *own*; a piece at a time, kept in one buffer."""
    found, step = 0, 2**20
    with open("/proc/self/mem", "rb", 0) as memory:  # noqa: PTH123 - without a buffer, which would be a copy
        for at in range(start, end, step):
            memory.seek(at)
            try:
                piece = memory.read(min(step, end - at))
            except OSError:
                continue
            begin = piece.find(sought)
            while begin >= 0:
                found += not own <= at + begin < own + 200
                begin = piece.find(sought, begin + 1)
            del piece
    return found
