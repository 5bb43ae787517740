"""Records and runs as rows, with dicts and tuples as JSON, empty ones as an empty text; files of hosts as blobs.

A row may be invalid: a damaged disk, another program or an older version wrote it. Its valid fields are read, the
others take their defaults and are reported: one row never makes a whole crawl unreadable.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar, get_origin

import msgspec

from crawler.errors import REASONS, InternalError, LedgerCorrupt
from crawler.models import (
    KIND_OF,
    MAX_SIZE_BYTES,
    MOST_FILE_BYTES,
    RECORDS,
    STATUSES,
    HostFile,
    Record,
    Run,
    SettingValue,
    Slug,
    TaskKind,
)
from crawler.text.plain_errors import plain

_Record = TypeVar("_Record", bound=Record)
_Positions = dict[type[msgspec.Struct], tuple[int, ...]]

UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeError)
"""Errors of decoding: wrong types, values out of bounds, values nested too deep, bytes that are no UTF-8."""
ILLEGIBLE = (*UNREADABLE, ValueError, TypeError, LookupError, ArithmeticError)
"""Errors that arise when values are used that this program has not written."""
_AFFINITY = {int: "INTEGER", bool: "INTEGER", float: "REAL"}


def _base(of: Any) -> Any:
    """The type without bounds and parameters."""
    while get_origin(of) is Annotated:
        of = of.__origin__
    return get_origin(of) or of


_TYPES = {
    record: {field.name: _base(field.type) for field in msgspec.structs.fields(record)}
    for record in RECORDS.values()
}
_FIELDS = {record: msgspec.structs.fields(record) for record in RECORDS.values()}
_UNKNOWN = {kind: statuses("failed") for kind, statuses in STATUSES.items()}
"""The status that stands for an unknown one."""


def _positions(of: Iterable[object]) -> _Positions:
    """Positions of the fields of these types, by kind of record."""
    return {
        record: tuple(n for n, of_type in enumerate(types.values()) if of_type in of)
        for record, types in _TYPES.items()
    }


_WITH_PARTS = _positions((dict, tuple))
_BOOLEANS = _positions((bool,))
_RUN_PARTS = frozenset({"settings", "notes"})
_HOST_FILE = msgspec.msgpack.Decoder(HostFile)


def packed_file(file: HostFile) -> bytes:
    """A file of a host as a blob, in crawl.db and in Redis."""
    return zlib.compress(msgspec.msgpack.encode(file), 1)


def unpacked_file(packed: bytes) -> HostFile:
    """Raises UNREADABLE for what is no such file."""
    try:
        data = zlib.decompressobj().decompress(packed, 2 * MOST_FILE_BYTES)
    except zlib.error as exc:
        raise msgspec.DecodeError(str(exc)) from exc
    return _HOST_FILE.decode(data)


def affinity(record: type[Record], name: str) -> str:
    """The SQLite type of the column for a field of *record*."""
    return _AFFINITY.get(_TYPES[record][name], "TEXT")


def total(column: str) -> str:
    """SQL for the sum of the sizes in *column*. It can't overflow: invalid sizes count as 0."""
    return f"CAST(total({sane_size(column)}) AS INTEGER)"


def sane_size(column: str) -> str:
    """SQL for the size in *column*; 0 for an invalid one."""
    is_size = f"typeof({column}) = 'integer' AND {column} BETWEEN 0 AND {MAX_SIZE_BYTES}"
    return f"(CASE WHEN {is_size} THEN {column} ELSE 0 END)"


def left_out_items(table: str) -> str:
    """SQL for what the record in each row of *table* says that was left out: rows of ``key`` (a slug) and ``value``."""
    return f"json_each(CASE WHEN json_valid({table}.left_out) THEN {table}.left_out ELSE '{{}}' END)"


def known_status(kind: TaskKind, status: object) -> str:
    """*status* as it is counted: an unknown one as failed."""
    return str(status) if status in STATUSES[kind].__members__.values() else str(_UNKNOWN[kind])


def known_reason(reason: object) -> str:
    """*reason* as it is counted: an unknown one as internal-error."""
    return str(reason) if not reason or reason in REASONS else InternalError.reason


def row_of(record: Record) -> list[Any]:
    """The values of *record* in the order of its fields."""
    row = list(msgspec.structs.astuple(record))
    for position in _WITH_PARTS[type(record)]:
        row[position] = msgspec.json.encode(row[position]).decode() if row[position] else ""
    return row


def record_of(kind: type[_Record], row: Sequence[Any]) -> _Record:
    """The record of a row that :func:`row_of` made. Raises msgspec.MsgspecError for an invalid row."""
    values = list(row)
    for position in _WITH_PARTS[kind]:
        if not isinstance(values[position], str):
            raise msgspec.ValidationError(f"Expected `str` - at `$.{kind.__struct_fields__[position]}`")
        values[position] = msgspec.json.decode(values[position] or "[]") or ()
    for position in _BOOLEANS[kind]:
        values[position] = bool(values[position])
    fields = {name: value for name, value in zip(kind.__struct_fields__, values, strict=True) if value != ()}
    record = msgspec.convert(fields | {"kind": kind.__struct_config__.tag}, kind)
    if not record.url:
        raise msgspec.ValidationError("empty - at `$.url`")
    if record.reason and record.reason not in REASONS:
        raise msgspec.ValidationError("not of the closed list - at `$.reason`")
    return record


RUN_COLUMNS = ", ".join(Run.__struct_fields__)


def run_of(row: Sequence[Any]) -> Run:
    """The run of a row of RUN_COLUMNS; invalid fields take their defaults."""
    fields = dict(zip(Run.__struct_fields__, row, strict=True))
    run = Run(number=0, begun_at="")
    for name, value in fields.items():
        with suppress(*ILLEGIBLE):
            valid = msgspec.json.decode(value) if name in _RUN_PARTS else value
            if name == "settings":
                valid = _legible_settings(valid)
            valid = msgspec.convert({"number": 0, "begun_at": "", name: valid}, Run)
            run = msgspec.structs.replace(run, **{name: getattr(valid, name)})
    return run


def _legible_settings(settings: Any) -> dict[str, SettingValue]:
    """The valid settings; an invalid one does not take the others away."""
    valid: dict[str, SettingValue] = {}
    for key, value in settings.items() if isinstance(settings, dict) else ():
        with suppress(*ILLEGIBLE):
            valid |= msgspec.convert({key: value}, dict[Slug, SettingValue])
    return valid


class Mended(NamedTuple):
    """What can be read of an invalid row."""

    record: Record
    wrong: tuple[str, ...]
    """The invalid fields, which have their defaults in the record."""


def _nothing(field: msgspec.structs.FieldInfo) -> Any:
    return field.default_factory() if field.default is msgspec.NODEFAULT else field.default


def mended(kind: type[Record], row: Sequence[Any]) -> Mended:
    """The record of any row; never raises.

    An unknown status becomes ``failed``, an unknown reason ``internal-error``, an unreadable URL an empty one.
    """
    fields: dict[str, Any] = {}
    wrong = []
    for field, position, value in zip(_FIELDS[kind], range(len(row)), row, strict=True):
        try:
            if position in _WITH_PARTS[kind]:
                value = msgspec.json.decode(value or "[]") or _nothing(field)  # noqa: PLW2901
            elif position in _BOOLEANS[kind] and value in {0, 1}:
                value = bool(value)  # noqa: PLW2901
            elif isinstance(value, float) and math.isfinite(value) and value.is_integer():
                value = int(value)  # noqa: PLW2901 - as a column of another kind keeps it
            fields[field.name] = msgspec.convert(value, field.type)
        except (msgspec.MsgspecError, TypeError, RecursionError):
            wrong.append(field.name)
    if "status" in wrong:
        fields["status"] = _UNKNOWN[KIND_OF[kind]]
    fields.setdefault("url", "")
    if "status" in wrong or fields.get("reason", "") not in {"", *REASONS}:
        fields["reason"] = InternalError.reason
        wrong += ["reason"] * ("reason" not in wrong)
    return Mended(kind(**fields), tuple(dict.fromkeys(wrong)))


@contextmanager
def legible(path: Path, on_error: Callable[[str], None] | None = None) -> Iterator[None]:
    """Errors of the block, which uses rows of the file at *path*, become LedgerCorrupt; *on_error* is told of it first.

    SQLite takes values of any type into any column.
    """
    try:
        yield
    except ILLEGIBLE as exc:
        error = LedgerCorrupt(
            f"{path} is damaged: what it holds can't be read ({plain(exc)}); put a sound copy of it"
            " back, or start over with --fresh. The saved images are not touched before that"
        )
        if on_error is not None:
            on_error(str(error))
        raise error from exc
