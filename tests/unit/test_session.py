"""What the contract can't reach: TLS, exceptions by their kind, and requests' own seams."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from crawler.config import FetchConfig
from crawler.errors import (
    BadResponse,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    HostNotFound,
    InvalidUrl,
    NameLookupFailed,
    TaskError,
    TlsFailed,
    TruncatedTransfer,
)
from crawler.urls import canonical
from crawler.web import connection
from crawler.web.names import Names
from crawler.web.session import RequestsTransport, referer_for, retry_after_s, wrapped
from tests.faultserver import FaultServer

URL = "https://example.org/a.png"


# --- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for localhost, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    pem = folder / "localhost.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    pem.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return pem


@pytest.fixture(scope="module")
def tls_port(certificate: Path) -> Iterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with FaultServer() as server:
        server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
        yield server._server.server_address[1]


def tls_fetch(port: int, host: str = "localhost", path: str = "/good/plain.png", **options: Any) -> int:
    transport = RequestsTransport(
        FetchConfig(**{"total_timeout_s": 3, **options.pop("settings", {})}), **options
    )
    try:
        return transport.fetch(f"https://{host}:{port}{path}", max_bytes=10**6, accept="*/*").http_status
    finally:
        transport.close()


def test_a_trusted_certificate(tls_port: int, certificate: Path) -> None:
    assert tls_fetch(tls_port, ca_file=certificate) == 200


def test_an_unknown_authority_is_refused(tls_port: int) -> None:
    with pytest.raises(TlsFailed, match="certificate"):
        tls_fetch(tls_port)


def test_a_certificate_for_another_host_is_refused(tls_port: int, certificate: Path) -> None:
    with pytest.raises(TlsFailed, match=r"127\.0\.0\.1"):
        tls_fetch(tls_port, "127.0.0.1", ca_file=certificate)


def test_with_verify_tls_off_anything_goes_without_a_warning(tls_port: int, certificate: Path) -> None:
    assert tls_fetch(tls_port, settings={"verify_tls": False}) == 200
    assert tls_fetch(tls_port, "127.0.0.1", settings={"verify_tls": False}, ca_file=certificate) == 200


def test_the_total_time_holds_over_tls(tls_port: int, certificate: Path) -> None:
    with pytest.raises(DeadlineExceeded):
        tls_fetch(tls_port, path="/drip/5/plain.png", ca_file=certificate, settings={"total_timeout_s": 0.3})


# --- connecting


def test_a_host_that_does_not_answer_the_handshake_costs_the_connect_timeout() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(ConnectTimeout, match="connect_timeout_s"),
    ):
        tls_fetch(silent.getsockname()[1], settings={"connect_timeout_s": 0.1})


def test_all_addresses_of_a_host_share_the_connect_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        good = server.getsockname()
    with socket.create_server(("127.0.0.1", 0)) as server:
        addresses = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in (good, server.getsockname())
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: addresses)
        connection.open_socket(
            "two.example", 80, 1.0, Names()
        ).close()  # the first refuses, the second accepts

    def too_late(self: socket.socket, address: object) -> None:
        assert self.gettimeout() is not None
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket.socket, "connect", too_late)
    with pytest.raises(ConnectTimeout, match=r"two\.example port 80"):
        connection.open_socket("two.example", 80, 0.01, Names())
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [])
    with pytest.raises(ConnectFailed):
        connection.open_socket("two.example", 80, 0.01, Names())


def test_a_name_service_that_does_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def outage(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", outage)
    with pytest.raises(NameLookupFailed) as failed:
        connection.open_socket("site.example", 80, 1.0, Names())
    assert failed.value.retryable


def test_a_name_that_does_not_exist_is_asked_for_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def nobody(host: str, *args: object, **kwargs: object) -> None:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    now = [100.0]
    names = Names(clock=lambda: now[0])
    for _ in range(3):
        with pytest.raises(HostNotFound, match=r"gone\.example"):
            names.look_up("gone.example", 80)
    assert asked == ["gone.example"]
    now[0] += 61
    with pytest.raises(HostNotFound):
        names.look_up("gone.example", 80)
    assert len(asked) == 2


def test_a_name_that_dns_can_not_have() -> None:
    with pytest.raises(HostNotFound):
        connection.open_socket("a" * 64 + ".example", 80, 1.0, Names())


# --- exceptions


def lost(cause: Exception) -> Exception:
    return requests.ConnectionError(urllib3.exceptions.ProtocolError("x", cause))


EXPIRED = urllib3.exceptions.SSLError(ssl.SSLCertVerificationError("expired"))


@pytest.mark.parametrize(
    ("exc", "http_status", "leaf"),
    [
        (lost(http.client.IncompleteRead(b"", 3)), 200, TruncatedTransfer),
        (lost(ConnectionResetError(104, "reset")), 0, ConnectionLost),
        (lost(http.client.RemoteDisconnected("x")), 0, ConnectionLost),
        (lost(http.client.BadStatusLine("x")), 0, BadResponse),
        (requests.exceptions.SSLError(EXPIRED), 0, TlsFailed),
        (requests.exceptions.SSLError(ssl.SSLEOFError(8, "EOF")), 0, ConnectionLost),
        (urllib3.exceptions.SSLError(ssl.SSLError(1, "bad record mac")), 200, ConnectionLost),
        (requests.exceptions.InvalidURL("no host"), 0, InvalidUrl),
        (urllib3.exceptions.LocationParseError("x"), 0, BadResponse),
        (UnicodeError("label too long"), 0, InvalidUrl),
        (requests.exceptions.ReadTimeout(TimeoutError("x")), 0, ConnectTimeout),
        (OSError(113, "No route to host"), 0, ConnectionLost),
        (urllib3.exceptions.DecodeError("x"), 200, BadResponse),
    ],
)
def test_exceptions_of_others_become_ours(exc: Exception, http_status: int, leaf: type[TaskError]) -> None:
    error = wrapped(exc, url=URL, http_status=http_status)
    assert type(error) is leaf
    assert (error.http_status, error.final_url) == (http_status, URL)
    assert len(error.detail) > 15


def test_a_circle_of_causes_ends() -> None:
    one, other = ValueError("one"), OSError("other")
    one.__context__, other.__context__ = other, one
    assert wrapped(one, url=URL, http_status=0).reason == "connection-lost"


@responses.activate
@pytest.mark.parametrize(
    "exc", [requests.exceptions.ChunkedEncodingError("x"), http.client.HTTPException("x"), OSError("x")]
)
def test_whatever_requests_raises_is_wrapped_with_its_cause(exc: Exception) -> None:
    responses.get(URL, body=exc)
    with pytest.raises(TaskError) as caught:
        RequestsTransport(FetchConfig()).fetch(URL, max_bytes=10, accept="*/*")
    assert caught.value.__cause__ is exc
    assert caught.value.final_url == URL


@responses.activate
def test_from_https_to_http_no_referer_follows() -> None:
    responses.get(URL, status=302, headers={"Location": "http://example.org/b.png"})
    responses.get("http://example.org/b.png", body=b"x")
    RequestsTransport(FetchConfig()).fetch(
        URL, max_bytes=10, accept="*/*", referer="https://example.org/page"
    )
    assert responses.calls[0].request.headers["Referer"] == "https://example.org/page"
    assert "Referer" not in responses.calls[1].request.headers


@responses.activate
def test_a_location_in_raw_utf_8() -> None:
    responses.get(URL, status=301, headers={"Location": "/caf\u00c3\u00a9.png"})
    responses.get("https://example.org/caf%C3%A9.png", body=b"x")
    fetched = RequestsTransport(FetchConfig()).fetch(URL, max_bytes=10, accept="*/*")
    assert fetched.final_url == "https://example.org/caf%C3%A9.png"


# --- headers


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": " 12 "}, 12.0),
        ({"retry-after": "9" * 400}, 3600.0),
        ({"retry-after": "Mon, 02 Mar 2026 10:00:30 GMT", "date": "Mon, 02 Mar 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Mon, 02 Mar 2026 10:00:30 -0000", "date": "Mon, 02 Mar 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Mon, 02 Mar 2026 09:00:00 GMT", "date": "Mon, 02 Mar 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 02 Mar 2099 09:00:00 GMT", "date": "yesterday"}, 3600.0),
        ({"retry-after": "Mon, 99 Mar 2026 10:00:00 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


@given(st.text(max_size=40))
def test_retry_after_never_raises(text: str) -> None:
    seconds = retry_after_s({"retry-after": text, "date": text})
    assert seconds is None or 0 <= seconds <= 3600


@given(st.text(max_size=60) | st.from_regex(r"\Ahttps?://[a-z:@]+/[a-z#?]*\Z"))
def test_a_referer_is_nothing_or_a_canonical_url(page: str) -> None:
    told = referer_for("https://example.org/a.png", page)
    assert not told or (canonical(told) == told and "#" not in told)


def test_close_ends_idle_connections() -> None:
    with FaultServer() as server:
        transport = RequestsTransport(FetchConfig())
        transport.fetch(f"{server.url}/good/plain.png", max_bytes=10**6, accept="*/*")
        before = threading.active_count()
        transport.close()
        for _ in range(100):
            if threading.active_count() < before:
                break
            server.pause(0.01)
        assert threading.active_count() < before
