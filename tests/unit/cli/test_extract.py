"""image-crawler extract."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crawler.cli import main
from crawler.cli.found_table import FoundTable
from crawler.cli.output import Screen
from tests.support.sites import serving

PAGE = """<!DOCTYPE html><title>A \x1b[31mpage</title><h1>Head</h1>
<figure><img src="a.png" srcset="a2.png 2x" alt="An A" title="T"><figcaption>Cap</figcaption></figure>
<a href="next.html">next</a><a href="https://elsewhere.example/">far</a><link rel=stylesheet href=s.css>"""


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "the page.html"
    file.write_text(PAGE, encoding="utf-8")
    return file


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["extract", *arguments, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_an_image_is_told_with_all_that_is_said_of_it(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert as_json(capsys, str(page)) == [
        {
            "url": "http://localhost/a2.png",
            "kind": "image",
            "found_in": "srcset",
            "kept_out_by": "",
            "alternatives": ["http://localhost/a.png"],
            "alt": "An A",
            "title": "T",
            "caption": "Cap",
            "heading": "Head",
            "page_title": "A \x1b[31mpage",
            "page_url": "http://localhost/the%20page.html",
        }
    ]


def test_base_is_where_the_page_is_taken_to_be(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items = as_json(capsys, str(page), "--base", "https://example.org/x/", "--images", "all", "--links")

    assert [(item["kind"], item["found_in"], item["url"]) for item in items] == [
        ("image", "img", "https://example.org/x/a.png"),
        ("image", "srcset", "https://example.org/x/a2.png"),
        ("page", "a", "https://example.org/x/next.html"),
        ("page", "stylesheet", "https://example.org/x/s.css"),
    ]


def test_people_get_a_table_without_control_characters(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["extract", str(page), "--links"]) == 0
    streams = capsys.readouterr()

    assert [line.split() for line in streams.out.splitlines()] == [
        ["found", "in", "URL", "what", "is", "said", "of", "it"],
        ["srcset", "http://localhost/a2.png", "An", "A"],
        ["a", "http://localhost/next.html"],
        ["stylesheet", "http://localhost/s.css"],
    ]
    assert "1 image and 2 links on 'A  [31mpage'" in streams.err
    assert "\x1b" not in streams.out + streams.err


def test_a_style_sheet_can_be_looked_into(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.css").write_text("a{b:url(c.gif)}", encoding="utf-8")

    (item,) = as_json(capsys, str(tmp_path / "s.css"))
    assert (item["url"], item["found_in"]) == ("http://localhost/c.gif", "css")


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"<img src=/i.png>")))

    (item,) = as_json(capsys, "-", "--base", "https://example.org/")
    assert item["url"] == "https://example.org/i.png"


def test_a_page_with_nothing_on_it_ends_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").write_text("<p>nothing", encoding="utf-8")

    assert main(["extract", str(tmp_path / "empty")]) == 0
    streams = capsys.readouterr()
    assert (streams.out, streams.err) == ("", "0 images and 0 links\n")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"root:x:0:0:root:/root:/bin/bash\n", "a text: 'root:x:0:0:root:/root:/bin/bash"),
        (b"\0\1\2" * 50, "of no kind"),
    ],
)
def test_what_is_no_page_at_all_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, what: str
) -> None:
    (tmp_path / "file").write_bytes(content)
    assert main(["extract", str(tmp_path / "file")]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert f"{tmp_path / 'file'} is {what}" in streams.err


def test_a_url_that_is_longer_than_the_terminal_is_wide_is_in_one_piece() -> None:
    out = Tty()
    screen = Screen(out)
    screen.width = 40
    url = f"http://a.example/{'long/' * 30}a.png"
    table = FoundTable(screen, "found in")
    table.add("img", url=url, said="what the page says of it, at some length")
    table.add("picture", url="http://a.example/b.png", said="")
    table.show()
    assert f"{url}\n" in out.getvalue(), "so it can be copied"
    assert "picture   http://a.example/b.png" in out.getvalue()


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_page_is_fetched(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page.parent) as server:
        (item,) = as_json(capsys, server.url + "the%20page.html")
        assert main(["extract", server.url + "gone.html"]) == 1

    assert item["url"] == server.url + "a2.png"
    assert "404" in capsys.readouterr().err


def test_what_can_not_be_read_is_told(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extract", str(page.parent / "none.html")]) == 2
    assert "no such file" in capsys.readouterr().err
    assert main(["extract", "ftp://example.org/"]) == 2
    assert "not an http or https URL" in capsys.readouterr().err
    page.write_bytes(b"x" * 2000)
    assert main(["extract", str(page), "--max-page-bytes", "1999"]) == 2
    assert "more than 1,999 bytes" in capsys.readouterr().err
    (page.parent / "x.zip").write_bytes(b"PK\3\4")
    assert main(["extract", str(page.parent / "x.zip")]) == 1
    assert "it is a ZIP archive" in capsys.readouterr().err
