"""What the operator of a crawl looks at: the tables of ``status``, in a terminal and in a pipe."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import msgspec
import pytest
from rich.console import Console
from rich.table import Table

from crawler import cli
from crawler.cli import crawl_tables, status_tables
from crawler.cli import status as status_module
from crawler.cli.crawl_run import run
from crawler.cli.progress_grid import Histories
from crawler.cli.status_watch import StatusScreen, watch
from crawler.config import Config, MonitoringConfig, QueueConfig, ScopeConfig
from crawler.crawlfile.layout import CrawlFolder
from crawler.errors import CrawlStopped, QueueUnreachable
from crawler.models import Counts, HostStatus, Stats, Status, TaskKind, WorkerStatus
from crawler.run.monitor import Monitor
from tests.support.queues import (
    AUTHKEY,
    HARVESTER,
    Queues,
    embedded,
    failed,
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


def drawn(part: object, width: int = 110, height: int = 25) -> list[str]:
    """A part, or what makes one for the console that it is for."""
    out = Console(
        file=io.StringIO(), width=width, height=height, record=True, force_terminal=True, legacy_windows=False
    )
    out.print(part(out) if callable(part) else part)
    return out.export_text().splitlines()


def workers_table(status: Status, **more: Any) -> Callable[[Console], Table]:
    return lambda out: status_tables.workers_table(out, status, **more)


def hosts_table(status: Status, **more: Any) -> Callable[[Console], Table]:
    return lambda out: status_tables.hosts_table(out, status, **more)


def test_each_worker_has_its_row() -> None:
    status = Status(
        workers=(
            a_worker(7),
            a_worker(3, kind=TaskKind.PAGE),
            a_worker(5, "attic", seen_s=42.0, version="0.2.0"),
        )
    )
    rows = [line.split() for line in drawn(workers_table(status)) if line.startswith(("box", "attic"))]
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
    rows = [line for line in drawn(workers_table(status)) if line.startswith("m")]
    assert [row.split()[:4] for row in rows] == [
        ["m0,", "1", "harvester,", "30"],
        ["m1,", "30", "downloaders", "0.1.0"],
        ["m2,", "30", "downloaders", "0.1.0"],
    ]
    assert "0.1.0, 0.2.0" in rows[0]
    assert rows[1].split()[4:9] == ["60/120", "300", "3,000", "45.0", "1"]


def test_what_a_machine_calls_itself_can_not_drive_the_terminal() -> None:
    (row,) = [
        line for line in drawn(workers_table(Status(workers=(a_worker(1, "\x1b[2Jbox\n"),)))) if "box" in line
    ]
    assert "\x1b" not in row


def test_hosts_tell_when_they_are_due() -> None:
    hosts = (
        HostStatus(name="http://a.example", images=1200, in_flight=8),
        HostStatus(name="http://b.example", images=3, pages=1, due_s=12.4, delay_s=1.5),
        HostStatus(name="http://c.example", images=3, due_s=3700.0, delay_s=0.25),
    )
    lines = drawn(hosts_table(Status(hosts=hosts, host_count=2003), most=3))
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
    lines = drawn(hosts_table(Status(hosts=hosts, host_count=5)))
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
    assert any(f"down for {said}: x" in line for line in drawn(hosts_table(Status(hosts=(host,)))))


def test_hosts_in_trouble_are_shown_though_they_have_little_to_do() -> None:
    hosts = (
        *(HostStatus(name=f"http://busy{n}.example", images=100 - n) for n in range(50)),
        *(HostStatus(name=f"http://bad{n}.example", trouble="down", last_reason="x") for n in range(9)),
    )
    lines = drawn(hosts_table(Status(hosts=hosts, host_count=50), most=15))
    names = [line.split()[0] for line in lines if line.startswith("http")]
    assert names == [
        *(f"http://busy{n}.example" for n in range(10)),
        *(f"http://bad{n}.example" for n in range(5)),
    ]
    assert lines[-1].strip() == "and 44 more"


def test_rates_are_one_line() -> None:
    status = Status(images_per_s=1234.5, pages_per_s=2.0, saved_bytes_per_s=3e6, worker_count=1, up_s=61.0)
    assert drawn(status_tables.rates(status)) == ["1,234.5 images/s, 2.0 pages/s, 2.9 MiB/s saved"]
    later = msgspec.structs.replace(status, images_per_s=0.0, mean_images_per_s=38.2)
    assert drawn(status_tables.rates(later))[0].startswith("0.0 images/s (38 on average), 2.0 pages/s")


@pytest.mark.parametrize(
    ("stats", "said"),
    [
        (Stats(paused=True), "paused; image-crawler resume has it go on"),
        (Stats(halted="stopped by anna", stopped=True), "stopping: stopped by anna"),
        (Stats(halted="the disk is full"), "halted: the disk is full"),
        (Stats(paused=True, paused_by="anna"), "paused by anna; image-crawler resume has it go on"),
        (Stats(images=Counts(ready=3)), "not finished: 3 images to go"),
        (Status(images=Counts(ready=3)), "running: 3 images to go"),
    ],
)
def test_the_state_is_said_first(stats: Stats, said: str) -> None:
    assert crawl_tables.state(stats).plain == said


@pytest.mark.parametrize("width", range(44, 200, 4))
@pytest.mark.parametrize("is_low", [True, False])
def test_no_figure_is_cut_off_whatever_the_width(width: int, *, is_low: bool) -> None:
    """At 44 columns "8 …" stood for counts: columns go before that."""
    name = "https://a-long-name-of-a-host.example"
    hosts = (
        HostStatus(name=name, images=1_234_567, in_flight=8, due_s=3700.0, delay_s=2.5, trouble="slowed",
                   last_reason="rate-limited", failures=1234),
        HostStatus(name="http://b.example", images=23_456, pages=1_234),
    )  # fmt: skip
    for table, figures in (
        (hosts_table(Status(hosts=hosts), is_low=is_low), ("1,234,567", "23,456")),
        (workers_table(Status(workers=(a_worker(7, "a-long-name-of-a-machine", done=7_654_321),)), is_low=is_low),
         ("2/4", "7,654,321")),
    ):  # fmt: skip
        lines = drawn(table, width)
        assert max(map(len, lines)) <= width
        for figure in figures:
            assert any(figure in line for line in lines), lines
        columns = [line.split("  ") for line in lines]
        cut = [cell for line in columns for cell in line if "…" in cell and cell.strip()[0].isdigit()]
        assert not cut, lines


# --- the board of status --watch ---

BOARD = Status(
    pages=Counts(ready=3, done=36),
    images=Counts(ready=1000, leased=8, done=1230, dead=4),
    image_status={"saved": 1200, "failed": 30, "dead": 4},
    saved_bytes=5 * 2**20,
    workers=tuple(a_worker(n, kind=TaskKind.IMAGE if n else TaskKind.PAGE) for n in range(5)),
    worker_count=5,
    up_s=75.0,
    hosts=(
        HostStatus(name="https://busy.example", images=900, in_flight=8),
        HostStatus(name="https://cdn.example", images=7, trouble="slowed", last_reason="rate-limited", due_s=10.5),
        *(HostStatus(name=f"https://h{n}.example", images=1) for n in range(20)),
    ),
    host_count=22,
    waiting=(
        HostStatus(name="https://cdn.example", images=7, trouble="slowed", last_reason="rate-limited", due_s=10.5),
    ),
)  # fmt: skip


def board(status: Status = BOARD, *, note: str = "") -> StatusScreen:
    histories = Histories()
    for number in range(30):
        images = msgspec.structs.replace(status.images, done=number * 41)
        figures = histories.note(msgspec.structs.replace(status, images=images), now=2.0 * number)
    return StatusScreen(status, figures, note=note)


@pytest.mark.parametrize("width", [44, 80, 120, 200])
@pytest.mark.parametrize("height", [10, 14, 18, 24, 50])
def test_the_board_fits_any_screen_with_workers_in_view(width: int, height: int) -> None:
    note = "no answer from 192.0.2.7 so far" if height % 4 == 2 else ""
    lines = drawn(board(note=note), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "Workers" in text
    assert "downloader" in text or "box, 1 harv" in text
    assert "1,234 of 2,242" in text
    assert "cdn.example asks us to wait: 429" in text
    assert note in text


def test_the_board_has_everything_on_a_usual_terminal_and_hosts_in_trouble_first() -> None:
    lines = drawn(board(), 80, 24)
    assert sum("downloader" in line for line in lines) == 4
    start = next(number for number, line in enumerate(lines) if line.startswith("Hosts"))
    assert [line.split()[0] for line in lines[start + 1 : start + 3]] == ["cdn.example", "busy.example"]
    assert lines[start].startswith(f"Hosts, {len(lines) - start - 1} of 22"), "how many are hidden is said"


def test_the_board_uses_width_where_there_is_some() -> None:
    (line,) = [line for line in drawn(board(), 200, 30) if "Workers" in line]
    assert "Hosts" in line
    assert "Queue" in line
    (line,) = [line for line in drawn(board(), 80, 30) if "Workers" in line]
    assert "Hosts" not in line


@pytest.mark.parametrize(("width", "height"), [(44, 10), (44, 24), (80, 24), (200, 14)])
def test_the_board_says_how_many_rows_it_lacks(width: int, height: int) -> None:
    many = tuple(a_worker(n, f"m{n % 12}") for n in range(24))
    lines = drawn(board(msgspec.structs.replace(BOARD, workers=many, worker_count=24)), width, height)
    for title, count in (("Workers", 12), ("Hosts", 22)):
        (head,) = [line[line.index(title) :] for line in lines if title in line] or [f"{title}, 0 of {count}"]
        assert re.match(rf"{title}, \d+ of {count}\b", head), head


def test_workers_that_are_silent_come_first() -> None:
    workers = (*(a_worker(n) for n in range(9)), a_worker(77, "zzz", seen_s=42.0))
    lines = drawn(board(msgspec.structs.replace(BOARD, workers=workers, worker_count=10)), 80, 40)
    start = next(number for number, line in enumerate(lines) if line.startswith("Workers"))
    assert lines[start + 1].startswith("zzz downloader 77")


def test_the_board_has_a_history_of_what_it_has_seen() -> None:
    (row,) = [line for line in drawn(board(), 120, 30) if line.startswith("  Images")]
    assert "▇▇▇▇▇" in row


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
    assert 0 <= status["up_s"] < 60
    assert "http://a.example" in shown
    assert "box harvester 7" in shown


def test_what_failed_last_is_told_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running(tmp_path / "crawl") as queues:
        (one, *_) = take(queues)
        queues.results.put([failed(one, "forbidden")])
        assert cli.main(["status", str(tmp_path / "crawl")]) == 0
        shown = capsys.readouterr().out
        assert cli.main(["status", str(tmp_path / "crawl"), "--json"]) == 0
        (failure,) = json.loads(capsys.readouterr().out)["failures"]
    assert re.search(rf"^last failed: forbidden \d+ s ago  {re.escape(one.url[7:])}$", shown, re.MULTILINE), (
        shown
    )
    assert (failure["kind"], failure["reason"], failure["url"]) == ("image", "forbidden", one.url)


def test_a_crawl_whose_manager_has_gone_tells_from_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.cli.connect.ASKED_ONCE_S", 0.1)
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


def test_what_was_watched_and_stopped_says_how_it_goes_on() -> None:
    out = Console(file=io.StringIO(), force_terminal=True, width=80, height=25)
    watch(out, iter([BOARD, msgspec.structs.replace(BOARD, halted="that is all", stopped=True)]), every_s=0)
    assert out.file.getvalue().rstrip().endswith("the same command goes on.\x1b[0m")  # type: ignore[attr-defined]


def test_watching_ends_with_a_word_when_the_manager_has_gone(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(status_module, "REFRESH_S", 0.01)
    with running(tmp_path / "crawl") as queues:
        status, calls = queues.tasks.status, []

        def once() -> Status:
            calls.append(1)
            if len(calls) > 1:
                raise QueueUnreachable("no answer from 192.0.2.7")
            return status()

        states = status_module._states
        monkeypatch.setattr(status_module, "_states", lambda _: states(SimpleNamespace(status=once)))
        assert cli.main(["status", str(tmp_path / "crawl"), "--watch", "--json"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert "the crawl can't be watched any longer: no answer from 192.0.2.7" in err


def test_that_nobody_answers_is_said_before_it_is_given_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command at a dead address waited in silence."""
    monkeypatch.setattr("crawler.cli.connect.ASKED_ONCE_S", 0.3)
    monkeypatch.setattr("crawler.cli.connect._SILENCE_S", 0.05)
    with running(tmp_path / "crawl"):
        pass
    assert cli.main(["pause", str(tmp_path / "crawl")]) != 0
    told = capsys.readouterr().err
    assert f"no answer from {tmp_path / 'crawl'} so far; it is tried for 0 s" in told


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
        seeds = begins_with = ("http://a.example/",)
        had_finished = False
        folder = CrawlFolder(tmp_path / "none")
        public = queue = None
        monitor = Monitor(MonitoringConfig(), watches=True)
        invitation = "crawl"
        notes = by_http = ()
        config = Config()
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
