"""All sites in one process: each at a port of its own, and one other origin for all; each request is noted.

At the other origin a site is below its name, and CORS is granted, preflights included.
"""

from __future__ import annotations

import mimetypes
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from tests.benchmarks.rendered.api import api
from tests.benchmarks.rendered.site import ELSEWHERE, Ask, Reply, Site
from tests.support.sites import in_thread

NOT_FOUND = Reply(b"Not Found", "text/plain", HTTPStatus.NOT_FOUND)
TEXTS = ("text/", "application/javascript", "application/json")
MAX_BODY_BYTES = 1 << 20
HEADERS_OF_INTEREST = (
    "User-Agent",
    "Accept",
    "Referer",
    "Cookie",
    "Origin",
    "Sec-Fetch-Dest",
    "If-None-Match",
)
TYPES = {
    ".mjs": "text/javascript",
    ".md": "text/markdown; charset=utf-8",
    ".js": "text/javascript",
    ".html": "text/html; charset=utf-8",
}


class Asked(NamedTuple):
    """One request, and how it was answered."""

    at_s: float
    site: str
    elsewhere: bool
    method: str
    target: str
    headers: dict[str, str]
    status: int
    content_type: str

    @property
    def is_image(self) -> bool:
        return (
            self.method == "GET" and self.status == HTTPStatus.OK and self.content_type.startswith("image/")
        )


class Log:
    """What was asked of all sites, in order; thread-safe."""

    def __init__(self) -> None:
        self._asked: list[Asked] = []
        self._lock = threading.Lock()
        self.in_flight = 0
        self.last_s = time.monotonic()

    def begin(self) -> None:
        with self._lock:
            self.in_flight += 1
            self.last_s = time.monotonic()

    def end(self, asked: Asked) -> None:
        with self._lock:
            self.in_flight -= 1
            self.last_s = time.monotonic()
            self._asked.append(asked)

    def drain(self) -> list[Asked]:
        """What there is so far; the log begins anew."""
        with self._lock:
            asked, self._asked = self._asked, []
            return asked

    def so_far(self) -> list[Asked]:
        with self._lock:
            return list(self._asked)


class Cache(NamedTuple):
    """Where what is built lies."""

    folder: Path

    @property
    def packages(self) -> Path:
        return self.folder / "node_modules"

    def site(self, site: Site) -> Path:
        """Of this definition of it: another one, of another checkout, may be served from the same cache meanwhile."""
        return self.folder / "sites" / f"{site.name}-{site.digest[:8]}"

    def picture(self, site: Site, n: int, w: int) -> Path:
        return self.folder / "pictures" / site.name / f"{n}-{w}.{site.pictures.ending}"


class SiteServer(ThreadingHTTPServer):
    """One site; or, without any, the other origin of all *sites*."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self, site: Site | None, sites: Sequence[Site], cache: Cache, log: Log, elsewhere: str = ""
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.site, self.cache, self.log = site, cache, log
        self.sites = {other.name: other for other in sites}
        self.origin = f"http://127.0.0.1:{self.server_address[1]}"
        self.elsewhere = elsewhere or self.origin


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: SiteServer

    def _do(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(min(length, MAX_BODY_BYTES))
        self.server.log.begin()
        site, target = self.server.site, self.path
        if site is None:
            name, slash, rest = target[1:].partition("/")
            site, target = self.server.sites.get(name), slash + rest
        reply = NOT_FOUND
        try:
            if site is not None:
                reply = self._reply(Ask(site, self.command, target, self.headers, body))
        finally:
            kept = {name: self.headers[name] for name in HEADERS_OF_INTEREST if name in self.headers}
            self.server.log.end(
                Asked(
                    time.monotonic(),
                    site.name if site else "",
                    self.server.site is None,
                    self.command,
                    target,
                    kept,
                    reply.status,
                    reply.content_type,
                )
            )
        self._send(reply, site)

    do_GET = do_POST = do_HEAD = do_OPTIONS = do_PUT = _do  # noqa: N815 - the names that are called

    def _reply(self, ask: Ask) -> Reply:
        if ask.method == "OPTIONS":
            return Reply(b"", "text/plain", HTTPStatus.NO_CONTENT)
        known = ask.site.pictures.known_by(ask.target)
        if known is not None and (self.server.site is None) == ask.site.pictures.elsewhere:
            content = self.server.cache.picture(ask.site, *known).read_bytes()
            return Reply(content, "image/png" if ask.site.pictures.ending == "png" else "image/jpeg")
        own = ask.site.elsewhere if self.server.site is None else ask.site.answers
        if (answer := own.get(ask.path)) is not None:
            time.sleep(ask.site.delay_s)
            return answer(ask)
        if ask.path.startswith("/api/pictures"):
            time.sleep(ask.site.delay_s)
            return api(ask)
        return self._file(ask)

    def _file(self, ask: Ask) -> Reply:
        cache, path = self.server.cache, unquote(ask.path)
        if path.startswith("/node_modules/"):
            return file_below(cache.packages, path.removeprefix("/node_modules/"))
        if self.server.site is None:
            path = "/elsewhere" + path
        reply = file_below(cache.site(ask.site), path[1:])
        wants_page = "text/html" in (ask.headers.get("Accept") or "*/*") or "*/*" in ask.headers.get(
            "Accept", ""
        )
        if reply is NOT_FOUND and ask.site.spa and wants_page and "." not in path.rpartition("/")[2]:
            return file_below(cache.site(ask.site), "index.html")
        return reply

    def _send(self, reply: Reply, site: Site | None) -> None:
        body = reply.body
        if reply.content_type.startswith(TEXTS):
            body = body.replace(
                ELSEWHERE.encode(), f"{self.server.elsewhere}/{site.name if site else ''}".encode()
            )
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        if reply.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        if "Cache-Control" not in reply.headers:
            fresh = reply.content_type.startswith("image/") or self.path.startswith("/node_modules/")
            self.send_header("Cache-Control", "max-age=3600" if fresh else "no-cache")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if self.server.site is None and (origin := self.headers.get("Origin")):
            self.send_header("Access-Control-Allow-Origin", origin)
            self.send_header("Access-Control-Allow-Headers", "content-type, x-wants")
            self.send_header("Vary", "Origin")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle(self) -> None:
        with suppress(ConnectionError):  # whoever asked has gone
            super().handle()

    def log_message(self, *_: object) -> None:
        pass


def file_below(folder: Path, path: str) -> Reply:
    """The file at *path* of *folder*, or the index.html of the folder there; NOT_FOUND for what lies outside."""
    file = folder / path
    if not file.resolve().is_relative_to(folder.resolve()):
        return NOT_FOUND
    if file.is_dir():
        file = file / "index.html"
    if not file.is_file():
        return NOT_FOUND
    kind = TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return Reply(file.read_bytes(), kind)


class Served(NamedTuple):
    urls: dict[str, str]
    """By site: where it begins, with a slash at its end."""
    elsewhere: str
    log: Log

    def target(self, url: str) -> tuple[str, bool, str] | None:
        """Which site *url* belongs to, whether at the other origin, and its path with query; None: to none."""
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin == self.elsewhere:
            name, slash, rest = target[1:].partition("/")
            return name, True, slash + rest
        for name, begin in self.urls.items():
            if begin == origin + "/":
                return name, False, target
        return None


@contextmanager
def serving(sites: Sequence[Site], folder: Path) -> Iterator[Served]:
    """All *sites*, built in *folder*, each at a port of its own on loopback."""
    log, cache = Log(), Cache(folder)
    with ExitStack() as stack:
        elsewhere = stack.enter_context(in_thread(SiteServer(None, sites, cache, log)))
        urls = {
            site.name: stack.enter_context(
                in_thread(SiteServer(site, sites, cache, log, elsewhere.origin))
            ).origin
            + "/"
            for site in sites
        }
        yield Served(urls, elsewhere.origin, log)
