"""A small fleet on a virtual clock, at the real queues: see tests/benchmarks/simulation.py for what is looked at."""

from __future__ import annotations

import pytest

from tests.benchmarks.simulation import Report, Setup, simulate
from tests.support.redisserver import RedisServer

pytestmark = [pytest.mark.slow, pytest.mark.untraced]

CROWDED = Setup(hosts=250, workers=16, threads=8, mean_life_s=300.0, longest_delay_s=100.0, ask_again_s=0.5)
"""Few slots at first, then few hosts; workers die all the while."""


@pytest.fixture(params=["pacing", pytest.param("redis", marks=pytest.mark.servers)])
def report(request: pytest.FixtureRequest) -> Report:
    server: RedisServer | None = None
    if request.param == "redis":
        server = request.getfixturevalue("fresh_redis")
    return simulate(request.param, CROWDED, server=server)


def test_hosts_are_treated_politely_and_no_worker_starves(report: Report) -> None:
    assert (
        not report.wrong
    )  # too many at a host, a delay or a pause not kept, a task settled twice or never …
    assert report.deaths > 3
    assert report.most_in_flight == CROWDED.queue.per_host
    assert report.shortest_delay >= 0.999
    assert report.statuses["saved"] > 0.95 * report.tasks
    assert report.requests_at_the_down < 25
    assert report.longest_hunger_s < 1
    assert report.least_by_mean > 0.3
    assert report.virtual_s < 1.2 * report.ideal_s + 300  # hosts that are down, leases that run out
