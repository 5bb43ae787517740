"""A disk that fills up while a crawl writes to it: images, claims and crawl.db, all on the same 8 MiB."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from crawler.catalog import Catalog
from tests.e2e.running import image_crawler, recorded, records, running, saved_digests, wait_until_recorded
from tests.support.cpu_time import soon
from tests.support.sites import make_site, png, serving

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount a disk of a few MiB"
)
PAGES, IMAGES_PER_PAGE = 6, 6
PADDING_BYTES = 400_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("no disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def enlarge(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)


def make_heavy_site(folder: Path) -> dict[str, str]:
    """More images than fit on the disk."""
    digests = make_site(folder, pages=PAGES, images_per_page=IMAGES_PER_PAGE)
    rng = random.Random(7)
    for path in digests:
        # what follows a PNG's end is no fault, and is kept with it
        data = png(rng) + rng.randbytes(PADDING_BYTES)
        (folder / path.removeprefix("/")).write_bytes(data)
        digests[path] = hashlib.sha256(data).hexdigest()
    return digests


@pytest.mark.parametrize("min_free_bytes", [2_000_000, 0])
def test_it_stops_before_anything_breaks_and_goes_on_with_more_room(
    tmp_path: Path, disk: Path, min_free_bytes: int
) -> None:
    digests = make_heavy_site(tmp_path / "site")
    folder = disk / "crawl"
    # slower than a disk is filled by bytes alone: some records have to fit on it, too
    with serving(tmp_path / "site", delay_s=0.03) as server:
        command = ("crawl", server.url, "-o", folder, "--quiet", "--min-free-bytes", str(min_free_bytes))
        outcome = image_crawler(*command, folder=tmp_path)
        assert outcome.code == 1
        assert "room" in outcome.error
        free_bytes = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        assert free_bytes >= min_free_bytes - 8 * PADDING_BYTES
        with Catalog(folder) as catalog:
            assert catalog.value("PRAGMA integrity_check") == "ok"
        assert 0 < recorded(folder) < len(digests)
        assert image_crawler("inspect", folder, "--verify", folder=tmp_path).code == 0

        again = image_crawler(*command, folder=tmp_path)
        assert again.code == 1, "there is no more room than before"
        assert "room" in again.error

        enlarge(disk)
        outcome = image_crawler(*command, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert "finished, and the books balance" in outcome.out
        assert saved_digests(folder, server.url) == digests
        assert {record.status for record in records(folder).values()} == {"saved"}
    assert not list(folder.rglob(".saving-*"))


def test_when_somebody_else_fills_it_the_command_ends_at_once(tmp_path: Path, disk: Path) -> None:
    """crawl.db can't be written to any more, not even to say that the workers have left."""
    digests = make_site(tmp_path / "site", pages=20, images_per_page=30)
    folder, filler = disk / "crawl", disk / "filler"
    with serving(tmp_path / "site", delay_s=0.05) as server:
        command = ("crawl", server.url, "-o", folder, "--quiet", "--min-free-bytes", "0")
        with running(*command, folder=tmp_path) as started:
            wait_until_recorded(started, folder, 50)
            with suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 4096)
            filled = time.monotonic()
            outcome = started.outcome()
            assert soon(time.monotonic() - filled, 5)
        assert outcome.code == 1
        assert "room" in outcome.error
        filler.unlink()
        enlarge(disk)
        outcome = image_crawler(*command, folder=tmp_path)
        assert outcome.code == 0, outcome.err
        assert saved_digests(folder, server.url) == digests
