"""Hostile crowds at a real manager: whatever they do, an honest worker gets its work done in under a second."""

from __future__ import annotations

import random
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from pathlib import Path

import msgspec
import pytest

from crawler import errors
from crawler.queues.rpc.calls import PROTOCOL
from crawler.queues.rpc.manager import QueueManager
from crawler.queues.rpc.tls import Tls
from crawler.queues.rpc.transport import HANDSHAKE_S, RpcTransport
from crawler.queues.rpc.wire import MAX_MESSAGE_BYTES
from tests.e2e.manager_process import ManagerProcess, Options, forbid_pickle, manager_process
from tests.support import certificates
from tests.support.cpu_time import soon
from tests.support.peer import dial, say_hello
from tests.support.queues import AUTHKEY, Queues, image, saved, take, wait_until, worker

pytestmark = [
    pytest.mark.timeout(200),
    pytest.mark.skipif(
        sys.platform != "linux", reason="looks into /proc, and uses many addresses of loopback"
    ),
]

SECOND = 1.0
MAX_GROWTH_MIB = 40.0


@dataclass(frozen=True)
class Place:
    """A manager under attack, and what a worker of its crawl has."""

    manager: ManagerProcess
    tls: Tls | None

    @property
    def address(self) -> tuple[str, int]:
        return self.manager.address


@pytest.fixture(name="keys", scope="module")
def some_keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tls, Tls]:
    return certificates.make(tmp_path_factory.mktemp("keys"))


@pytest.fixture(name="start", params=["plain", "tls"])
def a_starter(
    request: pytest.FixtureRequest, tmp_path: Path, keys: tuple[Tls, Tls], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Place]]:
    forbid_pickle(monkeypatch.setattr)
    ours, theirs = keys if request.param == "tls" else (None, None)
    with ExitStack() as stack:

        def start(**limits: int) -> Place:
            options = Options(folder=str(tmp_path), keys=str(ours.cert.parent) if ours else "", **limits)
            return Place(stack.enter_context(manager_process(options)), theirs)

        yield start
    assert "Traceback" not in (tmp_path / "manager.log").read_text(encoding="utf-8")


# --- the honest ones ---


def do_one_task(place: Place, number: int) -> float:
    """Connect, put a task, get it and settle it, as a new worker each time; returns how long that took."""
    started = time.monotonic()
    manager = QueueManager(place.address, AUTHKEY, tls=place.tls, reconnect_s=10.0)
    manager.connect()
    queues = Queues(tasks=manager.get_task_queue(), results=manager.get_result_queue(), pass_time=time.sleep)
    assert queues.tasks.put([image(number, f"host{number}")]) == 1
    (task,) = take(queues, worker(f"honest {number}"))
    assert task.attempt == 1
    queues.results.put([saved(task)])
    manager.disconnect()
    return time.monotonic() - started


def check_honest_work(place: Place, what: str, *, first: int = 1000) -> None:
    """Five times in a row; the figures are shown by ``pytest -s``."""
    rss, cpu, since = place.manager.rss_mib(), place.manager.cpu_s(), time.monotonic()
    took = [do_one_task(place, first + n) for n in range(5)]
    load = (place.manager.cpu_s() - cpu) / (time.monotonic() - since)
    shown = " ".join(f"{1000 * seconds:.0f}" for seconds in took)
    print(
        f"\n{what}, {'tls' if place.tls else 'plain'}: {shown} ms;"
        f" {place.manager.threads()} threads, {rss:.0f} MiB, {load:.0%} CPU"
    )
    assert soon(max(took), SECOND), took
    manager = QueueManager(place.address, AUTHKEY, tls=place.tls)
    assert len(manager.get_result_queue().get(after=0).records) >= 5
    manager.disconnect()


def back_to(place: Place, threads: int, *, within_s: float) -> None:
    started = time.monotonic()
    wait_until(lambda: place.manager.threads() <= threads, within_s=within_s)
    print(f"  {threads} threads again after {time.monotonic() - started:.1f} s")


def at_rest(place: Place) -> tuple[int, float]:
    """Threads and memory before anybody came, but one honest worker: what is imported late has been."""
    do_one_task(place, 1)
    wait_until(lambda: place.manager.threads() <= 3)  # main, accept, input
    return place.manager.threads(), place.manager.rss_mib()


# --- the crowds ---


@contextmanager
def silent(place: Place, count: int, *, addresses: int = 1) -> Iterator[None]:
    """So many connections that say nothing, from so many addresses."""
    with ExitStack() as stack:
        for n in range(count):
            source = (f"127.0.0.{2 + n % addresses}", 0)
            stack.enter_context(socket.create_connection(place.address, source_address=source))
        yield


@contextmanager
def dripping(place: Place, count: int) -> Iterator[list[float]]:
    """So many connections that send a byte each 0.2 seconds of what may yet become a message.

    Gives a list of how long each of those was borne that have been thrown out.
    """
    said = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" if place.tls else struct.pack("!I", 200)
    said += b"x" * 200
    over = threading.Event()

    borne: list[float] = []

    def drip() -> None:
        slow: list[tuple[socket.socket, float, int]] = []
        while not over.wait(0.2):
            while len(slow) < count:  # those that were thrown out come again
                slow.append((socket.create_connection(place.address), time.monotonic(), 0))
            left = []
            for sock, since, sent in slow:
                try:
                    sock.sendall(said[sent : sent + 1])
                    left.append((sock, since, sent + 1))
                except OSError:
                    sock.close()
                    borne.append(time.monotonic() - since)
            slow = left
        for sock, *_ in slow:
            sock.close()

    with in_background(drip):
        try:
            wait_until(lambda: place.manager.threads() >= count)
            yield borne
        finally:
            over.set()


@contextmanager
def in_background(run: Callable[[], None]) -> Iterator[None]:
    failed: list[BaseException] = []

    def guarded() -> None:
        try:
            run()
        except BaseException as exc:  # noqa: BLE001 - raised below
            failed.append(exc)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    assert not failed, failed


EXPECTED = (EOFError, OSError, AuthenticationError, errors.ProtocolError)


@contextmanager
def visiting(visit: Callable[[int], None], *, visitors: int = 4, pause_s: float = 0.01) -> Iterator[None]:
    """Again and again, several at a time; being thrown out is what they expect."""
    over = threading.Event()
    visits = [0] * visitors

    def come_again(visitor: int) -> None:
        while not over.wait(pause_s):
            with suppress(*EXPECTED):
                visit(visits[visitor])
            visits[visitor] += 1

    with ExitStack() as stack:
        stack.callback(over.set)
        for visitor in range(visitors):
            stack.enter_context(in_background(lambda visitor=visitor: come_again(visitor)))
            stack.callback(over.set)
        wait_until(lambda: min(visits) >= 20, within_s=20.0)
        yield
        over.set()
    print(f"  {sum(visits)} visits")


def reading_to_the_end(sock: socket.socket) -> None:
    sock.settimeout(HANDSHAKE_S + 1)
    while sock.recv(65536):
        pass


def giants(place: Place) -> AbstractContextManager[None]:
    """Announce more than anybody may send; with TLS as one who has a certificate, and not the key."""
    announced = [257, MAX_MESSAGE_BYTES + 1, 2**31, 2**32 - 1]

    def visit(n: int) -> None:
        peer = RpcTransport().open(place.address)
        try:
            if place.tls is not None:
                peer.secure(place.tls.on_client)
            peer._sock.sendall(struct.pack("!I", announced[n % len(announced)]) + b"x" * 1000)
            reading_to_the_end(peer._sock)
        finally:
            peer.close()

    return visiting(visit)


NESTED = b"\x91" * 200_000 + b"\xc0"
MALFORMED = [
    b"",
    b"\xc1",
    b"\xdd\xff\xff\xff\xff",
    NESTED,
    b"\x94\xaeget_task_queue\xa3put\x90" + NESTED,
    b"\x94\xaeget_task_queue\xa3put\x90\x81\xa5tasks" + NESTED,
    b"\x94\xaeget_task_queue\xa3put\x90\x81\xa5tasks\xdd\xff\xff\xff\xff",
    msgspec.msgpack.encode([None, "shutdown", [], {}]),
    msgspec.msgpack.encode([None, "create", [], {}]),
    msgspec.msgpack.encode([None, "dummy", ["x"] * 1000, {}]),
    msgspec.msgpack.encode([None, "accept_connection", ["1", 1], {}]),
    msgspec.msgpack.encode([None, "create", ["get_task_queue", "x" * 2**20], {}]),
    msgspec.msgpack.encode(["get_task_queue", "__init__", [], {}]),
    msgspec.msgpack.encode(["get_task_queue", "put", [], {"tasks": [{"kind": "image"}] * 10_000}]),
    msgspec.msgpack.encode(["get_result_queue", "get", [], {"after": "x" * 2**20}]),
    b"x" * MAX_MESSAGE_BYTES,
]


def key_holders(place: Place) -> AbstractContextManager[None]:
    """Those who know the key, and have nothing sensible to say."""

    def visit(n: int) -> None:
        peer = dial(place.address, tls=place.tls, authkey=AUTHKEY)
        try:
            if n % 2:
                say_hello(peer, PROTOCOL, "1.0")
            peer.send_bytes(MALFORMED[n % len(MALFORMED)])
            peer.recv_bytes()
        finally:
            peer.close()

    return visiting(visit)


def wrong_keys(place: Place) -> AbstractContextManager[None]:
    return visiting(lambda n: dial(place.address, tls=place.tls, authkey=b"another key").close())


def noise(place: Place) -> AbstractContextManager[None]:
    chance = random.Random(20)
    said = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(600),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00",
        b"\x00\x00\x00\x00" * 1000,
        *(chance.randbytes(chance.randrange(1, 100_000)) for _ in range(20)),
    ]

    def visit(n: int) -> None:
        with socket.create_connection(place.address) as sock:
            sock.sendall(said[n % len(said)])
            sock.shutdown(socket.SHUT_WR)
            reading_to_the_end(sock)

    return visiting(visit)


# --- what becomes of it ---


@pytest.mark.sampled(2)
def test_three_hundred_who_say_nothing(start: Callable[..., Place]) -> None:
    place = start()
    threads, rss = at_rest(place)
    with silent(place, 300, addresses=3):
        wait_until(lambda: place.manager.threads() >= threads + 300)
        check_honest_work(place, "300 silent")
        grown = place.manager.rss_mib() - rss
        print(f"  grown by {grown:.1f} MiB")
        assert grown < MAX_GROWTH_MIB
        back_to(place, threads, within_s=HANDSHAKE_S + 3)


def test_more_than_it_has_descriptors_for(start: Callable[..., Place]) -> None:
    place = start(descriptors=64)
    threads, _ = at_rest(place)
    with silent(place, 200):
        check_honest_work(place, "200 silent, 64 descriptors")
    back_to(place, threads, within_s=HANDSHAKE_S + 3)


def test_more_than_it_has_threads_for(start: Callable[..., Place]) -> None:
    place = start(threads=40)
    threads, _ = at_rest(place)
    with silent(place, 200):
        check_honest_work(place, "200 silent, 40 threads")
    back_to(place, threads, within_s=HANDSHAKE_S + 3)


@pytest.mark.sampled(2)
def test_a_hundred_who_drip(start: Callable[..., Place]) -> None:
    place = start()
    threads, rss = at_rest(place)
    with dripping(place, 100) as borne:
        check_honest_work(place, "100 dripping")
        wait_until(lambda: len(borne) >= 100, within_s=HANDSHAKE_S + 3)
        assert max(borne) < HANDSHAKE_S + 1, "a byte now and then buys no time"
        check_honest_work(place, "100 dripping, who came again", first=2000)
    assert place.manager.rss_mib() - rss < MAX_GROWTH_MIB
    back_to(place, threads, within_s=HANDSHAKE_S + 3)


@pytest.mark.parametrize("crowd", [giants, key_holders, wrong_keys, noise])
def test_those_who_come_again_and_again(
    start: Callable[..., Place], crowd: Callable[[Place], AbstractContextManager[None]]
) -> None:
    place = start()
    threads, rss = at_rest(place)
    with crowd(place):
        check_honest_work(place, crowd.__name__)
    assert place.manager.rss_mib() - rss < MAX_GROWTH_MIB
    back_to(place, threads, within_s=HANDSHAKE_S + 3)


def test_who_speaks_plainly_to_tls_learns_nothing(keys: tuple[Tls, Tls], tmp_path: Path) -> None:
    options = Options(folder=str(tmp_path), keys=str(keys[0].cert.parent))
    with manager_process(options) as manager:
        with socket.create_connection(manager.address) as sock:
            sock.sendall(struct.pack("!I", 16) + b"0" * 16)
            said = b""
            with suppress(ConnectionResetError):
                sock.settimeout(HANDSHAKE_S)
                while chunk := sock.recv(65536):
                    said += chunk
        assert b"#CHALLENGE#" not in said
        context = ssl.create_default_context(cafile=str(keys[1].ca))
        context.check_hostname = False
        sock = socket.create_connection(manager.address)
        with context.wrap_socket(sock, do_handshake_on_connect=False) as wrapped:
            wrapped.do_handshake()
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                wrapped.recv(1)  # TLS 1.3 says only after the handshake that it wants a certificate


# --- many honest ones ---

WORKERS, TIMES = 64, 20


def connect_at_once(place: Place) -> list[float]:
    """How long it took each of them."""
    together = threading.Barrier(WORKERS)
    took: list[float] = []

    def connect() -> None:
        manager = QueueManager(place.address, AUTHKEY, tls=place.tls, reconnect_s=20.0)
        together.wait()
        started = time.monotonic()
        manager.connect()
        took.append(time.monotonic() - started)
        manager.disconnect()

    with ExitStack() as stack:
        for _ in range(WORKERS):
            stack.enter_context(in_background(connect))
    return took


@pytest.mark.parametrize("start", ["tls"], indirect=True)
def test_very_many_workers_may_come_at_once(start: Callable[..., Place]) -> None:
    place = start()
    at_rest(place)
    slowest: list[float] = []
    began = time.monotonic()
    for _ in range(TIMES):
        took = connect_at_once(place)
        assert len(took) == WORKERS
        slowest.append(max(took))
    total = time.monotonic() - began
    print(
        f"\n{TIMES} x {WORKERS} workers at once: the slowest {max(slowest):.2f} s,"
        f" typically {sorted(slowest)[TIMES // 2]:.2f} s, {total:.1f} s in all"
    )
    assert max(slowest) < 10.0
    assert total < 60.0
