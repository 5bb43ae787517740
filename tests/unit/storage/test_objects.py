"""ObjectStorage beyond the contract: requests, kills, outages, refusals, and what it keeps, for reading."""

from __future__ import annotations

import hashlib
import importlib
import logging
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from crawler.config import StorageConfig
from crawler.crawlfile.file_names import INDEX_FOLDER
from crawler.errors import StorageFailed, StorageUnavailable, UsageError
from crawler.extras import EXTRAS
from crawler.storage import Storage, StorageContext, objects, obstore_errors, schemes
from crawler.storage.local import LocalStorage
from crawler.storage.manager import ManagerStorage
from crawler.storage.objects import ObjectStorage
from tests.support import objectstore
from tests.support.cpu_time import soon
from tests.support.objectstore import Door, Store, open_storage

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[3]
CAT = hashlib.sha256(b"cat").hexdigest()
CLAIM = f"{INDEX_FOLDER}/{CAT[:2]}/{CAT}"


@dataclass(frozen=True, kw_only=True)
class Case:
    store: Store
    door: Door

    def open(self, **options: object) -> ObjectStorage:
        return open_storage(self.store.url, **options)  # type: ignore[arg-type]

    def config(self, **settings: object) -> StorageConfig:
        return StorageConfig(storage=self.store.url, **settings)  # type: ignore[arg-type]

    def methods(self) -> list[str]:
        """Of the requests so far, which are forgotten."""
        methods = [request.partition(" ")[0] for request in self.door.requests]
        self.door.requests.clear()
        return methods


@pytest.fixture
def case() -> Iterator[Case]:
    with objectstore.door() as door, pytest.MonkeyPatch.context() as patched:
        environment = objectstore.s3_environment(door.url)
        objectstore.set_environment(patched, environment)
        direct = {**environment, "AWS_ENDPOINT_URL": objectstore.moto()}
        url = f"s3://{objectstore.BUCKET}/{secrets.token_hex(8)}"
        yield Case(store=Store(url=url, environment=direct), door=door)


def save(storage: Storage, path: str, data: bytes = b"cat") -> str:
    return storage.save(path, data, sha256=hashlib.sha256(data).hexdigest())


# --- what it costs, and what is put -----------------------------------------------------------------------


def test_a_new_image_is_two_requests_and_a_known_one_three(case: Case) -> None:
    storage = case.open()
    save(storage, "images/a.jpg")
    assert case.methods() == ["PUT", "PUT"]
    save(storage, "images/a.jpg")
    assert case.methods() == ["PUT", "GET", "HEAD"]
    save(storage, "images/b.jpg")
    assert case.methods() == ["PUT", "GET", "HEAD"]
    assert case.store.objects() == {"images/a.jpg": b"cat", CLAIM: b"images/a.jpg"}


def test_a_path_that_is_the_digest_needs_no_claim(case: Case) -> None:
    storage, path = case.open(), f"images/{CAT[:2]}/{CAT}.png"
    assert save(storage, path) == path
    assert case.methods() == ["PUT"]
    assert save(storage, path) == path
    assert case.methods() == ["PUT", "HEAD"]
    assert case.store.objects() == {path: b"cat"}


def test_a_damaged_object_at_its_digest_is_repaired(case: Case) -> None:
    path = f"images/{CAT}.png"
    case.store.put(path, b"cut")
    assert save(case.open(), path) == path
    assert case.store.objects() == {path: b"cat"}


def test_what_an_object_says_of_itself(case: Case) -> None:
    import obstore
    from obstore.store import S3Store

    save(case.open(), "images/a b/ünï.JPG")
    save(case.open(), "images/x.unknown", b"dog")
    store = S3Store(objectstore.BUCKET, prefix=case.store.url.rpartition("/")[2], config={"allow_http": True})
    assert dict(obstore.get(store, "images/a b/ünï.JPG").attributes) == {
        "Content-Type": "image/jpeg",
        "sha256": CAT,
    }
    assert obstore.get(store, "images/x.unknown").attributes["Content-Type"] == "application/octet-stream"


def test_a_path_that_makes_too_long_a_key_is_refused_alone(case: Case) -> None:
    storage = case.open()
    with pytest.raises(ValueError, match="1024"):
        save(storage, "images/" + "x" * 1000 + ".jpg")
    assert case.methods() == []
    assert save(storage, "images/a.jpg") == "images/a.jpg"
    assert case.store.files() == {"images/a.jpg": b"cat"}


# --- killed ones ------------------------------------------------------------------------------------------


def test_killed_after_the_claim_and_saved_again(case: Case) -> None:
    case.store.put(CLAIM, b"images/a.jpg")
    assert save(case.open(), "images/a.jpg") == "images/a.jpg"
    assert save(case.open(), "images/b.jpg") == "images/a.jpg"
    assert case.store.files() == {"images/a.jpg": b"cat"}


def test_a_claim_whose_object_never_came_is_taken_over(case: Case) -> None:
    case.store.put(CLAIM, b"images/gone.jpg")
    assert save(case.open(claim_patience_s=0.1), "images/a.jpg") == "images/a.jpg"
    assert save(case.open(), "images/gone.jpg") == "images/a.jpg"
    assert case.store.objects() == {"images/a.jpg": b"cat", CLAIM: b"images/a.jpg"}


def test_a_claim_is_given_time_for_its_object(case: Case) -> None:
    case.store.put(CLAIM, b"images/slow.jpg")
    storage = case.open(claim_patience_s=60)
    with ThreadPoolExecutor() as threads:
        kept = threads.submit(save, storage, "images/a.jpg")
        while case.methods().count("HEAD") == 0:  # it has looked in vain
            time.sleep(0.01)
        case.store.put("images/slow.jpg", b"cat")
        assert kept.result(timeout=20) == "images/slow.jpg"
    assert case.store.files() == {"images/slow.jpg": b"cat"}


@pytest.mark.parametrize(
    "nonsense", [b"/etc/passwd", b"../../outside.jpg", b"", b"\xff", b"images/x" * 1000, CLAIM.encode()]
)
def test_nonsense_in_the_index_is_taken_over(case: Case, nonsense: bytes) -> None:
    case.store.put(CLAIM, nonsense)
    assert save(case.open(), "images/a.jpg") == "images/a.jpg"
    assert case.store.objects() == {"images/a.jpg": b"cat", CLAIM: b"images/a.jpg"}


def test_a_changed_object_is_no_holder(case: Case) -> None:
    save(case.open(), "images/a.jpg")
    case.store.put("images/a.jpg", b"dog")  # as long, and without a digest: it has to be read
    assert save(case.open(), "images/b.jpg") == "images/b.jpg"
    assert case.store.files() == {"images/a.jpg": b"dog", "images/b.jpg": b"cat"}


def test_an_object_without_a_digest_is_read(case: Case) -> None:
    case.store.put(CLAIM, b"images/copied.jpg")
    case.store.put("images/copied.jpg", b"cat")
    assert save(case.open(), "images/a.jpg") == "images/copied.jpg"
    assert case.store.files() == {"images/copied.jpg": b"cat"}


def test_sixteen_threads_with_the_same_bytes_have_one_holder(case: Case) -> None:
    storage, start = case.open(), threading.Barrier(16)

    def work(number: int) -> str:
        start.wait()
        return save(storage, f"images/{number}.jpg")

    with ThreadPoolExecutor(16) as threads:
        kept = set(threads.map(work, range(16)))
    assert len(kept) == 1
    assert case.store.files() == dict.fromkeys(kept, b"cat")


# --- outages ----------------------------------------------------------------------------------------------


def _closed(door: Door, *, on: bool) -> None:
    door.closed = on


def _unavailable(door: Door, *, on: bool) -> None:
    if on:
        door.unavailable = 20


@pytest.mark.parametrize("outage", [_closed, _unavailable])
def test_an_outage_delays_and_loses_nothing(
    case: Case, caplog: pytest.LogCaptureFixture, outage: Callable[..., None]
) -> None:
    caplog.set_level(logging.INFO, logger="crawler.storage")
    storage = case.open()
    outage(case.door, on=True)
    with ThreadPoolExecutor(8) as threads:
        saved = [threads.submit(save, storage, f"images/{n}.jpg", b"%d" % n) for n in range(24)]
        while len(case.door.requests) < 20:
            time.sleep(0.01)
        assert not any(one.done() for one in saved) or outage is _unavailable
        outage(case.door, on=False)
        assert [one.result(timeout=60) for one in saved] == [f"images/{n}.jpg" for n in range(24)]
    assert case.store.files() == {f"images/{n}.jpg": b"%d" % n for n in range(24)}
    said = [(record.levelname, record.getMessage().split(" (")[0]) for record in caplog.records]
    assert said[0] == ("WARNING", f"no answer from {case.store.url}")
    assert said[1][0] == "INFO"
    assert len(said) <= 8, "a word when it begins and one when it ends"


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_lost_answers_change_nothing(case: Case, lost: int) -> None:
    case.door.lost_answers = lost
    assert save(case.open(), "images/a.jpg") == "images/a.jpg"
    assert save(case.open(), "images/b.jpg") == "images/a.jpg"
    assert case.store.objects() == {"images/a.jpg": b"cat", CLAIM: b"images/a.jpg"}


def test_after_all_patience_the_crawl_is_to_stop_and_can_go_on_later(case: Case) -> None:
    case.door.closed = True
    with pytest.raises(StorageFailed, match=r"no answer from s3://.* for 0\.3 s .*the same command goes on"):
        save(case.open(patience_s=0.3), "images/a.jpg")
    case.door.closed = False
    assert save(case.open(), "images/a.jpg") == "images/a.jpg"


@pytest.mark.parametrize("fault", ["closed", "hanging"])
def test_who_is_to_stop_gives_up_at_once(case: Case, fault: str) -> None:
    setattr(case.door, fault, True)
    stop = threading.Event()
    storage = case.open(patience_s=600, stop=stop)
    with ThreadPoolExecutor() as threads:
        saving = threads.submit(save, storage, "images/a.jpg")
        while len(case.door.requests) < (1 if fault == "hanging" else 3):
            time.sleep(0.01)
        stop.set()
        began = time.monotonic()
        with pytest.raises(StorageUnavailable, match="told to stop"):
            saving.result(timeout=20)
        assert soon(time.monotonic() - began, 1)
    assert case.store.files() == {}


def test_who_is_to_stop_waits_for_no_claim_either(case: Case) -> None:
    case.store.put(CLAIM, b"images/never.jpg")
    stop = threading.Event()
    stop.set()
    with pytest.raises(StorageUnavailable):
        save(case.open(stop=stop), "images/a.jpg")


def test_what_is_in_hand_is_finished_while_the_store_answers(case: Case) -> None:
    stop = threading.Event()
    stop.set()
    assert save(case.open(stop=stop), "images/a.jpg") == "images/a.jpg"


@pytest.mark.parametrize("hanging", [False, True])
def test_a_process_that_has_used_it_ends_in_peace(case: Case, *, hanging: bool) -> None:
    # obstore's functions for asyncio had every fifth aborted
    script = (
        "import sys, threading; from tests.support.objectstore import open_storage\n"
        "from crawler.errors import StorageUnavailable\n"
        "stop = threading.Event(); storage = open_storage(sys.argv[1], stop=stop)\n"
        "if sys.argv[2]: threading.Timer(0.1, stop.set).start()\n"
        f"try: storage.save('images/a.jpg', b'cat', sha256={CAT!r})\n"
        "except StorageUnavailable: sys.exit(3)\n"
    )
    case.door.hanging = hanging
    processes = [
        subprocess.Popen([sys.executable, "-c", script, case.store.url, "x" * hanging], cwd=ROOT)
        for _ in range(10)
    ]
    assert [process.wait(timeout=30) for process in processes] == [3 * hanging] * 10
    case.door.hanging = False
    assert case.store.files() == ({} if hanging else {"images/a.jpg": b"cat"})


# --- refusals ---------------------------------------------------------------------------------------------


def _answer(status: int, code: str) -> tuple[int, bytes]:
    return status, f"<Error><Code>{code}</Code><Message>As told &amp; meant.</Message></Error>".encode()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (_answer(403, "AccessDenied"), r"AccessDenied: As told & meant.; see to AWS_ACCESS_KEY_ID"),
        (_answer(401, "Unauthorized"), r"Unauthorized.*AWS_ACCESS_KEY_ID"),
        (_answer(404, "NoSuchBucket"), r"NoSuchBucket.*make the bucket, or correct --storage"),
        (_answer(400, "ExpiredToken"), r"ExpiredToken.*settings in the environment"),
        (_answer(301, "PermanentRedirect"), r"AWS_REGION"),
        ((507, b""), None),
    ],
)
def test_a_refusal_is_told_at_once(case: Case, answer: tuple[int, bytes], says: str | None) -> None:
    case.door.answer = answer
    storage = case.open(patience_s=0.2)
    with pytest.raises(StorageFailed, match=says or "no answer"):
        save(storage, "images/a.jpg")
    assert len(case.door.requests) == 1 or says is None


def test_check_finds_a_store_that_is_fit(case: Case) -> None:
    for expected in (["PUT", "PUT", "GET"], ["PUT", "GET"]):
        schemes.check(case.config())
        assert case.methods() == expected
    assert case.store.files() == {}


def test_check_tells_of_a_missing_bucket(case: Case) -> None:
    with pytest.raises(StorageFailed, match=r"NoSuchBucket.*make the bucket"):
        schemes.check(StorageConfig(storage="s3://no-such-bucket/x"))


def test_check_does_not_wait_for_long(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_CHECK_PATIENCE_S", 0.2)
    case.door.closed = True
    with pytest.raises(StorageFailed, match=r"for 0\.2 s"):
        schemes.check(case.config())


@pytest.mark.parametrize("how", ["ignored", "refused"])
def test_a_store_without_conditional_puts_is_only_for_paths_that_are_digests(case: Case, how: str) -> None:
    case.door.without_conditions = how
    with pytest.raises(UsageError, match=r"conditional puts|ignores the conditions"):
        schemes.check(case.config())
    case.store.put(f"{INDEX_FOLDER}/README", b"")
    schemes.check(case.config(layout="hash"))
    path = f"images/{CAT}.jpg"
    assert [save(case.open(), path) for _ in range(2)] == [path, path]
    assert case.store.files() == {path: b"cat"}


def test_conditions_refused_in_the_middle_end_the_crawl(case: Case) -> None:
    case.door.without_conditions = "refused"
    with pytest.raises(StorageFailed, match="--layout hash"):
        save(case.open(), "images/a.jpg")
    assert len(case.door.requests) == 1


def test_credentials_that_are_missing(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")  # the secret alone: nothing is asked for elsewhere
    with pytest.raises(UsageError, match=r"AccessKeyId.*AWS_ACCESS_KEY_ID"):
        schemes.check(case.config())


@pytest.mark.parametrize(
    "endpoint", ["nonsense", "localhost:9000", "ftp://127.0.0.1/", "http://", "http://a:b/"]
)
def test_an_endpoint_that_is_none(case: Case, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(UsageError, match=r"AWS_ENDPOINT_URL = .* is no endpoint"):
        schemes.check(case.config())


def test_plain_http_to_another_machine_has_to_be_allowed(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    # refused before anything is looked up
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store.invalid:9000")
    with pytest.raises(StorageFailed, match="AWS_ALLOW_HTTP=true"):
        schemes.check(case.config())


@pytest.mark.parametrize("url", ["s3://b/a/../c", "s3://b/a//c", "ftp://b", "s3://"])
def test_a_url_that_names_no_place(case: Case, url: str) -> None:
    with pytest.raises(UsageError):
        open_storage(url)


@pytest.mark.parametrize(
    ("scheme", "environment"),
    [
        ("gs", {"GOOGLE_SERVICE_ACCOUNT": "/no/such/file.json"}),
        ("az", {}),
    ],
)
def test_what_is_missing_in_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, scheme: str, environment: dict[str, str]
) -> None:
    objectstore.set_environment(monkeypatch, environment)
    with pytest.raises(UsageError, match=r"GOOGLE_SERVICE_ACCOUNT|AZURE_STORAGE_ACCOUNT_NAME"):
        open_storage(f"{scheme}://pictures/x")


# --- for reading ------------------------------------------------------------------------------------------


def test_the_reader_has_what_was_saved(case: Case) -> None:
    large = bytes(range(256)) * 2**15 + b"more than one block"
    assert len(large) > 8 * 2**20
    storage = case.open()
    save(storage, "images/a.jpg")
    save(storage, "images/b/large.png", large)
    case.store.put("images/empty", b"")
    reader = schemes.open_reader(case.config())
    assert reader is not None
    assert list(reader.files()) == [
        ("images/a.jpg", 3),
        ("images/b/large.png", len(large)),
        ("images/empty", 0),
    ]
    for path, data in case.store.files().items():
        with reader.opened(path) as (size_bytes, blocks):
            assert (size_bytes, b"".join(blocks)) == (len(data), data)
    with pytest.raises(FileNotFoundError), reader.opened("images/none.jpg"):
        pass
    with pytest.raises(ValueError, match="path"), reader.opened("../a.jpg"):
        pass


def test_a_list_goes_on_after_an_outage(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.storage.bucket._PAGE", 10)
    for number in range(35):
        case.store.put(f"images/{number:02}.jpg", b"cat")
    reader = schemes.open_reader(case.config())
    assert reader is not None
    found = []
    for number, (path, _) in enumerate(reader.files()):
        found.append(path)
        if number in {0, 10, 20}:
            case.door.unavailable = 1
    assert found == [f"images/{number:02}.jpg" for number in range(35)]


# --- the table of schemes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("storage", ["local", "manager"])
def test_folders_need_no_check_and_no_reader(storage: str) -> None:
    settings = StorageConfig(storage=storage)
    schemes.check(settings)
    assert schemes.open_reader(settings) is None


def test_every_scheme_has_its_parts_and_is_a_value_of_the_setting() -> None:
    for scheme, found in schemes.SCHEMES.items():
        module = importlib.import_module(found.module)
        assert all(callable(getattr(module, part)) for part in ("open_storage", "open_reader", "check"))
        assert found.extra in EXTRAS
        settings = msgspec.convert({"storage": f"{scheme}://place/x"}, StorageConfig)
        assert settings.url == f"{scheme}://place/x"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"storage": "ftp://x"}, StorageConfig)
    with pytest.raises(UsageError, match="is no object store; give s3://, gs:// or az://"):
        open_storage("ftp://x")


def test_a_storage_is_opened_by_its_setting(case: Case, tmp_path: Path) -> None:
    def opened(storage: str, *, guest: bool = False) -> type:
        place = StorageContext(
            config=StorageConfig(storage=storage),
            folder=tmp_path,
            inbox=object if guest else None,  # type: ignore[arg-type]
            stop=threading.Event(),
        )
        return type(schemes.open_storage(place))

    assert opened("local") is opened("local", guest=True) is opened("manager") is LocalStorage
    assert opened("manager", guest=True) is ManagerStorage
    assert opened(case.store.url) is opened(case.store.url, guest=True) is ObjectStorage


def test_without_its_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'obstore'", name="obstore")

    monkeypatch.setattr(schemes, "import_module", missing)
    with pytest.raises(UsageError, match=r"install 'obstore>=0\.8,<0\.13'"):
        schemes.check(StorageConfig(storage="s3://pictures"))


# --- what errors mean -------------------------------------------------------------------------------------


def _text(
    inside: str, sentence: str = "Generic S3 error: Error performing PUT http://h/b/k?sig=secret in 1ms - x"
) -> str:
    return f"{sentence}\n\nDebug source:\nGeneric {{ source: RetryError( {inside} ) }}"


@pytest.mark.parametrize(
    ("inside", "passing"),
    [
        ("inner: Status { status: 500,", True),
        ("inner: Status { status: 503,", True),
        ("inner: Status { status: 429,", True),
        ("inner: Status { status: 501,", False),
        ("inner: Status { status: 403,", False),
        ("inner: Status { status: 307,", False),
        ('kind: Connect, message: "Connection refused"', True),
        ("kind: Timeout, source: TimedOut", True),
        ('error: "failed to lookup address information: Temporary failure in name resolution"', True),
        ('error: "failed to lookup address information: Name or service not known"', False),
        ("kind: Connect, error: InvalidCertificate(UnknownIssuer) invalid peer certificate", False),
        ("source: MissingAccessKeyId", False),
        ("", True),
    ],
)
def test_what_may_be_over_by_itself(inside: str, *, passing: bool) -> None:
    assert obstore_errors.passes(_text(inside), has_worked=False) is passing


def test_a_name_that_was_right_once_is_looked_up_again() -> None:
    text = _text('error: "failed to lookup address information: Name or service not known"')
    assert obstore_errors.passes(text, has_worked=True)


def test_a_slow_upload_passes_although_it_is_answered_by_400() -> None:
    sentence = (
        "… - Server returned non-2xx status code: 400 Bad Request: <Error><Code>RequestTimeout</Code></Error>"
    )
    assert obstore_errors.passes(_text("Status { status: 400,", sentence), has_worked=False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (_text('message: "Connection refused"'), "Connection refused"),
        (_text("source: TimedOut"), "timed out"),
        (_text("IncompleteMessage", "… - HTTP error: error sending request"), "the connection broke off"),
        (_text("Status { status: 403,"), "x"),
        ("no access to http://h/b?sv=1&sig=secret here", "no access to http://h/b?… here"),
        (_text("Status { status: 403,", "a - <Code>Denied</Code><Message>Not\nyou</Message>"), "Denied: Not"),
    ],
)
def test_errors_are_told_in_a_few_words_and_without_signatures(text: str, told: str) -> None:
    assert obstore_errors.told(text) == told
