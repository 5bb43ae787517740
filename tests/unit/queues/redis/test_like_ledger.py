"""The ledger and the queue in Redis, asked the same at random: whatever can be seen of either can be seen of the other.

Only these things may differ:

* ids and serials: tasks are told apart by kind and URL.
* Which of the tasks that wait for one host come first, where not all of them can be had: the ledger goes by their ids,
  Redis takes what is to be tried again first, and then what came first. What only one of the two has given out goes
  back at once, to both.
* Which of several hosts come first: with several, a worker here takes all that there is; with one host, a part of it.
* The order of records, hosts and workers, and of what they are told to leave alone.
* Which of several hosts that are down is given up first, and so what is said of how long it took.
* Which of several sizes of a picture that no worker came back with, or that are given up, at one time says that the
  next one took its place: they are settled in the order of their ids.
* When a lost worker is noticed, within a second: time goes by in whole ones. And its rate.
* A redirect to a host that nothing is to be done for: Redis does not begin to keep a run of failures for it, as it
  would then do for whatever a redirect names.
* News of cookies for a worker that is told to stop: only Redis has them.
* Words of later pages: Redis tells the collector, not workers and readers. In the end both files say the same.
* A worker that has left with empty hands is one who waits for work to the ledger for STARVED_S more.
"""

from __future__ import annotations

import itertools
import random
import re
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from hypothesis import example, given, note, settings
from hypothesis import strategies as st

from crawler.config import QueueConfig, ScopeConfig
from crawler.models import (
    HOST_FILES,
    Batch,
    Cookie,
    HostFile,
    HostStatus,
    ImageRecord,
    ImageStatus,
    Lease,
    NewTask,
    Origin,
    PageRecord,
    PageStatus,
    Record,
    RenderOutcome,
    RenderRecord,
    RenderStatus,
    Result,
    Task,
    TaskKind,
    Token,
    WorkerState,
)
from crawler.models.image_words import NAMES, filled_record
from crawler.queues import QueueResults
from crawler.queues.ledger import Ledger
from crawler.queues.policy import MAX_RECORDS, STARVED_S
from crawler.queues.redis.address import parse
from crawler.queues.redis.client import RedisClient
from crawler.queues.redis.collector import Collector
from crawler.queues.redis.writer import CrawlfileWriter
from crawler.sizes import size_of
from crawler.urls import host_key
from tests.support.clocks import Clock
from tests.support.queues import Queues, file_of, in_redis
from tests.support.redisserver import RedisServer

pytestmark = [pytest.mark.slow, pytest.mark.untraced]

LEASE_S = 30.0
_KINDS = {"h": TaskKind.PAGE, "w": TaskKind.IMAGE, "r": TaskKind.RENDER}
WORKERS = {name: _KINDS[name[0]] for name in ("h1", "h2", "w1", "w2", "w3", "r1", "r2")}
TEMPLATES = [f"family/{fine}" for fine in "abc"]
NOWHERE = "http://nowhere.example"
REASONS = [
    "not-found", "server-error", "connect-failed", "host-not-found", "robots-disallowed", "tls-failed", "rate-limited",
    "rate-limited",
]  # fmt: skip
SETTLED_TOGETHER = {"lease-expired", "host-down"}
"""Why many tasks at one time get a record without a worker."""
STEPS = 80
_numbers = itertools.count()

Told = TypeVar("Told", Origin, ImageRecord)
Pair = tuple[Task, Task]
"""The same task, as the ledger and as Redis gave it out."""


class Both:
    """A ledger and a queue in Redis, for *random* to choose what both are asked."""

    def __init__(self, chance: random.Random, url: str, stack: ExitStack) -> None:
        self.chance, self.clock = chance, Clock()
        self.hosts = chance.choice(["a", "abcd", "abcd"])
        self.bad = chance.choice(["", *self.hosts, self.hosts])
        """Hosts of which seldom anything is had."""
        self.sized = chance.choice([0.0, 0.3, 0.8])
        """How many of the URLs are sizes of a picture."""
        self.reasons = chance.choices(REASONS, k=2)
        queue = QueueConfig(
            per_host=chance.randint(1, 4),
            delay_s=chance.choice([0.0, 0.0, 3.0]),
            lease_s=LEASE_S,
            lease_batch=256,
            max_attempts=chance.randint(1, 4),
            host_patience_s=chance.choice([0.0, 5.0, 120.0]),
            image_backlog=chance.choice([3, 50_000, 50_000]),
        )
        scope = ScopeConfig(max_pages=chance.choice([6, 10_000, 10_000]), max_images=chance.choice([0, 0, 8]))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.files = folder / "crawl.db", folder / "collected.db"
        Ledger(self.files[1], queue=queue, scope=scope, new_run=True).close()
        ledger = Ledger(self.files[0], queue=queue, scope=scope, new_run=True, clock=self.clock)
        stack.callback(ledger.close)
        self.ledger = Queues(tasks=ledger, results=QueueResults(ledger), pass_time=lambda _: ledger.tick())
        name = f"like-{next(_numbers)}"
        self.redis = stack.enter_context(in_redis(url, name, queue=queue, scope=scope, clock=self.clock))
        self.client = RedisClient(parse(f"{url}#{name}"), clock=self.clock)
        stack.callback(self.client.disconnect)
        self.both = (self.ledger, self.redis)
        self.generation = 0
        self.seen = dict.fromkeys(WORKERS, 0)
        self.leased: list[tuple[str, Pair]] = []
        """All that has ever been, and by whom."""
        self.hands: dict[str, dict[tuple[TaskKind, str], Pair]] = {name: {} for name in WORKERS}

    def step(self) -> None:
        weights = {
            self.put: 4, self.lease: 12, self.settle: 14, self.release: 2, self.heartbeat: 3, self.leave: 1,
            self.time_goes_by: 6, self.control: 2, self.turn: 6, self.turn_over: 2, self.host_file: 3,
            self.template: 5,
        }  # fmt: skip
        [step] = self.chance.choices(list(weights), list(weights.values()))
        note(step.__name__)
        step()
        self.compare()

    def often(self, part: float) -> bool:
        return self.chance.random() < part

    def worker(self, name: str) -> WorkerState:
        return WorkerState(
            id=f"{name}-{self.generation}", kind=WORKERS[name], threads=4, cookies_seen=self.seen[name]
        )

    def held(self, name: str, side: int) -> list[Token]:
        return [pair[side].token for pair in self.hands[name].values()]

    def new_tasks(self, most: int) -> list[NewTask]:
        return [self.new_task() for _ in range(self.chance.randint(0, most))]

    def new_task(self) -> NewTask:
        chance = self.chance
        session = "?PHPSESSID=0123456789abcdef0123456789abcdef" if self.often(0.1) else ""
        kind = chance.choice(list(TaskKind))
        words = {name: chance.choice(["", "", "x", "y"]) for name in NAMES if kind is TaskKind.IMAGE}
        if kind is TaskKind.RENDER:
            words = {"template": chance.choice(TEMPLATES), "signs": chance.choice(["", "scripts,mount"])}
        origin = Origin(page_url="http://a.example/", found_in="img", **words)
        return NewTask(
            kind=kind,
            url=f"http://{chance.choice(self.hosts)}.example/{self.path()}{session}",
            depth=chance.randint(0, 3),
            origin=origin if kind is TaskKind.IMAGE or self.often(0.7) else None,
            kept_out_by="max-depth" if self.often(0.1) else "",
        )

    def path(self) -> str:
        """Of a picture, or of a size of one of a few."""
        if not self.often(self.sized):
            return str(self.chance.randint(0, 29))
        mark = self.chance.choice(["", "?w=100", "?w=200", "?w=300", "?w=400", "?h=300"])
        return f"{self.chance.randint(0, 5)}.png{mark}"

    # --- what is asked of both ---

    def put(self) -> None:
        tasks = self.new_tasks(40)
        assert self.ledger.tasks.put(tasks) == self.redis.tasks.put(tasks)

    def lease(self) -> None:
        name = self.chance.choice(list(WORKERS))
        count, slots = 256, 64
        if len(self.hosts) == 1:
            count, slots = self.chance.randint(1, 12), self.chance.randint(1, 4)
        who = self.worker(name)
        one, other = (
            queues.tasks.lease(who, count=count, slots=slots, wait_s=0, held=self.held(name, side))
            for side, queues in enumerate(self.both)
        )
        assert (one.drained, one.halted) == (other.drained, other.halted)
        assert granted(one) == granted(other)
        if one.halted is None:
            assert (one.cookies, one.cookies_seen) == (other.cookies, other.cookies_seen)
            self.seen[name] = one.cookies_seen
        pairs: list[Pair] = []
        waiting = {host.name: host for host in self.ledger.tasks.status().hosts}
        for batch, same in zip(by_host(one), by_host(other), strict=True):
            pairs += self.in_common(who, batch, same, waiting[batch.host])
        lost = self.often(0.1)  # the reply
        for pair in pairs:
            assert facts(pair[0]) == facts(pair[1])
            self.leased.append((name, pair))
            if not lost:
                self.hands[name][pair[0].kind, pair[0].url] = pair

    def in_common(self, who: WorkerState, batch: Batch, same: Batch, host: HostStatus) -> list[Pair]:
        mine, its = ({task.url: task for task in one.tasks} for one in (batch, same))
        assert len(mine) == len(its) == len(batch.tasks) == len(same.tasks)
        if mine.keys() != its.keys():
            assert getattr(host, f"{who.kind}s"), "all have been given out"
        for queues, theirs, others in ((self.ledger, mine, its), (self.redis, its, mine)):
            alone = [task.token for url, task in theirs.items() if url not in others]
            if alone:
                queues.tasks.release(who, alone)
        return [(task, its[url]) for url, task in mine.items() if url in its]

    def settle(self) -> None:
        """Some of what has been leased, now or long ago: several at a time, each once."""
        held = [(name, pair) for name, hand in self.hands.items() for pair in hand.values()]
        if held and self.often(0.9):
            some = self.chance.sample(held, self.chance.randint(1, min(6, len(held))))
        elif self.leased:
            some = [self.chance.choice(self.leased)]
        else:
            return
        elsewhere = self.ends_elsewhere() if len(some) == 1 else ""
        results: tuple[list[Result], list[Result]] = ([], [])
        keys = set()
        for name, pair in some:
            key = pair[0].kind, pair[0].url
            if key in keys:
                continue
            keys.add(key)
            result = self.result(pair[0], elsewhere)
            for side in range(2):
                record = filled_record(result.record, pair[side].origin)
                results[side].append(msgspec.structs.replace(result, token=pair[side].token, record=record))
            if self.hands[name].get(key) == pair:
                del self.hands[name][key]
        one, other = (queues.results.put(results[side]) for side, queues in enumerate(self.both))
        assert Counter(one) == Counter(other), "hosts to be left alone"

    def ends_elsewhere(self) -> str:
        """A host that a redirect leads to: one with something to do, or one that nobody knows."""
        busy = [host.name for host in self.ledger.tasks.status().hosts if waiting(host)]
        return self.chance.choice([NOWHERE, *busy]) if self.often(0.3) else ""

    def result(self, task: Task, elsewhere: str) -> Result:
        chance = self.chance
        is_bad = task.url[len("http://")] in self.bad
        reason = chance.choice(self.reasons) if self.often(0.9 if is_bad else 0.1) else ""
        facts = {
            "url": task.url, "reason": reason, "detail": reason and f"it was {reason}", "depth": task.depth,
            "http_status": {
                "": 200, "not-found": 404, "rate-limited": 429, "server-error": chance.choice([500, 503]),
            }.get(reason, 0),
            "attempts": task.attempt, "elapsed_s": chance.choice([0.0, 1.0, 10.0]), "size_bytes": 7,
            "page_url": task.origin.page_url if task.origin else "",
            "found_in": task.origin.found_in if task.origin else "",
            "final_url": f"{elsewhere}/there" if elsewhere else "",
        }  # fmt: skip
        record: Record
        if task.kind is TaskKind.RENDER:
            of_render = RenderStatus.FAILED if reason else RenderStatus.RENDERED
            record = RenderRecord(
                status=of_render,
                gains={"scroll": 2} if self.often(0.5) else {},
                left_out={"render-media": 3} if self.often(0.3) else {},
                template=task.origin.template if task.origin else "",
                **facts,
            )
        elif task.kind is TaskKind.IMAGE:
            status = ImageStatus.FAILED if reason else ImageStatus.SAVED
            record = ImageRecord(status=status, **facts, **({} if reason else file_of(task.url)))
        else:
            of_page = PageStatus.FAILED if reason else PageStatus.HARVESTED
            record = PageRecord(
                status=of_page, left_out={"sitemap-cut": 2} if self.often(0.2) else {}, **facts
            )
        return Result(
            token=task.token,
            record=record,
            discovered=() if task.kind is TaskKind.IMAGE else tuple(self.new_tasks(6)),
            retry_in_s=float(chance.randint(0, 20)) if reason and self.often(0.6) else None,
            host_pause_s=float(chance.randint(0, 9)) if self.often(0.1) else None,
            refused_for_s=float(chance.choice([0, 1, 30, 3600, 90_000])) if self.often(0.5) else None,
            host_delay_s=float(chance.randint(0, 4)) if self.often(0.1) else None,
            untouched=self.often(0.05),
            cookies=tuple(self.cookies()),
        )

    def cookies(self) -> list[Cookie]:
        name, value = self.chance.choice("xy"), self.chance.choice("12")
        cookie = Cookie(domain="a.example", path="/", name=name, value=value, deleted=self.often(0.2))
        return [cookie] if self.often(0.1) else []

    def release(self) -> None:
        if not self.leased:
            return
        name, pair = self.chance.choice(self.leased)
        for side, queues in enumerate(self.both):
            queues.tasks.release(self.worker(name), [pair[side].token])
        key = pair[0].kind, pair[0].url
        if self.hands[name].get(key) == pair:
            del self.hands[name][key]

    def heartbeat(self) -> None:
        name = self.chance.choice(list(WORKERS))
        one, other = (
            queues.tasks.heartbeat(self.worker(name), held=self.held(name, side))
            for side, queues in enumerate(self.both)
        )
        lost = []
        for side, answer in enumerate((one, other)):
            keys = {pair[side].token: key for key, pair in self.hands[name].items()}
            lost.append({keys[token] for token in answer.lost})
        assert lost[0] == lost[1]
        assert (one.paused, one.halted) == (other.paused, other.halted)
        assert Counter(one.left_alone) == Counter(other.left_alone)
        for key in lost[0]:
            del self.hands[name][key]

    def leave(self) -> None:
        name, charged = self.chance.choice(list(WORKERS)), self.often(0.5)
        for queues in self.both:
            queues.tasks.leave(self.worker(name).id, charged=charged)
        self.pass_time(STARVED_S + 1)
        if self.often(0.5):  # it has left, and asks all the same; or all are others by now
            self.generation += 1
            self.hands = {other: {} for other in WORKERS}

    def turn(self) -> None:
        """A request of a task that has been leased: to its own host, or where a redirect leads."""
        if not self.leased:
            return
        _, pair = self.chance.choice(self.leased)
        own = host_key(pair[0].url)
        host = own if self.often(0.6) else self.chance.choice([NOWHERE, *self.names()])
        one, other = (
            queues.tasks.turn(task=pair[side].id, host=host, is_guest=host != own)
            for side, queues in enumerate(self.both)
        )
        assert one == pytest.approx(other, abs=1e-3)
        if not one and self.often(0.3):
            late_s = self.chance.choice([1.0, 2.0])  # whole ones: else a lost worker is not noticed by both
            self.pass_time(late_s)
            for queues in self.both:
                queues.tasks.turn_taken(host=host, ago_s=late_s / 2)

    def turn_over(self) -> None:
        if self.leased:
            _, pair = self.chance.choice(self.leased)
            host = self.chance.choice([NOWHERE, *self.names()])
            for side, queues in enumerate(self.both):
                queues.tasks.turn_over(task=pair[side].id, host=host)

    def host_file(self) -> None:
        host, name = (
            self.chance.choice([NOWHERE, *self.names()]),
            self.chance.choice(sorted(HOST_FILES)),
        )
        known = {worker.id for worker in self.ledger.tasks.stats().workers}
        for worker in self.chance.sample(sorted(known), min(2, len(known))):
            one, other = (queues.tasks.host_file(worker, host=host, name=name) for queues in self.both)
            assert (one.is_yours, one.file is None) == (other.is_yours, other.file is None)
            assert one.again_s == pytest.approx(other.again_s, abs=1e-3)
            if one.file is not None and other.file is not None:
                there, same = (msgspec.structs.replace(file, kept_s=0.0) for file in (one.file, other.file))
                assert there == same
            elif one.is_yours and self.often(0.6):
                delay_s = self.chance.choice([0.0, 0.0, 2.0, 5.0])
                file = HostFile(name=name, content=b"x", kept_s=86400.0, delay_s=delay_s)
                for queues in self.both:
                    queues.tasks.keep_host_file(worker, host=host, file=file)

    def template(self) -> None:
        host, name = self.chance.choice(self.names()), self.chance.choice(TEMPLATES)
        of_tasks = [(None, None), *((pair[0].id, pair[1].id) for _, pair in self.leased)]
        ids = self.chance.choice(of_tasks)
        if self.often(0.5):
            one, other = (
                queues.tasks.template(host=host, name=name, task=ids[side])
                for side, queues in enumerate(self.both)
            )
            assert one == other
        elif ids[0] is not None and ids[1] is not None:
            found = tuple(self.chance.randint(0, 9) for _ in range(self.chance.randint(0, 2)))
            failed, gains = self.often(0.2), {self.chance.choice("ab"): len(found)}
            for side, queues in enumerate(self.both):
                outcome = RenderOutcome(task=ids[side] or 0, found=found, gains=gains, failed=failed)
                queues.tasks.tell_template(host=host, name=name, outcome=outcome)

    def names(self) -> list[str]:
        return [f"http://{host}.example" for host in self.hosts] + [f"https://{self.hosts[0]}.example"]

    def time_goes_by(self) -> None:
        self.pass_time(self.chance.choices([1, 2, 5, 10, 31, 60, 700], [9, 9, 6, 4, 1, 1, 1])[0])

    def pass_time(self, by_s: float) -> None:
        self.clock.now += by_s
        for queues in self.both:
            queues.pass_time(0.0)

    def control(self) -> None:
        what = self.chance.choices(["pause", "resume", "halt", "stop"], [4, 24, 1, 1])[0]
        for queues in self.both:
            getattr(queues.tasks, what)(*["the disk is full"][: what in {"halt", "stop"}])

    # --- what can be seen of both ---

    def compare(self) -> None:
        for _ in range(50):
            hosts = [host for queues in self.both for host in queues.tasks.status().hosts]
            if not any(waiting(host) for host in hosts if host.trouble == "down"):
                break
            # one of them at a time; and where one size of a picture is given up comes the next
            self.pass_time(1.0)
        one, other = (queues.tasks.status() for queues in self.both)
        assert figures(one) == figures(other)
        assert {host.name: shown(host) for host in one.hosts} == {
            host.name: shown(host) for host in other.hosts
        }
        assert (one.host_count, one.up_s) == (other.host_count, other.up_s)
        workers = [
            {worker.id: msgspec.structs.replace(worker, done_per_s=0.0) for worker in status.workers}
            for status in (one, other)
        ]
        assert workers[0] == workers[1]
        if self.often(0.2):
            self.compare_records()

    def compare_records(self) -> None:
        assert figures(self.ledger.tasks.stats()) == figures(self.redis.tasks.stats())
        pages = [queues.results.get(limit=MAX_RECORDS) for queues in self.both]
        assert len(pages[0].records) < MAX_RECORDS
        assert Counter(map(told, pages[0].records)) == Counter(map(told, pages[1].records))
        assert next_sizes(pages[0].records) == next_sizes(pages[1].records)
        assert pages[0].complete == pages[1].complete

    def compare_words(self) -> None:
        self.client.connect()
        with closing(CrawlfileWriter(self.files[1])) as kept:
            Collector(self.client.outlet(), kept).collect()
        assert words_in(self.files[0]) == words_in(self.files[1])


def waiting(host: HostStatus) -> int:
    return host.pages + host.images + host.renders


def by_host(lease: Lease) -> list[Batch]:
    return sorted(lease.batches, key=lambda batch: batch.host)


def granted(lease: Lease) -> list[tuple[str, int, int]]:
    return [(batch.host, batch.slots, len(batch.tasks)) for batch in by_host(lease)]


def facts(task: Task) -> object:
    origin = wordless(task.origin) if task.kind is TaskKind.IMAGE and task.origin else task.origin
    return msgspec.structs.replace(task, id=0, serial=0, origin=origin)


def wordless(told: Told) -> Told:
    return msgspec.structs.replace(told, **dict.fromkeys(NAMES, ""))


def words_in(path: Path) -> dict[str, tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(f"SELECT url, {', '.join(NAMES)} FROM images").fetchall()
    return {row[0]: row[1:] for row in rows}


def figures(stats: object) -> dict[str, object]:
    names = (
        "pages", "images", "renders", "page_status", "image_status", "render_status", "page_reasons", "image_reasons",
        "render_reasons", "dropped", "saved_bytes", "worker_count", "drained", "paused", "halted", "stopped",
        "held_images", "backlogged", "paused_by",
    )  # fmt: skip
    found = {name: getattr(stats, name) for name in names}
    found["waiting"] = Counter(shown(host) for host in stats.waiting)  # type: ignore[attr-defined]
    found["failures"] = {  # which of several hosts is given up first may differ, and so when the last one was
        (one.kind, one.reason): 0.0 if one.reason == "host-down" else round(one.ago_s, 3)
        for one in stats.failures  # type: ignore[attr-defined]
    }
    found["retries"] = {retry.host: round(retry.due_s, 3) for retry in stats.retries}  # type: ignore[attr-defined]
    return {
        name: +Counter(value) if isinstance(value, dict) and name != "failures" else value
        for name, value in found.items()
    }


def shown(host: HostStatus) -> object:
    """Times are told to the millisecond."""
    seconds = {name: round(getattr(host, name), 3) for name in ("due_s", "delay_s", "trouble_s")}
    return msgspec.structs.replace(host, **seconds)


def told(record: Record) -> str:
    detail = re.sub(r"over \d+ (s|min)", "over …", record.detail)
    record = wordless(record) if isinstance(record, ImageRecord) else record
    if isinstance(record, ImageRecord) and record.reason in SETTLED_TOGETHER:
        record = msgspec.structs.replace(record, replaced_by="")  # see next_sizes
    return repr(msgspec.structs.replace(record, finished_at="", detail=detail))


def next_sizes(records: Iterable[Record]) -> Counter[tuple[str, str, str]]:
    """Those that took another one's place, by picture and why that one was not had."""
    return Counter(
        (size_of(record.url).picture, record.reason, record.replaced_by)
        for record in records
        if isinstance(record, ImageRecord) and record.replaced_by
    )


@settings(max_examples=35)
@given(seed=st.integers(0, 2**32))
@example(seed=9407)  # a page and an image of its in one message: the image's words were lost to the ledger
def test_redis_is_like_the_ledger(redis_server: RedisServer, seed: int) -> None:
    with ExitStack() as stack:
        both = Both(random.Random(seed), redis_server.url, stack)
        for _ in range(STEPS):
            both.step()
        both.compare_records()
        both.compare_words()
