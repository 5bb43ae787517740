"""One task from its lease to its result: the frame that pages and images share.

A visit gathers the facts of the record to be. Whatever befalls the URL ends in that record, which keeps what was
known by then.
"""

from __future__ import annotations

import abc
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

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
from crawler.http.retrying import host_pause_s, refused_for_s, retry_delay_s
from crawler.http.robots import Robots
from crawler.http.turns import NotYet, Turn, Turns
from crawler.logs.events import INTERNAL_ERROR, tell
from crawler.models import (
    ORIGIN_FIELDS,
    RECORDS,
    STATUSES,
    Cookie,
    NewTask,
    Record,
    RenderRecord,
    Result,
    Revisit,
    Task,
)
from crawler.urls import host_key

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Visit:
    """A task under way."""

    task: Task
    facts: dict[str, Any] = field(default_factory=lambda: {"status": "failed"})
    """Fields of the record, as far as they are known."""
    discovered: tuple[NewTask, ...] = ()
    outcome: Revisit = Revisit.NONE
    """How it compares with an earlier visit, if there was one that is worth remembering."""
    turn: Turn | None = None
    """To be waited for before each request."""
    at: str = ""
    """The URL that is asked for, the task's own or where redirects have led."""
    hops: int = 0
    """How many redirects that were, over all leases of the task as far as this worker had them."""

    @property
    def found_in(self) -> str:
        """Where the task's URL was found; empty for a seed."""
        return self.task.origin.found_in if self.task.origin else ""

    def answered(self, fetched: Fetched) -> None:
        self.facts.update(
            final_url=fetched.final_url,
            http_status=fetched.http_status,
            content_type=fetched.content_type,
            size_bytes=len(fetched.content),
            etag=fetched.headers.get("etag", ""),
            last_modified=fetched.headers.get("last-modified", ""),
        )
        self.outcome = Revisit.CHANGED if self.task.known is not None else Revisit.NONE

    def unchanged(self) -> None:
        """What it gives is what it gave before: the earlier record stands."""
        self.outcome = Revisit.UNCHANGED

    def refused(self, error: TaskError) -> None:
        self.outcome = Revisit.GONE if isinstance(error, NotFound) else Revisit.FAILED
        self.facts.update(
            status="rejected" if isinstance(error, Rejection) else "failed",
            reason=error.reason,
            detail=error.detail,
            http_status=error.http_status or self.facts.get("http_status", 0),
            final_url=error.final_url or self.facts.get("final_url", ""),
        )


_MOST_LED = 1000
_EARLIER_STANDS = (Revisit.UNCHANGED, Revisit.GONE, Revisit.FAILED)


_SAID_ANEW = ("opt_outs", "more_opt_outs", "kept_by")
"""What was heard of an image once more, whatever it gives; and who has its file now."""


class _TooSoon(Exception):
    """The host asks for a longer delay than the queue knew of."""


class TaskHandler(abc.ABC):
    """A callable that takes a Task and returns its Result, safe to be used by several threads.

    What may befall one URL ends in the record. Only a CrawlError is raised, which concerns the whole crawl (a full
    disk), and a QueueError, when a storage behind the queue can't be reached: then the task is not to be settled.

    *robots* decides what may be asked for at all; with None, robots.txt files are not looked at. *turns* says when;
    with None nobody else asks, and there is no delay. *cookies* gives what servers have set since it was last asked,
    for the others to know.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        config: Config,
        worker: str,
        robots: Robots | None = None,
        turns: Turns | None = None,
        cookies: Callable[[], tuple[Cookie, ...]] = tuple,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._transport = transport
        self._robots = robots
        self._turns = turns
        self._max_redirects = config.fetch.max_redirects
        self._led_to: OrderedDict[int, tuple[str, int]] = OrderedDict()
        """Where redirects have led tasks that then had to go back, by their ids, and how many these were."""
        self._cookies = cookies
        self._retry_delay_s = config.queue.retry_delay_s
        self._delay_s = config.queue.delay_s
        self._worker = worker
        self._clock = clock
        self._now = now

    def close(self) -> None:  # noqa: B027 - most have nothing
        """Let go of what it has; no task is under way, or will be."""

    @abc.abstractmethod
    def visit(self, visit: Visit) -> None:
        """Do what there is to do, and tell *visit* of it. Raises a TaskError for what the URL would not give."""

    def __call__(self, task: Task) -> Result:
        started = self._clock()
        visit = Visit(task, turn=self._turns.of(task) if self._turns is not None else None)
        retry_in_s = pause_s = refused_s = None
        untouched = False
        try:
            self.visit(visit)
        except (_TooSoon, StorageUnavailable):
            untouched = True
        except NotYet as exc:
            untouched, retry_in_s = True, exc.wait_s
            self._remember(visit)
        except (CrawlError, QueueError):
            raise
        except TaskError as exc:
            visit.refused(exc)
            retry_in_s = retry_delay_s(exc, task, self._retry_delay_s)
            pause_s, refused_s = host_pause_s(exc), refused_for_s(exc)
        except Exception:  # noqa: BLE001 - it ends in the record, and in the log
            tell(log, INTERNAL_ERROR, exc_info=True, url=task.url)
            visit.refused(InternalError(FAULT))
        finally:
            if visit.turn is not None:
                visit.turn.close()
        waited_s = visit.turn.waited_s if visit.turn is not None else 0.0
        return Result(
            token=task.token,
            record=self._recorded(visit, elapsed_s=max(0.0, self._clock() - started - waited_s)),
            discovered=visit.discovered,
            retry_in_s=retry_in_s,
            host_pause_s=pause_s,
            refused_for_s=refused_s,
            untouched=untouched,
            host_delay_s=self._robots.delay_s(task.url) if self._robots else None,
            cookies=self._cookies(),
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
        """What the task's URL gives, robots.txt permitting; *visit* is told of the answer. Raises a TaskError.

        What an earlier visit has seen already may come as 304, without content, if *unless_known*. With *cut* the
        first *max_bytes* of a longer answer will do. *also_check* is asked about each URL that robots.txt permits.
        """
        task = visit.task
        known = task.known if unless_known else None
        url, visit.hops = self._led_to.pop(task.id, (task.url, 0))
        if visit.hops > self._max_redirects:  # over several leases: each hop had to wait for long
            raise TooManyRedirects(f"redirected more than {self._max_redirects} times (max_redirects)")
        fetched = self._transport.fetch(
            url,
            max_bytes=max_bytes,
            accept=accept,
            referer=task.origin.page_url if task.origin else "",
            check=partial(self._admit, visit, also_check),
            sent=visit.turn.sent if visit.turn is not None else None,
            once=task.host_delay_s > 0,
            unless=_validators(known) if known else None,
            cut=cut,
        )
        visit.answered(fetched)
        return fetched

    def _admit(self, visit: Visit, also_check: Check | None, url: str) -> None:
        """Wait until *url* may be asked for, the task's own or where it leads; raise what forbids it."""
        task = visit.task
        visit.hops += bool(visit.at)
        visit.at = url
        if self._robots is not None:
            self._robots.check(url, visit.turn)
            known_s = max(task.host_delay_s, self._delay_s)
            if host_key(url) == host_key(task.url) and (self._robots.delay_s(url) or 0.0) > known_s:
                raise _TooSoon
        if also_check is not None:
            also_check(url)
        if visit.turn is not None:
            visit.turn(url)

    def _remember(self, visit: Visit) -> None:
        """The task is there when it comes back, if to this worker: what led there need not be asked for again."""
        if not visit.hops:
            return
        self._led_to[visit.task.id] = (visit.at, visit.hops)
        while len(self._led_to) > _MOST_LED:
            self._led_to.popitem(last=False)

    def _recorded(self, visit: Visit, *, elapsed_s: float) -> Record:
        task = visit.task
        visited: dict[str, Any] = {
            "attempts": task.attempt,
            "elapsed_s": round(elapsed_s, 6),
            "finished_at": self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        if task.known is not None and visit.outcome in _EARLIER_STANDS:
            # of an answer to a conditional request, only these may be news (RFC 9110, section 15.4.5)
            fields = ("final_url", "etag", "last_modified")
            news = {name: visit.facts[name] for name in fields if visit.facts.get(name)}
            news |= {name: visit.facts[name] for name in _SAID_ANEW if name in visit.facts}
            return msgspec.structs.replace(
                task.known,
                **visited,
                **(news if visit.outcome is Revisit.UNCHANGED else {}),
                http_status=visit.facts.get("http_status", 0),
                detail=visit.facts.get("detail", ""),
                revisit=visit.outcome,
                revisit_reason=visit.facts.get("reason", ""),
            )
        names = ORIGIN_FIELDS[task.kind] if task.origin else ()
        facts = {
            **{name: getattr(task.origin, name) for name in names},
            **visit.facts,
            "status": STATUSES[task.kind](visit.facts["status"]),
        }
        return RECORDS[task.kind](
            url=task.url,
            depth=task.depth,
            worker=self._worker,
            revisit=visit.outcome if task.known is not None else Revisit.NONE,
            **visited,
            **facts,
        )


def _validators(known: Record) -> Validators | None:
    if isinstance(known, RenderRecord):
        return None
    return Validators(url=known.final_url or known.url, etag=known.etag, last_modified=known.last_modified)
