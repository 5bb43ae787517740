"""What runs in a decoder's process: one image after the other, with limits to what each may take.

In come requests, out go verdicts, on two pipes and in the plainest form: 8 bytes that say how many follow, then
these; back a byte for "I have it", 4 bytes of length, and a Verdict as JSON. See :mod:`crawler.download.decoder`.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from crawler.download.info import ImageInfo, Verdict
from crawler.errors import Rejection

READY = TAKEN = b"\1"
SIZE_BYTES = 8
LENGTH_BYTES = 4
_ORPHAN_GRACE_S = 2.0
"""The parent, if there is one, has acted by then."""


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent says on the command line."""

    decode: str
    """``module:function``, which takes the bytes and ``max_pixels``; returns an ImageInfo or raises a Rejection."""
    max_pixels: int
    timeout_s: float
    memory_bytes: int


def main(orders: str) -> None:
    """Serve until the parent closes the pipe or has gone, however it went."""
    for name in ("SIGINT", "SIGTERM"):  # meant for the parent, and sent to the whole group
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    told = msgspec.json.decode(orders, type=Orders)
    module, _, function = told.decode.partition(":")
    decode = getattr(importlib.import_module(module), function)
    requests, replies = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):  # libraries in C write what they think of a file
        os.dup2(nowhere, standard)
    _limit(told.memory_bytes)
    _write(replies, READY)
    with os.fdopen(requests, "rb") as incoming:
        serve(incoming, replies, decode, max_pixels=told.max_pixels, timeout_s=told.timeout_s)


def serve(
    requests: BinaryIO, replies: int, decode: Callable[..., ImageInfo], *, max_pixels: int, timeout_s: float
) -> None:
    while len(header := requests.read(SIZE_BYTES)) == SIZE_BYTES:
        size = int.from_bytes(header, "little")
        data = requests.read(size)
        if len(data) < size:
            return
        with suppress(BrokenPipeError):
            _write(replies, TAKEN)
        _alarm(timeout_s + _ORPHAN_GRACE_S)
        verdict = _verdict(decode, data, max_pixels)
        _alarm(0.0)
        del data
        encoded = msgspec.json.encode(verdict)
        try:
            _write(replies, len(encoded).to_bytes(LENGTH_BYTES, "little") + encoded)
        except BrokenPipeError:
            return


def _verdict(decode: Callable[..., ImageInfo], data: bytes, max_pixels: int) -> Verdict:
    try:
        return Verdict(info=decode(data, max_pixels=max_pixels))
    except Rejection as exc:
        return Verdict.of(exc)


def _alarm(seconds: float) -> None:
    """Die after *seconds*, even in the midst of a decoder: nobody else would end an orphan. 0 for not any more."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)  # SIGALRM kills who has no handler for it
    elif seconds:
        faulthandler.dump_traceback_later(seconds, exit=True)  # a thread that needs no interpreter
    else:
        faulthandler.cancel_dump_traceback_later()


def _limit(memory_bytes: int) -> None:
    """Where the system knows such limits: so much address space, no file and no core dump ever written.

    And when the machine itself is short of memory, Linux shall end this process first.
    """
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    try:
        import resource
    except ImportError:
        return
    for name, most in (("RLIMIT_AS", memory_bytes), ("RLIMIT_CORE", 0), ("RLIMIT_FSIZE", 0)):
        with suppress(AttributeError, OSError, ValueError):
            kind = getattr(resource, name)
            hard = resource.getrlimit(kind)[1]
            within = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (within, within))


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
