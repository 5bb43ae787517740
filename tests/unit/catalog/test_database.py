"""Opening a crawl's folder, and reading its records."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from crawler.catalog import Catalog
from crawler.config import QueueConfig, ScopeConfig
from crawler.crawlfile.schema import SCHEMA_VERSION
from crawler.errors import FolderError, LedgerCorrupt, StorageFailed
from crawler.models import ImageRecord, ImageStatus, NewTask, TaskKind
from crawler.queues.ledger import Ledger
from tests.support.crawls import SEED, SITE, garden, keep, page, saved


def test_a_crawl_that_has_not_begun_is_empty(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "crawl.db", queue=QueueConfig(), scope=ScopeConfig(), new_run=True)
    ledger.close()
    with Catalog(tmp_path) as catalog:
        assert catalog.seeds() == ()
        assert list(catalog.images()) == list(catalog.pages()) == []


def test_records_come_back_as_they_were_kept(tmp_path: Path) -> None:
    records = [
        saved(
            tmp_path,
            f"{SITE}/{n}.png",
            str(n).encode(),
            alt=f"<{n}> \u6708\n",
            elapsed_s=0.1 * n,
            incomplete=n % 2 == 0,
        )
        for n in range(5)
    ]
    pages = [page(SEED, title="Home", links=3)]
    keep(tmp_path, *records, *pages)
    with Catalog(tmp_path) as catalog:
        assert sorted(catalog.images(), key=lambda record: record.url) == records
        assert list(catalog.pages()) == pages
        assert catalog.seeds() == (SEED,)


@pytest.mark.parametrize(
    ("status", "reason", "names"),
    [
        ((ImageStatus.SAVED,), None, {"rose.png", "fern.jpg"}),
        ((ImageStatus.FAILED, ImageStatus.DEAD), None, {"none.png", "poison.png"}),
        ((), "not-an-image", {"text.png"}),
        ((ImageStatus.FAILED,), "not-an-image", set()),
    ],
)
def test_records_can_be_chosen(
    tmp_path: Path, status: tuple[ImageStatus, ...], reason: str | None, names: set[str]
) -> None:
    with Catalog(garden(tmp_path)) as catalog:
        found = {record.url.rpartition("/")[2] for record in catalog.images(status=status, reason=reason)}
    assert found == names


def test_a_running_crawl_can_be_read_and_a_snapshot_stays_as_it_is(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "crawl.db", queue=QueueConfig(), scope=ScopeConfig(), new_run=True)
    try:
        with Catalog(tmp_path) as catalog:
            with catalog.snapshot():
                assert catalog.value("SELECT count(*) FROM tasks") == 0
                ledger.put([NewTask(kind=TaskKind.PAGE, url=SEED)])
                assert catalog.value("SELECT count(*) FROM tasks") == 0
            assert catalog.value("SELECT count(*) FROM tasks") == 1
    finally:
        ledger.close()


def test_nothing_can_be_written(tmp_path: Path) -> None:
    with Catalog(keep(tmp_path)) as catalog, pytest.raises(FolderError, match="it may not be written to"):
        catalog.value("DELETE FROM tasks RETURNING id")


@pytest.mark.skipif(os.name != "posix", reason="folders that can't be written to")
def test_a_finished_crawl_is_read_from_a_folder_without_write_permission(tmp_path: Path) -> None:
    folder = garden(tmp_path / "crawl")
    for leftover in folder.glob("crawl.db-*"):
        leftover.unlink()
    before = sorted(path.name for path in folder.iterdir())
    folder.chmod(0o555)
    try:
        with Catalog(folder) as catalog:
            assert len(list(catalog.images())) == 6
        if os.geteuid():  # root may write everywhere
            assert sorted(path.name for path in folder.iterdir()) == before
    finally:
        folder.chmod(0o755)


def test_a_file_that_needs_its_write_ahead_log_is_never_read_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path)
    (tmp_path / "crawl.db-wal").write_bytes(b"something")

    def refuse(uri: str, /, **_: object) -> sqlite3.Connection:
        assert "immutable" not in uri
        return real(":memory:", factory=Unopenable)

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", refuse)
    with pytest.raises(FolderError, match="who may read it"):
        Catalog(tmp_path)


class Unopenable(sqlite3.Connection):
    def execute(self, *_: object) -> sqlite3.Cursor:
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise error


def test_an_unopenable_file_without_a_log_is_read_as_immutable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path, page(SEED))
    uris = []

    def refuse(uri: str, /, **options: object) -> sqlite3.Connection:
        uris.append(uri)
        if len(uris) == 1:
            return real(":memory:", factory=Unopenable)
        return real(uri, **options)  # type: ignore[call-overload,no-any-return]

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", refuse)
    with Catalog(tmp_path) as catalog:
        assert [record.url for record in catalog.pages()] == [SEED]
    assert [uri.endswith("&immutable=1") for uri in uris] == [False, True]


def test_odd_characters_in_the_folder_s_name_are_no_part_of_the_uri(tmp_path: Path) -> None:
    folder = keep(tmp_path / "50% of ?mode=rwc #1 \u6708", page(SEED))
    with Catalog(folder) as catalog:
        assert len(list(catalog.pages())) == 1


def test_what_is_no_crawl_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="there is no folder"):
        Catalog(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match="is a file"):
        Catalog(tmp_path / "file")
    with pytest.raises(FolderError, match=r"holds no crawl: crawl\.db is missing; name a folder"):
        Catalog(tmp_path)
    keep(tmp_path / "one")
    with pytest.raises(FolderError, match="below it are the crawls one"):
        Catalog(tmp_path)


def test_another_program_s_database_is_refused(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "crawl.db")
    db.execute("CREATE TABLE tasks (id)")
    db.close()
    with pytest.raises(FolderError, match="is not a crawl's database"):
        Catalog(tmp_path)


def test_another_version_s_database_is_refused(tmp_path: Path) -> None:
    keep(tmp_path)
    db = sqlite3.connect(tmp_path / "crawl.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(FolderError, match=f"schema 99; this one reads {SCHEMA_VERSION}"):
        Catalog(tmp_path)


def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "crawl.db").write_bytes(b"This is no database at all, but text. " * 50)
    with pytest.raises(LedgerCorrupt, match="is damaged"):
        Catalog(tmp_path)


def test_damage_in_the_middle_is_told_when_it_is_met(tmp_path: Path) -> None:
    folder = garden(tmp_path)
    file = folder / "crawl.db"
    data = bytearray(file.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    file.write_bytes(data)
    with Catalog(folder) as catalog, pytest.raises(LedgerCorrupt, match="is damaged"):
        list(catalog.images())


def test_a_record_that_can_t_be_one_is_read_as_far_as_it_can_and_said_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = garden(tmp_path)
    db = sqlite3.connect(folder / "crawl.db")
    db.execute("UPDATE images SET status = 'half-saved' WHERE status = 'saved'")
    db.commit()
    db.close()
    with Catalog(folder) as catalog:
        odd = {record.url: record for record in catalog.images() if record.reason == "internal-error"}
    assert {record.status for record in odd.values()} == {ImageStatus.FAILED}
    assert len(odd) == 2
    assert all(record.path for record in odd.values()), "the rest stands"
    for url in odd:
        assert f"in the row of {url} in images can't be right, and counts as not told: status" in caplog.text


def test_a_lock_that_stays_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tmp_path)
    monkeypatch.setattr("crawler.catalog.database._BUSY_TIMEOUT_S", 0.01)
    db = sqlite3.connect(tmp_path / "crawl.db", isolation_level=None)
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        db.execute("INSERT INTO dropped VALUES ('max-depth', 1)")
        with pytest.raises(StorageFailed, match="locked"):
            Catalog(tmp_path)
    finally:
        db.close()


def test_records_are_read_one_by_one(tmp_path: Path) -> None:
    """A break after the first record leaves the rest unread: the second one is never decoded."""
    folder = garden(tmp_path)
    db = sqlite3.connect(folder / "crawl.db")
    db.execute("UPDATE images SET status = 'half-saved' WHERE seq > (SELECT min(seq) FROM images)")
    db.commit()
    db.close()
    with Catalog(folder) as catalog:
        first = next(iter(catalog.images()))
    assert isinstance(first, ImageRecord)


def test_a_copied_folder_is_a_crawl_as_well(tmp_path: Path) -> None:
    copy = shutil.copytree(garden(tmp_path / "original"), tmp_path / "copy")
    with Catalog(copy) as catalog:
        assert len(list(catalog.images(status=[ImageStatus.SAVED]))) == 2
