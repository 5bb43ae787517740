"""Every page that names an image is kept in the crawl's file, once, in every queue engine."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from crawler.catalog import Catalog
from crawler.catalog.summary import summarise
from crawler.models import NewTask, Task
from crawler.queues.mentions import IMAGE_PAGES, MOST_PAGES
from tests.contract.test_words import Crawl, a_crawl, answer, found  # noqa: F401 - a fixture
from tests.support.queues import HARVESTER, failed, image, page, saved, take

Pairs = set[tuple[str, str]]


def pairs_in(folder: Path) -> list[tuple[str, str]]:
    """As the view has them, and ``export --records image-pages``."""
    with closing(sqlite3.connect(folder / "crawl.db")) as db:
        rows = db.execute("SELECT url, page_url FROM image_pages").fetchall()
    with Catalog(folder) as catalog:
        assert sorted((each.url, each.page_url) for each in catalog.image_pages()) == sorted(rows)
    return rows


def on(number: int, *images: int, **more: object) -> list[NewTask]:
    return [found(each, on=str(number), **more) for each in images]


def pairs(tasks: list[NewTask]) -> Pairs:
    return {(task.url, task.origin.page_url) for task in tasks if task.origin and not task.kept_out_by}


@pytest.mark.parametrize("collected", [False, True])
def test_all_pages_of_an_image_are_kept(crawl: Crawl, tmp_path: Path, *, collected: bool) -> None:
    queues, kept = crawl
    queues.tasks.put([page(n) for n in range(1, 5)])
    reading = take(queues, HARVESTER)
    early = on(9, 0)
    named = [on(1, 0, 1), on(2, 0, 2, 0, alt="A dog"), [*on(3, 0), *on(4, 0)], on(4, 2, 1)]
    kept_out = on(2, 1, kept_out_by="noimageindex")
    for task, tasks in zip(reading, named, strict=True):
        result = saved(task, discovered=(*tasks, *kept_out))
        queues.results.put([result])
        queues.tasks.put(early)  # as of a huge page, whose result comes later
        queues.results.put([result])
        if collected:
            kept()
            images = take(queues)
            queues.results.put([answer(one) for one in images])
    queues.results.put([answer(one) for one in take(queues)])
    kept()
    rows = pairs_in(tmp_path)
    assert len(rows) == len({*rows})
    assert {*rows} == pairs([*early, *(task for tasks in named for task in tasks)])


@pytest.mark.parametrize("seed", range(5))
def test_in_any_order_with_pages_that_are_read_twice(crawl: Crawl, tmp_path: Path, seed: int) -> None:
    """Pages are read at random while images are saved; of some the result comes late, and for the second time."""
    queues, kept = crawl
    random = Random(seed)
    of_page = {page(n).url: on(n, *random.choices(range(6), k=random.randrange(6))) for n in range(8)}
    queues.tasks.put([page(n) for n in range(8)])
    late: list[Task] = []
    while not queues.tasks.stats().drained:
        for task in take(queues, HARVESTER, count=random.randrange(1, 4)):
            tasks = of_page[task.url]
            if random.random() < 0.3 and task.attempt == 1:
                queues.tasks.put(tasks[: len(tasks) // 2])
                late.append(task)
                queues.tasks.release(HARVESTER, [task.token])
            else:
                queues.results.put([saved(task, discovered=tuple(tasks))] * random.randrange(1, 3))
        queues.results.put([answer(one) for one in take(queues, count=random.randrange(1, 4))])
        if random.random() < 0.3:
            kept()
    queues.results.put([saved(task, discovered=tuple(of_page[task.url])) for task in late])
    kept()
    rows = pairs_in(tmp_path)
    assert len(rows) == len({*rows})
    assert {*rows} == pairs([task for tasks in of_page.values() for task in tasks])


def test_an_image_that_no_page_led_to_has_the_pages_that_name_it_later(crawl: Crawl, tmp_path: Path) -> None:
    queues, kept = crawl
    queues.tasks.put([image(0), page(1)])
    queues.results.put([saved(one) for one in take(queues)])
    (reading,) = take(queues, HARVESTER)
    queues.results.put([saved(reading, discovered=tuple(on(1, 0)))])
    kept()
    assert {*pairs_in(tmp_path)} == pairs(on(1, 0))


def test_what_a_page_has_named_counts_though_it_is_tried_again(crawl: Crawl, tmp_path: Path) -> None:
    queues, kept = crawl
    queues.tasks.put([image(0), page(1)])
    queues.results.put([saved(one) for one in take(queues)])
    (reading,) = take(queues, HARVESTER)
    queues.results.put([failed(reading, retry_in_s=5.0, discovered=tuple(on(1, 0)))])
    kept()
    queues.pass_time(6.0)
    assert {*pairs_in(tmp_path)} == pairs(on(1, 0))


def test_of_an_image_so_many_pages_are_kept_and_all_are_counted(crawl: Crawl, tmp_path: Path) -> None:
    queues, kept = crawl
    count = MOST_PAGES + 5
    queues.tasks.put([image(0)])
    queues.tasks.put([task for number in range(count) for task in on(number, 0)])
    queues.tasks.put(on(3, 0))
    queues.results.put([saved(one) for one in take(queues)])
    kept()
    assert len(pairs_in(tmp_path)) == MOST_PAGES
    with Catalog(tmp_path) as catalog:
        (record,) = catalog.images()
        urls, more = catalog.pages_of(record)
        assert (len(urls), more) == (MOST_PAGES, 5)
        assert summarise(catalog).stats.dropped == {IMAGE_PAGES: 5}
