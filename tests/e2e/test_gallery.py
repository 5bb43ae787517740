"""The gallery, as people make it and look at it."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from crawler.catalog import Catalog
from tests.e2e.running import image_crawler, records, running, wait_until_recorded
from tests.support.crawls import SEED, SITE, keep, page, saved
from tests.support.gallery_files import Gallery, payload
from tests.support.images import jpeg
from tests.support.sites import HELD_S, make_site, serving


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo, as it was crawled; not to be changed."""
    root = tmp_path_factory.mktemp("demo")
    outcome = image_crawler("demo", folder=root)
    assert outcome.code == 0, outcome.err
    return root / "data" / "demo"


@pytest.fixture
def crawl(demo: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo, tmp_path / "demo"))


def ask(url: str, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(str(urlsplit(url).netloc), timeout=20)
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_the_gallery_of_the_demo(crawl: Path) -> None:
    outcome = image_crawler("gallery", crawl, "--json", folder=crawl.parent)
    assert outcome.code == 0, outcome.err
    summary = json.loads(outcome.out)
    gallery = Gallery(crawl)
    shown = {url: record for url, record in records(crawl).items() if record.path}
    rows = gallery.rows("index")
    assert {row["url"] for row in rows} == set(shown)
    for row in rows:
        assert (crawl / row["path"]).is_file()
        assert bool(row["thumb"]) == (shown[row["url"]].format != "svg"), row["url"]
    assert summary["images"] == len(rows)
    assert summary["thumbnails"] == sum(bool(row["thumb"]) for row in rows)
    assert set(summary["without"]) <= {"svg"}
    assert gallery.meta["state"] == "finished"
    page = Path(summary["page"])
    loaded = re.findall(r'(?:src|href)="([^"#:]+)"', page.read_text(encoding="utf-8"))
    assert loaded
    assert all((page.parent / name).is_file() for name in loaded), loaded

    again = image_crawler("gallery", crawl, folder=crawl.parent)
    assert again.code == 0, again.err
    first, *_, last = again.out.splitlines()
    assert first == f"{len(rows)} images"
    assert last.split(maxsplit=1) == ["page", str(crawl / "gallery" / "index.html")]
    assert "\x1b" not in again.out + again.err


def test_the_summary_of_a_crawl_leads_to_it(tmp_path: Path) -> None:
    make_site(tmp_path / "site", pages=1, images_per_page=2)
    with serving(tmp_path / "site") as server:
        first = image_crawler("crawl", server.url, "-o", "my crawl", "-q", folder=tmp_path)
        assert first.out.splitlines()[-1] == "see them  image-crawler gallery 'my crawl' --open"
        image_crawler("gallery", "my crawl", folder=tmp_path)
        again = image_crawler("crawl", server.url, "-o", "my crawl", "-q", folder=tmp_path)
    assert again.out.splitlines()[-1] == f"see them  {Path('my crawl', 'gallery', 'index.html')}"


def test_it_is_served_while_the_crawl_runs(tmp_path: Path) -> None:
    make_site(tmp_path / "site", pages=4, images_per_page=8)
    with (
        serving(tmp_path / "site", delay_s=0.05) as server,
        running("crawl", server.url, "-o", "c", "--per-host", "1", folder=tmp_path) as crawling,
    ):
        wait_until_recorded(crawling, tmp_path / "c", 3)
        server.delay_s = HELD_S
        with running("gallery", "c", "--serve", "127.0.0.1:0", "--json", folder=tmp_path) as gallery:
            url = _url(gallery.process)
            assert b"<script" in ask(url, "/gallery/index.html")[1]
            metas = [_meta(url)]
            assert metas[0]["state"] == "running"
            server.delay_s = 0.05
            assert crawling.outcome().code == 0
            end = time.monotonic() + 20
            while metas[-1]["state"] != "finished" and time.monotonic() < end:
                metas.append(_meta(url))
            assert metas[-1]["images"] == len(records(tmp_path / "c")) > metas[0]["images"] > 0
            number = metas[-1]["chunks"][0][0]
            index = payload(ask(url, f"/gallery/data/index-{number:05}.js")[1])
            status, thumbnail = ask(url, f"/gallery/thumbs/{index['thumb'][0]}.webp")
            assert (status, thumbnail[:4]) == (200, b"RIFF")
            status, image = ask(url, f"/{index['path'][0]}")
            assert (status, image) == (200, (tmp_path / "c" / index["path"][0]).read_bytes())
            os.kill(gallery.process.pid, signal.SIGINT)
            outcome = gallery.outcome()
            assert outcome.code == 0, outcome.err
            assert "Traceback" not in outcome.err


def _url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return str(json.loads(process.stdout.readline())["url"])


def _meta(url: str) -> Any:
    status, data = ask(url, "/gallery/data/meta.js")
    assert status == 200
    return payload(data)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A crawl with pictures that take some time to be drawn."""
    folder = tmp_path / "large"
    data = jpeg(width_px=300, height_px=200)
    pictures = [data + b"\0%d" % n for n in range(300)]  # bytes behind the end mark
    images = [saved(folder, f"{SITE}/i/{n}.jpg", one) for n, one in enumerate(pictures)]
    return keep(folder, page(SEED), *images)


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")]
)
def test_a_signal_leaves_a_gallery_that_can_be_looked_at(
    large: Path, number: int, code: int, word: str
) -> None:
    with running("gallery", large, folder=large.parent) as making:
        end = time.monotonic() + 60
        while len(list((large / "gallery" / "thumbs").glob("*/*.webp"))) < 5:
            assert time.monotonic() < end
            assert making.process.poll() is None
            time.sleep(0.005)
        making.interrupt(number)
        outcome = making.outcome()
    assert outcome.code == code
    assert f"{word}; what there is can be looked at. To go on: image-crawler gallery" in outcome.err
    assert "Traceback" not in outcome.err
    gallery = Gallery(large)
    rows = gallery.rows("index")
    assert len(rows) == 300
    there = [row for row in rows if row["thumb"]]
    assert 5 <= len(there) < 300
    assert all(gallery.thumbnail(row).is_file() for row in there)
    assert not list(large.rglob(".making-*"))
    again = image_crawler("gallery", large, "--json", folder=large.parent)
    assert json.loads(again.out)["thumbnails"] == 300


def test_kill_leaves_nothing_that_the_next_one_minds(large: Path) -> None:
    with running("gallery", large, folder=large.parent) as making:
        while len(list((large / "gallery" / "thumbs").glob("*/*.webp"))) < 5:
            time.sleep(0.005)
        os.kill(making.process.pid, signal.SIGKILL)
        making.process.wait()
    again = image_crawler("gallery", large, "--json", folder=large.parent)
    assert again.code == 0, again.err
    assert json.loads(again.out)["thumbnails"] == 300
    assert not list(large.rglob(".making-*"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a disk of a few MiB")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("no disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_said_and_the_next_one_goes_on(disk: Path, crawl: Path) -> None:
    folder = Path(shutil.copytree(crawl, disk / "demo"))
    filling = disk / "filling"
    with suppress(OSError), filling.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    outcome = image_crawler("gallery", folder, folder=crawl.parent)
    assert outcome.code == 1
    assert "no room for" in outcome.error
    assert "free some space" in outcome.error
    filling.unlink()
    outcome = image_crawler("gallery", folder, folder=crawl.parent)
    assert outcome.code == 0, outcome.err
    assert Gallery(folder).meta["images"] > 0


def test_a_read_only_folder_is_an_error_that_names_serve_which_works(disk: Path, crawl: Path) -> None:
    folder = Path(shutil.copytree(crawl, disk / "demo"))
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    outcome = image_crawler("gallery", folder, folder=crawl.parent)
    assert outcome.code == 2
    assert "--serve" in outcome.error
    with running("gallery", folder, "--serve", "0", "--json", folder=crawl.parent) as gallery:
        url = _url(gallery.process)
        number = _meta(url)["chunks"][0][0]
        thumbs = payload(ask(url, f"/gallery/data/index-{number:05}.js")[1])["thumb"]
        thumb = next(one for one in thumbs if one)
        assert ask(url, f"/gallery/thumbs/{thumb}.webp")[1][:4] == b"RIFF"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "there is no folder nowhere"),
        (("demo", "--serve", "x"), "it takes a port"),
        (("demo", "--serve", "127.0.0.1:99999"), "it takes a port"),
        (("demo", "--serve", "192.0.2.1:0"), "can't listen at"),
    ],
)
def test_what_can_not_be_done_is_said(crawl: Path, arguments: tuple[str, ...], said: str) -> None:
    outcome = image_crawler("gallery", *arguments, folder=crawl.parent)
    assert outcome.code == 2
    assert said in outcome.error


def test_a_taken_port_is_no_matter_unless_it_was_asked_for(crawl: Path) -> None:
    with running("gallery", crawl, "--serve", "--json", folder=crawl.parent) as first:
        one = _url(first.process)
        with running("gallery", "--serve", crawl, "--json", folder=crawl.parent) as second:
            other = _url(second.process)
            assert one != other
            assert _meta(one)["images"] == _meta(other)["images"]
        port = str(urlsplit(one).port)
        assert "can't listen" in image_crawler("gallery", crawl, "--serve", port, folder=crawl.parent).error


def test_fresh_removes_the_gallery(tmp_path: Path) -> None:
    make_site(tmp_path / "site", pages=1, images_per_page=1)
    with serving(tmp_path / "site") as server:
        image_crawler("crawl", server.url, "-o", "c", "-q", folder=tmp_path)
        image_crawler("gallery", "c", folder=tmp_path)
        assert list((tmp_path / "c" / "gallery" / "thumbs").glob("*/*"))
        image_crawler("crawl", server.url, "-o", "c", "-q", "--fresh", folder=tmp_path)
    assert not (tmp_path / "c" / "gallery").exists()
    with Catalog(tmp_path / "c") as catalog:
        assert len(catalog) == 1
