"""The log's words: the table, every call of it, and that no line can be forged, drive a terminal or tell a secret."""

from __future__ import annotations

import ast
import json
import logging
import re
import string
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import crawler
from crawler.logs import events, setup
from crawler.logs.events import DEBUG, EVENTS, INFO, MAX_FACT_CHARS, Event, tell
from crawler.logs.outcomes import event_of, tell_result, tell_retried, tell_settled
from crawler.models import RECORDS, STATUSES, Record, Result, Revisit, TaskKind, Token
from crawler.text import display
from tests.generators import logtable

PACKAGE = Path(crawler.__file__).parent
NAMES = {name: value for name, value in vars(events).items() if isinstance(value, Event)}
ANYTHING = Event(word="anything", level=INFO, text="{what} at {url}", means="…", more=("traceback", "number"))
OF_THE_LINE = {"time", "level", "event", "message", "logger", "process"}
"""Keys that every line has."""


@pytest.fixture(name="log")
def a_log() -> Iterator[logging.Logger]:
    log = logging.getLogger("crawler.test.events")
    yield log
    log.setLevel(logging.NOTSET)
    log.handlers.clear()
    log.propagate = True


class Lines(logging.Handler):
    """What a formatter makes of each record."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def listening(log: logging.Logger, formatter: logging.Formatter, level: int = DEBUG) -> list[str]:
    handler = Lines(formatter)
    log.addHandler(handler)
    log.setLevel(level)
    log.propagate = False
    return handler.lines


def fail(text: str) -> None:
    raise ValueError(text)


# --- the table ---


def test_the_table_of_the_docs_is_made_of_the_events() -> None:
    page = logtable.PAGE.read_text(encoding="utf-8")
    assert page == logtable.page(page), "run python -m tests.generators.logtable"


def test_every_event_has_a_word_and_keys_of_its_own() -> None:
    assert len(EVENTS) == len(NAMES), "two have the same word"
    for event in EVENTS.values():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", event.word)
        assert event.means.endswith("."), event.word
        assert not OF_THE_LINE & set(event.keys), event.word
        assert all(re.fullmatch(r"[a-z0-9_]+", key) for key in event.keys)
        assert logging.getLevelName(event.level) in {"DEBUG", "INFO", "NOTICE", "WARNING", "ERROR"}


# --- every call ---


def calls() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node


@pytest.mark.slow
def test_nothing_is_logged_but_events() -> None:
    """In ``crawler.logs.events`` is the one call that logs."""
    found = [
        where
        for where, call in calls()
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in {"debug", "info", "warning", "error", "exception", "critical", "log"}
        and "log" in ast.unparse(call.func.value).lower()
    ]
    assert [where.partition(":")[0] for where in found] == ["logs/events/event.py"]


TOLD = [
    (where, call)
    for where, call in calls()
    if isinstance(call.func, ast.Name)
    and call.func.id == "tell"
    and not where.startswith("logs/events/event.py")
]


def test_there_are_calls() -> None:
    assert len(TOLD) > 60
    used = {ast.unparse(call.args[1]) for _, call in TOLD}
    by_word = {name for name, event in NAMES.items() if re.match("(image|page|render)-", event.word)}
    told_of_elsewhere = {
        # chosen in a line of their own, or told by way of Complaints
        *("ROBOTS_ALLOWS", "ROBOTS_FORBIDS", "WORKER_DIED", "WORKER_LEFT", "MANAGER_RESTARTED", "WORKER_RESTARTED"),
        *("CRAWL_STARTED", "CRAWL_REFRESHED", "CRAWL_RESUMED", "CRAWL_PAUSED", "CRAWL_UNPAUSED"),
        *("RESULT_REFUSED", "WORD_REFUSED"),
    }  # fmt: skip
    unused = {name for name in NAMES if not any(name in use for use in used)}
    assert unused - by_word <= told_of_elsewhere, "an event that nobody tells"


@pytest.mark.parametrize(("where", "call"), TOLD, ids=[where for where, _ in TOLD])
def test_a_call_tells_the_keys_of_its_event_and_makes_no_text_of_them(where: str, call: ast.Call) -> None:
    """What is made of an argument before it is asked for costs those who do not log."""
    event = NAMES.get(ast.unparse(call.args[1]).rpartition(".")[2])
    keys = {word.arg for word in call.keywords if word.arg}
    if event is None:
        return  # it is chosen before: see the tests of what it then says
    told = keys - {"exc_info", "level"}
    assert told <= set(event.keys), where
    if all(word.arg for word in call.keywords):
        assert set(event.keys) - {"traceback"} <= told, where
    if event.level <= INFO:
        made = [node for node in ast.walk(call) if isinstance(node, ast.JoinedStr)]
        assert not made, where


def test_nothing_is_made_of_what_nobody_wants_to_know(log: logging.Logger) -> None:
    class Never:
        def __str__(self) -> str:
            raise AssertionError("asked")

    log.setLevel(logging.WARNING)
    tell(log, ANYTHING, what=Never(), url=Never())
    log.setLevel(INFO)
    with pytest.raises(AssertionError, match="asked"):
        tell(log, ANYTHING, what=Never(), url=Never())


# --- what became of a task ---


def records() -> Iterator[Record]:
    for kind in TaskKind:
        for status in STATUSES[kind]:
            for revisit in Revisit:
                yield RECORDS[kind](
                    url="http://h.example/a", status=status, reason="not-found", detail="404", revisit=revisit
                )


def test_every_outcome_is_a_line(log: logging.Logger) -> None:
    text, lines = listening(log, setup.TextFormatter()), listening(log, setup.JsonFormatter())
    every = list(records())
    for record in every:
        tell_settled(log, record)
    assert len(text) == len(lines) == len(every)
    for record, line in zip(every, map(json.loads, lines), strict=True):
        assert line["status"] == record.status
        assert line["url"] == record.url
        assert line["event"] == event_of(record).word
        assert set(line) - OF_THE_LINE == set(event_of(record).keys)
    assert all(record.url in line for record, line in zip(every, text, strict=True))


def test_what_was_visited_once_more_is_told_by_what_came_of_it() -> None:
    saved = RECORDS[TaskKind.IMAGE](url="http://h.example/a", status=STATUSES[TaskKind.IMAGE]("saved"))
    words = {revisit: event_of(msgspec.structs.replace(saved, revisit=revisit)).word for revisit in Revisit}
    assert words == {
        Revisit.NONE: "image-saved",
        Revisit.NEW: "image-saved",
        Revisit.CHANGED: "image-saved",
        Revisit.UNCHANGED: "image-unchanged",
        Revisit.GONE: "image-gone",
        Revisit.FAILED: "image-failed",
    }


@pytest.mark.parametrize(
    ("retry_in_s", "attempts", "untouched", "settled", "words"),
    [
        (None, 1, False, True, ["image-failed"]),
        (None, 1, False, False, []),
        (8.0, 1, False, False, ["task-retried"]),
        (8.0, 3, False, True, ["image-failed"]),
        (8.0, 1, True, True, []),
    ],
)
def test_what_a_worker_tells_of_its_own(
    log: logging.Logger,
    retry_in_s: float | None,
    attempts: int,
    untouched: bool,  # noqa: FBT001
    settled: bool,  # noqa: FBT001
    words: list[str],
) -> None:
    lines = listening(log, setup.JsonFormatter())
    record = RECORDS[TaskKind.IMAGE](
        url="http://h.example/a",
        status=STATUSES[TaskKind.IMAGE]("failed"),
        reason="timeout",
        attempts=attempts,
    )
    result = Result(token=Token(id=1, serial=1), record=record, retry_in_s=retry_in_s, untouched=untouched)
    tell_result(log, result, max_attempts=3, settled=settled)
    assert [json.loads(line)["event"] for line in lines] == words


# --- what others say ---

NASTY = st.text(
    alphabet=st.one_of(st.sampled_from("\r\n\x1b\x9b\u2028\u202e\x00\x85{}%\\\"'@:/ "), st.characters())
)


@given(what=NASTY, url=NASTY)
def test_no_line_can_be_forged_and_none_drives_a_terminal(what: str, url: str) -> None:
    log = logging.getLogger("crawler.test.nasty")
    log.handlers.clear()
    text, lines = listening(log, setup.TextFormatter()), listening(log, setup.JsonFormatter())
    journal = listening(log, setup.TextFormatter(journal=True))
    tell(log, ANYTHING, what=what, url=url, number=1)
    assert len(text[0].splitlines()) == len(lines[0].splitlines()) == len(journal[0].splitlines()) == 1
    assert display.is_clean(text[0])
    assert display.is_clean(lines[0])
    assert set(json.loads(lines[0])) == {*OF_THE_LINE, "what", "url", "number"}


@given(text=NASTY)
def test_what_a_library_says_can_pass_for_no_line_of_ours(text: str) -> None:
    log = logging.getLogger("elsewhere.nasty")
    log.handlers.clear()
    lines, objects = listening(log, setup.TextFormatter()), listening(log, setup.JsonFormatter())
    log.warning("%s", text)
    first, *others = lines[0].split("\n")
    assert " WARNING elsewhere.nasty: " in first
    assert all(line.startswith("    ") for line in others)
    assert display.is_clean(lines[0])
    assert json.loads(objects[0])["event"] == "log"


def test_a_long_text_is_cut(log: logging.Logger) -> None:
    lines = listening(log, setup.TextFormatter())
    tell(log, ANYTHING, what="x" * 100_000, url="")
    assert len(lines[0]) < MAX_FACT_CHARS + 200


def test_a_traceback_keeps_its_lines_below_the_line_that_it_is_of(log: logging.Logger) -> None:
    lines, objects = listening(log, setup.TextFormatter()), listening(log, setup.JsonFormatter())
    try:
        fail("a\x1b[2J\nnot a line of ours http://u:geheim@h.example/")
    except ValueError:
        tell(log, ANYTHING, exc_info=True, what="x", url="y")
    tell(log, ANYTHING, what="x", url="y", traceback="Traceback:\n  one")
    first, *others = lines[0].split("\n")
    assert first.endswith("INFO anything: x at y")
    assert others
    assert all(line.startswith("    ") for line in others)
    assert lines[1].split("\n")[1:] == ["    Traceback:", "      one"]
    assert "\x1b" not in lines[0]
    assert "geheim" not in lines[0] + objects[0]
    assert "Traceback" in json.loads(objects[0])["traceback"]
    assert json.loads(objects[1])["traceback"] == "Traceback:\n  one"
    assert json.loads(objects[1])["message"] == "x at y"


SECRET = "hunter2geheim"
WITH_LOGINS = [
    f"http://user:{SECRET}@h.example/",
    f"https://{SECRET}@h.example:8443/a?b=c",
    f"see http://user:{SECRET}@h.example/ and https://u:{SECRET}@x.example",
    f"redis://:{SECRET}@r.example/0",
    f"rediss+sentinel://me:{SECRET}@a,b/s",
    f"HTTP://u:{SECRET}@@h.example/",
    f"//u:{SECRET}@h.example/",
    f"socks5h://u:{SECRET}@p.example:1080",
    f"redirected to 'http://u:{SECRET}@h.example/', which is none",
]


@pytest.mark.parametrize("text", WITH_LOGINS)
def test_logins_are_hidden_in_whatever_is_told(log: logging.Logger, text: str) -> None:
    lines, objects = listening(log, setup.TextFormatter()), listening(log, setup.JsonFormatter())
    tell(log, ANYTHING, what=text, url=text)
    logging.getLogger("crawler.test.events").warning("%s", text)
    assert len(lines) == len(objects) == 2
    assert SECRET not in "".join(lines + objects)
    assert "…@" in lines[0]


@pytest.mark.parametrize(
    "text",
    [
        "mail me@x.example",
        "http://h.example/a@b",
        "redis://joe@127.0.0.1:6379/2#crawl",
        "http://h.example/?q=u:p@x",
        "a@b",
    ],
)
def test_what_is_no_login_stays(text: str) -> None:
    assert events.hushed(text) == text


@given(text=st.text(alphabet=string.ascii_letters + ":/@?#. "))
def test_hushing_is_idempotent(text: str) -> None:
    assert events.hushed(events.hushed(text)) == events.hushed(text)


# --- from one process to another ---


def test_who_logs_never_waits_and_what_is_too_much_is_counted(log: logging.Logger) -> None:
    """The manager logs with its ledger locked; who reads the log may be waiting for the ledger."""
    gate, sent = threading.Event(), []

    def send(line: setup.LogLine) -> None:
        gate.wait()
        sent.append(line)

    sender = setup.Sender(send)
    log.addHandler(sender)
    logging.getLogger("crawler.logs.setup").addHandler(sender)
    log.setLevel(INFO)
    log.propagate = False
    try:
        for number in range(20_100):
            tell(log, ANYTHING, what=number, url="")
        gate.set()
        sender.flush()
        end = time.monotonic() + 5
        while sent[-1].event != "log-lines-lost" and time.monotonic() < end:
            time.sleep(0.01)
        sender.flush()
    finally:
        logging.getLogger("crawler.logs.setup").removeHandler(sender)
    lost = sent[-1].facts["lines"]
    assert isinstance(lost, int)
    assert len(sent) - 1 + lost == 20_100
    assert 90 <= lost <= 100


def test_a_record_arrives_as_it_was(log: logging.Logger) -> None:
    lines: list[setup.LogLine] = []
    sender = setup.Sender(lines.append)
    log.addHandler(sender)
    log.setLevel(DEBUG)
    log.propagate = False
    tell(
        log, EVENTS["worker-lost"], worker="w", kind="downloader", machine="m", silent_s=61.0, tasks=3, done=1
    )
    try:
        fail("x")
    except ValueError:
        log.exception("of a %s", "library")
    sender.flush()
    log.handlers.clear()
    text, objects = listening(log, setup.TextFormatter()), listening(log, setup.JsonFormatter())
    for line in lines:
        setup.heard(msgspec.json.decode(msgspec.json.encode(line), type=setup.LogLine), child="manager")
    assert text[0].endswith(
        "Z WARNING worker-lost: downloader w has not been seen for 61 s; 3 tasks requeued"
    )
    first, second = map(json.loads, objects)
    assert (first["event"], first["tasks"], first["process"]) == ("worker-lost", 3, "manager")
    assert second["message"] == "manager: of a library"
    assert "ValueError: x" in second["traceback"]


def test_an_unknown_word_of_a_child_is_a_line_all_the_same(log: logging.Logger) -> None:
    objects = listening(log, setup.JsonFormatter())
    setup.heard(setup.LogLine(log.name, INFO, 0.0, event="of-tomorrow", text="x"), child="manager")
    assert json.loads(objects[0])["message"] == "manager: x"
    assert json.loads(objects[0])["time"] == "1970-01-01T00:00:00.000Z"


def test_a_retry_says_why_and_when(log: logging.Logger) -> None:
    lines = listening(log, setup.TextFormatter())
    record = RECORDS[TaskKind.PAGE](
        url="http://h.example/", status=STATUSES[TaskKind.PAGE]("failed"), reason="server-error", detail="500"
    )
    tell_retried(log, record, 8.4)
    assert lines[0].endswith("task-retried: http://h.example/: server-error: 500; next try in 8 s")
