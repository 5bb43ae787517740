"""SOCKS, and the proxies of the environment: who is asked, who looks names up, what is said of unused ones."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from crawler.config import FetchConfig, load
from crawler.errors import (
    BadResponse,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    Forbidden,
    ForbiddenAddress,
    HostNotFound,
    TaskError,
)
from crawler.http.address_guard import AddressGuard
from crawler.http.proxies import ENVIRONMENT, Proxies, networks_of, unused
from crawler.http.requests_transport import RequestsTransport
from crawler.models import TaskKind
from crawler.queues import Plan
from crawler.run.trust import Trust, asks
from tests.support.faultserver import FaultServer
from tests.support.socksserver import SocksServer
from tests.unit.http.test_requests_transport import Authority, tls_server

NAME, IPV4, IPV6 = 3, 1, 4


@pytest.fixture(name="authority", scope="module")
def an_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(name="server")
def a_server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture(name="looked_up")
def look_ups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that this process asks the name service for; none of them is known there."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        if host.endswith(".example"):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def through(
    proxy: str, url: str, guard: AddressGuard | None = None, ca_file: Path | None = None, **settings: Any
) -> bytes:
    config = FetchConfig(proxy=proxy, **{"total_timeout_s": 5, **settings})
    with closing(RequestsTransport(config, guard, ca_file=ca_file)) as transport:
        return transport.fetch(url, max_bytes=10**6, accept="*/*").content


def port_of(server: FaultServer) -> int:
    return int(server.url.rpartition(":")[2].strip("/"))


# --- SOCKS ---


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


# --- what the setting takes ---


@pytest.mark.parametrize(
    "proxy", ["socks5://h", "socks5h://u:p@h:9050", "socks5://[::1]:1080/", "environment"]
)
def test_what_is_a_proxy(proxy: str) -> None:
    assert load(flags={"proxy": proxy}).fetch.proxy == proxy
    Proxies(proxy, {})


@pytest.mark.parametrize(
    "proxy", ["socks://h:1", "socks4://h:1", "h:1080", "Environment", "env", "socks5://"]
)
def test_what_is_none_says_what_would_be(proxy: str) -> None:
    with pytest.raises(ConfigError, match=r"expected .*socks5h://… or environment"):
        load(flags={"proxy": proxy})


@pytest.mark.parametrize("login", ["u:@", ":p@", f"{'u' * 256}:p@", f"u:{'%C3%BC' * 128}@"])
def test_a_login_that_socks_can_t_say(login: str) -> None:
    with pytest.raises(ConfigError, match="1 to 255 bytes"):
        Proxies(f"socks5h://{login}h:1")


def test_nothing_shows_the_password_of_a_proxy() -> None:
    proxy = Proxies("socks5h://me:s3cret@proxy.example:9").of("http://a.example/")
    assert "s3cret" not in f"{proxy!r} {proxy}"


# --- the environment's ---

CORPORATE = {
    "HTTPS_PROXY": "http://secure.proxy:3128",
    "http_proxy": "plain.proxy:8080",
    "NO_PROXY": "localhost,127.0.0.1, .internal.example,*.star.example 10.0.0.0/8,with.port:8443,[fd00::1]",
}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://site.example/", "secure.proxy:3128"),
        ("http://site.example/", "plain.proxy:8080"),
        ("http://localhost:8000/", None),
        ("http://127.0.0.1:9/", None),
        ("http://127.0.0.2:9/", "plain.proxy:8080"),
        ("https://internal.example/", None),
        ("https://a.internal.example./", None),
        ("https://notinternal.example/", "secure.proxy:3128"),
        ("https://a.star.example/", None),
        ("https://10.1.2.3/", None),
        ("https://11.1.2.3/", "secure.proxy:3128"),
        ("https://with.port:8443/", None),
        ("https://with.port:9443/", "secure.proxy:3128"),
        ("http://[fd00::1]/", None),
        ("http://[fd00::2]/", "plain.proxy:8080"),
    ],
)
def test_the_environment_says_who_is_asked_through_what(url: str, name: str | None) -> None:
    found = Proxies(ENVIRONMENT, CORPORATE).of(url)
    assert (found and found.name) == name
    assert Proxies("", CORPORATE).of(url) is None, "not asked for"
    always = Proxies("http://mine:1", CORPORATE).of(url)
    assert always is not None
    assert always.name == "mine:1", "NO_PROXY is for those of the environment"


def test_all_proxy_is_for_what_has_none_of_its_own() -> None:
    proxies = Proxies(ENVIRONMENT, {"ALL_PROXY": "socks5h://tor:9050", "https_proxy": "http://p:1"})
    plain, secure = proxies.of("http://a.example/"), proxies.of("https://a.example/")
    assert plain is not None
    assert secure is not None
    assert (plain.is_socks, plain.name, secure.name) == (True, "tor:9050", "p:1")
    assert Proxies(ENVIRONMENT, {"ALL_PROXY": "http://p:1", "no_proxy": "*"}).of("http://a.example/") is None


def test_what_the_environment_names_wrongly_says_where() -> None:
    with pytest.raises(ConfigError, match="all_proxy of the environment") as caught:
        Proxies(ENVIRONMENT, {"ALL_PROXY": "socks4://me:s3cret@h:1"})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "seed", "said"),
    [
        ({}, "https://a.example/", ""),
        (
            {"HTTPS_PROXY": "http://p:1"},
            "https://a.example/",
            "HTTPS_PROXY is set and not used: say --proxy environment",
        ),
        (
            {"HTTPS_PROXY": "http://p:1", "all_proxy": "x:1"},
            "https://a.example/",
            "HTTPS_PROXY, all_proxy are set",
        ),
        ({"HTTPS_PROXY": "http://p:1"}, "http://a.example/", ""),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "127.0.0.1"}, "http://127.0.0.1:8000/", ""),
        ({"HTTP_PROXY": ""}, "http://a.example/", ""),
        ({"HTTP_PROXY": "nonsense://"}, "http://a.example/", "HTTP_PROXY is set and not used"),
        ({"NO_PROXY": "*"}, "http://a.example/", ""),
    ],
)
def test_proxies_that_are_not_used_are_said_where_they_matter(
    environment: dict[str, str], seed: str, said: str
) -> None:
    told = unused(FetchConfig(), [seed], environment)
    assert told.startswith(said)
    assert bool(told) == bool(said)
    assert unused(FetchConfig(proxy="environment"), [seed], environment) == ""


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


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "socks5h://127.0.0.1:1", "socks5://127.0.0.1:1", ""])
def test_what_seeds_open_is_not_looked_up_where_the_proxy_does_that(looked_up: list[str], proxy: str) -> None:
    networks = networks_of(
        ("http://secret.example/", "http://10.1.1.1/", "http://localhost/"), Proxies(proxy)
    )
    assert "10.0.0.0/8" in networks
    assert "127.0.0.1@localhost" in networks
    ours = proxy.startswith("socks5:") or not proxy
    assert ("secret.example" in looked_up) is ours


def test_a_guest_is_asked_for_leave() -> None:
    def what(proxy: str) -> list[tuple[Trust, str]]:
        plan = Plan(id="1", seeds=("http://a.example/",), config=load(flags={"proxy": proxy}))
        return [(ask.trust, ask.what) for ask in asks(plan, TaskKind.PAGE, ["203.0.114.9"])]

    ((trust, told),) = what("socks5h://me:s3cret@h:1")
    assert trust is Trust.PROXY
    assert "s3cret" not in told
    assert what("environment") == [
        (Trust.PROXY, "send requests through the proxies that its own environment names")
    ]
