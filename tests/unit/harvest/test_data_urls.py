"""Images in data: URLs, from the page to the file."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.catalog import Catalog
from crawler.catalog.explain import explain
from crawler.config import Config, ImagesConfig, QueueConfig, ScopeConfig, load
from crawler.download.handler import ImageHandler
from crawler.download.naming import image_path
from crawler.harvest.data_urls import MAX_CONTENT_BYTES, InlineImages, decode, is_inline
from crawler.harvest.documents import DocumentReader
from crawler.harvest.tasks import MAX_INLINE_BYTES, Source
from crawler.models import (
    ImageRecord,
    ImageStatus,
    NewTask,
    Origin,
    Task,
    TaskKind,
    WorkerState,
)
from crawler.queues.ledger import Ledger
from crawler.scope import Scope
from crawler.storage.local import LocalStorage
from crawler.task_handler import HandlerContext
from crawler.urls import DATA_HOST, canonical, host_key
from tests.support.harvesting import NoTransport
from tests.support.images import samples

PAGE = "https://example.org/"
PNG = samples()["plain.png"]
WORKER = WorkerState(id="w", kind=TaskKind.IMAGE)


def data_url(content: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def harvested(html: str, **settings: object) -> tuple[NewTask, ...]:
    return (
        DocumentReader(Scope((PAGE,)), load(flags=settings)).read_html(html, Source(url=PAGE, depth=0)).images
    )


def downloaded(folder: Path, task: Task, **images: int) -> ImageRecord:
    handler = ImageHandler(
        HandlerContext(
            transport=NoTransport(),
            scope=Scope((PAGE,)),
            config=Config(images=ImagesConfig(**images)),
            worker_id="t",
        ),
        LocalStorage(folder, fsync=False, min_free_bytes=0),
    )
    result = handler(task)
    assert result.retry_in_s is None
    assert isinstance(result.record, ImageRecord)
    return result.record


def leased(new: NewTask) -> Task:
    return Task(id=1, serial=1, kind=new.kind, url=new.url, depth=0, attempt=1, origin=new.origin)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("data:image/png,abc", ("image/png", b"abc")),
        ("data:image/png;base64,YWJj", ("image/png", b"abc")),
        (" \tDATA:Image/PNG;x=y;  BASE64 ,YW\n Jj#frag", ("image/png", b"abc")),
        ("data:image/png;base64,YWI", ("image/png", b"ab")),
        ("data:image/png;base64,YWI%3D", ("image/png", b"ab")),
        ("data:image/png;base64;x=y,YWI=", ("image/png", b"YWI=")),
        ("data:image/svg+xml;utf8,<svg/>%20,", ("image/svg+xml", b"<svg/> ,")),
        ("data:image/png;base64,YWJjZ", None),
        ("data:image/png;base64,YW=Jj", None),
        ("data:image/png;base64,YW_j", None),
        ("data:image/png;base64,", None),
        ("data:image/png", None),
        ("data:,abc", None),
        ("data:text/html,abc", None),
        ("data:image/../../x,abc", None),
    ],
)
def test_decoding_is_that_of_browsers(url: str, expected: tuple[str, bytes] | None) -> None:
    assert decode(url) == expected


def test_one_image_may_not_be_too_large() -> None:
    assert decode(data_url(b"x" * MAX_CONTENT_BYTES)) == ("image/png", b"x" * MAX_CONTENT_BYTES)
    for url in (data_url(b"x" * (MAX_CONTENT_BYTES + 1)), "data:image/png," + "x" * 4 * MAX_CONTENT_BYTES):
        left_out: Counter[str] = Counter()
        assert decode(url) == ("image/png", b"")
        assert InlineImages(left_out).name(url) is None
        assert left_out == {"data-too-large": 1}


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda data: data.decode("latin-1")))
def test_nothing_is_too_strange(text: str) -> None:
    for url in (text, "data:" + text, "data:image/png," + text, "data:image/png;base64," + text):
        decoded = decode(url)
        assert decoded is None or (decoded[0].startswith("image/") and decoded[1])
        name = InlineImages(Counter()).name(url)
        assert (name is None) == (decoded is None)
        assert name is None or host_key(name) == DATA_HOST


@given(st.binary(min_size=1, max_size=300))
def test_what_was_encoded_is_what_is_decoded(content: bytes) -> None:
    assert decode(data_url(content)) == ("image/png", content)


def test_a_name_says_what_the_content_is_and_is_no_url_to_fetch() -> None:
    inline = InlineImages(Counter())
    name = inline.name(data_url(b"abc"))

    assert name == f"data:image/png;sha256={hashlib.sha256(b'abc').hexdigest()}"
    assert inline.content(name) == b"abc"
    assert inline.content(PAGE) == b""
    assert canonical(name) is None
    assert is_inline(name)
    assert decode(name) is None


def test_the_same_image_is_one_task_and_brings_its_bytes() -> None:
    spellings = [data_url(PNG), data_url(PNG).rstrip("="), data_url(PNG) + "#x"]
    (task,) = harvested("".join(f"<img src='{url}' alt=a>" for url in spellings))

    assert task.origin == Origin(page_url=PAGE, found_in="img", alt="a", content=PNG)


def test_a_page_may_not_hold_too_much() -> None:
    part = MAX_CONTENT_BYTES - 1
    html = "".join(f"<img src='{data_url(bytes([n]) * part)}'>" for n in range(10))
    tasks = harvested(html + "<img src=a.png>", max_page_bytes=64 * 2**20)

    assert len(tasks) == MAX_INLINE_BYTES // part + 1
    assert sum(len(task.origin.content) for task in tasks if task.origin) <= MAX_INLINE_BYTES
    assert tasks[-1].url == PAGE + "a.png"


def test_what_is_held_in_place_of_an_image_that_is_to_come_loses_to_it() -> None:
    html = f"<img src='a.png' srcset='{data_url(PNG)} 900w'><img src='{data_url(PNG)}' data-src=b.png>"

    assert [task.url for task in harvested(html)] == [PAGE + "a.png", PAGE + "b.png"]
    assert len(harvested(html, images="all")) == 3


def test_it_is_saved_without_a_request(tmp_path: Path) -> None:
    (task,) = harvested(f"<img src='{data_url(PNG)}' alt=held>")
    record = downloaded(tmp_path, leased(task))

    assert (record.status, record.url, record.final_url, record.alt) == ("saved", task.url, task.url, "held")
    assert (record.content_type, record.http_status) == ("image/png", 0)
    assert record.size_bytes == len(PNG)
    assert record.path.startswith("images/data/image~")
    assert (tmp_path / record.path).read_bytes() == PNG
    assert not hasattr(record, "content")


def test_it_is_verified_like_any_other(tmp_path: Path) -> None:
    (broken,) = harvested(f"<img src='{data_url(PNG[:-20])}'>")
    (large,) = harvested(f"<img src='{data_url(PNG)}'>")

    assert downloaded(tmp_path, leased(broken)).reason == "truncated-image"
    assert downloaded(tmp_path, leased(large), max_image_bytes=10).reason == "too-large"
    without = msgspec.structs.replace(leased(large), origin=None)
    assert downloaded(tmp_path, without).status is ImageStatus.FAILED


def test_its_file_is_no_other_urls() -> None:
    name = InlineImages(Counter()).name(data_url(PNG)) or ""
    path = image_path(name, "png")

    assert image_path("https://data/" + path.rpartition("/")[2], "png") != path
    assert image_path(name.replace("png;", "gif;"), "png") != path


def test_the_books_give_it_out_with_its_bytes_and_forget_them(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "crawl.db", queue=QueueConfig(delay_s=60.0), scope=ScopeConfig(), new_run=True)
    contents = [bytes([n]) * (MAX_CONTENT_BYTES - 100) for n in range(3)]
    try:
        ledger.set_seeds([PAGE])
        ledger.put(harvested("".join(f"<img src='{data_url(content)}'>" for content in contents)))
        with Catalog(tmp_path) as catalog:
            waiting = catalog.value("SELECT url FROM tasks")
            (entry,) = explain(catalog, waiting).entries
            assert b"content" not in msgspec.json.encode(entry)
        given_out: list[Task] = []
        for _ in contents:  # one a message, and without any delay between them
            lease = ledger.lease(WORKER, count=8, slots=4, wait_s=0, held=[task.token for task in given_out])
            (batch,) = lease.batches
            assert len(msgspec.msgpack.encode(lease)) < 2 * MAX_CONTENT_BYTES
            assert batch.host == DATA_HOST
            given_out += batch.tasks
        assert [task.origin.content for task in given_out if task.origin] == contents
        results = [
            ImageHandler(
                HandlerContext(transport=NoTransport(), scope=Scope((PAGE,)), config=Config(), worker_id="w"),
                LocalStorage(tmp_path, fsync=False, min_free_bytes=0),
            )(task)
            for task in given_out
        ]
        ledger.settle(results)
        stats = ledger.stats()
        assert stats.drained
        assert stats.image_reasons == {"not-an-image": 3}
        assert ledger.retry(kind=TaskKind.IMAGE, reason="not-an-image") == 3
    finally:
        ledger.close()


def test_a_ledger_that_is_opened_again_delays_nothing_that_is_held(tmp_path: Path) -> None:
    held = harvested("".join(f"<img src='{data_url(PNG + bytes([n]))}'>" for n in range(3)))
    for position in range(2):
        ledger = Ledger(
            tmp_path / "crawl.db", queue=QueueConfig(delay_s=60.0), scope=ScopeConfig(), new_run=True
        )
        try:
            if not position:
                ledger.put(held)
            (batch,) = ledger.lease(WORKER, count=8, slots=4, wait_s=0, held=()).batches
            assert len(batch.tasks) == 3
        finally:
            ledger.close()
