"""When the requests of a page in the browser may be sent: many at once, none of them out of turn."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import msgspec
import pytest

from crawler.errors import QueueError
from crawler.http.page_turns import HOLD_PAGE_S, HOLD_PART_S, MOST_AT_ONCE, PageTurns
from crawler.http.turns import HOLD_FIRST_S, HOLD_S, NotYet
from crawler.models import ASK_AGAIN_S, Task, TaskKind
from crawler.queues.politeness import Politeness
from crawler.urls import host_key
from tests.support.clocks import Stop
from tests.support.cpu_time import soon
from tests.support.queues import is_in, wait_until, working

TASK = Task(id=7, serial=1, kind=TaskKind.RENDER, url="http://a.example/", depth=0, attempt=1)
OWN, OTHER = "http://a.example", "http://b.example"
PART, FOREIGN = f"{OWN}/a.js", f"{OTHER}/b.js"


class Queue:
    """Says what it is told to, one after the other, and 0 after that; knows who is a guest where."""

    def __init__(self, *waits_s: float) -> None:
        self.waits_s = list(waits_s)
        self.mutex = threading.Lock()
        self.asked: list[tuple[int, str, bool]] = []
        self.over: list[tuple[int, str]] = []
        self.late: list[tuple[str, float]] = []
        self.guests: set[tuple[int, str]] = set()

    def turn(self, *, task: int, host: str, is_guest: bool = False) -> float:
        with self.mutex:
            self.asked.append((task, host, is_guest))
            wait_s = self.waits_s.pop(0) if self.waits_s else 0.0
            if is_guest and not wait_s:
                self.guests.add((task, host))
            return wait_s

    def turn_taken(self, *, host: str, ago_s: float) -> None:
        self.late.append((host, ago_s))

    def turn_over(self, *, task: int, host: str) -> None:
        with self.mutex:
            self.over.append((task, host))
            self.guests.discard((task, host))


def turns(queue: Queue, task: Task = TASK) -> tuple[PageTurns, Stop]:
    stop = Stop()
    return PageTurns(queue, task, stop=stop, clock=lambda: stop.now), stop


def test_one_request_at_a_time_is_the_tasks_own_and_all_others_are_guests() -> None:
    queue = Queue()
    page, _ = turns(queue)
    with page.request() as first:
        first(PART)
        with page.request() as second, page.request() as foreign:
            second(PART)
            foreign(FOREIGN)
            guests = [task for task, _, is_guest in queue.asked if is_guest]
            assert queue.asked[0] == (TASK.id, OWN, False)
            assert len(guests) == 2
            assert min(guests) >= 2**62
            assert max(guests) < 2**63
            assert len(queue.guests) == 2
        assert queue.guests == set()
    with page.request() as third:
        third(PART)
        assert queue.asked[-1] == (TASK.id, OWN, False), "its place is free again"
    assert TASK.id not in [task for task, _ in queue.over], "the slot of the lease is kept"


def test_the_guests_of_no_two_tasks_are_mistaken_for_each_other() -> None:
    ids = [0, 1, 2, 7, 2**40, 2**40 + 1, 2**52, 2**57]
    seen: Counter[int] = Counter()
    for number in ids:
        page, _ = turns(Queue(), msgspec.structs.replace(TASK, id=number))
        seen.update({page.guest(place) for place in range(1, MOST_AT_ONCE + 1)})
    assert set(seen.values()) == {1}
    assert not {*seen} & {*ids}
    assert all(2**62 <= guest < 2**63 for guest in seen)


def test_a_page_has_so_many_requests_at_a_host_and_the_rest_wait() -> None:
    for url in (PART, FOREIGN):
        queue = Queue()
        page, _ = turns(queue)
        under_way = [page.request() for _ in range(MOST_AT_ONCE)]
        for one in under_way:
            one.__enter__()(url)
        began = threading.Event()

        def late(url: str = url, page: PageTurns = page, began: threading.Event = began) -> None:
            with page.request() as turn:
                turn(url)
                began.set()

        thread = threading.Thread(target=late)
        thread.start()
        assert not began.wait(0.05)
        assert len(queue.asked) == MOST_AT_ONCE
        with page.request() as elsewhere:
            elsewhere("http://c.example/")
        under_way[0].__exit__(None, None, None)
        assert began.wait(5)
        thread.join()
        for one in under_way[1:]:
            one.__exit__(None, None, None)
        assert queue.guests == set()


def test_every_request_asks_the_queue_though_its_host_has_no_delay() -> None:
    """There may be a pause, and others count on what was asked."""
    queue = Queue()
    page, _ = turns(queue)
    for _ in range(3):
        with page.request() as turn:
            turn(PART)
    assert queue.asked == [(TASK.id, OWN, False)] * 3


def test_a_request_that_is_sent_once_more_waits_once_more_and_is_one_guest() -> None:
    queue = Queue(0.0, 0.5)
    page, stop = turns(queue)
    with page.request() as turn:
        turn(FOREIGN)
        turn(FOREIGN)
        assert len({task for task, _, _ in queue.asked}) == 1
        assert stop.now == 0.5
    assert len(queue.over) == 1


def test_robots_txt_takes_no_slot_and_is_asked_for_in_turn() -> None:
    queue = Queue()
    page, _ = turns(queue)
    with page.request() as turn:
        turn(f"{OTHER}/robots.txt", is_file=True)
        turn(f"{OTHER}/.well-known/tdmrep.json", is_file=True)
        assert queue.asked == [(TASK.id, OTHER, False)] * 2
        turn(FOREIGN)
        assert queue.asked[-1][2]
    assert len(queue.over) == 1


def test_what_only_ends_like_a_file_of_the_host_takes_a_slot() -> None:
    """A script could send all requests of its page to another host at once, as ``/pic?u=/robots.txt``."""
    queue = Queue()
    page, _ = turns(queue)
    with page.request() as turn:
        turn(f"{FOREIGN}?u=/robots.txt")
        assert queue.asked[-1][2]


def test_where_a_robots_txt_leads_is_left_for_what_comes_after() -> None:
    queue = Queue()
    page, _ = turns(queue)
    with page.request() as turn:
        turn(f"{OWN}/robots.txt", is_file=True)
        turn(f"{OTHER}/moved.txt")
        turn(PART)
        assert queue.guests == set()
    assert [host for _, host in queue.over] == [OTHER]


def test_a_guest_goes_whatever_happens() -> None:
    queue = Queue()
    page, _ = turns(queue)
    with pytest.raises(ZeroDivisionError), page.request() as turn:
        _ = turn(FOREIGN) or 1 / 0
    assert queue.guests == set()
    queue.waits_s = [HOLD_PART_S + 1]
    with pytest.raises(NotYet), page.request() as turn:
        turn(FOREIGN)
    assert len(queue.over) == 2, "the answer may have been lost on its way"


def test_a_place_is_free_again_though_the_queue_is_gone() -> None:
    class Gone(Queue):
        def turn_over(self, *, task: int, host: str) -> None:
            raise QueueError("gone")

    page, _ = turns(Gone())
    for _ in range(MOST_AT_ONCE + 1):
        with pytest.raises(QueueError), page.request() as turn:
            turn(FOREIGN)


def test_a_part_waits_for_so_long_in_all_and_the_page_itself_longer() -> None:
    queue = Queue(0.0, 12.0, 7.0, 0.0, 12.0, 9.0)
    page, stop = turns(queue)
    with page.request() as turn:
        turn(PART)
    with page.request() as turn:
        turn(PART)
        assert turn.waited_s == stop.now == 19.0
    with page.request() as turn, pytest.raises(NotYet) as raised:
        turn(PART)
    assert (raised.value.url, raised.value.wait_s) == (PART, 9.0)
    for first, waits in ((True, (HOLD_FIRST_S, 1.0)), (False, (0.0, HOLD_S, 1.0))):
        page, _ = turns(Queue(*waits))
        with page.request(is_main=True) as turn:
            if not first:
                turn(TASK.url)
            with pytest.raises(NotYet):
                turn(TASK.url)


def test_after_minutes_of_waiting_a_page_waits_for_nothing_more() -> None:
    queue = Queue(*[HOLD_PART_S, 0.0] * 7)
    page, stop = turns(queue)
    refused = 0
    for _ in range(7):
        try:
            with page.request() as turn:
                turn(PART)
        except NotYet:
            refused += 1
    assert HOLD_PAGE_S <= stop.now <= HOLD_PAGE_S + HOLD_PART_S
    assert page.waited_s == stop.now
    queue.waits_s = [0.1]
    with page.request() as turn, pytest.raises(NotYet):
        turn(PART)
    with page.request() as turn:
        turn(PART)


def test_what_waits_at_the_same_time_counts_once() -> None:
    clock = [0.0]
    page = PageTurns(Queue(), TASK, clock=lambda: clock[0])
    with page.waiting():
        clock[0] = 1.0
        with page.waiting():
            clock[0] = 3.0
            assert page.waited_s == 3.0
        clock[0] = 4.0
    clock[0] = 9.0
    assert page.waited_s == 4.0
    with page.waiting():
        clock[0] = 10.0
    assert page.waited_s == 5.0


def test_who_has_to_wait_for_a_slot_elsewhere_leaves_its_own_to_others() -> None:
    queue = Queue(ASK_AGAIN_S, ASK_AGAIN_S)
    page, _ = turns(queue)
    with page.request() as turn:
        turn(FOREIGN)
        assert queue.over == [(TASK.id, OWN)]
    with page.request() as turn:
        turn(PART)
        assert queue.asked[-1][1:] == (OWN, True), "it is a guest at home as well, from now on"
    assert (TASK.id, OWN) not in queue.over[1:]


def test_a_slot_that_is_in_use_is_left_afterwards() -> None:
    queue = Queue(0.0, ASK_AGAIN_S)
    page, _ = turns(queue)
    with page.request() as mine:
        mine(PART)
        with page.request() as turn:
            turn(FOREIGN)
            assert (TASK.id, OWN) not in queue.over
    assert queue.over[-1] == (TASK.id, OWN)


def test_a_guest_that_finds_no_room_for_long_gives_up() -> None:
    for is_main in (False, True):
        page, stop = turns(Queue(*[ASK_AGAIN_S] * 1000))
        page.has_asked = True
        with page.request(is_main=is_main) as turn, pytest.raises(NotYet):
            turn(FOREIGN)
        assert stop.now == pytest.approx(20.0, abs=0.3)


def test_the_queue_hears_of_a_request_that_was_sent_late() -> None:
    queue = Queue()
    page, stop = turns(queue)
    with page.request() as turn:
        turn(FOREIGN)
        stop.now += 3.0
        turn.sent(FOREIGN, 2.0)
        turn.sent(FOREIGN, 2.0)
    assert queue.late == [(OTHER, 1.0)]


def test_a_page_that_is_over_waits_for_nothing() -> None:
    queue = Queue(1.0)
    page, stop = turns(queue)
    page.close()
    with page.request() as turn, pytest.raises(NotYet):
        turn(PART)
    assert stop.now == 0.0
    page, stop = turns(Queue(1.0))
    stop.set()
    with page.request() as turn, pytest.raises(NotYet):
        turn(PART)


def test_waits_end_when_the_page_does() -> None:
    """One in the middle of a wait, one in line behind it, and those without a place."""
    queue = Queue(*[10.0] * 100)
    page = PageTurns(queue, TASK)
    gave_up: list[str] = []

    def ask() -> None:
        try:
            with page.request() as turn:
                turn(FOREIGN)
        except NotYet as exc:
            gave_up.append(exc.url)

    threads = [threading.Thread(target=ask) for _ in range(MOST_AT_ONCE + 2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: all(is_in(thread, "request") or is_in(thread, "ask", "wait") for thread in threads))
    assert gave_up == []
    began = time.monotonic()
    page.close()
    for thread in threads:
        thread.join(5)
    assert soon(time.monotonic() - began, 1.0)
    assert gave_up == [FOREIGN] * len(threads)
    assert queue.guests == set()


def test_a_page_is_over_when_the_slot_of_its_lease_is() -> None:
    page = PageTurns(Queue(), TASK)
    let_go = threading.Event()
    asked = threading.Event()

    def ask() -> None:
        with page.request() as turn:
            turn(PART)
            asked.set()
            let_go.wait(5)

    thread = threading.Thread(target=ask)
    thread.start()
    assert asked.wait(5)
    closing = threading.Thread(target=page.close)
    closing.start()
    closing.join(0.05)
    assert closing.is_alive()
    let_go.set()
    closing.join(5)
    assert not closing.is_alive()
    thread.join()


def test_only_one_of_a_page_asks_for_a_turn_at_a_host_at_a_time() -> None:
    """With a delay of a second six would ask six times as often, for the same."""
    asking: Counter[str] = Counter()
    most: Counter[str] = Counter()

    class Busy(Queue):
        def turn(self, *, task: int, host: str, is_guest: bool = False) -> float:
            with self.mutex:
                asking[host] += 1
                most[host] = max(most[host], asking[host])
            working(0.002)
            with self.mutex:
                asking[host] -= 1
            return random.choice((0.0, 0.001))

    page = PageTurns(Busy(), TASK)

    def ask(number: int) -> None:
        with page.request() as turn:
            turn(f"http://{'bcd'[number % 3]}.example/{number}")

    with ThreadPoolExecutor(18) as pool:
        list(pool.map(ask, range(90)))
    assert set(most.values()) == {1}


class Paced:
    """A queue that paces as the real ones do, on the real clock, and sees to it that all is kept."""

    def __init__(self, *, per_host: int, delay_s: float) -> None:
        self.pacing = Politeness(per_host=per_host, delay_s=delay_s)
        self.mutex = threading.Lock()
        self.hosts: dict[str, int] = {}

    def id(self, host: str) -> int:
        return self.hosts.setdefault(host, len(self.hosts) + 1)

    def turn(self, *, task: int, host: str, is_guest: bool = False) -> float:
        with self.mutex:
            guest = task if is_guest else None
            return self.pacing.turn(self.id(host), guest=guest, now=time.monotonic())

    def turn_taken(self, *, host: str, ago_s: float) -> None:
        with self.mutex:
            self.pacing.taken(self.id(host), ago_s, now=time.monotonic())

    def turn_over(self, *, task: int, host: str) -> None:
        with self.mutex:
            self.pacing.turn_over(self.id(host), task, now=time.monotonic())


def test_pages_together_are_never_more_at_a_host_than_may_be() -> None:
    queue = Paced(per_host=4, delay_s=0.0)
    pages = [PageTurns(queue, msgspec.structs.replace(TASK, id=n)) for n in range(8, 12)]
    in_flight: Counter[str] = Counter()
    most: Counter[str] = Counter()
    mutex = threading.Lock()

    def ask(number: int) -> None:
        url = f"http://{'xyz'[number % 3]}.example/{number}"
        with pages[number % 4].request() as turn:
            turn(url)
            with mutex:
                in_flight[host_key(url)] += 1
                most[host_key(url)] = max(most[host_key(url)], in_flight[host_key(url)])
            working(0.002)
            with mutex:
                in_flight[host_key(url)] -= 1

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(ask, range(120)))
    assert max(most.values()) == 4
    assert {queue.pacing.look_at(number, now=0).in_flight for number in queue.hosts.values()} == {0}


def test_between_any_two_requests_of_pages_the_delay_lies() -> None:
    queue = Paced(per_host=4, delay_s=0.03)
    pages = [PageTurns(queue, msgspec.structs.replace(TASK, id=n)) for n in range(8, 10)]
    moments: list[float] = []
    mutex = threading.Lock()

    def ask(number: int) -> None:
        with pages[number % 2].request() as turn:
            turn(PART)
            with mutex:
                moments.append(time.monotonic())

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(ask, range(20)))
    gaps = [after - before for before, after in pairwise(moments)]
    # a request is allowed, and then sent: both clocks are ours, but a thread may be woken late
    assert min(gaps) > 0.005
    assert sum(gaps) > 19 * 0.03 * 0.95
    assert pages[0].waited_s > 0.2
