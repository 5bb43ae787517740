"""When a crawl starts another harvester, and when it leaves it at those that it has."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from crawler.config import HarvestConfig
from crawler.models import Counts, HostStatus, Stats, TaskKind
from crawler.run.harvesters import MOST_HARVESTERS, Harvesters
from tests.support.clocks import Clock

MANY = Stats(pages=Counts(ready=100_000))


class Pool:
    def __init__(self) -> None:
        self.started: list[Mapping[TaskKind, int]] = []

    def start(self, counts: Mapping[TaskKind, int], /) -> None:
        self.started.append(counts)


def watched(here: Harvesters, clock: Clock, *looks: Stats, every_s: float = 0.5) -> int:
    """How many were started while the queue was looked at every half second."""
    pool = Pool()
    for stats in looks:
        here.see_to(stats, pool)
        clock.now += every_s
    assert all(counts == {TaskKind.PAGE: 1} for counts in pool.started)
    return len(pool.started)


def harvesters(clock: Clock, *, harvesters: int = 0, cores: int = 4) -> Harvesters:
    return Harvesters(HarvestConfig(harvesters=harvesters), cores=cores, clock=clock)


def test_one_is_started_at_a_time_up_to_one_for_each_core() -> None:
    clock = Clock()
    here = harvesters(clock)

    assert here.started == 1
    assert watched(here, clock, *[MANY] * 4) == 0
    assert watched(here, clock, MANY) == 1
    assert watched(here, clock, *[MANY] * 4) == 0
    assert watched(here, clock, *[MANY] * 50) == 2
    assert here.started == 4


def test_a_machine_of_many_cores_has_no_more_than_some() -> None:
    clock = Clock()

    assert watched(harvesters(clock, cores=256), clock, *[MANY] * 500) == MOST_HARVESTERS - 1


@pytest.mark.parametrize("number", [1, 3])
def test_a_number_that_somebody_chose_stays(number: int) -> None:
    clock = Clock()
    here = harvesters(clock, harvesters=number)

    assert here.started == number
    assert watched(here, clock, *[MANY] * 50) == 0


@pytest.mark.parametrize(
    "quiet",
    [
        Stats(pages=Counts(ready=60, leased=40)),
        Stats(pages=Counts(ready=100_000), images=Counts(ready=100_000)),
        Stats(pages=Counts(ready=100_000), waiting=(HostStatus(name="https://e.example", delay_s=1.0),)),
        Stats(pages=Counts(ready=100_000), paused=True),
    ],
)
def test_no_other_is_started_that_would_have_to_wait(quiet: Stats) -> None:
    clock = Clock()

    assert watched(harvesters(clock), clock, *[quiet] * 50) == 0


def test_a_backlog_that_passes_is_none() -> None:
    clock = Clock()

    assert watched(harvesters(clock), clock, *[MANY, MANY, MANY, MANY, Stats()] * 20) == 0


def test_with_more_harvesters_the_backlog_has_to_be_longer() -> None:
    clock = Clock()
    stats = Stats(pages=Counts(ready=100))

    assert watched(harvesters(clock), clock, *[stats] * 50) == 1
    stats = msgspec.structs.replace(stats, pages=Counts(ready=150))
    assert watched(harvesters(clock), clock, *[stats] * 50) == 2
