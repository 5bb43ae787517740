"""A finished task as a span, its stages as spans below it; the only module that knows opentelemetry.

They are made once the task is over: a page's trace id is that of the URL that its redirects led to.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace import set_span_in_context as below

from crawler import __version__
from crawler.logs.events import TRACES_LOST, tell
from crawler.metrics.figures import Stage
from crawler.models import ImageRecord, Result, Task, TaskKind
from crawler.tracing.ids import page_of, page_span_id, trace_id_of
from crawler.urls import without_login

log = logging.getLogger(__name__)

_PATH = "/v1/traces"  # https://opentelemetry.io/docs/specs/otlp/#otlphttp-request
_SEND_S = 5.0
_LAST_S = 3.0
_MOST_URL = 2000
_S = 10**9  # nanoseconds
_NAMES = {TaskKind.PAGE: "page", TaskKind.IMAGE: "image", TaskKind.RENDER: "render"}


class _Ids(RandomIdGenerator):
    """Ids of the next root span of this thread, where they are to be certain ones."""

    def __init__(self) -> None:
        self._next = threading.local()

    @contextmanager
    def fixed(self, trace_id: int, span_id: int) -> Iterator[None]:
        self._next.ids = (trace_id, span_id)
        try:
            yield
        finally:
            self._next.ids = (None, None)

    def generate_trace_id(self) -> int:
        return getattr(self._next, "ids", (None, None))[0] or super().generate_trace_id()

    def generate_span_id(self) -> int:
        return getattr(self._next, "ids", (None, None))[1] or super().generate_span_id()


class _Sender(OTLPSpanExporter):
    """Says once, not with each batch, that nobody takes the traces."""

    def __init__(self, address: str) -> None:
        super().__init__(endpoint=address.rstrip("/") + _PATH, timeout=int(_SEND_S))
        self._address = without_login(address)
        self._is_lost = False
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # a line, or a traceback, for each try

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            outcome = super().export(spans)
        except Exception:  # noqa: BLE001 - whatever goes wrong there is no trouble of the crawl
            outcome = SpanExportResult.FAILURE
        is_lost = outcome is not SpanExportResult.SUCCESS
        if is_lost and not self._is_lost:
            tell(log, TRACES_LOST, where=self._address)
        self._is_lost = is_lost
        return outcome


class Tracer:
    """Wraps a handler, and sends a span for each task that it has done.

    *address* is an OTLP receiver by HTTP; *share* of the traces is sent, the same ones by all machines. *exporter*
    takes the place of the receiver. Spans that can't be sent are dropped: the crawl never waits for them.
    """

    def __init__(
        self, address: str, *, share: float, worker_id: str, exporter: SpanExporter | None = None
    ) -> None:
        self._ids = _Ids()
        self._stages = threading.local()
        self._sampler = TraceIdRatioBased(share)
        self._provider = TracerProvider(
            sampler=ParentBased(self._sampler),
            resource=Resource(
                {
                    "service.name": "image-crawler",
                    "service.version": __version__,
                    "service.instance.id": worker_id,
                }
            ),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter or _Sender(address)))
        self._tracer = self._provider.get_tracer("image-crawler", __version__)

    def took(self, stage: Stage, seconds: float) -> None:
        """A stage of this thread's task has ended, and took so long."""
        if (stages := getattr(self._stages, "found", None)) is not None:
            ended_ns = time.time_ns()
            stages.append((stage, ended_ns - int(seconds * _S), ended_ns))

    def traced(self, handler: Callable[[Task], Result]) -> Callable[[Task], Result]:
        """*handler*, each of whose tasks becomes a span."""

        def handle(task: Task) -> Result:
            began_ns = time.time_ns()
            found: list[tuple[Stage, int, int]] = []
            self._stages.found = found
            try:
                result = handler(task)
            finally:
                self._stages.found = None
            if not result.untouched:
                self._tell(task, result, began_ns, found)
            return result

        return handle

    def close(self) -> None:
        """Send what is left, for some seconds at most: the SDK's own limits count each try anew."""
        ending = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        ending.start()
        ending.join(_LAST_S)

    def _tell(self, task: Task, result: Result, began_ns: int, stages: list[tuple[Stage, int, int]]) -> None:
        record = result.record
        page = page_of(record)
        context = SpanContext(
            trace_id_of(page), page_span_id(page), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
        )
        is_root = task.kind is TaskKind.PAGE and result.retry_in_s is None
        is_alone = isinstance(record, ImageRecord) and not record.page_url
        make = partial(
            self._tracer.start_span,
            _NAMES[task.kind],
            kind=SpanKind.CONSUMER,
            start_time=began_ns,
            attributes=_attributes(task, result),
        )
        if is_root or is_alone:
            links = [] if isinstance(record, ImageRecord) or not record.page_url else [_link(record.page_url)]
            with self._ids.fixed(context.trace_id, context.span_id):
                span = make(context=below(NonRecordingSpan(_NOBODY)), links=links)
        elif self._is_sampled(context.trace_id):
            span = make(context=below(NonRecordingSpan(context)))
        else:
            return
        around = below(span)
        for stage, stage_began_ns, ended_ns in stages:
            part = self._tracer.start_span(
                stage.value, context=around, kind=SpanKind.INTERNAL, start_time=stage_began_ns
            )
            part.end(ended_ns)
        if record.reason:
            span.set_status(Status(StatusCode.ERROR, record.reason))
        span.end(time.time_ns())

    def _is_sampled(self, trace_id: int) -> bool:
        """Whether the page's span is sent, wherever that was made: the same share of the ids everywhere."""
        return self._sampler.should_sample(None, trace_id, "").decision is Decision.RECORD_AND_SAMPLE


_NOBODY = SpanContext(0, 0, is_remote=False)


def _link(page_url: str) -> Link:
    return Link(SpanContext(trace_id_of(page_url), page_span_id(page_url), is_remote=True))


def _attributes(task: Task, result: Result) -> Mapping[str, Any]:
    """By the semantic conventions of OpenTelemetry where they have a name, else under ``image_crawler``."""
    record = result.record
    told: dict[str, Any] = {
        "url.full": without_login(task.url)[:_MOST_URL],
        "http.response.status_code": record.http_status,
        "http.response.body.size": record.size_bytes,
        "image_crawler.task": task.id,
        "image_crawler.attempt": task.attempt,
        "image_crawler.depth": task.depth,
        "image_crawler.status": "retried" if result.retry_in_s is not None else str(record.status),
        "image_crawler.reason": record.reason,
        "image_crawler.discovered": len(result.discovered),
    }
    if isinstance(record, ImageRecord):
        told |= {"image_crawler.path": record.path, "image_crawler.format": record.format}
    return {name: value for name, value in told.items() if value not in {"", None}}
