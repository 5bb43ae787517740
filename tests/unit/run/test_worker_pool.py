"""Deaths of worker processes: who is replaced, and when that ends."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from crawler.config import Config
from crawler.errors import CrawlError, ProcessesKeepDying, QueueUnreachable, StorageFull
from crawler.metrics.figures import WorkerFigures
from crawler.models import TaskKind
from crawler.run import worker_pool
from crawler.run.context import CrawlContext
from crawler.run.worker_pool import DeathWatch, WorkerPool


class Process:
    """A child that ends when the test says so."""

    started: list[Process]

    def __init__(self, name: str = "downloader", *_: object, **__: object) -> None:
        self.name = name
        self.exitcode: int | None = None
        self.failure: Exception | None = None
        self.figures = WorkerFigures()
        self.killed = False
        self.started.append(self)

    def listen(self) -> None: ...

    def kill(self) -> None:
        self.killed = True

    @property
    def why_ended(self) -> str:
        return f"exit code {self.exitcode}"


class Tasks:
    """A queue that hears who has left."""

    def __init__(self) -> None:
        self.left: list[tuple[str, bool]] = []
        self.is_there = True

    def leave(self, worker_id: str, *, charged: bool) -> None:
        if not self.is_there:
            raise QueueUnreachable("no answer")
        self.left.append((worker_id, charged))


@pytest.fixture(autouse=True)
def _processes(monkeypatch: pytest.MonkeyPatch) -> None:
    Process.started = []
    monkeypatch.setattr(worker_pool, "Child", Process)


def a_pool(tasks: Tasks, *, remote: bool = False) -> WorkerPool:
    nowhere: Any = None
    context = CrawlContext(folder=nowhere, config=Config(), seeds=(), endpoint=nowhere, remote=remote)
    pool = WorkerPool(context, tasks, DeathWatch("the {name}: {why}"))  # type: ignore[arg-type]
    pool.start({TaskKind.IMAGE: 1})
    return pool


def died(watch: DeathWatch, times: int, *, counts: bool = True) -> None:
    for _ in range(times):
        watch.died(Process(), counts=counts)  # type: ignore[arg-type]


def test_the_ninth_death_without_progress_is_one_too_many() -> None:
    watch = DeathWatch("the {name} has died of {why}")
    died(watch, 8)
    watch.progress()
    died(watch, 8)
    died(watch, 20, counts=False)
    with pytest.raises(ProcessesKeepDying, match="the downloader has died of exit code None"):
        died(watch, 1)


def test_deaths_of_long_ago_do_not_count() -> None:
    now = 0.0
    watch = DeathWatch("", within_s=60.0, clock=lambda: now)
    died(watch, 8)
    now = 60.0
    died(watch, 8)
    now = 119.0
    with pytest.raises(ProcessesKeepDying):
        died(watch, 1)


def test_who_has_died_is_charged_for_its_tasks_and_replaced(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks()
    pool = a_pool(tasks)
    (first,) = Process.started
    first.exitcode = -9
    with caplog.at_level(logging.WARNING):
        pool.supervise()
    assert [charged for _, charged in tasks.left] == [True]
    assert first.killed
    assert pool.at_work == Process.started[1:]
    assert [record.getMessage() for record in caplog.records] == [
        "a downloader has died (exit code -9); starting another"
    ]


def test_what_workers_had_told_outlives_them_and_is_counted_once() -> None:
    """Totals that fell would be new starts to Prometheus, and all that was done would be done once more."""
    pool = a_pool(Tasks())
    Process.started[0].figures = WorkerFigures(results={"saved": 5}, running=3, threads=4)
    assert pool.figures()[TaskKind.IMAGE].running == 3
    Process.started[0].exitcode = -9
    assert pool.figures()[TaskKind.IMAGE].results == {"saved": 5}
    assert (pool.processes(), pool.deaths) == ({TaskKind.IMAGE: 0}, 0)
    pool.supervise()
    Process.started[1].figures = WorkerFigures(results={"saved": 1}, running=2, threads=4)
    both = pool.figures()[TaskKind.IMAGE]
    assert (both.results, both.running, both.threads) == ({"saved": 6}, 2, 4)
    assert (pool.processes(), pool.deaths) == ({TaskKind.IMAGE: 1}, 1)
    pool.kill()
    last = pool.figures()[TaskKind.IMAGE]
    assert (last.results, last.running, pool.processes()) == ({"saved": 6}, 0, {})


def test_who_has_heard_the_end_is_not_replaced() -> None:
    tasks = Tasks()
    pool = a_pool(tasks)
    Process.started[0].exitcode = 0
    pool.supervise()
    assert (len(Process.started), tasks.left, pool.has_ended) == (1, [], True)


def test_nobody_is_replaced_while_the_queue_is_away() -> None:
    tasks = Tasks()
    pool = a_pool(tasks)
    Process.started[0].exitcode = 1
    tasks.is_there = False
    pool.supervise()
    assert len(Process.started) == 1
    tasks.is_there = True
    pool.supervise()
    assert len(Process.started) == 2


def test_what_concerns_the_whole_crawl_ends_it() -> None:
    pool = a_pool(Tasks())
    Process.started[0].exitcode, Process.started[0].failure = 1, StorageFull("no space left")
    with pytest.raises(CrawlError, match="no space left"):
        pool.supervise()


@pytest.mark.parametrize("remote", [False, True])
def test_a_queue_out_of_reach_is_a_remote_workers_fault_and_not_one_of_this_machine(*, remote: bool) -> None:
    pool = a_pool(Tasks(), remote=remote)
    for _ in range(8):
        Process.started[-1].exitcode, Process.started[-1].failure = 1, QueueUnreachable("no answer")
        pool.supervise()
    Process.started[-1].exitcode, Process.started[-1].failure = 1, QueueUnreachable("no answer")
    if remote:
        with pytest.raises(ProcessesKeepDying):
            pool.supervise()
    else:
        pool.supervise()
