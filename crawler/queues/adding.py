"""Adding tasks to the ledger: which URLs are known, and which are too many."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from crawler.config import ScopeConfig
from crawler.crawlfile.connection import Connection
from crawler.crawlfile.schema import host_id, next_id
from crawler.models import NewTask, Origin, TaskKind, TaskState
from crawler.models.image_words import bits_of, bits_of_task, filled, joined, lacking
from crawler.queues import policy
from crawler.queues.counters import Counters
from crawler.queues.left_out import LeftOutRows
from crawler.queues.mentions import MentionRows, Named, note_mention
from crawler.queues.picture_sizes import PictureSizes, Size, marked, picture_key, takes_a_place
from crawler.queues.politeness import Politeness
from crawler.queues.validation import MALFORMED, is_malformed
from crawler.sizes import Sized
from crawler.urls import DATA_HOST, host_key, other_scheme, task_key

_SQL_VARIABLES = 500
_HOST_IDS_IN_MEMORY = 10_000
_ENCODER = msgspec.msgpack.Encoder()
_Dropped = list[tuple[str, NewTask]]
"""Slugs, and the tasks that were left out by them."""


class TaskAdder:
    """Adds tasks to the file *db*, to *tally* and to *pacing*. A new one is made when the ledger's memory is rebuilt.

    With *largest_only* the largest size of each picture is taken, else all of them. *flush* writes the records that are
    settled and not in the file yet.
    """

    def __init__(
        self,
        db: Connection,
        tally: Counters,
        pacing: Politeness,
        scope: ScopeConfig,
        *,
        largest_only: bool,
        flush: Callable[[], None],
    ) -> None:
        self._db = db
        self._tally = tally
        self._pacing = pacing
        self._scope = scope
        self._host_ids: dict[str, int] = {}  # some of the file's
        self._ids = itertools.count(next_id(db))
        self._later: dict[bytes, Origin] = {}
        self._left_out = LeftOutRows(db)
        self.mentions = MentionRows(db, self.count_left_out)
        self._largest_only = largest_only
        self._flush = flush
        self.sizes = PictureSizes(db, tally, pacing, insert=self._insert_size, left_out=self.count_left_out)

    def add(self, tasks: Sequence[NewTask], *, now: float, again: bool = False) -> int:
        """Add tasks within a transaction; returns how many were new. *again*: they are from a page that was read
        before, so that what it left out was counted, as far as URLs are listed.
        """
        if not tasks:
            return 0
        fresh, repeats, malformed, named = each_once(tasks)
        dropped = [(policy.SESSION_ID, task) for task in repeats]
        self._pass_over_known(fresh, dropped, named, now)
        sizes = {}
        if self._largest_only:
            sizes = {key: (task, size) for key, task in fresh.items() if (size := marked(task)) is not None}
        rows = []
        arrived: Counter[tuple[int, TaskKind]] = Counter()
        for key, task in fresh.items():
            if key in sizes:
                continue
            limit = task.kept_out_by or self._limit_reached(task)
            if limit:
                dropped.append((limit, task))
                continue
            host = self.host_id(task.url)
            origin, words = packed_origin(task.origin), bits_of_task(task)
            rows.append((next(self._ids), task.kind.value, task.url, key, host, task.depth, origin, words))
            self._tally.add(task.kind)
            arrived[host, task.kind] += 1
        self._db.executemany(
            "INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?, 'ready', 0, 0, NULL, ?, ?, NULL, NULL, NULL)", rows
        )
        for (host, kind), count in arrived.items():
            self._pacing.add(host, kind, count, now=now)
        # after the originals that came with them
        new = len(rows) + self._add_sizes(sizes, dropped, named, now)
        self.mentions.note(named, now=now)
        if malformed:
            self.count_left_out({MALFORMED: malformed})
        if dropped:
            noted = self._left_out.note(dropped)
            self.count_left_out(noted if again else Counter(slug for slug, _ in dropped))
        return new

    def _add_sizes(
        self,
        sizes: dict[bytes, tuple[NewTask, Sized]],
        dropped: _Dropped,
        named: Named,
        now: float,
    ) -> int:
        if not sizes:
            return 0
        new = 0
        self._flush()  # whether a size is wanted depends on what became of the others
        for key, again in self.sizes.pass_over_known(sizes).items():
            self._note_words(key, again.origin)
            note_mention(named, key, again)
        for key, (task, size) in sizes.items():
            picture, in_place = picture_key(size), takes_a_place(task)
            limit: str | None = task.kept_out_by
            if not limit and not self.sizes.is_known(picture):  # else it is no further picture
                limit = self._limit_reached(task)
            if limit:
                dropped.append((limit, task))
                continue
            one = Size(
                key, task.url, task.depth, packed_origin(task.origin), bits_of_task(task), picture, size.px
            )
            new += self.sizes.take_on(one, in_place=in_place, now=now)
        return new

    def _insert_size(self, size: Size, state: TaskState, now: float) -> None:
        host = self.host_id(size.url)
        self._db.execute(
            "INSERT INTO tasks VALUES (?, 'image', ?, ?, ?, ?, ?, 0, 0, NULL, ?, ?, ?, ?, NULL)",
            (next(self._ids), size.url, size.key, host, size.depth, state.value, *size[3:]),
        )
        self._tally.add(TaskKind.IMAGE, state)
        if state is TaskState.READY:
            self._pacing.add(host, TaskKind.IMAGE, now=now)

    def count_left_out(self, counts: Mapping[str, int]) -> None:
        """Count what was left out, by slug, within a transaction."""
        self._tally.dropped.update(counts)
        self._db.executemany(
            "INSERT OR REPLACE INTO dropped VALUES (?, ?)",
            [(slug, self._tally.dropped[slug]) for slug in counts],
        )

    def note_left_out(self, slug: str, count: int, places: Sequence[str]) -> None:
        """Count *count* things without a URL by *slug*; *places* are where some of them stand."""
        self.count_left_out({slug: count})
        self._left_out.note((slug, NewTask(kind=TaskKind.IMAGE, url=place)) for place in places)

    def _pass_over_known(
        self, fresh: dict[bytes, NewTask], dropped: _Dropped, named: Named, now: float
    ) -> None:
        keys = list(fresh)
        for chunk in (keys[start : start + _SQL_VARIABLES] for start in range(0, len(keys), _SQL_VARIABLES)):
            marks = ",".join("?" * len(chunk))
            known = self._db.execute(f"SELECT key, url, words, id FROM tasks WHERE key IN ({marks})", chunk)  # noqa: S608
            for key, url, words, task_id in known.fetchall():
                again = fresh.pop(key)
                if again.kind is TaskKind.IMAGE:
                    note_mention(named, key, again)
                if self.sizes.held and takes_a_place(again):
                    self.sizes.try_at_once(task_id, packed_origin(again.origin), now)
                if again.url != url:
                    dropped.append((policy.SESSION_ID, again))
                if bits_of(again.origin) & ~words and lacking(words, again):
                    self._note_words(key, again.origin)

    def _note_words(self, key: bytes, origin: Origin | None) -> None:
        if origin is not None:
            first = self._later.get(key)
            self._later[key] = origin if first is None else filled(first, origin)

    @property
    def has_later_words(self) -> bool:
        return bool(self._later)

    def later_words(self) -> dict[bytes, Origin]:
        """Words for known images that lacked them, by key; each is returned once."""
        later, self._later = self._later, {}
        return later

    def _limit_reached(self, task: NewTask) -> str | None:
        if task.kind is not TaskKind.IMAGE:  # there may be more routes than pages, and no end of them
            return policy.MAX_PAGES if self._tally.tasks(task.kind) >= self._scope.max_pages else None
        most = self._scope.max_images
        if not most or takes_a_place(task):  # that is no further picture
            return None
        return policy.MAX_IMAGES if self._tally.tasks(task.kind) >= most else None

    def host_id(self, url: str) -> int:
        """The id of the host of a canonical URL; a new host is added to the file."""
        name = host_key(url)
        known = self._host_ids.get(name)
        if known is not None:
            return known
        known = host_id(self._db, name)
        if name == DATA_HOST:
            self._pacing.never_delay(known)
        self._note_other_scheme(known, name)
        if len(self._host_ids) >= _HOST_IDS_IN_MEMORY:
            self._host_ids.clear()
        self._host_ids[name] = known
        return known

    def _note_other_scheme(self, host: int, name: str) -> None:
        row = self._db.execute("SELECT id FROM hosts WHERE name = ?", (other_scheme(name),)).fetchone()
        if row is not None:
            self._pacing.same_server(host, row[0])


def packed_origin(origin: Origin | None) -> bytes | None:
    return None if origin is None else _ENCODER.encode(origin)


class Found(NamedTuple):
    """New tasks, each URL once."""

    fresh: dict[bytes, NewTask]
    """By key, with all words for the URL."""
    repeats: list[NewTask]
    """Those with another session id."""
    malformed: int
    """How many can't be right."""
    named: Named
    """The images that several pages among them name, by the later ones of these."""


def each_once(tasks: Iterable[NewTask]) -> Found:
    """*tasks*, each URL once."""
    fresh: dict[bytes, NewTask] = {}
    repeats: list[NewTask] = []
    named: Named = {}
    malformed = 0
    # what one link forbids, another may allow
    for task in sorted(tasks, key=lambda task: bool(task.kept_out_by)):
        if is_malformed(task):
            malformed += 1
            continue
        key = task_key(task.kind, task.url)
        first = fresh.setdefault(key, task)
        if first is not task:
            if first.url != task.url:
                repeats.append(task)
            if task.origin is not None and (
                first.origin is None or task.origin.page_url != first.origin.page_url
            ):
                note_mention(named, key, task)
            fresh[key] = joined(first, task)
    return Found(fresh, repeats, malformed, named)
