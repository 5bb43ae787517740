"""Traces of a whole crawl, as a collector on this machine gets them: a page, its images, and their records agree."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from crawler.catalog import Catalog
from tests.e2e.running import image_crawler
from tests.support.sites import make_site, serving

PAGES, IMAGES_PER_PAGE = 4, 3


class Collector(ThreadingHTTPServer):
    """Takes OTLP by HTTP."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Span] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        body = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(name="collector")
def a_collector() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, args=(0.02,))
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


def test_the_trace_of_each_record_is_with_the_collector(tmp_path: Path, collector: Collector) -> None:
    make_site(tmp_path / "site", pages=PAGES, images_per_page=IMAGES_PER_PAGE)
    with serving(tmp_path / "site") as server:
        outcome = image_crawler(
            "crawl", server.url, "-o", "crawl", "-q", "--traces", collector.url, folder=tmp_path
        )
    assert outcome.code == 0, outcome.err
    roots = {span.span_id: span for span in collector.spans if not span.parent_span_id}
    images = [span for span in collector.spans if span.name == "image"]
    stages = [span for span in collector.spans if span.name in {"fetch-image", "verify", "store"}]
    with Catalog(tmp_path / "crawl") as catalog:
        records = {record.url: record for record in catalog.images()}
        pages = {record.trace_id: record for record in catalog.pages()}
    assert len(images) == len(records) == PAGES * IMAGES_PER_PAGE
    for span in images:
        told = {item.key: item.value.string_value for item in span.attributes}
        record = records[told["url.full"]]
        assert span.trace_id.hex() == record.trace_id
        assert roots[span.parent_span_id].name == "page"
        assert roots[span.parent_span_id].trace_id == span.trace_id
        assert pages[record.trace_id].url == record.page_url
        assert told["image_crawler.status"] == record.status
        mine = [stage for stage in stages if stage.parent_span_id == span.span_id]
        assert [stage.name for stage in sorted(mine, key=lambda one: one.start_time_unix_nano)] == [
            "fetch-image", "verify", "store",
        ]  # fmt: skip
        assert all(
            span.start_time_unix_nano <= stage.end_time_unix_nano <= span.end_time_unix_nano for stage in mine
        )


def test_a_collector_that_is_not_there_costs_the_crawl_a_line(tmp_path: Path) -> None:
    make_site(tmp_path / "site", pages=2, images_per_page=2)
    with serving(tmp_path / "site") as server:
        outcome = image_crawler(
            "crawl", server.url, "-o", "crawl", "-q", "--traces", "http://127.0.0.1:9", folder=tmp_path
        )
    assert outcome.code == 0, outcome.err
    lines = [line for line in outcome.err.splitlines() if line.strip()]
    assert all("nobody takes the traces at http://127.0.0.1:9" in line for line in lines), outcome.err
    assert len(lines) <= 8, "once for each process that worked"
