"""The commands of a crawl whose queue lies in Redis: what they are given, what they say, and what they never show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crawler.catalog import Catalog
from crawler.catalog.summary import read_stats
from crawler.cli import collect as collect_module
from crawler.cli import control, crawl_tables, main
from crawler.cli.crawl_run import _invitation
from crawler.config import Config, load
from crawler.crawlfile.layout import CrawlFolder
from crawler.models import Counts, Stats, TaskKind
from crawler.queues import Plan
from crawler.queues.ledger import Ledger
from crawler.run.context import StartMode
from crawler.run.redis_endpoint import RedisEndpoint
from crawler.run.supervisor import Crawl

SEED = "http://127.0.0.1:9/"
URL = "redis://joe:s3cret@127.0.0.1:1/0#flowers"


class Client:
    """Of a Redis that nobody asks."""

    def __init__(self, *_: object, **__: object) -> None: ...


@pytest.fixture(autouse=True)
def _nothing_is_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RedisEndpoint, "client", Client)


def a_crawl(folder: Path, **notes: str) -> Path:
    """A folder with one failed image, of a crawl with these notes."""
    folder.mkdir()
    ledger = Ledger(CrawlFolder(folder).ledger, queue=Config().queue, scope=Config().scope, new_run=True)
    ledger.set_seeds([SEED])
    for key, value in notes.items():
        ledger._db.execute("INSERT INTO meta VALUES (?, ?)", (key, value))
    ledger.close()
    return folder


def joined_by(monkeypatch: pytest.MonkeyPatch, plan: Plan) -> None:
    class Tasks:
        def plan(self) -> Plan:
            return plan

    @contextmanager
    def tasks_of(address: str, config: Config) -> Iterator[Tasks]:
        assert address == URL
        yield Tasks()

    monkeypatch.setattr(collect_module, "tasks_of", tasks_of)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["collect", "192.0.2.7"], "'192.0.2.7' is no address of a Redis or Valkey"),
        (["collect", "redis://:s3cret@"], "it names no host"),
        (["work", "redis://:s3cret@192.0.2.7"], "without TLS whoever is on the path to 192.0.2.7"),
        (["status", "redis+ring://:s3cret@a"], "its scheme is none of"),
        (["serve", SEED, "--queue", "redis://:s3cret@/"], "it names no host"),
        (["serve", SEED, "--queue", URL, "--bind", "127.0.0.1"], "leave one of them out"),
        (["crawl", SEED, "--queue", URL, "--storage", "manager"], "--storage manager keeps images on the machine"),
    ],
)  # fmt: skip
def test_what_can_not_be_is_said_and_no_password_is(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "s3cret" not in told
    assert list(tmp_path.iterdir()) == []


def test_collecting_takes_the_folder_of_the_crawl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    joined_by(monkeypatch, Plan(id="c-s-0", seeds=(SEED,), config=load(flags={"max_depth": 3})))
    assert main(["collect", URL, "-o", str(tmp_path / "none")]) == 2
    assert "holds no crawl: name the folder that this one was begun in" in capsys.readouterr().err
    ran: list[Crawl] = []
    monkeypatch.setattr(collect_module, "run", lambda running, **_: ran.append(running) or 0)
    folder = a_crawl(tmp_path / "crawl")
    assert main(["collect", URL, "-o", str(folder), "--reconnect-s", "3"]) == 0
    (running,) = ran
    assert running.seeds == (SEED,)
    assert running.config.scope.max_depth == 3, "every setting of the crawl comes from the crawl"
    assert running.config.access.reconnect_s == 3
    assert running.config.manager.queue == URL
    assert running._start is StartMode.JOIN
    assert running._worker_counts() == {}


def test_collecting_what_is_no_crawl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    joined_by(monkeypatch, Plan())
    assert main(["collect", URL, "-o", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "there is no crawl at redis://…@127.0.0.1:1/0#flowers" in told


def test_whoever_pauses_sees_no_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Tasks:
        def pause(self, by: str = "") -> None: ...

    @contextmanager
    def tasks_of(address: str, config: Config) -> Iterator[Tasks]:
        assert address == URL
        yield Tasks()

    monkeypatch.setattr(control, "tasks_of", tasks_of)
    assert main(["pause", URL]) == 0
    assert capsys.readouterr().out == (
        "paused; to go on: image-crawler resume redis://…@127.0.0.1:1/0#flowers\n"
    )


def test_workers_are_invited_without_the_password(tmp_path: Path) -> None:
    flags = {"queue": "redis://joe:s3cret@127.0.0.1/2"}
    running = Crawl([SEED], folder=tmp_path / "my crawl", config=load(flags=flags))
    assert _invitation(running) == (
        "open to workers: image-crawler work redis://joe@127.0.0.1:6379/2#my_crawl --queue-password-file …"
    )


@pytest.mark.parametrize(
    ("notes", "more"),
    [({}, ""), ({"queue": "redis://127.0.0.1:6379/0#c"}, " --queue redis://127.0.0.1:6379/0#c")],
)
def test_who_puts_images_back_is_told_of_the_queue(
    tmp_path: Path, notes: dict[str, str], more: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    folder = a_crawl(tmp_path / "crawl", **notes)
    monkeypatch.setattr(Ledger, "retry", lambda *_, **__: 2)
    assert main(["retry", str(folder)]) == 0
    assert capsys.readouterr().out == (
        f"2 {TaskKind.IMAGE}s put back in the queue. To fetch them: image-crawler crawl {SEED} -o {folder}{more}\n"
    )


@pytest.mark.parametrize(
    ("notes", "finished"),
    [({}, True), ({"queue": "redis://r/0"}, False), ({"queue": "redis://r/0", "complete": "x"}, True)],
)
def test_a_crawl_whose_queue_has_more_to_do_is_not_finished(
    tmp_path: Path, notes: dict[str, str], finished: bool, capsys: pytest.CaptureFixture[str]  # noqa: FBT001
) -> None:  # fmt: skip
    folder = a_crawl(tmp_path / "crawl", **notes)
    with Catalog(folder) as catalog:
        assert read_stats(catalog).drained is finished
    assert main(["status", str(folder)]) == 0
    told = capsys.readouterr().out
    assert ("what is left to do is in its queue, in Redis" in told) is not finished


def test_what_is_left_in_the_folder_is_counted() -> None:
    left = Stats(pages=Counts(ready=2), images=Counts(delayed=1))
    assert crawl_tables.state(left).plain == "not finished: 1 image and 2 pages to go"
