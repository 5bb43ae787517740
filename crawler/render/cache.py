"""A small HTTP cache for all pages of a renderer: a thousand pages of a site ask for its scripts once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from crawler.http import BrowserRequest, Exchanged
from crawler.render.freshness import initial_age_s, is_askable, is_like, kept_s, varies
from crawler.urls import canonical

MAX_BYTES = 64 * 2**20
MAX_ENTRY_BYTES = 8 * 2**20
_VARIANTS = 8
"""Answers kept of one URL, for requests with other headers."""
_ENTRY_BYTES = 512
"""Memory of an answer beside its content and its headers."""
_MAX_PASSING = 4096
"""URLs remembered as private: they give each request an answer of its own."""
_PATIENCE_S = 20.0
_NOT_KEPT = frozenset({"set-cookie", "age"})

Wait = Callable[[threading.Event, float], bool]
"""Waits for the event for at most that many seconds; returns whether it was set."""


@dataclass(frozen=True, slots=True)
class _Entry:
    answer: Exchanged
    varied: tuple[tuple[str, str | None], ...]
    born_at: float
    until: float
    size_bytes: int


class _Flight:
    """A request under way, and whether its answer was kept for others; None: there was no answer."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.was_kept: bool | None = None


class HttpCache:
    """Keeps answers while they are fresh, *max_bytes* in all; the least recently used go first. Thread-safe.

    *clock* is monotonic, in seconds; *now* tells the time for the dates of servers.
    """

    def __init__(
        self,
        *,
        max_bytes: int = MAX_BYTES,
        max_entry_bytes: int = MAX_ENTRY_BYTES,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._max_bytes = max_bytes
        self._max_entry_bytes = min(max_entry_bytes, max_bytes)
        self._clock = clock
        self._now = now
        self._mutex = threading.Lock()
        self._entries: OrderedDict[str, list[_Entry]] = OrderedDict()
        """By URL, the most recently used last; of one URL the newest answer first."""
        self._flights: dict[str, _Flight] = {}
        self._passing: OrderedDict[str, None] = OrderedDict()
        self.size_bytes = 0

    def find(self, request: BrowserRequest) -> Exchanged | None:
        """A fresh answer to such a request, with its Age; None without one."""
        url = canonical(request.url)
        if url is None or not is_askable(request):
            return None
        with self._mutex:
            return self._find(url, request)

    def keep(self, request: BrowserRequest, answer: Exchanged, *, kind: str) -> bool:
        """Keep *answer* if it may be used again; whether it is kept. *kind* is DevTools' type of the request."""
        url, now = canonical(request.url), self._now()
        lifetime_s = kept_s(request, answer, kind=kind, now=now)
        varied = varies(request, answer)
        headers = tuple(pair for pair in answer.headers if pair[0].lower() not in _NOT_KEPT)
        size_bytes = (
            _ENTRY_BYTES + len(answer.content) + sum(len(name) + len(value) for name, value in headers)
        )
        if url is None or varied is None or lifetime_s <= 0 or size_bytes > self._max_entry_bytes:
            return False
        at = self._clock()
        entry = _Entry(
            answer=msgspec.structs.replace(answer, headers=headers),
            varied=varied,
            born_at=at - initial_age_s(answer.headers, now),
            until=at + lifetime_s,
            size_bytes=size_bytes,
        )
        with self._mutex:
            self._passing.pop(url, None)
            known = self._entries.pop(url, [])
            others = [one for one in known if one.varied != varied and one.until > at][: _VARIANTS - 1]
            self._entries[url] = [entry, *others]
            self.size_bytes += sum(one.size_bytes for one in (entry, *others)) - _size(known)
            while self.size_bytes > self._max_bytes:
                _, oldest = self._entries.popitem(last=False)
                self.size_bytes -= _size(oldest)
        return True

    def forget(self, url: str) -> None:
        """Drop all answers of *url*: something was sent to it (RFC 9111, section 4.4)."""
        with self._mutex:
            self.size_bytes -= _size(self._entries.pop(canonical(url) or "", []))

    def share(
        self,
        request: BrowserRequest,
        *,
        kind: str,
        ask: Callable[[], Exchanged],
        wait: Wait = threading.Event.wait,
    ) -> tuple[Exchanged, bool]:
        """A fresh answer, or else what *ask* gives, which is kept if it may be; and whether it is *ask*'s.

        Of several that want the same at the same time one asks, and the others *wait* to see whether its answer is for
        them as well; 20 s at most, and only for URLs that may give all the same. Raises what *ask* raises.
        """
        url = canonical(request.url)
        if url is None or not is_askable(request):
            return ask(), True
        end = self._clock() + _PATIENCE_S
        while True:
            with self._mutex:
                if (found := self._find(url, request)) is not None:
                    return found, False
                flight = self._flights.get(url)
                if flight is None and url not in self._passing:
                    flight = self._flights[url] = _Flight()
                    break
            left_s = end - self._clock()
            if flight is None or left_s <= 0 or not wait(flight.over, left_s):
                return self._alone(request, kind, ask), True
            if flight.was_kept is not None:
                # it has been answered: for this one as well, or for none but the one who asked
                found = self.find(request)
                return (found, False) if found is not None else (self._alone(request, kind, ask), True)
        try:
            answer = ask()
            flight.was_kept = self.keep(request, answer, kind=kind)
            if not flight.was_kept:
                self._pass(url)
            return answer, True
        finally:
            with self._mutex:
                del self._flights[url]
            flight.over.set()

    def _alone(self, request: BrowserRequest, kind: str, ask: Callable[[], Exchanged]) -> Exchanged:
        answer = ask()
        self.keep(request, answer, kind=kind)
        return answer

    def _pass(self, url: str) -> None:
        with self._mutex:
            self._passing[url] = None
            if len(self._passing) > _MAX_PASSING:
                self._passing.popitem(last=False)

    def _find(self, url: str, request: BrowserRequest) -> Exchanged | None:
        now = self._clock()
        for entry in self._entries.get(url, ()):
            if entry.until > now and is_like(request, entry.varied):
                self._entries.move_to_end(url)
                age = ("Age", str(int(max(0.0, now - entry.born_at))))
                return msgspec.structs.replace(entry.answer, headers=(*entry.answer.headers, age))
        return None


def _size(entries: list[_Entry]) -> int:
    return sum(entry.size_bytes for entry in entries)
