"""The same as the ledger would make of it, whatever happens: what a queue elsewhere settles, driven at random."""

from __future__ import annotations

import copy
import random
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from crawler.models import (
    Counts,
    ImageRecord,
    ImageStatus,
    NewTask,
    Origin,
    PageRecord,
    PageStatus,
    Record,
    RenderRecord,
    RenderStatus,
    Result,
    Revisit,
    Task,
    TaskKind,
)
from crawler.models.image_words import NAMES
from crawler.queues import QueueResults
from crawler.queues.ledger import Ledger
from crawler.queues.redis.writer import CrawlfileWriter
from crawler.urls import task_key
from tests.support.fake_export import ORIGIN, Key, Queue, a_crawl_in, image_columns, open_ledger, query
from tests.support.queues import HARVESTER, RENDERER, Queues, image, page, render, take, worker

pytestmark = [pytest.mark.slow, pytest.mark.untraced]

IN_MEMORY = Path("/dev/shm")  # power cuts are no matter here, and the disk is slow
NUMBERS = st.integers(0, 3)
KINDS = st.sampled_from(TaskKind)
OUTCOMES = st.sampled_from(["1", "2", "1", "2", "failed", "rejected", "gone"])
PLACE = {"page_url": ORIGIN.page_url, "found_in": ORIGIN.found_in}
LOOKS = {"template": "family/fine", "signs": "scripts"}
MAKE = {TaskKind.IMAGE: image, TaskKind.PAGE: page, TaskKind.RENDER: render}
NO_WORDS: dict[str, str] = {}
WORDS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from("xy"))
ALL_OUTCOMES = st.lists(OUTCOMES, min_size=12, max_size=12)
THE_SAME = [
    """
    SELECT kind, url, key, depth, state, attempts, due_s, origin, words, name
    FROM tasks JOIN hosts ON hosts.id = host_id WHERE state IN ('done', 'dead') ORDER BY key
    """,
    f"SELECT {image_columns()} FROM images ORDER BY seq",
    "SELECT tasks.url FROM images JOIN tasks ON tasks.id = task_id ORDER BY seq",
    f"SELECT {', '.join(PageRecord.__struct_fields__)} FROM pages ORDER BY seq",
    "SELECT tasks.url FROM pages JOIN tasks ON tasks.id = task_id ORDER BY seq",
    f"SELECT {', '.join(RenderRecord.__struct_fields__)} FROM renders ORDER BY seq",
    "SELECT tasks.url FROM renders JOIN tasks ON tasks.id = task_id ORDER BY seq",
    # words that are on their way while a newer record takes an image's place are the newer record's alone
    f"SELECT {image_columns(NAMES)} FROM image_history ORDER BY seq",
    "SELECT tasks.url FROM image_history JOIN tasks ON tasks.id = task_id ORDER BY seq",
]


class SameAsTheLedger(RuleBasedStateMachine):
    """The same tasks and results go through a ledger, and through a queue elsewhere whose results are kept here."""

    @initialize(digests=st.booleans())
    def begin(self, *, digests: bool) -> None:
        self.temporary = tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None)
        folders = [Path(self.temporary.name, name) for name in ("ledger", "books")]
        for folder in folders:
            folder.mkdir()
        self.digests = digests
        self.ledger = open_ledger(folders[0])
        self.ledger.put([page(0)])
        self.queues = Queues(tasks=self.ledger, results=QueueResults(self.ledger), pass_time=lambda _: None)
        self.context = a_crawl_in(folders[1], page(0))
        self.crawl = self.context.__enter__()
        self.theirs = folders[0]
        self.hand: dict[Key, Task] = {}
        self.claims: dict[str, str] = {}
        self.moment = 0
        self.remember()
        self.put(TaskKind.IMAGE, [0, 1, 2])

    def teardown(self) -> None:
        if hasattr(self, "context"):
            self.ledger.close()
            self.context.__exit__(None, None, None)
            self.temporary.cleanup()

    def remember(self) -> None:
        self.before = copy.deepcopy(
            Queue(**{k: v for k, v in self.crawl.queue.__dict__.items() if k != "clock"})
        )
        self.since: list[NewTask | tuple[Task, str, int]] = []

    def lease_all(self) -> None:
        for who in (worker(), HARVESTER, RENDERER):
            while tasks := take(self.queues, who, held=list(self.hand.values())):
                self.hand.update({(task.kind, task.url): task for task in tasks})
        assert set(self.hand) == set(self.crawl.queue.pending())

    @rule(kind=KINDS, numbers=st.lists(NUMBERS, max_size=4), words=WORDS)
    def put(self, kind: TaskKind, numbers: list[int], words: dict[str, str] = NO_WORDS) -> None:
        for number in numbers:
            origin = Origin(**PLACE, **words, **(LOOKS if kind is TaskKind.RENDER else {}))
            task = msgspec.structs.replace(MAKE[kind](number), depth=1, origin=origin)
            self.queues.tasks.put([task])
            self.crawl.queue.put([task])
            self.since.append(task)

    @rule(kind=KINDS, number=NUMBERS, outcome=OUTCOMES)
    def settle(self, kind: TaskKind, number: int, outcome: str) -> None:
        self.lease_all()
        url = MAKE[kind](number).url
        if (kind, url) in self.hand:
            self.come_back_with(self.hand.pop((kind, url)), outcome)

    @rule(outcomes=ALL_OUTCOMES)
    def settle_all(self, outcomes: list[str]) -> None:
        self.lease_all()
        for key, outcome in zip(sorted(self.hand), outcomes, strict=False):
            self.come_back_with(self.hand.pop(key), outcome)

    def come_back_with(self, task: Task, outcome: str) -> None:
        self.moment += 1
        self.queues.results.put([Result(token=task.token, record=self.record(task, outcome))])
        self.visit_elsewhere(task, outcome)
        self.since.append((task, outcome, self.moment))

    def visit_elsewhere(self, task: Task, outcome: str) -> None:
        """By a worker that was told what the queue knows, which is not what later pages say."""
        entry = self.crawl.queue.tasks[task_key(task.kind, task.url)]
        assert (wordless(entry.known), wordless(entry.origin)) == (
            wordless(task.known),
            wordless(task.origin),
        )
        assert entry.depth == task.depth
        task = msgspec.structs.replace(task, origin=entry.origin, known=entry.known)
        self.crawl.queue.visit(self.record(task, outcome))

    def record(self, task: Task, outcome: str) -> Record:
        """As a worker would make it."""
        origin = task.origin or Origin(page_url="", found_in="")
        facts = {
            "page_url": origin.page_url,
            "found_in": origin.found_in,
            "depth": task.depth,
            "attempts": task.attempt,
            "finished_at": f"{self.moment}",
            "elapsed_s": 0.25,
        }
        words = {name: getattr(origin, name) for name in NAMES}
        known = task.known
        if known is not None and outcome in {"gone", "failed"}:
            mark = Revisit(outcome)
            return msgspec.structs.replace(known, revisit=mark, revisit_reason="not-found", detail=outcome)
        if task.kind is TaskKind.PAGE:
            status = PageStatus.HARVESTED if outcome in "123" else PageStatus.FAILED
            mark = Revisit.UNCHANGED if known is not None and status == "harvested" else Revisit.NONE
            reason = "" if status == "harvested" else "not-found"
            return PageRecord(
                url=task.url, status=status, reason=reason, title=outcome, revisit=mark, **facts
            )  # type: ignore[arg-type]
        if task.kind is TaskKind.RENDER:
            of_render = RenderStatus.RENDERED if outcome in "123" else RenderStatus.FAILED
            reason = "" if outcome in "123" else "not-found"
            looks = {name: getattr(origin, name) for name in LOOKS}
            return RenderRecord(
                url=task.url, status=of_render, reason=reason, gains={"scroll": 1}, **facts, **looks
            )  # type: ignore[arg-type]
        if outcome not in "123":
            status_ = ImageStatus.REJECTED if outcome == "rejected" else ImageStatus.FAILED
            return ImageRecord(url=task.url, status=status_, reason="not-found", **facts, **words)  # type: ignore[arg-type]
        sha = outcome * 64
        first = self.claims.setdefault(sha, task.url)
        facts |= {"sha256": sha, "path": f"images/{sha if self.digests else outcome}.png"}
        facts |= {"size_bytes": 10 * int(outcome), "status": ImageStatus.SAVED}
        if first != task.url and not self.digests:
            facts["status"] = ImageStatus.DUPLICATE
        if isinstance(known, ImageRecord):
            facts["revisit"] = Revisit.UNCHANGED if known.sha256 == sha else Revisit.CHANGED
        return ImageRecord(url=task.url, **facts, **words)  # type: ignore[arg-type]

    @rule(limit=st.integers(1, 5))
    def collector_is_killed_before_it_can_tell(self, limit: int) -> None:
        self.crawl.books.take(self.crawl.queue.settled(limit))
        self.crawl.books.fill(self.crawl.queue.words(limit))
        self.crawl.books.close()
        self.crawl.books = CrawlfileWriter(self.crawl.folder / "crawl.db")

    @rule(limit=st.integers(1, 5))
    def some_come_again(self, limit: int) -> None:
        batch = self.crawl.queue.settled(limit)
        for _ in range(2):
            self.crawl.books.fill(self.crawl.queue.words(limit))
            self.crawl.books.take(batch)

    @rule()
    def collect(self) -> None:
        self.crawl.collector.collect()

    @rule()
    def written_down(self) -> None:
        self.remember()

    @rule(seed=st.randoms(use_true_random=False), collect=st.booleans())
    def the_last_second_is_lost(self, seed: random.Random, *, collect: bool) -> None:
        """The same URLs are found again, and give the same; ids may be others."""
        self.crawl.queue.as_before(self.before)
        if collect:
            self.crawl.collector.collect()
        tasks = [each for each in self.since if isinstance(each, NewTask)]
        keys = [(each.kind, each.url) for each in tasks]
        seed.shuffle(keys)
        # the words of one image in their order: the first count
        self.crawl.queue.put(sorted(tasks, key=lambda task: keys.index((task.kind, task.url))))
        now = self.moment
        for each in self.since:
            if not isinstance(each, NewTask):
                task, outcome, self.moment = each
                self.visit_elsewhere(task, outcome)
        self.moment = now

    @rule(kind=KINDS, reason=st.sampled_from([None, "not-found"]))
    def retry(self, kind: TaskKind, reason: str | None) -> None:
        self.ledger.retry(kind=kind, reason=reason)
        self.crawl.collector.collect()
        self.crawl.restarted(lambda ledger: ledger.retry(kind=kind, reason=reason))
        self.remember()

    @rule(kind=KINDS)
    def retry_after_a_kill(self, kind: TaskKind) -> None:
        """What the file has already is told once more, after it has been put back."""
        self.crawl.books.take(self.crawl.queue.stream)
        self.ledger.retry(kind=kind)
        self.crawl.restarted(lambda ledger: ledger.retry(kind=kind))
        self.remember()

    @rule(outcomes=ALL_OUTCOMES)
    def refresh(self, outcomes: list[str]) -> None:
        """Killed before: what the file has already is told once more."""
        self.settle_all(outcomes)
        assert self.ledger.refresh()
        self.crawl.books.take(self.crawl.queue.stream)
        self.crawl.restarted(Ledger.refresh)
        self.remember()

    @invariant()
    def both_have_the_same(self) -> None:
        if self.crawl.queue.stream or self.crawl.queue.later:
            return  # what is on its way is not here yet
        for sql in THE_SAME:
            assert query(self.crawl.folder, sql) == query(self.theirs, sql)
        theirs = self.ledger.stats()
        ours = self.crawl.books.totals()
        assert ours.pages == Counts(done=theirs.pages.done)
        assert ours.images == Counts(done=theirs.images.done)
        assert ours.renders == Counts(done=theirs.renders.done)
        for kind in TaskKind:
            for name in (f"{kind}_status", f"{kind}_reasons"):
                assert getattr(ours, name) == getattr(theirs, name), name
        assert ours.saved_bytes == theirs.saved_bytes


def wordless(told: Origin | Record | None) -> Origin | Record | None:
    if not isinstance(told, Origin | ImageRecord):
        return told
    return msgspec.structs.replace(told, **dict.fromkeys(NAMES, ""))


SameAsTheLedger.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
TestSameAsTheLedger = SameAsTheLedger.TestCase
