"""A refreshed crawl, seen from the queue: records stand until there are newer ones, and changed ones become history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from crawler.config import QueueConfig, ScopeConfig
from crawler.models import (
    ImageRecord,
    ImageStatus,
    NewTask,
    Origin,
    PageRecord,
    PageStatus,
    RenderOutcome,
    RenderRecord,
    RenderStatus,
    Result,
    Revisit,
    Task,
    TaskKind,
    TemplateVerdict,
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
    worker,
)

ORIGIN = Origin(page_url="http://a.example/", found_in="img", alt="a dog", caption="The dog")


@dataclass
class Crawl:
    ledger: Ledger
    queues: Queues

    def finish(self, *tasks: NewTask, **facts: object) -> None:
        """Have *tasks* settled as saved, with more *facts* in their records."""
        self.queues.tasks.put(tasks)
        self.settle(**facts)

    def settle(self, **facts: object) -> list[Task]:
        """Whatever is due."""
        done = []
        for who in (worker(), HARVESTER, RENDERER):
            while leased := take(self.queues, who):
                done += leased
                self.queues.results.put([with_facts(saved(task), **facts) for task in leased])
        return done


def with_facts(result: Result, **facts: object) -> Result:
    names = set(result.record.__struct_fields__)
    record = msgspec.structs.replace(result.record, **{k: v for k, v in facts.items() if k in names})
    return msgspec.structs.replace(result, record=record)


@pytest.fixture(name="crawl")
def a_crawl(tmp_path: Path) -> Iterator[Crawl]:
    queue = QueueConfig(per_host=100, lease_s=10.0, max_attempts=2)
    with embedded(tmp_path / "crawl.db", queue=queue, scope=ScopeConfig()) as (ledger, queues):
        yield Crawl(ledger, queues)


def records(crawl: Crawl) -> list[ImageRecord | PageRecord]:
    return sorted(crawl.queues.results.get().records, key=lambda record: record.url)


def history(crawl: Crawl) -> list[tuple[str, str]]:
    return crawl.ledger._db.execute("SELECT url, etag FROM image_history ORDER BY seq").fetchall()


def test_everything_is_due_once_more_and_known(crawl: Crawl) -> None:
    crawl.finish(
        NewTask(kind=TaskKind.IMAGE, url="http://a.example/1.png", depth=2, origin=ORIGIN),
        page(1),
        etag='"1"',
    )
    (_, before) = records(crawl)
    assert crawl.ledger.refresh() == 2
    stats = crawl.queues.tasks.stats()
    assert (stats.drained, stats.images.ready, stats.pages.ready) == (False, 1, 1)
    assert stats.image_status == {"saved": 1}, "what is known stays known"
    (task,) = take(crawl.queues)
    assert (task.known, task.attempt, task.depth) == (before, 1, 2)
    assert isinstance(task.known, ImageRecord)
    assert task.known.etag == '"1"'
    (a_page,) = take(crawl.queues, HARVESTER)
    assert a_page.known is not None
    assert a_page.known.status is PageStatus.HARVESTED


def test_the_origin_comes_back_from_the_record(crawl: Crawl) -> None:
    crawl.queues.tasks.put([NewTask(kind=TaskKind.IMAGE, url="http://a.example/1.png", origin=ORIGIN)])
    (task,) = take(crawl.queues)
    facts = {name: getattr(ORIGIN, name) for name in ("page_url", "found_in", "alt", "caption")}
    crawl.queues.results.put([with_facts(failed(task), **facts)])
    crawl.ledger.refresh()
    (task,) = take(crawl.queues)
    assert task.origin == ORIGIN
    assert task.known is None, "nothing came of it"


def test_a_crawl_that_has_not_ended_just_goes_on(crawl: Crawl) -> None:
    crawl.queues.tasks.put(images(2))
    assert crawl.ledger.refresh() == 0
    assert all(task.known is None for task in crawl.settle())


def test_new_records_take_the_place_of_old_ones(crawl: Crawl) -> None:
    crawl.finish(*images(3), size_bytes=10)
    crawl.ledger.refresh()
    crawl.settle(size_bytes=7, revisit=Revisit.UNCHANGED)
    stats = crawl.queues.tasks.stats()
    assert (stats.image_status, stats.saved_bytes, stats.balanced) == ({"saved": 3}, 21, True)
    assert [record.revisit for record in records(crawl)] == [Revisit.UNCHANGED] * 3
    assert history(crawl) == []


def test_what_has_changed_leaves_its_history(crawl: Crawl) -> None:
    crawl.finish(image(1), image(2), page(3), etag="one")
    for etag in ("two", "three"):
        crawl.ledger.refresh()
        crawl.settle(etag=etag, revisit=Revisit.CHANGED)
    url = "http://a.example/1.png"
    assert [etag for of, etag in history(crawl) if of == url] == ["one", "two"]
    assert {record.url: record.etag for record in records(crawl)}[url] == "three"
    assert {of for of, _ in history(crawl)} == {url, "http://a.example/2.png"}, "of images only"


def test_a_repeated_result_changes_nothing(crawl: Crawl) -> None:
    crawl.finish(image(1), etag="one")
    crawl.ledger.refresh()
    (task,) = take(crawl.queues)
    result = with_facts(saved(task), etag="two", revisit=Revisit.CHANGED)
    crawl.queues.results.put([result, result])
    crawl.queues.results.put([result])
    assert [etag for _, etag in history(crawl)] == ["one"]
    assert crawl.queues.tasks.stats().balanced


def test_a_worker_that_vanishes_for_good_takes_no_record_with_it(crawl: Crawl) -> None:
    crawl.finish(image(1), etag="one")
    crawl.ledger.refresh()
    for _ in range(2):
        assert len(take(crawl.queues)) == 1
        crawl.queues.pass_time(20.0)
    (record,) = records(crawl)
    assert (record.status, record.revisit) == (ImageStatus.SAVED, Revisit.FAILED)
    assert "no worker came back" in record.detail
    stats = crawl.queues.tasks.stats()
    assert (stats.drained, stats.balanced, stats.image_status) == (True, True, {"saved": 1})


def test_what_had_failed_and_fails_again_is_dead_as_before(crawl: Crawl) -> None:
    crawl.queues.tasks.put([image(1)])
    (task,) = take(crawl.queues)
    crawl.queues.results.put([failed(task)])
    crawl.ledger.refresh()
    for _ in range(2):
        take(crawl.queues)
        crawl.queues.pass_time(20.0)
    (record,) = records(crawl)
    assert (record.status, record.reason) == (ImageStatus.DEAD, "lease-expired")
    assert crawl.queues.tasks.stats().image_status == {"dead": 1}


def test_what_pages_hold_themselves_is_not_asked_for_again(crawl: Crawl) -> None:
    held = NewTask(kind=TaskKind.IMAGE, url=f"data:image/png;sha256={'0' * 64}", origin=ORIGIN)
    crawl.finish(held, image(1))
    assert crawl.ledger.refresh() == 1
    assert [task.url for task in take(crawl.queues)] == ["http://a.example/1.png"]


def test_only_settled_ones_are_put_back_by_retry(crawl: Crawl) -> None:
    crawl.queues.tasks.put([image(1)])
    (task,) = take(crawl.queues)
    crawl.queues.results.put([failed(task)])
    crawl.ledger.refresh()
    assert crawl.queues.tasks.retry(kind=TaskKind.IMAGE) == 0, "it waits already"
    assert len(take(crawl.queues)) == 1
    assert crawl.queues.tasks.retry(kind=TaskKind.IMAGE) == 0, "somebody has it"
    assert crawl.queues.tasks.stats().images.leased == 1


def test_a_refresh_is_remembered_over_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "crawl.db"
    queue = QueueConfig(per_host=100)
    with embedded(file, queue=queue, scope=ScopeConfig()) as (ledger, queues):
        Crawl(ledger, queues).finish(*images(2), etag="one")
        ledger.refresh()
    with embedded(file, queue=queue, scope=ScopeConfig(), new_run=False) as (ledger, queues):
        crawl = Crawl(ledger, queues)
        assert all(task.known for task in crawl.settle(revisit=Revisit.CHANGED, etag="two"))
        assert queues.tasks.stats().balanced
        assert len(history(crawl)) == 2


# --- one file, several URLs ---


def give(crawl: Crawl, **facts: dict[str, object]) -> None:
    """Have each image by its number settled with its facts, in this order."""
    leased = {task.url: task for task in take(crawl.queues)}
    for name, its in facts.items():
        task = leased[image(int(name.removeprefix("i"))).url]
        crawl.queues.results.put([with_facts(saved(task), **its)])


def statuses(crawl: Crawl) -> dict[str, tuple[str, str]]:
    """By number: the status, and the path."""
    return {record.url[-5]: (record.status.value, record.path) for record in records(crawl)}


DIGEST = "ab" * 32
X, Y, Z = ({"sha256": letter * 64, "path": f"images/{letter}.png", "size_bytes": 10} for letter in "123")


def test_names_that_are_digests_are_saved_once_and_then_duplicates(crawl: Crawl) -> None:
    facts = {"sha256": DIGEST, "path": f"images/ab/ab/{DIGEST}.png", "size_bytes": 10}
    crawl.queues.tasks.put(images(3))
    leased = take(crawl.queues)
    crawl.queues.results.put([with_facts(saved(task), **facts) for task in leased[:2]])  # in one message
    crawl.queues.results.put([with_facts(saved(leased[2]), **facts)])
    assert [record.status for record in records(crawl)] == ["saved", "duplicate", "duplicate"]
    stats = crawl.queues.tasks.stats()
    assert (stats.image_status, stats.saved_bytes) == ({"saved": 1, "duplicate": 2}, 10)


def test_a_duplicate_inherits_the_file_of_one_that_has_changed(crawl: Crawl) -> None:
    crawl.queues.tasks.put(images(3))
    give(crawl, i0=X, i1=X | {"status": ImageStatus.DUPLICATE}, i2=X | {"status": ImageStatus.DUPLICATE})
    crawl.ledger.refresh()
    give(crawl, i0=Y, i1=X | {"revisit": Revisit.UNCHANGED}, i2=X | {"revisit": Revisit.UNCHANGED})
    assert statuses(crawl) == {
        "0": ("saved", Y["path"]),
        "1": ("saved", X["path"]),
        "2": ("duplicate", X["path"]),
    }
    stats = crawl.queues.tasks.stats()
    assert (stats.image_status, stats.saved_bytes) == ({"saved": 2, "duplicate": 1}, 20)
    crawl.ledger.refresh()
    give(crawl, i0=X, i1=Z, i2=X)
    assert [status for status, _ in statuses(crawl).values()].count("saved") == 2, "one for each file"
    assert crawl.queues.tasks.stats().saved_bytes == 20
    assert crawl.queues.tasks.stats().balanced


def test_what_a_worker_says_takes_nothing_away_that_was_saved(crawl: Crawl) -> None:
    crawl.finish(image(1), etag="one")
    crawl.ledger.refresh()
    (task,) = take(crawl.queues)
    crawl.queues.results.put([failed(task)])
    (record,) = records(crawl)
    assert (record.status, record.revisit, record.revisit_reason) == ("saved", "failed", "server-error")


def test_other_bytes_are_a_change_whatever_a_worker_calls_it(crawl: Crawl) -> None:
    crawl.finish(image(1), etag="one", sha256="1" * 64)
    crawl.ledger.refresh()
    crawl.settle(etag="two", sha256="2" * 64, revisit=Revisit.UNCHANGED)
    assert [record.revisit for record in records(crawl)] == [Revisit.CHANGED]
    assert [etag for _, etag in history(crawl)] == ["one"]


# --- marks, and trying again ---


def test_marks_are_of_the_latest_refresh_and_new_ones_are_told(crawl: Crawl) -> None:
    crawl.finish(image(1))
    crawl.ledger.refresh()
    crawl.queues.tasks.put([image(2)])
    assert len(take(crawl.queues)) == 2
    crawl.queues.tasks.leave(worker().id, charged=False)
    for task in take(crawl.queues, worker("w2")):
        outcome = Revisit.UNCHANGED if task.known else Revisit.NONE
        crawl.queues.results.put([with_facts(saved(task), revisit=outcome)])
    assert [record.revisit for record in records(crawl)] == ["unchanged", "new"]
    crawl.ledger.refresh()
    assert [record.revisit for record in records(crawl)] == ["", ""], "not visited since"


def test_what_failed_in_a_refresh_can_be_tried_again_and_stands_meanwhile(crawl: Crawl) -> None:
    crawl.finish(*images(3))
    crawl.ledger.refresh()
    for task in take(crawl.queues):
        outcome = Revisit.FAILED if task.url == image(0).url else Revisit.UNCHANGED
        reason = "server-error" if outcome is Revisit.FAILED else ""
        crawl.queues.results.put([with_facts(saved(task), revisit=outcome, revisit_reason=reason)])
    assert crawl.queues.tasks.retry(kind=TaskKind.IMAGE, reason="too-slow") == 0
    assert crawl.queues.tasks.retry(kind=TaskKind.IMAGE, reason="server-error") == 1
    assert crawl.queues.tasks.stats().image_status == {"saved": 3}
    (task,) = take(crawl.queues)
    assert task.known is not None
    crawl.queues.results.put([with_facts(saved(task), revisit=Revisit.UNCHANGED)])
    assert crawl.queues.tasks.retry(kind=TaskKind.IMAGE) == 0
    assert crawl.queues.tasks.stats().balanced


@pytest.mark.parametrize(("rules", "conditional"), [("the same", True), ("others", False)])
def test_pages_are_read_anew_by_other_rules(crawl: Crawl, rules: str, *, conditional: bool) -> None:
    crawl.ledger.note_rules("the same")
    crawl.finish(image(1), page(1), etag="one")
    crawl.ledger.refresh(rules)
    (a_page,), (an_image,) = take(crawl.queues, HARVESTER), take(crawl.queues)
    assert a_page.known is not None
    assert an_image.known is not None
    assert (bool(a_page.known.etag), bool(an_image.known.etag)) == (conditional, True)


def test_pages_that_were_read_by_several_rules_are_read_anew(crawl: Crawl) -> None:
    for rules in ("one", "two"):
        crawl.ledger.note_rules(rules)
    crawl.finish(page(1), etag="one")
    crawl.ledger.refresh("two")
    (task,) = take(crawl.queues, HARVESTER)
    assert task.known is not None
    assert not task.known.etag


def test_a_rendered_page_is_rendered_once_more_and_its_template_found_out_anew(crawl: Crawl) -> None:
    crawl.finish(render(1), render(2), gains={"scroll": 3})
    for task in range(3):
        crawl.queues.tasks.tell_template(
            host="http://a.example", name="family/fine", outcome=RenderOutcome(task=task)
        )
    asked = {"host": "http://a.example", "name": "family/fine"}
    assert crawl.queues.tasks.template(**asked).verdict is TemplateVerdict.SKIP
    assert crawl.ledger.refresh() == 2
    assert crawl.queues.tasks.template(**asked).verdict is TemplateVerdict.UNKNOWN
    one, two = take(crawl.queues, RENDERER)
    assert isinstance(one.known, RenderRecord)
    assert (one.known.gains, one.origin) == ({"scroll": 3}, render(1).origin)
    no_gain = RenderRecord(url=two.url, status=RenderStatus.REJECTED, reason="no-gain")
    crawl.queues.results.put([saved(one), Result(token=two.token, record=no_gain)])
    kept = {record.url: record for record in records(crawl)}
    assert (kept[one.url].status, kept[one.url].revisit) == ("rendered", Revisit.NONE)
    assert (kept[two.url].status, kept[two.url].revisit) == ("rendered", Revisit.FAILED)
    assert kept[two.url].revisit_reason == "no-gain"
    assert crawl.queues.tasks.stats().drained


def test_one_that_is_rendered_for_the_first_time_by_a_refresh_is_new(crawl: Crawl) -> None:
    crawl.finish(page(1))
    crawl.ledger.refresh()
    crawl.queues.tasks.put([render(1)])
    crawl.settle()
    assert {type(record): record.revisit for record in records(crawl)}[RenderRecord] is Revisit.NEW
