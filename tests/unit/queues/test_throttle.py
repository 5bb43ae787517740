"""The pace of hosts that refuse to be asked: rule by rule, then against servers that are simulated, at both queues."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from crawler.config import QueueConfig
from crawler.models import ImageRecord, ImageStatus
from crawler.queues import policy
from crawler.queues.policy import (
    BELIEVED_REFUSALS,
    FIRST_PACE_S,
    LEAST_PACE_S,
    MOST_ASKED_S,
    MOST_PACE_S,
    REFUSED_MOST_PAUSE_S,
)
from crawler.queues.throttle import Pace, Throttle, refused_for_s
from tests.benchmarks.simulation import Clock, Engine, at_ledger, at_redis
from tests.support.limits import Concurrent, FixedWindow, Free, Limit, Never, SlidingWindow, TokenBucket
from tests.support.redisserver import RedisServer
from tests.support.throttled import Storm

A, B, C = 1, 2, 3


def a_throttle(*, patience_s: float = 120.0) -> Throttle:
    return Throttle(patience_s=patience_s)


def refuse(
    throttle: Throttle, *, at: float, asked_s: float = 0.0, took_s: float = 0.0, host: int = A
) -> Pace | None:
    return throttle.refused(host, asked_s=asked_s, reason="rate-limited", began=at - took_s, now=at)


def answer(throttle: Throttle, *, at: float, took_s: float = 0.0, host: int = A) -> Pace | None:
    return throttle.answered(host, began=at - took_s, now=at)


def only_refusals(throttle: Throttle, *, asked_s: float, until: float) -> list[Pace]:
    """A refusal at each moment at which the host may be asked."""
    orders, now = [], 0.0
    while now < until:
        order = refuse(throttle, at=now, asked_s=asked_s)
        assert order is not None
        orders.append(order)
        now += order.pause_s
    return orders


# --- what is a refusal ---


@pytest.mark.parametrize(
    ("reason", "http_status", "asked_s", "expected"),
    [
        ("rate-limited", 429, None, 0.0),
        ("rate-limited", 429, 7.0, 7.0),
        ("rate-limited", 429, 1e8, MOST_ASKED_S),
        ("server-error", 503, 7.0, 7.0),
        ("server-error", 503, None, None),
        ("server-error", 500, 7.0, None),
        ("robots-unavailable", 503, 7.0, None),
        ("not-found", 404, 7.0, None),
        ("", 200, 7.0, None),
    ],
)
def test_what_a_record_says_of_its_host(
    reason: str, http_status: int, asked_s: float | None, expected: float | None
) -> None:
    status = ImageStatus.FAILED if reason else ImageStatus.SAVED
    record = ImageRecord(url="http://a.example/1", status=status, reason=reason, http_status=http_status)
    assert refused_for_s(record, asked_s) == expected


# --- rules ---


def test_answers_of_a_host_that_is_well_leave_no_trace() -> None:
    throttle = a_throttle()
    assert answer(throttle, at=1.0) is None
    assert throttle.condition(A, now=1.0) is None
    assert list(throttle.paces(now=1.0)) == []


def test_a_refusal_is_followed_by_a_pause_and_one_probe() -> None:
    throttle = a_throttle()
    order = refuse(throttle, at=10.0)
    assert order == Pace(host=A, pace_s=FIRST_PACE_S, pause_s=1.0, is_new=True, tries=1, since=10.0)
    assert throttle.is_probed(A)
    order = answer(throttle, at=11.1)
    assert order is not None
    assert order.pace_s == pytest.approx(FIRST_PACE_S)
    assert not throttle.is_probed(A)


def test_what_was_under_way_is_one_event() -> None:
    throttle = a_throttle()
    refuse(throttle, at=10.0)
    assert [refuse(throttle, at=10.0 + n / 10, took_s=5.0) for n in range(8)] == [None] * 8
    assert refuse(throttle, at=12.0, took_s=3.0) is None, "it had begun before"
    assert answer(throttle, at=12.1, took_s=3.0) is None, "and tells nothing of what is allowed now"
    refusals = throttle.condition(A, now=12.0)
    assert refusals is not None
    assert (refusals.failures, refusals.tries) == (10, 1)
    order = refuse(throttle, at=12.0, took_s=0.5)
    assert order is not None
    assert order.pause_s == 2.0


@pytest.mark.parametrize(
    ("asked_s", "pauses"), [(0, [1, 2, 4, 8, 16, 32, 60, 60]), (5, [5, 5, 5, 8, 16, 32, 60])]
)
def test_pauses_double_and_are_as_long_as_asked_for(asked_s: float, pauses: list[float]) -> None:
    orders = only_refusals(a_throttle(), asked_s=asked_s, until=sum(pauses))
    assert [order.pause_s for order in orders] == pauses


def test_who_asks_for_an_hour_gets_a_probe_a_minute_and_then_rarer_ones() -> None:
    orders = only_refusals(a_throttle(), asked_s=3600.0, until=20_000.0)
    pauses = [order.pause_s for order in orders]
    assert pauses == [2, 4, 8, 16, 32, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600, 3600]
    assert [order.is_lost for order in orders].index(True) == 12, (
        "it was left alone for twice what it asks for"
    )


def test_nobody_is_believed_who_answers_most_of_the_time() -> None:
    throttle, now = a_throttle(), 0.0
    for _ in range(200):
        order = refuse(throttle, at=now, asked_s=3600.0)
        assert order is not None
        assert order.pause_s == 2.0
        now += order.pause_s
        for _ in range(2):
            now += MOST_PACE_S
            answer(throttle, at=now)
        now += MOST_PACE_S


def test_the_pace_is_a_little_below_what_the_host_gave_between_two_events() -> None:
    throttle = a_throttle()
    refuse(throttle, at=0.0)
    for n in range(1, 41):
        answer(throttle, at=1.0 + n / 40)
    order = refuse(throttle, at=4.0)
    assert order is not None
    assert order.pace_s == pytest.approx(4.0 / 40 / 0.9)


def test_few_answers_measure_nothing() -> None:
    throttle = a_throttle()
    refuse(throttle, at=0.0)
    answer(throttle, at=1.0)
    order = refuse(throttle, at=1.1)
    assert order is not None
    assert order.pace_s == pytest.approx(2 * FIRST_PACE_S, rel=0.01)


def test_no_pace_is_longer_than_the_rest_that_was_enough() -> None:
    """A third of the URLs is refused whatever the pace: that is no reason to become ever slower."""
    throttle, now, longest_s = a_throttle(), 0.0, 0.0
    for _ in range(500):
        order = refuse(throttle, at=now)
        assert order is not None
        now += max(order.pause_s, order.pace_s)
        for _ in range(2):
            answer(throttle, at=now)
            longest_s = max(longest_s, order.pace_s)
            now += order.pace_s
    assert longest_s < 2.5


def test_without_events_the_pace_vanishes() -> None:
    throttle = a_throttle()
    refuse(throttle, at=0.0)
    paces = []
    for now in range(1, 200):
        order = answer(throttle, at=float(now))
        if order is None:
            break
        paces.append(order.pace_s)
    assert paces[-1] == 0.0
    assert paces == sorted(paces, reverse=True)
    assert min(paces[:-1]) >= LEAST_PACE_S
    assert 20 < len(paces) < 60
    assert throttle.condition(A, now=200.0) is None


def test_what_is_refused_alone_again_and_again_is_failed() -> None:
    throttle = a_throttle()
    assert throttle.is_final(A, now=0.0)
    refuse(throttle, at=0.0)
    assert throttle.is_final(A, now=0.0), "nothing else was refused"
    for n in range(8):
        answer(throttle, at=2.0 + n)
    refuse(throttle, at=12.0)
    assert not throttle.is_final(A, now=12.0), "others were as well"
    for n in range(9):
        answer(throttle, at=14.0 + n / 10)
    refuse(throttle, at=16.0)
    assert throttle.is_final(A, now=16.0)


def test_with_nothing_but_refusals_attempts_count_after_a_while() -> None:
    throttle = a_throttle(patience_s=120.0)
    refuse(throttle, at=0.0)
    refuse(throttle, at=2.0)
    assert not throttle.is_final(A, now=2.0)
    refuse(throttle, at=119.0)
    assert not throttle.is_final(A, now=119.0)
    refuse(throttle, at=200.0)
    assert throttle.is_final(A, now=200.0)


def test_a_pace_can_be_restored_and_forgotten() -> None:
    throttle = a_throttle()
    assert throttle.restore(A, 2.0, now=50.0) == Pace(host=A, pace_s=2.0)
    assert throttle.restore(B, 1e9, now=50.0).pace_s == MOST_PACE_S
    assert [(pace.host, pace.pace_s) for pace in throttle.paces(now=50.0)] == [(A, 2.0), (B, MOST_PACE_S)]
    assert throttle.forget(A) == Pace(host=A, pace_s=0.0, is_new=True)
    assert [pace.host for pace in throttle.paces(now=50.0)] == [B]


def test_only_so_many_hosts_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "MOST_RUNS", 10)
    throttle = a_throttle()
    for host in range(30):
        refuse(throttle, host=host, at=float(host))
    refuse(throttle, host=20, at=31.0)
    assert [pace.host for pace in throttle.wake()] == list(range(20)), "those that refused longest ago"
    assert {pace.host for pace in throttle.paces(now=40.0)} == set(range(20, 30))


def test_a_pace_that_has_nearly_vanished_is_no_less_than_the_least_after_a_refusal() -> None:
    """A search found one of a millionth of a second: it stood for a host that is asked without any delay."""
    throttle = Throttle(patience_s=600.0)
    refuse(throttle, at=0.0)
    throttle.answered(A, began=2.0, now=2.0 + 1e-7)
    order = throttle.refused(A, asked_s=0.0, reason="rate-limited", began=1000.0, now=1000.0)
    assert order is not None
    assert order.pace_s >= LEAST_PACE_S


class ThrottleMachine(RuleBasedStateMachine):
    """Whatever comes in: paces and pauses are within their limits, and a probe leads out of it."""

    @initialize(patience_s=st.sampled_from([0.0, 10.0, 120.0]))
    def begin(self, patience_s: float) -> None:
        self.throttle = a_throttle(patience_s=patience_s)
        self.now = 1000.0
        self.paused: dict[int, float] = {}

    def follow(self, order: Pace | None) -> None:
        if order is None:
            return
        assert 0 <= order.pace_s <= MOST_PACE_S
        assert 0 <= order.pause_s <= MOST_ASKED_S
        assert order.pace_s == 0.0 or order.pace_s >= LEAST_PACE_S
        assert self.throttle.is_probed(order.host) == bool(order.pause_s)
        if order.pause_s:
            assert self.paused.get(order.host, 0.0) <= self.now, "a pause is not made longer while it lasts"
            self.paused[order.host] = self.now + order.pause_s

    @rule(
        host=st.sampled_from([A, B, C]),
        asked_s=st.sampled_from([0.0, 1.0, 59.0, 61.0, 3600.0]) | st.floats(0, 3600),
        took_s=st.floats(0, 30),
        times=st.integers(1, 8),
    )
    def refuse(self, host: int, asked_s: float, took_s: float, times: int) -> None:
        orders = [
            refuse(self.throttle, host=host, at=self.now, asked_s=asked_s, took_s=took_s)
            for _ in range(times)
        ]
        assert sum(order is not None for order in orders) <= 1, "what comes in together is one event"
        for order in orders:
            self.follow(order)

    @rule(host=st.sampled_from([A, B, C]), took_s=st.floats(0, 30))
    def answer(self, host: int, took_s: float) -> None:
        self.follow(answer(self.throttle, host=host, at=self.now, took_s=took_s))

    @rule(by_s=st.floats(0, 0.2) | st.floats(0, 4000))
    def time_goes_by(self, by_s: float) -> None:
        self.now += by_s

    @invariant()
    def those_with_a_pace_have_a_condition(self) -> None:
        if hasattr(self, "throttle"):
            for pace in self.throttle.paces(now=self.now):
                refusals = self.throttle.condition(pace.host, now=self.now)
                assert refusals is not None
                assert refusals.failures > 0
                assert self.throttle.is_probed(pace.host) == (refusals.tries > 0)

    def teardown(self) -> None:
        """Answers make every host well."""
        if not hasattr(self, "throttle"):
            return
        self.now += MOST_ASKED_S
        for _ in range(400):
            self.now += 10.0
            for host in (A, B, C):
                self.follow(answer(self.throttle, host=host, at=self.now))
        assert list(self.throttle.paces(now=self.now)) == []


ThrottleMachine.TestCase.settings = settings(
    max_examples=80, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestThrottleMachine = ThrottleMachine.TestCase


# --- servers ---


def nothing(_limit: Limit, _now: float) -> float | None:
    return None


def a_second(_limit: Limit, _now: float) -> float | None:
    return 1.0


def an_hour(_limit: Limit, _now: float) -> float | None:
    return 3600.0


def the_truth(limit: Limit, now: float) -> float | None:
    """In whole seconds, as the header has it."""
    return float(math.ceil(limit.wait_s(now)))


@dataclass(frozen=True, kw_only=True)
class Case:
    limit: Callable[[], Limit]
    within_s: float
    """Until the last image was given, but for those that were refused for an hour."""
    refusals: int
    """At the most."""
    asks: Callable[[Limit, float], float | None] = nothing
    more: dict[str, object] = field(default_factory=dict)


# 300 images at 10/s: 30 s; it is to be within twice that
CASES = {
    "bucket without a burst": Case(limit=lambda: TokenBucket(10, 1), within_s=60, refusals=20),
    "bucket": Case(limit=lambda: TokenBucket(10, 10), within_s=50, refusals=20),
    "bucket with a large burst": Case(limit=lambda: TokenBucket(10, 50), within_s=40, refusals=25),
    "bucket, Retry-After: 1": Case(
        limit=lambda: TokenBucket(10, 10), asks=a_second, within_s=50, refusals=20
    ),
    "bucket, Retry-After: 3600": Case(
        limit=lambda: TokenBucket(10, 10), asks=an_hour, within_s=60, refusals=20
    ),
    "fixed window": Case(limit=lambda: FixedWindow(100, 10), within_s=50, refusals=30),
    "fixed window, honest": Case(
        limit=lambda: FixedWindow(100, 10), asks=the_truth, within_s=45, refusals=25
    ),
    "sliding window": Case(limit=lambda: SlidingWindow(100, 10), within_s=60, refusals=30),
    "sliding window, honest": Case(
        limit=lambda: SlidingWindow(100, 10), asks=the_truth, within_s=45, refusals=25
    ),
    "sliding window that counts refusals": Case(
        limit=lambda: SlidingWindow(100, 10, counts_refused=True), within_s=60, refusals=30
    ),
    "short window": Case(limit=lambda: SlidingWindow(10, 1), within_s=60, refusals=20),
    "two at a time, of 0.2 s": Case(
        limit=lambda: Concurrent(2), within_s=60, refusals=35, more={"latency_s": 0.2}
    ),
    "slow host": Case(limit=lambda: TokenBucket(1, 1), within_s=200, refusals=30, more={"images": 100}),
    "very slow host": Case(limit=lambda: TokenBucket(0.2, 1), within_s=450, refusals=70, more={"images": 30}),
    "fast host": Case(
        limit=lambda: TokenBucket(200, 20), within_s=60, refusals=30, more={"images": 3000, "latency_s": 0.02}
    ),
    "many images": Case(limit=lambda: TokenBucket(10, 10), within_s=360, refusals=30, more={"images": 2000}),
}


@pytest.fixture(params=["ledger", pytest.param("redis", marks=pytest.mark.servers)])
def at_queue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Engine, Clock]]:
    clock, queue = Clock(), QueueConfig()
    if request.param == "ledger":
        with at_ledger(tmp_path, queue, clock) as engine:
            yield engine, clock
    else:
        server: RedisServer = request.getfixturevalue("fresh_redis")
        with at_redis(server, queue, clock) as engine:
            yield engine, clock


@pytest.mark.sampled(3)
@pytest.mark.slow
@pytest.mark.untraced
@pytest.mark.parametrize("name", CASES)
def test_a_storm_of_refusals_settles_near_what_is_allowed(at_queue: tuple[Engine, Clock], name: str) -> None:
    case = CASES[name]
    storm = Storm(*at_queue, case.limit(), asks=case.asks, **case.more)  # type: ignore[arg-type]
    storm.run()
    assert storm.engine.tasks.stats().image_status == {"saved": storm.images}
    late = sum(moment > case.within_s for moment in storm.given_s)
    if case.asks is an_hour:
        assert late <= len(storm.refused_s), "of one URL it is believed"
        assert storm.took_s < 2 * 3600 + case.within_s
    else:
        assert late == 0, storm.given_s[-1]
    assert len(storm.refused_s) <= case.refusals


@pytest.mark.untraced
@pytest.mark.parametrize(("asks", "status"), [(an_hour, 503), (an_hour, 429), (nothing, 429)])
def test_one_url_does_not_stop_its_host(
    at_queue: tuple[Engine, Clock], asks: Callable[[Limit, float], float | None], status: int
) -> None:
    storm = Storm(*at_queue, Free(), images=200, asks=asks, status=status, always=frozenset({77})).run()
    stats = storm.engine.tasks.stats()
    assert stats.image_status == {"saved": 199, "failed": 1}
    assert set(stats.image_reasons) <= {"rate-limited", "server-error", "host-down"}
    assert storm.given_s[-1] < 15
    assert len(storm.refused_s) <= 8
    assert storm.took_s < (5 * 3600 if asks is an_hour else 300)


@pytest.mark.untraced
@pytest.mark.parametrize(("asks", "most_s"), [(nothing, 1300.0), (an_hour, 11_100.0)])
def test_a_host_that_refuses_all_is_asked_seldom_and_at_last_given_up(
    at_queue: tuple[Engine, Clock], asks: Callable[[Limit, float], float | None], most_s: float
) -> None:
    storm = Storm(*at_queue, Never(), images=200, asks=asks).run()
    stats = storm.engine.tasks.stats()
    assert stats.image_status == {"failed": 200}
    assert stats.image_reasons["host-down"] >= 190
    assert len(storm.refused_s) < 40
    assert storm.took_s < most_s
    # 8 at once, then one at a time
    hour = [moment for moment in storm.refused_s if moment < 3600]
    assert len(hour) <= (19 if asks is an_hour else 40)
    gaps = [after - before for before, after in zip(storm.refused_s, storm.refused_s[1:], strict=False)]
    assert max(gap for gap in gaps if gap) <= (2 * 3600 if asks is an_hour else REFUSED_MOST_PAUSE_S + 15)
    assert storm.took_s > 1000, "not within minutes"


@pytest.mark.untraced
def test_a_third_of_the_urls_is_always_refused(at_queue: tuple[Engine, Clock]) -> None:
    storm = Storm(*at_queue, Free(), images=200, always=frozenset(range(0, 200, 3))).run()
    assert storm.engine.tasks.stats().image_status == {"saved": 133, "failed": 67}
    assert storm.given_s[-1] < 400
    assert len(storm.refused_s) < 200
    assert storm.took_s < 2000


def test_belief_needs_most_of_the_latest_answers() -> None:
    throttle, now = a_throttle(), 0.0
    for _ in range(BELIEVED_REFUSALS - 1):
        order = refuse(throttle, at=now, asked_s=3600.0)
        assert order is not None
        now += order.pause_s
    for _ in range(BELIEVED_REFUSALS):
        answer(throttle, at=now)
        now += 1.0
    order = refuse(throttle, at=now, asked_s=3600.0)
    assert order is not None
    assert order.pause_s == 2.0
