"""What the operator of a crawl looks at: the tables of ``status``, in a terminal and in a pipe."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest
from rich.console import Console

from crawler import cli
from crawler.cli import operation, tables
from crawler.cli import status as status_module
from crawler.cli.crawl import run
from crawler.config import QueueConfig, ScopeConfig
from crawler.errors import CrawlStopped
from crawler.folder import CrawlFolder
from crawler.models import Counts, HostStatus, Stats, Status, TaskKind, WorkerStatus
from tests.queues import (
    AUTHKEY,
    HARVESTER,
    Queues,
    embedded,
    images,
    in_thread,
    page,
    served,
    take,
    wait_until,
)


def a_worker(
    number: int, machine: str = "box", kind: TaskKind = TaskKind.IMAGE, **more: object
) -> WorkerStatus:
    facts = {
        "threads": 4,
        "running": 2,
        "held": 10,
        "done": 100,
        "version": "0.1.0",
        "done_per_s": 1.5,
        **more,
    }
    return WorkerStatus(id=f"{machine}:{kind}-{number}", kind=kind, machine=machine, pid=number, **facts)  # type: ignore[arg-type]


def drawn(part: object, width: int = 110) -> list[str]:
    out = Console(file=io.StringIO(), width=width, record=True, force_terminal=True, legacy_windows=False)
    out.print(part)
    return out.export_text().splitlines()


def test_each_worker_has_its_row() -> None:
    status = Status(
        workers=(
            a_worker(7),
            a_worker(3, kind=TaskKind.PAGE),
            a_worker(5, "attic", seen_s=42.0, version="0.2.0"),
        )
    )
    rows = [
        line.split() for line in drawn(operation.workers_table(status)) if line.startswith(("box", "attic"))
    ]
    assert rows == [
        ["attic", "downloader", "5", "0.2.0", "2/4", "10", "100", "1.5", "42", "s", "ago"],
        ["box", "harvester", "3", "0.1.0", "2/4", "10", "100", "1.5", "0", "s", "ago"],
        ["box", "downloader", "7", "0.1.0", "2/4", "10", "100", "1.5", "0", "s", "ago"],
    ]


def test_each_machine_has_its_row_when_workers_are_too_many() -> None:
    status = Status(
        workers=(
            *tuple(a_worker(n, f"m{n % 3}", seen_s=float(n)) for n in range(90)),
            a_worker(99, "m0", kind=TaskKind.PAGE, version="0.2.0"),
        )
    )
    rows = [line for line in drawn(operation.workers_table(status)) if line.startswith("m")]
    assert [row.split()[:4] for row in rows] == [
        ["m0,", "1", "harvester,", "30"],
        ["m1,", "30", "downloaders", "0.1.0"],
        ["m2,", "30", "downloaders", "0.1.0"],
    ]
    assert "0.1.0, 0.2.0" in rows[0]
    assert rows[1].split()[4:9] == ["60/120", "300", "3,000", "45.0", "1"]


def test_what_a_machine_calls_itself_can_not_drive_the_terminal() -> None:
    (row,) = [
        line
        for line in drawn(operation.workers_table(Status(workers=(a_worker(1, "\x1b[2Jbox\n"),))))
        if "box" in line
    ]
    assert "\x1b" not in row


def test_hosts_tell_when_they_are_due() -> None:
    hosts = (
        HostStatus(name="http://a.example", images=1200, in_flight=8),
        HostStatus(name="http://b.example", images=3, pages=1, due_s=12.4, delay_s=1.5),
        HostStatus(name="http://c.example", images=3, due_s=3700.0, delay_s=0.25),
    )
    lines = drawn(operation.hosts_table(Status(hosts=hosts, host_count=2003), most=3))
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("http")}
    assert rows == {
        "http://a.example": ["0", "1,200", "8", "now"],
        "http://b.example": ["1", "3", "0", "1.5", "s", "in", "12", "s"],
        "http://c.example": ["0", "3", "0", "0.25", "s", "in", "1:01:40"],
    }
    assert lines[-1].strip() == "and 2,000 more"


def test_hosts_tell_what_is_wrong_with_them() -> None:
    hosts = (
        HostStatus(name="http://a.example", images=1200, in_flight=8),
        HostStatus(
            name="http://b.example", images=3, due_s=31.0, trouble="backing off", failures=1234,
            last_reason="server-error", trouble_s=70.0,
        ),
        HostStatus(
            name="http://c.example", due_s=540.0, trouble="down", failures=9, last_reason="connect-timeout",
            trouble_s=190.0,
        ),
        HostStatus(name="http://d.example", images=1, trouble="recovering"),
        HostStatus(
            name="http://e.example", images=1, delay_s=0.11237, trouble="slowed", failures=3,
            last_reason="rate-limited",
        ),
    )  # fmt: skip
    lines = drawn(operation.hosts_table(Status(hosts=hosts, host_count=5)))
    assert [line.split()[-1] for line in lines if "Pages" in line] == ["State"]
    assert [line.split("  ")[-1].strip() for line in map(str.rstrip, lines) if line.startswith("http")] == [
        "now",
        "backing off: server-error \N{MULTIPLICATION SIGN}1,234",
        "down for 3 min: connect-timeout",
        "recovering",
        "slowed: rate-limited \N{MULTIPLICATION SIGN}3",
    ]
    assert any("0.112 s" in line for line in lines)


@pytest.mark.parametrize(
    ("trouble_s", "said"), [(0.2, "0 s"), (119, "119 s"), (121, "2 min"), (7000, "117 min"), (7300, "2 h")]
)
def test_how_long_a_host_is_down_is_said_roughly(trouble_s: float, said: str) -> None:
    host = HostStatus(name="http://a.example", trouble="down", last_reason="x", trouble_s=trouble_s)
    assert any(f"down for {said}: x" in line for line in drawn(operation.hosts_table(Status(hosts=(host,)))))


def test_hosts_in_trouble_are_shown_though_they_have_little_to_do() -> None:
    hosts = (
        *(HostStatus(name=f"http://busy{n}.example", images=100 - n) for n in range(50)),
        *(HostStatus(name=f"http://bad{n}.example", trouble="down", last_reason="x") for n in range(9)),
    )
    lines = drawn(operation.hosts_table(Status(hosts=hosts, host_count=50), most=15))
    names = [line.split()[0] for line in lines if line.startswith("http")]
    assert names == [
        *(f"http://busy{n}.example" for n in range(10)),
        *(f"http://bad{n}.example" for n in range(5)),
    ]
    assert lines[-1].strip() == "and 44 more"


def test_rates_are_one_line() -> None:
    status = Status(images_per_s=1234.5, pages_per_s=2.0, saved_bytes_per_s=3e6, worker_count=1, up_s=61.0)
    assert drawn(operation.rates(status)) == [
        "1,234.5 images/s, 2.0 pages/s, 2.9 MiB/s saved, 1 worker, up 0:01:01"
    ]


@pytest.mark.parametrize(
    ("stats", "said"),
    [
        (Stats(paused=True), "paused; image-crawler resume has it go on"),
        (Stats(halted="stopped by anna", stopped=True), "stopping: stopped by anna"),
        (Stats(halted="the disk is full"), "halted: the disk is full"),
        (Stats(images=Counts(ready=3)), "not finished: 3 images and 0 pages to go"),
    ],
)
def test_the_state_is_said_first(stats: Stats, said: str) -> None:
    assert tables.state(stats).plain == said


# --- the commands, at a crawl that runs ---


@contextmanager
def running(folder: Path) -> Iterator[Queues]:
    """A crawl's manager, and the files by which commands find it."""
    files = CrawlFolder(folder)
    folder.mkdir()
    with (
        embedded(files.ledger, queue=QueueConfig(), scope=ScopeConfig()) as (ledger, queues),
        served(queues.tasks, queues.results, tick=ledger.tick) as server,
    ):
        queues.tasks.put([*images(9), page(1)])
        take(queues, HARVESTER)
        files.publish(server.listener.address, AUTHKEY)
        yield queues


def test_a_crawl_that_runs_is_asked_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running(tmp_path / "crawl"):
        assert cli.main(["status", str(tmp_path / "crawl"), "--json"]) == 0
        status = json.loads(capsys.readouterr().out)
        assert cli.main(["status", str(tmp_path / "crawl")]) == 0
        shown = capsys.readouterr().out
    assert status["images"]["ready"] == 9
    assert [(who["id"], who["held"]) for who in status["workers"]] == [("h1", 1)]
    assert [(host["name"], host["images"]) for host in status["hosts"]] == [("http://a.example", 9)]
    assert status["up_s"] >= 0
    assert "http://a.example" in shown
    assert "box harvester 7" in shown


def test_a_crawl_whose_manager_has_gone_tells_from_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.cli.joining.ASKED_ONCE_S", 0.1)
    with running(tmp_path / "crawl"):
        pass
    assert cli.main(["status", str(tmp_path / "crawl"), "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["images"]["ready"], status["workers"]) == (9, [])


def test_watch_goes_on_until_the_crawl_has_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_module, "REFRESH_S", 0.01)
    watched: list[int] = []
    with running(tmp_path / "crawl") as queues:
        status = queues.tasks.status
        queues.tasks.status = lambda: (watched.append(1), status())[1]  # type: ignore[method-assign]
        with in_thread(lambda: cli.main(["status", str(tmp_path / "crawl"), "--watch", "--json"])) as outcome:
            wait_until(lambda: watched)
            queues.tasks.stop("that is all")
        assert outcome == [0]
    states = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert states[-1]["stopped"]
    assert all(not state["stopped"] for state in states[:-1])


def test_pause_resume_and_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "crawl")
    with running(tmp_path / "crawl") as queues:
        stats = queues.tasks.stats
        assert cli.main(["pause", folder]) == 0
        assert stats().paused
        assert capsys.readouterr().out == f"paused; to go on: image-crawler resume {folder}\n"
        assert cli.main(["resume", folder]) == 0
        assert not stats().paused
        assert cli.main(["resume", folder]) == 0
        assert capsys.readouterr().out == "it goes on\nit was not paused\n"
        assert cli.main(["stop", folder]) == 0
        assert stats().stopped
        assert stats().halted.startswith("stopped by ")


@pytest.mark.parametrize("command", ["pause", "resume", "stop", "work", "harvest"])
def test_where_no_crawl_runs_nothing_can_be_controlled(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, str(tmp_path)]) == 2
    assert f"no crawl runs in {tmp_path}; start it with image-crawler crawl" in capsys.readouterr().err


def test_why_a_crawl_was_stopped_can_not_drive_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any key holder may say why."""

    class Stopped:
        seeds = ("http://a.example/",)
        folder = CrawlFolder(tmp_path / "none")
        public = queue = None
        invitation = "crawl"
        notes = ()
        downloads = True

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

        def close(self) -> None: ...

        def watch(self) -> Iterator[Stats]:
            raise CrawlStopped("\x1b[2Jstopped by Alice on\nBox")
            yield

    assert run(Stopped(), as_json=False, quiet=True, again=["again"]) == 130  # type: ignore[arg-type]
    assert "\x1b[2J" not in (told := capsys.readouterr().err)
    assert "[2Jstopped by Alice on Box; nothing is lost." in told
