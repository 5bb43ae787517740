"""A crawl that is run again with other settings ends with all that these let in, and never takes in more."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from crawler.catalog import Catalog
from crawler.catalog.summary import summarise
from crawler.config import load
from crawler.crawlfile.layout import CrawlFolder
from crawler.errors import UsageError
from crawler.models import Lease, NewTask, PageRecord, PageStatus, Result, TaskKind, WorkerState
from crawler.queues.ledger import Ledger
from crawler.run.context import StartMode
from crawler.run.rerun import Rerun
from tests.support.onecrawl import SEED, Answer, Crawl

pytestmark = pytest.mark.untraced


def picture(url: str, *, form: str = "PNG", size: tuple[int, int] = (20, 20)) -> bytes:
    rng = random.Random(url)
    out = BytesIO()
    Image.frombytes("RGB", size, rng.randbytes(3 * size[0] * size[1])).save(out, form)
    return out.getvalue()


PAGES = {
    "": "<img src=/i/1.png><img src=/i/2.png><img src=/i/wide.png><a href=/a/>a</a><a href=/b/>b</a>"
    "<a href=/f rel=nofollow>f</a>",
    "a/": "<img src=/i/a.png><img src=/i/a.jpg><img src=https://cdn.example/i/c.png>"
    "<a href=/a/a/>aa</a><a href=/b/>b</a>",
    "a/a/": "<img src=/i/aa.png><img src=/i/1.png><a href=/a/a/a/>aaa</a>",
    "a/a/a/": "<img src=/i/aaa.png>",
    "b/": "<img src=/i/b.png><img src=/i/tiny.png><a href=/b/noai>n</a><script>var a = '/i/script.png'</script>",
    "b/noai": "<meta name=robots content=noai><img src=/i/noai.png>",
    "f": "<img src=/i/f.png><img src=/i/s-150x100.png srcset='/i/s-300x200.png 300w, /i/s-600x400.png 600w'>"
    "<img src='/i/t.png?w=200'><img src='/i/t.png?w=400'>",
}


def site(url: str) -> Answer | None:
    path = url.removeprefix(SEED)
    if path in PAGES:
        return "text/html", f"<!doctype html><title>{path}</title>{PAGES[path]}", {}
    if "/i/" not in url:
        return None
    sizes = {"wide.png": (400, 20), "tiny.png": (3, 3)}
    form = "JPEG" if url.endswith(".jpg") else "PNG"
    return (
        f"image/{form.lower()}",
        picture(url, form=form, size=sizes.get(url.rpartition("/")[2], (20, 20))),
        {},
    )


VALUES: dict[str, list[Any]] = {
    "max_depth": [0, 1, 2, 20],
    "include": [(), ("*/b/*",), (f"{SEED}a/*", SEED)],
    "exclude": [(), ("*/a/*",)],
    "include_images": [(), ("*/i/*.png",)],
    "exclude_images": [(), ("*/i/a*",)],
    "images_from": ["any", "scope"],
    "obey_noai": [True, False],
    "obey_rel_nofollow": [True, False],
    "script_urls": [False, True],
    "images": ["best", "all"],
    "purpose": ["archive", "train"],
    "formats": [(), ("jpeg",), ("png",)],
    "min_width_px": [0, 10],
    "max_width_px": [0, 100],
    "max_aspect": [0.0, 5.0],
    "max_links_per_page": [0, 1, 2],
}


SAID_BY_PAGES = {"obey_noai", "obey_rel_nofollow", "purpose", "max_links_per_page", "images"}
"""What these keep out depends on the page that named it, which was read already."""


def saved(folder: Path) -> set[str]:
    with Catalog(folder) as catalog:
        stats = summarise(catalog).stats
        assert stats.balanced or not stats.drained
        return {record.url for record in catalog.images(status=("saved", "duplicate"))}


def waiting(folder: Path) -> set[str]:
    """Images that were found, and not tried yet."""
    with closing(sqlite3.connect(folder / "crawl.db")) as db:
        rows = db.execute("SELECT url FROM tasks WHERE kind = 'image' AND state IN ('ready', 'delayed')")
        return {url for (url,) in rows}


def content(folder: Path) -> list[Any]:
    """All that a person might miss, were it another one."""
    with closing(sqlite3.connect(folder / "crawl.db")) as db:
        return [
            db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
            for table in ("tasks", "images", "pages", "dropped", "left_out", "runs")
        ]


@pytest.fixture(name="folders")
def some_folders(tmp_path: Path) -> Iterator[Path]:
    counter = iter(range(10**6))

    def another() -> Path:
        folder = tmp_path / f"crawl{next(counter)}"
        folder.mkdir()
        return folder

    return iter(another, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", range(40))
def test_it_ends_with_all_that_the_new_settings_let_in_and_takes_in_no_more(
    folders: Iterator[Path], number: int
) -> None:
    rng = random.Random(number)
    keys = rng.sample(sorted(VALUES), rng.choice([1, 1, 2, 4]))
    one, two = ({key: rng.choice(VALUES[key]) for key in keys} for _ in range(2))
    crawl, alone = Crawl(site, next(folders)), Crawl(site, next(folders))
    crawl.run(**one, most=rng.choice([10_000, 3, 8, 15]))
    alone.run(**two)
    before, known, wanted = saved(crawl.folder), content(crawl.folder), saved(alone.folder)
    waited = waiting(crawl.folder)
    refused = ""
    try:
        crawl.run(**two)
    except UsageError as error:
        refused = str(error)
    if refused:
        assert content(crawl.folder) == known, "it does nothing"
        assert "choose another folder" in refused
        assert before - wanted or "page" in refused or "may keep out" in refused, (
            "there is something that the new settings would keep out"
        )
        return
    after = saved(crawl.folder)
    assert after >= wanted
    if not {key for key in keys if one[key] != two[key]} & SAID_BY_PAGES:
        assert after - before <= wanted | waited, "an image may stand on more pages than one"
    assert before <= after, "nothing is taken away"
    with closing(sqlite3.connect(crawl.folder / "crawl.db")) as db:
        assert not db.execute("SELECT 1 FROM dropped WHERE count <= 0").fetchall()
    crawl.run(**two)
    assert saved(crawl.folder) == after
    asked = len(crawl.transport.asked)
    crawl.run(**two)
    assert len(crawl.transport.asked) == asked, "nothing is left to be asked for"


def test_limits_that_are_raised_are_filled_up_and_lowered_ones_hold(folders: Iterator[Path]) -> None:
    crawl = Crawl(site, next(folders))
    crawl.run(max_images=3)
    assert len(saved(crawl.folder)) == 3
    crawl.run(max_images=5)
    assert len(saved(crawl.folder)) == 5
    with pytest.raises(UsageError, match=r"--max-images 4 .5 before. would keep out 1 image;"):
        crawl.run(max_images=4)
    crawl.run(max_images=0)
    whole = Crawl(site, next(folders))
    whole.run()
    assert saved(crawl.folder) == saved(whole.folder)
    with Catalog(crawl.folder) as catalog:
        assert summarise(catalog).stats.dropped.get("max-images", 0) == 0

    crawl = Crawl(site, next(folders))
    crawl.run(most=2)
    crawl.run(max_images=4)
    assert len(saved(crawl.folder)) == 4
    crawl = Crawl(site, next(folders))
    crawl.run(max_pages=2)
    crawl.run(max_pages=100)
    assert saved(crawl.folder) == saved(whole.folder)


def test_only_the_pages_that_named_what_is_let_in_are_read_once_more(folders: Iterator[Path]) -> None:
    crawl = Crawl(site, next(folders))
    crawl.run(max_depth=2)
    asked = len(crawl.transport.asked)
    crawl.run(max_depth=3)
    assert crawl.transport.asked[asked:] == [f"{SEED}a/a/", f"{SEED}a/a/a/", f"{SEED}i/aaa.png"]
    asked = len(crawl.transport.asked)
    crawl.run(max_depth=9)
    assert crawl.transport.asked[asked:] == [], "nothing was left out by it"


def test_what_pages_leave_out_is_counted_once_however_often_they_are_read(folders: Iterator[Path]) -> None:
    crawl = Crawl(site, next(folders))
    crawl.run()
    with Catalog(crawl.folder) as catalog:
        before = summarise(catalog).stats.dropped
    assert before
    for number in range(2):
        crawl.run(script_urls=not number)  # another rule, for which they are read anew
        crawl.run(start=StartMode.REFRESH, script_urls=not number)
    with Catalog(crawl.folder) as catalog:
        assert summarise(catalog).stats.dropped == before


def test_where_images_are_kept_can_not_be_changed(folders: Iterator[Path]) -> None:
    crawl = Crawl(site, next(folders))
    crawl.run(most=4)
    known = content(crawl.folder)
    for change in ({"layout": "hash"}, {"storage": "s3://b/p"}, {"strip_tracking": True}):
        with pytest.raises(UsageError, match="kept once more under other names"):
            crawl.run(**change)
        assert content(crawl.folder) == known


def test_the_settings_of_a_version_without_books_of_runs_are_read_from_crawl_toml(
    folders: Iterator[Path],
) -> None:
    crawl = Crawl(site, next(folders))
    crawl.run(max_images=3)
    with closing(sqlite3.connect(crawl.folder / "crawl.db")) as db, db:
        db.execute("DELETE FROM runs")
    usual = {"render": "never", "sitemaps": False, "obey_robots_txt": False}
    CrawlFolder(crawl.folder).write_settings(load(flags={"max_images": 3, **usual}), (SEED,))
    crawl.run()
    assert len(saved(crawl.folder)) > 3


def test_what_a_run_took_up_and_left_out_stands_in_its_books(folders: Iterator[Path]) -> None:
    crawl = Crawl(site, next(folders))
    crawl.run(most=2)
    crawl.run(exclude=("*/a/*",), max_depth=1)
    crawl.run(exclude=("*/a/*",), max_depth=1, min_width_px=0, obey_rel_nofollow=False)
    with Catalog(crawl.folder) as catalog:
        notes = [run.notes for run in catalog.runs()]
    assert notes == [
        (),
        (
            "other settings than last time: --exclude */a/* (none before), --max-depth 1 (20 before)",
            "1 that waited left out by excluded",
            "what was saved before stays, and images that were found before are still taken",
        ),
        (
            "other settings than last time: --no-obey-rel-nofollow",
            "1 page to be read once more, for what was left out by rel-nofollow",
        ),
    ]


def test_pages_that_had_no_browser_are_opened_in_one_once_it_is_there(folders: Iterator[Path]) -> None:
    crawl = Crawl(site, next(folders))
    config = load(flags={"sitemaps": False, "obey_robots_txt": False})
    with crawl.opened(config) as ledger:
        ledger.set_seeds((SEED,))
        ledger.put([NewTask(kind=TaskKind.PAGE, url=SEED)])
        (task,) = (task for batch in lease(ledger).batches for task in batch.tasks)
        record = PageRecord(url=SEED, status=PageStatus.HARVESTED, render="no-browser")
        ledger.settle([Result(token=task.token, record=record)])
        for browser, told in (
            (False, []),
            (True, ["1 page to be tried in the browser that was not there before"]),
        ):
            rerun = Rerun(ledger, folder=crawl.folder, seeds=(SEED,), config=config, browser=browser)
            assert rerun.take_up() == told
        (task,) = (task for batch in lease(ledger).batches for task in batch.tasks)
        assert task.url == SEED
        assert isinstance(task.known, PageRecord)
        assert not task.known.etag, "no server is to say that nothing has changed"


def lease(ledger: Ledger) -> Lease:
    worker = WorkerState(id="w", kind=TaskKind.PAGE, machine="m", pid=1, version="1", threads=1)
    return ledger.lease(worker, count=9, slots=9, wait_s=0.0, held=())
