"""Which trace a URL belongs to. Pure.

The trace id is the 128-bit key of the page's task, so that machines that never speak to each other give the same id,
and a record's is known from the record. The page's own span has half of it as its id.
"""

from __future__ import annotations

from crawler.models import ImageRecord, Record, TaskKind
from crawler.urls import task_key


def page_of(record: Record) -> str:
    """The page whose trace it is: that which an image was found on, or the page itself, after redirects.

    An image that is on no page, as one of a list, has a trace of its own.
    """
    if isinstance(record, ImageRecord):
        return record.page_url or record.url
    return record.final_url or record.url


def trace_id_of(page_url: str) -> int:
    """128 bits, never 0."""
    return int.from_bytes(task_key(TaskKind.PAGE, page_url), "big") or 1


def page_span_id(page_url: str) -> int:
    """The id of the span of the page's visit: 64 bits, never 0."""
    return trace_id_of(page_url) >> 64 or 1
