"""Decoders that fail in their own ways: what the bytes say is what they do. For ``Decoders(decode=…)``."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from crawler.download.formats import ImageInfo
from crawler.errors import CorruptImage

HEAD = b"GIF89a"
"""With which the parent passes anything on."""
FAULTS, HOARDING = f"{__name__}:decode", f"{__name__}:hoard"


def dhash(word: str) -> str:
    """What stands for a word, in the place of a picture's looks."""
    return word.encode().hex()[:16].rjust(16, "0")


OK = dhash("ok")


def decode(data: bytes, *, max_pixels: int, room: Callable[[int], int]) -> ImageInfo:  # noqa: C901, PLR0912 - a list of faults
    word, _, rest = data.removeprefix(HEAD).decode(errors="replace").partition(" ")
    match word:
        case "hang":
            while True:
                time.sleep(1)
        case "segfault":
            ctypes.string_at(0)
        case "full":  # a library that is given less than it needs, or that crashes in any case
            eaten_bytes, _, needed_bytes = rest.partition(" ")
            eaten = b"x" * int(eaten_bytes)
            if room(0) < int(needed_bytes or 2**60):
                ctypes.string_at(id(eaten) * 0)
        case "frame":
            raise SystemError("error return without exception set")
        case "exit":
            os._exit(7)
        case "memory":
            hoarded = []
            while True:
                hoarded.append(bytearray(64 * 2**20))
        case "room":
            asked, _, taken = rest.partition(" ")
            granted = room(int(asked))
            bytearray(int(taken))
            return ImageInfo(format="gif", extension="gif", width_px=granted, height_px=os.getpid(), frames=1)
        case "write":
            try:
                Path(rest).write_bytes(b"x")
            except OSError as exc:
                raise CorruptImage(type(exc).__name__) from exc
        case "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
        case "chatter":
            os.write(1, b"warning: " * 10)
            os.write(2, b"warning: " * 10)
        case "refuse":
            raise CorruptImage("as told")
        case "lie":
            name, _, extension = rest.partition(" ")
            return ImageInfo(format=name, extension=extension, width_px=1, height_px=1, frames=1)
        case "raise":
            raise ZeroDivisionError
    return ImageInfo(
        format="gif", extension="gif", width_px=len(data), height_px=os.getpid(), frames=1, dhash=dhash(word)
    )


_HOARD: list[bytearray] = []


def hoard(data: bytes, *, max_pixels: int, room: Callable[[int], int]) -> ImageInfo:
    """Takes what it asks for, and keeps it."""
    room(80 * 2**20)
    _HOARD.append(bytearray(30 * 2**20))
    return ImageInfo(
        format="gif", extension="gif", width_px=len(data), height_px=os.getpid(), frames=max_pixels
    )
