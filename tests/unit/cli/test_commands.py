"""status, inspect, explain and export: what they print, for people and for machines."""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
from contextlib import closing, redirect_stdout
from pathlib import Path

import pytest
from rich.console import Console

from crawler.cli import crawl_tables, main, tables
from crawler.cli.output import clean
from crawler.errors import ADVICE
from crawler.models import Counts, ImageRecord, ImageStatus, NewTask, Origin, Stats, TaskKind
from tests.support.crawls import SEED, SITE, garden, keep, page, read_json_lines, saved


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    return garden(tmp_path / "garden")


class Terminal(io.StringIO):
    """Stands in for stdout as a terminal; its width is COLUMNS."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True

    def run(self, *arguments: str) -> int:
        with redirect_stdout(self):
            return main(arguments)


@pytest.fixture(params=[80, 120])
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return Terminal()


def visible_lines(text: str) -> list[str]:
    from rich.text import Text

    return Text.from_ansi(text).plain.splitlines()


# --- inspect ---


def test_inspect_tells_the_books(crawl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(crawl)]) == 0
    out = capsys.readouterr().out
    rows = {tuple(line.split()) for line in out.splitlines()}
    assert "6 URLs = 2 saved (13 bytes) + 1 duplicate + 1 rejected + 1 failed + 1 dead" in out
    assert ("1", "not-found", f"{SITE}/i/none.png") in rows
    assert ("seed", SEED) in rows
    assert "finished, and the books balance" in out
    assert ("garden.example", "6", "2", "13", "bytes") in rows
    assert all(line == line.rstrip() for line in out.splitlines()), "no blanks at the end of piped lines"
    assert "\x1b" not in out


def test_inspect_fits_any_terminal(crawl: Path, terminal: Terminal) -> None:
    assert terminal.run("inspect", str(crawl)) == 0
    lines = visible_lines(terminal.getvalue())
    assert max(len(line) for line in lines) <= int(os.environ["COLUMNS"])
    assert any("Formats" in line and "Sizes" in line for line in lines), "side by side"
    assert "\x1b[32m" in terminal.getvalue(), "in colour"
    assert "…" not in terminal.getvalue(), "nothing is cut that has room"


def test_a_long_url_is_folded_in_a_terminal_and_whole_in_a_pipe(
    tmp_path: Path, terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    host = "a-very-long-label." * 9 + "example"
    folder = keep(tmp_path / "crawl", waiting=[NewTask(kind=TaskKind.IMAGE, url=f"http://{host}/1.png")])
    assert terminal.run("inspect", str(folder)) == 0
    lines = visible_lines(terminal.getvalue())
    assert max(len(line) for line in lines) <= int(os.environ["COLUMNS"])
    assert host in "".join(line.partition(" ")[0] for line in lines)
    assert main(["inspect", str(folder)]) == 0
    assert f"{host} " in capsys.readouterr().out


def test_inspect_as_json_is_one_object(crawl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(crawl), "--json"]) == 0
    (summary,) = read_json_lines(capsys.readouterr().out)
    assert summary["balanced"] is True
    assert summary["stats"]["images"] == {"ready": 0, "delayed": 0, "leased": 0, "done": 6, "dead": 0}  # type: ignore[index]
    assert summary["seeds"] == [SEED]


def test_failures_are_one_line_each_in_a_pipe(crawl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(crawl), "--failures"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert {row[3]: row[:3] for row in rows} == {
        f"{SITE}/i/text.png": ["rejected", "not-an-image", "200"],
        f"{SITE}/i/none.png": ["failed", "not-found", "404"],
        f"{SITE}/i/poison.png": ["dead", "lease-expired", ""],
    }
    assert {row[4] for row in rows} == {f"{SITE}/plants.html"}


def test_foreign_text_can_t_drive_the_terminal(crawl: Path, terminal: Terminal) -> None:
    assert terminal.run("inspect", str(crawl), "--failures") == 0
    assert "[31mred ink" in terminal.getvalue()
    assert "\x1b[31mred" not in terminal.getvalue()
    assert clean("a\x1b]0;title\x07b\u202ec\nd") == "a ]0;title b c d"


def test_failures_in_a_terminal_name_url_reason_and_page(crawl: Path, terminal: Terminal) -> None:
    assert terminal.run("inspect", str(crawl), "--failures") == 0
    text = "\n".join(visible_lines(terminal.getvalue()))
    assert f"not-an-image        {SITE}/i/text.png\n" in text
    assert f"on {SITE}/plants.html (css)" in text


def test_failures_as_json_are_whole_records(crawl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(crawl), "--failures", "--json"]) == 0
    records = read_json_lines(capsys.readouterr().out)
    assert {record["status"] for record in records} == {"rejected", "failed", "dead"}
    assert all(tuple(record) == ImageRecord.__struct_fields__ for record in records)


def test_duplicates(crawl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(crawl), "--duplicates"]) == 0
    head, *urls = capsys.readouterr().out.splitlines()
    assert head == "images/garden.example/i/rose.png  4 bytes"
    assert urls == [f"    {SITE}/i/rose.png", f"    {SITE}/i/rose-again.png"]
    assert main(["inspect", str(crawl), "--duplicates", "--json"]) == 0
    (group,) = read_json_lines(capsys.readouterr().out)
    assert group["urls"] == [f"{SITE}/i/rose.png", f"{SITE}/i/rose-again.png"]


def test_where_there_is_nothing_to_list_it_is_said_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(tmp_path)
    assert main(["inspect", str(tmp_path), "--failures", "--duplicates"]) == 0
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.splitlines() == [
        "no image URL was left out so far",
        "no two image URLs gave the same bytes",
    ]


def test_verify_ends_with_1_when_a_file_is_not_what_was_saved(
    crawl: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (crawl / "images" / "mine.jpg").write_bytes(b"mine")
    assert main(["inspect", str(crawl), "--verify"]) == 0
    out = capsys.readouterr().out
    assert "orphan   images/mine.jpg  4 bytes, named by no record" in out
    assert "every saved file is what was saved (2 intact, 13 bytes; 1 without a record)" in out
    (crawl / "images/garden.example/i/fern.jpg").write_bytes(b"FERN FERN")
    assert main(["inspect", str(crawl), "--verify"]) == 1
    out = capsys.readouterr().out
    assert "changed  images/garden.example/i/fern.jpg  same size, other content: the SHA-256 differs" in out
    assert "1 file is not what was saved" in out
    assert main(["inspect", str(crawl), "--verify", "--json"]) == 1
    kinds = {line["path"]: line["finding"] for line in read_json_lines(capsys.readouterr().out)}
    assert kinds == {"images/garden.example/i/fern.jpg": "changed", "images/mine.jpg": "orphan"}


# --- status ---


def test_status_of_an_unfinished_crawl(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = [NewTask(kind=TaskKind.IMAGE, url=f"{SITE}/{n}.png") for n in range(1200)]
    keep(tmp_path, page(SEED), waiting=waiting, leased=True)
    assert main(["status", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    rows = {tuple(line.split()) for line in out.splitlines()}
    assert out.startswith("not finished: 1,200 images to go\n")
    assert {
        ("ready", "0", "1,168"),
        ("leased", "0", "32"),
        ("discovered", "1", "1,200"),
        ("to", "do", "1,200"),
    } <= rows
    assert main(["status", str(tmp_path), "--json"]) == 0
    (stats,) = read_json_lines(capsys.readouterr().out)
    assert stats["images"] == {"ready": 1168, "delayed": 0, "leased": 32, "done": 0, "dead": 0}


def test_limits_that_kept_urls_out_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = [NewTask(kind=TaskKind.PAGE, url=f"{SITE}/{n}") for n in range(3)]
    keep(tmp_path, waiting=waiting, max_pages=1)
    assert main(["inspect", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "Left out" in out
    assert "links to pages beyond so many; --max-pages lets them in" in " ".join(out.split())


def test_books_that_do_not_balance_are_told_loudly() -> None:
    stats = Stats(images=Counts(done=5), image_status={"saved": 4}, drained=True)
    assert crawl_tables.state(stats).plain == (
        "finished, but the books do not balance: 5 image URLs discovered, 4 recorded"
    )


# --- explain ---


def test_explain_a_saved_image(crawl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(crawl), f"{SITE}/i/rose.png"]) == 0
    out = capsys.readouterr().out
    facts = dict(line.split(None, 1) for line in out.splitlines() if len(line.split(None, 1)) == 2)
    assert out.splitlines()[0] == f"{SITE}/i/rose.png"
    assert facts["status"] == "saved"
    assert facts["file"] == "images/garden.example/i/rose.png"
    assert facts["image"] == "png, 4 x 3 px, 4 bytes"
    assert facts["caption"] == "In June"
    assert "the same bytes came from another URL" in out
    assert "this image (img)" in out


def test_explain_a_reason_says_what_to_do_and_where_it_is_listed(
    crawl: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(crawl), "not-found"]) == 1
    out = capsys.readouterr().out
    assert ADVICE["not-found"] in out
    assert "inspect DIR --failures" in out
    assert "robots.txt" not in out, "it is no URL"


@pytest.mark.parametrize(("count", "said"), [(1, "it stands on 1 other page too"), (7, "and 2 more")])
def test_explain_names_some_other_pages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int, said: str
) -> None:
    logo = f"{SITE}/logo.png"
    origins = [Origin(page_url=f"{SITE}/{n}.html", found_in="img") for n in range(count)]
    again = [NewTask(kind=TaskKind.IMAGE, url=logo, depth=1, origin=origin) for origin in origins]
    keep(tmp_path, saved(tmp_path, logo, b"logo"), waiting=again)
    with closing(sqlite3.connect(tmp_path / "crawl.db")) as db, db:
        db.execute("UPDATE mention_pages SET url = url || char(27) || '[31m'")
    assert main(["explain", str(tmp_path), "logo.png"]) == 0
    out = capsys.readouterr().out
    assert said in out
    assert out.count(".html") == min(count, 5)
    assert "\x1b[31m" not in out


def test_explain_a_failure(crawl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(crawl), "/i/none.png"]) == 0
    out = capsys.readouterr().out
    assert "not-found" in out
    assert out.index(SEED + "\n") < out.index(f"{SITE}/plants.html (a)") < out.index("this image (css)")
    assert "\x1b" not in out


def test_explain_a_page_and_a_redirect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(tmp_path, page(SEED, title="Home", images=3, links=1200, final_url=f"{SITE}/home"))
    assert main(["explain", str(tmp_path), f"{SITE}/home"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == f"{SITE}/home is where another URL led to:"
    assert "3 images, 1,200 links" in out
    assert f"redirected to  {SITE}/home" in out


def test_explain_what_waits_and_what_is_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = saved(tmp_path, f"{SITE}/gone.png", b"gone")
    origin = Origin(page_url=SEED, found_in="img")
    waiting = [NewTask(kind=TaskKind.IMAGE, url=f"{SITE}/w.png", origin=origin)]
    keep(tmp_path, page(SEED), gone, waiting=waiting, leased=True)
    (tmp_path / gone.path).unlink()
    assert main(["explain", str(tmp_path), "/w.png"]) == 0
    assert "in a worker's hands" in capsys.readouterr().out
    assert main(["explain", str(tmp_path), "/gone.png"]) == 0
    assert "gone.png  is gone" in capsys.readouterr().out


def test_explain_an_image_that_is_a_page_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(tmp_path, saved(tmp_path, f"{SITE}/i", b"i"), page(f"{SITE}/i"))
    assert main(["explain", str(tmp_path), "/i"]) == 0
    assert capsys.readouterr().out.splitlines().count(f"{SITE}/i") == 2


def test_explain_an_unknown_url_ends_with_1_and_names_what_is_like_it(
    crawl: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(crawl), f"{SITE}/i/ross.png"]) == 1
    out = capsys.readouterr().out
    assert f"{SITE}/i/ross.png is not known to this crawl." in out
    assert f"    {SITE}/i/rose.png" in out
    assert "nothing kept any URL out" in out
    assert main(["explain", str(crawl), f"{SITE}/i/ross.png", "--json"]) == 1
    (explanation,) = read_json_lines(capsys.readouterr().out)
    assert explanation["entries"] == []


def test_explain_tells_of_limits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = [NewTask(kind=TaskKind.PAGE, url=f"{SITE}/{n}") for n in range(3)]
    keep(tmp_path, waiting=waiting, max_pages=1)
    assert main(["explain", str(tmp_path), f"{SITE}/2"]) == 1
    out = capsys.readouterr().out
    assert "2 by max-pages: links to pages beyond so many; --max-pages lets them in" in out


def test_explain_names_what_a_count_stands_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = [NewTask(kind=TaskKind.PAGE, url=f"{SITE}/{n}") for n in range(150)]
    keep(tmp_path, waiting=waiting, max_pages=1)
    assert main(["explain", str(tmp_path), "max-pages"]) == 0
    first, *urls, last = capsys.readouterr().out.splitlines()
    assert first.startswith("left out 149 by max-pages: links to pages beyond so many")
    assert urls == [f"    {SITE}/{n}" for n in range(1, 101)]
    assert last.strip() == "and 49 more; --json has them all"
    assert main(["explain", str(tmp_path), "max-pages", "--json"]) == 0
    (told,) = read_json_lines(capsys.readouterr().out)
    assert len(told["urls"]) == told["count"] == 149  # type: ignore[arg-type]
    assert main(["explain", str(tmp_path), "max-depth"]) == 0
    assert capsys.readouterr().out.startswith("left out 0 by max-depth")
    assert main(["explain", str(tmp_path), f"{SITE}/other"]) == 1
    assert "it is none of those that were left out" in capsys.readouterr().out


def test_explain_as_json(crawl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(crawl), "/i/rose.png", "--json"]) == 0
    (explanation,) = read_json_lines(capsys.readouterr().out)
    (entry,) = explanation["entries"]  # type: ignore[misc]
    assert entry["image"]["status"] == "saved"
    assert entry["chain"] == [{"url": SEED, "found_in": ""}]


# --- export ---


def test_export_to_stdout_is_data_only(crawl: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["export", str(crawl)]) == 0
    streams = capfdbinary.readouterr()
    records = [json.loads(line) for line in streams.out.splitlines()]
    assert len(records) == 6
    assert streams.err == b""


def test_export_to_a_file(crawl: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "saved.csv"
    arguments = [
        "export",
        str(crawl),
        "--format",
        "csv",
        "--status",
        "saved",
        "--status",
        "dead",
        "-o",
        str(target),
    ]
    assert main(arguments) == 0
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["status"] for row in rows} == {"saved", "dead"}
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err == f"3 records written to {target}\n"


def test_export_pages(crawl: Path, tmp_path: Path) -> None:
    target = tmp_path / "pages.jsonl"
    assert main(["export", str(crawl), "--records", "pages", "-o", str(target)]) == 0
    urls = {record["url"] for record in read_json_lines(target.read_text())}
    assert urls == {SEED, f"{SITE}/plants.html", f"{SITE}/gone.html"}


def test_export_to_a_place_that_is_not_there(crawl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(crawl), "-o", str(crawl / "no" / "such")]) == 1
    assert "can't write" in capsys.readouterr().err


# --- the helpers ---


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1024 * 1024 - 1, "1.0 MiB"),
        (1536 * 1024, "1.5 MiB"),
        (5 * 2**60, "5,120.0 PiB"),
    ],
)
def test_sizes_are_written_for_people(size_bytes: int, text: str) -> None:
    assert tables.size(size_bytes) == text


def test_a_pipe_gets_no_colour_even_where_rich_would(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    console = tables.console(out)
    assert isinstance(console, Console)
    console.print(crawl_tables.label(ImageStatus.SAVED))
    assert out.getvalue() == "saved\n"
