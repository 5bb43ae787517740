"""Traces: which span belongs to which page, wherever it was made, and what happens where nobody takes them."""

from __future__ import annotations

import logging
import time

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from crawler.metrics.figures import Stage
from crawler.models import (
    ImageRecord,
    ImageStatus,
    Origin,
    PageRecord,
    PageStatus,
    Record,
    RenderRecord,
    RenderStatus,
    Result,
    Task,
    TaskKind,
)
from crawler.tracing.ids import page_of, page_span_id, trace_id_of
from crawler.tracing.spans import Tracer

PAGE = "http://a.example/page.html"
PARENT = "http://a.example/"
_RECORDS = {
    TaskKind.PAGE: lambda url: PageRecord(url=url, status=PageStatus.HARVESTED, page_url=PARENT),
    TaskKind.IMAGE: lambda url: ImageRecord(
        url=url, status=ImageStatus.SAVED, page_url=PAGE, path="images/1.png"
    ),
    TaskKind.RENDER: lambda url: RenderRecord(url=url, status=RenderStatus.RENDERED),
}


def task(kind: TaskKind, url: str) -> Task:
    return Task(
        id=7, serial=1, kind=kind, url=url, depth=1, attempt=1, origin=Origin(page_url=PARENT, found_in="a")
    )


def spans(
    kind: TaskKind, url: str, *, record: Record | None = None, share: float = 1.0, **more: object
) -> tuple[ReadableSpan, ...]:
    """What a process of its own sends when it has done one task, whose fetch took 20 ms."""
    exporter = InMemorySpanExporter()
    tracer = Tracer("", share=share, worker_id="w1", exporter=exporter)

    def handler(one: Task) -> Result:
        tracer.took(Stage.FETCH_IMAGE, 0.02)
        return Result(token=one.token, record=record or _RECORDS[kind](url), **more)  # type: ignore[arg-type]

    tracer.traced(handler)(task(kind, url))
    tracer.took(Stage.STORE, 1.0)  # of no task
    tracer.close()
    return exporter.get_finished_spans()


def test_an_image_is_below_its_page_though_another_machine_has_fetched_it() -> None:
    fetch, page = spans(TaskKind.PAGE, PAGE)
    part, image = spans(TaskKind.IMAGE, "http://cdn.example/1.png")
    assert page.parent is None
    assert (page.name, image.name, fetch.name, part.name) == ("page", "image", "fetch-image", "fetch-image")
    assert page.context.trace_id == image.context.trace_id == part.context.trace_id == trace_id_of(PAGE)
    assert page.context.span_id == page_span_id(PAGE)
    assert image.parent is not None
    assert image.parent.span_id == page.context.span_id
    assert part.parent is not None
    assert part.parent.span_id == image.context.span_id
    assert pytest.approx(part.end_time - part.start_time, rel=1e-3) == 0.02 * 1e9  # type: ignore[operator]
    assert dict(image.attributes or {})["image_crawler.path"] == "images/1.png"
    assert image.resource.attributes["service.instance.id"] == "w1"


def test_a_record_knows_its_trace() -> None:
    image = _RECORDS[TaskKind.IMAGE]("http://cdn.example/1.png")
    assert image.trace_id == _RECORDS[TaskKind.PAGE](PAGE).trace_id == f"{trace_id_of(PAGE):032x}"
    moved = PageRecord(url="http://a.example/old", final_url=PAGE, status=PageStatus.HARVESTED)
    assert moved.trace_id == image.trace_id, "images name the page that the redirects led to"
    assert "trace_id" not in image.to_dict(), "it can be told from the rest"
    assert (
        page_of(ImageRecord(url="http://a.example/1.png", status=ImageStatus.SAVED))
        == "http://a.example/1.png"
    )


def test_a_page_is_linked_to_the_page_that_named_it() -> None:
    *_, page = spans(TaskKind.PAGE, PAGE)
    [link] = page.links
    assert (link.context.trace_id, link.context.span_id) == (trace_id_of(PARENT), page_span_id(PARENT))


def test_a_page_in_a_browser_is_below_the_page_as_it_was_read() -> None:
    *_, rendered = spans(TaskKind.RENDER, PAGE)
    assert rendered.context.trace_id == trace_id_of(PAGE)
    assert rendered.parent is not None
    assert rendered.parent.span_id == page_span_id(PAGE)


def test_a_vain_try_is_no_second_root() -> None:
    failed = PageRecord(url=PAGE, status=PageStatus.FAILED, reason="server-error", http_status=500)
    *_, vain = spans(TaskKind.PAGE, PAGE, record=failed, retry_in_s=8.0)
    assert vain.parent is not None
    assert vain.context.span_id != page_span_id(PAGE) == vain.parent.span_id
    assert (vain.status.status_code, vain.status.description) == (StatusCode.ERROR, "server-error")
    told = dict(vain.attributes or {})
    assert (told["image_crawler.status"], told["http.response.status_code"]) == ("retried", 500)


def test_what_was_not_touched_is_not_told() -> None:
    assert spans(TaskKind.IMAGE, "http://cdn.example/1.png", untouched=True) == ()


def test_a_share_takes_or_leaves_whole_traces() -> None:
    taken = []
    for number in range(40):
        url = f"http://a.example/{number}"
        record = ImageRecord(url=f"{url}.png", status=ImageStatus.SAVED, page_url=url)
        page = bool(
            spans(TaskKind.PAGE, url, record=PageRecord(url=url, status=PageStatus.HARVESTED), share=0.5)
        )
        assert page == bool(spans(TaskKind.IMAGE, record.url, record=record, share=0.5))
        taken.append(page)
    assert 5 < sum(taken) < 35


def test_a_login_is_in_no_trace() -> None:
    secret = "http://alice:bunny@a.example/1.png"
    for span in spans(TaskKind.IMAGE, secret):
        assert "bunny" not in span.to_json()


@pytest.mark.slow
def test_a_collector_that_is_gone_is_told_of_once_and_delays_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tracer = Tracer("http://alice:bunny@127.0.0.1:9", share=1.0, worker_id="w1")
    handle = tracer.traced(lambda one: Result(token=one.token, record=_RECORDS[TaskKind.IMAGE](one.url)))
    with caplog.at_level(logging.WARNING):
        began = time.monotonic()
        for number in range(3000):
            handle(task(TaskKind.IMAGE, f"http://a.example/{number}.png"))
        assert time.monotonic() - began < 3.0, "what nobody takes is dropped, not waited for"
        tracer.close()
    assert time.monotonic() - began < 9.0
    told = [record.getMessage() for record in caplog.records]
    assert told in (
        [],
        ["nobody takes the traces at http://…@127.0.0.1:9; they are dropped until somebody does"],
    )
