"""The server of metrics: what it answers, and clients that are slow, many, huge or rude."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.metrics import server as metrics_server
from crawler.metrics.server import MOST_BYTES, MOST_CLIENTS, Answer, MetricsServer

BODY = b"one 1\n"


@pytest.fixture(name="server")
def a_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MetricsServer]:
    monkeypatch.setattr(metrics_server, "REQUEST_S", 0.3)
    monkeypatch.setattr(metrics_server, "ANSWER_S", 0.3)
    monkeypatch.setattr(metrics_server, "MOST_PER_S", 1000)

    def answer(path: str, accept: str) -> Answer:
        if path == "/large":
            return Answer(HTTPStatus.OK, b"x" * 2**25)
        return Answer(HTTPStatus.OK if path == "/metrics" else HTTPStatus.NOT_FOUND, BODY + accept.encode())

    server = MetricsServer(("127.0.0.1", 0), answer)
    yield server
    server.close()


def said(server: MetricsServer, request: bytes) -> bytes:
    """All that the server says to these bytes."""
    with socket.create_connection(server.address, timeout=5) as client:
        client.sendall(request)
        found = b""
        try:
            while part := client.recv(65536):
                found += part
        except ConnectionResetError:
            pass
        return found


def asked(server: MetricsServer, method: str = "GET", path: str = "/metrics") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*server.address, timeout=5)
    connection.request(method, path, headers={"Accept": "text/x"})
    response = connection.getresponse()
    assert response.getheader("Connection") == "close"
    return response.status, response.read()


def test_it_answers(server: MetricsServer) -> None:
    assert asked(server) == (200, BODY + b"text/x")
    assert asked(server, path="/metrics?name[]=x") == (200, BODY + b"text/x")
    assert asked(server, path="/else")[0] == 404
    assert asked(server, "HEAD") == (200, b"")
    assert asked(server, "POST")[0] == 405


def is_served(server: MetricsServer) -> bool:
    try:
        return asked(server)[0] == 200
    except OSError:
        return False


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\x16\x03\x01 rubbish\r\n\r\n", b"400"),
        (b"GET http://other.example/ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /metrics\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 2 * MOST_BYTES + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"GET /metrics HTTP/1.0\r\n\r\n", b"200"),
        (b"GET /metrics HTTP/1.1\r\nAccept\r\n: \r\n\r\n", b"200"),
        (b"\r\n\r\n", b"400"),
    ],
)
def test_rude_requests_are_answered_or_dropped(
    server: MetricsServer, request_bytes: bytes, status: bytes
) -> None:
    answer = said(server, request_bytes)
    assert not answer or answer.split(b" ")[1] == status
    assert asked(server)[0] == 200


@pytest.mark.slow
@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: f"GET {text} HTTP/1.1\r\n{text}".encode())
)
def test_no_request_is_too_strange_to_be_read(head: bytes) -> None:
    method, path, accept = metrics_server._request(head)
    assert all(isinstance(word, str) for word in (method, path, accept))
    assert "\r\n" not in accept


def test_who_says_nothing_is_hung_up_on(server: MetricsServer) -> None:
    began = time.monotonic()
    assert said(server, b"GET /metrics HTTP/1.1\r\nAcc") == b""
    assert time.monotonic() - began < 3


def test_who_takes_nothing_is_hung_up_on(server: MetricsServer) -> None:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(server.address)
        client.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        end = time.monotonic() + 5
        while server._clients:
            assert time.monotonic() < end, "it still waits for who takes nothing"
            time.sleep(0.02)
    assert asked(server)[0] == 200


def test_very_many_clients_are_hung_up_on_and_the_next_is_served(server: MetricsServer) -> None:
    with ExitStack() as stack:
        for _ in range(4 * MOST_CLIENTS):
            stack.enter_context(socket.create_connection(server.address, timeout=5))
        end = time.monotonic() + 5
        while not server.hung_up:
            assert time.monotonic() < end
            time.sleep(0.02)
        while not is_served(server):
            assert time.monotonic() < end, "they have said nothing for long, and are still there"
            time.sleep(0.05)


def test_no_more_is_answered_in_a_second_than_may_be(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_server, "MOST_PER_S", 2)
    answers = [said(server, b"GET /metrics HTTP/1.1\r\n\r\n") for _ in range(20)]
    assert 1 <= sum(map(bool, answers)) <= 6
    assert server.hung_up >= 14


def test_an_address_that_is_taken_is_an_error(server: MetricsServer) -> None:
    with pytest.raises(OSError, match="in use"):
        MetricsServer(server.address, lambda *_: Answer(HTTPStatus.OK, b""))


def test_nobody_is_answered_after_the_end(server: MetricsServer) -> None:
    server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(server.address, timeout=1)
