"""Names: asked once by however many threads, remembered for a minute; addresses: each gets its share of the time."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from crawler.errors import ConnectFailed, ConnectTimeout, HostNotFound, NameLookupFailed, TaskError
from crawler.http import dns_cache as module
from crawler.http.dialling import open_socket
from crawler.http.dns_cache import DnsCache
from tests.support.queues import is_in, wait_until


class Resolver:
    """In place of socket.getaddrinfo."""

    def __init__(self, *addresses: str, error: Exception | None = None) -> None:
        self.addresses = addresses
        self.error = error
        self.asked: list[str] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        assert self.go_on.wait(5)
        if self.error is not None:
            raise self.error
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in self.addresses
        ]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    resolver = Resolver("192.0.2.1", "2001:db8::1")
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    return resolver


def test_an_answer_is_good_for_a_minute_and_any_port(resolver: Resolver) -> None:
    now = [100.0]
    names = DnsCache(clock=lambda: now[0])
    assert [info[4] for info in names.look_up("site.example", 80)] == [
        ("192.0.2.1", 80),
        ("2001:db8::1", 80, 0, 0),
    ]
    assert names.look_up("site.example", 8080)[0][4] == ("192.0.2.1", 8080)
    now[0] += 59
    names.look_up("site.example", 80)
    assert resolver.asked == ["site.example"]
    now[0] += 1
    names.look_up("site.example", 80)
    assert len(resolver.asked) == 2
    names.forget("site.example")
    names.look_up("site.example", 80)
    assert len(resolver.asked) == 3


@pytest.mark.parametrize(
    ("error", "leaf"),
    [
        (None, None),
        (socket.gaierror(socket.EAI_NONAME, "no such name"), HostNotFound),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), NameLookupFailed),
        (RuntimeError("a bug"), RuntimeError),
    ],
)
def test_many_threads_ask_once(
    resolver: Resolver, error: Exception | None, leaf: type[Exception] | None
) -> None:
    resolver.error = error
    resolver.go_on.clear()
    names = DnsCache()
    came: list[object] = []

    def ask() -> None:
        try:
            came.append(names.look_up("site.example", 80)[0][4])
        except (TaskError, RuntimeError) as exc:
            came.append(type(exc))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    wait_until(lambda: all(is_in(thread, "look_up", "wait") for thread in threads))
    resolver.go_on.set()
    for thread in threads:
        thread.join(5)
    assert len(came) == 16
    if leaf is RuntimeError:
        assert came.count(RuntimeError) >= 1, "the others know of a failure, and are not left waiting"
    else:
        assert len(resolver.asked) == (1 if leaf is not NameLookupFailed else len(resolver.asked))
        assert set(came) == {leaf or ("192.0.2.1", 80)}


def test_hosts_do_not_wait_for_each_other(resolver: Resolver) -> None:
    names = DnsCache()
    resolver.go_on.clear()
    slow = threading.Thread(target=names.look_up, args=("slow.example", 80))
    slow.start()
    while not resolver.asked:
        time.sleep(0.001)
    threading.Timer(0.03, resolver.go_on.set).start()
    names.look_up("quick.example", 80)
    slow.join(5)
    assert resolver.asked == ["slow.example", "quick.example"]


def test_an_outage_is_not_remembered(resolver: Resolver) -> None:
    resolver.error = socket.gaierror(socket.EAI_AGAIN, "try again")
    names = DnsCache()
    for _ in range(2):
        with pytest.raises(NameLookupFailed, match=r"site\.example"):
            names.look_up("site.example", 80)
    resolver.error = None
    assert names.look_up("site.example", 80)
    assert len(resolver.asked) == 3


def test_memory_is_bounded(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED_NAMES", 100)
    names = DnsCache()
    for number in range(250):
        names.look_up(f"h{number}.example", 80)
    assert len(names._known) == 100
    names.look_up("h249.example", 80)
    assert len(resolver.asked) == 250


# --- connecting


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
