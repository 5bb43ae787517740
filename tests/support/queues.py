"""Queues to test against: workers and tasks in a word, and the embedded queue directly or behind its manager."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from crawler.config import Config, QueueConfig, ScopeConfig
from crawler.models import (
    ImageRecord,
    ImageStatus,
    Lease,
    NewTask,
    Origin,
    PageRecord,
    PageStatus,
    Record,
    RenderRecord,
    RenderStatus,
    Result,
    Stats,
    Task,
    TaskKind,
    Token,
    WorkerState,
)
from crawler.queues import Plan, QueueResults, ResultQueue, TaskQueue
from crawler.queues.ledger import Ledger
from crawler.queues.redis import address as redis_address
from crawler.queues.redis.client import RedisClient
from crawler.queues.redis.codec import LETTERS
from crawler.queues.rpc.manager import QueueManager
from crawler.queues.rpc.server import RpcServer
from crawler.queues.rpc.tls import Tls
from crawler.storage import Inbox

AUTHKEY = b"a key for tests, as long as keys have to be"


class Clock:
    """The machine's clock, and as much later as the test wants."""

    def __init__(self) -> None:
        self._offset_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._offset_s

    def advance(self, by_s: float) -> None:
        self._offset_s += by_s


def _nobody_knows() -> int:
    raise NotImplementedError("these queues do not tell who waits")


@dataclass(frozen=True, kw_only=True)
class Queues:
    """An engine under test: both queues, and a way to let time go by for it."""

    tasks: TaskQueue
    results: ResultQueue
    pass_time: Callable[[float], None]
    waiting: Callable[[], int] = _nobody_knows
    """Calls that wait in the queue for a task, or for a record. Of several shards each counts."""


def waiting_at(ledger: Ledger) -> int:
    with ledger._mutex:
        return sum(len(row.waiters) for row in ledger._state.waiters._rows.values()) + len(
            ledger._state.recorded._waiters  # type: ignore[attr-defined]
        )


def waiting_in(client: RedisClient) -> int:
    """Readers ask again and again, with a pause that can be cut short."""
    shards = client._known()
    rows = (f"{prefix}wait:{letter}" for prefix in shards.prefixes for letter in LETTERS.values())
    pausing = shards.engine.patience.stop._cond._waiters  # type: ignore[attr-defined]
    return sum(int(shards.engine.call("ZCARD", row)) for row in rows) + len(pausing)


@contextmanager
def embedded(
    path: Path, *, queue: QueueConfig, scope: ScopeConfig, new_run: bool = True
) -> Iterator[tuple[Ledger, Queues]]:
    clock = Clock()
    ledger = Ledger(path, queue=queue, scope=scope, new_run=new_run, clock=clock)

    def pass_time(by_s: float) -> None:
        clock.advance(by_s)
        ledger.tick()

    try:
        yield (
            ledger,
            Queues(
                tasks=ledger,
                results=QueueResults(ledger),
                pass_time=pass_time,
                waiting=lambda: waiting_at(ledger),
            ),
        )
    finally:
        ledger.close()


@contextmanager
def in_redis(
    url: str, name: str, *, queue: QueueConfig, scope: ScopeConfig, clock: Callable[[], float] | None = None
) -> Iterator[Queues]:
    """Both queues at the Redis or Valkey at *url*, of a crawl of that name which is gone afterwards."""
    offset = Clock()
    client = RedisClient(redis_address.parse(f"{url}#{name}"), reconnect_s=10.0, clock=clock or offset)
    plan = Plan(id="crawl-settings-0", seeds=("http://a.example/",), config=Config(queue=queue, scope=scope))
    client.delete()
    client.create_or_update(plan)
    client.opened()
    client.new_run()

    def pass_time(by_s: float) -> None:
        offset.advance(by_s)
        client.tick()

    try:
        yield Queues(
            tasks=client.get_task_queue(),
            results=client.get_result_queue(),
            pass_time=pass_time,
            waiting=lambda: waiting_in(client),
        )
    finally:
        client.delete()
        client.disconnect()


@contextmanager
def served(
    tasks: TaskQueue,
    results: ResultQueue,
    *,
    inbox: Inbox | None = None,
    address: tuple[str, int] = ("127.0.0.1", 0),
    tls: Tls | None = None,
    crawl: str = "",
    tick: Callable[[], None] = lambda: None,
) -> Iterator[RpcServer]:
    """The queues behind a real server, in a thread of this process."""
    server = QueueManager(address, AUTHKEY, tls=tls).server(tasks, results, inbox, crawl=crawl)
    stop = threading.Event()

    def serve() -> None:
        with server:
            while not stop.wait(0.02):
                tick()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server
    finally:
        stop.set()
        thread.join()


@contextmanager
def connected(
    server: RpcServer, *, reconnect_s: float = 5.0, tls: Tls | None = None
) -> Iterator[QueueManager]:
    manager = QueueManager(server.listener.address, AUTHKEY, reconnect_s=reconnect_s, tls=tls)
    manager.connect()
    try:
        yield manager
    finally:
        manager.disconnect()


# --- workers and tasks in a word ---


def image(number: int, host: str = "a") -> NewTask:
    return NewTask(kind=TaskKind.IMAGE, url=f"http://{host}.example/{number}.png")


def images(count: int, host: str = "a") -> list[NewTask]:
    return [image(number, host) for number in range(count)]


def page(number: int, host: str = "a") -> NewTask:
    return NewTask(kind=TaskKind.PAGE, url=f"http://{host}.example/{number}.html")


def render(number: int, host: str = "a") -> NewTask:
    return NewTask(
        kind=TaskKind.RENDER,
        url=f"http://{host}.example/{number}.html",
        origin=Origin(page_url="", found_in="", template="family/fine", signs="scripts"),
    )


def worker(name: str = "w1", kind: TaskKind = TaskKind.IMAGE, *, threads: int = 4) -> WorkerState:
    return WorkerState(id=name, kind=kind, machine="box", pid=7, threads=threads)


HARVESTER = worker("h1", TaskKind.PAGE)
RENDERER = worker("r1", TaskKind.RENDER)


def lease(
    queues: Queues,
    who: WorkerState | None = None,
    *,
    count: int = 32,
    slots: int = 8,
    wait_s: float = 0.0,
    held: Sequence[Task] = (),
) -> Lease:
    return queues.tasks.lease(
        who or worker(), count=count, slots=slots, wait_s=wait_s, held=[task.token for task in held]
    )


def take(queues: Queues, who: WorkerState | None = None, **more: object) -> list[Task]:
    """The tasks of a lease, of all hosts."""
    return [task for batch in lease(queues, who, **more).batches for task in batch.tasks]  # type: ignore[arg-type]


def file_of(url: str) -> dict[str, str]:
    """Where the image of *url* is kept, and its digest, as fields of a record."""
    sha256 = hashlib.sha256(url.encode()).hexdigest()
    return {"path": f"images/{sha256[:12]}.png", "sha256": sha256}


def looks_of(task: Task) -> dict[str, str]:
    """What a rendered page is made by, as fields of a record."""
    origin = task.origin
    return {} if origin is None else {"template": origin.template, "signs": origin.signs}


def saved(task: Task, **more: object) -> Result:
    if task.kind is TaskKind.PAGE:
        record: Record = PageRecord(url=task.url, status=PageStatus.HARVESTED)
    elif task.kind is TaskKind.RENDER:
        record = RenderRecord(url=task.url, status=RenderStatus.RENDERED, **looks_of(task))
    else:
        record = ImageRecord(
            url=task.url,
            status=ImageStatus.SAVED,
            size_bytes=10,
            attempts=task.attempt,
            **file_of(task.url),
        )
    return Result(token=task.token, record=record, **more)  # type: ignore[arg-type]


def failed(task: Task, reason: str = "server-error", **more: object) -> Result:
    if task.kind is TaskKind.PAGE:
        record: Record = PageRecord(url=task.url, status=PageStatus.FAILED, reason=reason)
    elif task.kind is TaskKind.RENDER:
        record = RenderRecord(url=task.url, status=RenderStatus.FAILED, reason=reason, **looks_of(task))
    else:
        record = ImageRecord(url=task.url, status=ImageStatus.FAILED, reason=reason)
    return Result(token=task.token, record=record, **more)  # type: ignore[arg-type]


def books(queues: Queues) -> Stats:
    """The figures, without the workers: when these were last seen is another thing each moment. So is each time."""
    stats = queues.tasks.stats()
    failures = tuple(msgspec.structs.replace(one, ago_s=0.0) for one in stats.failures)
    return msgspec.structs.replace(stats, workers=(), up_s=0.0, failures=failures)


def tokens(tasks: Sequence[Task]) -> list[Token]:
    return [task.token for task in tasks]


class Outcome(list[object]):
    """Of a call in a thread: empty until it is over, then its return value or what it raised."""

    thread: threading.Thread

    def is_in(self, *names: str) -> bool:
        """The call is in a function of each of these names now."""
        return is_in(self.thread, *names)


def is_in(thread: threading.Thread, *names: str) -> bool:
    """*thread* is in a function of each of these names now: such as the one that waits for something."""
    frame = sys._current_frames().get(thread.ident or 0)
    entered = set()
    while frame is not None:
        entered.add(frame.f_code.co_name)
        frame = frame.f_back
    return entered >= set(names)


@contextmanager
def in_thread(call: Callable[[], object]) -> Iterator[Outcome]:
    """Run *call* in a thread meanwhile."""
    outcome = Outcome()

    def run() -> None:
        try:
            outcome.append(call())
        except BaseException as exc:  # noqa: BLE001 - the test looks at it
            outcome.append(exc)

    thread = outcome.thread = threading.Thread(target=run)
    thread.start()
    try:
        yield outcome
    finally:
        thread.join(20)
        assert not thread.is_alive(), "the call never came back"


def wait_until(condition: Callable[[], object], within_s: float = 5.0) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not come to pass in time"
        time.sleep(0.005)


def holds(condition: Callable[[], object], *, for_s: float) -> bool:
    """Whether *condition* holds all the while: for what must not happen, which no probe can tell of."""
    end = time.monotonic() + for_s
    while (is_so := bool(condition())) and time.monotonic() < end:
        time.sleep(0.005)
    return is_so


def working(for_s: float) -> None:
    """What something that a test has made up takes, such as a handler or a server. No test waits by this."""
    time.sleep(for_s)
