"""Files that speak for a whole host, such as robots.txt: each is requested once for the whole crawl.

The queue keeps the files for all workers (see queues/host_files.py); a worker keeps the parsed ones that it needed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

import msgspec

from crawler.errors import (
    BadRedirect,
    BotChallenge,
    ClientError,
    ConnectFailed,
    ConnectTimeout,
    EmptyBody,
    Forbidden,
    ForbiddenAddress,
    HostNotFound,
    LoginRequired,
    NameLookupFailed,
    NotFound,
    RobotsUnavailable,
    TaskError,
    TlsFailed,
    TooManyRedirects,
    UnexpectedStatus,
)
from crawler.http import Transport
from crawler.http.single_flight import SingleFlight
from crawler.http.turns import NotYet, Turn
from crawler.logs.events import HOST_FILE_FAILED, HOST_FILE_MISSING, tell
from crawler.models import FileAnswer, HostFile
from crawler.urls import host_key

log = logging.getLogger(__name__)

KEPT_S = 24 * 3600.0
"""Seconds that an answer is valid (RFC 9309, section 2.4)."""
PATIENCE_S = 30.0
"""Seconds for one fetch: all tasks of the host wait for it."""
OUTAGE_S = 15.0
"""Seconds that a host which failed to give its file is left alone, unless it asks for longer."""
MOST_OUTAGE_S = 3600.0
CHALLENGED_S = 900.0
"""Seconds that a host is left alone which answered with a bot challenge."""
NO_HOST_S = 1.5
"""Seconds that an unreachable host is left alone: each attempt may take as long as a connection may."""
OTHERS_S = 40.0
"""Longest wait for another worker that fetches the file."""
_CACHE_BYTES = 4 * 2**20
"""Limit for all files that are kept parsed, which takes some twenty times as much memory."""
_LEAST_BYTES = 512
"""The least size that an answer is counted with."""
_SHOWN_CHARS = 1000
_LEAST_WAIT_S = 1.0

_NONE_THERE = (
    NotFound, Forbidden, LoginRequired, BotChallenge, ClientError, EmptyBody, UnexpectedStatus, TooManyRedirects,
    BadRedirect,
)  # fmt: skip
"""Errors that mean that the host has no such file (RFC 9309, sections 2.3.1.2 and 2.3.1.3)."""
_SERVER_FAULT = 500
"""From this status on an error does not mean that there is no file."""
_NO_HOST = (HostNotFound, NameLookupFailed, ConnectFailed, ConnectTimeout, TlsFailed, ForbiddenAddress)
"""Errors of an unreachable host: they are raised for its URLs, too."""
_ERRORS: dict[str, type[TaskError]] = {
    kind.reason: kind for kind in (*_NO_HOST, BotChallenge, RobotsUnavailable)
}
"""Errors by the reason of a HostFile."""

T = TypeVar("T")

Admit = Callable[[str, Turn | None], None]
"""Raises a TaskError for a URL that must not be requested; may request other files for that, when it is their turn."""


class HostFileStore(Protocol):
    """Keeps the files of a crawl for all workers: see QueueHostFileStore."""

    def look(self, host: str, name: str) -> FileAnswer: ...

    def keep(self, host: str, file: HostFile) -> None: ...


class FileQueue(Protocol):
    """The part of a TaskQueue that keeps files of hosts."""

    def host_file(self, worker_id: str, *, host: str, name: str) -> FileAnswer: ...

    def keep_host_file(self, worker_id: str, *, host: str, file: HostFile) -> None: ...


@dataclass(frozen=True)
class QueueHostFileStore:
    """The files that *queue* keeps, for the worker *worker_id*."""

    queue: FileQueue
    worker_id: str

    def look(self, host: str, name: str) -> FileAnswer:
        return self.queue.host_file(self.worker_id, host=host, name=name)

    def keep(self, host: str, file: HostFile) -> None:
        self.queue.keep_host_file(self.worker_id, host=host, file=file)


@dataclass(frozen=True, slots=True)
class _Known(Generic[T]):
    """What is known of one host."""

    until: float
    size_bytes: int
    value: T | None
    """What the file says; None when it could not be had."""
    failure: HostFile | None
    """Why it could not be had; None when it was."""


class HostFiles(Generic[T]):
    """What the file *name* of each host says, as *read* understands it. Thread-safe.

    *read* is given the URL and a file that could be had, and never raises. However many threads need the file of one
    host, it is requested once; at most *max_bytes* of it are read. *store* keeps the files for all workers; None: there
    is only this one. *check* judges each URL before it is requested. *is_none* tells errors that mean that a host has
    no such file. *delay_of* is the delay between two requests that a file asks for. *clock* is monotonic, in seconds.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[str, HostFile], T],
        transport: Transport,
        *,
        accept: str,
        max_bytes: int,
        store: HostFileStore | None = None,
        check: Admit | None = None,
        is_none: Callable[[TaskError, str], bool] | None = None,
        delay_of: Callable[[T], float] = lambda _: 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._read = read
        self._transport = transport
        self._accept = accept
        self._max_bytes = max_bytes
        self._store = store
        self._check = check
        self._is_none = is_none or none_there
        self._delay_of = delay_of
        self._clock = clock
        self._mutex = threading.Lock()
        self._known: OrderedDict[str, _Known[T]] = OrderedDict()
        self._flights: SingleFlight[str, _Known[T]] = SingleFlight(self._mutex)
        self._size_bytes = 0

    def at_hand(self, host: str) -> T | None:
        """What the file of *host* says, without a request; None when that is not known."""
        with self._mutex:
            known = self._known.get(host)
        return known.value if known is not None else None

    def get(self, host: str, turn: Turn | None = None) -> T:
        """What the file of *host* says. It is requested, when it is the host's *turn*, unless a recent one is known.

        Raises RobotsUnavailable, or why the host can't be reached, if it can't be had; NotYet; the queue's errors.
        """
        known = self._flights.get(host, lambda: self._cached(host), lambda: self._asked(host, turn))
        if known.value is not None:
            return known.value
        failure = known.failure or HostFile(name=self._name)
        error = _ERRORS.get(failure.reason, RobotsUnavailable)
        left_s = max(0.0, known.until - self._clock()) if error is RobotsUnavailable else None
        raise error(failure.detail, http_status=failure.http_status, retry_after_s=left_s)

    def _cached(self, host: str) -> _Known[T] | None:
        known = self._known.get(host)
        if known is None or self._clock() >= known.until:
            return None
        self._known.move_to_end(host)
        return known

    def _asked(self, host: str, turn: Turn | None) -> _Known[T]:
        file, is_news = self._found(host, turn)
        value = None if file.reason else self._read(f"{host}/{self._name}", file)
        if is_news and self._store is not None:
            delay_s = 0.0 if value is None else self._delay_of(value)
            self._store.keep(host, msgspec.structs.replace(file, delay_s=delay_s))
        size_bytes = _LEAST_BYTES + len(file.content)
        known = _Known(self._clock() + file.kept_s, size_bytes, value, file if file.reason else None)
        self._keep(host, known)
        return known

    def _found(self, host: str, turn: Turn | None) -> tuple[HostFile, bool]:
        """The file, and whether it is to be kept in the store."""
        if self._store is None:
            return self._fetched(host, turn), True
        waited_s = 0.0
        while True:
            answer = self._store.look(host, self._name)
            if answer.file is not None:
                return answer.file, False
            if answer.is_yours:
                return self._fetched(host, turn), True
            if waited_s > OTHERS_S or turn is None:
                raise NotYet(f"{host}/{self._name}", max(_LEAST_WAIT_S, answer.again_s))
            turn.wait(answer.again_s)
            waited_s += answer.again_s

    def _fetched(self, host: str, turn: Turn | None) -> HostFile:
        url = f"{host}/{self._name}"
        try:
            fetched = self._transport.fetch(
                url,
                max_bytes=self._max_bytes,
                accept=self._accept,
                cut=True,
                within_s=PATIENCE_S,
                check=partial(self._admit, turn, url),
                sending=turn.sending if turn is not None else None,
                sent=turn.sent if turn is not None else None,
            )
        except TaskError as exc:
            return self._without(exc, url, host)
        return HostFile(
            name=self._name,
            content=fetched.content,
            is_cut=fetched.is_cut,
            http_status=fetched.http_status,
            kept_s=KEPT_S,
        )

    def _admit(self, turn: Turn | None, file_url: str, url: str) -> None:
        if self._check is not None:
            self._check(url, turn)
        if turn is not None:
            turn(url, is_file=url == file_url)

    def _without(self, error: TaskError, url: str, host: str) -> HostFile:
        detail = error.detail[:_SHOWN_CHARS]
        without = partial(HostFile, name=self._name, http_status=max(0, error.http_status))
        if self._is_none(error, host):
            tell(log, HOST_FILE_MISSING, url=url, reason=error)
            return without(detail=detail, kept_s=KEPT_S)
        if isinstance(error, _NO_HOST):
            return HostFile(name=self._name, reason=error.reason, detail=detail, kept_s=NO_HOST_S)
        if isinstance(
            error, BotChallenge
        ):  # a 503, which does not say that there is none; a retry won't help
            return without(reason=error.reason, detail=detail, kept_s=CHALLENGED_S)
        tell(log, HOST_FILE_FAILED, url=url, reason=error)
        return without(
            reason=RobotsUnavailable.reason,
            detail=f"{url} is not to be had: {detail}",
            kept_s=min(max(error.retry_after_s or 0.0, OUTAGE_S), MOST_OUTAGE_S),
        )

    def _keep(self, host: str, known: _Known[T]) -> None:
        with self._mutex:
            before = self._known.pop(host, None)
            self._known[host] = known
            self._size_bytes += known.size_bytes - (before.size_bytes if before else 0)
            while self._size_bytes > _CACHE_BYTES and len(self._known) > 1:
                _, oldest = self._known.popitem(last=False)
                self._size_bytes -= oldest.size_bytes


def none_there(error: TaskError, host: str) -> bool:
    """Whether *error* means that *host* has no such file, or that it redirects to where no request is permitted."""
    if isinstance(error, ForbiddenAddress):
        return bool(error.final_url) and host_key(error.final_url) != host
    return isinstance(error, _NONE_THERE) and error.http_status < _SERVER_FAULT
