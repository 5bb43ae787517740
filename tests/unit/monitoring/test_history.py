"""How a rate went, in pieces of time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crawler.cli.sparkline import BARS, sparkline
from crawler.monitoring.history import PERIODS_S, History

POINTS = st.lists(st.tuples(st.floats(0, 50), st.integers(0, 10**9)), max_size=40)


def grown(*points: tuple[float, int]) -> History:
    history = History()
    for now, value in points:
        history.add(now, value)
    return history


def test_a_steady_growth_is_level() -> None:
    history = grown(*((number / 2, number * 5) for number in range(201)))
    assert history.period_s == 120.0
    assert history.rates(24) == [10.0] * 20, "four are of before it began"
    assert history.rates(6) == [10.0] * 5, "fewer bars stand for longer pieces"


def test_a_burst_is_where_it_was() -> None:
    history = grown(*((float(second), 100 if second >= 6 else 0) for second in range(11)))
    assert history.rates(20) == [0, 0, 0, 0, 0, 100, 0, 0, 0, 0]


def test_bars_keep_their_height_while_time_goes_on() -> None:
    history = grown(*((second * 0.5, second**2) for second in range(100)))
    before = history.rates(30)
    history.add(50.2, 10_400)
    assert history.rates(30)[: len(before) - 1] == before[:-1], "the last one had just begun"


def test_what_is_older_than_the_window_is_forgotten() -> None:
    history = grown(*((float(second), second) for second in range(1000)))
    assert history.period_s == PERIODS_S[-1]
    assert history.rates(60) == [1.0] * 60
    assert len(history._points) <= PERIODS_S[-1] + 3


def test_a_picture_that_is_drawn_often_costs_no_more() -> None:
    history = grown(*((number / 100, number) for number in range(10_000)))
    assert len(history._points) < 300


@given(POINTS, st.integers(-1, 90))
def test_any_growth_gives_rates(points: list[tuple[float, int]], most: int) -> None:
    now, history = 0.0, History()
    for later_s, value in points:
        now += later_s
        history.add(now, value)
        rates = history.rates(most)
        assert len(rates) <= max(0, most)
        assert all(rate >= 0 for rate in rates)
        assert history.period_s in PERIODS_S


@given(st.lists(st.floats(0, 1e12)), st.integers(-1, 80))
def test_bars_are_as_many_as_wanted_and_the_highest_is_full(values: list[float], width: int) -> None:
    bars = sparkline(values, width)
    assert len(bars) == max(0, width)
    assert set(bars) <= {*BARS, " "}
    shown = values[-width:] if width > 0 else []
    if any(shown):
        assert bars[width - len(shown) + shown.index(max(shown))] == BARS[-1]
    for value, bar in zip(shown, bars[max(0, width - len(shown)) :], strict=True):
        assert (bar == BARS[0]) == (value == 0), "the slowest progress is seen to be some"
