"""A server on loopback that is difficult, and notes when each request came: what a site's owner sees of a crawl."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

from tests.support.hostile import of_its_own
from tests.support.sites import in_thread

IMAGES = 8
SLOW_S = 1.5


class Server(ThreadingHTTPServer):
    """Its page shows IMAGES images; one that is always broken, one that is slow, one that is busy at first, one whose
    first answer is cut off, one that a redirect leads to on the same server, and *lent* that are at *other*, where
    redirects lead. *robots* is its robots.txt.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *, robots: str = "", other: str = "", lent: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.robots = robots
        self.other = other
        self.lent = lent
        self.mutex = threading.Lock()
        self.arrivals: list[tuple[float, str]] = []
        """When which path was asked for, on the monotonic clock."""
        self.asked: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return "http://{}:{}/".format(*self.server_address)

    def page(self) -> str:
        names = [f"i{n}" for n in range(IMAGES)] + ["broken", "slow", "busy", "cut", "moved"]
        lent = [f"lent{n}" for n in range(self.lent)]
        return "".join(f'<img src="/{name}.png">' for name in names + lent) + '<a href="/more.html">more</a>'

    @property
    def gaps_s(self) -> list[tuple[float, str]]:
        """From each request to the next, and what that was for."""
        return [(after - before, path) for (before, _), (after, path) in pairwise(self.arrivals)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        site, path = self.server, self.path
        with site.mutex:
            site.arrivals.append((time.monotonic(), path))
            site.asked[path] += 1
            is_first = site.asked[path] == 1
        text = {"/robots.txt": site.robots, "/": site.page(), "/more.html": '<img src="/i1.png">'}.get(path)
        led_to = {"/moved.png": "/moved/again.png", "/moved/again.png": "/at/last.png"}.get(path, "")
        if path.startswith("/lent") and site.other:
            led_to = f"{site.other}{path.lstrip('/')}"
        if text:
            self._answer(200, text.encode(), "text/plain" if path == "/robots.txt" else "text/html")
        elif led_to:
            self._answer(302, location=led_to)
        elif path == "/broken.png":
            self._answer(500)
        elif path == "/busy.png" and is_first:
            self._answer(503, retry_after="1")
        elif path == "/cut.png" and is_first:
            self.close_connection = True
            self.connection.close()
        elif path.endswith(".png"):
            time.sleep(SLOW_S if path == "/slow.png" else 0.0)
            self._answer(200, of_its_own(f"{site.url} {path}"), "image/png")
        else:
            self._answer(404)

    def _answer(
        self,
        status: int,
        body: bytes = b"",
        content_type: str = "",
        *,
        location: str = "",
        retry_after: str = "",
    ) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", content_type),
            ("Location", location),
            ("Retry-After", retry_after),
            ("Content-Length", str(len(body))),
        ):
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(*, robots: str = "", other: str = "", lent: int = 0) -> Iterator[Server]:
    with in_thread(Server(robots=robots, other=other, lent=lent)) as server:
        yield server
