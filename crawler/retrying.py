"""Calls that are repeated while they fail: the one module over tenacity.

Waits are exponential with full jitter, so that clients that lost a server at the same moment do not come back at the
same moment (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import tenacity

_T = TypeVar("_T")
_TELL_AGAIN_S = 5.0
"""Between two words of silence: while a server goes down, some calls still have an answer, and each ends a silence."""


class Retrying:
    """Repeats a call, up to *tries* times, while *may_heal* says that another try may get over its error.

    The first wait is a random time below *first_wait_s*; each later limit is twice the one before, up to *max_wait_s*.
    *at_least_s* is the shortest wait after an error. Once *stop* is set a wait ends, and nothing is tried again. Then,
    and after the last try, the last error is raised. Thread-safe. *sleep* is for tests.
    """

    def __init__(
        self,
        may_heal: Callable[[BaseException], bool],
        *,
        first_wait_s: float,
        max_wait_s: float,
        tries: int | None = None,
        at_least_s: Callable[[BaseException], float] | None = None,
        stop: threading.Event | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self.stop = stop or threading.Event()
        self._tries = tries
        self._at_least_s = at_least_s
        self._jitter = tenacity.wait_random_exponential(multiplier=first_wait_s, max=max_wait_s)
        # one for all threads: tenacity keeps the state of a run in its thread
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(may_heal),
            wait=self._wait_s,
            stop=self._is_over,
            sleep=sleep or tenacity.sleep_using_event(self.stop),
            before_sleep=self._before_wait,
            reraise=True,
        )

    def __call__(self, call: Callable[[], _T]) -> _T:
        try:
            return call()  # as nearly always; tenacity alone takes 0.05 ms
        except BaseException as exc:  # noqa: BLE001 - raised again
            last, is_told = exc, False

        def attempt() -> _T:
            nonlocal last, is_told
            if not is_told or self.stop.is_set():  # or the wait was cut short
                is_told = True
                raise last
            try:
                return call()
            except BaseException as exc:
                last = exc
                raise

        return self._retrying(attempt)

    def _wait_s(self, state: tenacity.RetryCallState) -> float:
        error = _error_of(state)
        least_s = self._at_least_s(error) if self._at_least_s and error else 0.0
        return max(self._jitter(state), least_s)

    def _is_over(self, state: tenacity.RetryCallState) -> bool:
        return self.stop.is_set() or (self._tries is not None and state.attempt_number >= self._tries)

    def _before_wait(self, state: tenacity.RetryCallState) -> None:
        """Called before each wait."""


class Patience(Retrying):
    """Repeats calls to a server that does not answer, each for *patience_s* seconds (which may be set at any time).

    After *warn_after_s* seconds of silence *on_silence* is called with the error and the seconds left: once, however
    many threads wait. *on_answer* is called with the seconds since then when the server answers again.
    """

    def __init__(
        self,
        may_heal: Callable[[BaseException], bool],
        *,
        patience_s: float,
        first_wait_s: float,
        max_wait_s: float,
        on_silence: Callable[[BaseException, float], None],
        on_answer: Callable[[float], None],
        warn_after_s: float = 0.0,
        stop: threading.Event | None = None,
    ) -> None:
        super().__init__(may_heal, first_wait_s=first_wait_s, max_wait_s=max_wait_s, stop=stop)
        self.patience_s = patience_s
        self._on_silence = on_silence
        self._on_answer = on_answer
        self._warn_after_s = warn_after_s
        self._lock = threading.Lock()
        self._silent_since: float | None = None
        self._told_at = -math.inf

    def __call__(self, call: Callable[[], _T]) -> _T:
        value = super().__call__(call)
        if self._silent_since is not None:
            with self._lock:
                since, self._silent_since = self._silent_since, None
            if since is not None:
                self._on_answer(time.monotonic() - since)
        return value

    def _is_over(self, state: tenacity.RetryCallState) -> bool:
        return super()._is_over(state) or (state.seconds_since_start or 0.0) >= self.patience_s

    def _before_wait(self, state: tenacity.RetryCallState) -> None:
        since_s, error = state.seconds_since_start or 0.0, _error_of(state)
        if since_s < self._warn_after_s or error is None:
            return
        with self._lock:
            now = time.monotonic()
            if self._silent_since is not None or now - self._told_at < _TELL_AGAIN_S:
                return
            self._silent_since = self._told_at = now
        self._on_silence(error, self.patience_s - since_s)


def _error_of(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
