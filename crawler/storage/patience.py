"""Waiting for a storage that does not answer: it delays, and loses nothing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import tenacity

from crawler.errors import StorageFailed, StorageUnavailable
from crawler.logs.events import STORAGE_BACK, STORAGE_SILENT, tell

log = logging.getLogger(__name__)

_FIRST_WAIT_S = 0.2
_MAX_WAIT_S = 10.0
_T = TypeVar("_T")


class Unanswered(Exception):
    """No answer, or none that says anything about the request; its text says what came instead."""


class Patience:
    """Asks *what* again while it raises Unanswered: after exponential waits with full jitter, 0.2 s to 10 s.

    Raises StorageFailed once a call has been without an answer for *patience_s*, and StorageUnavailable as soon as
    *stop* is set meanwhile. One warning when the waiting begins, however many threads wait, and a word when it is over.
    """

    def __init__(self, what: str, *, patience_s: float, stop: threading.Event) -> None:
        self.what = what
        self.stop = stop
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._silent_since: float | None = None
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Unanswered),
            stop=tenacity.stop_after_delay(patience_s) | tenacity.stop_when_event_set(stop),
            wait=tenacity.wait_random_exponential(multiplier=_FIRST_WAIT_S, max=_MAX_WAIT_S),
            sleep=tenacity.sleep_using_event(stop),
            before_sleep=self._silent,
            reraise=True,
        )

    def __call__(self, ask: Callable[[], _T]) -> _T:
        last: Unanswered | None = None

        def attempt() -> _T:
            nonlocal last
            if last is not None and self.stop.is_set():
                raise last  # the wait was cut short
            try:
                return ask()
            except Unanswered as exc:
                last = exc
                raise

        try:
            answer = self._retrying(attempt)
        except Unanswered as exc:
            if self.stop.is_set():
                raise self.stopped() from exc
            raise StorageFailed(
                f"no answer from {self.what} for {self._patience_s:g} s ({exc}); nothing is lost: the same command goes"
                " on once it is back"
            ) from exc
        self._answered()
        return answer

    def stopped(self) -> StorageUnavailable:
        """For who was told to stop while the storage kept it waiting."""
        return StorageUnavailable(f"told to stop while waiting for {self.what}")

    def _silent(self, state: tenacity.RetryCallState) -> None:
        with self._lock:
            if self._silent_since is not None:
                return
            self._silent_since = time.monotonic()
        error = state.outcome.exception() if state.outcome else None
        tell(log, STORAGE_SILENT, where=self.what, reason=error, for_s=self._patience_s)

    def _answered(self) -> None:
        if self._silent_since is None:
            return
        with self._lock:
            since, self._silent_since = self._silent_since, None
        if since is not None:
            tell(log, STORAGE_BACK, where=self.what, after_s=time.monotonic() - since)
