"""How many children of a pool work at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from crawler.sandbox import pool as pool_module
from crawler.sandbox.child_main import ChildOrders
from crawler.sandbox.memory_budget import Budget
from crawler.sandbox.pool import Pool

ORDERS = ChildOrders(make="", settings="", timeout_s=60.0, allowance_bytes=2**20, most_bytes=2**24)
THREADS = 4


class Counted:
    """A child that is done with a request when its turn in *done* is given; counts how many work at a time."""

    lock = threading.Lock()
    at_work = most_at_work = started = 0
    done = threading.Semaphore(0)
    begun = threading.Semaphore(0)

    def __init__(self, _: ChildOrders, __: object) -> None:
        self.requests, self.is_spent, self.due, self.overdue = 0, False, None, False
        Counted.started += 1

    def is_ready(self) -> bool:
        return True

    def ask(self, *_: Any, **__: Any) -> Iterator[bytes]:
        with Counted.lock:
            Counted.at_work += 1
            Counted.most_at_work = max(Counted.most_at_work, Counted.at_work)
        Counted.begun.release()
        Counted.done.acquire()
        with Counted.lock:
            Counted.at_work -= 1
        yield b"done"

    def kill(self) -> None: ...

    def end(self) -> int:
        return 0


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, patience_s: float) -> Iterator[list[threading.Thread]]:
    """Threads that have each called a pool for THREADS children of which one is to work at a time."""
    monkeypatch.setattr(pool_module, "Child", Counted)
    monkeypatch.setattr(pool_module, "PATIENCE_S", patience_s)
    Counted.at_work = Counted.most_at_work = Counted.started = 0
    Counted.done, Counted.begun = threading.Semaphore(0), threading.Semaphore(0)
    with Pool(ORDERS, most=THREADS, at_once=1, budget=Budget(2**26), what="test") as pool:
        threads = [threading.Thread(target=lambda: list(pool.call(b"request"))) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        yield threads
        Counted.done.release(THREADS)
        for thread in threads:
            thread.join(60)


@pytest.mark.parametrize("patience_s", [3600.0])
def test_as_many_work_as_there_are_cores(called: list[threading.Thread], patience_s: float) -> None:
    for _ in called:
        assert Counted.begun.acquire(timeout=60)
        Counted.done.release()
    for thread in called:
        thread.join(60)
        assert not thread.is_alive()
    assert (Counted.most_at_work, Counted.started) == (1, 1)


@pytest.mark.parametrize("patience_s", [0.05])
def test_nobody_waits_for_one_that_takes_long(called: list[threading.Thread], patience_s: float) -> None:
    for _ in called:
        assert Counted.begun.acquire(timeout=60)
    assert Counted.most_at_work == THREADS
