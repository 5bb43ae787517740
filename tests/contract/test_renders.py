"""Pages to be rendered are tasks like all others, in every queue engine."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from crawler.models import (
    ImageRecord,
    NewTask,
    Origin,
    PageRecord,
    PageStatus,
    RenderRecord,
    RenderStatus,
    Result,
    TaskKind,
)
from crawler.urls import MAX_URL_CHARS
from tests.contract.test_queues import a_maker, some_queues  # noqa: F401 - fixtures
from tests.support.queues import (
    HARVESTER,
    RENDERER,
    Queues,
    books,
    failed,
    image,
    images,
    in_thread,
    lease,
    page,
    render,
    saved,
    take,
    tokens,
    wait_until,
    worker,
)

SITE = "http://a.example/"


def route(fragment: str) -> NewTask:
    return NewTask(kind=TaskKind.RENDER, url=f"{SITE}#{fragment}")


def renders(queues: Queues) -> list[RenderRecord]:
    return [record for record in queues.results.get(limit=200).records if isinstance(record, RenderRecord)]


# --- a kind of its own ---


def test_one_url_is_a_task_of_each_kind(queues: Queues) -> None:
    url = page(1).url
    new = [NewTask(kind=kind, url=url) for kind in TaskKind]
    assert queues.tasks.put([*new, *new]) == 3
    assert queues.tasks.put(new) == 0
    for who in (worker(), HARVESTER, RENDERER):
        [task] = take(queues, who)
        assert (task.kind, task.url) == (who.kind, url)
    stats = queues.tasks.stats()
    assert (stats.pages.leased, stats.images.leased, stats.renders.leased) == (1, 1, 1)


def test_what_is_told_of_it_arrives_with_it_and_stays_with_its_record(queues: Queues) -> None:
    origin = Origin(page_url=SITE, found_in="a", template="family/fine", signs="scripts,mount")
    queues.tasks.put([NewTask(kind=TaskKind.RENDER, url=f"{SITE}#/about", depth=2, origin=origin)])
    [task] = take(queues, RENDERER)
    assert (task.origin, task.depth) == (origin, 2)
    record = RenderRecord(
        url=task.url,
        status=RenderStatus.RENDERED,
        final_url=SITE,
        title="About",
        images=7,
        links=2,
        gains={"load": 4, "scroll": 3},
        requests=12,
        left_out={"render-media": 1},
        size_bytes=2000,
        http_status=200,
        page_url=SITE,
        found_in="a",
        template="family/fine",
        signs="scripts,mount",
        depth=2,
        attempts=1,
        worker="r1",
        elapsed_s=1.5,
        finished_at="2026-11-29T16:01:52Z",
    )
    queues.results.put([Result(token=task.token, record=record)])
    assert renders(queues) == [record]
    stats = queues.tasks.stats()
    assert (stats.renders.done, stats.render_status) == (1, {"rendered": 1})
    assert stats.dropped == {"render-media": 1}
    assert stats.drained


def test_a_page_and_its_rendering_have_a_record_each(queues: Queues) -> None:
    queues.tasks.put([page(1)])
    [reading] = take(queues, HARVESTER)
    record = PageRecord(url=reading.url, status=PageStatus.HARVESTED, render="queued")
    queues.results.put([Result(token=reading.token, record=record, discovered=(render(1),))])
    [rendering] = take(queues, RENDERER)
    found = (image(1), page(2), route("/two"))
    queues.results.put([saved(rendering, discovered=found)])
    assert queues.results.get().records == (record, saved(rendering).record)
    assert [task.url for task in take(queues)] == [image(1).url]
    assert [task.url for task in take(queues, HARVESTER)] == [page(2).url]
    assert [task.url for task in take(queues, RENDERER)] == [f"{SITE}#/two"]


def test_the_crawl_goes_on_as_long_as_a_page_is_to_be_rendered(queues: Queues) -> None:
    queues.tasks.put([render(1)])
    assert not lease(queues).drained
    [task] = take(queues, RENDERER)
    assert not lease(queues, HARVESTER).drained
    queues.results.put([failed(task, retry_in_s=5.0)])
    assert (queues.tasks.stats().renders.delayed, lease(queues).drained) == (1, False)
    queues.pass_time(6.0)
    [task] = take(queues, RENDERER)
    queues.results.put([saved(task)])
    assert lease(queues).drained
    assert lease(queues, RENDERER).drained


def test_a_renderer_waits_for_what_is_found(queues: Queues) -> None:
    queues.tasks.put([page(1)])
    [reading] = take(queues, HARVESTER)
    with in_thread(lambda: take(queues, RENDERER, wait_s=10.0)) as outcome:
        wait_until(lambda: queues.tasks.stats().worker_count == 2)
        queues.results.put([saved(reading, discovered=(render(1),))])
    [[task]] = outcome
    assert task.url == render(1).url


# --- URLs with routes ---


@pytest.mark.parametrize("fragment", ["/", "!", "/about?x=1#y", "!/a%20b", "/" + "x" * 999])
def test_a_page_to_be_rendered_may_have_a_route(queues: Queues, fragment: str) -> None:
    assert queues.tasks.put([route(fragment)]) == 1
    [batch] = lease(queues, RENDERER).batches
    assert batch.host == "http://a.example"
    [task] = batch.tasks
    assert task.url == f"{SITE}#{fragment}"
    queues.results.put([saved(task)])
    assert [record.url for record in renders(queues)] == [task.url]


@pytest.mark.parametrize("fragment", ["", "about", "/ ", "/é", "/" + "x" * 1000])
def test_no_other_fragment_is_taken_on(queues: Queues, fragment: str) -> None:
    assert queues.tasks.put([route(fragment), page(1)]) == 1
    assert queues.tasks.stats().dropped == {"malformed": 1}


def test_pages_and_images_have_no_fragment(queues: Queues) -> None:
    url = f"{SITE}#/about"
    assert queues.tasks.put([NewTask(kind=kind, url=url) for kind in TaskKind]) == 1
    assert queues.tasks.put([NewTask(kind=TaskKind.RENDER, url="data:image/png;base64,AAAA")]) == 0
    long = f"{SITE}{'x' * (MAX_URL_CHARS - len(SITE) - 1)}#/"
    assert queues.tasks.put([NewTask(kind=TaskKind.RENDER, url=long)]) == 0
    assert queues.tasks.stats().dropped == {"malformed": 4}


def test_routes_are_told_apart_though_a_session_is_in_front_of_them(queues: Queues) -> None:
    url = f"{SITE}?PHPSESSID=0123456789abcdef0123456789abcdef"
    urls = [f"{url}#/a", f"{url}#/b", f"{SITE}#/a"]
    assert queues.tasks.put([NewTask(kind=TaskKind.RENDER, url=one) for one in urls]) == 2
    assert [task.url for task in take(queues, RENDERER)] == urls[:2]


# --- what holds for all of them ---


def test_pages_to_be_rendered_have_their_hosts_slots(make: Callable[..., Queues]) -> None:
    queues = make(per_host=2)
    queues.tasks.put([render(1), render(2), render(3), page(4), *images(2)])
    renderings = take(queues, RENDERER, slots=1)
    assert len(renderings) >= 1
    [reading] = take(queues, HARVESTER, slots=1)
    assert take(queues) == [], "both slots are taken"
    queues.results.put([saved(task) for task in renderings])
    assert take(queues) != []
    assert reading.url == page(4).url


def test_a_host_with_a_delay_is_asked_for_one_thing_at_a_time(make: Callable[..., Queues]) -> None:
    queues = make(delay_s=10.0)
    queues.tasks.put([page(1), render(1)])
    [task] = take(queues, RENDERER)
    assert task.host_delay_s == 10.0
    assert take(queues, HARVESTER) == []
    queues.pass_time(11.0)
    assert len(take(queues, HARVESTER)) == 1


def test_a_pause_holds_for_pages_to_be_rendered(queues: Queues) -> None:
    queues.tasks.put([page(1), render(2), render(3, "b")])
    [reading] = take(queues, HARVESTER)
    queues.results.put([saved(reading, host_pause_s=10.0)])
    [other] = take(queues, RENDERER)
    assert other.url == render(3, "b").url
    queues.pass_time(11.0)
    assert [task.url for task in take(queues, RENDERER, held=[other])] == [render(2).url]


def test_renderers_are_held_back_as_harvesters_are(make: Callable[..., Queues]) -> None:
    queues = make(image_backlog=2)
    queues.tasks.put([render(1), page(2), *images(2)])
    assert take(queues, RENDERER) == []
    assert take(queues, HARVESTER) == []
    with in_thread(lambda: take(queues, RENDERER, wait_s=10.0)) as outcome:
        wait_until(lambda: queues.tasks.stats().worker_count == 2)
        assert len(take(queues, count=1, slots=1)) == 1
    [[task]] = outcome
    assert task.url == render(1).url


def test_a_size_waits_as_long_as_a_rendered_page_may_name_a_larger_one(queues: Queues) -> None:
    small = NewTask(
        kind=TaskKind.IMAGE, url=f"{SITE}a.jpg?w=300", origin=Origin(page_url=SITE, found_in="img")
    )
    large = msgspec.structs.replace(small, url=f"{SITE}a.jpg?w=600")
    queues.tasks.put([render(1), small])
    [rendering] = take(queues, RENDERER)
    queues.pass_time(2.0)
    assert take(queues) == []
    queues.results.put([saved(rendering, discovered=(large,))])
    got: list[str] = []

    def is_there() -> bool:
        queues.pass_time(0.5)
        got.extend(task.url for task in take(queues))
        return bool(got)

    wait_until(is_there)
    assert got == [large.url]


def test_routes_are_limited_as_pages_are_and_take_nothing_from_them(make: Callable[..., Queues]) -> None:
    queues = make(max_pages=2, max_images=1)
    assert queues.tasks.put([route(f"/{number}") for number in range(4)]) == 2
    assert queues.tasks.put([page(1), page(2), page(3), image(1), image(2)]) == 3
    assert queues.tasks.stats().dropped == {"max-pages": 3, "max-images": 1}


def test_what_is_said_of_one_kind_is_no_record_of_another(queues: Queues) -> None:
    queues.tasks.put([render(1)])
    [task] = take(queues, RENDERER)
    page_of_it = PageRecord(url=task.url, status=PageStatus.HARVESTED)
    queues.results.put([Result(token=task.token, record=page_of_it)])
    queues.pass_time(3.0)
    [task] = take(queues, RENDERER)
    assert task.attempt == 2
    for flaw in ({"left_out": {"nonsense": 1}}, {"signs": "nonsense"}, {"reason": "no-browser"}):
        record = msgspec.structs.replace(saved(task).record, **flaw)
        queues.results.put([Result(token=task.token, record=record)])
        queues.pass_time(60.0)
        if again := take(queues, RENDERER):
            [task] = again
    assert queues.tasks.stats().render_status in ({}, {"failed": 1})
    queues.tasks.put([page(1)])
    [reading] = take(queues, HARVESTER)
    odd = PageRecord(url=reading.url, status=PageStatus.HARVESTED, render="nonsense")
    queues.results.put([Result(token=reading.token, record=odd)])
    assert queues.tasks.stats().page_status == {}


# --- workers that go, and second tries ---


def test_leases_of_a_lost_renderer_run_out(make: Callable[..., Queues]) -> None:
    queues = make(max_attempts=2, lease_s=10.0)
    queues.tasks.put([render(1)])
    assert len(take(queues, RENDERER)) == 1
    queues.pass_time(11.0)
    [task] = take(queues, worker("r2", TaskKind.RENDER))
    assert task.attempt == 2
    queues.pass_time(11.0)
    stats = queues.tasks.stats()
    assert (stats.render_status, stats.render_reasons) == ({"dead": 1}, {"lease-expired": 1})
    [record] = renders(queues)
    assert (record.template, record.signs, record.url) == ("family/fine", "scripts", render(1).url)


def test_what_is_given_back_is_charged_nothing(queues: Queues) -> None:
    queues.tasks.put([render(1), render(2)])
    got = take(queues, RENDERER)
    queues.tasks.release(RENDERER, tokens(got[:1]))
    assert queues.tasks.heartbeat(RENDERER, held=tokens(got)).lost == (got[0].token,)
    queues.results.put([failed(got[1], untouched=True)])
    assert [task.attempt for task in take(queues, RENDERER)] == [1, 1]


def test_what_waits_for_a_host_that_is_down_is_told_how_it_is_put_back(make: Callable[..., Queues]) -> None:
    queues = make(host_patience_s=0.0, max_attempts=1)
    queues.tasks.put([*images(20), render(1), render(2)])
    for _ in range(40):
        got = take(queues)
        queues.results.put([failed(task, "host-not-found") for task in got])
        queues.pass_time(30.0)
        if queues.tasks.stats().drained:
            break
    found = renders(queues)
    assert {record.reason for record in found} == {"host-down"}
    for record in found:
        assert record.detail.endswith("image-crawler retry DIR --reason host-down --renders puts it back")


def test_they_are_seen_by_who_watches(queues: Queues) -> None:
    queues.tasks.put([render(1), render(2), page(1), image(1, "b"), image(2, "b")])
    take(queues, RENDERER, count=1)
    status = queues.tasks.status()
    by_name = {host.name: host for host in status.hosts}
    of_site = by_name["http://a.example"]
    assert (of_site.pages, of_site.images, of_site.renders, of_site.in_flight) == (1, 0, 1, 1)
    assert [who.kind for who in status.workers] == [TaskKind.RENDER]
    for number in range(40):
        queues.tasks.put([render(number + 10)])
        queues.results.put([saved(task) for task in take(queues, RENDERER)])
        queues.pass_time(1.0)
    assert queues.tasks.status().renders_per_s > 0


def test_the_books_balance(queues: Queues) -> None:
    queues.tasks.put([render(1), page(1), image(1)])
    for who in (RENDERER, HARVESTER, worker()):
        queues.results.put([saved(task) for task in take(queues, who)])
    stats = books(queues)
    assert stats.drained
    assert stats.balanced
    assert sum(stats.render_status.values()) == stats.renders.discovered == 1
    assert [type(record) for record in queues.results.get().records] == [
        RenderRecord,
        PageRecord,
        ImageRecord,
    ]
