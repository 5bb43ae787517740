"""The folder of a crawl: what may become one, who has it, and what of it may be removed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from crawler.config import Config, load
from crawler.crawlfile import layout as folder_module
from crawler.crawlfile.layout import CrawlFolder
from crawler.errors import FolderError
from crawler.run.endpoints import parse_address

SEEDS = ("https://example.org/", "https://example.com/a")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "_LOCK_PATIENCE_S", 0.05)


def test_nothing_is_made_before_it_is_prepared(tmp_path: Path) -> None:
    folder = CrawlFolder(tmp_path / "a" / "b")
    assert not folder.holds_a_crawl
    assert list(tmp_path.iterdir()) == []
    folder.prepare()
    assert folder.path.is_dir()
    folder.prepare()


def test_a_folder_with_other_files_may_hold_a_crawl(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    CrawlFolder(tmp_path).prepare()
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["images", ".index"])
def test_images_that_belong_to_no_crawl_are_not_touched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(FolderError, match="images folder that belongs to no crawl; choose another"):
        CrawlFolder(tmp_path).prepare()
    (tmp_path / "crawl.db").touch()
    CrawlFolder(tmp_path).prepare()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match="file is a file; choose another with -o"):
        CrawlFolder(tmp_path / "file").prepare()
    with pytest.raises(
        FolderError, match=r"can't make the output folder .*below: a part of its path is a file"
    ):
        CrawlFolder(tmp_path / "file" / "below").prepare()


def test_a_folder_has_one_owner_at_a_time(tmp_path: Path) -> None:
    first, second = CrawlFolder(tmp_path), CrawlFolder(tmp_path)
    refused = pytest.raises(FolderError, match="in use by a running crawl; wait for it, or stop it")
    with first.locked(), refused, second.locked():
        pytest.fail("two have it")
    with second.locked():
        pass


def test_a_killed_owner_lets_go(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from crawler.crawlfile.layout import CrawlFolder\n"
        "with CrawlFolder(pathlib.Path(sys.argv[1])).locked():\n"
        "    print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline().strip() == b"locked"
        with pytest.raises(FolderError), CrawlFolder(tmp_path).locked():
            pytest.fail("two have it")
        owner.kill()
        owner.wait()
    with CrawlFolder(tmp_path).locked():
        assert True


def test_a_folder_that_can_not_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "crawl.lock").mkdir()
    with (
        pytest.raises(FolderError, match=r"can't write to the output folder|in use"),
        CrawlFolder(tmp_path).locked(),
    ):
        pytest.fail("there is no lock")


def test_wiping_removes_what_a_crawl_made_and_nothing_else(tmp_path: Path) -> None:
    mine = ["notes.txt", "export.jsonl", "sub/deep.txt"]
    made = [
        "crawl.db",
        "crawl.db-wal",
        "crawl.db-shm",
        "crawl.toml",
        "images/h/a.png",
        ".index/ab/x",
        "gallery/i.html",
    ]
    for name in mine + made:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    folder = CrawlFolder(tmp_path)
    with folder.locked():
        folder.wipe()
        folder.wipe()
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left - {"crawl.lock"} == set(mine)
    assert not folder.holds_a_crawl


def test_wiping_does_not_follow_a_link_out_of_the_folder(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "dear.jpg").touch()
    crawl = tmp_path / "crawl"
    crawl.mkdir()
    (crawl / "images").symlink_to(elsewhere)
    CrawlFolder(crawl).wipe()
    assert (elsewhere / "dear.jpg").exists()


def test_the_settings_are_kept_in_a_form_that_is_read_again(tmp_path: Path) -> None:
    config = load(flags={"max_depth": 3, "user_agent": 'me "and" \\ you', "fsync": True})
    folder = CrawlFolder(tmp_path)
    folder.write_settings(config, SEEDS)
    text = folder.settings.read_text(encoding="utf-8")
    assert all(f"#   {seed}\n" in text for seed in SEEDS)
    assert load(file=folder.settings) == config != Config()


def test_an_address_of_ipv6_is_found_again(tmp_path: Path) -> None:
    folder = CrawlFolder(tmp_path)
    folder.publish(("::1", 4711), b"k" * 32)
    assert folder.address() == "[::1]:4711"
    assert parse_address(folder.address()) == ("::1", 4711)
