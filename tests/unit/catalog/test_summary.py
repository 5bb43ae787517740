"""The summary of a crawl, its duplicates, and whether its files are what was saved."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from crawler.catalog import Catalog
from crawler.catalog.duplicates import duplicates
from crawler.catalog.summary import TOP_HOSTS, Summary, read_stats, summarise
from crawler.catalog.verify import FindingKind, FolderReader, checked, verify
from crawler.config import QueueConfig, ScopeConfig
from crawler.models import ImageRecord, ImageStatus, NewTask, TaskKind
from crawler.queues.ledger import Ledger
from tests.support.crawls import SEED, SITE, garden, keep, saved


def summary_of(folder: Path) -> Summary:
    with Catalog(folder) as catalog:
        return summarise(catalog)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right")
def test_a_link_to_itself_among_the_images_does_no_harm(tmp_path: Path) -> None:
    folder = garden(tmp_path)
    (folder / "images" / "loop").symlink_to("loop")
    (folder / "images" / "all").symlink_to(folder)
    summary = summary_of(folder)
    assert (summary.files, summary.files_bytes) == (2, 13)


def test_the_books_of_a_finished_crawl(tmp_path: Path) -> None:
    summary = summary_of(garden(tmp_path))
    assert summary.finished
    assert summary.balanced
    assert summary.seeds == (SEED,)
    assert summary.stats.images.discovered == 6
    assert summary.stats.image_status == {"saved": 2, "duplicate": 1, "rejected": 1, "failed": 1, "dead": 1}
    assert summary.stats.image_reasons == {"not-an-image": 1, "not-found": 1, "lease-expired": 1}
    assert summary.stats.page_status == {"harvested": 2, "failed": 1}
    assert summary.stats.saved_bytes == len(b"rose") + len(b"fern fern")
    assert [(entry.name, entry.images, entry.size_bytes) for entry in summary.formats] == [
        ("jpeg", 1, 9),
        ("png", 1, 4),
    ]
    assert [(host.name, host.images, host.saved, host.size_bytes) for host in summary.hosts] == [
        (SITE, 6, 2, 13)
    ]
    assert (summary.files, summary.files_bytes) == (2, 13)
    assert summary.finished_at == summary.started_at == "2026-01-02T03:04:05.000000Z"


def test_the_figures_are_those_of_the_queue_itself(tmp_path: Path) -> None:
    folder = garden(tmp_path)
    waiting = [NewTask(kind=TaskKind.IMAGE, url=f"{SITE}/late{n}.png") for n in range(3)]
    ledger = Ledger(folder / "crawl.db", queue=QueueConfig(), scope=ScopeConfig(max_images=8), new_run=True)
    try:
        ledger.put(waiting)
        told = ledger.stats()
        with Catalog(folder) as catalog:
            read = read_stats(catalog)
    finally:
        ledger.close()
    of_a_queue = {"up_s": 0.0, "due": {}}
    assert read == msgspec.structs.replace(told, **of_a_queue), (
        "what is due when is nothing that lies in a file"
    )
    assert read.images.ready == 2
    assert sum(read.dropped.values()) == 1


def test_an_unfinished_crawl_is_not_balanced_and_not_finished(tmp_path: Path) -> None:
    waiting = [NewTask(kind=TaskKind.IMAGE, url=f"{SITE}/late{n}.png") for n in range(3)]
    summary = summary_of(keep(tmp_path, waiting=waiting, leased=True))
    assert not summary.finished
    assert not summary.balanced
    assert summary.stats.images.unsettled == summary.stats.images.leased == 3
    assert summary.started_at == ""


def test_a_lost_record_upsets_the_balance(tmp_path: Path) -> None:
    folder = garden(tmp_path)
    db = sqlite3.connect(folder / "crawl.db")
    db.execute("DELETE FROM images WHERE status = 'duplicate'")
    db.commit()
    db.close()
    summary = summary_of(folder)
    assert summary.finished
    assert not summary.balanced


def test_only_the_largest_hosts_are_listed(tmp_path: Path) -> None:
    waiting = [
        NewTask(kind=TaskKind.IMAGE, url=f"http://h{host:02}.example/{n}.png")
        for host in range(TOP_HOSTS + 2)
        for n in range(host + 1)
    ]
    summary = summary_of(keep(tmp_path, waiting=waiting))
    assert summary.host_count == TOP_HOSTS + 2
    assert [host.images for host in summary.hosts] == list(range(12, 2, -1))


def test_a_file_that_vanishes_while_files_are_counted_is_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = garden(tmp_path)
    scandir = os.scandir

    @contextmanager
    def vanishing(path: str) -> Iterator[list[os.DirEntry[str]]]:
        with scandir(path) as entries:
            found = list(entries)
        for entry in found:
            if entry.name == "fern.jpg":
                Path(entry.path).unlink()
        yield found

    monkeypatch.setattr("crawler.catalog.summary.os.scandir", vanishing)
    summary = summary_of(folder)
    assert (summary.files, summary.files_bytes) == (1, 4)


def test_duplicates_name_the_file_and_all_its_urls(tmp_path: Path) -> None:
    with Catalog(garden(tmp_path)) as catalog:
        (group,) = duplicates(catalog)
    assert group.path == "images/garden.example/i/rose.png"
    assert group.urls == (f"{SITE}/i/rose.png", f"{SITE}/i/rose-again.png")
    assert group.size_bytes == 4


# --- verify ---


def findings(folder: Path) -> dict[str, FindingKind]:
    with Catalog(folder) as catalog:
        return {finding.path.rpartition("/")[2]: finding.finding for finding in verify(catalog)}


def test_intact_files_are_found_intact_and_once_for_all_their_urls(tmp_path: Path) -> None:
    with Catalog(garden(tmp_path)) as catalog:
        assert Counter(finding.finding for finding in verify(catalog)) == {FindingKind.INTACT: 2}
        assert Counter(finding.finding for finding in verify(catalog)) == {FindingKind.INTACT: 2}, (
            "also again"
        )


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (lambda file: file.unlink(), FindingKind.MISSING),
        (lambda file: file.write_bytes(b"fern"), FindingKind.CHANGED),
        (lambda file: file.write_bytes(b"FERN FERN"), FindingKind.CHANGED),
        (lambda file: (file.unlink(), file.mkdir()), FindingKind.CHANGED),
    ],
)
def test_damage_is_found(tmp_path: Path, damage: object, kind: FindingKind) -> None:
    folder = garden(tmp_path)
    damage(folder / "images/garden.example/i/fern.jpg")  # type: ignore[operator]
    assert findings(folder) == {"fern.jpg": kind, "rose.png": FindingKind.INTACT}


def test_files_without_a_record_are_orphans_and_half_written_ones_are_not(tmp_path: Path) -> None:
    folder = garden(tmp_path)
    (folder / "images" / "holiday.jpg").write_bytes(b"mine")
    (folder / "images" / ".saving-01234567-42-0123456789abcdef").write_bytes(b"being written")
    found = findings(folder)
    assert {name for name, kind in found.items() if kind is FindingKind.ORPHAN} == {"holiday.jpg"}


def test_a_record_that_names_a_file_outside_of_the_folder_is_wrong(tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.write_bytes(b"x")
    folder = tmp_path / "crawl"
    inside = saved(folder, f"{SITE}/x.png", b"x")
    facts = {name: getattr(inside, name) for name in inside.__struct_fields__}
    keep(folder, ImageRecord(**facts))
    with closing(sqlite3.connect(folder / "crawl.db")) as db, db:  # no worker could say so
        db.execute("UPDATE images SET path = '../secret'")
    with Catalog(folder) as catalog:
        wrong = next(verify(catalog))
    assert (wrong.finding, wrong.path) == (FindingKind.CHANGED, "../secret")
    assert (
        checked(FolderReader(folder), str(outside), sha256=inside.sha256, size_bytes=1)[0]
        is FindingKind.CHANGED
    )


def test_two_records_that_disagree_about_a_file_can_t_both_be_right(tmp_path: Path) -> None:
    first = saved(tmp_path, f"{SITE}/a.png", b"a")
    facts = {name: getattr(first, name) for name in first.__struct_fields__}
    other = ImageRecord(
        **{**facts, "url": f"{SITE}/b.png", "sha256": "0" * 64, "status": ImageStatus.DUPLICATE}
    )
    keep(tmp_path, first, other)
    with Catalog(tmp_path) as catalog:
        kinds = {finding.url: finding.finding for finding in verify(catalog)}
    assert kinds == {first.url: FindingKind.INTACT, other.url: FindingKind.CHANGED}
