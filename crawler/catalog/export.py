"""A crawl's records in the formats that other programs read.

Values are written exactly as they were recorded. CSV is UTF-8 with a header, after RFC 4180 but for the line
end, which is LF; a cell that starts with ``=`` stays one: what to make of it is the spreadsheet's setting.
"""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from crawler.columns import row_of
from crawler.errors import StorageFailed
from crawler.models import ImageRecord, PageRecord

Record = ImageRecord | PageRecord


class Writer(Protocol):
    def __call__(self, records: Iterable[Record], kind: type[Record], out: BinaryIO) -> int: ...


def write_jsonl(
    records: Iterable[Record],
    kind: type[Record],  # noqa: ARG001 - a Writer takes it; here each line names its fields
    out: BinaryIO,
) -> int:
    """One JSON object a line with every field of *kind*, empty ones too; returns how many lines."""
    encoder = msgspec.json.Encoder()
    count = 0
    for count, record in enumerate(records, start=1):  # noqa: B007 - the count is what is returned
        out.write(encoder.encode(msgspec.structs.asdict(record)) + b"\n")
    return count


def write_csv(records: Iterable[Record], kind: type[Record], out: BinaryIO) -> int:
    """A header with the fields of *kind*, then a row for each record; returns how many records."""
    text = io.TextIOWrapper(out, encoding="utf-8", newline="")
    try:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(kind.__struct_fields__)
        count = 0
        for count, record in enumerate(records, start=1):  # noqa: B007 - the count is what is returned
            writer.writerow(row_of(record))
        return count
    finally:
        text.detach()  # *out* is the caller's to close


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
        raise StorageFailed(f"can't write {path}: {exc.strerror}") from exc
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
            raise StorageFailed(f"can't write {path}: {exc.strerror}") from exc
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
