"""How far a run goes: its time, and what it may save."""

from __future__ import annotations

import pytest

from crawler.config import SETTINGS, RunConfig, load
from crawler.errors import ConfigError
from crawler.models import Stats
from crawler.run.limits import Limits, about, duration_of, size_of
from tests.support.clocks import Clock


def test_without_limits_a_run_goes_on_for_ever() -> None:
    clock = Clock()
    limits = Limits(RunConfig(), clock)
    limits.begin(Stats())
    clock.now += 1e9
    assert limits.reached(Stats(saved_bytes=10**15)) == ""


def test_time_counts_from_when_the_crawl_was_ready() -> None:
    clock = Clock()
    limits = Limits(RunConfig(max_time_s=600), clock)
    clock.now += 500
    limits.begin(Stats())
    clock.now += 599.9
    assert limits.reached() == ""
    clock.now += 0.1
    assert limits.reached() == "--max-time 10 min is reached", "also while nobody tells of the queue"


def test_what_earlier_runs_have_saved_does_not_count() -> None:
    limits = Limits(RunConfig(max_bytes=1_000_000), Clock())
    limits.begin(Stats(saved_bytes=5_000_000))
    assert limits.reached(Stats(saved_bytes=5_999_999)) == ""
    reached = limits.reached(Stats(saved_bytes=6_200_000))
    assert reached == "--max-bytes 1 MB is reached"
    assert limits.told(reached, Stats(saved_bytes=6_345_678)) == f"{reached}: 1.3 MB saved by this run"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "0.25 s"),
        (1, "1 s"),
        (90, "90 s"),
        (120, "2 min"),
        (600, "10 min"),
        (150, "2 min 30 s"),
        (5400, "1 h 30 min"),
        (7200, "2 h"),
        (90061, "1 d 1 h 1 min 1 s"),
        (86400, "1 d"),
    ],
)
def test_durations_are_said_as_people_write_them(seconds: float, text: str) -> None:
    assert duration_of(seconds) == text
    assert load(flags={"max_time_s": text}).run.max_time_s == pytest.approx(seconds), "and are read again"


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "1 byte"), (999, "999 bytes"), (1500, "1.5 kB"), (1024, "1 KiB"), (2 * 10**9, "2 GB"), (1234, "1,234 bytes")],
)  # fmt: skip
def test_sizes_are_said_as_they_were_set(count: int, text: str) -> None:
    assert size_of(count) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1234, "1.2 kB"), (999_960, "1.0 MB")]
)
def test_about(count: int, text: str) -> None:
    assert about(count) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        (" 1.5 s ", 1.5),
        ("10m", 600),
        ("10min", 600),
        ("10 min", 600),
        ("2H", 7200),
        ("1h30m", 5400),
        ("1 h 30 min", 5400),
        ("0.5d", 43200),
        ("500ms", 0.5),
        ("1e3", 1000),
    ],
)
@pytest.mark.parametrize("key", ["max_time_s", "delay_s", "total_timeout_s", "host_patience_s"])
def test_every_setting_of_seconds_takes_units(text: str, seconds: float, key: str) -> None:
    config = load(flags={key: text})
    assert getattr(getattr(config, SETTINGS[key].section), key) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "h", "10 x", "10m5", "1h 30", "m10", "-1h", "1h  1m", "ten", "1:30", "nan", "inf"]
)
def test_what_is_no_duration_says_what_would_be(text: str) -> None:
    with pytest.raises(ConfigError, match=r"max_time_s = .* expected"):
        load(environment={"IMAGE_CRAWLER_MAX_TIME_S": text})
