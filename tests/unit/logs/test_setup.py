"""Where the log goes: stderr, a file, the journal; and what a program that uses us as a library gets to see."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from crawler.config import LogConfig
from crawler.errors import UsageError
from crawler.logs import setup
from crawler.logs.events import DEBUG, EVENTS, INFO, NOTICE, WARNING, tell

LOG = logging.getLogger("crawler.test.logs")
ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("crawler")
    before = root.handlers[:], root.level, ours.handlers[:], ours.level, ours.propagate
    yield
    for handler in root.handlers:
        if isinstance(handler, setup.LogFile):
            handler.close()
    root.handlers[:], root.level, ours.handlers[:], ours.level, ours.propagate = before
    logging.getLogger("urllib3").setLevel(logging.NOTSET)
    root.manager._clear_cache()  # type: ignore[attr-defined] # levels were set past it


def say_all() -> None:
    tell(LOG, EVENTS["request-failed"], method="GET", url="http://h.example/", reason="timeout", detail="…")
    tell(LOG, EVENTS["image-duplicate"], **dict.fromkeys(EVENTS["image-duplicate"].keys, "x"))  # type: ignore[arg-type]
    tell(LOG, EVENTS["crawl-paused"], by="Alice")
    tell(LOG, EVENTS["network-down"])


@pytest.mark.parametrize(
    ("verbosity", "least", "on_stderr", "in_file"),
    [
        (0, WARNING, 1, 3),
        (0, NOTICE, 2, 3),
        (1, WARNING, 3, 3),
        (1, NOTICE, 3, 3),
        (2, WARNING, 4, 4),
        (5, NOTICE, 4, 4),
    ],
)
def test_the_file_has_finished_tasks_at_least(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    verbosity: int,
    least: int,
    on_stderr: int,
    in_file: int,
) -> None:
    file = tmp_path / "crawl.log"
    setup.configure(verbosity, LogConfig(log_file=str(file)), least=least)
    say_all()
    lines = file.read_text("utf-8").splitlines()
    assert len(capsys.readouterr().err.splitlines()) == on_stderr
    assert len(lines) == in_file
    assert all(re.match(rf"{ISO} (DEBUG|INFO|NOTICE|WARNING) [a-z-]+: ", line) for line in lines)
    assert lines[-2:] == [
        line for line in lines if line.endswith((" NOTICE crawl-paused: by Alice", "own network out?"))
    ]


def test_a_file_is_appended_to_and_found_again_when_it_was_moved(tmp_path: Path) -> None:
    file = tmp_path / "crawl.log"
    file.write_text("of yesterday\n", encoding="utf-8")
    setup.configure(0, LogConfig(log_file=str(file), log_format="json"))
    tell(LOG, EVENTS["crawl-paused"], by="Alice")
    if sys.platform != "win32":
        file.rename(tmp_path / "crawl.log.1")
        tell(LOG, EVENTS["crawl-paused"], by="Bob")
        assert json.loads(file.read_text("utf-8"))["by"] == "Bob"
        file = tmp_path / "crawl.log.1"
    before, line = file.read_text("utf-8").splitlines()
    assert before == "of yesterday"
    found = json.loads(line)
    assert re.fullmatch(ISO, found.pop("time"))
    assert found == {
        "level": "notice",
        "event": "crawl-paused",
        "by": "Alice",
        "message": "by Alice",
        "logger": LOG.name,
        "process": "main",
    }


@pytest.mark.parametrize("name", ["no/such/folder/x.log", ".", "-"])
def test_a_file_that_cant_be_written_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"log.file") as caught:
        setup.configure(0, LogConfig(log_file=name))
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_once_and_nothing_stops(capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    setup.configure(0, LogConfig(log_file="/dev/full"))
    for _ in range(3):
        tell(LOG, EVENTS["crawl-paused"], by="Alice")
    err = capsys.readouterr().err
    assert err.count("can't write the log file /dev/full") == 1
    assert "Traceback" not in err
    file = next(handler for handler in logging.getLogger().handlers if isinstance(handler, setup.LogFile))
    with suppress(OSError):
        file.stream.close()
    file.stream = None  # type: ignore[assignment]


def test_json_without_a_file_is_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    setup.configure(1, LogConfig(log_format="json"))
    assert setup.is_json()
    say_all()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["image-duplicate", "crawl-paused", "network-down"]
    setup.configure(0)
    assert not setup.is_json()


def test_json_in_a_file_leaves_stderr_to_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = LogConfig(log_file=str(tmp_path / "x"), log_format="json")
    setup.configure(0, config)
    assert not setup.is_json()
    assert not setup.speaks_json(config)
    say_all()
    assert " WARNING network-down: " in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="there is no journal")
def test_the_journal_keeps_time_and_level_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    here = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{here.st_dev}:{here.st_ino}")
    assert setup.in_journal()
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    setup.configure(1)
    formatter = next(h for h in logging.getLogger().handlers if isinstance(h, setup.StderrHandler)).formatter
    assert formatter is not None
    record = logging.LogRecord("crawler.x", WARNING, "", 0, "one\ntwo", (), None)
    assert formatter.format(record) == "<4>crawler.x: one\n<4>    two"
    for elsewhere in (f"{here.st_dev}:{here.st_ino + 1}", "", "x"):
        monkeypatch.setenv("JOURNAL_STREAM", elsewhere)
        assert not setup.in_journal()


# --- who uses us as a library ---


class Seen(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.words.append(record.event)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("level", "theirs"),
    [(WARNING, ["network-down"]), (INFO, ["image-duplicate", "crawl-paused", "network-down"])],
)
def test_a_program_sees_what_it_saw_before_and_the_file_has_more(
    tmp_path: Path, level: int, theirs: list[str]
) -> None:
    root, ours = logging.getLogger(), logging.getLogger("crawler")
    seen, file = Seen(), tmp_path / "x.log"
    root.handlers[:] = [seen]
    root.setLevel(level)
    ours.setLevel(logging.NOTSET)
    with setup.written(LogConfig(log_file=str(file))):
        say_all()
        with setup.written(LogConfig(log_file=str(file))):  # a command has it already
            tell(LOG, EVENTS["network-down"])
    assert seen.words == [*theirs, "network-down"]
    assert len(file.read_text("utf-8").splitlines()) == 4
    assert ours.handlers == []
    assert (ours.level, ours.propagate) == (logging.NOTSET, True)
    say_all()
    assert seen.words == [*theirs, "network-down", *theirs]


def test_without_a_file_nothing_is_set_up() -> None:
    before = logging.getLogger("crawler").handlers[:], logging.getLogger("crawler").level
    with setup.written(LogConfig()):
        assert (logging.getLogger("crawler").handlers[:], logging.getLogger("crawler").level) == before


def test_levels() -> None:
    assert [logging.getLevelName(level) for level in (DEBUG, INFO, NOTICE, WARNING)] == [
        "DEBUG",
        "INFO",
        "NOTICE",
        "WARNING",
    ]


def test_nobody_falls_over_a_log_file_whose_folder_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "logs" / "x.log"
    file.parent.mkdir()
    log = logging.getLogger("crawler.test")
    with setup.written(LogConfig(log_file=str(file))):
        log.warning("one")
        file.unlink()
        file.parent.rmdir()
        log.warning("two")
        log.warning("three")
        assert capsys.readouterr().err.count("can't write the log file") == 1
        file.parent.mkdir()
        log.warning("four")
    assert "four" in file.read_text("utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_disk_that_is_full_is_said_once_and_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with setup.written(LogConfig(log_file="/dev/full")):
        for _ in range(3):
            logging.getLogger("crawler.test").warning("one")
    assert capsys.readouterr().err.count("can't write the log file /dev/full: the disk is full\n") == 1
