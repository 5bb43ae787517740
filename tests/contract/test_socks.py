"""What every Transport promises by way of SOCKS proxies: who is asked, and who looks names up."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from crawler.config import FetchConfig
from crawler.errors import (
    BadResponse,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    Forbidden,
    ForbiddenAddress,
    HostNotFound,
    TaskError,
)
from crawler.http.address_guard import AddressGuard
from tests.support.faultserver import FaultServer
from tests.support.socksserver import SocksServer, look_ups  # noqa: F401 - a fixture
from tests.support.transports import opened
from tests.support.web_tls import Authority, tls_server

pytestmark = pytest.mark.usefixtures("each_transport")
NAME, IPV4, IPV6 = 3, 1, 4


def through(
    proxy: str, url: str, guard: AddressGuard | None = None, ca_file: Path | None = None, **settings: Any
) -> bytes:
    config = FetchConfig(proxy=proxy, **{"total_timeout_s": 5, **settings})
    with closing(opened(config, guard, ca_file=ca_file)) as transport:
        return transport.fetch(url, max_bytes=10**6, accept="*/*").content


def port_of(server: FaultServer) -> int:
    return int(server.url.rpartition(":")[2].strip("/"))


@pytest.mark.parametrize("trickles", [False, True])
@pytest.mark.parametrize("login", [None, ("me", "p@ss ü")])
def test_by_socks5h_everything_goes_and_no_name_is_looked_up_here(
    server: FaultServer, looked_up: list[str], login: tuple[str, str] | None, *, trickles: bool
) -> None:
    with SocksServer(login=login, trickles=trickles) as proxy:
        user = "me:p%40ss%20%C3%BC@" if login else ""
        content = through(
            f"socks5h://{user}127.0.0.1:{proxy.port}",
            f"http://secret.example:{port_of(server)}/good/plain.png",
            AddressGuard(),
        )
    assert content.startswith(b"\x89PNG")
    assert proxy.targets == [(NAME, "secret.example", port_of(server))]
    assert proxy.logins == ([login] if login else [])
    assert set(looked_up) <= {"127.0.0.1"}, "the proxy's own address"


@pytest.mark.parametrize("bound", [b"\x04" + bytes(18), b"\x03\x05proxy\x00\x00"])
def test_what_a_proxy_says_of_itself_is_read_to_its_end(server: FaultServer, bound: bytes) -> None:
    with SocksServer(bound=bound) as proxy:
        url = f"http://a.example:{port_of(server)}/good/plain.png"
        assert through(f"socks5h://127.0.0.1:{proxy.port}", url).startswith(b"\x89PNG")


def test_tls_is_between_us_and_the_target(authority: Authority, looked_up: list[str]) -> None:
    with tls_server(authority.issue("site.example")) as server, SocksServer() as proxy:
        port = port_of(server)
        url = f"https://site.example:{port}/good/plain.png"
        assert through(f"socks5h://127.0.0.1:{proxy.port}", url, ca_file=authority.file)
    assert proxy.targets == [(NAME, "site.example", port)]
    assert "site.example" not in looked_up


def test_by_socks5_we_look_names_up_and_the_proxy_is_told_addresses(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> Any:
        addresses = ["93.184.216.34", "93.184.216.35"] if host == "two.example" else [host]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with SocksServer(refused=("93.184.216.34",)) as proxy:
        url = f"http://two.example:{port_of(server)}/good/plain.png"
        assert through(f"socks5://127.0.0.1:{proxy.port}", url, AddressGuard()).startswith(b"\x89PNG")
    assert proxy.targets == [(IPV4, f"93.184.216.3{n}", port_of(server)) for n in (4, 5)], (
        "one after the other"
    )


def test_by_socks5_a_name_that_does_not_exist_costs_the_proxy_nothing(looked_up: list[str]) -> None:
    with SocksServer() as proxy, pytest.raises(HostNotFound):
        through(f"socks5://127.0.0.1:{proxy.port}", "http://no.example/", AddressGuard())
    assert "no.example" in looked_up
    assert proxy.targets == []


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://169.254.169.254/latest/",
        "http://localhost/",
        "http://93.184.216.34:22/",
    ],
)
def test_a_proxy_does_not_lead_where_a_page_must_not(scheme: str, url: str) -> None:
    with SocksServer() as proxy, pytest.raises(ForbiddenAddress):
        through(f"{scheme}://127.0.0.1:{proxy.port}", url, AddressGuard())
    assert proxy.targets == []


def test_by_socks5_a_name_that_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> Any:
        address = "192.168.1.1" if host == "rebound.example" else host
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with SocksServer() as proxy, pytest.raises(ForbiddenAddress, match=r"192\.168\.1\.1"):
        through(f"socks5://127.0.0.1:{proxy.port}", "http://rebound.example/", AddressGuard())
    assert proxy.targets == []


def test_an_ipv6_address_goes_as_one(server: FaultServer) -> None:
    with SocksServer() as proxy:
        url = f"http://[2606:2800:220:1::1]:{port_of(server)}/good/plain.png"
        assert through(f"socks5h://127.0.0.1:{proxy.port}", url, AddressGuard()).startswith(b"\x89PNG")
    assert proxy.targets == [(IPV6, "2606:2800:220:1::1", port_of(server))]


@pytest.mark.parametrize(
    ("options", "proxy_login", "leaf", "said"),
    [
        ({"login": ("me", "right")}, "me:wr0ng@", Forbidden, "another user name and password"),
        ({"login": ("me", "right")}, "", Forbidden, "wants a user name and password"),
        ({"reply": 1}, "", ConnectFailed, "general failure"),
        ({"reply": 2}, "", Forbidden, "not allowed by its rules"),
        ({"reply": 4}, "", ConnectFailed, "host unreachable"),
        ({"reply": 5}, "", ConnectFailed, "connection refused"),
        ({"reply": 0xF0}, "", ConnectFailed, "reply 240"),
    ],
)
def test_what_a_proxy_refuses_is_told_with_its_name(
    options: dict[str, Any], proxy_login: str, leaf: type[TaskError], said: str
) -> None:
    with SocksServer(**options) as proxy, pytest.raises(leaf, match=said) as caught:
        through(f"socks5h://{proxy_login}127.0.0.1:{proxy.port}", "http://site.example/")
    assert f"the proxy 127.0.0.1:{proxy.port}" in str(caught.value)
    assert "wr0ng" not in repr(caught.value)


def peer(answer: bytes, *, hangs: bool = False) -> tuple[socket.socket, int]:
    """A server that says *answer* to whatever comes first, and then hangs up or says nothing more."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        sock, _ = listener.accept()
        sock.recv(100)
        sock.sendall(answer)
        if hangs:
            sock.recv(100)
            sock.recv(100)
        sock.close()

    threading.Thread(target=serve, daemon=True).start()
    return listener, listener.getsockname()[1]


@pytest.mark.parametrize(
    ("answer", "hangs", "leaf", "said"),
    [
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            False,
            BadResponse,
            "does not speak SOCKS 5; is it an HTTP proxy",
        ),
        (b"\x05\x01", False, BadResponse, "a way that was not offered"),
        (b"\x05", False, ConnectionLost, "ended the connection"),
        (b"", False, ConnectionLost, "ended the connection"),
        (b"\x05\x00", True, ConnectTimeout, r"in time \(connect_timeout_s\)"),
    ],
)
def test_what_is_no_proxy_costs_no_more_than_the_time_there_is(
    answer: bytes, leaf: type[TaskError], said: str, *, hangs: bool
) -> None:
    listener, port = peer(answer, hangs=hangs)
    with listener, pytest.raises(leaf, match=said):
        through(f"socks5h://127.0.0.1:{port}", "http://site.example/", connect_timeout_s=0.3)


def test_a_transport_takes_those_of_its_own_environment(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch, looked_up: list[str]
) -> None:
    with SocksServer() as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5h://127.0.0.1:{proxy.port}")
        for name in ("HTTP_PROXY", "http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        guard = AddressGuard(["127.0.0.0/8"])
        assert through("environment", f"{server.url}/good/plain.png", guard).startswith(b"\x89PNG")
        assert proxy.targets == [], "of NO_PROXY"
        url = f"http://site.example:{port_of(server)}/good/plain.png"
        assert through("environment", url, guard).startswith(b"\x89PNG")
    assert proxy.targets == [(NAME, "site.example", port_of(server))]
    assert "site.example" not in looked_up
