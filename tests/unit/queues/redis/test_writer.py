"""What a queue elsewhere has settled, in the crawl's own file: as the ledger would keep it, and once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from crawler.catalog.database import Catalog
from crawler.catalog.explain import explain
from crawler.catalog.summary import summarise
from crawler.config import QueueConfig, ScopeConfig
from crawler.crawlfile.meta import MetaKey
from crawler.errors import FolderError, StorageFull
from crawler.models import (
    Counts,
    ImageRecord,
    ImageStatus,
    NewTask,
    Origin,
    PageRecord,
    RenderRecord,
    RenderStatus,
    Revisit,
    Stats,
    TaskKind,
    TaskState,
)
from crawler.queues.ledger import Ledger
from crawler.queues.redis import collector as collecting
from crawler.queues.redis.codec import Settled
from crawler.queues.redis.export import Unsettled
from crawler.queues.redis.writer import CrawlfileWriter
from crawler.urls import task_key
from tests.support.fake_export import (
    ORIGIN,
    Crawl,
    Key,
    Queue,
    a_crawl_in,
    everything,
    failed,
    harvested,
    rendered,
    saved,
)
from tests.support.queues import embedded, image, images, page, render


@pytest.fixture(name="crawl")
def a_crawl(tmp_path: Path) -> Iterator[Crawl]:
    with a_crawl_in(tmp_path, page(0)) as crawl:
        yield crawl


# --- one by one ---


def test_seeds_of_the_file_are_done_by_the_queue_and_kept_under_its_ids(crawl: Crawl) -> None:
    assert crawl.queue.pending() == [(TaskKind.PAGE, page(0).url)]
    crawl.queue.put([NewTask(kind=TaskKind.IMAGE, url=image(1).url, depth=1, origin=ORIGIN)])
    first = crawl.queue.visit(harvested())
    second = crawl.queue.visit(saved(image(1), page_url=ORIGIN.page_url, found_in="img", depth=1))
    assert crawl.collector.collect() == 3  # and that the page names the image
    assert crawl.queue.stream == []
    assert crawl.rows(
        "SELECT id, kind, url, depth, state, serial, attempts, due_s, origin FROM tasks ORDER BY id"
    ) == [(each.id, each.kind, each.url, each.depth, "done", 1, 1, None, None) for each in (first, second)]
    assert crawl.rows("SELECT seq, task_id FROM pages UNION SELECT seq, task_id FROM images") == [
        (1, first.id),
        (2, second.id),
    ]
    assert crawl.rows("SELECT name FROM hosts") == [("http://a.example",)]


def test_totals_are_of_what_is_settled(crawl: Crawl) -> None:
    crawl.queue.put(images(4))
    crawl.queue.visit(harvested())
    crawl.queue.visit(saved(image(0)))
    crawl.queue.visit(saved(image(1), status=ImageStatus.DUPLICATE))
    crawl.queue.visit(failed(image(2)))
    dead = ImageRecord(url=image(3).url, status=ImageStatus.DEAD, reason="lease-expired")
    crawl.queue.visit(dead, TaskState.DEAD)
    crawl.collector.collect()
    assert crawl.queue.totals == Stats(
        pages=Counts(done=1),
        images=Counts(done=3, dead=1),
        page_status={"harvested": 1},
        image_status={"saved": 1, "duplicate": 1, "failed": 1, "dead": 1},
        image_reasons={"server-error": 1, "lease-expired": 1},
        saved_bytes=10,
    )
    crawl.restarted(lambda ledger: ledger.retry(kind=TaskKind.IMAGE))
    assert crawl.queue.totals.images == Counts(done=2), "what was put back, the queue counts"
    assert sorted(crawl.queue.pending()) == [(TaskKind.IMAGE, image(n).url) for n in (2, 3)]
    crawl.queue.visit(saved(image(2), "2"))
    crawl.queue.visit(failed(image(3)))
    crawl.collector.collect()
    assert crawl.queue.totals.images == Counts(done=4)
    assert crawl.queue.totals.balanced


def test_in_a_crawl_that_is_refreshed_records_count_before_their_tasks_are_done(crawl: Crawl) -> None:
    crawl.queue.visit(harvested())
    crawl.collector.collect()
    crawl.restarted(Ledger.refresh)
    assert (crawl.queue.totals.pages, crawl.queue.totals.page_status) == (Counts(), {"harvested": 1})


def elsewhere(each: Settled) -> Settled:
    """The same once more, when nobody remembers it."""
    return msgspec.structs.replace(each, entry=f"{each.entry}0")


@pytest.mark.parametrize("again", [lambda each: each, elsewhere], ids=["at once", "long after"])
def test_what_is_delivered_again_changes_nothing(crawl: Crawl, again: Callable[[Settled], Settled]) -> None:
    crawl.queue.put(images(5))
    first = [crawl.queue.visit(harvested()), *(crawl.queue.visit(saved(image(n), str(n))) for n in range(4))]
    first.append(crawl.queue.visit(failed(image(4))))
    crawl.collector.collect()
    before = everything(crawl.folder)
    crawl.books.take(list(map(again, first)))
    assert everything(crawl.folder) == before
    crawl.restarted(Ledger.refresh)
    gone = saved(image(3), "3", revisit=Revisit.GONE, revisit_reason="not-found")
    second = [
        crawl.queue.visit(harvested(revisit=Revisit.UNCHANGED)),
        crawl.queue.visit(saved(image(0), "7")),  # has changed
        crawl.queue.visit(failed(image(1))),
        crawl.queue.visit(saved(image(2), "2", revisit=Revisit.CHANGED)),  # as a worker may call it
        crawl.queue.visit(gone),
        crawl.queue.visit(saved(image(4), "4")),
    ]
    crawl.books.take(second)
    before, totals = everything(crawl.folder), crawl.books.totals()
    for each in [*second, *second]:
        crawl.books.take([each, again(each)])
    crawl.books.take(list(map(again, map(again, second))))
    assert (everything(crawl.folder), crawl.books.totals()) == (before, totals)
    assert len(before["image_history"]) == 2
    assert totals.image_status == {"saved": 5}
    assert crawl.rows("SELECT revisit FROM images ORDER BY url") == [
        (mark,) for mark in ("changed", "failed", "changed", "gone", "new")
    ]


@pytest.mark.parametrize(
    ("first", "second", "stands"),
    [
        (saved(image(0), "1", revisit=Revisit.UNCHANGED), failed(image(0)), ("1", "unchanged")),
        (saved(image(0), "2"), saved(image(0), "1", revisit=Revisit.GONE), ("2", "changed")),
        (saved(image(0), "2"), saved(image(0), "2", revisit=Revisit.UNCHANGED), ("2", "changed")),
        (saved(image(0), "2"), saved(image(0), "3"), ("3", "changed")),
        (failed(image(0)), saved(image(0), "1", revisit=Revisit.UNCHANGED), ("1", "unchanged")),
        (failed(image(0)), failed(image(0), "too-slow"), ("1", "failed")),
    ],
)
def test_a_second_visit_within_one_refresh(
    crawl: Crawl, first: ImageRecord, second: ImageRecord, stands: tuple[str, str]
) -> None:
    """The queue had forgotten the first: its worker was told of what stood before that one."""
    crawl.queue.put([image(0)])
    crawl.queue.visit(harvested())
    crawl.queue.visit(saved(image(0)))
    crawl.collector.collect()
    crawl.restarted(Ledger.refresh)
    for record in (first, second):
        crawl.queue.again(image(0))
        crawl.queue.visit(record)
        crawl.collector.collect()
    assert crawl.rows("SELECT substr(sha256, 1, 1), revisit FROM images") == [stands]
    shas = [sha for (sha,) in crawl.rows("SELECT substr(sha256, 1, 1) FROM image_history ORDER BY seq")]
    assert shas == list("12"[: int(stands[0]) - 1])
    assert crawl.books.totals().image_status == {"saved": 1}


def test_the_later_one_of_two_settlements_wins(crawl: Crawl) -> None:
    crawl.queue.put([image(1)])
    crawl.queue.visit(failed(image(1)))
    crawl.queue.again(image(1))
    crawl.queue.visit(saved(image(1)))
    crawl.collector.collect()
    assert crawl.rows("SELECT status FROM images") == [("saved",)]
    assert crawl.rows("SELECT serial, state FROM tasks WHERE kind = 'image'") == [(2, "done")]
    assert crawl.queue.totals.image_status == {"saved": 1}


def test_what_was_saved_keeps_its_record(crawl: Crawl) -> None:
    crawl.queue.put([image(1)])
    crawl.queue.visit(saved(image(1)))
    crawl.queue.again(image(1))
    crawl.queue.visit(failed(image(1)), TaskState.DEAD)
    crawl.collector.collect()
    assert crawl.rows("SELECT status, revisit FROM images") == [("saved", "")]
    assert crawl.queue.totals.images == Counts(done=1)


def test_the_heir_of_a_file_stays_what_it_is_when_it_comes_again(crawl: Crawl) -> None:
    crawl.queue.put(images(2))
    crawl.queue.visit(saved(image(0)))
    heir = crawl.queue.visit(saved(image(1), status=ImageStatus.DUPLICATE))
    crawl.queue.again(image(0))
    crawl.queue.visit(saved(image(0), "2"))
    crawl.collector.collect()
    crawl.books.take([msgspec.structs.replace(heir, entry="other")])
    assert crawl.rows("SELECT url, status, path FROM images ORDER BY url") == [
        (image(0).url, "saved", "images/2.png"),
        (image(1).url, "saved", "images/1.png"),
    ]
    assert crawl.queue.totals.saved_bytes == 20


def test_an_id_that_the_queue_has_given_twice_is_the_later_ones(crawl: Crawl) -> None:
    crawl.queue.put([image(1)])
    first = crawl.queue.visit(saved(image(1)))
    crawl.collector.collect()
    crawl.books.take([msgspec.structs.replace(first, url=image(2).url, record=saved(image(2), "2"))])
    rows = dict(crawl.rows("SELECT tasks.url, images.url FROM tasks JOIN images ON task_id = tasks.id"))
    assert rows == {image(n).url: image(n).url for n in (1, 2)}
    assert crawl.rows(f"SELECT url FROM tasks WHERE id = {first.id}") == [(image(2).url,)]
    assert crawl.books.totals().images == Counts(done=2)


def test_an_id_may_be_one_that_a_task_of_the_file_has_to_leave(crawl: Crawl) -> None:
    crawl.queue.put([image(1)])
    first = crawl.queue.visit(saved(image(1)))
    crawl.collector.collect()
    crawl.books.take(
        [msgspec.structs.replace(first, kind=TaskKind.PAGE, url=page(0).url, record=harvested())]
    )
    assert crawl.rows("SELECT id, serial FROM tasks ORDER BY id") == [(2, 0), (first.id, 1)]
    assert crawl.rows("SELECT task_id FROM images UNION ALL SELECT task_id FROM pages") == [(2,), (first.id,)]


def test_serials_never_decrease(crawl: Crawl) -> None:
    settled = msgspec.structs.replace(crawl.queue.visit(harvested()), serial=7)
    for serial in (7, 6):
        crawl.books.take([msgspec.structs.replace(settled, serial=serial)])
    assert crawl.rows("SELECT serial FROM tasks") == [(7,)]


def test_what_is_kept_is_safe_from_power_cuts(crawl: Crawl) -> None:
    assert crawl.books._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_the_ids_of_the_file_and_those_of_the_queue_stay_apart(crawl: Crawl) -> None:
    crawl.queue.visit(harvested())
    crawl.collector.collect()
    crawl.restarted(lambda ledger: ledger.put([page(1)]))
    assert [row for (row,) in crawl.rows("SELECT id < 1 << 40 FROM tasks ORDER BY url")] == [0, 1]
    (found,), _ = crawl.books.unsettled()
    assert (found.id, found.serial, found.task.url) == (0, 0, page(1).url)


def test_the_same_bytes_are_saved_once_where_names_are_digests(crawl: Crawl) -> None:
    crawl.queue.put(images(2))
    for n in range(2):
        crawl.queue.visit(saved(image(n), path=f"images/{'1' * 64}.png"))
    crawl.collector.collect()
    assert crawl.rows("SELECT status FROM images ORDER BY seq") == [("saved",), ("duplicate",)]


def test_unsettled_tasks_come_in_parts_with_what_is_known(crawl: Crawl) -> None:
    crawl.queue.put([NewTask(kind=TaskKind.IMAGE, url=image(1).url, depth=1, origin=ORIGIN)])
    crawl.queue.visit(harvested(etag='"1"'))
    texts = {"page_url": ORIGIN.page_url, "found_in": "img", "alt": "a dog"}
    settled = crawl.queue.visit(saved(image(1), **texts))
    crawl.collector.collect()
    crawl.with_ledger(Ledger.refresh)
    (first,), after = crawl.books.unsettled(limit=1)
    (second,), after = crawl.books.unsettled(after, limit=1)
    assert crawl.books.unsettled(after, limit=1) == ([], after)
    assert first.known == harvested(etag='"1"')
    assert (second.id, second.serial, second.task.origin, second.known) == (
        settled.id,
        1,
        ORIGIN,
        settled.record,
    )


def test_what_was_kept_out_never_becomes_less(crawl: Crawl) -> None:
    crawl.queue.kept_out = {"max-depth": 3, "nofollow": 1}
    crawl.collector.collect()
    crawl.queue.kept_out = {"max-depth": 1, "nofollow": 2}
    crawl.collector.collect()
    assert dict(crawl.rows("SELECT * FROM dropped")) == {"max-depth": 3, "nofollow": 2}


@pytest.mark.parametrize("value", ["1e5", "007", "12345678901234567890123", "", "redis://h/0#n"])
def test_facts_are_texts_whatever_they_look_like(crawl: Crawl, value: str) -> None:
    crawl.books.set_meta("queue", value)
    assert crawl.books.meta("queue") == value


def test_facts_are_noted(crawl: Crawl) -> None:
    crawl.books.set_meta("queue", "redis")
    crawl.restarted()
    assert (crawl.books.meta("queue"), crawl.books.meta("other")) == ("redis", None)
    crawl.books.set_meta("queue", None)
    assert crawl.books.meta("queue") is None


def test_many_are_collected_in_batches(crawl: Crawl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "BATCH", 3)
    crawl.queue.put(images(10))
    for n in range(10):
        crawl.queue.visit(failed(image(n)))
    assert crawl.collector.collect() == 10
    assert crawl.queue.totals.images == Counts(done=10)
    assert crawl.collector.collect() == 0


def test_what_is_no_ledger_is_said_to_be_none(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "crawl.db")) as db:
        db.execute("CREATE TABLE other (x)")
    with pytest.raises(FolderError):
        CrawlfileWriter(tmp_path / "crawl.db")


def test_a_full_disk_takes_nothing_and_loses_nothing(crawl: Crawl) -> None:
    crawl.queue.put(images(200))
    for n in range(200):
        crawl.queue.visit(failed(image(n), detail="x" * 2000))
    pages_now = crawl.books._db.execute("PRAGMA page_count").fetchone()[0]
    crawl.books._db.execute(f"PRAGMA max_page_count = {pages_now + 20}")
    with pytest.raises(StorageFull):
        crawl.collector.collect()
    assert (crawl.books.totals().images, len(crawl.queue.stream)) == (Counts(), 200)
    crawl.books._db.execute("PRAGMA max_page_count = 1000000")
    crawl.collector.collect()
    assert crawl.queue.totals.images == Counts(done=200)


# --- losses ---


def test_after_a_total_loss_pages_are_read_again_and_images_are_not_fetched_again(crawl: Crawl) -> None:
    crawl.queue.put([page(1), *images(3)])
    crawl.queue.visit(harvested(etag='"1"'))
    crawl.queue.visit(saved(image(0)))
    crawl.queue.visit(failed(image(1)))
    crawl.collector.collect()
    crawl.queue = Queue()
    crawl.restarted(empty=True)
    assert crawl.queue.pending() == [(TaskKind.PAGE, page(0).url)]
    assert crawl.queue.totals.image_status == {"saved": 1, "failed": 1}
    assert crawl.queue.totals.pages == Counts(), "the queue counts it"
    crawl.queue.put([page(1), *images(3)])  # as they are found once more
    assert crawl.queue.pending() == [
        (TaskKind.PAGE, page(0).url),
        (TaskKind.PAGE, page(1).url),
        (TaskKind.IMAGE, image(2).url),
    ]
    for task in (page(0), page(1)):
        crawl.queue.visit(harvested(task))
    crawl.queue.visit(saved(image(2), "2"))
    crawl.collector.collect()
    assert crawl.queue.totals.pages == Counts(done=2)
    assert crawl.queue.totals.images == Counts(done=3)
    assert crawl.rows("SELECT count(*), count(DISTINCT url) FROM tasks") == [(5, 5)]


def test_after_a_total_loss_no_page_is_asked_whether_it_has_changed(crawl: Crawl) -> None:
    crawl.queue.visit(harvested(etag='"1"'))
    crawl.collector.collect()
    crawl.restarted(Ledger.refresh)
    crawl.queue.visit(harvested(etag='"2"'))
    crawl.collector.collect()
    crawl.queue = Queue()
    crawl.restarted(empty=True)
    (entry,) = crawl.queue.tasks.values()
    assert isinstance(entry.known, PageRecord)
    assert (entry.pending, entry.known.status, entry.known.etag) == (True, "harvested", "")


def test_ids_of_a_lost_queue_are_not_given_to_the_next_one(crawl: Crawl) -> None:
    crawl.queue.put([msgspec.structs.replace(page(1), origin=ORIGIN), *images(2)])
    for sha in "12":  # once, and once changed
        crawl.queue.visit(harvested())
        crawl.queue.visit(harvested(page(1), page_url=ORIGIN.page_url, found_in="a"))
        for n in range(2):
            crawl.queue.visit(saved(image(n), sha))
        crawl.collector.collect()
        if sha == "1":
            crawl.restarted(Ledger.refresh)
    crawl.books.queue_lost(reread=True)
    tasks, _ = crawl.books.unsettled()
    assert [(one.id, one.serial, one.task.url) for one in tasks] == [(0, 0, page(n).url) for n in (0, 1)]
    for table in ("images", "image_history", "pages"):
        sql = f"SELECT count(*) FROM {table} JOIN tasks ON tasks.id = task_id AND tasks.url = {table}.url"
        assert crawl.rows(sql) == [(2,)]
    crawl.queue = Queue(next_id=2**50)
    crawl.collector.reconcile(outlet_is_empty=True)
    crawl.queue.again(image(0))
    crawl.queue.visit(saved(image(0), "2"))
    crawl.collector.collect()
    sql = "SELECT tasks.id > 1 << 50 FROM image_history JOIN tasks ON tasks.id = task_id ORDER BY tasks.url"
    assert crawl.rows(sql) == [(1,), (0,)]


def test_pages_that_are_read_again_know_where_they_were_found(crawl: Crawl) -> None:
    crawl.queue.put([msgspec.structs.replace(page(1), origin=ORIGIN, depth=1)])
    crawl.queue.visit(harvested(page(1), page_url=ORIGIN.page_url, found_in="a", depth=1))
    crawl.collector.collect()
    crawl.queue = Queue()
    crawl.restarted(empty=True)
    entry = crawl.queue.tasks[task_key(TaskKind.PAGE, page(1).url)]
    assert (entry.origin, entry.known, entry.depth) == (
        Origin(page_url=ORIGIN.page_url, found_in="a"),
        None,
        1,
    )


def test_pages_are_rendered_again_too_when_a_queue_is_lost(crawl: Crawl) -> None:
    crawl.queue.put([render(1), render(2), render(3)])
    looks = {"template": "family/fine", "signs": "scripts"}
    crawl.queue.visit(rendered(render(1), gains={"scroll": 2}, **looks))
    crawl.queue.visit(RenderRecord(url=render(2).url, status=RenderStatus.REJECTED, reason="no-gain"))
    crawl.collector.collect()
    totals = crawl.books.totals()
    assert totals.renders.done == 2
    assert totals.render_status == {"rendered": 1, "rejected": 1}
    assert totals.render_reasons == {"no-gain": 1}
    crawl.queue = Queue()
    crawl.restarted(empty=True)
    assert crawl.queue.pending() == [(TaskKind.PAGE, page(0).url), (TaskKind.RENDER, render(1).url)]
    assert crawl.queue.tasks[task_key(TaskKind.RENDER, render(1).url)].origin == render(1).origin
    assert not crawl.queue.tasks[task_key(TaskKind.RENDER, render(2).url)].pending


def test_of_a_crawl_that_was_complete_nothing_is_read_again(crawl: Crawl) -> None:
    crawl.queue.put([image(0)])
    crawl.queue.visit(harvested())
    crawl.queue.visit(failed(image(0)))
    crawl.collector.collect()
    crawl.books.set_meta(MetaKey.COMPLETE, "1")
    crawl.queue = Queue()
    crawl.restarted(lambda ledger: ledger.retry(kind=TaskKind.IMAGE), empty=True)
    assert crawl.queue.pending() == [(TaskKind.IMAGE, image(0).url)]
    assert len(crawl.queue.tasks) == 2, "the page is known"


class Killed(Exception):
    pass


class Fragile(Queue):
    """Whoever calls it is killed after *left* calls, before or after these have taken effect."""

    left = 10**9
    late = False

    def _maybe(self, call: Callable[..., object], *args: object) -> object:
        self.left -= 1
        if self.left < 0 and not self.late:
            raise Killed
        answer = call(*args)
        if self.left < 0:
            raise Killed
        return answer

    def forget(self, settled: Sequence[Settled], totals: Stats) -> None:
        self._maybe(super().forget, settled, totals)

    def push(self, tasks: Sequence[Unsettled]) -> int:
        return self._maybe(super().push, tasks)  # type: ignore[return-value]

    def mark(self, tasks: Sequence[Key]) -> None:
        self._maybe(super().mark, tasks)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("lost", [False, True])
def test_whoever_is_killed_at_any_call_runs_again(tmp_path: Path, *, lost: bool, late: bool) -> None:
    outcomes = set()
    for calls in range(8):
        folder = tmp_path / f"{calls}"
        folder.mkdir()
        with a_crawl_in(folder, page(0), page(1)) as crawl:
            crawl.queue.put(images(3))
            crawl.queue.visit(harvested())
            crawl.queue.visit(saved(image(0)))
            crawl.collector.collect()
            crawl.queue.visit(failed(image(1)))
            fragile = Fragile()
            fragile.left, fragile.late = calls, late
            if not lost:
                fragile.as_before(crawl.queue)
            crawl.queue = fragile
            died = False
            try:
                crawl.collector.reconcile(outlet_is_empty=lost)
            except Killed:
                died = True
            fragile.left = 10**9
            crawl.restarted(empty=not fragile.tasks and lost)
            assert crawl.books.meta(MetaKey.LOST) is None
            state = (
                tuple(sorted(fragile.pending())),
                tuple(crawl.rows("SELECT kind, url, state FROM tasks ORDER BY key")),
                tuple(crawl.rows("SELECT url, status FROM images ORDER BY seq")),
                msgspec.json.encode(fragile.totals),
                len(fragile.tasks),
            )
            outcomes.add(state)
            if not died:
                break
    assert not died
    assert len(outcomes) == 1


# --- those who read it ---


def test_the_catalogue_reads_it(crawl: Crawl) -> None:
    crawl.queue.put([NewTask(kind=TaskKind.IMAGE, url=image(1).url, depth=1, origin=ORIGIN)])
    crawl.queue.visit(harvested())
    crawl.queue.visit(saved(image(1), format="png", page_url=ORIGIN.page_url, found_in="img", alt="a dog"))
    crawl.collector.collect()
    with Catalog(crawl.folder) as catalog:
        summary = summarise(catalog)
        (entry,) = explain(catalog, image(1).url).entries
        assert [record.url for record in catalog.images(status=["saved"])] == [image(1).url]
    assert (summary.finished, summary.balanced, summary.seeds) == (True, True, (page(0).url,))
    assert summary.stats.image_status == crawl.queue.totals.image_status
    assert summary.hosts[0].saved == 1
    assert entry.origin == ORIGIN
    assert [step.url for step in entry.chain] == [page(0).url]


def test_sizes_that_waited_in_a_ledger_are_to_be_done(tmp_path: Path) -> None:
    path = tmp_path / "crawl.db"
    urls = [f"http://a.example/a.jpg?w={px}" for px in (300, 600)]
    with embedded(path, queue=QueueConfig(), scope=ScopeConfig()) as (_, queues):
        queues.tasks.put([NewTask(kind=TaskKind.PAGE, url="http://a.example/")])
        queues.tasks.put([NewTask(kind=TaskKind.IMAGE, url=url) for url in urls])
    for _ in range(2):
        with closing(CrawlfileWriter(path)) as books:
            tasks, _after = books.unsettled()
            assert sorted(one.task.url for one in tasks) == ["http://a.example/", *urls]


# --- words of later pages ---


def said(**words: str) -> NewTask:
    origin = Origin(page_url=page(1).url, found_in="img", **words)
    return NewTask(kind=TaskKind.IMAGE, url=image(0).url, depth=1, origin=origin)


def words_kept(crawl: Crawl) -> list[tuple]:
    return crawl.rows("SELECT alt, title, caption FROM images")


def test_words_wait_for_the_record_of_their_image(crawl: Crawl) -> None:
    crawl.queue.put([said(), said(alt="a dog"), said(alt="a cat", caption="Tom")])
    assert crawl.collector.collect() == 5  # and three times that the page names it
    assert (crawl.queue.later, words_kept(crawl)) == ([], [])
    crawl.restarted()
    crawl.queue.visit(saved(image(0), title="Rex"))
    crawl.collector.collect()
    assert words_kept(crawl) == [("a dog", "Rex", "Tom")]
    assert crawl.rows("SELECT count(*) FROM words") == [(0,)]


def test_words_that_are_delivered_again_change_nothing(crawl: Crawl) -> None:
    crawl.queue.put([said(), said(alt="a dog")])
    later = crawl.queue.words(10)
    crawl.books.fill(later)
    settled = crawl.queue.visit(saved(image(0)))
    crawl.collector.collect()
    before = everything(crawl.folder)
    for _ in range(2):
        crawl.books.fill(later)
        crawl.books.take([elsewhere(settled)])
    assert everything(crawl.folder) == before
    assert words_kept(crawl) == [("a dog", "", "")]


def test_pages_that_are_delivered_again_change_nothing(crawl: Crawl) -> None:
    """The collector was killed before Redis heard that crawl.db has them."""
    crawl.queue.put([said()])
    again = msgspec.structs.replace(said(), origin=Origin(page_url=page(2).url, found_in="css"))
    crawl.queue.put([again])
    crawl.books.keep_mentions(crawl.queue.mentions(10))
    crawl.restarted()
    crawl.queue.visit(saved(image(0), page_url=page(1).url))
    crawl.collector.collect()
    assert crawl.queue.mentions(10) == []
    pages = "SELECT page_url, is_first FROM image_pages ORDER BY 1"
    assert crawl.rows(pages) == [(page(1).url, 1), (page(2).url, 0)]


def test_a_lost_queue_is_told_which_words_there_are(crawl: Crawl) -> None:
    crawl.queue.put([said(caption="Rex"), said(alt="a dog"), *images(2)[1:]])
    crawl.queue.visit(saved(image(0), caption="Rex"))
    crawl.collector.collect()
    crawl.queue = Queue()
    crawl.restarted(empty=True)
    crawl.queue.put([said(alt="a dog"), said(caption="another one")])
    assert crawl.queue.later == [], "nothing is said twice"
    crawl.queue.put([said(title="His Majesty")])
    crawl.collector.collect()
    assert words_kept(crawl) == [("a dog", "His Majesty", "Rex")]


def test_what_is_tried_again_keeps_the_words_that_it_was_given(crawl: Crawl) -> None:
    crawl.queue.put([said()])
    crawl.queue.visit(failed(image(0)))
    crawl.queue.put([said(alt="a dog")])
    crawl.collector.collect()
    crawl.restarted(lambda ledger: ledger.retry(kind=TaskKind.IMAGE))
    crawl.queue.put([said(caption="Rex")])
    crawl.collector.collect()
    crawl.queue.visit(saved(image(0)))
    crawl.collector.collect()
    assert words_kept(crawl) == [("a dog", "", "Rex")]
