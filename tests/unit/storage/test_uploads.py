"""Images in parts: UploadReceiver at its limits and its worst moments, ManagerStorage against an inbox that forgets."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Self

import msgspec
import pytest

from crawler.catalog import verify as verifying
from crawler.catalog.database import Catalog
from crawler.catalog.summary import summarise
from crawler.config import QueueConfig, ScopeConfig
from crawler.download.sniff import extension_for
from crawler.errors import QueueUnreachable, StorageFailed, StorageFull, UploadLost
from crawler.storage import Chunk
from crawler.storage.local import INDEX_FOLDER, LocalStorage
from crawler.storage.manager import PART_BYTES, ManagerStorage
from crawler.storage.uploads import UploadReceiver
from tests.support.queues import connected, embedded, in_thread, served, wait_until

CAT = b"a cat in five parts"
UPLOAD = "0123456789abcdef" * 2
OTHER = "fedcba9876543210" * 2


def jpg(_: bytes) -> str:
    """As if all bytes were a JPEG."""
    return "jpg"


def inbox(root: Path, *, max_image_bytes: int = 100, **options: Any) -> UploadReceiver:
    settings = {"fsync": False, "min_free_bytes": 0, "claim_patience_s": 0.02} | options
    return UploadReceiver(LocalStorage(root, **settings), max_image_bytes=max_image_bytes, extension_for=jpg)


def chunk(data: bytes = CAT, offset: int = 0, end: int | None = None, **changes: Any) -> Chunk:
    """The part of an image from *offset* to *end*."""
    part = Chunk(
        upload=UPLOAD,
        path="images/a.jpg",
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        offset=offset,
        data=data[offset:end],
    )
    return msgspec.structs.replace(part, **changes)


def chunks(data: bytes = CAT, *, size_bytes: int = 4, **changes: Any) -> list[Chunk]:
    return [chunk(data, at, at + size_bytes, **changes) for at in range(0, len(data), size_bytes)]


def incoming(root: Path) -> dict[str, bytes]:
    """What lies in the folder and is no image: uploads, temporary files."""
    return {path.name: path.read_bytes() for path in root.rglob(".*") if path.is_file()}


def images(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith(".") and INDEX_FOLDER not in path.parts
    }


# --- the way it goes ---


def test_parts_in_their_order_become_the_image(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    assert [box.store(part) for part in chunks()] == ["", "", "", "", "images/a.jpg"]
    assert images(tmp_path) == {"images/a.jpg": CAT}
    assert incoming(tmp_path) == {}


def test_a_whole_image_in_one_part_never_is_an_upload(tmp_path: Path) -> None:
    assert inbox(tmp_path).store(chunk()) == "images/a.jpg"
    assert inbox(tmp_path).store(chunk(b"", path="images/empty.jpg")) == "images/empty.jpg"
    assert images(tmp_path) == {"images/a.jpg": CAT, "images/empty.jpg": b""}
    assert not (tmp_path / INDEX_FOLDER / "incoming").exists()


def test_an_upload_outlives_a_restart_after_each_part(tmp_path: Path) -> None:
    assert [inbox(tmp_path).store(part) for part in chunks()][-1] == "images/a.jpg"
    assert images(tmp_path) == {"images/a.jpg": CAT}


def test_an_image_becomes_readable_as_if_it_had_been_saved(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    for part in chunks():
        box.store(part)
    box.store(chunk(b"dog", path="images/b.jpg"))
    assert (tmp_path / "images/a.jpg").stat().st_mode == (tmp_path / "images/b.jpg").stat().st_mode


def test_fsync_reaches_the_adopted_file_and_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    box = inbox(tmp_path, fsync=True)
    for part in chunks():
        box.store(part)
    assert synced == [(tmp_path / "images/a.jpg").stat().st_ino, (tmp_path / "images").stat().st_ino]


def test_uploads_are_neither_images_nor_orphans_to_the_catalog(tmp_path: Path) -> None:
    with embedded(tmp_path / "crawl.db", queue=QueueConfig(), scope=ScopeConfig()):
        inbox(tmp_path).store(chunks()[0])
        assert incoming(tmp_path) == {f".receiving-{UPLOAD}": CAT[:4]}
        with Catalog(tmp_path) as catalog:
            assert summarise(catalog).files == 0
            assert list(verifying.verify(catalog)) == []


# --- the same bytes once ---


def test_the_first_part_of_what_is_kept_is_enough(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    box.store(chunk())
    assert box.store(chunks(upload=OTHER, path="images/b.jpg")[0]) == "images/a.jpg"
    assert incoming(tmp_path) == {}


def test_two_uploads_of_the_same_bytes_end_in_one_file(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    both = zip(chunks(), chunks(upload=OTHER, path="images/b.jpg"), strict=True)
    answers = [(box.store(one), box.store(other)) for one, other in both]
    assert answers[-1] == ("images/a.jpg", "images/a.jpg")
    assert images(tmp_path) == {"images/a.jpg": CAT}
    assert incoming(tmp_path) == {}


def test_what_is_found_kept_when_the_upload_begins_anew_leaves_no_rest_of_it(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    box.store(chunks()[0])
    box.store(chunk(upload=OTHER))
    assert box.store(chunks()[0]) == "images/a.jpg"
    assert incoming(tmp_path) == {}


def test_other_bytes_for_the_same_path_replace_it(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    box.store(chunk(b"dog"))
    assert [box.store(part) for part in chunks()][-1] == "images/a.jpg"
    assert images(tmp_path) == {"images/a.jpg": CAT}


# --- parts that come again, or not at all ---


def test_each_part_may_come_again(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    answers = [box.store(part) for part in chunks() if box.store(part) == ""]
    assert answers == ["", "", "", ""]
    assert images(tmp_path) == {"images/a.jpg": CAT}


def test_a_part_from_before_sets_the_upload_back(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    parts = chunks()
    for part in parts[:4]:
        box.store(part)
    assert box.store(parts[1]) == ""
    with pytest.raises(UploadLost):
        box.store(parts[4])
    assert [box.store(part) for part in parts[2:]] == ["", "", "images/a.jpg"]
    assert images(tmp_path) == {"images/a.jpg": CAT}


def test_an_upload_may_begin_anew(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    for part in [*chunks(b"another image, with more")[:3], *chunks()]:
        answer = box.store(part)
    assert answer == "images/a.jpg"
    assert images(tmp_path) == {"images/a.jpg": CAT}


@pytest.mark.parametrize("sent", [[], [0], [0, 1]])
def test_a_gap_is_an_upload_lost(tmp_path: Path, sent: list[int]) -> None:
    box = inbox(tmp_path)
    parts = chunks()
    for number in sent:
        box.store(parts[number])
    with pytest.raises(UploadLost, match=f"images/a.jpg only {4 * len(sent)} bytes") as caught:
        box.store(parts[len(sent) + 1])
    assert "anew" in str(caught.value)
    assert images(tmp_path) == {}


def test_a_last_part_whose_answer_was_lost(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    parts = chunks()
    for part in parts:
        box.store(part)
    with pytest.raises(UploadLost):
        box.store(parts[-1])
    assert box.store(parts[0]) == "images/a.jpg"
    assert images(tmp_path) == {"images/a.jpg": CAT}
    assert incoming(tmp_path) == {}


# --- what can't be right ---


def test_other_bytes_than_announced_are_never_kept(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    wrong = hashlib.sha256(b"dog").hexdigest()
    for part in chunks(sha256=wrong)[:-1]:
        box.store(part)
    with pytest.raises(UploadLost, match=wrong):  # a power failure may have taken some of them
        box.store(chunks(sha256=wrong)[-1])
    with pytest.raises(ValueError, match=wrong):
        box.store(chunk(sha256=wrong))
    assert images(tmp_path) == {}
    assert incoming(tmp_path) == {}
    with pytest.raises(UploadLost):
        box.store(chunks()[-1])


def test_a_part_of_another_image_in_between(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    for part in chunks()[:-1]:
        box.store(part)
    box.store(chunk(b"DOG" * 6, 12, 16))
    with pytest.raises(UploadLost, match="SHA-256"):
        box.store(chunks()[-1])
    assert images(tmp_path) == {}


@pytest.mark.parametrize(
    "path",
    [
        "../x", "crawl.db", "images/../crawl.db", "images/../../x", ".index/x", ".index/incoming/x", "/etc/x",
        "/images/x", "images/a\0.jpg", "images", "images/", "images//x", "images/./x", "images\\x", "Images/x",
        "imagesx/x", "", "crawl.authkey", "images/a\\..\\x",
    ],
)  # fmt: skip
@pytest.mark.parametrize("parts", [chunks(), [chunk()]], ids=["in-parts", "whole"])
def test_nothing_is_written_elsewhere(tmp_path: Path, path: str, parts: list[Chunk]) -> None:
    (tmp_path / "crawl.db").write_bytes(b"precious")
    for part in parts:
        with pytest.raises(ValueError, match="path"):
            inbox(tmp_path).store(msgspec.structs.replace(part, path=path))
    assert [file.name for file in tmp_path.rglob("*")] == ["crawl.db"]
    assert (tmp_path / "crawl.db").read_bytes() == b"precious"


def test_a_folder_that_is_a_link_to_elsewhere_is_refused(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "images").symlink_to(outside, target_is_directory=True)
    for part in (chunk(), chunks()[0]):
        with pytest.raises(ValueError, match="symbolic link"):
            inbox(root).store(part)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    "upload",
    [
        "",
        "../../crawl.db",
        "/etc/x",
        UPLOAD[1:],
        UPLOAD + "0",
        UPLOAD.upper(),
        UPLOAD + "\n",
        "g" * 32,
        "\N{ARABIC-INDIC DIGIT ZERO}" * 32,
    ],
)
def test_an_upload_has_the_name_that_was_agreed_on(tmp_path: Path, upload: str) -> None:
    for part in (chunk(upload=upload), chunks(upload=upload)[0]):
        with pytest.raises(ValueError, match="upload"):
            inbox(tmp_path).store(part)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sha256", ["", "ab", "../" * 21 + "x", "A" * 64, "0" * 64 + "\n", "0" * 63 + "/"])
def test_a_digest_is_one(tmp_path: Path, sha256: str) -> None:
    for part in (chunk(sha256=sha256), chunks(sha256=sha256)[0]):
        with pytest.raises(ValueError, match="sha256"):
            inbox(tmp_path).store(part)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"size_bytes": 101}, "max_image_bytes"),
        ({"size_bytes": 2**63}, "max_image_bytes"),
        ({"size_bytes": -1}, "max_image_bytes"),
        ({"size_bytes": 3}, "no part of"),
        ({"offset": 17}, "no part of"),
        ({"offset": -4}, "no part of"),
        ({"offset": 2**63}, "no part of"),
        ({"data": b""}, "no part of"),
        ({"data": b"", "offset": len(CAT)}, "no part of"),
        ({"data": b"", "size_bytes": 0, "offset": 1}, "no part of"),
    ],
)
def test_sizes_have_to_fit(tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        inbox(tmp_path).store(msgspec.structs.replace(chunks()[0], **changes))
    assert list(tmp_path.iterdir()) == []


# --- full and failing disks ---


def test_too_little_room_is_noticed_at_each_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 1000

    def usage(path: object) -> shutil._ntuple_diskusage:
        return shutil._ntuple_diskusage(10_000, 10_000 - free, free)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    now = 0.0
    box = inbox(tmp_path, min_free_bytes=990, clock=lambda: now)
    parts = chunks()
    assert [box.store(part) for part in parts[:2]] == ["", ""]
    with pytest.raises(StorageFull, match="min_free_bytes"):
        box.store(parts[2])
    assert incoming(tmp_path) == {}  # what can't be finished takes no room
    free, now = 5000, 1.5
    with pytest.raises(UploadLost):
        box.store(parts[2])
    assert [box.store(part) for part in parts][-1] == "images/a.jpg"


class Full:
    """A file on a disk that has become full."""

    def __init__(self, file: BinaryIO, code: int) -> None:
        self._file = file
        self._code = code

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> int:
        raise OSError(self._code, os.strerror(self._code))


@pytest.mark.parametrize(
    ("code", "error"),
    [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, StorageFailed)],
)
def test_a_part_that_can_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    box = inbox(tmp_path)
    box.store(chunks()[0])
    real = Path.open
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", lambda *args, **more: Full(real(*args, **more), code))
        with pytest.raises(error, match=r"images/a\.jpg"):
            box.store(chunks()[1])
    assert incoming(tmp_path) == {}
    assert [box.store(part) for part in chunks()][-1] == "images/a.jpg"


def test_a_file_in_the_way_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("not a folder")
    box = inbox(tmp_path)
    for part in chunks()[:-1]:
        box.store(part)
    with pytest.raises(StorageFailed):
        box.store(chunks()[-1])
    assert incoming(tmp_path) == {}


# --- killed at any moment ---

KILLER = """
import itertools, os, signal, sys
from pathlib import Path
import msgspec
from crawler.storage import Chunk
from crawler.storage.claims import Claims
from crawler.storage.uploads import UploadReceiver
from crawler.storage.local import LocalStorage

root, step, message = sys.argv[1:]
real, calls = os.replace, itertools.count(1)

def die(*args, **more):
    os.kill(os.getpid(), signal.SIGKILL)

def replace(file, target):
    number = next(calls)
    if step == f"before rename {number}":
        die()
    real(file, target)
    if step == f"after rename {number}":
        die()

os.replace = replace
if step == "at the claim":
    Claims.take = die
if step == "before the adoption":
    LocalStorage.adopt = die
storage = LocalStorage(Path(root), fsync=False, min_free_bytes=0)
box = UploadReceiver(storage, max_image_bytes=100, extension_for=lambda _: "jpg")
print(box.store(msgspec.json.decode(message, type=Chunk)))
"""


@pytest.mark.parametrize(
    ("step", "left"),
    [
        ("before the adoption", 1),
        ("before rename 1", 1),
        ("after rename 1", 1),
        ("at the claim", 1),
        ("before rename 2", 1),
        ("after rename 2", 0),
    ],
)
def test_killed_at_any_step_of_the_last_part_and_sent_again(tmp_path: Path, step: str, left: int) -> None:
    parts = chunks()
    for part in [chunk(b"dog", path="images/dog.jpg"), *parts[:-1]]:
        inbox(tmp_path).store(part)
    killed = subprocess.run(
        [sys.executable, "-c", KILLER, str(tmp_path), step, msgspec.json.encode(parts[-1])], check=False
    )
    assert killed.returncode == -9
    assert len(incoming(tmp_path)) == left
    assert ("images/a.jpg" in images(tmp_path)) == (left == 0)

    again = ManagerStorage(Resuming(inbox(tmp_path), parts[-1]))
    assert again.save("images/a.jpg", CAT, sha256=parts[0].sha256) == "images/a.jpg"
    LocalStorage(tmp_path, fsync=False, min_free_bytes=0).sweep()
    assert images(tmp_path) == {"images/a.jpg": CAT, "images/dog.jpg": b"dog"}
    assert incoming(tmp_path) == {}
    assert inbox(tmp_path).store(chunk(path="images/b.jpg")) == "images/a.jpg"


def test_killed_within_a_part_that_is_sent_again(tmp_path: Path) -> None:
    parts = chunks()
    for part in parts[:3]:
        inbox(tmp_path).store(part)
    os.truncate(tmp_path / INDEX_FOLDER / "incoming" / f".receiving-{UPLOAD}", 10)
    assert [inbox(tmp_path).store(part) for part in parts[2:]] == ["", "", "images/a.jpg"]
    assert images(tmp_path) == {"images/a.jpg": CAT}


class Resuming:
    """Sends the part again whose answer was lost, and lets the sender go on from there."""

    def __init__(self, box: UploadReceiver, last: Chunk) -> None:
        self._box = box
        self._last: Chunk | None = last

    def store(self, part: Chunk) -> str:
        if self._last is not None:
            part, self._last = self._last, None
        return self._box.store(part)


# --- leftovers ---


def test_sweep_removes_what_nothing_has_come_for_in_an_hour(tmp_path: Path) -> None:
    now = 10_000.0
    storage = LocalStorage(tmp_path, fsync=False, min_free_bytes=0)
    box = UploadReceiver(storage, max_image_bytes=100, extension_for=jpg, clock=lambda: now)
    assert box.sweep() == 0  # without a folder
    for upload in (UPLOAD, OTHER):
        box.store(chunks(upload=upload)[0])
    os.utime(storage.incoming / f".receiving-{UPLOAD}", (now - 3599, now - 3599))
    os.utime(storage.incoming / f".receiving-{OTHER}", (now - 3601, now - 3601))
    (storage.incoming / "unknown").touch()
    os.utime(storage.incoming / "unknown", (0, 0))
    assert box.sweep() == 1
    assert sorted(path.name for path in storage.incoming.iterdir()) == [f".receiving-{UPLOAD}", "unknown"]
    with pytest.raises(UploadLost):
        box.store(chunks(upload=OTHER)[1])
    assert [box.store(part) for part in chunks()[1:]][-1] == "images/a.jpg"


def test_an_upload_that_goes_on_is_not_swept(tmp_path: Path) -> None:
    box = inbox(tmp_path)
    box.store(chunks()[0])
    os.utime(tmp_path / INDEX_FOLDER / "incoming" / f".receiving-{UPLOAD}", (0, 0))
    box.store(chunks()[1])
    assert box.sweep() == 0
    assert incoming(tmp_path) == {f".receiving-{UPLOAD}": CAT[:8]}


def test_an_upload_in_work_is_not_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = inbox(tmp_path)
    swept: list[int] = []

    def sweep_meanwhile(storage: LocalStorage, file: Path, *args: object, **more: object) -> str:
        os.utime(file, (0, 0))
        swept.append(box.sweep())
        return adopt(storage, file, *args, **more)  # type: ignore[arg-type]

    adopt = LocalStorage.adopt
    monkeypatch.setattr(LocalStorage, "adopt", sweep_meanwhile)
    assert [box.store(part) for part in chunks()][-1] == "images/a.jpg"
    assert swept == [0]


# --- threads ---


def test_one_upload_sent_by_several_threads_gives_the_image_or_nothing(tmp_path: Path) -> None:
    data = secrets.token_bytes(40_000)
    box = inbox(tmp_path, max_image_bytes=len(data))
    start = threading.Barrier(4)
    outcomes: list[str] = []

    def send() -> None:
        start.wait()
        for _ in range(200):
            try:
                for part in chunks(data, size_bytes=1000):
                    if path := box.store(part):
                        outcomes.append(path)
                        return
            except UploadLost:
                continue

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes
    assert set(outcomes) == {"images/a.jpg"}
    assert images(tmp_path) == {"images/a.jpg": data}


def test_one_who_writes_other_bytes_to_the_same_upload_never_reaches_what_is_kept(tmp_path: Path) -> None:
    data = secrets.token_bytes(8_000)
    box = inbox(tmp_path, max_image_bytes=len(data))
    noise = itertools.cycle(chunks(bytes(8_000), size_bytes=1000))
    done = threading.Event()

    def disturb() -> None:
        while not done.is_set():
            try:
                box.store(next(noise))
            except (UploadLost, ValueError):
                continue

    with in_thread(disturb):
        for number in range(50):
            path = f"images/{number}.jpg"
            try:
                answers = [box.store(part) for part in chunks(data, size_bytes=1000, path=path)]
            except (UploadLost, ValueError):
                continue
            assert images(tmp_path)[answers[-1]] == data
        done.set()
    assert box.store(chunk(data)) in images(tmp_path)
    assert set(images(tmp_path).values()) <= {data, bytes(8_000)}


def test_an_upload_waits_for_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = inbox(tmp_path)
    entered, leave = threading.Event(), threading.Event()
    adopt = LocalStorage.adopt

    def slow(storage: LocalStorage, file: Path, *args: Any, **more: Any) -> str:
        if UPLOAD in file.name:
            entered.set()
            assert leave.wait(10)
        return adopt(storage, file, *args, **more)

    monkeypatch.setattr(LocalStorage, "adopt", slow)
    for part in chunks()[:-1]:
        box.store(part)
    with in_thread(lambda: box.store(chunks()[-1])) as first:
        assert entered.wait(10)
        others = chunks(b"a dog in some parts", upload=OTHER, path="images/b.jpg")
        assert [box.store(part) for part in others][-1] == "images/b.jpg"
        with in_thread(lambda: box.store(chunks()[-1])) as second:
            assert images(tmp_path) == {"images/b.jpg": b"a dog in some parts"}
            leave.set()
            wait_until(lambda: first and second)
    assert first == ["images/a.jpg"]
    assert isinstance(second[0], UploadLost)
    assert images(tmp_path) == {"images/a.jpg": CAT, "images/b.jpg": b"a dog in some parts"}
    assert box._busy == set()


# --- the sender ---


class Recording:
    """An inbox that lets a test interfere: *before* is called with the number of each part, from 1."""

    def __init__(self, box: UploadReceiver, before: Callable[[int], None] = lambda number: None) -> None:
        self._box = box
        self._before = before
        self.parts: list[tuple[int, int]] = []
        self.uploads: set[str] = set()

    def store(self, part: Chunk) -> str:
        self.parts.append((part.offset, len(part.data)))
        self.uploads.add(part.upload)
        self._before(len(self.parts))
        return self._box.store(part)


BIG = bytes(range(256)) * 9000
BIG_SHA256 = hashlib.sha256(BIG).hexdigest()
BIG_PARTS = [(0, PART_BYTES), (PART_BYTES, PART_BYTES), (2 * PART_BYTES, len(BIG) - 2 * PART_BYTES)]


def recording(root: Path, before: Callable[[int], None] = lambda number: None) -> Recording:
    return Recording(inbox(root, max_image_bytes=len(BIG)), before)


def test_an_image_is_sent_in_parts_of_a_mebibyte(tmp_path: Path) -> None:
    box = recording(tmp_path)
    assert ManagerStorage(box).save("images/a.jpg", BIG, sha256=BIG_SHA256) == "images/a.jpg"
    assert box.parts == BIG_PARTS
    assert len(box.uploads) == 1
    assert images(tmp_path) == {"images/a.jpg": BIG}


@pytest.mark.parametrize("data", [b"", b"cat", bytes(PART_BYTES)], ids=len)
def test_a_small_image_is_sent_at_once(tmp_path: Path, data: bytes) -> None:
    box = recording(tmp_path)
    path = ManagerStorage(box).save("images/a.jpg", data, sha256=hashlib.sha256(data).hexdigest())
    assert box.parts == [(0, len(data))]
    assert images(tmp_path) == {path: data}


def test_no_more_is_sent_than_needed(tmp_path: Path) -> None:
    ManagerStorage(recording(tmp_path)).save("images/a.jpg", BIG, sha256=BIG_SHA256)
    box = recording(tmp_path)
    assert ManagerStorage(box).save("images/b.jpg", BIG, sha256=BIG_SHA256) == "images/a.jpg"
    assert box.parts == BIG_PARTS[:1]


def test_each_image_is_an_upload_of_its_own(tmp_path: Path) -> None:
    box = recording(tmp_path)
    storage = ManagerStorage(box)
    for number in range(3):
        data = b"%d" % number
        storage.save(f"images/{number}.jpg", data, sha256=hashlib.sha256(data).hexdigest())
    assert len(box.uploads) == 3


def test_a_lost_upload_is_sent_anew(tmp_path: Path) -> None:
    def forget(number: int) -> None:
        if number == 3:
            shutil.rmtree(tmp_path / INDEX_FOLDER / "incoming")

    box = recording(tmp_path, forget)
    assert ManagerStorage(box).save("images/a.jpg", BIG, sha256=BIG_SHA256) == "images/a.jpg"
    assert box.parts == [*BIG_PARTS, *BIG_PARTS]
    assert images(tmp_path) == {"images/a.jpg": BIG}
    assert incoming(tmp_path) == {}


def test_an_upload_that_is_lost_again_and_again_fails(tmp_path: Path) -> None:
    def forget(number: int) -> None:
        if number % 2 == 0:
            shutil.rmtree(tmp_path / INDEX_FOLDER / "incoming")

    box = recording(tmp_path, forget)
    with pytest.raises(StorageFailed, match=r"images/a\.jpg at each of 5 tries") as caught:
        ManagerStorage(box).save("images/a.jpg", BIG, sha256=BIG_SHA256)
    assert isinstance(caught.value.__cause__, UploadLost)
    assert len(box.parts) == 10
    assert images(tmp_path) == {}


def test_an_inbox_that_takes_all_and_keeps_nothing(tmp_path: Path) -> None:
    class Sink:
        def store(self, part: Chunk) -> str:
            return ""

    with pytest.raises(StorageFailed, match="not kept"):
        ManagerStorage(Sink()).save("images/a.jpg", b"cat", sha256=hashlib.sha256(b"cat").hexdigest())


@pytest.mark.parametrize("error", [QueueUnreachable("gone"), StorageFull("full"), ValueError("no path")])
def test_other_errors_go_through(tmp_path: Path, error: Exception) -> None:
    def fail(number: int) -> None:
        raise error

    box = recording(tmp_path, fail)
    with pytest.raises(type(error)) as caught:
        ManagerStorage(box).save("images/a.jpg", BIG, sha256=BIG_SHA256)
    assert caught.value is error
    assert len(box.parts) == 1


# --- over the network ---


@pytest.fixture(name="remote")
def a_storage_far_away(tmp_path: Path) -> Iterator[ManagerStorage]:
    with ExitStack() as stack:
        _, queues = stack.enter_context(
            embedded(tmp_path / "crawl.db", queue=QueueConfig(), scope=ScopeConfig())
        )
        box = inbox(tmp_path, max_image_bytes=9 * 2**20)
        server = stack.enter_context(served(queues.tasks, queues.results, inbox=box))
        yield ManagerStorage(stack.enter_context(connected(server)).get_inbox())


def test_nine_mebibytes_over_a_real_connection(tmp_path: Path, remote: ManagerStorage) -> None:
    data = secrets.token_bytes(9 * 2**20)
    sha256 = hashlib.sha256(data).hexdigest()
    assert remote.save("images/a.jpg", data, sha256=sha256) == "images/a.jpg"
    assert (tmp_path / "images/a.jpg").read_bytes() == data
    assert remote.save("images/b.jpg", data, sha256=sha256) == "images/a.jpg"
    assert incoming(tmp_path) == {}


def test_what_the_inbox_refuses_is_refused_over_a_real_connection(
    tmp_path: Path, remote: ManagerStorage
) -> None:
    data = bytes(9 * 2**20 + 1)
    with pytest.raises(ValueError, match="max_image_bytes"):
        remote.save("images/a.jpg", data, sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(ValueError, match="path"):
        remote.save("crawl.db", b"cat", sha256=hashlib.sha256(b"cat").hexdigest())
    assert not (tmp_path / "images").exists()


def test_a_full_disk_is_one_over_a_real_connection(
    tmp_path: Path, remote: ManagerStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(storage: LocalStorage, size_bytes: int) -> None:
        raise StorageFull("the disk is full")

    monkeypatch.setattr(LocalStorage, "check_free", full)
    for data in (b"cat", BIG):
        with pytest.raises(StorageFull, match="the disk is full"):
            remote.save("images/a.jpg", data, sha256=hashlib.sha256(data).hexdigest())
    assert not (tmp_path / "images").exists()


# --- images only ---

GIF = b"GIF89a" + b"\1\0\1\0" * 4


def strict(root: Path) -> UploadReceiver:
    storage = LocalStorage(root, fsync=False, min_free_bytes=0)
    return UploadReceiver(storage, max_image_bytes=100, extension_for=extension_for)


@pytest.mark.parametrize(
    "path",
    [
        "images/.htaccess", "images/.saving-x", "images/a/.git/config", "images/.saving-0/a.gif", "images/a.html",
        "images/a.php", "images/a", "images/gif", "images/.gif", "images/a.gif/b.gif", "images/con.gif",
        "images/a\x1b[2J.gif", "images/a\u202egpj.gif", "images/a:b.gif", "images/a .gif/../b.gif", "images/a /b.gif",
        "images/" + "a" * 300 + ".gif", "images/" + "a/" * 40 + "b.gif", "IMAGES/a.gif", "image/a.gif", "images//a.gif",
    ],
)  # fmt: skip
def test_a_path_that_naming_does_not_make_is_refused(tmp_path: Path, path: str) -> None:
    for parts in ([chunk(GIF, path=path)], chunks(GIF, path=path)):
        with pytest.raises(ValueError, match="is none that an image is given"):
            strict(tmp_path).store(parts[0])
    with pytest.raises(ValueError, match="is none that an image is given"):
        strict(tmp_path).has(path, 5)
    assert not images(tmp_path)
    assert not incoming(tmp_path)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("images/a.gif", b"<html><script>alert(1)</script></html>"),
        ("images/a.gif", b"\x89PNG\r\n\x1a\n and more of it"),
        ("images/a.svg", b"<html><body>no drawing</body></html>"),
        ("images/a.jpg", GIF),
        ("images/a.gif", b"MZ\x90\0 a program"),
        ("images/a.gif", b"#!/bin/sh\nrm -r ~"),
        ("images/a.gif", b""),
    ],
)
def test_bytes_that_are_not_what_their_name_says_are_refused_whole_or_in_parts(
    tmp_path: Path, path: str, data: bytes
) -> None:
    for parts in ([chunk(data, path=path)], chunks(data, path=path) or [chunk(data, path=path)]):
        box = strict(tmp_path)
        for part in parts[:-1]:
            assert box.store(part) == ""
        with pytest.raises(ValueError, match=r"is no image that is kept|its name has to say so"):
            box.store(parts[-1])
    assert not images(tmp_path)
    assert not incoming(tmp_path)


def test_an_image_whose_first_bytes_are_changed_behind_its_back_is_looked_at_when_it_is_whole(
    tmp_path: Path,
) -> None:
    page = b"<html>" + GIF[6:]
    box = strict(tmp_path)
    assert box.store(chunk(GIF, 0, 4)) == ""
    assert box.store(chunk(page, 0, 4)) == "", "the same part once more, with other bytes"
    with pytest.raises(ValueError, match="is no image that is kept"):
        box.store(chunk(page, 4))
    assert not images(tmp_path)


def test_images_of_all_kinds_are_taken_under_names_that_say_what_they_are(tmp_path: Path) -> None:
    box = strict(tmp_path)
    for path, data in {
        "images/a.gif": GIF,
        "images/a.png": b"\x89PNG\r\n\x1a\n",
        "images/b.JPEG": b"\xff\xd8\xff",
        "images/c.svg": b"<?xml version='1.0'?><svg/>",
    }.items():
        assert box.store(chunk(data, path=path)) == path
    assert len(images(tmp_path)) == 4
