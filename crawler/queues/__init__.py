"""The task queue and the result queue: what a worker may ask of either.

Every engine passes tests/contract/test_queues.py. All calls are safe from several threads; times are durations.
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
    TaskKind,
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
"""As of :meth:`TaskQueue.receive`: nothing is reserved beyond that, for who asked may have gone."""


class RecordPage(Value):
    """Some records in the order in which they were kept, and where to go on."""

    records: tuple[Record, ...] = ()
    cursor: Annotated[int, Meta(ge=0)] = 0
    """To be passed to the next ``get``."""
    complete: bool = False
    """The crawl has ended and these are the last."""


class Plan(Value):
    """What a worker has to know of the crawl that it joins."""

    id: Slug = ""
    """Of this crawl with these settings: one who joined it can't go on with another one at the same address."""
    seeds: tuple[Url, ...] = ()
    config: Config = Config()
    browser: bool = False
    """Whoever runs the crawl renders pages, should any want it."""
    networks: tuple[Slug, ...] = ()
    """Those that the seeds live in, of the private ones (see ``http.address_guard``)."""

    @property
    def keeps_at_workers(self) -> bool:
        """Whether workers on other machines keep images themselves, each in a folder of its own."""
        return self.config.storage.storage == "local"


class TaskQueue(Protocol):
    def plan(self) -> Plan:
        """What the crawl is about, and with which settings it runs."""
        ...

    def put(self, tasks: Sequence[NewTask]) -> int:
        """Add tasks, and return how many were new; a URL already known is not added again.

        What can't be right (see queues/checks.py) is not, but counted as ``malformed``.
        """
        ...

    def lease(
        self, worker: WorkerState, *, count: Small, slots: Small, wait_s: Duration, held: Sequence[Token]
    ) -> Lease:
        """Up to *count* tasks of the worker's kind, to be settled before the lease term is over.

        *slots* is how many the worker can run at once: a batch never gets more of its host's slots than that.
        *held* is everything that the worker still has; any other lease of its goes back, uncharged, so that a lost
        reply heals. Waits up to *wait_s* seconds for something to be due.
        """
        ...

    def heartbeat(self, worker: WorkerState, *, held: Sequence[Token]) -> Heartbeat:
        """Renew the leases of *held*, and hear which of these are no longer the worker's."""
        ...

    def release(self, worker: WorkerState, tokens: Sequence[Token]) -> None:
        """Give tasks back untouched; their attempts are not charged."""
        ...

    def leave(self, worker_id: WorkerId, *, charged: bool) -> None:
        """The worker has gone, for certain: its tasks go back at once, and it gets no more.

        With *charged* these leases count as attempts: it was lost while it worked on them.
        """
        ...

    def turn(self, *, task: Total, host: Url, is_guest: bool = False) -> Duration:
        """Whether a request may be sent to *host* (``scheme://host[:port]``) right now, for a task of this id: 0, and
        it counts as sent; or else in how many seconds to ask again.

        The time between two requests to a host holds between these calls. To be made before each request (a retry, a
        redirect and robots.txt are some), but for those to a task's own host that has no such time. With *is_guest*
        the host is not the task's own, and the request takes one of the host's slots, until :meth:`turn_over`, or for
        GUEST_S.
        """
        ...

    def turn_taken(self, *, host: Url, ago_s: Seconds) -> None:
        """A request that was allowed was sent *ago_s* seconds ago, and its answer begins now: by now it has arrived.

        A delay that is asked for, or configured, counts from here on, if that is no more than half of it later.
        """
        ...

    def turn_over(self, *, task: Total, host: Url) -> None:
        """A request of this task at *host* has its answer, and there will be no other but as a guest: for who redirects
        lead elsewhere holds no slot while it waits for one. It need not have had one.
        """
        ...

    def receive(self, *, count: Annotated[int, Meta(ge=1, le=4 * 2**20)]) -> Duration:
        """Reserve *count* bytes of what all workers may receive together (``limit_rate_bytes_s``); in how many seconds
        they may be received. More than HORIZON_S: they are not reserved, and to be asked for again.
        """
        ...

    def host_file(self, worker_id: WorkerId, *, host: Url, name: Slug) -> FileAnswer:
        """What *host* says in the file of that *name* (``robots.txt``), or who is to fetch it.

        Who is told to has CLAIM_S for it, and then says :meth:`keep_host_file`.
        """
        ...

    def keep_host_file(self, worker_id: WorkerId, *, host: Url, file: HostFile) -> None:
        """What came of fetching it, from who was told to; else it is not believed, and changes nothing.

        What it asks for between two requests holds from now on.
        """
        ...

    def template(self, *, host: Url, name: Slug, task: Total | None = None) -> TemplateAnswer:
        """What is known of the template of that *name* at *host* (``scheme://host[:port]``).

        With *task* a renderer is about to render a page of it, and hears whether it shall: as long as too little is
        known some are rendered to find out, and the others wait. It tells what came of it: :meth:`tell_template`.
        """
        ...

    def tell_template(self, *, host: Url, name: Slug, outcome: RenderOutcome) -> None:
        """What came of rendering a page of that template."""
        ...

    def retry(self, *, kind: TaskKind, reason: Slug | None = None) -> int:
        """Put tasks back that failed or died, or else those with *reason*; returns how many. Their records go."""
        ...

    def halt(self, reason: Text) -> None:
        """Something is wrong (a full disk): give out no more work, and tell every worker why.

        Ends with the manager's run.
        """
        ...

    def stop(self, reason: Text) -> None:
        """The same because somebody wants it so: workers finish what they have begun and leave, the crawl ends.

        Ends with the crawl's run, whose manager may be another one by then.
        """
        ...

    def pause(self, by: Text = "") -> None:
        """Give out no more work for the time being; workers finish what they have begun, and wait. *by* is who wants it
        so, for people.

        Ends with ``resume``, or with the crawl's run.
        """
        ...

    def resume(self, by: Text = "") -> None: ...

    def stats(self) -> Stats: ...

    def status(self) -> Status:
        """The same and more, at a greater cost."""
        ...


class ResultQueue(Protocol):
    def put(self, results: Sequence[Result]) -> tuple[Url, ...]:
        """Settle the leases, keep the records and add what was discovered, all in one step. Returns the hosts of which
        the worker shall not begin what it has, as in Heartbeat.

        A result for a task that is settled already changes nothing; a late one for a task that is not, counts. One that
        can't be right (see queues/checks.py) is refused, and no other with it: its task was tried once more, in vain,
        and goes back, or fails as ``internal-error`` once its attempts are used up.
        """
        ...

    def get(
        self,
        *,
        after: Total = 0,
        limit: Annotated[int, Meta(ge=-MAX_COUNT, le=MAX_COUNT)] = 200,
        wait_s: Duration = 0.0,
    ) -> RecordPage:
        """Up to *limit* records, at most 200, kept after the cursor *after*.

        Waits up to *wait_s* seconds for the first.
        """
        ...
