"""Calls that are repeated: what is tried again, for how long, and what is said meanwhile; on scripted errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from crawler import retrying as module
from crawler.retrying import Patience, Retrying
from tests.support.queues import in_thread, wait_until


class Scripted:
    """Raises or returns one after the other; the last again and again."""

    def __init__(self, *outcomes: object) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0

    def __call__(self) -> object:
        self.calls += 1
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def heals(error: BaseException) -> bool:
    return isinstance(error, OSError)


def retrying(waits: list[float], **options: Any) -> Retrying:
    return Retrying(heals, first_wait_s=0.2, max_wait_s=3.0, sleep=waits.append, **options)


def test_an_error_that_heals_is_got_over() -> None:
    waits: list[float] = []
    call = Scripted(OSError("one"), OSError("two"), "answer")
    assert retrying(waits)(call) == "answer"
    assert call.calls == 3
    assert all(0 <= wait <= limit for wait, limit in zip(waits, (0.2, 0.4), strict=True))


def test_other_errors_are_raised_at_once() -> None:
    call = Scripted(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        retrying([])(call)
    assert call.calls == 1


def test_the_last_error_is_raised_after_the_last_try() -> None:
    waits: list[float] = []
    with pytest.raises(OSError, match="three"):
        retrying(waits, tries=3)(Scripted(OSError("one"), OSError("two"), OSError("three"), "late"))
    assert len(waits) == 2


def test_waits_are_random_and_have_a_limit() -> None:
    waits: list[float] = []
    with pytest.raises(OSError, match="one"):
        retrying(waits, tries=200)(Scripted(OSError("one")))
    assert max(waits) <= 3.0
    assert len(set(waits)) > 150, "full jitter"


def test_an_error_may_ask_for_a_longer_wait() -> None:
    waits: list[float] = []
    assert retrying(waits, at_least_s=lambda error: 2.5)(Scripted(OSError("one"), "answer")) == "answer"
    assert 2.5 <= waits[0] <= 3.0


def test_nothing_is_tried_again_once_it_is_to_stop() -> None:
    stop = threading.Event()
    call = Scripted(OSError("one"), "answer")
    with pytest.raises(OSError, match="one"):
        Retrying(heals, first_wait_s=0.2, max_wait_s=3.0, stop=stop, sleep=lambda _: stop.set())(call)
    assert call.calls == 1


def test_stop_cuts_a_wait_short() -> None:
    stop = threading.Event()
    call = Scripted(OSError("one"))
    slow = Retrying(heals, first_wait_s=60.0, max_wait_s=60.0, at_least_s=lambda _: 60.0, stop=stop)
    with in_thread(lambda: slow(call)) as outcome:
        wait_until(lambda: outcome.is_in("wait"))
        stop.set()
    assert isinstance(outcome[0], OSError)
    assert call.calls == 1


# --- patience ---


class Said(list[object]):
    def patience(self, **options: Any) -> Patience:
        return Patience(
            heals,
            first_wait_s=0.001,
            max_wait_s=0.002,
            on_silence=lambda error, left_s: self.append((str(error), left_s)),
            on_answer=self.append,
            **{"patience_s": 10.0, **options},
        )


def failing(times: int, call: Callable[[], object] = lambda: "answer") -> Iterable[object]:
    return [*(OSError(str(n)) for n in range(times)), call()]


def test_silence_is_told_once_and_so_is_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TELL_AGAIN_S", 0.0)
    said = Said()
    patience = said.patience()
    for _ in range(2):
        assert patience(Scripted(*failing(5))) == "answer"
        (error, left_s), after_s = said  # type: ignore[misc]
        assert error == "0"
        assert 9.0 < left_s <= 10.0
        assert 0.0 < after_s < 5.0
        said.clear()


def test_a_silence_that_some_answers_break_is_told_once() -> None:
    """While a server goes down, some connections of other threads still bring one."""
    said = Said()
    patience = said.patience()
    for _ in range(5):
        assert patience(Scripted(*failing(2))) == "answer"
    assert len(said) == 2, "its begin and its end"


def test_what_is_over_soon_is_not_told() -> None:
    said = Said()
    assert said.patience(warn_after_s=9.0)(Scripted(*failing(5))) == "answer"
    assert said == []


def test_many_who_wait_are_told_of_once() -> None:
    said = Said()
    patience = said.patience()
    together = threading.Barrier(4)
    back = threading.Event()

    def call() -> str:
        if not back.is_set():
            raise OSError("away")
        return "answer"

    def wait_for_it() -> str:
        together.wait(5)
        return patience(call)

    threads = [threading.Thread(target=wait_for_it) for _ in range(3)]
    for thread in threads:
        thread.start()
    together.wait(5)
    wait_until(lambda: said)
    back.set()
    for thread in threads:
        thread.join(5)
    assert [type(entry) for entry in said] == [tuple, float]


def test_patience_ends_and_may_be_set_at_any_time() -> None:
    patience = Said().patience(patience_s=60.0)
    patience.patience_s = 0.05
    call = Scripted(OSError("away"))
    started = time.monotonic()
    with pytest.raises(OSError, match="away"):
        patience(call)
    assert call.calls > 1
    assert time.monotonic() - started >= 0.04


def test_without_patience_a_call_is_made_once() -> None:
    call, said = Scripted(OSError("away")), Said()
    with pytest.raises(OSError, match="away"):
        said.patience(patience_s=0.0)(call)
    assert (call.calls, said) == (1, [])
