"""The collector's part of a crawl in Redis: what it says, collects and puts back, whatever either side has lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from crawler.catalog import Catalog
from crawler.catalog.explain import explain
from crawler.catalog.summary import queue_elsewhere, read_stats
from crawler.config import Config, QueueConfig, ScopeConfig, load
from crawler.crawlfile.layout import CrawlFolder
from crawler.crawlfile.schema import QUEUE_IDS
from crawler.errors import FolderError, QueueUnreachable, UsageError
from crawler.models import (
    Cookie,
    Counts,
    ImageRecord,
    ImageStatus,
    NewTask,
    PageRecord,
    PageStatus,
    Stats,
    TaskKind,
    TaskState,
)
from crawler.queues import Plan
from crawler.queues.ledger import Ledger
from crawler.queues.redis.address import parse
from crawler.queues.redis.codec import Settled
from crawler.queues.redis.export import KeptFile, LaterWords, LeftOutOnce, PageMentions, Unsettled
from crawler.run import collector_main as module
from crawler.run.backends import CollectedRecords, ManagerBackend
from crawler.run.children import ChildMessage
from crawler.run.collector_main import collect_results
from crawler.run.context import ALL_COLLECTED, CrawlContext, StartMode
from tests.support.queues import wait_until

SEED = "http://a.example/"
PLANT, ROSE = f"{SEED}plant.png", f"{SEED}rose.png"


@dataclass
class Server:
    """A Redis, as far as who coordinates a crawl has to do with it."""

    up: bool = True
    incarnation: str = "1"
    plan: Plan | None = None
    open: bool = False
    pending: dict[str, Unsettled] = field(default_factory=dict)
    settled: list[Settled] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    runs: int = 0
    recalls: int = 0
    entries: int = 0

    def lose_everything(self) -> None:
        self.plan, self.open = None, False
        self.pending, self.settled, self.known = {}, [], set()

    def settle(self, url: str, *discovered: str) -> None:
        """A worker's result."""
        self.pending.pop(url, None)
        self.known.add(url)
        for each in discovered:
            self.pending[each] = Unsettled(
                id=0, serial=0, task=NewTask(kind=TaskKind.IMAGE, url=each, depth=1)
            )
        self.entries += 1
        page = url.endswith("/")
        record: Any = (
            PageRecord(url=url, status=PageStatus.HARVESTED)
            if page
            else ImageRecord(
                url=url,
                status=ImageStatus.SAVED,
                path=url[-9:],
                sha256=url,
                kept_by="0123456789abcdef elsewhere:/images",
            )
        )
        self.settled.append(
            Settled(
                shard=0,
                entry=f"{self.entries}",
                id=QUEUE_IDS + self.entries,
                serial=1,
                attempts=1,
                kind=TaskKind.PAGE if page else TaskKind.IMAGE,
                url=url,
                depth=0,
                state=TaskState.DONE,
                record=record,
            )
        )


class Client:
    """RedisClient and its Outlet and TaskQueue, all in one."""

    def __init__(self, server: Server, reconnect_s: float) -> None:
        self.server, self.reconnect_s = server, reconnect_s

    def _reached(self, *, crawl: bool = True) -> Server:
        if not self.server.up:
            raise QueueUnreachable("no answer from redis://r")
        if crawl and self.server.plan is None:
            raise QueueUnreachable("no answer from redis://r: no such crawl")
        return self.server

    def open_server(self) -> None:
        self._reached(crawl=False)

    def connect(self) -> None:
        self._reached()

    def plan(self) -> Plan:
        plan = self._reached().plan
        assert plan is not None
        return plan

    def create_or_update(self, plan: Plan) -> bool:
        server = self._reached(crawl=False)
        server.plan = plan
        return not server.open

    def opened(self, incarnations: str) -> None:
        assert incarnations == self.incarnations()
        self._reached().open = True

    def new_run(self) -> None:
        self._reached().runs += 1

    def incarnations(self) -> str:
        return self._reached(crawl=False).incarnation

    def recall(self) -> int:
        self._reached().recalls += 1
        return 0

    def tick(self) -> None:
        self._reached()

    def keep_cookies(self, cookies: Sequence[Cookie]) -> None:
        self._reached()
        assert not cookies, "these crawls are given none"

    def damage(self) -> str:
        return ""

    def delete(self) -> None:
        self._reached(crawl=False).lose_everything()

    def disconnect(self) -> None: ...

    def get_task_queue(self) -> Client:
        return self

    def outlet(self) -> Client:
        return self

    def stats(self) -> Stats:
        left = len(self._reached().pending)
        return Stats(images=Counts(ready=left), drained=not left)

    def settled(self, limit: int) -> list[Settled]:
        return self._reached().settled[:limit]

    def put(self, tasks: Sequence[NewTask]) -> None:
        assert not tasks

    def words(self, limit: int) -> list[LaterWords]:
        self._reached()
        return []

    def mentions(self, limit: int) -> list[PageMentions]:
        self._reached()
        return []

    def left_out(self, limit: int) -> list[LeftOutOnce]:
        self._reached()
        return []

    def host_files(self, limit: int) -> list[KeptFile]:
        self._reached()
        return []

    def keep_host_files(self, files: Sequence[KeptFile]) -> None:
        assert not files

    forget_words = forget_mentions = forget_left_out = forget_host_files = keep_host_files

    def forget(self, settled: Sequence[Settled], totals: Stats) -> None:
        del totals
        server = self._reached()
        gone = {each.entry for each in settled}
        server.settled = [each for each in server.settled if each.entry not in gone]

    def push(self, tasks: Sequence[Unsettled]) -> int:
        self._reached().pending.update({one.task.url: one for one in tasks})
        return len(tasks)

    def mark(self, tasks: Sequence[tuple[TaskKind, str, int]]) -> None:
        self._reached().known.update(url for _, url, _ in tasks)

    def dropped(self) -> dict[str, int]:
        self._reached()
        return {"max-depth": 3}


@dataclass(frozen=True, kw_only=True)
class At:
    server: Server

    def __str__(self) -> str:
        return "redis://r:6379/0#crawl"

    def client(self, *, reconnect_s: float) -> Client:
        return Client(self.server, reconnect_s)


class Line:
    """A parent whose parent is the test."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.said: list[str] = []
        self.reported: list[str] = []
        self.failure: Exception | None = None
        self._on_stop: Callable[[], None] = lambda: None

    def on_stop(self, call: Callable[[], None]) -> None:
        self._on_stop = call

    def say(self, word: ChildMessage) -> None:
        self.said.append(word.text or word.about)

    def report(self, text: str) -> None:
        self.reported.append(text)

    def stop(self) -> None:
        self.stopped.set()
        self._on_stop()


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_COLLECT_EVERY_S", "_LOOK_EVERY_S", "_AGAIN_S"):
        monkeypatch.setattr(module, name, 0.005)


@pytest.fixture(name="server")
def a_server() -> Server:
    return Server()


def site(folder: Path, server: Server, *seeds: str, config: Config | None = None) -> CrawlContext:
    return CrawlContext(
        folder=folder, config=config or Config(), seeds=seeds or (SEED,), endpoint=At(server=server)
    )  # type: ignore[arg-type]


@contextmanager
def collecting(where: CrawlContext, start: StartMode = StartMode.GO_ON) -> Iterator[Line]:
    """The collector in a thread; whatever it ended with is the line's failure."""
    line = Line()

    def run() -> None:
        try:
            collect_results(line, where, start)  # type: ignore[arg-type]
        except Exception as exc:  # noqa: BLE001 - for the test to judge
            line.failure = exc

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: bool(line.said) or not thread.is_alive())
        yield line
    finally:
        line.stop()
        thread.join(10)
        assert not thread.is_alive()


def images(folder: Path) -> list[str]:
    with Catalog(folder) as catalog:
        return [record.url for record in catalog.images()]


def notes(folder: Path) -> dict[str, Any]:
    with Catalog(folder) as catalog:
        return dict(catalog.rows("SELECT key, value FROM meta"))


def carried_out(folder: Path, server: Server) -> None:
    """A whole crawl: a page and two images."""
    with collecting(site(folder, server)) as line:
        server.settle(SEED, PLANT, ROSE)
        server.settle(PLANT)
        server.settle(ROSE)
        wait_until(lambda: ALL_COLLECTED in line.said)


# --- a crawl, from its beginning to its end ---


def test_it_begins_with_the_seeds_and_collects_what_is_settled(tmp_path: Path, server: Server) -> None:
    with collecting(site(tmp_path, server)) as line:
        assert line.said == ["ready"]
        assert server.open
        assert server.runs == 1
        assert list(server.pending) == [SEED]
        assert server.plan is not None
        assert server.plan.seeds == (SEED,)
        server.settle(SEED, PLANT, ROSE)
        server.settle(PLANT)
        wait_until(lambda: not server.settled)
        wait_until(lambda: images(tmp_path) == [PLANT])
        assert line.said == ["ready"], "a rose is left to do"
        with Catalog(tmp_path) as catalog:
            assert queue_elsewhere(catalog) == "redis://r:6379/0#crawl"
            assert not read_stats(catalog).drained
            assert explain(catalog, ROSE).queue == "redis://r:6379/0#crawl", "it may be known there"
            assert explain(catalog, PLANT).queue == ""
        server.settle(ROSE)
        wait_until(lambda: ALL_COLLECTED in line.said)
        assert server.plan is not None, "workers have still to hear that it has ended"
    assert line.failure is None
    assert server.plan is None, "its memory is free again"
    assert images(tmp_path) == [PLANT, ROSE]
    with Catalog(tmp_path) as catalog:
        assert read_stats(catalog).drained
        assert read_stats(catalog).dropped == {"max-depth": 3}
        assert explain(catalog, f"{SEED}nothing.png").queue == ""


def test_what_is_left_when_it_stops_is_collected_and_goes_on_later(tmp_path: Path, server: Server) -> None:
    with collecting(site(tmp_path, server)):
        server.settle(SEED, PLANT, ROSE)
        server.settle(PLANT)
    assert images(tmp_path) == [PLANT]
    assert server.plan is not None
    server.settle(ROSE)  # while nobody collects
    with collecting(site(tmp_path, server)) as line:
        wait_until(lambda: ALL_COLLECTED in line.said)
    assert images(tmp_path) == [PLANT, ROSE]
    assert server.runs <= 2


def test_a_crawl_that_is_complete_takes_no_redis(tmp_path: Path, server: Server) -> None:
    carried_out(tmp_path, server)
    runs = server.runs
    for server.up in (True, False):
        with collecting(site(tmp_path, server)) as line:
            assert line.said == [ALL_COLLECTED]
        assert line.failure is None
        assert (server.plan, server.runs) == (None, runs)


def test_without_a_redis_a_crawl_does_not_begin(tmp_path: Path, server: Server) -> None:
    server.up = False
    with collecting(site(tmp_path, server)) as line:
        pass
    assert isinstance(line.failure, QueueUnreachable)


def test_what_was_put_back_in_the_folder_is_done_again(tmp_path: Path, server: Server) -> None:
    carried_out(tmp_path, server)
    retry_seed(tmp_path)
    with collecting(site(tmp_path, server)) as line:
        assert line.said == ["ready"]
        assert list(server.pending) == [SEED]
        assert {PLANT, ROSE} <= server.known, "they are not fetched again"
        assert "complete" not in notes(tmp_path)
        server.settle(SEED)
        wait_until(lambda: ALL_COLLECTED in line.said)


def retry_seed(folder: Path) -> None:
    """As ``image-crawler retry`` would, had it failed."""
    with CrawlFolder(folder).locked():
        ledger = Ledger(CrawlFolder(folder).ledger, queue=QueueConfig(), scope=ScopeConfig(), new_run=True)
        ledger._db.execute("UPDATE tasks SET state = 'ready' WHERE kind = 'page'")
        ledger.close()


def test_all_is_visited_once_more_if_it_is_complete_and_only_then(tmp_path: Path, server: Server) -> None:
    with collecting(site(tmp_path, server), StartMode.REFRESH):
        server.settle(SEED, PLANT, ROSE)
    assert "refreshes" not in notes(tmp_path)
    with collecting(site(tmp_path, server), StartMode.REFRESH) as line:
        assert "refreshes" not in notes(tmp_path), "it goes on first"
        server.settle(PLANT)
        server.settle(ROSE)
        wait_until(lambda: ALL_COLLECTED in line.said)
    with collecting(site(tmp_path, server), StartMode.REFRESH) as line:
        assert line.said == ["ready"]
        assert notes(tmp_path)["refreshes"] == 1
        assert set(server.pending) == {SEED, PLANT, ROSE}
        assert server.pending[PLANT].known is not None


def test_a_crawl_of_a_manager_goes_on_in_redis(tmp_path: Path, server: Server) -> None:
    ledger = Ledger(CrawlFolder(tmp_path).ledger, queue=QueueConfig(), scope=ScopeConfig(), new_run=True)
    ledger.set_seeds([SEED])
    ledger.put([NewTask(kind=TaskKind.PAGE, url=SEED), NewTask(kind=TaskKind.IMAGE, url=PLANT)])
    ledger.close()
    with collecting(site(tmp_path, server)):
        assert set(server.pending) == {SEED, PLANT}
        assert notes(tmp_path)["queue"] == "redis://r:6379/0#crawl"


def test_no_manager_goes_on_with_what_a_redis_knows_more_of(tmp_path: Path, server: Server) -> None:
    engine = ManagerBackend(Config(), CrawlFolder(tmp_path))
    engine.check(StartMode.GO_ON)
    with collecting(site(tmp_path, server)):
        server.settle(SEED, PLANT)
    engine.check(StartMode.FRESH)
    with pytest.raises(FolderError, match=r"is at redis://r:6379/0#crawl, .* --queue redis://r:6379/0#crawl"):
        engine.check(StartMode.GO_ON)
    with collecting(site(tmp_path, server)) as line:
        server.settle(PLANT)
        wait_until(lambda: ALL_COLLECTED in line.said)
    engine.check(StartMode.GO_ON)


# --- what is lost, and who comes back ---


def test_it_waits_for_a_redis_that_has_gone(
    tmp_path: Path, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), collecting(site(tmp_path, server)) as line:
        server.settle(SEED, PLANT)
        server.up = False
        wait_until(lambda: "it is waited for" in caplog.text)
        server.up = True
        server.settle(PLANT)
        wait_until(lambda: ALL_COLLECTED in line.said)
    assert caplog.text.count("it is waited for") == 1
    assert "redis://r:6379/0#crawl answers again" in caplog.text
    assert line.failure is None


@pytest.mark.parametrize("incarnation", ["1", "2"], ids=["flushed", "started anew"])
def test_a_redis_that_has_lost_everything_is_given_it_again(
    tmp_path: Path, server: Server, incarnation: str
) -> None:
    with collecting(site(tmp_path, server)) as line:
        server.settle(SEED, PLANT, ROSE)
        server.settle(PLANT)
        wait_until(lambda: images(tmp_path) == [PLANT])
        server.up = False
        server.lose_everything()
        server.incarnation = incarnation
        server.up = True
        wait_until(lambda: server.open)
        assert set(server.pending) == {SEED}, "to be read again, for the rose was only known there"
        assert PLANT in server.known
        server.settle(SEED, ROSE)
        server.settle(ROSE)
        wait_until(lambda: ALL_COLLECTED in line.said)
    assert images(tmp_path) == [PLANT, ROSE]
    assert server.recalls == 0


def test_a_redis_that_was_started_anew_may_have_lost_the_latest(tmp_path: Path, server: Server) -> None:
    with collecting(site(tmp_path, server)):
        server.incarnation = "2"
        wait_until(lambda: server.recalls == 1)
    server.incarnation = "3"
    with collecting(site(tmp_path, server)):
        assert server.recalls == 2, "while nobody collected"
    with collecting(site(tmp_path, server)):
        assert server.recalls == 2


def test_another_collector_in_the_same_run_takes_nothing_back(tmp_path: Path, server: Server) -> None:
    with collecting(site(tmp_path, server)):
        server.settle(SEED, PLANT)
    plan, runs = server.plan, server.runs
    for start in (StartMode.RESTART, StartMode.JOIN):
        with collecting(site(tmp_path, server), start) as line:
            wait_until(lambda line=line: "ready" in line.said)
            wait_until(lambda: server.open)
        assert (line.failure, server.plan, server.runs) == (None, plan, runs)


def test_one_that_is_started_again_while_redis_is_away_waits_for_it(tmp_path: Path, server: Server) -> None:
    with collecting(site(tmp_path, server)):
        server.settle(SEED, PLANT)
    server.up = False
    with collecting(site(tmp_path, server), StartMode.RESTART) as line:
        server.settle(PLANT)
        server.up = True
        wait_until(lambda: ALL_COLLECTED in line.said)
    with collecting(site(tmp_path / "b", server), StartMode.RESTART) as line:
        server.up = False
    assert line.failure is None, "it can be stopped all the while"


# --- whose crawl it is ---


def test_a_folder_of_another_crawl(tmp_path: Path, server: Server) -> None:
    carried_out(tmp_path, server)
    with collecting(site(tmp_path, server, "http://b.example/")) as line:
        pass
    assert isinstance(line.failure, FolderError)
    assert "belongs to another crawl, of http://a.example/" in str(line.failure)
    assert images(tmp_path) == [PLANT, ROSE]


@pytest.mark.parametrize("seed", [SEED, "http://b.example/"])
def test_a_name_that_another_folders_crawl_has(tmp_path: Path, server: Server, seed: str) -> None:
    with collecting(site(tmp_path / "a", server)):
        server.settle(SEED, PLANT)
    there = replace(server)
    with collecting(site(tmp_path / "b", server, seed)) as line:
        pass
    assert isinstance(line.failure, FolderError)
    assert "is a crawl of http://a.example/ already, of another folder" in str(line.failure)
    with collecting(site(tmp_path / "a", server), StartMode.JOIN) as line:
        pass
    assert (line.failure, server.plan, server.pending) == (None, there.plan, there.pending)
    with collecting(site(tmp_path / "b", server, seed), StartMode.JOIN) as line:
        pass
    assert "is not the folder of the crawl at redis://r:6379/0#crawl" in str(line.failure)


def test_to_start_over_removes_ones_own_and_nobody_elses(tmp_path: Path, server: Server) -> None:
    with collecting(site(tmp_path / "a", server)):
        server.settle(SEED, PLANT)
    first = server.plan
    with collecting(site(tmp_path / "b", server, "http://b.example/"), StartMode.FRESH) as line:
        pass
    assert isinstance(line.failure, FolderError)
    assert server.plan == first
    for folder, seed in (("a", "http://b.example/"), ("c", "http://b.example/")):
        with collecting(site(tmp_path / folder, server, seed), StartMode.FRESH) as line:
            assert line.said == ["ready"]
            assert list(server.pending) == [seed]
        assert line.failure is None


# --- its records, for who waits for them ---


def test_records_are_read_from_the_folder_as_they_are_collected(tmp_path: Path, server: Server) -> None:
    said: list[str] = []
    reader = CollectedRecords(CrawlFolder(tmp_path), lambda: ALL_COLLECTED in said)
    with collecting(site(tmp_path, server)) as line:
        said = line.said
        assert reader.get(wait_s=0.0).records == ()
        server.settle(SEED, PLANT, ROSE)
        server.settle(PLANT)
        wait_until(lambda: not server.settled)
        wait_until(lambda: len(reader.get().records) == 2)
        first = reader.get(limit=1)
        assert [record.url for record in first.records] == [SEED]
        assert not first.complete
        second = reader.get(after=first.cursor, wait_s=5.0)
        assert [record.url for record in second.records] == [PLANT]
        assert reader.get(after=second.cursor, wait_s=0.0).cursor == second.cursor
        server.settle(ROSE)
        last = reader.get(after=second.cursor, wait_s=5.0)
        assert [record.url for record in last.records] == [ROSE]
        wait_until(lambda: ALL_COLLECTED in said)
        assert reader.get(after=last.cursor, wait_s=5.0).complete
        assert not reader.get(limit=1).complete, "there are more"
        assert reader.get().complete
    with pytest.raises(UsageError, match="results go to the queue"):
        reader.put([])


def test_shards_reach_the_plan(tmp_path: Path, server: Server) -> None:
    config = load(flags={"queue": "redis://:pw@r/0", "queue_shards": 4})
    with collecting(site(tmp_path, server, config=config)):
        assert server.plan is not None
        assert server.plan.config.queue.queue_shards == 4
        assert "pw" not in repr(server.plan)
        assert "pw" not in repr(notes(tmp_path))
    assert parse("redis://:pw@r/0").password == "pw"
