"""Records of anybody, as other programs and people get them: whole, and they drive neither a sheet nor a terminal."""

from __future__ import annotations

import csv
import io
import json
import sys

import msgspec

from crawler.catalog.export import write_csv, write_jsonl
from crawler.crawlfile.columns import mended, record_of, row_of
from crawler.errors import REASONS
from crawler.models import ImageRecord, PageRecord
from crawler.text.display import CleanStream, clean, escaped, is_clean, one_line
from tests.fuzz.drawn import Drawn

_FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
csv.field_size_limit(sys.maxsize)


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    if drawn.byte() & 1:
        _texts(drawn.rest().decode("utf-8", "surrogatepass" if drawn.byte() & 1 else "replace"))
        return
    kind = ImageRecord if drawn.byte() & 1 else PageRecord
    records = [record for _ in range(3) if (record := drawn.struct(kind)) is not None]
    for record in records:
        try:
            row = row_of(record)
        except UnicodeEncodeError:
            return
        if record.url and record.reason in {"", *REASONS}:
            assert record_of(kind, row) == record
        assert mended(kind, row).record.url == record.url
    _jsonl(records, kind)
    _csv(records, kind)


def _jsonl(records: list[ImageRecord | PageRecord], kind: type) -> None:
    out = io.BytesIO()
    assert write_jsonl(records, kind, out) == len(records)
    lines = out.getvalue().split(b"\n")
    assert lines.pop() == b""
    assert len(lines) == len(records)
    for line, record in zip(lines, records, strict=True):
        assert is_clean(line.decode().replace("\t", ""))
        told = json.loads(line)
        assert told.keys() == set(kind.__struct_fields__)
        assert told == json.loads(msgspec.json.encode(msgspec.structs.asdict(record)))


def _csv(records: list[ImageRecord | PageRecord], kind: type) -> None:
    for raw in (False, True):
        out = io.BytesIO()
        assert write_csv(records, kind, out, raw=raw) == len(records)
        rows = list(csv.reader(io.StringIO(out.getvalue().decode(), newline="")))
        assert len(rows) == len(records) + 1
        assert rows[0] == list(kind.__struct_fields__)
        for row, record in zip(rows[1:], records, strict=True):
            assert len(row) == len(rows[0])
            for cell, value in zip(row, row_of(record), strict=True):
                if raw and isinstance(value, str):
                    assert cell == value
                elif isinstance(value, str):
                    assert not cell or cell[0] not in _FORMULA


def _texts(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) == len(text)
    assert is_clean(cleaned)
    assert clean(cleaned) == cleaned
    assert one_line(text).isprintable()
    below = io.StringIO()
    stream = CleanStream(below)
    assert stream.write(text) == len(text)
    assert below.getvalue() == cleaned
    stream.buffer.write(text.encode("utf-8", "surrogatepass"))
    stream.flush()
    assert is_clean(below.getvalue())
    try:
        document = msgspec.json.encode(text)
    except UnicodeEncodeError:
        return
    assert json.loads(escaped(document)) == text
    assert is_clean(escaped(document).decode())
