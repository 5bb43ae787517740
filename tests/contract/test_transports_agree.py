"""Whatever a server sends, every Transport makes the same of it: the same content and header, or the same reason."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, Self

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crawler.config import FetchConfig
from crawler.errors import TaskError
from tests.support.transports import KINDS

LINES = [
    b"Content-Length: 5", b"Content-Length: 3", b"Content-Length: -1", b"Content-Length: 5, 5", b"Content-Length:",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity",
    b"Content-Encoding: gzip", b"Connection: close", b"Connection: keep-alive", b"Location: /x", b"Location:", b"X: y",
    b"X : y", b"no field", b": x", b"X: a\0b", b"X: \xff", b"X:y\t", b"Trailer: X", b"Upgrade: h2c", b"Set-Cookie: a=b",
]  # fmt: skip
STARTS = [
    b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 200", b"http/1.1 200 ok", b"HTTP/1.1 304 X", b"HTTP/1.1 204 X",
    b"HTTP/1.1 404 No", b"HTTP/1.1 302 X", b"HTTP/1.1 101 X", b"HTTP/1.1 2000 X", b"HTTP/2 200", b"ICY 200 OK", b"",
    b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK", b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 200 OK",
]  # fmt: skip
BODIES = [
    b"hello", b"hel", b"hello, and more", b"", b"5\r\nhello\r\n0\r\n\r\n", b"5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"5\r\nhello\r\n0\r\n", b"5\r\nhel", b"5\r\nhello!!0\r\n\r\n", b"-1\r\n", b"g\r\n", b"5\nhello\n0\n\n",
    b"ff\r\nhello",
]  # fmt: skip
answers = st.builds(
    lambda start, lines, end, body: end.join([start, *lines, b"", body]),
    st.sampled_from(STARTS),
    st.lists(st.sampled_from(LINES), max_size=4),
    st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"]),
    st.sampled_from(BODIES),
)


class Saying:
    """A server that answers everything with what it was told to say, and ends the connection."""

    def __init__(self) -> None:
        self.answer = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/a.png"

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(self.answer)
                    connection.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def server() -> Iterator[Saying]:
    with Saying() as running:
        yield running


def made(kind: str, url: str) -> tuple[Any, ...]:
    """What a transport of that *kind* makes of the answer."""
    with closing(KINDS[kind](FetchConfig(total_timeout_s=5, max_redirects=2))) as transport:
        try:
            fetched = transport.fetch(url, max_bytes=100, accept="*/*")
        except TaskError as exc:
            return exc.reason, exc.http_status
        return fetched.http_status, fetched.content, dict(fetched.headers)


@example(b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 5\r\n\r\nhello")
@example(b"HTTP/1.1 302 X\r\nLocation:\r\nLocation: /x\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nhel")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nhello, and more")
@settings(max_examples=60)
@given(answers)
def test_all_make_the_same_of_it(server: Saying, answer: bytes) -> None:
    server.answer = answer
    found = {kind: made(kind, server.url) for kind in KINDS}
    assert len(set(map(repr, found.values()))) == 1, (answer, found)
