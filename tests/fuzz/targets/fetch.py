"""Answers of a server on loopback that sends whatever it likes: a fetch gives an answer within the limits, or one of
our errors, in time.
"""

from __future__ import annotations

import atexit
import contextlib
import socket
import threading
from functools import cache

from crawler.config import load
from crawler.errors import REASONS, OutOfScope, TaskError
from crawler.http.cookies import CookieJar
from crawler.urls import canonical
from tests.fuzz.drawn import Drawn
from tests.support.transports import KINDS

MAX_BYTES = 20_000
_END = b"\x1e"
"""Between what is sent to one connection and to the next one."""


class Server:
    """Sends the next of *answers* to each connection, however much of a request has come, and closes it."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.answers: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()
        atexit.register(self._socket.close)

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            with peer, contextlib.suppress(OSError):
                peer.settimeout(2)
                answers = self.answers
                peer.recv(65536)
                peer.sendall(answers.pop(0) if answers else b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n")


@cache
def server() -> Server:
    return Server()


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    cut, kind = drawn.one_of(((False, "requests"), (True, "requests"), (False, "curl"), (True, "curl")))
    sent = drawn.rest()
    begun = server()
    begun.answers = sent.split(_END)[:4]
    jar = CookieJar()
    transport = KINDS[kind](load(flags={"total_timeout_s": 2.0, "max_redirects": 3}).fetch, jar=jar)
    url = f"http://127.0.0.1:{begun.port}/a.png"
    asked: list[str] = []
    try:
        fetched = transport.fetch(
            url, max_bytes=MAX_BYTES, accept="image/*", cut=cut, check=lambda url: check(asked, url)
        )
    except TaskError as exc:
        assert REASONS[exc.reason] is type(exc)
        assert exc.reason not in ("internal-error", "deadline-exceeded", "too-slow"), exc
        assert exc.detail
        assert 0 <= exc.http_status <= 999
        return
    finally:
        transport.close()
    assert len(fetched.content) <= MAX_BYTES
    assert 200 <= fetched.http_status <= 999
    assert fetched.final_url in asked
    assert all(name == name.lower() and "\r" not in value for name, value in fetched.headers.items())
    assert len(jar.header(url)) <= 16 * 1024


def check(asked: list[str], url: str) -> None:
    """Called before each hop: a redirect may name any host, and traffic is for this one alone."""
    assert canonical(url) == url
    asked.append(url)
    if not url.startswith(f"http://127.0.0.1:{server().port}/"):
        raise OutOfScope("another host")
