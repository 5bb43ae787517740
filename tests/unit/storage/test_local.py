"""LocalStorage beyond the contract: kills, full disks, odd folders."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from crawler.crawlfile.file_names import CLAIMS, INDEX_FOLDER
from crawler.errors import StorageFailed, StorageFull
from crawler.storage.claims import Claims
from crawler.storage.local import LocalStorage
from crawler.text.plain_errors import plain

CAT = hashlib.sha256(b"cat").hexdigest()


MakeClaim = Callable[[Path, str], None]


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def storage(root: Path, **options: object) -> LocalStorage:
    settings = {"fsync": False, "min_free_bytes": 0, "claim_patience_s": 0.02} | options
    return LocalStorage(root, **settings)  # type: ignore[arg-type]


def claimer(root: Path) -> str | None:
    """The path that has claimed CAT."""
    return Claims(root / INDEX_FOLDER / CLAIMS).holder(CAT)


def earlier_claim(root: Path) -> Path:
    """Where an earlier version claimed CAT."""
    claim = root / INDEX_FOLDER / CAT[:2] / CAT
    claim.parent.mkdir(parents=True, exist_ok=True)
    return claim


def images(root: Path) -> list[str]:
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and path.parent.name != INDEX_FOLDER
    )


@pytest.fixture(params=["row", "file of an earlier version", "link of an earlier version"])
def make_claim(request: pytest.FixtureRequest) -> MakeClaim:
    """Claims CAT for a path, in any form that may be there when a crawl starts."""

    def row(root: Path, path: str) -> None:
        Claims(root / INDEX_FOLDER / CLAIMS).take_over(CAT, path)

    def file(root: Path, path: str) -> None:
        earlier_claim(root).write_text(f"{path}\n", encoding="utf-8")
        storage(root).sweep()

    def link(root: Path, path: str) -> None:
        earlier_claim(root).symlink_to(path)
        storage(root).sweep()

    return {"row": row, "file": file}.get(request.param.split()[0], link)


class Killed(BaseException):
    """What stands for kill -9: nothing may catch it."""


@pytest.mark.parametrize("step", ["write", "claim", "replace"])
def test_killed_at_any_step_and_saved_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def die(*args: object, **kwargs: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        if step == "write":
            patched.setattr(os, "write", die)
        elif step == "claim":
            patched.setattr(Claims, "take", die)
        else:
            patched.setattr(os, "replace", die)
        with pytest.raises(Killed):
            storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT)
    assert images(tmp_path) == []
    assert storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT) == "images/a.jpg"
    assert storage(tmp_path).save("images/b.jpg", b"cat", sha256=CAT) == "images/a.jpg"
    assert images(tmp_path) == ["images/a.jpg"]


def test_a_claim_whose_file_never_came_is_taken_over(tmp_path: Path, make_claim: MakeClaim) -> None:
    make_claim(tmp_path, "images/gone.jpg")
    assert storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT) == "images/a.jpg"
    assert storage(tmp_path).save("images/gone.jpg", b"cat", sha256=CAT) == "images/a.jpg"
    assert images(tmp_path) == ["images/a.jpg"]


def test_a_claim_is_given_time_for_its_file(
    tmp_path: Path, make_claim: MakeClaim, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_claim(tmp_path, "images/slow.jpg")

    def arrive(seconds: float) -> None:
        (tmp_path / "images/slow.jpg").write_bytes(b"cat")

    monkeypatch.setattr("crawler.storage.local.time.sleep", arrive)
    assert (
        storage(tmp_path, claim_patience_s=60).save("images/a.jpg", b"cat", sha256=CAT) == "images/slow.jpg"
    )
    assert images(tmp_path) == ["images/slow.jpg"]


def test_a_file_that_comes_while_it_is_looked_for_is_found(
    tmp_path: Path, make_claim: MakeClaim, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the winner's rename may fall anywhere between the loser's looks
    make_claim(tmp_path, "images/slow.jpg")
    real = os.path.lexists

    def arrives_afterwards(path: Path) -> bool:
        found = real(path)
        (tmp_path / "images/slow.jpg").write_bytes(b"cat")
        return found

    monkeypatch.setattr(os.path, "lexists", arrives_afterwards)
    assert storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT) == "images/slow.jpg"
    assert images(tmp_path) == ["images/slow.jpg"]


@pytest.mark.parametrize("nonsense", ["/etc/passwd", "../../outside.jpg", "images/a\\b.jpg"])
def test_nonsense_in_the_index_is_taken_over(tmp_path: Path, make_claim: MakeClaim, nonsense: str) -> None:
    make_claim(tmp_path, nonsense)
    assert storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT) == "images/a.jpg"
    assert claimer(tmp_path) == "images/a.jpg"


def test_own_file_comes_before_anybody_elses_claim(tmp_path: Path, make_claim: MakeClaim) -> None:
    # both were kept, by a winner that stalled; a record may name either
    for name in ("a", "b"):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / f"images/{name}.jpg").write_bytes(b"cat")
    make_claim(tmp_path, "images/a.jpg")
    assert storage(tmp_path).save("images/b.jpg", b"cat", sha256=CAT) == "images/b.jpg"
    assert images(tmp_path) == ["images/a.jpg", "images/b.jpg"]


def test_a_lost_index_is_made_anew(tmp_path: Path) -> None:
    storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT)
    shutil.rmtree(tmp_path / INDEX_FOLDER)
    assert storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT) == "images/a.jpg"
    assert storage(tmp_path).save("images/b.jpg", b"cat", sha256=CAT) == "images/a.jpg"


def test_a_damaged_file_is_no_holder_and_is_repaired(tmp_path: Path) -> None:
    storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT)
    (tmp_path / "images/a.jpg").write_bytes(b"cut")
    assert storage(tmp_path).save("images/b.jpg", b"cat", sha256=CAT) == "images/b.jpg"
    (tmp_path / "images/b.jpg").write_bytes(b"")
    assert storage(tmp_path).save("images/b.jpg", b"cat", sha256=CAT) == "images/b.jpg"
    assert (tmp_path / "images/b.jpg").read_bytes() == b"cat"


def test_a_damaged_file_of_claims_is_put_aside_at_the_next_start(tmp_path: Path) -> None:
    storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT)
    for file in (tmp_path / INDEX_FOLDER).iterdir():
        file.unlink()
    (tmp_path / INDEX_FOLDER / CLAIMS).write_bytes(b"no database at all" * 1000)
    with pytest.raises(StorageFailed, match=r"claims\.db .*; remove it and start the crawl again"):
        storage(tmp_path).save("images/b.jpg", b"cat", sha256=CAT)
    storage(tmp_path).sweep()
    assert storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT) == "images/a.jpg"
    assert storage(tmp_path).save("images/b.jpg", b"cat", sha256=CAT) == "images/a.jpg"


def test_claims_on_a_full_disk(tmp_path: Path) -> None:
    claims = Claims(tmp_path / CLAIMS)
    with claims._db() as db:
        db.execute("PRAGMA max_page_count = 2")
    with pytest.raises(StorageFull, match=r"no room for .*claims\.db"):
        claims.take(CAT, "images/" + "a" * 20_000)


def test_claims_in_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    (tmp_path / INDEX_FOLDER).write_text("not a folder")
    with pytest.raises(StorageFailed, match=r"images/a\.jpg"):
        storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT)


def test_a_folder_that_is_a_link_to_elsewhere_is_refused(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "images").symlink_to(outside, target_is_directory=True)
    with pytest.raises(ValueError, match="symbolic link"):
        storage(root).save("images/a.jpg", b"cat", sha256=CAT)
    assert list(outside.iterdir()) == []


def test_a_file_that_is_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    root, victim = tmp_path / "root", tmp_path / "victim.txt"
    (root / "images").mkdir(parents=True)
    victim.write_text("precious")
    (root / "images/a.jpg").symlink_to(victim)
    assert storage(root).save("images/a.jpg", b"cat", sha256=CAT) == "images/a.jpg"
    assert victim.read_text() == "precious"
    assert (root / "images/a.jpg").read_bytes() == b"cat"


def test_the_index_is_no_place_for_images(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="path"):
        storage(tmp_path).save(f"{INDEX_FOLDER}/a.jpg", b"cat", sha256=CAT)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def full(*args: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(LocalStorage, "_write", full)
    with pytest.raises(StorageFull, match="make room") as caught:
        storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT)
    assert "images/a.jpg" in str(caught.value)
    assert images(tmp_path) == []


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageFailed, match=r"images/a\.jpg"):
        storage(tmp_path, fsync=True).save("images/a.jpg", b"cat", sha256=CAT)
    assert images(tmp_path) == []


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("not a folder")
    with pytest.raises(StorageFailed):
        storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.EROFS, "make the disk writable"),
        (errno.EACCES, "make the folder writable"),
        (errno.EPERM, "make the folder writable"),
        (errno.ENAMETOOLONG, "choose --layout hash"),
        (errno.EIO, "see to it"),
        (errno.ESTALE, "see to it"),
        (errno.ETIMEDOUT, "see to it"),
    ],
)
def test_what_a_disk_refuses_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, advice: str
) -> None:
    def refuse(*args: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(LocalStorage, "_write", refuse)
    with pytest.raises(StorageFailed, match=advice) as caught:
        storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT)
    assert plain(OSError(code, os.strerror(code))) in str(caught.value)
    assert "images/a.jpg" in str(caught.value)
    assert images(tmp_path) == []


def test_what_a_disk_really_refuses(tmp_path: Path) -> None:
    store = storage(tmp_path)
    with pytest.raises(StorageFailed, match="--layout hash"):
        store.save(f"images/{'x' * 300}.jpg", b"cat", sha256=CAT)
    (tmp_path / "images/b.jpg").mkdir()
    with pytest.raises(StorageFailed, match="move away"):
        store.save("images/b.jpg", b"cat", sha256=CAT)
    store.save("images/a.jpg", b"cat", sha256=CAT)
    with pytest.raises(StorageFailed, match="move away"):
        store.save("images/a.jpg/c.jpg", b"dog", sha256=hashlib.sha256(b"dog").hexdigest())
    assert images(tmp_path) == ["images/a.jpg"]


def test_too_little_room_is_noticed_before_writing_and_asked_for_once_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    free = 1000

    def usage(path: object) -> Usage:
        asked.append(path)
        return Usage(10_000, 10_000 - free, free)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    now = 0.0
    store = storage(tmp_path / "not/there/yet", min_free_bytes=900, clock=lambda: now)
    for number in range(5):
        data = b"%050d" % number
        sha256 = hashlib.sha256(data).hexdigest()
        if number < 2:
            store.save(f"images/{number}.jpg", data, sha256=sha256)
        else:
            with pytest.raises(StorageFull, match="min_free_bytes"):
                store.save(f"images/{number}.jpg", data, sha256=sha256)
    assert asked == [tmp_path]
    free, now = 5000, 1.5
    assert store.save("images/a.jpg", b"cat", sha256=CAT) == "images/a.jpg"
    assert len(asked) == 2


def test_fsync_reaches_the_file_and_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    storage(tmp_path, fsync=True).save("images/a.jpg", b"cat", sha256=CAT)
    assert synced == [False, True]


def test_sweep_removes_what_the_dead_left_and_nothing_else(tmp_path: Path) -> None:
    store = storage(tmp_path)
    store.save("images/a.jpg", b"cat", sha256=CAT)
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    machine = store._machine
    suffix = "0123456789abcdef"
    leftover = f".saving-{machine}-{int(dead.stdout)}-{suffix}"
    alive = f".saving-{machine}-{os.getpid()}-{suffix}"
    foreign, old_foreign = f".saving-00000000-1-{suffix}", f".saving-11111111-1-{suffix}"
    for name in (leftover, alive, foreign, old_foreign, ".saving-my-cat.jpg"):
        (tmp_path / "images" / name).write_bytes(b"c")
    os.utime(tmp_path / "images" / old_foreign, (0, 0))
    assert store.sweep() == 2
    left = {path.name for path in (tmp_path / "images").iterdir()}
    assert left == {"a.jpg", alive, foreign, ".saving-my-cat.jpg"}


def test_a_killed_process_leaves_a_temporary_file_that_sweep_finds(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from crawler.storage.local import LocalStorage\n"
        "os.replace = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "store = LocalStorage(Path(sys.argv[1]), fsync=False, min_free_bytes=0)\n"
        f"store.save('images/a.jpg', b'cat', sha256={CAT!r})"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False).returncode == -9
    assert len(images(tmp_path)) == 1
    assert storage(tmp_path).sweep() == 1
    assert images(tmp_path) == []
    assert storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT) == "images/a.jpg"


@pytest.mark.parametrize("is_link", [True, False])
def test_an_index_of_an_earlier_version_is_renewed(tmp_path: Path, *, is_link: bool) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.jpg").write_bytes(b"cat")
    other = tmp_path / INDEX_FOLDER / "00" / ("0" * 64)
    other.parent.mkdir(parents=True)
    for claim, path in ((earlier_claim(tmp_path), "images/a.jpg"), (other, "images/gone.jpg")):
        if is_link:
            claim.symlink_to(path)
        else:
            claim.write_text(f"{path}\n", encoding="utf-8")
    assert storage(tmp_path).sweep() == 0
    assert claimer(tmp_path) == "images/a.jpg"
    assert Claims(tmp_path / INDEX_FOLDER / CLAIMS).holder("0" * 64) == "images/gone.jpg"
    assert [path for path in (tmp_path / INDEX_FOLDER).iterdir() if path.is_dir()] == []
    assert storage(tmp_path).save("images/b.jpg", b"cat", sha256=CAT) == "images/a.jpg"


@pytest.mark.parametrize("content", [b"\xff\xd8\xff\xe0\n", b"x" * 40_000, b"", b"images/half-writ"])
def test_what_is_no_claim_in_an_earlier_index_is_left_out(tmp_path: Path, content: bytes) -> None:
    # cp -rL puts the image where the link was, if that happened to lead there
    earlier_claim(tmp_path).write_bytes(content)
    storage(tmp_path).sweep()
    assert claimer(tmp_path) is None
    assert storage(tmp_path).save("images/b.jpg", b"cat", sha256=CAT) == "images/b.jpg"


def test_processes_that_open_the_claims_at_the_same_moment(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from crawler.storage.claims import Claims\n"
        "time.sleep(max(0.0, float(sys.argv[2]) - time.time()))\n"
        f"print(Claims(Path(sys.argv[1])).take({CAT!r}, 'images/a.jpg'))"
    )
    at = str(time.time() + 1.0)
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / CLAIMS), at], stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    assert sorted(start.communicate(timeout=60)[0].strip() for start in starts) == ["False"] * 5 + ["True"]


def test_there_is_nothing_but_files_and_folders(tmp_path: Path) -> None:
    """So that any tool can copy, move and archive the folder, whatever it does about links."""
    for number in range(20):
        data = b"%d" % (number % 15)
        storage(tmp_path).save(f"images/{number}.jpg", data, sha256=hashlib.sha256(data).hexdigest())
    kinds = {stat.S_IFMT(path.lstat().st_mode) for path in tmp_path.rglob("*")}
    assert kinds == {stat.S_IFREG, stat.S_IFDIR}
    assert {path.stat().st_nlink for path in tmp_path.rglob("*") if path.is_file()} == {1}
