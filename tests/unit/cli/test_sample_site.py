"""The demo's site: what expected.json says of it is what a crawl comes to, and it is in good order."""

from __future__ import annotations

import json
import mimetypes
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from crawler.catalog import Catalog
from crawler.catalog.duplicates import duplicates
from crawler.catalog.summary import summarise
from crawler.catalog.verify import FindingKind, verify
from crawler.cli.demo import sample_site
from crawler.config import Config, load
from crawler.download.handler import ImageHandler
from crawler.errors import NotFound
from crawler.harvest.handler import PageHandler
from crawler.http import Fetched
from crawler.models import ImageRecord, NewTask, TaskKind, WorkerState
from crawler.queues.ledger import Ledger
from crawler.scope import Scope
from crawler.storage.local import LocalStorage
from crawler.task_handler import HandlerContext

SEED = "http://vesper-hill.example/"
SITE = sample_site()
EXPECTED = json.loads((SITE / "expected.json").read_text(encoding="utf-8"))
MAX_SITE_BYTES = 900 * 1024
VOID = frozenset({"base", "br", "hr", "img", "input", "link", "meta", "source"})
EMPTY_SVG = frozenset({"image", "path"})


class FolderTransport:
    """The site as a server would give it, without a server."""

    def fetch(self, url: str, **options: Any) -> Fetched:
        path = unquote(urlsplit(url).path)
        file = SITE / path.lstrip("/") / ("index.html" if path.endswith("/") else "")
        if not file.is_file():
            raise NotFound(f"no {path}", http_status=404)
        mimetypes.add_type("image/avif", ".avif")
        content_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return Fetched(
            url=url,
            final_url=url,
            http_status=200,
            headers={"content-type": content_type},
            content=file.read_bytes(),
        )

    def close(self) -> None:
        pass


def crawl(folder: Path, config: Config) -> None:
    """The whole crawl in one thread: what the processes do, one task after the other."""
    ledger = Ledger(folder / "crawl.db", queue=config.queue, scope=config.scope, new_run=True)
    context = HandlerContext(
        transport=FolderTransport(), scope=Scope((SEED,)), config=config, worker_id="test"
    )
    handlers = {
        TaskKind.PAGE: PageHandler(context),
        TaskKind.IMAGE: ImageHandler(context, LocalStorage(folder, fsync=False, min_free_bytes=0)),
    }
    try:
        ledger.set_seeds([SEED])
        ledger.put([NewTask(kind=TaskKind.PAGE, url=SEED)])
        drained = False
        while not drained:
            for kind, handle in handlers.items():
                worker = WorkerState(id=f"test:{kind}", kind=kind)
                lease = ledger.lease(worker, count=32, slots=8, wait_s=0, held=())
                ledger.settle([handle(task) for batch in lease.batches for task in batch.tasks])
                drained = lease.drained
    finally:
        ledger.close()


@pytest.mark.parametrize("parser", ["fast", "beautifulsoup"])
@pytest.mark.parametrize("sizes", ["best", "all"])
def test_a_crawl_comes_to_what_is_expected(tmp_path: Path, sizes: str, parser: str) -> None:
    crawl(tmp_path, load(flags={"images": sizes, "parser": parser}))
    images = EXPECTED["images"] | (EXPECTED["with_all_sizes"] if sizes == "all" else {})
    with Catalog(tmp_path) as catalog:
        summary = summarise(catalog)
        records = {urlsplit(record.url).path: record for record in catalog.images()}
        pages = sorted(urlsplit(record.url).path for record in catalog.pages(status=["harvested"]))
        groups = [[urlsplit(url).path for url in group.urls] for group in duplicates(catalog)]
        assert {finding.finding for finding in verify(catalog)} == {FindingKind.INTACT}
    assert summary.balanced
    assert pages == EXPECTED["pages"]
    assert [sorted(group) for group in groups] == [sorted(group) for group in EXPECTED["same_bytes"]]
    for group in EXPECTED["same_bytes"]:
        assert sorted(records.pop(path).status for path in group) == ["duplicate"] * (len(group) - 1) + [
            "saved"
        ]
    assert {path: _told(record) for path, record in records.items()} == images


def _told(record: ImageRecord) -> dict[str, str]:
    facts = {"status": record.status.value, "reason": record.reason, "format": record.format}
    return {name: value for name, value in facts.items() if value}


def test_every_image_of_the_site_is_expected() -> None:
    there = {
        file.relative_to(SITE).as_posix()
        for file in [*(SITE / "images").rglob("*"), SITE / "favicon.ico"]
        if file.is_file()
    }
    listed = [*EXPECTED["images"], *EXPECTED["with_all_sizes"], *chain(*EXPECTED["same_bytes"])]
    missing = {path for path, outcome in EXPECTED["images"].items() if outcome.get("reason") == "not-found"}
    assert {unquote(path).lstrip("/") for path in {*listed} - missing if path.startswith("/")} == there
    assert len(missing) == 1


def test_the_site_is_small() -> None:
    assert sum(file.stat().st_size for file in SITE.rglob("*") if file.is_file()) < MAX_SITE_BYTES


class Outline(HTMLParser):
    """Checks that elements are closed in order, and collects ids and images without alt."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.faults.append(f"<{tag}> repeats an attribute")
        if tag == "img" and not {"alt", "width", "height"} <= set(names):
            self.faults.append(f"{attrs} lacks alt, width or height")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in EMPTY_SVG:
            self.faults.append(f"<{tag}/>")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")


@pytest.mark.parametrize(
    "file", sorted(SITE.rglob("*.html")), ids=lambda file: file.relative_to(SITE).as_posix()
)
def test_its_pages_are_in_good_order(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    outline = Outline()
    outline.feed(text)
    outline.close()
    assert (outline.faults, outline.open) == ([], [])
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert text.count("<h1>") == 1
    assert "expected.json" not in text
    assert "http://" not in text
    assert "https://" not in text.replace("https://schema.org", "")
