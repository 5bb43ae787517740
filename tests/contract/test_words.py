"""Words of later pages fill what is empty, in every queue engine, whatever has become of the image meanwhile.

What counts is what the crawl's file says in the end: a queue elsewhere tells it of records and of words apart.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from crawler.config import QueueConfig, ScopeConfig
from crawler.models import (
    Alternative,
    ImageRecord,
    ImageStatus,
    NewTask,
    Origin,
    Result,
    Task,
    TaskKind,
)
from crawler.models.image_words import NAMES
from crawler.queues.ledger import Ledger
from crawler.queues.redis.address import parse
from crawler.queues.redis.client import RedisClient
from crawler.queues.redis.collector import Collector
from crawler.queues.redis.writer import CrawlfileWriter
from tests.support.queues import (
    HARVESTER,
    Queues,
    connected,
    embedded,
    file_of,
    image,
    in_redis,
    page,
    saved,
    served,
    take,
    worker,
)

QUEUE = QueueConfig(lease_s=30.0, per_host=100, max_attempts=2)
Kept = Callable[[], dict[str, ImageRecord]]
"""What the crawl's file has by now, by URL."""
Crawl = tuple[Queues, Kept]
Engine = Callable[[pytest.FixtureRequest, Path], AbstractContextManager[Crawl]]


def images_in(path: Path) -> dict[str, ImageRecord]:
    names = ["url", "status", "found_in", "page_url", "instead_of", "replaced_by", *NAMES]
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(f"SELECT {', '.join(names)} FROM images").fetchall()
    return {row[0]: msgspec.convert(dict(zip(names, row, strict=True)), ImageRecord) for row in rows}


@contextmanager
def direct_ledger(request: pytest.FixtureRequest, folder: Path) -> Iterator[Crawl]:
    path = folder / "crawl.db"
    with embedded(path, queue=QUEUE, scope=ScopeConfig()) as (_, queues):
        yield queues, lambda: images_in(path)


@contextmanager
def managed_ledger(request: pytest.FixtureRequest, folder: Path) -> Iterator[Crawl]:
    path = folder / "crawl.db"
    with (
        embedded(path, queue=QUEUE, scope=ScopeConfig()) as (ledger, queues),
        served(queues.tasks, queues.results, tick=ledger.tick) as server,
        connected(server) as manager,
    ):
        tasks, results = manager.get_task_queue(), manager.get_result_queue()
        both = Queues(tasks=tasks, results=results, pass_time=queues.pass_time)
        yield both, lambda: images_in(path)


def kept_by(server: str, *, shards: int = 1) -> Engine:
    @contextmanager
    def engine(request: pytest.FixtureRequest, folder: Path) -> Iterator[Crawl]:
        url, path = request.getfixturevalue(server).url, folder / "crawl.db"
        queue = msgspec.structs.replace(QUEUE, queue_shards=shards)
        Ledger(path, queue=queue, scope=ScopeConfig(), new_run=True).close()
        client = RedisClient(parse(f"{url}#{folder.name}"))
        with (
            in_redis(url, folder.name, queue=queue, scope=ScopeConfig()) as queues,
            closing(CrawlfileWriter(path)) as books,
        ):
            client.connect()
            collector = Collector(client.outlet(), books)

            def kept() -> dict[str, ImageRecord]:
                collector.collect()
                return images_in(path)

            yield queues, kept
            client.disconnect()

    return engine


ENGINES: dict[str, Engine] = {
    "ledger": direct_ledger,
    "manager": managed_ledger,
    "redis": kept_by("redis_server"),
    "valkey": kept_by("valkey_server"),
    "cluster": kept_by("redis_cluster", shards=3),
}


@pytest.fixture(name="crawl", params=["ledger", "redis"])
def a_crawl(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Crawl]:
    """Of each kind of engine: the others only carry what these two say."""
    with ENGINES[request.param](request, tmp_path) as crawl:
        yield crawl


@pytest.fixture(name="any_crawl", params=ENGINES)
def a_crawl_anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Crawl]:
    with ENGINES[request.param](request, tmp_path) as crawl:
        yield crawl


def found(number: int = 0, *, on: str = "1", found_in: str = "img", **more: object) -> NewTask:
    """The image once more, on another page."""
    kept_out_by = str(more.pop("kept_out_by", ""))
    origin = Origin(page_url=f"http://a.example/{on}.html", found_in=found_in, **more)  # type: ignore[arg-type]
    return msgspec.structs.replace(image(number), depth=1, origin=origin, kept_out_by=kept_out_by)


FIRST = found(page_title="Our animals")
LATER = found(on="2", alt="A dog", caption="Our dog", page_title="Dogs", found_in="a")
FILLED = ("A dog", "", "Our dog", "", "Our animals")


def words(record: ImageRecord) -> tuple[str, ...]:
    return tuple(getattr(record, name) for name in NAMES)


def answer(task: Task, reason: str = "", **more: object) -> Result:
    """As a worker makes it: with what it was told of the image."""
    origin = task.origin
    assert origin is not None
    facts = {name: getattr(origin, name) for name in (*NAMES, "page_url", "found_in", "alternatives")}
    status = ImageStatus.FAILED if reason else ImageStatus.SAVED
    record = ImageRecord(
        url=task.url,
        status=status,
        reason=reason,
        attempts=task.attempt,
        depth=task.depth,
        **facts,
        **({} if reason else file_of(task.url)),
    )
    return Result(token=task.token, record=record, **more)  # type: ignore[arg-type]


def settle_rest(queues: Queues) -> None:
    while tasks := take(queues):
        queues.results.put([answer(task) for task in tasks])


def find(queues: Queues, *tasks: NewTask) -> None:
    """As a page's result does."""
    queues.tasks.put([page(9)])
    (task,) = take(queues, HARVESTER)
    queues.results.put([saved(task, discovered=tasks)])


# --- whatever has become of it ---


def is_ready(queues: Queues, later: Callable[[], None]) -> None:
    later()
    settle_rest(queues)


def is_leased(queues: Queues, later: Callable[[], None]) -> None:
    tasks = take(queues)
    later()
    queues.results.put([answer(task) for task in tasks])


def is_leased_and_given_back(queues: Queues, later: Callable[[], None]) -> None:
    tasks = take(queues)
    later()
    queues.tasks.release(worker(), [task.token for task in tasks])
    settle_rest(queues)


def was_given_back_and_answered_late(queues: Queues, later: Callable[[], None]) -> None:
    tasks = take(queues)
    queues.tasks.release(worker(), [task.token for task in tasks])
    later()
    queues.results.put([answer(task) for task in tasks])


def is_another_workers_and_answered_late(queues: Queues, later: Callable[[], None]) -> None:
    tasks = take(queues)
    queues.tasks.leave("w1", charged=True)
    later()
    assert take(queues, worker("w2"))
    queues.results.put([answer(task) for task in tasks])


def is_delayed(queues: Queues, later: Callable[[], None]) -> None:
    (task,) = take(queues)
    queues.results.put([answer(task, "server-error", retry_in_s=5.0)])
    later()
    queues.pass_time(6.0)
    settle_rest(queues)


def is_done(queues: Queues, later: Callable[[], None]) -> None:
    settle_rest(queues)
    later()


def has_failed(queues: Queues, later: Callable[[], None]) -> None:
    (task,) = take(queues)
    queues.results.put([answer(task, "not-found")])
    later()


def is_dead(queues: Queues, later: Callable[[], None]) -> None:
    for name in ("v1", "v2"):
        assert take(queues, worker(name))
        queues.tasks.leave(name, charged=True)
    assert queues.tasks.stats().images.dead == 1
    later()


def dies_later(queues: Queues, later: Callable[[], None]) -> None:
    assert take(queues, worker("v1"))
    later()
    queues.tasks.leave("v1", charged=True)
    assert take(queues, worker("v2"))
    queues.tasks.leave("v2", charged=True)
    assert queues.tasks.stats().images.dead == 1


def is_tried_again(queues: Queues, later: Callable[[], None]) -> None:
    (task,) = take(queues)
    queues.results.put([answer(task, "not-found")])
    later()
    if not isinstance(queues.tasks, Ledger):
        pytest.skip("what has failed is put back in crawl.db: tests/unit/queues/redis/test_writer_machine.py")
    assert queues.tasks.retry(kind=TaskKind.IMAGE, reason="not-found") == 1
    settle_rest(queues)


STATES = [
    is_ready, is_leased, is_leased_and_given_back, was_given_back_and_answered_late,
    is_another_workers_and_answered_late, is_delayed, is_done, has_failed, is_dead, dies_later, is_tried_again,
]  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_an_image_gets_the_words_that_it_has_none_of(crawl: Crawl, state: Callable[..., None]) -> None:
    queues, kept = crawl
    queues.tasks.put([FIRST])
    state(queues, lambda: find(queues, LATER))
    (record,) = kept().values()
    assert words(record) == FILLED
    assert (record.page_url, record.found_in) == ("http://a.example/1.html", "img")
    stats = queues.tasks.stats()
    assert stats.images.discovered == 1
    assert stats.drained or stats.images.leased


def test_a_page_and_the_image_that_it_names_are_answered_in_one_message(crawl: Crawl) -> None:
    queues, kept = crawl
    queues.tasks.put([FIRST, page(9)])
    (one,) = take(queues)
    (other,) = take(queues, HARVESTER)
    queues.results.put([answer(one), saved(other, discovered=(LATER,))])
    assert words(kept()[one.url]) == FILLED


def test_a_page_is_answered_just_before_its_image(crawl: Crawl) -> None:
    queues, kept = crawl
    queues.tasks.put([FIRST, page(9)])
    (one,) = take(queues)
    (other,) = take(queues, HARVESTER)
    queues.results.put([saved(other, discovered=(LATER,)), answer(one)])
    assert words(kept()[one.url]) == FILLED


@pytest.mark.parametrize("collected", [False, True])
def test_whatever_crawl_db_has_already(crawl: Crawl, *, collected: bool) -> None:
    queues, kept = crawl
    queues.tasks.put([FIRST])
    for later in (LATER, found(on="3", title="Rex", caption="Another caption")):
        if collected:
            kept()
        queues.tasks.put([later])
    settle_rest(queues)
    if collected:
        kept()
    queues.tasks.put([found(on="4", alt="A cat", title="Tom", heading="Cats")])
    assert words(kept()[FIRST.url]) == ("A dog", "Rex", "Our dog", "", "Our animals")


# --- which words ---


OF_EACH = [  # the first time, later times, and what is kept
    (FIRST, [LATER], FILLED),
    (LATER, [found(on="2", alt="A cat", title="T")], ("A dog", "T", "Our dog", "", "Dogs")),
    (found(), [found(alt="1"), found(alt="2", title="2"), found(caption="3")], ("1", "2", "3", "", "")),
    (found(), [found(heading="H"), found(page_title="P")], ("", "", "", "H", "")),
    (found(heading="H"), [found(page_title="P", heading="I")], ("", "", "", "H", "")),
    (
        found(found_in="sitemap"),
        [found(found_in="css"), found(heading="H", page_title="P"), found(page_title="Q", heading="I")],
        ("", "", "", "H", "P"),
    ),
    (FIRST, [found(alt="no", kept_out_by="noimageindex")], ("", "", "", "", "Our animals")),
    (FIRST, [found(alt="\N{SNOWMAN}" * 500, caption='"')], ("\N{SNOWMAN}" * 500, "", '"', "", "Our animals")),
    (image(0), [LATER], ("A dog", "", "Our dog", "", "Dogs")),
]


def numbered(number: int, task: NewTask) -> NewTask:
    return msgspec.structs.replace(task, url=image(number).url)


@pytest.mark.parametrize("at_once", [False, True])
def test_what_is_there_stays_and_what_is_empty_is_filled(any_crawl: Crawl, *, at_once: bool) -> None:
    queues, kept = any_crawl
    rounds = [
        [
            numbered(number, task)
            for number, (first, later, _) in enumerate(OF_EACH)
            for task in [first, *later]
        ]
    ]
    if not at_once:
        rounds = [[task] for task in rounds[0]]
    for tasks in rounds:
        queues.tasks.put(tasks)
    while tasks := take(queues):
        queues.results.put([answer(task) if task.origin else saved(task) for task in tasks])
    records = kept()
    assert [words(records[image(number).url]) for number in range(len(OF_EACH))] == [
        expected for *_, expected in OF_EACH
    ]


def test_urls_that_differ_in_a_session_id_are_one_image(any_crawl: Crawl) -> None:
    queues, kept = any_crawl
    session = "?PHPSESSID=0123456789abcdef0123456789abcde"
    urls = [f"{FIRST.url}{session}{n}" for n in range(3)]
    queues.tasks.put([msgspec.structs.replace(FIRST, url=urls[0])])
    for _ in range(2):
        queues.tasks.put([msgspec.structs.replace(LATER, url=urls[1])])
    queues.tasks.put([msgspec.structs.replace(found(alt="A cat", title="Rex"), url=urls[2])])
    settle_rest(queues)
    assert words(kept()[urls[0]]) == ("A dog", "Rex", "Our dog", "", "Our animals")
    assert queues.tasks.stats().dropped == {"session-id": 3}


@pytest.mark.parametrize("when", ["before", "between", "after"])
def test_a_size_in_another_ones_place_has_its_words(crawl: Crawl, when: str) -> None:
    """The picture is what they are said of."""
    queues, kept = crawl
    other = Alternative(url=image(1).url, found_in="srcset", rule="smaller")
    queues.tasks.put([found(page_title="Our animals", alternatives=(other,))])
    (task,) = take(queues)
    if when == "before":
        queues.tasks.put([LATER])
    queues.results.put([answer(task, "not-found")])
    if when == "between":
        queues.tasks.put([LATER])
    settle_rest(queues)
    if when == "after":
        kept()
        queues.tasks.put([LATER])
    records = kept()
    assert records[image(0).url].replaced_by == image(1).url
    assert {url: words(record) for url, record in records.items()} == dict.fromkeys(
        (image(0).url, image(1).url), FILLED
    )


def sized(width: int, **more: object) -> NewTask:
    return msgspec.structs.replace(found(**more), url=f"{image(0).url}?w={width}")


@pytest.mark.parametrize("waits", ["held", "behind"])
def test_a_size_that_waits_for_a_larger_one_gets_words_as_well(crawl: Crawl, waits: str) -> None:
    queues, kept = crawl
    queues.tasks.put([page(9), sized(300), sized(100, title="Rex")])
    (first,) = take(queues, HARVESTER)
    again = sized(300 if waits == "held" else 100, alt="A dog", title="Tom")
    queues.results.put([saved(first, discovered=(again,))])
    (task,) = take(queues)
    assert task.url == sized(300).url
    queues.results.put([answer(task, "not-found")])
    settle_rest(queues)
    records = kept()
    assert words(records[sized(300).url])[:2] == (("A dog", "Tom") if waits == "held" else ("", ""))
    assert words(records[sized(100).url])[:2] == ("" if waits == "held" else "A dog", "Rex")


def test_a_size_that_waits_keeps_its_words_when_it_takes_another_ones_place(crawl: Crawl) -> None:
    queues, kept = crawl
    other = Alternative(url=sized(100).url, found_in="srcset", rule="smaller")
    queues.tasks.put([sized(100, caption="Our dog"), found(1, alternatives=(other,), alt="A dog")])
    (task,) = [task for task in take(queues) if task.url == image(1).url]
    queues.results.put([answer(task, "not-found")])
    settle_rest(queues)
    assert words(kept()[other.url]) == ("A dog", "", "Our dog", "", "")


# --- what must not be seen of it ---


def test_words_are_no_records(any_crawl: Crawl) -> None:
    queues, kept = any_crawl
    queues.tasks.put([found(n) for n in range(5)])
    settle_rest(queues)
    find(queues, *(found(n, alt=f"Picture {n}") for n in range(5)))
    everything = queues.results.get(limit=200)
    assert sorted(record.url for record in everything.records) == sorted(
        [page(9).url, *(image(n).url for n in range(5))]
    )
    assert everything.complete
    stats = queues.tasks.stats()
    assert (stats.drained, stats.images.done, stats.pages.done) == (True, 5, 1)
    assert {record.alt for record in kept().values()} == {f"Picture {n}" for n in range(5)}
    stats = queues.tasks.stats()
    assert (stats.drained, stats.images.done, stats.pages.done) == (True, 5, 1)
