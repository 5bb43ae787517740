"""What every Storage promises. Another storage is one more parameter, with a way to look inside."""

from __future__ import annotations

import hashlib
import multiprocessing
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from crawler.config import QueueConfig, ScopeConfig
from crawler.storage import Storage
from crawler.storage.local import INDEX_FOLDER, LocalStorage
from crawler.storage.manager import ManagerStorage
from crawler.storage.uploads import UploadReceiver
from tests.support import objectstore
from tests.support.queues import connected, embedded, served

LARGE = bytes(range(256)) * 10_000
"""More than what goes into one message of a storage that has such."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A kind of storage, for the suite."""

    open: Callable[[], Storage]
    """Another view on the same storage, as another process has it."""
    files: Callable[[], dict[str, bytes]]
    """All images in it, by path."""
    start_method: str = "fork"
    """How processes are started that open it."""


def _files(folder: Path) -> Callable[[], dict[str, bytes]]:
    return lambda: {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and INDEX_FOLDER not in path.parts
    }


def _store(folder: Path) -> LocalStorage:
    return LocalStorage(folder, fsync=False, min_free_bytes=0)


def _inbox(folder: Path) -> UploadReceiver:
    return UploadReceiver(_store(folder), max_image_bytes=2**24, extension_for=lambda _: "jpg")


@contextmanager
def _local(tmp_path: Path) -> Iterator[Case]:
    folder = tmp_path / "out"
    yield Case(open=lambda: _store(folder), files=_files(folder))


@contextmanager
def _in_parts(tmp_path: Path) -> Iterator[Case]:
    folder = tmp_path / "out"
    yield Case(open=lambda: ManagerStorage(_inbox(folder)), files=_files(folder))


@contextmanager
def _at_the_manager(tmp_path: Path) -> Iterator[Case]:
    folder = tmp_path / "out"
    with ExitStack() as stack:
        _, queues = stack.enter_context(
            embedded(tmp_path / "crawl.db", queue=QueueConfig(), scope=ScopeConfig())
        )
        server = stack.enter_context(served(queues.tasks, queues.results, inbox=_inbox(folder)))

        def open_() -> Storage:
            return ManagerStorage(stack.enter_context(connected(server)).get_inbox())

        yield Case(open=open_, files=_files(folder))


@contextmanager
def _in_bucket(scheme: str, environment: Mapping[str, str]) -> Iterator[Case]:
    store = objectstore.Store(
        url=f"{scheme}://{objectstore.BUCKET}/{secrets.token_hex(8)}/in here", environment=environment
    )
    with pytest.MonkeyPatch.context() as patched:
        objectstore.set_environment(patched, environment)
        # obstore's threads do not survive a fork
        yield Case(open=partial(objectstore.open_storage, store.url), files=store.files, start_method="spawn")


@contextmanager
def _s3(_: Path) -> Iterator[Case]:
    with _in_bucket("s3", objectstore.s3_environment(objectstore.moto())) as case:
        yield case


@contextmanager
def _gs(_: Path) -> Iterator[Case]:
    with (
        objectstore.door(google=True) as door,
        _in_bucket("gs", objectstore.google_environment(door.url)) as case,
    ):
        yield case


@contextmanager
def _az(_: Path) -> Iterator[Case]:
    with _in_bucket("az", objectstore.azure_environment(objectstore.azurite())) as case:
        yield case


@pytest.fixture(
    params=[_local, _in_parts, _at_the_manager, _s3, _gs, _az],
    ids=["local", "in-parts", "at-the-manager", "s3", "gs", "az"],
)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    making: Callable[[Path], AbstractContextManager[Case]] = request.param
    with making(tmp_path) as made:
        yield made


def save(storage: Storage, path: str, data: bytes) -> str:
    return storage.save(path, data, sha256=hashlib.sha256(data).hexdigest())


def test_an_image_is_there_once_saved(case: Case) -> None:
    assert save(case.open(), "images/example.org/ä b/cat.jpg", b"cat") == "images/example.org/ä b/cat.jpg"
    assert case.files() == {"images/example.org/ä b/cat.jpg": b"cat"}


def test_saving_again_changes_nothing(case: Case) -> None:
    for _ in range(3):
        assert save(case.open(), "images/a.jpg", b"cat") == "images/a.jpg"
    assert case.files() == {"images/a.jpg": b"cat"}


def test_the_same_bytes_are_kept_once(case: Case) -> None:
    assert save(case.open(), "images/a.jpg", b"cat") == "images/a.jpg"
    assert save(case.open(), "images/b.jpg", b"cat") == "images/a.jpg"
    assert save(case.open(), "images/c.jpg", b"dog") == "images/c.jpg"
    assert case.files() == {"images/a.jpg": b"cat", "images/c.jpg": b"dog"}


def test_a_duplicate_stays_one_when_it_is_delivered_again(case: Case) -> None:
    storage = case.open()
    save(storage, "images/a.jpg", b"cat")
    assert [save(storage, f"images/{name}.jpg", b"cat") for name in "bab"] == ["images/a.jpg"] * 3


def test_other_bytes_for_the_same_path_replace_it(case: Case) -> None:
    storage = case.open()
    save(storage, "images/a.jpg", b"cat")
    assert save(storage, "images/a.jpg", b"dog") == "images/a.jpg"
    assert case.files() == {"images/a.jpg": b"dog"}


def test_a_large_image_is_one_like_any_other(case: Case) -> None:
    assert save(case.open(), "images/a.jpg", LARGE) == "images/a.jpg"
    assert save(case.open(), "images/a.jpg", LARGE) == "images/a.jpg"
    assert save(case.open(), "images/b.jpg", LARGE) == "images/a.jpg"
    assert case.files() == {"images/a.jpg": LARGE}
    assert save(case.open(), "images/a.jpg", LARGE[1:]) == "images/a.jpg"
    assert save(case.open(), "images/b.jpg", LARGE) == "images/b.jpg"
    assert case.files() == {"images/a.jpg": LARGE[1:], "images/b.jpg": LARGE}


def test_replaced_bytes_are_no_longer_found_there(case: Case) -> None:
    storage = case.open()
    save(storage, "images/a.jpg", b"cat")
    save(storage, "images/a.jpg", b"dog")
    assert save(storage, "images/b.jpg", b"cat") == "images/b.jpg"
    assert save(storage, "images/c.jpg", b"cat") == "images/b.jpg"
    assert case.files() == {"images/a.jpg": b"dog", "images/b.jpg": b"cat"}


@pytest.mark.parametrize("data", [b"cat", LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    "path",
    [
        "../a.jpg", "images/../../a.jpg", "/a.jpg", "", ".", "./a.jpg", "images//a.jpg", "images/a.jpg/",
        "images\\a.jpg", "images/a\0.jpg", "C:/a.jpg",
    ],
)  # fmt: skip
def test_nothing_is_written_outside(case: Case, path: str, data: bytes) -> None:
    with pytest.raises(ValueError, match="path"):
        save(case.open(), path, data)
    assert case.files() == {}


@pytest.mark.parametrize(("rounds", "more"), [(10, b""), (3, LARGE)], ids=["small", "large"])
def test_threads_that_race_with_the_same_bytes_agree(case: Case, rounds: int, more: bytes) -> None:
    storage = case.open()
    for number in range(rounds):
        data = b"race %d" % number + more
        start = threading.Barrier(8)
        kept: list[str] = []

        def work(
            name: int, number: int = number, data: bytes = data, start: threading.Barrier = start
        ) -> None:
            start.wait()
            kept.append(save(storage, f"images/{number}/{name}.jpg", data))  # noqa: B023 - joined within the round

        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(kept) == 8
        assert len(set(kept)) == 1
        assert case.files()[kept[0]] == data
    assert len(case.files()) == rounds


def _race(open_storage: Callable[[], Storage], start: object, name: int, count: int, answers: object) -> None:
    storage = open_storage()
    start.wait()  # type: ignore[attr-defined]
    answers.put([save(storage, f"images/{number}-{name}.jpg", b"%d" % number) for number in range(count)])  # type: ignore[attr-defined]


@pytest.mark.sampled(3)
# the children use nothing of the server's threads
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_processes_that_race_with_the_same_bytes_agree(case: Case) -> None:
    context = multiprocessing.get_context(case.start_method)
    start, answers = context.Barrier(4), context.Queue()
    processes = [
        context.Process(target=_race, args=(case.open, start, name, 60, answers)) for name in range(4)
    ]
    for process in processes:
        process.start()
    kept = [answers.get(timeout=30) for _ in processes]
    for process in processes:
        process.join()
    assert kept[0] == kept[1] == kept[2] == kept[3]
    assert case.files() == {path: b"%d" % number for number, path in enumerate(kept[0])}


def test_several_deliveries_of_one_task_at_once_all_find_it(case: Case) -> None:
    storage = case.open()
    start = threading.Barrier(6)
    kept: list[str] = []

    def work() -> None:
        start.wait()
        kept.append(save(storage, "images/a.jpg", b"cat"))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept == ["images/a.jpg"] * 6
    assert case.files() == {"images/a.jpg": b"cat"}
