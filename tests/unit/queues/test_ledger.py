"""The ledger's file: what survives a restart, what a damaged or full disk does, and many threads at once."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from crawler import errors
from crawler.config import QueueConfig, ScopeConfig
from crawler.crawlfile import columns, schema
from crawler.models import (
    Alternative,
    ImageRecord,
    ImageStatus,
    Lease,
    NewTask,
    OptOut,
    Origin,
    Purpose,
    RenderOutcome,
    Result,
    Revisit,
    Task,
    TaskKind,
    TemplateVerdict,
)
from crawler.queues import Plan, QueueResults
from crawler.queues.ledger import Ledger
from crawler.queues.policy import TEMPLATE_CLAIM_S
from tests.support.clocks import Clock
from tests.support.cpu_time import soon
from tests.support.queues import (
    HARVESTER,
    RENDERER,
    Queues,
    embedded,
    failed,
    file_of,
    image,
    images,
    in_thread,
    lease,
    page,
    render,
    saved,
    take,
    tokens,
    wait_until,
    waiting_at,
    worker,
)


@contextmanager
def failing(crawl: Crawl, step: str) -> Iterator[None]:
    """The ledger has a fault in one of its steps, after the others of a call were done."""

    def fail(*_: object) -> None:
        raise RuntimeError(step)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(crawl.ledger._settling, step, fail)
        yield


class Crawl:
    """A ledger that can be closed, killed and opened again, on a clock of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = Clock()
        self.settings: dict[str, float] = {}

    def open(self, *, new_run: bool = False, survivors: bool = False, **settings: float) -> Queues:
        self.settings |= settings
        scope = {key: value for key, value in self.settings.items() if key in ScopeConfig.__struct_fields__}
        queue = {key: value for key, value in self.settings.items() if key not in scope}
        self.ledger = Ledger(
            self.path,
            queue=QueueConfig(**{"per_host": 100, "lease_s": 10.0, **queue}),
            scope=ScopeConfig(**scope),
            new_run=new_run,
            survivors=survivors,
            clock=self.clock,
        )
        return Queues(tasks=self.ledger, results=QueueResults(self.ledger), pass_time=self.pass_time)

    def pass_time(self, by_s: float) -> None:
        self.clock.now += by_s
        self.ledger.tick()

    def kill(self) -> None:
        """As ``kill -9``: nothing is written any more. Another process's clock starts anywhere."""
        self.ledger._db.close()
        self.clock.now = 77.0

    def close(self) -> None:
        self.ledger.close()

    def rows(self, sql: str) -> list[tuple]:
        with closing(sqlite3.connect(self.path)) as db:
            return db.execute(sql).fetchall()

    def alter(self, sql: str, *values: object) -> None:
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute(sql, values)


@pytest.fixture(name="crawl")
def a_crawl(tmp_path: Path) -> Iterator[Crawl]:
    crawl = Crawl(tmp_path / "crawl.db")
    yield crawl
    if hasattr(crawl, "ledger"):
        crawl.ledger._db.close()


# --- over a restart ---


def test_workers_elsewhere_may_have_gone_on_while_a_served_crawl_was_down(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    queues.tasks.put([page(1), *images(3)])
    held, (a_page,) = take(queues), take(queues, HARVESTER)
    crawl.kill()
    queues = crawl.open(new_run=True, survivors=True)
    stats = queues.tasks.stats()
    assert (stats.images.leased, stats.images.ready) == (3, 0), "a downloader may still have them"
    assert (stats.pages.leased, stats.pages.ready) == (0, 1), "the harvester was killed with its manager"
    (again,) = take(queues, HARVESTER)
    assert (again.url, again.attempt, again.serial) == (a_page.url, 1, a_page.serial + 1)
    queues.results.put([saved(held[0])])
    assert queues.tasks.heartbeat(worker(), held=tokens(held[1:])).lost == ()
    crawl.pass_time(11.0)
    assert [task.attempt for task in take(queues, worker("w2"))] == [2, 2], "it was not heard of again"


def test_what_somebody_wanted_stands_until_the_next_run(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    queues.tasks.put(images(3))
    queues.tasks.pause()
    crawl.kill()
    queues = crawl.open()
    assert queues.tasks.stats().paused
    assert take(queues) == []
    queues.tasks.stop("stopped by anna")
    crawl.kill()
    stats = crawl.open().tasks.stats()
    assert (stats.halted, stats.stopped) == ("stopped by anna", True)
    crawl.kill()
    queues = crawl.open(new_run=True)
    stats = queues.tasks.stats()
    assert (stats.halted, stats.stopped, stats.paused) == (None, False, False)
    assert len(take(queues)) == 3


def test_a_crawl_keeps_its_name_and_another_has_another(crawl: Crawl, tmp_path: Path) -> None:
    crawl.open(new_run=True)
    name = crawl.ledger.crawl_id()
    assert crawl.ledger.crawl_id() == name
    crawl.close()
    crawl.open(new_run=True)
    assert crawl.ledger.crawl_id() == name
    other = Crawl(tmp_path / "other.db")
    other.open(new_run=True)
    assert other.ledger.crawl_id() != name
    other.close()


@pytest.mark.parametrize("how", ["close", "kill"])
def test_everything_is_there_again(crawl: Crawl, how: str) -> None:
    queues = crawl.open(new_run=True, max_pages=1, max_attempts=2)
    crawl.ledger.set_seeds(["http://a.example/", "http://b.example/"])
    queues.tasks.put([page(1), page(2), *images(6)])
    one, two, three, four = take(queues, count=4)
    queues.results.put(
        [saved(one), failed(two, "not-found"), failed(three, retry_in_s=30.0, host_delay_s=7.0)]
    )
    before = queues.tasks.stats()
    records = queues.results.get().records
    getattr(crawl, how)()
    queues = crawl.open()
    after = queues.tasks.stats()
    assert (after.images, after.pages) == (before.images, before.pages)
    assert (after.image_status, after.image_reasons) == ({"saved": 1, "failed": 1}, {"not-found": 1})
    assert (after.dropped, after.saved_bytes) == ({"max-pages": 1}, 10)
    assert queues.results.get().records == records
    assert crawl.ledger.seeds() == ("http://a.example/", "http://b.example/")
    assert queues.tasks.put([image(0), image(5), page(1)]) == 0
    assert queues.tasks.heartbeat(worker(), held=tokens([four])).lost == ()
    queues.results.put([saved(four)])
    assert queues.tasks.stats().images.done == 3
    assert take(queues) == [], "its last request may have been a moment ago"
    crawl.pass_time(7.1)
    (task,) = take(queues)
    assert task.host_delay_s == 7.0


def test_a_lease_gets_a_full_new_term_after_a_restart(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    queues.tasks.put(images(2))
    held = take(queues, count=2)
    crawl.pass_time(9.0)
    crawl.kill()
    queues = crawl.open()
    crawl.pass_time(9.0)
    assert queues.tasks.stats().images.leased == 2
    assert queues.tasks.heartbeat(worker(), held=tokens(held)).lost == ()
    crawl.pass_time(9.0)
    assert queues.tasks.heartbeat(worker(), held=tokens(held)).lost == ()
    assert take(queues, worker("w2")) == []


def test_leases_that_nobody_claims_after_a_restart_run_out(
    crawl: Crawl, caplog: pytest.LogCaptureFixture
) -> None:
    queues = crawl.open(new_run=True)
    queues.tasks.put(images(2))
    held = take(queues, count=2)
    crawl.kill()
    queues = crawl.open()
    assert queues.tasks.heartbeat(worker(), held=tokens(held[:1])).lost == ()
    with caplog.at_level(logging.WARNING):
        crawl.pass_time(6.0)
        queues.tasks.heartbeat(worker(), held=tokens(held[:1]))
        crawl.pass_time(6.0)
    assert "of an earlier run is lost, with 1 tasks" in caplog.text
    (again,) = take(queues, worker("w2"))
    assert (again.url, again.attempt) == (held[1].url, 2)


def test_a_worker_can_give_back_what_it_leased_before_a_restart(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    queues.tasks.put(images(3))
    held = take(queues, count=3)
    crawl.kill()
    queues = crawl.open()
    queues.tasks.release(worker(), tokens(held))
    queues.tasks.leave("w1", charged=False)
    assert [task.attempt for task in take(queues, worker("w2"))] == [1, 1, 1]


def test_a_hosts_slots_are_known_after_a_restart(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True, per_host=2)
    queues.tasks.put(images(50))
    held = take(queues, count=2)
    assert len(held) == 2
    crawl.kill()
    queues = crawl.open()
    assert take(queues, worker("w2")) == []
    queues.results.put([saved(task) for task in held])
    assert take(queues, worker("w2"))


def test_a_new_run_gives_all_leases_back_uncharged(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True, max_attempts=1)
    queues.tasks.put(images(3))
    held = take(queues, count=2)
    crawl.kill()
    queues = crawl.open(new_run=True)
    assert queues.tasks.stats().images.leased == 0
    again = take(queues, worker("w2"))
    assert [task.attempt for task in again] == [1, 1, 1]
    assert not set(tokens(again)) & set(tokens(held)), "a token is issued once, over all runs"
    queues.results.put([saved(held[0])])
    assert queues.tasks.stats().images.done == 1, "but what the last run did still counts"


def test_a_delay_lasts_over_a_restart_on_the_ledgers_own_clock(crawl: Crawl) -> None:
    """Neither the machine's clock nor the time between the runs counts."""
    queues = crawl.open(new_run=True)
    queues.tasks.put([image(1)])
    crawl.pass_time(100.0)
    (task,) = take(queues)
    queues.results.put([failed(task, retry_in_s=20.0)])
    crawl.pass_time(15.0)
    crawl.close()
    crawl.clock.now = 3.0
    queues = crawl.open(new_run=True)
    assert take(queues) == []
    crawl.pass_time(4.0)
    assert take(queues) == []
    crawl.pass_time(1.5)
    assert [found.attempt for found in take(queues)] == [2]


def test_a_delay_is_not_lost_in_a_kill(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    queues.tasks.put([image(1)])
    crawl.pass_time(1000.0)
    (task,) = take(queues)
    queues.results.put([failed(task, retry_in_s=20.0)])
    crawl.kill()
    queues = crawl.open()
    assert take(queues) == []
    crawl.pass_time(20.5)
    assert take(queues)


def test_the_books_are_complete_on_disk_before_a_call_returns(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    queues.tasks.put([page(1)])
    (task,) = take(queues, HARVESTER)
    queues.results.put([saved(task, discovered=(image(1), image(2)))])
    assert crawl.rows("SELECT url FROM pages") == [(page(1).url,)]
    assert crawl.rows("SELECT count(*) FROM tasks WHERE kind = 'image' AND state = 'ready'") == [(2,)]


def test_a_record_keeps_every_field(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    queues.tasks.put([image(1)])
    (task,) = take(queues)
    facts: dict = {
        field.name: 7 if columns.affinity(ImageRecord, field.name) == "INTEGER" else f"ä {field.name}"
        for field in msgspec.structs.fields(ImageRecord)
    }
    odd = {
        "url": image(1).url,
        "status": ImageStatus.SAVED,
        "reason": "",
        "revisit_reason": "not-found",
        "replaced_by": image(2).url,
        "page_url": page(1).url,
        "final_url": image(3).url,
        "instead_of": image(4).url,
        "found_in": "img, srcset",
        "elapsed_s": 1.5,
        "finished_at": "2026-01-02T03:04:05.000000Z",
        **file_of(image(1).url),
        "format": "png",
        "revisit": Revisit.CHANGED,
        "kept_by": "0123456789abcdef mäquina:/there",
        "dhash": "0123456789abcdef",
        "incomplete": True,
        "alternatives": (Alternative(url="https://h.test/%C3%A4", found_in="srcset", rule="smaller"),),
        "opt_outs": (OptOut(signal="noai", place="header ä", text="noai", forbids=tuple(Purpose)),),
    }
    record = ImageRecord(**facts | odd)
    queues.results.put([Result(token=task.token, record=record)])
    crawl.kill()
    assert crawl.open().results.get().records == (record,)


def test_many_hosts_are_found_again_after_they_fell_out_of_memory(
    crawl: Crawl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.queues.adding._HOST_IDS_IN_MEMORY", 3)
    queues = crawl.open(new_run=True)
    for number in range(2):
        assert queues.tasks.put([image(number, f"h{host}") for host in range(10)]) == 10
    assert crawl.rows("SELECT count(*) FROM hosts") == [(10,)]
    assert len(take(queues, slots=30)) == 20


def test_a_put_of_thousands_is_told_apart_correctly(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    assert queues.tasks.put(images(1700)) == 1700
    assert queues.tasks.put(images(1800)) == 100


# --- close ---


def test_callers_that_wait_are_told_that_it_has_ended(crawl: Crawl) -> None:
    crawl.clock = time.monotonic  # type: ignore[assignment] # they really wait
    queues = crawl.open(new_run=True, lease_s=1.0)
    queues.tasks.put([page(1), image(1)])
    (task,) = take(queues)
    queues.results.put([failed(task, retry_in_s=0.3)])
    take(queues, HARVESTER)
    with ExitStack() as stack:
        lease = stack.enter_context(
            in_thread(lambda: queues.tasks.lease(HARVESTER_2, count=1, slots=1, wait_s=9.0, held=()))
        )
        get = stack.enter_context(in_thread(lambda: queues.results.get(after=5, wait_s=9.0)))
        wait_until(lambda: waiting_at(crawl.ledger) == 2)
        started = time.monotonic()
        crawl.close()
    assert soon(time.monotonic() - started, 1.0)
    assert lease[0].halted == "the manager has stopped"  # type: ignore[attr-defined]
    assert (get[0].records, get[0].cursor, get[0].complete) == ((), 5, False)  # type: ignore[attr-defined]


HARVESTER_2 = worker("h2", TaskKind.PAGE)


# --- files that are something else ---


def refuses(crawl: Crawl, error: type[errors.CrawlerError], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        crawl.open()
    assert str(crawl.path) in str(caught.value)


def test_a_file_that_is_no_database(crawl: Crawl) -> None:
    crawl.path.write_bytes(b"this is a shopping list, not a database\n" * 100)
    before = crawl.path.read_bytes()
    refuses(crawl, errors.LedgerCorrupt, r"is damaged .*start over with --fresh")
    assert crawl.path.read_bytes() == before


def test_another_programs_database(crawl: Crawl) -> None:
    with closing(sqlite3.connect(crawl.path)) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")
        db.execute("PRAGMA application_id = 7")
        db.commit()
    before = crawl.path.read_bytes()
    refuses(crawl, errors.FolderError, "is not a crawl's ledger; choose another folder")
    assert crawl.path.read_bytes() == before


def test_another_versions_ledger(crawl: Crawl) -> None:
    crawl.open()
    crawl.close()
    with closing(sqlite3.connect(crawl.path)) as db:
        db.execute("PRAGMA user_version = 99")
    refuses(
        crawl,
        errors.FolderError,
        rf"written by another version \(schema 99, this one has {schema.SCHEMA_VERSION}\); go on with",
    )


def test_an_empty_file_is_a_new_ledger(crawl: Crawl) -> None:
    """A kill between the file's creation and its tables leaves this behind."""
    crawl.path.touch()
    queues = crawl.open()
    assert queues.tasks.put([image(1)]) == 1


def filled(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    origin = Origin(page_url="http://a.example/", found_in="img", alt="x" * 200)
    queues.tasks.put([NewTask(kind=TaskKind.IMAGE, url=new.url, origin=origin) for new in images(2000)])
    crawl.close()
    assert crawl.path.stat().st_size > 100_000


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_file(crawl: Crawl, share: float) -> None:
    filled(crawl)
    data = crawl.path.read_bytes()
    crawl.path.write_bytes(data[: int(len(data) * share)])
    refuses(crawl, errors.LedgerCorrupt, "is damaged .*put a sound copy of it back")


@pytest.mark.parametrize("where", [0.25, 0.5, 0.75])
def test_overwritten_pages(crawl: Crawl, where: float) -> None:
    filled(crawl)
    data = bytearray(crawl.path.read_bytes())
    start = int(len(data) * where) // 4096 * 4096
    for n in range(start, start + 4 * 4096):
        data[n] ^= 0xFF
    crawl.path.write_bytes(data)
    refuses(crawl, errors.LedgerCorrupt, "is damaged")


def test_damage_that_shows_while_records_are_read(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    crawl.ledger._db.close()
    crawl.ledger._db = DamagedDatabase()  # type: ignore[assignment]
    queues.tasks.halt("so that nobody waits")
    with pytest.raises(errors.LedgerCorrupt, match="its content is damaged"):
        queues.results.get()


def test_damage_that_has_parted_the_table_of_tasks_and_its_index(crawl: Crawl) -> None:
    """A fuzzer found it: it was taken for a fault of this program."""
    crawl.open().tasks.put(images(3))
    crawl.kill()
    with closing(sqlite3.connect(crawl.path, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        entry = db.execute("SELECT * FROM sqlite_master WHERE name = 'tasks_ready'").fetchone()
        db.execute("DELETE FROM sqlite_master WHERE name = 'tasks_ready'")
    with closing(sqlite3.connect(crawl.path, isolation_level=None)) as db:
        db.execute("DELETE FROM tasks WHERE id > 1")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", entry)
    queues = crawl.open()
    assert len(lease(queues, worker("w2"), count=1).batches) == 1
    with pytest.raises(errors.LedgerCorrupt, match="is damaged"):
        lease(queues)
    assert "is damaged" in lease(queues).halted


class DamagedDatabase:
    in_transaction = False

    def execute(self, *_: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    def close(self) -> None: ...


def test_a_folder_in_its_place(crawl: Crawl) -> None:
    crawl.path.mkdir()
    refuses(crawl, errors.StorageFailed, "it can.t be opened")


# --- a full disk ---


def fill_the_disk(crawl: Crawl) -> None:
    db = crawl.ledger._db
    crawl.ledger.put(images(500, "before"))
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages}")


def put_until_full(queues: Queues) -> None:
    for start in range(0, 100_000, 100):
        queues.tasks.put([image(n) for n in range(start, start + 100)])


def test_a_full_disk_loses_nothing_of_what_was_promised(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    fill_the_disk(crawl)
    with pytest.raises(errors.StorageFull, match="free some space and run the same command again"):
        put_until_full(queues)
    stats = queues.tasks.stats()
    assert stats.halted is not None
    assert "no room for" in stats.halted
    on_disk = crawl.rows("SELECT count(*) FROM tasks")[0][0]
    assert stats.images.ready == on_disk
    assert on_disk >= 500
    assert on_disk % 100 == 0, "nothing of the call that failed"
    assert queues.tasks.lease(worker(), count=1, slots=1, wait_s=9.0, held=()).halted == stats.halted


def test_a_result_that_found_no_room_is_not_settled(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    queues.tasks.put([page(1), *images(30)])
    held = take(queues, count=30)
    (harvest,) = take(queues, HARVESTER)
    fill_the_disk(crawl)
    before = queues.tasks.stats()
    huge = tuple(image(n) for n in range(1000, 9000))
    with pytest.raises(errors.StorageFull):
        queues.results.put([*map(saved, held), saved(harvest, discovered=huge)])
    after = queues.tasks.stats()
    assert (after.images, after.pages, after.image_status) == (before.images, before.pages, {})
    assert crawl.rows("SELECT count(*) FROM images") == [(0,)]
    assert queues.tasks.heartbeat(worker(), held=tokens(held)).lost == (), "they are still the worker's"
    crawl.ledger._db.execute("PRAGMA max_page_count = 1000000")
    queues.results.put([*map(saved, held), saved(harvest, discovered=huge)])
    stats = queues.tasks.stats()
    assert (stats.images.done, stats.images.ready, stats.pages.done) == (30, 8500, 1)
    assert len(queues.results.get().records) == 31


def test_after_a_full_disk_the_next_run_goes_on(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    fill_the_disk(crawl)
    with pytest.raises(errors.StorageFull):
        put_until_full(queues)
    known = queues.tasks.stats().images.ready
    crawl.kill()
    queues = crawl.open(new_run=True)
    assert queues.tasks.stats().halted is None
    assert queues.tasks.stats().images.ready == known
    assert len(take(queues, count=10)) == 10


def test_a_transaction_that_can_not_begin_leaves_memory_in_order(crawl: Crawl) -> None:
    """Another process has the file locked: what was about to be leased is not counted as held."""
    queues = crawl.open(new_run=True)
    queues.tasks.put(images(20))
    crawl.ledger._db.execute("PRAGMA busy_timeout = 1")
    with closing(sqlite3.connect(crawl.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(errors.StorageFailed, match="another program is using it"):
            take(queues)
        other.execute("ROLLBACK")
    stats = queues.tasks.stats()
    assert (stats.images.ready, stats.images.leased) == (20, 0)
    assert stats.halted is not None
    assert crawl.ledger._state.politeness.look_at(1, now=0).in_flight == 0


def test_a_fault_in_one_call_does_not_set_the_clock_back(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True, lease_s=100.0)
    queues.tasks.put([image(1), page(1)])
    (task,), (other,) = take(queues), take(queues, HARVESTER)
    queues.results.put([failed(task, retry_in_s=20.0)])
    crawl.pass_time(15.0)
    with failing(crawl, "settle"), pytest.raises(RuntimeError):
        queues.results.put([saved(other)])
    crawl.pass_time(5.5)
    assert take(queues), "the delay is over, whatever went wrong meanwhile"


# --- workers that come and go ---


def test_a_lost_workers_part_is_the_others(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True, per_host=4)
    queues.tasks.put(images(100))
    take(queues, worker("w1"), count=1)
    queues.tasks.heartbeat(worker("w2"), held=())
    first = queues.tasks.lease(worker("w2"), count=32, slots=8, wait_s=0, held=())
    assert [batch.slots for batch in first.batches] == [2]
    crawl.pass_time(11.0)
    again = queues.tasks.lease(worker("w3"), count=32, slots=8, wait_s=0, held=())
    assert [batch.slots for batch in again.batches] == [4]


def test_a_waiting_worker_notices_that_another_has_gone(crawl: Crawl) -> None:
    """A worker that held nothing is lost: nothing new to do, but a larger part of it for those who stay."""
    crawl.clock = time.monotonic  # type: ignore[assignment]
    queues = crawl.open(new_run=True, per_host=4, lease_s=0.3)
    queues.tasks.put(images(100))
    queues.tasks.heartbeat(worker("w2"), held=())
    held = take(queues, worker("w1"))
    assert len(held) == 16
    with in_thread(
        lambda: queues.tasks.lease(
            worker("w1"), count=32, slots=8, wait_s=9.0, held=[task.token for task in held]
        )
    ) as outcome:
        started = time.monotonic()
        wait_until(lambda: crawl.ledger.tick() or outcome, within_s=5.0)
        assert soon(time.monotonic() - started, 1.5)
    assert [batch.slots for batch in outcome[0].batches] == [4]  # type: ignore[attr-defined]


# --- many at once ---


@pytest.mark.timeout(60)
def test_eight_threads_settle_five_thousand_tasks_once_each(tmp_path: Path) -> None:
    ledger = Ledger(
        tmp_path / "crawl.db", queue=QueueConfig(max_attempts=9), scope=ScopeConfig(), new_run=True
    )
    queues = Queues(tasks=ledger, results=QueueResults(ledger), pass_time=time.sleep)
    for host in range(50):
        queues.tasks.put(images(100, f"h{host}"))
    settled: list[int] = []
    guard = threading.Lock()

    def finish(me: str, tasks: list[Task]) -> None:
        if tasks and tasks[0].id % 3 == 0 and tasks[0].serial == 1:
            queues.tasks.release(worker(me), tokens(tasks[:1]))
            tasks = tasks[1:]
        retried = [task for task in tasks if task.id % 13 == 0 and task.attempt == 1]
        done = [task for task in tasks if task not in retried]
        queues.results.put(
            [failed(task, retry_in_s=0.0) for task in retried] + [saved(task) for task in done]
        )
        with guard:
            settled.extend(task.id for task in done)

    def work(me: str) -> None:
        while True:
            answer = queues.tasks.lease(worker(me, threads=8), count=32, slots=8, wait_s=1.0, held=())
            if answer.drained:
                return
            finish(me, [task for batch in answer.batches for task in batch.tasks])

    with ExitStack() as stack:
        outcomes = [stack.enter_context(in_thread(lambda n=n: work(f"w{n}"))) for n in range(8)]
    stats = ledger.stats()
    ledger.close()
    assert outcomes == [[None]] * 8
    assert len(settled) == len(set(settled)) == 5000
    assert stats.image_status == {"saved": 5000}
    assert stats.balanced


# --- words of later pages ---

NAMED = NewTask(kind=TaskKind.IMAGE, url=image(0).url, origin=Origin(page_url=page(0).url, found_in="img"))
SAID = Origin(page_url=page(1).url, found_in="a", alt="a dog", caption="Rex")
AGAIN = NewTask(kind=TaskKind.IMAGE, url=image(0).url, origin=SAID)


def words_of_images(crawl: Crawl) -> list[tuple]:
    return crawl.rows("SELECT alt, caption, found_in, status, revisit FROM images")


def named(result: Result) -> Result:
    """As a worker says it that knew of the first page only."""
    assert NAMED.origin is not None
    facts = {"page_url": NAMED.origin.page_url, "found_in": NAMED.origin.found_in}
    return msgspec.structs.replace(result, record=msgspec.structs.replace(result.record, **facts))


@pytest.mark.parametrize("said", ["before", "after"])
def test_words_of_later_pages_outlive_a_kill(crawl: Crawl, said: str) -> None:
    queues = crawl.open(new_run=True)
    queues.tasks.put([NAMED])
    (task,) = take(queues)
    if said == "before":
        queues.tasks.put([AGAIN])
    crawl.kill()
    queues = crawl.open()
    if said == "after":
        queues.tasks.put([AGAIN])
    queues.results.put([named(saved(task))])
    assert words_of_images(crawl) == [("a dog", "Rex", "img", "saved", "")]
    crawl.kill()
    queues = crawl.open()
    queues.tasks.put([msgspec.structs.replace(AGAIN, origin=msgspec.structs.replace(SAID, alt="a cat"))])
    assert words_of_images(crawl) == [("a dog", "Rex", "img", "saved", "")]


@pytest.mark.parametrize("outcome", [saved, failed])
@pytest.mark.parametrize("leased", [False, True])
def test_a_page_that_is_read_again_fills_as_well(
    crawl: Crawl, outcome: Callable[[Task], Result], *, leased: bool
) -> None:
    queues = crawl.open(new_run=True)
    queues.tasks.put([NAMED, page(1)])
    (task,), (first,) = take(queues), take(queues, HARVESTER)
    queues.results.put([named(saved(task)), saved(first)])
    assert crawl.ledger.refresh() == 2
    (first,) = take(queues, HARVESTER)
    tasks = take(queues) if leased else []
    queues.results.put([saved(first, discovered=(AGAIN,))])
    (task,) = tasks or take(queues)
    assert (task.origin is not None and task.origin.alt) == ("" if leased else "a dog")
    queues.results.put([named(outcome(task))])
    mark = "failed" if outcome is failed else ""
    assert words_of_images(crawl) == [("a dog", "Rex", "img", "saved", mark)]


def test_words_are_taken_back_with_the_transaction_that_brought_them(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    queues.tasks.put([NAMED, page(1)])
    (task,), (first,) = take(queues), take(queues, HARVESTER)
    with failing(crawl, "write"), pytest.raises(RuntimeError):
        queues.results.put([saved(first, discovered=(AGAIN,))])
    queues.results.put([named(saved(task))])
    assert words_of_images(crawl) == [("", "", "img", "saved", "")]
    queues.results.put([saved(first, discovered=(AGAIN,))])
    assert words_of_images(crawl) == [("a dog", "Rex", "img", "saved", "")]


# --- pages to be rendered ---


def test_renderers_elsewhere_may_have_gone_on_as_downloaders_may(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    queues.tasks.put([render(1), render(2)])
    held = take(queues, RENDERER)
    crawl.kill()
    queues = crawl.open(new_run=True, survivors=True)
    assert queues.tasks.stats().renders.leased == 2
    assert queues.tasks.heartbeat(RENDERER, held=[held[0].token]).lost == ()
    queues.pass_time(5.0)
    queues.tasks.heartbeat(RENDERER, held=[held[0].token])
    queues.pass_time(6.0)
    stats = queues.tasks.stats()
    assert (stats.renders.leased, stats.renders.ready) == (1, 1), "nobody has claimed the other one"
    crawl.kill()
    queues = crawl.open(new_run=True)
    assert queues.tasks.stats().renders.ready == 2


def test_what_rendering_brought_is_known_after_a_restart(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    host, name = "http://a.example", "family/fine"
    queues.pass_time(1000.0)
    for task in range(3):
        queues.tasks.template(host=host, name=name, task=task)
    queues.tasks.tell_template(host=host, name=name, outcome=RenderOutcome(task=0))
    queues.tasks.template(host=host, name=name, task=3)
    crawl.kill()
    queues = crawl.open()
    answer = queues.tasks.template(host=host, name=name, task=4)
    assert (answer.verdict, answer.renders) == (TemplateVerdict.WAIT, 1)
    queues.pass_time(TEMPLATE_CLAIM_S + 1)
    assert queues.tasks.template(host=host, name=name, task=4).verdict is TemplateVerdict.RENDER


def test_what_cant_be_read_of_a_template_is_found_out_once_more(crawl: Crawl) -> None:
    queues = crawl.open(new_run=True)
    host, name = "http://a.example", "family/fine"
    queues.tasks.tell_template(host=host, name=name, outcome=RenderOutcome(task=1))
    for nonsense in ("'text'", "x'c1c1'", "7", "x''"):
        with closing(sqlite3.connect(crawl.path)) as db, db:
            db.execute(f"UPDATE templates SET state = {nonsense}")
        assert queues.tasks.template(host=host, name=name).verdict is TemplateVerdict.UNKNOWN
    queues.tasks.tell_template(host=host, name=name, outcome=RenderOutcome(task=1))
    assert queues.tasks.template(host=host, name=name).renders == 1


def test_whether_anybody_renders_is_of_a_run(crawl: Crawl) -> None:
    def has_renderer(queues: Queues) -> bool:
        return queues.tasks.template(host="http://a.example", name="family/fine").has_renderer

    queues = crawl.open(new_run=True)
    assert not has_renderer(queues)
    take(queues, RENDERER)
    crawl.kill()
    assert has_renderer(crawl.open()), "its manager was started anew"
    crawl.kill()
    assert not has_renderer(crawl.open(new_run=True))
    planned = crawl.ledger
    planned.set_plan(Plan(browser=True))
    assert planned.template(host="http://a.example", name="family/fine").has_renderer


def test_who_waits_while_the_manager_stands_still_is_met_again(tmp_path: Path) -> None:
    """SIGSTOP, or a laptop that slept: when it goes on all deadlines are over, also of who waits in a call."""
    queue = QueueConfig(lease_s=15.0)
    with embedded(tmp_path / "crawl.db", queue=queue, scope=ScopeConfig()) as (ledger, queues):
        queues.tasks.put(images(1))
        (task,) = take(queues)
        queues.results.put([failed(task, retry_in_s=30.0)])
        with in_thread(lambda: lease(queues, wait_s=5.0)) as outcome:
            wait_until(lambda: waiting_at(ledger))
            queues.pass_time(5.0 + 15.0 + 31.0)
            outcome.thread.join(10.0)
        (told,) = outcome
        assert isinstance(told, Lease), told
        assert [one.url for batch in told.batches for one in batch.tasks] == [task.url]
        assert queues.tasks.status().worker_count == 1


def test_a_task_never_has_two_records(crawl: Crawl) -> None:
    """Rows of records have no index of their tasks, which would forbid it: the row of the task does."""
    queues = crawl.open()
    queues.tasks.put(images(2))
    (one, other) = take(queues)
    queues.results.put([saved(one)])
    crawl.alter("UPDATE tasks SET state = 'ready' WHERE url = ?", one.url)  # what no call does
    crawl.kill()
    queues = crawl.open()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="1 tasks have a record already"):
            queues.results.put([saved(other), saved(one)])
    queues.results.put([saved(other)])
    assert [record.url for record in queues.results.get().records] == [one.url, other.url]


@pytest.mark.parametrize("number", [7, 1])
def test_a_record_that_is_there_no_more_is_in_nobodys_way(crawl: Crawl, number: int) -> None:
    """Somebody has deleted it, or a damaged disk names one that is another task's."""
    queues = crawl.open()
    queues.tasks.put(images(2))
    (one, other) = take(queues)
    queues.results.put([saved(other)])
    crawl.alter("UPDATE tasks SET record = ? WHERE url = ?", number, one.url)
    queues.results.put([saved(one)])
    assert [record.url for record in queues.results.get().records] == [other.url, one.url]
