"""How servers limit the requests of one client, on any clock; and a server on loopback that does so."""

from __future__ import annotations

import math
import random
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from tests.support.sites import in_thread, png


class Limit(Protocol):
    """Asked at each request; *now* in seconds, never decreasing."""

    def admits(self, now: float, in_flight: int) -> bool:
        """*in_flight* others are being answered."""
        ...

    def wait_s(self, now: float) -> float:
        """Until it admits the next one, as an honest server would say it."""
        ...


@dataclass
class TokenBucket:
    """*per_s* requests a second, and *burst* at once after a rest (nginx, most gateways)."""

    per_s: float
    burst: float = 1.0
    _tokens: float = math.inf
    _at: float = 0.0

    def admits(self, now: float, in_flight: int) -> bool:
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.per_s)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def wait_s(self, now: float) -> float:
        return max(0.0, (1 - self._tokens) / self.per_s)


@dataclass
class FixedWindow:
    """*most* requests in each *window_s* seconds, counted anew at the end of each."""

    most: int
    window_s: float
    _window: int = -1
    _count: int = 0

    def admits(self, now: float, in_flight: int) -> bool:
        if (window := int(now // self.window_s)) != self._window:
            self._window, self._count = window, 0
        self._count += 1
        return self._count <= self.most

    def wait_s(self, now: float) -> float:
        return (self._window + 1) * self.window_s - now


@dataclass
class SlidingWindow:
    """*most* requests in any *window_s* seconds; of those that were refused, too, if *counts_refused*."""

    most: int
    window_s: float
    counts_refused: bool = False
    _times: deque[float] = field(default_factory=deque)

    def admits(self, now: float, in_flight: int) -> bool:
        while self._times and self._times[0] <= now - self.window_s:
            self._times.popleft()
        fine = len(self._times) < self.most
        if fine or self.counts_refused:
            self._times.append(now)
        return fine

    def wait_s(self, now: float) -> float:
        return self._times[0] + self.window_s - now if self._times else 0.0


@dataclass
class Concurrent:
    """*most* requests at a time."""

    most: int

    def admits(self, now: float, in_flight: int) -> bool:
        return in_flight < self.most

    def wait_s(self, now: float) -> float:
        return 1.0


@dataclass
class Never:
    """It refuses all."""

    def admits(self, now: float, in_flight: int) -> bool:
        return False

    def wait_s(self, now: float) -> float:
        return 3600.0


@dataclass
class Free:
    """It refuses nothing."""

    def admits(self, now: float, in_flight: int) -> bool:
        return True

    def wait_s(self, now: float) -> float:
        return 0.0


class LimitedServer(ThreadingHTTPServer):
    """A page with *images* images, which are limited by *limit*; 429 with *retry_after*, if there is one."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, limit: Limit, *, images: int, retry_after: str | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.limit, self.images, self.retry_after = limit, images, retry_after
        rng = random.Random(1)
        self.pictures = [png(rng) for _ in range(images)]
        self.statuses: Counter[int] = Counter()
        self.served_s: list[float] = []
        """When each image was given."""
        self.moments_s: dict[int, list[float]] = defaultdict(list)
        """When it was asked for each, by number."""
        self.refused: dict[int, int] = {}
        """Images that are refused so many times, whatever the limit says."""
        self.in_flight = 0
        self.mutex = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LimitedServer

    def do_GET(self) -> None:
        if self.path == "/":
            tags = "".join(f'<img src="/images/{number}.png">' for number in range(self.server.images))
            self._answer(200, f"<html><body>{tags}</body></html>".encode(), "text/html")
        elif self.path.startswith("/images/"):
            self._image(int(self.path.removeprefix("/images/").removesuffix(".png")))
        else:
            self._answer(404, b"", "text/plain")

    def _image(self, number: int) -> None:
        server = self.server
        with server.mutex:
            now = time.monotonic()
            status = 200 if server.limit.admits(now, server.in_flight) else 429
            if server.refused.get(number):
                server.refused[number] -= 1
                status = 429
            server.moments_s[number].append(now)
            server.statuses[status] += 1
            server.in_flight += 1
            if status == 200:
                server.served_s.append(now)
        try:
            self._answer(status, self.server.pictures[number] if status == 200 else b"", "image/png")
        finally:
            with server.mutex:
                server.in_flight -= 1

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if status == 429 and self.server.retry_after is not None:
            self.send_header("Retry-After", self.server.retry_after)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def limited(limit: Limit, *, images: int, retry_after: str | None = None) -> Iterator[LimitedServer]:
    with in_thread(LimitedServer(limit, images=images, retry_after=retry_after)) as server:
        yield server
