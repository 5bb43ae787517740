"""A crawl into an object store: moto's S3, with a door that is closed for a while."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.catalog import Catalog
from crawler.models import ImageRecord
from tests.e2e.running import image_crawler, recorded, running, wait_until_recorded
from tests.support import objectstore
from tests.support.cpu_time import soon
from tests.support.objectstore import Door, Store
from tests.support.sites import make_site, serving

pytestmark = pytest.mark.servers

FEW = ("--quiet", "--downloaders", "2")


@pytest.fixture
def door() -> Iterator[Door]:
    with objectstore.door() as opened, pytest.MonkeyPatch.context() as patched:
        objectstore.set_environment(patched, objectstore.s3_environment(opened.url))
        yield opened


@pytest.fixture
def store(door: Door) -> Store:
    return Store(
        url=f"s3://{objectstore.BUCKET}/{secrets.token_hex(8)}/site",
        environment=objectstore.s3_environment(objectstore.moto()),
    )


def kept(folder: Path, url: str) -> dict[str, tuple[str, str]]:
    """URL path -> path and SHA-256, of the records of what is kept."""
    with Catalog(folder) as catalog:
        return {
            "/" + record.url.removeprefix(url): (record.path, record.sha256)
            for record in catalog.images()
            if record.status in {"saved", "duplicate"}
        }


def images(folder: Path) -> list[ImageRecord]:
    with Catalog(folder) as catalog:
        return list(catalog.images())


def test_an_outage_in_the_middle_loses_nothing(tmp_path: Path, door: Door, store: Store) -> None:
    digests = make_site(tmp_path / "site", pages=12, images_per_page=5)
    twin = tmp_path / "site/images/p0/i1.png"  # the same bytes at another address
    twin.write_bytes((tmp_path / "site/images/p0/i0.png").read_bytes())
    digests["/images/p0/i1.png"] = digests["/images/p0/i0.png"]
    folder = tmp_path / "crawl"
    with serving(tmp_path / "site", delay_s=0.01) as server:
        command = ("crawl", server.url, "-o", "crawl", "--storage", store.url, *FEW, "--per-host", "2")
        server.held_after = 20
        with running(*command, folder=tmp_path) as crawl:
            wait_until_recorded(crawl, folder, 10)
            door.closed = True
            server.held_after = None
            before, asked = recorded(folder), len(door.requests)
            end = time.monotonic() + 10
            while len(door.requests) < asked + 6 and time.monotonic() < end:
                time.sleep(0.02)
            assert recorded(folder) < before + 20 < len(digests), "nobody could save anything"
            door.closed = False
            outcome = crawl.outcome()
        assert outcome.code == 0, outcome.err
        assert "finished, and the books balance" in outcome.out
        assert outcome.err.count("no answer from s3://") <= 2, "once for each downloader"
        assert [path for path in server.requests if server.requests[path] > 1] == []
        found = kept(folder, server.url)
    assert {path: sha256 for path, (_, sha256) in found.items()} == digests
    files = store.files()
    assert {path: hashlib.sha256(files[path]).hexdigest() for path, _ in found.values()} == dict(
        found.values()
    )
    assert len(files) == len(digests) - 1, "the same bytes are kept once"
    assert not (folder / "images").exists()

    books = image_crawler("inspect", "crawl", folder=tmp_path)
    assert f"in {store.url}" in books.out.replace("\n", "")
    verified = image_crawler("inspect", "crawl", "--verify", folder=tmp_path)
    assert verified.code == 0, verified.out + verified.err
    assert f"every saved file is what was saved ({len(files)} intact" in verified.out

    path = found["/images/p3/i3.png"][0]
    store.put(path, b"x" * len(files[path]))
    store.put("images/stray.png", b"stray")
    damaged = image_crawler("inspect", "crawl", "--verify", "--json", folder=tmp_path)
    assert damaged.code == 1
    findings = [json.loads(line) for line in damaged.out.splitlines()]
    assert {(finding["finding"], finding["path"]) for finding in findings} == {
        ("changed", path),
        ("orphan", "images/stray.png"),
    }


def test_a_store_that_stays_away_stops_the_crawl_and_the_same_command_goes_on(
    tmp_path: Path, door: Door, store: Store
) -> None:
    digests = make_site(tmp_path / "site", pages=6, images_per_page=5)
    folder = tmp_path / "crawl"
    with serving(tmp_path / "site", delay_s=0.02) as server:
        command = ("crawl", server.url, "-o", "crawl", "--storage", store.url, *FEW, "--per-host", "2")
        server.held_after = 10
        with running(*command, "--storage-patience-s", "0.5", folder=tmp_path) as crawl:
            wait_until_recorded(crawl, folder, 5)
            door.closed = True
            server.held_after = None
            outcome = crawl.outcome()
        assert outcome.code == 1
        assert "the same command goes on once it is back" in outcome.error
        assert 5 <= recorded(folder) < len(digests)
        door.closed = False
        outcome = image_crawler(*command, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert {path: sha256 for path, (_, sha256) in kept(folder, server.url).items()} == digests
    assert {hashlib.sha256(data).hexdigest() for data in store.files().values()} == set(digests.values())
    assert len(store.files()) == len(digests)


def test_interrupted_while_the_store_is_away_it_ends_soon_and_goes_on_later(
    tmp_path: Path, door: Door, store: Store
) -> None:
    digests = make_site(tmp_path / "site", pages=6, images_per_page=5)
    folder = tmp_path / "crawl"
    with serving(tmp_path / "site", delay_s=0.02) as server:
        command = ("crawl", server.url, "-o", "crawl", "--storage", store.url, *FEW, "--per-host", "2")
        server.held_after = 10
        with running(*command, folder=tmp_path) as crawl:
            wait_until_recorded(crawl, folder, 5)
            door.hanging = True
            server.held_after = None
            asked = len(door.requests)
            end = time.monotonic() + 10
            while len(door.requests) < asked + 2 and time.monotonic() < end:
                time.sleep(0.02)
            began = time.monotonic()
            crawl.interrupt()
            outcome = crawl.outcome()
        assert outcome.code == 130
        assert "Traceback" not in outcome.err
        assert soon(time.monotonic() - began, 3.0), "without an answer, 10 s are given to what is in hand"
        with Catalog(folder) as catalog:
            assert catalog.value("SELECT count(*) FROM tasks WHERE state = 'leased'") == 0
        door.hanging = False
        outcome = image_crawler(*command, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert {path: sha256 for path, (_, sha256) in kept(folder, server.url).items()} == digests
        assert {record.attempts for record in images(folder)} == {1}, "what is given back is not charged for"
    assert {hashlib.sha256(data).hexdigest() for data in store.files().values()} == set(digests.values())
