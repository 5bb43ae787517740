"""The server of hostile pages, on loopback, and canaries beside it: addresses that no page may get anybody to touch."""

from __future__ import annotations

import contextlib
import mimetypes
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from crawler.http import dns_cache

SITE = "site.test"
"""The name of the site in the tests' own name service: 127.0.0.1."""
OTHER = "other.test"
"""Another site there, as all names that end so are but for these two."""
PRIVATE = "private.test"
"""At 127.0.0.2, which nobody has opened."""
REBINDING = "rebinding.test"
"""At 127.0.0.1 when it is asked for the first time, and at 127.0.0.2 from then on."""
PRIVATE_ADDRESS = "127.0.0.2"
ROBOTS = b"user-agent: *\ndisallow: /*forbidden\n"

Answer = Callable[["Request"], None]
Said = str | bytes | Answer
"""What a path gives: a text, or who writes one."""


class Asked(NamedTuple):
    """A request that has come."""

    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Request(BaseHTTPRequestHandler):
    """One that is to be answered; ``say`` does it with a length, ``drip`` without an end."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: HostileServer

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # who asked has had enough
            super().handle()

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        host = self.headers.get("Host", "").partition(":")[0]
        asked = Asked(self.command, host, self.path, dict(self.headers.items()), body)
        self.server.note(asked)
        path = urlsplit(self.path).path
        if path == "/robots.txt" and host.startswith("slow"):
            self.server.is_over.wait(60)
            return
        if path == "/robots.txt":
            self.say(ROBOTS, "text/plain")
            return
        said = self.server.said(path)
        if said is None and "/img/" in path:
            self.say(b"\x89PNG\r\n\x1a\n of no pixels", "image/png")
        elif said is None:
            self.say(b"not here", "text/plain", status=404)
        elif callable(said):
            said(self)
        else:
            text = self.server.filled(said)
            self.say(text, mimetypes.guess_type(path)[0] or "text/html; charset=utf-8")

    def __getattr__(self, name: str) -> Any:
        """Whatever the method is: ``do_GET`` and the like."""
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def say(
        self, content: bytes, content_type: str = "text/html", *, status: int = 200, **headers: str
    ) -> None:
        self.send_response(status)
        if content_type:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        if self.headers.get("Host", "").startswith(REBINDING):  # so that its name is looked up again
            self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def raw(self, data: bytes) -> None:
        """Exactly this, and the end of the connection."""
        self.close_connection = True
        self.wfile.write(data)

    def drip(self, content_type: str, part: bytes, every_s: float, first: bytes = b"") -> None:
        """Again and again, for as long as somebody listens."""
        self.close_connection = True
        self.wfile.write(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: %b\r\n\r\n" % content_type.encode()
        )
        self.wfile.write(self.server.filled(first))
        while not self.server.is_over.wait(every_s):
            self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        pass


class HostileServer(ThreadingHTTPServer):
    """Serves *pages*: by name, what the page says; by NAME/PATH, what belongs to it.

    ``asked`` is all that has come, ``connections`` how often a canary was touched, by which.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, pages: Mapping[str, Said]) -> None:
        self.asked: list[Asked] = []
        self.is_over = threading.Event()
        self._pages = pages
        self._mutex = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), Request)
        self.port: int = self.server_address[1]
        self.canaries = Canaries((PRIVATE_ADDRESS, self.port))
        self.url = f"http://{SITE}:{self.port}/"

    def __enter__(self) -> Self:
        self.canaries.start()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.shutdown()
        with self._mutex:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()
        self.canaries.close()

    def note(self, asked: Asked) -> None:
        with self._mutex:
            self.asked.append(asked)

    def of(self, name: str) -> list[Asked]:
        """What was asked for by a page, or of it."""
        with self._mutex:
            return [asked for asked in self.asked if asked.path.startswith(f"/{name}/")]

    def said(self, path: str) -> Said | None:
        name, _, rest = path.removeprefix("/").partition("/")
        if not rest:
            return self._pages.get(name)
        parts = rest.split("/")
        while parts:  # who serves a folder serves all in it
            if (found := self._pages.get("/".join((name, *parts)))) is not None:
                return found
            parts.pop()
        return None

    def filled(self, said: str | bytes) -> bytes:
        """With the addresses that its %NAMES% stand for."""
        text = said.encode("utf-8", "surrogatepass") if isinstance(said, str) else said
        if b"%" not in text or len(text) > 2**20:
            return text
        for name, value in self.addresses.items():
            text = text.replace(f"%{name}%".encode(), value.encode())
        return text

    @property
    def addresses(self) -> Mapping[str, str]:
        canary = self.canaries.port
        return {
            "PORT": f"{self.port}",
            "SITE": f"{SITE}:{self.port}",
            "OTHER": f"{OTHER}:{self.port}",
            "CANARY": f"127.0.0.1:{canary}",
            "PRIVATE": f"{PRIVATE_ADDRESS}:{canary}",
            "PRIVATE_NAME": f"{PRIVATE}:{canary}",
            "REBINDING": f"{REBINDING}:{self.port}",
        }

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._mutex:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._mutex:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are what this server is for."""


class Canaries:
    """One port, by TCP and UDP, at 127.0.0.1 and at PRIVATE_ADDRESS, and *also* one: ``touched`` counts who came."""

    def __init__(self, also: tuple[str, int]) -> None:
        self.touched: Counter[str] = Counter()
        self.said: list[bytes] = []
        """How those began who came by TCP."""
        self._sockets = self._bound()
        self.port: int = self._sockets[0].getsockname()[1]
        self._sockets.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        self._sockets[-1].bind(also)
        self._threads: list[threading.Thread] = []

    @staticmethod
    def _bound() -> list[socket.socket]:
        while True:
            made: list[socket.socket] = []
            try:
                for address in ("127.0.0.1", PRIVATE_ADDRESS):
                    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                        one = socket.socket(socket.AF_INET, kind)
                        made.append(one)
                        one.bind((address, made[0].getsockname()[1] if len(made) > 1 else 0))
            except OSError:
                for one in made:
                    one.close()
                continue
            return made

    def start(self) -> None:
        for one in self._sockets:
            thread = threading.Thread(target=self._watch, args=(one,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _watch(self, one: socket.socket) -> None:
        address = one.getsockname()[0]
        one.settimeout(0.1)
        if one.type == socket.SOCK_STREAM:
            one.listen(16)
        while one.fileno() >= 0:
            with contextlib.suppress(TimeoutError):
                try:
                    if one.type == socket.SOCK_STREAM:
                        connection, _ = one.accept()
                        with connection:
                            connection.settimeout(0.2)
                            said = b""
                            with contextlib.suppress(OSError):
                                said = connection.recv(300)
                        self.touched[f"tcp {address}"] += 1
                        self.said.append(said)
                    else:
                        one.recvfrom(2048)
                        self.touched[f"udp {address}"] += 1
                except TimeoutError:
                    continue
                except OSError:
                    return

    def close(self) -> None:
        for one in self._sockets:
            one.close()
        for thread in self._threads:
            thread.join()


class Resolver:
    """The tests' own name service, in the place of socket.getaddrinfo: names under .test are on loopback."""

    def __init__(self) -> None:
        self._rebound = False
        self.real = socket.getaddrinfo

    def __call__(self, host: Any, port: Any, *args: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        if not name.rstrip(".").endswith(".test"):
            return self.real(host, port, *args, **more)
        address = "127.0.0.1"
        if name == PRIVATE or (name == REBINDING and self._rebound):
            address = PRIVATE_ADDRESS
        self._rebound = self._rebound or name == REBINDING
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, int(port or 0)))]


@contextlib.contextmanager
def own_names() -> Iterator[Resolver]:
    """Within it names are looked up there, each time anew."""
    resolver, remembered_s = Resolver(), dns_cache.REMEMBERED_S
    socket.getaddrinfo, dns_cache.REMEMBERED_S = resolver, 0.0
    try:
        yield resolver
    finally:
        socket.getaddrinfo, dns_cache.REMEMBERED_S = resolver.real, remembered_s
