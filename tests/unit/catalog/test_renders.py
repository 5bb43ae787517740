"""Rendered pages in a crawl's folder, as others see it: records, sums, exports, and what they did not get."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import msgspec
import pytest

from crawler.catalog import Catalog
from crawler.catalog.export import write_csv, write_jsonl
from crawler.catalog.left_out import CutPage, of_slug, of_url, unlisted
from crawler.catalog.summary import read_stats, summarise
from crawler.config import QueueConfig, ScopeConfig
from crawler.models import NewTask, RenderRecord, RenderStatus, Result, TaskKind
from tests.support.queues import HARVESTER, RENDERER, Queues, embedded, failed, page, render, saved, take


def settle(queues: Queues) -> None:
    """Three rendered pages, one of which came to nothing, and one that waits."""
    queues.tasks.put([page(1), render(1), render(2), render(3)])
    [reading] = take(queues, HARVESTER)
    of_page = msgspec.structs.replace(saved(reading).record, left_out={"json-cut": 1}, render="queued")
    queues.results.put([Result(token=reading.token, record=of_page)])
    one, two, three = take(queues, RENDERER)
    facts = {
        "gains": {"load": 4, "scroll": 3},
        "left_out": {"render-media": 2, "json-cut": 1},
        "images": 7,
        "requests": 9,
        "finished_at": "2026-11-29T16:01:52Z",
    }
    record = msgspec.structs.replace(saved(one).record, **facts)
    nothing = RenderRecord(url=three.url, status=RenderStatus.REJECTED, reason="no-gain")
    queues.results.put([Result(token=one.token, record=record), Result(token=three.token, record=nothing)])
    queues.results.put([failed(two)])
    kept_out = NewTask(kind=TaskKind.RENDER, url="http://a.example/#/far", kept_out_by="max-depth")
    queues.tasks.put([render(4), kept_out])


@pytest.fixture(name="crawl")
def a_crawl(tmp_path: Path) -> Path:
    with embedded(tmp_path / "crawl.db", queue=QueueConfig(), scope=ScopeConfig()) as (_, queues):
        settle(queues)
    return tmp_path


def test_their_records_are_read_as_they_were_kept(crawl: Path) -> None:
    with Catalog(crawl) as catalog:
        assert [record.status for record in catalog.renders()] == ["rendered", "rejected", "failed"]
        [record] = catalog.renders(status=("rendered",))
        assert record.gains == {"load": 4, "scroll": 3}
        assert (record.template, record.signs, record.images) == ("family/fine", "scripts", 7)
        assert [one.url for one in catalog.renders(reason="no-gain")] == [render(3).url]
        assert [one.url for one in catalog.where(RenderRecord, "url = ?", render(2).url)] == [render(2).url]
        assert [one.render for one in catalog.pages()] == ["queued"]


def test_they_are_counted_as_the_queue_counts_them(tmp_path: Path) -> None:
    with embedded(tmp_path / "crawl.db", queue=QueueConfig(), scope=ScopeConfig()) as (_, queues):
        settle(queues)
        told = queues.tasks.stats()
        with Catalog(tmp_path) as catalog:
            found = read_stats(catalog)
            period = summarise(catalog).finished_at
    for name in ("renders", "render_status", "render_reasons", "pages", "page_status", "dropped", "drained"):
        assert getattr(found, name) == getattr(told, name), name
    assert not found.drained
    assert found.renders.ready == 1
    assert period == "2026-11-29T16:01:52Z"


def test_what_they_did_not_get_is_told_beside_what_was_left_out_of_pages(crawl: Path) -> None:
    with Catalog(crawl) as catalog:
        both = of_slug(catalog, "json-cut")
        assert both.pages == (
            CutPage(url=page(1).url, times=1),
            CutPage(url=render(1).url, times=1, kind=TaskKind.RENDER),
        )
        assert (both.count, both.unlisted) == (2, 0)
        assert of_slug(catalog, "render-media").pages == (
            CutPage(url=render(1).url, times=2, kind=TaskKind.RENDER),
        )
        [kept_out] = of_url(catalog, "http://a.example/#/far")
        assert (kept_out.kind, kept_out.slug) == (TaskKind.RENDER, "max-depth")
        assert unlisted(catalog) == {}


def test_they_are_exported_whole(crawl: Path) -> None:
    with Catalog(crawl) as catalog:
        lines, table = io.BytesIO(), io.BytesIO()
        assert write_jsonl(catalog.renders(), RenderRecord, lines) == 3
        assert write_csv(catalog.renders(), RenderRecord, table) == 3
    first = json.loads(lines.getvalue().splitlines()[0])
    assert tuple(first) == RenderRecord.__struct_fields__
    assert first["gains"] == {"load": 4, "scroll": 3}
    row = next(csv.DictReader(io.StringIO(table.getvalue().decode(), newline="")))
    assert tuple(row) == RenderRecord.__struct_fields__
    assert json.loads(row["left_out"]) == {"render-media": 2, "json-cut": 1}
