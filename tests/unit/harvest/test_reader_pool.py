"""Readers in processes of their own: they read as one does here; what becomes of a document when one of them fails."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crawler.config import Config, load
from crawler.errors import NotHtml, OutOfMemory, PageTimeout, ReaderCrashed, TaskError, TooMuchMemory
from crawler.harvest import reader_main
from crawler.harvest.documents import DocumentReader
from crawler.harvest.handler import PageHandler
from crawler.harvest.reader_pool import LARGE_BYTES, ReaderPool
from crawler.harvest.reader_protocol import Head, in_order
from crawler.http import Fetched
from crawler.models import NewTask, PageStatus, Result, Task, TaskKind
from crawler.sandbox.memory_budget import Budget
from crawler.scope import Scope
from crawler.task_handler import HandlerContext
from tests.support.harvesting import Site, answer
from tests.support.readers import FAULTS

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "cases"
URL = "https://e.org/dir/page.html"
SEEDS = ("https://e.org/",)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="its limits are those of Linux")


def task(url: str = URL, **more: Any) -> Task:
    return Task(id=1, serial=1, kind=TaskKind.PAGE, url=url, depth=1, attempt=1, **more)


def config(**flags: object) -> Config:
    return load(flags={"page_timeout_s": 20.0} | flags)


@pytest.fixture(name="readers", scope="module")
def some_readers() -> Iterator[ReaderPool]:
    pool = ReaderPool(SEEDS, config(), most=2, budget=Budget(2**30))
    yield pool
    pool.close()


def faulty(**flags: object) -> ReaderPool:
    readers = ReaderPool(SEEDS, config(**flags), most=1, budget=Budget(2**28))
    readers._pool._orders = msgspec.structs.replace(readers._pool._orders, make=FAULTS)
    return readers


def read(readers: ReaderPool, fetched: Fetched) -> tuple[Head, list[NewTask]]:
    with readers.read(task(fetched.url), fetched) as reading:
        return reading.head, [found for part in reading.tasks for found in part]


def documents() -> Iterator[Fetched]:
    for path in sorted(CASES.rglob("*.html"))[::7]:
        yield answer(f"https://e.org/{path.name}", path.read_bytes())
    yield answer(URL, "a{background:url(x.png)} @import 'y.css'", "text/css")
    yield answer(URL, "<rss><channel><item><link>/a</link></item></channel></rss>", "application/rss+xml")
    yield answer(URL, "{}", "application/manifest+json")
    yield answer(URL, b"\x89PNG\r\n\x1a\n", "image/png")
    yield answer(URL, "plain", "text/plain")
    yield answer(URL, "", "text/html")


def test_what_is_found_is_what_is_found_in_process(readers: ReaderPool) -> None:
    here = DocumentReader(Scope(SEEDS, config().scope), config())
    count, refusals = 0, list[tuple[Fetched, TaskError]]()
    for fetched in documents():
        try:
            harvest = here.read(task(fetched.url), fetched)
        except TaskError as exc:
            refusals.append((fetched, exc))
            continue
        assert read(readers, fetched) == (Head.of(harvest), in_order(harvest)), fetched.url
        assert readers.words(task(), fetched) == here.words(fetched)
        count += 1
    assert count > 10
    assert len(refusals) > 1
    for fetched, error in refusals:
        with pytest.raises(type(error)) as refusal:
            read(readers, fetched)
        assert (refusal.value.detail, refusal.value.http_status) == (error.detail, error.http_status)


def test_a_refusal_costs_no_reader(readers: ReaderPool) -> None:
    read(readers, answer(URL, "<p>x"))
    before = set(readers._pool._alive)
    for _ in range(3):
        with pytest.raises(NotHtml):
            read(readers, answer(URL, "plain", "text/plain"))
    assert before <= readers._pool._alive


@pytest.mark.parametrize(
    ("word", "error", "said"),
    [
        ("hang", PageTimeout, r"0\.5 s \(page_timeout_s\)"),
        ("segfault", ReaderCrashed, "signal 11"),
        ("exit", ReaderCrashed, "exit code 7"),
        ("nonsense", ReaderCrashed, "no sound reply"),
        pytest.param("memory", TooMuchMemory, "memory_budget_bytes", marks=LINUX),
    ],
)
def test_a_reader_that_fails_costs_one_document(word: str, error: type[TaskError], said: str) -> None:
    readers = faulty(page_timeout_s=0.5 if word == "hang" else 20.0)
    try:
        read(readers, answer(URL, "<img src=a.png>"))
        with pytest.raises(error, match=said) as failure:
            read(readers, answer(URL, f"<!--{word}-->"))
        assert not failure.value.retryable, "one page, one attempt"
        assert read(readers, answer(URL, "<img src=a.png>"))[0].images == 1
    finally:
        readers.close()


def test_one_that_dies_half_way_is_a_failure_and_not_half_a_page() -> None:
    readers = faulty()
    try:
        with pytest.raises(ReaderCrashed):
            read(readers, answer(URL, "<img src=a.png><!--half-->"))
    finally:
        readers.close()


def test_one_that_somebody_else_kills_is_tried_again() -> None:
    readers = faulty()

    def kill() -> None:
        while not (at_work := [child for child in readers._pool._alive if child.due is not None]):
            time.sleep(0.01)
        at_work[0].kill()

    threading.Thread(target=kill).start()
    try:
        with pytest.raises(OutOfMemory) as failure:
            read(readers, answer(URL, "<!--hang-->"))
        assert failure.value.retryable
    finally:
        readers.close()


def test_large_documents_that_hang_leave_a_reader_to_small_ones() -> None:
    readers = ReaderPool(SEEDS, config(page_timeout_s=60.0), most=2, budget=Budget(2**30))
    readers._pool._orders = msgspec.structs.replace(readers._pool._orders, make=FAULTS)
    large = answer(URL, " " * LARGE_BYTES + "<!--hang-->")

    def read_large() -> None:
        with suppress(TaskError):
            read(readers, large)

    threads = [threading.Thread(target=read_large) for _ in range(3)]
    try:
        for thread in threads:
            thread.start()
        while not any(child.due is not None for child in readers._pool._alive):
            time.sleep(0.01)
        for _ in range(3):
            assert read(readers, answer(URL, "<img src=a.png>"))[0].images == 1
        assert sum(child.due is not None for child in readers._pool._alive) == 1, "the first is still at it"
    finally:
        readers.close()
        for thread in threads:
            thread.join(20)


ORPHANED = """
import os, signal, sys, threading, time
from crawler.sandbox.memory_budget import Budget
from tests.unit.harvest import test_reader_pool as here

readers = here.faulty(page_timeout_s=60.0)
threading.Thread(target=here.read, args=(readers, here.answer(here.URL, "<!--hang-->")), daemon=True).start()
while not (at_work := [child for child in readers._pool._alive if child.due is not None]):
    time.sleep(0.01)
print(at_work[0]._process.pid, flush=True)
time.sleep(0.3)
os.kill(os.getpid(), signal.SIGKILL)
"""


@LINUX
def test_a_reader_at_work_ends_with_its_worker_when_that_is_killed() -> None:
    """What it has taken is given back in that moment."""
    worker = subprocess.run(
        [sys.executable, "-c", ORPHANED], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert worker.returncode == -9, worker.stderr
    reader = Path(f"/proc/{int(worker.stdout)}/stat")
    end = time.monotonic() + 2
    while reader.exists() and reader.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < end, "it goes on"
        time.sleep(0.01)


# --- as a handler uses them ---


def handled(readers: ReaderPool, html: str, **more: Any) -> Result:
    site = Site({URL: answer(URL, html)})
    handler = PageHandler(
        HandlerContext(transport=site, scope=Scope(SEEDS), config=config(), worker_id="w"),
        read=readers.read,
        **more,
    )
    return handler(task())


def test_a_page_that_hangs_is_one_record() -> None:
    readers = faulty(page_timeout_s=0.3)
    try:
        result = handled(readers, "<!--hang-->")
    finally:
        readers.close()
    assert (result.record.status, result.record.reason) == (PageStatus.REJECTED, "page-timeout")
    assert result.retry_in_s is None


def test_a_fault_of_ours_is_told_with_its_traceback(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = faulty()
    monkeypatch.setattr(
        "crawler.harvest.reader_pool._HEADS",
        type("", (), {"decode": lambda _: Head(detail="KeyError: 1", fault="Traceback: …")}),
    )
    try:
        result = handled(readers, "<p>")
    finally:
        readers.close()
    assert (result.record.reason, result.record.detail) == ("internal-error", "KeyError: 1")
    assert "Traceback: …" in caplog.text


@pytest.mark.slow
def test_a_huge_page_is_put_as_it_comes(readers: ReaderPool) -> None:
    """Its harvester never has all of it, and nothing of it is lost or comes twice."""
    early: list[list[NewTask]] = []
    count = 30_000
    html = "".join(f"<img src=/images/{'x' * 60}/{n}.png alt='Number {n}'>" for n in range(count))
    result = handled(readers, html + "<a href=next.html>", put_early=early.append)
    found = [new.url for part in early for new in part] + [new.url for new in result.discovered]
    assert len(found) == len(set(found)) == count + 1
    assert len(early) > 3
    assert max(len(part) for part in early) < count / 2
    assert len(result.discovered) < count / 2
    assert (result.record.images, result.record.links) == (count, 1)


def test_the_harvester_does_not_import_the_parsers() -> None:
    code = (
        "import sys, crawler.harvest.handler, crawler.harvest.reader_pool;"
        "print({'selectolax', 'bs4', 'crawler.harvest.documents'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    assert run.stdout.strip() == b"set()"


def test_no_login_is_told_to_a_reader() -> None:
    told = ReaderPool(
        SEEDS,
        load(flags={"login": "me:secret", "headers": ("X-Key: secret",), "proxy": "http://me:secret@h:1"}),
        most=1,
        budget=Budget(2**28),
    )._pool._orders.settings
    assert "secret" not in told


@LINUX
def test_orders_are_not_in_the_list_of_processes(readers: ReaderPool) -> None:
    read(readers, answer(URL, "<p>x"))
    (child, *_) = readers._pool._alive
    assert b"e.org" not in Path(f"/proc/{child._process.pid}/cmdline").read_bytes()
    assert Path(f"/proc/{child._process.pid}/oom_score_adj").read_text().strip() == "1000"
    assert os.getpid() != child._process.pid


@pytest.mark.parametrize(
    ("part", "least"),
    [
        ("<a>", 197),
        ("<img>", 114),
        ("url(a)", 105),
        ("<img srcset='a.png?w=1 1w, b.png?w=1 2w'>", 60),
        ("温", 16),
    ],
)
def test_a_page_asks_for_the_memory_that_it_takes(part: str, least: int) -> None:
    """As python -m tests.benchmarks.quadratic --memory has measured it, for each of its bytes."""
    content = (part * 10_000).encode()
    assert reader_main._memory_bytes(content) >= least * len(content)
    assert reader_main._memory_bytes(b"<p>some words of a text</p>" * 10_000) < 200 * 27 * 10_000
