"""A server on loopback that answers each path as a test says, whatever the method, and notes all that it was asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.sites import in_thread


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A request, as it came."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    at: float
    """On the monotonic clock."""
    connection: int

    def get(self, name: str) -> str | None:
        """The value of a header, whatever its case; None without one."""
        found = [value for known, value in self.headers if known.lower() == name.lower()]
        assert len(found) < 2, f"{name} was sent {len(found)} times"
        return found[0] if found else None


@dataclass(frozen=True, kw_only=True)
class Says:
    """An answer."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    pieces: int = 0
    """Without a length and so many times, until the client has gone."""
    after_s: float = 0.0
    hangs_up: bool = False
    """The connection ends in place of an answer."""
    leaves: bool = False
    """The answer says nothing of it, but the connection ends after it."""


def says(body: bytes | str = b"", kind: str = "text/plain", /, **headers: str) -> Says:
    """A good answer; ``_`` in the names of *headers* is a hyphen."""
    content = body.encode() if isinstance(body, str) else body
    more = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Says(headers=(("Content-Type", kind), *more), body=content)


Answers = Mapping[str, Says | Callable[[Seen], Says]]


@dataclass(kw_only=True)
class Backend:
    """Answers by path, without its query; anything else is 404, robots.txt too."""

    answers: dict[str, Says | Callable[[Seen], Says]]
    seen: list[Seen] = field(default_factory=list)
    sent_bytes: int = 0
    """Of bodies."""
    connections: int = 0
    open_connections: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    url: str = ""
    """Without a slash at its end."""
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def asked(self, path: str = "") -> list[Seen]:
        """What came for *path*, or for all but robots.txt."""
        with self.mutex:
            return [
                seen
                for seen in self.seen
                if seen.path == path or (not path and not seen.path.endswith("/robots.txt"))
            ]

    def paths(self) -> list[str]:
        return [seen.path for seen in self.asked()]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, backend: Backend) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend = backend
        backend.url = "http://{}:{}".format(*self.server_address)

    def handle_error(self, *_: object) -> None:
        """Clients that give up are expected."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        super().setup()
        backend = self.server.backend
        with backend.mutex:
            backend.connections += 1
            backend.open_connections += 1
            self.number = backend.connections

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            with self.server.backend.mutex:
                self.server.backend.open_connections -= 1

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        backend = self.server.backend
        seen = Seen(
            method=self.command,
            path=self.path,
            headers=tuple(self.headers.items()),
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            at=time.monotonic(),
            connection=self.number,
        )
        with backend.mutex:
            backend.seen.append(seen)
            backend.in_flight += 1
            backend.most_in_flight = max(backend.most_in_flight, backend.in_flight)
        try:
            answer = backend.answers.get(self.path.partition("?")[0], Says(status=404))
            answer = answer if isinstance(answer, Says) else answer(seen)
            time.sleep(answer.after_s)
        finally:
            with backend.mutex:
                backend.in_flight -= 1
        self._answer(answer)

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):  # any method
            return self._serve
        raise AttributeError(name)

    def _answer(self, answer: Says) -> None:
        self.close_connection = self.close_connection or answer.hangs_up or answer.leaves or answer.pieces > 0
        if answer.hangs_up:
            return
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        named = {name.lower() for name, _ in answer.headers}
        if not answer.pieces and answer.status not in {204, 304} and "content-length" not in named:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        for _ in range(answer.pieces or 1):
            self.wfile.write(answer.body)
            if answer.pieces:
                self.wfile.flush()
            with self.server.backend.mutex:
                self.server.backend.sent_bytes += len(answer.body)


@contextmanager
def backend(answers: Answers) -> Iterator[Backend]:
    """A running one, that answers so; its ``answers`` may be changed meanwhile."""
    made = Backend(answers=dict(answers))
    with in_thread(_Server(made)):
        yield made
