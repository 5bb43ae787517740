"""What every Transport promises by way of HTTP proxies."""

from __future__ import annotations

import base64
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from crawler.config import FetchConfig
from crawler.errors import (
    BadResponse,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    Forbidden,
    ServerError,
    TaskError,
    TlsFailed,
)
from tests.support.faultserver import FaultServer
from tests.support.transports import opened
from tests.support.web_proxy import Proxy
from tests.support.web_tls import Authority

pytestmark = pytest.mark.usefixtures("each_transport")


def through(proxy: str, url: str, *, ca_file: Path | None = None, **settings: Any) -> int:
    transport = opened(FetchConfig(proxy=proxy, **{"total_timeout_s": 5, **settings}), ca_file=ca_file)
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
        opened(FetchConfig(proxy=proxy))
    assert "s3cret" not in repr(caught.value)
