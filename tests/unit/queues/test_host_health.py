"""Hosts in trouble, checked rule by rule, and against a server that is simulated."""

from __future__ import annotations

import heapq
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from crawler.errors import REASONS
from crawler.models import ImageRecord, ImageStatus, PageRecord, PageStatus, Revisit
from crawler.queues import policy
from crawler.queues.host_evidence import Evidence, evidence
from crawler.queues.host_health import HostDirective, HostHealth
from crawler.queues.policy import (
    BUSY_TIMES,
    COOL_OFF_S,
    DOUBT_TIMES,
    IN_A_ROW,
    LEAST_TRIES,
    MOST_COOL_OFF_S,
    MOST_PAUSE_S,
    Trouble,
)

A, B, C = 1, 2, 3
REASON = {
    Evidence.BROKEN: "server-error",
    Evidence.TROUBLE: "server-error",
    Evidence.UNREACHED: "connect-failed",
    Evidence.NO_SUCH_HOST: "host-not-found",
}
FAILURES = (Evidence.BROKEN, Evidence.TROUBLE, Evidence.UNREACHED, Evidence.NO_SUCH_HOST)


def a_health(*, per_host: int = 8, patience_s: float = 120.0) -> HostHealth:
    return HostHealth(per_host=per_host, patience_s=patience_s)


def fail(
    health: HostHealth,
    host: int = A,
    what: Evidence = Evidence.TROUBLE,
    *,
    at: float,
    took_s: float = 0.0,
    again: bool = False,
) -> HostDirective | None:
    return health.failed(
        host, what, reason=REASON[what], detail="so it is", began=at - took_s, now=at, again=again
    )


def probe(
    health: HostHealth, host: int, what: Evidence, *, at: float, until: float
) -> tuple[float, HostDirective]:
    """Fail at each moment at which the host may be asked; the last order, and when it came."""
    order = None
    while at < until:
        order = fail(health, host, what, at=at) or order
        if order is not None and order.in_flight == 0:
            break
        at += order.pause_s if order is not None else 0.1
    assert order is not None
    return at, order


def limits(health: HostHealth) -> dict[int, int | None]:
    return {host: health.in_flight(host) for host in health.troubled()}


# --- what a record tells ---


@pytest.mark.parametrize(
    ("reason", "http_status", "told"),
    [
        ("connect-failed", 0, Evidence.UNREACHED),
        ("connect-timeout", 0, Evidence.UNREACHED),
        ("name-lookup-failed", 0, Evidence.UNREACHED),
        ("host-not-found", 0, Evidence.NO_SUCH_HOST),
        ("server-error", 503, Evidence.TROUBLE),
        ("server-error", 502, Evidence.TROUBLE),
        ("server-error", 504, Evidence.TROUBLE),
        ("server-error", 507, Evidence.TROUBLE),
        ("server-error", 520, Evidence.TROUBLE),
        ("server-error", 500, Evidence.BROKEN),
        ("server-error", 508, Evidence.BROKEN),
        ("robots-unavailable", 500, Evidence.TROUBLE),
        ("rate-limited", 429, Evidence.ANSWER),
        ("robots-unavailable", 0, Evidence.TROUBLE),
        ("deadline-exceeded", 0, Evidence.TROUBLE),
        ("not-found", 404, Evidence.ANSWER),
        ("not-an-image", 200, Evidence.ANSWER),
        ("tls-failed", 0, Evidence.ANSWER),
        ("robots-disallowed", 0, Evidence.NOTHING),
        ("forbidden-address", 0, Evidence.NOTHING),
        ("internal-error", 0, Evidence.NOTHING),
    ],
)
def test_a_reason_tells_of_its_host(reason: str, http_status: int, told: Evidence) -> None:
    assert reason in REASONS
    for record in (
        ImageRecord(url="http://a/", status=ImageStatus.FAILED, reason=reason, http_status=http_status),
        PageRecord(url="http://a/", status=PageStatus.FAILED, reason=reason, http_status=http_status),
    ):
        assert evidence(record) is told


def test_what_is_saved_was_an_answer_unless_its_page_had_it() -> None:
    for url, told in (("http://a.example/x.png", Evidence.ANSWER), ("data:image/png,x", Evidence.NOTHING)):
        assert evidence(ImageRecord(url=url, status=ImageStatus.SAVED)) is told


@pytest.mark.parametrize(
    ("reason", "http_status", "told"),
    [
        ("connect-timeout", 0, Evidence.UNREACHED),
        ("server-error", 503, Evidence.TROUBLE),
        ("robots-disallowed", 0, Evidence.NOTHING),
        ("forbidden", 403, Evidence.ANSWER),
    ],
)
def test_another_visit_that_failed_tells_by_its_own_reason(
    reason: str, http_status: int, told: Evidence
) -> None:
    record = ImageRecord(
        url="http://a/",
        status=ImageStatus.SAVED,
        http_status=http_status,
        revisit=Revisit.FAILED,
        revisit_reason=reason,
    )
    assert evidence(record) is told


# --- back-off and recovery ---


def test_one_broken_url_among_good_ones_slows_nothing_down() -> None:
    health = a_health()
    for second in range(1000):
        assert fail(health, at=second) is None
        assert fail(health, at=second + 0.1) is None
        assert health.answered(A, now=second + 0.2) is None
    assert list(health.troubled()) == []


def test_pauses_double_up_to_a_minute() -> None:
    health = a_health(patience_s=math.inf)
    now, pauses = 0.0, []
    while len(pauses) < 12:
        order = fail(health, at=now)
        if order is not None:
            assert order.in_flight == 1
            pauses.append(order.pause_s)
            now += order.pause_s
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60]
    assert pauses[-1] == MOST_PAUSE_S


def test_what_was_in_flight_together_is_one_try() -> None:
    health = a_health()
    orders = [fail(health, at=10 + n / 100, took_s=10) for n in range(8)]
    assert orders == [None, None, HostDirective(host=A, in_flight=1, pause_s=1.0), *[None] * 5]
    for n in range(8):  # slower ones, which come in long after the pause
        assert fail(health, at=25 + n, took_s=25) is None
    condition = health.condition(A, now=40)
    assert (condition.failures, condition.tries, condition.trouble) == (16, 1, Trouble.BACKING_OFF)
    assert fail(health, at=41, took_s=1).pause_s == 2.0


def test_each_answer_doubles_what_may_be_in_flight() -> None:
    health = a_health(per_host=8)
    for _ in range(IN_A_ROW):
        fail(health, at=0)
    limits = [health.answered(A, now=5 + n).in_flight for n in range(3)]
    assert limits == [2, 4, None]
    assert health.condition(A, now=9) is None
    assert health.answered(A, now=10) is None


def test_a_host_that_recovers_may_fail_again_now_and_then() -> None:
    health = a_health()
    for _ in range(IN_A_ROW):
        fail(health, at=0)
    health.answered(A, now=2)
    assert health.condition(A, now=2).trouble is Trouble.RECOVERING
    assert fail(health, at=3) is None
    assert fail(health, at=3) is None
    assert fail(health, at=3) == HostDirective(host=A, in_flight=1, pause_s=1.0), (
        "a pause begins at a second again"
    )


def test_with_one_request_at_a_time_there_is_less_to_recover() -> None:
    health = a_health(per_host=1)
    for _ in range(IN_A_ROW):
        fail(health, at=0)
    assert health.answered(A, now=2) == HostDirective(host=A, in_flight=None)


def test_a_host_in_trouble_is_asked_from_either_end_in_turn() -> None:
    health = a_health()
    assert health.from_the_end(A) is None
    now, ends = 0.0, []
    for _ in range(6):
        order = fail(health, at=now)
        if order is not None:
            ends.append(health.from_the_end(A))
            now += order.pause_s
    assert ends == [True, False, True, False]


# --- what is a URL's own trouble ---


def test_a_failure_during_which_the_host_answered_others_is_its_own() -> None:
    """Some URLs hang for ten seconds beside a healthy rest, and come in together when the rest is done."""
    health = a_health()
    for tenth in range(100):
        health.answered(A, now=tenth / 10)
    assert [fail(health, at=12, took_s=10) for _ in range(50)] == [None] * 50
    assert not list(health.troubled())
    for _ in range(IN_A_ROW):
        order = fail(health, at=20, took_s=8)
    assert order == HostDirective(host=A, in_flight=1, pause_s=1.0), "these began after the last answer"


def test_what_has_failed_before_makes_no_trouble_for_a_host_that_is_well() -> None:
    health = a_health()
    health.answered(A, now=0)
    assert [fail(health, at=n, again=True) for n in range(1, 200)] == [None] * 199
    assert not list(health.troubled())
    assert health.condition(A, now=200) is None
    for _ in range(IN_A_ROW):
        order = fail(health, at=200)
    assert order is not None
    assert order.pause_s == 1.0
    assert fail(health, at=202, again=True).pause_s == 1.0, (
        "it is in trouble now, and what fails fails with it"
    )


def test_a_host_that_says_it_is_broken_is_slowed_down_and_never_given_up() -> None:
    health = a_health(per_host=8, patience_s=10)
    orders = [fail(health, what=Evidence.BROKEN, at=n / 10, again=n > 60) for n in range(10_000)]
    assert orders == [None, None, HostDirective(host=A, in_flight=4), *[None] * 9997]
    condition = health.condition(A, now=1000)
    assert (condition.trouble, condition.failures) == (Trouble.ONLY_ERRORS, 10_000)
    assert condition.lasts_s == 1000
    assert health.answered(A, now=1001) == HostDirective(host=A, in_flight=None)


def test_with_nothing_but_broken_ones_for_long_no_further_attempt_is_worth_it() -> None:
    health = a_health(patience_s=120)
    for second in range(120):
        fail(health, what=Evidence.BROKEN, at=second)
        assert not health.is_hopeless(A, now=second)
    assert health.is_hopeless(A, now=120)
    assert not health.is_hopeless(B, now=120)
    health.answered(A, now=121)
    assert not health.is_hopeless(A, now=500)


def test_a_host_in_worse_trouble_gets_out_of_it_when_it_is_only_broken() -> None:
    health = a_health(per_host=8, patience_s=120)
    now = 0.0
    for _ in range(5):
        order = None
        while order is None:
            order = fail(health, at=now)
        now += order.pause_s
    assert order.pause_s == 16.0
    pauses = []
    while (order := fail(health, what=Evidence.BROKEN, at=now)).pause_s:
        pauses.append(order.pause_s)
        now += order.pause_s
    assert pauses == [8, 4, 2, 1]
    assert order == HostDirective(host=A, in_flight=2)
    assert health.condition(A, now=now).trouble is Trouble.ONLY_ERRORS


@pytest.mark.parametrize("what", [Evidence.UNREACHED, Evidence.TROUBLE])
def test_a_host_that_was_down_and_is_broken_is_alive(what: Evidence) -> None:
    health = a_health(patience_s=1)
    now, order = probe(health, A, what, at=0, until=1000)
    assert order.in_flight == 0
    now += COOL_OFF_S
    assert [order.in_flight for order in health.wake(now)] == [1]
    fail(health, what=Evidence.BROKEN, at=now)
    assert health.condition(A, now=now).trouble is Trouble.ONLY_ERRORS
    for n in range(100):
        fail(health, what=Evidence.BROKEN, at=now + n)
    assert limits(health) == {A: 4}


# --- hosts that are given up ---


def test_a_host_that_is_not_reached_is_down_when_patience_is_over() -> None:
    health = a_health(patience_s=120)
    at, order = probe(health, A, Evidence.UNREACHED, at=0, until=1000)
    assert order == HostDirective(host=A, in_flight=0)
    assert 120 <= at < 200
    condition = health.condition(A, now=at)
    assert (condition.trouble, condition.reached) == (Trouble.DOWN, False)
    assert condition.due_s == COOL_OFF_S
    assert limits(health) == {A: 0}
    assert condition.told_of("http://a.example") == (
        f"http://a.example was not reached at {condition.tries} tries over 2 min, last: connect-failed: so it is"
    )


def test_few_tries_do_not_make_a_host_dead_however_long_they_take() -> None:
    health = a_health(patience_s=120)
    orders = [fail(health, what=Evidence.UNREACHED, at=1000.0 * n) for n in range(LEAST_TRIES)]
    assert [order is not None and order.in_flight == 0 for order in orders] == [False] * 3 + [True]


def test_a_name_that_there_is_not_is_down_at_once() -> None:
    health = a_health()
    orders = [fail(health, what=Evidence.NO_SUCH_HOST, at=5, took_s=5) for _ in range(8)]
    assert orders == [None, None, HostDirective(host=A, in_flight=0), *[None] * 5]


def test_any_answer_begins_it_all_anew() -> None:
    health = a_health(patience_s=120)
    for n in range(50):
        order = fail(health, what=Evidence.UNREACHED, at=100.0 * n)
        assert order is None or order.in_flight
        if n % 2:
            health.answered(A, now=100.0 * n + 1)
    assert not list(health.troubled())


def test_a_host_that_answers_with_nothing_of_use_is_given_up_much_later() -> None:
    health = a_health(patience_s=120)
    at, order = probe(health, A, Evidence.TROUBLE, at=0, until=10_000)
    assert order.in_flight == 0
    assert BUSY_TIMES * 120 <= at < 2 * BUSY_TIMES * 120
    assert health.condition(A, now=at).told_of("a").startswith("a gave nothing of use at ")


def test_timeouts_between_errors_are_not_a_dead_host() -> None:
    health = a_health(patience_s=300)
    now = 0.0
    while now < 600:
        for what in (Evidence.UNREACHED, Evidence.TROUBLE):
            order = fail(health, what=what, at=now)
            now += order.pause_s if order is not None else 0.0
            assert order is None or order.in_flight == 1
    assert health.condition(A, now=now).trouble is Trouble.BACKING_OFF


def test_a_host_that_is_down_is_asked_once_after_each_cool_off() -> None:
    health = a_health(patience_s=0)
    now, order = probe(health, A, Evidence.UNREACHED, at=0, until=100)
    cool_offs = []
    for _ in range(5):
        due_s = health.condition(A, now=now).due_s
        cool_offs.append(due_s)
        assert not list(health.wake(now + due_s - 0.1))
        now += due_s + 1e-6
        assert list(health.wake(now)) == [HostDirective(host=A, in_flight=1)]
        assert list(health.wake(now)) == []
        assert health.condition(A, now=now).trouble is Trouble.DOWN
        assert fail(health, what=Evidence.UNREACHED, at=now, took_s=9) is None, "it had begun before"
        now += 10
        order = fail(health, what=Evidence.UNREACHED, at=now, took_s=9)
        assert order == HostDirective(host=A, in_flight=0)
    assert cool_offs == pytest.approx([600, 1200, 2400, 3600, 3600])
    assert cool_offs[-1] == pytest.approx(MOST_COOL_OFF_S)


def test_a_host_that_comes_back_is_taken_up_slowly() -> None:
    health = a_health(patience_s=0)
    now, _ = probe(health, A, Evidence.UNREACHED, at=0, until=100)
    assert [order.in_flight for order in health.wake(now + COOL_OFF_S)] == [1]
    limits = [health.answered(A, now=now + COOL_OFF_S + 1).in_flight for _ in range(3)]
    assert limits == [2, 4, None]
    assert list(health.wake(now + 10 * COOL_OFF_S)) == []


def test_an_answer_that_was_on_its_way_brings_a_host_back() -> None:
    health = a_health(patience_s=0)
    now, _ = probe(health, A, Evidence.UNREACHED, at=0, until=100)
    assert health.answered(A, now=now + 1) == HostDirective(host=A, in_flight=1)
    assert list(health.wake(now + 2 * COOL_OFF_S)) == []


def test_a_dead_host_that_comes_back_with_errors_is_not_given_up_at_once() -> None:
    health = a_health(patience_s=60)
    now, _ = probe(health, A, Evidence.UNREACHED, at=0, until=1000)
    now += COOL_OFF_S
    list(health.wake(now))
    assert fail(health, what=Evidence.TROUBLE, at=now) is None
    assert health.condition(A, now=now).trouble is not Trouble.DOWN
    assert limits(health) == {A: 1}


def test_one_that_gave_nothing_of_use_for_long_is_down_again_at_the_first_error() -> None:
    health = a_health(patience_s=1)
    now, order = probe(health, A, Evidence.TROUBLE, at=0, until=1000)
    assert order.in_flight == 0
    list(health.wake(now + COOL_OFF_S))
    assert fail(health, at=now + COOL_OFF_S) == HostDirective(host=A, in_flight=0)


# --- our own network ---


def test_when_nobody_is_reached_it_may_be_our_own_network() -> None:
    health = a_health(patience_s=120)
    for host in (A, B, C):
        health.answered(host, now=0)
    pauses = dict.fromkeys((A, B, C), 1.0)
    for second in range(1, 900):
        for host in (A, B, C):
            if second >= pauses[host]:
                order = fail(health, host, Evidence.UNREACHED, at=second)
                assert order is None or order.in_flight == 1, "no host is given up"
                pauses[host] = second + (order.pause_s if order else 0.0)
    assert health.cut_off
    health.answered(B, now=900)
    assert not health.cut_off
    at, order = probe(health, A, Evidence.UNREACHED, at=1500, until=1502)
    assert (at, order.in_flight) == (1500, 0), "another one is there: it is this host that is dead"


def test_even_then_there_is_an_end() -> None:
    health = a_health(patience_s=120)
    down: dict[int, float] = {}
    due = [(0.0, A), (0.0, B)]
    while due:
        now, host = heapq.heappop(due)
        order = fail(health, host, Evidence.UNREACHED, at=now)
        if order is not None and order.in_flight == 0:
            down[host] = now
        else:
            heapq.heappush(due, (now + (order.pause_s if order else 0.1), host))
    assert min(down.values()) >= DOUBT_TIMES * 120
    assert max(down.values()) < 2 * DOUBT_TIMES * 120


def test_names_that_are_not_found_while_nobody_is_reached_get_the_time_of_a_dead_host() -> None:
    health = a_health(patience_s=120)
    fail(health, B, Evidence.UNREACHED, at=0)
    assert fail(health, A, Evidence.NO_SUCH_HOST, at=0) is None
    fail(health, B, Evidence.UNREACHED, at=0.1)
    at, order = probe(health, A, Evidence.NO_SUCH_HOST, at=1, until=1000)
    assert order.in_flight == 0
    assert 120 <= at < 240


# --- what is kept ---


def test_what_somebody_wants_to_be_asked_is_not_down() -> None:
    health = a_health(patience_s=0)
    now, _ = probe(health, A, Evidence.UNREACHED, at=0, until=100)
    assert health.forget(A) == HostDirective(host=A, in_flight=None)
    assert health.condition(A, now=now) is None
    assert list(health.wake(now + COOL_OFF_S)) == []
    assert fail(health, what=Evidence.UNREACHED, at=now + 1) is None


def test_no_more_hosts_are_kept_in_mind_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "MOST_RUNS", 10)
    health = a_health()
    for host in range(100):
        for _ in range(IN_A_ROW):
            fail(health, host, at=host)
    forgotten = list(health.wake(100))
    assert forgotten == [HostDirective(host=host, in_flight=None) for host in range(90)]
    assert list(health.troubled()) == list(range(99, 89, -1)), "the latest first"


# --- and all together ---


class HealthMachine(RuleBasedStateMachine):
    """Whatever comes in: orders are bounded, and following them agrees with what is told."""

    @initialize(per_host=st.integers(1, 9), patience_s=st.sampled_from([0.0, 5.0, 120.0]))
    def begin(self, per_host: int, patience_s: float) -> None:
        self.per_host, self.now = per_host, 100.0
        self.health = HostHealth(per_host=per_host, patience_s=patience_s)
        self.limits: dict[int, int] = {}
        self.in_a_row: dict[int, int] = {}

    def follow(self, order: HostDirective | None) -> None:
        if order is None:
            return
        assert 0 <= order.pause_s <= MOST_PAUSE_S
        if order.in_flight is None:
            self.limits.pop(order.host, None)
        else:
            assert 0 <= order.in_flight <= max(1, self.per_host - 1)
            self.limits[order.host] = order.in_flight

    @rule(
        host=st.sampled_from([A, B, C]),
        what=st.sampled_from(FAILURES),
        took_s=st.floats(0, 30),
        times=st.integers(1, 8),
    )
    def fail(self, host: int, what: Evidence, took_s: float, times: int) -> None:
        tries = (condition := self.health.condition(host, now=self.now)) and condition.tries
        for _ in range(times):
            self.in_a_row[host] = self.in_a_row.get(host, 0) + 1
            order = fail(self.health, host, what, at=self.now, took_s=took_s)
            assert order is None or self.in_a_row[host] >= IN_A_ROW or host in self.limits
            self.follow(order)
        after = self.health.condition(host, now=self.now)
        if tries is not None and after is not None and took_s > 0.001:
            assert after.tries <= tries + 1, "what comes in together is one try"

    @rule(host=st.sampled_from([A, B, C]))
    def answer(self, host: int) -> None:
        before = self.limits.get(host)
        self.follow(self.health.answered(host, now=self.now))
        self.in_a_row[host] = 0
        if before is not None:
            assert self.limits.get(host, self.per_host) >= min(self.per_host, max(1, 2 * before))

    @rule(by_s=st.floats(0, 1000))
    def time_goes_by(self, by_s: float) -> None:
        self.now += by_s
        for order in self.health.wake(self.now):
            self.follow(order)

    @rule(host=st.sampled_from([A, B, C]))
    def forget(self, host: int) -> None:
        self.follow(self.health.forget(host))
        self.in_a_row[host] = 0

    @invariant()
    def what_was_ordered_is_what_stands(self) -> None:
        if hasattr(self, "health"):
            assert limits(self.health) == self.limits
            assert set(self.health.troubled()) == set(self.limits)

    @invariant()
    def what_is_shut_is_down_and_will_be_asked_again(self) -> None:
        for host, limit in self.limits.items() if hasattr(self, "health") else ():
            condition = self.health.condition(host, now=self.now)
            assert condition is not None
            if limit == 0:
                assert condition.trouble is Trouble.DOWN
                assert 0 <= condition.due_s <= MOST_COOL_OFF_S
                assert (condition.due_s + self.now, host) in [
                    (pytest.approx(until), at) for until, at in self.health._cooling
                ]

    def teardown(self) -> None:
        """Answers make every host well."""
        for host in (A, B, C) if hasattr(self, "health") else ():
            for _ in range(6):
                self.follow(self.health.answered(host, now=self.now))
        if hasattr(self, "health"):
            assert self.limits == {}
            assert not self.health._runs


HealthMachine.TestCase.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestHealthMachine = HealthMachine.TestCase


@given(broken=st.sets(st.integers(0, 99), max_size=40))
@settings(max_examples=60, deadline=None)
def test_a_site_with_broken_urls_costs_seconds(broken: set[int]) -> None:
    """A hundred URLs, up to 40 of them always broken, wherever they stand: no pause grows long."""
    health = a_health(patience_s=120)
    waiting, now = list(range(100)), 0.0
    while waiting:
        url = waiting.pop(-1 if health.from_the_end(A) else 0)
        now += 0.01
        order = fail(health, at=now) if url in broken else health.answered(A, now=now)
        assert order is None or order.in_flight != 0
        now += order.pause_s if order is not None else 0.0
    assert now < 120


def test_an_outage_of_an_hour_costs_few_urls() -> None:
    """503 to everything for an hour, and more patience than that: a try a minute, and then all is well."""
    health = a_health(patience_s=2000)
    now, tries = 0.0, 0
    while now < 3600:
        order = fail(health, at=now)
        tries += 1
        now += order.pause_s if order is not None else 0.0
        assert order is None or order.in_flight
    assert tries < 75
    assert now <= 3600 + MOST_PAUSE_S
    assert health.answered(A, now=now).in_flight == 2
