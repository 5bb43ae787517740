"""What failed is put back by the user's wish, as ``image-crawler retry`` does it: in crawl.db, whatever the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.config import QueueConfig, ScopeConfig
from crawler.models import (
    ImageRecord,
    ImageStatus,
    NewTask,
    Origin,
    RenderRecord,
    RenderStatus,
    Result,
    TaskKind,
)
from crawler.queues.ledger import Ledger
from tests.support.queues import (
    HARVESTER,
    RENDERER,
    Queues,
    embedded,
    failed,
    image,
    images,
    page,
    render,
    saved,
    take,
)

Crawl = tuple[Ledger, Queues]


@pytest.fixture(name="crawl")
def a_crawl(tmp_path: Path) -> Iterator[Crawl]:
    queue = QueueConfig(lease_s=30.0, per_host=100)
    with embedded(tmp_path / "crawl.db", queue=queue, scope=ScopeConfig()) as crawl:
        yield crawl


def settle_one_of_each(queues: Queues) -> None:
    queues.tasks.put(images(4))
    ok, gone, busy, odd = take(queues)
    rejected = ImageRecord(url=odd.url, status=ImageStatus.REJECTED, reason="not-an-image")
    queues.results.put(
        [
            saved(ok),
            failed(gone, "not-found"),
            failed(busy, "server-error"),
            Result(token=odd.token, record=rejected),
        ]
    )


def test_retry_puts_back_what_failed_and_its_record_goes(crawl: Crawl) -> None:
    ledger, queues = crawl
    settle_one_of_each(queues)
    assert ledger.retry(kind=TaskKind.PAGE) == 0
    assert ledger.retry(kind=TaskKind.IMAGE) == 2
    assert queues.tasks.stats().image_status == {"saved": 1, "rejected": 1}
    again = take(queues)
    assert [(task.url, task.attempt) for task in again] == [(image(1).url, 1), (image(2).url, 1)]
    queues.results.put([saved(task) for task in again])
    assert queues.tasks.stats().image_status == {"saved": 3, "rejected": 1}
    assert queues.tasks.stats().balanced
    assert len(queues.results.get(limit=200).records) == 4


def test_retry_can_be_of_one_reason_only(crawl: Crawl) -> None:
    ledger, queues = crawl
    settle_one_of_each(queues)
    assert ledger.retry(kind=TaskKind.IMAGE, reason="not-an-image") == 1
    assert ledger.retry(kind=TaskKind.IMAGE, reason="too-slow") == 0
    assert [task.url for task in take(queues)] == [image(3).url]
    assert queues.tasks.stats().image_reasons == {"not-found": 1, "server-error": 1}


def test_a_retried_task_still_knows_where_it_was_found(crawl: Crawl) -> None:
    ledger, queues = crawl
    origin = Origin(page_url="http://a.example/", found_in="srcset", alt="a", caption="c")
    queues.tasks.put([NewTask(kind=TaskKind.IMAGE, url=image(1).url, depth=2, origin=origin)])
    (task,) = take(queues)
    facts = {"page_url": origin.page_url, "found_in": origin.found_in, "alt": "a", "caption": "c"}
    record = ImageRecord(url=task.url, status=ImageStatus.FAILED, reason="too-slow", depth=2, **facts)
    queues.results.put([Result(token=task.token, record=record)])
    assert ledger.retry(kind=TaskKind.IMAGE) == 1
    (again,) = take(queues)
    assert (again.origin, again.depth) == (origin, 2)
    assert again.serial > task.serial


def test_a_result_from_before_a_retry_still_counts_but_once(crawl: Crawl) -> None:
    ledger, queues = crawl
    queues.tasks.put([image(1)])
    (task,) = take(queues)
    queues.results.put([failed(task)])
    ledger.retry(kind=TaskKind.IMAGE)
    (again,) = take(queues)
    queues.results.put([saved(again)])
    queues.results.put([failed(task)])
    assert [record.status for record in queues.results.get(limit=200).records] == [ImageStatus.SAVED]


def test_rejected_ones_can_be_put_back(crawl: Crawl) -> None:
    ledger, queues = crawl
    queues.tasks.put([page(1), render(1), render(2), render(3)])
    [reading] = take(queues, HARVESTER)
    one, two, three = take(queues, RENDERER)
    no_browser = RenderRecord(
        url=one.url, status=RenderStatus.REJECTED, reason="no-browser", template="family/fine"
    )
    queues.results.put(
        [
            failed(reading),
            Result(token=one.token, record=no_browser),
            failed(two),
            saved(three),
        ]
    )
    assert queues.tasks.stats().render_reasons == {"no-browser": 1, "server-error": 1}
    assert ledger.retry(kind=TaskKind.RENDER, reason="no-browser") == 1
    [again] = take(queues, RENDERER)
    assert (again.url, again.attempt) == (one.url, 1)
    assert again.origin is not None
    assert again.origin.template == "family/fine"
    assert ledger.retry(kind=TaskKind.RENDER) == 1
    assert queues.tasks.stats().render_status == {"rendered": 1}
    assert queues.tasks.stats().page_status == {"failed": 1}
