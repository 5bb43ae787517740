"""A crawl of one host that limits its clients, on a virtual clock, at a real queue.

Workers lease, ask, settle and withdraw as crawler/run/worker.py does; the host is a Limit of tests/support/limits.py.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from crawler.models import ImageRecord, ImageStatus, NewTask, Origin, Result, Task, TaskKind, WorkerState
from tests.benchmarks.simulation import Clock, Engine
from tests.support.limits import Limit
from tests.support.queues import file_of

STEP_S = 0.01
"""Between two looks of a worker with an idle slot."""
MOST_STEP_S = 1.0
"""And after LATE_S, when what happens is rare, ten times as long."""
LATE_S = 300.0
LINGER_S = 0.05
HOST = "http://limited.example"


@dataclass
class Storm:
    """*images* of one host; *asks* says what its Retry-After is, given the limit and the moment."""

    engine: Engine
    clock: Clock
    limit: Limit
    images: int = 300
    asks: Callable[[Limit, float], float | None] = lambda _limit, _now: None
    status: int = 429
    always: frozenset[int] = frozenset()
    """Images that are refused whatever the limit says, by number."""
    latency_s: float = 0.05
    workers: int = 2
    threads: int = 8
    retry_delay_s: float = 2.0
    most_s: float = 36_000.0

    answers: Counter[int] = field(default_factory=Counter)
    given_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)
    in_flight: int = 0

    def run(self) -> Storm:
        self.began = self.clock.now
        origin = Origin(page_url=f"{HOST}/", found_in="img")
        self.engine.tasks.put(
            [
                NewTask(kind=TaskKind.IMAGE, url=f"{HOST}/{number}.png", depth=1, origin=origin)
                for number in range(self.images)
            ]
        )
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._over = 0
        crew = [_Worker(self, f"w{number}") for number in range(self.workers)]
        for number, worker in enumerate(crew):
            self.at(number * STEP_S / self.workers, worker.look)
        self.at(1.0, self._tick)
        while self._events and self._over < self.workers and self.took_s < self.most_s:
            self.clock.now, _, what = heapq.heappop(self._events)
            what()
        return self

    @property
    def took_s(self) -> float:
        return self.clock.now - self.began

    def at(self, in_s: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.clock.now + in_s, next(self._numbers), what))

    def _tick(self) -> None:
        self.engine.tick()
        self.at(self.longest_step_s, self._tick)

    @property
    def longest_step_s(self) -> float:
        return MOST_STEP_S if self.took_s < LATE_S else 10 * MOST_STEP_S

    def ask(self, task: Task) -> Result:
        """What comes of a request that begins now."""
        now = self.clock.now
        number = int(task.url.rsplit("/")[-1].removesuffix(".png"))
        fine = self.limit.admits(now, self.in_flight) and number not in self.always
        facts = {"url": task.url, "depth": task.depth, "attempts": task.attempt, "elapsed_s": self.latency_s}
        if task.origin:
            facts |= {"page_url": task.origin.page_url, "found_in": task.origin.found_in}
        self.answers[200 if fine else self.status] += 1
        (self.given_s if fine else self.refused_s).append(now - self.began)
        if fine:
            record = ImageRecord(status=ImageStatus.SAVED, http_status=200, **facts, **file_of(task.url))  # type: ignore[arg-type]
            return Result(token=task.token, record=record)
        asked_s = self.asks(self.limit, now)
        reason = "rate-limited" if self.status == 429 else "server-error"
        record = ImageRecord(
            status=ImageStatus.FAILED,
            reason=reason,
            detail="refused",
            http_status=self.status,
            **facts,  # type: ignore[arg-type]
        )
        backoff_s = self.retry_delay_s * 2.0 ** (task.attempt - 1)
        return Result(
            token=task.token,
            record=record,
            retry_in_s=min(3600.0, max(asked_s or 0.0, backoff_s)),
            refused_for_s=asked_s or 0.0,
        )


class _Worker:
    def __init__(self, storm: Storm, name: str) -> None:
        self._storm = storm
        self._state = WorkerState(id=name, kind=TaskKind.IMAGE, threads=storm.threads)
        self._waiting: deque[Task] = deque()
        self._held: dict[int, Task] = {}
        self._running = 0
        self._outbox: list[Result] = []
        self._withdrawn: list[Task] = []
        self._step_s = STEP_S

    def look(self) -> None:
        storm = self._storm
        if not self._waiting and self._running < storm.threads:
            lease = storm.engine.tasks.lease(
                self._state,
                count=32,
                slots=storm.threads,
                wait_s=0,
                held=[task.token for task in self._held.values()],
            )
            if lease.drained:
                storm._over += 1
                return
            got = [task for batch in lease.batches for task in batch.tasks]
            self._held.update((task.id, task) for task in got)
            self._waiting.extend(got)
            self._begin(sum(batch.slots for batch in lease.batches))
            self._step_s = STEP_S if got or self._running else min(storm.longest_step_s, 1.5 * self._step_s)
        storm.at(self._step_s, self.look)

    def _begin(self, slots: int) -> None:
        self._slots = max(slots, self._running, 1)
        while self._waiting and self._running < self._slots:
            task = self._waiting.popleft()
            self._running += 1
            result = self._storm.ask(task)
            self._storm.in_flight += 1
            self._storm.at(self._storm.latency_s, lambda result=result: self._end(result))  # type: ignore[misc]

    def _end(self, result: Result) -> None:
        self._storm.in_flight -= 1
        self._running -= 1
        if result.refused_for_s is not None or result.host_pause_s:
            self._withdrawn.extend(self._waiting)
            self._waiting.clear()
        self._outbox.append(result)
        if len(self._outbox) == 1:
            self._storm.at(LINGER_S if self._waiting else 0.002, self._settle)
        self._begin(self._slots)

    def _settle(self) -> None:
        results, self._outbox = self._outbox, []
        self._storm.engine.results.put(results)
        for result in results:
            del self._held[result.token.id]
        if self._withdrawn:
            gone, self._withdrawn = self._withdrawn, []
            self._storm.engine.tasks.release(self._state, [task.token for task in gone])
            for task in gone:
                del self._held[task.id]
