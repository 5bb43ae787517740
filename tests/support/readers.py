"""A reader that fails in its own ways: what a document says is what it does."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from crawler.harvest import reader_main
from crawler.sandbox.child_main import Room, Work

FAULTS = f"{__name__}:make"


def make(settings: str, room: Room) -> Work:
    read = reader_main.make(settings, room)

    def work(data: bytes) -> Iterable[bytes]:
        word = data.rpartition(b"<!--")[2].removesuffix(b"-->")
        match word:
            case b"hang":
                while True:
                    pass
            case b"segfault":
                ctypes.string_at(0)
            case b"exit":
                os._exit(7)
            case b"memory":
                eaten = []
                while True:
                    eaten.append(bytearray(2**24))
            case b"nonsense":
                return (b"\xc1",)
            case b"half":
                return _half(read(data))
        return read(data)

    return work


def _half(parts: Iterable[bytes]) -> Iterable[bytes]:
    yield next(iter(parts))
    os._exit(7)
