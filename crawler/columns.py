"""How a record lies in a row of a table: numbers and texts as they are, what has parts as JSON, or empty."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from crawler.errors import LedgerCorrupt
from crawler.models import RECORDS, ImageRecord, PageRecord

_Record = TypeVar("_Record", bound=ImageRecord | PageRecord)
_Positions = dict[type[msgspec.Struct], tuple[int, ...]]

UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeError)
"""What reading a text or a message raises that is none."""
ILLEGIBLE = (*UNREADABLE, ValueError, TypeError, LookupError, ArithmeticError)
"""What comes of values that nobody of us has written."""
_AFFINITY = {int: "INTEGER", bool: "INTEGER", float: "REAL"}
_TYPES = {
    record: {field.name: field.type for field in msgspec.structs.fields(record)}
    for record in RECORDS.values()
}


def _positions(of: Iterable[object]) -> _Positions:
    """Where the fields of these types are, by kind of record."""
    return {
        record: tuple(
            n for n, known in enumerate(types.values()) if getattr(known, "__origin__", known) in of
        )
        for record, types in _TYPES.items()
    }


_WITH_PARTS = _positions((dict, tuple))
_BOOLEANS = _positions((bool,))


def affinity(record: type[ImageRecord | PageRecord], name: str) -> str:
    """SQLite's type of the column for a field of *record*."""
    return _AFFINITY.get(_TYPES[record][name], "TEXT")


def row_of(record: ImageRecord | PageRecord) -> list[Any]:
    """The values of *record* in the order of its fields."""
    row = list(msgspec.structs.astuple(record))
    for position in _WITH_PARTS[type(record)]:
        row[position] = msgspec.json.encode(row[position]).decode() if row[position] else ""
    return row


def record_of(kind: type[_Record], row: Sequence[Any]) -> _Record:
    """The record of a row that :func:`row_of` made. Raises msgspec.MsgspecError for what is none."""
    values = list(row)
    for position in _WITH_PARTS[kind]:
        values[position] = msgspec.json.decode(values[position] or "[]") or ()
    for position in _BOOLEANS[kind]:
        values[position] = bool(values[position])
    facts = {name: value for name, value in zip(kind.__struct_fields__, values, strict=True) if value != ()}
    return msgspec.convert(facts | {"kind": kind.__struct_config__.tag}, kind)


@contextmanager
def legible(path: Path, on_error: Callable[[str], None] | None = None) -> Iterator[None]:
    """What is made of rows within it is made of the file at *path*: if that can't be done, the file is damaged.

    SQLite takes values of any type into any column, and a file may have been in other hands. *on_error* is told first.
    Raises LedgerCorrupt.
    """
    try:
        yield
    except ILLEGIBLE as exc:
        error = LedgerCorrupt(
            f"{path} is damaged: what it holds can't be read ({type(exc).__name__}: {exc}); put a sound copy of it"
            " back, or start over with --fresh. The saved images are not touched before that"
        )
        if on_error is not None:
            on_error(str(error))
        raise error from exc
