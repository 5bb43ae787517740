"""Images that workers keep on other machines: who has what, and what --verify says of it."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from crawler.catalog import Catalog
from crawler.catalog.elsewhere import KeeperSum, elsewhere
from crawler.catalog.summary import summarise
from crawler.catalog.verify import FindingKind, verify
from crawler.cli import main
from crawler.cli.image_locations import kept_where, told_apart
from crawler.crawlfile.keepers import mark, own_name
from crawler.machine_id import machine_id
from crawler.models import TaskKind, WorkerStatus
from crawler.storage.local import LocalStorage
from tests.support.crawls import SITE, keep, saved
from tests.support.earlier import of_schema

ONE, TWO = "0123456789abcdef w1:/srv/pics", "fedcba9876543210 w1:/srv/pics"
"""Two clones, with one name and one path."""


@pytest.fixture(name="crawl")
def a_crawl(tmp_path: Path) -> Path:
    """One image here, two at a clone of w1, one at another; and what this machine keeps in another folder."""
    crawl, pics = tmp_path / "crawl", tmp_path / "pics"
    crawl.mkdir()
    mark(crawl)
    records = [saved(crawl, f"{SITE}/0.png", b"zero")]
    kept_by = [ONE, ONE, TWO, own_name(pics)]
    records += [
        msgspec.structs.replace(saved(pics, f"{SITE}/{n}.png", b"x" * n), kept_by=of)
        for n, of in enumerate(kept_by, start=1)
    ]
    keep(crawl, *records)
    return crawl


def test_each_folder_is_one_whatever_its_machine_is_called(crawl: Path) -> None:
    with Catalog(crawl) as catalog:
        found = elsewhere(catalog)
        assert summarise(catalog).elsewhere == found
    assert found[0] == KeeperSum(
        machine="w1", folder="/srv/pics", id="0123456789abcdef", files=2, size_bytes=3
    )
    assert {(one.machine, one.folder, one.files, one.size_bytes) for one in found[1:]} == {
        ("w1", "/srv/pics", 1, 3),
        (platform.node(), str(crawl.parent / "pics"), 1, 4),
    }


def test_the_summary_says_where_they_are(crawl: Path) -> None:
    with Catalog(crawl) as catalog:
        said = kept_where(summarise(catalog))
    first, *others, last = said.split("; ")
    assert first == "3 bytes on w1 #012345 (2 files, in /srv/pics)"
    assert "3 bytes on w1 #fedcba (1 file, in /srv/pics)" in others
    assert f"4 bytes on {platform.node()} (1 file, in {crawl.parent / 'pics'})" in others
    assert last == "4 bytes here (1 file)"


def test_where_all_are_here_nothing_is_said_of_it(tmp_path: Path) -> None:
    keep(tmp_path, saved(tmp_path, f"{SITE}/0.png", b"zero"))
    with Catalog(tmp_path) as catalog:
        assert kept_where(summarise(catalog)) == ""


def test_verify_has_one_line_for_each_machine_and_finds_nothing_wrong(
    crawl: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(crawl), "--verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert sum(line.startswith("elsewhere  ") for line in lines) == 3
    assert any(
        line.startswith("elsewhere  2 files, 3 bytes, on w1 #012345, in /srv/pics; not checked")
        for line in lines
    )
    assert lines[-1] == (
        "every saved file that is here is what was saved (1 intact, 4 bytes; 4 elsewhere; 0 without a record)"
    )
    assert main(["inspect", str(crawl), "--verify", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {one["id"] for one in told} >= {"0123456789abcdef", "fedcba9876543210"}
    assert {one["finding"] for one in told} == {"elsewhere"}


def test_what_should_be_here_and_is_not_is_wrong_all_the_same(
    crawl: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (crawl / "images/garden.example/0.png").unlink()
    assert main(["inspect", str(crawl), "--verify"]) == 1
    out = capsys.readouterr().out
    assert "missing  images/garden.example/0.png  the file is gone" in out
    assert "1 file is not what was saved (0 intact, 0 bytes; 4 elsewhere; 0 without a record)" in out


def test_what_has_been_copied_here_is_checked(crawl: Path) -> None:
    shutil.copytree(crawl.parent / "pics" / "images", crawl / "images", dirs_exist_ok=True)
    file = crawl / "images/garden.example/2.png"
    file.write_bytes(b"another site's")
    with Catalog(crawl) as catalog:
        found = {finding.path.rpartition("/")[2]: finding.finding for finding in verify(catalog)}
    assert found.pop("2.png") is FindingKind.ELSEWHERE, "theirs was never to be here"
    assert set(found.values()) == {FindingKind.INTACT}
    assert len(found) == 4


def test_a_folder_that_all_have_mounted_is_here(tmp_path: Path) -> None:
    crawl = tmp_path / "crawl"
    mounted = f"{(crawl.mkdir(), mark(crawl))[1]} w1:/mnt/crawl"
    record = msgspec.structs.replace(saved(crawl, f"{SITE}/0.png", b"zero"), kept_by=mounted)
    keep(crawl, record)
    with Catalog(crawl) as catalog:
        assert elsewhere(catalog) == ()
    crawl.rename(tmp_path / "moved")
    (tmp_path / "moved" / record.path).unlink()
    with Catalog(tmp_path / "moved") as catalog:
        assert [finding.finding for finding in verify(catalog)] == [FindingKind.MISSING]


@pytest.mark.parametrize("version", [4, 5, 6, 7])
def test_a_crawl_of_an_earlier_version_tells_machines_by_name(tmp_path: Path, version: int) -> None:
    names = ["w1", "once-our-name", "once-our-name", platform.node()]
    keep(
        tmp_path,
        *(
            msgspec.structs.replace(
                saved(tmp_path, f"{SITE}/{n}.png", b"x" * (n + 1)), worker=f"{name}:downloader-1"
            )
            for n, name in enumerate(names)
        ),
    )
    of_schema(version, tmp_path)
    for n in (0, 2):
        (tmp_path / f"images/garden.example/{n}.png").unlink()
    with Catalog(tmp_path) as catalog:
        found = {finding.path.rpartition("/")[2]: finding.finding for finding in verify(catalog)}
        assert elsewhere(catalog) == (KeeperSum(machine="w1", folder="", id="", files=1, size_bytes=1),)
    assert found == {
        "0.png": FindingKind.ELSEWHERE,
        "1.png": FindingKind.INTACT,
        "2.png": FindingKind.MISSING,
        "3.png": FindingKind.INTACT,
    }


def test_a_hostile_worker_cannot_drive_the_terminal_by_the_name_of_its_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept_by = "0123456789abcdef w\x9b2J:/srv/\u202epics"
    keep(tmp_path, msgspec.structs.replace(saved(tmp_path / "pics", f"{SITE}/0.png", b"x"), kept_by=kept_by))
    for options in ([], ["--verify"], ["--json"]):
        assert main(["inspect", str(tmp_path), *options]) == 0
        out = capsys.readouterr().out
        assert "\x9b" not in out
        assert "\u202e" not in out


def test_explain_does_not_call_it_gone(crawl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (crawl / "images/garden.example/0.png").unlink()
    lines = []
    for name in ("0.png", "3.png"):
        assert main(["explain", str(crawl), f"{SITE}/{name}"]) == 0
        lines += [line for line in capsys.readouterr().out.splitlines() if line.startswith("file ")]
    assert lines[0].endswith("images/garden.example/0.png  is gone")
    assert lines[1].endswith("images/garden.example/3.png  on w1, in /srv/pics")


# --- machines ---


def test_machines_that_share_a_name_are_told_apart_in_what_is_shown() -> None:
    one, clone, other = (
        WorkerStatus(id=str(n), kind=TaskKind.IMAGE, machine=name, machine_id=str(n) * 16)
        for n, name in enumerate(["box", "box", "w2"])
    )
    assert [who.machine for who in told_apart([one, clone, other])] == ["box #000000", "box #111111", "w2"]
    assert [who.machine for who in told_apart([one, one, other])] == ["box", "box", "w2"]


def test_all_processes_of_a_machine_have_its_id_and_those_of_a_container_another(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from crawler.machine_id import machine_id; print(machine_id())"]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.strip()
    assert found == machine_id()
    assert re.fullmatch("[0-9a-f]{16}", found)
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("making a namespace takes Linux, root and unshare")
    inside = subprocess.run(
        ["unshare", "--uts", *command], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    if inside.returncode != 0 and "unshare failed" in inside.stderr:
        pytest.skip("no namespace can be made here")
    assert inside.stdout.strip() != found, "it has the same host name"


def test_another_machine_of_this_name_keeps_what_it_is_writing(
    tmp_path: Path,
) -> None:
    """On a disk that both have mounted: its process ids mean nothing here."""
    gone = 2**22 + 1  # beyond what Linux gives
    ours, theirs = (
        tmp_path / f".saving-{machine}-{gone}-0123456789abcdef" for machine in (machine_id()[:8], "01234567")
    )
    ours.write_bytes(b"half")
    theirs.write_bytes(b"half")
    storage = LocalStorage(tmp_path, fsync=False, min_free_bytes=0)
    assert storage.sweep() == (1 if os.name == "posix" else 0)
    assert theirs.exists()
