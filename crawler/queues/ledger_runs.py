"""The runs of a crawl: its seeds and lists, when it ran with which settings, and what a run has done over again."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from crawler.config.changes import Reads
from crawler.crawlfile import meta
from crawler.crawlfile.columns import legible
from crawler.crawlfile.keepers import OWN, Keeper, keeper_of
from crawler.crawlfile.meta import MetaKey
from crawler.crawlfile.schema import origin_of, records
from crawler.crawlfile.sqlite_errors import explained
from crawler.errors import HostDown
from crawler.models import (
    Cookie,
    ImageRecord,
    PageRecord,
    Record,
    Run,
    RunKind,
    RunOutcome,
    TaskKind,
    TaskState,
)
from crawler.queues import rerun, run_rows
from crawler.queues.adding import packed_origin
from crawler.queues.ledger_file import LedgerFile
from crawler.queues.refresh import worth_keeping
from crawler.queues.rerun import Belongs


class LedgerRuns(LedgerFile):
    """The calls of whoever starts and ends runs of the crawl; workers make none of them but ``retry``."""

    # --- what the crawl is about ---

    def seeds(self) -> tuple[str, ...]:
        """The URLs that the crawl began with; empty when it has not begun."""
        return tuple(json.loads(self._meta(MetaKey.SEEDS) or "[]"))

    def set_seeds(self, seeds: Sequence[str]) -> None:
        with self._transaction():
            meta.write(self._db, MetaKey.SEEDS, json.dumps(seeds))

    def lists(self) -> dict[str, str]:
        """The lists that have been read, by name, each with the mark of its content then."""
        return dict(json.loads(self._meta(MetaKey.LISTS) or "{}"))

    def note_list(self, name: str, mark: str, slug: str, left_out: int, places: Sequence[str]) -> None:
        """All of a list has been read, but for *left_out* lines, counted by *slug*; some are at these *places*."""
        with self._transaction():
            meta.write(self._db, MetaKey.LISTS, json.dumps({**self.lists(), name: mark}))
            if left_out:
                self._state.adder.note_left_out(slug, left_out, places)

    def crawl_id(self) -> str:
        """The id of this crawl, which no other one has, not even one in the same folder."""
        with self._transaction():
            if self._meta(MetaKey.CRAWL) is None:
                # with a letter in front: digits alone, or with an e among them, the column takes for a number
                meta.write(self._db, MetaKey.CRAWL, f"c{secrets.token_hex(16)}")
            return str(self._meta(MetaKey.CRAWL))

    def keep_cookies(self, cookies: Sequence[Cookie]) -> None:
        """Have all workers send *cookies*, as if servers had set them."""
        if cookies:
            with self._transaction():
                self._state.cookies.keep(cookies)

    def _meta(self, key: MetaKey) -> Any:
        with self._mutex:
            return meta.read(self._db, key)

    # --- runs ---

    def begin_run(self, *, kind: RunKind, settings: Mapping[str, Any], notes: Sequence[str] = ()) -> None:
        """Note that a run begins now, with these *settings*; it ends when nothing is left to do."""
        with self._transaction():
            self._run = run_rows.begin(self._db, kind=kind, settings=settings, notes=notes)

    def go_on_with_run(self) -> None:
        """Go on with the latest run, unless it has ended: its manager is started once more."""
        with self._mutex:
            self._run = run_rows.going_on(self._db)

    def end_run(self) -> None:
        """Note that the run was stopped, unless it has ended before."""
        with self._transaction():
            self._note_end(RunOutcome.STOPPED)

    def latest_run(self) -> Run | None:
        """None of a crawl that has not begun, or was begun by a version that kept no record of its runs."""
        with self._mutex, explained(self.path):
            return run_rows.latest(self._db)

    # --- what is done over again ---

    def note_rules(self, rules: str) -> None:
        """Note by which *rules* pages are read in this run: a digest of the settings that matter for it."""
        with self._transaction():
            self._state.refresh.note_rules(rules)

    def take_up(self, slugs: Collection[str], reads: Reads, *, unrendered: bool = False) -> int:
        """Have pages read once more for what was left out by *slugs*, those that *reads* says, and *unrendered* ones,
        for which there was no browser; returns how many.
        """
        with self._reloading():
            return rerun.take_up(self._db, slugs, reads, unrendered=unrendered)

    def leave_out(self, belongs: Belongs, *, most: Mapping[TaskKind, int]) -> Counter[str]:
        """Leave out waiting tasks that do not belong to the crawl any more (see rerun.py); returns how many by slug."""
        with self._reloading():
            return rerun.leave_out(self._db, belongs, most=most)

    def kept(self) -> Iterator[ImageRecord | PageRecord]:
        """The records of saved images and of pages that were read; for the start of a run, before workers call."""
        with self._mutex, explained(self.path), legible(self.path):
            yield from rerun.kept(self._db)

    def refreshes(self) -> int:
        """How often the crawl has been refreshed."""
        with self._mutex:
            return self._state.refresh.count

    def refresh(self, rules: str = "") -> int:
        """Have everything visited once more, of a crawl that has ended; returns how many tasks that are.

        Pages are not asked for as known ones if they were read by other *rules*. A crawl that has not ended goes on.
        """
        with self._mutex:
            if not self._state.counters.drained:
                return 0
            with self._reloading():
                return self._state.refresh.begin(rules)

    def retry(self, *, kind: TaskKind, reason: str | None = None) -> int:
        """Make tasks ready again that failed or died, or those with *reason*; returns how many. Their records go."""
        wanted, values = "(status IN ('failed', 'dead') OR revisit = 'failed')", []
        if reason is not None:
            wanted, values = "? IN (reason, revisit_reason)", [reason]
        settled = "task_id IN (SELECT id FROM tasks WHERE state IN ('done', 'dead'))"
        with self._transaction():
            found = list(records(self._db, kind, f"{wanted} AND {settled}", *values))
            for task_id, record in found:
                # what is worth keeping stands until there is a newer record
                host = self._put_back(task_id, kind, record, drop_record=not worth_keeping(record))
                if HostDown.reason in {record.reason, record.revisit_reason}:
                    self._state.watch.forget(host)  # somebody wants it to be asked all the same
            return len(found)

    def fetch_again(
        self, is_there: Callable[[str], bool], is_ours: Callable[[Keeper], bool] = OWN.__eq__
    ) -> int:
        """Put back the images whose files should be here and are gone; returns how many.

        *is_there*: whether there is a file at a path. *is_ours*: whether a keeper's files should be here. A machine of
        which only the name is known, as in earlier versions, is this one if any of its files is here.
        """
        missing: dict[Keeper, list[int]] = {}
        named_here: set[Keeper] = set()
        with self._transaction():
            for task_id, path, worker, kept_by in self._db.execute(
                "SELECT task_id, path, worker, kept_by FROM images WHERE path != ''"
                " AND EXISTS (SELECT 1 FROM tasks WHERE id = task_id AND state IN ('done', 'dead'))"
            ):
                keeper = keeper_of(kept_by, worker)
                if not is_there(path):
                    missing.setdefault(keeper, []).append(task_id)
                elif not keeper.id:
                    named_here.add(keeper)
            gone = sorted(
                task_id
                for keeper, tasks in missing.items()
                if keeper in named_here or is_ours(keeper)
                for task_id in tasks
            )
            for task_id in gone:
                record = self._state.refresh.record_of(TaskKind.IMAGE, task_id)
                assert record is not None
                # without its record: no server is to say that nothing has changed
                self._put_back(task_id, TaskKind.IMAGE, record, drop_record=True)
            return len(gone)

    def _put_back(self, task_id: int, kind: TaskKind, record: Record, *, drop_record: bool) -> int:
        """Make a settled task ready, with the origin that its *record* has; returns its host."""
        origin = origin_of(record, kind)
        host, before = self._db.execute(
            "SELECT host_id, state FROM tasks WHERE id = ?", (task_id,)
        ).fetchone()
        self._db.execute(
            "UPDATE tasks SET state = 'ready', attempts = 0, origin = ? WHERE id = ?",
            (packed_origin(origin), task_id),
        )
        if drop_record:
            self._state.refresh.remove(kind, task_id)
            self._state.counters.count(kind, record, -1)
        self._state.ready(kind, host, TaskState(before))
        return int(host)
