"""An IMAGE task in, its result out: fetched, verified, named, stored."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from crawler.config import ImagesConfig
from crawler.download.naming import image_path
from crawler.download.verify import verify
from crawler.errors import CrawlError, InternalError, InvalidUrl, Rejection, TaskError, TooLarge
from crawler.models import ImageRecord, ImageStatus, Origin, Result, Task
from crawler.storage import Storage
from crawler.urls import DATA_HOST
from crawler.web import Fetched, Transport
from crawler.web.retry import host_pause_s, retry_delay_s

log = logging.getLogger(__name__)

ACCEPT = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
"""What browsers send for an image, so that a server gives us what it gives them."""


class ImageHandler:
    """Downloads images: a callable that takes a Task and returns its Result, safe to be used by several
    threads.

    Everything that may befall one URL ends in the record. Only what concerns the whole crawl is raised:
    StorageFull and StorageFailed, when the task is not to be settled.
    """

    def __init__(
        self,
        transport: Transport,
        storage: Storage,
        *,
        images: ImagesConfig,
        retry_delay_s: float,
        worker: str,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._transport = transport
        self._storage = storage
        self._images = images
        self._retry_delay_s = retry_delay_s
        self._worker = worker
        self._clock = clock
        self._now = now

    def __call__(self, task: Task) -> Result:
        started = self._clock()
        retry_in_s = pause_s = None
        record = ImageRecord(url=task.url, status=ImageStatus.FAILED)
        try:
            record = self._fetched(task, record)
        except CrawlError:
            raise
        except TaskError as exc:
            record = _refused(record, exc)
            retry_in_s = retry_delay_s(exc, task.attempt, self._retry_delay_s)
            pause_s = host_pause_s(exc)
        except Exception as exc:
            log.exception("internal error at %s", task.url)
            record = _refused(record, InternalError(f"{type(exc).__name__}: {exc}"[:300]))
        return Result(
            token=task.token,
            record=self._completed(record, task, started),
            retry_in_s=retry_in_s,
            host_pause_s=pause_s,
        )

    def _fetched(self, task: Task, record: ImageRecord) -> ImageRecord:
        if task.url.startswith(DATA_HOST):
            fetched = _held_by_page(task, max_bytes=self._images.max_image_bytes)
        else:
            fetched = self._fetch(task)
        record = _with_answer(record, fetched)
        try:
            return self._kept(record, fetched.content)
        except TaskError as exc:
            return _refused(record, exc)

    def _fetch(self, task: Task) -> Fetched:
        return self._transport.fetch(
            task.url,
            max_bytes=self._images.max_image_bytes,
            accept=ACCEPT,
            referer=task.origin.page_url if task.origin else "",
        )

    def _kept(self, record: ImageRecord, content: bytes) -> ImageRecord:
        info = verify(content, max_pixels=self._images.max_pixels)
        sha256 = hashlib.sha256(content).hexdigest()
        path = image_path(record.url, info.extension)
        kept_at = self._storage.save(path, content, sha256=sha256)
        return msgspec.structs.replace(
            record,
            status=ImageStatus.SAVED if kept_at == path else ImageStatus.DUPLICATE,
            path=kept_at,
            sha256=sha256,
            format=info.format,
            width_px=info.width_px,
            height_px=info.height_px,
        )

    def _completed(self, record: ImageRecord, task: Task, started: float) -> ImageRecord:
        origin = task.origin or Origin(page_url="", found_in="")
        return msgspec.structs.replace(
            record,
            page_url=origin.page_url,
            found_in=origin.found_in,
            alt=origin.alt,
            title=origin.title,
            caption=origin.caption,
            heading=origin.heading,
            page_title=origin.page_title,
            depth=task.depth,
            attempts=task.attempt,
            worker=self._worker,
            elapsed_s=round(self._clock() - started, 6),
            finished_at=self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        )


def _held_by_page(task: Task, *, max_bytes: int) -> Fetched:
    """What was in a ``data:`` URL, as if it had been fetched."""
    content = task.origin.content if task.origin else b""
    if not content:
        raise InvalidUrl(
            f"{task.url} names an image that its page held; its bytes are only there in a first try"
        )
    if len(content) > max_bytes:
        raise TooLarge(f"{len(content):,} bytes are more than the {max_bytes:,} allowed (max_image_bytes)")
    media_type = task.url[len(DATA_HOST) :].partition(";")[0]
    return Fetched(
        url=task.url, final_url=task.url, http_status=0, headers={"content-type": media_type}, content=content
    )


def _with_answer(record: ImageRecord, fetched: Fetched) -> ImageRecord:
    return msgspec.structs.replace(
        record,
        final_url=fetched.final_url,
        http_status=fetched.http_status,
        content_type=fetched.content_type,
        etag=fetched.headers.get("etag", ""),
        last_modified=fetched.headers.get("last-modified", ""),
        size_bytes=len(fetched.content),
    )


def _refused(record: ImageRecord, error: TaskError) -> ImageRecord:
    return msgspec.structs.replace(
        record,
        status=ImageStatus.REJECTED if isinstance(error, Rejection) else ImageStatus.FAILED,
        reason=error.reason,
        detail=error.detail,
        http_status=error.http_status or record.http_status,
        final_url=error.final_url or record.final_url,
    )
