"""How this program ends a process: at once, without tidying its modules up."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from contextlib import suppress

TYPE_CHECKING = False  # as in crawler/__init__.py
if TYPE_CHECKING:
    from typing import NoReturn

EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_TERMINATED = 128 + signal.SIGTERM
"""The exit code of a shell for a program that SIGTERM has ended. 0 would mean that the crawl has finished."""


def end_process(code: int) -> NoReturn:
    """End this process with the exit code *code*.

    Threads and exit handlers are seen to, and what was written is flushed, as in the processes that multiprocessing
    forks. Modules are not tidied up: that takes 30 ms, and in a forked process copies the memory that it shares.
    """
    getattr(threading, "_shutdown")()  # noqa: B009 - its stubs do not know it
    atexit._run_exitfuncs()  # noqa: SLF001 - os._exit does not
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # pythonw.exe has none
            stream.flush()
    os._exit(code)
