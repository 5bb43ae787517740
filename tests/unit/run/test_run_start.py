"""The runs of a crawl in its books: when, with which settings, what came of each."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from crawler.catalog import Catalog
from crawler.config import Config, QueueConfig, ScopeConfig, load, settings_of
from crawler.config.changes import changes_between
from crawler.models import Run, RunKind, RunOutcome
from crawler.queues.ledger import Ledger
from crawler.run.context import CrawlContext, StartMode
from crawler.run.endpoints import Access, ManagerEndpoint
from crawler.run.run_start import begin_run
from tests.support.queues import HARVESTER, embedded, page, saved, take

SEEDS = ("http://a.example/",)
NOWHERE = ManagerEndpoint(address=("127.0.0.1", 0), access=Access(authkey=b""))


def opened(folder: Path) -> Ledger:
    return Ledger(folder / "crawl.db", queue=QueueConfig(), scope=ScopeConfig(), new_run=True)


def begun(folder: Path, config: Config | None = None, start: StartMode = StartMode.GO_ON) -> Ledger:
    ledger = opened(folder)
    context = CrawlContext(folder=folder, config=config or Config(), seeds=SEEDS, endpoint=NOWHERE)
    begin_run(ledger, context, start, finished=ledger.stats().drained)
    return ledger


def runs(folder: Path) -> tuple[Run, ...]:
    with Catalog(folder) as catalog:
        return catalog.runs()


def finish(ledger: Ledger) -> None:
    lease = ledger.lease(HARVESTER, count=10, slots=10, wait_s=0, held=())
    tasks = [task for batch in lease.batches for task in batch.tasks]
    ledger.settle([saved(task) for task in tasks])
    assert ledger.stats().drained


def test_a_run_has_its_settings_and_ends_when_nothing_is_left(tmp_path: Path) -> None:
    ledger = begun(tmp_path, load(flags={"max_depth": 3, "include": ["*/a/*"]}))
    (running,) = runs(tmp_path)
    assert (running.number, running.kind, running.outcome, running.ended_at) == (1, "crawl", "", "")
    assert (running.settings["max_depth"], running.settings["include"]) == (3, ("*/a/*",))
    finish(ledger)
    (finished,) = runs(tmp_path)
    assert finished.outcome is RunOutcome.FINISHED
    assert finished.ended_at >= finished.begun_at
    ledger.end_run()
    ledger.close()
    assert runs(tmp_path) == (finished,), "what has come to its end is not stopped any more"


def test_one_that_is_stopped_and_one_that_is_killed_are_told_from_those_that_finish(tmp_path: Path) -> None:
    for stops in (True, False):
        ledger = begun(tmp_path)
        if stops:
            ledger.end_run()
        ledger.close()
    ledger = begun(tmp_path)
    finish(ledger)
    ledger.close()
    assert [run.outcome for run in runs(tmp_path)] == ["stopped", "", "finished"]


def test_a_start_that_has_nothing_to_do_is_no_run(tmp_path: Path) -> None:
    for _ in range(2):
        ledger = begun(tmp_path)
        if not ledger.stats().drained:
            finish(ledger)
        ledger.close()
    assert len(runs(tmp_path)) == 1


def test_a_refresh_is_one_of_its_own(tmp_path: Path) -> None:
    ledger = begun(tmp_path)
    finish(ledger)
    ledger.close()
    ledger = begun(tmp_path, start=StartMode.REFRESH)
    ledger.close()
    assert [run.kind for run in runs(tmp_path)] == [RunKind.CRAWL, RunKind.REFRESH]


def test_the_manager_that_is_started_once_more_goes_on_with_the_same_run(tmp_path: Path) -> None:
    begun(tmp_path).close()
    ledger = Ledger(tmp_path / "crawl.db", queue=QueueConfig(), scope=ScopeConfig(), new_run=False)
    ledger.go_on_with_run()
    finish(ledger)
    ledger.close()
    (run,) = runs(tmp_path)
    assert run.outcome is RunOutcome.FINISHED


def test_secrets_are_not_written_down(tmp_path: Path) -> None:
    config = load(flags={"login": "anna:s3cret", "headers": ["Cookie: s3cret"]})
    begun(tmp_path, config).close()
    (run,) = runs(tmp_path)
    assert (run.settings["login"], run.settings["headers"]) == ("…", "…")
    assert b"s3cret" not in b"".join(file.read_bytes() for file in tmp_path.glob("crawl.db*"))
    assert "authkey_file" not in settings_of(config), "what is each machine's own is no crawl's"


def test_rows_that_are_absurd_are_read_all_the_same(tmp_path: Path) -> None:
    begun(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "crawl.db")) as db, db:
        db.execute("UPDATE runs SET settings = '[[', notes = x'ff', outcome = 'well', begun_at = x'00'")
    (run,) = runs(tmp_path)
    assert (run.number, run.settings, run.notes, run.outcome, run.begun_at) == (1, {}, (), "", "")


def test_a_crawl_of_a_version_without_these_books_has_none(tmp_path: Path) -> None:
    from tests.support.earlier import of_schema

    with embedded(tmp_path / "crawl.db", queue=QueueConfig(), scope=ScopeConfig()) as (_, queues):
        queues.tasks.put([page(1)])
        queues.results.put([saved(task) for task in take(queues, HARVESTER)])
    of_schema(6, tmp_path)
    assert runs(tmp_path) == ()


@pytest.mark.parametrize(
    "flags", [{"max_pages": 2**63 - 1}, {"delay_s": 9e18}, {"headers": ["A: " + "x" * 200_000]}]
)
def test_every_value_that_a_setting_may_have_is_found_again(tmp_path: Path, flags: dict[str, Any]) -> None:
    settings = settings_of(load(flags=flags))
    ledger = opened(tmp_path)
    ledger.begin_run(kind=RunKind.CRAWL, settings=settings)
    last = ledger.latest_run()
    ledger.close()
    assert last is not None
    assert not changes_between(last.settings, settings).all


def test_one_setting_that_is_absurd_hides_no_other(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.begin_run(
        kind=RunKind.CRAWL, settings={"layout": "flat", "newer": {"a": 1}, "max_depth": -(2**70)}
    )
    last = ledger.latest_run()
    ledger.close()
    assert last is not None
    assert last.settings == {"layout": "flat"}
