"""Retries of requests: within seconds in the worker, later by the queue.

A retry in the worker occupies a thread, so it is only for errors that may be over in a moment. Other tasks go back: the
queue makes them due later, and keeps other workers off the host meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Unpack

from crawler.errors import (
    BotChallenge,
    ConnectFailed,
    ConnectTimeout,
    DeadlineExceeded,
    RateLimited,
    RobotsUnavailable,
    TaskError,
    TooSlow,
)
from crawler.http import Asked, BrowserRequest, Exchanged, Exchanging, Fetched, Transport
from crawler.http.turns import NotYet
from crawler.models import Task
from crawler.retrying import Retrying

MAX_DELAY_S = 3600.0
_FIRST_WAIT_S = 0.2
_MAX_WAIT_S = 3.0
_PATIENCE_SPENT = (ConnectTimeout, DeadlineExceeded, TooSlow)
_SERVICE_UNAVAILABLE = 503
_SEED_ATTEMPTS = 2


class RetryingTransport:
    """A Transport that asks *transport* up to *tries* times, with exponential back-off and full jitter, 0.2 s to 3 s.

    Raises at once what is not retryable, what took long already (a timeout), and what asks for more patience: 429, or a
    Retry-After over 3 s. Raises the last error once *stop* is set. *sleep* is for tests.
    """

    def __init__(
        self,
        transport: Transport,
        tries: int,
        *,
        stop: threading.Event | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._transport = transport
        self._retrying = Retrying(
            _worth_it_now,
            first_wait_s=_FIRST_WAIT_S,
            max_wait_s=_MAX_WAIT_S,
            tries=tries,
            at_least_s=lambda error: (isinstance(error, TaskError) and error.retry_after_s) or 0.0,
            stop=stop,
            sleep=sleep,
        )

    def fetch(self, url: str, **asked: Unpack[Asked]) -> Fetched:
        if asked.get("once"):
            return self._transport.fetch(url, **asked)
        last: TaskError | None = None

        def attempt() -> Fetched:
            nonlocal last
            try:
                return self._transport.fetch(url, **asked)
            except TaskError as exc:
                last = exc
                raise

        try:
            return self._retrying(attempt)
        except NotYet:
            if last is None:
                raise
            raise last from None  # the next try is up to the queue

    def exchange(self, request: BrowserRequest, **exchanging: Unpack[Exchanging]) -> Exchanged:
        """Makes one attempt: a page in the browser has its own ways to cope."""
        return self._transport.exchange(request, **exchanging)

    def close(self) -> None:
        self._transport.close()


def _worth_it_now(error: BaseException) -> bool:
    return (
        isinstance(error, TaskError)
        and error.retryable
        and not isinstance(error, (RateLimited, *_PATIENCE_SPENT))
        and (error.retry_after_s or 0.0) <= _MAX_WAIT_S
    )


def retry_delay_s(error: TaskError, task: Task, base_s: float) -> float | None:
    """Seconds until a task whose lease ended in *error* is due again; None when it is not retried.

    That is *base_s*, doubled with each attempt, or what the server asked for if that is longer; an hour at most. A seed
    with an unreachable host gets two attempts: a user who mistyped it is waiting. A URL by https that its page names
    by http gets one: not every host has https.
    """
    no_answer = isinstance(error, (ConnectFailed, ConnectTimeout, RobotsUnavailable))
    others = task.origin.alternatives if task.origin else ()
    if no_answer and others and others[0].rule == "insecure":
        return None
    if not error.retryable or (task.origin is None and no_answer and task.attempt >= _SEED_ATTEMPTS):
        return None
    backoff_s = base_s * 2.0 ** min(max(task.attempt - 1, 0), 32)
    return min(max(error.retry_after_s or 0.0, backoff_s), MAX_DELAY_S)


def host_pause_s(error: TaskError) -> float | None:
    """Seconds that the whole host is left alone, until its robots.txt is requested again; None for other errors."""
    return error.retry_after_s if isinstance(error, RobotsUnavailable) else None


def refused_for_s(error: TaskError) -> float | None:
    """The Retry-After of a refusal (503 or 429), an hour at most; 0 for a 429 without one. None for other errors.

    It is evidence of how many requests the host accepts.
    """
    if isinstance(error, RateLimited):
        return min(error.retry_after_s or 0.0, MAX_DELAY_S)
    if error.http_status == _SERVICE_UNAVAILABLE and not isinstance(error, (BotChallenge, RobotsUnavailable)):
        return None if error.retry_after_s is None else min(error.retry_after_s, MAX_DELAY_S)
    return None
