"""Names: asked once by however many threads, remembered for a minute."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from crawler.errors import HostNotFound, NameLookupFailed, TaskError
from crawler.http import dns_cache as module
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
