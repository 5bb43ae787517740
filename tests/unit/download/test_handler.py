"""The image handler with a real transport, server and disk."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crawler.config import (
    Config,
    FetchConfig,
    ImagesConfig,
    ObeyConfig,
    QueueConfig,
    ScopeConfig,
    StorageConfig,
)
from crawler.crawlfile.schema import ORIGIN_FIELDS
from crawler.download.decoder_pool import DecoderPool
from crawler.download.formats import ImageInfo
from crawler.download.handler import ACCEPT, ImageHandler
from crawler.errors import DecodeTimeout, StorageFailed, StorageFull, StorageUnavailable
from crawler.http import Fetched
from crawler.http.requests_transport import RequestsTransport
from crawler.models import ImageRecord, ImageStatus, Origin, Result, Task, TaskKind, Token
from crawler.sandbox.memory_budget import Budget
from crawler.scope import Scope
from crawler.storage.local import LocalStorage
from crawler.task_handler import HandlerContext
from tests.support.faultserver import ETAG, LAST_MODIFIED, FaultServer
from tests.support.images import samples

ORIGIN = Origin(
    page_url="https://example.org/page",
    found_in="img",
    alt="a cat",
    title="t",
    caption="c",
    heading="h",
    page_title="p",
)


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


class Bench:
    """A handler, and what it is made of."""

    def __init__(self, root: Path, server: FaultServer, **options: Any) -> None:
        self.root = root
        self.server = server
        self.transport = RequestsTransport(FetchConfig(total_timeout_s=options.pop("total_timeout_s", 5)))
        self.storage = options.pop("saved_in", LocalStorage(root, fsync=False, min_free_bytes=0))
        verify = options.pop("verify", None)
        ticks = iter(range(0, 1000, 2))
        self.handle = ImageHandler(
            HandlerContext(
                transport=self.transport,
                scope=Scope((f"{server.url}/",), options.get("scope")),
                config=Config(
                    images=options.pop("images", ImagesConfig()),
                    queue=QueueConfig(retry_delay_s=5.0),
                    **options,
                ),
                worker_id="w:1:x",
                clock=lambda: float(next(ticks)),
                now=lambda: datetime(2026, 3, 4, 5, 6, 7, 80_000, tzinfo=UTC),
            ),
            self.storage,
            verify=verify,
        )

    def result(self, path: str, *, attempt: int = 1, origin: Origin | None = ORIGIN) -> Result:
        task = Task(
            id=7,
            serial=3,
            kind=TaskKind.IMAGE,
            url=self.server.url + path,
            depth=2,
            attempt=attempt,
            origin=origin,
        )
        return self.handle(task)

    def record(self, path: str) -> ImageRecord:
        record = self.result(path).record
        assert isinstance(record, ImageRecord)
        return record


@pytest.fixture
def bench(tmp_path: Path, server: FaultServer) -> Iterator[Bench]:
    made = Bench(tmp_path, server)
    yield made
    made.transport.close()


def test_a_saved_image_and_all_that_is_known_of_it(bench: Bench, server: FaultServer) -> None:
    data = samples()["plain.png"]
    result = bench.result("/redirect/1/plain.png", attempt=2)
    host = server.url.removeprefix("http://").replace(":", "_")
    assert result == Result(
        token=Token(id=7, serial=3),
        record=ImageRecord(
            url=f"{server.url}/redirect/1/plain.png",
            final_url=f"{server.url}/good/plain.png",
            status=ImageStatus.SAVED,
            path=f"images/{host}/redirect/1/plain.png",
            sha256=hashlib.sha256(data).hexdigest(),
            format="png",
            width_px=40,
            height_px=30,
            dhash="fffff9f7eddbf5af",
            size_bytes=len(data),
            http_status=200,
            content_type="image/png",
            etag=ETAG,
            last_modified=LAST_MODIFIED,
            **{name: getattr(ORIGIN, name) for name in ORIGIN_FIELDS[TaskKind.IMAGE]},
            depth=2,
            attempts=2,
            worker="w:1:x",
            elapsed_s=2.0,
            finished_at="2026-03-04T05:06:07.080000Z",
        ),
    )
    assert (bench.root / result.record.path).read_bytes() == data  # type: ignore[union-attr]
    sent = server.requests[-1].headers
    assert sent["accept"] == ACCEPT
    assert "referer" not in sent  # from https to http


def test_a_time_in_iso_8601_from_the_real_clock(tmp_path: Path, server: FaultServer) -> None:
    handler = ImageHandler(
        HandlerContext(
            transport=RequestsTransport(FetchConfig()),
            scope=Scope(("https://example.org/",)),
            config=Config(),
            worker_id="w",
        ),
        LocalStorage(tmp_path, fsync=False, min_free_bytes=0),
    )
    task = Task(id=1, serial=1, kind=TaskKind.IMAGE, url=f"{server.url}/good/plain.gif", depth=0, attempt=1)
    record = handler(task).record
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", record.finished_at)
    assert 0 < record.elapsed_s < 5


@pytest.mark.parametrize("name", sorted(samples()))
def test_every_format_is_kept_byte_for_byte(bench: Bench, name: str) -> None:
    record = bench.record(f"/good/{name}")
    assert record.status is ImageStatus.SAVED
    assert record.path.endswith(f"/good/{name}")
    assert (bench.root / record.path).read_bytes() == samples()[name]


def test_the_same_bytes_again_are_a_duplicate_of_the_first(bench: Bench) -> None:
    first = bench.record("/good/plain.jpg")
    again = bench.record("/good/plain.jpg?again")
    assert again.status is ImageStatus.DUPLICATE
    assert (again.path, again.sha256, again.width_px, again.reason) == (first.path, first.sha256, 40, "")
    assert bench.record("/good/plain.jpg").status is ImageStatus.SAVED
    assert len([path for path in (bench.root / "images").rglob("*") if path.is_file()]) == 1


def test_bytes_are_believed_and_labels_are_not(bench: Bench) -> None:
    record = bench.record("/lying/plain.jpg")
    assert (record.status, record.format, record.content_type) == (ImageStatus.SAVED, "jpeg", "text/html")


@pytest.mark.parametrize(
    ("path", "status", "reason", "http_status"),
    [
        ("/html-as-png", "rejected", "not-an-image", 200),
        ("/truncated/300/plain.jpg", "rejected", "truncated-image", 200),
        ("/truncated/8/plain.png", "rejected", "truncated-image", 200),
        ("/empty", "rejected", "empty", 200),
        ("/bomb/70", "rejected", "too-large", 200),
        ("/cut/100/plain.png", "failed", "truncated-transfer", 200),
        ("/status/404", "failed", "not-found", 404),
        ("/status/403", "failed", "forbidden", 403),
        ("/no-content", "failed", "unexpected-status", 204),
        ("/reset", "failed", "connection-lost", 0),
        ("/loop", "failed", "too-many-redirects", 301),
        ("/to?ftp://example.org/a.png", "failed", "bad-redirect", 308),
    ],
)
def test_what_is_not_saved_says_why(
    bench: Bench, path: str, status: str, reason: str, http_status: int
) -> None:
    record = bench.record(path)
    assert (record.status, record.reason, record.http_status) == (status, reason, http_status)
    assert len(record.detail) > 10
    assert record.final_url == bench.server.url + path
    assert (record.path, record.sha256) == ("", "")
    assert (record.page_url, record.alt, record.worker, record.attempts) == (
        ORIGIN.page_url,
        "a cat",
        "w:1:x",
        1,
    )
    assert not bench.root.joinpath("images").exists()


def test_a_rejection_keeps_what_the_server_said(bench: Bench) -> None:
    record = bench.record("/html-as-png")
    assert (record.content_type, record.size_bytes > 50) == ("image/png", True)


@pytest.mark.parametrize(
    ("path", "attempt", "retry_in_s", "refused_for_s"),
    [
        ("/good/plain.jpg", 1, None, None),
        ("/status/404", 1, None, None),
        ("/html-as-png", 1, None, None),
        ("/status/500", 1, 5.0, None),
        ("/status/500", 3, 20.0, None),
        ("/reset", 2, 10.0, None),
        ("/status/429", 1, 5.0, 0.0),
        ("/status/429/retry-after/40", 1, 40.0, 40.0),
        ("/status/503/retry-after/40", 1, 40.0, 40.0),
    ],
)
def test_what_the_queue_is_told(
    bench: Bench, path: str, attempt: int, retry_in_s: float | None, refused_for_s: float | None
) -> None:
    result = bench.result(path, attempt=attempt)
    assert (result.retry_in_s, result.refused_for_s) == (retry_in_s, refused_for_s)
    assert result.host_pause_s is None
    assert result.record.attempts == attempt


def test_limits_come_from_the_settings(tmp_path: Path, server: FaultServer) -> None:
    strict = Bench(tmp_path, server, images=ImagesConfig(max_image_bytes=500, max_pixels=100))
    assert strict.record("/good/plain.bmp").reason == "too-large"
    assert (
        Bench(tmp_path, server, images=ImagesConfig(max_pixels=100)).record("/good/plain.png").reason
        == "too-many-pixels"
    )


def test_a_task_without_a_page(bench: Bench) -> None:
    record = bench.result("/good/plain.png", origin=None).record
    assert (record.page_url, record.status) == ("", ImageStatus.SAVED)


@pytest.mark.parametrize("error", [StorageFull("full"), StorageFailed("read-only")])
def test_trouble_with_the_storage_is_no_record(tmp_path: Path, server: FaultServer, error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        Bench(tmp_path, server, saved_in=Refusing(error)).result("/good/plain.png")
    assert caught.value is error


def test_a_fault_of_the_program_is_one_record_and_one_traceback(
    tmp_path: Path, server: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        result = Bench(tmp_path, server, saved_in=Refusing(ZeroDivisionError("oops"))).result(
            "/good/plain.png"
        )
    record = result.record
    assert (record.status, record.reason, record.detail) == (
        "failed",
        "internal-error",
        "a fault of this program, and not of the server; the log tells where, for a report",
    )
    assert result.retry_in_s is None
    assert "/good/plain.png" in caplog.text
    assert "Traceback" in caplog.text


class Refusing:
    """A storage that fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def save(self, path: str, data: bytes, *, sha256: str) -> str:
        raise self._error


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/robots-tag/noindex/plain.png", "noindex"),
        ("/robots-tag/image-crawler:%20noai/plain.png", "noai"),
        ("/robots-tag/noimageai/plain.png", "noimageai"),
        ("/robots-tag/noimageindex,%20nofollow/plain.png", "noimageindex"),
        ("/tdm/plain.png", "tdm-reservation"),
        ("/robots-tag/nofollow/nosnippet/googlebot:%20none/plain.png", ""),
    ],
)
def test_an_image_whose_owner_asks_so_is_not_kept_unless_told_to(
    tmp_path: Path, server: FaultServer, path: str, reason: str
) -> None:
    record = Bench(tmp_path, server).record(path)
    assert record.reason == reason
    assert record.status is (ImageStatus.REJECTED if reason else ImageStatus.SAVED)
    assert list(tmp_path.rglob("*.png")) == ([] if reason else [tmp_path / record.path])
    if reason:
        assert f"--no-obey-{reason}" in record.detail
        switched_off = ObeyConfig(**{f"obey_{reason.replace('-', '_')}": False})
        assert Bench(tmp_path, server, obey=switched_off).record(path).status is ImageStatus.SAVED


def test_a_redirect_to_another_host_is_refused_where_images_shall_come_from_the_scope(
    tmp_path: Path, server: FaultServer
) -> None:
    path = f"/to?{server.url.replace('127.0.0.1', 'localhost')}/good/plain.png"
    strict = Bench(tmp_path, server, scope=ScopeConfig(images_from="scope"))
    record = strict.record(path)
    assert (record.status, record.reason) == (ImageStatus.REJECTED, "out-of-scope")
    assert Bench(tmp_path, server).record(path).status is ImageStatus.SAVED


# --- filters, layouts, decoders


@pytest.mark.parametrize(
    ("images", "reason", "known"),
    [
        (ImagesConfig(formats=("jpeg",)), "unwanted-format", ("png", 0, 0)),
        (ImagesConfig(min_image_bytes=10_000), "too-small", ("png", 0, 0)),
        (ImagesConfig(min_width_px=41), "too-small", ("png", 40, 30)),
        (ImagesConfig(max_height_px=29), "too-large", ("png", 40, 30)),
        (ImagesConfig(max_aspect=1.2), "unwanted-aspect", ("png", 40, 30)),
    ],
)
def test_what_is_filtered_is_known_and_not_saved(
    tmp_path: Path, server: FaultServer, images: ImagesConfig, reason: str, known: tuple[str, int, int]
) -> None:
    record = Bench(tmp_path, server, images=images).record("/good/plain.png")
    assert (record.status, record.reason) == (ImageStatus.REJECTED, reason)
    assert (record.format, record.width_px, record.height_px) == known
    assert record.size_bytes == len(samples()["plain.png"])
    assert (record.path, record.sha256) == ("", "")
    assert not tmp_path.joinpath("images").exists()


def test_what_is_broken_is_not_called_unwanted(tmp_path: Path, server: FaultServer) -> None:
    strict = Bench(tmp_path, server, images=ImagesConfig(formats=("gif",), min_width_px=500))
    assert strict.record("/html-as-png").reason == "not-an-image"
    assert Bench(tmp_path, server, images=ImagesConfig(min_width_px=500)).record(
        "/truncated/300/plain.jpg"
    ).reason == ("truncated-image")


def test_nothing_is_decoded_that_is_not_wanted_anyway(tmp_path: Path, server: FaultServer) -> None:
    asked: list[bytes] = []

    def judge(data: bytes) -> ImageInfo:
        asked.append(data)
        raise DecodeTimeout("as long as it takes")

    unwanted = Bench(tmp_path, server, images=ImagesConfig(formats=("jpeg",)), verify=judge)
    assert unwanted.record("/good/plain.png").reason == "unwanted-format"
    assert asked == []
    record = Bench(tmp_path, server, verify=judge).record("/good/plain.png")
    assert (record.status, record.reason) == (ImageStatus.REJECTED, "decode-timeout")
    assert asked == [samples()["plain.png"]]


def test_an_image_goes_where_the_layout_says(tmp_path: Path, server: FaultServer) -> None:
    data = samples()["plain.jpg"]
    sha256 = hashlib.sha256(data).hexdigest()
    by_hash = Bench(tmp_path / "hash", server, storage=StorageConfig(layout="hash"))
    for path in ("/good/plain.jpg", "/good/plain.jpg?again"):
        record = by_hash.record(path)
        assert record.path == f"images/{sha256[:2]}/{sha256[2:4]}/{sha256}.jpg"
        assert (tmp_path / "hash" / record.path).read_bytes() == data
    flat = Bench(tmp_path / "flat", server, storage=StorageConfig(layout="flat")).record("/good/plain.jpg")
    assert re.fullmatch(r"images/plain~[a-z2-7]{12}\.jpg", flat.path)


def test_the_name_that_a_server_suggests_is_never_looked_at(tmp_path: Path) -> None:
    class Suggesting(RequestsTransport):
        def fetch(self, url: str, **options: Any) -> Fetched:
            return Fetched(
                url=url,
                final_url=url,
                http_status=200,
                headers={
                    "content-type": "image/png",
                    "content-disposition": "attachment; filename=\"../../evil.sh\"; filename*=UTF-8''%2e%2e%2fevil",
                },
                content=samples()["plain.png"],
            )

    handler = ImageHandler(
        HandlerContext(
            transport=Suggesting(FetchConfig()),
            scope=Scope(("https://example.org/",)),
            config=Config(),
            worker_id="w",
        ),
        LocalStorage(tmp_path, fsync=False, min_free_bytes=0),
    )
    url = "https://example.org/plain.png"
    record = handler(Task(id=1, serial=1, kind=TaskKind.IMAGE, url=url, depth=0, attempt=1)).record
    assert isinstance(record, ImageRecord)
    assert record.path == "images/example.org/plain.png"
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]


def test_a_storage_that_is_not_answering_leaves_the_task_as_it_was(
    tmp_path: Path, server: FaultServer
) -> None:
    result = Bench(tmp_path, server, saved_in=Refusing(StorageUnavailable("later"))).result("/good/plain.png")
    assert result.untouched


def test_a_decoder_that_crashes_is_one_record(tmp_path: Path, server: FaultServer) -> None:
    with DecoderPool(most=1, max_pixels=10**6, timeout_s=20, decode="os:abort", budget=Budget(2**28)) as pool:
        record = Bench(tmp_path, server, verify=pool.verify).record("/good/plain.png")
    assert (record.status, record.reason) == (ImageStatus.REJECTED, "decoder-crashed")
    assert "its decoder broke down" in record.detail


@pytest.mark.parametrize("name", ["plain.jpg", "plain.png", "plain.gif"])
def test_a_file_that_lacks_its_end_is_kept_where_that_is_wanted(
    tmp_path: Path, server: FaultServer, name: str
) -> None:
    cut = samples()[name][:-1]
    path = f"/truncated/{len(cut)}/{name}"
    refused = Bench(tmp_path, server).record(path)
    assert (refused.status, refused.reason, refused.incomplete) == (
        ImageStatus.REJECTED,
        "truncated-image",
        False,
    )

    lenient = Bench(tmp_path, server, images=ImagesConfig(incomplete="keep"))
    kept, half = lenient.record(path), lenient.record(f"/truncated/{len(cut) // 2}/{name}")

    assert (kept.status, kept.incomplete, kept.width_px) == (ImageStatus.SAVED, True, 40)
    assert (tmp_path / kept.path).read_bytes() == cut
    assert (half.status, half.reason) == (ImageStatus.REJECTED, "truncated-image")
    assert not lenient.record(f"/good/{name}").incomplete


def test_a_record_says_who_has_the_file_now(tmp_path: Path, server: FaultServer) -> None:
    """Also when another worker had it before, and the server gives the same bytes; and nothing where there is none."""
    handler = ImageHandler(
        HandlerContext(
            transport=RequestsTransport(FetchConfig()),
            scope=Scope((f"{server.url}/",)),
            config=Config(),
            worker_id="w1:downloader-1",
        ),
        LocalStorage(tmp_path, fsync=False, min_free_bytes=0),
        kept_by="0123456789abcdef w1:/srv/pics",
    )
    task = Task(id=1, serial=1, kind=TaskKind.IMAGE, url=f"{server.url}/good/plain.gif", depth=0, attempt=1)
    first = handler(task).record
    assert isinstance(first, ImageRecord)
    assert first.kept_by == "0123456789abcdef w1:/srv/pics"
    before = msgspec.structs.replace(first, kept_by="fedcba9876543210 w0:/srv/pics")
    again = handler(msgspec.structs.replace(task, known=before)).record
    assert isinstance(again, ImageRecord)
    assert (again.revisit, again.kept_by) == ("unchanged", first.kept_by)
    gone = handler(msgspec.structs.replace(task, url=f"{server.url}/status/404")).record
    assert isinstance(gone, ImageRecord)
    assert (gone.path, gone.kept_by) == ("", "")
