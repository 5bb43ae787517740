"""Host names to addresses, with a memory for those that do not exist.

A resolver may take many seconds to say no, and a page can name a dead host a hundred times: one such answer serves
all of them for a while.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from crawler.errors import HostNotFound, NameLookupFailed

REMEMBERED_S = 60.0
"""The usual lower end of what DNS itself lets a "no" live (RFC 2308)."""
_REMEMBERED_NAMES = 10_000
_NO_SUCH_NAME = frozenset(
    code for name in ("EAI_NONAME", "EAI_NODATA") if (code := getattr(socket, name, None)) is not None
)

AddressInfo = tuple[Any, Any, int, str, Any]
"""As of socket.getaddrinfo: family, type, protocol, canonical name, address."""


class Names:
    """Looks names up; safe to be used by several threads. *clock* is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._missing: dict[str, tuple[float, str]] = {}

    def look_up(self, host: str, port: int) -> list[AddressInfo]:
        """The addresses of *host*, best first.

        Raises HostNotFound when there is no such name, NameLookupFailed when the name service does not say. It
        can't be cut short: the system's resolver has its own limits.
        """
        forget_at, detail = self._missing.get(host, (0.0, ""))
        if self._clock() < forget_at:
            raise HostNotFound(detail)
        try:
            return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (socket.gaierror, UnicodeError) as exc:
            if isinstance(exc, socket.gaierror) and exc.errno not in _NO_SUCH_NAME:
                raise NameLookupFailed(f"looking up the name {host} failed: {exc}") from exc
            detail = f"the name {host} can't be resolved: {exc}"
            if len(self._missing) >= _REMEMBERED_NAMES:
                self._missing.clear()
            self._missing[host] = self._clock() + REMEMBERED_S, detail
            raise HostNotFound(detail) from exc
