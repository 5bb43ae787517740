"""How a command ends that a signal has ended: by SIGTERM as cleanly as by Ctrl-C, and told apart by the exit code."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_TERMINATED = 128 + signal.SIGTERM
"""As a shell tells of a program that SIGTERM ended. Not 0, which says that a crawl has finished."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, from a service manager, ``docker stop --signal TERM``, ``timeout`` or ``kill``."""


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM stops as cleanly as Ctrl-C does: it is raised as one, :class:`Terminated`."""

    def interrupt(*_: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_code(interrupt: BaseException) -> int:
    """Of a KeyboardInterrupt, or of what has come of one (click makes it an Abort)."""
    return EXIT_TERMINATED if isinstance(_origin(interrupt), Terminated) else EXIT_INTERRUPTED


def in_words(interrupt: BaseException) -> str:
    """One word for people."""
    return "terminated" if isinstance(_origin(interrupt), Terminated) else "interrupted"


def _origin(interrupt: BaseException) -> BaseException:
    return interrupt if isinstance(interrupt, KeyboardInterrupt) else interrupt.__cause__ or interrupt
