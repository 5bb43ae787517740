"""Politeness, checked against a model that knows only the rules."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from crawler.queues.policy import GUEST_S, TASKS_PER_SLOT
from crawler.queues.politeness import Politeness, Share

IMAGE, PAGE = "image", "page"


def take(pacing: Politeness, worker: str = "w", **more: object) -> list[Share]:
    settings: dict = {"count": 100, "slots": 100, "worker_count": 1, "now": 0.0}
    return pacing.take(IMAGE, worker, **(settings | more))


def in_flight(pacing: Politeness, host: int) -> int:
    return pacing.look_at(host, now=0).in_flight


def is_empty(pacing: Politeness) -> bool:
    """Nothing is kept of hosts and workers that are done."""
    pacing.forget_idle()
    rows = [row for row in pacing._due.values() if row]
    return not (pacing._lanes or pacing._hands or rows or pacing._cooling or pacing._shut)


# --- the rules, one by one ---


def test_a_worker_gets_enough_tasks_to_hide_the_way_to_the_queue() -> None:
    pacing = Politeness(per_host=4, delay_s=0)
    pacing.add(1, IMAGE, 100, now=0)
    assert take(pacing, slots=2) == [Share(host=1, tasks=2 * TASKS_PER_SLOT, slots=2)]
    assert in_flight(pacing, 1) == 2


def test_a_batch_never_has_more_slots_than_tasks() -> None:
    pacing = Politeness(per_host=8, delay_s=0)
    pacing.add(1, IMAGE, 3, now=0)
    assert take(pacing) == [Share(host=1, tasks=3, slots=3)]


def test_requests_in_flight_stay_below_the_cap_over_all_workers() -> None:
    pacing = Politeness(per_host=3, delay_s=0)
    pacing.add(1, IMAGE, 1000, now=0)
    shares = [take(pacing, f"w{n}", slots=2) for n in range(5)]
    assert [sum(share.slots for share in found) for found in shares] == [2, 1, 0, 0, 0]
    assert in_flight(pacing, 1) == 3


def test_fellows_get_equal_parts() -> None:
    pacing = Politeness(per_host=8, delay_s=0)
    pacing.add(1, IMAGE, 1000, now=0)
    shares = [take(pacing, f"w{n}", worker_count=4)[0].slots for n in range(4)]
    assert shares == [2, 2, 2, 2]


def test_more_fellows_than_slots_get_one_each_until_there_are_no_more() -> None:
    pacing = Politeness(per_host=2, delay_s=0)
    pacing.add(1, IMAGE, 1000, now=0)
    assert [len(take(pacing, f"w{n}", worker_count=5)) for n in range(5)] == [1, 1, 0, 0, 0]


def test_a_workers_slots_are_shared_among_hosts() -> None:
    pacing = Politeness(per_host=8, delay_s=0)
    for host in range(10):
        pacing.add(host, IMAGE, 5, now=0)
    shares = take(pacing, slots=3)
    assert sum(share.slots for share in shares) == 3


def test_hosts_take_turns() -> None:
    pacing = Politeness(per_host=1, delay_s=0)
    for host in range(4):
        pacing.add(host, IMAGE, 10, now=0)
    order = []
    for _ in range(8):
        (share,) = take(pacing, count=1, slots=1)
        order.append(share.host)
        pacing.drop(share.host, "w", now=0)
    assert order == [0, 1, 2, 3, 0, 1, 2, 3]


def test_a_host_with_room_for_more_waits_for_its_next_turn_all_the_same() -> None:
    pacing = Politeness(per_host=8, delay_s=0)
    for host in range(3):
        pacing.add(host, IMAGE, 10, now=0)
    order = [take(pacing, f"w{n}", count=1, slots=1)[0].host for n in range(6)]
    assert order == [0, 1, 2, 0, 1, 2]


def test_what_stands_for_no_server_is_not_delayed() -> None:
    pacing = Politeness(per_host=2, delay_s=60)
    pacing.never_delay(1)
    for host in (1, 2):
        pacing.add(host, IMAGE, 5, now=0)
    assert {share.host: share.tasks for share in take(pacing)} == {1: 5, 2: 1}


def test_a_host_with_a_delay_gives_one_task_at_a_time() -> None:
    pacing = Politeness(per_host=8, delay_s=5)
    pacing.add(1, IMAGE, 3, now=0)
    assert take(pacing) == [Share(host=1, tasks=1, slots=1)]
    assert take(pacing, now=4.9) == []
    assert pacing.next_due() == 5.0
    assert take(pacing, now=5.0) == [Share(host=1, tasks=1, slots=2)]
    assert take(pacing, "other", now=9.9) == []
    assert take(pacing, "other", now=10.0) == [Share(host=1, tasks=1, slots=1)]


def test_the_longer_of_two_delays_counts_and_a_host_may_take_its_own_back() -> None:
    for configured_s, asked_s, gap_s in ((5, 8, 8), (5, 2, 5), (0, 8, 8)):
        pacing = Politeness(per_host=8, delay_s=configured_s)
        pacing.set_delay(1, asked_s, now=0)
        assert (pacing.delay_s(1), pacing.delay_s(2)) == (asked_s, 0.0)
        pacing.add(1, IMAGE, 9, now=0)
        assert take(pacing) == [Share(host=1, tasks=1, slots=1)]
        assert take(pacing, now=gap_s - 0.1) == []
        assert take(pacing, now=gap_s) == [Share(host=1, tasks=1, slots=2)]
        pacing.set_delay(1, 0, now=0)
        assert sum(share.tasks for share in take(pacing, now=2 * gap_s)) == (1 if configured_s else 7)


def test_a_pause_holds_a_host_back_and_no_other() -> None:
    pacing = Politeness(per_host=8, delay_s=0)
    for host in (1, 2):
        pacing.add(host, IMAGE, 2, now=0)
    pacing.pause(1, 10, now=0)
    pacing.pause(1, 3, now=1)  # a shorter one does not shorten it
    assert [share.host for share in take(pacing, now=1)] == [2]
    assert take(pacing, now=9.9) == []
    assert [share.host for share in take(pacing, now=10)] == [1]


def test_a_pause_can_grow_while_it_lasts() -> None:
    pacing = Politeness(per_host=8, delay_s=0)
    pacing.add(1, IMAGE, 1, now=0)
    pacing.pause(1, 2, now=0)
    pacing.pause(1, 9, now=1)
    pacing.wake(3)
    assert pacing.next_due() == 10.0
    assert take(pacing, now=9) == []
    assert take(pacing, now=10)


def test_a_pause_of_an_unknown_host_is_forgotten_when_it_is_over() -> None:
    pacing = Politeness(per_host=8, delay_s=0)
    pacing.pause(7, 5, now=0)
    pacing.wake(6)
    assert is_empty(pacing)


def test_a_limit_holds_for_all_workers_and_gives_nobody_more_than_can_run() -> None:
    pacing = Politeness(per_host=8, delay_s=0)
    for host in (1, 2):
        pacing.add(host, IMAGE, 100, now=0)
    pacing.limit(1, 3, now=0)
    assert {share.host: (share.tasks, share.slots) for share in take(pacing, slots=10)} == {
        1: (3, 3),
        2: (7 * TASKS_PER_SLOT, 7),
    }
    assert [share.host for share in take(pacing, "other")] == [2]
    pacing.limit(1, None, now=0)
    assert Share(host=1, tasks=5 * TASKS_PER_SLOT, slots=5) in take(pacing, "another")


def test_a_limit_lets_nobody_have_more_before_enough_is_used_up() -> None:
    pacing = Politeness(per_host=8, delay_s=0)
    pacing.add(1, IMAGE, 100, now=0)
    assert take(pacing, count=16) == [Share(host=1, tasks=16, slots=8)]
    pacing.limit(1, 1, now=0)
    assert pacing.too_much("w", now=0) == [1], "it holds eight that it has not begun"
    assert pacing.too_much("other", now=0) == []
    for left in range(15, -1, -1):
        pacing.drop(1, "w", now=0)
        assert take(pacing) == [] or left == 0
        assert (pacing.too_much("w", now=0) == [1]) == (left > 8)
    assert in_flight(pacing, 1) == 1
    assert take(pacing, "other") == []


def test_a_limit_never_raises_the_cap() -> None:
    pacing = Politeness(per_host=1, delay_s=0)
    pacing.add(1, IMAGE, 100, now=0)
    pacing.limit(1, 5, now=0)
    assert take(pacing) == [Share(host=1, tasks=1, slots=1)], "and it is a limit all the same"
    pacing.limit(1, None, now=0)
    assert take(pacing) == [Share(host=1, tasks=TASKS_PER_SLOT - 1, slots=1)]


def test_a_limit_that_is_raised_is_news() -> None:
    pacing = Politeness(per_host=4, delay_s=0)
    pacing.add(1, IMAGE, 9, now=0)
    pacing.limit(1, 1, now=0)
    assert take(pacing) == [Share(host=1, tasks=1, slots=1)]
    pacing.opened()
    pacing.limit(1, 2, now=0)
    assert pacing.opened() == {IMAGE}


def test_nothing_is_shared_out_of_a_host_that_is_shut() -> None:
    pacing = Politeness(per_host=4, delay_s=0)
    pacing.add(1, IMAGE, 9, now=0)
    pacing.add(2, IMAGE, 1, now=0)
    pacing.limit(1, 0, now=0)
    pacing.limit(3, 0, now=0)
    assert [share.host for share in take(pacing)] == [2]
    assert not pacing.is_due(IMAGE)
    assert pacing.shut() == 1
    pacing.remove(1, IMAGE, 9, now=0)
    assert pacing.shut() is None
    pacing.add(3, PAGE, 1, now=0)
    assert pacing.shut() == 3
    pacing.limit(3, 1, now=0)
    assert pacing.shut() is None
    pacing.limit(3, None, now=0)
    pacing.remove(3, PAGE, now=0)
    pacing.drop(2, "w", now=0)
    assert is_empty(pacing)


def test_both_kinds_share_a_hosts_slots() -> None:
    pacing = Politeness(per_host=2, delay_s=0)
    pacing.add(1, IMAGE, 5, now=0)
    pacing.add(1, PAGE, 5, now=0)
    assert take(pacing, "w", slots=2)
    assert pacing.take(PAGE, "h", count=5, slots=5, worker_count=1, now=0) == []


def test_leases_of_an_earlier_run_count() -> None:
    pacing = Politeness(per_host=2, delay_s=0)
    pacing.add(1, IMAGE, 5, now=0)
    for _ in range(4):
        pacing.hold(1, "", now=0)
    assert in_flight(pacing, 1) == 2
    assert take(pacing) == []
    for _ in range(4):
        pacing.drop(1, "", now=0)
    assert in_flight(pacing, 1) == 0
    assert take(pacing)


def test_a_task_settled_without_a_lease_is_not_shared_out() -> None:
    pacing = Politeness(per_host=2, delay_s=0)
    pacing.add(1, IMAGE, 1, now=0)
    pacing.remove(1, IMAGE, now=0)
    assert take(pacing) == []
    assert is_empty(pacing)


def test_it_says_once_that_a_host_has_something_to_give() -> None:
    pacing = Politeness(per_host=1, delay_s=0)
    assert not pacing.opened()
    pacing.add(1, IMAGE, 2, now=0)
    assert pacing.opened()
    assert not pacing.opened()
    pacing.add(1, IMAGE, 1, now=0)
    assert not pacing.opened(), "it had something before"
    take(pacing, count=1)
    pacing.opened()
    pacing.drop(1, "w", now=0)
    assert pacing.opened()


@pytest.mark.parametrize("nothing", [{"count": 0}, {"slots": 0}])
def test_one_who_wants_nothing_gets_nothing(nothing: dict[str, int]) -> None:
    pacing = Politeness(per_host=2, delay_s=0)
    pacing.add(1, IMAGE, 1, now=0)
    assert take(pacing, **nothing) == []
    assert not pacing._hands


def test_a_thousand_hosts_leave_nothing_behind() -> None:
    pacing = Politeness(per_host=2, delay_s=0.5)
    for host in range(1000):
        pacing.add(host, IMAGE, 1, now=0)
    seen = 0
    while shares := take(pacing, count=10, slots=10):
        for share in shares:
            pacing.drop(share.host, "w", now=0)
            seen += share.tasks
    assert seen == 1000
    pacing.wake(1.0)
    assert is_empty(pacing)


# --- and all together ---

HOSTS = range(4)
WORKERS = {"w1": IMAGE, "w2": IMAGE, "w3": IMAGE, "h1": PAGE}


class PacingMachine(RuleBasedStateMachine):
    """The model: what waits and who holds what, counted; moments at which each host gave something."""

    @initialize(per_host=st.integers(1, 5), delay_s=st.sampled_from([0.0, 0.0, 2.0]))
    def begin(self, per_host: int, delay_s: float) -> None:
        self.per_host, self.delay_s = per_host, delay_s
        self.pacing = Politeness(per_host=per_host, delay_s=delay_s)
        self.now = 100.0
        self.waiting: Counter[tuple[int, str]] = Counter()
        self.held: Counter[tuple[str, int]] = Counter()
        self.slots: dict[tuple[str, int], int] = {}
        self.not_before: dict[int, float] = defaultdict(float)
        self.limits: dict[int, int] = {}

    def in_flight(self, host: int) -> int:
        return sum(
            min(self.slots.get((worker, at), 0), count)
            for (worker, at), count in self.held.items()
            if at == host
        )

    @rule(host=st.sampled_from(HOSTS), kind=st.sampled_from([IMAGE, PAGE]), count=st.integers(1, 30))
    def add(self, host: int, kind: str, count: int) -> None:
        self.pacing.add(host, kind, count, now=self.now)
        self.waiting[host, kind] += count

    @precondition(lambda self: any(self.waiting.values()))
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        host, kind = data.draw(st.sampled_from(sorted(key for key, count in self.waiting.items() if count)))
        self.pacing.remove(host, kind, now=self.now)
        self.waiting[host, kind] -= 1

    @rule(
        worker=st.sampled_from(sorted(WORKERS)),
        count=st.integers(1, 40),
        slots=st.integers(1, 8),
        worker_count=st.integers(1, 3),
    )
    def take(self, worker: str, count: int, slots: int, worker_count: int) -> None:
        kind = WORKERS[worker]
        part = math.ceil(self.per_host / worker_count)
        before = {host: min(self.slots.get((worker, host), 0), self.held[worker, host]) for host in HOSTS}
        under_way = {host: self.in_flight(host) for host in HOSTS}
        shares = self.pacing.take(
            kind, worker, count=count, slots=slots, worker_count=worker_count, now=self.now
        )
        assert sum(share.tasks for share in shares) <= count
        assert len({share.host for share in shares}) == len(shares), "one share a host"
        for share in shares:
            host = share.host
            assert 1 <= share.tasks <= self.waiting[host, kind], "only what waits"
            assert self.not_before[host] <= self.now, "not while it cools down"
            self.waiting[host, kind] -= share.tasks
            self.held[worker, host] += share.tasks
            self.slots[worker, host] = share.slots
            assert 1 <= share.slots <= self.held[worker, host]
            assert share.slots <= max(part, before[host]), "no more than its part among its fellows"
            assert self.held[worker, host] <= TASKS_PER_SLOT * share.slots or host in self.limits
            if host in self.limits:
                assert under_way[host] + share.tasks <= self.limits[host], (
                    "within its limit, and none to keep"
                )
            if self.delay_s:
                assert share.tasks == 1
                self.not_before[host] = self.now + self.delay_s
        used = sum(min(self.slots.get((worker, host), 0), self.held[worker, host]) for host in HOSTS)
        assert used <= max(slots, sum(before.values())), "no more than it can run"

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        worker, host = data.draw(st.sampled_from(sorted(key for key, count in self.held.items() if count)))
        self.slots[worker, host] = min(self.slots[worker, host], self.held[worker, host])
        self.pacing.drop(host, worker, now=self.now)
        self.held[worker, host] -= 1

    @rule(host=st.sampled_from(HOSTS), pause_s=st.floats(0.0, 5.0))
    def pause(self, host: int, pause_s: float) -> None:
        self.pacing.pause(host, pause_s, now=self.now)
        self.not_before[host] = max(self.not_before[host], self.now + pause_s)

    @rule(host=st.sampled_from(HOSTS), in_flight=st.none() | st.integers(0, 5))
    def limit(self, host: int, in_flight: int | None) -> None:
        self.pacing.limit(host, in_flight, now=self.now)
        self.limits.pop(host, None)
        if in_flight is not None:
            self.limits[host] = min(in_flight, self.per_host)

    @rule(by_s=st.floats(0.0, 4.0))
    def time_goes_by(self, by_s: float) -> None:
        self.now += by_s
        self.pacing.wake(self.now)

    @invariant()
    def no_host_is_overrun(self) -> None:
        for host in HOSTS if hasattr(self, "pacing") else ():
            assert in_flight(self.pacing, host) == self.in_flight(host) <= self.per_host

    @invariant()
    def what_is_shut_is_known(self) -> None:
        shut = {host for host, limit in getattr(self, "limits", {}).items() if limit == 0}
        waits = {host for host in shut if self.waiting[host, IMAGE] or self.waiting[host, PAGE]}
        if hasattr(self, "pacing"):
            assert set(self.pacing._shut) == waits
            assert (self.pacing.shut() in waits) == bool(waits)

    @invariant()
    def only_the_future_is_awaited(self) -> None:
        if hasattr(self, "pacing") and (due := self.pacing.next_due()) is not None:
            assert due <= max(self.not_before.values())

    def teardown(self) -> None:
        """Nothing is forgotten: with time, and workers that drop what they hold, all is shared out."""
        if not hasattr(self, "pacing"):
            return
        for host in list(self.limits):
            self.limit(host, None)
        for _ in range(sum(self.waiting.values()) + sum(self.held.values()) + 2):
            for (worker, host), count in list(self.held.items()):
                for _ in range(count):
                    self.slots[worker, host] = min(self.slots[worker, host], self.held[worker, host])
                    self.pacing.drop(host, worker, now=self.now)
                    self.held[worker, host] -= 1
            if not any(self.waiting.values()):
                break
            self.now += 10.0
            for worker in ("w1", "h1"):
                self.take(worker, count=1000, slots=8, worker_count=1)
        assert not any(self.waiting.values()), "some tasks are never shared out"
        self.pacing.wake(self.now + 100)
        assert is_empty(self.pacing)


PacingMachine.TestCase.settings = settings(
    max_examples=80, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestPacingMachine = PacingMachine.TestCase


@pytest.mark.parametrize(("workers", "slots"), [(2, 8), (3, 4), (6, 4), (20, 4)])
def test_who_comes_later_gets_its_part_of_a_host_that_others_have_in_hand(workers: int, slots: int) -> None:
    """One that was here before, and asks again and again with something in hand, kept all slots for ever."""
    pacing = Politeness(per_host=8, delay_s=0)
    pacing.add(1, IMAGE, 10**6, now=0)
    rng = random.Random(1)
    held: Counter[str] = Counter()
    done: Counter[str] = Counter()
    for step in range(20_000):
        now, here = step / 100, min(workers, 1 + step // 200)
        asks = f"w{rng.randrange(here)}"
        held[asks] += sum(
            share.tasks for share in take(pacing, asks, slots=slots, worker_count=here, now=now)
        )
        finishes = rng.choice(list(+held))
        held[finishes] -= 1
        done[finishes] += 1
        pacing.drop(1, finishes, now=now)
        assert in_flight(pacing, 1) <= 8
    assert len(done) == workers
    assert min(done.values()) > max(done.values()) / 4


def test_a_guest_that_comes_once_more_stays_its_time() -> None:
    pacing = Politeness(per_host=8, delay_s=0)
    assert pacing.turn(1, guest=7, now=0.0) == 0
    pacing.turn_over(1, 7, now=1.0)
    assert pacing.turn(1, guest=7, now=GUEST_S - 1) == 0
    assert pacing.turn(2, guest=9, now=GUEST_S + 1) == 0
    assert in_flight(pacing, 1) == 1
    assert pacing.turn(2, guest=9, now=2 * GUEST_S) == 0
    assert in_flight(pacing, 1) == 0


def test_guests_alone_are_never_more_than_may_be_in_flight() -> None:
    """What those who are away have left may be in use again by who has not said so yet."""
    pacing = Politeness(per_host=2, delay_s=0)
    pacing.add(1, IMAGE, 10, now=0)
    take(pacing)
    for task in range(10):
        pacing.go_away(1, task)
    assert [pacing.turn(1, guest=guest, now=0) > 0 for guest in range(100, 104)] == [False, False, True, True]
