"""A crawl's records in the formats that other programs read.

JSON lines hold values exactly as they were recorded. CSV is UTF-8 with a header, after RFC 4180 but for the line end,
which is LF. What a page says may be a formula to a spreadsheet, which runs it when the file is opened: an apostrophe
before it has it shown as text. That is not what was recorded, and left out where cells are to be *raw*.
"""

from __future__ import annotations

import csv
import io
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple, Protocol, cast

import msgspec

from crawler.catalog.image_pages import ImagePage
from crawler.crawlfile.columns import row_of
from crawler.errors import StorageFailed
from crawler.models import Record
from crawler.text.display import escaped
from crawler.text.plain_errors import plain

_CRLF = "\r\n"
_FORMULA = re.compile(
    r"""
    ^(?=[\t\r\n])                 # of these a spreadsheet takes no notice, and looks at what follows
    | (?:^|(?<=[,;|\t\r\n]))       # where a cell begins, or does to who takes another separator for that of the file
      (?=[\s"]*[=+\-@\uff1d\uff0b\uff0d\uff20])   # also as full-width letters
    """,
    re.VERBOSE,
)
"""Where an apostrophe belongs (OWASP, "CSV Injection")."""


Row = Record | ImagePage


class Further(NamedTuple):
    """Columns after the fields of a record."""

    names: tuple[str, ...]
    values: Callable[[Any], tuple[object, ...]]
    """Their values, of a record."""


NOTHING_FURTHER = Further((), lambda _: ())


class Writer(Protocol):
    def __call__(
        self,
        records: Iterable[Row],
        kind: type[Row],
        out: BinaryIO,
        *,
        raw: bool = False,
        further: Further = NOTHING_FURTHER,
    ) -> int: ...


def write_jsonl(
    records: Iterable[Row],
    kind: type[Row],
    out: BinaryIO,
    *,
    raw: bool = False,  # noqa: ARG001 - no program runs what stands in JSON
    further: Further = NOTHING_FURTHER,
) -> int:
    """One JSON object a line with every field of *kind*, empty ones too; returns how many lines."""
    encoder = msgspec.json.Encoder()
    names = _names(kind) + further.names
    count = 0
    for count, record in enumerate(records, start=1):  # noqa: B007 - the count is what is returned
        values = msgspec.structs.astuple(record) if isinstance(record, msgspec.Struct) else tuple(record)
        line = dict(zip(names, values + further.values(record), strict=True))
        out.write(escaped(encoder.encode(line)) + b"\n")
    return count


def write_csv(
    records: Iterable[Row],
    kind: type[Row],
    out: BinaryIO,
    *,
    raw: bool = False,
    further: Further = NOTHING_FURTHER,
) -> int:
    """A header with the fields of *kind*, then a row for each record; returns how many records.

    No text is a formula to a spreadsheet, unless cells are to be *raw*; numbers are as they are. Lists are JSON.
    """
    text = io.TextIOWrapper(out, encoding="utf-8", newline="")
    try:
        writer = csv.writer(_Rows(text), lineterminator=_CRLF)
        writer.writerow(_names(kind) + further.names)
        count = 0
        for count, record in enumerate(records, start=1):  # noqa: B007 - the count is what is returned
            row = row_of(record) if isinstance(record, msgspec.Struct) else list(record)
            row.extend(map(_cell, further.values(record)))
            writer.writerow(row if raw else map(_no_formula, row))
        return count
    finally:
        text.detach()  # *out* is the caller's to close


def _names(kind: type[Row]) -> tuple[str, ...]:
    return ImagePage._fields if kind is ImagePage else cast("type[Record]", kind).__struct_fields__


def _cell(value: object) -> object:
    """As ``row_of`` has it in a record."""
    return (msgspec.json.encode(value).decode() if value else "") if isinstance(value, tuple) else value


class _Rows:
    """Each row with LF at its end. Told so, csv before Python 3.13 would leave a cell with CR without its quotes."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def write(self, row: str) -> int:
        return self._out.write(row.removesuffix(_CRLF) + "\n")


def _no_formula(cell: object) -> object:
    return _FORMULA.sub("'", cell) if isinstance(cell, str) else cell


FORMATS: Mapping[str, Writer] = {"jsonl": write_jsonl, "csv": write_csv}
"""To add a format, add its writer here."""


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file for writing that appears under *path* when the block ends, whole, and not at all when it fails.

    Raises StorageFailed when it can't be written.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as exc:
        raise StorageFailed(f"can't write {path}: {plain(exc)}") from exc
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    except BaseException as exc:
        with suppress(OSError):
            part.unlink()
        if isinstance(exc, OSError):
            raise StorageFailed(f"can't write {path}: {plain(exc)}") from exc
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
