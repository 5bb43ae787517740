"""One request for all threads that want its answer at the same time (``singleflight`` of Go)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class _Flight(Generic[_Value]):
    def __init__(self) -> None:
        self.over = threading.Event()
        self.values: list[_Value] = []
        """The answer; empty when the request failed."""


class SingleFlight(Generic[_Key, _Value]):
    """Lets one thread request the value of a key, while others that want the same one wait for it.

    *lock* guards the cache that its user keeps. Invariant: a key is in ``_flights`` while a thread requests its value.
    """

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self._flights: dict[_Key, _Flight[_Value]] = {}

    def get(self, key: _Key, cached: Callable[[], _Value | None], request: Callable[[], _Value]) -> _Value:
        """The *cached* value of *key*, or else the answer to one caller's *request*, for all who wait.

        *cached* is called with the lock held. What *request* raises is its caller's; then one that waits requests it.
        """
        while True:
            with self._lock:
                if (value := cached()) is not None:
                    return value
                if (flight := self._flights.get(key)) is None:
                    flight = self._flights[key] = _Flight()
                    break
            flight.over.wait()
            if flight.values:
                return flight.values[0]
        try:
            flight.values.append(value := request())
            return value
        finally:
            with self._lock:
                del self._flights[key]
            flight.over.set()
