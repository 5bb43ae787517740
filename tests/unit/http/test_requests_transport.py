"""What the contract can't reach: exceptions by their kind, and requests' own seams."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import subprocess
import sys
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
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    HostNotFound,
    InvalidUrl,
    NameLookupFailed,
    TaskError,
    TlsFailed,
    TruncatedTransfer,
)
from crawler.http import Validators, connection
from crawler.http.cookies import CookieJar
from crawler.http.dns_cache import DnsCache
from crawler.http.request_headers import RequestHeaders, referer_for
from crawler.http.requests_adapter import wrapped
from crawler.http.requests_transport import RequestsTransport
from crawler.http.status import retry_after_s
from crawler.urls import canonical

URL = "https://example.org/a.png"


# --- connecting


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


def test_a_proxy_is_judged_without_requests() -> None:
    code = (
        "import sys; from crawler.config import FetchConfig; from crawler.http.proxies import Proxies;"
        "print(Proxies('http://me:x@h:1/').of('http://a/').name, 'requests' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["h:1", "False"]
