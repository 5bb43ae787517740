"""Sizes of one picture that different pages name: what every queue engine promises of them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from crawler.models import Alternative, ImageRecord, ImageStatus, NewTask, Origin, Task, TaskKind
from crawler.queues.policy import MAX_BEHIND
from tests.contract.test_queues import a_maker, some_queues  # noqa: F401 - fixtures
from tests.support.queues import (
    HARVESTER,
    Queues,
    books,
    failed,
    in_thread,
    lease,
    page,
    saved,
    take,
    wait_until,
)

A = "http://a.example/a.jpg"


def size(px: int | None, name: str = "a", **origin: object) -> NewTask:
    """A URL of the picture *name*; None for the original."""
    url = f"http://a.example/{name}.jpg" + (f"?w={px}" if px else "")
    told = Origin(page_url="http://a.example/", found_in="img", **origin)  # type: ignore[arg-type]
    return NewTask(kind=TaskKind.IMAGE, url=url, depth=1, origin=told)


def found_on(queues: Queues, number: int, *found: NewTask) -> None:
    """A page is read that names these."""
    queues.tasks.put([page(number)])
    [task] = take(queues, HARVESTER)
    queues.results.put([saved(task, discovered=found)])


def released(queues: Queues, *, but: int = 0) -> list[Task]:
    """The images that are given out once no page is left; queues in several parts are not sure of that at once."""
    got: list[Task] = []

    def are_there() -> bool:
        got.extend(take(queues, count=100, held=got))
        queues.pass_time(0.2)
        return bool(got)

    wait_until(are_there, within_s=10.0)
    return got


def records(queues: Queues) -> dict[str, ImageRecord]:
    found = queues.results.get(limit=200).records
    return {record.url: record for record in found if isinstance(record, ImageRecord)}


@pytest.mark.parametrize("order", [(300, 1600, 800), (1600, 800, 300)])
def test_of_the_sizes_that_pages_name_the_largest_is_taken(queues: Queues, order: tuple[int, ...]) -> None:
    queues.tasks.put([page(number) for number in range(3)])
    pages = take(queues, HARVESTER)
    for reading, px in zip(pages, order, strict=True):
        queues.results.put([saved(reading, discovered=[size(px)])])
    [task] = released(queues)
    assert task.url == f"{A}?w=1600"
    assert not queues.tasks.stats().drained
    queues.results.put([saved(task)])
    stats = queues.tasks.stats()
    assert stats.drained
    assert (stats.images.discovered, stats.dropped) == (1, {"smaller-size": 2})


def test_a_size_waits_as_long_as_a_page_may_name_a_larger_one(queues: Queues) -> None:
    queues.tasks.put([page(1), page(2), size(300)])
    one, two = take(queues, HARVESTER)
    assert take(queues) == []
    stats = queues.tasks.stats()
    assert (stats.images.delayed, stats.images.ready, stats.drained) == (1, 0, False)
    queues.results.put([saved(one)])
    assert take(queues) == []
    queues.results.put([saved(two, discovered=[size(600)])])
    assert [task.url for task in released(queues)] == [f"{A}?w=600"]


def test_the_original_is_taken_at_once_and_its_sizes_are_left_out(queues: Queues) -> None:
    queues.tasks.put([page(1), size(300), size(None)])
    [reading] = take(queues, HARVESTER)
    [original] = take(queues)
    assert original.url == A
    queues.results.put([saved(original)])
    queues.results.put([saved(reading, discovered=[size(600)])])
    stats = queues.tasks.stats()
    assert stats.dropped == {"smaller-size": 2}
    assert stats.drained


def test_an_original_that_comes_later_is_taken_in_place_of_what_waits(queues: Queues) -> None:
    queues.tasks.put([page(1), size(300)])
    [reading] = take(queues, HARVESTER)
    queues.tasks.put([size(None)])
    [original] = take(queues)
    queues.results.put([saved(reading)])
    wait_until(lambda: take(queues, held=[original]) or books(queues).images.delayed == 0, within_s=10.0)
    queues.results.put([saved(original)])
    stats = queues.tasks.stats()
    assert (stats.images.done, stats.dropped, stats.drained) == (1, {"smaller-size": 1}, True)


def test_when_the_largest_fails_the_next_is_taken_and_the_record_names_it(queues: Queues) -> None:
    found_on(queues, 1, size(300), size(1600), size(800))
    for url, following in ((f"{A}?w=1600", f"{A}?w=800"), (f"{A}?w=800", f"{A}?w=300"), (f"{A}?w=300", "")):
        [task] = released(queues)
        assert task.url == url
        queues.results.put([failed(task, "not-found")])
        assert records(queues)[url].replaced_by == following
    stats = queues.tasks.stats()
    assert (stats.drained, stats.images.done, stats.dropped) == (True, 3, {})


def test_a_failed_original_is_replaced_as_well(queues: Queues) -> None:
    queues.tasks.put([page(1), size(None), size(300)])
    [task] = take(queues)
    queues.results.put([failed(task, "not-found")])
    assert records(queues)[A].replaced_by == f"{A}?w=300"
    assert [task.url for task in take(queues)] == [f"{A}?w=300"], "at once: there is no doubt any more"


def test_what_is_tried_again_keeps_its_place(queues: Queues) -> None:
    found_on(queues, 1, size(300), size(600))
    [task] = released(queues)
    queues.results.put([failed(task, retry_in_s=5.0)])
    assert take(queues) == []
    queues.pass_time(6.0)
    assert [task.url for task in take(queues)] == [f"{A}?w=600"]


def test_a_larger_one_that_comes_after_its_picture_was_saved_is_taken_on_as_well(queues: Queues) -> None:
    found_on(queues, 1, size(300))
    queues.results.put([saved(task) for task in released(queues)])
    found_on(queues, 2, size(200), size(600))
    [task] = released(queues)
    queues.results.put([saved(task)])
    stats = queues.tasks.stats()
    assert task.url == f"{A}?w=600"
    assert (stats.images.done, stats.dropped, stats.drained) == (2, {"smaller-size": 1}, True)


def test_a_size_that_was_left_out_is_nothing_new(queues: Queues) -> None:
    found_on(queues, 1, size(None), size(300))
    queues.results.put([saved(task) for task in take(queues)])
    found_on(queues, 2, size(300), size(300))
    assert queues.tasks.stats().dropped == {"smaller-size": 1}
    assert queues.tasks.put([size(300)]) == 0


def test_a_size_of_a_failed_picture_that_comes_later_is_tried(queues: Queues) -> None:
    found_on(queues, 1, size(None))
    queues.results.put([failed(task, "not-found") for task in take(queues)])
    found_on(queues, 2, size(300))
    assert [task.url for task in released(queues)] == [f"{A}?w=300"]


def test_the_sizes_that_its_page_offers_come_first(queues: Queues) -> None:
    other = "http://b.example/small.jpg"
    offered = (Alternative(url=other, found_in="srcset", rule="smaller"),)
    found_on(queues, 1, size(1600, alternatives=offered), size(300))
    [task] = released(queues)
    record = ImageRecord(
        url=task.url, status=ImageStatus.FAILED, reason="not-found", alternatives=offered, page_url="http://a.example/",
        attempts=1,
    )  # fmt: skip
    queues.results.put([msgspec.structs.replace(failed(task), record=record)])
    assert records(queues)[task.url].replaced_by == other
    urls = {task.url for task in released(queues)}
    assert other in urls


def test_one_that_takes_another_ones_place_waits_for_nothing(queues: Queues) -> None:
    queues.tasks.put([page(1), size(300), size(600, instead_of="http://a.example/b.jpg")])
    [first] = take(queues)
    assert first.url == f"{A}?w=600"
    queues.tasks.put([size(300, instead_of="http://a.example/c.jpg")])
    [second] = take(queues, held=[first])
    assert second.url == f"{A}?w=300"
    assert second.origin is not None
    assert second.origin.instead_of == "http://a.example/c.jpg"


def test_what_is_held_does_not_grow_beyond_half_of_what_may_wait(make: Callable[..., Queues]) -> None:
    queues = make(image_backlog=10)
    queues.tasks.put([page(1), *(size(300, str(number)) for number in range(8))])
    got = take(queues)
    assert [task.url for task in got] == [f"http://a.example/{number}.jpg?w=300" for number in range(3)]
    stats = queues.tasks.stats()
    assert (stats.images.delayed, stats.images.leased) == (5, 3)


def test_sizes_of_a_picture_are_one_image_to_the_limit(make: Callable[..., Queues]) -> None:
    queues = make(max_images=2)
    queues.tasks.put([size(300), size(600), size(900), size(300, "b"), size(300, "c")])
    stats = queues.tasks.stats()
    assert (stats.images.discovered, stats.dropped) == (2, {"max-images": 1})


def test_so_many_sizes_of_a_picture_wait_and_no_more(queues: Queues) -> None:
    queues.tasks.put([page(1), *(size(1000 + px) for px in range(MAX_BEHIND + 4))])
    stats = queues.tasks.stats()
    assert (stats.images.delayed, stats.dropped) == (1, {"smaller-size": 3})


def test_a_worker_that_waits_gets_what_is_released(queues: Queues) -> None:
    queues.tasks.put([page(1), size(300)])
    [reading] = take(queues, HARVESTER)
    with in_thread(lambda: lease(queues, wait_s=10.0)) as outcome:
        queues.results.put([saved(reading)])
    [answer] = outcome
    assert [task.url for batch in answer.batches for task in batch.tasks] == [f"{A}?w=300"]
