"""What hosts have asked for outlives the manager: by the wall clock, and never for longer than they asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.config import QueueConfig, ScopeConfig
from crawler.models import HostFile, Task
from crawler.queues import QueueResults
from crawler.queues.ledger import Ledger
from crawler.queues.policy import FIRST_PACE_S
from tests.support.queues import Queues, failed, images, saved, take, worker

DAY_S = 86_400.0


class Crawl:
    """A ledger on two clocks: one that begins anew with each boot, and the wall's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now, self.wall = 5000.0, 1.7e9

    def open(self, *, new_run: bool, **settings: float) -> Queues:
        self.ledger = Ledger(
            self.path,
            queue=QueueConfig(**{"per_host": 8, "lease_s": 1000.0, **settings}),
            scope=ScopeConfig(),
            new_run=new_run,
            clock=lambda: self.now,
            wall_clock=lambda: self.wall,
        )
        return Queues(tasks=self.ledger, results=QueueResults(self.ledger), pass_time=self.pass_time)

    def pass_time(self, by_s: float) -> None:
        self.now += by_s
        self.wall += by_s
        self.ledger.tick()

    def kill(self) -> None:
        self.ledger._db.close()

    def reboot(self, *, away_s: float = 0.0) -> None:
        """The machine is started anew, and its wall clock is so much later."""
        self.kill()
        self.now = 3.0
        self.wall += away_s


@pytest.fixture(name="crawl")
def a_crawl(tmp_path: Path) -> Iterator[Crawl]:
    crawl = Crawl(tmp_path / "crawl.db")
    yield crawl
    crawl.kill()


def in_pause(crawl: Crawl, pause_s: float = 60.0) -> Task:
    """One image has been answered with a Retry-After, for its host."""
    queues = crawl.open(new_run=True)
    queues.tasks.put([*images(3), *images(1, "b")])
    task = next(task for task in take(queues, count=1) if "a.example" in task.url)
    queues.results.put([failed(task, "rate-limited", host_pause_s=pause_s, retry_in_s=pause_s)])
    return task


def hosts_asked(queues: Queues) -> set[str]:
    """Who gives something out now; it goes back."""
    tasks = take(queues, worker(), count=8)
    queues.tasks.release(worker(), [task.token for task in tasks])
    return {task.url.split("/")[2][0] for task in tasks}


@pytest.mark.parametrize("new_run", [True, False])
@pytest.mark.parametrize("how", ["kill", "close"])
def test_a_pause_stands_after_a_restart(crawl: Crawl, how: str, new_run: bool) -> None:  # noqa: FBT001
    in_pause(crawl)
    crawl.pass_time(20.0)
    crawl.ledger.close() if how == "close" else crawl.kill()
    queues = crawl.open(new_run=new_run)
    assert hosts_asked(queues) == {"b"}
    (host,) = (host for host in queues.tasks.status().hosts if host.name == "http://a.example")
    assert host.due_s == pytest.approx(40.0)
    queues.pass_time(39.0)
    assert hosts_asked(queues) == {"b"}
    queues.pass_time(2.0)
    assert hosts_asked(queues) == {"a", "b"}


def test_time_in_which_nothing_ran_counts(crawl: Crawl) -> None:
    in_pause(crawl)
    crawl.reboot(away_s=50.0)
    queues = crawl.open(new_run=True)
    assert hosts_asked(queues) == {"b"}
    crawl.reboot(away_s=20.0)
    queues = crawl.open(new_run=True)
    assert hosts_asked(queues) == {"a", "b"}
    assert crawl.ledger._db.execute("SELECT count(*) FROM pauses").fetchone() == (0,), "it is over, and gone"


def test_the_two_schemes_of_a_host_are_one_server_after_a_restart(crawl: Crawl) -> None:
    """Which they are was known again with their next task, link or turn only."""
    plain, by_tls = "http://a.example", "https://a.example"
    queues = crawl.open(new_run=True)
    queues.tasks.put(images(1))
    assert queues.tasks.host_file("w1", host=by_tls, name="robots.txt").is_yours
    file = HostFile(name="robots.txt", content=b"Crawl-delay: 60", kept_s=DAY_S, delay_s=60.0)
    queues.tasks.keep_host_file("w1", host=by_tls, file=file)
    crawl.kill()
    queues = crawl.open(new_run=False)
    (task,) = take(queues)
    assert task.host_delay_s == 60.0
    assert queues.tasks.turn(task=task.id, host=plain) == pytest.approx(60.0, abs=0.5)


@pytest.mark.parametrize("jump_s", [-DAY_S, -3650 * DAY_S])
def test_a_clock_that_is_set_back_makes_no_pause_longer(crawl: Crawl, jump_s: float) -> None:
    in_pause(crawl)
    crawl.reboot(away_s=jump_s)
    queues = crawl.open(new_run=True)
    assert hosts_asked(queues) == {"b"}
    queues.pass_time(61.0)
    assert hosts_asked(queues) == {"a", "b"}


def test_nobody_can_ask_for_more_than_an_hour(crawl: Crawl) -> None:
    in_pause(crawl, pause_s=1e12)
    crawl.kill()
    queues = crawl.open(new_run=True)
    queues.pass_time(3599.0)
    assert hosts_asked(queues) == {"b"}
    queues.pass_time(2.0)
    assert hosts_asked(queues) == {"a", "b"}


def test_a_shorter_pause_does_not_end_a_longer_one(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    queues.tasks.put(images(3))
    one, two = take(queues, count=2)
    queues.results.put([failed(one, host_pause_s=50.0, retry_in_s=2.0)])
    queues.results.put([failed(two, host_pause_s=5.0, retry_in_s=2.0)])
    crawl.kill()
    queues = crawl.open(new_run=True)
    queues.pass_time(49.0)
    assert hosts_asked(queues) == set()
    queues.pass_time(2.0)
    assert hosts_asked(queues) == {"a"}


def test_back_off_stands_as_well(crawl: Crawl) -> None:
    """A host that nothing of use comes of has not asked for anything, and is left alone all the same."""
    queues = crawl.open(new_run=True)
    queues.tasks.put(images(40))
    pauses = []
    for _ in range(6):
        while tasks := take(queues, count=3):
            results = [failed(task, "server-error") for task in tasks]
            queues.results.put(results)
        (host,) = queues.tasks.status().hosts
        pauses.append(host.due_s)
        if host.due_s > 7:
            break
        queues.pass_time(host.due_s + 0.01)
    assert pauses[-1] == pytest.approx(8.0)
    crawl.kill()
    queues = crawl.open(new_run=True)
    queues.pass_time(7.5)
    assert hosts_asked(queues) == set()
    queues.pass_time(1.0)
    assert hosts_asked(queues) == {"a"}


@pytest.mark.parametrize(("asked_s", "own_s"), [(30.0, 0.0), (0.0, 30.0), (30.0, 5.0)])
def test_the_last_request_may_have_been_a_moment_ago(crawl: Crawl, asked_s: float, own_s: float) -> None:
    """Crawl-delay, and the delay of the settings: from the last request before to the first one after."""
    queues = crawl.open(new_run=True, delay_s=own_s)
    queues.tasks.put(images(3))
    (task,) = take(queues, count=1)
    queues.results.put([saved(task, host_delay_s=asked_s)])
    crawl.kill()
    os.utime(crawl.path, (crawl.wall, crawl.wall))
    for beside in crawl.path.parent.glob("crawl.db-*"):
        os.utime(beside, (crawl.wall, crawl.wall))
    crawl.wall += 10.0
    queues = crawl.open(new_run=True, delay_s=own_s)
    queues.pass_time(19.0)
    assert hosts_asked(queues) == set()
    queues.pass_time(2.0)
    assert hosts_asked(queues) == {"a"}


def test_a_pace_that_was_learned_stands_after_a_restart(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    queues.tasks.put(images(40))
    (task,) = take(queues, count=1)
    queues.results.put([failed(task, "rate-limited", refused_for_s=0.0, retry_in_s=100.0)])
    for _ in range(3):
        queues.pass_time(1.1)
        (task,) = take(queues)
        queues.results.put([saved(task)])
        queues.pass_time(0.1)
        (task,) = take(queues)
        queues.results.put([failed(task, "rate-limited", refused_for_s=0.0, retry_in_s=100.0)])
    (before,) = queues.tasks.status().hosts
    assert before.trouble == "slowed"
    assert before.delay_s == pytest.approx(8 * FIRST_PACE_S, rel=0.01)
    crawl.kill()
    queues = crawl.open(new_run=True)
    queues.pass_time(2.0)
    (host,) = queues.tasks.status().hosts
    assert (host.trouble, host.delay_s, host.last_reason) == ("slowed", before.delay_s, "rate-limited")
    assert len(take(queues)) == 1, "one at a time"
    for _ in range(5):
        queues.pass_time(60.0)
        queues.results.put([saved(task) for task in take(queues, count=1)])
    assert crawl.ledger._db.execute("SELECT count(*) FROM paces").fetchone() == (0,), (
        "it is well, and that is over"
    )
    crawl.kill()
    queues = crawl.open(new_run=True)
    assert [host.trouble for host in queues.tasks.status().hosts] == [""]


@pytest.mark.parametrize("value", [-1.0, 1e300, "x", b"x", float("nan"), float("inf")])
def test_a_pace_that_is_none_is_none(crawl: Crawl, value: object) -> None:
    queues = crawl.open(new_run=True)
    queues.tasks.put(images(3))
    crawl.ledger._db.execute("DROP TABLE paces")
    crawl.ledger._db.execute("CREATE TABLE paces (host_id INTEGER PRIMARY KEY, pace_s)")
    crawl.ledger._db.execute("INSERT INTO paces VALUES (1, ?)", (value,))
    crawl.kill()
    queues = crawl.open(new_run=True)
    (host,) = queues.tasks.status().hosts
    assert (host.trouble, host.delay_s) == ("", 0.0)
