"""Child processes: what they say, how they are stopped, and that none outlives its parent."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Protocol

import pytest

from crawler import errors
from crawler.forkserver.client import ForkServer, started
from crawler.forkserver.server import Stage
from crawler.run.children import Child, ChildMessage, ParentLink

PATIENCE_S = 20.0


# --- what runs in the children: functions of a module that can be imported ---


def waits(parent: ParentLink, text: str) -> None:
    parent.say(ChildMessage("ready", text=text))
    parent.stopped.wait()


def logs(_: ParentLink) -> None:
    logging.getLogger("crawler.test").warning("a %s warning", "good")
    logging.getLogger("crawler.test").debug("a detail")
    logging.getLogger("elsewhere").info("nobody asked")


def grumbles(_: ParentLink) -> None:
    os.write(2, b"a library in C: \x1b[2J\n")
    warnings.warn("an odd \u202efile", stacklevel=1)
    code = "import os, sys; os.write(2, b'a decoder: \\x9b31m\\n'); os.close(1); sys.stdin.read()"
    decoder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert decoder.stdout
    decoder.stdout.read()
    thread = threading.Thread(target=lambda: int("\x1b]0;t\x07"))
    thread.start()
    thread.join()
    os.write(2, b"unfinished")


def fails(_: ParentLink) -> None:
    raise errors.StorageFull("no room for rose.png")


def breaks(_: ParentLink) -> None:
    raise ZeroDivisionError("of the program's own")


def stubborn(parent: ParentLink) -> None:
    parent.say(ChildMessage("ready"))
    while True:
        time.sleep(60)


# --- helpers ---


class ChildFixture(Protocol):
    """Starts a child, and kills it at the end of the block."""

    def __call__(self, main: Callable[..., None], *args: object) -> AbstractContextManager[Child]: ...


STAGES = (Stage("crawler.run.children"), Stage(__name__))


@pytest.fixture(params=["forked", "spawned"], name="forks", scope="module")
def a_fork_server(request: pytest.FixtureRequest) -> Iterator[ForkServer | None]:
    """The two ways in which a child comes to be; nothing else of it differs."""
    server = started(STAGES) if request.param == "forked" else None
    if server is None and request.param == "forked":
        pytest.skip("the system has no pidfds")
    yield server
    if server is not None:
        server.close()


@pytest.fixture(name="child")
def a_child(forks: ForkServer | None) -> ChildFixture:
    @contextlib.contextmanager
    def starting(main: Callable[..., None], *args: object) -> Iterator[Child]:
        process = Child("tester", main, *args, forks=forks and forks.client)
        try:
            yield process
        finally:
            process.kill()

    return starting


def wait_for(condition: Callable[[], bool], started: Child) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"exit code {started.exitcode}, failure {started.failure}"
        started.listen(0.05)


def ended(started: Child) -> bool:
    return started.exitcode is not None


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


# --- from the parent's side ---


def test_a_child_says_that_it_is_ready_and_ends_when_it_is_told(child: ChildFixture) -> None:
    with child(waits, "4711") as started:
        wait_for(lambda: started.ready, started)
        assert started.said == "4711"
        assert started.exitcode is None
        assert started.pid
        started.stop()
        assert started.join(PATIENCE_S)
        assert started.exitcode == 0
        started.stop()  # too late, and no harm


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_to_the_group_are_the_parents_to_judge(child: ChildFixture, number: int) -> None:
    with child(waits, "1") as started:
        wait_for(lambda: started.ready, started)
        os.kill(started.pid, number)
        started.listen(0.05)
        assert started.exitcode is None
        started.stop()
        assert started.join(PATIENCE_S)
        assert started.exitcode == 0


def test_what_a_child_logs_comes_to_its_parent(child: ChildFixture, caplog: pytest.LogCaptureFixture) -> None:
    with child(logs) as started:
        wait_for(lambda: ended(started), started)
        started.listen()
    assert [(record.name, record.levelno, record.message) for record in caplog.records] == [
        ("crawler.test", logging.WARNING, "tester: a good warning")
    ]


def test_whatever_it_says_on_stderr_is_logged_too_and_so_reaches_no_terminal(
    child: ChildFixture, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also what its own children say, of whom one is still there when it ends."""
    with child(grumbles) as started:
        wait_for(lambda: ended(started), started)
        started.listen()
    said = "\n".join(caplog.messages)
    assert "a library in C:  [2J" in caplog.messages
    assert "UserWarning: an odd  file" in said, "its own stream is clean"
    assert "a decoder: \ufffd31m" in caplog.messages
    assert "ValueError: invalid literal for int() with base 10: '\\x1b]0;t\\x07'" in said
    assert caplog.messages[-1] == "unfinished"
    assert {record.child for record in caplog.records} == {"tester"}
    err = capfd.readouterr().err
    assert all(" tester: " in line for line in err.splitlines()), (
        "nothing but what handlers of other tests say"
    )


def test_the_level_of_the_log_is_the_parents(child: ChildFixture, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="crawler"), child(logs) as started:
        wait_for(lambda: ended(started), started)
        started.listen()
    assert "tester: a detail" in caplog.messages


def test_a_failure_comes_as_the_error_that_it_was(
    child: ChildFixture, caplog: pytest.LogCaptureFixture
) -> None:
    with child(fails) as started:
        wait_for(lambda: ended(started), started)
        started.listen()
        assert started.exitcode == 1
        assert type(started.failure) is errors.StorageFull
        assert str(started.failure) == "no room for rose.png"
    assert not caplog.records, "an expected failure has no traceback"


def test_a_fault_of_the_program_is_logged_with_its_traceback(
    child: ChildFixture, caplog: pytest.LogCaptureFixture
) -> None:
    with child(breaks) as started:
        wait_for(lambda: ended(started), started)
        started.listen()
        assert started.exitcode == 1
        assert type(started.failure) is errors.CrawlerError
        assert str(started.failure).startswith("a fault of this program")
    assert "Traceback" in caplog.text


def test_a_child_that_is_killed_is_noticed(child: ChildFixture) -> None:
    with child(waits, "1") as started:
        wait_for(lambda: started.ready, started)
        os.kill(started.pid, signal.SIGKILL)
        wait_for(lambda: ended(started), started)
        assert started.exitcode == -signal.SIGKILL
        assert started.failure is None


def test_a_child_that_nobody_knows_any_more_ends(forks: ForkServer | None) -> None:
    def forgotten() -> int:
        process = Child("tester", stubborn, forks=forks and forks.client)
        wait_for(lambda: process.ready, process)
        return process.pid

    pid = forgotten()
    gc.collect()
    end = time.monotonic() + PATIENCE_S
    while alive(pid):
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("forks", ["None", "started(STAGES)"])
@pytest.mark.parametrize("last", ["os._exit(0)", "os.kill(os.getpid(), 9)", "sys.exit()", "1 / 0"])
def test_no_child_outlives_its_parent_however_that_ends(last: str, forks: str) -> None:
    code = (
        "import os, sys; from crawler.run.children import Child; from tests.unit.run.test_children import *\n"
        f"server = {forks}; child = Child('tester', stubborn, forks=server and server.client)\n"
        "while not child.ready: child.listen(0.1)\n"
        f"print(child.pid, flush=True); {last}"
    )
    parent = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=PATIENCE_S,
        cwd=Path(__file__).parents[3],
    )
    end = time.monotonic() + PATIENCE_S
    while alive(int(parent.stdout)):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_child_has_a_name_for_who_looks_at_processes(child: ChildFixture) -> None:
    with child(waits, "1") as process:
        wait_for(lambda: process.ready, process)
        if sys.platform == "linux":
            assert Path(f"/proc/{process.pid}/comm").read_text(encoding="ascii") == "tester\n"


def test_children_do_without_a_fork_server_that_was_killed(caplog: pytest.LogCaptureFixture) -> None:
    """Those that it has forked live on, and say how they ended; others are spawned."""
    server = started(STAGES)
    if server is None:
        pytest.skip("the system has no pidfds")
    processes = [
        Child("tester", main, *args, forks=server.client) for main, *args in ((waits, "1"), (waits, "2"))
    ]
    for process in processes:
        wait_for(lambda: process.ready, process)  # noqa: B023 - called at once
    os.kill(server.pid, signal.SIGKILL)
    processes.append(Child("tester", waits, "3", forks=server.client))
    wait_for(lambda: processes[2].ready, processes[2])
    assert [process.exitcode for process in processes] == [None, None, None]
    os.kill(processes[0].pid, signal.SIGKILL)
    processes[1].stop()
    processes[2].stop()
    for process in processes:
        wait_for(lambda: ended(process), process)  # noqa: B023
        process.listen()
    assert [process.exitcode for process in processes] == [-signal.SIGKILL, 0, 0]
    for process in processes:
        process.kill()
    server.close()
    assert not caplog.records


# --- from the child's side ---


def test_a_stop_that_came_early_is_not_missed() -> None:
    ours, theirs = Pipe()
    parent = ParentLink(theirs)
    calls: list[str] = []
    parent.on_stop(lambda: calls.append("first"))
    parent.watch()
    ours.send_bytes(b"stop")
    assert parent.stopped.wait(PATIENCE_S)
    end = time.monotonic() + PATIENCE_S
    while calls != ["first"]:
        assert time.monotonic() < end
        time.sleep(0.005)
    parent.on_stop(lambda: calls.append("second"))
    assert calls == ["first", "second"], "at once, for it is time"
    ours.close()
    theirs.close()


def test_a_parent_that_has_gone_is_a_stop_and_the_end_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    timers: list[tuple[float, object]] = []

    class Timer:
        daemon = False

        def __init__(self, after_s: float, function: object, args: tuple[int, ...]) -> None:
            timers.append((after_s, (function, args)))

        def start(self) -> None:
            assert self.daemon

    monkeypatch.setattr(threading, "Timer", Timer)
    ours, theirs = Pipe()
    parent = ParentLink(theirs)
    stopped = threading.Event()
    parent.on_stop(stopped.set)
    parent.watch()
    ours.close()
    assert stopped.wait(PATIENCE_S)
    assert timers == [(3.0, (os._exit, (1,)))]
    parent.say(ChildMessage("log", text="nobody hears it"))
    theirs.close()


def chatters(parent: ParentLink) -> None:
    parent.say(ChildMessage("ready"))
    for _ in range(200):
        logging.getLogger("crawler.test").warning("one of many")
    parent.stopped.wait()


def test_lines_of_the_log_are_no_news(child: ChildFixture, caplog: pytest.LogCaptureFixture) -> None:
    """Who waits for a word does something about it, such as to ask the queue; with -v there are hundreds of lines."""
    with child(chatters) as started:
        wait_for(lambda: started.ready, started)
        end, news = time.monotonic() + PATIENCE_S, []
        while len(caplog.records) < 200 and time.monotonic() < end:
            news.append(started.listen(0.05))
        assert len(caplog.records) == 200
        assert not any(news)
        started.stop()
        wait_for(lambda: ended(started), started)
        assert started.listen(), "its end is"
