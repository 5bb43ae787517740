"""How many tasks a worker handles at a time."""

from __future__ import annotations

import pytest

from crawler.run.concurrency import Concurrency


@pytest.mark.parametrize(
    ("waiting_s", "cpu_s", "wanted"),
    [
        (0.001, 0.001, 4),  # a server on the same machine
        (0.010, 0.001, 12),
        (0.050, 0.002, 27),
        (0.5, 0.001, 32),
        (0.5, 0.0, 32),  # a clock too coarse to see the CPU
        (0.0, 0.0, 4),
        (-1e-9, 0.001, 4),
    ],
)
def test_as_many_as_keep_it_busy(waiting_s: float, cpu_s: float, wanted: int) -> None:
    concurrency = Concurrency(4, 32)
    assert concurrency.wanted == 4
    for _ in range(64):
        concurrency.handled(waiting_s, cpu_s)
    assert concurrency.wanted == wanted


def test_it_follows_a_server_that_changes() -> None:
    concurrency = Concurrency(4, 32)
    for waiting_s, wanted in ((0.1, 32), (0.0005, 4), (0.1, 32)):
        for _ in range(128):
            concurrency.handled(waiting_s, 0.001)
        assert concurrency.wanted == wanted


def test_some_slow_answers_of_a_fast_server_do_not_count() -> None:
    concurrency = Concurrency(4, 32)
    for number in range(128):
        concurrency.handled(0.5 if number % 3 else 0.001, 0.001)
    assert concurrency.wanted == 4


def test_a_number_that_is_set_is_kept() -> None:
    for fixed in (Concurrency(4, 1), Concurrency(3, 3)):
        before = fixed.wanted
        for _ in range(64):
            fixed.handled(1.0, 0.001)
        assert fixed.wanted == before
    assert Concurrency(4, 1).wanted == 1
