"""The state of a running queue, for people and programs that watch it: workers, hosts, retries, counts, rates."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from crawler.models.values import (
    SHOWN_TASKS,
    SHOWN_URL,
    Count,
    Duration,
    Slug,
    Small,
    TaskKind,
    Text,
    Total,
    Url,
    Value,
    WorkerId,
)


class WorkerState(Value):
    """What a worker reports of itself with every call."""

    id: WorkerId
    """An id that no other worker of the run has."""
    kind: TaskKind
    machine: Annotated[str, Meta(max_length=255)] = ""
    """The host name, which other machines may share."""
    machine_id: Annotated[str, Meta(max_length=32)] = ""
    """The id of the machine, which no other has (crawler/machine_id.py)."""
    pid: Count = 0
    version: Annotated[str, Meta(max_length=64)] = ""
    threads: Count = 0
    running: Count = 0
    """Number of tasks in its threads right now."""
    busy: Annotated[tuple[Annotated[str, Meta(max_length=SHOWN_URL)], ...], Meta(max_length=SHOWN_TASKS)] = ()
    """The URLs of SHOWN_TASKS of these, cut to SHOWN_URL characters."""
    done: Count = 0
    received_bytes: Count = 0
    cookies_seen: Total = 0
    """``cookies_seen`` of its last Lease: it has the crawl's cookies up to there."""
    short_of_memory: Count = 0
    """Number of tasks that wait for memory of its machine."""


class WorkerStatus(WorkerState):
    """A worker as the queue sees it."""

    held: Count = 0
    """Number of tasks on lease to it: running, waiting, or with a result on the way."""
    seen_s: Duration = 0.0
    """Seconds since its last call."""
    done_per_s: Duration = 0.0
    """Tasks per second over the last half minute."""


class HostStatus(Value):
    """What waits for one host, and when it is due."""

    name: Url
    """``scheme://host[:port]``"""
    pages: Count = 0
    images: Count = 0
    renders: Count = 0
    """Numbers of tasks that are ready as soon as the host is due."""
    in_flight: Count = 0
    due_s: Duration = 0.0
    """Seconds until the next request to it (a delay, Retry-After, back-off); 0 for at once."""
    delay_s: Duration = 0.0
    """Seconds between two requests: the longest of the setting, its Crawl-delay, and the pace of its refusals."""
    crawl_delay_s: Duration = 0.0
    """Seconds that the host asks for between two requests (Crawl-delay)."""
    trouble: Slug = ""
    """``backing off``, ``only errors``, ``down``, ``recovering`` or ``slowed``; empty for one that is well."""
    failures: Count = 0
    """Number of failures in a row; of a slowed host, of all refusals since it was slowed."""
    last_reason: Slug = ""
    """The slug of the latest failure, from :data:`crawler.errors.REASONS`."""
    trouble_s: Duration = 0.0
    """Seconds since the failures began."""

    @property
    def at_hand(self) -> int:
        """Tasks that wait for it, and requests in flight."""
        return self.pages + self.images + self.renders + self.in_flight


class Retry(Value):
    """A task that waits for its next try: the one of its host that is due first."""

    host: Url
    """``scheme://host[:port]``"""
    kind: TaskKind
    due_s: Duration = 0.0
    tries_left: Count = 0
    reason: Slug = ""
    """The reason of its latest failure; empty if that is not known, or the task was not begun."""
    http_status: Small = 0


class Failure(Value):
    """The latest URL of a kind that was not had, for one reason."""

    kind: TaskKind
    reason: Slug
    url: Annotated[str, Meta(max_length=SHOWN_URL)] = ""
    """Its first SHOWN_URL characters."""
    ago_s: Duration = 0.0


class Counts(Value):
    """Numbers of tasks of one kind, by state."""

    ready: Total = 0
    delayed: Total = 0
    leased: Total = 0
    done: Total = 0
    dead: Total = 0

    @property
    def discovered(self) -> int:
        return self.ready + self.delayed + self.leased + self.done + self.dead

    @property
    def unsettled(self) -> int:
        return self.ready + self.delayed + self.leased


class Stats(Value):
    """The figures of a crawl: tasks by state, records by status and reason, workers, hosts that make it wait."""

    pages: Counts = Counts()
    images: Counts = Counts()
    renders: Counts = Counts()
    page_status: dict[str, Total] = field(default_factory=dict)
    """Numbers of page records by status."""
    image_status: dict[str, Total] = field(default_factory=dict)
    """Numbers of image records by status."""
    page_reasons: dict[str, Total] = field(default_factory=dict)
    """Numbers of pages that were not harvested, by reason."""
    image_reasons: dict[str, Total] = field(default_factory=dict)
    """Numbers of images that were not saved, by reason."""
    render_status: dict[str, Total] = field(default_factory=dict)
    """Numbers of records of rendered pages by status."""
    render_reasons: dict[str, Total] = field(default_factory=dict)
    """Numbers of pages that were not rendered, by reason."""
    dropped: dict[str, Total] = field(default_factory=dict)
    """How often a URL was found and not queued, by a slug of :data:`crawler.errors.LEFT_OUT`."""
    saved_bytes: Total = 0
    workers: tuple[WorkerStatus, ...] = ()
    """The workers; some of them, if they are very many."""
    worker_count: Count = 0
    drained: bool = False
    paused: bool = False
    paused_by: Text = ""
    """Who paused it, if that is known: ``alice on host7``."""
    halted: Text | None = None
    """Why no more tasks are given out; None while they are."""
    stopped: bool = False
    """It is halted on request; nothing is wrong."""
    up_s: Duration = 0.0
    """Seconds since the manager was started; 0 for figures read from a folder."""
    waiting: Annotated[tuple[HostStatus, ...], Meta(max_length=64)] = ()
    """Hosts that make the crawl wait: in trouble, or with a delay between requests; those with the most to do first.
    monitoring/wait_reasons.py puts these, and the following fields, into words.
    """
    retries: Annotated[tuple[Retry, ...], Meta(max_length=64)] = ()
    """The next retry of each host, in the order in which they are due."""
    failures: Annotated[tuple[Failure, ...], Meta(max_length=64)] = ()
    """The latest failures of each kind for each reason, the latest first; none of before the queue was opened."""
    held_images: Total = 0
    """Number of delayed images that wait until no page can name a larger size of the same picture."""
    backlogged: bool = False
    """No further page is read until some of the waiting images are done (image_backlog)."""
    due: dict[Slug, Total] = field(default_factory=dict)
    """By kind, how many more tasks workers could begin now: as many as are ready at hosts that may be asked, up to the
    requests that each has room for. Of very many hosts only some are looked at: there may be more.
    """
    troubled: dict[Slug, Total] = field(default_factory=dict)
    """Numbers of hosts in trouble, by the words of ``HostStatus.trouble``; of very many only the latest."""
    leases_lost: Total = 0
    """Number of leases that ended without a word of their worker, since the manager was started, or the queue in Redis
    was made.
    """
    silent_s: Duration = 0.0
    """Age of these figures in seconds, set by the watcher while the queue does not answer."""

    @property
    def balanced(self) -> bool:
        """No image is unsettled, and discovered = saved + duplicate + rejected + failed + dead."""
        return self.images.unsettled == 0 and self.images.discovered == sum(self.image_status.values())


class Status(Stats):
    """Stats with all hosts and rates, for operators."""

    hosts: tuple[HostStatus, ...] = ()
    """The hosts with the most to do."""
    host_count: Count = 0
    """Number of hosts with anything to do."""
    pages_per_s: Duration = 0.0
    """Pages settled per second over the last half minute; the rates below likewise."""
    images_per_s: Duration = 0.0
    renders_per_s: Duration = 0.0
    saved_bytes_per_s: Duration = 0.0
    mean_pages_per_s: Duration = 0.0
    """Pages settled per second over ``up_s``; the means below likewise."""
    mean_images_per_s: Duration = 0.0
    mean_renders_per_s: Duration = 0.0
    mean_saved_bytes_per_s: Duration = 0.0
