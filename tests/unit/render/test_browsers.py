"""When browsers and contexts are made, used again and given up: with browsers that only keep count."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from crawler.errors import BrowserFailed, PageCrashed
from crawler.render import browsers as module
from crawler.render import memory
from crawler.render.browser import Context
from crawler.render.browsers import FAILURES, IDLE_CONTEXTS, PAUSE_S, Browsers
from crawler.render.devtools_messages import BrowserGone, DevToolsError, DevToolsTimeout, TabCrashed
from tests.support.browsers import eventually, proportional_bytes
from tests.support.cpu_time import cpu_below
from tests.support.queues import holds

MIB = 2**20


class FakeTab:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.crashed = ""


class FakeProcesses:
    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}
        self.killed: list[int] = []

    def look(self) -> list[int]:
        return list(self.sizes)

    def kill(self, pid: int) -> bool:
        self.killed.append(pid)
        return self.sizes.pop(pid, 0) > 0


class FakeBrowser:
    version = "Fake/1"
    isolation = "none"

    def __init__(self) -> None:
        self.is_alive = True
        self.processes = FakeProcesses()
        self.open: list[FakeTab] = []
        self.contexts: list[str] = []
        self.dropped: list[str] = []
        self.closed = threading.Event()
        self.error: DevToolsError | None = None
        self.open_as_blank_tabs_were_closed: list[int] = []
        self.tabs_closed = 0

    def new_context(self, host: str) -> Context:
        self.contexts.append(f"{host}-{len(self.contexts)}")
        return Context(host, self.contexts[-1])

    def drop_context(self, context: Context) -> None:
        self.dropped.append(context.id)

    def open_tab(self, context: Context) -> FakeTab:
        if self.error:
            raise self.error
        self.open.append(FakeTab(context))
        return self.open[-1]

    def leave_tab(self, tab: FakeTab, context: object) -> None:
        assert context is tab.context
        self.open.remove(tab)

    def close_tab(self, tab: FakeTab) -> None:
        self.open.remove(tab)
        self.tabs_closed += 1

    def close_blank_tabs(self) -> None:
        self.open_as_blank_tabs_were_closed.append(len(self.open))

    def close(self) -> None:
        self.is_alive = False
        self.closed.set()


class Factory:
    def __init__(self) -> None:
        self.made: list[FakeBrowser] = []
        self.calls = 0
        self.fails = False
        self.now_s = 1000.0

    def start(self, program: Path) -> Any:
        assert program == Path("chromium")
        self.calls += 1
        if self.fails:
            raise BrowserFailed("no libraries")
        self.made.append(FakeBrowser())
        return self.made[-1]


@pytest.fixture
def factory() -> Factory:
    return Factory()


@pytest.fixture
def browsers(factory: Factory) -> Iterator[Browsers]:
    made = Browsers(
        Path("chromium"),
        page_memory_bytes=100 * MIB,
        start=factory.start,
        clock=lambda: factory.now_s,
        pages_per_context=3,
        pages_per_browser=10,
    )
    yield made
    made.close()


def context_of(browsers: Browsers, host: str) -> str:
    with browsers.tab(host) as tab:
        return tab.context.id  # type: ignore[attr-defined, no-any-return]


def test_nothing_is_started_before_it_is_needed(browsers: Browsers, factory: Factory) -> None:
    assert factory.calls == 0
    context_of(browsers, "a")
    assert factory.calls == 1


def test_pages_of_one_host_share_a_context_until_it_is_worn(browsers: Browsers, factory: Factory) -> None:
    used = [context_of(browsers, "a") for _ in range(7)]

    assert used == ["a-0"] * 3 + ["a-1"] * 3 + ["a-2"]
    assert factory.made[0].dropped == ["a-0", "a-1"]


def test_hosts_share_nothing(browsers: Browsers) -> None:
    assert [context_of(browsers, host) for host in "abab"] == ["a-0", "b-1", "a-0", "b-1"]


def test_a_context_in_use_is_not_dropped(browsers: Browsers, factory: Factory) -> None:
    with browsers.tab("a"):
        assert [context_of(browsers, "a") for _ in range(3)] == ["a-0", "a-0", "a-1"]
        assert factory.made[0].dropped == []
    assert factory.made[0].dropped == ["a-0"]


def test_contexts_of_hosts_that_are_done_do_not_pile_up(browsers: Browsers, factory: Factory) -> None:
    for number in range(9):
        context_of(browsers, f"h{number}")

    assert len(factory.made[0].dropped) == 9 - IDLE_CONTEXTS
    assert factory.made[0].dropped[0] == "h0-0"  # the one that was used the longest ago


def test_the_context_that_was_left_last_is_not_dropped(browsers: Browsers, factory: Factory) -> None:
    """Its tab is the one that is kept blank; it went with a context that had been *taken* before the others."""
    with ExitStack() as first_in_last_out:
        for number in range(IDLE_CONTEXTS + 3):
            first_in_last_out.enter_context(browsers.tab(f"h{number}"))

    assert factory.made[0].dropped == ["h6-6", "h5-5", "h4-4"]
    assert context_of(browsers, "h0") == "h0-0"


def test_a_worn_browser_is_replaced_and_keeps_its_pages(browsers: Browsers, factory: Factory) -> None:
    with browsers.tab("a") as first:
        for _ in range(9):
            context_of(browsers, "a")
        context_of(browsers, "a")
        assert len(factory.made) == 2
        assert factory.made[0].open == [first]
        assert not factory.made[0].closed.is_set()
    assert factory.made[0].closed.wait(5)
    assert not factory.made[1].closed.is_set()


def test_a_browser_that_died_is_replaced(browsers: Browsers, factory: Factory) -> None:
    context_of(browsers, "a")
    factory.made[0].is_alive = False

    context_of(browsers, "a")
    assert len(factory.made) == 2
    assert factory.made[0].closed.wait(5)  # what is left of it is done away with


def test_a_browser_that_opens_no_pages_is_replaced(browsers: Browsers, factory: Factory) -> None:
    context_of(browsers, "a")
    factory.made[0].error = DevToolsTimeout("Target.createTarget: no answer within 10.0 s")
    with pytest.raises(BrowserFailed, match="opens no page"):
        context_of(browsers, "a")

    context_of(browsers, "a")
    assert len(factory.made) == 2
    assert factory.made[0].closed.wait(5)


def test_many_threads_start_one_browser(browsers: Browsers, factory: Factory) -> None:
    together = threading.Barrier(8)

    def work() -> None:
        together.wait()
        with browsers.tab("a"):
            together.wait()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert factory.calls == 1
    assert 3 <= len(factory.made[0].contexts) <= 8  # of three pages each
    assert factory.made[0].open == []


def test_one_that_cannot_be_started_is_not_tried_for_ever(browsers: Browsers, factory: Factory) -> None:
    factory.fails = True
    for _ in range(FAILURES + 5):
        with pytest.raises(BrowserFailed, match="no libraries"):
            context_of(browsers, "a")
    assert factory.calls == FAILURES

    factory.now_s += PAUSE_S
    with pytest.raises(BrowserFailed):
        context_of(browsers, "a")
    assert factory.calls == FAILURES + 1

    factory.fails = False
    factory.now_s += PAUSE_S
    assert context_of(browsers, "a") == "a-0"
    factory.made[0].is_alive = False
    factory.fails = True  # failures in a row: it begins anew
    for _ in range(FAILURES):
        with pytest.raises(BrowserFailed):
            context_of(browsers, "a")
    assert factory.calls == FAILURES + 2 + FAILURES


def test_what_ends_a_page_is_told_apart(browsers: Browsers, factory: Factory) -> None:
    def fail(error: Exception, crashed: str = "") -> None:
        with browsers.tab("a") as tab:
            tab.crashed = crashed
            raise error

    with pytest.raises(PageCrashed, match="more memory than it may"):
        fail(TabCrashed("x"), "memory")
    with pytest.raises(PageCrashed, match="broke down"):
        fail(TabCrashed("x"), "crash")
    with pytest.raises(TabCrashed):
        fail(TabCrashed("of another tab"))
    with pytest.raises(BrowserFailed, match="has ended"):
        fail(BrowserGone("Chromium has ended"))
    with pytest.raises(DevToolsError, match="Cannot find"):
        fail(DevToolsError("Cannot find context", -32000))
    with pytest.raises(ZeroDivisionError):
        fail(ZeroDivisionError())
    assert factory.made[0].open == []


def test_after_the_end_there_are_no_tabs(browsers: Browsers, factory: Factory) -> None:
    context_of(browsers, "a")
    browsers.close()

    assert factory.made[0].closed.is_set()
    with pytest.raises(BrowserFailed, match="is ending"):
        context_of(browsers, "a")
    browsers.close()


# --- memory ---


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch, factory: Factory) -> None:
    """Process n has what the fake says of it; those below 100 are pages'."""
    monkeypatch.setattr(memory, "own_bytes", lambda pid: factory.made[0].processes.sizes.get(pid, 0))
    monkeypatch.setattr(memory, "is_renderer", lambda pid: pid < 100)
    monkeypatch.setattr(module, "SAMPLE_S", 0.005)


@pytest.mark.usefixtures("sizes")
def test_the_process_of_a_page_over_its_limit_is_killed(browsers: Browsers, factory: Factory) -> None:
    with browsers.tab("a"):
        processes = factory.made[0].processes
        processes.sizes = {1: 99 * MIB, 2: 101 * MIB, 100: 120 * MIB}
        assert eventually(lambda: processes.killed == [2])
        assert not factory.made[0].closed.is_set()
    context_of(browsers, "a")
    assert len(factory.made) == 1


@pytest.mark.usefixtures("sizes")
def test_a_browser_over_its_line_finishes_its_pages_and_is_replaced(
    browsers: Browsers, factory: Factory
) -> None:
    with browsers.tab("a"):
        factory.made[0].processes.sizes = {100: 401 * MIB}
        assert eventually(lambda: browsers._all[0].is_worn)
        context_of(browsers, "a")
        assert len(factory.made) == 2
        assert not factory.made[0].closed.is_set()
    assert factory.made[0].closed.wait(5)


@pytest.mark.usefixtures("sizes")
def test_a_browser_at_twice_its_line_is_killed(browsers: Browsers, factory: Factory) -> None:
    with browsers.tab("a"):
        factory.made[0].processes.sizes = {100: 801 * MIB}
        assert factory.made[0].closed.wait(5)
    context_of(browsers, "a")
    assert len(factory.made) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_descendants_are_found_and_others_are_not() -> None:
    script = (
        "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"
    )
    ours = memory.Descendants(os.getpid())
    before = set(ours.look())
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
        assert child.stdout
        grandchild = int(child.stdout.readline())
        below_child = memory.Descendants(child.pid)
        assert set(ours.look()) - before == {child.pid, grandchild}
        assert below_child.look() == [grandchild]
        assert os.getppid() not in ours.look()
        assert 2 * MIB < memory.own_bytes(child.pid) < 100 * MIB
        assert proportional_bytes(child.pid) > MIB
        assert not memory.is_renderer(child.pid)
        assert not below_child.kill(child.pid)  # it is none of them
        assert below_child.kill(grandchild)
        assert child.wait(10) == 0
    assert below_child.look() == []
    assert not below_child.kill(grandchild)
    assert memory.own_bytes(child.pid) == proportional_bytes(child.pid) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_one_that_loses_its_parent_is_known_still() -> None:
    grandchild = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True); input()"
    script = (
        "import os, subprocess, sys;"
        f"q = subprocess.Popen([sys.executable, '-c', {grandchild!r}], stdin=-1, stdout=-1, text=True);"
        "print(q.pid, q.stdout.readline().strip(), flush=True); input(); q.kill(); q.wait(); print('done', flush=True);"
        "input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin
        assert child.stdout
        middle, last = map(int, child.stdout.readline().split())
        below = memory.Descendants(child.pid)
        assert set(below.look()) == {middle, last}
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "done\n"
        assert below.look() == [last]
        assert below.kill(last)
        child.stdin.write("\n")
    assert eventually(lambda: below.look() == [])


def test_looking_at_all_processes_is_cheap() -> None:
    ours = memory.Descendants(os.getpid())
    ours.look()
    with cpu_below(100 * 0.005):  # of the 0.15 s between two looks
        for _ in range(100):
            ours.look()


def test_blank_tabs_are_closed_once_no_page_has_been_open_for_a_while(
    browsers: Browsers, factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IDLE_S", 0.1)
    monkeypatch.setattr(module, "SAMPLE_S", 0.01)
    with browsers.tab("a.example"):
        assert holds(lambda: factory.made[0].open_as_blank_tabs_were_closed == [], for_s=0.3)
    assert eventually(lambda: factory.made[0].open_as_blank_tabs_were_closed[:1] == [0])
    with browsers.tab("a.example"):
        pass
    before = len(factory.made[0].open_as_blank_tabs_were_closed)
    assert eventually(lambda: len(factory.made[0].open_as_blank_tabs_were_closed) > before)


def test_no_tab_is_kept_for_a_context_that_is_worn(browsers: Browsers, factory: Factory) -> None:
    for _ in range(3):  # pages_per_context
        assert factory.made == [] or factory.made[0].tabs_closed == 0
        with browsers.tab("a.example"):
            pass
    assert factory.made[0].tabs_closed == 1
