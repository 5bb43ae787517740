"""Tasks and what is exchanged about them: leases, heartbeats, results."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from crawler.models.origins import Origin
from crawler.models.records import Record
from crawler.models.shared import Cookie
from crawler.models.values import Depth, Pause, Seconds, Slug, Small, TaskKind, Text, Total, Url, Value


class NewTask(Value):
    """A URL to visit. The queue keeps one task per kind and URL, however often one is added."""

    kind: TaskKind
    url: Url
    depth: Depth = 0
    """Number of links from the seed; an image has the depth of its page."""
    origin: Origin | None = None
    """Where it was found; None for a seed."""
    kept_out_by: Slug = ""
    """The slug of what keeps it out of the queue (``max-depth``, ``nofollow``, a trap …). It is only counted, once for
    each time that it is found, unless its URL is known.
    """


class Task(Value):
    """A URL on lease. ``(id, serial)`` is its fencing token: no other lease ever has the same pair."""

    id: Total
    serial: Total
    kind: TaskKind
    url: Url
    depth: Depth
    attempt: Small
    """Number of this lease, from 1."""
    origin: Origin | None = None
    host_delay_s: Seconds = 0.0
    """Seconds between two requests to its host; if not 0, each request asks the queue for its turn."""
    known: Record | None = None
    """The record of the last visit, if the crawl is refreshed; None for a URL that was not visited."""

    @property
    def token(self) -> Token:
        return Token(id=self.id, serial=self.serial)


class Token(Value, array_like=True):
    id: Total
    serial: Total


class Batch(Value):
    """Tasks of one host, of which at most ``slots`` may be in flight at a time."""

    host: Url
    slots: Small
    tasks: tuple[Task, ...]


class Lease(Value):
    """The answer to a worker that asks for tasks. Neither batches nor ``drained``: nothing is due yet, ask again."""

    batches: tuple[Batch, ...] = ()
    drained: bool = False
    """The crawl has ended: no task of any kind is ready, delayed or leased."""
    halted: Text | None = None
    """Why the queue gives out no more tasks (a full disk, a stop); None while it does."""
    cookies: tuple[Cookie, ...] = ()
    """Cookies that other workers have received since the worker's last call."""
    cookies_seen: Total = 0
    """Number of the latest cookie; the worker sends it with its next call."""


class Heartbeat(Value):
    """The answer to a worker's heartbeat."""

    lost: tuple[Token, ...] = ()
    """Leases that the worker has reported, and that it no longer holds."""
    paused: bool = False
    """The crawl is paused: the worker gives back what it has not begun, and asks again later."""
    left_alone: tuple[Url, ...] = ()
    """Hosts (``scheme://host[:port]``) that are in trouble or want a pause: the worker gives back their tasks."""
    halted: Text | None = None
    """Why the queue gives out no more tasks, as in Lease."""


class Result(Value):
    """A worker's answer to one task, which settles it (acknowledges it).

    With ``retry_in_s`` the task goes back to the queue and is due after that many seconds, unless its attempts are used
    up. Without it, and then, the task is settled with ``record``.
    """

    token: Token
    record: Record
    discovered: tuple[NewTask, ...] = ()
    retry_in_s: Seconds | None = None
    """Seconds until the task is due again; None if the record is final."""
    host_pause_s: Pause | None = None
    """Seconds for which the whole host is left alone, as its robots.txt can't be had."""
    refused_for_s: Seconds | None = None
    """Retry-After of a refusal (429, 503), 0 if it had none; None if the answer was no refusal. The host's pace is
    derived from it (queues/throttle.py).
    """
    untouched: bool = False
    """The task was not begun: it goes back as if it had not been leased, and the attempt does not count."""
    host_delay_s: Pause | None = None
    """Crawl-delay of the task's host, 0 if it asks for none; None if that is not known."""
    cookies: Annotated[tuple[Cookie, ...], Meta(max_length=1000)] = ()
    """Cookies that servers have set since the worker's last result."""
