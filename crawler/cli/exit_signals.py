"""How signals end a command: SIGTERM as cleanly as Ctrl-C, with an exit code of its own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from crawler.process_end import EXIT_INTERRUPTED, EXIT_TERMINATED


class Terminated(KeyboardInterrupt):
    """SIGTERM, from a service manager, ``docker stop --signal TERM``, ``timeout`` or ``kill``."""


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Raise SIGTERM as :class:`Terminated`, a KeyboardInterrupt, within the block."""

    def interrupt(*_: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold the first SIGINT or SIGTERM back until the end of the block, for what must not be left half done.

    A second one counts at once: a block that writes to a terminal which takes nothing (Ctrl-S) would hold it for ever.
    Signals interrupt the main thread only; in any other there is nothing to hold.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[tuple[int, FrameType | None]] = []

    def hold(number: int, frame: FrameType | None) -> None:
        held.append((number, frame))
        if len(held) > 1:
            handle(*held.pop())

    def handle(number: int, frame: FrameType | None) -> None:
        handler = before[number]
        assert callable(handler)
        handler(number, frame)

    before = {int(number): signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handled = [number for number, handler in before.items() if callable(handler)]
    try:
        for number in handled:
            signal.signal(number, hold)
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number])
        for one in held:
            handle(*one)


def exit_code(interrupt: BaseException) -> int:
    """The exit code for a KeyboardInterrupt, or for the Abort that click makes of one."""
    return EXIT_TERMINATED if isinstance(_origin(interrupt), Terminated) else EXIT_INTERRUPTED


def in_words(interrupt: BaseException) -> str:
    """The signal in one word for people."""
    return "terminated" if isinstance(_origin(interrupt), Terminated) else "interrupted"


def _origin(interrupt: BaseException) -> BaseException:
    return interrupt if isinstance(interrupt, KeyboardInterrupt) else interrupt.__cause__ or interrupt
