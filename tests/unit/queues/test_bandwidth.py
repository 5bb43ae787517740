"""What is received from all sites together: the line of reservations, a worker's part, and what a server sees of it."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing
from itertools import pairwise

import pytest

from crawler.config import FetchConfig, load
from crawler.http import Transport
from crawler.http.bandwidth import Bandwidth
from crawler.queues import HORIZON_S
from crawler.queues.bandwidth import BandwidthSchedule
from crawler.queues.policy import BURST_S
from tests.support.transports import KINDS

RATE = 200_000


def test_grants_follow_one_another_at_the_rate() -> None:
    line = BandwidthSchedule(1000)
    waits = [line.reserve(500, now=100.0) for _ in range(6)]
    assert waits == pytest.approx([0, 0.25, 0.75, 1.25, 1.75, 2.25])
    assert all(later - earlier == pytest.approx(0.5) for earlier, later in pairwise(waits[1:]))


def test_an_idle_time_is_no_credit() -> None:
    line = BandwidthSchedule(1000)
    line.reserve(10, now=0.0)
    assert line.reserve(500, now=1000.0) == 0
    assert line.reserve(1, now=1000.0) == pytest.approx(0.5 - BURST_S)


def test_nobody_reserves_the_future_for_himself() -> None:
    line = BandwidthSchedule(1)
    assert line.reserve(4 * 2**20, now=0.0) == 0
    assert line.reserve(4 * 2**20, now=0.0) > HORIZON_S
    assert line.reserve(1, now=4 * 2**20) == 0, "what was not granted counts for nothing"


def test_without_a_limit_nothing_waits() -> None:
    assert BandwidthSchedule(0).reserve(2**20, now=0.0) == 0


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, for_s: float) -> None:
        self.now_s += for_s


def test_a_worker_gets_what_it_asks_for_and_no_burst_after_an_idle_time() -> None:
    clock, line = Clock(), BandwidthSchedule(RATE)
    mine = Bandwidth(RATE, lambda n: line.reserve(n, now=clock()), clock=clock, sleep=clock.sleep)
    for _ in range(100):
        mine.take(20_000)
    assert clock() == pytest.approx(10, rel=0.05)
    mine.give_back(10**9)
    clock.now_s += 5
    began = clock()
    for _ in range(20):
        mine.take(20_000)
    assert clock() - began == pytest.approx(2, abs=BURST_S + 0.11), "what was given back long ago is gone"


class Server:
    """Sends *size* bytes for each request, as fast as they are taken; keeps when they were."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.sent: list[tuple[float, int]] = []
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(50)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            sock.recv(65536)
            sock.sendall(
                f"HTTP/1.1 200 OK\r\nContent-Length: {self.size}\r\nConnection: close\r\n\r\n".encode()
            )
            left = self.size
            while left:
                count = sock.send(bytes(min(left, 4096)))
                self.sent.append((time.monotonic(), count))
                left -= count


@pytest.mark.sampled(3)
@pytest.mark.parametrize("size", [20_000, 300_000])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_a_server_sees_the_rate_kept_by_several_workers_and_nobody_given_up(size: int, kind: str) -> None:
    server, line, mutex = Server(size), BandwidthSchedule(RATE), threading.Lock()

    def ask(count: int) -> float:
        with mutex:
            return line.reserve(count, now=time.monotonic())

    # much slower than what a server must bring, and longer than a fetch may take
    config = FetchConfig(min_rate_bytes_s=1_000_000, total_timeout_s=1.0)
    transports = [KINDS[kind](config, rate_grace_s=0.5, bandwidth=Bandwidth(RATE, ask)) for _ in range(3)]
    failures: list[BaseException] = []
    end = time.monotonic() + 5.0

    def fetch(transport: Transport) -> None:
        try:
            while time.monotonic() < end:
                assert len(transport.fetch(server.url, max_bytes=10**7, accept="*/*").content) == size
        except BaseException as exc:  # noqa: BLE001 - told in the main thread
            failures.append(exc)

    threads = [
        threading.Thread(target=fetch, args=(transport,)) for transport in transports for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for transport in transports:
        with closing(transport):
            pass
    assert failures == []
    moments = sorted(server.sent)
    began, ended = moments[0][0], moments[-1][0]
    total = sum(count for _, count in moments)
    assert total / (ended - began) == pytest.approx(RATE, rel=0.1)
    for second in range(int(ended - began)):
        within = sum(count for at, count in moments if began + second <= at < began + second + 1)
        assert within < 2 * RATE, "no burst of more than a second"


def test_the_setting_takes_what_curl_and_wget_do() -> None:
    for text, value in (("500k", 500_000), ("2M", 2_000_000), ("1MiB/s", 2**20), ("1000", 1000)):
        assert load(flags={"limit_rate_bytes_s": text}).fetch.limit_rate_bytes_s == value
