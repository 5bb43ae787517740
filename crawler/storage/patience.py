"""Waiting for a storage that does not answer: it delays, and loses nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from crawler.errors import StorageFailed, StorageUnavailable
from crawler.logs.events import STORAGE_BACK, STORAGE_SILENT, tell
from crawler.retrying import Patience

log = logging.getLogger(__name__)

_FIRST_WAIT_S, _MAX_WAIT_S = 0.2, 10.0
_T = TypeVar("_T")


class Unanswered(Exception):
    """No answer, or one that says nothing of the request; the text says what came instead."""


class StoragePatience:
    """Repeats requests to the storage *what* while they raise Unanswered.

    Raises StorageFailed after *patience_s* seconds without an answer, StorageUnavailable once *stop* is set.
    """

    def __init__(self, what: str, *, patience_s: float, stop: threading.Event) -> None:
        self.what = what
        self.stop = stop
        self._patience = Patience(
            lambda error: isinstance(error, Unanswered),
            patience_s=patience_s,
            first_wait_s=_FIRST_WAIT_S,
            max_wait_s=_MAX_WAIT_S,
            stop=stop,
            on_silence=lambda error, _: tell(log, STORAGE_SILENT, where=what, reason=error, for_s=patience_s),
            on_answer=lambda after_s: tell(log, STORAGE_BACK, where=what, after_s=after_s),
        )

    def __call__(self, request: Callable[[], _T]) -> _T:
        try:
            return self._patience(request)
        except Unanswered as exc:
            if self.stop.is_set():
                raise self.stopped() from exc
            raise StorageFailed(
                f"no answer from {self.what} for {self._patience.patience_s:g} s ({exc}); nothing is lost: the same"
                " command goes on once it is back"
            ) from exc

    def stopped(self) -> StorageUnavailable:
        """The error for a caller that is to stop while it waits for the storage."""
        return StorageUnavailable(f"told to stop while waiting for {self.what}")
