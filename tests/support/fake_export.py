"""A queue elsewhere to test against, in memory, and a crawl's file that is kept for it."""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from crawler.config import QueueConfig, ScopeConfig
from crawler.models import (
    KIND_OF,
    ImageRecord,
    ImageStatus,
    NewTask,
    Origin,
    PageRecord,
    PageStatus,
    Record,
    RenderRecord,
    RenderStatus,
    Stats,
    TaskKind,
    TaskState,
)
from crawler.models.image_words import Words, bits_of_task, filled, lacking
from crawler.queues.ledger import Ledger
from crawler.queues.redis.codec import Settled
from crawler.queues.redis.collector import Collector
from crawler.queues.redis.export import Export, KeptFile, LaterWords, LeftOutOnce, PageMentions, Unsettled
from crawler.queues.redis.writer import CrawlfileWriter
from crawler.urls import task_key
from tests.support.queues import page

QUEUE = QueueConfig(per_host=1000, lease_s=1e6)
ORIGIN = Origin(page_url="http://a.example/0.html", found_in="img", alt="a dog")
Key = tuple[TaskKind, str]


# --- a queue elsewhere ---


@dataclass
class Entry:
    id: int
    kind: TaskKind
    url: str
    depth: int = 0
    serial: int = 0
    attempts: int = 0
    pending: bool = True
    origin: Origin | None = None
    known: Record | None = None
    words: int = 0


@dataclass
class Queue:
    """All of the protocol, in memory; and what workers do with such a queue."""

    tasks: dict[bytes, Entry] = field(default_factory=dict)
    stream: list[Settled] = field(default_factory=list)
    later: list[LaterWords] = field(default_factory=list)
    named: list[LeftOutOnce] = field(default_factory=list)
    mentioned: list[PageMentions] = field(default_factory=list)
    files: list[KeptFile] = field(default_factory=list)
    told_files: list[KeptFile] = field(default_factory=list)
    totals: Stats = field(default_factory=Stats)
    kept_out: dict[str, int] = field(default_factory=dict)
    next_id: int = 2**40
    clock: Iterator[int] = field(default_factory=lambda: iter(range(1, 10**9)))

    def settled(self, limit: int) -> list[Settled]:
        return self.stream[:limit]

    def forget(self, settled: Sequence[Settled], totals: Stats) -> None:
        gone = {each.entry for each in settled}
        self.stream = [each for each in self.stream if each.entry not in gone]
        self.totals = totals

    def push(self, tasks: Sequence[Unsettled]) -> int:
        return sum(self._push(task) for task in tasks)

    def _push(self, unsettled: Unsettled) -> bool:
        task = unsettled.task
        key = task_key(task.kind, task.url)
        if key in self.tasks and self.tasks[key].pending:
            return False
        entry = Entry(unsettled.id or self._new_id(), task.kind, task.url, task.depth, unsettled.serial)
        entry.origin, entry.known = task.origin, unsettled.known
        entry.words = bits_of_task(task)
        self.tasks[key] = entry
        return True

    def mark(self, tasks: Sequence[tuple[TaskKind, str, int]]) -> None:
        for kind, url, words in tasks:
            entry = Entry(self._new_id(), kind, url, pending=False, words=words)
            self.tasks.setdefault(task_key(kind, url), entry)

    def mentions(self, limit: int) -> list[PageMentions]:
        return self.mentioned[:limit]

    def forget_mentions(self, collected: Sequence[PageMentions]) -> None:
        gone = {each.entry for each in collected}
        self.mentioned = [each for each in self.mentioned if each.entry not in gone]

    def left_out(self, limit: int) -> list[LeftOutOnce]:
        return self.named[:limit]

    def forget_left_out(self, collected: Sequence[LeftOutOnce]) -> None:
        gone = {each.entry for each in collected}
        self.named = [each for each in self.named if each.entry not in gone]

    def host_files(self, limit: int) -> list[KeptFile]:
        return self.files[:limit]

    def forget_host_files(self, collected: Sequence[KeptFile]) -> None:
        self.files = [one for one in self.files if one not in collected]

    def keep_host_files(self, files: Sequence[KeptFile]) -> None:
        self.told_files = list(files)

    def dropped(self) -> dict[str, int]:
        return self.kept_out

    def _new_id(self) -> int:
        self.next_id += 1
        return self.next_id

    def put(self, tasks: Sequence[NewTask]) -> None:
        for task in tasks:
            key = task_key(task.kind, task.url)
            if key not in self.tasks:
                self.tasks[key] = Entry(self._new_id(), task.kind, task.url, task.depth, origin=task.origin)
            elif task.origin is not None and lacking(self.tasks[key].words, task):
                self._say(key, filled(Words(), task.origin))
            self.tasks[key].words |= bits_of_task(task)
            if task.kind is TaskKind.IMAGE and task.origin is not None and task.origin.page_url:
                entry, url = f"{next(self.clock)}-0", task.origin.page_url
                self.mentioned.append(PageMentions(shard=0, entry=entry, mentions=((url, key),)))

    def _say(self, key: bytes, words: Words) -> None:
        entry = f"{next(self.clock)}-0"
        self.later.append(LaterWords(shard=self.tasks[key].id % 2, entry=entry, key=key, words=words))

    def words(self, limit: int) -> list[LaterWords]:
        return self.later[:limit]

    def forget_words(self, collected: Sequence[LaterWords]) -> None:
        gone = {each.entry for each in collected}
        self.later = [each for each in self.later if each.entry not in gone]

    def visit(self, record: Record, state: TaskState = TaskState.DONE) -> Settled:
        """A worker has come back with *record*."""
        kind = KIND_OF[type(record)]
        entry = self.tasks[task_key(kind, record.url)]
        assert entry.pending
        entry.pending, entry.serial, entry.attempts = False, entry.serial + 1, 1
        number = next(self.clock)
        settled = Settled(
            shard=entry.id % 2,
            entry=f"{number}-0",
            id=entry.id,
            serial=entry.serial,
            attempts=entry.attempts,
            kind=kind,
            url=entry.url,
            depth=entry.depth,
            state=state,
            record=record,
        )
        self.stream.append(settled)
        return settled

    def again(self, *tasks: NewTask) -> None:
        """Somebody has them put back while the crawl goes on."""
        for task in tasks:
            self.tasks[task_key(task.kind, task.url)].pending = True

    def pending(self) -> list[Key]:
        return [(entry.kind, entry.url) for entry in self.tasks.values() if entry.pending]

    def as_before(self, before: Queue) -> None:
        """All since then is lost, but for what the clock says."""
        clock = self.clock
        self.__dict__.update(copy.deepcopy({k: v for k, v in before.__dict__.items() if k != "clock"}))
        self.clock = clock


def is_an_outlet(queue: Queue) -> Export:
    return queue


@dataclass
class Crawl:
    """A queue elsewhere, and the file that is kept for it."""

    folder: Path
    queue: Queue
    books: CrawlfileWriter

    @property
    def collector(self) -> Collector:
        return Collector(self.queue, self.books)

    def rows(self, sql: str) -> list[tuple]:
        return query(self.folder, sql)

    def with_ledger(self, do: Callable[[Ledger], object]) -> None:
        """As a crawl is begun or put back: the ledger has the file meanwhile."""
        self.books.close()
        with closing(open_ledger(self.folder)) as ledger:
            do(ledger)
        self.books = CrawlfileWriter(self.folder / "crawl.db")

    def restarted(self, do: Callable[[Ledger], object] = lambda _: None, *, empty: bool = False) -> None:
        self.with_ledger(do)
        self.collector.reconcile(outlet_is_empty=empty)


def query(folder: Path, sql: str) -> list[tuple]:
    with closing(sqlite3.connect(folder / "crawl.db")) as db:
        return db.execute(sql).fetchall()


def open_ledger(folder: Path) -> Ledger:
    return Ledger(folder / "crawl.db", queue=QUEUE, scope=ScopeConfig(), new_run=True)


@contextmanager
def a_crawl_in(folder: Path, *seeds: NewTask) -> Iterator[Crawl]:
    with closing(open_ledger(folder)) as ledger:
        ledger.set_seeds([seed.url for seed in seeds])
        ledger.put(seeds)
    crawl = Crawl(folder, Queue(), CrawlfileWriter(folder / "crawl.db"))
    crawl.collector.reconcile(outlet_is_empty=True)
    try:
        yield crawl
    finally:
        crawl.books.close()


def harvested(task: NewTask = page(0), **facts: object) -> PageRecord:  # noqa: B008
    return PageRecord(url=task.url, status=PageStatus.HARVESTED, **facts)  # type: ignore[arg-type]


def rendered(task: NewTask, **facts: object) -> RenderRecord:
    return RenderRecord(url=task.url, status=RenderStatus.RENDERED, **facts)  # type: ignore[arg-type]


def saved(task: NewTask, sha: str = "1", **facts: object) -> ImageRecord:
    facts = {
        "status": ImageStatus.SAVED,
        "sha256": sha * 64,
        "path": f"images/{sha}.png",
        "size_bytes": 10,
    } | facts
    return ImageRecord(url=task.url, **facts)  # type: ignore[arg-type]


def failed(task: NewTask, reason: str = "server-error", **facts: object) -> ImageRecord:
    return ImageRecord(url=task.url, status=ImageStatus.FAILED, reason=reason, **facts)  # type: ignore[arg-type]


def everything(folder: Path) -> dict[str, list[tuple]]:
    tables = ("tasks", "images", "pages", "renders", "image_history", "hosts", "dropped")
    return {table: query(folder, f"SELECT * FROM {table} ORDER BY 1") for table in tables}


def image_columns(without: Collection[str] = ()) -> str:
    return ", ".join(name for name in ImageRecord.__struct_fields__ if name not in without)
