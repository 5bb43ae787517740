"""One request for all threads that want its answer at the same time."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from crawler.http.single_flight import SingleFlight
from tests.support.queues import in_thread, wait_until


class Cache:
    """What a user of SingleFlight keeps, and a request that takes as long as a test wants."""

    def __init__(self, *, keeps: bool = True) -> None:
        self.lock = threading.Lock()
        self.flights: SingleFlight[str, str] = SingleFlight(self.lock)
        self.known: dict[str, str] = {}
        self.keeps = keeps
        self.requests = 0
        self.under_way = threading.Event()
        self.answer = threading.Event()
        self.error: Exception | None = None

    def get(self, key: str) -> str:
        return self.flights.get(key, lambda: self.known.get(key), lambda: self.request(key))

    def request(self, key: str) -> str:
        self.requests += 1
        number = self.requests
        self.under_way.set()
        assert self.answer.wait(5)
        error, self.error = self.error, None
        if error is not None:
            raise error
        if self.keeps:
            with self.lock:
                self.known[key] = f"{key} {number}"
        return f"{key} {number}"


def together(cache: Cache, count: int) -> list[object]:
    """What comes out when one thread requests, and the others come meanwhile."""
    with ExitStack() as stack:
        first = stack.enter_context(in_thread(lambda: cache.get("a")))
        assert cache.under_way.wait(5)
        others = [stack.enter_context(in_thread(lambda: cache.get("a"))) for _ in range(count)]
        wait_until(lambda: all(outcome.is_in("get", "wait") for outcome in others))
        cache.answer.set()
    return [*first, *(outcome[0] for outcome in others)]


@pytest.mark.parametrize("keeps", [True, False])
def test_those_who_wait_get_the_answer_of_the_one_who_asked(*, keeps: bool) -> None:
    cache = Cache(keeps=keeps)
    assert together(cache, 8) == ["a 1"] * 9
    assert cache.requests == 1
    assert cache.get("a") == ("a 1" if keeps else "a 2"), "nothing is remembered here"


def test_a_failure_is_told_to_the_one_who_asked_and_the_next_asks_again() -> None:
    cache = Cache()
    cache.error = ValueError("no")
    first, *others = together(cache, 8)
    assert isinstance(first, ValueError)
    assert others == ["a 2"] * 8
    assert cache.requests == 2
    assert not cache.flights._flights


def test_other_keys_do_not_wait() -> None:
    cache = Cache()
    cache.known["b"] = "known"
    with in_thread(lambda: cache.get("a")) as first:
        assert cache.under_way.wait(5)
        assert cache.get("b") == "known"
        cache.under_way.clear()
        with in_thread(lambda: cache.get("c")) as second:
            assert cache.under_way.wait(5)
            cache.answer.set()
    assert (first[0], second[0]) == ("a 1", "c 2")
