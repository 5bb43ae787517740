"""What a refresh has found: in the summary, in inspect --changes and in explain."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from crawler.catalog import Catalog
from crawler.catalog.changes import changes
from crawler.catalog.explain import explain
from crawler.catalog.summary import summarise
from crawler.cli import main
from crawler.models import Revisit
from tests.support.crawls import SEED, SITE, keep, page, saved


@pytest.fixture(name="crawl")
def a_refreshed_crawl(tmp_path: Path) -> Path:
    """Of four images one is as it was, one is another, one is gone and one could not be had."""
    facts = {"page_url": SEED, "found_in": "img"}
    before = {name: saved(tmp_path, f"{SITE}/{name}.png", name.encode(), **facts) for name in "abcd"}
    another = saved(tmp_path, f"{SITE}/b~2.png", b"another b", **facts)
    now = [
        msgspec.structs.replace(before["a"], revisit=Revisit.UNCHANGED, http_status=304),
        msgspec.structs.replace(another, url=before["b"].url, revisit=Revisit.CHANGED),
        msgspec.structs.replace(
            before["c"], revisit=Revisit.GONE, http_status=404, detail="the server answered 404"
        ),
        msgspec.structs.replace(before["d"], revisit=Revisit.FAILED, http_status=503, detail="overloaded"),
    ]
    return keep(tmp_path, page(SEED), *before.values(), refreshed=now)


def test_each_is_told_with_what_it_was_before(crawl: Path) -> None:
    with Catalog(crawl) as catalog:
        found = {change.url.rpartition("/")[2]: change for change in changes(catalog)}
    assert {name: change.revisit for name, change in found.items()} == {
        "b.png": "changed",
        "c.png": "gone",
        "d.png": "failed",
    }
    changed = found["b.png"]
    assert changed.now.path.endswith("b~2.png")
    assert [before.path for before in changed.earlier] == ["images/garden.example/b.png"]
    for path in (changed.now.path, changed.earlier[0].path, found["c.png"].now.path):
        assert (crawl / path).is_file(), "nothing that was saved is taken away"
    assert found["d.png"].detail == "overloaded"


def test_the_books_and_the_summary_have_them(crawl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Catalog(crawl) as catalog:
        summary = summarise(catalog)
    assert summary.revisits == {"changed": 1, "failed": 1, "gone": 1, "unchanged": 1}
    assert summary.balanced
    assert summary.stats.image_status == {"saved": 4}
    assert main(["inspect", str(crawl)]) == 0
    assert "1 unchanged" in capsys.readouterr().out


def test_inspect_lists_them(crawl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(crawl), "--changes"]) == 0
    out = capsys.readouterr().out
    assert "a.png" not in out
    lines = [line.split() for line in out.splitlines()]
    assert ["changed", f"{SITE}/b.png"] in lines
    assert ["gone", f"{SITE}/c.png"] in lines
    assert [line[:2] for line in lines if line[0] == "before"] == [["before", "images/garden.example/b.png"]]
    assert main(["inspect", str(crawl), "--changes", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["revisit"] for line in told} == {"changed", "gone", "failed"}


def test_a_crawl_without_a_refresh_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = keep(tmp_path, saved(tmp_path, f"{SITE}/a.png", b"a"))
    assert main(["inspect", str(folder), "--changes"]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "crawl --refresh" in told.err


def test_explain_tells_the_history(crawl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Catalog(crawl) as catalog:
        (entry,) = explain(catalog, f"{SITE}/b.png").entries
    assert [before.path for before in entry.earlier] == ["images/garden.example/b.png"]
    assert main(["explain", str(crawl), f"{SITE}/b.png"]) == 0
    out = capsys.readouterr().out
    assert "refreshed" in out
    assert "what it gave before" in out
    assert "images/garden.example/b.png" in out
