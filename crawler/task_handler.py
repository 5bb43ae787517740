"""One task from its lease to its result: the frame of all handlers, and the record under way.

A failure ends in the record, which keeps what was known by then.
"""

from __future__ import annotations

import abc
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, TypedDict

import msgspec

from crawler.config import Config
from crawler.errors import (
    FAULT,
    CrawlError,
    InternalError,
    NotFound,
    QueueError,
    Rejection,
    StorageUnavailable,
    TaskError,
    TooManyRedirects,
)
from crawler.http import Check, Fetched, Transport, Validators
from crawler.http.request_retries import host_pause_s, refused_for_s, retry_delay_s
from crawler.http.robots import Robots
from crawler.http.turns import NotYet, Turn, Turns
from crawler.logs.events import INTERNAL_ERROR, tell
from crawler.metrics.figures import Stage
from crawler.models import (
    ORIGIN_FIELDS,
    RECORDS,
    STATUSES,
    Cookie,
    ImageStatus,
    NewTask,
    OptOut,
    PageStatus,
    Record,
    RenderRecord,
    RenderStatus,
    Result,
    Revisit,
    Task,
    TaskKind,
    Token,
)
from crawler.scope import Scope
from crawler.urls import host_key

log = logging.getLogger(__name__)


class PartialRecord(TypedDict, total=False):
    """The record under way: fields of an ImageRecord, a PageRecord or a RenderRecord, as far as they are known."""

    status: ImageStatus | PageStatus | RenderStatus | Literal["failed", "rejected"]
    reason: str
    detail: str
    final_url: str
    http_status: int
    size_bytes: int
    content_type: str
    etag: str
    last_modified: str
    # of pages, read or rendered
    title: str
    images: int
    links: int
    left_out: dict[str, int]
    render: str
    gains: dict[str, int]
    requests: int
    # of images
    path: str
    sha256: str
    format: str
    width_px: int
    height_px: int
    dhash: str
    incomplete: bool
    opt_outs: tuple[OptOut, ...]
    more_opt_outs: int
    kept_by: str


@dataclass(slots=True)
class Visit:
    """A task under way."""

    task: Task
    record: PartialRecord = field(
        default_factory=lambda: PartialRecord(
            status="failed", reason="", detail="", http_status=0, final_url=""
        )
    )
    """The fields of the record that are known so far."""
    discovered: tuple[NewTask, ...] = ()
    """Tasks that the URL's content names."""
    outcome: Revisit = Revisit.NONE
    """How this visit compares with the one before; NONE if there was none, or if that came to nothing."""
    turn: Turn | None = None
    """Admits each request to its host; None if nothing paces this worker."""
    at: str = ""
    """The URL of the latest request: the task's own, or the target of a redirect."""
    worked_on_s: float = 0.0
    """Seconds for which the answer was with a reader or decoder."""
    hops: int = 0
    """Redirects followed so far, those of earlier leases included if this worker had them."""

    @property
    def waited_s(self) -> float:
        """Seconds for which it has waited for its turn so far."""
        return self.turn.waited_s if self.turn is not None else 0.0

    @property
    def found_in(self) -> str:
        """The rule that found the task's URL; empty for a seed."""
        return self.task.origin.found_in if self.task.origin else ""

    def answered(self, fetched: Fetched) -> None:
        self.record.update(
            {
                "final_url": fetched.final_url,
                "http_status": fetched.http_status,
                "content_type": fetched.content_type,
                "size_bytes": len(fetched.content),
                "etag": fetched.headers.get("etag", ""),
                "last_modified": fetched.headers.get("last-modified", ""),
            }
        )
        self.outcome = Revisit.CHANGED if self.task.known is not None else Revisit.NONE

    def unchanged(self) -> None:
        """The content is that of the earlier visit, whose record stands."""
        self.outcome = Revisit.UNCHANGED

    def refused(self, error: TaskError) -> None:
        self.outcome = Revisit.GONE if isinstance(error, NotFound) else Revisit.FAILED
        self.record.update(
            {
                "status": "rejected" if isinstance(error, Rejection) else "failed",
                "reason": error.reason,
                "detail": error.detail,
                "http_status": error.http_status or self.record["http_status"],
                "final_url": error.final_url or self.record["final_url"],
            }
        )


_FETCHES = {
    TaskKind.PAGE: Stage.FETCH_PAGE,
    TaskKind.IMAGE: Stage.FETCH_IMAGE,
    TaskKind.RENDER: Stage.FETCH_PAGE,
}
_MAX_REMEMBERED = 1000
"""Redirected tasks whose place is remembered, the latest ones."""
_EARLIER_STANDS = (Revisit.UNCHANGED, Revisit.GONE, Revisit.FAILED)
"""Outcomes that leave the earlier record in place."""
_ALWAYS_NEW = ("opt_outs", "more_opt_outs", "kept_by")
"""Fields that an unchanged image takes from this visit: its owner's opt-outs, and who has its file now."""
_NEW_IF_SENT = ("final_url", "etag", "last_modified")
"""Fields that a 304 may renew (RFC 9110, section 15.4.5)."""


class _TooSoon(Exception):
    """The host asks for a longer delay than the queue knew of."""


@dataclass(frozen=True, kw_only=True)
class HandlerContext:
    """What a worker gives to its handler, of whichever kind."""

    transport: Transport
    scope: Scope
    config: Config
    worker_id: str
    """Goes into every record."""
    robots: Robots | None = None
    """Decides which URLs may be requested; None: robots.txt files are ignored."""
    turns: Turns | None = None
    """Paces requests together with all other workers; None: no request waits."""
    new_cookies: Callable[[], tuple[Cookie, ...]] = tuple
    """Returns the cookies that servers have set since the last call, to be shared with other workers."""
    answered: Callable[[Token], None] = lambda _: None
    """Called as soon as a task has its answer: its host's slot is free for another one."""
    handled: Callable[[float, float], None] = lambda *_: None
    """Called with the seconds for which a task waited for servers and storages, and with those of its thread's CPU."""
    took: Callable[[Stage, float], None] = lambda *_: None
    """Called with the seconds that a stage of a task took."""
    storage_away: Callable[[], None] = lambda: None
    """Called when the storage could not be reached."""
    clock: Callable[[], float] = time.monotonic
    """Seconds; only differences count."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class TaskHandler(abc.ABC):
    """A callable that takes a Task and returns its Result. Thread-safe.

    A failure of one URL ends in the record. The handler raises only a CrawlError, which concerns the whole crawl (a
    full disk), and a QueueError, when the queue or a storage behind it can't be reached: the task is not settled then.
    """

    def __init__(self, context: HandlerContext) -> None:
        self._transport = context.transport
        self._scope = context.scope
        self._config = context.config
        self._worker_id = context.worker_id
        self._robots = context.robots
        self._turns = context.turns
        self._new_cookies = context.new_cookies
        self._answered = context.answered
        self._handled = context.handled
        self._took = context.took
        self._storage_away = context.storage_away
        self._clock = context.clock
        self._now = context.now
        self._redirected: OrderedDict[int, tuple[str, int]] = OrderedDict()
        """By task id, the URL and the hops that a task had come to when it went back to the queue."""

    def close(self) -> None:  # noqa: B027 - most have nothing to release
        """Release resources. No task is under way, and none will follow."""

    @abc.abstractmethod
    def visit(self, visit: Visit) -> None:
        """Do the work of the task, and fill in *visit*. Raises a TaskError when the URL can't be had."""

    def __call__(self, task: Task) -> Result:
        started, began, cpu_began = self._clock(), time.monotonic(), time.thread_time()
        visit = Visit(task, turn=self._turns.of(task) if self._turns is not None else None)
        retry_in_s = pause_s = refused_s = None
        untouched = False
        try:
            self.visit(visit)
        except _TooSoon:
            untouched = True
        except StorageUnavailable:
            untouched = True
            self._storage_away()
        except NotYet as exc:
            untouched, retry_in_s = True, exc.wait_s
            self._remember(visit)
        except (CrawlError, QueueError):
            raise
        except TaskError as exc:
            visit.refused(exc)
            retry_in_s = retry_delay_s(exc, task, self._config.queue.retry_delay_s)
            pause_s, refused_s = host_pause_s(exc), refused_for_s(exc)
        except Exception:  # noqa: BLE001 - it ends in the record, and in the log
            tell(log, INTERNAL_ERROR, exc_info=True, url=task.url)
            visit.refused(InternalError(FAULT))
        finally:
            if visit.turn is not None:
                visit.turn.close()
        waited_s = visit.waited_s
        self._handled(time.monotonic() - began - waited_s - visit.worked_on_s, time.thread_time() - cpu_began)
        elapsed_s = max(0.0, self._clock() - started - waited_s)
        if task.kind is TaskKind.RENDER and not untouched:
            self._took(Stage.RENDER, elapsed_s)
        return Result(
            token=task.token,
            record=self._finished(visit, elapsed_s=elapsed_s),
            discovered=visit.discovered,
            retry_in_s=retry_in_s,
            host_pause_s=pause_s,
            refused_for_s=refused_s,
            untouched=untouched,
            host_delay_s=self._robots.delay_s(task.url) if self._robots else None,
            cookies=self._new_cookies(),
        )

    def fetch(
        self,
        visit: Visit,
        *,
        max_bytes: int,
        accept: str,
        unless_known: bool = True,
        cut: bool = False,
        also_check: Check | None = None,
    ) -> Fetched:
        """Fetch the task's URL, as far as robots.txt permits, and note the answer in *visit*. Raises a TaskError.

        The request is conditional if there was an earlier visit and *unless_known* is set: the answer may be a 304.
        With *cut* an answer over *max_bytes* is cut, not refused. *also_check* may refuse what robots.txt permits.
        """
        task, unless = visit.task, None
        if (known := task.known) and unless_known and not isinstance(known, RenderRecord):
            last = known.final_url or known.url
            unless = Validators(url=last, etag=known.etag, last_modified=known.last_modified)
        url, visit.hops = self._redirected.pop(task.id, (task.url, 0))
        most = self._config.fetch.max_redirects
        if visit.hops > most:  # over several leases: each hop had to wait for long
            raise TooManyRedirects(f"redirected more than {most} times (max_redirects)")
        with self.timed(_FETCHES[task.kind], visit):
            fetched = self._transport.fetch(
                url,
                max_bytes=max_bytes,
                accept=accept,
                referer=task.origin.page_url if task.origin else "",
                check=partial(self._admit, visit, also_check),
                sending=visit.turn.sending if visit.turn is not None else None,
                sent=visit.turn.sent if visit.turn is not None else None,
                once=task.host_delay_s > 0,
                unless=unless,
                cut=cut,
            )
        self._answered(task.token)
        visit.answered(fetched)
        return fetched

    def _admit(self, visit: Visit, also_check: Check | None, url: str) -> None:
        """Wait until *url*, the task's own or a redirect's target, may be requested. Raises what forbids it."""
        task = visit.task
        visit.hops += bool(visit.at)
        visit.at = url
        if self._robots is not None:
            self._robots.check(url, visit.turn)
            known_s = max(task.host_delay_s, self._config.queue.delay_s)
            if host_key(url) == host_key(task.url) and (self._robots.delay_s(url) or 0.0) > known_s:
                raise _TooSoon
        if also_check is not None:
            also_check(url)
        if visit.turn is not None:
            visit.turn(url)

    @contextmanager
    def working_on_answer(self, visit: Visit) -> Iterator[None]:
        """The answer is with a reader or decoder, which is no waiting for others."""
        began = time.monotonic()
        try:
            yield
        finally:
            worked_on_s = time.monotonic() - began
            visit.worked_on_s += worked_on_s
            self._took(Stage.VERIFY if visit.task.kind is TaskKind.IMAGE else Stage.READ, worked_on_s)

    @contextmanager
    def timed(self, stage: Stage, visit: Visit) -> Iterator[None]:
        """Measure a stage, without waits for a turn. One that fails counts, one that is put off for later does not."""
        began = time.monotonic() - visit.waited_s
        try:
            yield
        except TaskError:
            self._took(stage, time.monotonic() - visit.waited_s - began)
            raise
        self._took(stage, time.monotonic() - visit.waited_s - began)

    def _remember(self, visit: Visit) -> None:
        """Let the task go on from its redirect's target when it is leased again, if by this worker."""
        if not visit.hops:
            return
        self._redirected[visit.task.id] = (visit.at, visit.hops)
        while len(self._redirected) > _MAX_REMEMBERED:
            self._redirected.popitem(last=False)

    def _finished(self, visit: Visit, *, elapsed_s: float) -> Record:
        """The record of *visit*: a new one, or the earlier one where that stands, with what is new of it."""
        task, record = visit.task, visit.record
        always: dict[str, Any] = {
            "attempts": task.attempt,
            "elapsed_s": round(elapsed_s, 6),
            "finished_at": f"{self._now().replace(tzinfo=None).isoformat(timespec='microseconds')}Z",
        }
        if task.known is not None and visit.outcome in _EARLIER_STANDS:
            if visit.outcome is Revisit.UNCHANGED:
                always |= {name: value for name, value in record.items() if name in _NEW_IF_SENT and value}
                always |= {name: value for name, value in record.items() if name in _ALWAYS_NEW}
            return msgspec.structs.replace(
                task.known,
                **always,
                http_status=record["http_status"],
                detail=record["detail"],
                revisit=visit.outcome,
                revisit_reason=record["reason"],
            )
        always |= {name: getattr(task.origin, name) for name in ORIGIN_FIELDS[task.kind] if task.origin}
        always |= record
        always["status"] = STATUSES[task.kind](record["status"])
        return RECORDS[task.kind](
            url=task.url,
            depth=task.depth,
            worker=self._worker_id,
            revisit=visit.outcome if task.known is not None else Revisit.NONE,
            **always,
        )
