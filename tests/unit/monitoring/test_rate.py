"""How fast a counter grows."""

from __future__ import annotations

from crawler.monitoring.rate import MOST_PER_S, Rate


def test_a_rate_is_that_of_the_last_seconds() -> None:
    rate = Rate(window_s=5.0)
    assert rate.add(0.0, 0) == 0.0
    assert rate.add(1.0, 10) == 10.0
    assert rate.add(2.0, 40) == 20.0
    for second in range(3, 20):
        assert 0.0 <= rate.add(float(second), 40) <= 20.0
    assert rate.add(20.0, 40) == 0.0, "what was long ago does not count"


def test_a_rate_needs_time_to_pass() -> None:
    rate = Rate(window_s=5.0)
    assert [rate.add(5.0, value) for value in (1, 2, 3)] == [0.0, 0.0, 0.0]


def test_a_rate_after_a_long_silence_is_that_since_before_it() -> None:
    rate = Rate(window_s=5.0)
    rate.add(0.0, 0)
    assert rate.add(100.0, 1000) == 10.0


def test_points_that_are_close_cost_no_memory() -> None:
    rate = Rate(window_s=30.0, spacing_s=1.0)
    for n in range(10_000):
        rate.add(n / 100, n)
    assert len(rate._points) <= 32
    assert 99.0 < rate.per_s < 101.0


def test_without_points_nothing_grows() -> None:
    assert Rate(window_s=5.0).per_s == 0.0


def test_a_counter_that_goes_back_does_not_grow() -> None:
    rate = Rate(window_s=5.0)
    rate.add(0.0, 100)
    assert rate.add(1.0, 90) == 0.0
    assert rate.add(2.0, 120) == 10.0


def test_what_jumps_without_time_has_a_rate_that_can_be_told() -> None:
    rate = Rate(window_s=5.0)
    rate.add(0.0, 0)
    assert rate.add(1e-9, 2**53) == MOST_PER_S
