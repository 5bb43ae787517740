"""Serves a gallery to a browser on this machine.

Any page that the browser has open can send requests to it, and any program can connect. So:

- only names of this machine pass in Host: a foreign name that has come to point here (DNS rebinding) is refused;
- requests of other sites are refused (Fetch Metadata), and no other site may use an answer (CORP);
- it only reads, and only what is named: files of the page, data, thumbnails, and images by paths that a crawl makes;
- no SVG runs a script, even when it is opened by itself;
- a request has a most of bytes and of seconds, and there is a most of connections.
"""

from __future__ import annotations

import io
import ipaddress
import platform
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from crawler.errors import CrawlerError, UsageError
from crawler.gallery.live import Content, ImageFile, LiveGallery
from crawler.text.plain_errors import plain
from crawler.urls import show_address

PAGE = "/gallery/index.html"
_HEAD_S = 10.0
"""Seconds for a client to send a request, from its first wait on; and so for an idle connection to stay."""
_SEND_S = 30.0
"""Seconds for a client to take one block of an answer."""
_BLOCK_BYTES = 2**17
_MOST_HEAD_BYTES = 32 * 1024
_MOST_CONNECTIONS = 64
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types gallery"
)
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,255}))(?::[0-9]{1,5})?")
_IMAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class GalleryServer(ThreadingHTTPServer):
    """A server of *gallery* at *address*; a port of 0 is any free one. Raises UsageError if it can't listen there."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = _MOST_CONNECTIONS

    def __init__(self, address: tuple[str, int], gallery: LiveGallery) -> None:
        self.gallery = gallery
        self._slots = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self._host = address[0]
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        try:
            super().__init__(address, _Handler)
        except (OSError, UnicodeError) as exc:
            raise UsageError(
                f"can't listen at {show_address(address)}: {plain(exc)}; name another port with --serve"
            ) from exc

    def server_bind(self) -> None:
        """Without the look-up of the machine's name that http.server makes, which may take seconds."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self._host, self.server_address[1]

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - it is not bound here
        return f"http://{show_address((host, self.server_port))}/"

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve in a thread within the block."""
        thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="gallery-server", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            self.server_close()
            thread.join()

    def is_own(self, host: str) -> bool:
        """Whether *host*, of a Host header, names this machine: by an address, or by a name that it has itself.

        A stranger's name can be made to point here, an address can't be anything but itself.
        """
        if (match := _HOST.fullmatch(host)) is None:
            return False
        name = (match[1] or match[2]).lower().removesuffix(".")
        if name in {"localhost", self._host.lower(), platform.node().lower()} or name.endswith(".localhost"):
            return True
        with suppress(ValueError):
            return bool(ipaddress.ip_address(name))
        return False

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._slots.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or is too slow, is no error."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Timed(io.RawIOBase):
    """What a client sends, within a number of bytes and of seconds from ``begin`` on."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.begin()

    def begin(self) -> None:
        self._until, self._left_bytes = time.monotonic() + _HEAD_S, _MOST_HEAD_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self._until - time.monotonic()
        if left_s <= 0 or self._left_bytes <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)
        size = self._connection.recv_into(memoryview(buffer)[: self._left_bytes])
        self._left_bytes -= size
        return size


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "image-crawler", ""
    disable_nagle_algorithm = True
    server: GalleryServer

    def setup(self) -> None:
        super().setup()
        self._incoming = _Timed(self.connection)
        self.rfile = cast("BinaryIO", io.BufferedReader(self._incoming, 8192))  # type: ignore[assignment]

    def handle_one_request(self) -> None:
        self._incoming.begin()
        super().handle_one_request()

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        if self.command not in {"GET", "HEAD"}:
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "this server only shows", Allow="GET, HEAD")
            return False
        if not self.server.is_own(self.headers.get("Host", "")):
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "that is no name of this machine; use its address")
            return False
        if self._is_foreign():
            self._refuse(HTTPStatus.FORBIDDEN, "that is not for other sites")
            return False
        return True

    def _is_foreign(self) -> bool:
        """Whether another site sends the request (Fetch Metadata). A link to the gallery may be followed."""
        site, mode = self.headers.get("Sec-Fetch-Site", "none"), self.headers.get("Sec-Fetch-Mode", "")
        is_followed = mode == "navigate" and self.headers.get("Sec-Fetch-Dest") == "document"
        return site not in {"none", "same-origin"} and not is_followed

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        try:
            self._route(unquote(urlsplit(self.path).path, errors="strict"))
        except (ValueError, UnicodeError):
            self._refuse(HTTPStatus.BAD_REQUEST, "that is no path")
        except CrawlerError as exc:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, str(exc))

    def _route(self, path: str) -> None:
        gallery = self.server.gallery
        if path in {"/", "/gallery", "/gallery/"}:
            self._head(HTTPStatus.FOUND, {"Location": PAGE, "Content-Length": "0"})
        elif path.startswith("/images/"):
            self._send_image(gallery.image(path[1:]))
        else:
            self._send(_found(gallery, path))

    def _send(self, content: Content | None) -> None:
        if content is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such file")
            return
        headers = {"ETag": content.etag, "Content-Security-Policy": _POLICY}
        if self.headers.get("If-None-Match") == content.etag:
            self._head(HTTPStatus.NOT_MODIFIED, headers)
            return
        length = str(len(content.data))
        self._head(HTTPStatus.OK, headers | {"Content-Type": content.media_type, "Content-Length": length})
        self._body(io.BytesIO(content.data))

    def _send_image(self, image: ImageFile | None) -> None:
        if image is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such image")
            return
        with image.file:
            headers = {"ETag": image.etag, "Content-Security-Policy": _IMAGE_POLICY}
            if self.headers.get("If-None-Match") == image.etag:
                self._head(HTTPStatus.NOT_MODIFIED, headers)
                return
            length = str(image.size_bytes)
            self._head(HTTPStatus.OK, headers | {"Content-Type": image.media_type, "Content-Length": length})
            self._body(image.file, image.size_bytes)

    def _body(self, file: BinaryIO, size_bytes: int = sys.maxsize) -> None:
        if self.command == "HEAD":
            return
        while size_bytes > 0 and (block := file.read(min(_BLOCK_BYTES, size_bytes))):
            size_bytes -= len(block)
            self.connection.settimeout(_SEND_S)
            self.wfile.write(block)
        if 0 < size_bytes < sys.maxsize - _BLOCK_BYTES:  # it has become shorter: the client has to notice
            self.close_connection = True

    def _head(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.connection.settimeout(_SEND_S)
        self.send_response(status)
        for name, value in ({"Cache-Control": "no-cache"} | _HEADERS | headers).items():
            self.send_header(name, value)
        self.end_headers()

    def _refuse(self, status: HTTPStatus, text: str, **headers: str) -> None:
        self.close_connection = True  # what it sent besides is not read
        data = f"{text}\n".encode()
        about = {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(data)),
            "Connection": "close",
        }
        self._head(status, about | {"Content-Security-Policy": _IMAGE_POLICY} | headers)
        self._body(io.BytesIO(data))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """As the base class answers what is no request, without its HTML."""
        self.command = self.command if hasattr(self, "command") else "GET"
        self.request_version = "HTTP/1.1"
        self._refuse(HTTPStatus(code), message or explain or "that is no request")

    def log_message(self, *_: object) -> None:
        """Say nothing: the address is shown, and a browser asks every other second."""


def _found(gallery: LiveGallery, path: str) -> Content | None:
    """What is at *path* below /gallery/."""
    if not path.startswith("/gallery/"):
        return None
    name = path.removeprefix("/gallery/")
    look: tuple[tuple[str, Callable[[str], Content | None]], ...] = (
        ("data/", gallery.data),
        (
            "thumbs/",
            lambda rest: gallery.thumbnail(rest.removesuffix(".webp")) if rest.endswith(".webp") else None,
        ),
    )
    for prefix, find in look:
        if name.startswith(prefix):
            return find(name.removeprefix(prefix))
    return gallery.page(name)
