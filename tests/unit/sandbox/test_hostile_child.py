"""A child that is out of its mind, or taken over by what it has read, has its parent wait no longer than any other."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from crawler.sandbox import child as module
from crawler.sandbox import pool as pool_module
from crawler.sandbox.child import Child, Lifeline, SharedMemory
from crawler.sandbox.child_main import NEED, PART, READY, ChildOrders
from crawler.sandbox.memory_budget import Budget
from crawler.sandbox.pool import CrashedError, LateError, Pool

TIMEOUT_S = 0.3
ORDERS = ChildOrders(make="", settings="", timeout_s=TIMEOUT_S, allowance_bytes=2**20, most_bytes=2**24)


def message(kind: bytes, data: bytes = b"") -> bytes:
    return kind + len(data).to_bytes(4, "little") + data


class Hostile(Child):
    """Says what *said* gives, for as long as there is any, and then nothing; ends only when it is killed."""

    said: Iterator[bytes]
    pid = os.getpid()
    _allowance_bytes = 0

    def __init__(self, _: ChildOrders, __: object) -> None:
        self.requests, self.is_spent, self.due, self.overdue = 0, False, None, False
        self._lifeline = Lifeline()
        self._shared = SharedMemory()
        asked, ours = os.pipe()
        theirs, self._told = os.pipe()
        self._requests, self._replies = os.fdopen(ours, "wb", 0), os.fdopen(theirs, "rb")
        self._killed = threading.Event()
        self._process: Any = self
        self.returncode = -9
        self._threads = [
            threading.Thread(target=self._say),
            threading.Thread(target=self._listen, args=(asked,)),
        ]
        for thread in self._threads:
            thread.start()

    def _say(self) -> None:
        with suppress(OSError), os.fdopen(self._told, "wb", 0) as out:
            out.write(message(READY))
            for part in self.said:
                if self._killed.is_set():
                    return
                out.write(part)
            self._killed.wait()

    @staticmethod
    def _listen(asked: int) -> None:
        with os.fdopen(asked, "rb", 0) as requests:
            while requests.read(65536):
                pass

    def kill(self) -> None:
        self._killed.set()

    def wait(self, _: float | None = None) -> int:
        self._killed.set()
        return self.returncode

    def end(self) -> int:
        self._killed.set()
        self._replies.close()
        self._requests.close()
        for thread in self._threads:
            thread.join(5)
        self._lifeline.close()
        self._shared.close()
        return self.returncode


def endless(part: bytes, every_s: float = 0.0) -> Iterator[bytes]:
    while True:
        time.sleep(every_s)
        yield part


@pytest.mark.parametrize(
    "said",
    [
        lambda: iter(()),
        lambda: iter((message(PART, b"begun"),)),
        lambda: iter((message(PART, b"begun") + message(PART)[:-1],)),
        lambda: endless(message(PART, b"x"), 0.02),
        lambda: endless(message(NEED, (2**21).to_bytes(8, "little")), 0.02),
    ],
    ids=["silent", "silent after a part", "half a message", "parts without end", "needs without end"],
)
def test_no_child_has_its_parent_wait_for_ever(said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hostile, "said", property(lambda _: said()), raising=False)
    monkeypatch.setattr(pool_module, "Child", Hostile)
    begun = time.monotonic()
    with Pool(ORDERS, most=1, budget=Budget(2**26), what="test") as pool, pytest.raises(LateError):
        list(pool.call(b"request"))
    assert time.monotonic() - begun < 10 * TIMEOUT_S


def test_a_reply_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parent would have to hold it."""
    monkeypatch.setattr(module, "_MAX_REPLY_BYTES", 10_000)
    monkeypatch.setattr(
        Hostile, "said", property(lambda _: endless(message(PART, b"x" * 100))), raising=False
    )
    monkeypatch.setattr(pool_module, "Child", Hostile)
    sizes: list[int] = []
    with (
        Pool(ORDERS, most=1, budget=Budget(2**26), what="test") as pool,
        pytest.raises((CrashedError, pool_module.KilledError)),
    ):
        sizes.extend(map(len, pool.call(b"request")))
    assert 5_000 < sum(sizes) <= 10_000
