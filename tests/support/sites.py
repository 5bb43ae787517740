"""Small sites made for a test, and a real server for them.

    python -m tests.support.sites FOLDER HOST PORT DELAY_S

serves FOLDER, each answer DELAY_S late, until SIGTERM. Says the site's URL when it listens; at the end how often each
path was asked for, as JSON.
"""

from __future__ import annotations

import hashlib
import json
import random
import signal
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import TypeVar

from PIL import Image

Server = TypeVar("Server", bound=ThreadingHTTPServer)

HELD_S = 100.0
"""A delay that outlasts what a test has to do in mid-crawl, on however busy a machine; it ends it then.

With a delay of 0.2 s a crawl was over before the command was there that was to stop it.
"""


def make_site(folder: Path, *, pages: int, images_per_page: int, seed: int = 1) -> dict[str, str]:
    """*pages* pages that link to each other, each with images of its own; returns path -> sha256 of the images."""
    rng = random.Random(seed)
    digests: dict[str, str] = {}
    for page in range(pages):
        tags = []
        for number in range(images_per_page):
            name = f"images/p{page}/i{number}.png"
            data = png(rng)
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            digests["/" + name] = hashlib.sha256(data).hexdigest()
            tags.append(f'<img src="/{name}" alt="picture {number} of page {page}">')
        links = [f'<a href="/page{n}.html">page {n}</a>' for n in (2 * page + 1, 2 * page + 2) if n < pages]
        html = f"<!DOCTYPE html><title>Page {page}</title>{''.join(tags)}{''.join(links)}"
        (folder / (f"page{page}.html" if page else "index.html")).write_text(html, encoding="utf-8")
    return digests


def png(rng: random.Random) -> bytes:
    image = Image.frombytes("RGB", (8, 8), rng.randbytes(192))
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


class SiteServer(ThreadingHTTPServer):
    """Serves a folder, on loopback by default; counts requests by path, and how many were in flight at once."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, folder: Path, delay_s: float = 0.0, *, address: tuple[str, int] = ("127.0.0.1", 0)
    ) -> None:
        super().__init__(address, partial(_Handler, directory=str(folder)))
        self._delay_s = delay_s
        self.images_asked = 0
        self._held_after: int | None = None
        self._delay_changed = threading.Condition()
        self.requests: Counter[str] = Counter()
        """By path; those for robots.txt, one from each process and before others, are counted apart."""
        self.looks_at_robots_txt = 0
        self.arrivals_s: list[float] = []
        """When each of ``requests`` began, on the monotonic clock."""
        self.overloaded: dict[str, int] = {}
        """Paths, and how many times more each is answered by 503."""
        self.broken: dict[str, int] = {}
        """Paths, and the status that each is always answered with; 0: the connection is reset."""
        self.statuses: Counter[tuple[str, int]] = Counter()
        """How often each path was answered with each status."""
        self.headers: dict[str, dict[str, str]] = {}
        """Paths, and what headers each has besides."""
        self.etags = False
        """Whether files have an ETag, and conditional requests go by it; else they go by dates."""
        self.in_flight = self.most_in_flight = 0
        """Of requests that have come and wait for their answer to begin."""
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return "http://{}:{}/".format(*self.server_address)

    @property
    def delay_s(self) -> float:
        """How late each answer is. Requests that wait for theirs see a change at once: 0 lets them go."""
        return self._delay_s

    @delay_s.setter
    def delay_s(self, value: float) -> None:
        with self._delay_changed:
            self._delay_s = value
            self._delay_changed.notify_all()

    @property
    def held_after(self) -> int | None:
        """All requests for images but the first so many are held; None lets them go.

        So a crawl can't come to its end before the test looks, however late it does.
        """
        return self._held_after

    @held_after.setter
    def held_after(self, value: int | None) -> None:
        with self._delay_changed:
            self._held_after = value
            self._delay_changed.notify_all()

    def wait(self, number: int) -> None:
        """Until a request that has come just now is to be answered: for the *number*-th image, or 0."""
        came = time.monotonic()
        with self._delay_changed:
            while (left_s := came + self._late_s(number) - time.monotonic()) > 0:
                self._delay_changed.wait(left_s)

    def _late_s(self, number: int) -> float:
        return HELD_S if self._held_after is not None and number > self._held_after else self._delay_s


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes: 40 ms a request otherwise
    server: SiteServer

    def do_GET(self) -> None:
        with self.server.lock:
            if self.path == "/robots.txt":
                self.server.looks_at_robots_txt += 1
            else:
                self.server.requests[self.path] += 1
                self.server.arrivals_s.append(time.monotonic())
            self.server.images_asked += (is_image := self.path.endswith(".png"))
            number = self.server.images_asked if is_image else 0
            overloaded = self.server.overloaded.get(self.path, 0) > 0
            if overloaded:
                self.server.overloaded[self.path] -= 1
            self.server.in_flight += 1
            self.server.most_in_flight = max(self.server.most_in_flight, self.server.in_flight)
        self.server.wait(number)
        with self.server.lock:
            # before the answer: once that has gone out, the client may be faster than we are
            self.server.in_flight -= 1
        broken = self.server.broken.get(self.path)
        if broken == 0:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif overloaded or broken:
            self.send_response(broken or 503)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.server.etags and self._etag() in self.headers.get_all("If-None-Match", []):
            self.send_response(304)
            self.end_headers()
        else:
            super().do_GET()

    def _etag(self) -> str | None:
        file = Path(self.translate_path(self.path))
        file = file / "index.html" if file.is_dir() else file
        if not file.is_file():
            return None
        return f'"{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"'

    def send_response(self, code: int, message: str | None = None) -> None:
        with self.server.lock:
            self.server.statuses[getattr(self, "path", ""), code] += (
                1  # of what is no HTTP, as TLS, there is none
            )
        super().send_response(code, message)

    def end_headers(self) -> None:
        for name, value in self.server.headers.get(self.path, {}).items():
            self.send_header(name, value)
        if self.server.etags and (etag := self._etag()) is not None:
            self.send_header("ETag", etag)
        super().end_headers()

    def handle(self) -> None:
        with suppress(ConnectionError):  # whoever asked was killed
            super().handle()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path, delay_s: float = 0.0, *, host: str = "127.0.0.1") -> Iterator[SiteServer]:
    with in_thread(SiteServer(folder, delay_s, address=(host, 0))) as server:
        yield server


@contextmanager
def in_thread(server: Server) -> Iterator[Server]:
    """It serves, in a thread of this process."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    folder, host, port, delay_s = sys.argv[1:]
    server = SiteServer(Path(folder), float(delay_s), address=(host, int(port)))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGUSR1, lambda *_: setattr(server, "delay_s", 0.0))  # enough of that
    print(server.url, flush=True)
    with suppress(KeyboardInterrupt):
        server.serve_forever()
    print(json.dumps(server.requests))


if __name__ == "__main__":
    main()
