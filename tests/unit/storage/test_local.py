"""LocalStorage beyond the contract: kills, full disks, odd folders."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from crawler.errors import StorageFailed, StorageFull
from crawler.storage.local import INDEX_FOLDER, LocalStorage
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


def claim(root: Path) -> Path:
    return root / INDEX_FOLDER / CAT[:2] / CAT


def images(root: Path) -> list[str]:
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and not _is_claim(path)
    )


def _is_claim(path: Path) -> bool:
    return path.parent.parent.name == INDEX_FOLDER and not path.name.startswith(".")


def write_claim(root: Path, path: str) -> None:
    claim(root).parent.mkdir(parents=True, exist_ok=True)
    claim(root).write_text(f"{path}\n", encoding="utf-8")


@pytest.fixture(params=["file", "link of an earlier version"])
def make_claim(request: pytest.FixtureRequest) -> MakeClaim:
    """Claims CAT for a path, in either form that may be there."""

    def link(root: Path, path: str) -> None:
        claim(root).parent.mkdir(parents=True, exist_ok=True)
        claim(root).symlink_to(path)

    return write_claim if request.param == "file" else link


class Killed(BaseException):
    """What stands for kill -9: nothing may catch it."""


@pytest.mark.parametrize("step", ["write", "link", "replace"])
def test_killed_at_any_step_and_saved_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def die(*args: object, **kwargs: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        if step == "write":
            patched.setattr("crawler.storage.claims.Claims._write", die)
        elif step == "link":
            patched.setattr(os, "link", die)
        else:
            patched.setattr(Path, "replace", die)
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
    assert claim(tmp_path).read_text() == "images/a.jpg\n"


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


def test_without_hard_links_claims_are_files_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    assert storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT) == "images/a.jpg"
    assert storage(tmp_path).save("images/b.jpg", b"cat", sha256=CAT) == "images/a.jpg"
    assert claim(tmp_path).read_text() == "images/a.jpg\n"
    claim(tmp_path).write_text("images/a")  # half written
    (tmp_path / "images/a.jpg").unlink()
    assert storage(tmp_path).save("images/b.jpg", b"cat", sha256=CAT) == "images/b.jpg"
    assert claim(tmp_path).read_text() == "images/b.jpg\n"


def test_links_that_are_not_implemented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_implemented(*args: object, **kwargs: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(os, "link", not_implemented)
    assert storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT) == "images/a.jpg"
    assert claim(tmp_path).read_text() == "images/a.jpg\n"


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

    monkeypatch.setattr(LocalStorage, "_write_temporary", full)
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

    monkeypatch.setattr(LocalStorage, "_write_temporary", refuse)
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
    claim(tmp_path).with_name(leftover).write_text("images/nowhere.jpg\n")
    os.utime(tmp_path / "images" / old_foreign, (0, 0))
    assert store.sweep() == 3
    left = {path.name for path in (tmp_path / "images").iterdir()}
    assert left == {"a.jpg", alive, foreign, ".saving-my-cat.jpg"}
    assert [file.name for file in claim(tmp_path).parent.iterdir()] == [CAT]


def test_a_killed_process_leaves_a_temporary_file_that_sweep_finds(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from crawler.storage.local import LocalStorage\n"
        "os.link = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "store = LocalStorage(Path(sys.argv[1]), fsync=False, min_free_bytes=0)\n"
        f"store.save('images/a.jpg', b'cat', sha256={CAT!r})"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False).returncode == -9
    assert len(images(tmp_path)) == 2  # of the image, and of the claim
    assert storage(tmp_path).sweep() == 2
    assert images(tmp_path) == []
    assert storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT) == "images/a.jpg"


def test_an_index_of_an_earlier_version_is_renewed(tmp_path: Path) -> None:
    storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT)
    claim(tmp_path).unlink()
    claim(tmp_path).symlink_to("images/a.jpg")
    other = tmp_path / INDEX_FOLDER / "00" / ("0" * 64)
    other.parent.mkdir()
    other.symlink_to("images/gone.jpg")
    assert storage(tmp_path).sweep() == 0
    assert claim(tmp_path).read_text() == "images/a.jpg\n"
    assert other.read_text() == "images/gone.jpg\n"
    assert {file.name for file in (tmp_path / INDEX_FOLDER).glob("*/*")} == {CAT, other.name}
    assert storage(tmp_path).save("images/b.jpg", b"cat", sha256=CAT) == "images/a.jpg"


@pytest.mark.parametrize("content", [b"\xff\xd8\xff\xe0\n", b"x" * 40_000, b""])
def test_what_a_copy_made_of_an_earlier_index_is_no_claim(tmp_path: Path, content: bytes) -> None:
    # cp -rL puts the image where the link was, if that happened to lead there
    storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT)
    claim(tmp_path).write_bytes(content)
    assert storage(tmp_path).save("images/a.jpg", b"cat", sha256=CAT) == "images/a.jpg"
    (tmp_path / "images/a.jpg").unlink()
    assert storage(tmp_path).save("images/b.jpg", b"cat", sha256=CAT) == "images/b.jpg"
    assert claim(tmp_path).read_text() == "images/b.jpg\n"


def test_there_is_nothing_but_files_and_folders(tmp_path: Path) -> None:
    """So that any tool can copy, move and archive the folder, whatever it does about links."""
    for number in range(20):
        data = b"%d" % (number % 15)
        storage(tmp_path).save(f"images/{number}.jpg", data, sha256=hashlib.sha256(data).hexdigest())
    kinds = {stat.S_IFMT(path.lstat().st_mode) for path in tmp_path.rglob("*")}
    assert kinds == {stat.S_IFREG, stat.S_IFDIR}
    assert {path.stat().st_nlink for path in tmp_path.rglob("*") if path.is_file()} == {1}
