"""A DNS cache: a page names one host a hundred times, and a resolver may take seconds.

However many threads look a name up at the same time, the system's resolver is asked once.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from crawler.errors import HostNotFound, NameLookupFailed
from crawler.http.single_flight import SingleFlight
from crawler.text.plain_errors import NO_SUCH_NAME, plain

REMEMBERED_S = 60.0
"""Seconds that an answer is kept: the usual lower end of a TTL, also of a negative answer's (RFC 2308)."""
_REMEMBERED_NAMES = 10_000

AddressInfo = tuple[Any, Any, int, str, Any]
"""A result of socket.getaddrinfo: family, type, protocol, canonical name, address."""
_Answer = tuple[AddressInfo, ...] | HostNotFound | NameLookupFailed


class DnsCache:
    """Looks names up and keeps the answers; a failure of the name service itself is not kept. Thread-safe.

    *clock* is monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, _Answer]] = {}
        """When the answer of each host expires, and the answer; the oldest first."""
        self._flights: SingleFlight[str, _Answer] = SingleFlight(self._lock)

    def look_up(self, host: str, port: int) -> list[AddressInfo]:
        """The addresses of *host*, best first, each with *port*.

        Raises HostNotFound when there is no such name, NameLookupFailed when the name service gives no answer. A
        look-up can't be cut short: the system's resolver has its own limits.
        """
        answer = self._flights.get(host, lambda: self._cached(host), lambda: self._resolved(host))
        if not isinstance(answer, tuple):
            raise type(answer)(answer.detail) from answer.__cause__
        return [
            (family, kind, protocol, name, (address[0], port, *address[2:]))
            for family, kind, protocol, name, address in answer
        ]

    def forget(self, host: str) -> None:
        """Look *host* up anew next time: none of its addresses accepts connections."""
        with self._lock:
            self._known.pop(host, None)

    def _cached(self, host: str) -> _Answer | None:
        expires_at, answer = self._known.get(host, (0.0, None))
        return answer if self._clock() < expires_at else None

    def _resolved(self, host: str) -> _Answer:
        answer = _asked(host)
        if isinstance(answer, NameLookupFailed):
            return answer
        with self._lock:
            self._known.pop(host, None)  # to the end of the line
            while len(self._known) >= _REMEMBERED_NAMES:
                del self._known[next(iter(self._known))]
            self._known[host] = self._clock() + REMEMBERED_S, answer
        return answer


def _asked(host: str) -> _Answer:
    try:
        return tuple(socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM))
    except (socket.gaierror, UnicodeError) as exc:
        failed: HostNotFound | NameLookupFailed
        if isinstance(exc, socket.gaierror) and exc.errno not in NO_SUCH_NAME:
            failed = NameLookupFailed(
                f"the name {host} could not be looked up: {plain(exc)}; is this machine online?"
            )
        else:
            failed = HostNotFound(f"there is no host called {host}; is that how it is spelt?")
        failed.__cause__ = exc
        return failed
