"""Opening sockets: each address of a host gets its share of the time; those of both families take turns."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from crawler.errors import ConnectFailed, ConnectTimeout
from crawler.http.dialling import open_socket
from crawler.http.dns_cache import DnsCache
from tests.unit.http.test_dns_cache import Resolver


class Network:
    """In place of socket.socket.connect: what does not answer takes all the time that it is given."""

    def __init__(self, *dead: str, refused: tuple[str, ...] = ()) -> None:
        self.dead = dead
        self.refused = refused
        self.tried: list[tuple[str, float]] = []
        self.now_s = 0.0

    def connect(self, sock: socket.socket, address: Any) -> None:
        patience_s = sock.gettimeout() or 0.0
        self.tried.append((address[0], round(patience_s, 3)))
        if address[0] in self.dead:
            self.now_s += patience_s
            raise TimeoutError("timed out")
        if address[0] in self.refused:
            raise ConnectionRefusedError("refused")


def connecting_in(network: Network) -> Any:
    def connect(sock: socket.socket, address: Any) -> None:
        network.connect(sock, address)

    return connect


def opening(monkeypatch: pytest.MonkeyPatch, network: Network, *addresses: str) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Resolver(*addresses))
    monkeypatch.setattr(socket.socket, "connect", connecting_in(network))
    monkeypatch.setattr(time, "monotonic", lambda: network.now_s)
    open_socket("site.example", 80, 8.0, DnsCache()).close()


def test_a_way_that_is_dead_leaves_time_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network("2001:db8::1", "2001:db8::2")
    opening(monkeypatch, network, "2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2")
    assert network.tried == [("2001:db8::1", 4.0), ("192.0.2.1", 2.0)]


def test_the_last_address_gets_all_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network("192.0.2.1", "192.0.2.2", "192.0.2.3")
    with pytest.raises(ConnectTimeout, match=r"site\.example port 80"):
        opening(monkeypatch, network, "192.0.2.1", "192.0.2.2", "192.0.2.3")
    assert [patience_s for _, patience_s in network.tried] == [4.0, 2.0, 2.0]
    assert network.now_s == 8.0


def test_refusals_cost_nothing_and_very_many_addresses_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [f"192.0.2.{number}" for number in range(100)]
    network = Network(refused=tuple(addresses))
    with pytest.raises(ConnectFailed, match="refused"):
        opening(monkeypatch, network, *addresses)
    assert len(network.tried) == 8


def test_a_host_that_is_nowhere_is_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver, network = Resolver("192.0.2.1"), Network(refused=("192.0.2.1",))
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    monkeypatch.setattr(socket.socket, "connect", connecting_in(network))
    names = DnsCache()
    for _ in range(2):
        with pytest.raises(ConnectFailed):
            open_socket("site.example", 80, 1.0, names)
    resolver.addresses = ("192.0.2.7",)
    open_socket("site.example", 80, 1.0, names).close()
    assert len(resolver.asked) == 3
