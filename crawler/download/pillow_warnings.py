"""Silences Pillow's warnings about odd files."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class _Hush:
    """Silences Pillow's warnings in all threads while at least one thread is inside.

    ``warnings.catch_warnings`` changes what all threads share and restores what it found: two overlapping uses leave it
    wrong. So the first thread in opens it, and the last one out closes it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._catcher = warnings.catch_warnings()

    def enter(self) -> None:
        with self._lock:
            if not self._inside:
                self._catcher = warnings.catch_warnings()
                self._catcher.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._catcher.__exit__(None, None, None)


_hush = _Hush()


@contextmanager
def hushed() -> Iterator[None]:
    _hush.enter()
    try:
        yield
    finally:
        _hush.leave()
