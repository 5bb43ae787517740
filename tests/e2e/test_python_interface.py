"""``for record in crawler.crawl(url)``: in a plain script, left early, gone on with."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

import crawler
from tests.e2e.running import Outcome, Running, records, saved_digests
from tests.support.sites import make_site, serving


def script(text: str, *arguments: str, folder: Path) -> Outcome:
    """Run a script of a user's: no main guard, no function, nothing of ours but the import."""
    file = folder / "script.py"
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    return Running(arguments, folder=folder, program=[str(file)]).outcome()


ROLES = {"fork-server", "manager", "harvester", "downloader", "reader", "decoder"}


def processes() -> dict[int, str]:
    """The processes of crawls of this process, by their ids; a fork server has those that it has forked below it."""
    parents, names = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = stat.read_text(encoding="utf-8").partition("(")[2].rpartition(")")
            state, parent = rest.split()[:2]
            if state != "Z":
                parents[int(stat.parent.name)], names[int(stat.parent.name)] = int(parent), name
    if not names:  # no /proc
        return {child.pid or 0: child.name for child in multiprocessing.active_children()}
    above, found = {os.getpid()}, set()
    while above:
        above = {pid for pid, parent in parents.items() if parent in above}
        found |= above
    return {pid: names[pid] for pid in found if names[pid] in ROLES}


def test_a_plain_script_needs_no_main_guard(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=3, images_per_page=4)
    with serving(tmp_path / "site") as server:
        outcome = script(
            """
            import sys
            import crawler

            print("begun")
            for record in crawler.crawl(sys.argv[1], output="pictures", downloaders=1):
                print(record.status, record.url, record.path, sep="\\t")
            print("ended")
            """,
            server.url,
            folder=tmp_path,
        )
        url = server.url
    assert outcome.code == 0, outcome.err
    first, *lines, last = outcome.out.splitlines()
    assert (first, last) == ("begun", "ended"), "the script has run once, not once for each process"
    rows = [line.split("\t") for line in lines]
    assert {row[0] for row in rows} == {"saved"}
    assert sorted("/" + row[1].removeprefix(url) for row in rows) == sorted(digests)
    assert all((tmp_path / "pictures" / row[2]).is_file() for row in rows)
    assert saved_digests(tmp_path / "pictures", url) == digests
    assert outcome.err == ""


def test_leaving_the_loop_stops_cleanly_and_the_same_call_goes_on(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=20, images_per_page=5)
    threads = set(threading.enumerate())
    with serving(tmp_path / "site", delay_s=0.01) as server:
        outcome = script(
            """
            import sys, os
            import crawler

            for record in crawler.crawl(sys.argv[1], output="pictures", downloaders=1):
                break
            print(record.status)
            """,
            server.url,
            folder=tmp_path,
        )
        assert (outcome.code, outcome.out, outcome.err) == (0, "saved\n", "")
        before = len(records(tmp_path / "pictures"))
        assert 1 <= before < len(digests), "it was left early"
        found = list(crawler.crawl(server.url, output=tmp_path / "pictures", downloaders=1))
        url = server.url
    assert len(found) == len({record.url for record in found}) == len(digests)
    assert saved_digests(tmp_path / "pictures", url) == digests
    assert set(threading.enumerate()) <= threads, "a thread was left behind"


def test_closing_the_iterator_ends_its_processes(tmp_path: Path) -> None:
    make_site(tmp_path / "site", pages=20, images_per_page=5)
    with serving(tmp_path / "site", delay_s=0.01) as server:
        found = crawler.crawl(server.url, output=tmp_path / "pictures", downloaders=1)
        assert next(iter(found)).status is crawler.ImageStatus.SAVED
        assert {"manager", "harvester", "downloader"} <= set(processes().values())
        found.close()
        assert processes() == {}


def test_errors_are_the_documented_ones(tmp_path: Path) -> None:
    with pytest.raises(
        crawler.UsageError, match=r"the seed 'ftp://example\.org/' is not an http or https URL"
    ):
        next(crawler.crawl("ftp://example.org/", output=tmp_path / "a"))
    with pytest.raises(crawler.UsageError, match="did you mean 'max_depth'"):
        next(iter(crawler.crawl("http://127.0.0.1/", output=tmp_path / "a", max_depht=2)))  # type: ignore[call-arg]
    with pytest.raises(crawler.UsageError, match="give max_depth within config, or no config; not both"):
        next(iter(crawler.crawl("http://127.0.0.1/", config=crawler.load_config(), max_depth=2)))
    (tmp_path / "site").mkdir()
    with serving(tmp_path / "site") as server, pytest.raises(crawler.CrawlError, match="404 Not Found"):
        list(crawler.crawl(server.url + "nothing.html", output=tmp_path / "b", downloaders=1))
    assert not (tmp_path / "a").exists()


def test_the_import_is_cheap() -> None:
    """Every process of a crawl imports the package; it must not bring the rest with it."""
    code = "import sys, crawler; print(*sorted(m for m in sys.modules if m.startswith('crawler')), len(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *ours, count = done.stdout.split()
    assert ours == ["crawler"]
    empty = subprocess.run(
        [sys.executable, "-c", "import sys; print(len(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(count) - int(empty.stdout) < 60


# --- async for ---


def test_async_for_leaves_the_loop_free_and_gets_all(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=3, images_per_page=4)

    async def main(url: str) -> tuple[list[crawler.ImageRecord], int]:
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                await asyncio.sleep(0.01)
                beats += 1

        beating = asyncio.create_task(beat())
        found = [record async for record in crawler.crawl([url], output=tmp_path / "pictures", downloaders=1)]
        beating.cancel()
        return found, beats

    with serving(tmp_path / "site") as server:
        found, beats = asyncio.run(main(server.url))
    assert len(found) == len(digests)
    assert all(record.file is not None and record.file.is_file() for record in found)
    assert beats > 10, "others had their turn meanwhile"
    assert processes() == {}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("how", ["break", "cancel", "error", "timeout"])
def test_leaving_it_stops_the_crawl_cleanly(tmp_path: Path, how: str) -> None:
    digests = make_site(tmp_path / "site", pages=20, images_per_page=5)

    async def read(url: str) -> None:
        # one at a time: a crawl goes on while its caller sleeps
        async for record in crawler.crawl(url, output=tmp_path / "pictures", downloaders=1, per_host=1):
            assert record.status == "saved"
            if how == "break":
                break
            if how == "error":
                raise LookupError("of the caller")
            if how == "cancel":
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            if how == "timeout":
                await asyncio.sleep(60)

    async def main(url: str) -> None:
        with suppress(LookupError, asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(20 if how != "timeout" else 8):
                await read(url)

    with serving(tmp_path / "site", delay_s=0.2) as server:
        asyncio.run(main(server.url))
        server.delay_s = 0.0
        end = time.monotonic() + 30
        while processes() and time.monotonic() < end:
            time.sleep(0.05)
        assert processes() == {}
        before = len(records(tmp_path / "pictures"))
        assert before < len(digests), "it was left early"
        found = list(crawler.crawl(server.url, output=tmp_path / "pictures", downloaders=1))
    assert len(found) == len(digests), "and nothing is lost"


# --- in whatever process ---


def crawled(url: str, folder: Path) -> list[str]:
    """What a worker of a pool does."""
    return [record.status for record in crawler.crawl(url, output=folder, downloaders=1)]


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_it_works_in_a_worker_of_a_pool_which_may_have_no_children(tmp_path: Path, method: str) -> None:
    digests = make_site(tmp_path / "site", pages=2, images_per_page=3)
    with serving(tmp_path / "site") as server, multiprocessing.get_context(method).Pool(1) as pool:
        statuses = pool.apply(crawled, (server.url, tmp_path / "pictures"))
    assert statuses == ["saved"] * len(digests)


def test_seeds_come_one_by_one_in_lists_and_by_iterators(tmp_path: Path) -> None:
    make_site(tmp_path / "site", pages=2, images_per_page=3)
    with serving(tmp_path / "site") as server:
        url = server.url
        given = (url + "page0.html", [url], iter([url]))
        found = list(crawler.crawl(*given, output=tmp_path / "pictures", max_depth=0, downloaders=1))
    assert found
    with crawler.Catalog(tmp_path / "pictures") as catalog:
        assert set(catalog.seeds()) == {url, url + "page0.html"}


@pytest.mark.parametrize("wrong", [7, None, b"http://a.example/", [["http://a.example/"]], Path("a.txt")])
def test_what_is_no_seed_is_told_by_its_type(tmp_path: Path, wrong: object) -> None:
    with pytest.raises(crawler.UsageError, match=r"is of type \w+; give URLs as str, or a list of such"):
        next(crawler.crawl(wrong, output=tmp_path / "a"))  # type: ignore[arg-type]
    assert not (tmp_path / "a").exists()


def test_progress_is_told_with_the_figures_of_the_queue(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=2, images_per_page=3)
    told: list[crawler.Stats] = []
    with serving(tmp_path / "site") as server:
        list(crawler.crawl(server.url, output=tmp_path / "pictures", downloaders=1, progress=told.append))
    assert told[-1].drained
    assert told[-1].image_status == {"saved": len(digests)}
