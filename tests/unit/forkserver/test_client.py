"""A fork server and what it forks: descriptors, exit codes, signals, and that either may be killed."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crawler.forkserver import client as module
from crawler.forkserver.client import UNKNOWN, ForkedProcess, ForkServer, NotForkedError, started
from crawler.forkserver.server import Stage
from tests.support.forked import HERE

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the system has no pidfds")
PATIENCE_S = 20.0
ROOT = Path(__file__).parents[3]
FIRST, SECOND = "crawler.errors", "crawler.seeds"
STAGES = (Stage(FIRST, ("no.such.module", HERE)), Stage(SECOND))


@pytest.fixture
def server() -> Iterator[ForkServer]:
    found = started(STAGES)
    assert found is not None
    yield found
    found.close()


def asked(
    server: ForkServer, entry: str, needs: str = FIRST, word: bytes | None = None
) -> tuple[ForkedProcess, int]:
    """A process, and the descriptor at which it is heard."""
    heard, told = os.pipe()
    passed = [told]
    if word is not None:
        read, write = os.pipe()
        os.write(write, word)
        os.close(write)
        passed.append(read)
    process = server.client.fork(f"{HERE}:{entry}", *passed, needs=needs)
    for descriptor in passed:
        os.close(descriptor)
    return process, heard


def told(heard: int) -> bytes:
    with os.fdopen(heard, "rb") as said:
        return said.read()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ended(process: ForkedProcess) -> int | None:
    process.join(PATIENCE_S)
    return process.exitcode


def of(server: ForkServer, needs: str = FIRST) -> dict[str, Any]:
    process, heard = asked(server, "tells", needs)
    said: dict[str, Any] = json.loads(told(heard))
    assert ended(process) == 0
    assert said["pid"] == process.pid
    return said


def test_a_process_has_the_descriptors_that_it_was_given_and_no_others(server: ForkServer) -> None:
    first, heard = asked(server, "waits")
    assert os.read(heard, 4) == b"here"
    said = of(server)
    assert len(said["open"]) == 4, "the standard ones, and one"
    assert said["stdin"] == "/dev/null"
    assert said["parent"] == server.pid
    assert said["threads"] == 1
    assert said["ignored"] == [2, 15]
    first.kill()
    assert ended(first) == -signal.SIGKILL
    os.close(heard)


def test_what_a_stage_needs_is_there_when_it_is_asked_for(server: ForkServer) -> None:
    """A module that can't be imported is not missed."""
    assert {FIRST, HERE} <= set(of(server)["modules"])
    assert {FIRST, HERE, SECOND} <= set(of(server, SECOND)["modules"])
    assert FIRST in of(server, "unheard.of")["modules"]


def test_no_two_draw_the_same_numbers(server: ForkServer) -> None:
    assert of(server)["random"] != of(server)["random"]


@pytest.mark.parametrize(
    ("word", "code"), [("", 0), ("7", 7), ("error", 1), ("-11", -11), ("-9", -9), ("-14", -14)]
)
def test_the_exit_code_is_that_of_any_process(server: ForkServer, word: str, code: int) -> None:
    process, heard = asked(server, "ends", word=word.encode())
    assert ended(process) == code
    process.kill()
    assert process.exitcode == code
    os.close(heard)


def test_many_threads_may_ask(server: ForkServer) -> None:
    seen: list[int] = []

    def ask() -> None:
        seen.extend(of(server)["pid"] for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(set(seen)) == 20


def test_a_request_without_descriptors_is_passed_over(server: ForkServer) -> None:
    """So one arrives while too many of the server's own are open."""
    server.client._control.send(b'{"entry": "os:abort", "needs": ""}')
    assert of(server)["parent"] == server.pid


def test_too_many_open_files_of_the_server_are_no_end_of_it(server: ForkServer) -> None:
    of(server)
    before = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (9, before[1]))
    processes = []

    def ask() -> None:
        for _ in range(5):
            processes.append(asked(server, "waits"))  # noqa: PERF401 - those before the failure are kept

    with pytest.raises(NotForkedError):
        ask()
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, before)
    assert processes
    assert of(server)["parent"] == server.pid
    for process, heard in processes:
        process.kill()
        assert ended(process) == -signal.SIGKILL
        os.close(heard)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_to_the_group_do_not_end_it(server: ForkServer, number: int) -> None:
    of(server)
    os.kill(server.pid, number)
    assert of(server)["parent"] == server.pid


def test_what_it_has_forked_outlives_it(server: ForkServer) -> None:
    """multiprocessing takes them for dead, starts others beside them, and can't kill them any more."""
    process, heard = asked(server, "waits")
    assert os.read(heard, 4) == b"here"
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: not alive(server.pid))
    assert process.exitcode is None
    process.join(0.01)
    with pytest.raises(NotForkedError):
        asked(server, "tells")
    process.kill()
    assert ended(process) == UNKNOWN == -signal.SIGKILL
    until(lambda: not alive(process.pid))
    os.close(heard)


def test_one_that_does_not_answer_is_given_up(server: ForkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    of(server)
    monkeypatch.setattr(module, "_ANSWER_S", 0.05)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        with pytest.raises(NotForkedError):
            asked(server, "tells")
        monkeypatch.setattr(module, "_ANSWER_S", 60.0)
        begun = time.monotonic()
        with pytest.raises(NotForkedError):
            asked(server, "tells")
        assert time.monotonic() - begun < 5, "once is enough"
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_it_ends_when_nobody_is_left_who_may_ask() -> None:
    server = started(STAGES)
    assert server is not None
    server.close()
    server.close()
    assert not alive(server.pid)
    with pytest.raises(NotForkedError):
        asked(server, "tells")


@pytest.mark.parametrize("last", ["os._exit(0)", "os.kill(os.getpid(), 9)", "sys.exit()", "1 / 0"])
def test_it_does_not_outlive_its_owner(last: str) -> None:
    code = (
        "import os, sys; from crawler.forkserver.client import started; from tests.unit.forkserver import test_client\n"
        f"server = started(test_client.STAGES); test_client.of(server); print(server.pid, flush=True); {last}"
    )
    owner = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=PATIENCE_S,
        cwd=ROOT,
    )
    until(lambda: not alive(int(owner.stdout)))


def test_where_the_system_has_no_pidfds_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> int:
        raise OSError(38, "not there")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert started(STAGES) is None
    monkeypatch.delattr(os, "pidfd_open")
    assert started(STAGES) is None


def test_where_it_can_not_be_started_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multiprocessing.spawn.get_executable", lambda: "/no/such/python")
    assert started(STAGES) is None
