"""The server with faults does what its paths say, by sockets alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from tests.support import faultserver
from tests.support.faultserver import FaultServer
from tests.support.images import samples


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


def raw(server: FaultServer, path: str) -> bytes:
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        received = b""
        while piece := sock.recv(65536):
            received += piece
    return received


def test_good_images_and_the_log(server: FaultServer) -> None:
    for name, data in samples().items():
        with urlopen(f"{server.url}/good/{name}") as answer:
            assert answer.read() == data
    assert server.paths() == [f"/good/{name}" for name in samples()]
    assert server.connections() == len(samples())


def test_faults_are_what_they_say(server: FaultServer) -> None:
    data = samples()["plain.png"]
    assert raw(server, "/truncated/9/plain.png").endswith(b"Content-Length: 9\r\n\r\n" + data[:9])
    assert raw(server, "/cut/9/plain.png").endswith(b"Content-Length: %d\r\n\r\n" % len(data) + data[:9])
    assert raw(server, "/chunked/plain.png").endswith(b"\r\n0\r\n\r\n")
    assert not raw(server, "/chunked-cut/plain.png").endswith(b"0\r\n\r\n")
    assert raw(server, "/garbage").startswith(b"220 ")
    assert raw(server, "/close") == b""
    with pytest.raises(ConnectionResetError):
        raw(server, "/reset")
    assert raw(server, "/unheard-of").startswith(b"HTTP/1.1 404 ")
    assert raw(server, "/good/unheard-of.png").startswith(b"HTTP/1.1 404 ")


def test_failures_are_counted_by_key(server: FaultServer) -> None:
    statuses = [raw(server, f"/fail/503/2/{key}/plain.png")[9:12] for key in ("a", "a", "b", "a", "b", "b")]
    assert statuses == [b"503", b"503", b"503", b"200", b"503", b"200"]


def test_most_in_flight(server: FaultServer) -> None:
    threads = [threading.Thread(target=raw, args=(server, "/slow/100/plain.png")) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.most_in_flight == 3


def test_a_stop_ends_what_would_take_for_ever() -> None:
    with FaultServer() as server:
        thread = threading.Thread(target=raw, args=(server, "/silent"))
        thread.start()
        while not server.requests:
            server.pause(0.005)
    thread.join(5)
    assert not thread.is_alive()


def test_every_path_is_described() -> None:
    for name in vars(faultserver._Handler):
        if name.startswith("serve_"):
            assert "/" + name.removeprefix("serve_").replace("_", "-") in str(faultserver.__doc__), name
