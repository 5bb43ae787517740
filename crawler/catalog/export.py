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
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO, Protocol

import msgspec

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


class Writer(Protocol):
    def __call__(
        self, records: Iterable[Record], kind: type[Record], out: BinaryIO, *, raw: bool = False
    ) -> int: ...


def write_jsonl(
    records: Iterable[Record],
    kind: type[Record],  # noqa: ARG001 - a Writer takes it; here each line names its fields
    out: BinaryIO,
    *,
    raw: bool = False,  # noqa: ARG001 - no program runs what stands in JSON
) -> int:
    """One JSON object a line with every field of *kind*, empty ones too; returns how many lines."""
    encoder = msgspec.json.Encoder()
    count = 0
    for count, record in enumerate(records, start=1):  # noqa: B007 - the count is what is returned
        out.write(escaped(encoder.encode(msgspec.structs.asdict(record))) + b"\n")
    return count


def write_csv(records: Iterable[Record], kind: type[Record], out: BinaryIO, *, raw: bool = False) -> int:
    """A header with the fields of *kind*, then a row for each record; returns how many records.

    No text is a formula to a spreadsheet, unless cells are to be *raw*; numbers are as they are.
    """
    text = io.TextIOWrapper(out, encoding="utf-8", newline="")
    try:
        writer = csv.writer(_Rows(text), lineterminator=_CRLF)
        writer.writerow(kind.__struct_fields__)
        count = 0
        for count, record in enumerate(records, start=1):  # noqa: B007 - the count is what is returned
            row = row_of(record)
            writer.writerow(row if raw else map(_no_formula, row))
        return count
    finally:
        text.detach()  # *out* is the caller's to close


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
