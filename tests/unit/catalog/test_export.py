"""Records as files for other programs."""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.catalog import Catalog
from crawler.catalog.export import FORMATS, atomic_file, write_csv, write_jsonl
from crawler.cli import main
from crawler.errors import StorageFailed
from crawler.models import MAX_PAGES, ImageRecord, ImageStatus, NewTask, Origin, PageRecord, TaskKind
from crawler.text.display import is_clean
from tests.support.crawls import SEED, SITE, garden, keep, page, saved
from tests.support.earlier import of_schema

NASTY = '=cmd|"/C calc"!A0, \u6708\u898b\u8349,\r\nline two\ttab'
RECORD = ImageRecord(
    url="http://a.example/,%22", status=ImageStatus.SAVED, alt=NASTY, width_px=3, elapsed_s=0.25
)


def test_every_line_has_every_field_exactly(tmp_path: Path) -> None:
    out = io.BytesIO()
    assert write_jsonl([RECORD, RECORD], ImageRecord, out) == 2
    first, second = out.getvalue().decode().splitlines()
    assert first == second
    expected = {name: getattr(RECORD, name) for name in ImageRecord.__struct_fields__}
    assert json.loads(first) == expected | {"alternatives": [], "opt_outs": []}


def test_csv_reads_back_exactly_where_cells_are_raw(tmp_path: Path) -> None:
    out = io.BytesIO()
    assert write_csv([RECORD], ImageRecord, out, raw=True) == 1
    (row,) = csv.DictReader(io.StringIO(out.getvalue().decode("utf-8"), newline=""))
    assert tuple(row) == ImageRecord.__struct_fields__
    assert row["alt"] == NASTY
    assert (row["url"], row["width_px"], row["elapsed_s"], row["reason"]) == (RECORD.url, "3", "0.25", "")
    assert not out.closed


DANGEROUS = "=+-@\uff1d\uff0b\uff0d\uff20"
"""What a formula begins with; the last four are full-width."""


def cells(alt: str) -> dict[str, str]:
    out = io.BytesIO()
    write_csv([msgspec.structs.replace(RECORD, alt=alt, depth=-5)], ImageRecord, out)
    (row,) = csv.DictReader(io.StringIO(out.getvalue().decode("utf-8"), newline=""))
    return row


@pytest.mark.parametrize(
    ("alt", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1+1|cmd", "'-1+1|cmd"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"),
        ("\tx", "'\tx"),
        ("  =1", "'  =1"),
        ("\u00a0=1", "'\u00a0=1"),
        ("\uff1dSUM(A1)", "'\uff1dSUM(A1)"),
        ('"=1', "'\"=1"),
        ("a;=1", "a;'=1"),
        ("a, =1", "a,' =1"),
        ("a|+1", "a|'+1"),
        ('x;"=1"', 'x;\'"=1"'),
        ("one\r- two", "one\r'- two"),
        ("one\n- two\n- three", "one\n'- two\n'- three"),
        ("a=b-c+d@e", "a=b-c+d@e"),
        ("plain - text, 5 = 5", "plain - text, 5 = 5"),
        ("'=1", "'=1"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(alt: str, written: str) -> None:
    row = cells(alt)
    assert row["alt"] == written
    assert row["depth"] == "-5", "a number stays one"
    assert row["elapsed_s"] == "0.25"


@given(st.text(st.sampled_from(DANGEROUS + ",;|\t\r\n \"'ab1"), max_size=12))
def test_whatever_separator_a_spreadsheet_takes_no_cell_begins_a_formula(alt: str) -> None:
    out = io.BytesIO()
    write_csv([msgspec.structs.replace(RECORD, alt=alt, url="u")], ImageRecord, out)
    text = out.getvalue().decode("utf-8").split("\n", 1)[1]
    for separator in ",;|\t":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            for cell in row:
                assert not cell.lstrip().startswith(tuple(DANGEROUS)), (separator, cell)


def test_json_holds_nothing_that_drives_a_terminal_and_the_same_values() -> None:
    out = io.BytesIO()
    hostile = '\x1b[2J \x9b31m \x7f \u202e \u2066 \u2028 \U0001f600 \u6708 \\ "'
    write_jsonl([msgspec.structs.replace(RECORD, alt=hostile)], ImageRecord, out)
    assert json.loads(out.getvalue())["alt"] == hostile
    assert is_clean(out.getvalue().decode())


@pytest.mark.parametrize("form", FORMATS)
def test_no_records_make_an_empty_table(form: str) -> None:
    out = io.BytesIO()
    assert FORMATS[form]([], PageRecord, out) == 0
    assert out.getvalue() == (
        b"" if form == "jsonl" else ",".join(PageRecord.__struct_fields__).encode() + b"\n"
    )


@pytest.mark.parametrize("form", FORMATS)
def test_a_catalog_is_exported_whole(tmp_path: Path, form: str) -> None:
    out = io.BytesIO()
    with Catalog(garden(tmp_path)) as catalog:
        assert FORMATS[form](catalog.images(), ImageRecord, out) == 6
        assert FORMATS[form]([page("http://a.example/")], PageRecord, out) == 1
    assert out.getvalue().count(b"\n") == (7 if form == "jsonl" else 9)


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "records.jsonl"
    target.write_text("before")
    with atomic_file(target) as out:
        out.write(b"after")
        out.flush()
        assert target.read_text() == "before"
    assert target.read_text() == "after"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_the_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.touch()
    with atomic_file(tmp_path / "mine") as out:
        out.write(b"x")
    assert (tmp_path / "mine").stat().st_mode == other.stat().st_mode


def test_a_failed_export_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "records.jsonl"
    target.write_text("before")

    def fail() -> None:
        with atomic_file(target) as out:
            out.write(b"half")
            raise KeyError("records")

    with pytest.raises(KeyError):
        fail()
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_what_can_t_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="can't write"), atomic_file(tmp_path / "none" / "file"):
        pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageFailed, match="can't write"), atomic_file(tmp_path / "folder") as out:
        out.write(b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def on_pages(folder: Path, count: int) -> tuple[Path, list[str]]:
    """A crawl with an image that stands on *count* pages, and these pages."""
    rose = saved(folder, f"{SITE}/rose.png", b"rose")
    pages = [SEED, *(f"{SITE}/{number}.html" for number in range(1, count))]
    origins = [Origin(page_url=page_url, found_in="img") for page_url in pages]
    named = [NewTask(kind=TaskKind.IMAGE, url=rose.url, depth=1, origin=origin) for origin in origins]
    return keep(folder, rose, saved(folder, f"{SITE}/a.png", b"a"), waiting=named), pages


def exported(folder: Path, *options: str) -> list[dict[str, Any]]:
    """What the command writes, read back; lists in CSV are JSON."""
    file = folder / "exported"
    assert main(["export", str(folder), *options, "-o", str(file)]) == 0
    if "csv" not in options:
        return [json.loads(line) for line in file.read_text().splitlines()]
    with file.open(newline="") as opened:
        return [
            {**row, "pages": json.loads(row["pages"] or "[]"), "more_pages": int(row["more_pages"])}
            for row in csv.DictReader(opened)
        ]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("count", [1, 2, MAX_PAGES, MAX_PAGES + 1, MAX_PAGES + 5])
def test_an_image_has_its_pages_and_the_number_of_those_left_out(
    tmp_path: Path, form: str, count: int
) -> None:
    folder, pages = on_pages(tmp_path, count)
    rose, other = exported(folder, "--format", form)
    assert (rose["pages"], rose["more_pages"]) == (pages[:MAX_PAGES], max(0, count - MAX_PAGES))
    assert (other["pages"], other["more_pages"]) == ([SEED], 0)
    assert list(rose) == [*ImageRecord.__struct_fields__, "pages", "more_pages"]
    with Catalog(folder) as catalog:
        record = next(catalog.images())
        assert record.pages == (tuple(pages[:MAX_PAGES]), max(0, count - MAX_PAGES))
        assert catalog.pages_of(record) == (tuple(pages), 0)
        assert catalog.pages_of(record, most=1) == ((SEED,), count - 1)
        assert catalog.pages_of(record, most=0) == ((), count)


def test_each_page_of_each_image_is_a_line(tmp_path: Path) -> None:
    folder, pages = on_pages(tmp_path, MAX_PAGES + 5)
    lines = exported(folder, "--records", "image-pages", "--status", "saved")
    assert [line["page_url"] for line in lines] == [*pages, SEED]
    assert lines[1] == {
        "url": f"{SITE}/rose.png",
        "path": lines[0]["path"],
        "status": "saved",
        "page_url": pages[1],
        "is_first": False,
    }
    with closing(sqlite3.connect(folder / "crawl.db")) as db:
        view = {*db.execute("SELECT url, path, status, page_url, is_first FROM image_pages")}
    assert {tuple(line.values()) for line in lines} == view
    assert exported(folder, "--records", "image-pages", "--status", "failed") == []


@pytest.mark.parametrize("form", FORMATS)
def test_of_an_early_version_s_crawl_first_pages_are_exported(tmp_path: Path, form: str) -> None:
    folder = of_schema(9, on_pages(tmp_path, 3)[0])
    assert [row["pages"] for row in exported(folder, "--format", form)] == [[SEED], [SEED]]
    assert [line["page_url"] for line in exported(folder, "--records", "image-pages")] == [SEED, SEED]


def test_a_record_without_a_folder_knows_its_first_page() -> None:
    assert RECORD.pages == ((), 0)
    assert msgspec.structs.replace(RECORD, page_url=SEED).pages == ((SEED,), 0)


def test_a_page_that_can_t_be_one_is_exported_as_it_is(tmp_path: Path) -> None:
    folder, _ = on_pages(tmp_path, 3)
    with closing(sqlite3.connect(folder / "crawl.db")) as db, db:
        db.execute("UPDATE mention_pages SET url = x'ff00fe' WHERE id = 2")
    rose, other = exported(folder)
    assert (len(rose["pages"]), other["pages"]) == (3, [SEED])
