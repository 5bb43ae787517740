"""What the contract can't reach: TLS, exceptions by their kind, and requests' own seams."""

from __future__ import annotations

import base64
import http.client
import re
import secrets
import socket
import ssl
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

import pytest
import requests
import responses
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from crawler.config import FetchConfig
from crawler.errors import (
    BadResponse,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    Forbidden,
    HostNotFound,
    InvalidUrl,
    NameLookupFailed,
    ServerError,
    TaskError,
    TlsFailed,
    TruncatedTransfer,
)
from crawler.http import Validators, connection
from crawler.http.cookies import CookieJar
from crawler.http.dns_cache import DnsCache
from crawler.http.request_headers import RequestHeaders, referer_for
from crawler.http.requests_transport import RequestsTransport, wrapped
from crawler.http.status import retry_after_s
from crawler.urls import canonical
from tests.support.faultserver import FaultServer

URL = "https://example.org/a.png"


# --- TLS


class Authority:
    """Signs certificates, for whoever it is told, and is trusted by who has its file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self.file = folder / "ca.pem"
        certificate = self._signed(
            self._name, self._key, days=(-1, 2), extension=x509.BasicConstraints(True, None)
        )
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(self, *names: str, days: tuple[int, int] = (-1, 2)) -> Path:
        """A file with a key and a certificate for *names*, good from one day to another, counted from today."""
        key = ec.generate_private_key(ec.SECP256R1())
        held = [
            x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
        ]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test server")])
        certificate = self._signed(subject, key, days=days, extension=x509.SubjectAlternativeName(held))
        pem = self._folder / f"{secrets.token_hex(4)}.pem"
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pem.write_bytes(secret + certificate.public_bytes(Encoding.PEM))
        return pem

    def _signed(
        self, subject: x509.Name, key: Any, *, days: tuple[int, int], extension: x509.ExtensionType
    ) -> x509.Certificate:
        start, end = (datetime.now(UTC) + timedelta(days=day) for day in days)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = (
            builder.not_valid_before(start).not_valid_after(end).add_extension(extension, critical=False)
        )
        return builder.sign(self._key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@contextmanager
def tls_server(pem: Path, context: ssl.SSLContext | None = None) -> Iterator[FaultServer]:
    context = context or ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    with FaultServer() as server:
        server._server.socket = context.wrap_socket(
            server._server.socket, server_side=True, do_handshake_on_connect=False
        )
        server.url = f"https://localhost:{server._server.server_address[1]}"
        yield server


@pytest.fixture(scope="module")
def tls_port(authority: Authority) -> Iterator[int]:
    with tls_server(authority.issue("localhost", "www.site.example")) as server:
        yield server._server.server_address[1]


def tls_fetch(port: int, host: str = "localhost", path: str = "/good/plain.png", **options: Any) -> int:
    transport = RequestsTransport(
        FetchConfig(**{"total_timeout_s": 3, **options.pop("settings", {})}), **options
    )
    try:
        return transport.fetch(f"https://{host}:{port}{path}", max_bytes=10**6, accept="*/*").http_status
    finally:
        transport.close()


def test_a_trusted_certificate(tls_port: int, authority: Authority) -> None:
    assert tls_fetch(tls_port, ca_file=authority.file) == 200


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_an_authority_that_the_environment_names(
    tls_port: int, authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for other in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(variable, str(authority.file))
    assert tls_fetch(tls_port) == 200
    monkeypatch.setenv(variable, "/nowhere/ca.pem")
    with pytest.raises(ConfigError, match=f"{variable} names '/nowhere/ca.pem'"):
        RequestsTransport(FetchConfig())


def test_a_file_that_holds_no_authority(tls_port: int, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    with pytest.raises(ConfigError, match="can't read the certificate authorities"):
        tls_fetch(tls_port, ca_file=tmp_path / "ca.pem")


def test_an_unknown_authority_is_refused(tls_port: int) -> None:
    with pytest.raises(
        TlsFailed, match=r"the certificate of localhost is of an unknown authority; .*SSL_CERT_FILE"
    ) as caught:
        tls_fetch(tls_port)
    assert "--no-verify-tls" in str(caught.value)
    assert not caught.value.retryable


def test_a_certificate_for_another_host_is_refused(tls_port: int, authority: Authority) -> None:
    with pytest.raises(
        TlsFailed, match=r"is for localhost, www\.site\.example, not for 127\.0\.0\.1; .*--no-verify-tls"
    ):
        tls_fetch(tls_port, "127.0.0.1", ca_file=authority.file)


def test_a_certificate_of_a_host_holds_for_no_other_that_looks_like_it(authority: Authority) -> None:
    for names in (["*.localhost"], ["ocalhost"], ["localhost.site.example"], ["127.0.0.1"]):
        with (
            tls_server(authority.issue(*names)) as server,
            pytest.raises(TlsFailed, match=f"is for {re.escape(names[0])}"),
        ):
            tls_fetch(server._server.server_address[1], ca_file=authority.file)


@pytest.mark.parametrize(
    ("days", "text"), [((-9, -2), "has expired; "), ((2, 9), "is not valid yet .*clock")]
)
def test_a_certificate_out_of_its_time(authority: Authority, days: tuple[int, int], text: str) -> None:
    with tls_server(authority.issue("localhost", days=days)) as server:
        port = server._server.server_address[1]
        with pytest.raises(TlsFailed, match=f"the certificate of localhost {text}.*--no-verify-tls"):
            tls_fetch(port, ca_file=authority.file)
        assert tls_fetch(port, ca_file=authority.file, settings={"verify_tls": False}) == 200


def test_a_certificate_that_is_signed_by_itself(tmp_path: Path) -> None:
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
    command += ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    pem = tmp_path / "both.pem"
    pem.write_bytes((tmp_path / "key.pem").read_bytes() + (tmp_path / "cert.pem").read_bytes())
    with tls_server(pem) as server:
        port = server._server.server_address[1]
        with pytest.raises(TlsFailed, match="is signed by itself; if that is an authority of yours"):
            tls_fetch(port)
        assert tls_fetch(port, ca_file=tmp_path / "cert.pem") == 200


def test_a_server_that_demands_a_certificate_or_knows_old_versions_only(authority: Authority) -> None:
    pem = authority.issue("localhost")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with tls_server(pem, old) as server, pytest.raises(TlsFailed, match="no version of TLS that is safe"):
        tls_fetch(server._server.server_address[1], ca_file=authority.file)
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    other.maximum_version = ssl.TLSVersion.TLSv1_2
    other.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")  # while its key is of another kind
    with tls_server(pem, other) as server, pytest.raises(TlsFailed, match="no safe way to encrypt in common"):
        tls_fetch(server._server.server_address[1], ca_file=authority.file)


def test_a_port_that_does_not_speak_tls() -> None:
    with FaultServer() as server, pytest.raises(TlsFailed, match="does not speak TLS at port"):
        tls_fetch(server._server.server_address[1])


def test_with_verify_tls_off_anything_goes_without_a_warning(tls_port: int, authority: Authority) -> None:
    assert tls_fetch(tls_port, settings={"verify_tls": False}) == 200
    assert tls_fetch(tls_port, "127.0.0.1", settings={"verify_tls": False}, ca_file=authority.file) == 200


def test_the_total_time_holds_over_tls(tls_port: int, authority: Authority) -> None:
    with pytest.raises(DeadlineExceeded):
        tls_fetch(
            tls_port, path="/drip/5/plain.png", ca_file=authority.file, settings={"total_timeout_s": 0.3}
        )


# --- connecting


def test_a_host_that_does_not_answer_the_handshake_costs_the_connect_timeout() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(ConnectTimeout, match="connect_timeout_s"),
    ):
        tls_fetch(silent.getsockname()[1], settings={"connect_timeout_s": 0.1})


def test_all_addresses_of_a_host_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        addresses = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: addresses)
        with connection.open_socket("two.example", server.getsockname()[1], 1.0, DnsCache()) as sock:
            assert sock.getpeername() == server.getsockname()

    def too_late(self: socket.socket, address: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket.socket, "connect", too_late)
    with pytest.raises(ConnectTimeout, match=r"two\.example port 80"):
        connection.open_socket("two.example", 80, 0.01, DnsCache())
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [])
    with pytest.raises(ConnectFailed):
        connection.open_socket("two.example", 80, 0.01, DnsCache())


def test_a_name_service_that_does_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def outage(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", outage)
    with pytest.raises(NameLookupFailed) as failed:
        connection.open_socket("site.example", 80, 1.0, DnsCache())
    assert failed.value.retryable


def test_a_name_that_does_not_exist_is_asked_for_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def nobody(host: str, *args: object, **kwargs: object) -> None:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    now = [100.0]
    names = DnsCache(clock=lambda: now[0])
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
        connection.open_socket("a" * 64 + ".example", 80, 1.0, DnsCache())


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


# --- what a request says


SEED = "https://site.example/start"
OWN, OTHER = "https://site.example/a.png", "https://other.example/a.png"


def said(
    url: str = OWN, *, jar: CookieJar | None = None, unless: Validators | None = None, **settings: Any
) -> dict[str, str]:
    headers = RequestHeaders(FetchConfig(**settings), seeds=[SEED], jar=jar)
    return headers.headers_for(url, accept="image/*", referer="https://site.example/page", unless=unless)


def test_configured_headers_stand_in_place_of_ours_in_any_spelling() -> None:
    plain = said(OTHER)
    changed = said(OTHER, headers=("ACCEPT: image/png", "user-agent:Tester/1", "referer:", "X-Api-Key: k:1 "))
    assert changed == {
        **plain,
        "Accept": "image/png",
        "User-Agent": "Tester/1",
        "Referer": "",
        "X-Api-Key": "k:1",
    }
    assert said(headers=("X-A: 1", "x-a: 2"))["X-A"] == "1, 2"


@pytest.mark.parametrize(
    "url",
    [
        OTHER,
        "http://site.example/a.png",
        "https://site.example:8443/a.png",
        "https://img.site.example/a.png",
        "https://site.example.evil.example/",
    ],
)
def test_secrets_are_for_the_origins_of_seeds_only(url: str) -> None:
    secret = {
        "headers": ("Authorization: Bearer t0ken", "COOKIE: sid=1", "Cookie: b=2"),
        "login": "user:word",
    }
    assert not said(url, **secret).keys() & {"Authorization", "Cookie", "COOKIE"}
    assert said(OWN, **secret)["Authorization"] == "Bearer t0ken"
    assert said(OWN, **secret)["Cookie"] == "sid=1; b=2"


def test_a_login_is_in_utf_8() -> None:
    sent = said(login="Jürgen:p:ä ss")["Authorization"]
    assert base64.b64decode(sent.removeprefix("Basic ")).decode() == "Jürgen:p:ä ss"


def test_cookies_of_servers_come_after_configured_ones() -> None:
    jar = CookieJar()
    jar.store(SEED, ["b=2; Path=/"])
    assert said(jar=jar, headers=("Cookie: a=1",))["Cookie"] == "a=1; b=2"
    assert said(OTHER, jar=jar).get("Cookie") is None


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "CONNECTION", "Proxy-Authorization"]
)
def test_headers_that_a_setting_can_not_say(name: str) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        said(headers=("X-A: 1", f"{name}: s3cret"))
    assert "s3cret" not in str(caught.value)


def test_a_configured_value_makes_no_other_header() -> None:
    with pytest.raises(ConfigError, match="X-A") as caught:
        said(headers=("X-A: s3cret\r\nX-B: 1",))
    assert "s3cret" not in str(caught.value)


def test_a_netrc_is_for_the_hosts_that_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "netrc"
    file.write_text("machine other.example login me password w0rd\ndefault login all password secret\n")
    monkeypatch.setenv("NETRC", str(file))
    assert "Authorization" not in said(OTHER)
    assert base64.b64decode(said(OTHER, netrc=True)["Authorization"][6:]) == b"me:w0rd"
    assert "Authorization" not in said(OWN, netrc=True), "the default entry is for nobody"
    assert "Authorization" not in said("https://sub.other.example/", netrc=True)
    assert base64.b64decode(said(OWN, netrc=True, login="u:p")["Authorization"][6:]) == b"u:p"
    file.write_text("machine other.example login me password w0rd s3cret\n")
    with pytest.raises(ConfigError, match=r"line \d") as caught:
        said(netrc=True)
    assert "s3cret" not in repr(caught.value)
    assert caught.value.__cause__ is None
    file.unlink()
    assert "Authorization" not in said(OTHER, netrc=True)


@pytest.mark.parametrize(
    ("url", "is_told"),
    [
        ("https://other.example/", True),
        ("http://other.example/", False),
        ("https://other.example:8443/", False),
        ("http://other.example:443/", False),
        ("https://site.example/", True),
        ("http://site.example:8081/", False),
        ("http://[2001:db8::1]/", False),
        ("https://[2001:db8::1]/", True),
        ("https://[2001:db8::1]:81/", False),
    ],
)
def test_a_netrc_is_for_https_at_its_port(
    url: str, *, is_told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page named another port of the host, where something else listened, and http, where all can listen."""
    hosts = ("other.example", "site.example", "2001:db8::1")
    (tmp_path / "netrc").write_text("".join(f"machine {host} login me password w0rd\n" for host in hosts))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert ("Authorization" in said(url, netrc=True)) == is_told


def test_a_netrc_is_for_the_origin_of_a_seed_whichever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine site.example login me password w0rd\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    headers = RequestHeaders(FetchConfig(netrc=True), seeds=["http://site.example:8081/a"])
    told = {
        url: "Authorization" in headers.headers_for(url, accept="*/*")
        for url in ("http://site.example:8081/b", "http://site.example:8082/b", "http://site.example/b")
    }
    assert list(told.values()) == [True, False, False]


def test_a_login_is_not_told_to_where_a_redirect_leads() -> None:
    with FaultServer() as server, FaultServer() as other:
        transport = RequestsTransport(
            FetchConfig(login="user:word", headers=("X-Key: k",)), seeds=[f"{server.url}/"]
        )
        transport.fetch(f"{server.url}/to?{other.url}/good/plain.png", max_bytes=10**6, accept="*/*")
        transport.fetch(f"{other.url}/to?{server.url}/good/plain.png", max_bytes=10**6, accept="*/*")
        transport.close()
        assert ["authorization" in request.headers for request in server.requests] == [True, True]
        assert ["authorization" in request.headers for request in other.requests] == [False, False]
        assert all(request.headers["x-key"] == "k" for request in server.requests + other.requests)


# --- proxies


class Proxy:
    """Connects, or passes a request on; to 127.0.0.1, whatever the name."""

    def __init__(
        self, *, login: str = "", refusal: bytes = b"", context: ssl.SSLContext | None = None
    ) -> None:
        self.heads: list[str] = []
        self._login = login
        self._refusal = refusal
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # a plain close would not wake who waits in accept
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._open.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError, ValueError):
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += sock.recv(65536)
            self.heads.append(head.decode())
            method, target, _ = head.decode().split("\r\n")[0].split(" ")
            wanted = "Proxy-Authorization: Basic " + base64.b64encode(self._login.encode()).decode()
            if self._refusal or (self._login and wanted not in head.decode()):
                status = self._refusal or b"407 Proxy Authentication Required"
                sock.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                sock.close()
                return
            port = int(re.search(r":(\d+)(?:/|$)", target)[1])  # type: ignore[index]
            far = socket.create_connection(("127.0.0.1", port))
            self._open.append(far)
            if method == "CONNECT":
                sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                threading.Thread(target=self._pass_on, args=(sock, far), daemon=True).start()
            else:
                path = "/" + target.split("/", 3)[3]
                far.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            self._pass_on(far, sock)

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError, ValueError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def through(proxy: str, url: str, *, ca_file: Path | None = None, **settings: Any) -> int:
    transport = RequestsTransport(
        FetchConfig(proxy=proxy, **{"total_timeout_s": 5, **settings}), ca_file=ca_file
    )
    try:
        return transport.fetch(url, max_bytes=10**6, accept="*/*").http_status
    finally:
        transport.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_passes_everything_on(tls_port: int, authority: Authority, scheme: str) -> None:
    context = None
    if scheme == "https":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(authority.issue("127.0.0.1"))
    with FaultServer() as server, Proxy(login="me:p@ss ü", context=context) as proxy:
        url = f"{scheme}://me:p%40ss%20%C3%BC@127.0.0.1:{proxy.port}"
        port = server.url.rpartition(":")[2]
        plain = f"http://nowhere.example:{port}/good/plain.png"
        assert through(url, plain, ca_file=authority.file) == 200
        assert through(url, f"https://localhost:{tls_port}/good/plain.png", ca_file=authority.file) == 200
    assert proxy.heads[0].startswith(f"GET {plain} HTTP/1.1\r\n"), "no name was looked up here"
    assert proxy.heads[1].startswith(
        f"CONNECT localhost:{tls_port} HTTP/1.1\r\nHost: localhost:{tls_port}\r\n"
    )
    assert "Proxy-Authorization" not in str(server.requests)


def test_through_a_proxy_the_certificate_of_the_target_counts(tls_port: int, authority: Authority) -> None:
    with Proxy() as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        with pytest.raises(TlsFailed, match=r"is for localhost, .* not for 127"):
            through(url, f"https://127.0.0.1:{tls_port}/", ca_file=authority.file)
        with pytest.raises(TlsFailed, match="the certificate of localhost is of an unknown authority"):
            through(url, f"https://localhost:{tls_port}/")


def test_the_certificate_of_a_proxy_counts_too(authority: Authority, tls_port: int) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.issue("other.example"))
    with Proxy(context=context) as proxy:
        for target in ("http://site.example:80/", f"https://localhost:{tls_port}/"):
            with pytest.raises(TlsFailed, match=r"is for other\.example, not for the proxy 127\.0\.0\.1"):
                through(f"https://127.0.0.1:{proxy.port}", target, ca_file=authority.file)


@pytest.mark.parametrize("target", ["http://site.example:80/", "https://site.example:443/"])
def test_a_proxy_that_wants_another_password(target: str) -> None:
    with Proxy(login="me:right") as proxy, pytest.raises(Forbidden, match="407") as caught:
        through(f"http://me:wr0ng@127.0.0.1:{proxy.port}", target)
    text = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert f"the proxy 127.0.0.1:{proxy.port}" in text
    assert "wr0ng" not in text
    assert base64.b64encode(b"me:wr0ng").decode() not in text


@pytest.mark.parametrize(
    ("status", "leaf"),
    [(b"403 Forbidden", Forbidden), (b"502 Bad Gateway", ServerError), (b"nonsense", BadResponse)],
)
def test_a_proxy_that_does_not_connect(status: bytes, leaf: type[TaskError]) -> None:
    with Proxy(refusal=status) as proxy, pytest.raises(leaf) as caught:
        through(f"http://127.0.0.1:{proxy.port}", "https://site.example/")
    if leaf is not BadResponse:
        assert f"the proxy 127.0.0.1:{proxy.port} refuses to connect to site.example:443" in str(caught.value)


@pytest.mark.parametrize("target", ["http://site.example/", "https://site.example/"])
def test_a_proxy_that_is_not_there(target: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(ConnectFailed, match=f"the proxy 127.0.0.1 port {port}"):
        through(f"http://me:s3cret@127.0.0.1:{port}", target)


def test_a_proxy_that_hangs_up() -> None:
    with Proxy(refusal=b"") as proxy:
        proxy._serve = lambda sock: sock.close()  # type: ignore[method-assign]
        for target, who in (
            ("https://site.example/", "the proxy 127"),
            ("http://site.example/", "connection"),
        ):
            with pytest.raises(ConnectionLost, match=who):
                through(f"http://127.0.0.1:{proxy.port}", target)


def test_a_proxy_that_says_nothing_costs_no_more_than_the_time_there_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ConnectTimeout, match="the proxy 127"):
            through(url, "https://site.example/", connect_timeout_s=0.1)
        with pytest.raises(DeadlineExceeded):
            through(url, "http://site.example/", total_timeout_s=0.2)


@pytest.mark.parametrize(
    "proxy", ["http://:8080", "http://u:s3cret@host:99999", "http://u:s3cret@a b:1", "ftp://u:s3cret@h:1"]
)
def test_a_proxy_that_is_none(proxy: str) -> None:
    with pytest.raises(ConfigError, match="proxy") as caught:
        RequestsTransport(FetchConfig(proxy=proxy))
    assert "s3cret" not in repr(caught.value)


def test_a_proxy_is_judged_without_requests() -> None:
    code = (
        "import sys; from crawler.config import FetchConfig; from crawler.http.proxies import proxies_of;"
        "print(proxies_of(FetchConfig(proxy='http://me:x@h:1/')).of('http://a/').name, 'requests' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["h:1", "False"]


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


def test_over_tls_too_a_target_goes_out_as_it_is(authority: Authority) -> None:
    """By itself and through a tunnel; twice, for the second comes over a connection that was kept."""
    target = "/good/plain.png?a=%2f%zz&[1]|^`{}"
    with tls_server(authority.issue("localhost")) as server, Proxy() as proxy:
        for settings in ({}, {"proxy": f"http://127.0.0.1:{proxy.port}"}):
            transport = RequestsTransport(FetchConfig(total_timeout_s=5, **settings), ca_file=authority.file)
            for _ in range(2):
                transport.fetch(server.url + target, max_bytes=10**6, accept="*/*")
            transport.close()
        assert [(sent.path, sent.headers["host"]) for sent in server.requests] == [
            (target, server.url.removeprefix("https://"))
        ] * 4
