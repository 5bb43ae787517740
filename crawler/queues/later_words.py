"""Words of later pages, in crawl.db: for an image's task, for its record, and for the size that took its place.

All functions are called within a transaction, after its records are written.
"""

from __future__ import annotations

import msgspec

from crawler.crawlfile.connection import Connection
from crawler.crawlfile.schema import OF_TASK, origin_in
from crawler.models import MAX_ALTERNATIVES, Alternative, Origin, TaskKind
from crawler.models.image_words import NAMES, NOWHERE, Words, bits_of, filled
from crawler.queues.validation import FLAWS
from crawler.urls import task_key

_ENCODE = msgspec.msgpack.Encoder().encode
_WORDS = msgspec.msgpack.Decoder(Words).decode
_ALTERNATIVES = msgspec.json.Decoder(list[Alternative]).decode
_COLUMNS = ", ".join(NAMES)
_SET = ", ".join(f"{name} = ?" for name in NAMES)


def give(db: Connection, key: bytes, words: Words | Origin) -> list[int]:
    """Fill in empty words of the image with that *key*, and of a size beside it that has taken its place.

    Returns the ids of their tasks. Words for an image that the file does not know wait for its record (see ``take``).
    """
    ids: list[int] = []
    for _ in range(1 + MAX_ALTERNATIVES):
        row = db.execute("SELECT id, origin FROM tasks WHERE key = ?", (key,)).fetchone()
        if row is None:
            if not _give_size(db, key, words):
                _wait(db, key, words)
            break
        ids.append(row[0])
        replaced_by = _give_one(db, row[0], row[1], words)
        if not replaced_by:
            break
        key = task_key(TaskKind.IMAGE, replaced_by)
    return ids


def _give_one(db: Connection, task_id: int, origin: bytes | None, words: Words | Origin) -> str:
    """Fill in the words of one task; returns the URL that took its place if it was offered beside it. A URL that pages
    name by itself has words of its own.
    """
    record = db.execute(
        f"SELECT seq, replaced_by, alternatives, {_COLUMNS} FROM images WHERE {OF_TASK}",  # noqa: S608 - our own names
        (task_id,),
    ).fetchone()
    if record is None or origin is not None:
        origin = _ENCODE(filled(origin_in(origin) or NOWHERE, words))
    db.execute(
        "UPDATE tasks SET origin = ?, words = words | ? WHERE id = ?", (origin, bits_of(words), task_id)
    )
    if record is None:
        return ""
    seq, replaced_by, alternatives, *told = record
    known = Words(**dict(zip(NAMES, told, strict=True)))
    full = filled(known, words)
    if full is not known:
        db.execute(
            f"UPDATE images SET {_SET} WHERE seq = ?",  # noqa: S608 - our own names
            (*msgspec.structs.astuple(full), seq),
        )
    try:
        offered = _ALTERNATIVES(alternatives or "[]") if replaced_by else []
    except (*FLAWS, TypeError):  # a row that was overwritten
        offered = []
    return replaced_by if any(other.url == replaced_by for other in offered) else ""


def _give_size(db: Connection, key: bytes, words: Words | Origin) -> bool:
    """Fill in the words of a size that waits behind another one; returns whether there is such a size."""
    row = db.execute("SELECT origin FROM sizes WHERE key = ?", (key,)).fetchone()
    if row is None:
        return False
    origin = origin_in(row[0]) or NOWHERE
    db.execute(
        "UPDATE sizes SET origin = ?, words = words | ? WHERE key = ? AND NOT left_out",
        (_ENCODE(filled(origin, words)), bits_of(words), key),
    )
    return True


def kept_with(origin: bytes | None, before: bytes | None) -> bytes | None:
    """*origin* of a size that takes another one's place, with the words that it had *before*."""
    if origin is None or before is None:
        return origin
    return _ENCODE(filled(origin_in(origin) or NOWHERE, origin_in(before) or NOWHERE))


def _wait(db: Connection, key: bytes, words: Words | Origin) -> None:
    before = db.execute("SELECT words FROM words WHERE key = ?", (key,)).fetchone()
    known = Words() if before is None else _WORDS(before[0])
    db.execute("INSERT OR REPLACE INTO words VALUES (?, ?)", (key, _ENCODE(filled(known, words))))


def take(db: Connection, key: bytes) -> Words | None:
    """Remove and return the words that wait for the image with that *key*; None if there are none."""
    row = db.execute("DELETE FROM words WHERE key = ? RETURNING words", (key,)).fetchone()
    return None if row is None else _WORDS(row[0])


def waiting(db: Connection) -> bool:
    """Whether any words wait for images that the file does not know."""
    return bool(db.execute("SELECT EXISTS (SELECT 1 FROM words)").fetchone()[0])


def of_task(db: Connection, task_id: int) -> Origin | None:
    """The origin of an unsettled task, with the words of later pages."""
    row = db.execute("SELECT origin FROM tasks WHERE id = ?", (task_id,)).fetchone()
    return None if row is None else origin_in(row[0])
