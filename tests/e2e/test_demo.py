"""The demo, as installed: the first thing that anybody runs."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from crawler.catalog import Catalog
from crawler.cli.demo import sample_site
from tests.e2e.running import image_crawler, records
from tests.support.documents import blocks

EXPECTED = json.loads((sample_site() / "expected.json").read_text(encoding="utf-8"))
TOTAL = len(EXPECTED["images"]) + sum(map(len, EXPECTED["same_bytes"]))


def told(paper: str) -> Iterator[tuple[list[str], str]]:
    """The commands that look at the demo's crawl, each with what the paper shows of their output."""
    for block in blocks(paper, "console"):
        for command, _, shown in (part.partition("\n") for part in block.split("$ image-crawler ")[1:]):
            if "data/demo" in command and shown:
                yield shlex.split(command), shown


def without_port(text: str) -> str:
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)


@pytest.mark.measured
def test_the_demo_comes_to_what_is_expected(tmp_path: Path) -> None:
    outcome = image_crawler("demo", folder=tmp_path)
    assert outcome.code == 0, outcome.err
    by_path = {urlsplit(url).path: record for url, record in records(tmp_path / "data" / "demo").items()}
    for path, expected in EXPECTED["images"].items():
        record = by_path[path]
        assert (record.status, record.reason) == (expected["status"], expected.get("reason", "")), path
    for group in EXPECTED["same_bytes"]:
        statuses = sorted(by_path[path].status for path in group)
        assert statuses == ["duplicate"] * (len(group) - 1) + ["saved"]
    assert len(by_path) == TOTAL
    with Catalog(tmp_path / "data" / "demo") as catalog:
        pages = sorted(urlsplit(record.url).path for record in catalog.pages(status=["harvested"]))
    assert pages == EXPECTED["pages"]

    counted = {status: sum(record.status == status for record in by_path.values()) for status in
               ("saved", "duplicate", "rejected", "failed", "dead")}  # fmt: skip
    books = " + ".join(f"{count} {status}" for status, count in counted.items() if count)
    assert f"finished, and the books balance: {TOTAL} image URLs = {books}" in outcome.out
    first, *_, files, last = filter(None, outcome.out.splitlines())
    assert re.fullmatch(rf"{counted['saved']} images, [\d.,]+ KiB in [\d.]+ s \([\d.,]+/s\)", first), first
    assert files == f"files      {Path('data', 'demo', 'images')}", "the folder to open"
    assert last == f"see them   image-crawler gallery {Path('data', 'demo')} --open"
    assert "sitemap" not in outcome.out, "that there is none is no failure"
    assert "\x1b" not in outcome.out + outcome.err
    assert "Traceback" not in outcome.err

    for paper in ("README.md", "docs/commands.md"):
        for words, shown in told(paper):
            looked = image_crawler(*words, folder=tmp_path)
            assert looked.code == 0, looked.err
            lines = iter(without_port(looked.out).splitlines())
            follows = True
            for line in without_port(shown).splitlines():
                if line == "…":
                    follows = False
                else:
                    assert line in ([next(lines, "")] if follows else lines), f"{paper}: {' '.join(words)}"

    again = image_crawler("demo", "--json", folder=tmp_path)
    assert again.code == 0, again.err
    assert again.stats()["image_status"]["saved"] == counted["saved"]
    assert len(records(tmp_path / "data" / "demo")) == TOTAL, "each demo is a fresh one"
