"""Sizes of one picture that different pages name: the largest is downloaded, and the others wait behind it.

This is the ledger's part, called within its transactions; redis/lua/shared/picture_sizes.lua is the same for Redis.
Nothing is guessed: all URLs are named by pages, and crawler/sizes tells which of them are one picture.

An image whose URL has the mark of a size is *held* at first: a delayed task without a due time. A larger size that
arrives meanwhile takes its place, and the smaller one waits *behind* it, in the table sizes. Once no page is left that
might name a larger size, the held one becomes ready. When it is saved, sizes behind it that are no larger are left out;
when it fails for good, the largest size behind it becomes ready. A URL without marks is the original: it is ready at
once, and its sizes wait behind it.

A larger size that arrives after its picture was saved becomes a task as well: then there are two files.
"""

# ruff: noqa: S608 - the names in the statements are our own

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import NamedTuple

from crawler.crawlfile.connection import Connection
from crawler.lists import FOUND_IN
from crawler.models import ImageRecord, ImageStatus, NewTask, TaskKind, TaskState
from crawler.models.image_words import lacking
from crawler.queues import later_words, policy
from crawler.queues.counters import Counters
from crawler.queues.politeness import Politeness
from crawler.sizes import Sized, size_of
from crawler.urls import task_key

_SAVED = {ImageStatus.SAVED, ImageStatus.DUPLICATE}
_HELD = "state = 'delayed' AND due_s IS NULL"


class Size(NamedTuple):
    """An image URL as a size of a picture."""

    key: bytes
    """The key of its task."""
    url: str
    depth: int
    origin: bytes | None
    words: int
    picture: bytes
    """The key of the original, which all tasks of the picture share."""
    px: float


_COLUMNS = ", ".join(Size._fields)


class _Family(NamedTuple):
    """The tasks of one picture."""

    held: tuple[int, float] | None
    """Id and size of the held task; None if none is held."""
    is_tried: bool
    """Whether a size is ready, leased or waiting for another attempt."""
    saved_px: float
    """The largest saved size; 0 for none."""
    is_known: bool


def marked(task: NewTask) -> Sized | None:
    """*task* as a size of a picture; None for a picture of its own: a URL without marks, or one of a user's list."""
    if task.kind is not TaskKind.IMAGE or (task.origin is not None and task.origin.found_in == FOUND_IN):
        return None
    size = size_of(task.url)
    return None if size.px == inf else size


def picture_key(size: Sized) -> bytes:
    """The task key of the original, which all sizes of the picture share."""
    return task_key(TaskKind.IMAGE, size.picture)


class PictureSizes:
    """The sizes in the file *db*.

    *tally* counts its tasks, *pacing* has those that are ready, but for new ones: *insert* makes a task of a size, in
    that state. *left_out* is told counts by slug. Invariants: ``held`` and ``behind`` are the numbers of held tasks and
    of waiting rows in the table sizes.
    """

    def __init__(
        self,
        db: Connection,
        tally: Counters,
        pacing: Politeness,
        *,
        insert: Callable[[Size, TaskState, float], None],
        left_out: Callable[[dict[str, int]], None],
    ) -> None:
        self._db = db
        self._tally = tally
        self._pacing = pacing
        self._insert = insert
        self._left_out = left_out
        self.held: int = db.execute(f"SELECT count(*) FROM tasks WHERE {_HELD}").fetchone()[0]
        self.behind: int = db.execute("SELECT count(*) FROM sizes WHERE NOT left_out").fetchone()[0]

    # --- those that arrive ---

    def is_known(self, picture: bytes) -> bool:
        return self._family(picture).is_known

    def pass_over_known(self, fresh: dict[bytes, tuple[NewTask, Sized]]) -> dict[bytes, NewTask]:
        """Take sizes out of *fresh* that wait, or were left out, unless they take the place of a failed one.

        Returns the tasks that bring words which the waiting size lacks.
        """
        with_words = {}
        for key, (task, _) in list(fresh.items()):
            row = self._db.execute("SELECT left_out, words FROM sizes WHERE key = ?", (key,)).fetchone()
            if row is not None and (row[0] or not takes_a_place(task)):
                del fresh[key]
                if not row[0] and lacking(row[1], task):
                    with_words[key] = task
        return with_words

    def take_on(self, size: Size, *, in_place: bool, now: float) -> bool:
        """Take on a size without a task; *in_place* of a failed one it is ready at once. False if it is left out."""
        if in_place:
            gone = self._db.execute(
                "DELETE FROM sizes WHERE key = ? RETURNING origin, words", (size.key,)
            ).fetchone()
            if gone is not None:
                self.behind -= 1
                origin, words = later_words.kept_with(size.origin, gone[0]), size.words | gone[1]
                size = size._replace(origin=origin, words=words)
            self._insert(size, TaskState.READY, now)
            return gone is None
        family = self._family(size.picture)
        if family.held is not None and size.px > family.held[1]:
            self._put_behind(self._replaced(family.held[0], size))
        elif family.held is not None or family.is_tried:
            self._put_behind(size)
        elif size.px <= family.saved_px:
            self._put_behind(size)
            self._leave_out([size.key])
            return False
        else:
            self._hold(size, now)
        return True

    def try_at_once(self, task_id: int, origin: bytes | None, now: float) -> None:
        """The one with that id, if it is held: it is to take another one's place."""
        row = self._db.execute(
            f"SELECT host_id, origin FROM tasks WHERE id = ? AND {_HELD}", (task_id,)
        ).fetchone()
        if row is not None:
            origin = later_words.kept_with(origin, row[1])
            self._db.execute("UPDATE tasks SET state = 'ready', origin = ? WHERE id = ?", (origin, task_id))
            self._ready(row[0], now)

    # --- those that are held ---

    def release(self, most: int, *, now: float) -> None:
        """Let the oldest become ready, *most* of them."""
        rows = self._db.execute(
            f"SELECT id, picture, px, host_id FROM tasks WHERE {_HELD} ORDER BY id LIMIT ?",
            (most,),
        ).fetchall()
        for task_id, picture, px, host in rows:
            family = self._family(picture)
            if family.is_tried:
                self._put_behind(self._taken_back(task_id))
            elif px <= family.saved_px:
                self._put_behind(self._taken_back(task_id))
                self._leave_out(self._no_larger_than(picture, family.saved_px))
            else:
                self._db.execute("UPDATE tasks SET state = 'ready' WHERE id = ?", (task_id,))
                self._ready(host, now)

    # --- those that are settled ---

    def settled(self, task_id: int, record: ImageRecord, *, has_next: bool, now: float) -> str:
        """The task is settled for good with *record*, whether its row says so or not; all other rows are up to date.

        Returns the URL of the size that is taken on in its place, or "". With *has_next* one is, of another picture
        as far as URLs tell.
        """
        picture, px = self._db.execute(
            "SELECT coalesce(picture, key), coalesce(px, ?) FROM tasks WHERE id = ?", (inf, task_id)
        ).fetchone()
        family = self._family(picture, but=task_id)
        if family.held is not None or family.is_tried:
            return ""
        is_saved = record.status in _SAVED
        saved_px = max(family.saved_px, px if is_saved else 0.0)
        self._leave_out(self._no_larger_than(picture, saved_px))
        largest = self._largest_behind(picture)
        if largest is None:
            return ""
        self._db.execute("DELETE FROM sizes WHERE key = ?", (largest.key,))
        self.behind -= 1
        if is_saved or has_next:
            self._hold(largest, now)
            return ""
        self._insert(largest, TaskState.READY, now)
        return largest.url

    # --- what they are made of ---

    def _family(self, picture: bytes, *, but: int = 0) -> _Family:
        held, is_tried, saved_px, is_known = None, False, 0.0, False
        for task_id, px, state, due_s, status in self._db.execute(
            "SELECT t.id, coalesce(t.px, ?), t.state, t.due_s, i.status FROM tasks t LEFT JOIN images i"
            " ON i.seq = t.record WHERE (t.picture = ? OR t.key = ?) AND t.id != ?",
            (inf, picture, picture, but),
        ):
            is_known = True
            if state == TaskState.DELAYED and due_s is None:
                held = (task_id, px)
            elif state in {TaskState.READY, TaskState.LEASED, TaskState.DELAYED}:
                is_tried = True
            elif status in _SAVED:
                saved_px = max(saved_px, px)
        return _Family(held, is_tried, saved_px, is_known)

    def _hold(self, size: Size, now: float) -> None:
        self._insert(size, TaskState.DELAYED, now)
        self.held += 1

    def _ready(self, host: int, now: float) -> None:
        """A task of *host* that was held is ready."""
        self.held -= 1
        self._tally.move(TaskKind.IMAGE, TaskState.DELAYED, TaskState.READY)
        self._pacing.add(host, TaskKind.IMAGE, now=now)

    def _taken_back(self, task_id: int) -> Size:
        """The size of a task that is held, which is none any more."""
        row = self._db.execute(f"DELETE FROM tasks WHERE id = ? RETURNING {_COLUMNS}", (task_id,)).fetchone()
        self.held -= 1
        self._tally.move(TaskKind.IMAGE, TaskState.DELAYED, None)
        return Size(*row)

    def _replaced(self, task_id: int, size: Size) -> Size:
        """The size of a task that is held, which *size* has now; it keeps its place among those that are."""
        row = self._db.execute(f"SELECT {_COLUMNS} FROM tasks WHERE id = ?", (task_id,)).fetchone()
        self._db.execute(
            f"UPDATE tasks SET ({_COLUMNS}) = (?, ?, ?, ?, ?, ?, ?) WHERE id = ?", (*size, task_id)
        )
        return Size(*row)

    def _put_behind(self, size: Size) -> None:
        self._db.execute(f"INSERT INTO sizes ({_COLUMNS}, left_out) VALUES (?, ?, ?, ?, ?, ?, ?, 0)", size)
        self.behind += 1
        sql = (
            "SELECT key FROM sizes WHERE picture = ? AND NOT left_out ORDER BY px DESC, id LIMIT -1 OFFSET ?"
        )
        too_many = self._db.execute(sql, (size.picture, policy.MAX_BEHIND))
        self._leave_out([row[0] for row in too_many])

    def _no_larger_than(self, picture: bytes, px: float) -> list[bytes]:
        sql = "SELECT key FROM sizes WHERE picture = ? AND NOT left_out AND px <= ?"
        return [row[0] for row in self._db.execute(sql, (picture, px))]

    def _leave_out(self, keys: list[bytes]) -> None:
        if keys:
            self._db.executemany(
                "UPDATE sizes SET left_out = 1, origin = NULL WHERE key = ?", [(key,) for key in keys]
            )
            self.behind -= len(keys)
            self._left_out({policy.SMALLER_SIZE: len(keys)})

    def _largest_behind(self, picture: bytes) -> Size | None:
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM sizes WHERE picture = ? AND NOT left_out ORDER BY px DESC, id LIMIT 1",
            (picture,),
        ).fetchone()
        return None if row is None else Size(*row)


def takes_a_place(task: NewTask) -> bool:
    """Whether *task* is another size of an image that failed."""
    return task.origin is not None and bool(task.origin.instead_of)
