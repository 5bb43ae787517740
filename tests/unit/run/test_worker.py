"""The worker against the embedded queue itself, or against queues that fail as we wish."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from crawler import errors
from crawler.config import QueueConfig, ScopeConfig
from crawler.errors import QueueUnreachable, StorageFull
from crawler.models import (
    Batch,
    Heartbeat,
    Lease,
    NewTask,
    Origin,
    Result,
    Task,
    TaskKind,
    Token,
    WorkerState,
)
from crawler.queues import RecordPage
from crawler.queues.rpc.wire import MAX_MESSAGE_BYTES
from crawler.run import held_tasks
from crawler.run import worker as worker_module
from crawler.run.concurrency import Concurrency
from crawler.run.held_tasks import HeldTasks
from crawler.run.worker import Worker
from tests.support.cpu_time import soon
from tests.support.queues import (
    Queues,
    embedded,
    failed,
    holds,
    image,
    images,
    in_thread,
    page,
    saved,
    take,
    wait_until,
    working,
)
from tests.support.queues import worker as worker_state


@pytest.fixture(name="make")
def a_maker(tmp_path: Path) -> Iterator[Callable[..., Queues]]:
    opened = []

    def make(**settings: float) -> Queues:
        queue = QueueConfig(**{"per_host": 100, **settings})
        context = embedded(tmp_path / "crawl.db", queue=queue, scope=ScopeConfig())
        opened.append(context)
        return context.__enter__()[1]

    yield make
    for context in opened:
        context.__exit__(None, None, None)


def a_worker(
    queues: object,
    handler: Callable[[Task], Result] = saved,
    *,
    state: WorkerState | None = None,
    lease_batch: int = 32,
    heartbeat_s: float = 5.0,
    halts_crawl: bool = True,
    concurrency: Concurrency | None = None,
) -> Worker:
    return Worker(
        state or worker_state(),
        tasks=queues.tasks,  # type: ignore[attr-defined]
        results=queues.results,  # type: ignore[attr-defined]
        handler=handler,
        lease_batch=lease_batch,
        heartbeat_s=heartbeat_s,
        halts_crawl=halts_crawl,
        concurrency=concurrency,
    )


class Over:
    """A queue in front of another; what a test wants otherwise is set on it as an attribute."""

    def __init__(self, queues: Queues) -> None:
        self.tasks, self.results = Layer(queues.tasks), Layer(queues.results)


class Layer:
    def __init__(self, below: object) -> None:
        self.below = below

    def __getattr__(self, name: str) -> object:
        return getattr(self.below, name)


def unreachable(*_: object, **__: object) -> object:
    raise errors.QueueUnreachable("no answer from the manager at box:1")


# --- the way of a task ---


def test_it_works_until_the_queue_is_drained(make: Callable[..., Queues]) -> None:
    queues = make()
    queues.tasks.put([new for host in "abc" for new in images(70, host)])
    handled: list[str] = []

    def handler(task: Task) -> Result:
        handled.append(task.url)
        return saved(task)

    me = a_worker(queues, handler)
    me.run()
    assert len(handled) == len(set(handled)) == 210
    stats = queues.tasks.stats()
    assert stats.image_status == {"saved": 210}
    assert stats.balanced
    assert stats.workers == (), "it has taken its leave"
    assert (me.state().done, me.state().received_bytes, me.state().busy) == (210, 2100, ())


def test_tries_that_failed_are_not_done(make: Callable[..., Queues]) -> None:
    """A person compares what workers have done with how much there is: "2 + 5 done" stood beside "1 of 3"."""
    queues = make(max_attempts=3)
    queues.tasks.put(images(2))
    tries: Counter[str] = Counter()

    def handler(task: Task) -> Result:
        tries[task.url] += 1
        if task.url.endswith("0.png"):
            return failed(task, retry_in_s=0.01)
        return saved(task)

    me = Worker(
        worker_state(),
        tasks=queues.tasks,
        results=queues.results,
        handler=handler,
        lease_batch=32,
        heartbeat_s=5.0,
        max_attempts=3,
        short_of_memory=lambda: 2,
    )
    me.run()
    assert sorted(tries.values()) == [1, 3]
    assert queues.tasks.stats().images.done == 2
    assert me.state().done == 2
    assert me.state().short_of_memory == 2


def test_a_harvester_finds_the_work_of_the_next_round_itself(make: Callable[..., Queues]) -> None:
    queues = make()
    queues.tasks.put([page(0)])

    def handler(task: Task) -> Result:
        number = int(task.url.rpartition("/")[2].removesuffix(".html"))
        links = tuple(page(n) for n in (2 * number + 1, 2 * number + 2) if n < 50)
        return saved(task, discovered=links)

    a_worker(queues, handler, state=worker_state("h1", TaskKind.PAGE)).run()
    assert queues.tasks.stats().page_status == {"harvested": 50}


def test_no_more_run_at_once_than_a_host_has_slots(make: Callable[..., Queues]) -> None:
    queues = make(per_host=2)
    queues.tasks.put(images(40) + images(5, "b"))
    guard = threading.Lock()
    running: Counter[str] = Counter()
    most: Counter[str] = Counter()

    def handler(task: Task) -> Result:
        host = task.url.partition(".example")[0]
        with guard:
            running[host] += 1
            most[host] = max(most[host], running[host])
        working(0.002)
        with guard:
            running[host] -= 1
        return saved(task)

    a_worker(queues, handler, state=worker_state(threads=6)).run()
    assert most["http://a"] == 2
    assert most["http://b"] <= 2
    assert queues.tasks.stats().images.done == 45


def test_its_threads_run_at_once(make: Callable[..., Queues]) -> None:
    queues = make()
    queues.tasks.put(images(4))
    together = threading.Barrier(4, timeout=5)

    def handler(task: Task) -> Result:
        together.wait()
        return saved(task)

    a_worker(queues, handler, state=worker_state(threads=4)).run()
    assert queues.tasks.stats().images.done == 4


def test_a_lone_result_is_settled_at_once(make: Callable[..., Queues]) -> None:
    """No batch is waited for while the worker has nothing else to do."""
    queues = make()
    queues.tasks.put([image(1), page(1)])  # the page keeps the queue from being drained
    me = a_worker(queues)
    with in_thread(me.run):
        wait_until(lambda: queues.tasks.stats().images.done == 1)
        queues.tasks.put([image(2)])
        started = time.monotonic()
        wait_until(lambda: queues.tasks.stats().images.done == 2)
        assert soon(time.monotonic() - started, 0.5)
        me.stop()


def test_results_are_settled_while_a_slow_task_runs(make: Callable[..., Queues]) -> None:
    queues = make()
    queues.tasks.put(images(9))
    go_on = threading.Event()

    def handler(task: Task) -> Result:
        if task.url == image(0).url:
            go_on.wait(5)
        return saved(task)

    with in_thread(a_worker(queues, handler).run):
        wait_until(lambda: queues.tasks.stats().images.done == 8)
        go_on.set()
    assert queues.tasks.stats().drained


def test_a_task_that_is_due_again_at_once_is_not_forgotten(make: Callable[..., Queues]) -> None:
    """Its next lease may arrive before the worker knows that the last one is settled."""
    queues = make(max_attempts=50)
    queues.tasks.put(images(3))

    def handler(task: Task) -> Result:
        return failed(task, "internal-error", retry_in_s=0.0) if task.attempt < 40 else saved(task)

    a_worker(queues, handler).run()
    stats = queues.tasks.stats()
    assert stats.image_status == {"saved": 3}
    records = queues.results.get().records
    assert [record.attempts for record in records] == [40] * 3


def test_what_waits_for_a_host_in_trouble_is_given_back(make: Callable[..., Queues]) -> None:
    """That it is in trouble is what the queue finds out; no single result says so."""
    queues = make(per_host=1)
    queues.tasks.put(images(8))
    asked: list[str] = []
    given_back = threading.Event()

    def handler(task: Task) -> Result:
        asked.append(task.url)
        if len(asked) == 4:
            given_back.wait(5)
        return failed(task, retry_in_s=60.0)

    release = queues.tasks.release
    queues.tasks.release = lambda *told: (release(*told), given_back.set())  # type: ignore[method-assign]
    me = a_worker(queues, handler, state=worker_state(threads=1), heartbeat_s=0.01)
    with in_thread(me.run):
        wait_until(given_back.is_set)
        wait_until(lambda: queues.tasks.stats().images.leased == 0)
        stats = queues.tasks.stats()
        assert (stats.images.ready, stats.images.delayed) == (4, 4)
        me.stop()


@pytest.mark.parametrize(
    ("reason", "wish"),
    [("robots-unavailable", {"host_pause_s": 60.0}), ("rate-limited", {"refused_for_s": 60.0})],
)
def test_what_waits_for_a_host_that_wants_to_be_left_alone_is_given_back(
    make: Callable[..., Queues], reason: str, wish: dict[str, float]
) -> None:
    queues = make()
    queues.tasks.put([*images(20), image(99, "b")])
    asked: list[str] = []

    def handler(task: Task) -> Result:
        asked.append(task.url)
        return failed(task, reason, retry_in_s=60.0, **wish) if "//a." in task.url else saved(task)

    me = a_worker(queues, handler, state=worker_state(threads=1))
    with in_thread(me.run):
        wait_until(lambda: queues.tasks.stats().images.done == 1)
        wait_until(lambda: queues.tasks.stats().images.leased == 0)
        stats = queues.tasks.stats()
        assert (stats.images.ready, stats.images.delayed) == (19, 1)
        assert sum("//a." in url for url in asked) == 1, "the others were not even begun"
        queues.pass_time(61.0)
        wait_until(lambda: len(asked) == 3)
        me.stop()
    leased = take(queues, worker_state("w2"))
    assert {task.attempt for task in leased} <= {1}, "what was given back was not charged"


# --- the hand ---


def batch(*numbers: int, slots: int = 1, serial: int = 1) -> Batch:
    tasks = tuple(
        Task(id=n, serial=serial, kind=TaskKind.IMAGE, url=image(n).url, depth=0, attempt=1) for n in numbers
    )
    return Batch(host="http://a.example", slots=slots, tasks=tasks)


def test_a_later_lease_of_a_settled_task_stays_held() -> None:
    hand = HeldTasks()
    hand.deal([batch(1)])
    _, first = hand.take() or pytest.fail("nothing to take")
    hand.finished(first)
    hand.deal([batch(1, serial=2)])
    hand.settled([first.token])
    assert hand.held() == (Token(id=1, serial=2),)
    _, second = hand.take() or pytest.fail("nothing to take")
    hand.finished(second)
    hand.settled([second.token])
    assert hand.held() == ()


def test_only_tasks_that_were_not_begun_can_be_dropped() -> None:
    hand = HeldTasks()
    hand.deal([batch(1, 2, 3)])
    _, running = hand.take() or pytest.fail("nothing to take")
    assert hand.drop([running.token, Token(id=2, serial=1), Token(id=3, serial=9)]) == 1
    assert hand.held() == (running.token, Token(id=3, serial=1))
    hand.finished(running)
    _, following = hand.take() or pytest.fail("nothing to take")
    assert following.id == 3


def test_dropping_all_that_waits_makes_room_for_more() -> None:
    hand = HeldTasks()
    hand.deal([batch(1, 2, 3)])
    with in_thread(lambda: hand.wait_for_room(1, threads=1)) as outcome:
        wait_until(lambda: outcome.is_in("wait_for_room", "wait"))
        assert not outcome
        assert hand.drop(hand.held()) == 3
    assert outcome == [None]
    assert hand.idle
    assert hand._lanes == {}
    assert not hand._turn


def test_a_thread_without_work_asks_other_hosts_though_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """With as many workers as a host has slots each gets one of them, and eight tasks for it."""
    monkeypatch.setattr(held_tasks, "ASK_ELSEWHERE_S", 0.05)
    hand = HeldTasks()
    tasks = tuple(
        Task(id=n, serial=1, kind=TaskKind.IMAGE, url=image(n).url, depth=0, attempt=1) for n in range(8)
    )
    hand.deal([Batch(host="http://a.example", slots=1, tasks=tasks)])
    assert hand.take()
    started = time.monotonic()
    hand.wait_for_room(4, threads=2)
    taken_s = time.monotonic() - started
    assert taken_s > 0.04
    assert soon(taken_s, 5.0), "seven wait, and the other thread can begin none of them"
    with in_thread(lambda: hand.wait_for_room(4, threads=1)) as outcome:
        assert holds(lambda: not outcome, for_s=0.2), "the only thread is busy"
        hand.close()
    assert outcome == [None]


def test_a_closed_hand_gives_back_what_was_not_begun() -> None:
    hand = HeldTasks()
    hand.deal([batch(1, 2, 3)])
    _, running = hand.take() or pytest.fail("nothing to take")
    assert hand.close() == (Token(id=2, serial=1), Token(id=3, serial=1))
    assert hand.take() is None
    assert hand.running() == (running,)
    assert hand._closed


def test_hosts_take_turns_in_a_hand() -> None:
    hand = HeldTasks()
    other = msgspec.structs.replace(batch(11, 12, slots=2), host="http://b.example")
    hand.deal([batch(1, 2, slots=2), other])
    assert [(hand.take() or pytest.fail("nothing to take"))[1].id for _ in range(4)] == [1, 11, 2, 12]


def test_a_task_with_its_answer_leaves_its_slot_to_another() -> None:
    hand = HeldTasks()
    hand.deal([batch(1, 2, 3, slots=1)])
    _, first = hand.take() or pytest.fail("nothing to take")
    hand.answered(first.token)
    hand.answered(first.token)  # it counts once
    _, second = hand.take() or pytest.fail("nothing to take")
    assert [task.id for task in hand.running()] == [1, 2]
    waiting: list[int] = []
    third = threading.Thread(target=lambda: waiting.append((hand.take() or pytest.fail("none"))[1].id))
    third.start()
    hand.finished(first)  # has no slot to give back
    third.join(0.1)
    assert third.is_alive()
    hand.answered(second.token)
    third.join(5.0)
    assert waiting == [3]
    hand.answered(first.token)  # late, and of no task that runs


def test_no_more_run_than_are_wanted() -> None:
    wanted = 1
    hand = HeldTasks(lambda: wanted)
    hand.deal([batch(1, 2, slots=2)])
    _, first = hand.take() or pytest.fail("nothing to take")
    took: list[int] = []
    second = threading.Thread(target=lambda: took.append((hand.take() or pytest.fail("none"))[1].id))
    second.start()
    second.join(0.1)
    assert second.is_alive()
    wanted = 2
    hand.answered(first.token)
    second.join(5.0)
    assert took == [2]


def test_no_thread_of_a_hand_is_forgotten() -> None:
    """Nobody is woken in vain, so each that waits has to be woken when it is its turn: else this stands still."""
    hand, threads, per_batch = HeldTasks(), 4, 6
    done: list[int] = []

    def handle() -> None:
        while (item := hand.take()) is not None:
            _, task = item
            if task.id % 5 == 0:
                hand.answered(task.token)
            if task.id % 7 == 0:
                time.sleep(0.001)
            hand.finished(task)
            done.append(task.id)
            hand.settled([task.token])

    handlers = [threading.Thread(target=handle, daemon=True) for _ in range(threads)]
    for thread in handlers:
        thread.start()
    started = time.monotonic()
    for number in range(0, 3000, per_batch):
        hand.wait_for_room(threads, threads=threads)
        of_host = batch(*range(number, number + per_batch), slots=number % 3 + 1)
        hand.deal([msgspec.structs.replace(of_host, host=f"http://{number % 5}.example")])
    while not hand.idle:
        hand.wait_for_settlement(hand.settlements, 10.0)
    assert time.monotonic() - started < 8.0, "it waited for a time-out"
    hand.close()
    for thread in handlers:
        thread.join(5.0)
    assert sorted(done) == list(range(3000))


# --- concurrency ---


def test_a_worker_has_more_tasks_at_a_time_where_servers_are_slow(make: Callable[..., Queues]) -> None:
    queues = make(per_host=64)
    queues.tasks.put(images(400))
    concurrency = Concurrency(2, 12)
    running, most = 0, 0
    lock = threading.Lock()

    def handler(task: Task) -> Result:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        working(0.005)
        with lock:
            running -= 1
        concurrency.handled(0.005, 0.0005)
        return saved(task)

    me = a_worker(queues, handler, state=worker_state(threads=2), concurrency=concurrency)
    me.run()
    assert most == me.state().threads == 12
    assert queues.tasks.stats().images.done == 400


# --- stopping ---


def test_stop_finishes_what_is_begun_and_gives_the_rest_back(make: Callable[..., Queues]) -> None:
    queues = make()
    queues.tasks.put(images(20))
    begun, go_on = threading.Semaphore(0), threading.Event()

    def handler(task: Task) -> Result:
        begun.release()
        go_on.wait(5)
        return saved(task)

    me = a_worker(queues, handler, state=worker_state(threads=2))
    with in_thread(me.run) as outcome:
        for _ in range(2):
            assert begun.acquire(timeout=5)
        assert sorted(me.state().busy) == [image(0).url, image(1).url]
        me.stop()
        assert holds(lambda: not outcome, for_s=0.03), "what is begun is finished first"
        go_on.set()
    assert outcome == [None]
    stats = queues.tasks.stats()
    assert (stats.images.done, stats.images.ready, stats.images.leased) == (2, 18, 0)
    assert {task.attempt for task in take(queues, worker_state("w2"))} == {1}


def test_stop_ends_a_worker_that_waits_for_work(make: Callable[..., Queues]) -> None:
    queues = make()
    queues.tasks.put([page(1)])
    me = a_worker(queues)
    with in_thread(me.run) as outcome:
        wait_until(lambda: queues.tasks.stats().workers)
        started = time.monotonic()
        me.stop()
        wait_until(lambda: outcome)
    assert outcome == [None]
    assert soon(time.monotonic() - started, 0.5), "it does not sit its long poll out"


def test_a_halted_queue_ends_it_in_peace(make: Callable[..., Queues]) -> None:
    queues = make()
    queues.tasks.put([page(1)])
    with in_thread(a_worker(queues).run) as outcome:
        wait_until(lambda: queues.tasks.stats().workers)
        queues.tasks.halt("enough")
    assert outcome == [None]


# --- when the handler fails ---


def test_a_full_disk_halts_everyone_and_costs_no_attempt(make: Callable[..., Queues]) -> None:
    queues = make(max_attempts=1)
    queues.tasks.put(images(10))

    def handler(task: Task) -> Result:
        if task.url == image(3).url:
            raise errors.StorageFull("no room for 3.png")
        return saved(task)

    with pytest.raises(errors.StorageFull, match=r"no room for 3\.png"):
        a_worker(queues, handler, state=worker_state(threads=1)).run()
    stats = queues.tasks.stats()
    assert stats.halted == "no room for 3.png"
    assert (stats.images.done, stats.images.ready, stats.images.dead) == (3, 7, 0)


def test_a_full_disk_is_told_even_if_the_queue_has_gone_too(
    make: Callable[..., Queues], caplog: pytest.LogCaptureFixture
) -> None:
    queues = Over(make())
    queues.tasks.put(images(1))
    queues.tasks.halt = queues.tasks.release = unreachable

    def handler(task: Task) -> Result:
        raise errors.StorageFull("no room")

    with caplog.at_level(logging.WARNING), pytest.raises(errors.StorageFull):
        a_worker(queues, handler).run()
    assert "could not tell the others to stop" in caplog.text
    assert "could not give 0 tasks back" in caplog.text


def test_a_fault_of_the_handler_is_raised_and_its_task_is_charged(make: Callable[..., Queues]) -> None:
    queues = make()
    queues.tasks.put(images(3))

    def handler(task: Task) -> Result:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        a_worker(queues, handler, state=worker_state(threads=1)).run()
    stats = queues.tasks.stats()
    assert stats.halted is None
    assert stats.images.ready == 3
    attempts = {task.url: task.attempt for task in take(queues, worker_state("w2"))}
    assert attempts == {image(0).url: 2, image(1).url: 1, image(2).url: 1}


# --- when the queue fails ---


@pytest.mark.parametrize("call", ["lease", "put", "heartbeat"])
def test_an_unreachable_queue_ends_it_with_the_error(make: Callable[..., Queues], call: str) -> None:
    queues = Over(make())
    queues.tasks.put([*images(3), page(1)])
    setattr(queues.results if call == "put" else queues.tasks, call, unreachable)
    with pytest.raises(errors.QueueUnreachable, match="no answer"):
        a_worker(queues, heartbeat_s=0.02).run()


def test_a_full_disk_under_the_queue_ends_it_with_that_error(make: Callable[..., Queues]) -> None:
    queues = Over(make())
    queues.tasks.put(images(3))

    def full(results: Sequence[Result]) -> None:
        raise errors.StorageFull("no room for crawl.db")

    queues.results.put = full
    with pytest.raises(errors.StorageFull, match=r"crawl\.db"):
        a_worker(queues).run()
    assert queues.tasks.stats().images.ready == 3


def test_tasks_that_are_another_workers_by_now_are_not_begun(
    make: Callable[..., Queues], caplog: pytest.LogCaptureFixture
) -> None:
    queues = make(lease_s=30.0)
    queues.tasks.put([*images(6), page(1)])
    begun: list[str] = []
    go_on = threading.Event()

    def handler(task: Task) -> Result:
        begun.append(task.url)
        go_on.wait(5)
        return saved(task)

    me = a_worker(queues, handler, state=worker_state(threads=1), heartbeat_s=0.05)
    with caplog.at_level(logging.WARNING), in_thread(me.run):
        wait_until(lambda: queues.tasks.stats().images.leased == 6 and begun)
        others: list[Task] = []
        while not others:  # between two signs of life
            queues.pass_time(31.0)
            others = take(queues, worker_state("w2"))
        wait_until(lambda: "given to other workers" in caplog.text)
        go_on.set()
        wait_until(lambda: queues.tasks.stats().images.done >= 1)
        queues.results.put([saved(task) for task in others])
        me.stop()
    assert set(begun) & {task.url for task in others} == {begun[0]} & {task.url for task in others}
    assert queues.tasks.stats().images.unsettled + queues.tasks.stats().images.done == 6


def test_heartbeats_go_on_while_the_last_task_is_finished(make: Callable[..., Queues]) -> None:
    queues = Over(make())
    queues.tasks.put(images(1))
    beats: list[tuple[Token, ...]] = []
    go_on = threading.Event()
    below = queues.tasks.below.heartbeat

    def heartbeat(worker: WorkerState, *, held: Sequence[Token]) -> Heartbeat:
        beats.append(tuple(held))
        return below(worker, held=held)

    queues.tasks.heartbeat = heartbeat

    def handler(task: Task) -> Result:
        go_on.wait(5)
        return saved(task)

    me = a_worker(queues, handler, heartbeat_s=0.01)
    with in_thread(me.run):
        wait_until(lambda: any(beats))
        me.stop()
        seen = len(beats)
        wait_until(lambda: len(beats) > seen + 2)
        assert all(len(held) == 1 for held in beats[seen:])
        go_on.set()


def test_a_task_that_was_lost_and_leased_again_may_run_twice() -> None:
    """Cut off for longer than its lease, in mid-download, a worker may be given the same task once more."""

    def batch(number: int, serial: int) -> Batch:
        task = Task(id=number, serial=serial, kind=TaskKind.IMAGE, url="u", depth=0, attempt=serial)
        return Batch(host="a", slots=2, tasks=(task,))

    hand = HeldTasks()
    hand.deal([batch(5, 1)])
    first = hand.take()
    hand.deal([batch(5, 2)])
    second = hand.take()
    assert first is not None
    assert second is not None
    assert [task.serial for task in hand.running()] == [1, 2]
    for _, task in (first, second):
        hand.finished(task)
        hand.settled([task.token])
    assert hand.held() == hand.running() == ()
    hand.deal([batch(6, 1)])
    assert hand.take() is not None, "its host is not blocked"


def test_what_was_lost_is_dropped_and_not_what_was_leased_since() -> None:
    lost = Task(id=5, serial=1, kind=TaskKind.IMAGE, url="u", depth=0, attempt=1)
    again = msgspec.structs.replace(lost, serial=2)
    hand = HeldTasks()
    hand.deal([Batch(host="a", slots=1, tasks=(lost,)), Batch(host="a", slots=1, tasks=(again,))])
    assert hand.drop([lost.token]) == 1
    assert hand.held() == (again.token,)
    item = hand.take()
    assert item is not None
    assert item[1] == again


def test_a_fault_of_its_own_ends_a_worker_rather_than_a_thread_of_it(
    make: Callable[..., Queues], monkeypatch: pytest.MonkeyPatch
) -> None:
    queues = make()
    queues.tasks.put(images(2))
    me = a_worker(queues)
    monkeypatch.setattr(me._held, "finished", lambda *_: {}["x"])
    with pytest.raises(KeyError):
        me.run()


def test_a_paused_worker_gives_back_what_it_has_not_begun_and_goes_on_later(
    make: Callable[..., Queues],
) -> None:
    queues = make()
    queues.tasks.put(images(6))
    go_on = threading.Event()

    def handler(task: Task) -> Result:
        go_on.wait(5)
        return saved(task)

    me = a_worker(queues, handler, state=worker_state(threads=1), heartbeat_s=0.01)
    with in_thread(me.run) as outcome:
        wait_until(lambda: queues.tasks.stats().images.leased > 1)
        queues.tasks.pause()
        wait_until(lambda: queues.tasks.stats().images.leased == 1)
        go_on.set()
        wait_until(lambda: queues.tasks.stats().images.done == 1)
        assert holds(lambda: queues.tasks.stats().images.done == 1, for_s=0.05), "nothing is begun meanwhile"
        queues.tasks.resume()
    assert outcome == [None]
    stats = queues.tasks.stats()
    assert (stats.images.done, stats.balanced) == (6, True)
    assert {record.attempts for record in queues.results.get().records} == {1}


def test_a_worker_with_its_hands_full_hears_of_a_stop_by_its_heartbeat(make: Callable[..., Queues]) -> None:
    queues = make()
    queues.tasks.put(images(20))
    begun: list[str] = []
    go_on = threading.Event()

    def handler(task: Task) -> Result:
        begun.append(task.url)
        go_on.wait(5)
        return saved(task)

    me = a_worker(queues, handler, state=worker_state(threads=2), heartbeat_s=0.01)
    with in_thread(me.run) as outcome:
        wait_until(lambda: len(begun) == 2)
        queues.tasks.stop("enough for today")
        wait_until(lambda: me._held._closed)
        go_on.set()
    assert outcome == [None]
    stats = queues.tasks.stats()
    assert (stats.images.done, stats.images.ready, stats.workers) == (2, 18, ())


def test_a_full_disk_of_a_machine_of_its_own_halts_nobody_else(make: Callable[..., Queues]) -> None:
    queues = make()
    queues.tasks.put(images(3))

    def handler(task: Task) -> Result:
        raise StorageFull("no room here")

    with pytest.raises(StorageFull, match="no room here"):
        a_worker(queues, handler, state=worker_state(threads=1), halts_crawl=False).run()
    stats = queues.tasks.stats()
    assert (stats.halted, stats.images.ready, stats.workers) == (None, 3, ())
    (task, *_) = take(queues, worker_state("w2"))
    assert task.attempt == 1, "it is not the task's fault"


def test_a_handler_whose_storage_can_not_be_reached_settles_nothing(make: Callable[..., Queues]) -> None:
    queues = make()
    queues.tasks.put(images(1))

    def handler(task: Task) -> Result:
        raise QueueUnreachable("the manager has gone")

    with pytest.raises(QueueUnreachable):
        a_worker(queues, handler, state=worker_state(threads=1)).run()
    assert queues.tasks.stats().images.done == 0


def test_a_worker_tells_of_some_of_its_tasks_and_of_their_number(make: Callable[..., Queues]) -> None:
    """There may be hundreds, with URLs of any length: all of all workers have to fit into one message."""
    queues = make(per_host=20)
    queues.tasks.put(
        [NewTask(kind=TaskKind.IMAGE, url=f"http://a.example/{'x' * 1000}{n}") for n in range(9)]
    )
    go_on = threading.Event()

    def handler(task: Task) -> Result:
        go_on.wait(5)
        return saved(task)

    me = a_worker(queues, handler, state=worker_state(threads=9), heartbeat_s=0.01)
    with in_thread(me.run):
        wait_until(lambda: any(who.running == 9 for who in queues.tasks.stats().workers))
        (who,) = queues.tasks.stats().workers
        assert [len(url) for url in who.busy] == [300, 300, 300]
        go_on.set()


class Silent:
    """A queue that has nothing and is never drained."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.tasks = self.results = self

    def lease(self, worker: WorkerState, *, wait_s: float, **_: object) -> Lease:
        self.asked.append(wait_s)
        working(0.01)
        return Lease()

    def heartbeat(self, *_: object, **__: object) -> Heartbeat:
        return Heartbeat()

    def release(self, *_: object) -> None: ...
    def leave(self, *_: object, **__: object) -> None: ...
    def get(self) -> RecordPage:
        return RecordPage()


def test_an_idle_worker_asks_with_patience() -> None:
    queue = Silent()
    me = a_worker(queue)
    with in_thread(me.run):
        wait_until(lambda: len(queue.asked) > 2)
        me.stop()
    assert set(queue.asked) == {worker_module.LONG_POLL_S}


# --- large results ---


def discovery(number: int, *, chars: int) -> NewTask:
    origin = Origin(page_url="http://a.example/", found_in="img", caption="c" * chars)
    return NewTask(kind=TaskKind.IMAGE, url=image(number).url, depth=1, origin=origin)


class Measured(Over):
    """Measures the messages that would cross the wire."""

    def __init__(self, queues: Queues) -> None:
        super().__init__(queues)
        self.sizes: list[int] = []
        for layer in (self.tasks, self.results):
            layer.put = self.measured(layer.below.put)

    def measured(self, below: Callable[[object], object]) -> Callable[[object], object]:
        def put(values: object) -> object:
            self.sizes.append(len(msgspec.msgpack.encode(values)))
            return below(values)

        return put


@pytest.mark.parametrize("even", [True, False])
def test_a_huge_page_is_put_in_several_messages(make: Callable[..., Queues], *, even: bool) -> None:
    """However unevenly its texts are spread over what it found."""
    queues = Measured(make())
    queues.tasks.put([page(1)])
    found = tuple(discovery(n, chars=300 if even else (9000 if n < 600 else 1)) for n in range(8000))

    def handler(task: Task) -> Result:
        me.stop()
        return saved(task, discovered=found)

    me = a_worker(queues, handler, state=worker_state("h1", TaskKind.PAGE))
    me.run()
    assert sum(queues.sizes) > MAX_MESSAGE_BYTES / 2
    assert max(queues.sizes) <= worker_module.MESSAGE_BUDGET_BYTES * 1.01
    stats = queues.tasks.stats()
    assert (stats.pages.done, stats.images.ready) == (1, 8000)


def test_many_large_results_are_told_in_several_messages(make: Callable[..., Queues]) -> None:
    queues = Measured(make())
    queues.tasks.put(images(64))
    together = threading.Event()

    def handler(task: Task) -> Result:
        result = saved(task)
        record = msgspec.structs.replace(result.record, etag="e" * 60_000, last_modified="m" * 60_000)
        if task.url == image(63).url:
            together.set()
        together.wait(5)
        return msgspec.structs.replace(result, record=record)

    a_worker(queues, handler, state=worker_state(threads=64), lease_batch=64).run()
    assert queues.tasks.stats().images.done == 64
    assert sum(queues.sizes) > MAX_MESSAGE_BYTES
    assert max(queues.sizes) <= worker_module.MESSAGE_BUDGET_BYTES * 1.01


def test_a_result_gets_no_second_chance_to_be_sent_out_of_order(make: Callable[..., Queues]) -> None:
    """What a huge page found is in the queue before the page is settled, so that nothing is lost in between."""
    queues = Over(make())
    queues.tasks.put([page(1)])
    order: list[str] = []
    tasks_put, results_put = queues.tasks.below.put, queues.results.below.put
    queues.tasks.put = lambda new: order.append("found") or tasks_put(new)
    queues.results.put = lambda results: order.append("settled") or results_put(results)
    found = tuple(discovery(n, chars=500) for n in range(5000))

    def handler(task: Task) -> Result:
        me.stop()
        return saved(task, discovered=found)

    me = a_worker(queues, handler, state=worker_state("h1", TaskKind.PAGE))
    me.run()
    assert len(order) >= 3
    assert order[-1] == "settled"
    assert set(order[:-1]) == {"found"}


# --- tasks that take for ever ---


def test_a_worker_with_a_thread_that_never_comes_back_ends_and_says_so(make: Callable[..., Queues]) -> None:
    queues = make()
    queues.tasks.put([image(1), image(2)])
    never = threading.Event()

    def handle(task: Task) -> Result:
        if task.url == image(1).url:
            never.wait()
        return saved(task)

    one = Worker(
        msgspec.structs.replace(worker_state(), threads=2),
        tasks=queues.tasks,
        results=queues.results,
        handler=handle,
        lease_batch=8,
        heartbeat_s=0.05,
        max_lease_s=0.4,
    )
    begun = time.monotonic()
    with pytest.raises(errors.WorkerStuck, match=re.escape(image(1).url)):
        one.run()
    taken_s = time.monotonic() - begun
    assert taken_s > 0.4
    assert soon(taken_s, 5)
    stats = queues.tasks.stats()
    assert (stats.images.done, stats.images.ready, stats.images.leased) == (1, 1, 0)
    (again,) = take(queues, worker_state("w2"))
    assert (again.url, again.attempt) == (image(1).url, 2)
    never.set()


def test_what_has_waited_for_long_is_given_back_uncharged(make: Callable[..., Queues]) -> None:
    queues = make(per_host=1)
    queues.tasks.put(images(6))
    done: list[Task] = []

    def handle(task: Task) -> Result:
        working(0.15)
        done.append(task)
        return saved(task)

    Worker(
        msgspec.structs.replace(worker_state(), threads=1),
        tasks=queues.tasks,
        results=queues.results,
        handler=handle,
        lease_batch=8,
        heartbeat_s=0.05,
        max_lease_s=0.6,
    ).run()
    assert sorted(task.url for task in done) == sorted(new.url for new in images(6))
    assert {task.attempt for task in done} == {1}
    assert max(task.serial for task in done) > 1, "some were leased twice"
