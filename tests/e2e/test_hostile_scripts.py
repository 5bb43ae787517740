"""Hostile pages in a real browser, honest ones between them, and what is killed while pages are open.

What the pages do is in tests/hostile_pages; ``python -m tests.hostile_pages`` opens all of them, these here are those
that CI has time for.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from crawler.catalog import Catalog
from crawler.models import TaskKind
from tests.e2e.running import PATIENCE_S, Running, saved_digests
from tests.e2e.test_renderers import queue_of
from tests.hostile_pages import PAGES
from tests.hostile_pages.kinds import Hostile
from tests.hostile_pages.trial import HONEST_NAMES, Outcome, Trial, children, flaws, memory_bytes, trying
from tests.support.chromium import chromium
from tests.support.cpu_time import soon
from tests.support.queues import wait_until
from tests.support.sites import png, serving

pytestmark = [
    pytest.mark.browser,
    pytest.mark.untraced,
    pytest.mark.timeout(400),
    pytest.mark.allow_hosts(
        ["127.0.0.1", "127.0.0.2", "::1"]
    ),  # so that a canary is touched, if anybody would
    pytest.mark.skipif(
        sys.platform != "linux", reason="looks into /proc; the browser's isolation is Linux's"
    ),
]
MIB = 2**20
BUDGET_S = 2.0
MOST_S = 10.0
"""For a page, all told, on a quiet machine: to be read and closed takes some seconds, and readers have theirs."""
HONEST_EVERY = 10


@pytest.fixture(name="program")
def _program() -> Path:
    return chromium()


def small() -> dict[str, object]:
    return {"render_timeout_s": BUDGET_S, "render_memory_bytes": 200 * MIB, "page_timeout_s": 8.0}


def left() -> set[str]:
    """Processes, threads and open files of this process."""
    gc.collect()
    files = set()
    for file in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            files.add(f"file {file.name}: {file.readlink()}")
    threads = {f"thread {thread.name} {thread.ident}" for thread in threading.enumerate()}
    return files | threads | {f"process {pid}" for pid in children()}


def mixed(trial: Trial, pages: list[Hostile]) -> Iterator[tuple[Hostile | None, Outcome]]:
    """What comes of *pages*, several at a time, and of honest ones among them (None)."""
    with ThreadPoolExecutor(4) as pool:
        opened: list[tuple[Hostile | None, Future[Outcome]]] = []
        for number, page in enumerate(pages):
            opened.append((page, pool.submit(trial.hostile, page.name)))
            if number % HONEST_EVERY == 0:
                opened.append((None, pool.submit(trial.honest, 1 + number)))
        for page, future in opened:
            yield page, future.result()


def test_none_stops_floods_fools_or_escapes_a_renderer(program: Path, pytestconfig: pytest.Config) -> None:
    pages = [page for page in PAGES if page.in_ci]
    assert len(pages) > 50
    if (
        not pytestconfig.option.thorough
    ):  # minutes for all of them; ``python -m tests.hostile_pages`` has these as well
        pages = pages[::3]
    before = left()
    with trying(program, pages, **small()) as trial:
        trial.honest(0)  # now there is a browser, and two readers
        memory = memory_bytes()
        late, wrong, poor = {}, {}, {}
        for page, outcome in mixed(trial, pages):
            if not soon(outcome.seconds, MOST_S):
                late[outcome.name] = outcome.seconds
            if page is None:
                if missing := set(HONEST_NAMES) - outcome.images:
                    poor[outcome.name] = (missing, outcome.record)
            elif told := flaws(outcome, page, trial.server):
                wrong[page.name] = told
        # what a page does in three seconds depends on who else wants the processors: those get more, alone
        wrong = {
            name: flaws(trial.hostile(name, patiently=True), trial.pages[name], trial.server)
            for name in wrong
        }
        grown = memory_bytes() - memory
        touched = dict(trial.server.canaries.touched)
    assert {name: told for name, told in wrong.items() if told} == {}
    assert poor == {}, "honest pages give all that they have"
    assert late == {}
    assert touched == {}, trial.server.canaries.said
    assert grown < 400 * MIB

    end = time.monotonic() + 25.0  # requests under way have some time of their own
    while (more := left() - before) and time.monotonic() < end:
        time.sleep(0.05)
    assert more == set()


def test_a_page_whose_tab_is_crashed_from_outside_is_opened_once_more(program: Path) -> None:
    with trying(program, [], **small()) as trial, ThreadPoolExecutor(1) as pool:
        trial.honest(0)
        opened = pool.submit(trial.honest, 1)
        wait_until(
            lambda: any(asked.path == "/honest-1/list.json" for asked in trial.server.of("honest-1")),
            within_s=60.0,
        )
        trial.crash_tabs()
        outcome = opened.result()
    assert outcome.attempts == 2
    assert outcome.record.status == "rendered"
    assert outcome.images >= set(HONEST_NAMES)


def test_a_browser_that_is_killed_takes_no_page_with_it(program: Path) -> None:
    with trying(program, [], **small()) as trial, ThreadPoolExecutor(3) as pool:
        trial.honest(0)
        opened = [pool.submit(trial.honest, n) for n in (1, 2, 3)]
        wait_until(lambda: all(trial.server.of(f"honest-{n}") for n in (1, 2, 3)), within_s=60.0)
        before = chromiums(os.getpid())
        assert before
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        outcomes = [one.result() for one in opened]
        assert all(outcome.images >= set(HONEST_NAMES) for outcome in outcomes)
        assert {outcome.record.status for outcome in outcomes} == {"rendered"}
        assert max(outcome.attempts for outcome in outcomes) > 1


# --- a crawl ---

APPS = 30


def make_apps(folder: Path) -> dict[str, str]:
    """Pages that show three pictures each, by script alone; returns path -> sha256 of the pictures."""
    rng = random.Random(7)
    digests = {}
    (folder / "images").mkdir(parents=True)
    for app in range(APPS):
        for n in range(3):
            name = f"images/{app}-{n}.png"
            (folder / name).write_bytes(data := png(rng))
            digests[f"/{name}"] = hashlib.sha256(data).hexdigest()
        (folder / f"app-{app}.html").write_text(
            f"<!DOCTYPE html><title>App {app}</title><div id=root></div><script src=/app.js></script>"
        )
    (folder / "app.js").write_text(
        "const app = location.pathname.match(/\\d+/)[0]; for (let n = 0; n < 3; n++) setTimeout(() => {"
        " const one = new Image(); one.src = `/images/${app}-${n}.png`; document.querySelector('#root').append(one); },"
        " 100 * n);"
    )
    links = "".join(f"<a href=/app-{n}.html>photos {n}</a>" for n in range(APPS))
    (folder / "index.html").write_text(f"<!DOCTYPE html><title>Home</title>{links}")
    return digests


def test_killed_browsers_and_renderers_cost_a_crawl_nothing(tmp_path: Path, program: Path) -> None:
    del program
    digests = make_apps(tmp_path / "site")
    seen: set[tuple[int, str]] = set()
    with serving(tmp_path / "site") as server:
        crawl = Running(
            ["crawl", server.url, "-o", "crawl", "--json", "-q", "--render", "always", "--delay-s", "0.1"],
            folder=tmp_path,
        )
        try:
            kill_some(crawl, tmp_path / "crawl", seen)
            outcome = crawl.outcome(patience_s=240)
        finally:
            if crawl.process.poll() is None:
                os.killpg(crawl.process.pid, signal.SIGKILL)
        assert outcome.code == 0, outcome.err
        assert saved_digests(tmp_path / "crawl", server.url) == digests
        twice = {path: n for path, n in server.requests.items() if path.startswith("/images/") and n != 1}
    assert twice == {}
    stats = json.loads(outcome.out)["stats"]
    assert stats["render_status"] == {"rendered": APPS + 1}
    assert {state: n for state, n in stats["images"].items() if n} == {"done": len(digests)}
    assert stats["image_status"] == {"saved": len(digests)}
    wait_until(lambda: not still_there(seen), within_s=5.0)


def kill_some(crawl: Running, folder: Path, seen: set[tuple[int, str]]) -> None:
    """Chromium once, the process of the renderer once, as pages are being rendered; *seen* is told of all browsers."""

    def rendered() -> int:
        assert crawl.process.poll() is None, crawl.process.communicate()
        seen.update((pid, started_at(pid)) for pid in chromiums(crawl.process.pid))
        try:
            with Catalog(folder) as catalog:
                return int(catalog.value("SELECT count(*) FROM renders"))
        except Exception:  # noqa: BLE001 - it is being made
            return 0

    wait_until(lambda: rendered() >= 3, within_s=PATIENCE_S)
    for pid in chromiums(crawl.process.pid):
        os.kill(pid, signal.SIGKILL)
    after = rendered()
    wait_until(lambda: rendered() >= after + 3, within_s=PATIENCE_S)
    with ExitStack() as stack:
        tasks = queue_of(folder, stack).get_task_queue()
        (renderer,) = (who.pid for who in tasks.stats().workers if who.kind is TaskKind.RENDER)
        os.kill(renderer, signal.SIGKILL)
    after = rendered()
    wait_until(lambda: rendered() >= after + 1, within_s=PATIENCE_S)


def chromiums(pid: int) -> list[int]:
    """The first process of each browser below *pid*."""
    found = []
    for child in children(pid):
        try:
            command = (Path("/proc") / str(child) / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--headless" in command and not any(word.startswith(b"--type=") for word in command):
            found.append(child)
    return found


def started_at(pid: int) -> str:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def still_there(seen: set[tuple[int, str]]) -> list[int]:
    return [pid for pid, began in seen if began and started_at(pid) == began]
