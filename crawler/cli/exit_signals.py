"""How signals end a command: SIGTERM as cleanly as Ctrl-C, with an exit code of its own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_TERMINATED = 128 + signal.SIGTERM
"""The exit code of a shell for a program that SIGTERM has ended. 0 would mean that the crawl has finished."""


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


def exit_code(interrupt: BaseException) -> int:
    """The exit code for a KeyboardInterrupt, or for the Abort that click makes of one."""
    return EXIT_TERMINATED if isinstance(_origin(interrupt), Terminated) else EXIT_INTERRUPTED


def in_words(interrupt: BaseException) -> str:
    """The signal in one word for people."""
    return "terminated" if isinstance(_origin(interrupt), Terminated) else "interrupted"


def _origin(interrupt: BaseException) -> BaseException:
    return interrupt if isinstance(interrupt, KeyboardInterrupt) else interrupt.__cause__ or interrupt
