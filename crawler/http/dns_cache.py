"""Host names to addresses, with a memory: a page names one host a hundred times, and a resolver may take seconds.

However many threads want to know at once, the system's resolver is asked once.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from crawler.errors import HostNotFound, NameLookupFailed
from crawler.text.plain_errors import plain

REMEMBERED_S = 60.0
"""The usual lower end of what DNS itself lets a "no" live (RFC 2308), and of what it lets a "yes"."""
_REMEMBERED_NAMES = 10_000
_NO_SUCH_NAME = frozenset(
    code for name in ("EAI_NONAME", "EAI_NODATA") if (code := getattr(socket, name, None)) is not None
)

AddressInfo = tuple[Any, Any, int, str, Any]
"""As of socket.getaddrinfo: family, type, protocol, canonical name, address."""
_Answer = tuple[AddressInfo, ...] | HostNotFound | NameLookupFailed


class _Asking:
    """One look-up under way."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.answer: _Answer = NameLookupFailed("looking up the name was broken off")


class DnsCache:
    """Looks names up; safe to be used by several threads. *clock* is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, _Answer]] = {}
        self._asking: dict[str, _Asking] = {}

    def look_up(self, host: str, port: int) -> list[AddressInfo]:
        """The addresses of *host*, best first, each with *port*.

        Raises HostNotFound when there is no such name, NameLookupFailed when the name service does not say. It
        can't be cut short: the system's resolver has its own limits.
        """
        answer = self._answer(host)
        if not isinstance(answer, tuple):
            raise type(answer)(answer.detail) from answer.__cause__
        return [
            (family, kind, protocol, name, (address[0], port, *address[2:]))
            for family, kind, protocol, name, address in answer
        ]

    def forget(self, host: str) -> None:
        """Ask again next time: what is known of *host* leads nowhere."""
        with self._lock:
            self._known.pop(host, None)

    def _answer(self, host: str) -> _Answer:
        with self._lock:
            forget_at, known = self._known.get(host, (0.0, None))
            if known is not None and self._clock() < forget_at:
                return known
            asking = self._asking.get(host)
            if mine := asking is None:
                asking = self._asking[host] = _Asking()
        if not mine:
            asking.done.wait()
            return asking.answer
        try:
            asking.answer = answer = _asked(host)
            if not isinstance(answer, NameLookupFailed):
                self._keep(host, answer)
            return answer
        finally:
            with self._lock:
                del self._asking[host]
            asking.done.set()

    def _keep(self, host: str, answer: _Answer) -> None:
        with self._lock:
            self._known.pop(host, None)  # to the end of the line
            while len(self._known) >= _REMEMBERED_NAMES:
                del self._known[next(iter(self._known))]
            self._known[host] = self._clock() + REMEMBERED_S, answer


def _asked(host: str) -> _Answer:
    try:
        return tuple(socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM))
    except (socket.gaierror, UnicodeError) as exc:
        failed: HostNotFound | NameLookupFailed
        if isinstance(exc, socket.gaierror) and exc.errno not in _NO_SUCH_NAME:
            failed = NameLookupFailed(
                f"the name {host} could not be looked up: {plain(exc)}; is this machine online?"
            )
        else:
            failed = HostNotFound(f"there is no host called {host}; is that how it is spelt?")
        failed.__cause__ = exc
        return failed
