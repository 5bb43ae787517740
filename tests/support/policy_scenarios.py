"""What can be seen of the policy of either engine of the queue: the same scenario on the ledger and in Redis.

Each scenario is a generator of observations. They are numbers of few digits, and made on a clock that stands still but
for ``later``, so that both engines observe the same.
"""

from __future__ import annotations

import itertools
import logging.handlers
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import msgspec

from crawler.config import Config, FetchConfig, QueueConfig, ScopeConfig
from crawler.models import (
    Cookie,
    HostFile,
    ImageRecord,
    ImageStatus,
    NewTask,
    Origin,
    RenderOutcome,
    Result,
    Task,
    TaskKind,
    WorkerState,
)
from crawler.queues import Plan, QueueResults
from crawler.queues.bandwidth import BandwidthSchedule
from crawler.queues.ledger import Ledger
from crawler.queues.redis.address import parse
from crawler.queues.redis.client import RedisClient
from crawler.queues.redis.queue import RedisQueue
from tests.support.clocks import Clock
from tests.support.queues import HARVESTER, Queues, image, images, in_redis, page, saved, take, worker

Seen = Iterator[Any]
A = "http://a.example"
_numbers = itertools.count()


@dataclass
class Crawl:
    """One engine, and how it is asked in these scenarios."""

    queues: Queues
    clock: Clock
    path: Path
    """The ledger's file."""
    client: RedisClient | None = None
    """None for the ledger."""

    def later(self, by_s: float) -> None:
        self.clock.now += by_s
        self.queues.pass_time(0.0)

    def put(self, *tasks: NewTask) -> None:
        self.queues.tasks.put(tasks)

    def take(self, count: int = 1, who: WorkerState | None = None, **more: Any) -> list[Task]:
        return take(self.queues, who, count=count, **{"slots": count, **more})

    def host(self, name: str = "a") -> tuple[Any, ...]:
        """Its trouble, failures, seconds until it is due, seconds between two requests, and since when; all empty for
        one that nothing is known of.
        """
        for host in self.queues.tasks.status().hosts:
            if host.name == f"http://{name}.example":
                times = (host.due_s, host.delay_s, host.trouble_s)
                return (host.trouble, host.failures, *(round(round(time_s, 3), 2) for time_s in times))
        return ("", 0, 0.0, 0.0, 0.0)

    def settle(
        self,
        task: Task,
        reason: str = "",
        status: int = 0,
        *,
        elapsed_s: float = 0.0,
        final_url: str = "",
        **more: Any,
    ) -> None:
        if not reason:
            self.queues.results.put([msgspec.structs.replace(saved(task), **more)])
            return
        record = ImageRecord(
            url=task.url,
            status=ImageStatus.FAILED,
            reason=reason,
            detail="x" * 100,
            http_status=status,
            attempts=task.attempt,
            page_url="http://a.example/",
            elapsed_s=elapsed_s,
            final_url=final_url,
        )
        self.queues.results.put([Result(token=task.token, record=record, **more)])

    def settled(self) -> dict[str, int]:
        stats = self.queues.tasks.stats()
        counts = stats.image_status | stats.image_reasons
        return {str(name): counts[name] for name in sorted(counts)}


@contextmanager
def on_ledger(folder: Path, _: str, **settings: Any) -> Iterator[Crawl]:
    clock, path = Clock(), folder / f"{next(_numbers)}.db"
    ledger = Ledger(path, queue=QueueConfig(**settings), scope=ScopeConfig(), new_run=True, clock=clock)
    queues = Queues(tasks=ledger, results=QueueResults(ledger), pass_time=lambda _: ledger.tick())
    with closing(ledger):
        yield Crawl(queues, clock, path)


@contextmanager
def on_redis(folder: Path, url: str, **settings: Any) -> Iterator[Crawl]:
    clock, name = Clock(), f"policy-{next(_numbers)}"
    with ExitStack() as stack:
        queue = QueueConfig(**settings)
        queues = stack.enter_context(in_redis(url, name, queue=queue, scope=ScopeConfig(), clock=clock))
        client = RedisClient(parse(f"{url}#{name}"), clock=clock)
        stack.callback(client.disconnect)
        client.connect()
        yield Crawl(queues, clock, folder, client)


# --- hosts in trouble ---


def ordeal(crawl: Crawl, reason: str, status: int = 0, *, rounds: int = 14, **more: Any) -> Seen:
    """One image after the other fails so, each as soon as it may be tried."""
    numbers = itertools.count(100)
    for _ in range(rounds):
        crawl.put(image(next(numbers)))
        waited_s = 0.0
        while not (tasks := crawl.take()) and waited_s < 10_000:
            step_s = max(0.5, crawl.host()[2])
            crawl.later(step_s)
            waited_s += step_s
            crawl.put(image(next(numbers)))
        crawl.later(0.25)
        crawl.settle(tasks[0], reason, status, **more)
        yield round(waited_s, 2), crawl.host(), crawl.settled()


def unreachable(crawl: Crawl) -> Seen:
    yield from ordeal(crawl, "connect-failed")


def nameless(crawl: Crawl) -> Seen:
    yield from ordeal(crawl, "host-not-found", rounds=8)


def nameless_at_once(crawl: Crawl) -> Seen:
    """What had begun before the first failure tells nothing new, but for this."""
    crawl.put(*images(8))
    tasks = crawl.take(count=8, slots=8)
    crawl.later(2.0)
    for task in tasks:
        crawl.settle(task, "host-not-found", elapsed_s=1.0)
        yield crawl.host()


def overloaded(crawl: Crawl) -> Seen:
    """… and gets well again."""
    yield from ordeal(crawl, "server-error", 503)
    yield from ordeal(crawl, "", rounds=6)


def broken(crawl: Crawl) -> Seen:
    crawl.put(*images(40))
    for task in crawl.take(count=8):
        crawl.later(1.0)
        crawl.settle(task, "server-error", 500, retry_in_s=0.0)
        yield crawl.host(), crawl.settled()
    yield len(crawl.take(count=40))
    crawl.later(100.0)
    yield crawl.settled()


def broken_after_worse(crawl: Crawl) -> Seen:
    yield from ordeal(crawl, "server-error", 503, rounds=5)
    yield from ordeal(crawl, "server-error", 500, rounds=8)


def in_doubt(crawl: Crawl) -> Seen:
    """No host can be reached: it may be our own network."""
    crawl.put(*images(60, "a"), *images(60, "b"))
    log, told = logging.getLogger("crawler"), logging.handlers.BufferingHandler(1_000_000)
    log.addHandler(told)
    try:
        for _ in range(200):
            crawl.later(2.0)
            for task in crawl.take(count=2, slots=2):
                crawl.settle(task, "connect-failed")
            yield crawl.host("a"), crawl.host("b"), len(told.buffer)
    finally:
        log.removeHandler(told)


def many_in_trouble(crawl: Crawl, reason: str = "server-error", **more: Any) -> Seen:
    hosts = [f"h{number}" for number in range(8)]
    for host in hosts:
        crawl.put(*images(8, host))
        for task in crawl.take(count=4, slots=4):
            crawl.settle(task, reason, 503, **more)
        crawl.later(1 / 16)
    yield [crawl.host(host)[0] for host in hosts]


def many_that_refuse(crawl: Crawl) -> Seen:
    yield from many_in_trouble(crawl, "rate-limited", refused_for_s=0.0)


# --- hosts that refuse to be asked ---


def refusals(crawl: Crawl, asked: Sequence[float | None], reason: str = "rate-limited") -> Seen:
    """An answer for each None, a refusal for so many seconds for each number, as soon as the host may be asked."""
    crawl.put(*images(3 * len(asked)))
    for asked_s in asked:
        waited_s = 0.0
        while not (tasks := crawl.take()):
            if crawl.queues.tasks.stats().drained:
                return
            step_s = ceil(max(1.0, 64 * crawl.host()[2])) / 64
            crawl.later(step_s)
            waited_s += step_s
        crawl.later(1 / 16)
        if asked_s is None:
            crawl.settle(tasks[0])
        else:
            crawl.settle(tasks[0], reason, 503, refused_for_s=asked_s)
        yield round(waited_s, 2), crawl.host(), crawl.settled()
    crawl.later(1.0)
    yield sorted({record.detail.count("x") for record in crawl.queues.results.get().records})


def refusing(crawl: Crawl) -> Seen:
    """It allows a few requests, time and again; then all goes well."""
    yield from refusals(
        crawl, [0.0, *[None] * 12, 0.0, 0.0, *[None] * 3, 0.0, *[None] * 12, 0.0, *[None] * 40]
    )


def refusing_up_and_down(crawl: Crawl) -> Seen:
    """What it allows is now more, now less."""
    yield from refusals(crawl, [0.0])
    for allowed in (12, 14, 12, 18, 12, 30, 12, 12):
        yield from refusals(crawl, [*[None] * allowed, 0.0])


def refusing_once_more(crawl: Crawl) -> Seen:
    """Long after its pace has shrunk to nothing, though nothing was asked of it meanwhile."""
    yield from refusals(crawl, [0.0, None])
    crawl.later(1000.0)
    yield from refusals(crawl, [0.0, 0.0])


def refusing_slowly(crawl: Crawl) -> Seen:
    """After a long rest it gives little."""
    for _ in range(4):
        yield from refusals(crawl, [0.0, None, None])
        crawl.later(40.0)


def refusing_for_long(crawl: Crawl) -> Seen:
    """It gives nothing, and wants to be left alone for longer than most do."""
    yield from refusals(crawl, [90.0] * 16)


def refusing_forever(crawl: Crawl) -> Seen:
    yield from refusals(crawl, [0.0] * 9)


def refusing_for_a_while(crawl: Crawl) -> Seen:
    yield from refusals(crawl, [0.0] * 7 + [30.0] * 8)


def refusing_as_unavailable(crawl: Crawl) -> Seen:
    yield from refusals(crawl, [200_000.0] * 12, "server-error")


def refusing_halfway(crawl: Crawl) -> Seen:
    yield from refusals(crawl, [30.0] * 8)


def refusing_for_ages(crawl: Crawl) -> Seen:
    """It says that it wants to be left alone for years."""
    yield from refusals(crawl, [200_000.0] * 12)


def refused_again_and_again(crawl: Crawl) -> Seen:
    """Its attempts are used up, and it is not the task's fault."""
    crawl.put(image(1))
    for _ in range(12):
        for task in crawl.take():
            yield task.attempt
            crawl.settle(task, "rate-limited", 429, refused_for_s=0.0, retry_in_s=0.0)
        crawl.later(70.0)
        yield crawl.settled()


# --- whose turn it is ---


def slots(crawl: Crawl) -> Seen:
    """What one gets, while others wait with empty hands or no longer do."""
    crawl.put(*images(100))
    yield len(crawl.take(count=100, slots=1, who=worker("w1")))
    yield len(crawl.take(count=100, slots=4, who=worker("w2")))
    for _ in range(8):
        yield len(crawl.take(count=100, slots=4, who=worker("w3")))
        crawl.put(*images(20, "b"))
        yield len(crawl.take(count=4, slots=4, who=worker("w4")))
        crawl.later(3.0)


def starved(crawl: Crawl) -> Seen:
    """Who was here before others gets no more of a host as long as they count as waiting."""
    crawl.put(*images(40))
    held = crawl.take(count=4, slots=4, who=worker("w1"))
    yield len(held)
    yield len(crawl.take(count=4, slots=4, who=worker("w2")))
    for _ in range(14):
        got = crawl.take(count=1, slots=4, who=worker("w1"), held=held)
        held += got
        yield len(got)
        crawl.later(1.0)


def guests(crawl: Crawl) -> Seen:
    """Two places for those that redirects have led to a host, of whom nobody says that they have gone."""
    crawl.put(*images(4, "b"), *images(4, "a"))
    tasks = crawl.take(count=8, slots=8, who=worker("w1"))
    away = [task for task in tasks if "b.example" in task.url]
    for _ in range(3):
        for task in away:
            yield round(crawl.queues.tasks.turn(task=task.id, host="http://c.example", is_guest=True), 3)
        crawl.put(*images(4, "c"))
        for _ in range(12):
            yield len(crawl.take(count=1, slots=9, who=worker("w2")))
            crawl.later(0.25)
        crawl.later(1.0)


def crowded(crawl: Crawl) -> Seen:
    """A guest has found no room, and who holds tasks of the host gets no more for a while."""
    crawl.put(*images(3, "b"))
    guests_there = crawl.take(count=3, slots=3, who=worker("w1"))
    crawl.put(*images(20, "c"))
    held = crawl.take(who=worker("w2"))
    for task in guests_there:
        yield round(crawl.queues.tasks.turn(task=task.id, host="http://c.example", is_guest=True), 3)
    for _ in range(12):
        got = crawl.take(slots=4, who=worker("w2"), held=held)
        held += got
        yield len(got)
        crawl.later(0.25)


def host_files(crawl: Crawl) -> Seen:
    look = crawl.queues.tasks.host_file
    crawl.put(*images(4))
    for name in ("w1", "w2"):
        crawl.take(count=1, slots=1, who=worker(name))
    yield look("w1", host=A, name="robots.txt").is_yours
    for _ in range(12):
        answer = look("w2", host=A, name="robots.txt")
        yield answer.is_yours, round(answer.again_s, 3)
        crawl.later(10.0)
    crawl.queues.tasks.keep_host_file(
        "w2", host=A, file=HostFile(name="robots.txt", http_status=200, kept_s=9.0)
    )


# --- leases and records ---


def given_up(crawl: Crawl) -> Seen:
    """What waits for a host that is down gets its records in parts."""
    crawl.put(*images(40))
    for task in crawl.take(count=4, slots=4):
        crawl.settle(task, "host-not-found")
    for _ in range(30):
        yield crawl.settled()
        crawl.later(0.1)
    yield sorted({record.detail.count("x") for record in crawl.queues.results.get().records})


def sizes(crawl: Crawl) -> Seen:
    """Many sizes of few pictures, all of which wait until the last page is read."""
    named = [
        NewTask(
            kind=TaskKind.IMAGE,
            url=f"http://a.example/{name}.jpg?w={width}",
            depth=1,
            origin=Origin(page_url="http://a.example/", found_in="img"),
        )
        for name in range(8)
        for width in (100, 200, 300, 400)
    ]
    crawl.put(page(1))
    [task] = take(crawl.queues, HARVESTER)
    crawl.queues.results.put([saved(task, discovered=tuple(named))])
    yield dict(crawl.queues.tasks.stats().dropped)
    for _ in range(6):
        stats = crawl.queues.tasks.stats()
        yield stats.held_images, stats.images.ready
        crawl.later(1.5)


def malformed(crawl: Crawl) -> Seen:
    """A worker says what can't be right, and its task waits longer each time."""
    crawl.put(image(1))
    for _ in range(3):
        [task] = crawl.take()
        wrong = msgspec.structs.replace(saved(task).record, url="http://a.example/another.png")
        crawl.queues.results.put([Result(token=task.token, record=wrong)])
        [retry] = crawl.queues.tasks.stats().retries
        yield round(retry.due_s, 2)
        crawl.later(retry.due_s + 0.1)


def replies(crawl: Crawl) -> Seen:
    """With next to no room each host gives one task."""
    crawl.put(*images(6), *images(6, "b"))
    yield len(crawl.take(count=12, slots=12))


def records(crawl: Crawl) -> Seen:
    crawl.put(*images(6))
    for task in crawl.take(count=6, slots=6):
        crawl.settle(task)
    yield len(crawl.queues.results.get(limit=1000).records)


def gone(crawl: Crawl) -> Seen:
    """Who has left stays so, until so many others have."""
    for number in range(8):
        crawl.queues.tasks.leave(f"w{number}", charged=False)
    for number in range(8):
        yield crawl.queues.tasks.lease(worker(f"w{number}"), count=1, slots=1, wait_s=0.0, held=()).halted


# --- what is kept ---


def cookies(crawl: Crawl) -> Seen:
    def some(domain: str) -> list[Cookie]:
        return [
            Cookie(domain=domain, host_only=True, path="/", name=f"c{number}", value="v")
            for number in range(6)
        ]

    crawl.put(*images(8))
    for task, domain in zip(crawl.take(count=2, slots=8), ("a.example", "b.example"), strict=False):
        crawl.settle(task, cookies=tuple(some(domain)))
    seen = 0
    for _ in range(4):
        asking = msgspec.structs.replace(worker("w2"), cookies_seen=seen)
        found = crawl.queues.tasks.lease(asking, count=1, slots=1, wait_s=0.0, held=())
        seen = found.cookies_seen
        yield [(cookie.domain, cookie.name) for cookie in found.cookies]


def left_out(crawl: Crawl) -> Seen:
    """URLs that are kept out by one reason, and by another."""
    for slug, count in (("max-depth", 8), ("excluded", 8), ("nofollow", 3)):
        crawl.put(*(
            msgspec.structs.replace(image(number, slug), kept_out_by=slug) for number in range(count)
        ))  # fmt: skip
    if crawl.client is not None:
        yield sorted(one.slug for one in crawl.client.outlet().left_out(1000))
    else:
        with closing(sqlite3.connect(crawl.path)) as db:
            yield [slug for (slug,) in db.execute("SELECT slug FROM left_out ORDER BY slug")]


# --- what is shown ---


def shown(crawl: Crawl) -> Seen:
    """Eight hosts that are well, and eight workers who try a task of each in vain."""
    for number in range(8):
        crawl.put(*images(number + 3, f"h{number}"))
    for number in range(8):
        for task in crawl.take(who=worker(f"w{number}")):
            crawl.settle(task, "server-error", 503, retry_in_s=20.0 + number)
    status = crawl.queues.tasks.status()
    yield len(status.workers), len(status.hosts), len(status.waiting), len(status.retries)
    yield all(host.name for host in status.waiting)


def shown_in_trouble(crawl: Crawl) -> Seen:
    """Eight hosts that are in trouble, with nothing left to do; the last of them has a task to be tried again."""
    for number in range(8):
        crawl.put(*images(8, f"h{number}"))
        for task in crawl.take(count=8, slots=8):
            crawl.settle(task, "server-error", 503, **({"retry_in_s": 50.0} if number == 7 else {}))
    crawl.put(image(9))
    status = crawl.queues.tasks.status()
    yield len(status.hosts), len(status.retries)


def shown_failures(crawl: Crawl) -> Seen:
    """Four URLs that fail, each for a reason of its own."""
    crawl.put(*images(4))
    for task, reason in zip(
        crawl.take(count=4), ("not-found", "forbidden", "too-slow", "bad-redirect"), strict=True
    ):
        crawl.settle(task, reason)
    failures = crawl.queues.tasks.stats().failures
    yield len(failures), {len(one.url) for one in failures}


def that_wait(crawl: Crawl) -> Seen:
    """Eight hosts between two requests."""
    for number in range(8):
        crawl.put(*images(11 - number, f"h{number}"))
    crawl.take(count=8, slots=8)
    yield len(crawl.queues.tasks.stats().waiting)


def that_wait_in_trouble(crawl: Crawl, reason: str = "server-error", **more: Any) -> Seen:
    """Eight hosts with something to do; the first has the most, and fails last."""
    tasks: dict[int, list[Task]] = {}
    for number in range(8):
        crawl.put(*images(4, f"h{number}"))
        tasks[number] = crawl.take(count=4, slots=4, who=worker(f"w{number}"))
    for number in range(8):
        crawl.put(*images(40 - 2 * number, f"h{number}"))
    for number in reversed(range(8)):
        for task in tasks[number]:
            crawl.settle(task, reason, 503, **more)
        crawl.later(1 / 16)
    yield len(crawl.queues.tasks.stats().waiting)


def that_wait_as_they_refuse(crawl: Crawl) -> Seen:
    yield from that_wait_in_trouble(crawl, "rate-limited", refused_for_s=0.0)


def later_retries(crawl: Crawl) -> Seen:
    crawl.put(*images(4, "a"), image(1, "b"))
    for task in crawl.take(count=5, slots=5):
        crawl.settle(task, "not-found", 404, retry_in_s=20.0 if "a.example" in task.url else 30.0)
    yield [retry.host for retry in crawl.queues.tasks.stats().retries]


def receiving(crawl: Crawl) -> Seen:
    """1000 bytes a second are asked for 500 at a time."""
    if crawl.client is None:
        line = BandwidthSchedule(1000)
        yield [round(line.reserve(500, now=crawl.clock()), 2) for _ in range(200)]
    else:
        fetch = FetchConfig(limit_rate_bytes_s=1000)
        tasks = RedisQueue(crawl.client._known(), Plan(config=Config(fetch=fetch)))
        yield [round(tasks.receive(count=500), 2) for _ in range(200)]


# --- page templates ---


def templates(crawl: Crawl) -> Seen:
    """Pages of one template, and of many of a family."""
    tasks = crawl.queues.tasks

    def ask(task: int, name: str) -> tuple[Any, ...]:
        answer = tasks.template(host=A, name=name, task=task)
        return answer.verdict.value, round(answer.again_s, 2), answer.renders, answer.behaviours

    for task in range(1, 6):
        yield ask(task, "one/a")
    crawl.later(70.0)
    yield ask(9, "one/a")
    crawl.later(70.0)
    yield ask(10, "one/a")
    for task in range(20, 32):
        gains = {"scroll": 1} if task < 22 else {}
        found = (task,) if task < 22 else ()
        tasks.tell_template(host=A, name="two/a", outcome=RenderOutcome(task=task, gains=gains, found=found))
        yield ask(task + 100, "two/a")
    for task in range(40, 50):
        tasks.tell_template(host=A, name="three/a", outcome=RenderOutcome(task=task, failed=True))
        yield ask(task + 100, "three/a")
    for task, found in (
        *((300, (1, 2)), (301, (1,)), (300, (7,)), (302, (1,))),
        *((303, (2,)), (304, (1,)), (305, (2,)), (306, (1,))),
    ):
        outcome = RenderOutcome(task=task, gains={"scroll": 1, f"click{task}": 2}, found=found)
        tasks.tell_template(host=A, name="five/a", outcome=outcome)
        yield ask(task + 100, "five/a")
    for task in range(200, 240):
        tasks.tell_template(host=A, name=f"four/{task % 12}", outcome=RenderOutcome(task=task))
        yield ask(task + 500, f"four/new{task}")
    for task in range(240, 290):
        outcome = RenderOutcome(task=task, found=(1_000,))
        tasks.tell_template(host=A, name=f"six/{task % 12}", outcome=outcome)
        yield ask(task + 500, f"six/new{task}")


Scenario = Callable[[Crawl], Seen]
