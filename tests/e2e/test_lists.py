"""Images and pages of lists, from the command line, by a pipe, from Python, and with the queue in Redis."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import crawler
from crawler.catalog import Catalog
from crawler.models import ImageRecord
from tests.e2e.running import image_crawler, recorded, running, saved_digests, wait_until_recorded
from tests.support.redisserver import queue_flags
from tests.support.sites import SiteServer, make_site, serving

LOCAL = ("--allow-addresses", "127.0.0.1", "--downloaders", "1", "--quiet")


def listed(server: SiteServer, paths: list[str]) -> str:
    rows = "".join(f"{server.url.rstrip('/')}{path},caption of {path}\n" for path in paths)
    return f"url,caption\n{rows}"


def images_of(folder: Path) -> dict[str, ImageRecord]:
    with Catalog(folder) as catalog:
        return {record.url: record for record in catalog.images()}


def test_images_of_a_list_and_another_list_adds_to_them(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=2, images_per_page=4)
    paths = sorted(digests)
    with serving(tmp_path / "site") as server:
        (tmp_path / "one.csv").write_text(
            listed(server, [*paths[:3], "/none.png"]) + "nope,x\n", encoding="utf-8"
        )
        command = ("crawl", "-I", "one.csv", *LOCAL)
        outcome = image_crawler(*command, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert "one.csv, line 6: 'nope' is not an http or https URL" in outcome.err
        folder = tmp_path / "data" / "one"
        found = images_of(folder)
        assert len(found) == 4
        for path in paths[:3]:
            record = found[server.url.rstrip("/") + path]
            assert (record.status, record.found_in, record.page_url) == ("saved", "list", "")
            assert record.caption == f"caption of {path}"
            assert record.sha256 == digests[path]
        assert found[f"{server.url}none.png"].reason == "not-found"
        assert not any("html" in path or path == "/" for path in server.requests)
        asked = server.requests.copy()
        assert image_crawler(*command, folder=tmp_path).code == 0
        assert server.requests == asked, "what is known is not fetched again"
        (tmp_path / "two.csv").write_text(listed(server, paths[2:6]), encoding="utf-8")
        outcome = image_crawler("crawl", "--image-list", "two.csv", "-o", folder, *LOCAL, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert len(images_of(folder)) == 7
        outcome = image_crawler("crawl", "-o", folder, *LOCAL, "--refresh", folder=tmp_path)
        assert outcome.code == 0, outcome.err
        again = images_of(folder)
        assert {record.found_in for record in again.values()} == {"list"}
        assert {record.revisit for record in again.values() if record.status == "saved"} == {"unchanged"}
        explained = image_crawler("explain", folder, server.url.rstrip("/") + paths[0], folder=tmp_path)
        assert "named by a list" in explained.out


def test_a_list_only_of_what_is_not_there_fails(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    with serving(tmp_path / "site") as server:
        (tmp_path / "l").write_text(f"{server.url}a.png\n", encoding="utf-8")
        outcome = image_crawler("crawl", "-I", "l", "-o", "c", *LOCAL, folder=tmp_path)
    assert outcome.code == 1
    assert "the only image could not be saved" in outcome.error


def test_private_addresses_of_a_list_are_not_asked(tmp_path: Path) -> None:
    make_site(tmp_path / "site", pages=1, images_per_page=1)
    with serving(tmp_path / "site") as server:
        (tmp_path / "l").write_text(f"{server.url}images/p0/i0.png\n", encoding="utf-8")
        outcome = image_crawler("crawl", "-I", "l", "-o", "c", "--quiet", folder=tmp_path)
        assert outcome.code == 1
        assert not server.requests
    (record,) = images_of(tmp_path / "c").values()
    assert record.reason == "forbidden-address"


@pytest.mark.parametrize("argument", ["-", "-i"])
def test_pages_by_a_pipe_are_seeds(tmp_path: Path, argument: str) -> None:
    digests = make_site(tmp_path / "site", pages=3, images_per_page=2)
    with serving(tmp_path / "site") as server:
        words = ["-"] if argument == "-" else ["-i", "-"]
        done = subprocess.run(
            [sys.executable, "-m", "crawler", "crawl", *words, "-o", "c", "--max-depth", "0", *LOCAL],
            input=f"# two pages\n{server.url}\n{server.url}page1.html\n",
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        saved = saved_digests(tmp_path / "c", server.url)
    assert saved == {path: digest for path, digest in digests.items() if "/p2/" not in path}
    with Catalog(tmp_path / "c") as catalog:
        assert len(catalog.seeds()) == 2


def test_a_pipe_needs_a_folder_and_nothing_is_made(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crawler", "crawl", "-I", "-"],
        input="http://192.0.2.1/a.png\n",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "names no folder: choose one with -o" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "flags", "says"),
    [
        ("a,b\n1,2\n", ("--url-column", "c"), "has no column 'c': it has 'a', 'b'"),
        ("", (), "the list list.csv names no URL"),
        ("nope,x\n", (), "no column that is known for that of the URL"),
    ],
)
def test_a_list_that_will_not_do_changes_nothing(
    tmp_path: Path, text: str, flags: tuple[str, ...], says: str
) -> None:
    (tmp_path / "list.csv").write_text(text, encoding="utf-8")
    outcome = image_crawler("crawl", "-I", "list.csv", *flags, folder=tmp_path)
    assert outcome.code == 2
    assert says in outcome.error
    assert [path.name for path in tmp_path.iterdir()] == ["list.csv"]


def test_killed_it_goes_on_with_the_folder_alone(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=10, images_per_page=5)
    with serving(tmp_path / "site", delay_s=0.03) as server:
        (tmp_path / "l.csv").write_text(listed(server, sorted(digests)), encoding="utf-8")
        server.held_after = 20
        with running("crawl", "-I", "l.csv", "-o", "c", *LOCAL, "--per-host", "2", folder=tmp_path) as crawl:
            wait_until_recorded(crawl, tmp_path / "c", 5)
            crawl.interrupt(signal.SIGKILL)
        server.held_after = None
        before = recorded(tmp_path / "c")
        assert 5 <= before < len(digests)
        outcome = image_crawler("crawl", "-o", "c", *LOCAL, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert saved_digests(tmp_path / "c", server.url) == digests


def test_pages_and_images_together_and_no_seed_of_another_crawl(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=1, images_per_page=2)
    make_site(tmp_path / "site" / "more", pages=1, images_per_page=2, seed=3)
    with serving(tmp_path / "site") as server:
        (tmp_path / "l").write_text(f"{server.url}more/images/p0/i0.png\n", encoding="utf-8")
        outcome = image_crawler("crawl", server.url, "-I", "l", "-o", "c", *LOCAL, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert len(images_of(tmp_path / "c")) == len(digests) + 1
        for command in (("crawl", server.url, "-o", "c"), ("crawl", "-o", "c")):
            assert image_crawler(*command, *LOCAL, folder=tmp_path).code == 0
        other = image_crawler("crawl", f"{server.url}more/", "-o", "c", *LOCAL, folder=tmp_path)
        assert other.code == 2
        assert "belongs to another crawl" in other.error


def test_nothing_to_begin_with(tmp_path: Path) -> None:
    outcome = image_crawler("crawl", folder=tmp_path)
    assert outcome.code == 2
    assert "a crawl needs something to begin with: a URL, -i FILE or --image-list FILE" in outcome.error


def test_from_python(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=1, images_per_page=3)
    paths = sorted(digests)
    with serving(tmp_path / "site") as server:
        base = server.url.rstrip("/")
        rows = [{"url": base + paths[0], "caption": "one"}, base + paths[1]]
        options = {"output": tmp_path / "c", "allow_addresses": ("127.0.0.1",), "downloaders": 1}
        found = {record.url: record for record in crawler.crawl(image_list=rows, **options)}  # type: ignore[arg-type]
        assert {url: record.caption for url, record in found.items()} == {
            base + paths[0]: "one",
            base + paths[1]: "",
        }
        (tmp_path / "l.jsonl").write_text(json.dumps({"url": base + paths[2]}), encoding="utf-8")
        again = list(crawler.crawl(image_list=tmp_path / "l.jsonl", **options))  # type: ignore[arg-type]
        assert len(again) == 3


@pytest.mark.servers
def test_with_the_queue_in_redis(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=4, images_per_page=5)
    paths = sorted(digests)
    with serving(tmp_path / "site") as server, queue_flags("redis", tmp_path / "redis") as queue:
        (tmp_path / "one.csv").write_text(listed(server, paths[:12]) + "nope,\n", encoding="utf-8")
        outcome = image_crawler("crawl", "-I", "one.csv", "-o", "c", *queue, *LOCAL, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        found = images_of(tmp_path / "c")
        assert len(found) == 12
        assert {record.found_in for record in found.values()} == {"list"}
        assert all(record.caption.startswith("caption of ") for record in found.values())
        (tmp_path / "two.csv").write_text(listed(server, paths[10:]), encoding="utf-8")
        outcome = image_crawler("crawl", "-I", "two.csv", "-o", "c", *queue, *LOCAL, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert saved_digests(tmp_path / "c", server.url) == digests
        with Catalog(tmp_path / "c") as catalog:
            assert dict(catalog.rows("SELECT reason, count FROM dropped")) == {"list-line": 1}


def test_workers_of_other_machines_save_them(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=1, images_per_page=3)
    with serving(tmp_path / "site") as server:
        (tmp_path / "l.csv").write_text(listed(server, sorted(digests)), encoding="utf-8")
        with running("serve", "-I", "l.csv", "-o", "c", *LOCAL, folder=tmp_path) as crawl:
            while not (tmp_path / "c" / "crawl.address").exists():
                assert crawl.process.poll() is None
                time.sleep(0.05)
            worker = image_crawler("work", "c", folder=tmp_path)
            assert worker.code == 0, worker.err
            assert "downloading for the crawl of a list of images" in worker.err
            assert crawl.outcome().code == 0
        assert {record.status for record in images_of(tmp_path / "c").values()} == {"saved"}
