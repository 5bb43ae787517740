"""Writes crawl.db for a queue in Redis, as the ledger would write it.

Redis may lose its last second, or everything. What it then delivers again, or has visited again, replaces what is here,
and never counts twice. Tasks have the ids of Redis here as well, as long as Redis remembers them.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from crawler.crawlfile import meta, record_rows, schema
from crawler.crawlfile.meta import MetaKey
from crawler.crawlfile.schema import QUEUE_IDS
from crawler.crawlfile.sqlite_errors import explained
from crawler.crawlfile.whereabouts import Whereabouts
from crawler.logs.events import INFO
from crawler.logs.outcomes import tell_settled
from crawler.models import Counts, ImageRecord, NewTask, Record, RunOutcome, Stats, TaskKind, TaskState
from crawler.models.image_words import bits_of, filled_record
from crawler.queues import later_words, run_rows
from crawler.queues.counters import Counters
from crawler.queues.host_files import HostFileRows
from crawler.queues.left_out import LeftOutRows
from crawler.queues.mentions import MentionRows, keys_in
from crawler.queues.redis import row_ids
from crawler.queues.redis.codec import Mentions, Settled
from crawler.queues.redis.export import KeptFile, LaterWords, LeftOutOnce, PageMentions, Unsettled
from crawler.queues.refresh import Refresh, worth_keeping
from crawler.urls import task_key

log = logging.getLogger(__name__)

_SETTLED = {TaskState.DONE, TaskState.DEAD}
_TAKEN = 2000
"""The latest settlements that are told from others by their digests: twice what is taken at a time."""
_DIGEST_BYTES = 8
_ENCODER = msgspec.msgpack.Encoder()


class CrawlfileWriter:
    """crawl.db at *path*, which a Ledger has made or upgraded, and closed; for one thread.

    The caller has the crawl's folder locked. What a call has changed is on the disk when it returns, even through a
    power cut. Invariant between two calls: memory agrees with the file.

    Raises, as all its methods do: FolderError when the file is not a ledger, LedgerCorrupt when it can't be read,
    StorageFull when the disk is full, StorageFailed for anything else that is wrong with it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._settled: list[Record] = []
        """Records of this transaction, for the log."""
        with explained(path):
            self._db = schema.connect(path)
            self._whereabouts = Whereabouts(path)
            self._db.execute("PRAGMA synchronous = FULL")  # Redis forgets what is here
            row_ids.take_up_sizes(self._db)
            self._load()

    def close(self) -> None:
        with explained(self._path):
            self._whereabouts.close(self._db)

    def problem(self) -> str:
        """What has happened to the file, and what to do; empty while it is in its place."""
        return self._whereabouts.problem()

    def meta(self, key: MetaKey) -> str | None:
        """The value of *key* in the meta table; None if there is none."""
        with explained(self._path):
            value = meta.read(self._db, key)
            return value.decode() if isinstance(value, bytes) else None if value is None else str(value)

    def set_meta(self, key: MetaKey, value: str | None) -> None:
        """None removes the key."""
        with self._transaction():
            meta.remove(self._db, key)
            if value is not None:
                meta.write(self._db, key, value)
                if self.meta(key) != value:  # to SQLite 1e5 is 100000
                    meta.write(self._db, key, value.encode())

    def end_run(self, outcome: RunOutcome) -> None:
        """Note that the latest run has ended, unless it had before."""
        with self._transaction():
            if (number := run_rows.going_on(self._db)) is not None:
                run_rows.end(self._db, number, outcome)

    # --- from the queue ---

    def take(self, settled: Sequence[Settled]) -> None:
        """Write settled tasks, all or none; what was taken before changes nothing."""
        new: list[Mentions] = []
        with self._transaction():
            for each in settled:
                digest = hashlib.blake2b(_ENCODER.encode(each), digest_size=_DIGEST_BYTES).digest()
                if digest not in self._taken:
                    self._taken[digest] = None
                    self._settle(each)
                    new.append(each.mentions)
            self._keep_mentions(new)
            for old in list(self._taken)[:-_TAKEN]:
                del self._taken[old]
            meta.write(self._db, MetaKey.TAKEN, b"".join(self._taken))

    def fill(self, later: Sequence[LaterWords]) -> None:
        """Give images words of later pages where they have none, all or none; new ones get them with their record."""
        with self._transaction():
            for each in later:
                later_words.give(self._db, each.key, each.words)
            self._words_wait = later_words.waiting(self._db)

    def keep_mentions(self, found: Sequence[PageMentions]) -> None:
        """Keep which pages name which images, all or none."""
        with self._transaction():
            self._keep_mentions(one.mentions for one in found)

    def keep_left_out(self, found: Sequence[LeftOutOnce]) -> None:
        """Note the URLs that Redis has left out, all or none."""
        with self._transaction():
            self._left_out.note((one.slug, one.task) for one in found)

    def keep_host_files(self, files: Sequence[KeptFile]) -> None:
        """Keep the files of hosts, all or none."""
        with self._transaction():
            for one in files:
                self._files.keep(schema.host_id(self._db, one.host), one.file)

    def keep_dropped(self, dropped: Mapping[str, int]) -> None:
        """Take over what Redis has counted as left out; a lower count, of a Redis that has lost some, is ignored."""
        higher = {reason: count for reason, count in dropped.items() if count > self._tally.dropped[reason]}
        if not higher:
            return
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO dropped VALUES (?, ?)", higher.items())
            self._tally.dropped.update(
                {reason: count - self._tally.dropped[reason] for reason, count in higher.items()}
            )

    def totals(self) -> Stats:
        """What is settled, by state, status and reason, and the bytes saved; Redis counts the rest."""
        figures = self._tally.facts()
        for kind in TaskKind:
            counts = figures[f"{kind}s"]
            figures[f"{kind}s"] = Counts(done=counts.done, dead=counts.dead)
        del figures["dropped"], figures["drained"]
        return Stats(**figures)

    # --- to the queue ---

    def host_files(self) -> list[KeptFile]:
        """The files of hosts that have not expired."""
        with explained(self._path):
            return [KeptFile(host=host, file=file) for host, file in self._files.all()]

    def unsettled(self, after: int = 0, limit: int = 500) -> tuple[list[Unsettled], int]:
        """Up to *limit* tasks to be done with ids over *after*, and the last of these ids."""
        with explained(self._path):
            found = self._db.execute(
                "SELECT id, serial, kind, url, depth, origin FROM tasks"
                " WHERE id > ? AND state IN ('ready', 'delayed', 'leased') ORDER BY id LIMIT ?",
                (after, limit),
            ).fetchall()
            return [self._unsettled(*row) for row in found], found[-1][0] if found else after

    def settled_keys(self, limit: int = 1000) -> Iterator[list[tuple[TaskKind, str, int]]]:
        """Kind, URL and the bits of the words of every task that is settled, up to *limit* at a time."""
        sql = "SELECT id, kind, url, words FROM tasks WHERE id > ? AND state IN ('done', 'dead') ORDER BY id LIMIT ?"
        after = 0
        while True:
            with explained(self._path):
                found = self._db.execute(sql, (after, limit)).fetchall()
            if not found:
                return
            after = found[-1][0]
            yield [(TaskKind(kind), url, words) for _, kind, url, words in found]

    def queue_lost(self, *, reread: bool) -> int:
        """Redis has lost everything: the ids that it gave mean nothing any more.

        With *reread* every page that was harvested or rendered is made ready again, as what was found there and not
        settled is lost; returns how many. Their records stand until then. MetaKey.LOST: Redis is to be told of it.
        """
        with self._transaction():
            row_ids.renumber(self._db)
            meta.write(self._db, MetaKey.LOST, 1)
            count = 0
            if reread:
                count = self._db.execute(
                    "UPDATE tasks SET state = 'ready', attempts = 0 WHERE state IN ('done', 'dead')"
                    " AND id IN (SELECT task_id FROM pages WHERE status = 'harvested'"
                    " UNION ALL SELECT task_id FROM renders WHERE status = 'rendered')"
                ).rowcount
            if (
                count
            ):  # as for pages that were read by other rules: no server is to say that nothing has changed
                meta.write(self._db, MetaKey.REREAD, 1)
            self._load()
            return count

    # --- from here on, within a transaction ---

    def _load(self) -> None:
        """Build what is in memory from what is in the file."""
        self._next_seq = schema.next_seq(self._db)
        self._tally = Counters(self._db)
        self._left_out = LeftOutRows(self._db)
        self._mentions = MentionRows(self._db, self._count_left_out)
        self._files = HostFileRows(self._db)
        self._revisits = Refresh(self._db)
        self._words_wait = later_words.waiting(self._db)
        blob = meta.read(self._db, MetaKey.TAKEN) or b""
        self._taken: dict[bytes, None] = {
            blob[start : start + _DIGEST_BYTES]: None for start in range(0, len(blob), _DIGEST_BYTES)
        }

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One transaction on the file; if it fails, memory is made again from the file."""
        with explained(self._path):
            try:
                with self._db:
                    self._db.execute("BEGIN IMMEDIATE")
                    yield
                for record in self._settled:
                    tell_settled(log, record)
            except BaseException:
                self._load()
                raise
            finally:
                self._settled.clear()

    def _settle(self, each: Settled) -> None:
        key = task_key(each.kind, each.url)
        row = self._db.execute("SELECT id, state FROM tasks WHERE key = ?", (key,)).fetchone()
        if row is None:
            row_ids.add(self._db, each)
            self._tally.add(each.kind)
            before = TaskState.READY
        else:
            row_ids.rename(self._db, each.kind, row[0], each.id)
            before = TaskState(row[1])
            if before not in _SETTLED:
                each = self._with_words(each)
        record, number = self._keep(each, again=before in _SETTLED)
        # what stands although its latest visit came to nothing is no dead letter
        state = TaskState.DONE if worth_keeping(record) else each.state
        words = bits_of(record) if isinstance(record, ImageRecord) else 0
        self._db.execute(
            "UPDATE tasks SET serial = max(serial, ?), attempts = ?, state = ?, due_s = NULL, origin = NULL,"
            " words = ?, record = coalesce(?, record) WHERE id = ?",
            (each.serial, each.attempts, state.value, words, number, each.id),
        )
        self._tally.move(each.kind, before, state)
        if self._words_wait and (later := later_words.take(self._db, key)) is not None:
            later_words.give(self._db, key, later)

    def _keep_mentions(self, found: Iterable[Mentions]) -> None:
        self._mentions.keep((url, keys_in(images)) for some in found for url, images in some)

    def _count_left_out(self, counts: Mapping[str, int]) -> None:
        """Count what is left out here, and not in Redis."""
        self._tally.dropped.update(counts)
        rows = [(slug, self._tally.dropped[slug]) for slug in counts]
        self._db.executemany("INSERT OR REPLACE INTO dropped VALUES (?, ?)", rows)

    def _with_words(self, each: Settled) -> Settled:
        """Fill in the words that its task has here: it was put back, and may come without them."""
        record = filled_record(each.record, later_words.of_task(self._db, each.id))
        return each if record is each.record else msgspec.structs.replace(each, record=record)

    def _keep(self, each: Settled, *, again: bool) -> tuple[Record, int | None]:
        """Write the record of a task; *again*: the task was settled before. Returns the record that stands, and its
        number if it is new.
        """
        last = self._revisits.record_of(each.kind, each.id)
        record, mark = self._revisits.judged_anew(each.id, each.record, last, again=again)
        kept = msgspec.structs.replace(record, revisit=mark)
        if again and kept == last:
            return kept, None
        if last is not None:
            self._revisits.make_room(each.kind, each.id, record, last, self._tally)
        if log.isEnabledFor(INFO):
            self._settled.append(kept)
        number = self._next_seq
        record_rows.insert(self._db, each.kind, [(number, each.id, kept)])
        self._next_seq += 1
        self._tally.count(each.kind, kept, 1)
        return kept, number

    def _unsettled(
        self, task_id: int, serial: int, kind: str, url: str, depth: int, blob: bytes | None
    ) -> Unsettled:
        of = TaskKind(kind)
        origin, last = self._revisits.past(of, task_id, blob)
        record = self._revisits.record_of(of, task_id)
        if (
            origin is None and record is not None
        ):  # a page is read once more, in a crawl that was never refreshed
            origin = schema.origin_of(record, of)
        given = task_id >= QUEUE_IDS
        return Unsettled(
            id=task_id if given else 0,
            serial=serial if given else 0,
            task=NewTask(kind=of, url=url, depth=depth, origin=origin),
            known=self._revisits.known(last),
            last=record,
        )
