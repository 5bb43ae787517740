"""What every queue engine promises (crawler/queues/__init__.py); only the two protocols are used here."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest

from crawler.config import QueueConfig, ScopeConfig
from crawler.models import (
    ORIGIN_FIELDS,
    Alternative,
    Heartbeat,
    ImageRecord,
    ImageStatus,
    NewTask,
    Origin,
    PageRecord,
    PageStatus,
    Result,
    Task,
    TaskKind,
    Token,
    WorkerState,
)
from crawler.urls import host_key
from tests.support.cpu_time import soon
from tests.support.queues import (
    HARVESTER,
    Queues,
    books,
    connected,
    embedded,
    failed,
    file_of,
    image,
    images,
    in_redis,
    in_thread,
    lease,
    page,
    saved,
    served,
    take,
    tokens,
    wait_until,
    worker,
)

LEASE_S = 30.0
Engine = Callable[[pytest.FixtureRequest, Path, QueueConfig, ScopeConfig], AbstractContextManager[Queues]]


@contextmanager
def direct_ledger(
    request: pytest.FixtureRequest, folder: Path, queue: QueueConfig, scope: ScopeConfig
) -> Iterator[Queues]:
    with embedded(folder / "crawl.db", queue=queue, scope=scope) as (_, queues):
        yield queues


@contextmanager
def managed_ledger(
    request: pytest.FixtureRequest, folder: Path, queue: QueueConfig, scope: ScopeConfig
) -> Iterator[Queues]:
    with (
        embedded(folder / "crawl.db", queue=queue, scope=scope) as (ledger, queues),
        served(queues.tasks, queues.results, tick=ledger.tick) as server,
        connected(server) as manager,
    ):
        yield Queues(
            tasks=manager.get_task_queue(),
            results=manager.get_result_queue(),
            pass_time=queues.pass_time,
            waiting=queues.waiting,
        )


def kept_by(server: str, *, shards: int = 1) -> Engine:
    """In the server that the fixture of that name has."""

    @contextmanager
    def engine(
        request: pytest.FixtureRequest, folder: Path, queue: QueueConfig, scope: ScopeConfig
    ) -> Iterator[Queues]:
        url = request.getfixturevalue(server).url
        queue = msgspec.structs.replace(queue, queue_shards=shards)
        with in_redis(url, folder.name, queue=queue, scope=scope) as queues:
            yield queues

    return engine


ENGINES: dict[str, Engine] = {
    "ledger": direct_ledger,
    "manager": managed_ledger,
    "redis": kept_by("redis_server"),
    "valkey": kept_by("valkey_server"),
    "cluster": kept_by("redis_cluster", shards=3),
}


@pytest.fixture(name="make", params=ENGINES)
def a_maker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Queues]]:
    """Makes the test's queues, with such settings as it wants."""
    scope_keys = set(ScopeConfig.__struct_fields__)
    with ExitStack() as stack:

        def make(**settings: float) -> Queues:
            scope = ScopeConfig(**{key: value for key, value in settings.items() if key in scope_keys})
            others = {key: value for key, value in settings.items() if key not in scope_keys}
            queue = QueueConfig(**{"lease_s": LEASE_S, "per_host": 100, **others})
            return stack.enter_context(ENGINES[request.param](request, tmp_path, queue, scope))

        yield make


@pytest.fixture(name="queues")
def some_queues(make: Callable[..., Queues]) -> Queues:
    return make()


def all_records(queues: Queues) -> list[ImageRecord | PageRecord]:
    found = queues.results.get(after=0, limit=200)
    return list(found.records)


# --- putting ---


def test_a_url_is_one_task_however_often_it_is_put(queues: Queues) -> None:
    assert queues.tasks.put([image(1), image(2), image(1)]) == 2
    assert queues.tasks.put([image(2), image(3)]) == 1
    assert queues.tasks.put([]) == 0
    assert [task.url for task in take(queues)] == [image(n).url for n in (1, 2, 3)]
    assert queues.tasks.put([image(1)]) == 0, "a task on lease is known, too"
    assert queues.tasks.stats().images.discovered == 3


def test_a_settled_url_is_not_queued_again(queues: Queues) -> None:
    queues.tasks.put([image(1)])
    (task,) = take(queues)
    queues.results.put([saved(task)])
    assert queues.tasks.put([image(1)]) == 0
    assert lease(queues).drained


def test_a_page_and_an_image_of_one_url_are_two_tasks(queues: Queues) -> None:
    url = "http://a.example/both"
    kinds = (TaskKind.PAGE, TaskKind.IMAGE)
    assert queues.tasks.put([NewTask(kind=kind, url=url) for kind in kinds]) == 2
    (as_image,), (as_page,) = take(queues), take(queues, HARVESTER)
    assert (as_image.kind, as_page.kind) == (TaskKind.IMAGE, TaskKind.PAGE)
    assert as_image.url == as_page.url == url


def test_a_task_arrives_as_it_was_put(queues: Queues) -> None:
    origin = Origin(
        page_url="http://a.example/%C3%A4", found_in="img", alt="«alt» \U0001f33b", title="t", caption="c",
        heading="h", page_title="p",
    )  # fmt: skip
    queues.tasks.put([NewTask(kind=TaskKind.IMAGE, url=image(1).url, depth=3, origin=origin)])
    (task,) = take(queues)
    assert (task.url, task.depth, task.origin, task.attempt) == (image(1).url, 3, origin, 1)


# --- leasing ---


def test_tasks_of_one_host_come_in_the_order_in_which_they_were_put(queues: Queues) -> None:
    queues.tasks.put(images(30))
    urls = []
    for _ in range(3):
        tasks = take(queues, count=10)
        urls += [task.url for task in tasks]
        queues.results.put([saved(task) for task in tasks])
    assert urls == [new.url for new in images(30)]


def test_no_lease_has_more_tasks_than_were_asked_for(queues: Queues) -> None:
    queues.tasks.put(images(50) + images(50, host="b"))
    for count in (1, 7, 20):
        assert len(take(queues, worker(f"w{count}"), count=count)) == count


def test_a_lease_is_no_larger_than_the_queue_allows(make: Callable[..., Queues]) -> None:
    queues = make(lease_batch=5)
    queues.tasks.put(images(50))
    assert len(take(queues, count=200)) == 5


def test_slots_are_shared_out_among_the_hosts_of_a_lease(queues: Queues) -> None:
    queues.tasks.put([new for host in "abcde" for new in images(20, host)])
    batches = lease(queues, count=100, slots=3).batches
    assert batches
    assert sum(batch.slots for batch in batches) <= 3
    for batch in batches:
        assert 1 <= batch.slots <= len(batch.tasks)
        assert all(task.url.startswith(batch.host + "/") for task in batch.tasks)


def test_a_worker_gets_tasks_of_its_kind_only(queues: Queues) -> None:
    queues.tasks.put([image(1), page(1)])
    assert [task.kind for task in take(queues, HARVESTER)] == [TaskKind.PAGE]
    assert [task.kind for task in take(queues)] == [TaskKind.IMAGE]


def test_no_task_is_on_lease_twice(queues: Queues) -> None:
    queues.tasks.put(images(40))
    first, second = take(queues, worker("w1"), count=20), take(queues, worker("w2"), count=20)
    assert first
    assert second
    assert not {task.id for task in first} & {task.id for task in second}


def test_a_host_gets_no_more_requests_at_a_time_than_allowed_by_all_workers_together(
    make: Callable[..., Queues],
) -> None:
    queues = make(per_host=4)
    queues.tasks.put(images(500))
    slots = {}
    for name in ("w1", "w2", "w3", "w4", "w5", "w6"):
        for batch in lease(queues, worker(name), count=10).batches:
            slots[name] = batch.slots
    assert 1 <= sum(slots.values()) <= 4


def test_a_slot_of_a_host_is_free_again_once_its_task_is_settled(make: Callable[..., Queues]) -> None:
    queues = make(per_host=1)
    queues.tasks.put(images(20))
    first = take(queues, worker("w1"), count=1)
    assert len(first) == 1
    assert take(queues, worker("w2")) == []
    queues.results.put([saved(first[0])])
    assert take(queues, worker("w2"))


def test_a_busy_host_does_not_keep_others_waiting(make: Callable[..., Queues]) -> None:
    queues = make(per_host=1)
    queues.tasks.put(images(20))
    first = lease(queues, worker("w1"), slots=1)
    queues.tasks.put([image(1, "b")])
    assert [batch.host for batch in first.batches] == ["http://a.example"]
    assert [task.url for task in take(queues, worker("w2"))] == [image(1, "b").url]


def test_a_delay_lies_between_two_tasks_of_a_host(make: Callable[..., Queues]) -> None:
    queues = make(delay_s=5.0)
    queues.tasks.put(images(3) + images(1, "b"))
    first = take(queues)
    assert sorted(task.url for task in first) == [image(0).url, image(0, "b").url]
    queues.results.put([saved(task) for task in first])
    assert take(queues) == []
    queues.pass_time(4.0)
    assert take(queues) == []
    queues.pass_time(1.5)
    (second,) = take(queues)
    assert second.url == image(1).url
    assert take(queues, held=[second]) == []


def test_the_delay_holds_for_all_workers_together(make: Callable[..., Queues]) -> None:
    queues = make(delay_s=5.0)
    queues.tasks.put(images(10))
    got = [len(take(queues, worker(f"w{n}"))) for n in range(4)]
    assert sorted(got) == [0, 0, 0, 1]


def test_a_waiting_worker_is_served_when_the_delay_is_over(make: Callable[..., Queues]) -> None:
    queues = make(delay_s=0.2)
    queues.tasks.put(images(2))
    (first,) = take(queues)
    started = time.monotonic()
    (second,) = take(queues, held=[first], wait_s=5.0)
    assert second.url == image(1).url
    taken_s = time.monotonic() - started
    assert taken_s > 0.1
    assert soon(taken_s, 1.0)


# --- what is held ---


def test_a_lost_reply_heals_with_the_next_call(queues: Queues) -> None:
    """The lease's reply never arrived, so that the worker does not name those tasks."""
    queues.tasks.put(images(3))
    lost = take(queues)
    again = take(queues, held=[])
    assert [task.url for task in again] == [task.url for task in lost]
    assert [task.attempt for task in again] == [1, 1, 1], "the worker never had them"
    assert not set(tokens(again)) & set(tokens(lost)), "a token is issued once"


def test_what_is_held_stays_held(queues: Queues) -> None:
    queues.tasks.put(images(3))
    held = take(queues)
    assert take(queues, held=held) == []
    assert queues.tasks.stats().images.leased == 3


def test_a_worker_can_not_hold_what_is_anothers(queues: Queues) -> None:
    queues.tasks.put(images(2))
    theirs = take(queues, worker("w1"))
    take(queues, worker("w2"), held=theirs)
    assert queues.tasks.heartbeat(worker("w2"), held=tokens(theirs)).lost == tuple(tokens(theirs))
    assert queues.tasks.heartbeat(worker("w1"), held=tokens(theirs)).lost == ()


def test_a_heartbeat_renews_the_leases(queues: Queues) -> None:
    queues.tasks.put(images(2))
    held = take(queues)
    for _ in range(3):
        queues.pass_time(LEASE_S * 0.7)
        assert queues.tasks.heartbeat(worker(), held=tokens(held)).lost == ()
    assert queues.tasks.stats().images.leased == 2


def test_asking_for_more_renews_the_leases_too(queues: Queues) -> None:
    queues.tasks.put(images(2))
    held = take(queues)
    for _ in range(3):
        queues.pass_time(LEASE_S * 0.7)
        assert take(queues, held=held) == []
    assert queues.tasks.heartbeat(worker(), held=tokens(held)).lost == ()


@pytest.mark.parametrize("call", ["heartbeat", "lease"])
def test_no_lease_is_renewed_for_ever(make: Callable[..., Queues], call: str) -> None:
    """A worker may be alive, and never come back with a task: it goes to another, charged, and is dead at the end."""
    queues = make(max_lease_s=3 * LEASE_S, max_attempts=2)
    queues.tasks.put([image(1)])
    for attempt in (1, 2):
        me = worker(f"w{attempt}")
        (held,) = take(queues, me)
        assert held.attempt == attempt
        lost: tuple[Token, ...] = ()
        for renewal in range(7):
            queues.pass_time(LEASE_S * 0.5)
            if call == "heartbeat":
                lost = queues.tasks.heartbeat(me, held=tokens([held])).lost
            elif renewal < 5:
                lease(queues, me, held=[held], count=0)
            assert (queues.tasks.stats().images.leased == 1) == (renewal < 5) or call == "lease"
        assert not lost or lost == (held.token,)
        queues.tasks.heartbeat(me, held=())
    (record,) = all_records(queues)
    assert (record.status, record.reason, record.attempts) == (ImageStatus.DEAD, "lease-expired", 2)
    assert lease(queues, worker("w3")).drained


def test_what_was_leased_later_has_a_time_of_its_own(make: Callable[..., Queues]) -> None:
    queues = make(max_lease_s=2 * LEASE_S)
    queues.tasks.put([image(1)])
    (first,) = take(queues)
    queues.pass_time(LEASE_S * 0.9)
    queues.tasks.put([image(2)])
    (second,) = take(queues, held=[first])
    queues.pass_time(LEASE_S * 0.9)
    assert queues.tasks.heartbeat(worker(), held=tokens([first, second])).lost == ()
    queues.pass_time(LEASE_S * 0.9)
    assert queues.tasks.heartbeat(worker(), held=tokens([first, second])).lost == (first.token,)


def test_a_silent_workers_tasks_go_to_another(queues: Queues) -> None:
    queues.tasks.put(images(2))
    first = take(queues, worker("w1"))
    queues.pass_time(LEASE_S * 1.2)
    second = take(queues, worker("w2"))
    assert [task.url for task in second] == [task.url for task in first]
    assert [task.attempt for task in second] == [2, 2]
    assert all(new.serial > old.serial for new, old in zip(second, first, strict=True))
    assert queues.tasks.heartbeat(worker("w1"), held=tokens(first)).lost == tuple(tokens(first))
    assert queues.tasks.heartbeat(worker("w2"), held=tokens(second)).lost == ()


def test_a_late_result_counts_and_counts_once(queues: Queues) -> None:
    queues.tasks.put([image(1)])
    (first,) = take(queues, worker("w1"))
    queues.pass_time(LEASE_S * 1.2)
    (second,) = take(queues, worker("w2"))
    queues.results.put([saved(first)])
    assert queues.tasks.heartbeat(worker("w2"), held=tokens([second])).lost == (second.token,)
    queues.results.put([failed(second)])
    (record,) = all_records(queues)
    assert record.status is ImageStatus.SAVED
    assert lease(queues, worker("w2"), held=[second]).drained


def test_a_late_result_counts_while_the_task_waits_to_be_leased_again(queues: Queues) -> None:
    queues.tasks.put(images(2))
    first = take(queues, worker("w1"))
    queues.pass_time(LEASE_S * 1.2)
    assert queues.tasks.stats().images.ready == 2
    queues.results.put([saved(first[0])])
    assert [task.url for task in take(queues, worker("w2"))] == [first[1].url]


def test_a_late_result_counts_while_the_task_waits_for_its_second_try(queues: Queues) -> None:
    queues.tasks.put([image(1)])
    (first,) = take(queues, worker("w1"))
    queues.pass_time(LEASE_S * 1.2)
    (second,) = take(queues, worker("w2"))
    queues.results.put([failed(second, retry_in_s=100.0)])
    assert queues.tasks.stats().images.delayed == 1
    queues.results.put([saved(first)])
    assert [record.status for record in all_records(queues)] == [ImageStatus.SAVED]
    queues.pass_time(101.0)
    assert lease(queues, worker("w3")).drained


def test_tasks_that_are_released_are_ready_at_once_and_not_charged(make: Callable[..., Queues]) -> None:
    queues = make(max_attempts=1)
    queues.tasks.put(images(3))
    for _ in range(4):
        held = take(queues)
        assert [task.attempt for task in held] == [1, 1, 1]
        queues.tasks.release(worker(), tokens(held))
    assert queues.tasks.stats().images.ready == 3


def test_only_the_holder_can_release(queues: Queues) -> None:
    queues.tasks.put(images(2))
    held = take(queues, worker("w1"))
    queues.tasks.release(worker("w2"), tokens(held))
    queues.tasks.release(
        worker("w1"), [Token(id=held[0].id, serial=held[0].serial + 1), Token(id=999, serial=1)]
    )
    assert queues.tasks.stats().images.leased == 2


@pytest.mark.parametrize(("charged", "attempt"), [(False, 1), (True, 2)])
def test_the_tasks_of_a_worker_that_left_are_ready_at_once(
    queues: Queues, *, charged: bool, attempt: int
) -> None:
    queues.tasks.put(images(3))
    take(queues, worker("w1"))
    queues.tasks.leave("w1", charged=charged)
    assert [task.attempt for task in take(queues, worker("w2"))] == [attempt] * 3


def test_a_worker_that_left_gets_no_more(queues: Queues) -> None:
    queues.tasks.put(images(3))
    held = take(queues, worker("w1"), count=1)
    queues.tasks.leave("w1", charged=False)
    answer = lease(queues, worker("w1"), held=held, wait_s=5.0)
    assert answer.batches == ()
    assert answer.halted
    assert queues.tasks.heartbeat(worker("w1"), held=tokens(held)).lost == tuple(tokens(held))
    assert queues.tasks.stats().images.ready == 3
    assert queues.tasks.stats().workers == ()


def test_a_task_whose_workers_all_vanish_dies_with_a_record(make: Callable[..., Queues]) -> None:
    queues = make(max_attempts=3)
    origin = Origin(page_url="http://a.example/", found_in="img", alt="poison")
    queues.tasks.put([NewTask(kind=TaskKind.IMAGE, url=image(1).url, depth=2, origin=origin), page(1)])
    for attempt in (1, 2, 3):
        for who in (worker(f"w{attempt}"), worker(f"h{attempt}", TaskKind.PAGE)):
            assert [task.attempt for task in take(queues, who)] == [attempt]
        queues.pass_time(LEASE_S * 1.2)
    assert lease(queues, worker("w4")).drained
    by_kind = {type(record): record for record in all_records(queues)}
    dead = by_kind[ImageRecord]
    assert isinstance(dead, ImageRecord)
    assert (dead.status, dead.reason, dead.attempts) == (ImageStatus.DEAD, "lease-expired", 3)
    assert (dead.url, dead.page_url, dead.alt, dead.depth) == (image(1).url, origin.page_url, "poison", 2)
    assert by_kind[PageRecord].status is PageStatus.DEAD
    stats = queues.tasks.stats()
    assert (stats.images.dead, stats.pages.dead) == (1, 1)
    assert stats.image_reasons == {"lease-expired": 1}
    assert stats.balanced


def test_a_dead_task_stays_dead(make: Callable[..., Queues]) -> None:
    queues = make(max_attempts=1)
    queues.tasks.put([image(1)])
    (task,) = take(queues)
    queues.pass_time(LEASE_S * 1.2)
    queues.results.put([saved(task)])
    assert [record.status for record in all_records(queues)] == [ImageStatus.DEAD]


# --- results ---


def test_a_result_settles_its_task_and_is_kept(queues: Queues) -> None:
    queues.tasks.put([image(1), page(1)])
    queues.results.put([saved(task) for task in take(queues) + take(queues, HARVESTER)])
    assert [record.url for record in all_records(queues)] == [image(1).url, page(1).url]
    stats = queues.tasks.stats()
    assert (stats.images.done, stats.pages.done) == (1, 1)
    assert (stats.image_status, stats.page_status) == ({"saved": 1}, {"harvested": 1})
    assert stats.saved_bytes == 10
    assert stats.drained
    assert stats.balanced


def test_a_second_result_changes_nothing(queues: Queues) -> None:
    queues.tasks.put([page(1)])
    (task,) = take(queues, HARVESTER)
    queues.results.put([saved(task)])
    before = books(queues)
    queues.results.put([failed(task, discovered=(image(1),), host_pause_s=50.0)])
    queues.results.put([failed(task, retry_in_s=1.0)])
    queues.results.put([saved(task), saved(task)])
    assert books(queues) == before
    assert len(all_records(queues)) == 1
    queues.tasks.put([image(2)])
    assert len(take(queues)) == 1, "the host is not paused either"


def test_one_message_with_the_same_result_twice_counts_once(queues: Queues) -> None:
    queues.tasks.put([image(1)])
    (task,) = take(queues)
    queues.results.put([saved(task), failed(task)])
    assert [record.status for record in all_records(queues)] == [ImageStatus.SAVED]


def test_a_result_for_a_task_that_never_was_changes_nothing(queues: Queues) -> None:
    queues.tasks.put([image(1)])
    (task,) = take(queues)
    before = books(queues)
    for token in (Token(id=task.id + 1, serial=1), Token(id=task.id, serial=task.serial + 1)):
        stranger = saved(task, discovered=(image(5),), host_pause_s=9.0)
        queues.results.put([msgspec.structs.replace(stranger, token=token)])
    assert books(queues) == before
    assert queues.tasks.heartbeat(worker(), held=[task.token]).lost == ()


def test_a_stale_wish_to_retry_changes_nothing(queues: Queues) -> None:
    queues.tasks.put([image(1)])
    (first,) = take(queues, worker("w1"))
    queues.pass_time(LEASE_S * 1.2)
    (second,) = take(queues, worker("w2"))
    queues.results.put([failed(first, retry_in_s=500.0, host_pause_s=500.0)])
    assert queues.tasks.heartbeat(worker("w2"), held=tokens([second])).lost == ()
    assert queues.tasks.stats().images.leased == 1


def test_a_retry_is_due_after_its_delay(queues: Queues) -> None:
    queues.tasks.put([image(1)])
    (task,) = take(queues)
    queues.results.put([failed(task, retry_in_s=20.0)])
    assert queues.tasks.stats().images.delayed == 1
    assert not lease(queues).drained
    queues.pass_time(19.0)
    assert take(queues) == []
    queues.pass_time(1.5)
    (again,) = take(queues)
    assert (again.url, again.attempt) == (task.url, 2)
    assert all_records(queues) == []


def test_what_has_failed_comes_after_the_rest(queues: Queues) -> None:
    """It may fail again, and take its time; what is fine does not wait for it."""
    queues.tasks.put(images(6))
    first = take(queues, count=2)
    queues.results.put([failed(task, retry_in_s=1.0) for task in first])
    queues.pass_time(1.5)
    found = take(queues, count=3)
    assert [task.url for task in found] == [image(n).url for n in (2, 3, 4)]
    queues.results.put([saved(task) for task in found])
    assert [task.attempt for task in take(queues, count=9)] == [1, 2, 2]


def broken(task: Task, status: int = 500) -> Result:
    result = failed(task, retry_in_s=1.0)
    record = msgspec.structs.replace(result.record, http_status=status, attempts=task.attempt)
    return msgspec.structs.replace(result, record=record)


def test_a_host_that_is_broken_is_slowed_down_and_asked_for_all(make: Callable[..., Queues]) -> None:
    queues = make(per_host=8, max_attempts=3, host_patience_s=1000.0)
    queues.tasks.put(images(20))
    visits: Counter[str] = Counter()
    most = 0
    while not queues.tasks.stats().drained:
        tasks = take(queues, count=8, slots=8)
        if sum(visits.values()) > 8:
            most = max(most, len(tasks))
        visits.update(task.url for task in tasks)
        queues.results.put([broken(task) for task in tasks])
        if not tasks:
            queues.pass_time(1.1)
        assert {host.trouble for host in queues.tasks.status().hosts} <= {"", "only errors"}
    assert set(visits.values()) == {3}
    assert most == 4
    assert queues.tasks.stats().image_reasons == {"server-error": 20}


def test_with_nothing_but_errors_for_long_each_is_asked_for_once(make: Callable[..., Queues]) -> None:
    queues = make(per_host=8, host_patience_s=10.0)
    queues.tasks.put(images(30))
    queues.results.put([broken(task) for task in take(queues, count=8, slots=8)])
    assert queues.tasks.stats().images.delayed == 8
    queues.pass_time(11.0)
    asked = []
    while not queues.tasks.stats().drained:
        tasks = take(queues, count=8, slots=8)
        asked += tasks
        queues.results.put([broken(task) for task in tasks])
    assert [task.attempt for task in asked] == [1] * 22 + [2] * 8
    assert queues.tasks.stats().image_reasons == {"server-error": 30}


@pytest.mark.parametrize("status", [502, 504, 0])
def test_what_fails_again_beside_a_healthy_rest_slows_nothing_down(
    make: Callable[..., Queues], status: int
) -> None:
    """However many there are, and though nothing else comes in between: each has its own delays."""
    queues = make(per_host=8, max_attempts=4)
    queues.tasks.put(images(40))
    waited_s = 0.0
    while not queues.tasks.stats().drained:
        tasks = take(queues, count=8, slots=8)
        queues.results.put(
            [
                broken(task, status) if int(task.url.split("/")[-1].split(".")[0]) % 3 == 0 else saved(task)
                for task in tasks
            ]
        )
        if not tasks:
            queues.pass_time(0.5)
            waited_s += 0.5
        assert not [host for host in queues.tasks.status().hosts if host.trouble]
    assert waited_s < 5
    assert queues.tasks.stats().image_reasons == {"server-error": 14}


def test_a_waiting_worker_is_served_when_a_retry_is_due(queues: Queues) -> None:
    queues.tasks.put([image(1)])
    (task,) = take(queues)
    queues.results.put([failed(task, retry_in_s=0.2)])
    started = time.monotonic()
    assert take(queues, wait_s=5.0)
    taken_s = time.monotonic() - started
    assert taken_s > 0.1
    assert soon(taken_s, 1.0)


def test_used_up_attempts_keep_the_record(make: Callable[..., Queues]) -> None:
    queues = make(max_attempts=2)
    queues.tasks.put([image(1)])
    for _ in range(2):
        (task,) = take(queues)
        queues.results.put([failed(task, "connection-lost", retry_in_s=1.0)])
        queues.pass_time(1.5)
    assert lease(queues).drained
    (record,) = all_records(queues)
    assert (record.status, record.reason) == (ImageStatus.FAILED, "connection-lost")


def test_a_host_can_ask_to_be_left_alone(queues: Queues) -> None:
    queues.tasks.put(images(3))
    (task,) = take(queues, count=1)
    assert task.url == image(0).url
    queues.tasks.put(images(1, "b"))
    queues.results.put([saved(task, host_pause_s=10.0)])
    (other,) = take(queues)
    assert other.url == image(0, "b").url
    queues.pass_time(9.0)
    assert take(queues, held=[other]) == []
    queues.pass_time(1.5)
    assert len(take(queues, held=[other])) == 2


def refused(task: Task, after_s: float = 0.0, **facts: object) -> Result:
    """It was 429."""
    return failed(task, "rate-limited", refused_for_s=after_s, retry_in_s=max(after_s, 2.0), **facts)


def test_what_one_url_asks_for_delays_that_url(make: Callable[..., Queues]) -> None:
    queues = make(per_host=8)
    queues.tasks.put(images(30))
    (task, *others) = take(queues, count=8, slots=8)
    queues.results.put([refused(task, 3600.0)])
    queues.tasks.release(worker(), tokens(others))
    (host,) = queues.tasks.status().hosts
    assert (host.trouble, host.last_reason, host.failures) == ("slowed", "rate-limited", 1)
    assert take(queues) == [], "its host is left alone for a moment"
    queues.pass_time(2.1)
    (probe,) = take(queues)
    assert take(queues, worker("w2")) == [], "one probe, for all workers"
    assert probe.url != task.url
    queues.results.put([saved(probe)])
    seen = set()
    for _ in range(29):
        queues.pass_time(5.0)
        for one in take(queues):
            seen.add(one.url)
            queues.results.put([saved(one)])
    stats = queues.tasks.stats()
    assert (stats.images.done, stats.images.delayed, task.url in seen) == (29, 1, False)
    queues.pass_time(3600.0)
    (last,) = take(queues)
    assert (last.url, last.attempt) == (task.url, 2)


def test_many_refusals_in_flight_are_one(make: Callable[..., Queues]) -> None:
    queues = make(per_host=8)
    queues.tasks.put(images(30))
    tasks = take(queues, count=8, slots=8)
    queues.results.put([refused(task) for task in tasks[:5]])
    queues.results.put([refused(task) for task in tasks[5:]])
    (host,) = queues.tasks.status().hosts
    assert host.failures == 8
    assert 0.5 < host.due_s <= 1.0
    assert queues.tasks.stats().images.delayed == 8


def test_refusals_of_the_host_use_no_attempt_up(make: Callable[..., Queues]) -> None:
    queues = make(per_host=8, max_attempts=2, host_patience_s=120.0)
    queues.tasks.put(images(3))
    attempts = 0
    for _ in range(6):
        for task in take(queues, count=1, slots=1):
            attempts = max(attempts, task.attempt)
            queues.results.put([refused(task)])
        queues.pass_time(8.5)
    assert attempts >= 2
    assert queues.tasks.stats().images.unsettled == 3
    while queues.tasks.stats().images.unsettled:
        queues.pass_time(8.5)
        queues.results.put([saved(task) for task in take(queues)])
    assert queues.tasks.stats().image_status == {"saved": 3}


def test_one_attempt_is_one_attempt(make: Callable[..., Queues]) -> None:
    queues = make(max_attempts=1)
    queues.tasks.put(images(2))
    for _ in range(2):
        (task,) = take(queues, count=1, slots=1)
        queues.results.put([refused(task)])
        queues.pass_time(5.0)
    assert queues.tasks.stats().image_reasons == {"rate-limited": 2}


def test_who_refuses_everything_is_given_up_at_last(make: Callable[..., Queues]) -> None:
    queues = make(per_host=2, host_patience_s=2.0)
    queues.tasks.put(images(30))
    for _ in range(20):
        queues.results.put([refused(task) for task in take(queues, count=1, slots=1)])
        queues.pass_time(5.0)
        if queues.tasks.stats().drained:
            break
    stats = queues.tasks.stats()
    assert stats.image_status == {"failed": 30}
    assert stats.image_reasons["host-down"] > 20
    records = [record for record in all_records(queues) if record.reason == "host-down"]
    assert all("last: rate-limited: " in record.detail for record in records)


def test_a_host_that_fails_again_and_again_is_left_alone_for_ever_longer(make: Callable[..., Queues]) -> None:
    queues = make(per_host=8)
    queues.tasks.put(images(100))
    queues.results.put([failed(task) for task in take(queues)])
    for pause_s in (1.0, 2.0, 4.0):
        assert take(queues) == []
        queues.pass_time(pause_s - 0.5)
        assert take(queues) == []
        queues.pass_time(0.6)
        (task,) = take(queues)
        assert take(queues, worker("w2")) == [], "one request at a time, by all workers together"
        queues.results.put([failed(task)])
    queues.pass_time(8.0)
    for in_flight in (1, 2, 4):
        tasks = take(queues)
        assert len(tasks) == in_flight, "each answer doubles it"
        queues.results.put([saved(tasks[0])])
        queues.tasks.release(worker(), tokens(tasks[1:]))
    assert len(take(queues)) > 8, "and all is well"


def test_what_waits_for_a_host_that_is_not_there_fails(make: Callable[..., Queues]) -> None:
    queues = make(per_host=8)
    queues.tasks.put([*images(100), image(1, "b")])
    queues.results.put([failed(task, "host-not-found") for task in take(queues) if "//a." in task.url])
    (host,) = [host for host in queues.tasks.status().hosts if host.trouble]
    assert (host.name, host.trouble, host.last_reason) == ("http://a.example", "down", "host-not-found")
    assert host.failures >= 3
    assert host.due_s == pytest.approx(600, abs=5)
    queues.pass_time(1.0)
    stats = queues.tasks.stats()
    assert stats.images.unsettled == 1, "but for the other host's"
    assert set(stats.image_reasons) == {"host-down", "host-not-found"}
    assert stats.image_status == {"failed": 100}


def test_a_worker_hears_which_hosts_it_shall_leave_alone(queues: Queues) -> None:
    queues.tasks.put(images(100))
    tasks = take(queues, count=32, slots=4)
    assert queues.tasks.heartbeat(worker(), held=tokens(tasks)).left_alone == ()
    queues.results.put([failed(task) for task in tasks[:4]])
    answer = queues.tasks.heartbeat(worker(), held=tokens(tasks[4:]))
    assert answer == Heartbeat(left_alone=("http://a.example",))
    queues.tasks.release(worker(), tokens(tasks[8:]))
    assert queues.tasks.heartbeat(worker(), held=tokens(tasks[4:8])) == Heartbeat(), "these it is at already"


def test_what_a_page_discovers_is_put_with_its_result(queues: Queues) -> None:
    queues.tasks.put([page(1)])
    (task,) = take(queues, HARVESTER)
    queues.results.put([saved(task, discovered=(image(1), page(2), page(1), image(1)))])
    assert not queues.tasks.stats().drained, "there is no moment at which all seems done"
    assert [found.url for found in take(queues)] == [image(1).url]
    assert [found.url for found in take(queues, HARVESTER)] == [page(2).url]


def test_a_result_that_can_not_be_right_does_the_others_of_its_message_no_harm(queues: Queues) -> None:
    queues.tasks.put([image(1), page(1)])
    (first,), (second,) = take(queues), take(queues, HARVESTER)
    wrong = msgspec.structs.replace(saved(second), token=first.token)
    queues.results.put([saved(second, discovered=(image(7),)), wrong])
    assert [record.url for record in all_records(queues)] == [page(1).url]
    assert queues.tasks.stats().images.discovered == 2
    assert image(1).url not in [task.url for task in take(queues)], "not at once to the same worker"
    queues.pass_time(2.5)
    again = {task.url: task for task in take(queues)}[image(1).url]
    assert again.attempt == 2, "it was an attempt"
    queues.results.put([saved(again)])
    assert len(all_records(queues)) == 2


# --- waiting, and the end ---


def test_the_last_result_drains_the_queue_and_the_reply_says_so(queues: Queues) -> None:
    assert lease(queues).drained, "nothing was ever put"
    queues.tasks.put([image(1)])
    answer = lease(queues)
    assert not answer.drained
    (task,) = answer.batches[0].tasks
    assert not lease(queues, worker("w2")).drained
    queues.results.put([saved(task)])
    assert lease(queues, worker("w2")).drained
    assert queues.tasks.stats().drained
    queues.tasks.put([image(2)])
    assert not lease(queues, worker("w2")).drained, "more work opens it again"


def test_a_worker_without_work_waits_for_as_long_as_it_said(queues: Queues) -> None:
    queues.tasks.put([page(1)])
    started = time.monotonic()
    answer = lease(queues, wait_s=0.2)
    assert (answer.batches, answer.drained) == ((), False)
    taken_s = time.monotonic() - started
    assert taken_s > 0.15
    assert soon(taken_s, 1.0)


@pytest.mark.parametrize("how", ["put", "discovered", "released", "left"])
def test_a_waiting_worker_wakes_up_for_work(queues: Queues, how: str) -> None:
    queues.tasks.put([page(1)])
    (task,) = take(queues, HARVESTER)
    if how in {"released", "left"}:
        queues.tasks.put([image(1)])
        held = take(queues, worker("w2"))
    with in_thread(lambda: (take(queues, wait_s=10.0), time.monotonic())) as outcome:
        wait_until(queues.waiting)
        assert not outcome
        put_at = time.monotonic()
        match how:
            case "put":
                queues.tasks.put([image(1)])
            case "discovered":
                queues.results.put([saved(task, discovered=(image(1),))])
            case "released":
                queues.tasks.release(worker("w2"), tokens(held))
            case _:
                queues.tasks.leave("w2", charged=True)
    (found,), woken_at = outcome[0]  # type: ignore[misc]
    assert found.url == image(1).url
    assert soon(woken_at - put_at, 0.5)


def test_a_waiting_worker_wakes_up_when_a_slot_is_free(make: Callable[..., Queues]) -> None:
    queues = make(per_host=1)
    queues.tasks.put(images(2))
    (first,) = take(queues, worker("w2"), count=1)
    with in_thread(lambda: (take(queues, count=1, wait_s=10.0), time.monotonic())) as outcome:
        wait_until(queues.waiting)
        assert not outcome
        settled_at = time.monotonic()
        queues.results.put([saved(first)])
    (found,), woken_at = outcome[0]  # type: ignore[misc]
    assert found.url == image(1).url
    assert soon(woken_at - settled_at, 0.5)


def test_waiting_workers_wake_up_at_the_end(queues: Queues) -> None:
    queues.tasks.put([page(1)])
    (task,) = take(queues, HARVESTER)
    with in_thread(lambda: (lease(queues, wait_s=10.0), time.monotonic())) as outcome:
        wait_until(queues.waiting)
        settled_at = time.monotonic()
        queues.results.put([saved(task)])
    answer, woken_at = outcome[0]  # type: ignore[misc]
    assert answer.drained
    assert soon(woken_at - settled_at, 0.5)


def test_a_lease_does_not_run_out_while_its_worker_waits_for_more(make: Callable[..., Queues]) -> None:
    queues = make(lease_s=0.3, per_host=1)
    queues.tasks.put(images(20))
    held = take(queues, count=8)
    with in_thread(lambda: lease(queues, held=held, wait_s=0.9)) as outcome:
        while not outcome:
            queues.pass_time(0.0)
            time.sleep(0.05)
    assert queues.tasks.heartbeat(worker(), held=tokens(held)).lost == ()


def test_pages_are_not_leased_while_too_many_images_wait(make: Callable[..., Queues]) -> None:
    queues = make(image_backlog=3)
    queues.tasks.put([page(1), page(2), *images(3)])
    answer = lease(queues, HARVESTER)
    assert (answer.batches, answer.drained) == ((), False)
    with in_thread(lambda: (take(queues, HARVESTER, wait_s=10.0), time.monotonic())) as outcome:
        wait_until(queues.waiting)
        assert not outcome
        leased_at = time.monotonic()
        assert len(take(queues, count=1)) == 1
    pages, woken_at = outcome[0]  # type: ignore[misc]
    assert len(pages) == 2
    assert soon(woken_at - leased_at, 0.5)


def test_images_that_wait_for_a_second_try_count_as_backlog(make: Callable[..., Queues]) -> None:
    queues = make(image_backlog=1)
    queues.tasks.put([image(1), page(1)])
    (task,) = take(queues)
    queues.results.put([failed(task, retry_in_s=50.0)])
    assert take(queues, HARVESTER) == []


def test_a_delay_that_a_host_asks_for_holds_for_all_workers(queues: Queues) -> None:
    queues.tasks.put(images(5))
    (first,) = take(queues, count=1)
    queues.tasks.put([image(9, "b")])
    queues.results.put([saved(first, host_delay_s=10.0)])
    delays = {task.url: task.host_delay_s for task in take(queues)}
    assert delays == {image(1).url: 10.0, image(9, "b").url: 0.0}
    assert take(queues, worker("w2"), held=()) == [], "one at a time, whoever asks"
    queues.pass_time(10.0)
    (task,) = take(queues, worker("w2"))
    queues.results.put([saved(task, host_delay_s=0.0)])
    queues.pass_time(10.0)
    assert len(take(queues, worker("w2"))) == 2, "it may be taken back"


def test_a_task_that_was_not_touched_goes_back_uncharged(make: Callable[..., Queues]) -> None:
    queues = make(max_attempts=1)
    queues.tasks.put(images(3))
    tasks = take(queues)
    queues.results.put([failed(task, untouched=True, host_delay_s=10.0) for task in tasks])
    stats = queues.tasks.stats()
    assert (stats.images.ready, stats.images.done) == (3, 0)
    (again,) = take(queues)
    assert (again.url, again.attempt, again.host_delay_s) == (tasks[0].url, 1, 10.0)
    queues.results.put([failed(tasks[0], untouched=True, host_delay_s=0.0)])
    assert queues.tasks.stats().images.leased == 1, "what an earlier lease says of it is not believed"
    queues.results.put([saved(again, host_delay_s=10.0)])
    assert queues.tasks.stats().images.done == 1


def test_halt_tells_everyone_why(queues: Queues) -> None:
    queues.tasks.put(images(5))
    held = take(queues, count=1)
    with in_thread(lambda: lease(queues, HARVESTER, wait_s=10.0)) as outcome:
        wait_until(queues.waiting)
        queues.tasks.halt("the disk is full")
        queues.tasks.halt("a later reason")
    for answer in (outcome[0], lease(queues, held=held), lease(queues, worker("w2"), wait_s=10.0)):
        assert answer.halted == "the disk is full"  # type: ignore[attr-defined]
        assert answer.batches == ()  # type: ignore[attr-defined]
    assert queues.tasks.stats().halted == "the disk is full"
    queues.results.put([saved(held[0])])
    assert len(all_records(queues)) == 1, "what is done still counts"


def test_a_stop_is_a_halt_without_a_fault(queues: Queues) -> None:
    queues.tasks.put(images(5))
    held = take(queues, count=1)
    with in_thread(lambda: lease(queues, worker("w2"), wait_s=10.0, count=0)) as outcome:
        wait_until(queues.waiting)
        queues.tasks.stop("stopped by anna")
    for answer in (outcome[0], lease(queues, held=held)):
        assert answer.halted == "stopped by anna"  # type: ignore[attr-defined]
    assert queues.tasks.heartbeat(worker(), held=tokens(held)).halted == "stopped by anna"
    stats = queues.tasks.stats()
    assert (stats.halted, stats.stopped) == ("stopped by anna", True)
    queues.results.put([saved(held[0])])
    assert queues.tasks.stats().images.done == 1, "what is done still counts"


def test_a_stop_does_not_hide_what_is_wrong(queues: Queues) -> None:
    queues.tasks.halt("the disk is full")
    queues.tasks.stop("stopped by anna")
    stats = queues.tasks.stats()
    assert (stats.halted, stats.stopped) == ("the disk is full", False)


def test_while_it_is_paused_nothing_is_given_out(queues: Queues) -> None:
    queues.tasks.put(images(5))
    queues.tasks.put([page(1)])
    held = take(queues, count=1)
    queues.tasks.pause()
    assert queues.tasks.stats().paused
    assert queues.tasks.heartbeat(worker(), held=tokens(held)) == Heartbeat(paused=True)
    assert take(queues, held=held) == take(queues, HARVESTER) == []
    queues.results.put([saved(held[0])])
    assert queues.tasks.put([image(7)]) == 1, "all else goes on"
    with in_thread(lambda: take(queues, wait_s=10.0)) as outcome:
        wait_until(queues.waiting)
        assert not outcome
        queues.tasks.resume()
    assert len(outcome[0]) == 5  # type: ignore[arg-type]
    assert not queues.tasks.stats().paused
    assert queues.tasks.heartbeat(worker(), held=[]) == Heartbeat()


def test_who_has_paused_it_is_told(queues: Queues) -> None:
    queues.tasks.put([image(1)])
    queues.tasks.pause("alice on host7")
    assert queues.tasks.stats().paused_by == queues.tasks.status().paused_by == "alice on host7"
    queues.tasks.resume()
    assert queues.tasks.stats().paused_by == ""


# --- why it waits ---


def test_a_queue_that_waits_for_nothing_says_so(queues: Queues) -> None:
    queues.tasks.put([page(1), *images(3)])
    take(queues)
    stats = queues.tasks.stats()
    assert (stats.waiting, stats.retries, stats.held_images, stats.backlogged) == ((), (), 0, False)


def test_the_next_tries_are_told_with_their_reasons(make: Callable[..., Queues]) -> None:
    queues = make(max_attempts=4)
    queues.tasks.put([page(1), image(1, host="b"), image(2, host="b")])
    (one,) = take(queues, HARVESTER)
    record = PageRecord(
        url=one.url, status=PageStatus.FAILED, reason="server-error", http_status=500, attempts=1
    )
    queues.results.put([Result(token=one.token, record=record, retry_in_s=8.0)])
    first, second = take(queues)
    queues.results.put([failed(second, "connection-lost", retry_in_s=30.0)])
    queues.results.put([failed(first, "too-slow", retry_in_s=20.0)])
    retries = queues.tasks.stats().retries
    assert [
        (retry.host, retry.kind, retry.tries_left, retry.reason, retry.http_status) for retry in retries
    ] == [
        (host_key(one.url), TaskKind.PAGE, 3, "server-error", 500),
        ("http://b.example", TaskKind.IMAGE, 3, "too-slow", 0),
    ]
    assert 7.0 < retries[0].due_s <= 8.0
    assert 19.0 < retries[1].due_s <= 20.0
    queues.pass_time(9.0)
    assert [retry.reason for retry in queues.tasks.stats().retries] == ["too-slow"], "the other one is ready"


def test_the_latest_failure_for_each_reason_is_told(make: Callable[..., Queues]) -> None:
    queues = make(max_attempts=2)
    queues.tasks.put([page(1), *images(5)])
    assert queues.tasks.stats().failures == ()
    (one,) = take(queues, HARVESTER)
    first, second, third, again, well = take(queues)
    queues.results.put([failed(first, "not-found"), failed(second, "too-slow")])
    queues.pass_time(5.0)
    queues.results.put([failed(again, "server-error", retry_in_s=8.0), saved(well)])
    queues.results.put([failed(third, "not-found")])
    queues.results.put([failed(one, "not-found")])
    failures = queues.tasks.stats().failures
    assert [(failure.kind, failure.reason, failure.url) for failure in failures] == [
        (TaskKind.PAGE, "not-found", one.url),
        (TaskKind.IMAGE, "not-found", third.url),
        (TaskKind.IMAGE, "too-slow", second.url),
    ], "what is tried again has not failed yet"
    assert failures[1].ago_s < 5.0 <= failures[2].ago_s


def test_hosts_that_are_not_asked_as_fast_as_could_be_are_told(make: Callable[..., Queues]) -> None:
    queues = make(per_host=4)
    queues.tasks.put([page(1), *images(5, host="c")])
    (one,) = take(queues, HARVESTER)
    queues.results.put([saved(one, host_delay_s=10.0, discovered=(page(2), page(3)))])
    first = take(queues, count=1)[0]
    refusal = ImageRecord(
        url=first.url, status=ImageStatus.FAILED, reason="rate-limited", http_status=429, attempts=1
    )
    queues.results.put([Result(token=first.token, record=refusal, retry_in_s=5.0, refused_for_s=5.0)])
    found = {host.name: host for host in queues.tasks.stats().waiting}
    polite, slowed = found[host_key(one.url)], found["http://c.example"]
    assert (polite.crawl_delay_s, polite.delay_s, polite.pages, polite.trouble) == (10.0, 10.0, 2, "")
    assert (slowed.trouble, slowed.last_reason, slowed.images) == ("slowed", "rate-limited", 4)
    assert 0 < slowed.due_s <= 5.0


def test_what_is_told_of_hosts_is_bounded(make: Callable[..., Queues]) -> None:
    queues = make(delay_s=10.0)
    queues.tasks.put([image(number, host=f"h{number}") for number in range(60)])
    assert len(queues.tasks.stats().waiting) == 5


def test_that_too_many_images_wait_is_told(make: Callable[..., Queues]) -> None:
    queues = make(image_backlog=3)
    queues.tasks.put(images(2))
    assert not queues.tasks.stats().backlogged
    queues.tasks.put([image(7), page(1)])
    assert queues.tasks.stats().backlogged


def test_no_worker_is_said_to_run_more_than_it_holds(queues: Queues) -> None:
    """It last spoke a second ago, and what it was at is settled by now."""
    queues.tasks.put([image(1)])
    (task,) = take(queues)
    busy = msgspec.structs.replace(worker(), running=3, busy=(task.url, "http://a.example/2"))
    queues.tasks.heartbeat(busy, held=[task.token])
    (one,) = queues.tasks.stats().workers
    assert (one.held, one.running, one.busy) == (1, 1, (task.url,))
    queues.results.put([saved(task)])
    (one,) = queues.tasks.stats().workers
    assert (one.held, one.running, one.busy) == (0, 0, ())


def test_rates_are_told_since_the_start_as_well(queues: Queues) -> None:
    queues.tasks.put(images(8))
    queues.tasks.stats()
    for task in take(queues, count=8):
        queues.results.put([saved(task)])
    queues.pass_time(100.0)
    status = queues.tasks.status()
    assert status.up_s >= 100.0
    assert status.mean_images_per_s == pytest.approx(8 / status.up_s, rel=0.02)
    assert status.mean_saved_bytes_per_s == pytest.approx(80 / status.up_s, rel=0.02)
    assert status.mean_pages_per_s == 0.0


def test_a_paused_queue_is_drained_all_the_same(queues: Queues) -> None:
    queues.tasks.put([image(1)])
    (task,) = take(queues)
    queues.tasks.pause()
    queues.results.put([saved(task)])
    assert lease(queues, wait_s=5.0).drained


@pytest.mark.parametrize("idle", [HARVESTER, worker("w2")])
def test_an_idle_fellow_slows_down_no_polite_crawl(make: Callable[..., Queues], idle: WorkerState) -> None:
    """It keeps an eye on the clock for others, and has to hear when a host will be due sooner than it thinks."""
    queues = make(delay_s=0.1, per_host=1)
    queues.tasks.put(images(12))
    over, looks = threading.Event(), Counter[str]()

    def look_on() -> None:
        while not over.is_set():
            looks[idle.id] += 1
            lease(queues, idle, wait_s=0.0 if idle.kind is TaskKind.IMAGE else 2.0, count=1, slots=0)
            over.wait(0.01)

    with in_thread(look_on):
        wait_until(lambda: queues.waiting() or looks[idle.id] > 1)
        started = time.monotonic()
        for _ in range(10):
            (task,) = take(queues, wait_s=3.0)
            queues.results.put([saved(task)])
        took_s = time.monotonic() - started
        over.set()
        queues.tasks.halt("enough")
    assert took_s > 0.8
    assert soon(took_s, 4.0), "a tenth of a second each, and not as long as the fellow sleeps"


def test_what_a_host_has_asked_for_stands_whoever_makes_a_mistake(queues: Queues) -> None:
    queues.tasks.put(images(3))
    (task, *_) = take(queues, count=1)
    queues.results.put([saved(task, host_pause_s=3600.0)])
    assert queues.tasks.put([NewTask(kind=TaskKind.IMAGE, url="nonsense")]) == 0
    assert queues.tasks.stats().dropped == {"malformed": 1}
    assert take(queues) == []
    (host,) = queues.tasks.status().hosts
    assert 3500.0 < host.due_s <= 3600.0


@pytest.mark.parametrize("limit", [-1, 0])
def test_a_reader_gets_a_record_at_a_time_at_the_least(queues: Queues, limit: int) -> None:
    queues.tasks.put(images(3))
    queues.results.put([saved(task) for task in take(queues)])
    assert len(queues.results.get(limit=limit).records) == 1


# --- status ---


def test_status_tells_of_each_host_what_waits_and_when_it_is_due(make: Callable[..., Queues]) -> None:
    queues = make(per_host=2)
    queues.tasks.put(images(5, "a"))
    (task, *_) = take(queues, count=1, slots=1)
    queues.tasks.put([*images(2, "b"), page(1, "b")])
    queues.results.put([failed(task, retry_in_s=50.0, host_pause_s=30.0)])
    status = queues.tasks.status()
    assert status.host_count == 2
    a, b = status.hosts
    assert (a.name, a.images, a.pages, a.in_flight) == ("http://a.example", 4, 0, 0)
    assert 25.0 < a.due_s <= 30.0
    assert (b.name, b.images, b.pages, b.in_flight, b.due_s) == ("http://b.example", 2, 1, 0, 0.0)
    take(queues, count=1, slots=1)
    assert {host.name: host.in_flight for host in queues.tasks.status().hosts}["http://b.example"] == 1


def test_status_names_the_delay_that_counts(make: Callable[..., Queues]) -> None:
    queues = make(delay_s=2.0)
    queues.tasks.put([*images(3, "a"), *images(3, "b")])
    tasks = take(queues)
    queues.results.put([saved(task, host_delay_s=9.0 if "//a." in task.url else 0.0) for task in tasks])
    delays = {host.name: host.delay_s for host in queues.tasks.status().hosts}
    assert delays == {"http://a.example": 9.0, "http://b.example": 2.0}


def test_status_tells_of_each_worker_what_it_holds_and_how_fast_it_is(queues: Queues) -> None:
    queues.tasks.put(images(20))
    me = msgspec.structs.replace(worker(), version="1.2", done=0)
    held = take(queues, me, count=8)
    queues.pass_time(10.0)
    queues.results.put([saved(task) for task in held[:6]])
    queues.tasks.heartbeat(msgspec.structs.replace(me, done=6), held=tokens(held[6:]))
    queues.pass_time(2.0)
    (who,) = queues.tasks.status().workers
    assert (who.id, who.version, who.held, who.done) == ("w1", "1.2", 2, 6)
    assert who.done_per_s == pytest.approx(0.6, rel=0.1)
    assert who.seen_s == pytest.approx(2.0, abs=0.5)


def test_status_tells_how_fast_the_crawl_goes_on(queues: Queues) -> None:
    queues.tasks.put(images(20))
    queues.pass_time(1.0)
    held = take(queues, count=10)
    queues.pass_time(5.0)
    queues.results.put([saved(task) for task in held])
    queues.pass_time(5.0)
    status = queues.tasks.status()
    assert status.images_per_s == pytest.approx(10 / 11, rel=0.3)
    assert status.saved_bytes_per_s == pytest.approx(100 / 11, rel=0.3)
    assert status.pages_per_s == 0.0
    assert status.up_s == pytest.approx(11.0, abs=2.0)
    assert status.images == queues.tasks.stats().images


# --- limits ---


def test_pages_and_images_over_the_limits_are_dropped_and_counted(make: Callable[..., Queues]) -> None:
    queues = make(max_pages=2, max_images=3)
    assert queues.tasks.put([page(n) for n in range(5)]) == 2
    assert queues.tasks.put(images(4)) == 3
    (task, *_) = take(queues, HARVESTER)
    queues.results.put([saved(task, discovered=(image(8), image(9), page(9), image(0)))])
    stats = queues.tasks.stats()
    assert (stats.pages.discovered, stats.images.discovered) == (2, 3)
    assert stats.dropped == {"max-pages": 4, "max-images": 3}


def test_what_is_kept_out_is_counted_unless_its_url_is_known(queues: Queues) -> None:
    def kept_out(task: NewTask, by: str) -> NewTask:
        return msgspec.structs.replace(task, kept_out_by=by)

    assert queues.tasks.put([kept_out(page(1), "max-depth"), kept_out(image(1), "noindex"), page(2)]) == 1
    (task,) = take(queues, HARVESTER)
    discovered = (
        kept_out(page(1), "max-depth"),
        kept_out(page(2), "max-depth"),  # it is visited all the same
        kept_out(page(3), "nofollow"),
        page(3),  # another link allows it
    )
    assert task.url == page(2).url
    queues.results.put([saved(task, discovered=discovered)])
    stats = queues.tasks.stats()
    assert stats.dropped == {"max-depth": 2, "noindex": 1}
    assert (stats.pages.discovered, stats.images.discovered) == (2, 0)
    assert queues.tasks.put([page(1)]) == 1, "what was kept out once may come in later"


def test_a_session_id_makes_no_second_task(queues: Queues) -> None:
    def visit(token: str) -> NewTask:
        return NewTask(kind=TaskKind.PAGE, url=f"http://a.example/p?PHPSESSID={token}")

    assert queues.tasks.put([visit("one"), visit("one"), page(1)]) == 2
    assert queues.tasks.put([visit("two"), visit("three")]) == queues.tasks.put([visit("one")]) == 0
    assert [task.url for task in take(queues, HARVESTER)] == [visit("one").url, page(1).url]
    assert queues.tasks.stats().dropped == {"session-id": 2}


@pytest.mark.parametrize("kind", list(TaskKind))
def test_what_may_be_a_session_id_and_may_not_makes_tasks_of_their_own(
    queues: Queues, kind: TaskKind
) -> None:
    """Of twenty pictures by thumb.php?s=<md5> one was saved."""
    tasks = [
        NewTask(kind=kind, url=f"http://a.example/thumb.php?{name}={n:032x}")
        for name in ("s", "sid", "session", "token")
        for n in range(20)
    ]
    assert queues.tasks.put(tasks) == 80
    assert queues.tasks.stats().dropped == {}


def test_without_a_limit_images_are_not_dropped(make: Callable[..., Queues]) -> None:
    queues = make(max_images=0, max_pages=1)
    assert queues.tasks.put(images(500)) == 500
    assert queues.tasks.stats().dropped == {}


# --- reading the records ---


def test_records_come_in_order_and_a_cursor_goes_on_where_it_was(queues: Queues) -> None:
    queues.tasks.put([*images(25), page(1)])
    urls = []
    for who in (worker(), HARVESTER):
        tasks = take(queues, who)
        queues.results.put([saved(task) for task in tasks])
        urls += [task.url for task in tasks]
    read: list[str] = []
    cursor, complete, pages = 0, False, 0
    while not complete:
        found = queues.results.get(after=cursor, limit=10)
        assert len(found.records) <= 10
        read += [record.url for record in found.records]
        cursor, complete, pages = found.cursor, found.complete, pages + 1
    assert read == urls
    assert pages == 3
    last = queues.results.get(after=cursor)
    assert (last.records, last.cursor, last.complete) == ((), cursor, True)


def test_records_are_not_complete_before_the_crawl_has_ended(queues: Queues) -> None:
    assert queues.results.get().complete
    queues.tasks.put(images(2))
    assert not queues.results.get().complete
    first, second = take(queues)
    queues.results.put([saved(first)])
    found = queues.results.get()
    assert (len(found.records), found.complete) == (1, False)
    queues.results.put([saved(second)])
    assert queues.results.get(after=found.cursor).complete


def test_records_are_read_two_hundred_at_a_time_at_most(queues: Queues) -> None:
    queues.tasks.put(images(205))
    while tasks := take(queues):
        queues.results.put([saved(task) for task in tasks])
    found = queues.results.get(limit=10_000)
    assert (len(found.records), found.complete) == (200, False)
    assert len(queues.results.get(after=found.cursor).records) == 5


def test_records_of_any_size_can_be_read(queues: Queues) -> None:
    """A hostile server's headers are as long as it likes: a reply holds fewer records then."""
    queues.tasks.put(images(100))
    while tasks := take(queues):
        for task in tasks:
            record = msgspec.structs.replace(
                saved(task).record, etag="e" * 60_000, last_modified="m" * 60_000
            )
            queues.results.put([Result(token=task.token, record=record)])
    read, cursor, complete = 0, 0, False
    while not complete:
        found = queues.results.get(after=cursor)
        assert found.records
        read, cursor, complete = read + len(found.records), found.cursor, found.complete
    assert read == 100


def test_a_reader_waits_for_the_first_record(queues: Queues) -> None:
    queues.tasks.put(images(2))
    tasks = take(queues)
    started = time.monotonic()
    assert queues.results.get(wait_s=0.15).records == ()
    assert time.monotonic() - started > 0.1
    with in_thread(lambda: (queues.results.get(wait_s=10.0), time.monotonic())) as outcome:
        wait_until(queues.waiting)
        assert not outcome
        settled_at = time.monotonic()
        queues.results.put([saved(tasks[0])])
    found, woken_at = outcome[0]  # type: ignore[misc]
    assert [record.url for record in found.records] == [tasks[0].url]
    assert soon(woken_at - settled_at, 0.5)


def test_a_reader_wakes_up_when_the_queue_is_halted(queues: Queues) -> None:
    queues.tasks.put(images(2))
    with in_thread(lambda: queues.results.get(wait_s=15.0)) as outcome:
        wait_until(queues.waiting)
        queues.tasks.halt("stopped")
    assert outcome[0].records == ()  # type: ignore[attr-defined]


# --- the queue at a glance ---


def test_stats_count_every_task_in_one_state(queues: Queues) -> None:
    queues.tasks.put([*images(5), page(1)])
    first, second, *_ = take(queues, count=4)
    queues.results.put([saved(first), failed(second, retry_in_s=60.0)])
    stats = queues.tasks.stats()
    counts = stats.images
    assert (counts.ready, counts.delayed, counts.leased, counts.done, counts.dead) == (1, 1, 2, 1, 0)
    assert counts.discovered == 5
    assert stats.pages.ready == 1
    assert (stats.drained, stats.balanced, stats.halted) == (False, False, None)


def test_stats_name_the_workers_that_are_alive(queues: Queues) -> None:
    queues.tasks.put(images(2))
    me = worker("w1")
    take(queues, me, count=1)
    take(queues, HARVESTER)
    known = {who.id: who for who in queues.tasks.stats().workers}
    assert set(known) == {"w1", "h1"}
    assert [known["w1"].kind, known["w1"].machine, known["w1"].threads, known["w1"].held] == [
        me.kind, me.machine, me.threads, 1
    ]  # fmt: skip
    assert queues.tasks.stats().worker_count == 2
    queues.pass_time(LEASE_S * 0.7)
    queues.tasks.heartbeat(HARVESTER, held=[])
    queues.pass_time(LEASE_S * 0.7)
    assert [who.id for who in queues.tasks.stats().workers] == ["h1"]
    queues.tasks.leave("h1", charged=False)
    assert queues.tasks.stats().workers == ()


def test_workers_in_several_threads_settle_everything_once(make: Callable[..., Queues]) -> None:
    queues = make(per_host=6)
    hosts = "abcd"
    queues.tasks.put([new for host in hosts for new in images(60, host)])
    in_hand: dict[str, int] = dict.fromkeys((f"http://{host}.example" for host in hosts), 0)
    seen: list[str] = []
    guard = threading.Lock()

    def work(name: str) -> None:
        while True:
            answer = lease(queues, worker(name), count=8, slots=4, wait_s=0.5)
            if answer.drained:
                return
            for batch in answer.batches:
                with guard:
                    in_hand[batch.host] += batch.slots
                    assert in_hand[batch.host] <= 6
                    seen.extend(task.url for task in batch.tasks)
            with guard:
                for batch in answer.batches:
                    in_hand[batch.host] -= batch.slots
                queues.results.put([saved(task) for batch in answer.batches for task in batch.tasks])

    with ExitStack() as stack:
        outcomes = [stack.enter_context(in_thread(lambda n=n: work(f"w{n}"))) for n in range(4)]
    assert outcomes == [[None]] * 4
    assert len(seen) == len(set(seen)) == 240
    wait_until(lambda: queues.tasks.stats().balanced)
    assert queues.tasks.stats().image_status == {"saved": 240}


# --- other sizes of a picture ---


def in_sizes(number: int, *hosts: str) -> NewTask:
    """An image with a size on each of *hosts*, the best first."""
    first, *others = [f"http://{host}.example/{number}-{host}.png" for host in hosts]
    origin = Origin(
        page_url="http://a.example/",
        found_in="srcset",
        alt="a dog",
        alternatives=tuple(Alternative(url=url, found_in="img", rule="smaller") for url in others),
    )
    return NewTask(kind=TaskKind.IMAGE, url=first, depth=2, origin=origin)


def with_status(task: Task, status: ImageStatus, **more: object) -> Result:
    """As a worker makes its record: with all that the task's origin says."""
    assert task.origin is not None
    origin = {name: getattr(task.origin, name) for name in ORIGIN_FIELDS[TaskKind.IMAGE]}
    outcome = file_of(task.url) if status is ImageStatus.SAVED else {"reason": "not-found"}
    record = ImageRecord(
        url=task.url, status=status, depth=task.depth, attempts=task.attempt, **outcome, **origin
    )
    return Result(token=task.token, record=record, **more)  # type: ignore[arg-type]


def test_sizes_are_tried_one_after_the_other_until_one_is_there(queues: Queues) -> None:
    queues.tasks.put([in_sizes(1, "a", "b", "c", "d")])
    (task,) = take(queues)
    for expected in ("b", "c"):
        queues.results.put([with_status(task, ImageStatus.FAILED)])
        assert not lease(queues, worker("w2"), count=0).drained, "there is one more to be tried"
        (task,) = take(queues)
        assert task.url == f"http://{expected}.example/1-{expected}.png"
        assert task.origin is not None
        assert (task.depth, task.origin.alt, task.origin.found_in) == (2, "a dog", "img")
    queues.results.put([with_status(task, ImageStatus.SAVED)])
    assert lease(queues).drained
    records = {record.url[7]: record for record in all_records(queues) if isinstance(record, ImageRecord)}
    assert [
        (name, one.status, one.instead_of[7:8], one.replaced_by[7:8]) for name, one in sorted(records.items())
    ] == [
        ("a", "failed", "", "b"),
        ("b", "failed", "a", "c"),
        ("c", "saved", "b", ""),
    ]
    assert [other.url[7] for other in records["c"].alternatives] == ["d"]
    assert queues.tasks.stats().balanced


def test_no_size_is_tried_while_there_is_hope_for_the_one_before(make: Callable[..., Queues]) -> None:
    queues = make(max_attempts=2)
    queues.tasks.put([in_sizes(1, "a", "b")])
    for attempt in (1, 2):
        (task,) = take(queues)
        assert (task.url[7], task.attempt) == ("a", attempt)
        queues.results.put([with_status(task, ImageStatus.FAILED, retry_in_s=5.0)])
        queues.pass_time(6.0)
    assert [task.url[7] for task in take(queues)] == ["b"]


def test_a_size_that_is_known_is_not_taken_on_twice(queues: Queues) -> None:
    queues.tasks.put(
        [in_sizes(1, "a", "b"), image(9), NewTask(kind=TaskKind.IMAGE, url="http://b.example/1-b.png")]
    )
    first, *others = sorted(take(queues), key=lambda task: task.url != "http://a.example/1-a.png")
    queues.results.put([with_status(first, ImageStatus.REJECTED), *map(saved, others)])
    assert lease(queues).drained
    assert queues.tasks.stats().images.discovered == 3


def test_what_takes_the_place_of_an_image_is_no_further_one(make: Callable[..., Queues]) -> None:
    queues = make(max_images=1)
    queues.tasks.put([in_sizes(1, "a", "b"), image(2)])
    (task,) = take(queues)
    queues.results.put([with_status(task, ImageStatus.FAILED)])
    assert [task.url[7] for task in take(queues)] == ["b"]
    assert queues.tasks.stats().dropped == {"max-images": 1}


def test_a_size_that_a_page_holds_brings_its_bytes(queues: Queues) -> None:
    held = Alternative(url="data:image/png;sha256=ab", found_in="img", rule="placeholder", content=b"bytes")
    origin = Origin(page_url="http://a.example/", found_in="lazy", alternatives=(held,))
    queues.tasks.put([NewTask(kind=TaskKind.IMAGE, url="http://a.example/1.png", origin=origin)])
    (task,) = take(queues)
    queues.results.put([with_status(task, ImageStatus.FAILED)])
    (task,) = take(queues)
    assert task.url == held.url
    assert task.origin is not None
    assert task.origin.content == b"bytes"
    (record,) = all_records(queues)
    assert isinstance(record, ImageRecord)
    assert record.alternatives[0].content == b"", "no record keeps them"


def test_what_a_page_leaves_out_is_counted_with_its_record(queues: Queues) -> None:
    queues.tasks.put([page(1)])
    (task,) = take(queues, HARVESTER)
    record = PageRecord(url=task.url, status=PageStatus.HARVESTED, left_out={"json-cut": 3, "page-cut": 1})
    queues.results.put([Result(token=task.token, record=record)])
    queues.results.put([Result(token=task.token, record=record)])
    assert queues.tasks.stats().dropped == {"json-cut": 3, "page-cut": 1}
    assert [one.left_out for one in all_records(queues) if isinstance(one, PageRecord)] == [record.left_out]


def test_what_was_not_begun_goes_back_though_its_record_says_nothing(queues: Queues) -> None:
    """A host asks for a longer delay than was known: its first visit ends before anything was asked."""
    queues.tasks.put([image(1)])
    (task,) = take(queues)
    record = ImageRecord(url=task.url, status=ImageStatus.FAILED)
    queues.results.put([Result(token=task.token, record=record, untouched=True, host_delay_s=0.5)])
    queues.pass_time(1.0)
    (again,) = take(queues, worker("w2"))
    assert (again.url, again.attempt) == (task.url, 1)


def test_what_could_be_begun_now_is_told_by_kind(make: Callable[..., Queues]) -> None:
    queues = make(per_host=4)
    assert set(queues.tasks.stats().due.values()) == {0}
    queues.tasks.put([page(1), *images(9, host="b")])
    assert queues.tasks.stats().due == {"page": 1, "image": 4, "render": 0}
    take(queues, count=1, slots=1)
    assert queues.tasks.stats().due["image"] == 3, "one of the four requests is in flight"
    queues.tasks.pause("alice")
    assert set(queues.tasks.stats().due.values()) == {0}
    queues.tasks.resume()
    assert queues.tasks.stats().due["image"] == 3


def test_a_host_with_a_delay_has_one_task_that_could_be_begun(make: Callable[..., Queues]) -> None:
    queues = make(per_host=4, delay_s=10.0)
    queues.tasks.put(images(9))
    assert queues.tasks.stats().due["image"] == 1
    take(queues, count=1)
    assert queues.tasks.stats().due["image"] == 0, "it wants its time"


def test_pages_are_not_due_while_too_many_images_wait(make: Callable[..., Queues]) -> None:
    queues = make(image_backlog=3)
    queues.tasks.put([page(1), *images(4)])
    due = queues.tasks.stats().due
    assert (due["page"], due["image"]) == (0, 4)


def test_leases_that_nobody_came_back_with_are_counted(make: Callable[..., Queues]) -> None:
    queues = make(max_attempts=5)
    queues.tasks.put(images(3))
    held = take(queues, worker("w1"), count=2)
    assert queues.tasks.stats().leases_lost == 0
    queues.tasks.release(worker("w1"), tokens(held[:1]))
    assert queues.tasks.stats().leases_lost == 0, "what is given back is not lost"
    queues.pass_time(LEASE_S * 1.2)
    assert queues.tasks.stats().leases_lost == 1
    assert len(take(queues, worker("w2"))) == 3
    queues.tasks.leave("w2", charged=True)
    assert queues.tasks.stats().leases_lost == 4


def test_hosts_in_trouble_are_counted_by_their_trouble(make: Callable[..., Queues]) -> None:
    queues = make(per_host=8, max_attempts=9, host_patience_s=1000.0)
    assert queues.tasks.stats().troubled == {}
    queues.tasks.put(images(1, host="c"))
    [refused] = take(queues)
    record = ImageRecord(url=refused.url, status=ImageStatus.FAILED, reason="rate-limited", http_status=429)
    queues.results.put([Result(token=refused.token, record=record, retry_in_s=5.0, refused_for_s=5.0)])
    assert queues.tasks.stats().troubled == {"slowed": 1}
    queues.tasks.put(images(30))
    while queues.tasks.stats().troubled == {"slowed": 1}:
        tasks = take(queues, count=8, slots=8)
        assert tasks, "nothing but errors, and no trouble"
        queues.results.put([broken(task) for task in tasks])
    assert queues.tasks.stats().troubled == {"slowed": 1, "only errors": 1}
