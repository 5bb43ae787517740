"""robots.txt: what the owner of a host allows to be asked for (RFC 9309), and how often.

One file a host, asked for when the first URL of the host is to be visited, and kept for a day. A host without one
(a 4xx status) allows everything; one that fails to give its own (a 5xx status, a broken answer) allows nothing
for a while, and what waited for it is tried again.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from crawler.errors import (
    BadRedirect,
    ClientError,
    ConnectFailed,
    ConnectTimeout,
    EmptyBody,
    Forbidden,
    ForbiddenAddress,
    HostNotFound,
    NameLookupFailed,
    NotFound,
    RobotsDisallowed,
    RobotsUnavailable,
    TaskError,
    TlsFailed,
    TooManyRedirects,
    UnexpectedStatus,
)
from crawler.urls import host_key
from crawler.web import Transport
from crawler.web.robots_file import MAX_BYTES, RobotsFile, Statement

log = logging.getLogger(__name__)

KEPT_S = 24 * 3600.0
"""How long an answer counts (RFC 9309, section 2.4)."""
PATIENCE_S = 30.0
"""For the whole of it: all that wants to ask the host waits for it."""
OUTAGE_S = 15.0
"""How long a host that could not give its robots.txt is left alone, unless it asks for longer."""
NO_HOST_S = 1.5
"""The same of a host that there is no way to: each attempt at it may take as long as a connection may."""
_CACHE_BYTES = 4 * 2**20
"""Of all files whose rules are in memory, where they take some twenty times as much."""
_LEAST_BYTES = 512
"""What an answer counts for at least."""
_ACCEPT = "text/plain,*/*;q=0.5"
_TOKEN = re.compile(r"[A-Za-z_-]+")

_NONE_THERE = (NotFound, Forbidden, ClientError, EmptyBody, UnexpectedStatus, TooManyRedirects, BadRedirect)
"""Unavailable: the host allows everything (RFC 9309, sections 2.3.1.2 and 2.3.1.3)."""
_SERVER_FAULT = 500
"""A server that fails has not said that there is none, whatever its errors are called."""
_NO_HOST = (HostNotFound, NameLookupFailed, ConnectFailed, ConnectTimeout, TlsFailed, ForbiddenAddress)
"""Nothing can be fetched from such a host, so that its errors are the URL's own."""


def product_token(user_agent: str) -> str:
    """The name by which robots.txt and the like speak of a user agent: ``image-crawler`` of
    ``image-crawler/1.0 (+https://…)`` (RFC 9309, section 2.2.1). Without one it is ``image-crawler``.
    """
    found = _TOKEN.match(user_agent)
    return found[0].lower() if found else "image-crawler"


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of asking one host."""

    until: float
    rules: RobotsFile | None
    error: TaskError | None
    size_bytes: int


class Robots:
    """The robots.txt files of all hosts, as far as they have been needed; safe to be used by several threads.

    However many threads need the file of one host, it is asked for once. *agent* is our product token; *clock* is
    monotonic, in seconds.
    """

    def __init__(
        self, transport: Transport, *, agent: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._transport = transport
        self._agent = agent
        self._clock = clock
        self._mutex = threading.Lock()
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._asking: dict[str, threading.Event] = {}
        self._size_bytes = 0

    def check(self, url: str) -> None:
        """Return if *url* may be asked for.

        Raises RobotsDisallowed if not; RobotsUnavailable, or why the host can't be reached, when that can't be said.
        """
        answer = self._answer(host_key(url))
        if answer.error is not None:
            raise self._told_again(answer.error, answer.until)
        verdict = answer.rules.verdict(url) if answer.rules is not None else None
        if verdict is not None and not verdict.allowed:
            raise RobotsDisallowed(
                f'robots.txt of {host_key(url)}, line {verdict.number}, "{verdict.line}", forbids {self._agent} to ask'
                f" for {url}; to take it all the same, say --no-obey-robots-txt"
            )

    def delay_s(self, url: str) -> float | None:
        """The Crawl-delay of the URL's host in seconds, 0 if it asks for none; None when that is not known. Asks
        nobody.
        """
        with self._mutex:
            answer = self._answers.get(host_key(url))
        return answer.rules.delay_s if answer is not None and answer.rules is not None else None

    def sitemaps(self, url: str) -> tuple[str, ...]:
        """What the robots.txt of the URL's host names as sitemaps, as written; empty when that can't be said."""
        rules = self._answer(host_key(url)).rules
        return rules.sitemaps if rules is not None else ()

    def statements(self, url: str) -> tuple[Statement, ...]:
        """The lines of its host's robots.txt that say what may be done with what is at *url*; none when that can't be
        said.
        """
        rules = self._answer(host_key(url)).rules
        return rules.statements(url) if rules is not None else ()

    def _answer(self, host: str) -> _Answer:
        """What the host said, as long as that counts; asks it if need be."""
        while True:
            with self._mutex:
                known = self._answers.get(host)
                if known is not None and self._clock() < known.until:
                    self._answers.move_to_end(host)
                    return known
                others = self._asking.get(host)
                if others is None:
                    done = self._asking[host] = threading.Event()
                    break
            others.wait()
        try:
            answer = self._ask(host)
            self._keep(host, answer)
            return answer
        finally:
            with self._mutex:
                del self._asking[host]
            done.set()

    def _ask(self, host: str) -> _Answer:
        url = f"{host}/robots.txt"
        try:
            fetched = self._transport.fetch(
                url, max_bytes=MAX_BYTES, accept=_ACCEPT, cut=True, within_s=PATIENCE_S
            )
        except TaskError as exc:
            if _none_there(exc, host):
                log.debug("no %s: %s", url, exc)
                return _Answer(self._clock() + KEPT_S, RobotsFile(b"", agent=self._agent), None, _LEAST_BYTES)
            if isinstance(exc, _NO_HOST):
                return _Answer(self._clock() + NO_HOST_S, None, exc, _LEAST_BYTES)
            log.info("%s is not to be had: %s", url, exc)
            error = RobotsUnavailable(f"{url} is not to be had: {exc.detail}", http_status=exc.http_status)
            return _Answer(self._clock() + max(exc.retry_after_s or 0.0, OUTAGE_S), None, error, _LEAST_BYTES)
        rules = RobotsFile(fetched.content, agent=self._agent, is_cut=fetched.is_cut)
        if rules.left_out:
            log.info("%s: %d lines on the use of content are too many to be kept", url, rules.left_out)
        return _Answer(self._clock() + KEPT_S, rules, None, _LEAST_BYTES + len(fetched.content))

    def _keep(self, host: str, answer: _Answer) -> None:
        with self._mutex:
            before = self._answers.pop(host, None)
            self._answers[host] = answer
            self._size_bytes += answer.size_bytes - (before.size_bytes if before else 0)
            while self._size_bytes > _CACHE_BYTES and len(self._answers) > 1:
                _, oldest = self._answers.popitem(last=False)
                self._size_bytes -= oldest.size_bytes

    def _told_again(self, error: TaskError, until: float) -> TaskError:
        """*error* for another URL, or for a later attempt."""
        wait_s = (
            max(0.0, until - self._clock()) if isinstance(error, RobotsUnavailable) else error.retry_after_s
        )
        return type(error)(error.detail, http_status=error.http_status, retry_after_s=wait_s)


def _none_there(error: TaskError, host: str) -> bool:
    """Whether *error* says that *host* has no robots.txt: it is not where it should be, or only leads where nobody
    may go.
    """
    if isinstance(error, ForbiddenAddress):
        return bool(error.final_url) and host_key(error.final_url) != host
    return isinstance(error, _NONE_THERE) and error.http_status < _SERVER_FAULT
