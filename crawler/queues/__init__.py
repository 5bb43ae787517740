"""The queue of a crawl: what an engine implements, and its two faces that workers are given.

``Queue`` is the whole protocol; the ledger and Redis implement it. A manager registers its two faces by themselves:
``TaskQueue``, which every Queue is, and ``ResultQueue``, for which QueueResults stands. Every engine passes
tests/contract/test_queues.py. All calls are safe from several threads; times are durations in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Protocol

from msgspec import Meta

from crawler.config import Config
from crawler.models import (
    MAX_COUNT,
    Duration,
    FileAnswer,
    Heartbeat,
    HostFile,
    Lease,
    NewTask,
    Record,
    RenderOutcome,
    Result,
    Seconds,
    Slug,
    Small,
    Stats,
    Status,
    TemplateAnswer,
    Text,
    Token,
    Total,
    Url,
    Value,
    WorkerId,
    WorkerState,
)

HORIZON_S = 60.0
"""Seconds ahead for which :meth:`TaskQueue.receive` reserves at most: whoever asked may have gone."""


class RecordPage(Value):
    """Some records in the order in which they were kept, and a cursor to go on from."""

    records: tuple[Record, ...] = ()
    cursor: Annotated[int, Meta(ge=0)] = 0
    """The *after* of the next call."""
    complete: bool = False
    """The crawl has ended and these are the last."""


class Plan(Value):
    """What a worker needs to know of the crawl that it joins."""

    id: Slug = ""
    """Names this crawl with these settings: a worker that joined it can't go on with another at the same address."""
    seeds: tuple[Url, ...] = ()
    config: Config = Config()
    browser: bool = False
    """Whether the machine that runs the crawl renders pages."""
    networks: tuple[Slug, ...] = ()
    """The private networks that the seeds are in (see ``http.address_guard``)."""


class TaskQueue(Protocol):
    """The tasks of a crawl, from being added to being leased, and the politeness of all workers together."""

    def plan(self) -> Plan:
        """The crawl's seeds and settings."""

    def put(self, tasks: Sequence[NewTask]) -> int:
        """Add tasks; returns how many were new. A URL that is known is not added again.

        A task that can't be right (see validation.py) is not added, but counted as ``malformed``.
        """

    def lease(
        self, worker: WorkerState, *, count: Small, slots: Small, wait_s: Duration, held: Sequence[Token]
    ) -> Lease:
        """Up to *count* tasks of the worker's kind, to be settled within the lease term.

        *slots* is how many the worker can run at once: a batch never gets more of its host's slots than that.
        *held* is everything that the worker still has; its other leases go back, uncharged, so that a lost reply
        heals. A long poll: waits up to *wait_s* seconds for something to be due.
        """

    def heartbeat(self, worker: WorkerState, *, held: Sequence[Token]) -> Heartbeat:
        """Renew the leases of *held*; the answer names those that are no longer the worker's."""

    def release(self, worker: WorkerState, tokens: Sequence[Token]) -> None:
        """Give tasks back untouched; their attempts are not charged."""

    def leave(self, worker_id: WorkerId, *, charged: bool) -> None:
        """The worker is gone for good: its tasks go back at once, and it gets no more.

        With *charged* these leases count as attempts: the worker died while it worked on them.
        """

    def turn(self, *, task: Total, host: Url, is_guest: bool = False) -> Duration:
        """Ask to send a request to *host* (``scheme://host[:port]``) for a task: 0, and it counts as sent; or else the
        seconds after which to ask again.

        Workers call it before each request, also of retries, redirects and robots.txt, unless it goes to the task's own
        host and that has no delay. With *is_guest* the host is not the task's own, and the request takes one of the
        host's slots until :meth:`turn_over`, for policy.GUEST_S at most.
        """

    def turn_taken(self, *, host: Url, ago_s: Seconds) -> None:
        """A request that was allowed was sent *ago_s* seconds ago, and its response begins now.

        A delay that the host asks for, or that is configured, counts from now on, if that is at most half of it later.
        """

    def turn_over(self, *, task: Total, host: Url) -> None:
        """The requests of this task at *host* have their responses: a task that redirects lead elsewhere holds no slot
        while it waits for another one. It is no error if it had none.
        """

    def receive(self, *, count: Annotated[int, Meta(ge=1, le=4 * 2**20)]) -> Duration:
        """Reserve *count* bytes of the bandwidth of all workers (``limit_rate_bytes_s``); returns in how many seconds
        they may be received. Nothing is reserved when that is more than HORIZON_S: ask again then.
        """

    def host_file(self, worker_id: WorkerId, *, host: Url, name: Slug) -> FileAnswer:
        """The content of the file *name* (``robots.txt``) at *host*, or who is to fetch it.

        A worker that is told to fetch it has policy.CLAIM_S for that, and calls :meth:`keep_host_file`.
        """

    def keep_host_file(self, worker_id: WorkerId, *, host: Url, file: HostFile) -> None:
        """Keep what the worker has fetched, with the delay that it asks for. Ignored if the worker was not told to."""

    def template(self, *, host: Url, name: Slug, task: Total | None = None) -> TemplateAnswer:
        """Whether pages of the template *name* at *host* (``scheme://host[:port]``) are worth a browser.

        With *task* a renderer asks whether to render that page: as long as too little is known, some pages are
        rendered to find out, and the others wait. It reports by :meth:`tell_template`.
        """

    def tell_template(self, *, host: Url, name: Slug, outcome: RenderOutcome) -> None:
        """Report what rendering a page of that template brought."""

    def halt(self, reason: Text) -> None:
        """Something is wrong (a full disk): give out no more work, and tell every worker why.

        Ends with the manager's run.
        """

    def stop(self, reason: Text) -> None:
        """A user ends the crawl: workers finish the tasks at hand and leave.

        Ends with the crawl's run, whose manager may be another one by then.
        """

    def pause(self, by: Text = "") -> None:
        """Give out no more work until ``resume``; workers finish the tasks at hand, and wait. *by* names the user.

        Ends with the crawl's run, too.
        """

    def resume(self, by: Text = "") -> None: ...

    def stats(self) -> Stats: ...

    def status(self) -> Status:
        """Stats, and hosts and rates, at a greater cost."""


class Queue(TaskQueue, Protocol):
    """A TaskQueue that takes results, too: one engine with both faces."""

    def settle(self, results: Sequence[Result]) -> tuple[Url, ...]:
        """Settle the leases, keep the records and add what was discovered, all in one step. Returns the hosts of which
        the worker shall not begin the tasks at hand, as in Heartbeat.

        A result for a settled task changes nothing; a late one for another task counts. One that can't be right (see
        validation.py) is refused, and no other with it: it was a vain attempt, after which the task goes back, or
        fails as ``internal-error`` once its attempts are used up.
        """

    def records(self, *, after: int = 0, limit: int = 200, wait_s: float = 0.0) -> RecordPage:
        """Up to *limit* records, at most 200, kept after the cursor *after*.

        Waits up to *wait_s* seconds for the first.
        """


class ResultQueue(Protocol):
    def put(self, results: Sequence[Result]) -> tuple[Url, ...]:
        """See :meth:`Queue.settle`."""

    def get(
        self,
        *,
        after: Total = 0,
        limit: Annotated[int, Meta(ge=-MAX_COUNT, le=MAX_COUNT)] = 200,
        wait_s: Duration = 0.0,
    ) -> RecordPage:
        """See :meth:`Queue.records`."""


class QueueResults(ResultQueue):
    """The ResultQueue of any engine: its ``put`` takes results, that of the engine takes tasks."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def put(self, results: Sequence[Result]) -> tuple[str, ...]:
        return self._queue.settle(results)

    def get(self, *, after: int = 0, limit: int = 200, wait_s: float = 0.0) -> RecordPage:
        return self._queue.records(after=after, limit=limit, wait_s=wait_s)
