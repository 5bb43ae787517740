"""The cookies of a crawl: what one worker was sent, the others hear of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from crawler.config import QueueConfig, ScopeConfig
from crawler.crawlfile import schema
from crawler.models import Cookie, Lease
from crawler.queues import cookies as cookies_module
from crawler.queues import policy
from tests.support.queues import Queues, connected, embedded, images, lease, saved, served, take, worker

SESSION = Cookie(domain="a.example", path="/", name="session", value="one", host_only=True)


@pytest.fixture(name="queues")
def some_queues(tmp_path: Path) -> Iterator[Queues]:
    queue = QueueConfig(per_host=100)
    with embedded(tmp_path / "crawl.db", queue=queue, scope=ScopeConfig()) as (_, queues):
        queues.tasks.put(images(20))
        yield queues


def tell(queues: Queues, *cookies: Cookie, **result: object) -> None:
    """A worker got them with the answer to some task."""
    (task,) = take(queues, worker("teller"), count=1)
    queues.results.put([saved(task, cookies=cookies, **result)])


def hear(queues: Queues, seen: int = 0) -> Lease:
    return lease(queues, msgspec.structs.replace(worker("w9"), cookies_seen=seen), count=1)


def test_what_one_worker_was_sent_the_others_hear_of_once(queues: Queues) -> None:
    assert hear(queues).cookies == ()
    tell(queues, SESSION)
    first = hear(queues)
    assert first.cookies == (SESSION,)
    assert hear(queues, first.cookies_seen).cookies == ()
    changed = msgspec.structs.replace(SESSION, value="two")
    tell(queues, changed)
    second = hear(queues, first.cookies_seen)
    assert second.cookies == (changed,)
    assert hear(queues).cookies == (changed,), "to a newcomer only the latest matters"


def test_a_result_that_goes_back_tells_of_them_too(queues: Queues) -> None:
    tell(queues, SESSION, retry_in_s=60.0)
    assert hear(queues).cookies == (SESSION,)


def test_what_was_taken_back_is_told_as_well(queues: Queues) -> None:
    gone = msgspec.structs.replace(SESSION, deleted=True)
    tell(queues, SESSION)
    tell(queues, gone)
    assert hear(queues).cookies == (gone,)


def test_they_expire_whether_or_not_the_crawl_goes_on_meanwhile(tmp_path: Path) -> None:
    with closing(schema.connect(tmp_path / "crawl.db")) as db:
        time_of_day = 1_000.0
        kept = cookies_module.Cookies(db, now=lambda: time_of_day)
        kept.keep([msgspec.structs.replace(SESSION, expires_in_s=100.0)])
        time_of_day = 1_060.0
        ((cookie,), _) = kept.news(0)
        assert (cookie.expires_in_s, cookie.deleted) == (40.0, False)
        time_of_day = 1_120.0
        ((cookie,), _) = cookies_module.Cookies(db, now=lambda: time_of_day).news(0)
        assert cookie.deleted


def test_what_was_taken_back_makes_room_before_what_is_good(queues: Queues) -> None:
    tell(queues, SESSION)
    for start in (0, 40):
        gone = [Cookie(domain="a.example", path="/", name=f"n{start + n}", deleted=True) for n in range(40)]
        tell(queues, *gone)
    assert SESSION in hear(queues).cookies


def test_they_are_forgotten_when_the_crawl_has_ended(queues: Queues) -> None:
    tell(queues, SESSION)
    while tasks := take(queues, worker("w2")):
        queues.results.put([saved(task) for task in tasks])
    assert queues.tasks.stats().drained
    assert hear(queues).cookies == ()


def test_there_is_a_limit_to_those_of_one_domain_and_to_all(
    queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "MOST_COOKIES", 12)
    monkeypatch.setattr(policy, "MOST_COOKIES_OF_DOMAIN", 10)
    tell(queues, *(msgspec.structs.replace(SESSION, name=f"n{n}") for n in range(30)))
    assert [cookie.name for cookie in hear(queues).cookies] == [f"n{n}" for n in range(20, 30)]
    tell(queues, *(Cookie(domain=f"d{n}.example", path="/", name="x") for n in range(5)))
    assert len(hear(queues).cookies) == 12


def test_many_come_in_parts(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "COOKIES_AT_ONCE", 3)
    tell(queues, *(msgspec.structs.replace(SESSION, name=f"n{n}") for n in range(8)))
    heard: list[str] = []
    seen = 0
    for _ in range(4):
        news = hear(queues, seen)
        heard += [cookie.name for cookie in news.cookies]
        seen = news.cookies_seen
    assert heard == [f"n{n}" for n in range(8)]


def test_they_outlive_the_manager_and_cross_the_network(tmp_path: Path) -> None:
    path, settings = tmp_path / "crawl.db", {"queue": QueueConfig(), "scope": ScopeConfig()}
    with embedded(path, **settings) as (_, queues):
        queues.tasks.put(images(5))
        tell(queues, SESSION)
    with (
        embedded(path, **settings, new_run=False) as (_, queues),
        served(queues.tasks, queues.results) as server,
        connected(server) as manager,
    ):
        remote = Queues(
            tasks=manager.get_task_queue(), results=manager.get_result_queue(), pass_time=queues.pass_time
        )
        assert hear(remote).cookies == (SESSION,)
        tell(remote, msgspec.structs.replace(SESSION, name="second"))
        assert {cookie.name for cookie in hear(remote).cookies} == {"session", "second"}
