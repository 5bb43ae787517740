"""Log lines of tasks, workers and crawls: one line for each settled task."""

from __future__ import annotations

import logging
from typing import Any

from crawler.errors import NoSitemap
from crawler.logs import events
from crawler.logs.events import DEBUG, Event, tell
from crawler.models import (
    WORKER_NAMES,
    ImageRecord,
    ImageStatus,
    Record,
    Result,
    Revisit,
    Stats,
    WorkerState,
)
from crawler.text import display

SOMEBODY = "somebody"
"""Stands for the person who paused a crawl, if that is not known."""
_REVISITS = {Revisit.UNCHANGED: "unchanged", Revisit.GONE: "gone", Revisit.FAILED: "failed"}


def tell_settled(log: logging.Logger, record: Record) -> None:
    """Log a task that was settled with *record*. It is costly: call it only if INFO is enabled."""
    event = event_of(record)
    facts = _facts(record)
    # a sitemap that is looked for where sites often have one, and is not there, is for who wants every detail
    level = DEBUG if record.reason == NoSitemap.reason else event.level
    tell(log, event, level=level, **{key: facts[key] for key in event.keys})


def tell_retried(log: logging.Logger, record: Record, retry_in_s: float) -> None:
    """Log a failed try of a task that is tried again."""
    tell(
        log,
        events.TASK_RETRIED,
        url=record.url,
        reason=record.revisit_reason or record.reason,
        detail=record.detail,
        retry_in_s=retry_in_s,
        kind=_kind(record),
        http_status=record.http_status,
        attempts=record.attempts,
        worker=record.worker,
    )


def tell_result(log: logging.Logger, result: Result, *, max_attempts: int, settled: bool) -> None:
    """Log a result as its worker sees it: a retry, or, with *settled*, the outcome.

    The queue may decide otherwise: a host that is given up gets no further tries, one that says 429 gets more.
    """
    if result.untouched:
        return
    if result.retry_in_s is not None and result.record.attempts < max_attempts:
        tell_retried(log, result.record, result.retry_in_s)
    elif settled:
        tell_settled(log, result.record)


def event_of(record: Record) -> Event:
    """The event of the record's status, or of what a refresh found."""
    word = _REVISITS.get(record.revisit, record.status.value)
    return events.EVENTS[f"{_kind(record)}-{word}"]


def tell_joined(log: logging.Logger, worker: WorkerState) -> None:
    """Log a worker's first call."""
    tell(
        log,
        events.WORKER_JOINED,
        **who(worker),
        pid=worker.pid,
        version=worker.version,
        threads=worker.threads,
    )


def tell_finished(log: logging.Logger, stats: Stats, elapsed_s: float) -> None:
    """Log the end of a crawl that has nothing left to do."""
    status: dict[str, Any] = {each.value: stats.image_status.get(each, 0) for each in ImageStatus}
    tell(
        log,
        events.CRAWL_FINISHED,
        pages=stats.pages.discovered,
        images=stats.images.discovered,
        **status,
        size=display.size(stats.saved_bytes),
        saved_bytes=stats.saved_bytes,
        elapsed_s=elapsed_s,
    )


def who(state: WorkerState) -> dict[str, Any]:
    """The facts of an event about a worker."""
    return {"worker": state.id, "kind": WORKER_NAMES[state.kind], "machine": state.machine}


def _kind(record: Record) -> str:
    return str(type(record).__struct_config__.tag)


def _facts(record: Record) -> dict[str, Any]:
    facts = {name: getattr(record, name) for name in record.__struct_fields__}
    facts["reason"] = record.revisit_reason or record.reason
    if isinstance(record, ImageRecord):
        facts["size"] = display.size(record.size_bytes)
    return facts
