"""Lists of URLs: text, tables and JSON lines, in any encoding that is met, as long and as hostile as they may be."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.config import Config, ScopeConfig
from crawler.errors import ListError, UsageError
from crawler.lists import Bad, Columns, Given, ListFile, Row
from crawler.lists.lines import MAX_LINE_CHARS, lines
from crawler.lists.reading import MAX_PAGES, ListRequest, gathered, opened, pages_of, spooled
from crawler.lists.rows import entries
from crawler.lists.tasks import LIST_LINE, take
from crawler.models import TaskKind, WorkerState
from crawler.queues.ledger import Ledger
from crawler.scope import Scope

Told = list[tuple[int, str, str, str]]


def told(data: bytes, name: str = "urls", **columns: str) -> Told:
    """Line, URL, caption and page of each entry; of bad ones, why."""
    return [
        (row.line, row.url, row.caption, row.page) if isinstance(row, Row) else (row.line, row.why, "", "")
        for row in entries(io.BytesIO(data), name=name, columns=Columns(**columns))
    ]


def urls(data: bytes, name: str = "urls", **columns: str) -> list[str]:
    return [url for _, url, _, _ in told(data, name, **columns)]


# --- forms ---


def test_a_text_has_a_url_a_line_and_comments() -> None:
    text = b"# mine\n\nhttp://a.example/1.jpg\r\n  http://a.example/2.jpg \r#x\rhttp://a.example/3.jpg#frag"
    assert told(text) == [
        (3, "http://a.example/1.jpg", "", ""),
        (4, "http://a.example/2.jpg", "", ""),
        (6, "http://a.example/3.jpg#frag", "", ""),
    ]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("URL,TEXT,hash", "laion"),
        ("url,caption", "a.csv"),
        ("caption;image_url;url2", "b"),
        ("\ufeffImage URL,Alt", "c.csv"),
        ('"url","caption"', "d"),
    ],
)
def test_a_table_is_told_by_its_first_line(header: str, name: str) -> None:
    delimiter = ";" if ";" in header else ","
    names = next(csv.reader([header.lstrip("\ufeff")], delimiter=delimiter))
    url = next(n for n, field in enumerate(names) if "url" in field.lower())
    row = ["x"] * len(names)
    row[url] = "http://a.example/1.jpg"
    row[1 - url] = f"a {delimiter} b\nc"
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerow(row)
    found = told(f"{header}\n{out.getvalue()}".encode(), name)
    assert found == [(2, "http://a.example/1.jpg", f"a {delimiter} b\nc", "")]


def test_a_table_without_a_header_is_one_by_its_first_row() -> None:
    assert told(b"A dog\thttp://a.example/1.jpg\nB\thttp://a.example/2.jpg\n", "cc3m.tsv") == [
        (1, "http://a.example/1.jpg", "A dog", ""),
        (2, "http://a.example/2.jpg", "B", ""),
    ]
    assert urls(b"x,http://a.example/1.jpg,y\n", "a.csv") == ["http://a.example/1.jpg"]


def test_a_text_whose_urls_have_commas_is_no_table() -> None:
    assert urls(b"http://a.example/1,2.jpg\nhttp://a.example/3,4.jpg\n") == [
        "http://a.example/1,2.jpg",
        "http://a.example/3,4.jpg",
    ]


def test_columns_are_said_by_name_and_by_number() -> None:
    table = b"a,B,c,d\nhttp://x.example/1,http://x.example/2,cap,http://x.example/page\n"
    assert told(table, "t.csv", url="b", caption="C", page="4") == [
        (2, "http://x.example/2", "cap", "http://x.example/page")
    ]
    assert told(table, "t.csv", url="1")[0][1:] == ("http://x.example/1", "", "")


@pytest.mark.parametrize(
    ("data", "name", "columns", "says"),
    [
        (b"a,b\nc,d\n", "x.csv", {}, "no column that is known for that of the URL: it has 'a', 'b'"),
        (
            b"url,b\nc,d\n",
            "x.csv",
            {"caption": "text"},
            "no column 'text': it has 'url', 'b'; say which with --cap",
        ),
        (b"url,b\nc,d\n", "x.csv", {"url": "3"}, "no column '3'"),
        (b"http://a/ b\n", "x", {"url": "a"}, "has no columns: its first line is 'http://a/ b'"),
        (b'{"a": 1}\n', "x", {}, "no column that is known for that of the URL: it has 'a'"),
        (b'{"url": 1}\n', "x", {"caption": "c"}, "no column 'c'"),
        (b'[{"url": "http://a/"}]', "x", {}, "jq -c '.[]'"),
    ],
)
def test_columns_that_are_not_there(data: bytes, name: str, columns: dict[str, str], says: str) -> None:
    with pytest.raises(ListError) as caught:
        told(data, name, **columns)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_json_lines() -> None:
    data = (
        b'{"URL":"http://a.example/1","TEXT":" hi ","page_url":null,"more":{"x":[1]}}\n\n'
        b'{"URL":["http://a.example/2","http://a.example/3"],"caption":7}\n[1]\n{"URL":5}\n{"URL":"http://a.example/4"'
    )
    assert told(data) == [
        (1, "http://a.example/1", "hi", ""),
        (3, "http://a.example/2", "", ""),
        (4, "it is no JSON object", "", ""),
        (5, "it has no URL", "", ""),
        (6, "it is no JSON object", "", ""),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings(encoding: str, end: str, *, packed: bool) -> None:
    mark = "\ufeff" if encoding in {"utf-16-le", "utf-16-be"} else ""
    data = f"{mark}url,caption{end}http://a.example/ü,Bär 🐻{end}".encode(encoding)
    assert told(gzip.compress(data) if packed else data) == [(2, "http://a.example/ü", "Bär 🐻", "")]


# --- what is hostile ---


def test_bad_lines_are_named_and_the_others_are_read() -> None:
    data = b"http://a.example/1\n\xff\xfe\xfd\nhttp://a.example/\0x\n" + b"x" * (MAX_LINE_CHARS + 1)
    data += b"\nhttp://a.example/2"
    no_text = "it is no text, or of another encoding than UTF-8"
    assert told(data) == [
        (1, "http://a.example/1", "", ""),
        (2, no_text, "", ""),
        (3, no_text, "", ""),
        (4, "it is longer than 262,144 characters", "", ""),
        (5, "http://a.example/2", "", ""),
    ]


def test_a_quote_that_is_not_closed_costs_the_lines_up_to_the_next_and_that_is_told() -> None:
    many = b"http://a.example/2,y\n" * 20_000
    found = list(entries(io.BytesIO(b'url,caption\nhttp://a.example/1,"x\n' + many), name="x"))
    bad = [row for row in found if isinstance(row, Bad)]
    assert bad[0].line == 2
    assert sum(row.lines for row in bad) + len(found) - len(bad) == 20_001
    assert len(found) > 10_000


def test_a_row_without_an_end_is_given_up() -> None:
    data = b"url,caption\n" + b'"a\n",' * 250_000 + b"\nhttp://a.example/2,y\n"
    tracemalloc.start()
    found = list(entries(io.BytesIO(data), name="x"))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(found[0], Bad)
    assert peak_bytes < 400 * 2**20


class Endless(io.RawIOBase):
    """So many bytes of one kind, made as they are read."""

    def __init__(self, head: bytes, left: int) -> None:
        self.head, self.left = head, left

    def read(self, size: int = -1) -> bytes:
        if self.head:
            data, self.head = self.head[:size], self.head[size:]
            return data
        size = min(size, self.left)
        self.left -= size
        return b"x" * size


@pytest.mark.parametrize(
    "head", [b"http://a.example/1\n", b"url,caption\n", b'{"url":"http://a.example/1"}\n']
)
def test_a_line_of_many_megabytes_is_not_kept(head: bytes) -> None:
    tracemalloc.start()
    found = list(entries(Endless(head, 40 * 2**20), name="x"))  # type: ignore[arg-type]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(found[-1], Bad)
    assert found[-1].line == 2
    assert peak_bytes < 16 * 2**20


def test_a_bomb_is_unpacked_as_it_is_read() -> None:
    packed = gzip.compress(b"http://a.example/1\n" + b"\0" * 40 * 2**20)
    tracemalloc.start()
    found = list(entries(io.BytesIO(packed), name="x"))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 2
    assert peak_bytes < 16 * 2**20


@pytest.mark.parametrize("cut", [5, 30, -4])
def test_what_is_cut_off_is_an_error(cut: int) -> None:
    packed = gzip.compress(b"".join(b"http://a.example/%d\n" % n for n in range(1000)))
    with pytest.raises(ListError, match="can't read the list x to its end: it is damaged, or cut off"):
        list(entries(io.BytesIO(packed[:cut]), name="x"))


@given(st.lists(st.text(alphabet='ab\r\n,"é\ud83d\udc3b', max_size=20)), st.integers(1, 7))
def test_lines_are_what_python_says_however_they_come(parts: list[str], step: int) -> None:
    data = "".join(parts).encode("utf-8", "replace")

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(step, size) if size and size > 0 else step)

    text = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", errors="surrogateescape", newline=None).read()
    expected = text.split("\n")
    found = [line for _, line in lines(Slow(data), name="x")]
    assert found == (expected[:-1] if expected[-1] == "" else expected)


# --- taking them in ---


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    config = Config()
    one = Ledger(tmp_path / "crawl.db", queue=config.queue, scope=config.scope, new_run=True)
    yield one
    one.close()


def taken(ledger: Ledger, *paths: Path, scope: ScopeConfig | None = None) -> list[str]:
    config = scope or ScopeConfig()
    said: list[str] = []
    given = Given(images=tuple(ListFile(path=path, name=str(path)) for path in paths))
    take(ledger, given, Scope((), config), config, said.append)
    return said


def test_images_of_a_list_are_tasks_and_bad_lines_are_counted(
    ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "list.csv"
    path.write_text(
        "url,caption,page_url\nhttp://a.example/1.jpg,  A\n,http://a.example/page\n"
        f"ftp://a.example/2,x,\n/no,x,\nhttp://a.example/{'x' * 9000},x,\nhttp://a.example/1-300x200.jpg,small,\n",
        encoding="utf-8",
    )
    said = taken(ledger, path)
    assert said == ["the list list.csv names 2 images, 2 of them new"]
    stats = ledger.stats()
    assert stats.images.ready == 2, "a size that somebody names is an image of its own"
    assert stats.dropped == {LIST_LINE: 4}
    places = [record.message for record in caplog.records]
    assert [place.partition(":")[0] for place in places] == [f"list.csv, line {n}" for n in (3, 4, 5, 6)]


def test_a_list_that_has_not_changed_is_not_read_again(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("http://a.example/1.jpg\nbad\n", encoding="utf-8")
    assert len(taken(ledger, path)) == 1
    assert taken(ledger, path) == []
    assert ledger.stats().dropped == {LIST_LINE: 1}
    assert taken(ledger, path, scope=ScopeConfig(max_images=5)) != [], "what decides over it has changed"
    path.write_text("http://a.example/1.jpg\nhttp://a.example/22.jpg\n", encoding="utf-8")
    assert taken(ledger, path) == ["the list list.txt names 2 images, 1 of them new"]
    assert ledger.stats().images.ready == 2
    assert list(ledger.lists()) == [str(path)]


def test_patterns_and_limits_hold_for_lists(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("http://a.example/1.jpg?utm_source=x\nhttp://a.example/2.png\n", encoding="utf-8")
    taken(ledger, path, scope=ScopeConfig(exclude_images=("*.png",), strip_tracking=True))
    stats = ledger.stats()
    assert stats.images.ready == 1
    assert stats.dropped == {"image-excluded": 1}


def test_a_caption_fills_what_an_earlier_line_has_not_said(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    rows = [{"url": "http://a.example/1"}, {"url": "http://a.example/1", "caption": "later"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    taken(ledger, path)
    worker = WorkerState(id="w", kind=TaskKind.IMAGE)
    (batch,) = ledger.lease(worker, count=5, slots=5, wait_s=0, held=()).batches
    assert batch.tasks[0].origin is not None
    assert (batch.tasks[0].origin.caption, batch.tasks[0].origin.found_in) == ("later", "list")


# --- pages ---


def test_pages_of_a_list_are_seeds(tmp_path: Path) -> None:
    path = tmp_path / "urls"
    path.write_text("http://a.example/\na.example/x\nhttp://a.example/\nnope\n", encoding="utf-8")
    seeds, read = pages_of(ListFile(path=path, name=str(path)))
    assert [seed.urls[0] for seed in seeds] == ["http://a.example/", "https://a.example/x"]
    assert read.bad_lines == 1
    assert read.bad[0].startswith("urls, line 4: the seed 'nope' is not")


def test_pages_have_an_end(tmp_path: Path) -> None:
    path = tmp_path / "urls"
    path.write_text("".join(f"http://a.example/{n}\n" for n in range(MAX_PAGES + 1)), encoding="utf-8")
    with pytest.raises(ListError, match="names more than 10,000 pages"):
        pages_of(ListFile(path=path, name="urls"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the list urls names no URL"),
        ("# nothing\n\n", "the list urls names no URL"),
        ("url\n\n", "the list urls names no URL"),
    ],
)
def test_a_list_that_names_nothing_is_an_error(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "urls"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ListError) as caught, gathered(ListRequest(images=(path,))):
        pytest.fail("it was taken")
    assert str(caught.value) == says


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with (
        pytest.raises(ListError, match="can't read the list urls: there is no such file"),
        gathered(ListRequest(pages=(tmp_path / "urls",))),
    ):
        pytest.fail("it was taken")
    with pytest.raises(ListError, match="can't read the list"), gathered(ListRequest(pages=(tmp_path,))):
        pytest.fail("it was taken")


def test_standard_input_is_one_list() -> None:
    with (
        pytest.raises(UsageError, match="standard input can be one list"),
        gathered(ListRequest(pages=(Path("-"),), images=(Path("-"),))),
    ):
        pytest.fail("it was taken")


def test_what_a_program_lists_is_a_file_for_the_while() -> None:
    rows = ["http://a.example/1", {"url": "http://a.example/2", "caption": "ü"}]
    with spooled(rows, columns=Columns()) as found:
        data = found.path.read_bytes()
    assert told(data) == [(1, "http://a.example/1", "", ""), (2, "http://a.example/2", "ü", "")]
    assert not found.path.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_that_can_be_read_once_is_read_to_its_end(tmp_path: Path) -> None:
    """As ``-I <(zcat list.gz)`` is, which is looked at before it is read."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = "".join(f"http://a.example/{n}.png\n" for n in range(20_000))
    writer = threading.Thread(target=pipe.write_text, args=(text,), daemon=True)
    writer.start()
    with gathered(ListRequest(images=(pipe,))) as files:
        (found,) = files.images
        with opened(found) as rows:
            assert sum(isinstance(row, Row) for row in rows) == 20_000
    writer.join(10.0)
    assert found.name == "-"
