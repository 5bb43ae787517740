"""Whether a host answers: asked once for its robots.txt, without anything secret, and nowhere else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from crawler.config import FetchConfig
from crawler.run.seed_schemes import silence


class Server:
    """Gives each connection the same answer, and keeps what it was asked."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/deep/page?x"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self.asked.append(connection.recv(65536))
                connection.sendall(self.answer)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    one = Server(request.param)
    yield one
    one.listener.close()


@pytest.mark.parametrize(
    "server",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/robots.txt\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /robots.txt\r\nContent-Length: 0\r\n\r\n",
    ],
    indirect=True,
)
def test_any_answer_will_do(server: Server) -> None:
    fetch = FetchConfig(login="user:hunter2", headers=("Cookie: secret=1", "X-Key: secret"))
    assert silence(server.url, fetch) == ""
    (asked,) = server.asked
    assert asked.startswith(b"GET /robots.txt HTTP/1.1\r\n")
    assert b"secret" not in asked
    assert b"Authorization" not in asked


@pytest.mark.parametrize(
    "server", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x03\x00\x02\x02\x46"], indirect=True
)
def test_what_does_not_speak_http_does_not_answer(server: Server) -> None:
    assert silence(server.url, FetchConfig())
    assert silence(server.url.replace("http:", "https:"), FetchConfig())


def test_nobody_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert f"127.0.0.1 port {port}" in silence(f"http://127.0.0.1:{port}/", FetchConfig())
    assert silence("https://nowhere.invalid/", FetchConfig())


@pytest.mark.parametrize(("proxy", "asked"), [("socks5h", []), ("http", []), ("socks5", ["nobody.example"])])
def test_whom_a_proxy_looks_up_nobody_else_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, proxy: str, asked: list[str]
) -> None:
    looked_up: list[str] = []

    def resolve(host: str, port: int) -> list[object]:
        looked_up.append(host)
        return []

    monkeypatch.setattr("crawler.http.address_guard._resolve", resolve)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    monkeypatch.setattr("crawler.http.dns_cache.socket.getaddrinfo", _own_only)
    assert silence("https://nobody.example/", FetchConfig(proxy=f"{proxy}://127.0.0.1:{port}"))
    assert looked_up == asked


def _own_only(host: str, port: int, *_: object, **__: object) -> list[object]:
    if host != "127.0.0.1":
        raise socket.gaierror(socket.EAI_NONAME, "no such name")
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
