"""What every Transport promises of TLS and of connections, against real servers."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from crawler.config import FetchConfig
from crawler.errors import (
    ConfigError,
    ConnectTimeout,
    DeadlineExceeded,
    TlsFailed,
)
from tests.support.faultserver import FaultServer
from tests.support.transports import opened
from tests.support.web_proxy import Proxy
from tests.support.web_tls import Authority, tls_server

pytestmark = pytest.mark.usefixtures("each_transport")


def tls_fetch(port: int, host: str = "localhost", path: str = "/good/plain.png", **options: Any) -> int:
    transport = opened(FetchConfig(**{"total_timeout_s": 3, **options.pop("settings", {})}), **options)
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
        opened(FetchConfig())


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


def test_a_host_that_does_not_answer_the_handshake_costs_the_connect_timeout() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(ConnectTimeout, match="connect_timeout_s"),
    ):
        tls_fetch(silent.getsockname()[1], settings={"connect_timeout_s": 0.1})


def test_close_ends_idle_connections() -> None:
    with FaultServer() as server:
        transport = opened(FetchConfig())
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
            transport = opened(FetchConfig(total_timeout_s=5, **settings), ca_file=authority.file)
            for _ in range(2):
                transport.fetch(server.url + target, max_bytes=10**6, accept="*/*")
            transport.close()
        assert [(sent.path, sent.headers["host"]) for sent in server.requests] == [
            (target, server.url.removeprefix("https://"))
        ] * 4
