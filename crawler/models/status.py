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
    """What a worker says of itself with every call."""

    id: WorkerId
    """Unique per run."""
    kind: TaskKind
    machine: Annotated[str, Meta(max_length=255)] = ""
    """Its host name, which others may share."""
    machine_id: Annotated[str, Meta(max_length=32)] = ""
    """What tells it from these: see crawler/machine_id.py."""
    pid: Count = 0
    version: Annotated[str, Meta(max_length=64)] = ""
    threads: Count = 0
    running: Count = 0
    """Tasks that its threads are at right now."""
    busy: Annotated[tuple[Annotated[str, Meta(max_length=SHOWN_URL)], ...], Meta(max_length=SHOWN_TASKS)] = ()
    """The URLs of some of these, cut to SHOWN_URL characters."""
    done: Count = 0
    received_bytes: Count = 0
    cookies_seen: Total = 0
    """As of its last Lease: which of the crawl's cookies it has heard of."""
    short_of_memory: Count = 0
    """Tasks that wait for memory of its machine."""


class WorkerStatus(WorkerState):
    """A worker as the queue sees it."""

    held: Count = 0
    """Tasks on lease to it: running, waiting in its hand, or with a result on the way."""
    seen_s: Duration = 0.0
    """Seconds since it last said anything."""
    done_per_s: Duration = 0.0
    """Over the last half minute."""


class HostStatus(Value):
    """What waits for one host, and when it is due."""

    name: Url
    """``scheme://host[:port]``"""
    pages: Count = 0
    images: Count = 0
    renders: Count = 0
    """Ready to be leased as soon as the host is due."""
    in_flight: Count = 0
    due_s: Duration = 0.0
    """Seconds until something more may be asked of it (a delay, Retry-After, back-off); 0 for at once."""
    delay_s: Duration = 0.0
    """Between two requests: the longest of what was configured, what the host itself asks for, and the pace that was
    learned from its refusals.
    """
    crawl_delay_s: Duration = 0.0
    """Of that, what the host itself asks for (Crawl-delay)."""
    trouble: Slug = ""
    """``backing off``, ``only errors``, ``down``, ``recovering`` or ``slowed``; empty for one that is well."""
    failures: Count = 0
    """In a row, of one in trouble; of one that is slowed, all of its refusals since it is."""
    last_reason: Slug = ""
    """Of these the latest: a slug from :data:`crawler.errors.REASONS`."""
    trouble_s: Duration = 0.0
    """How long ago they began."""


class Retry(Value):
    """A task that waits to be tried again: of the next ones of a host, the one that is due first."""

    host: Url
    """``scheme://host[:port]``"""
    kind: TaskKind
    due_s: Duration = 0.0
    tries_left: Count = 0
    reason: Slug = ""
    """Why its latest try failed; empty when that is not known any more, or it only was not its turn."""
    http_status: Small = 0


class Counts(Value):
    """Tasks of one kind, by state."""

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
    """The queue at a glance."""

    pages: Counts = Counts()
    images: Counts = Counts()
    renders: Counts = Counts()
    page_status: dict[str, Total] = field(default_factory=dict)
    """Page records by status."""
    image_status: dict[str, Total] = field(default_factory=dict)
    """Image records by status."""
    page_reasons: dict[str, Total] = field(default_factory=dict)
    """Reason slugs of pages that were not harvested."""
    image_reasons: dict[str, Total] = field(default_factory=dict)
    """Reason slugs of images that were not saved."""
    render_status: dict[str, Total] = field(default_factory=dict)
    """Records of rendered pages by status."""
    render_reasons: dict[str, Total] = field(default_factory=dict)
    """Reason slugs of pages that were not rendered."""
    dropped: dict[str, Total] = field(default_factory=dict)
    """How often URLs were found and not queued, by what kept them out."""
    saved_bytes: Total = 0
    workers: tuple[WorkerStatus, ...] = ()
    """Some of them, if they are very many."""
    worker_count: Count = 0
    drained: bool = False
    paused: bool = False
    paused_by: Text = ""
    """Who wanted it so, if that is known: ``alice on host7``."""
    halted: Text | None = None
    """Why no more work is given out."""
    stopped: bool = False
    """Halted because somebody asked for it; nothing is wrong."""
    up_s: Duration = 0.0
    """Since the manager was started; 0 for what is read from a folder."""
    waiting: Annotated[tuple[HostStatus, ...], Meta(max_length=64)] = ()
    """Some hosts that are not asked as fast as we could: in trouble, or with a time between two requests; those with
    the most to do first. crawler/monitoring/wait_reasons.py says in words what these and the following stand for.
    """
    retries: Annotated[tuple[Retry, ...], Meta(max_length=64)] = ()
    """The next tasks that are tried again, one of each host, the one that is due first coming first."""
    held_images: Total = 0
    """Of the delayed ones, those that wait until no page may name a larger size of the same picture."""
    backlogged: bool = False
    """So many images wait that no more pages are read before some of these are done."""
    silent_s: Duration = 0.0
    """So long nobody has answered who watches: all of this is older than that. No queue says so of itself."""

    @property
    def balanced(self) -> bool:
        """Discovered = saved + duplicate + rejected + failed + dead, once nothing is unsettled."""
        return self.images.unsettled == 0 and self.images.discovered == sum(self.image_status.values())


class Status(Stats):
    """The queue in detail, for who operates it."""

    hosts: tuple[HostStatus, ...] = ()
    """Those with the most to do."""
    host_count: Count = 0
    """Hosts with anything to do."""
    pages_per_s: Duration = 0.0
    """Settled, over the last half minute; the other rates as well."""
    images_per_s: Duration = 0.0
    renders_per_s: Duration = 0.0
    saved_bytes_per_s: Duration = 0.0
    mean_pages_per_s: Duration = 0.0
    """The same over all of ``up_s``."""
    mean_images_per_s: Duration = 0.0
    mean_renders_per_s: Duration = 0.0
    mean_saved_bytes_per_s: Duration = 0.0
