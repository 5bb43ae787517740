"""Small files that speak for a whole host, beside its robots.txt: each is asked for once, and kept for a day."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Protocol

from crawler.errors import (
    ForbiddenAddress,
    HostNotFound,
    RateLimited,
    RobotsUnavailable,
    TaskError,
    TlsFailed,
)
from crawler.urls import host_key
from crawler.web import Check, Transport

log = logging.getLogger(__name__)

KEPT_S = 24 * 3600.0
"""As of a robots.txt."""
PATIENCE_S = 30.0
MAX_BYTES = 500 * 1024
_CACHE_BYTES = 4 * 2**20
_LEAST_BYTES = 512
"""What an answer counts for at least."""
_UNAVAILABLE = 503
_NO_ANSWER = (HostNotFound, TlsFailed, RateLimited, RobotsUnavailable)
"""The host itself is not to be had, or wants to be left alone: what waits for its word is tried again."""


class HostFiles(Protocol):
    """Where files that speak for a host come from. Safe to be used by several threads."""

    def get(self, host: str, path: str) -> bytes | None:
        """The file at *path* of *host* (``scheme://host[:port]``); None if there is none, for good or for now.

        Raises a TaskError, of what waits for it, when the host is not to be had at all.
        """
        ...


class _Kept(NamedTuple):
    until: float
    content: bytes | None


class FetchedHostFiles:
    """Asks the hosts, each once a day for each path, in this process; *check* says what may be asked for at all.

    A host that answers with an error has no such file (TDMRep, "TDM File on the Origin Server": failure to provide it
    means that the server does not implement the protocol); only 429 and 503 are no answer.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        check: Check | None = None,
        accept: str = "application/json,*/*;q=0.5",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._check = check
        self._accept = accept
        self._clock = clock
        self._mutex = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._asking: dict[str, threading.Event] = {}
        self._size_bytes = 0

    def get(self, host: str, path: str) -> bytes | None:
        url = host + path
        while True:
            with self._mutex:
                kept = self._kept.get(url)
                if kept is not None and self._clock() < kept.until:
                    self._kept.move_to_end(url)
                    return kept.content
                others = self._asking.get(url)
                if others is None:
                    done = self._asking[url] = threading.Event()
                    break
            others.wait()
        try:
            content = self._ask(url)
            self._keep(url, content)
            return content
        finally:
            with self._mutex:
                del self._asking[url]
            done.set()

    def _ask(self, url: str) -> bytes | None:
        try:
            return self._transport.fetch(
                url, max_bytes=MAX_BYTES, accept=self._accept, check=self._check, within_s=PATIENCE_S
            ).content
        except TaskError as exc:
            if _is_no_answer(exc, url):
                raise type(exc)(
                    f"{url} is not to be had: {exc.detail}",
                    http_status=exc.http_status,
                    retry_after_s=exc.retry_after_s,
                ) from exc
            log.debug("no %s: %s", url, exc)
            return None

    def _keep(self, url: str, content: bytes | None) -> None:
        with self._mutex:
            before = self._kept.pop(url, None)
            self._kept[url] = _Kept(self._clock() + KEPT_S, content)
            self._size_bytes += _size(content) - (_size(before.content) if before else 0)
            while self._size_bytes > _CACHE_BYTES and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._size_bytes -= _size(oldest.content)


def _size(content: bytes | None) -> int:
    return _LEAST_BYTES + len(content or b"")


def _is_no_answer(error: TaskError, url: str) -> bool:
    if isinstance(error, ForbiddenAddress):
        return host_key(error.final_url or url) == host_key(url)
    silent = error.retryable and not error.http_status
    return silent or isinstance(error, _NO_ANSWER) or error.http_status == _UNAVAILABLE
