"""The views of crawl.db: what they show, that docs/database.md tells it, and that DuckDB reads it too."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crawler.config import QueueConfig, ScopeConfig
from crawler.crawlfile.schema import VIEWS, connect
from crawler.models import ImageStatus, OptOut, Origin, PageStatus, Purpose, Result
from tests.support.earlier import of_schema
from tests.support.queues import HARVESTER, embedded, failed, image, page, saved, take

ROOT = Path(__file__).parents[3]
ROWS = re.compile(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", re.MULTILINE)
PAPER = (ROOT / "docs" / "database.md").read_text(encoding="utf-8")


def with_record(result: Result, **fields: Any) -> Result:
    return msgspec.structs.replace(result, record=msgspec.structs.replace(result.record, **fields))


@pytest.fixture(name="folder", scope="module")
def a_crawl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two saved images, one of them by two URLs; one that failed, one that waits; a page with images, one without."""
    folder = tmp_path_factory.mktemp("views")
    said = OptOut(signal="noai", place="header X-Robots-Tag", text="noai", forbids=(Purpose.TRAIN,))
    with embedded(folder / "crawl.db", queue=QueueConfig(), scope=ScopeConfig()) as (_, queues):
        queues.tasks.put([page(1), page(2), page(3), page(4), *map(image, range(1, 5))])
        first, second, third, sitemap = take(queues, HARVESTER, count=4)
        none = with_record(failed(sitemap, "no-sitemap"), status=PageStatus.REJECTED)
        queues.results.put([with_record(saved(first), images=4), saved(second), failed(third), none])
        one, two, three, four = take(queues, count=4)
        queues.results.put(
            [
                with_record(saved(one), path="images/a.png", format="png", size_bytes=10, alt="a dog"),
                with_record(saved(two), path="images/b.jpg", format="jpeg", size_bytes=5, opt_outs=(said,)),
                with_record(saved(three), path="images/a.png", status=ImageStatus.DUPLICATE, alt="the dog"),
                failed(four),
            ]
        )
        again = Origin(page_url=page(2).url, found_in="img")
        queues.tasks.put([image(5), msgspec.structs.replace(image(1), origin=again)])
    with closing(sqlite3.connect(folder / "crawl.db")) as db, db:
        db.execute("INSERT INTO image_history SELECT * FROM images WHERE url = ?", (image(1).url,))
        db.execute("UPDATE images SET revisit = 'changed' WHERE url = ?", (image(1).url,))
        db.execute("UPDATE images SET revisit = 'unchanged' WHERE url = ?", (image(2).url,))
    return folder


@pytest.fixture(name="db")
def opened(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{(folder / 'crawl.db').as_uri()}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        yield db


def rows(db: sqlite3.Connection, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in db.execute(sql)]


def test_what_was_saved(db: sqlite3.Connection) -> None:
    assert rows(db, "SELECT path, url, host, alt FROM saved_images ORDER BY path") == [
        ("images/a.png", image(1).url, "http://a.example", "a dog"),
        ("images/b.jpg", image(2).url, "http://a.example", ""),
    ]
    assert rows(db, "SELECT path, url, alt, is_duplicate FROM places ORDER BY url") == [
        ("images/a.png", image(1).url, "a dog", 0),
        ("images/b.jpg", image(2).url, "", 0),
        ("images/a.png", image(3).url, "the dog", 1),
    ]
    formats = "SELECT format, images, size_bytes, largest_bytes FROM image_formats ORDER BY format"
    assert rows(db, formats) == [("jpeg", 1, 5, 5), ("png", 1, 10, 10)]
    assert rows(db, "SELECT sum(images), sum(saved), sum(size_bytes) FROM image_minutes") == [(4, 2, 15)]


def test_what_is_not_there(db: sqlite3.Connection) -> None:
    found = rows(db, "SELECT kind, url, host, status FROM failures ORDER BY kind")
    assert found == [
        ("image", image(4).url, "http://a.example", "failed"),
        ("page", page(3).url, "http://a.example", "failed"),
    ]
    assert rows(db, "SELECT kind, count, example_url FROM failure_reasons ORDER BY kind") == [
        ("image", 1, image(4).url),
        ("page", 1, page(3).url),
    ]
    assert rows(db, "SELECT url, host FROM pages_without_images") == [(page(2).url, "http://a.example")]
    assert rows(db, "SELECT kind, url, state FROM still_to_do") == [("image", image(5).url, "ready")]


def test_totals_and_owners(db: sqlite3.Connection) -> None:
    assert rows(db, "SELECT images, saved, duplicates, failed, size_bytes FROM image_hosts") == [
        (4, 2, 1, 1, 15)
    ]
    assert rows(db, "SELECT sum(images), sum(saved), sum(not_saved) FROM page_images") == [(4, 2, 1)]
    assert rows(db, "SELECT * FROM image_pages") == [(image(1).url, "images/a.png", "saved", page(2).url, 0)]
    assert rows(db, "SELECT url, signal, place, text, forbids FROM image_opt_outs") == [
        (image(2).url, "noai", "header X-Robots-Tag", "noai", '["train"]')
    ]


def test_what_a_refresh_has_found(db: sqlite3.Connection) -> None:
    assert rows(db, "SELECT url, revisit, earlier_versions FROM changed_images") == [
        (image(1).url, "changed", 1)
    ]


def test_an_invalid_text_of_opt_outs_hides_no_other_row(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "crawl.db"
    with closing(sqlite3.connect(folder / "crawl.db")) as source, closing(sqlite3.connect(copy)) as db:
        source.backup(db)
        db.execute("UPDATE images SET opt_outs = '[{' WHERE url = ?", (image(1).url,))
        assert db.execute("SELECT url FROM image_opt_outs").fetchall() == [(image(2).url,)]


def test_the_paper_names_each_view_and_its_columns(db: sqlite3.Connection) -> None:
    told = {name: columns.split(", ") for name, columns in ROWS.findall(PAPER)}
    assert tuple(told) == VIEWS
    assert {name for (name,) in rows(db, "SELECT name FROM sqlite_master WHERE type = 'view'")} == {*VIEWS}
    for name, columns in told.items():
        assert [column for _, column, *_ in rows(db, f"PRAGMA table_info({name})")] == columns


@pytest.mark.parametrize("question", re.findall(r"```sql\n(.*?)\n```", PAPER, re.DOTALL))
def test_the_questions_of_the_paper_have_answers(db: sqlite3.Connection, question: str) -> None:
    assert db.execute(question).description


def test_views_of_others_stay_and_ours_are_made_anew(folder: Path, tmp_path: Path) -> None:
    with (
        closing(sqlite3.connect(folder / "crawl.db")) as source,
        closing(sqlite3.connect(tmp_path / "crawl.db")) as db,
    ):
        source.backup(db)
    of_schema(8, tmp_path)
    with closing(sqlite3.connect(tmp_path / "crawl.db")) as db, db:
        db.execute("CREATE VIEW places AS SELECT 1 AS mine")
        db.execute("CREATE VIEW of_somebody AS SELECT count(*) AS images FROM images")
    with closing(connect(tmp_path / "crawl.db")) as db:
        assert db.execute("SELECT count(path) FROM places").fetchone() == (3,)
        assert db.execute("SELECT images FROM of_somebody").fetchone() == (4,)


@pytest.mark.slow
def test_duckdb_reads_every_view(folder: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    extension = f"duckdb_ext/extensions/v{duckdb.__version__}/*/sqlite_scanner.duckdb_extension"
    places = [path for place in sys.path for path in Path(place or ".").glob(extension)]
    if not places:
        pytest.skip("DuckDB's extension for SQLite is not installed, and would come from the network")
    with duckdb.connect() as db:
        db.load_extension(str(places[0]))
        db.execute(f"ATTACH '{folder / 'crawl.db'}' AS crawl (TYPE sqlite, READ_ONLY)")
        found = {name: sorted(db.execute(f"SELECT * FROM crawl.{name}").fetchall()) for name in VIEWS}
    with closing(sqlite3.connect(folder / "crawl.db")) as lite:
        assert found == {name: sorted(lite.execute(f"SELECT * FROM {name}").fetchall()) for name in VIEWS}
    assert [name for name, rows in found.items() if not rows] == []
