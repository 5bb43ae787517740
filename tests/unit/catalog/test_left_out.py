"""Which URLs the counts of "left out" stand for."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crawler.catalog import Catalog
from crawler.catalog.explain import explain
from crawler.catalog.left_out import CutPage, of_slug, unlisted
from crawler.config import QueueConfig, ScopeConfig
from crawler.crawlfile.schema import connect
from crawler.models import NewTask, Origin, TaskKind
from crawler.queues import policy
from crawler.queues.left_out import LeftOutRows, located
from crawler.queues.redis.export import LeftOutOnce
from tests.support.crawls import SEED, SITE, keep, page, saved
from tests.support.fake_export import a_crawl_in
from tests.support.queues import HARVESTER, embedded, take
from tests.support.queues import saved as result

PAGE = NewTask(kind=TaskKind.PAGE, url=f"{SITE}/")


@pytest.fixture(name="db")
def _db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(tmp_path / "crawl.db")) as db:
        yield db


def link(n: int, kept_out_by: str = "", origin: Origin | None = None) -> NewTask:
    return NewTask(kind=TaskKind.PAGE, url=f"{SITE}/{n}", kept_out_by=kept_out_by, origin=origin)


def rows(db: sqlite3.Connection) -> dict[tuple[str, str], int]:
    return {(slug, url): times for slug, url, times in db.execute("SELECT slug, url, times FROM left_out")}


def test_each_url_is_kept_once_and_how_often_it_was_left_out(db: sqlite3.Connection) -> None:
    kept = LeftOutRows(db)
    kept.note([("max-depth", link(1)), ("max-depth", link(1)), ("nofollow", link(1)), ("max-depth", link(2))])
    LeftOutRows(db).note([("max-depth", link(2))])

    assert rows(db) == {
        ("max-depth", f"{SITE}/1"): 2,
        ("max-depth", f"{SITE}/2"): 2,
        ("nofollow", f"{SITE}/1"): 1,
    }


def test_a_file_is_bounded_and_no_slug_takes_the_room_of_another(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "MOST_LEFT_OUT", 20)
    monkeypatch.setattr(policy, "MOST_LEFT_OUT_OF_EACH", 5)
    kept = LeftOutRows(db)
    for start in range(0, 100, 7):
        kept.note([("trap-repeated-page", link(n)) for n in range(start, start + 7)])
    LeftOutRows(db).note([("max-depth", link(n)) for n in range(100)])
    kept.note([("trap-repeated-page", link(0))])

    found = rows(db)
    assert sum(slug == "trap-repeated-page" for slug, _ in found) == 20
    assert sum(slug == "max-depth" for slug, _ in found) == 5
    assert found["trap-repeated-page", f"{SITE}/0"] == 2, "what is kept is counted on"


def test_what_comes_without_an_origin_is_of_the_page_whose_result_it_is() -> None:
    origin = Origin(page_url="http://x.test/", found_in="a")
    tasks = (link(1), link(2, "nofollow"), link(3, "nofollow", origin))

    assert [task.origin and task.origin.page_url for task in located(tasks, PAGE.url)] == [
        None,
        PAGE.url,
        "http://x.test/",
    ]
    assert located(tasks[:1], PAGE.url) is not None


def test_the_sum_of_what_is_named_is_what_is_counted(tmp_path: Path) -> None:
    with embedded(tmp_path / "crawl.db", queue=QueueConfig(), scope=ScopeConfig(max_pages=3)) as (_, queues):
        queues.tasks.put([PAGE])
        (task,) = take(queues, HARVESTER)
        found = [link(n) for n in range(5)]
        queues.results.put(
            [
                result(
                    task, discovered=(*found, link(7, "max-depth"), link(0, "nofollow"), link(7, "max-depth"))
                )
            ]
        )
        dropped = dict(queues.tasks.stats().dropped)
    with Catalog(tmp_path) as catalog:
        for slug, count in dropped.items():
            told = of_slug(catalog, slug)
            assert (told.count, told.unlisted) == (count, 0)
            assert sum(one.times for one in told.urls) == count
            assert {one.page_url for one in told.urls} <= {PAGE.url, ""}
        assert {one.url for one in of_slug(catalog, "max-pages").urls} == {f"{SITE}/{n}" for n in (2, 3, 4)}
        assert unlisted(catalog) == {}
        explanation = explain(catalog, f"{SITE}/7")
    assert [(one.slug, one.page_url) for one in explanation.kept_out] == [("max-depth", PAGE.url)]
    assert [step.url for step in explanation.chain] == [PAGE.url]
    assert not explanation.known


def test_a_slug_of_documents_names_these(tmp_path: Path) -> None:
    other = f"{SITE}/b.html"
    folder = keep(
        tmp_path,
        page(SEED, left_out={"json-cut": 3, "page-cut": 1}),
        page(other, page_url=SEED, found_in="a", left_out={"json-cut": 2}),
    )
    with Catalog(folder) as catalog:
        told = of_slug(catalog, "json-cut")
        assert told.pages == (CutPage(url=SEED, times=3), CutPage(url=other, times=2))
        assert (told.count, told.unlisted, unlisted(catalog)) == (5, 0, {})
        assert of_slug(catalog, "css-cut").count == 0


def test_what_is_counted_and_not_named_is_said_to_be_so(tmp_path: Path) -> None:
    folder = keep(tmp_path, page(SEED))
    with closing(sqlite3.connect(folder / "crawl.db")) as db:
        db.execute("INSERT INTO dropped VALUES ('max-depth', 5)")
        db.execute("INSERT INTO left_out VALUES (1, 1, 'max-depth', ?, 'page', ?, 2)", (f"{SITE}/x", SEED))
        db.commit()
    with Catalog(folder) as catalog:
        assert unlisted(catalog) == {"max-depth": 3}
        assert of_slug(catalog, "max-depth").unlisted == 3
        assert explain(catalog, f"{SITE}/y").unlisted == {"max-depth": 3}


def test_another_ones_url_is_not_shown_as_if_it_were_it(tmp_path: Path) -> None:
    one, other = (f"{SITE}/thumb.php?s={n:032x}" for n in (1, 2))
    keep(tmp_path, page(SEED), saved(tmp_path, one, b"1"))
    with Catalog(tmp_path) as catalog:
        assert not explain(catalog, other).known
        assert explain(catalog, one).how == "url"
    visited = f"{SITE}/album?PHPSESSID=one"
    keep(tmp_path / "2", page(SEED), page(visited, page_url=SEED, found_in="a"))
    with Catalog(tmp_path / "2") as catalog:
        assert explain(catalog, f"{SITE}/album?PHPSESSID=two").how == "session"


def test_what_a_queue_elsewhere_left_out_is_collected(tmp_path: Path) -> None:
    with a_crawl_in(tmp_path, PAGE) as crawl:
        for n in range(3):
            task = link(n, origin=Origin(page_url=PAGE.url, found_in=""))
            crawl.queue.named.append(LeftOutOnce(shard=0, entry=f"{n}-0", slug="max-depth", task=task))
        crawl.queue.kept_out["max-depth"] = 3
        crawl.collector.collect()
        assert crawl.queue.named == []
    with Catalog(tmp_path) as catalog:
        told = of_slug(catalog, "max-depth")
    assert [(one.url, one.page_url) for one in told.urls] == [(f"{SITE}/{n}", PAGE.url) for n in range(3)]
    assert told.unlisted == 0
