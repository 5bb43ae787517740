"""Where every Transport connects to, and where it does not, against real servers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from crawler.config import FetchConfig
from crawler.errors import ForbiddenAddress, RobotsDisallowed, TaskError
from crawler.http import Transport
from crawler.http.address_guard import AddressGuard, seed_networks
from crawler.http.robots import Robots
from tests.support.faultserver import FaultServer
from tests.support.images import samples
from tests.support.transports import opened

pytestmark = pytest.mark.usefixtures("each_transport")


@contextmanager
def fetching(guard: AddressGuard | None, **settings: Any) -> Iterator[Transport]:
    transport = opened(FetchConfig(**{"total_timeout_s": 5, **settings}), guard)
    try:
        yield transport
    finally:
        transport.close()


def content(transport: Transport, url: str) -> bytes:
    return transport.fetch(url, max_bytes=10**6, accept="*/*").content


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "[::ffff:127.0.0.1]",
        "127.0.0.1.",
    ],
)
def test_however_it_is_spelled(server: FaultServer, host: str) -> None:
    url = f"http://{host}:{server.url.rpartition(':')[2]}/good/plain.png"
    with fetching(AddressGuard()) as guarded, pytest.raises(ForbiddenAddress, match="loopback") as caught:
        content(guarded, url)
    assert not caught.value.retryable
    assert server.requests == []
    if "::" not in host:  # what blocks the internet in tests blocks that spelling
        with fetching(AddressGuard(of_seeds=seed_networks([server.url + "/"]))) as allowed:
            assert content(allowed, url) == samples()["plain.png"]


def test_a_redirect_leads_nowhere_that_a_link_would_not(server: FaultServer) -> None:
    with FaultServer() as other:
        # each has a loopback address of its own
        target = other.url.replace("127.0.0.1", "localhost")
        with fetching(AddressGuard(["127.0.0.1:" + server.url.rpartition(":")[2]])) as transport:
            with pytest.raises(ForbiddenAddress, match="localhost resolves to") as caught:
                content(transport, f"{server.url}/to?{target}/good/plain.png")
            assert caught.value.final_url == f"{target}/good/plain.png"
        assert other.requests == []


def test_the_address_that_was_checked_is_the_one_that_is_asked(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that means something else at each look-up gains nothing (DNS rebinding)."""
    port = int(server.url.rpartition(":")[2])
    answers = iter([["93.184.216.34"], ["127.0.0.1"], ["127.0.0.1"]])
    connected = []

    def resolve(host: str, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in next(answers)]

    def connect(_: socket.socket, address: Any) -> None:
        connected.append(address)
        raise ConnectionRefusedError("not today")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", connect)
    with fetching(AddressGuard()) as transport:
        for _ in range(2):
            with pytest.raises(TaskError):
                content(transport, f"http://rebinding.example:{port}/good/plain.png")
    assert connected == [("93.184.216.34", port)]
    assert server.requests == []


def test_of_several_addresses_only_the_public_ones_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    connected = []

    def connect(_: socket.socket, address: Any) -> None:
        connected.append(address[0])
        raise ConnectionRefusedError("not today")

    addresses = ["127.0.0.1", "8.8.8.8", "10.0.0.1"]
    infos = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: infos)
    monkeypatch.setattr(socket.socket, "connect", connect)
    with fetching(AddressGuard()) as transport, pytest.raises(TaskError):
        content(transport, "http://mixed.example/")
    assert connected == ["8.8.8.8"]


def test_a_bad_port_is_not_even_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    with fetching(AddressGuard()) as transport, pytest.raises(ForbiddenAddress, match="port 6667"):
        content(transport, "http://irc.example:6667/")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://localhost:8080/",
        "http://a.LOCALHOST/",
        "http://x.example:25/",
    ],
)
def test_behind_a_proxy_what_the_url_itself_says_is_checked(server: FaultServer, url: str) -> None:
    with fetching(AddressGuard(), proxy=server.url) as transport, pytest.raises(ForbiddenAddress):
        content(transport, url)
    assert server.requests == []


# --- robots.txt


def test_a_host_at_a_forbidden_address_is_told_as_that(server: FaultServer) -> None:
    with fetching(AddressGuard()) as transport:
        robots = Robots(transport, agent="image-crawler")
        for _ in range(2):
            with pytest.raises(ForbiddenAddress, match="loopback"):
                robots.check(f"{server.url}/good/plain.png")


def test_a_robots_txt_that_only_leads_to_a_forbidden_address_is_not_there() -> None:
    error = ForbiddenAddress("no", final_url="http://10.0.0.1/robots.txt")

    class Leading:
        def fetch(self, url: str, **_: Any) -> Any:
            raise error

        def close(self) -> None:
            pass

    robots = Robots(Leading(), agent="image-crawler")
    robots.check("http://site.example/a.png")
    error.final_url = "http://other.example/robots.txt"
    with pytest.raises(ForbiddenAddress):
        robots.check("http://other.example/a.png")
    assert not issubclass(ForbiddenAddress, RobotsDisallowed)
