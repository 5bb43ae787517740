"""A damaged ledger and a full disk: said in one line, nothing made worse, and a way on."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.running import image_crawler, saved_digests
from tests.support.sites import make_site, serving

FEW = ("--quiet", "--downloaders", "1")
PAGE_BYTES = 4096


def noise(_: bytes) -> bytes:
    return random.Random(1).randbytes(20_000)


def cut_short(sound: bytes) -> bytes:
    return sound[: len(sound) // 3]


def pages_of_noise(sound: bytes) -> bytes:
    rng = random.Random(2)
    data = bytearray(sound)
    for start in range(PAGE_BYTES, len(data), PAGE_BYTES):
        if rng.random() < 0.5:
            data[start : start + PAGE_BYTES] = rng.randbytes(PAGE_BYTES)
    return bytes(data)


@pytest.fixture(scope="module", name="finished")
def a_finished_crawl(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("finished")
    digests = make_site(folder / "site", pages=4, images_per_page=5)
    with serving(folder / "site") as server:
        assert image_crawler("crawl", server.url, "-o", "crawl", *FEW, folder=folder).code == 0
        yield folder / "crawl", server, digests


@pytest.mark.sampled(2)
@pytest.mark.parametrize("damage", [noise, cut_short, pages_of_noise])
def test_a_damaged_ledger_is_left_as_it_was(
    finished, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    crawl, server, digests = finished
    shutil.copytree(crawl, tmp_path / "crawl", symlinks=True)
    ledger = tmp_path / "crawl" / "crawl.db"
    sound = ledger.read_bytes()
    ledger.write_bytes(damage(sound))
    damaged, images = ledger.read_bytes(), sorted((tmp_path / "crawl" / "images").rglob("*"))
    command = ("crawl", server.url, "-o", "crawl", *FEW)

    outcome = image_crawler(*command, folder=tmp_path)
    assert outcome.code == 1
    assert "crawl/crawl.db is damaged (" in outcome.error
    assert "start over with --fresh, or put a sound copy of it back" in outcome.error
    for reader in ("inspect", "status", "export", "retry"):
        read = image_crawler(reader, "crawl", folder=tmp_path)
        if read.code:  # pages that this one does not look at may be the damaged ones
            assert read.code == 1
            assert "crawl/crawl.db is damaged (" in read.error
    assert ledger.read_bytes() == damaged
    assert sorted((tmp_path / "crawl" / "images").rglob("*")) == images

    ledger.write_bytes(sound)
    assert image_crawler(*command, folder=tmp_path).code == 0, "a sound copy helps"
    ledger.write_bytes(damaged)
    assert image_crawler(*command, "--fresh", folder=tmp_path).code == 0
    assert saved_digests(tmp_path / "crawl", server.url) == digests


def test_a_disk_with_less_room_than_it_must_have(tmp_path: Path) -> None:
    digests = make_site(tmp_path / "site", pages=3, images_per_page=4)
    with serving(tmp_path / "site") as server:
        command = ("crawl", server.url, "-o", "crawl", *FEW)
        outcome = image_crawler(*command, "--min-free-bytes", str(2**60), folder=tmp_path)
        assert outcome.code == 1
        assert f"the disk of crawl has less than {2**60} bytes free (min_free_bytes)" in outcome.error
        assert "make room and start the crawl again" in outcome.error
        assert list((tmp_path / "crawl").rglob("*.png")) == []
        again = image_crawler(*command, folder=tmp_path)
        assert again.code == 0, again.err
        assert saved_digests(tmp_path / "crawl", server.url) == digests


@pytest.fixture(name="small_disk")
def a_small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A file system of its own, made as large as one likes, or larger."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = False

    def sized(size: str) -> Path:
        nonlocal mounted
        options = f"remount,size={size}" if mounted else f"size={size}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no mount, so no disk can be filled")
        if done.returncode:
            pytest.skip(
                f"no file system may be mounted here, so no disk can be filled: {done.stderr.strip()}"
            )
        mounted = True
        return disk

    yield sized
    if mounted:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("size", ["160k", "480k"])
def test_a_disk_that_fills_up(tmp_path: Path, small_disk: Callable[[str], Path], size: str) -> None:
    """Whether it is the ledger or an image that finds no room."""
    digests = make_site(tmp_path / "site", pages=10, images_per_page=20)
    disk = small_disk(size)
    with serving(tmp_path / "site") as server:
        command = ("crawl", server.url, "-o", disk / "crawl", *FEW, "--min-free-bytes", "0")
        outcome = image_crawler(*command, folder=tmp_path)
        assert outcome.code == 1, outcome.err
        assert "no room for " in outcome.error
        small_disk("40m")
        again = image_crawler(*command, folder=tmp_path)
        assert again.code == 0, again.err
        assert saved_digests(disk / "crawl", server.url) == digests
        assert [path for path in (disk / "crawl").rglob("*") if path.name.startswith(".saving")] == []
